//! Scenario 1: an off-path spoofer cannot acknowledge, reset, inject or stall anything.
//!
//! The spoofer sees nothing that the two ends say to each other. It knows their addresses, the schema and the protocol, and (more
//! than it could) the names that data packets are addressed to. A packet of the connection has a tag of 32 bits that depends on a
//! secret, so a guess is right once in 2³²: a million of them would hit with a probability of one in 4,000, and as all is
//! drawn from a seed, they either do in every run or in none. What a handshake's packets must know is a nonce of 64 bits.
//!
//! Each test plays the same seconds twice, in peace and under attack, and asks that the two ends cannot tell the difference: every
//! event at the same tick, every counter of the connection the same at the end.

use core::time::Duration;
use std::net::SocketAddr;

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{CarrierEvent, ConnectionStats, DisconnectReason, Dropped};

use crate::carrier_support::*;
use crate::forged::{DATA, Forger};

/// What two ends experienced.
#[derive(Debug, PartialEq)]
struct Course {
    events: Vec<(Instant, usize, CarrierEvent)>,
    stats: [Option<ConnectionStats>; 2],
}

/// Forged datagrams per tick and end, how many there were, and why they were dropped.
struct Attack {
    forger: Forger,
    each: usize,
    sent: u64,
    dropped: [Dropped; 2],
}

impl Attack {
    fn new(each: usize) -> Self {
        Self { forger: Forger::new(1, config().schema), each, sent: 0, dropped: Default::default() }
    }

    /// Most of it in the name of the peer, some from anywhere.
    fn strike(&mut self, pair: &mut Pair, names: [[u8; 2]; 2]) {
        for (end, name) in names.into_iter().enumerate() {
            self.forger.id = name;
            for n in 0..self.each {
                let from = match n % 8 {
                    0 => SocketAddr::from(([198, 51, 100, self.forger.byte()], 4_000)),
                    _ => address(1 - end),
                };
                let datagram = self.forger.any();
                pair.ends[end].handle_datagram(pair.now, from, &datagram);
                self.sent += 1;
            }
        }
    }
}

/// By end: what the other writes on its data packets.
fn names(trace: &[(usize, Vec<u8>)]) -> [[u8; 2]; 2] {
    [1, 0].map(|from| {
        let mut data = trace.iter().filter(|(end, bytes)| *end == from && bytes[0] >= DATA);
        data.next().map_or([0; 2], |(_, bytes)| [bytes[5], bytes[6]])
    })
}

fn note(pair: &mut Pair, events: &mut Vec<(Instant, usize, CarrierEvent)>) {
    for end in 0..2 {
        events.extend(pair.events[end].drain(..).map(|event| (pair.now, end, event)));
    }
}

fn finish(pair: &Pair, events: Vec<(Instant, usize, CarrierEvent)>, attack: &mut Attack) -> Course {
    attack.dropped = [0, 1].map(|end| pair.ends[end].endpoint_stats().dropped);
    Course { events, stats: [0, 1].map(|end| pair.ids[end].and_then(|id| pair.ends[end].stats(id))) }
}

/// Ten seconds of a connection that is busy both ways.
fn conversation(attack: &mut Attack) -> Course {
    let mut pair = Pair::new(1, Link::PERFECT);
    pair.trace = Some(Vec::new());
    pair.connect();
    pair.steps(20);
    pair.events.iter_mut().for_each(Vec::clear);
    let names = names(&pair.trace.take().unwrap());
    let mut events = Vec::new();
    for n in 0..1_000 {
        for end in 0..2 {
            for channel in [RELIABLE, SEQUENCED, UNRELIABLE, UNORDERED] {
                assert!(pair.send(end, channel, &message(n, 40), Some(n)));
            }
        }
        attack.strike(&mut pair, names);
        pair.step();
        note(&mut pair, &mut events);
    }
    pair.steps(100);
    note(&mut pair, &mut events);
    finish(&pair, events, attack)
}

