//! When bytes are short: who goes first, that nothing starves, and that no more goes than may.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{ReplicaView, StateRate};
use gridmate_runtime::schema::Coder;
use gridmate_runtime::{Rng, limits};
use gridmate_tests::chunks::{Mover, registry_with};
use gridmate_tests::mesh::{Mesh, Weather};

/// Chunk types alike but for their priority.
macro_rules! classes {
    ($($name:ident $wire:literal $priority:expr;)*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
        #[chunk(name = $wire, priority = $priority)]
        struct $name {
            /// The tick it is of, and some bulk.
            tick: u32,
            bulk: u64,
        }
    )*

        /// One type after the other, the least important first.
        pub(super) fn registry(coder: Coder) -> Registry {
            Registry::builder()$(.chunk::<$name>())*.coder(coder).build().unwrap()
        }

        /// A replica of each class, the least important first.
        pub(super) fn add_all(host: &mut ReplicaManager) -> Vec<ReplicaId> {
            vec![$(host.add($name { tick: 1, bulk: u64::MAX }).unwrap()),*]
        }
    };
}

classes! {
    Lowest "lowest" Priority::LOWEST;
    Low "low" Priority::LOW;
    Normal "normal" Priority::NORMAL;
    High "high" Priority::HIGH;
    Highest "highest" Priority::HIGHEST;
    Realtime "realtime" Priority::REALTIME;
}

/// One message of so many bytes a tick.
fn narrow(bytes: usize) -> Weather {
    Weather { bytes, budget: 1, ..Weather::FAIR }
}

/// Replicas that a node has heard of since this was asked last.
fn added(mesh: &mut Mesh, node: usize) -> Vec<ReplicaId> {
    let events = std::iter::from_fn(|| mesh.managers[node].poll_event());
    events.filter_map(|event| if let ReplicaEvent::Added { id, .. } = event { Some(id) } else { None }).collect()
}

#[test]
fn created_in_ascending_priority_they_arrive_in_descending_priority() {
    for coder in [Coder::Packed, Coder::Entropy] {
        // All in one message; one in each tick; and to somebody who comes later.
        for (bytes, late) in [(1_100, false), (30, false), (1_100, true), (30, true)] {
            let mut mesh = Mesh::new(&registry(coder), 1, 1, narrow(bytes));
            let mut ids = Vec::new();
            if !late {
                ids = add_all(&mut mesh.managers[0]);
            }
            mesh.settle();
            if late {
                ids = add_all(&mut mesh.managers[0]);
                mesh.settle();
                mesh.join();
                mesh.settle();
            }
            ids.reverse();
            let node = mesh.managers.len() - 1;
            assert_eq!(added(&mut mesh, node), ids, "{coder:?}, {bytes} bytes a tick, late: {late}");
        }
    }
}

/// What became of replicas that all change in every tick: how often each was sent to the client, the longest that any waited, and how
/// many fit in a tick, at the least and all in all.
struct Rationed {
    sent: Vec<u32>,
    longest: Vec<u32>,
    least: u64,
    records: u64,
}

/// `highest` replicas of the highest class and one of the lowest, with messages of so many bytes.
fn ration(coder: Coder, highest: usize, weather: Weather, ticks: u32, relevance: f32) -> Rationed {
    let mut mesh = Mesh::new(&registry(coder), 1, 1, weather);
    let last = mesh.managers[0].add(Lowest::default()).unwrap();
    let ids: Vec<_> = (0..highest).map(|_| mesh.managers[0].add(Highest::default()).unwrap()).collect();
    mesh.managers[0].set_relevance(move |peer: &TargetPeer, view: &ReplicaView<'_>| {
        let lowest = view.get::<Lowest>(peer.replica).is_ok();
        assert!(lowest || view.get::<Highest>(peer.replica).is_ok());
        if lowest { relevance } else { 1.0 }
    });
    mesh.run(200);
    let mut seen = vec![0; highest + 1];
    let mut out = Rationed { sent: vec![0; highest + 1], longest: vec![0; highest + 1], least: u64::MAX, records: 0 };
    let mut since = vec![0; highest + 1];
    for tick in 1..=ticks {
        for id in &ids {
            *mesh.managers[0].primary_mut::<Highest>(*id).unwrap() = Highest { tick, bulk: tick.into() };
        }
        *mesh.managers[0].primary_mut::<Lowest>(last).unwrap() = Lowest { tick, bulk: tick.into() };
        let before = mesh.managers[0].stats().records_sent;
        mesh.step();
        let records = mesh.managers[0].stats().records_sent - before;
        (out.least, out.records) = (out.least.min(records), out.records + records);
        for i in 0..=highest {
            let client = &mesh.managers[1];
            let newest = match ids.get(i) {
                Some(id) => client.get::<Highest>(*id).unwrap().tick,
                None => client.get::<Lowest>(last).unwrap().tick,
            };
            since[i] += 1;
            if newest != seen[i] {
                (seen[i], since[i]) = (newest, 0);
                out.sent[i] += 1;
            }
            out.longest[i] = out.longest[i].max(since[i]);
        }
    }
    out
}

