//! How much state goes out, and how often: rates, bursts, intervals, and who is served when bytes are short.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::StateRate;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_runtime::{Rng, limits};
use gridmate_tests::chunks::{Mover, registry_with};
use gridmate_tests::links::foul;

use super::session;

/// Seventy bytes that change all the time.
#[derive(Clone, Debug, ReplicaChunk)]
struct Crate {
    tick: u32,
    bytes: [u8; 66],
}

impl Default for Crate {
    fn default() -> Self {
        Self { tick: 0, bytes: [0; 66] }
    }
}

/// Bytes of state that a host has sent to its only client.
fn sent(world: &mut World, host: NodeKey) -> u64 {
    world.node(host).peers().next().unwrap().channels.state.bytes_sent
}

/// A host with ten crates, and a client that has them.
fn crates(config: impl Fn(NodeConfig) -> NodeConfig) -> (World, NodeKey, NodeKey, Vec<ReplicaId>) {
    let registry = Registry::builder().chunk::<Crate>().build().unwrap();
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(config(NodeConfig::new(registry.clone()))).unwrap();
    let client = world.join(host, NodeConfig::new(registry)).unwrap();
    let ids: Vec<_> = (0..10).map(|_| world.replicas(host).add(Crate::default()).unwrap()).collect();
    world.run_until(Duration::from_secs(10), |world| world.replicas(client).len() == 10).expect("all are there");
    world.run_for(Duration::from_secs(2));
    (world, host, client, ids)
}

/// Shakes the first `count` crates ten times a second for `seconds`; the bytes of each tick, and the most ticks that a change took to
/// get there.
fn shake(
    (world, host, client, ids): &mut (World, NodeKey, NodeKey, Vec<ReplicaId>),
    count: usize,
    seconds: u32,
    seed: u64,
) -> (Vec<u64>, u32) {
    let mut rng = Rng::new(seed);
    let (mut bytes, mut slowest) = (Vec::new(), 0);
    let first = world.replicas(*host).get::<Crate>(ids[0]).unwrap().tick;
    for tick in first + 1..=first + seconds * 30 {
        if tick % 3 == 0 {
            for id in &ids[..count] {
                let bytes = core::array::from_fn(|_| rng.next_u64().to_le_bytes()[0]);
                *world.replicas(*host).primary_mut::<Crate>(*id).unwrap() = Crate { tick, bytes };
            }
        }
        let before = sent(world, *host);
        world.step();
        bytes.push(sent(world, *host) - before);
        for id in &ids[..count] {
            let there = world.replicas(*client).get::<Crate>(*id).unwrap().tick;
            slowest = slowest.max((tick / 3 * 3).saturating_sub(there.max(first)));
        }
    }
    (bytes, slowest)
}

#[test]
fn replication_scenario_15a_more_than_the_rate_is_cut_to_it_and_little_is_not_delayed() {
    let rate = StateRate::new(4_000).burst(Duration::from_millis(500));
    let mut world = crates(|config| config.state_rate(rate));
    // About 7 kB a second are offered.
    let (bytes, _) = shake(&mut world, 10, 20, 1);
    let mean = bytes.iter().sum::<u64>() / 20;
    assert!((3_400..4_400).contains(&mean), "{mean} bytes a second");
    for window in bytes.windows(30) {
        let sum: u64 = window.iter().sum();
        assert!(sum <= 4_000 + 2_000, "{sum} bytes in a second");
    }
    // Two of ten: 1.4 kB a second.
    shake(&mut world, 0, 2, 2);
    let (bytes, slowest) = shake(&mut world, 2, 20, 3);
    let mean = bytes.iter().sum::<u64>() / 20;
    assert!(mean < 2_800 && slowest <= 3, "{mean} bytes a second, and {slowest} ticks until a change was there");
    // Switched off, in the middle of it.
    assert!(world.0.node(world.1).set_state_rate(MemberId(2), StateRate::UNLIMITED));
    let (bytes, slowest) = shake(&mut world, 10, 20, 4);
    let mean = bytes.iter().sum::<u64>() / 20;
    assert!(mean > 6_000 && slowest <= 3, "{mean} bytes a second, and {slowest} ticks until a change was there");
    // And on again, for this member alone.
    assert!(world.0.node(world.1).set_state_rate(MemberId(2), rate));
    let (bytes, _) = shake(&mut world, 10, 20, 5);
    assert!(bytes.iter().sum::<u64>() / 20 < 4_400);
    assert!(!world.0.node(world.1).set_state_rate(MemberId(7), rate), "there is no such member");
}

