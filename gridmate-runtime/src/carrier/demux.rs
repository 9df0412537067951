//! Incoming datagrams: what kind, whose, and what they change about a connection's existence.
//!
//! Nothing of a packet is acted on before its tag matched. Data and disconnect packets name the connection they are for;
//! handshake packets are matched by the joiner's nonce.

use std::net::SocketAddr;

use super::admission::{Decision, Joiner};
use super::answers::Answer;
use super::compress::Offer;
use super::config::ConnectionId;
use super::connection::{Connection, Names, Outcome};
use super::endpoint::Endpoint;
use super::error::{DisconnectReason, Refusal};
use super::events::CarrierEvent;
use super::frame::Control;
use super::handshake::{self, Accepted, Hello, NO_COOKIE, VERSION};
use super::opened::Reading;
use super::packet::{self, Context, Data, Key, Reader, has_ack, number_bits};
use super::peer::{LetIn, Peer, Phase, keys};
use super::stats::Cause;
use super::telemetry::ConnectionChange;
use super::timers::NOBODY;
use crate::limits;
use crate::time::Instant;

impl Endpoint {
    pub(super) fn take_datagram(&mut self, now: Instant, from: SocketAddr, marked: bool, datagram: &[u8]) {
        let now = self.advance(now);
        self.shared.stats.received += 1;
        self.shared.stats.received_bytes += datagram.len() as u64;
        if let Err(cause) = self.receive(now, from, marked, datagram) {
            self.shared.stats.dropped.count(cause);
            self.shared.watch.tell(|telemetry| telemetry.datagram_dropped(now, from, datagram.len(), cause));
        }
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, marked: bool, datagram: &[u8]) -> Result<(), Cause> {
        if datagram.len() <= packet::PREFIX {
            return Err(Cause::Short);
        }
        if datagram.len() > limits::DATAGRAM_BYTES_MAX {
            return Err(Cause::Long);
        }
        match datagram[0] {
            packet::DATA..=packet::DATA_END => self.receive_data(now, from, marked, datagram),
            packet::DISCONNECT => {
                let (index, id_len) = self.named(datagram)?;
                let key = self.peer(index).and_then(Peer::receive_key).ok_or(Cause::Handshake)?;
                if !key.opens(datagram) {
                    return Err(Cause::BadTag);
                }
                let [code] = datagram[packet::PREFIX + id_len..] else { return Err(Cause::Malformed) };
                self.end(index, DisconnectReason::from_wire(code).ok_or(Cause::Malformed)?);
                Ok(())
            }
            packet::HELLO..=packet::PENDING if !Key::handshake().opens(datagram) => Err(Cause::BadTag),
            packet::HELLO => self.receive_hello(now, from, Hello::read(datagram).ok_or(Cause::Malformed)?),
            packet::ACCEPTED => self.receive_accepted(now, from, Accepted::read(datagram).ok_or(Cause::Malformed)?),
            packet::REFUSED => {
                let (nonce, reason) = handshake::read_refused(datagram, self.config.schema).ok_or(Cause::Malformed)?;
                let index = self.connecting(from, nonce).ok_or(Cause::Handshake)?;
                let connection = self.release(index).ok_or(Cause::Handshake)?;
                self.changed(connection, ConnectionChange::Refused);
                self.shared.events.push(CarrierEvent::Refused { connection, reason });
                Ok(())
            }
            packet::CHALLENGE => {
                let (nonce, cookie) = handshake::read_challenge(datagram).ok_or(Cause::Malformed)?;
                self.answered(from, nonce, |peer, _| peer.challenged(now, cookie))
            }
            packet::PENDING => {
                let nonce = handshake::read_pending(datagram).ok_or(Cause::Malformed)?;
                self.answered(from, nonce, |peer, config| peer.deferred(now, config))
            }
            _ => Err(Cause::UnknownType),
        }
    }

    fn receive_data(&mut self, now: Instant, from: SocketAddr, marked: bool, datagram: &[u8]) -> Result<(), Cause> {
        let (index, _) = self.named(datagram)?;
        if self.shared.events.is_full() {
            return Err(Cause::Backlog);
        }
        self.prove(now, index, from, datagram)?;
        let large = self.is_large();
        let Some(peer) = &mut self.slots[index as usize].peer else { return Err(Cause::Handshake) };
        let Phase::Established(connection) = &mut peer.phase else { return Err(Cause::Handshake) };
        if large {
            connection.fetch_channel(true, has_ack(datagram));
        }
        let opened = connection.open(datagram)?;
        let elsewhere = (from != peer.address).then(|| (from, self.secret.next()));
        let mut outcome = Outcome::default();
        let compression = self.compression.as_deref_mut();
        let reading = Reading { kinds: &self.kinds, compression, outcome: &mut outcome };
        connection.receive(now, opened, marked, elsewhere, reading, &mut self.shared)?;
        if let Some(word) = outcome.clock {
            self.hear_clock(now, index, word);
        }
        self.queue(index);
        if outcome.due {
            self.timers.set(index, Some(now));
        }
        if outcome.moved {
            self.relocate(now, index, from);
        }
        if let Some(reason) = outcome.end {
            let id = ConnectionId { index, generation: self.slots[index as usize].generation };
            self.disconnect(now, id, reason);
        }
        Ok(())
    }

