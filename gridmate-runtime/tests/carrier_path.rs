//! Peers that move, paths that shrink and grow, networks that mark.

mod carrier_support;

use core::time::Duration;
use std::net::SocketAddr;

use carrier_support::*;
use gridmate_runtime::carrier::{CarrierEvent, CongestionConfig, DisconnectReason, Endpoint};
use gridmate_runtime::limits;

fn moved(pair: &Pair, end: usize) -> usize {
    pair.events[end].iter().filter(|event| matches!(event, CarrierEvent::Moved { .. })).count()
}

/// A stream of numbered messages from 1 to 0 and back, all of which have to arrive.
fn stream(pair: &mut Pair, sent: &mut [u64; 2], got: &mut [u64; 2]) {
    for (end, sent) in sent.iter_mut().enumerate() {
        *sent += u64::from(pair.send(end, RELIABLE, &sent.to_le_bytes(), None));
    }
    pair.step();
    for (end, got) in got.iter_mut().enumerate() {
        for (_, bytes) in pair.messages(end, RELIABLE) {
            assert_eq!(number(&bytes), *got);
            *got += 1;
        }
    }
}

#[test]
fn scenario_11b_a_change_of_address_loses_nothing() {
    for seed in 0..100 {
        let loss = if seed % 2 == 0 { 0.0 } else { 0.2 };
        let mut pair = Pair::connected(seed, Link { loss, ..Link::PERFECT });
        let ids = pair.ids;
        let (mut sent, mut got) = ([0; 2], [0; 2]);
        (0..30).for_each(|_| stream(&mut pair, &mut sent, &mut got));
        for round in 0..4_u16 {
            let place = SocketAddr::from(([10, 9, 0, 1], 9_000 + round));
            let mover = usize::from(round % 2 == 0);
            pair.at[mover] = place;
            let before = (moved(&pair, 1 - mover), pair.now);
            while moved(&pair, 1 - mover) == before.0 {
                stream(&mut pair, &mut sent, &mut got);
                assert!(pair.now.saturating_since(before.1) < Duration::from_secs(3), "seed {seed}");
            }
            let took = pair.now.saturating_since(before.1);
            assert!(
                loss > 0.0 || took <= Duration::from_millis(20 + 40 + 2 * 10),
                "{took:?}: a way, a round trip, ticks"
            );
            assert_eq!(pair.ends[1 - mover].address(pair.id(1 - mover)), Some(place));
            (0..20).for_each(|_| stream(&mut pair, &mut sent, &mut got));
        }
        for _ in 0..300 {
            pair.step();
            for (end, got) in got.iter_mut().enumerate() {
                *got += pair.messages(end, RELIABLE).len() as u64;
            }
        }
        assert_eq!((pair.ids, got), (ids, [sent[1], sent[0]]), "seed {seed}");
    }
}

#[test]
fn whoever_began_to_connect_makes_room_for_who_has_moved_there() {
    let mut pair = Pair::connected(6, Link::PERFECT);
    let (id, place) = (pair.id(0), SocketAddr::from(([10, 9, 0, 1], 9_000)));
    let (mut first, mut out) = (Vec::new(), Vec::new());
    for seed in 1..=2 {
        let mut joiner = Endpoint::new(config(), seed);
        joiner.connect(pair.now, address(0), b"").unwrap();
        while joiner.poll_transmit(pair.now, &mut out).is_some() {
            if out[0] >= 128 {
                first.push(out.clone());
                continue;
            }
            pair.ends[0].handle_datagram(pair.now, place, &out);
            pair.take_events(0);
            while pair.ends[0].poll_transmit(pair.now, &mut out) == Some(place) {
                joiner.handle_datagram(pair.now, address(0), &out);
            }
        }
    }
    assert_eq!(first.len(), 2, "both were accepted, and the address has no room");
    pair.events[0].clear();
    pair.at[1] = place;
    pair.until(20, |pair| {
        pair.send(1, RELIABLE, b"still me", None);
        moved(pair, 0) == 1
    });
    let gone =
        |event: &&CarrierEvent| matches!(event, CarrierEvent::Disconnected { reason: DisconnectReason::Replaced, .. });
    assert_eq!(pair.events[0].iter().filter(gone).count(), 2, "their program knows");
    // What they said last comes late, and ends nothing.
    first.iter().for_each(|packet| pair.ends[0].handle_datagram(pair.now, place, packet));
    pair.take_events(0);
    assert_eq!((pair.ids[0], pair.ends[0].address(id)), (Some(id), Some(place)));
}

