//! How connections begin and end.

mod carrier_support;

use core::time::Duration;

use carrier_support::*;
use gridmate_runtime::carrier::{
    AcceptError, CarrierEvent, ConnectError, DisconnectReason, Endpoint, Refusal, SendError, UnknownConnection,
};
use gridmate_runtime::limits;

fn disconnects(events: &[CarrierEvent]) -> Vec<DisconnectReason> {
    let reason = |event: &CarrierEvent| match event {
        CarrierEvent::Disconnected { reason, .. } => Some(*reason),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

fn count(events: &[CarrierEvent], wanted: fn(&CarrierEvent) -> bool) -> usize {
    events.iter().filter(|event| wanted(event)).count()
}

#[test]
fn both_programs_learn_what_the_other_says() {
    let mut pair = Pair::new(1, Link::PERFECT);
    let id = pair.ends[1].connect(pair.now, address(0), b"Ada").unwrap();
    assert_eq!(pair.ends[1].send(id, RELIABLE, b"early", None), Err(SendError::NotConnected));
    assert_eq!(pair.ends[1].connect(pair.now, address(0), b"Ada"), Err(ConnectError::AddressInUse));
    pair.until(100, |pair| pair.ids.iter().all(Option::is_some));
    let incoming = CarrierEvent::Incoming { connection: pair.id(0), address: address(1), hello: b"Ada".to_vec() };
    assert_eq!(pair.events[0][0], incoming);
    assert_eq!(pair.events[1], [CarrierEvent::Connected { connection: id, welcome: b"welcome".to_vec() }]);
    pair.steps(20);
    for end in 0..2 {
        let rtt = pair.ends[end].rtt(pair.id(end)).unwrap().as_millis();
        assert!((40..=70).contains(&rtt), "{rtt} ms");
    }
}

#[test]
fn scenario_04e_repeated_and_late_handshake_packets_change_nothing() {
    for seed in 0..50 {
        let link = Link { duplicate: 1.0, reorder: 0.5, ..Link::PERFECT };
        let mut pair = Pair::new(seed, link);
        pair.ends[1].connect(pair.now, address(0), b"").unwrap();
        pair.until(100, |pair| pair.ids.iter().all(Option::is_some));
        pair.steps(300);
        assert_eq!(count(&pair.events[0], |e| matches!(e, CarrierEvent::Incoming { .. })), 1, "seed {seed}");
        assert_eq!(pair.events.iter().map(|events| disconnects(events).len()).sum::<usize>(), 0, "seed {seed}");
    }
}

#[test]
fn scenario_04f_handshakes_succeed_on_awful_links() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed, Link::AWFUL);
        pair.ends[1].connect(pair.now, address(0), b"").unwrap();
        pair.steps(1_000);
        assert_eq!(pair.ids[1].is_some(), pair.ids[0].is_some(), "seed {seed}");
        assert!(pair.ids[1].is_some() || seed % 50 == 49, "seed {seed}");
    }
}

#[test]
fn programs_that_do_not_fit_are_told_why() {
    let refused = |server: &dyn Fn(&mut gridmate_runtime::carrier::CarrierConfig)| {
        let mut configs = [config(), config()];
        server(&mut configs[0]);
        let mut pair = Pair::with(1, Link { loss: 0.3, ..Link::PERFECT }, configs);
        let id = pair.ends[1].connect(pair.now, address(0), b"").unwrap();
        pair.until(400, |pair| !pair.events[1].is_empty());
        assert!(pair.events[0].is_empty(), "the accepting program never hears of it");
        let [CarrierEvent::Refused { connection, reason }] = pair.events[1].as_slice() else { panic!() };
        assert_eq!(*connection, id);
        reason.clone()
    };
    let ours = config().schema;
    assert_eq!(refused(&|config| config.schema = 5), Refusal::Schema { ours, theirs: 5, details: vec![] });
    assert_eq!(refused(&|config| config.max_connections = 0), Refusal::Full);
}

#[test]
fn a_program_may_say_no() {
    for lost in 0..3 {
        let mut pair = Pair::new(1, Link::PERFECT);
        pair.accept = false;
        pair.drop = vec![lost];
        pair.ends[1].connect(pair.now, address(0), b"").unwrap();
        pair.until(100, |pair| !pair.events[0].is_empty());
        let CarrierEvent::Incoming { connection, .. } = pair.events[0][0] else { panic!() };
        pair.ends[0].refuse(pair.now, connection, Refusal::denied(7, "not today"));
        assert_eq!(
            pair.ends[0].accept(pair.now, connection, b""),
            Err(AcceptError::UnknownConnection(UnknownConnection)),
            "too late to change its mind"
        );
        pair.until(300, |pair| !pair.events[1].is_empty());
        let [CarrierEvent::Refused { reason, .. }] = pair.events[1].as_slice() else { panic!() };
        assert_eq!(*reason, Refusal::denied(7, "not today"));
        pair.steps(600);
        assert_eq!(pair.events[0].len(), 1);
        assert_eq!(pair.ends[0].poll_timeout(), None, "nothing is left of it");
    }
}

