//! Faults of a world, with whole nodes in it.

use super::*;
use crate::Registry;
use crate::sim::NatKind;

fn config() -> NodeConfig {
    NodeConfig::new(Registry::builder().build().unwrap())
}

fn world() -> (World, NodeKey) {
    let link = LinkConfig { loss: 0.1, latency: Duration::from_millis(20), ..LinkConfig::perfect() };
    let mut world = World::new(5, 30, link).unwrap();
    let host = world.host(config()).unwrap();
    (world, host)
}

fn members(world: &mut World, key: NodeKey) -> usize {
    world.node(key).members().count()
}

#[test]
fn nodes_join_from_behind_every_kind_of_box() {
    for kind in [NatKind::FullCone, NatKind::RestrictedCone, NatKind::PortRestricted, NatKind::Symmetric] {
        let (mut world, host) = world();
        let nat = world.nat(NatConfig::new(kind)).unwrap();
        let clients = [0, 1].map(|_| world.join_behind(&nat, host, config()).unwrap());
        world.run_for(Duration::from_secs(2));
        assert_eq!(clients.map(|client| members(&mut world, client)), [3, 3], "{kind:?}");
    }
}

#[test]
fn one_way_partitions_hold_on_both_sides_of_a_box() {
    for (from_host, behind) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut world, host) = world();
        let nat = world.nat(NatConfig::new(NatKind::PortRestricted)).unwrap();
        let client = if behind { world.join_behind(&nat, host, config()) } else { world.join(host, config()) }.unwrap();
        let (from, to) = if from_host { (host, client) } else { (client, host) };
        world.partition_one_way(from, to, true);
        world.run_for(Duration::from_secs(1));
        assert_eq!(members(&mut world, host), 1, "{from_host} {behind}");
        world.partition_one_way(from, to, false);
        let joined = world.run_until(Duration::from_secs(5), |world| members(world, client) == 2);
        assert!(joined.is_some(), "{from_host} {behind}");
    }
}

#[test]
fn wrong_clocks_change_nothing_about_the_links() {
    let run = |skew: bool| {
        let (mut world, host) = world();
        let client = world.join(host, config()).unwrap();
        if skew {
            world.set_clock(client, SkewedClock::new().with_offset(Duration::from_secs(7_200)).with_drift_ppm(500));
            world.set_clock(host, SkewedClock::new().with_drift_ppm(-500).with_resolution(Duration::from_millis(16)));
        }
        world.run_for(Duration::from_secs(2));
        if let Some(clock) = world.clock(client) {
            clock.jump(Duration::from_millis(300));
        }
        world.run_for(Duration::from_secs(2));
        (members(&mut world, host), members(&mut world, client), world.trace_hash())
    };
    let skewed = run(true);
    assert_eq!((skewed.0, skewed.1), (2, 2));
    assert_eq!(skewed, run(true));
    assert_ne!(skewed, run(false), "and yet the nodes noticed");
}
