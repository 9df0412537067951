//! What channels and receipts promise, over links that lose, repeat, delay and damage.

mod carrier_support;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use carrier_support::*;
use gridmate_runtime::{Rng, limits};

fn some_len(rng: &mut Rng) -> usize {
    let large = if rng.chance(0.02) {
        90_000
    } else if rng.chance(0.2) {
        4_000
    } else {
        200
    };
    8 + usize::try_from(rng.below(large)).unwrap()
}

#[test]
fn scenario_05a_reliable_messages_arrive_once_in_order_and_unaltered() {
    for seed in 0..200 {
        let mut pair = Pair::connected(seed, Link::AWFUL);
        let mut rng = Rng::new(seed ^ 0xABCD);
        let (mut sent, mut got) = ([0_u64; 2], [0_u64; 2]);
        let mut next = [[0, 1]; 2];
        let lens: Vec<usize> = (0..60).map(|i| if i == 30 { 70_000 } else { some_len(&mut rng) }).collect();
        pair.until(20_000, |pair| {
            for end in 0..2 {
                if sent[end] < 60 && rng.chance(0.7) {
                    let len = lens[usize::try_from(sent[end]).unwrap()];
                    let channel = if sent[end] % 2 == 0 { RELIABLE } else { SECOND_RELIABLE };
                    assert!(pair.send(end, channel, &message(sent[end], len), Some(sent[end])));
                    sent[end] += 1;
                }
                for (half, channel) in [RELIABLE, SECOND_RELIABLE].into_iter().enumerate() {
                    for (_, bytes) in pair.messages(end, channel) {
                        let n = number(&bytes);
                        assert_eq!(n, next[end][half], "seed {seed}");
                        next[end][half] += 2;
                        assert!(bytes == message(n, lens[usize::try_from(n).unwrap()]), "seed {seed}: {n} differs");
                        got[end] += 1;
                    }
                }
            }
            got == [60, 60]
        });
        pair.until(3_000, |pair| (0..2).all(|end| pair.ends[end].stats(pair.id(end)).unwrap().reliable_queued == 0));
        for end in 0..2 {
            let receipts = pair.receipts(end);
            let tokens: BTreeSet<_> = receipts.iter().map(|r| r.0).collect();
            assert!(receipts.len() == 60 && tokens.len() == 60 && receipts.iter().all(|r| r.1), "seed {seed}");
            let stats = pair.ends[end].stats(pair.id(end)).unwrap();
            assert_eq!((stats.held, stats.unreliable_queued), (0, 0), "seed {seed}");
        }
    }
}

#[test]
fn scenario_08a_receipts_come_once_never_early_and_never_lie() {
    let (mut delivered, mut lost, mut fragmented) = (0, 0, 0);
    for seed in 0..200 {
        let loss = [0.0, 0.02, 0.1, 0.3][usize::try_from(seed % 4).unwrap()];
        let mut pair = Pair::connected(seed, Link { loss, ..Link::AWFUL });
        let mut rng = Rng::new(seed ^ 0x77);
        let mut seen = BTreeSet::new();
        let mut receipts = BTreeMap::new();
        let mut lens = Vec::new();
        let check = |pair: &mut Pair, seen: &mut BTreeSet<u64>, receipts: &mut BTreeMap<u64, bool>, lens: &[usize]| {
            for (_, bytes) in pair.messages(0, UNRELIABLE) {
                let n = number(&bytes);
                assert!(bytes == message(n, lens[usize::try_from(n).unwrap()]), "seed {seed}: {n} differs");
                assert!(seen.insert(n), "seed {seed}: {n} came twice");
            }
            for (token, ok) in pair.receipts(1) {
                assert!(!ok || seen.contains(&token), "seed {seed}: {token} was not delivered");
                assert!(receipts.insert(token, ok).is_none(), "seed {seed}: a second receipt for {token}");
            }
        };
        for _ in 0..150 {
            for _ in 0..rng.below(8) {
                let limit = if rng.chance(0.4) { 18_000 } else { 300 };
                let len = 8 + usize::try_from(rng.below(limit)).unwrap();
                let n = lens.len() as u64;
                lens.push(len);
                assert!(pair.send(1, UNRELIABLE, &message(n, len), Some(n)));
            }
            pair.step();
            check(&mut pair, &mut seen, &mut receipts, &lens);
        }
        for _ in 0..600 {
            pair.step();
            check(&mut pair, &mut seen, &mut receipts, &lens);
        }
        assert_eq!(receipts.len(), lens.len(), "seed {seed}: every token has its receipt");
        delivered += receipts.values().filter(|&&ok| ok).count();
        fragmented += receipts.iter().filter(|r| *r.1 && lens[usize::try_from(*r.0).unwrap()] > 1_180).count();
        lost += receipts.values().filter(|&&ok| !ok).count();
    }
    assert!(delivered > 10_000 && lost > 10_000 && fragmented > 3_000, "{delivered} {lost} {fragmented}");
}

