//! Many datagrams per system call, and what else a [`UdpConfig`] can ask for. Real sockets on the loopback interface.

use core::time::Duration;
use std::thread;

use super::batch::Batch;
use super::outlet::Outlet;
use super::socket::{self, Port};
use super::tests::{MODES, PATIENCE, exchange, loopback, open, payload, wait_for};
use super::*;
use crate::driver::Ecn;

/// Calls are counted where the system merges and lists, and marks are known to arrive.
const LINUX: bool = cfg!(target_os = "linux");

fn with(config: UdpConfig) -> UdpDriver {
    UdpDriver::with_config(loopback(), config).unwrap()
}

fn send_all(driver: &mut UdpDriver, to: SocketAddr, datagrams: &[Vec<u8>]) {
    for datagram in datagrams {
        driver.send(Instant::ZERO, to, datagram).unwrap();
    }
    driver.flush(Instant::ZERO).unwrap();
}

/// The next `count` datagrams and their marks, in the order of their arrival.
fn hear(driver: &mut UdpDriver, count: usize) -> Vec<(Ecn, Vec<u8>)> {
    let mut heard = Vec::new();
    wait_for("datagrams", |now| {
        driver.receive_marked(now, &mut |arrival| heard.push((arrival.ecn, arrival.bytes.to_vec()))).unwrap();
        heard.len() >= count
    });
    assert_eq!(heard.len(), count);
    heard
}

#[test]
fn sizes_and_destinations_in_any_mix_arrive_in_order() {
    for polled in MODES {
        let mut near = open(polled);
        let mut far: Vec<_> = (0..3).map(|_| open(true)).collect();
        let mut number = 0_u16;
        for round in 0..40_usize {
            let mut expected = vec![Vec::new(); far.len()];
            // Runs of one size with a shorter or a longer end, lone ones, and stretches to changing destinations.
            for part in 0..6_usize {
                let (length, count) = (20 + (round * 37 + part * 211) % 900, 1 + (round + part * part) % 7);
                for at in 0..count {
                    let whom = if part % 2 == 0 { (round + part) % 3 } else { (round + at * at) % 3 };
                    let length = if at + 1 == count { length + 40 * (part % 3) - 15 } else { length };
                    let datagram = payload(number, length);
                    number += 1;
                    near.send(Instant::ZERO, far[whom].local_addr(), &datagram).unwrap();
                    expected[whom].push(datagram);
                }
            }
            near.flush(Instant::ZERO).unwrap();
            for (driver, expected) in far.iter_mut().zip(expected) {
                let heard: Vec<_> = hear(driver, expected.len()).into_iter().map(|(_, bytes)| bytes).collect();
                assert!(heard == expected, "round {round}: all of them, unharmed and in order");
            }
        }
        wait_for("the counts", |_| near.stats().sent == u64::from(number));
        assert_eq!((near.stats().send_dropped, near.network_errors()), (0, 0));
    }
}

#[test]
fn a_run_to_one_peer_is_one_call_each_way() {
    let (mut near, mut far) = (open(true), open(true));
    let mut datagrams: Vec<_> = (0..60).map(|number| payload(number, 1_000)).collect();
    datagrams.push(payload(60, 333));
    for _ in 0..3 {
        let before = (near.syscalls().send, far.syscalls().receive);
        send_all(&mut near, far.local_addr(), &datagrams);
        assert!(far.wait(PATIENCE).unwrap());
        let heard: Vec<_> = hear(&mut far, datagrams.len()).into_iter().map(|(_, bytes)| bytes).collect();
        assert!(heard == datagrams);
        if LINUX {
            assert_eq!(near.syscalls().send - before.0, 1);
            // One for the run and one to find that there is no more.
            assert_eq!(far.syscalls().receive - before.1, 2);
        }
    }
    assert_eq!((near.stats().sent, near.stats().sent_bytes), (3 * 61, 3 * 60_333));
    assert_eq!((far.stats().received, far.stats().received_bytes), (3 * 61, 3 * 60_333));
}

#[test]
fn many_peers_are_one_call() {
    let mut near = open(true);
    let mut far: Vec<_> = (0..50).map(|_| open(true)).collect();
    for driver in &far {
        near.send(Instant::ZERO, driver.local_addr(), b"one each").unwrap();
    }
    assert_eq!(near.syscalls().send, 0, "nothing goes out before the flush");
    near.flush(Instant::ZERO).unwrap();
    if LINUX {
        assert_eq!(near.syscalls().send, 1);
    }
    for driver in &mut far {
        assert_eq!(hear(driver, 1)[0].1, b"one each");
    }
}