#[test]
fn an_address_that_was_left_again_is_not_waited_for() {
    for phase in 0..10 {
        let mut pair = Pair::connected(phase, Link::PERFECT);
        pair.steps(20);
        let place = |n: u16| SocketAddr::from(([10, 9, 0, 1], 9_000 + n));
        pair.at[1] = place(0);
        pair.send(1, UNRELIABLE, &[1; 1_000], None);
        pair.step();
        pair.at[1] = place(1);
        pair.steps(usize::try_from(phase).unwrap());
        // It has little to say, and what it says never comes just when the address it has left is asked once more.
        for round in 0..6 {
            pair.send(1, UNRELIABLE, &[2; 10], Some(round));
            pair.steps(10);
        }
        assert_eq!(pair.ends[0].address(pair.id(0)), Some(place(1)), "phase {phase}");
    }
}

#[test]
fn both_ends_may_move_at_once() {
    for seed in 0..100 {
        let loss = if seed % 2 == 0 { 0.0 } else { 0.2 };
        let mut pair = Pair::connected(seed, Link { loss, ..Link::PERFECT });
        let (mut sent, mut got) = ([0; 2], [0; 2]);
        (0..30).for_each(|_| stream(&mut pair, &mut sent, &mut got));
        let place = |end: u16| SocketAddr::from(([10, 9, 0, 1], 9_000 + end));
        pair.at[1] = place(1);
        (0..2 + seed % 7).for_each(|_| stream(&mut pair, &mut sent, &mut got));
        // It has been heard from there, and perhaps asked, but nothing has come back.
        pair.at[0] = place(0);
        (0..30).for_each(|_| stream(&mut pair, &mut sent, &mut got));
        pair.until(300, |pair| (0..2).all(|end| pair.ends[end].address(pair.id(end)) == Some(pair.at[1 - end])));
        pair.until(300, |pair| {
            for (end, got) in got.iter_mut().enumerate() {
                *got += pair.messages(end, RELIABLE).len() as u64;
            }
            got == [sent[1], sent[0]]
        });
    }
}

#[test]
fn an_address_that_does_not_answer_gets_little_and_no_data() {
    let mut pair = Pair::connected(3, Link { delay: Duration::ZERO, ..Link::PERFECT });
    (0..20).for_each(|_| {
        pair.send(1, RELIABLE, &[1; 100], None);
        pair.step();
    });
    // Somebody who sees the traffic passes a copy of each datagram on from an address of its own, faster than the network does.
    let thief = SocketAddr::from(([203, 0, 113, 9], 53));
    let (mut out, mut passed, mut got) = (Vec::new(), 0, 0);
    for _ in 0..200 {
        pair.now += pair.tick;
        pair.send(1, RELIABLE, &[1; 100], None);
        pair.send(0, RELIABLE, &[2; 1_000], None);
        for end in [1, 0] {
            pair.ends[end].handle_timeout(pair.now);
            while let Some(to) = pair.ends[end].poll_transmit(pair.now, &mut out) {
                if to == thief {
                    got += out.len();
                } else if end == 1 {
                    pair.ends[0].handle_datagram(pair.now, thief, &out);
                    pair.ends[0].handle_datagram(pair.now, address(1), &out);
                    passed += out.len();
                } else {
                    pair.ends[1].handle_datagram(pair.now, address(0), &out);
                }
            }
            pair.take_events(end);
        }
    }
    assert_eq!((moved(&pair, 0), pair.ends[0].address(pair.id(0))), (0, Some(address(1))));
    assert!(got > 0 && got * 10 < passed, "{got} bytes for {passed}");
    assert!(pair.messages(1, RELIABLE).len() > 150, "the peer misses nothing");
}

#[test]
fn larger_datagrams_are_found_and_a_hole_is_noticed() {
    let mut pair = Pair::connected(4, Link::PERFECT);
    pair.steps(100);
    let datagram = |pair: &Pair| pair.ends[1].stats(pair.id(1)).unwrap().datagram;
    assert_eq!(datagram(&pair), 1_500);
    // The path takes no more than 1,300 from now on; what is cut for 1,500 has to arrive all the same.
    pair.mtu = 1_300;
    assert!(
        pair.send(1, RELIABLE, &message(1, 300_000), Some(1)) && pair.send(1, UNORDERED, &message(2, 300_000), None)
    );
    pair.until(1_000, |pair| {
        let found = |event: &CarrierEvent| matches!(event, CarrierEvent::Message { .. });
        pair.events[0].iter().filter(|event| found(event)).count() == 2
    });
    assert_eq!(datagram(&pair), 1_200);
    assert!(pair.messages(0, RELIABLE)[0].1 == message(1, 300_000));
    assert!(pair.messages(0, UNORDERED)[0].1 == message(2, 300_000));
    // A minute later it looks again.
    pair.steps(6_500);
    assert!((1_284..=1_300).contains(&datagram(&pair)), "{}", datagram(&pair));
    assert!(pair.ids.iter().all(Option::is_some));
}