#[test]
fn state_fills_the_datagrams_of_its_path() {
    for (mtu, least, most) in [(Some(limits::DATAGRAM_BYTES), 1_100, 1_180), (None, 1_300, 1_480)] {
        let registry = Registry::builder().chunk::<Crate>().build().unwrap();
        let mut world = World::new(1, 30, LinkConfig { mtu, ..LinkConfig::perfect() }).unwrap();
        let host = world.host(NodeConfig::new(registry.clone())).unwrap();
        let client = world.join(host, NodeConfig::new(registry)).unwrap();
        let ids: Vec<_> = (0..200).map(|_| world.replicas(host).add(Crate::default()).unwrap()).collect();
        world.run_until(Duration::from_secs(10), |world| world.replicas(client).len() == 200).expect("all are there");
        world.run_for(Duration::from_secs(3));
        let state = |world: &mut World| {
            let state = world.node(host).peers().next().unwrap().channels.state;
            (state.bytes_sent, state.messages_sent)
        };
        let (mut rng, before) = (Rng::new(1), state(&mut world));
        for tick in 1..=30 {
            for id in &ids {
                let bytes = core::array::from_fn(|_| rng.next_u64().to_le_bytes()[0]);
                *world.replicas(host).primary_mut::<Crate>(*id).unwrap() = Crate { tick, bytes };
            }
            world.step();
        }
        let after = state(&mut world);
        let mean = (after.0 - before.0) / (after.1 - before.1);
        assert!((least..=most).contains(&mean), "{mean} bytes a message where the path takes {mtu:?}");
    }
}

#[test]
fn state_goes_out_as_often_as_it_should_and_calls_in_every_tick() {
    use gridmate_tests::chunks::Journal;

    let registry = registry_with(Coder::Packed);
    let mut world = World::new(1, 60, LinkConfig::perfect()).unwrap();
    let config = NodeConfig::new(registry.clone()).send_interval(Duration::from_millis(100));
    let host = world.host(config).unwrap();
    let client = world.join(host, NodeConfig::new(registry)).unwrap();
    let mover = world.replicas(host).add(Mover::default()).unwrap();
    let journal = world.replicas(host).add(Journal::default()).unwrap();
    world.run_until(Duration::from_secs(10), |world| world.replicas(client).len() == 2).expect("both are there");
    let (mut changes, mut calls, mut with_state) = (0, 0, 0);
    let (mut last, mut heard) = (0, 0);
    for n in 1..=600 {
        world.replicas(host).primary_mut::<Mover>(mover).unwrap().energy = n;
        world.replicas(client).proxy::<Journal>(journal).unwrap().rpcs().ask(n).unwrap();
        let before = sent(&mut world, host);
        world.step();
        with_state += u32::from(sent(&mut world, host) > before);
        let energy = world.replicas(client).get::<Mover>(mover).unwrap().energy;
        let count = world.replicas(host).get::<Journal>(journal).unwrap().calls.len();
        changes += u32::from(energy != last);
        calls += u32::from(count != heard);
        (last, heard) = (energy, count);
    }
    assert!(
        (99..=101).contains(&with_state) && (98..=101).contains(&changes),
        "{with_state}, {changes} in ten seconds"
    );
    assert!(calls > 590, "calls came in {calls} ticks");
    world.run_for(Duration::from_secs(1));
    assert!(world.agree());
}

