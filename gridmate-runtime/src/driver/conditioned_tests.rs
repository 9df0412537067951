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

fn drain_marks(driver: &mut impl Driver, now: Instant) -> Vec<Ecn> {
    let mut all = Vec::new();
    driver.receive_marked(now, &mut |arrival| all.push(arrival.ecn)).unwrap();
    all
}

/// A queue for four datagrams of 100 bytes, 100 ms each.
fn crowded() -> LinkConfig {
    LinkConfig { bytes_per_second: Some(1_000), queue_bytes: 400, ecn: true, ..LinkConfig::perfect() }
}

#[test]
fn marks_of_outgoing_links_reach_the_receiver() {
    let (mut sender, mut receiver) = pair(crowded());
    for _ in 0..5 {
        sender.send(at(0), receiver.local_addr(), &[1; 100]).unwrap();
    }
    sender.flush(at(1_000)).unwrap();
    let marks = drain_marks(&mut receiver, at(1_000));
    assert_eq!(marks, [Ecn::NotCapable, Ecn::NotCapable, Ecn::NotCapable, Ecn::CongestionExperienced]);
    assert_eq!((sender.outgoing_stats().marked, sender.outgoing_stats().queue_full), (1, 1));
}

#[test]
fn marks_of_incoming_links_and_of_the_network_are_handed_up() {
    let network = MemoryNetwork::new();
    let mut sender = network.bind_any().unwrap();
    let mut receiver = Conditioned::new(network.bind_any().unwrap(), LinkConfig::perfect(), 1).unwrap();
    let to = receiver.local_addr();
    for ecn in [Ecn::NotCapable, Ecn::Capable0, Ecn::Capable1, Ecn::CongestionExperienced] {
        sender.send_marked(at(0), to, ecn, b"x").unwrap();
        assert_eq!(drain_marks(&mut receiver, at(0)), [ecn]);
    }
    receiver.set_incoming(crowded()).unwrap();
    for _ in 0..4 {
        sender.send_marked(at(0), to, Ecn::Capable0, &[1; 100]).unwrap();
    }
    assert!(drain_marks(&mut receiver, at(0)).is_empty());
    let marks = drain_marks(&mut receiver, at(1_000));
    assert_eq!(marks, [Ecn::Capable0, Ecn::Capable0, Ecn::Capable0, Ecn::CongestionExperienced]);
    assert_eq!(receiver.incoming_stats().marked, 1);
}

#[test]
fn marks_pass_through_a_perfect_link_and_a_slow_one() {
    for latency in [Duration::ZERO, MILLI * 10] {
        let (mut sender, mut receiver) = pair(LinkConfig { latency, ..LinkConfig::perfect() });
        sender.send_marked(at(0), receiver.local_addr(), Ecn::Capable1, b"x").unwrap();
        sender.flush(at(10)).unwrap();
        assert_eq!(drain_marks(&mut receiver, at(10)), [Ecn::Capable1]);
    }
}

#[test]
fn partitions_in_one_direction() {
    let (mut near, mut far) = pair(LinkConfig::perfect());
    near.partition_to(far.local_addr(), true);
    near.send(at(0), far.local_addr(), b"not heard").unwrap();
    far.send(at(0), near.local_addr(), b"heard").unwrap();
    assert_eq!((drain(&mut far, at(0)), drain(&mut near, at(0))), (vec![], vec![b"heard".to_vec()]));
    assert_eq!((near.outgoing_stats().partitioned, near.incoming_stats().partitioned), (1, 0));

    near.partition_to(far.local_addr(), false);
    near.partition_from(far.local_addr(), true);
    near.send(at(1), far.local_addr(), b"heard").unwrap();
    far.send(at(1), near.local_addr(), b"not heard").unwrap();
    assert_eq!((drain(&mut far, at(1)), drain(&mut near, at(1))), (vec![b"heard".to_vec()], vec![]));
    assert_eq!((near.outgoing_stats().partitioned, near.incoming_stats().partitioned), (1, 1));

    near.set_incoming(LinkConfig::perfect()).unwrap();
    far.send(at(2), near.local_addr(), b"not heard by the link either").unwrap();
    assert!(drain(&mut near, at(2)).is_empty());
    near.partition(far.local_addr(), false);
    far.send(at(3), near.local_addr(), b"healed").unwrap();
    assert_eq!(drain(&mut near, at(3)), [b"healed"]);
}

