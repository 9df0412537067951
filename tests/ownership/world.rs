//! Whole nodes, over links of the simulator that lose, delay, repeat and reorder datagrams.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_tests::links::foul;

use super::ball::{Ball, registry};

/// Calls a ball, and returns whether there was one to call.
fn note(world: &mut World, node: NodeKey, id: ReplicaId, number: u32) {
    let replicas = world.replicas(node);
    match replicas.primary_mut::<Ball>(id) {
        Ok(mut ball) => ball.rpcs().note(number).unwrap(),
        Err(_) => replicas.proxy::<Ball>(id).unwrap().rpcs().note(number).unwrap(),
    }
}

/// Whether every call has run once on every node.
fn complete(world: &mut World, nodes: &[NodeKey], id: ReplicaId, made: &BTreeSet<u32>) -> bool {
    nodes.iter().all(|node| {
        let notes = &world.replicas(*node).get::<Ball>(id).unwrap().notes;
        notes.len() == made.len() && notes.iter().all(|(_, number)| made.contains(number))
    })
}

#[test]
fn balls_go_round_over_three_hundred_foul_networks() {
    let (mut epochs, mut calls) = (0, 0);
    for seed in 0..300 {
        let registry = registry([Coder::Packed, Coder::Entropy][usize::from(seed % 2 == 1)]);
        let mut world = World::new(seed, 30, LinkConfig::perfect()).unwrap();
        let host = world.host(NodeConfig::new(registry.clone())).unwrap();
        let clients = [0, 1, 2].map(|_| world.join(host, NodeConfig::new(registry.clone())).unwrap());
        let nodes = [host, clients[0], clients[1], clients[2]];
        let ball = world.replicas(host).add(Ball::default()).unwrap();
        world.run_for(Duration::from_secs(1));
        world.set_link(foul()).unwrap();

        let mut rng = Rng::new(seed ^ 5);
        let (mut held, mut made, mut written) = (BTreeMap::new(), BTreeSet::new(), 0);
        for number in 1..=90 {
            let node = nodes[usize::try_from(rng.below(4)).unwrap()];
            match rng.below(4) {
                0 => drop(world.replicas(node).request_ownership(ball)),
                1 => drop(world.replicas(host).set_owner(ball, MemberId(1 + number % 4))),
                _ => {
                    note(&mut world, node, ball, number);
                    made.insert(number);
                }
            }
            for node in nodes {
                if let Ok(mut ball) = world.replicas(node).primary_mut::<Ball>(ball) {
                    (ball.x, written) = (number, number);
                }
            }
            world.step();
            for (at, node) in nodes.into_iter().enumerate() {
                let info = world.replicas(node).info(ball).unwrap();
                if info.is_primary {
                    assert_eq!(*held.entry(info.epoch).or_insert(at), at, "seed {seed}: epoch {}", info.epoch);
                }
            }
        }
        let done =
            world.run_until(Duration::from_secs(10), |world| world.agree() && complete(world, &nodes, ball, &made));
        assert!(done.is_some(), "seed {seed}: {made:?}");
        world.run_for(Duration::from_secs(2));
        assert!(world.agree() && complete(&mut world, &nodes, ball, &made), "seed {seed}");
        let holders = nodes.iter().filter(|node| world.replicas(**node).info(ball).unwrap().is_primary).count();
        assert_eq!(holders, 1, "seed {seed}");
        for node in nodes {
            assert_eq!(world.replicas(node).get::<Ball>(ball).unwrap().x, written, "seed {seed}");
            assert_eq!(world.node(node).members().count(), 4, "seed {seed}: nobody was thrown out");
        }
        epochs += held.len();
        calls += made.len();
    }
    assert!(epochs > 1_500 && calls > 10_000, "{epochs} epochs, {calls} calls");
}
