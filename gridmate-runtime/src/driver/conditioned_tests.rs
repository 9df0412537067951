//! Weather over the network in memory, in virtual time.

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::driver::{MemoryDriver, MemoryNetwork};

const MILLI: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A conditioned sender and a plain receiver.
fn pair(config: LinkConfig) -> (Conditioned<MemoryDriver>, MemoryDriver) {
    let network = MemoryNetwork::new();
    let sender = Conditioned::new(network.bind_any().unwrap(), config, 1234).unwrap();
    (sender, network.bind_any().unwrap())
}

fn drain(driver: &mut impl Driver, now: Instant) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    driver.receive(now, &mut |_, datagram| all.push(datagram.to_vec())).unwrap();
    all
}

/// Sends `count` numbered datagrams a millisecond apart and returns every arrival with its time.
fn run(config: LinkConfig, count: u16) -> (Vec<(Instant, u16)>, ConditionedStats) {
    let (mut sender, mut receiver) = pair(config);
    let mut arrivals = Vec::new();
    for millis in 0..u64::from(count) + 1_000 {
        if let Ok(number) = u16::try_from(millis)
            && number < count
        {
            sender.send(at(millis), receiver.local_addr(), &number.to_le_bytes()).unwrap();
        }
        sender.flush(at(millis)).unwrap();
        for datagram in drain(&mut receiver, at(millis)) {
            arrivals.push((at(millis), u16::from_le_bytes(datagram.try_into().unwrap())));
        }
    }
    assert_eq!((sender.waiting(), sender.next_release()), (0, None));
    (arrivals, sender.outgoing_stats())
}

#[test]
fn a_perfect_link_is_transparent() {
    let (arrivals, stats) = run(LinkConfig::perfect(), 100);
    let expected: Vec<_> = (0..100).map(|number| (at(u64::from(number)), number)).collect();
    assert_eq!(arrivals, expected);
    assert_eq!(stats, ConditionedStats { passed: 100, ..ConditionedStats::default() });
}

#[test]
fn loses_all_or_about_as_many_as_asked() {
    let (arrivals, stats) = run(LinkConfig { loss: 1.0, ..LinkConfig::perfect() }, 100);
    assert_eq!((arrivals.len(), stats.lost, stats.passed), (0, 100, 0));
    let (arrivals, stats) = run(LinkConfig { loss: 0.2, ..LinkConfig::perfect() }, 2_000);
    assert!((300..500).contains(&stats.lost), "{stats:?}");
    assert_eq!(arrivals.len() as u64 + stats.lost, 2_000);
}

#[test]
fn duplicates() {
    let (arrivals, stats) = run(LinkConfig { duplicate: 1.0, ..LinkConfig::perfect() }, 50);
    let numbers: Vec<_> = arrivals.iter().map(|&(_, number)| number).collect();
    assert_eq!(numbers, (0..50).flat_map(|number| [number, number]).collect::<Vec<_>>());
    assert_eq!((stats.duplicated, stats.passed), (50, 100));
}

#[test]
fn respects_latency_and_jitter_in_virtual_time() {
    let config = LinkConfig { latency: MILLI * 40, jitter: MILLI * 10, ..LinkConfig::perfect() };
    let (arrivals, stats) = run(config, 500);
    assert_eq!((arrivals.len(), stats.delayed), (500, 500));
    for (index, &(time, number)) in arrivals.iter().enumerate() {
        assert_eq!(usize::from(number), index, "jitter keeps the order");
        let delay = time - at(u64::from(number));
        // Flushed once a millisecond, so rounded up to one.
        assert!((MILLI * 40..=MILLI * 51).contains(&delay), "{delay:?}");
    }
}

#[test]
fn reorders() {
    let config = LinkConfig { reorder: 0.1, reorder_delay: MILLI * 5, ..LinkConfig::perfect() };
    let (arrivals, stats) = run(config, 1_000);
    assert_eq!(arrivals.len(), 1_000);
    assert!(stats.held_back > 50, "{stats:?}");
    assert!(arrivals.windows(2).any(|pair| pair[0].1 > pair[1].1));
}

#[test]
fn corruption_turns_over_one_bit_of_a_copy() {
    let (mut sender, mut receiver) = pair(LinkConfig { corrupt: 1.0, ..LinkConfig::perfect() });
    let original = [0b1010_0101_u8; 100];
    let mut hit = BTreeSet::new();
    for step in 0..200 {
        sender.send(at(step), receiver.local_addr(), &original).unwrap();
        let arrived = drain(&mut receiver, at(step)).pop().unwrap();
        let flipped: u32 = original.iter().zip(&arrived).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((arrived.len(), flipped), (100, 1));
        hit.insert(original.iter().zip(&arrived).position(|(a, b)| a != b));
    }
    assert!(hit.len() > 50, "not always the same byte");
    assert_eq!(sender.outgoing_stats().corrupted, 200);
}

#[test]
fn next_release_says_when_to_call() {
    let (mut sender, mut receiver) = pair(LinkConfig { latency: MILLI * 30, ..LinkConfig::perfect() });
    sender.send(at(0), receiver.local_addr(), b"a").unwrap();
    sender.send(at(5), receiver.local_addr(), b"b").unwrap();
    assert_eq!(sender.next_release(), Some(at(30)));
    drain(&mut sender, at(30));
    assert_eq!(drain(&mut receiver, at(30)), [b"a"]);
    assert_eq!((sender.next_release(), sender.waiting()), (Some(at(35)), 1));
}

