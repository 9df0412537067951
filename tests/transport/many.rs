//! Scenario 13: 101 endpoints in one process lossless in under eight seconds, and many connections with no steady-state allocation.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{CarrierEvent, ConnectionId, Endpoint};
use gridmate_runtime::driver::{Clock, Driver, UdpDriver};

use crate::carrier_support::{RELIABLE, UNRELIABLE, config, message, number};
use crate::counting::{allocations, held};

const CLIENTS: usize = 100;

/// Messages that each client sends on either channel; all of them are sent back.
const EACH: u64 = 200;

/// An endpoint with a socket, and what it has heard.
struct Station {
    endpoint: Endpoint,
    driver: UdpDriver,
    connected: Vec<ConnectionId>,
    /// By connection: the next reliable message, and how many unreliable ones there were.
    heard: BTreeMap<ConnectionId, (u64, u64)>,
}

impl Station {
    fn open(seed: u64) -> Self {
        let driver = UdpDriver::bind_polled(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let endpoint = Endpoint::new(config(), seed);
        Self { endpoint, driver, connected: Vec::new(), heard: BTreeMap::new() }
    }

    /// Receives, answers everything if it is the one to `echo`, and sends.
    fn turn(&mut self, now: Instant, echo: bool) {
        let Self { endpoint, driver, connected, heard } = self;
        driver.receive(now, &mut |from, bytes| endpoint.handle_datagram(now, from, bytes)).unwrap();
        endpoint.handle_timeout(now);
        while let Some(event) = endpoint.poll_event() {
            match event {
                CarrierEvent::Incoming { connection, .. } => endpoint.accept(now, connection, b"").unwrap(),
                CarrierEvent::Connected { connection, .. } => connected.push(connection),
                CarrierEvent::Message { connection, channel, bytes, .. } => {
                    let (next, plain) = heard.entry(connection).or_default();
                    if channel == RELIABLE {
                        assert!(bytes == message(*next, 60), "message {next}, found {}", number(&bytes));
                        *next += 1;
                    } else {
                        *plain += 1;
                    }
                    if echo {
                        endpoint.send(connection, channel, &bytes, None).unwrap();
                    }
                    endpoint.recycle(bytes);
                }
                CarrierEvent::Disconnected { reason, .. } => panic!("disconnected: {reason:?}"),
                _ => {}
            }
        }
        let mut out = Vec::new();
        while let Some(to) = endpoint.poll_transmit(now, &mut out) {
            driver.send(now, to, &out).unwrap();
        }
        driver.flush(now).unwrap();
    }
}

/// A hundred clients and a host, each with a socket of its own on the loopback interface: all connect, and every client sends 200
/// reliable messages and gets them back, all of them, in order, in less than eight seconds. So do the unreliable ones, but for
/// those that the system's buffers had no room for.
#[test]
fn scenario_13a_a_hundred_and_one_endpoints_over_real_sockets() {
    let clock = Clock::start();
    let mut host = Station::open(1);
    let at = host.driver.local_addr();
    let mut clients: Vec<_> = (0..CLIENTS).map(|n| Station::open(2 + n as u64)).collect();
    for client in &mut clients {
        client.endpoint.connect(clock.now(), at, b"").unwrap();
    }
    let mut sent = [0_u64; CLIENTS];
    loop {
        let now = clock.now();
        assert!(now < Instant::from_millis(8_000), "not done after eight seconds: {sent:?}");
        host.turn(now, true);
        let mut done = 0;
        for (client, sent) in clients.iter_mut().zip(&mut sent) {
            if let Some(id) = client.connected.first()
                && *sent < EACH
            {
                for _ in 0..4 {
                    client.endpoint.send(*id, RELIABLE, &message(*sent, 60), None).unwrap();
                    client.endpoint.send(*id, UNRELIABLE, &message(*sent, 60), None).unwrap();
                    *sent += 1;
                }
            }
            client.turn(now, false);
            done += usize::from(client.heard.values().any(|(next, _)| *next == EACH));
        }
        if done == CLIENTS {
            break;
        }
        clock.sleep_until(now + Duration::from_millis(2));
    }
    assert_eq!((host.connected.len(), host.heard.len()), (CLIENTS, CLIENTS));
    assert!(host.heard.values().all(|(reliable, _)| *reliable == EACH), "the host has them all");
    let plain: u64 = clients.iter().flat_map(|client| client.heard.values()).map(|(_, plain)| plain).sum();
    assert!(plain * 10 > CLIENTS as u64 * EACH * 9, "{plain} unreliable messages came back");
}

/// What is under way to one end, one after another in one buffer, so that the network allocates nothing.
#[derive(Default)]
struct Datagrams {
    bytes: Vec<u8>,
    /// Where each came from, and its length.
    each: Vec<(SocketAddr, usize)>,
}

/// Two endpoints that share all connections: to either, the other is as many addresses as there are connections.
struct World {
    now: Instant,
    ends: [Endpoint; 2],
    ids: [Vec<ConnectionId>; 2],
    /// By the end that they are for.
    under_way: [Datagrams; 2],
    out: Vec<u8>,
    heard: u64,
    frame: usize,
}

/// Frames of a second; the connections speak in turns.
const FRAMES: usize = 60;

fn place(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], u16::try_from(n + 1).unwrap()))
}