#[test]
fn a_perfect_link_delivers_everything() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    for n in 0..500 {
        assert!(pair.send(1, UNRELIABLE, &message(n, 8 + 37 * usize::try_from(n).unwrap()), Some(n)));
        if n % 5 == 0 {
            pair.step();
        }
    }
    pair.steps(100);
    assert_eq!(pair.messages(0, UNRELIABLE).len(), 500);
    let receipts = pair.receipts(1);
    assert!(receipts.len() == 500 && receipts.iter().all(|r| r.1));
    let stats = pair.ends[1].stats(pair.id(1)).unwrap();
    assert_eq!((stats.packets_lost, stats.packets_in_flight), (0, 0));
    assert_eq!(pair.ends[0].endpoint_stats().dropped.total(), 0);
}

#[test]
fn sequenced_messages_never_go_back() {
    let mut dropped = 0;
    for seed in 0..100 {
        let mut pair = Pair::connected(seed, Link::AWFUL);
        let (mut last, mut got, mut order) = (None, 0, 0);
        for n in 0..400 {
            for part in 0..3 {
                assert!(pair.send(1, SEQUENCED, &message(n * 3 + part, 30), None));
            }
            pair.step();
            for (o, bytes) in pair.messages(0, SEQUENCED) {
                assert!(last.is_none_or(|last| number(&bytes) > last), "seed {seed}");
                assert!(o >= order);
                (last, order, got) = (Some(number(&bytes)), o, got + 1);
            }
        }
        dropped += 1_200 - got;
        assert!(got > 300, "seed {seed}: {got}");
    }
    assert!(dropped > 0);
}

#[test]
fn nothing_old_is_delivered_late() {
    let window = limits::PACKET_WINDOW as u64;
    for seed in 0..6 {
        let link = Link { loss: 0.05, reorder: 0.5, ..Link::AWFUL };
        let mut pair = Pair::connected(seed, link);
        // Far more packets than a window fit into the 100 ms by which some are late.
        let mut newest = 0;
        let mut n = 0;
        for _ in 0..30 {
            for _ in 0..300 {
                pair.send(1, UNRELIABLE, &message(n, if n % 3 == 0 { 2_000 } else { 900 }), None);
                n += 1;
            }
            pair.step();
            for (order, _) in pair.messages(0, UNRELIABLE) {
                assert!(order + window >= newest, "seed {seed}: {order} after {newest}");
                newest = newest.max(order);
            }
        }
        assert!(newest > 4 * window);
        assert!(pair.ends[0].endpoint_stats().dropped.too_old > 0);
    }
}