#[test]
fn nobody_answers() {
    let mut pair = Pair::new(1, Link { loss: 1.0, ..Link::PERFECT });
    pair.ends[1].connect(pair.now, address(0), b"").unwrap();
    pair.steps(501);
    assert_eq!(disconnects(&pair.events[1]), [DisconnectReason::Timeout]);
    assert!((20..=23).contains(&pair.sent), "{} hellos in five seconds", pair.sent);
    assert_eq!(pair.ends[1].poll_timeout(), None);
}

#[test]
fn a_program_that_never_answers_holds_nothing_for_ever() {
    let mut pair = Pair::new(1, Link::PERFECT);
    pair.accept = false;
    pair.ends[1].connect(pair.now, address(0), b"").unwrap();
    pair.steps(1_200);
    assert_eq!(disconnects(&pair.events[0]), [DisconnectReason::Timeout]);
    assert_eq!(disconnects(&pair.events[1]), [DisconnectReason::Timeout]);
}

#[test]
fn an_accepting_program_may_take_its_time() {
    let mut pair = Pair::new(1, Link::PERFECT);
    pair.accept = false;
    pair.ends[1].connect(pair.now, address(0), b"").unwrap();
    pair.steps(300);
    let [CarrierEvent::Incoming { connection, .. }] = pair.events[0][..] else { panic!("announced once") };
    assert_eq!(
        pair.ends[0].accept(pair.now, connection, &[0; 513]),
        Err(AcceptError::WelcomeTooLong { len: limits::WELCOME_BYTES + 1 })
    );
    pair.ends[0].accept(pair.now, connection, &[0; 512]).unwrap();
    pair.until(200, |pair| pair.ids.iter().all(Option::is_some));
}

#[test]
fn silence_ends_a_connection_at_both_ends() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    pair.send(1, RELIABLE, b"?", Some(1));
    pair.send(1, UNRELIABLE, b"?", Some(2));
    pair.link.loss = 1.0;
    pair.steps(480);
    assert!(pair.ids.iter().all(Option::is_some));
    pair.steps(30);
    for end in 0..2 {
        assert_eq!(disconnects(&pair.events[end]), [DisconnectReason::Timeout]);
        assert_eq!(pair.ends[end].poll_timeout(), None);
    }
    pair.receipts(1).sort_unstable();
    assert!(matches!(pair.events[1].last(), Some(CarrierEvent::Disconnected { .. })), "receipts come before it");
}

#[test]
fn an_idle_connection_lives_and_says_little() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    pair.steps(100);
    let before = pair.sent;
    pair.steps(6_000);
    assert!(pair.ids.iter().all(Option::is_some));
    let sent = pair.sent - before;
    assert!((100..=260).contains(&sent), "{sent} datagrams in a minute");
    assert!(pair.trace.is_none());
}

#[test]
fn goodbye_reaches_the_peer_once() {
    for lost in 0..4 {
        let mut pair = Pair::connected(1, Link::PERFECT);
        pair.steps(20);
        pair.drop = (pair.sent..pair.sent + lost).collect();
        pair.send(1, RELIABLE, b"never sent", Some(5));
        let id = pair.id(1);
        pair.ends[1].disconnect(pair.now, id, DisconnectReason::Leave);
        pair.ends[1].disconnect(pair.now, id, DisconnectReason::Kicked);
        assert_eq!(pair.ends[1].send(id, RELIABLE, b"", None), Err(SendError::UnknownConnection(UnknownConnection)));
        pair.steps(600);
        assert_eq!(pair.receipts(1), [(5, false)]);
        assert_eq!(disconnects(&pair.events[1]), [DisconnectReason::Leave]);
        let expected = if lost < 3 { DisconnectReason::Leave } else { DisconnectReason::Timeout };
        assert_eq!(disconnects(&pair.events[0]), [expected]);
        assert!(pair.ends.iter().all(|end| end.poll_timeout().is_none()));
    }
}

