//! What of a value travels, when, and in how many bytes.

use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::Verdict;
use gridmate_tests::chunks::{Gauge, Mover, Panel, registry};
use gridmate_tests::mesh::{Mesh, Weather};

#[test]
fn idle_sends_nothing_and_a_change_is_repeated_until_acknowledged() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    mesh.run(20);
    let before = mesh.messages;
    mesh.run(50);
    assert_eq!(mesh.messages, before, "idle is free");
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().position += 0.000_1;
    mesh.run(5);
    assert_eq!(mesh.messages, before, "noise below a step is no change");
    mesh.weather.loss = 1.0;
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().position += 1.0;
    mesh.run(50);
    assert!(mesh.messages > before + 2, "repeated while it is lost");
    mesh.weather.loss = 0.0;
    mesh.run(30);
    assert!(mesh.agree());
    let settled = mesh.messages;
    mesh.run(50);
    assert_eq!(mesh.messages, settled);
}

#[test]
fn there_and_back_within_a_tick_sends_nothing_and_a_value_held_for_one_tick_arrives_in_its_final_state() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    mesh.run(20);
    let before = mesh.messages;
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 1;
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 0;
    mesh.run(5);
    assert_eq!(mesh.messages, before);
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 1;
    mesh.step();
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 0;
    mesh.run(20);
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().energy, 0);
    assert!(mesh.agree());
}

#[test]
fn a_copy_merged_before_the_first_tick_may_go_back_to_defaults() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let mut copy = Mover { energy: 7, position: 2.0, ..Mover::default() };
    let id = mesh.managers[0].add(copy.clone()).unwrap();
    let mut mover = mesh.managers[0].primary_mut::<Mover>(id).unwrap();
    mover.position = 3.0;
    copy.energy = 0;
    mover.merge(&copy);
    assert_eq!((mover.energy, mover.position), (0, 3.0), "only what the copy has changed");
    copy.energy = 5;
    mover.merge(&copy);
    copy.energy = 7;
    mover.merge(&copy);
    assert_eq!(mover.energy, 7, "back to what it was made with");
    copy.energy = 0;
    mover.merge(&copy);
    mesh.run(20);
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().energy, 0);
    assert!(mesh.agree());
}

#[test]
fn defaults_cost_no_dataset_bytes() {
    let bytes = |chunk: Mover| {
        let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
        mesh.managers[0].add(chunk).unwrap();
        mesh.run(1);
        assert_eq!(mesh.messages, 1);
        mesh.bytes
    };
    let empty = bytes(Mover::default());
    assert!(empty <= 7, "a tick, an id, a type: {empty} bytes");
    assert!(bytes(Mover { energy: 1 << 31, ..Mover::default() }) >= empty + 4);
}

#[test]
fn peers_on_one_baseline_share_an_encoding() {
    let mut mesh = Mesh::new(&registry(), 16, 1, Weather::FAIR);
    let ids: Vec<_> = (0..50).map(|_| mesh.managers[0].add(Mover::default()).unwrap()).collect();
    mesh.run(20);
    let before = mesh.managers[0].stats();
    for id in &ids {
        mesh.managers[0].primary_mut::<Mover>(*id).unwrap().energy += 1;
    }
    mesh.step();
    let after = mesh.managers[0].stats();
    assert_eq!(after.records_sent - before.records_sent, 50 * 16);
    assert_eq!(after.encodings - before.encodings, 50);
}

#[test]
fn peers_whose_common_baseline_is_forgotten_are_all_sent_the_whole() {
    let mut mesh = Mesh::new(&registry(), 3, 1, Weather::FAIR);
    let gauge = mesh.managers[0].add(Gauge { level: 1, ..Gauge::default() }).unwrap();
    let mover = mesh.managers[0].add(Mover::default()).unwrap();
    let change = |mesh: &mut Mesh| {
        mesh.managers[0].primary_mut::<Gauge>(gauge).unwrap().level += 1;
        mesh.managers[0].primary_mut::<Mover>(mover).unwrap().energy += 1;
        mesh.step();
    };
    (0..10).for_each(|_| change(&mut mesh));
    mesh.weather.loss = 1.0;
    (0..limits::HISTORY + 20).for_each(|_| change(&mut mesh));
    mesh.weather.loss = 0.0;
    (0..10).for_each(|_| change(&mut mesh));
    mesh.settle();
    assert!(mesh.agree());
}