#[test]
fn nothing_waits_longer_than_the_bound_and_all_are_sent_in_proportion() {
    for coder in [Coder::Packed, Coder::Entropy] {
        for (relevance, rho) in [(1.0, 9.0), (0.125, 72.0), (0.0, 72.0), (f32::NAN, 72.0), (-7.0, 72.0)] {
            let (highest, ticks) = (120, 4_000);
            let out = ration(coder, highest, narrow(120), ticks, relevance);
            let round = (highest + 1) as f64 / out.least as f64;
            let bound = 2.0 * (rho + 1.0) * round;
            for (i, longest) in out.longest.iter().enumerate() {
                // Of equals the one that waited longest goes first: they need no more than a round, or two.
                let most = if i < highest { 4.0 * round } else { bound } + 3.0;
                assert!(f64::from(*longest) <= most, "{coder:?}: {i} waited {longest} ticks, not {most}");
            }
            let mean = f64::from(out.sent[..highest].iter().sum::<u32>()) / highest as f64;
            let ratio = mean / f64::from(out.sent[highest]);
            // Waits are whole ticks, about ten of them for most: so far it may be off.
            assert!((0.7 * rho..1.3 * rho).contains(&ratio), "{coder:?}: {ratio} times as often, and not {rho}");
        }
    }
}

#[test]
fn under_loss_updates_are_no_older_than_the_bound_and_some_repetitions() {
    for seed in 0..5 {
        let weather = Weather { loss: 0.1, latency: seed, ..narrow(120) };
        let out = ration(Coder::Packed, 40, weather, 3_000, 1.0);
        let bound = 2.0 * (9.0 + 1.0) * 41.0 / out.least as f64;
        // Each loss costs one more wait; four in a row happen once in ten thousand times.
        assert!(f64::from(out.longest[40]) <= 5.0 * bound, "{} ticks, not {bound}", out.longest[40]);
    }
}

#[test]
fn nobody_is_asked_where_there_is_room() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 1, 1, Weather::FAIR);
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    mesh.managers[0].set_relevance(move |_: &TargetPeer, _: &ReplicaView<'_>| {
        counter.fetch_add(1, Relaxed);
        1.0
    });
    mesh.settle();
    let id = mesh.managers[0].add(Low::default()).unwrap();
    mesh.settle();
    let first = asked.load(Relaxed);
    assert!(first <= 1, "when the peer had just come");
    for tick in 0..50 {
        mesh.managers[0].primary_mut::<Low>(id).unwrap().tick = tick;
        mesh.step();
    }
    assert_eq!(asked.load(Relaxed), first);
    mesh.join();
    mesh.settle();
    assert!(asked.load(Relaxed) > first, "of somebody who has just come");
}