#[test]
fn a_peer_that_restarts_replaces_its_old_connection() {
    for seed in 0..20 {
        let mut pair = Pair::connected(seed, Link::PERFECT);
        pair.link.loss = 0.2;
        let old = pair.id(0);
        pair.send(0, RELIABLE, b"to the old one", Some(9));
        pair.ends[1] = Endpoint::new(config(), 1_000 + seed);
        pair.ids[1] = None;
        pair.ends[1].connect(pair.now, address(0), b"again").unwrap();
        pair.until(500, |pair| pair.ids[1].is_some() && pair.ids[0].is_some_and(|id| id != old));
        let order: Vec<_> = pair.events[0]
            .iter()
            .filter_map(|event| match event {
                CarrierEvent::Incoming { .. } => Some('i'),
                CarrierEvent::Receipt { delivered: false, token: 9, .. } => Some('r'),
                CarrierEvent::Disconnected { connection, reason: DisconnectReason::Replaced } if *connection == old => {
                    Some('d')
                }
                CarrierEvent::Connected { .. } => Some('c'),
                _ => None,
            })
            .collect();
        assert_eq!(order, ['i', 'r', 'd', 'c'], "seed {seed}");
        pair.send(1, RELIABLE, b"new", None);
        pair.until(300, |pair| !pair.messages(0, RELIABLE).is_empty());
    }
}

#[test]
fn scenario_01_hellos_in_the_name_of_a_peer_do_not_touch_its_connection() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    let ids = pair.ids;
    let mut stranger = Endpoint::new(config(), 99);
    let mut out = Vec::new();
    for round in 0..100 {
        if round % 10 == 0 {
            stranger = Endpoint::new(config(), 99 + round);
            stranger.connect(pair.now, address(0), b"").unwrap();
        }
        stranger.handle_timeout(pair.now);
        while stranger.poll_transmit(pair.now, &mut out).is_some() {
            pair.ends[0].handle_datagram(pair.now, address(1), &out);
        }
        pair.send(1, RELIABLE, b"still me", None);
        pair.steps(10);
        assert_eq!(pair.ids, ids);
    }
    assert_eq!(pair.messages(0, RELIABLE).len(), 100);
    assert_eq!(count(&pair.events[0], |e| matches!(e, CarrierEvent::Incoming { .. })), 0, "the program hears nothing");
    assert!(pair.ends[0].endpoint_stats().sent < 1_300, "answers: one per hello at most");
}

#[test]
fn scenario_12c_both_connect_at_once() {
    let mut in_vain = 0;
    for seed in 0..400 {
        let mut pair = Pair::new(seed, Link { loss: 0.4, ..Link::PERFECT });
        let ids = [0, 1].map(|end| pair.ends[end].connect(pair.now, address(1 - end), b"").unwrap());
        for _ in 0..600 {
            pair.step();
            if pair.ids.iter().all(Option::is_some) {
                break;
            }
        }
        pair.link.loss = 0.0;
        pair.steps(800);
        if pair.ids == [None; 2] {
            in_vain += 1;
            continue;
        }
        let kept = [0, 1].map(|end| pair.ids[end] == Some(ids[end]));
        assert!(kept[0] != kept[1], "seed {seed}: one attempt stays, {kept:?}");
        for (end, kept) in kept.into_iter().enumerate() {
            // An attempt that gave way may have run out of time first, and a late hello may announce a third connection,
            // which comes to nothing.
            let mut reasons = disconnects(&pair.events[end]);
            reasons.retain(|&reason| reason != DisconnectReason::Timeout);
            assert!(reasons.is_empty() || !kept && reasons == [DisconnectReason::Replaced], "seed {seed}: {reasons:?}");
            assert!(pair.send(end, RELIABLE, b"hi", None));
        }
        (0..2).for_each(|end| pair.until(300, |pair| !pair.messages(end, RELIABLE).is_empty()));
    }
    assert!(in_vain < 20, "{in_vain} times everything of five seconds was lost");
}

/// The first hello of a joiner, padded as all are.
fn first_hello(joiner: &mut Endpoint, now: gridmate_runtime::Instant, out: &mut Vec<u8>) {
    joiner.connect(now, address(0), &[1; limits::HELLO_BYTES]).unwrap();
    joiner.poll_transmit(now, out).unwrap();
}

/// A joiner says hello from an address, and again with the cookie. Returns it, and bytes asked and answered.
fn come(
    host: &mut Endpoint,
    now: gridmate_runtime::Instant,
    from: std::net::SocketAddr,
    seed: u64,
) -> (Endpoint, [usize; 2]) {
    let mut joiner = Endpoint::new(config(), seed);
    let (mut out, mut asked, mut answered) = (Vec::new(), 0, 0);
    first_hello(&mut joiner, now, &mut out);
    asked += out.len();
    host.handle_datagram(now, from, &out);
    while let Some(to) = host.poll_transmit(now, &mut out) {
        answered += out.len();
        if to == from {
            joiner.handle_datagram(now, address(0), &out);
        }
    }
    joiner.poll_transmit(now, &mut out).unwrap();
    asked += out.len();
    host.handle_datagram(now, from, &out);
    (joiner, [asked, answered])
}

