//! Nodes behind boxes that translate addresses, and forget.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::sim::{NatConfig, NatKind, World};
use gridmate_tests::chunks::{Mover, registry};
use gridmate_tests::links::foul;

/// Every kind of box, in front of clients whose public addresses change again and again.
#[test]
fn a_session_survives_every_change_of_address() {
    let kinds = [NatKind::FullCone, NatKind::RestrictedCone, NatKind::PortRestricted, NatKind::Symmetric];
    for (seed, kind) in (0..).zip(kinds.into_iter().cycle().take(20)) {
        let mut world = World::new(seed, 30, foul()).unwrap();
        let host = world.host(NodeConfig::new(registry()).name("host")).unwrap();
        let homes = [world.nat(NatConfig::new(kind)).unwrap(), world.nat(NatConfig::new(kind)).unwrap()];
        let mut nodes = vec![host];
        for home in &homes {
            nodes.push(world.join_behind(home, host, NodeConfig::new(registry())).unwrap());
        }
        nodes.push(world.join(host, NodeConfig::new(registry())).unwrap());
        let everyone = |world: &mut World| world.keys().into_iter().all(|key| world.node(key).members().count() == 4);
        assert!(world.run_until(Duration::from_secs(20), everyone).is_some(), "seed {seed}");
        let ids: Vec<_> =
            nodes.iter().map(|node| (*node, world.replicas(*node).add(Mover::default()).unwrap())).collect();
        for round in 0..6_u32 {
            let home = &homes[usize::from(round % 2 == 1)];
            if round < 4 {
                home.rebind()
            } else {
                home.switch_uplink().unwrap()
            }
            for (node, id) in &ids {
                world.replicas(*node).primary_mut::<Mover>(*id).unwrap().energy = round;
            }
            world.step();
            assert!(!world.agree(), "the changes are on their way");
            let took = world.run_until(Duration::from_secs(4), |world| world.agree());
            assert!(took.is_some(), "seed {seed}, {kind:?}, round {round}");
        }
        for node in nodes {
            let left = core::iter::from_fn(|| world.node(node).poll_event())
                .any(|event| matches!(event, NodeEvent::Session(SessionEvent::MemberLeft { .. })));
            assert!(!left && world.node(node).members().count() == 4, "seed {seed}: nobody was lost");
        }
    }
}
