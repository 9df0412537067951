//! Every datagram of a session is delivered several times over, damaged first, then as it was sent.

use core::time::Duration;
use std::net::SocketAddr;

use gridmate_runtime::driver::{DriverError, DriverStats, MemoryDriver};
use gridmate_runtime::prelude::*;
use gridmate_runtime::{NodeStats, Rng};
use gridmate_tests::chunks::{Journal, Mover, registry};

/// Hands up damaged copies before each datagram. At the carrier's door, past all sockets.
struct Vandal {
    inner: MemoryDriver,
    rng: Rng,
    /// Damaged copies per datagram.
    copies: u64,
    /// Shared with the test.
    injected: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Driver for Vandal {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        let Self { inner, rng, copies, injected } = self;
        inner.receive(now, &mut |from, datagram| {
            for _ in 0..*copies {
                let damaged = damage(rng, datagram);
                injected.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                sink(from, &damaged);
            }
            sink(from, datagram);
        })
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.inner.send(now, to, datagram)
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.inner.flush(now)
    }

    fn stats(&self) -> DriverStats {
        self.inner.stats()
    }

    fn entropy(&mut self) -> u64 {
        self.inner.entropy()
    }
}

/// Cuts it, flips one to three of its bits, puts bytes behind it, or makes it longer than any datagram is.
fn damage(rng: &mut Rng, datagram: &[u8]) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    let below = |rng: &mut Rng, n: usize| usize::try_from(rng.below(n as u64)).unwrap();
    match rng.below(4) {
        0 => bytes.truncate(below(rng, datagram.len())),
        1 => {
            let first = below(rng, datagram.len() * 8);
            bytes[first / 8] ^= 1 << (first % 8);
            for _ in 0..rng.below(3) {
                let next = below(rng, datagram.len() * 8);
                if next > first {
                    bytes[next / 8] ^= 1 << (next % 8);
                }
            }
            if bytes == datagram {
                bytes[0] ^= 1;
            }
        }
        2 => {
            let more = 1 + below(rng, 40);
            bytes.extend((0..more).map(|_| rng.next_u64().to_le_bytes()[0]));
        }
        _ => bytes.resize(1_501 + below(rng, 5_000), 0),
    }
    bytes
}

fn dropped(stats: &NodeStats) -> u64 {
    stats.endpoint.dropped.total()
}

#[test]
fn scenario_02_damaged_datagrams_are_dropped_and_counted_and_change_nothing() {
    for seed in 0..20 {
        let network = MemoryNetwork::new();
        let injected: [std::sync::Arc<std::sync::atomic::AtomicU64>; 2] = Default::default();
        let vandal = |n: usize| Vandal {
            inner: network.bind_any().unwrap(),
            rng: Rng::new(seed * 2 + n as u64),
            copies: 8,
            injected: injected[n].clone(),
        };
        let mut host = Node::host(vandal(0), NodeConfig::new(registry()).seed(seed)).unwrap();
        let mut client = Node::join(vandal(1), host.local_addr(), NodeConfig::new(registry()).seed(seed + 99)).unwrap();
        let journal = host.replicas().add(Journal::default()).unwrap();
        let mut mine = None;
        for frame in 1..=90_u32 {
            let now = Instant::from_millis(u64::from(frame) * 33);
            if frame <= 60 {
                if frame % 10 == 0 {
                    let label = "long enough to need fragments ".repeat(70);
                    host.replicas().add(Mover { energy: frame, label, ..Mover::default() }).unwrap();
                    host.replicas().primary_mut::<Journal>(journal).unwrap().rpcs().note(frame).unwrap();
                }
                if client.local_member() != MemberId::NONE {
                    let id = *mine.get_or_insert_with(|| client.replicas().add(Mover::default()).unwrap());
                    client.replicas().primary_mut::<Mover>(id).unwrap().energy += 1;
                }
            }
            host.tick(now).unwrap();
            client.tick(now + Duration::from_millis(5)).unwrap();
        }
        assert_eq!(host.replicas().digest(), client.replicas().digest(), "seed {seed}");
        assert_eq!(client.replicas().len(), 8, "seed {seed}");
        let calls = &client.replicas().get::<Journal>(journal).unwrap().calls;
        assert_eq!(calls.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [10, 20, 30, 40, 50, 60], "seed {seed}");
        for (node, injected) in [(&host, &injected[0]), (&client, &injected[1])] {
            let injected = injected.load(std::sync::atomic::Ordering::Relaxed);
            assert!(injected > 200);
            assert_eq!(dropped(&node.stats()), injected, "seed {seed}: all damaged ones, and only those");
        }
    }
}

#[test]
fn strangers_can_send_what_they_like() {
    let network = MemoryNetwork::new();
    let mut host = Node::host(network.bind_any().unwrap(), NodeConfig::new(registry())).unwrap();
    let mut stranger = network.bind_any().unwrap();
    let mut rng = Rng::new(5);
    let host_address = host.local_addr();
    for round in 0..2_000_u64 {
        let now = Instant::from_millis(1 + round);
        let length = usize::try_from(rng.below(1_400)).unwrap();
        let mut bytes: Vec<_> = (0..length).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        if let Some(first) = bytes.first_mut() {
            // Half of them claim a type that exists.
            *first = if round % 2 == 0 { 4 + (*first % 12) } else { *first };
        }
        stranger.send(now, host_address, &bytes).unwrap();
        host.tick(now).unwrap();
    }
    assert_eq!(host.members().count(), 1);
    assert_eq!(host.stats().driver.sent, 0, "nobody gets an answer to noise");
    assert_eq!(dropped(&host.stats()), host.stats().driver.received);
}
