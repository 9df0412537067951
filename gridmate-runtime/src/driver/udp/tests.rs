//! Real sockets on the loopback interface. Every wait has an end.

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::driver::{Clock, Conditioned, canonical};
use crate::limits::{DATAGRAM_BYTES, DATAGRAM_BYTES_MAX};
use crate::sim::LinkConfig;

/// Far longer than anything here takes, so that a busy machine fails no test.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

const NAP: Duration = Duration::from_micros(200);

/// Both modes, by `polled`.
pub(super) const MODES: [bool; 2] = [true, false];

pub(super) fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(super) fn open(polled: bool) -> UdpDriver {
    UdpDriver::with_config(loopback(), UdpConfig { polled, ..UdpConfig::default() }).unwrap()
}

/// Calls `step` until it says true.
pub(super) fn wait_for(what: &str, mut step: impl FnMut(Instant) -> bool) {
    let clock = Clock::start();
    while !step(clock.now()) {
        assert!(clock.now() - Instant::ZERO < PATIENCE, "timed out waiting for {what}");
        clock.sleep_until(clock.now() + NAP);
    }
}

/// A payload that says which it is, as far as it has room for that.
pub(super) fn payload(number: u16, len: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().chain((0..=u8::MAX).cycle()).take(len).collect()
}

/// Sends all, eight at a time, and waits until each has arrived whole.
pub(super) fn exchange(sender: &mut UdpDriver, receiver: &mut UdpDriver, to: SocketAddr, lengths: &[usize]) {
    let expected_from = sender.local_addr();
    let mut missing: Vec<_> = (0_u16..).zip(lengths).map(|(number, &len)| payload(number, len)).collect();
    let unsent = missing.clone();
    let mut unsent = unsent.chunks(8);
    wait_for("datagrams", |now| {
        for datagram in unsent.next().unwrap_or_default() {
            sender.send(now, to, datagram).unwrap();
        }
        sender.flush(now).unwrap();
        receiver
            .receive(now, &mut |from, datagram| {
                assert_eq!(from, expected_from);
                let found = missing.iter().position(|it| it == datagram);
                missing.swap_remove(found.expect("a datagram that was sent, once"));
            })
            .unwrap();
        missing.is_empty()
    });
}

#[test]
fn a_thousand_datagrams_of_all_sizes_arrive() {
    let lengths: Vec<_> =
        (0..1_000).map(|number| 2 + number * 7 % 1_199).chain([1, 1_200, DATAGRAM_BYTES_MAX]).collect();
    assert!(lengths.contains(&DATAGRAM_BYTES));
    for (near, far) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut near, mut far) = (open(near), open(far));
        let to = far.local_addr();
        exchange(&mut near, &mut far, to, &lengths);
        let bytes: usize = lengths.iter().sum();
        wait_for("the counts", |_| near.stats().sent == lengths.len() as u64);
        assert_eq!(near.stats().sent_bytes, bytes as u64);
        assert_eq!((far.stats().received, far.stats().received_bytes), (lengths.len() as u64, bytes as u64));
        assert_eq!((near.stats().send_dropped, far.stats().receive_dropped), (0, 0));
    }
}