#[test]
fn one_address_cannot_take_all_places() {
    let at = |ip: &str, port| std::net::SocketAddr::new(ip.parse().unwrap(), port);
    for (many, another) in [("203.0.113.9", "203.0.113.10"), ("2001:db8:7:7::9", "2001:db8:7:8::9")] {
        let (mut host, now) = (Endpoint::new(config(), 1), gridmate_runtime::Instant::from_millis(1_000));
        let (mut waiting, mut out) = (Vec::new(), Vec::new());
        for n in 0..200_u16 {
            // Of IPv6 an attacker has as many addresses as it likes.
            let ip = if many.contains(':') { format!("{many}:{n:x}").replace("::9:", "::9:1:") } else { many.into() };
            let (mut joiner, _) = come(&mut host, now, at(&ip, 1_000 + n), u64::from(n));
            while host.poll_transmit(now, &mut out).is_some() {
                joiner.handle_datagram(now, address(0), &out);
            }
            assert_eq!(joiner.poll_event(), None, "it is not sent away: it asks again, and may find room");
            while let Some(CarrierEvent::Incoming { connection, .. }) = host.poll_event() {
                waiting.push(connection);
            }
        }
        assert_eq!(waiting.len(), limits::HALF_OPEN_PER_ADDRESS, "{many}");
        assert_eq!(host.endpoint_stats().dropped.busy, 200 - limits::HALF_OPEN_PER_ADDRESS as u64);
        come(&mut host, now, at(another, 1), 7);
        assert!(matches!(host.poll_event(), Some(CarrierEvent::Incoming { .. })), "others still get in");
        // A place is free again when its handshake is over, whichever way.
        host.refuse(now, waiting[0], Refusal::Full);
        let later = now + Duration::from_secs(6);
        host.handle_timeout(later);
        while host.poll_event().is_some() {}
        come(&mut host, later, at(many, 9), 9);
        assert!(matches!(host.poll_event(), Some(CarrierEvent::Incoming { .. })), "{many}");
    }
}

#[test]
fn two_hundred_behind_one_address_join_at_once() {
    let (mut host, mut now) = (Endpoint::new(config(), 1), gridmate_runtime::Instant::from_millis(1_000));
    let (mut joiners, mut out) = (Vec::new(), Vec::new());
    for n in 0..200_u16 {
        let mut joiner = Endpoint::new(config(), u64::from(n));
        joiner.connect(now, address(0), b"").unwrap();
        joiners.push((std::net::SocketAddr::from(([10, 1, 1, 1], 1 + n)), joiner, false));
    }
    for tick in 0..40 {
        now += Duration::from_millis(25);
        for (from, joiner, joined) in &mut joiners {
            joiner.handle_timeout(now);
            while let Some(event) = joiner.poll_event() {
                match event {
                    CarrierEvent::Connected { .. } => *joined = true,
                    other => panic!("{other:?}"),
                }
            }
            while joiner.poll_transmit(now, &mut out).is_some() {
                host.handle_datagram(now, *from, &out);
            }
        }
        while let Some(event) = host.poll_event() {
            if let CarrierEvent::Incoming { connection, .. } = event {
                host.accept(now, connection, b"").unwrap();
            }
        }
        host.handle_timeout(now);
        while let Some(to) = host.poll_transmit(now, &mut out) {
            let (_, joiner, _) = joiners.iter_mut().find(|(from, ..)| *from == to).unwrap();
            joiner.handle_datagram(now, address(0), &out);
        }
        if joiners.iter().all(|(.., joined)| *joined) {
            assert!(tick > 3, "some have to wait");
            return;
        }
    }
    panic!("{} of 200", joiners.iter().filter(|(.., joined)| *joined).count());
}

