//! Joiners about whom a hook decides.

mod carrier_support;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use carrier_support::*;
use gridmate_runtime::carrier::{
    Admission, CarrierEvent, ConnectionId, Decision, DisconnectReason, Endpoint, Joiner, Refusal,
};
use gridmate_runtime::limits;

type Asked = Arc<Mutex<Vec<(ConnectionId, Vec<u8>)>>>;

/// A pair of which end 0 decides so, and what it was asked.
fn decided(seed: u64, link: Link, decision: Decision) -> (Pair, Asked) {
    let (mut pair, asked) = (Pair::new(seed, link), Asked::default());
    pair.accept = false;
    let note = asked.clone();
    pair.ends[0].set_admission(move |joiner: &Joiner<'_>| {
        assert_eq!(joiner.address, address(1));
        note.lock().unwrap().push((joiner.connection, joiner.hello.to_vec()));
        decision.clone()
    });
    pair.ends[1].connect(pair.now, address(0), b"Ada").unwrap();
    (pair, asked)
}

fn is_incoming(event: &CarrierEvent) -> bool {
    matches!(event, CarrierEvent::Incoming { .. })
}

#[test]
fn who_is_accepted_is_connected_without_asking_the_program() {
    for seed in 0..20 {
        let link = if seed == 0 { Link::PERFECT } else { Link::AWFUL };
        let (mut pair, asked) = decided(seed, link, Decision::Accept(b"come in".to_vec()));
        pair.until(400, |pair| pair.ids.iter().all(Option::is_some));
        assert!(!pair.events[0].iter().any(is_incoming));
        let connection = pair.id(1);
        assert!(pair.events[1].contains(&CarrierEvent::Connected { connection, welcome: b"come in".to_vec() }));
        assert_eq!(*asked.lock().unwrap(), [(pair.id(0), b"Ada".to_vec())], "once, and about this connection");
        pair.send(0, RELIABLE, b"hi", None);
        pair.until(400, |pair| !pair.messages(1, RELIABLE).is_empty());
    }
}

#[test]
fn who_is_refused_is_told_why_and_leaves_nothing_behind() {
    let mut config = config();
    config.max_connections = 1;
    let (mut pair, _) = decided(1, Link::PERFECT, Decision::Ask);
    pair.ends[0] = Endpoint::new(config, 7);
    pair.ends[0].set_admission(|joiner: &Joiner<'_>| match joiner.hello {
        b"Eve" => Decision::Accept(Vec::new()),
        _ => Decision::Refuse(Refusal::denied(9, "not today")),
    });
    pair.steps(20);
    let [CarrierEvent::Refused { reason, .. }] = &pair.events[1][..] else { panic!("{:?}", pair.events[1]) };
    assert_eq!(*reason, Refusal::denied(9, "not today"));
    assert_eq!(pair.events[0], []);
    // The only place is free.
    pair.ends[1].connect(pair.now, address(0), b"Eve").unwrap();
    pair.until(50, |pair| pair.ids.iter().all(Option::is_some));
}

#[test]
fn who_has_to_wait_is_announced_and_waits_longer_than_a_handshake() {
    let (mut pair, asked) = decided(2, Link::PERFECT, Decision::Pending);
    pair.steps(900);
    let [CarrierEvent::Incoming { connection, hello, .. }] = &pair.events[0][..] else {
        panic!("{:?}", pair.events[0])
    };
    assert_eq!((*connection, hello.clone()), asked.lock().unwrap()[0]);
    assert_eq!((asked.lock().unwrap().len(), pair.events[1].len()), (1, 0), "nine seconds");
    let connection = *connection;
    pair.ends[0].accept(pair.now, connection, b"at last").unwrap();
    pair.until(100, |pair| pair.ids.iter().all(Option::is_some));
    let (mut pair, _) = decided(3, Link::PERFECT, Decision::Pending);
    pair.steps(3_100);
    let [_, ended, again] = &pair.events[0][..] else { panic!("{:?}", pair.events[0]) };
    assert!(matches!(ended, CarrierEvent::Disconnected { reason: DisconnectReason::Timeout, .. }), "not for ever");
    assert!(is_incoming(again), "the joiner has not given up, and begins anew");
}

#[test]
fn who_is_left_to_the_program_is_asked_about() {
    struct Silent;
    impl Admission for Silent {}
    for decision in [Decision::Ask, Decision::Accept(vec![7; limits::WELCOME_BYTES + 1])] {
        let (mut pair, _) = decided(4, Link::PERFECT, decision);
        pair.accept = true;
        pair.until(50, |pair| pair.ids.iter().all(Option::is_some));
        assert!(pair.events[0].iter().any(is_incoming));
    }
    let (mut pair, _) = decided(4, Link::PERFECT, Decision::Pending);
    pair.ends[0].set_admission(Silent);
    pair.accept = true;
    pair.until(50, |pair| pair.ids.iter().all(Option::is_some));
}

#[test]
fn nobody_is_asked_about_those_who_have_proven_nothing_or_do_not_fit() {
    let (mut pair, asked) = decided(5, Link::PERFECT, Decision::Accept(Vec::new()));
    // Everything for the joiner is lost: it never gets its cookie.
    pair.drop = (0..1_000).filter(|number| number % 2 == 1).collect();
    pair.steps(300);
    assert!(pair.sent > 10 && asked.lock().unwrap().is_empty());

    let (mut pair, asked) = decided(6, Link::PERFECT, Decision::Accept(Vec::new()));
    let mut other = config();
    other.schema ^= 1;
    pair.ends[1] = Endpoint::new(other, 8);
    pair.ends[1].connect(pair.now, address(0), b"Ada").unwrap();
    pair.steps(50);
    assert!(matches!(pair.events[1][..], [CarrierEvent::Refused { reason: Refusal::Schema { .. }, .. }]));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn of_one_who_is_accepted_and_goes_away_nothing_is_heard() {
    let (mut pair, asked) = decided(7, Link::PERFECT, Decision::Accept(b"come in".to_vec()));
    pair.until(50, |_| !asked.lock().unwrap().is_empty());
    pair.link.loss = 1.0;
    pair.steps(700);
    assert_eq!(pair.events[0], []);
    assert!(pair.ends[0].stats(asked.lock().unwrap()[0].0).is_none());
    assert_eq!(pair.ends[0].poll_timeout(), None, "it is forgotten");
    assert!(pair.tick == Duration::from_millis(10));
}