    /// The peer of a slot asked for session time, or told it.
    fn hear_clock(&mut self, now: Instant, index: u32, word: Control) {
        let session = self.clock.at(now);
        let leads = self.peer(index).is_some_and(|peer| self.clock.leader() == Some(peer.id));
        let Some(Peer { phase: Phase::Established(connection), .. }) = &mut self.slots[index as usize].peer else {
            return;
        };
        match word {
            Control::ClockRequest(asked) => connection.questions.owe(asked, session, now),
            Control::ClockResponse { asked, received, held } if leads => {
                let Some(asked) = connection.questions.answered(asked) else { return };
                if let Some(pause) = self.clock.answered(now, asked, received, held) {
                    connection.questions.ask_at(now + pause);
                }
            }
            _ => {}
        }
    }

    fn receive_hello(&mut self, now: Instant, from: SocketAddr, hello: Hello<'_>) -> Result<(), Cause> {
        if hello.version != VERSION {
            let reason = Refusal::Version { ours: VERSION, theirs: hello.version };
            return self.answer(from, hello.nonce, Answer::Refused(reason));
        }
        if hello.schema != self.config.schema {
            let (ours, details) = (self.config.schema, self.config.schema_details.clone());
            let reason = Refusal::Schema { ours, theirs: hello.schema, details };
            return self.answer(from, hello.nonce, Answer::Refused(reason));
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
            if matches!(peer.phase, Phase::Connecting(_)) && peer.nonce > hello.nonce {
                return Err(Cause::Handshake);
            }
        }
        if slots[1] != NOBODY {
            return Err(Cause::Busy);
        }
        if self.is_full() {
            return self.answer(from, hello.nonce, Answer::Refused(Refusal::Full));
        }
        if hello.cookie == NO_COOKIE || !self.secret.accepts(now, from, hello.nonce, hello.id, &hello.cookie) {
            return self.answer(from, hello.nonce, Answer::Challenge { id: hello.id });
        }
        if self.half_open.is_full() {
            return self.answer(from, hello.nonce, Answer::Refused(Refusal::Busy));
        }
        if self.half_open.is_crowded(from) {
            // Its next hello may find room.
            return Err(Cause::Busy);
        }
        if self.shared.events.is_full() {
            return Err(Cause::Backlog);
        }
        let joiner = Joiner { connection: self.next_id(), address: from, hello: hello.hello };
        let decision = self.doorkeeper.decide(&joiner);
        if let Decision::Refuse(reason) = decision {
            return self.answer(from, hello.nonce, Answer::Refused(reason));
        }
        self.half_open.begin(from);
        let (theirs, deadline) = (hello.id, now + self.config.handshake_timeout);
        let compressed = hello.compressor != Offer::NONE && hello.compressor == Offer::of(self.compression.as_deref());
        if let Decision::Accept(welcome) = decision {
            let (acceptor, announced) = (self.secret.next(), false);
            let accepted = LetIn { theirs, compressed, announced, acceptor, welcome, deadline, reply: true };
            let connection = self.occupy(from, hello.nonce, Phase::Accepted(Box::new(accepted)));
            self.changed(connection, ConnectionChange::Accepted);
            return Ok(());
        }
        let phase = Phase::Pending { theirs, compressed, deadline, deferred: false, reply: false };
        let connection = self.occupy(from, hello.nonce, phase);
        self.changed(connection, ConnectionChange::Incoming { address: from });
        if decision == Decision::Pending {
            self.defer(now, connection);
        }
        let hello = self.shared.pool.copy(hello.hello);
        self.shared.events.push(CarrierEvent::Incoming { connection, address: from, hello });
        Ok(())
    }

    fn receive_accepted(&mut self, now: Instant, from: SocketAddr, accepted: Accepted<'_>) -> Result<(), Cause> {
        let index = self.connecting(from, accepted.joiner).ok_or(Cause::Handshake)?;
        // Both ends connect to each other and this attempt has given way: taking it up again could leave each end with the
        // connection that the other dropped.
        let accepting = |&slot: &u32| self.peer(slot).is_some_and(|peer| matches!(peer.phase, Phase::Accepted(_)));
        if self.at(from).iter().any(accepting) {
            return Err(Cause::Handshake);
        }
        let Some(peer) = &mut self.slots[index as usize].peer else { return Err(Cause::Handshake) };
        let Phase::Connecting(joining) = &mut peer.phase else { return Err(Cause::Handshake) };
        let compressed = accepted.compressor != 0;
        if compressed && accepted.compressor != Offer::of(self.compression.as_deref()).id {
            return Err(Cause::Malformed);
        }
        let names = Names { ours: peer.name, theirs: accepted.id, accepting: false, compressed };
        let mut connection =
            Connection::new(peer.id, &self.config, keys(accepted.joiner, accepted.acceptor, false), names, now);
        if let Some(round_trip) = joining.round_trip {
            connection.measured(round_trip);
        }
        self.shared.pool.give(core::mem::take(&mut joining.hello));
        let welcome = self.shared.pool.copy(accepted.welcome);
        self.shared.events.push(CarrierEvent::Connected { connection: peer.id, welcome });
        self.shared.stats.connected += 1;
        peer.phase = Phase::Established(Box::new(connection));
        let id = peer.id;
        self.changed(id, ConnectionChange::Connected { address: from });
        self.touch(index);
        Ok(())
    }

