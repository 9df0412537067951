//! Datagrams that are handed to the endpoint a few at a time.
//!
//! With thousands of connections, what a datagram is about is far from the processor, and an endpoint that knows the next few has all
//! of that [come in together](Endpoint::handle_datagrams). Drivers hand datagrams over one by one, so they are copied, which takes less
//! than the wait. With few connections there is nothing to wait for, and nothing is copied.

use std::net::SocketAddr;

use crate::carrier::Endpoint;
use crate::driver::{Arrival, Ecn};
use crate::time::Instant;

/// Datagrams handed over together, count: as many as an endpoint looks ahead, and again.
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
    use crate::carrier::{CarrierConfig, CarrierEvent};

    /// Clients join a host and each says something; returns what the host heard, with who said it.
    fn heard(clients: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let (host_address, now) = (SocketAddr::from(([10, 0, 0, 1], 1)), Instant::from_millis(5));
        let mut host = Endpoint::new(CarrierConfig::new(7), 1);
        let mut batch = Batch::default();
        let addresses = (0..clients).map(|at| SocketAddr::from(([10, 0, 1, 0], u16::try_from(at).unwrap())));
        let mut clients: Vec<_> =
            addresses.map(|at| (at, Endpoint::new(CarrierConfig::new(7), at.port().into()))).collect();
        for (_, client) in &mut clients {
            client.connect(now, host_address, b"").unwrap();
        }
        let (mut datagram, mut heard) = (Vec::new(), Vec::new());
        for round in 0..8 {
            for (address, client) in &mut clients {
                while let Some(event) = client.poll_event() {
                    if let CarrierEvent::Connected { connection, .. } = event {
                        let words = vec![7; usize::from(address.port())];
                        client.send(connection, crate::carrier::ChannelId(0), &words, None).unwrap();
                    }
                }
                while client.poll_transmit(now, &mut datagram).is_some() {
                    let arrival = Arrival { from: *address, ecn: Ecn::NotCapable, bytes: &datagram };
                    batch.take(now, arrival, &mut host);
                }
            }
            batch.hand_over(now, &mut host);
            assert!(batch.each.is_empty() && batch.bytes.is_empty(), "round {round}");
            while let Some(event) = host.poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => host.accept(now, connection, b"").unwrap(),
                    CarrierEvent::Message { connection, bytes, .. } => {
                        heard.push((host.address(connection).unwrap(), bytes))
                    }
                    _ => {}
                }
            }
            while let Some(to) = host.poll_transmit(now, &mut datagram) {
                clients[usize::from(to.port())].1.handle_datagram(now, host_address, &datagram);
            }
        }
        heard
    }

    #[test]
    fn every_datagram_is_handed_over_once_and_in_order() {
        // Few enough to be handed over at once, and so many that they are not.
        for clients in [3, 60] {
            let heard = heard(clients);
            assert_eq!(heard.len(), clients);
            for (at, (from, words)) in heard.iter().enumerate() {
                assert_eq!((usize::from(from.port()), words.len()), (at, at));
            }
        }
    }
}