/// A million forged datagrams of every kind at a busy connection change nothing that either end can see.
#[test]
fn scenario_01_a_million_forged_datagrams_change_nothing() {
    let mut attack = Attack::new(500);
    let (attacked, peaceful) = (conversation(&mut attack), conversation(&mut Attack::new(0)));
    assert_eq!(attack.sent, 1_000_000);
    let messages =
        |course: &Course| course.events.iter().filter(|event| matches!(event.2, CarrierEvent::Message { .. })).count();
    assert_eq!(messages(&attacked), 2 * 4 * 1_000);
    assert!(attacked == peaceful, "the attack was noticed");
    let [a, b] = attack.dropped;
    for (what, count, at_least) in [
        ("tag", a.bad_tag + b.bad_tag, 500_000),
        ("number", a.too_old + b.too_old, 50_000),
        ("acknowledgement", a.ack_future + b.ack_future, 50_000),
        ("connection", a.unknown_connection + b.unknown_connection, 50_000),
        ("handshake", a.handshake + b.handshake, 150_000),
        ("type", a.unknown_type + b.unknown_type, 4_000),
        ("short", a.short + b.short, 5_000),
        ("long", a.long + b.long, 500),
    ] {
        assert!(count >= at_least, "{count} dropped for their {what}: {:?}", attack.dropped);
    }
    let sound = |d: Dropped| d.malformed + d.duplicate + d.beyond_window + d.stale_fragment + d.backlog;
    assert_eq!(sound(a) + sound(b), 0, "none came past its tag");
}

/// Five connections being made, slowly, one after the other; and the names that they had, by which the attack addresses them.
fn courtship(attack: &mut Attack, known: &[[[u8; 2]; 2]]) -> (Course, Vec<[[u8; 2]; 2]>) {
    let link = Link { delay: Duration::from_millis(150), ..Link::PERFECT };
    let mut pair = Pair::new(2, link);
    let (mut events, mut all) = (Vec::new(), Vec::new());
    for round in 0..5 {
        pair.accept = false;
        pair.trace = Some(Vec::new());
        let target = known.get(round).copied().unwrap_or_default();
        let id = pair.ends[1].connect(pair.now, address(0), b"Ada").unwrap();
        let mut waiting = None;
        for tick in 0..160 {
            attack.strike(&mut pair, target);
            pair.step();
            for event in &pair.events[0] {
                if let CarrierEvent::Incoming { connection, .. } = event {
                    waiting = Some(*connection);
                }
            }
            note(&mut pair, &mut events);
            // The program thinks about it, so that there is a time in which the joiner is told to wait.
            match (tick, waiting) {
                (60, Some(connection)) => pair.ends[0].defer(pair.now, connection),
                (100, Some(connection)) => pair.ends[0].accept(pair.now, connection, b"welcome").unwrap(),
                _ => {}
            }
        }
        assert_eq!(pair.ids[1], Some(id), "connected");
        assert!(pair.send(0, RELIABLE, b"there", None) && pair.send(1, RELIABLE, b"here", None));
        for _ in 0..40 {
            attack.strike(&mut pair, target);
            pair.step();
            note(&mut pair, &mut events);
        }
        pair.ends[1].disconnect(pair.now, id, DisconnectReason::Leave);
        pair.steps(60);
        note(&mut pair, &mut events);
        assert_eq!(pair.ids, [None, None]);
        all.push(names(&pair.trace.take().unwrap()));
    }
    (finish(&pair, events, attack), all)
}

/// Two hundred thousand between hello and goodbye, at both ends: nobody is connected, refused, delayed or sent away by them.
#[test]
fn scenario_01_a_connection_being_made_is_not_disturbed() {
    let (peaceful, names) = courtship(&mut Attack::new(0), &[]);
    let mut attack = Attack::new(100);
    let (attacked, again) = courtship(&mut attack, &names);
    assert_eq!((attack.sent, names), (200_000, again));
    let connected = peaceful.events.iter().filter(|event| matches!(event.2, CarrierEvent::Connected { .. })).count();
    assert_eq!(connected, 2 * 5);
    assert!(attacked == peaceful, "the attack was noticed");
    let [a, b] = attack.dropped;
    assert!(a.handshake + b.handshake > 30_000 && a.bad_tag + b.bad_tag > 25_000, "{:?}", attack.dropped);
}
