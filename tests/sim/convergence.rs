//! However bad the links, once the world is quiet everyone agrees; reliable calls run once and in order.

use core::time::Duration;
use std::collections::BTreeMap;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_tests::chunks::{Journal, Mover, registry_with};

use gridmate_tests::links::foul;

use super::session;

/// What happened in a run, for comparing two.
#[derive(Debug, PartialEq)]
struct Outcome {
    trace: u64,
    /// From the last change until all agreed on the state, and until all calls had run everywhere.
    quiet: Duration,
    calls: Duration,
}

/// One second of everyone creating, changing, destroying and calling; then quiet.
fn storm(seed: u64, clients: usize, link: LinkConfig) -> Outcome {
    storm_with(seed, clients, link, Coder::Packed)
}

fn storm_with(seed: u64, clients: usize, link: LinkConfig, coder: Coder) -> Outcome {
    let registry = registry_with(coder);
    let (mut world, nodes) = session(seed, clients, link, &registry);
    let mut rng = gridmate_runtime::Rng::new(seed ^ 0x5EED);
    let journal = world.replicas(nodes[0]).add(Journal::default()).unwrap();
    let mut owned: Vec<(NodeKey, ReplicaId)> = Vec::new();
    for node in &nodes {
        owned.push((
            *node,
            world.replicas(*node).add(Mover { label: format!("{node:?}"), ..Mover::default() }).unwrap(),
        ));
    }
    let mut called: BTreeMap<MemberId, Vec<u32>> = BTreeMap::new();
    for number in 0..30 {
        for _ in 0..nodes.len() {
            let at = usize::try_from(rng.below(owned.len() as u64)).unwrap();
            let (node, id) = owned[at];
            if rng.chance(0.05) {
                world.replicas(node).destroy(id).unwrap();
                owned[at].1 = world.replicas(node).add(Mover { energy: number, ..Mover::default() }).unwrap();
            } else {
                let mut mover = world.replicas(node).primary_mut::<Mover>(id).unwrap();
                #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
                {
                    mover.position = (rng.unit() * 200.0 - 100.0) as f32;
                }
                mover.energy = mover.energy.wrapping_add(1);
            }
        }
        for node in &nodes {
            if rng.chance(0.3) {
                call(&mut world, *node, journal, number, &mut called);
            }
        }
        world.step();
    }
    let quiet = world.run_until(Duration::from_secs(2), |world| world.agree());
    let quiet = quiet.unwrap_or_else(|| panic!("seed {seed}: no agreement within two seconds"));
    let calls = world.run_until(Duration::from_secs(8), |world| delivered(world, &nodes, journal, &called));
    let calls = calls.unwrap_or_else(|| panic!("seed {seed}: calls are missing, out of order or too many"));
    // Nothing comes twice either, and nothing is undone.
    world.run_for(Duration::from_millis(500));
    assert!(world.agree() && delivered(&mut world, &nodes, journal, &called), "seed {seed}");
    for node in &nodes {
        let stats = world.node(*node).stats();
        assert_eq!(stats.replicas.rpcs_dropped, 0, "seed {seed}");
        assert_eq!(world.node(*node).members().count(), clients + 1, "seed {seed}: nobody was thrown out");
    }
    Outcome { trace: world.trace_hash(), quiet, calls: quiet + calls }
}

fn call(world: &mut World, node: NodeKey, journal: ReplicaId, number: u32, called: &mut BTreeMap<MemberId, Vec<u32>>) {
    let member = world.node(node).local_member();
    let replicas = world.replicas(node);
    let result = match replicas.info(journal) {
        None => return, // Not here yet.
        Some(info) if info.is_primary => replicas.primary_mut::<Journal>(journal).unwrap().rpcs().note(number),
        Some(_) => replicas.proxy::<Journal>(journal).unwrap().rpcs().note(number),
    };
    result.unwrap();
    called.entry(member).or_default().push(number);
}

/// Whether every call has run on every node exactly once, each caller's in its order, and all in the order of the owner.
fn delivered(world: &mut World, nodes: &[NodeKey], journal: ReplicaId, called: &BTreeMap<MemberId, Vec<u32>>) -> bool {
    let on_owner = world.replicas(nodes[0]).get::<Journal>(journal).unwrap().calls.clone();
    let mut by_caller: BTreeMap<MemberId, Vec<u32>> = BTreeMap::new();
    for (member, number) in &on_owner {
        by_caller.entry(*member).or_default().push(*number);
    }
    by_caller == *called
        && nodes.iter().all(|node| world.replicas(*node).get::<Journal>(journal).is_ok_and(|j| j.calls == on_owner))
}

#[test]
fn sixty_four_nodes_on_foul_links_agree_within_two_seconds_for_two_hundred_seeds() {
    let (mut state, mut calls) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..200 {
        let outcome = storm(seed, 63, foul());
        (state, calls) = (state.max(outcome.quiet), calls.max(outcome.calls));
    }
    eprintln!("64 nodes, 200 seeds, after the last change: state agreed within {state:?}, calls run within {calls:?}");
}

#[test]
fn nodes_agree_as_fast_under_models() {
    let (mut state, mut calls) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..40 {
        let outcome = storm_with(seed, 15, foul(), Coder::Entropy);
        (state, calls) = (state.max(outcome.quiet), calls.max(outcome.calls));
    }
    eprintln!("16 nodes under models, 40 seeds: state agreed within {state:?}, calls run within {calls:?}");
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    let once = storm(7, 8, foul());
    assert_eq!(storm(7, 8, foul()), once);
    assert_ne!(storm(8, 8, foul()).trace, once.trace);
}

#[test]
fn damaged_datagrams_change_nothing() {
    for seed in 0..10 {
        storm(seed, 4, LinkConfig { corrupt: 0.05, ..foul() });
        storm_with(seed, 4, LinkConfig { corrupt: 0.05, ..foul() }, Coder::Entropy);
    }
}