impl World {
    fn new(connections: usize) -> Self {
        let mut world = Self {
            now: Instant::from_millis(1),
            ends: [1, 2].map(|seed| Endpoint::new(config(), seed)),
            ids: [Vec::with_capacity(connections), Vec::with_capacity(connections)],
            under_way: Default::default(),
            out: Vec::new(),
            heard: 0,
            frame: 0,
        };
        for n in 0..connections {
            world.ends[1].connect(world.now, place(n), b"").unwrap();
            if n % 200 == 199 {
                (0..2 * FRAMES).for_each(|_| world.frame());
            }
        }
        assert_eq!(world.ids.each_ref().map(Vec::len), [connections; 2], "all connected");
        world
    }

    fn frame(&mut self) {
        let Self { now, ends, ids, under_way, out, heard, frame } = self;
        *now += Duration::from_micros(16_667);
        *frame = (*frame + 1) % FRAMES;
        for (end, endpoint) in ends.iter_mut().enumerate() {
            let Datagrams { bytes, each } = &mut under_way[end];
            let mut rest = &bytes[..];
            for (from, len) in each.drain(..) {
                let (datagram, more) = rest.split_at(len);
                endpoint.handle_datagram(*now, from, datagram);
                rest = more;
            }
            bytes.clear();
            endpoint.handle_timeout(*now);
            while let Some(event) = endpoint.poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => endpoint.accept(*now, connection, b"").unwrap(),
                    CarrierEvent::Connected { connection, .. } => ids[end].push(connection),
                    CarrierEvent::Message { bytes, .. } => {
                        *heard += 1;
                        endpoint.recycle(bytes);
                    }
                    other => panic!("{other:?}"),
                }
            }
            for id in ids[end].iter().skip(*frame).step_by(FRAMES) {
                endpoint.send(*id, RELIABLE, &[7; 64], None).unwrap();
                endpoint.send(*id, UNRELIABLE, &[8; 64], None).unwrap();
            }
        }
        for (end, endpoint) in ends.iter_mut().enumerate() {
            let Datagrams { bytes, each } = &mut under_way[1 - end];
            while let Some(to) = endpoint.poll_transmit(*now, out) {
                each.push((to, out.len()));
                bytes.extend_from_slice(out);
            }
        }
    }
}

/// Ten thousand connections, each with two messages each way a second: once their buffers have grown, nothing is allocated in ten
/// seconds. What that costs is what the benchmark `conns10k` (`BENCHMARKS.md`) says.
#[test]
fn scenario_13b_ten_thousand_connections_allocate_nothing() {
    const CONNECTIONS: usize = 10_000;
    let before = held();
    let mut world = World::new(CONNECTIONS);
    (0..20 * FRAMES).for_each(|_| world.frame());
    let each = (held() - before) / (2 * CONNECTIONS as i64);
    assert!(each < 8_000, "{each} bytes for each end of a connection");
    let (allocated, heard) = (allocations(), world.heard);
    (0..10 * FRAMES).for_each(|_| world.frame());
    assert_eq!(allocations() - allocated, 0);
    assert_eq!(world.heard - heard, 2 * 2 * 10 * CONNECTIONS as u64, "everything arrives");
}
