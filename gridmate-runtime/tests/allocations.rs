//! A driver that has warmed up allocates nothing on the thread that calls it.
//!
//! The allocator counts per thread, so that neither the test harness nor a network thread's own life shows up here.
#![expect(unsafe_code, reason = "the only way to see allocations is to be the allocator")]

use core::cell::Cell;
use core::time::Duration;
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;

use gridmate_runtime::Instant;
use gridmate_runtime::driver::{Conditioned, Driver, MemoryNetwork};
use gridmate_runtime::sim::LinkConfig;

thread_local! {
    /// Without a destructor and without lazy set-up, so that the allocator may touch it at any time.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Datagrams per tick, count.
const BURST: u64 = 16;

/// Ticks before anything is counted, and ticks in a round.
const TICKS: u64 = 200;

/// Rounds to reach a steady state in, count. A busy machine may let more datagrams wait than ever before, which makes
/// buffers once; a driver that allocates for each datagram does so in every round.
const ROUNDS: u64 = 8;

/// Runs both ends for a while, then says how often this thread allocated during as long again, in the best of the rounds.
/// `settle` is called when a tick's datagrams are to arrive.
fn allocations(near: &mut dyn Driver, far: &mut dyn Driver, mut settle: impl FnMut()) -> u64 {
    let mut heard = 0_u64;
    let mut run = |ticks: core::ops::Range<u64>| {
        for tick in ticks {
            let now = Instant::from_millis(tick);
            ping(near, now, far.local_addr());
            settle();
            let mut seen = 0;
            far.receive(now, &mut |_, datagram| seen += datagram.len() as u64).unwrap();
            ping(far, now, near.local_addr());
            settle();
            near.receive(now, &mut |_, datagram| seen += datagram.len() as u64).unwrap();
            heard += u64::from(seen > 0);
        }
    };
    run(0..TICKS);
    let mut fewest = u64::MAX;
    for round in 1..=ROUNDS {
        let before = ALLOCATIONS.get();
        run(round * TICKS..(round + 1) * TICKS);
        fewest = fewest.min(ALLOCATIONS.get() - before);
        if fewest == 0 {
            break;
        }
    }
    assert!(heard > TICKS, "the test must move something: {heard}");
    fewest
}

fn ping(driver: &mut dyn Driver, now: Instant, to: SocketAddr) {
    for number in 0..BURST {
        let payload = [7; 1_200];
        let len = usize::try_from(1 + number * 79).unwrap().min(payload.len());
        driver.send(now, to, &payload[..len]).unwrap();
    }
    driver.flush(now).unwrap();
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

#[test]
fn memory() {
    let network = MemoryNetwork::new();
    let (mut near, mut far) = (network.bind_any().unwrap(), network.bind_any().unwrap());
    assert_eq!(allocations(&mut near, &mut far, || {}), 0);
}

#[test]
fn conditioned() {
    // A constant delay, so that the number of waiting datagrams is the same before and after.
    let slow = LinkConfig { latency: Duration::from_millis(30), ..LinkConfig::perfect() };
    for link in [LinkConfig::perfect(), slow] {
        let network = MemoryNetwork::new();
        let mut near = Conditioned::new(network.bind_any().unwrap(), link, 1).unwrap();
        let mut far = Conditioned::new(network.bind_any().unwrap(), link, 2).unwrap();
        far.set_incoming(link).unwrap();
        assert_eq!(allocations(&mut near, &mut far, || {}), 0);
    }
}

#[cfg(feature = "udp")]
mod udp {
    use gridmate_runtime::driver::{Clock, DriverError, UdpConfig, UdpDriver, Wake};

    use super::*;

    fn check(bind: impl Fn(SocketAddr) -> Result<UdpDriver, DriverError>) {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let (mut near, mut far) = (bind(loopback).unwrap(), bind(loopback).unwrap());
        let clock = Clock::start();
        let settle = || clock.sleep_until(clock.now() + Duration::from_micros(300));
        assert_eq!(allocations(&mut near, &mut far, settle), 0);
    }

    fn with(config: UdpConfig) -> impl Fn(SocketAddr) -> Result<UdpDriver, DriverError> {
        move |address| UdpDriver::with_config(address, config)
    }

    #[test]
    fn threaded() {
        check(UdpDriver::bind);
    }

    #[test]
    fn threaded_and_seldom_woken() {
        check(with(UdpConfig { wake: Wake::Batched { datagrams: 8 }, sockets: 2, ..UdpConfig::default() }));
    }

    #[test]
    fn polled() {
        check(UdpDriver::bind_polled);
    }

    #[test]
    fn polled_with_several_sockets() {
        check(with(UdpConfig { polled: true, sockets: 3, ..UdpConfig::default() }));
    }

    /// One size and one peer, which travel as segments; and as many peers as datagrams, which travel as a list.
    #[test]
    fn runs_and_lists() {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let mut near = UdpDriver::bind_polled(loopback).unwrap();
        let mut far: Vec<_> = (0..40).map(|_| UdpDriver::bind_polled(loopback).unwrap()).collect();
        let to: Vec<_> = far.iter().map(Driver::local_addr).collect();
        let mut heard = 0_u64;
        let mut round = || {
            for number in 0..50 {
                near.send(Instant::ZERO, to[0], &[7; 1_000]).unwrap();
                near.send(Instant::ZERO, to[number % to.len()], &[7; 10]).unwrap();
            }
            near.flush(Instant::ZERO).unwrap();
            for address in &to {
                near.send(Instant::ZERO, *address, b"one each").unwrap();
            }
            near.flush(Instant::ZERO).unwrap();
            for _ in 0..50 {
                near.send(Instant::ZERO, to[1], &[7; 900]).unwrap();
            }
            near.flush(Instant::ZERO).unwrap();
            for driver in &mut far {
                driver.wait(Duration::from_millis(1)).unwrap();
                driver.receive(Instant::ZERO, &mut |_, _| heard += 1).unwrap();
            }
        };
        round();
        let before = ALLOCATIONS.get();
        for _ in 0..20 {
            round();
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert!(heard > 1_000, "the test must move something: {heard}");
        assert_eq!(near.stats().send_dropped, 0);
    }
}
