//! Whole sessions in virtual time: seeded links, many nodes, one thread.
#![expect(clippy::print_stderr, reason = "figures that hold only on the machine at hand are printed, not asserted")]

mod apart;
mod budget;
mod calls;
mod convergence;
mod display;
mod idle;
mod messages;
mod nat;
mod recording;
mod relayed;
mod sessions;

use core::time::Duration;

use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_runtime::{NodeConfig, Registry};

/// A host and `clients` clients, all of them in the session.
fn session(seed: u64, clients: usize, link: LinkConfig, registry: &Registry) -> (World, Vec<NodeKey>) {
    let mut world = World::new(seed, 30, link).unwrap();
    let mut nodes = vec![world.host(NodeConfig::new(registry.clone()).name("host").max_members(clients + 8)).unwrap()];
    for i in 0..clients {
        let config = NodeConfig::new(registry.clone()).name(format!("client {i}"));
        nodes.push(world.join(nodes[0], config).unwrap());
    }
    let joined = world.run_until(Duration::from_secs(20), |world| {
        world.keys().into_iter().all(|key| world.node(key).members().count() == clients + 1)
    });
    assert!(joined.is_some(), "seed {seed}: not everyone has joined");
    (world, nodes)
}