#[test]
fn a_change_handler_hears_of_the_newest_value_once_and_never_on_the_primary() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Gauge { level: 1, ..Gauge::default() }).unwrap();
    mesh.run(5);
    for level in 2..=10 {
        mesh.managers[0].primary_mut::<Gauge>(id).unwrap().level = level;
        mesh.step();
    }
    mesh.managers[0].primary_mut::<Gauge>(id).unwrap().noise = 9;
    mesh.run(10);
    assert_eq!(mesh.managers[1].get::<Gauge>(id).unwrap().seen, (1..=10).collect::<Vec<_>>());
    assert_eq!(mesh.managers[0].get::<Gauge>(id).unwrap().seen, []);
}

#[test]
fn what_matters_most_is_sent_first() {
    macro_rules! of_priority {
        ($($name:ident $level:expr),*) => {$(
            #[derive(Default, ReplicaChunk)]
            #[chunk(priority = $level)]
            struct $name {
                filler: u64,
            }
        )*};
    }
    of_priority!(Low Priority::LOW, Normal Priority::NORMAL, High Priority::HIGH);
    let registry = Registry::builder().chunk::<Low>().chunk::<Normal>().chunk::<High>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 1, 1, Weather { bytes: 100, ..Weather::FAIR });
    let host = &mut mesh.managers[0];
    for filler in 1..=20 {
        host.add(Low { filler }).unwrap();
    }
    for filler in 1..=20 {
        host.add(Normal { filler }).unwrap();
        host.add(High { filler }).unwrap();
    }
    host.prepare();
    let mut arrived = Vec::new();
    for (_, bytes) in mesh.take_state(0, 1) {
        assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
        let client = &mesh.managers[1];
        arrived.push((client.iter::<High>().count(), client.iter::<Normal>().count(), client.iter::<Low>().count()));
    }
    assert_eq!(arrived.last(), Some(&(20, 20, 20)));
    assert!(arrived.iter().all(|(high, normal, low)| (*normal == 0 || *high == 20) && (*low == 0 || *normal == 20)));
}

#[test]
fn a_chunk_that_did_not_change_costs_its_replica_one_bit() {
    let delta = |several: bool| {
        let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
        let replica = mesh.managers[0].spawn().with(Mover::default());
        let replica = if several { replica.with(Panel::default()) } else { replica };
        let id = replica.add().unwrap();
        mesh.settle();
        let before = mesh.bytes;
        mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = u32::MAX;
        mesh.settle();
        assert!(mesh.agree());
        mesh.bytes - before
    };
    assert!(delta(true) <= delta(false) + 1, "two bits for two chunks, not sixteen for the lamps");
}

#[test]
fn only_differences_travel_however_many_versions_are_under_way() {
    // The owner is the host, or a client whose state the host passes on: either keeps what it has sent to encode against.
    for owner in [0, 1] {
        let mut mesh = Mesh::new(&registry(), 2, 1, Weather { latency: 3, ..Weather::FAIR });
        let id = mesh.managers[owner].add(Mover { label: "x".repeat(1_000), ..Mover::default() }).unwrap();
        mesh.settle();
        let before = (mesh.messages, mesh.bytes);
        for energy in 0..100 {
            mesh.managers[owner].primary_mut::<Mover>(id).unwrap().energy = energy;
            mesh.step();
        }
        mesh.settle();
        let (messages, bytes) = (mesh.messages - before.0, mesh.bytes - before.1);
        assert!(messages >= 190, "{messages} messages: one each tick on both links");
        assert!(bytes <= messages * 20, "{bytes} bytes in {messages} messages: some were not differences");
    }
}

