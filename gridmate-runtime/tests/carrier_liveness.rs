//! Connections that are not worth keeping, and the others.

mod carrier_support;

use core::time::Duration;

use carrier_support::*;
use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, DisconnectReason, Endpoint};

fn reasons(pair: &Pair, end: usize) -> Vec<DisconnectReason> {
    let reason = |event: &CarrierEvent| match event {
        CarrierEvent::Disconnected { reason, .. } => Some(*reason),
        _ => None,
    };
    pair.events[end].iter().filter_map(reason).collect()
}

fn pair_with(set: impl Fn(&mut CarrierConfig)) -> Pair {
    let mut configs = [config(), config()];
    configs.iter_mut().for_each(&set);
    let mut pair = Pair::with(1, Link::PERFECT, configs);
    pair.connect();
    pair
}

/// Both ends talk for so many ticks of ten milliseconds.
fn talk(pair: &mut Pair, ticks: usize) {
    for _ in 0..ticks {
        for end in 0..2 {
            if pair.ids[end].is_some() {
                pair.send(end, UNRELIABLE, &[1; 50], None);
            }
        }
        pair.step();
    }
}

/// The peers find each other again.
fn reconnect(pair: &mut Pair) {
    pair.link = Link::PERFECT;
    pair.steps(20);
    pair.connect();
    assert!(pair.send(1, RELIABLE, b"back", None));
    pair.until(100, |pair| !pair.messages(0, RELIABLE).is_empty());
}

#[test]
fn scenario_10a_too_much_loss_ends_a_connection_on_time() {
    let mut pair = pair_with(|config| config.max_loss = Some(0.4));
    talk(&mut pair, 200);
    pair.link.loss = 0.25;
    talk(&mut pair, 1_500);
    assert!(pair.ids.iter().all(Option::is_some), "a quarter is allowed");
    pair.link.loss = 0.7;
    let start = pair.now;
    while pair.ids.iter().any(Option::is_some) {
        talk(&mut pair, 1);
        assert!(pair.now.saturating_since(start) < Duration::from_secs(5));
    }
    let took = pair.now.saturating_since(start);
    assert!(took >= Duration::from_secs(1), "not at the first sign: {took:?}");
    assert!((0..2).any(|end| reasons(&pair, end) == [DisconnectReason::Loss]));
    reconnect(&mut pair);
}

#[test]
fn scenario_10b_too_long_a_round_trip_ends_a_connection_on_time() {
    let mut pair = pair_with(|config| config.max_rtt = Some(Duration::from_millis(150)));
    talk(&mut pair, 200);
    pair.link.delay = Duration::from_millis(60);
    talk(&mut pair, 500);
    assert!(pair.ids.iter().all(Option::is_some), "120 ms are allowed");
    pair.link.delay = Duration::from_millis(120);
    let start = pair.now;
    while pair.ids.iter().any(Option::is_some) {
        talk(&mut pair, 1);
        assert!(pair.now.saturating_since(start) < Duration::from_secs(3));
    }
    assert!((0..2).any(|end| reasons(&pair, end) == [DisconnectReason::Latency]));
    reconnect(&mut pair);
}

#[test]
fn scenario_10c_silence_ends_a_connection_on_time() {
    let mut pair = pair_with(|config| config.timeout = Duration::from_secs(2));
    talk(&mut pair, 100);
    pair.link.loss = 1.0;
    let start = pair.now;
    while pair.ids.iter().any(Option::is_some) {
        talk(&mut pair, 1);
    }
    let took = pair.now.saturating_since(start).as_millis();
    assert!((1_950..=2_050).contains(&took), "{took} ms");
    reconnect(&mut pair);
}

#[test]
fn without_thresholds_a_bad_link_is_endured() {
    let mut pair = Pair::connected(2, Link { loss: 0.6, delay: Duration::from_millis(400), ..Link::PERFECT });
    talk(&mut pair, 3_000);
    assert!(pair.ids.iter().all(Option::is_some));
}

/// A host with three clients, two of which fall silent, the second a while after the first. How many are lost with the first?
fn lost_together(evaluation: f32) -> usize {
    let mut settings = config();
    settings.evaluation = evaluation;
    let mut host = Endpoint::new(settings, 1);
    let mut clients: Vec<_> = (1..=3).map(|n| Endpoint::new(config(), 10 + n)).collect();
    let place = |n: usize| std::net::SocketAddr::from(([10, 0, 1, 1], 100 + u16::try_from(n).unwrap()));
    let mut now = gridmate_runtime::Instant::from_millis(1_000);
    clients.iter_mut().for_each(|client| _ = client.connect(now, address(0), b"").unwrap());
    let (mut out, mut lost) = (Vec::new(), Vec::new());
    for tick in 0..1_000 {
        now += Duration::from_millis(10);
        for (n, client) in clients.iter_mut().enumerate() {
            client.handle_timeout(now);
            while client.poll_event().is_some() {}
            // The first is gone after a second, the second a second and a half later.
            let silent = (n == 0 && tick > 100) || (n == 1 && tick > 250);
            while client.poll_transmit(now, &mut out).is_some() {
                if !silent {
                    host.handle_datagram(now, place(n), &out);
                }
            }
        }
        host.handle_timeout(now);
        while let Some(event) = host.poll_event() {
            match event {
                CarrierEvent::Incoming { connection, .. } => host.accept(now, connection, b"").unwrap(),
                CarrierEvent::Disconnected { .. } => lost.push(now),
                _ => {}
            }
        }
        while let Some(to) = host.poll_transmit(now, &mut out) {
            let n = (0..3).find(|n| place(*n) == to).unwrap();
            clients[n].handle_datagram(now, address(0), &out);
        }
    }
    let first = lost[0];
    assert_eq!(lost.len(), 2, "the third is well");
    lost.iter().filter(|at| **at == first).count()
}

#[test]
fn others_are_evaluated_when_one_is_lost() {
    assert_eq!(lost_together(1.0), 1);
    assert_eq!(lost_together(0.5), 2, "silent for three and a half of five seconds: gone with the first");
    assert_eq!(lost_together(0.9), 1);
}

#[test]
fn scenario_11a_a_peer_that_restarts_is_back_within_a_second() {
    for seed in 0..50 {
        let mut pair = Pair::connected(seed, Link::PERFECT);
        talk(&mut pair, 100);
        let old = pair.id(0);
        pair.ends[1] = Endpoint::new(config(), 900 + seed);
        pair.ids[1] = None;
        let start = pair.now;
        pair.ends[1].connect(pair.now, address(0), b"again").unwrap();
        pair.until(100, |pair| pair.ids[1].is_some() && pair.ids[0].is_some_and(|id| id != old));
        assert!(pair.now.saturating_since(start) < Duration::from_millis(300), "two round trips and some ticks");
    }
}

/// Whoever waits for an acknowledgement does not know how long the peer was told to hold it back.
#[test]
fn no_acknowledgement_is_held_back_until_the_peer_gives_up() {
    let mut pair = pair_with(|config| config.ack_delay = Duration::from_millis(250));
    // The first packets of a connection are acknowledged at once.
    talk(&mut pair, 100);
    let before = pair.ends[1].stats(pair.id(1)).unwrap().packets_lost;
    for _ in 0..50 {
        assert!(pair.send(1, RELIABLE, b"now and then", None));
        pair.steps(40);
    }
    let stats = pair.ends[1].stats(pair.id(1)).unwrap();
    assert_eq!((stats.packets_lost - before, stats.segments_resent), (0, 0));
}