#[test]
fn incoming_datagrams_have_links_on_demand() {
    let network = MemoryNetwork::new();
    let mut sender = network.bind_any().unwrap();
    let mut receiver = Conditioned::new(network.bind_any().unwrap(), LinkConfig::perfect(), 1).unwrap();
    receiver.set_incoming(LinkConfig { latency: MILLI * 20, ..LinkConfig::perfect() }).unwrap();
    sender.send(at(0), receiver.local_addr(), b"a").unwrap();
    assert!(drain(&mut receiver, at(0)).is_empty());
    assert_eq!(receiver.next_release(), Some(at(20)));
    assert_eq!(drain(&mut receiver, at(20)), [b"a"]);
    assert_eq!((receiver.incoming_stats().passed, receiver.incoming_stats().delayed), (1, 1));
    assert_eq!(receiver.outgoing_stats(), ConditionedStats::default());
}

#[test]
fn a_partition_cuts_both_ways_and_heals() {
    let config = LinkConfig { latency: MILLI * 10, ..LinkConfig::perfect() };
    let (mut near, mut far) = pair(config);
    near.send(at(0), far.local_addr(), b"under way").unwrap();
    near.partition(far.local_addr(), true);
    near.send(at(1), far.local_addr(), b"cut").unwrap();
    far.send(at(1), near.local_addr(), b"cut").unwrap();
    assert!(drain(&mut near, at(20)).is_empty());
    assert!(drain(&mut far, at(20)).is_empty());
    assert_eq!((near.outgoing_stats().partitioned, near.incoming_stats().partitioned), (2, 1));
    near.partition(far.local_addr(), false);
    near.send(at(30), far.local_addr(), b"healed").unwrap();
    near.flush(at(40)).unwrap();
    assert_eq!(drain(&mut far, at(40)), [b"healed"]);
}

#[test]
fn a_named_link_keeps_its_own_knobs() {
    let (mut sender, mut receiver) = pair(LinkConfig::perfect());
    let dead = LinkConfig { loss: 1.0, ..LinkConfig::perfect() };
    sender.set_link_to(receiver.local_addr(), dead).unwrap();
    sender.set_link(LinkConfig::perfect()).unwrap();
    sender.send(at(0), receiver.local_addr(), b"x").unwrap();
    assert!(drain(&mut receiver, at(0)).is_empty());
    sender.set_link_to(receiver.local_addr(), LinkConfig::perfect()).unwrap();
    sender.set_link(dead).unwrap();
    sender.send(at(0), receiver.local_addr(), b"y").unwrap();
    assert_eq!(drain(&mut receiver, at(0)), [b"y"]);
    assert!(sender.set_link(LinkConfig { loss: 2.0, ..dead }).is_err());
}

#[test]
fn too_many_waiting_are_dropped_and_counted() {
    let (mut sender, receiver) = pair(LinkConfig { latency: MILLI, ..LinkConfig::perfect() });
    for _ in 0..20_000 {
        sender.send(at(0), receiver.local_addr(), b"x").unwrap();
    }
    assert_eq!(sender.outgoing_stats().overflowed + sender.waiting() as u64, 20_000);
    assert!(sender.outgoing_stats().overflowed > 0);
}

#[test]
fn made_up_addresses_do_not_grow_the_table() {
    let mut side = Direction::new(LinkConfig::perfect(), 1, "incoming").unwrap();
    let named = SocketAddr::from(([10, 0, 0, 1], 1));
    side.set_named(named, LinkConfig { loss: 1.0, ..LinkConfig::perfect() }).unwrap();
    for number in 0..40_000_u32 {
        side.pass(at(0), SocketAddr::from((number.to_be_bytes(), 1)), b"x", &BTreeSet::new(), |_, _| {});
        assert!(side.links.len() <= LINKS_MAX + 1);
    }
    assert!(side.links[&named].named);
}

#[test]
fn works_behind_a_trait_object() {
    let network = MemoryNetwork::new();
    let inner: Box<dyn Driver> = Box::new(network.bind_any().unwrap());
    let mut outer: Box<dyn Driver> = Box::new(Conditioned::new(inner, LinkConfig::perfect(), 0).unwrap());
    let address = outer.local_addr();
    outer.send(at(0), address, b"to myself").unwrap();
    outer.flush(at(0)).unwrap();
    assert_eq!(drain(&mut outer, at(0)).len(), 1);
    assert_eq!(outer.stats().sent, 1);
}

proptest! {
    /// What one destination loses does not depend on what is sent to another, and the same seed loses the same.
    #[test]
    fn destinations_have_fates_of_their_own(seed: u64, chatter in prop::collection::vec(0_usize..4, 60)) {
        let config = LinkConfig { loss: 0.5, jitter: MILLI * 5, duplicate: 0.2, ..LinkConfig::perfect() };
        let run = |chatter: &[usize]| {
            let network = MemoryNetwork::new();
            let mut sender = Conditioned::new(network.bind_any().unwrap(), config, seed).unwrap();
            let (mut watched, other) = (network.bind_any().unwrap(), network.bind_any().unwrap());
            let mut seen = Vec::new();
            for (step, &noise) in chatter.iter().enumerate() {
                let now = at(step as u64);
                for _ in 0..noise {
                    sender.send(now, other.local_addr(), b"noise").unwrap();
                }
                sender.send(now, watched.local_addr(), &step.to_le_bytes()).unwrap();
                sender.flush(now).unwrap();
                seen.push(drain(&mut watched, now));
            }
            (seen, network.trace_hash())
        };
        let noisy = run(&chatter);
        prop_assert_eq!(&noisy.0, &run(&vec![0; chatter.len()]).0);
        prop_assert_eq!(noisy, run(&chatter));
    }
}