#[test]
fn scenario_03_half_open_connections_are_bounded() {
    let mut host = Endpoint::new(config(), 1);
    let mut pair = Pair::new(2, Link::PERFECT);
    let (mut out, mut asked, mut answered, mut incoming) = (Vec::new(), 0, 0, 0);
    for n in 0..2_000_u16 {
        // From as many addresses as it takes, and a few more.
        let [place, _] = (n / 32).to_le_bytes();
        let from = std::net::SocketAddr::from(([10, 1, 1, place], 1 + n));
        let (_, [a, b]) = come(&mut host, pair.now, from, u64::from(n));
        (asked, answered) = (asked + a, answered + b);
        while let Some(event) = host.poll_event() {
            if let CarrierEvent::Incoming { connection, .. } = event {
                incoming += 1;
                host.accept(pair.now, connection, &[2; 512]).unwrap();
            }
        }
    }
    assert_eq!(incoming, limits::HALF_OPEN);
    assert!(answered < asked / 3);
    pair.now += Duration::from_secs(6);
    host.handle_timeout(pair.now);
    while host.poll_transmit(pair.now, &mut out).is_some() {}
    assert_eq!(host.poll_timeout(), None, "all of them are forgotten");
    let ended = core::iter::from_fn(|| host.poll_event()).filter(|e| matches!(e, CarrierEvent::Disconnected { .. }));
    assert_eq!(ended.count(), limits::HALF_OPEN);
}

#[test]
fn scenario_12b_an_answer_that_takes_long_is_waited_for() {
    let mut pair = Pair::new(1, Link { loss: 0.2, ..Link::PERFECT });
    pair.accept = false;
    pair.ends[1].connect(pair.now, address(0), b"").unwrap();
    pair.until(100, |pair| !pair.events[0].is_empty());
    let CarrierEvent::Incoming { connection, .. } = pair.events[0][0] else { panic!() };
    pair.ends[0].defer(pair.now, connection);
    let before = pair.sent;
    pair.steps(2_000);
    assert!(pair.events[1].is_empty() && pair.events[0].len() == 1, "twenty seconds on, both still wait");
    let sent = pair.sent - before;
    assert!((55..=90).contains(&sent), "{sent} datagrams: it asks twice a second");
    pair.ends[0].accept(pair.now, connection, b"at last").unwrap();
    pair.until(400, |pair| pair.ids.iter().all(Option::is_some));
    let hellos = |pair: &Pair| pair.ends[0].endpoint_stats().dropped.handshake;
    pair.link = Link::PERFECT;
    pair.steps(10);
    let before = hellos(&pair);
    pair.steps(300);
    assert_eq!(hellos(&pair), before, "nothing is asked for any more");
}

#[test]
fn misuse_is_an_error() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    let id = pair.id(1);
    let end = &mut pair.ends[1];
    assert_eq!(end.connect(pair.now, address(5), &[0; 1_025]), Err(ConnectError::HelloTooLong { len: 1_025 }));
    assert_eq!(end.send(id, gridmate_runtime::carrier::ChannelId(5), b"", None), Err(SendError::UnknownChannel));
    for (channel, limit) in [(RELIABLE, 1 << 20), (SEQUENCED, end.max_unfragmented()), (UNRELIABLE, 16 * 1_170)] {
        let mut bytes = vec![7; limit + 1];
        assert_eq!(end.send(id, channel, &bytes, Some(1)), Err(SendError::TooLarge { len: limit + 1, limit }));
        bytes.pop();
        assert_eq!(end.send(id, channel, &bytes, None), Ok(()));
    }
    let full = (0..).find(|_| end.send(id, RELIABLE, &vec![1; 1 << 20], None).is_err()).unwrap();
    assert_eq!(full, 14);
    assert_eq!(end.send(id, RELIABLE, &vec![1; 1 << 20], None), Err(SendError::QueueFull));
    assert!((0..5_000).any(|_| end.send(id, UNRELIABLE, &[1; 1_000], None) == Err(SendError::QueueFull)));
    assert_eq!(end.state_budget(id, UNRELIABLE), 0);
    pair.until(2_000, |pair| pair.ends[1].stats(pair.id(1)).unwrap().reliable_queued == 0);
    assert_eq!(pair.messages(0, RELIABLE).len(), 15);
    assert!(pair.ends[1].state_budget(id, UNRELIABLE) > 0);
}

#[test]
fn what_no_queue_of_its_channel_holds_is_too_large_and_not_for_later() {
    for channel in [RELIABLE, UNRELIABLE] {
        let mut small = config();
        small.channels[usize::from(channel.0)].queue_bytes = 5_000;
        let mut pair = Pair::with(1, Link::PERFECT, [config(), small]);
        pair.connect();
        let (id, limit) = (pair.id(1), 5_000 - limits::MESSAGE_OVERHEAD);
        let too_large = SendError::TooLarge { len: limit + 1, limit };
        assert_eq!(pair.ends[1].send(id, channel, &vec![1; limit + 1], None), Err(too_large));
        assert_eq!(pair.ends[1].send(id, channel, &vec![1; limit], None), Ok(()));
        assert_eq!(pair.ends[1].send(id, channel, b"x", None), Err(SendError::QueueFull));
    }
}