#[test]
fn a_newcomer_gets_the_nearest_first() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut mesh = Mesh::new(&registry_with(coder), 0, 1, narrow(100));
        let mut rng = Rng::new(3);
        let mut all: Vec<(u32, ReplicaId)> = (0..200)
            .map(|_| {
                #[expect(clippy::cast_possible_truncation, reason = "less than 700")]
                let distance = 100 + rng.below(700) as u32;
                (distance, mesh.managers[0].add(Mover { energy: distance, ..Mover::default() }).unwrap())
            })
            .collect();
        mesh.managers[0].set_relevance(|peer: &TargetPeer, view: &ReplicaView<'_>| {
            100.0
                / view.get::<Mover>(peer.replica).map_or(100.0, |mover| f32::from(u16::try_from(mover.energy).unwrap()))
        });
        mesh.run(3);
        let newcomer = mesh.join();
        let mut come = Vec::new();
        for _ in 0..200 {
            mesh.step();
            come.extend(added(&mut mesh, newcomer));
        }
        // Those that are passed over as often are in the order of their distance: all of them.
        all.sort_by_key(|(distance, _)| *distance);
        let distance = |id: &ReplicaId| all.iter().find(|(_, other)| other == id).unwrap().0;
        let come: Vec<_> = come.iter().map(distance).collect();
        assert_eq!(come, all.iter().map(|(distance, _)| *distance).collect::<Vec<_>>(), "{coder:?}");
    }
}

#[test]
fn the_most_urgent_goes_whatever_the_budget_is_and_no_more_of_it_than_its_limit() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut mesh = Mesh::new(&registry(coder), 1, 1, Weather::FAIR);
        let (peer, mut rng) = (mesh.peer(0, 1), Rng::new(1));
        let others: Vec<_> = (0..100).map(|_| mesh.managers[0].add(Highest::default()).unwrap()).collect();
        let urgent = mesh.managers[0].add(Realtime::default()).unwrap();
        mesh.settle();
        mesh.managers[0].set_state_rate(peer, StateRate::new(0));
        for tick in 1..60 {
            for id in &others {
                mesh.managers[0].primary_mut::<Highest>(*id).unwrap().tick = tick;
            }
            mesh.managers[0].primary_mut::<Realtime>(urgent).unwrap().tick = tick;
            mesh.step();
            if tick > 3 {
                let there = mesh.managers[1].get::<Realtime>(urgent).unwrap().tick;
                assert!(there + 3 >= tick, "{coder:?}: it is at {there} in tick {tick}");
            }
        }
        assert!(others.iter().all(|id| mesh.managers[1].get::<Highest>(*id).unwrap().tick == 0));
        // A thousand of them are too many for a tick, and get through all the same.
        let many: Vec<_> =
            (1..=1_000).map(|n| mesh.managers[0].add(Realtime { tick: n, bulk: rng.next_u64() }).unwrap()).collect();
        let mut ticks = 0;
        while mesh.managers[1].len() < 1_101 {
            let before = mesh.bytes;
            mesh.step();
            let bytes = usize::try_from(mesh.bytes - before).unwrap();
            assert!(bytes <= limits::REALTIME_BYTES, "{coder:?}: {bytes} bytes in a tick");
            ticks += 1;
            assert!(ticks < 100, "{coder:?}");
        }
        assert!(ticks > 3 && many.iter().all(|id| mesh.managers[1].get::<Realtime>(*id).is_ok()), "{ticks}");
        mesh.managers[0].set_state_rate(peer, StateRate::UNLIMITED);
        mesh.settle();
        assert!(mesh.agree());
    }
}

/// A storm of changes over a link with a rate; the bytes of each tick to the client.
fn capped(coder: Coder, seed: u64, rate: StateRate) -> VecDeque<u64> {
    let mut rng = Rng::new(seed);
    let weather = Weather { loss: 0.1, late: 0.1, span: 4, ..Weather::FAIR };
    let mut mesh = Mesh::new(&registry_with(coder), 1, seed, weather);
    let peer = mesh.peer(0, 1);
    mesh.managers[0].set_state_rate(peer, rate);
    assert_eq!(mesh.managers[0].state_rate(peer), Some(rate));
    let mut ids = Vec::new();
    let mut bytes = VecDeque::new();
    for tick in 0..400_u32 {
        if ids.len() < 60 {
            ids.push(mesh.managers[0].add(Mover::default()).unwrap());
        }
        // Now much, now little, now nothing.
        for _ in 0..[40, 2, 0][(tick / 50) as usize % 3] {
            let at = usize::try_from(rng.below(ids.len() as u64)).unwrap();
            if rng.chance(0.02) {
                mesh.managers[0].destroy(ids.swap_remove(at)).unwrap();
                ids.push(mesh.managers[0].add(Mover { energy: tick, ..Mover::default() }).unwrap());
            } else {
                let mut mover = mesh.managers[0].primary_mut::<Mover>(ids[at]).unwrap();
                mover.energy = mover.energy.wrapping_add(tick);
                mover.label = "x".repeat(usize::try_from(rng.below(60)).unwrap());
            }
        }
        let before = mesh.bytes;
        mesh.step();
        bytes.push_back(mesh.bytes - before);
    }
    mesh.managers[0].set_state_rate(peer, StateRate::UNLIMITED);
    mesh.settle();
    assert!(mesh.agree(), "seed {seed}, {coder:?}");
    bytes
}