#[test]
fn scenario_07a_numbers_wrap_without_notice() {
    for first in [0, 0xFFF0, 0xFF_FFF0, 0xFFFF_FFF0] {
        let mut configs = [config(), config()];
        configs.iter_mut().for_each(|config| config.first_number = first);
        let link = Link { loss: 0.02, reorder: 0.05, delay: Duration::from_millis(5), ..Link::PERFECT };
        let mut pair = Pair::with(first, link, configs);
        pair.connect();
        let (mut sent, mut got, mut plain) = (0_u64, 0_u64, 0);
        while got < 75_000 {
            // One datagram per message on the reliable channel would take long; a few dozen share one.
            for _ in 0..300 {
                assert!(pair.send(1, RELIABLE, &sent.to_le_bytes(), None));
                sent += 1;
            }
            for n in 0..40 {
                pair.send(1, UNRELIABLE, &message(n, if n == 0 { 1_300 } else { 1_000 }), None);
            }
            pair.step();
            for (_, bytes) in pair.messages(0, RELIABLE) {
                assert_eq!(number(&bytes), got);
                got += 1;
            }
            plain += pair.messages(0, UNRELIABLE).len();
            assert!(sent < 200_000, "{first}: {got} of {sent} after a long time");
        }
        assert!(plain > 5_000);
    }
}

#[test]
fn scenario_08b_a_blackout_resolves_everything_in_flight() {
    let mut pair = Pair::connected(9, Link::PERFECT);
    pair.link.loss = 1.0;
    for n in 0..50 {
        assert!(
            pair.send(1, UNRELIABLE, &message(n, 2_000), Some(n))
                && pair.send(1, RELIABLE, &message(n, 50), Some(100 + n))
        );
    }
    pair.steps(200);
    let receipts = pair.receipts(1);
    assert_eq!(receipts.len(), 50, "what was unreliable is known to be lost");
    assert!(receipts.iter().all(|&(token, ok)| token < 50 && !ok));
    pair.link.loss = 0.0;
    pair.steps(150);
    assert_eq!(pair.messages(0, RELIABLE).len(), 50);
    assert_eq!(pair.receipts(1), (100..150).map(|token| (token, true)).collect::<Vec<_>>());
}

#[test]
fn one_lost_packet_is_repaired_soon() {
    for (following, limit) in [(true, 110), (false, 180)] {
        let mut pair = Pair::connected(2, Link::PERFECT);
        // Let the round trip be known.
        for _ in 0..50 {
            pair.send(1, RELIABLE, b"warm", None);
            pair.step();
        }
        pair.steps(20);
        pair.messages(0, RELIABLE);
        pair.drop.push(pair.sent);
        pair.send(1, RELIABLE, b"lost", None);
        pair.flush(1);
        let start = pair.now;
        pair.until(100, |pair| {
            if following {
                pair.send(1, UNRELIABLE, b"more", None);
            }
            !pair.messages(0, RELIABLE).is_empty()
        });
        let took = pair.now.saturating_since(start).as_millis();
        assert!(took <= limit, "{took} ms with a one-way delay of 20 ms");
    }
}

#[test]
fn scenario_05c_a_stuck_reliable_channel_holds_nothing_else_up() {
    let mut pair = Pair::connected(4, Link { delay: Duration::from_millis(200), ..Link::PERFECT });
    // More than a window of segments: most wait for the first acknowledgement.
    for n in 0..20 {
        assert!(pair.send(1, RELIABLE, &message(n, 200_000), None));
    }
    assert!(pair.send(1, SECOND_RELIABLE, b"small", None) && pair.send(1, UNRELIABLE, b"state", None));
    let start = pair.now;
    pair.until(40, |pair| !pair.messages(0, SECOND_RELIABLE).is_empty() && !pair.messages(0, UNRELIABLE).is_empty());
    assert!(pair.now.saturating_since(start) <= Duration::from_millis(220));
    pair.until(2_000, |pair| pair.messages(0, RELIABLE).iter().any(|(_, bytes)| number(bytes) == 19));
}

#[test]
fn the_same_seed_gives_the_same_datagrams() {
    let run = || {
        let mut pair = Pair::new(77, Link::AWFUL);
        pair.trace = Some(Vec::new());
        pair.ends[1].connect(pair.now, address(0), b"x").unwrap();
        pair.until(1_000, |pair| pair.ids.iter().all(Option::is_some));
        for n in 0..100 {
            for end in 0..2 {
                pair.send(end, RELIABLE, &message(n, 300), Some(n));
                pair.send(end, UNRELIABLE, &message(n, 3_000), Some(n));
            }
            pair.step();
        }
        (pair.trace.unwrap(), pair.events)
    };
    assert!(run() == run());
}
