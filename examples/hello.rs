//! Two nodes in one program, over UDP: a value goes there, a call comes back.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
use gridmate_runtime::prelude::*;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Lamp {
    #[dataset(quantize(0.0..=1.0, step = 0.01))]
    brightness: f32,
    switched: u8,
}

#[rpcs]
impl Lamp {
    #[rpc] // Runs where the lamp is, whoever calls.
    fn toggle(&mut self, ctx: &RpcContext) {
        self.switched += 1;
        println!("host:   {} asked to toggle the lamp", ctx.source);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::builder().chunk::<Lamp>().build()?;
    let any = "127.0.0.1:0".parse()?;
    let mut host = Node::host(UdpDriver::bind(any)?, NodeConfig::new(registry.clone()))?;
    let mut client = Node::join(UdpDriver::bind(any)?, host.local_addr(), NodeConfig::new(registry))?;
    let id = host.replicas().add(Lamp { brightness: 0.75, switched: 0 })?;

    let mut ticker = Ticker::per_second(Clock::start(), 60.try_into()?);
    while client.replicas().get::<Lamp>(id).map_or(0, |lamp| lamp.switched) == 0 {
        let now = ticker.wait().now;
        host.tick(now)?;
        client.tick(now)?;
        if let Some(NodeEvent::Replica(ReplicaEvent::Added { id, owner })) = client.poll_event() {
            println!("client: {owner} owns {:?}", client.replicas().get::<Lamp>(id)?);
            client.replicas().proxy::<Lamp>(id)?.rpcs().toggle()?;
        }
    }
    println!("client: now it is {:?}", client.replicas().get::<Lamp>(id)?);
    Ok(())
}
