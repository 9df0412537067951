//! Datagrams that are handed to the endpoint a few at a time.
//!
//! With thousands of connections, what a datagram is about is far from the processor, and an endpoint that knows the next few has all
//! of that [come in together](Endpoint::handle_datagrams). Drivers hand datagrams over one by one, so they are copied, which takes less
//! than the wait. With few connections there is nothing to wait for, and nothing is copied.

use std::net::SocketAddr;

use crate::carrier::Endpoint;
use crate::driver::{Arrival, Ecn};
use crate::time::Instant;

/// Datagrams handed over together, count: some more than an endpoint looks ahead.
const TOGETHER: usize = 16;

/// Datagrams that have arrived and are not handed over.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// From whom, whether it was marked, and where it ends in `bytes`.
    each: Vec<(SocketAddr, bool, usize)>,
}

impl Batch {
    /// Takes a datagram. Some time after the last, [`hand_over`](Self::hand_over) has to be called.
    pub(super) fn take(&mut self, now: Instant, arrival: Arrival<'_>, endpoint: &mut Endpoint) {
        let marked = arrival.ecn == Ecn::CongestionExperienced;
        if self.each.is_empty() && !endpoint.is_large() {
            endpoint.handle_marked_datagram(now, arrival.from, marked, arrival.bytes);
            return;
        }
        self.bytes.extend_from_slice(arrival.bytes);
        self.each.push((arrival.from, marked, self.bytes.len()));
        if self.each.len() == TOGETHER {
            self.hand_over(now, endpoint);
        }
    }