#[test]
fn any_fixed_latency_is_followed() {
    for latency in 1..=40 {
        let mut mesh = Mesh::new(&registry(), 2, latency, Weather { loss: 0.1, latency, ..Weather::FAIR });
        for (at, of) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
            let peer = mesh.peer(at, of);
            mesh.managers[at].set_patience(peer, u32::try_from(latency).unwrap() * 2 + 5);
        }
        let a = mesh.managers[1].add(Mover::default()).unwrap();
        let b = mesh.managers[0].spawn().with(Mover::default()).with(Gauge::default()).add().unwrap();
        for tick in 0..150 {
            mesh.managers[1].primary_mut::<Mover>(a).unwrap().energy = tick;
            mesh.managers[0].primary_mut::<Mover>(b).unwrap().energy = tick / 3;
            mesh.managers[0].primary_mut::<Gauge>(b).unwrap().level = i16::try_from(tick / 2).unwrap();
            mesh.step();
        }
        mesh.settle();
        assert!(mesh.agree(), "latency {latency}");
    }
}

#[test]
fn a_receiver_reads_against_the_oldest_values_that_a_sender_encodes_against() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    mesh.settle();
    // All arrive, and no receipt does: the first values stay what the others are encoded against.
    let versions = u32::try_from(limits::HISTORY).unwrap();
    for energy in 1..=versions {
        mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = energy;
        mesh.managers[0].prepare();
        for (token, bytes) in mesh.take_state(0, 1) {
            assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
            mesh.give_receipt(0, 1, token, false);
        }
    }
    // The newest is said again, against the oldest: here already, and to be acknowledged.
    mesh.managers[0].prepare();
    let (_, again) = mesh.take_state(0, 1).remove(0);
    assert!(again.len() < 12, "{} bytes are no difference", again.len());
    assert_eq!(mesh.give_state(0, 1, &again), Ok(Verdict::Accepted));
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().energy, versions);
}

#[test]
fn one_lost_tick_is_not_repeated_for_ever() {
    // One replica of fifty changes in each tick.
    let records = |lost: bool| {
        let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
        let ids: Vec<_> = (0..50).map(|_| mesh.managers[0].add(Mover::default()).unwrap()).collect();
        mesh.settle();
        let mut changes = ids.iter().cycle();
        let mut run = |mesh: &mut Mesh, ticks: u64| {
            for _ in 0..ticks {
                mesh.managers[0].primary_mut::<Mover>(*changes.next().unwrap()).unwrap().energy += 1;
                mesh.step();
            }
        };
        run(&mut mesh, 50);
        mesh.weather.loss = if lost { 1.0 } else { 0.0 };
        run(&mut mesh, 1);
        mesh.weather.loss = 0.0;
        run(&mut mesh, 50);
        let before = mesh.managers[0].stats().records_sent;
        run(&mut mesh, 200);
        mesh.managers[0].stats().records_sent - before
    };
    assert_eq!((records(false), records(true)), (200, 200));
}

#[test]
fn no_replica_waits_for_ever_when_there_is_less_room_than_changes() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather { budget: 1, bytes: 200, ..Weather::FAIR });
    let ids: Vec<_> = (0..300).map(|_| mesh.managers[0].add(Mover::default()).unwrap()).collect();
    mesh.settle();
    for tick in 1..=60_u32 {
        for id in &ids {
            mesh.managers[0].primary_mut::<Mover>(*id).unwrap().energy = tick.wrapping_mul(0x9E37_79B9);
        }
        mesh.step();
    }
    let stale = ids.iter().filter(|id| mesh.managers[1].get::<Mover>(**id).unwrap().energy == 0).count();
    assert_eq!(stale, 0, "of 300 that changed in every tick, with room for more than ten in each");
}
