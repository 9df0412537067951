//! Scenario 4: every handshake packet dropped, duplicated or reordered: the connection completes.
//! Scenario 12, in part: nothing is asked for again once there is a connection.

use core::time::Duration;

use gridmate_runtime::carrier::{CarrierEvent, DisconnectReason};

use crate::carrier_support::*;
use crate::forged::HELLO;

/// Packets that are interfered with: the handshake's and the first behind it.
const FIRST: u64 = 12;

fn count(pair: &Pair, end: usize, wanted: fn(&CarrierEvent) -> bool) -> usize {
    pair.events[end].iter().filter(|event| wanted(event)).count()
}

/// Makes a connection while `interfere` has its way, and checks that it is one and stays one. How long it took.
fn completes(what: &str, interfere: impl FnOnce(&mut Pair)) -> Duration {
    let mut pair = Pair::new(3, Link::PERFECT);
    interfere(&mut pair);
    let start = pair.now;
    let id = pair.ends[1].connect(pair.now, address(0), b"Ada").unwrap();
    pair.until(200, |pair| pair.ids.iter().all(Option::is_some));
    let took = pair.now.saturating_since(start);
    assert!(pair.send(0, RELIABLE, b"a", None) && pair.send(1, RELIABLE, b"b", None));
    // Longer than any time-out, so that whatever else there might be has come to an end.
    pair.steps(700);
    for end in 0..2 {
        assert_eq!(pair.messages(end, RELIABLE).len(), 1, "{what}");
        assert_eq!(count(&pair, end, |e| matches!(e, CarrierEvent::Connected { .. })), 1, "{what}: once");
        assert_eq!(count(&pair, end, |e| matches!(e, CarrierEvent::Incoming { .. })), 1 - end, "{what}: asked once");
        assert_eq!(count(&pair, end, |e| matches!(e, CarrierEvent::Disconnected { .. })), 0, "{what}: it stays up");
    }
    assert_eq!((pair.ids[1], pair.ids[0].is_some()), (Some(id), true), "{what}");
    took
}

/// Each of the first packets lost, and each pair of them: at most three repetitions of a hello late.
#[test]
fn scenario_04a_every_packet_and_every_pair_of_packets_may_be_lost() {
    for lost in 0..FIRST {
        for another in lost..FIRST {
            let took = completes(&format!("without {lost} and {another}"), |pair| pair.drop = vec![lost, another]);
            assert!(took < Duration::from_millis(1_300), "{took:?} without {lost} and {another}");
        }
    }
}

/// Each of the first packets delivered twice, and each pair; and all of them.
#[test]
fn scenario_04b_every_packet_may_come_twice() {
    let undisturbed = completes("undisturbed", |_| {});
    for first in 0..FIRST {
        for second in first..FIRST {
            let took = completes(&format!("{first} and {second} twice"), |pair| pair.twice = vec![first, second]);
            assert!(took <= undisturbed, "{took:?}: a copy delays nothing");
        }
    }
    completes("all twice", |pair| pair.twice = (0..FIRST).collect());
}

/// Each of the first packets overtaken by the next one from the same end, and each pair.
#[test]
fn scenario_04c_every_packet_may_be_overtaken() {
    for first in 0..FIRST {
        for second in first..FIRST {
            let took = completes(&format!("{first} and {second} late"), |pair| pair.swap = vec![first, second]);
            assert!(took < Duration::from_millis(1_300), "{took:?} with {first} and {second} late");
        }
    }
}

/// One packet lost, another twice, a third overtaken: all combinations of the first eight.
#[test]
fn scenario_04d_all_of_it_at_once() {
    for lost in 0..8 {
        for twice in 0..8 {
            for late in (0..8).filter(|late| *late != lost) {
                completes(&format!("without {lost}, {twice} twice, {late} late"), |pair| {
                    (pair.drop, pair.twice, pair.swap) = (vec![lost], vec![twice], vec![late]);
                });
            }
        }
    }
}

/// From *connected* on the joiner says no hello any more, whether it was accepted at once or after a wait, and on a bad line.
#[test]
fn scenario_12a_nothing_is_asked_for_again_once_connected() {
    for (seed, loss) in (0..40).map(|seed| (seed, if seed % 2 == 0 { 0.0 } else { 0.3 })) {
        let mut pair = Pair::new(seed, Link { loss, ..Link::PERFECT });
        pair.trace = Some(Vec::new());
        pair.accept = seed % 4 < 2;
        pair.ends[1].connect(pair.now, address(0), b"").unwrap();
        if !pair.accept {
            pair.until(200, |pair| !pair.events[0].is_empty());
            let CarrierEvent::Incoming { connection, .. } = pair.events[0][0] else { panic!("asked first") };
            pair.ends[0].defer(pair.now, connection);
            pair.steps(300);
            assert_eq!(pair.ids, [None, None]);
            pair.ends[0].accept(pair.now, connection, b"").unwrap();
        }
        pair.until(600, |pair| pair.ids[1].is_some());
        let before = pair.trace.replace(Vec::new()).unwrap();
        assert!(before.iter().any(|(end, bytes)| *end == 1 && bytes[0] == HELLO));
        pair.until(300, |pair| pair.ids[0].is_some());
        pair.steps(1_000);
        let hellos = pair.trace.take().unwrap().iter().filter(|(_, bytes)| bytes[0] == HELLO).count();
        assert_eq!(hellos, 0, "seed {seed}");
        let ended = |event: &CarrierEvent| matches!(event, CarrierEvent::Disconnected { reason, .. } if *reason != DisconnectReason::Leave);
        assert!(!pair.events.iter().flatten().any(ended), "seed {seed}");
    }
}