#[test]
fn more_than_a_batch_holds_goes_out_before_the_flush() {
    let (mut near, mut far) = (open(true), open(true));
    let datagrams: Vec<_> = (0..66).map(|number| payload(number, 1_000)).collect();
    for datagram in &datagrams {
        near.send(Instant::ZERO, far.local_addr(), datagram).unwrap();
    }
    assert_eq!(near.stats().sent, 65, "64 KiB");
    near.flush(Instant::ZERO).unwrap();
    assert_eq!(hear(&mut far, 66).last().unwrap().1, datagrams[65]);
}

#[test]
fn marks_travel_with_lone_datagrams_with_runs_and_with_lists() {
    for polled in MODES {
        for (near, far) in [("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0"), ("[::]:0", "127.0.0.1:0")] {
            for ecn in [true, false] {
                let config = UdpConfig { polled, ecn, ..UdpConfig::default() };
                let (near, far) = (near.parse().unwrap(), far.parse().unwrap());
                let Ok(mut near) = UdpDriver::with_config(near, config) else {
                    continue; // no IPv6 here
                };
                let mut far = UdpDriver::bind_polled(far).unwrap();
                let mark = if ecn { Ecn::Capable0 } else { Ecn::NotCapable };
                for lengths in [&[50][..], &[100, 100, 100], &[10, 20, 30, 40]] {
                    let datagrams: Vec<_> = lengths.iter().map(|&length| vec![7; length]).collect();
                    send_all(&mut near, far.local_addr(), &datagrams);
                    for (heard, _) in hear(&mut far, datagrams.len()) {
                        assert!(heard == mark || !LINUX, "{heard:?} in {lengths:?}, {config:?}");
                    }
                }
                // The other way: who does not care about marks is not told of them.
                far.send(Instant::ZERO, SocketAddr::new(far.local_addr().ip(), near.local_addr().port()), b"x")
                    .unwrap();
                far.flush(Instant::ZERO).unwrap();
                assert!(hear(&mut near, 1)[0].0 == mark || !LINUX);
            }
        }
    }
}

/// A socket, and how to send by it past all that a driver checks.
fn bare() -> (Port, Outlet, Batch, Tally) {
    let port = socket::bind(loopback(), &UdpConfig::default()).unwrap().ports.remove(0);
    let outlet = Outlet::new(&port, true);
    (port, outlet, Batch::new(), Tally::default())
}

#[test]
fn what_no_network_takes_is_dropped_and_the_others_go_out() {
    for others in [0, 1, 3] {
        let (port, mut outlet, mut batch, mut tally) = bare();
        let mut far = open(true);
        assert!(batch.push(far.local_addr(), &vec![7; 65_510]));
        for _ in 0..others {
            assert!(batch.push(far.local_addr(), b"fits"));
        }
        let done = outlet.send(&port, batch.entries(), batch.bytes(), &mut tally);
        assert_eq!((done, tally.stats.send_dropped, tally.network_errors), (1 + others, 1, 0));
        assert_eq!(tally.stats.sent, others as u64);
        assert!(hear(&mut far, others).iter().all(|(_, bytes)| bytes == b"fits"));
    }
}

#[test]
fn segments_refused_go_out_one_by_one_from_then_on() {
    let (port, mut outlet, mut batch, mut tally) = bare();
    // More than any system cuts.
    outlet.set_segments_for_tests(500);
    let mut far = open(true);
    let datagrams: Vec<_> = (0..150).map(|number| payload(number, 10)).collect();
    for _ in 0..2 {
        for datagram in &datagrams {
            assert!(batch.push(far.local_addr(), datagram));
        }
        assert_eq!(outlet.send(&port, batch.entries(), batch.bytes(), &mut tally), 150);
        let heard: Vec<_> = hear(&mut far, 150).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(heard, datagrams);
        batch.clear();
    }
    assert_eq!((tally.stats.sent, tally.stats.send_dropped), (300, 0));
    assert!(tally.network_errors <= 1, "found out once");
}

#[test]
fn waiting_ends_when_something_arrives_or_the_time_is_over() {
    for polled in MODES {
        let (mut near, mut far) = (open(true), open(polled));
        assert!(!far.wait(Duration::ZERO).unwrap());
        assert!(!far.wait(Duration::from_millis(3)).unwrap());
        let to = far.local_addr();
        thread::scope(|scope| {
            scope.spawn(|| send_all(&mut near, to, &[b"wake up".to_vec()]));
            assert!(far.wait(PATIENCE).unwrap());
        });
        assert!(far.wait(Duration::ZERO).unwrap(), "it is still there");
        assert_eq!(hear(&mut far, 1)[0].1, b"wake up");
    }
}