#[test]
fn a_busy_port_is_named() {
    for polled in MODES {
        let first = open(polled);
        let address = first.local_addr();
        let error = UdpDriver::with_config(address, UdpConfig { polled, ..UdpConfig::default() }).unwrap_err();
        assert!(matches!(error, DriverError::Bind { address: named, .. } if named == address), "{error:?}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        drop(first);
        assert_eq!(UdpDriver::bind_polled(address).unwrap().local_addr(), address, "free again");
    }
}

#[test]
fn foreign_addresses_are_refused() {
    // TEST-NET-1: nobody's.
    assert!(matches!(UdpDriver::bind("192.0.2.1:0".parse().unwrap()), Err(DriverError::Bind { .. })));
}

#[test]
fn empty_and_oversized_datagrams_are_dropped_both_ways() {
    for polled in MODES {
        let mut driver = open(polled);
        let stranger = socket::bind(loopback(), &UdpConfig::default()).unwrap().ports.remove(0).socket;
        for len in [0, DATAGRAM_BYTES_MAX + 1, DATAGRAM_BYTES_MAX + 500] {
            driver.send(Instant::ZERO, driver.local_addr(), &vec![7; len]).unwrap();
            assert_eq!(stranger.send_to(&vec![7; len], driver.local_addr()).unwrap(), len);
        }
        assert_eq!((driver.stats().send_dropped, driver.stats().sent), (3, 0));
        stranger.send_to(b"good", driver.local_addr()).unwrap();
        let mut heard = Vec::new();
        wait_for("the good one", |now| {
            driver.receive(now, &mut |_, datagram| heard.push(datagram.to_vec())).unwrap();
            !heard.is_empty()
        });
        assert_eq!(heard, [b"good"]);
        assert_eq!((driver.stats().receive_dropped, driver.stats().received), (3, 1));
    }
}

#[test]
fn a_closed_port_breaks_nothing() {
    for polled in MODES {
        let closed = open(true).local_addr();
        let (mut near, mut far) = (open(polled), open(polled));
        for _ in 0..20 {
            near.send(Instant::ZERO, closed, b"anybody?").unwrap();
            near.flush(Instant::ZERO).unwrap();
            near.receive(Instant::ZERO, &mut |_, _| unreachable!()).unwrap();
        }
        let to = far.local_addr();
        exchange(&mut near, &mut far, to, &[5, 50, 500]);
    }
}

#[test]
fn unreachable_families_are_dropped_and_counted() {
    for polled in MODES {
        let mut driver = open(polled);
        driver.send(Instant::ZERO, "[::1]:9".parse().unwrap(), b"x").unwrap();
        assert_eq!(driver.stats().send_dropped, 1);
    }
}

#[test]
fn dual_stack_sockets_show_plain_ipv4_peers() {
    for polled in MODES {
        let any = "[::]:0".parse().unwrap();
        let Ok(mut dual) = UdpDriver::with_config(any, UdpConfig { polled, ..UdpConfig::default() }) else {
            continue; // no IPv6 here
        };
        let port = dual.local_addr().port();
        let mut plain = open(polled);
        // Plain to dual, and the answer by the address that dual saw.
        exchange(&mut plain, &mut dual, SocketAddr::from(([127, 0, 0, 1], port)), &[10, 20]);
        let mut answer = None;
        dual.send(Instant::ZERO, plain.local_addr(), b"answer").unwrap();
        dual.flush(Instant::ZERO).unwrap();
        wait_for("the answer", |now| {
            plain.receive(now, &mut |from, datagram| answer = Some((from, datagram.to_vec()))).unwrap();
            answer.is_some()
        });
        assert_eq!(answer.unwrap(), (SocketAddr::from(([127, 0, 0, 1], port)), b"answer".to_vec()));

        if let Ok(mut six) = UdpDriver::bind_polled("[::1]:0".parse().unwrap()) {
            let to = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
            exchange(&mut six, &mut dual, to, &[10]);
        }
    }
}

#[test]
fn addresses_have_one_spelling() {
    let mapped = "[::ffff:1.2.3.4]:5".parse().unwrap();
    assert_eq!(canonical(mapped), "1.2.3.4:5".parse().unwrap());
    assert_eq!(Family::Dual.address("1.2.3.4:5".parse().unwrap()), Some(mapped));
    assert_eq!(Family::V6.address("1.2.3.4:5".parse().unwrap()), None);
    assert_eq!(Family::V4.address(mapped), Some("1.2.3.4:5".parse().unwrap()));
    assert_eq!(Family::V4.address("[2001:db8::1]:5".parse().unwrap()), None);
}

#[test]
fn only_a_broken_socket_is_given_up() {
    use std::io::{Error, ErrorKind};

    use socket::ReceiveFailure;

    assert!(matches!(ReceiveFailure::of(ErrorKind::WouldBlock.into()), ReceiveFailure::Empty));
    assert!(matches!(ReceiveFailure::of(ErrorKind::Interrupted.into()), ReceiveFailure::Interrupted));
    for kind in [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset, ErrorKind::HostUnreachable] {
        assert!(matches!(ReceiveFailure::of(kind.into()), ReceiveFailure::Network), "{kind}");
    }
    assert!(matches!(ReceiveFailure::of(Error::from_raw_os_error(10_040)), ReceiveFailure::Oversized));
    assert!(matches!(ReceiveFailure::of(ErrorKind::NotConnected.into()), ReceiveFailure::Fatal(_)));
}

#[test]
fn granted_buffers_are_told_and_absurd_wishes_do_no_harm() {
    let wish = UdpConfig {
        receive_buffer: 1 << 30,
        send_buffer: 0,
        polled: true,
        queue_datagrams: 0,
        sockets: 0,
        ..UdpConfig::default()
    };
    let driver = UdpDriver::with_config(loopback(), wish).unwrap();
    assert!(driver.buffers().receive > 0);
    let tiny = UdpConfig { polled: false, ..wish };
    let mut driver = UdpDriver::with_config(loopback(), tiny).unwrap();
    for _ in 0..100 {
        driver.send(Instant::ZERO, driver.local_addr(), b"x").unwrap();
    }
    wait_for("one place to be enough", |now| {
        driver.send(now, driver.local_addr(), b"x").unwrap();
        driver.flush(now).unwrap();
        let mut heard = false;
        driver.receive(now, &mut |_, _| heard = true).unwrap();
        heard
    });
}

#[test]
fn a_full_queue_drops_and_counts() {
    let config = UdpConfig { queue_datagrams: 8, ..UdpConfig::default() };
    let mut slow = UdpDriver::with_config(loopback(), config).unwrap();
    let mut fast = open(true);
    for _ in 0..50 {
        fast.send(Instant::ZERO, slow.local_addr(), b"x").unwrap();
    }
    fast.flush(Instant::ZERO).unwrap();
    wait_for("the overflow", |_| slow.stats().receive_dropped == 42);
    let mut heard = 0;
    slow.receive(Instant::ZERO, &mut |_, _| heard += 1).unwrap();
    assert_eq!(heard, 8);
}

#[test]
fn what_was_queued_before_the_drop_still_goes_out() {
    for polled in MODES {
        let (mut near, mut far) = (open(polled), open(true));
        near.send(Instant::ZERO, far.local_addr(), b"farewell").unwrap();
        drop(near);
        let mut heard = false;
        wait_for("the farewell", |now| {
            far.receive(now, &mut |_, datagram| heard |= datagram == b"farewell").unwrap();
            heard
        });
    }
}

#[test]
fn dropping_joins_the_thread() {
    for _ in 0..50 {
        let driver = open(false);
        let shared = match &driver.mode {
            Mode::Threaded(threaded) => threaded.shared_for_tests(),
            Mode::Polled(_) => unreachable!(),
        };
        drop(driver);
        assert_eq!(std::sync::Arc::strong_count(&shared), 1, "the thread has let go of it");
    }
}

#[test]
fn the_end_of_the_thread_is_reported() {
    let mut driver = open(false);
    let Mode::Threaded(threaded) = &mut driver.mode else { unreachable!() };
    threaded.end_thread();
    for _ in 0..2 {
        assert!(matches!(driver.receive(Instant::ZERO, &mut |_, _| {}), Err(DriverError::ThreadEnded)));
        assert!(matches!(driver.flush(Instant::ZERO), Err(DriverError::ThreadEnded)));
    }
}

#[test]
fn weather_works_over_real_sockets() {
    let clock = Clock::start();
    let latency = Duration::from_millis(20);
    let link = LinkConfig { latency, duplicate: 1.0, ..LinkConfig::perfect() };
    let (mut near, mut far) = (Conditioned::new(open(false), link, 3).unwrap(), open(false));
    let sent = clock.now();
    near.send(sent, far.local_addr(), b"slow").unwrap();
    let mut heard = Vec::new();
    wait_for("both copies", |_| {
        near.flush(clock.now()).unwrap();
        far.receive(clock.now(), &mut |_, datagram| heard.push((clock.now(), datagram.to_vec()))).unwrap();
        heard.len() == 2
    });
    assert!(heard.iter().all(|(at, datagram)| *at - sent >= latency && datagram == b"slow"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_mix_of_lengths_arrives(lengths in prop::collection::vec(2_usize..=DATAGRAM_BYTES_MAX, 1..60), polled: bool) {
        let (mut near, mut far) = (open(polled), open(!polled));
        let to = far.local_addr();
        exchange(&mut near, &mut far, to, &lengths);
    }
}
