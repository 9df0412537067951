//! Incoming datagrams: what kind, whose, and what they change about a connection's existence.
//!
//! Nothing of a packet is acted on before its tag matched. Data and disconnect packets belong to whichever connection of their
//! address they were sealed for; handshake packets are matched by the joiner's nonce.

use std::net::SocketAddr;

use super::config::ConnectionId;
use super::connection::Connection;
use super::endpoint::{Endpoint, NOBODY};
use super::error::{DisconnectReason, Refusal};
use super::events::CarrierEvent;
use super::handshake::{self, Accepted, Hello, VERSION};
use super::packet::{self, Key};
use super::peer::{Peer, Phase, keys};
use super::stats::Cause;
use crate::limits;
use crate::time::Instant;

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<(), Cause> {
        if datagram.len() <= packet::PREFIX {
            return Err(Cause::Short);
        }
        if datagram.len() > limits::DATAGRAM_BYTES_MAX {
            return Err(Cause::Long);
        }
        match datagram[0] {
            packet::HELLO..=packet::REFUSED if !Key::handshake().opens(datagram) => Err(Cause::BadTag),
            packet::HELLO => self.receive_hello(now, from, Hello::read(datagram).ok_or(Cause::Malformed)?),
            packet::ACCEPTED => self.receive_accepted(now, from, Accepted::read(datagram).ok_or(Cause::Malformed)?),
            packet::REFUSED => {
                let (nonce, reason) = handshake::read_refused(datagram, self.config.schema).ok_or(Cause::Malformed)?;
                let index = self.connecting(from, nonce).ok_or(Cause::Handshake)?;
                let connection = self.release(index).ok_or(Cause::Handshake)?;
                self.shared.events.push(CarrierEvent::Refused { connection, reason });
                Ok(())
            }
            packet::DISCONNECT => {
                let index = self.sealed_by(from, datagram)?;
                let [code] = datagram[packet::PREFIX..] else { return Err(Cause::Malformed) };
                self.end(index, DisconnectReason::from_wire(code).ok_or(Cause::Malformed)?);
                Ok(())
            }
            packet::DATA..=15 => {
                let index = self.sealed_by(from, datagram)?;
                if self.shared.events.is_full() {
                    return Err(Cause::Backlog);
                }
                self.prove(now, index);
                let Some(Peer { phase: Phase::Established(connection), .. }) = &mut self.slots[index as usize].peer
                else {
                    return Err(Cause::Handshake);
                };
                let end = connection.receive(now, datagram, &self.config.channels, &mut self.shared)?;
                self.touch(index);
                if let Some(reason) = end {
                    let id = ConnectionId { index, generation: self.slots[index as usize].generation };
                    self.disconnect(now, id, reason);
                }
                Ok(())
            }
            _ => Err(Cause::UnknownType),
        }
    }

    fn receive_hello(&mut self, now: Instant, from: SocketAddr, hello: Hello<'_>) -> Result<(), Cause> {
        if hello.version != VERSION {
            return self.refuse_early(from, hello.nonce, Refusal::Version { ours: VERSION, theirs: hello.version });
        }
        if hello.schema != self.config.schema {
            let (ours, details) = (self.config.schema, self.config.schema_details.clone());
            let reason = Refusal::Schema { ours, theirs: hello.schema, details };
            return self.refuse_early(from, hello.nonce, reason);
        }
        let slots = self.at(from);
        for index in slots {
            let Some(peer) = self.slots.get_mut(index as usize).and_then(|slot| slot.peer.as_mut()) else { continue };
            if peer.nonce == hello.nonce {
                peer.greeted_again(now, &self.config);
                self.touch(index);
                return Err(Cause::Handshake);
            }
            // Both ends connect to each other: the attempt with the larger nonce stays.
            if matches!(peer.phase, Phase::Connecting { .. }) && peer.nonce > hello.nonce {
                return Err(Cause::Handshake);
            }
        }
        if slots[1] != NOBODY {
            return Err(Cause::Busy);
        }
        if self.is_full() {
            return self.refuse_early(from, hello.nonce, Refusal::Full);
        }
        if self.half_open >= limits::HALF_OPEN {
            return self.refuse_early(from, hello.nonce, Refusal::Busy);
        }
        if self.shared.events.is_full() {
            return Err(Cause::Backlog);
        }
        let deadline = now + self.config.handshake_timeout;
        self.half_open += 1;
        let connection = self.occupy(from, hello.nonce, Phase::Pending { deadline });
        let hello = self.shared.pool.copy(hello.hello);
        self.shared.events.push(CarrierEvent::Incoming { connection, address: from, hello });
        Ok(())
    }

    fn receive_accepted(&mut self, now: Instant, from: SocketAddr, accepted: Accepted<'_>) -> Result<(), Cause> {
        let index = self.connecting(from, accepted.joiner).ok_or(Cause::Handshake)?;
        // Both ends connect to each other and this attempt has given way: taking it up again could leave each end with the
        // connection that the other dropped.
        let accepting = |&slot: &u32| self.peer(slot).is_some_and(|peer| matches!(peer.phase, Phase::Accepted { .. }));
        if self.at(from).iter().any(accepting) {
            return Err(Cause::Handshake);
        }
        let Some(peer) = &mut self.slots[index as usize].peer else { return Err(Cause::Handshake) };
        let Phase::Connecting { hello, attempts, first_sent, .. } = &mut peer.phase else {
            return Err(Cause::Handshake);
        };
        let mut connection =
            Connection::new(peer.id, &self.config, keys(accepted.joiner, accepted.acceptor, false), now);
        if *attempts == 1 {
            connection.measured(now.saturating_since(*first_sent));
        }
        self.shared.pool.give(core::mem::take(hello));
        let welcome = self.shared.pool.copy(accepted.welcome);
        self.shared.events.push(CarrierEvent::Connected { connection: peer.id, welcome });
        self.shared.stats.connected += 1;
        peer.phase = Phase::Established(Box::new(connection));
        self.touch(index);
        Ok(())
    }

    /// Answers a hello that gets no slot.
    fn refuse_early(&mut self, to: SocketAddr, nonce: u64, reason: Refusal) -> Result<(), Cause> {
        if self.refusals.len() >= limits::REFUSALS {
            return Err(Cause::Busy);
        }
        self.refusals.push_back((to, nonce, reason));
        Ok(())
    }

    /// The peer of a slot sent something that only it could have sent. When that slot was waiting for this, it is
    /// established and replaces whatever else its address had.
    fn prove(&mut self, now: Instant, index: u32) {
        let Some(peer) = &mut self.slots[index as usize].peer else { return };
        // The time since the reply says nothing of the round trip: the joiner repeats itself until something arrives.
        let Phase::Accepted { acceptor, welcome, .. } = &mut peer.phase else { return };
        let connection = Connection::new(peer.id, &self.config, keys(peer.nonce, *acceptor, true), now);
        self.shared.pool.give(core::mem::take(welcome));
        let (id, address) = (peer.id, peer.address);
        peer.phase = Phase::Established(Box::new(connection));
        self.half_open -= 1;
        for other in self.at(address) {
            if other != NOBODY && other != index {
                self.end(other, DisconnectReason::Replaced);
            }
        }
        self.shared.events.push(CarrierEvent::Connected { connection: id, welcome: Vec::new() });
        self.shared.stats.connected += 1;
    }

    /// The slot at an address whose key a packet was sealed with.
    fn sealed_by(&self, from: SocketAddr, datagram: &[u8]) -> Result<u32, Cause> {
        let slots = self.addresses.get(&from).ok_or(Cause::UnknownAddress)?;
        let opens = |index: &u32| self.peer(*index).and_then(Peer::receive_key).is_some_and(|key| key.opens(datagram));
        slots.iter().copied().find(|index| opens(index)).ok_or(Cause::BadTag)
    }

    /// The slot in which we said hello with this nonce.
    fn connecting(&self, to: SocketAddr, nonce: u64) -> Option<u32> {
        self.at(to).into_iter().find(|&index| {
            self.peer(index).is_some_and(|peer| peer.nonce == nonce && matches!(peer.phase, Phase::Connecting { .. }))
        })
    }
}
