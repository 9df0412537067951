//! Two builds of one program: what differs between them, and what the older host tells the newer client.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Snapshot;

mod last_week {
    use gridmate_runtime::prelude::*;

    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "ship")]
    pub(super) struct Ship {
        #[dataset(quantize(-256.0..=256.0, step = 0.01))]
        position: f32,
        hull: u8,
    }
}

mod today {
    use gridmate_runtime::prelude::*;

    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "ship")]
    pub(super) struct Ship {
        #[dataset(quantize(-256.0..=256.0, step = 0.002))]
        position: f32,
        hull: u8,
        shield: u8,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let old = Registry::builder().chunk::<last_week::Ship>().build()?;
    let new = Registry::builder().chunk::<today::Ship>().build()?;

    // A program can keep its schema, here in a string. In a test, `gridmate_runtime::assert_schema!` keeps it in a file.
    let kept = old.to_json();
    let diff = new.snapshot().diff(&Snapshot::from_json(&kept)?);
    print!("{}, because:\n{diff}", diff.compatibility());

    let network = MemoryNetwork::new();
    let mut host = Node::host(network.bind_any()?, NodeConfig::new(old))?;
    let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(new))?;
    for frame in 0..10 {
        let now = Instant::from_millis(frame * 16);
        host.tick(now)?;
        client.tick(now)?;
        while let Some(event) = client.poll_event() {
            if let NodeEvent::Session(SessionEvent::JoinFailed { error }) = event {
                println!("client: {error}");
            }
        }
    }
    Ok(())
}