    /// Answers a hello that gets no slot.
    fn answer(&mut self, to: SocketAddr, nonce: u64, answer: Answer) -> Result<(), Cause> {
        if self.answers.push(to, nonce, answer) { Ok(()) } else { Err(Cause::Busy) }
    }

    /// Our hello with this nonce was answered by something that leaves us waiting.
    fn answered(
        &mut self,
        from: SocketAddr,
        nonce: u64,
        hear: impl FnOnce(&mut Peer, &super::CarrierConfig),
    ) -> Result<(), Cause> {
        let index = self.connecting(from, nonce).ok_or(Cause::Handshake)?;
        if let Some(peer) = &mut self.slots[index as usize].peer {
            hear(peer, &self.config);
        }
        self.touch(index);
        Ok(())
    }

    /// When a slot waits for a sign that its joiner received our answer, and this is one, it is established and replaces whatever
    /// else its address had.
    fn prove(&mut self, now: Instant, index: u32, from: SocketAddr, datagram: &[u8]) -> Result<(), Cause> {
        let Some(peer) = &mut self.slots[index as usize].peer else { return Ok(()) };
        let Phase::Accepted(accepted) = &mut peer.phase else { return Ok(()) };
        let keys = keys(peer.nonce, accepted.acceptor, true);
        if from != peer.address || !is_first(self.config.first_number, peer.name.len, keys.1, datagram) {
            return Err(Cause::BadTag);
        }
        // The time since the reply says nothing of the round trip: the joiner repeats itself until something arrives.
        let names =
            Names { ours: peer.name, theirs: accepted.theirs, accepting: true, compressed: accepted.compressed };
        let connection = Connection::new(peer.id, &self.config, keys, names, now);
        self.shared.pool.give(core::mem::take(&mut accepted.welcome));
        let (id, address) = (peer.id, peer.address);
        peer.phase = Phase::Established(Box::new(connection));
        self.half_open.end(address);
        for other in self.at(address) {
            if other != NOBODY && other != index {
                self.end(other, DisconnectReason::Replaced);
            }
        }
        self.changed(id, ConnectionChange::Connected { address });
        self.shared.events.push(CarrierEvent::Connected { connection: id, welcome: Vec::new() });
        self.shared.stats.connected += 1;
        Ok(())
    }

    /// The slot whose id a packet has, and the id's length.
    fn named(&self, datagram: &[u8]) -> Result<(u32, usize), Cause> {
        let len = usize::from(self.ids.len());
        let id = wire_id(datagram, len).ok_or(Cause::Short)?;
        Ok((self.ids.slot(id).ok_or(Cause::UnknownConnection)?, len))
    }

    /// The slot in which we said hello with this nonce.
    fn connecting(&self, to: SocketAddr, nonce: u64) -> Option<u32> {
        self.at(to).into_iter().find(|&index| {
            self.peer(index).is_some_and(|peer| peer.nonce == nonce && matches!(peer.phase, Phase::Connecting(_)))
        })
    }
}

/// The id, of so many bytes, of the connection that a data or a disconnect packet is for.
pub(super) fn wire_id(datagram: &[u8], len: usize) -> Option<u16> {
    let id = datagram.get(packet::PREFIX..packet::PREFIX + len)?;
    Some(id.iter().rev().fold(0, |value, byte| value << 8 | u16::from(*byte)))
}

/// Whether a packet is one of the first of a joiner to whom nothing was said yet.
fn is_first(first: u64, id_len: u8, key: Key, datagram: &[u8]) -> bool {
    let Some(data) = Data::parse(datagram, id_len) else { return false };
    let Some(number) = packet::expand(data.number, number_bits(data.wide), first) else { return false };
    let sequence = match data.content {
        packet::Content::Sole(_) => {
            // Whether there is a sequence number depends on the channel's kind: either may be.
            let bits = packet::sequence_bits(data.wide);
            Reader(data.rest).low(bits).and_then(|low| packet::expand(low, bits, first))
        }
        _ => None,
    };
    let context = |sequence| Context { number, acked: 0, sequence };
    data.ack.is_none()
        && (key.opens_data(context(0), datagram) || sequence.is_some_and(|s| key.opens_data(context(s), datagram)))
}