#[test]
fn what_was_queued_for_larger_datagrams_is_cut_when_the_path_takes_less() {
    let mut configs = [config(), config()];
    configs.iter_mut().for_each(|config| {
        config.congestion = CongestionConfig::Adaptive;
        config.unreliable_age = Duration::from_secs(5);
    });
    let mut pair = Pair::with(6, Link { delay: Duration::from_millis(30), ..Link::PERFECT }, configs);
    pair.connect();
    let (sender, id) = (1, pair.id(1));
    let most = |pair: &Pair| pair.ends[sender].max_unfragmented_to(id);
    assert_eq!(most(&pair), pair.ends[sender].max_unfragmented());
    pair.steps(100);
    assert_eq!(most(&pair), limits::DATAGRAM_BYTES_MAX - limits::DATAGRAM_BYTES + limits::SEGMENT_BYTES);
    // In one datagram each, as it is.
    let whole = most(&pair);
    let sent = pair.sent;
    assert!(pair.send(sender, UNRELIABLE, &message(0, whole), Some(0)));
    pair.flush(sender);
    assert_eq!(pair.sent, sent + 1);
    pair.until(100, |pair| pair.receipts(sender).contains(&(0, true)));
    // More than the window lets out at once, so that most of it waits when the path changes.
    pair.mtu = 1_300;
    let count = 60;
    for number in 1..=count {
        assert!(pair.send(sender, UNRELIABLE, &message(number, whole), Some(number)), "{number}");
    }
    let mut receipts = Vec::new();
    pair.until(2_000, |pair| {
        receipts.extend(pair.receipts(sender));
        receipts.len() as u64 == count
    });
    assert_eq!(most(&pair), limits::SEGMENT_BYTES);
    let mut arrived = pair.messages(0, UNRELIABLE).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    arrived.remove(0);
    let delivered = receipts.iter().filter(|(_, delivered)| *delivered).map(|(number, _)| message(*number, whole));
    assert!(delivered.eq(arrived.iter().cloned()), "a receipt for each that arrived");
    assert!((6..60).contains(&(60 - arrived.len())), "{} of {count} arrived", arrived.len());
}

#[test]
fn marks_slow_a_sender_down() {
    let mut configs = [config(), config()];
    configs.iter_mut().for_each(|config| config.congestion = CongestionConfig::Adaptive);
    let mut windows = [0.0, 0.05].map(|mark| {
        let mut pair = Pair::with(5, Link::PERFECT, configs.clone());
        pair.connect();
        pair.mark = mark;
        for _ in 0..600 {
            (0..60).for_each(|_| _ = pair.send(1, RELIABLE, &[7; 1_000], None));
            pair.step();
        }
        let stats = pair.ends[1].stats(pair.id(1)).unwrap();
        assert_eq!((stats.packets_marked > 0, stats.packets_lost), (mark > 0.0, 0));
        stats.window
    });
    windows.sort_unstable();
    assert!(windows[0] * 3 < windows[1], "{windows:?}");
}

#[test]
fn a_probe_that_finds_no_room_is_no_deadline() {
    let mut pair = Pair::connected(3, Link::PERFECT);
    let start = pair.now;
    // Until shortly before the first probe is due.
    pair.until(100, |pair| pair.now - start >= Duration::from_millis(100));
    let end = 1;
    for number in 0..limits::IN_FLIGHT as u64 {
        assert!(pair.send(end, UNRELIABLE, &message(number, 1_000), None));
        pair.flush(end);
    }
    // Nothing comes back. Whoever sleeps until the deadline must not wake at once, again and again.
    for _ in 0..8 {
        pair.now += pair.tick;
        pair.ends[end].handle_timeout(pair.now);
        pair.flush(end);
        let deadline = pair.ends[end].poll_timeout().unwrap();
        assert!(deadline > pair.now, "{deadline:?} is not after {:?}", pair.now);
    }
}