    /// Hands over what was taken.
    pub(super) fn hand_over(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let starts = core::iter::once(0).chain(self.each.iter().map(|each| each.2));
        let datagrams = self.each.iter().zip(starts);
        endpoint.handle_datagrams(
            now,
            datagrams.map(|(&(from, marked, end), start)| (from, marked, &self.bytes[start..end])),
        );
        self.bytes.clear();
        self.each.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::{CarrierConfig, CarrierEvent, ChannelId, ConnectionId};
    use crate::driver::{Driver, MemoryNetwork};
    use crate::node::{Node, NodeConfig, NodeEvent, UserChannel};
    use crate::{MemberId, Registry};

    const NOW: Instant = Instant::from_millis(5);

    /// A host that takes what comes by way of a batch, and clients.
    struct Party {
        host: Endpoint,
        batch: Batch,
        clients: Vec<(SocketAddr, Endpoint)>,
        /// By client.
        connections: Vec<Option<ConnectionId>>,
        /// What the host heard, with who said it.
        heard: Vec<(SocketAddr, Vec<u8>)>,
        ecn: Ecn,
    }

    impl Party {
        /// So many clients that are about to join.
        fn new(clients: usize, ecn: Ecn) -> Self {
            let addresses = (0..clients).map(|at| SocketAddr::from(([10, 0, 1, 0], u16::try_from(at).unwrap())));
            let mut clients: Vec<_> =
                addresses.map(|at| (at, Endpoint::new(CarrierConfig::new(7), at.port().into()))).collect();
            for (_, client) in &mut clients {
                client.connect(NOW, Self::host(), b"").unwrap();
            }
            let (host, batch) = (Endpoint::new(CarrierConfig::new(7), 1), Batch::default());
            Self { host, batch, connections: vec![None; clients.len()], clients, heard: Vec::new(), ecn }
        }

        fn host() -> SocketAddr {
            SocketAddr::from(([10, 0, 0, 1], 1))
        }

        /// Everyone sends once. Who has just joined says something.
        fn round(&mut self) {
            let mut datagram = Vec::new();
            for ((address, client), known) in self.clients.iter_mut().zip(&mut self.connections) {
                while let Some(event) = client.poll_event() {
                    if let CarrierEvent::Connected { connection, .. } = event {
                        let words = vec![7; usize::from(address.port())];
                        client.send(connection, ChannelId(0), &words, None).unwrap();
                        *known = Some(connection);
                    }
                }
                while client.poll_transmit(NOW, &mut datagram).is_some() {
                    let arrival = Arrival { from: *address, ecn: self.ecn, bytes: &datagram };
                    self.batch.take(NOW, arrival, &mut self.host);
                }
            }
            self.batch.hand_over(NOW, &mut self.host);
            while let Some(event) = self.host.poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => self.host.accept(NOW, connection, b"").unwrap(),
                    CarrierEvent::Message { connection, bytes, .. } => {
                        self.heard.push((self.host.address(connection).unwrap(), bytes))
                    }
                    _ => {}
                }
            }
            while let Some(to) = self.host.poll_transmit(NOW, &mut datagram) {
                self.clients[usize::from(to.port())].1.handle_datagram(NOW, Self::host(), &datagram);
            }
        }
    }

    /// Few enough to be handed over at once, and so many that they are not.
    const CLIENTS: [usize; 2] = [3, 60];

    #[test]
    fn every_datagram_is_handed_over_once_and_in_order() {
        for clients in CLIENTS {
            let mut party = Party::new(clients, Ecn::NotCapable);
            for round in 0..8 {
                party.round();
                assert!(party.batch.each.is_empty() && party.batch.bytes.is_empty(), "round {round}");
            }
            assert_eq!(party.heard.len(), clients);
            for (at, (from, words)) in party.heard.iter().enumerate() {
                assert_eq!((usize::from(from.port()), words.len()), (at, at));
            }
        }
    }

    #[test]
    fn marks_are_handed_over() {
        for clients in CLIENTS {
            for (ecn, marked) in [(Ecn::CongestionExperienced, true), (Ecn::NotCapable, false)] {
                let mut party = Party::new(clients, ecn);
                (0..8).for_each(|_| party.round());
                for ((_, client), connection) in party.clients.iter().zip(&party.connections) {
                    // The host has told whoever sent them.
                    let stats = client.stats(connection.unwrap()).unwrap();
                    assert!(stats.packets_sent > 0);
                    assert_eq!(stats.packets_marked > 0, marked, "{clients} clients, {ecn:?}: {stats:?}");
                }
            }
        }
    }

    #[test]
    fn among_many_they_wait_for_each_other_and_among_few_they_do_not() {
        for (clients, large) in CLIENTS.into_iter().zip([false, true]) {
            let mut party = Party::new(clients, Ecn::NotCapable);
            (0..8).for_each(|_| party.round());
            let (before, arrival) = (
                party.host.endpoint_stats().received,
                Arrival { from: Party::host(), ecn: Ecn::NotCapable, bytes: b"?" },
            );
            for taken in 1..=5 * TOGETHER {
                party.batch.take(NOW, arrival, &mut party.host);
                let waiting = if large { taken % TOGETHER } else { 0 };
                assert_eq!(party.batch.each.len(), waiting, "{taken} of {clients} clients");
                let received = party.host.endpoint_stats().received - before;
                assert_eq!(received, (taken - waiting) as u64);
            }
        }
    }

    /// Nothing that has come waits for the next tick.
    #[test]
    fn a_tick_hands_over_all_that_has_come() {
        let (network, registry) = (MemoryNetwork::new(), Registry::builder().build().unwrap());
        let mut host = Node::host(network.bind_any().unwrap(), NodeConfig::new(registry.clone())).unwrap();
        let join = |_| {
            let driver = network.bind_any().unwrap();
            assert_ne!(driver.local_addr(), host.local_addr());
            Node::join(driver, host.local_addr(), NodeConfig::new(registry.clone())).unwrap()
        };
        // Neither a number of datagrams that fills batches, nor so few that there are none.
        let mut clients: Vec<_> = (0..TOGETHER + 5).map(join).collect();
        let mut now = NOW;
        for _ in 0..20 {
            now += core::time::Duration::from_millis(16);
            host.tick(now).unwrap();
            clients.iter_mut().for_each(|client| client.tick(now).unwrap());
        }
        assert!(host.endpoint.is_large());
        while host.poll_event().is_some() {}
        for client in &mut clients {
            client.send(MemberId::HOST, UserChannel::Ordered, b"now").unwrap();
            client.tick(now).unwrap();
        }
        host.tick(now).unwrap();
        let heard =
            core::iter::from_fn(|| host.poll_event()).filter(|event| matches!(event, NodeEvent::Message { .. }));
        assert_eq!(heard.count(), clients.len());
    }
}
