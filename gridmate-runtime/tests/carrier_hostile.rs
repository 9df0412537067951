//! Datagrams that nobody honest sends.

mod carrier_support;

use carrier_support::*;
use gridmate_runtime::carrier::{CarrierEvent, DisconnectReason};
use gridmate_runtime::limits;
use proptest::prelude::*;

/// Offers a datagram that must have no effect but to be counted.
fn rejects(pair: &mut Pair, end: usize, datagram: &[u8], what: &str) {
    let before = (pair.ids.map(|id| id.map(|id| pair.ends[end].stats(id))), pair.ends[end].endpoint_stats());
    let deadline = pair.ends[end].poll_timeout();
    pair.ends[end].handle_datagram(pair.now, address(1 - end), datagram);
    let after = (pair.ids.map(|id| id.map(|id| pair.ends[end].stats(id))), pair.ends[end].endpoint_stats());
    assert_eq!(before.0, after.0, "{what}");
    assert_eq!(after.1.dropped.total(), before.1.dropped.total() + 1, "{what}: dropped and counted");
    assert_eq!(pair.ends[end].poll_event(), None, "{what}");
    assert_eq!(pair.ends[end].poll_timeout(), deadline, "{what}");
}

/// Plays a session with every kind of datagram and shows each one to `look` before it is delivered.
fn session(mut look: impl FnMut(&mut Pair, usize, &[u8])) {
    let mut pair = Pair::new(11, Link { delay: core::time::Duration::ZERO, ..Link::PERFECT });
    pair.ends[1].connect(pair.now, address(0), b"Ada").unwrap();
    let mut out = Vec::new();
    for round in 0..25 {
        pair.now += pair.tick;
        if let (10.., [Some(_), Some(_)]) = (round, pair.ids) {
            for end in 0..2 {
                pair.send(end, RELIABLE, &message(round, 40), Some(round));
                if round % 4 == 0 {
                    continue;
                }
                pair.send(end, RELIABLE, &message(round, 20), None);
                pair.send(end, SEQUENCED, &message(round, 9), None);
                if round == 15 {
                    pair.send(end, UNRELIABLE, &message(round, 2_500), Some(100));
                    pair.send(end, SECOND_RELIABLE, &message(round, 2_500), None);
                }
            }
        }
        if let (23, Some(id)) = (round, pair.ids[1]) {
            pair.ends[1].disconnect(pair.now, id, DisconnectReason::Leave);
        }
        for end in 0..2 {
            pair.ends[end].handle_timeout(pair.now);
            pair.take_events(end);
            while pair.ends[end].poll_transmit(pair.now, &mut out).is_some() {
                pair.take_events(0);
                pair.take_events(1);
                look(&mut pair, 1 - end, &out);
                // Every seventh is lost, so that acknowledgements have gaps and something is sent again.
                pair.sent += 1;
                if pair.sent % 7 != 6 {
                    pair.ends[1 - end].handle_datagram(pair.now, address(end), &out);
                }
                pair.take_events(1 - end);
            }
        }
    }
    assert_eq!(pair.ids, [None, None], "the session ended as planned");
}

#[test]
fn scenario_02_every_truncation_and_every_flipped_bit_is_noticed() {
    let mut kinds = [0; 256];
    session(|pair, to, datagram| {
        kinds[usize::from(datagram[0])] += 1;
        for len in 0..datagram.len() {
            rejects(pair, to, &datagram[..len], "cut short");
        }
        let mut damaged = datagram.to_vec();
        for bit in 0..damaged.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            rejects(pair, to, &damaged, "one bit flipped");
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        damaged.push(0);
        rejects(pair, to, &damaged, "one byte longer");
    });
    for kind in [4, 5, 7, 8, 0x80, 0x82, 0x84, 0x8A, 0xBA] {
        assert!(kinds[kind] > 0, "no packet of type {kind} in the session: {kinds:?}");
    }
}

#[test]
fn a_repeated_datagram_has_no_second_effect() {
    let mut all: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut repeated = 0;
    session(|pair, to, datagram| {
        for (end, old) in &all {
            // Hellos and their answers may be answered or ignored; data counts once.
            if old[0] >= 128 && pair.ids[*end].is_some() {
                let before = pair.ends[*end].stats(pair.id(*end));
                pair.ends[*end].handle_datagram(pair.now, address(1 - end), old);
                if pair.sent % 7 != 6 && pair.ends[*end].stats(pair.id(*end)) == before {
                    repeated += 1;
                }
            }
        }
        if pair.sent % 7 != 6 {
            all.push((to, datagram.to_vec()));
        }
    });
    assert!(repeated > 100);
}

#[test]
fn zero_length_datagram() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    for len in 0..6 {
        rejects(&mut pair, 0, &vec![0x80; len], "too short");
    }
    rejects(&mut pair, 0, &vec![0x80; limits::DATAGRAM_BYTES_MAX + 1], "too long");
    assert_eq!(pair.ends[0].endpoint_stats().dropped.short, 6);
    assert_eq!(pair.ends[0].endpoint_stats().dropped.long, 1);
}

#[test]
fn dup_ack_flood() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    pair.trace = Some(Vec::new());
    for n in 0..50 {
        pair.send(1, UNRELIABLE, &message(n, 100), Some(n));
        pair.step();
    }
    pair.steps(10);
    assert_eq!(pair.receipts(1).len(), 50);
    let acks: Vec<_> = pair.trace.take().unwrap().into_iter().filter(|(end, _)| *end == 0).collect();
    let before = pair.ends[1].stats(pair.id(1));
    let duplicates = pair.ends[1].endpoint_stats().dropped.duplicate;
    for (_, ack) in acks.iter().cycle().take(10_000) {
        pair.ends[1].handle_datagram(pair.now, address(0), ack);
    }
    assert_eq!(pair.ends[1].endpoint_stats().dropped.duplicate, duplicates + 10_000);
    assert_eq!(pair.ends[1].stats(pair.id(1)), before);
    assert_eq!(pair.ends[1].poll_event(), None);
}

#[test]
fn a_clock_that_goes_back_is_taken_for_standing_still() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    let now = pair.now;
    pair.ends[0].handle_timeout(gridmate_runtime::Instant::ZERO);
    pair.now = now;
    pair.steps(100);
    assert!(pair.ids[0].is_some());
    assert_eq!(pair.ends[0].endpoint_stats().clock_went_back, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_have_no_effect(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..40), kind in any::<u8>(),
    ) {
        let mut pair = Pair::connected(1, Link::PERFECT);
        for mut datagram in datagrams {
            if let Some(first) = datagram.first_mut() {
                *first = kind;
            }
            rejects(&mut pair, 0, &datagram, "noise");
            rejects(&mut pair, 1, &datagram, "noise");
        }
        pair.send(1, RELIABLE, b"fine", None);
        pair.until(20, |pair| !pair.messages(0, RELIABLE).is_empty());
        let ended = pair.events.iter().flatten().any(|e| matches!(e, CarrierEvent::Disconnected { .. }));
        prop_assert!(!ended);
    }
}