#[test]
fn a_hole_opens_mid_run() {
    let (mut sender, mut receiver) = pair(LinkConfig::perfect());
    let long = [7; 1_000];
    sender.send(at(0), receiver.local_addr(), &long).unwrap();
    sender.set_link(LinkConfig { mtu: Some(999), ..LinkConfig::perfect() }).unwrap();
    sender.send(at(1), receiver.local_addr(), &long).unwrap();
    sender.send(at(1), receiver.local_addr(), &long[1..]).unwrap();
    let lengths: Vec<_> = drain(&mut receiver, at(1)).iter().map(Vec::len).collect();
    assert_eq!((lengths, sender.outgoing_stats().too_long), (vec![1_000, 999], 1));
    assert_eq!(sender.max_datagram(), receiver.max_datagram(), "nobody is told");
}

#[test]
fn bursts_are_counted_apart() {
    let burst = crate::sim::BurstLoss { enter: 1.0, leave: 0.5, loss: 1.0 };
    let (arrivals, stats) = run(LinkConfig { burst, ..LinkConfig::perfect() }, 300);
    assert_eq!((stats.lost, arrivals.len() as u64 + stats.lost_in_bursts), (0, 300));
    assert!((150..250).contains(&stats.lost_in_bursts), "{stats:?}");
}

#[test]
fn damaged_datagrams_change_their_length_and_unfit_ones_vanish() {
    let config = LinkConfig { truncate: 0.3, extend: 0.3, empty: 0.3, ..LinkConfig::perfect() };
    let (mut sender, mut receiver) = pair(config);
    let longest = sender.max_datagram();
    let (mut shorter, mut longer, mut arrived) = (0, 0, 0_u64);
    for (step, len) in (0..400).zip([100, longest].into_iter().cycle()) {
        sender.send(at(step), receiver.local_addr(), &vec![1; len]).unwrap();
        for datagram in drain(&mut receiver, at(step)) {
            arrived += 1;
            shorter += u32::from(datagram.len() < len);
            longer += u32::from(datagram.len() > len);
            assert!((1..=longest).contains(&datagram.len()));
        }
    }
    let stats = sender.outgoing_stats();
    assert!(shorter > 50 && longer > 10, "{shorter} and {longer}");
    assert!(stats.unfit > 100 && stats.corrupted > stats.unfit, "{stats:?}");
    assert_eq!((arrived, sender.stats().send_dropped), (400 - stats.unfit, 0));
}

/// Drops every other datagram.
#[derive(Debug, Default)]
struct EveryOther(bool);

impl Conditioner for EveryOther {
    fn schedule(&mut self, now: Instant, _bytes: usize) -> crate::sim::Deliveries {
        use crate::sim::{Deliveries, Delivery, Refusal};
        self.0 = !self.0;
        if self.0 { Deliveries::once(Delivery::intact(now)) } else { Deliveries::refused(Refusal::Lost) }
    }
}

#[test]
fn programs_bring_their_own_conditioners() {
    let network = MemoryNetwork::new();
    let mut receiver = network.bind_any().unwrap();
    let mut sender = Conditioned::with_conditioners(network.bind_any().unwrap(), 7, |_, _| EveryOther::default());
    for number in 0..4 {
        sender.send(at(0), receiver.local_addr(), &[number]).unwrap();
    }
    assert_eq!(drain(&mut receiver, at(0)), [[0], [2]]);
    sender.conditioner_to(receiver.local_addr()).0 = true;
    sender.send(at(0), receiver.local_addr(), b"lost").unwrap();
    assert!(drain(&mut receiver, at(0)).is_empty());
    assert_eq!(sender.outgoing_stats().lost, 3);

    sender.condition_incoming(|_, _| EveryOther(true));
    receiver.send(at(0), sender.local_addr(), b"lost").unwrap();
    receiver.send(at(0), sender.local_addr(), b"heard").unwrap();
    assert_eq!(drain(&mut sender, at(0)), [b"heard"]);
}

#[test]
fn the_factory_is_given_address_and_seed() {
    let network = MemoryNetwork::new();
    let (one, two) = (network.bind_any().unwrap(), network.bind_any().unwrap());
    let (log, seen) = std::sync::mpsc::channel();
    let boxed = move |to, seed| -> Box<dyn Conditioner> {
        log.send((to, seed)).unwrap();
        Box::new(Link::new(LinkConfig::perfect(), seed).unwrap())
    };
    let mut sender = Conditioned::with_conditioners(network.bind_any().unwrap(), 7, boxed);
    for to in [&one, &two, &one] {
        sender.send(at(0), to.local_addr(), b"x").unwrap();
    }
    let made: Vec<_> = seen.try_iter().collect();
    assert_eq!([made[0].0, made[1].0], [one.local_addr(), two.local_addr()]);
    assert!(made.len() == 2 && made[0].1 != made[1].1);
}