#[test]
fn a_slow_line_starves_nobody_and_all_agree_in_the_end() {
    for seed in 0..40 {
        let coder = if seed % 2 == 0 { Coder::Packed } else { Coder::Entropy };
        let (mut world, nodes) = session(seed, 3, foul(), &registry_with(coder));
        let mut rng = Rng::new(seed);
        let ids: Vec<_> = (0..200).map(|_| world.replicas(nodes[0]).add(Mover::default()).unwrap()).collect();
        world.run_for(Duration::from_secs(1));
        for member in 2..=4 {
            let rate = StateRate::new(2_000 * u64::from(member));
            assert!(world.node(nodes[0]).set_state_rate(MemberId(member), rate));
        }
        // 200 × about eight bytes, thirty times a second: ten times what there is room for.
        let (mut oldest, mut since) = (0, vec![[0_u32; 3]; ids.len()]);
        let mut seen = vec![[0_u32; 3]; ids.len()];
        for tick in 1..300_u32 {
            for id in &ids {
                let mut mover = world.replicas(nodes[0]).primary_mut::<Mover>(*id).unwrap();
                mover.energy = tick;
                mover.position = f32::from(rng.next_u64().to_le_bytes()[0]) / 3.0;
            }
            world.step();
            for (i, id) in ids.iter().enumerate() {
                for client in 0..3 {
                    let energy = world.replicas(nodes[client + 1]).get::<Mover>(*id).map_or(0, |mover| mover.energy);
                    since[i][client] = if energy == seen[i][client] { since[i][client] + 1 } else { 0 };
                    seen[i][client] = energy;
                    oldest = oldest.max(since[i][client]);
                }
            }
        }
        // Two thousand bytes a tick are offered, the slowest has 130. A round is 15 ticks and some, the bound for equals four of them,
        // and one in ten is lost.
        assert!(oldest < 150, "seed {seed}: something was not heard of for {oldest} ticks");
        let done = world.run_until(Duration::from_secs(20), |world| world.agree());
        assert!(done.is_some(), "seed {seed}");
    }
}

#[test]
fn who_comes_to_a_busy_session_is_served_by_its_rate_and_told_when_it_has_all() {
    for seed in 0..20 {
        let registry = registry_with(Coder::Packed);
        let mut world = World::new(seed, 30, foul()).unwrap();
        let config = NodeConfig::new(registry.clone()).state_rate(StateRate::new(3_000));
        let host = world.host(config).unwrap();
        let ids: Vec<_> = (0..500)
            .map(|n| world.replicas(host).add(Mover { energy: n, label: n.to_string(), ..Mover::default() }).unwrap())
            .collect();
        let client = world.join(host, NodeConfig::new(registry)).unwrap();
        let (mut synced, mut progress, mut ticks) = (0, 0, 0_u64);
        while synced == 0 {
            world.step();
            ticks += 1;
            assert!(ticks < 1_500, "seed {seed}: {progress} steps");
            if ticks % 30 == 0 {
                world.replicas(host).primary_mut::<Mover>(ids[7]).unwrap().energy += 1;
            }
            while let Some(event) = world.node(client).poll_event() {
                match event {
                    NodeEvent::Replica(ReplicaEvent::SyncProgress { total, .. }) => {
                        assert_eq!(total, 500);
                        progress += 1;
                    }
                    NodeEvent::Replica(ReplicaEvent::Synced { total, from }) => {
                        assert_eq!((total, from), (500, MemberId::HOST));
                        synced += 1;
                        assert!(ids.iter().all(|id| world.replicas(client).info(*id).is_some()), "seed {seed}");
                    }
                    _ => {}
                }
            }
        }
        assert!(progress > 5, "seed {seed}: {progress}");
        assert!(world.node(host).sync_progress(MemberId(2)).unwrap().is_complete());
        let said = NodeEvent::Replica(ReplicaEvent::PeerSynced { member: MemberId(2), total: 500 });
        let times = std::iter::from_fn(|| world.node(host).poll_event()).filter(|event| *event == said).count();
        assert_eq!(times, 1, "seed {seed}: the host is told too");
        let bytes = sent(&mut world, host);
        let most = 3_000 * ticks / 30 + 750;
        assert!(bytes <= most, "seed {seed}: {bytes} bytes in {ticks} ticks");
        world.run_for(Duration::from_secs(2));
        while let Some(event) = world.node(client).poll_event() {
            assert!(!matches!(event, NodeEvent::Replica(ReplicaEvent::Synced { .. })), "seed {seed}: twice");
        }
        assert!(world.agree(), "seed {seed}");
    }
}
