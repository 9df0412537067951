//! What leaves an endpoint: datagram by datagram, of whoever may have something to say.
//!
//! Whoever was written to waits in a queue, which a flush empties. A program that has much to say to many does better to have each
//! connection's datagrams leave right behind its messages: a thousand kilobytes later they would have to come back from memory, and what is
//! written then be waited for.

use std::net::SocketAddr;

use super::config::ConnectionId;
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::transmit::To;
use crate::limits;
use crate::time::Instant;

impl Endpoint {
    /// The largest message that fits one datagram on every path, alone or with a usual acknowledgement, bytes.
    pub const fn max_unfragmented(&self) -> usize {
        limits::SEGMENT_BYTES
    }

    /// The same on the path of a connection, as far as that is known by now: more, as a rule, a second after it was established. What waits in an
    /// unreliable channel when the path turns out to take less is cut into fragments.
    pub fn max_unfragmented_to(&self, id: ConnectionId) -> usize {
        self.established(id).map_or(limits::SEGMENT_BYTES, Connection::largest_message)
    }

    /// Replaces `out` by the next datagram, of at most [`DATAGRAM_BYTES_MAX`](crate::limits::DATAGRAM_BYTES_MAX), and says where to send it. Call it until
    /// it returns `None`: that is one flush.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let now = self.advance(now);
        out.clear();
        if let Some(address) = self.answers.write(now, &self.secret, out) {
            return Some(self.sent(address, out));
        }
        while let Some(&index) = self.ready.front() {
            if let Some(address) = self.transmit(now, index, out) {
                return Some(address);
            }
            let slot = &mut self.slots[index as usize];
            (slot.queued, slot.drained) = (false, false);
            self.ready.pop_front();
            if self.is_large() {
                self.fetch_ready();
            }
        }
        None
    }

    /// The same, of what is for one connection alone: whoever has just queued much for it can have it leave while it is still in the
    /// processor's caches. What others wait for stays until [`poll_transmit`](Self::poll_transmit), which has to follow.
    ///
    /// ```
    /// use gridmate_runtime::Instant;
    /// use gridmate_runtime::carrier::{ChannelId, ConnectionId, Endpoint};
    /// use gridmate_runtime::driver::{Driver, DriverError};
    ///
    /// fn tell_at_once(
    ///     endpoint: &mut Endpoint,
    ///     driver: &mut impl Driver,
    ///     now: Instant,
    ///     connection: ConnectionId,
    ///     message: &[u8],
    /// ) -> Result<(), DriverError> {
    ///     let _ = endpoint.send(connection, ChannelId(0), message, None); // who has left is left out
    ///     let mut datagram = Vec::new();
    ///     while let Some(to) = endpoint.poll_transmit_to(now, connection, &mut datagram) {
    ///         driver.send(now, to, &datagram)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn poll_transmit_to(&mut self, now: Instant, id: ConnectionId, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let now = self.advance(now);
        out.clear();
        let slot = self.slots.get(id.index as usize)?;
        if slot.generation != id.generation || !slot.queued {
            return None;
        }
        let address = self.transmit(now, id.index, out);
        self.slots[id.index as usize].drained = address.is_none();
        address
    }

    /// Writes a datagram for the peer of a slot, if it has something to say; if not, sets its deadline.
    #[inline]
    fn transmit(&mut self, now: Instant, index: u32, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let slot = &mut self.slots[index as usize];
        let peer = slot.peer.as_mut().filter(|_| !slot.drained)?;
        let compression = self.compression.as_deref_mut();
        let Some(to) = peer.transmit(now, &self.config, &self.schedule, out, compression, &mut self.shared) else {
            self.timers.set(index, Some(peer.deadline(now, &self.config)));
            return None;
        };
        let address = match to {
            To::Peer => peer.address,
            To::Candidate(address) => address,
        };
        if peer.is_done() {
            self.release(index);
        }
        Some(self.sent(address, out))
    }

    fn sent(&mut self, to: SocketAddr, datagram: &[u8]) -> SocketAddr {
        self.shared.stats.sent += 1;
        self.shared.stats.sent_bytes += datagram.len() as u64;
        to
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::Rng;
    use crate::carrier::{CarrierConfig, CarrierEvent, ChannelId};

    const CLIENTS: usize = 5;

    fn address(at: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], u16::try_from(at).unwrap()))
    }

    /// A host and its clients; what the host sent to each, and what it said that arrived.
    struct Side {
        host: Endpoint,
        clients: Vec<Endpoint>,
        connections: Vec<ConnectionId>,
        sent: [Vec<Vec<u8>>; CLIENTS],
        heard: [Vec<Vec<u8>>; CLIENTS],
        chances: [Rng; CLIENTS],
    }

    impl Side {
        fn new() -> Self {
            let now = Instant::ZERO;
            let mut clients: Vec<_> = (1..=5).map(|seed| Endpoint::new(CarrierConfig::new(7), seed)).collect();
            clients.iter_mut().for_each(|client| {
                client.connect(now, address(9), b"").unwrap();
            });
            let chances = core::array::from_fn(|at| Rng::new(at as u64));
            let host = Endpoint::new(CarrierConfig::new(7), 0);
            let mut side = Self {
                host,
                clients,
                connections: Vec::new(),
                sent: Default::default(),
                heard: Default::default(),
                chances,
            };
            while side.connections.len() < CLIENTS {
                side.listen(now);
                side.flush(now);
            }
            side
        }

        /// One datagram of the host, which may be lost.
        fn deliver(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) {
            let at = usize::from(to.port());
            self.sent[at].push(datagram.to_vec());
            if self.connections.len() < CLIENTS || !self.chances[at].chance(0.05) {
                self.clients[at].handle_datagram(now, address(9), datagram);
            }
        }

        fn flush(&mut self, now: Instant) {
            let mut datagram = Vec::new();
            while let Some(to) = self.host.poll_transmit(now, &mut datagram) {
                self.deliver(now, to, &datagram);
            }
        }

        /// Clients answer, and all that happened is looked at.
        fn listen(&mut self, now: Instant) {
            let Self { host, clients, connections, heard, .. } = self;
            let mut datagram = Vec::new();
            for (at, client) in clients.iter_mut().enumerate() {
                client.handle_timeout(now);
                while let Some(event) = client.poll_event() {
                    if let CarrierEvent::Message { bytes, .. } = event {
                        heard[at].push(bytes);
                    }
                }
                while client.poll_transmit(now, &mut datagram).is_some() {
                    host.handle_datagram(now, address(at), &datagram);
                }
            }
            host.handle_timeout(now);
            while let Some(event) = host.poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => host.accept(now, connection, b"").unwrap(),
                    CarrierEvent::Connected { connection, .. } => connections.push(connection),
                    _ => {}
                }
            }
        }
    }

    fn say(rng: &mut Rng) -> (ChannelId, Vec<u8>) {
        let longest = if rng.chance(0.5) { 40 } else { 3_000 };
        let len = usize::try_from(rng.below(longest)).unwrap();
        (ChannelId(u8::from(rng.chance(0.7))), vec![rng.next_u64().to_le_bytes()[0]; len])
    }

    /// Whether each connection is polled by itself, and given its messages for good, or all at the end: everyone is sent the same.
    #[test]
    fn what_is_polled_for_one_is_what_would_be_polled_for_all() {
        let mut rng = Rng::new(5);
        let mut sides = [Side::new(), Side::new()];
        let mut now = Instant::ZERO;
        for _ in 0..400 {
            now += Duration::from_millis(20);
            let [one_by_one, at_once] = &mut sides;
            for at in 0..CLIENTS {
                for _ in 0..rng.below(6) {
                    let (channel, mut message) = say(&mut rng);
                    let said = at_once.host.send(at_once.connections[at], channel, &message, None);
                    let connection = one_by_one.connections[at];
                    assert_eq!(one_by_one.host.send_owned(connection, channel, &mut message, None), said);
                }
                let (connection, mut datagram) = (one_by_one.connections[at], Vec::new());
                while rng.chance(0.9)
                    && let Some(to) = one_by_one.host.poll_transmit_to(now, connection, &mut datagram)
                {
                    one_by_one.deliver(now, to, &datagram);
                }
            }
            for side in &mut sides {
                side.flush(now);
                assert_eq!(side.host.poll_transmit_to(now, side.connections[0], &mut Vec::new()), None);
                side.listen(now);
            }
            assert_eq!(sides[0].host.poll_timeout(), sides[1].host.poll_timeout());
        }
        assert!(sides[0].heard.iter().all(|heard| heard.len() > 400));
        assert!(sides[0].sent == sides[1].sent && sides[0].heard == sides[1].heard);
    }

    #[test]
    fn what_is_queued_behind_that_leaves_as_well() {
        let (mut side, now) = (Side::new(), Instant::from_millis(9));
        side.chances.iter_mut().for_each(|chances| *chances = Rng::new(1));
        let (connection, mut datagram) = (side.connections[2], Vec::new());
        for n in 0..3_u8 {
            side.host.send(connection, ChannelId(1), &[n], None).unwrap();
            while let Some(to) = side.host.poll_transmit_to(now, connection, &mut datagram) {
                side.clients[2].handle_datagram(now, to, &datagram);
            }
        }
        side.host.send(connection, ChannelId(1), &[3], None).unwrap();
        let another = ConnectionId { generation: connection.generation + 1, ..connection };
        assert_eq!(side.host.poll_transmit_to(now, another, &mut datagram), None, "who will have its place");
        assert!(side.host.poll_transmit(now, &mut datagram).is_some(), "though all was polled before");
        side.clients[2].handle_datagram(now, address(9), &datagram);
        side.listen(now);
        assert_eq!(side.heard[2], [[0], [1], [2], [3]]);
        side.host.disconnect(now, connection, crate::carrier::DisconnectReason::Leave);
        assert!(side.host.poll_transmit_to(now, connection, &mut datagram).is_some(), "it is told the end");
        let nobody = ConnectionId { index: 77, generation: 0 };
        assert_eq!(side.host.poll_transmit_to(now, nobody, &mut datagram), None);
    }
}
