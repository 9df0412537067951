//! Nodes of different programs: the one that is refused says why, by chunk and field.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::{FieldKind, SchemaChange};
use gridmate_runtime::sim::{LinkConfig, World};

/// A program of another build: the same chunk names, other types.
macro_rules! program {
    ($name:ident { $($field:tt)* }) => {
        mod $name {
            use gridmate_runtime::prelude::*;

            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            #[chunk(name = "ship")]
            pub(super) struct Ship {
                $($field)*
            }

            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            #[chunk(name = "door")]
            struct Door {
                open: bool,
            }

            pub(super) fn registry() -> Registry {
                Registry::builder().chunk::<Ship>().chunk::<Door>().build().unwrap()
            }
        }
    };
}

program!(base {
    #[dataset(quantize(-256.0..=256.0, step = 0.01))]
    position: f32,
    hull: u8
});
program!(finer {
    #[dataset(quantize(-256.0..=256.0, step = 0.002))]
    position: f32,
    hull: u8
});
program!(added {
    #[dataset(quantize(-256.0..=256.0, step = 0.01))]
    position: f32,
    hull: u8,
    shield: u16
});
program!(renamed {
    #[dataset(quantize(-256.0..=256.0, step = 0.01))]
    position: f32,
    armour: u8
});

/// What a node with the schema `here` is told by a host with the schema `there`, over a bad link.
fn refused(here: &Registry, there: &Registry) -> JoinError {
    let foul = LinkConfig { loss: 0.2, duplicate: 0.2, latency: Duration::from_millis(40), ..LinkConfig::perfect() };
    let mut world = World::new(5, 30, foul).unwrap();
    let host = world.host(NodeConfig::new(there.clone())).unwrap();
    let client = world.join(host, NodeConfig::new(here.clone())).unwrap();
    world.run_for(Duration::from_secs(4));
    assert_eq!(world.node(host).members().count(), 1);
    let events: Vec<_> = core::iter::from_fn(|| world.node(client).poll_event()).collect();
    let [NodeEvent::Session(SessionEvent::JoinFailed { error })] = &events[..] else { panic!("{events:?}") };
    error.clone()
}

#[test]
fn each_difference_is_named_at_the_joiner() {
    let cases = [
        (
            finer::registry(),
            "chunk `ship`: dataset `position`: quantize(-256..=256, step 0.002) here, quantize(-256..=256, step 0.01) there",
        ),
        (added::registry(), "chunk `ship`: dataset `shield` is only here, at the end (u16)"),
        (renamed::registry(), "chunk `ship`: dataset `armour` is called `hull` there"),
        (Registry::builder().chunk::<base::Ship>().build().unwrap(), "chunk `door` is only there"),
    ];
    for (here, words) in cases {
        let error = refused(&here, &base::registry());
        assert_eq!(error.to_string(), format!("the host's schema is another: {words}"));
    }
    let error = refused(&base::registry(), &added::registry());
    let JoinError::Schema { ours, theirs, difference: Some(difference) } = error else { panic!("{error:?}") };
    assert_eq!((ours, theirs), (base::registry().fingerprint(), added::registry().fingerprint()));
    assert_eq!(difference.chunk.as_deref(), Some("ship"));
    let field = difference.field.unwrap();
    assert_eq!((field.kind, field.name.as_deref()), (FieldKind::Dataset, Some("shield")));
    assert_eq!(difference.change, SchemaChange::OnlyThere { there: Some("u16".to_owned()), last: true });
}