#[test]
fn no_wake_up_is_lost() {
    for (near, far) in [(true, false), (false, false)] {
        let (mut near, mut far) = (open(near), open(far));
        let to = far.local_addr();
        let echo = |driver: &mut UdpDriver, rounds: usize| {
            for _ in 0..rounds {
                let mut answers = Vec::new();
                while answers.is_empty() {
                    assert!(driver.wait(PATIENCE).unwrap(), "a wake-up was lost");
                    driver.receive(Instant::ZERO, &mut |from, bytes| answers.push((from, bytes.to_vec()))).unwrap();
                }
                for (from, bytes) in answers {
                    send_all(driver, from, &[bytes]);
                }
            }
        };
        send_all(&mut near, to, &[b"ball".to_vec()]);
        thread::scope(|scope| {
            scope.spawn(|| echo(&mut near, 300));
            echo(&mut far, 300);
        });
    }
}

#[test]
fn waiting_ends_with_the_thread() {
    let mut driver = open(false);
    let Mode::Threaded(threaded) = &mut driver.mode else { unreachable!() };
    threaded.end_thread();
    assert!(matches!(driver.wait(PATIENCE), Err(DriverError::ThreadEnded)));
}

#[test]
fn several_sockets_serve_one_address() {
    for polled in MODES {
        let mut many = with(UdpConfig { polled, sockets: 4, ..UdpConfig::default() });
        let to = many.local_addr();
        let mut peers: Vec<_> = (0..24).map(|_| open(true)).collect();
        for peer in &mut peers {
            send_all(peer, to, &[b"hello".to_vec()]);
        }
        let mut from = Vec::new();
        wait_for("everybody", |now| {
            assert!(many.wait(PATIENCE).unwrap());
            many.receive(now, &mut |peer, _| from.push(peer)).unwrap();
            from.len() == peers.len()
        });
        for &peer in &from {
            many.send(Instant::ZERO, peer, b"welcome").unwrap();
        }
        many.flush(Instant::ZERO).unwrap();
        for peer in &mut peers {
            assert_eq!(hear(peer, 1)[0].1, b"welcome");
        }
        // One alone does not share.
        assert!(matches!(UdpDriver::bind_polled(to), Err(DriverError::Bind { .. })));
    }
}

#[test]
fn a_thread_that_is_seldom_woken_or_never_sleeps_moves_all_the_same() {
    let lengths: Vec<_> = (0..200).map(|number| 2 + number * 7 % 1_199).collect();
    let seldom = UdpConfig { wake: Wake::Batched { datagrams: 100 }, ..UdpConfig::default() };
    let never = UdpConfig { wake: Wake::Batched { datagrams: usize::MAX }, ..UdpConfig::default() };
    let sleepless = UdpConfig { spin: Duration::from_millis(2), ..UdpConfig::default() };
    for config in [seldom, never, sleepless] {
        let (mut near, mut far) = (with(config), with(config));
        let to = far.local_addr();
        exchange(&mut near, &mut far, to, &lengths);
        exchange(&mut near, &mut far, to, &[3]);
    }
}

#[test]
fn wishes_for_the_thread_are_answered() {
    let modest = with(UdpConfig { cpu: Some(0), priority: Some(1), ..UdpConfig::default() });
    assert_ne!(modest.thread_setup().cpu, Setting::NotAsked);
    assert_ne!(modest.thread_setup().priority, Setting::NotAsked);
    if LINUX {
        assert_eq!(modest.thread_setup().priority, Setting::Done, "anybody may step back");
    }
    for cpu in [1_000, 1_000_000] {
        let mut absurd = with(UdpConfig { cpu: Some(cpu), ..UdpConfig::default() });
        assert!(matches!(absurd.thread_setup().cpu, Setting::Refused(_)));
        assert_eq!(absurd.thread_setup().priority, Setting::NotAsked);
        let mut near = open(false);
        let to = absurd.local_addr();
        exchange(&mut near, &mut absurd, to, &[10, 20]);
    }
}

#[test]
fn the_largest_datagram_is_that_of_the_family() {
    assert_eq!(open(true).max_datagram(), 1_472);
    for (address, only_v6) in [("[::1]:0", false), ("[::]:0", false), ("[::]:0", true)] {
        let config = UdpConfig { only_v6, polled: true, ..UdpConfig::default() };
        let Ok(mut driver) = UdpDriver::with_config(address.parse().unwrap(), config) else {
            continue; // no IPv6 here
        };
        assert_eq!(driver.max_datagram(), 1_452);
        driver.send(Instant::ZERO, "127.0.0.1:9".parse().unwrap(), b"x").unwrap();
        let cut_off = u64::from(driver.family != Family::Dual);
        assert_eq!(driver.stats().send_dropped, cut_off, "{address}, only_v6: {only_v6}");
        assert!(!only_v6 || driver.family == Family::V6);
    }
}