#[test]
fn within_any_second_no_more_goes_than_a_second_holds_and_a_burst() {
    // Ticks of 33 ms: 30 of them are less than a second.
    const WINDOW: usize = 30;
    for seed in 0..20 {
        for coder in [Coder::Packed, Coder::Entropy] {
            let rate = StateRate::new(1_500 + 200 * seed).burst(Duration::from_millis(100 * (seed % 5 + 1)));
            let bytes: Vec<u64> = capped(coder, seed, rate).into();
            let most = rate.bytes_per_second() + rate.burst_bytes();
            for window in bytes.windows(WINDOW) {
                let sum: u64 = window.iter().sum();
                assert!(sum <= most, "seed {seed}, {coder:?}: {sum} bytes in a second, {most} are allowed");
            }
            let busiest = bytes.windows(WINDOW).map(|window| window.iter().sum::<u64>()).max().unwrap();
            assert!(
                busiest * 10 > rate.bytes_per_second() * 8,
                "seed {seed}, {coder:?}: {busiest} of {most} were used"
            );
        }
    }
}

#[test]
fn what_is_larger_than_a_burst_waits_for_a_full_bucket_and_is_paid_for() {
    let mut mesh = Mesh::new(&registry_with(Coder::Packed), 1, 1, Weather::FAIR);
    let peer = mesh.peer(0, 1);
    mesh.settle();
    mesh.managers[0].set_state_rate(peer, StateRate::new(1_000).burst(Duration::from_millis(200)));
    let id = mesh.managers[0].add(Mover { label: "long".repeat(500), ..Mover::default() }).unwrap();
    mesh.run(4);
    assert!(mesh.managers[1].get::<Mover>(id).is_ok(), "the bucket was full");
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 1;
    // It was two thousand bytes: for about two seconds nothing else goes.
    mesh.run(50);
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().energy, 0);
    mesh.run(20);
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().energy, 1);
}

#[test]
fn a_replica_has_the_class_of_its_highest_chunk() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 1, 1, Weather::FAIR);
    mesh.settle();
    let host = &mut mesh.managers[0];
    let plain = host.add(Low { tick: 1, bulk: 1 }).unwrap();
    let lifted = host.spawn().with(Low { tick: 1, bulk: 1 }).with(High { tick: 1, bulk: 1 }).add().unwrap();
    mesh.settle();
    assert_eq!(added(&mut mesh, 1), [lifted, plain]);
}

/// More classes than are walked one by one, next to each other.
mod many {
    use gridmate_runtime::prelude::*;
    use gridmate_runtime::schema::Coder;

    classes! {
        A "a" Priority::new(500);
        B "b" Priority::new(501);
        C "c" Priority::new(502);
        D "d" Priority::new(503);
        E "e" Priority::new(504);
        F "f" Priority::new(505);
        G "g" Priority::new(506);
        H "h" Priority::new(507);
        I "i" Priority::new(508);
        J "j" Priority::new(509);
        K "k" Priority::new(510);
    }
}

#[test]
fn many_classes_are_put_in_order_at_once() {
    for coder in [Coder::Packed, Coder::Entropy] {
        for bytes in [1_100, 30] {
            let mut mesh = Mesh::new(&many::registry(coder), 1, 1, narrow(bytes));
            mesh.settle();
            let mut ids = many::add_all(&mut mesh.managers[0]);
            mesh.settle();
            ids.reverse();
            assert_eq!(added(&mut mesh, 1), ids, "{coder:?}, {bytes} bytes a tick");
        }
    }
}
