//! The endpoint: who sent this datagram, whose turn is it to send, who has waited long enough.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::config::{CarrierConfig, ChannelId, ConnectionId};
use super::connection::Connection;
use super::error::{AcceptError, ConnectError, DisconnectReason, Refusal, SendError, UnknownConnection};
use super::events::{CarrierEvent, Shared};
use super::handshake::{self, Accepted, Hello, VERSION};
use super::hash::SeededState;
use super::packet::{self, Key};
use super::peer::{Peer, Phase, keys};
use super::stats::{Cause, ConnectionStats, EndpointStats};
use super::timers::Timers;
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;

/// No slot.
const NOBODY: u32 = u32::MAX;

/// All connections of one socket. See the [module](super) for how to run it.
#[derive(Debug)]
pub struct Endpoint {
    config: CarrierConfig,
    rng: Rng,
    now: Instant,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// By address, the slots that belong to it, oldest first: the connection, and one that may replace it.
    addresses: HashMap<SocketAddr, [u32; 2], SeededState>,
    timers: Timers,
    /// Slots that may have something to send, each once.
    ready: VecDeque<u32>,
    /// Answers to hellos that got no slot.
    refusals: VecDeque<(SocketAddr, u64, Refusal)>,
    half_open: usize,
    shared: Shared,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// It is in `ready`.
    queued: bool,
    peer: Option<Peer>,
}

impl Endpoint {
    /// An endpoint without connections. `seed` decides every random choice; a program that meets strangers takes it from
    /// the operating system's randomness.
    ///
    /// # Panics
    /// When the configuration has more than [`limits::CHANNELS`] channels.
    pub fn new(config: CarrierConfig, seed: u64) -> Self {
        assert!(config.channels.len() <= limits::CHANNELS, "at most {} channels", limits::CHANNELS);
        let mut rng = Rng::new(seed);
        let addresses = HashMap::with_hasher(SeededState::new(rng.next_u64()));
        Self {
            config,
            rng,
            now: Instant::ZERO,
            slots: Vec::new(),
            free: Vec::new(),
            addresses,
            timers: Timers::default(),
            ready: VecDeque::new(),
            refusals: VecDeque::new(),
            half_open: 0,
            shared: Shared::default(),
        }
    }

    /// Begins to connect. The outcome is an event: [`Connected`](CarrierEvent::Connected),
    /// [`Refused`](CarrierEvent::Refused) or [`Disconnected`](CarrierEvent::Disconnected). `hello` is shown to the accepting
    /// program.
    ///
    /// When two endpoints connect to each other at the same time, one of the two attempts gives way: its program sees
    /// [`Incoming`](CarrierEvent::Incoming) and, once that is established, its own attempt end as
    /// [`Replaced`](DisconnectReason::Replaced). The other program may see one more `Incoming`, from a late hello, which
    /// times out.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing was begun then.
    pub fn connect(&mut self, now: Instant, address: SocketAddr, hello: &[u8]) -> Result<ConnectionId, ConnectError> {
        let now = self.clock(now);
        if hello.len() > limits::HELLO_BYTES {
            return Err(ConnectError::HelloTooLong { len: hello.len() });
        }
        let [first, second] = self.at(address);
        if second != NOBODY || self.peer(first).is_some_and(|peer| !peer.is_over()) {
            return Err(ConnectError::AddressInUse);
        }
        if self.is_full() {
            return Err(ConnectError::Full);
        }
        let hello = self.shared.pool.copy(hello);
        let nonce = self.rng.next_u64();
        let phase = Phase::connecting(hello, now, &self.config);
        Ok(self.occupy(address, nonce, phase))
    }

    /// Lets a joiner in that [`Incoming`](CarrierEvent::Incoming) announced. `welcome` is shown to the joining program.
    ///
    /// # Errors
    /// [`AcceptError`]: it is not waiting (any more), or the welcome is too long.
    pub fn accept(&mut self, now: Instant, id: ConnectionId, welcome: &[u8]) -> Result<(), AcceptError> {
        let now = self.clock(now);
        if welcome.len() > limits::WELCOME_BYTES {
            return Err(AcceptError::WelcomeTooLong { len: welcome.len() });
        }
        let acceptor = self.rng.next_u64();
        let Some(peer) = peer_mut(&mut self.slots, id) else { return Err(UnknownConnection.into()) };
        let Phase::Pending { deadline } = peer.phase else { return Err(UnknownConnection.into()) };
        let welcome = self.shared.pool.copy(welcome);
        peer.phase = Phase::Accepted { acceptor, welcome, deadline, reply: true, replies: 0, sent: now };
        self.touch(id.index);
        Ok(())
    }

    /// Does not let a joiner in that [`Incoming`](CarrierEvent::Incoming) announced. No event follows. Does nothing when it
    /// is not waiting any more.
    pub fn refuse(&mut self, now: Instant, id: ConnectionId, reason: Refusal) {
        self.clock(now);
        if let Some(peer) = peer_mut(&mut self.slots, id) {
            peer.refuse(reason);
            self.touch(id.index);
        }
    }

    /// Ends a connection at once. What is queued is not sent any more: wait for receipts first if it matters. The peer is
    /// told three times, 10 ms apart. Does nothing when it has ended already.
    pub fn disconnect(&mut self, now: Instant, id: ConnectionId, reason: DisconnectReason) {
        let now = self.clock(now);
        let Some(peer) = peer_mut(&mut self.slots, id) else { return };
        let key = match &peer.phase {
            Phase::Established(connection) => connection.send_key,
            Phase::Accepted { acceptor, .. } => keys(peer.nonce, *acceptor, true).0,
            Phase::Connecting { .. } | Phase::Pending { .. } => return self.end(id.index, reason),
            Phase::Refused { .. } | Phase::Closing { .. } => return,
        };
        peer.finish(reason, &mut self.shared);
        self.half_open -= usize::from(peer.is_half_open());
        peer.phase = Phase::closing(key, reason, now);
        self.touch(id.index);
    }

    /// Takes a datagram from the network. Whatever is wrong with it, the worst that happens is that it is dropped and
    /// counted, or that its sender loses the connection.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let now = self.clock(now);
        self.shared.stats.received += 1;
        self.shared.stats.received_bytes += datagram.len() as u64;
        if let Err(cause) = self.receive(now, from, datagram) {
            self.shared.stats.dropped.count(cause);
        }
    }

    /// Acts on everything that is due; call it at [`poll_timeout`](Self::poll_timeout) or whenever convenient, and before
    /// the datagrams of a flush are polled.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock(now);
        while let Some((at, index)) = self.timers.first()
            && at <= now
        {
            let Some(peer) = &mut self.slots[index as usize].peer else {
                self.timers.set(index, None);
                continue;
            };
            if peer.handle_timeout(now, &self.config, &mut self.shared) {
                self.end(index, DisconnectReason::Timeout);
                continue;
            }
            // What is due now goes out with the next flush, which sets the deadline again.
            let deadline = peer.deadline(&self.config);
            self.touch(index);
            self.timers.set(index, (deadline > now).then_some(deadline));
        }
    }

    /// Replaces `out` by the next datagram, of at most [`limits::DATAGRAM_BYTES`], and says where to send it. Call it until
    /// it returns `None`: that is one flush.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let now = self.clock(now);
        out.clear();
        if let Some((address, nonce, refusal)) = self.refusals.pop_front() {
            handshake::write_refused(nonce, &refusal, out);
            return Some(self.sent(address, out));
        }
        while let Some(&index) = self.ready.front() {
            let slot = &mut self.slots[index as usize];
            if let Some(peer) = &mut slot.peer {
                if peer.transmit(now, &self.config, out, &mut self.shared) {
                    let address = peer.address;
                    if peer.is_done() {
                        self.release(index);
                    }
                    return Some(self.sent(address, out));
                }
                self.timers.set(index, Some(peer.deadline(&self.config)));
            }
            slot.queued = false;
            self.ready.pop_front();
        }
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest, given that everything was polled.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| at)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<CarrierEvent> {
        self.shared.events.pop()
    }

    /// Queues a message for the next flush. With a token, exactly one [`Receipt`](CarrierEvent::Receipt) follows.
    ///
    /// # Errors
    /// [`SendError`]; nothing was queued then and no receipt follows.
    pub fn send(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        message: &[u8],
        token: Option<u64>,
    ) -> Result<(), SendError> {
        match &mut peer_mut(&mut self.slots, id).ok_or(UnknownConnection)?.phase {
            Phase::Established(connection) => connection.send(channel, message, token, &mut self.shared)?,
            Phase::Refused { .. } | Phase::Closing { .. } => return Err(UnknownConnection.into()),
            _ => return Err(SendError::NotConnected),
        }
        self.queue(id.index);
        Ok(())
    }

    /// Leaves a packet unacknowledged because a message that came in it was of no use: its sender will count it as lost.
    /// Everything else it brought stays delivered. Takes effect only before the next [`poll_transmit`](Self::poll_transmit).
    pub fn reject(&mut self, id: ConnectionId, packet: u64) {
        if let Some(Phase::Established(connection)) = peer_mut(&mut self.slots, id).map(|peer| &mut peer.phase) {
            connection.reject(packet);
        }
    }

    /// Takes back the buffer of an event, for reuse.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.shared.pool.give(buffer);
    }

    /// The state of an established connection.
    pub fn stats(&self, id: ConnectionId) -> Option<ConnectionStats> {
        self.established(id).map(Connection::stats)
    }

    /// Counts since the endpoint was made.
    pub fn endpoint_stats(&self) -> EndpointStats {
        self.shared.stats
    }

    /// Smoothed round-trip time, including what the peer takes until its next flush; `None` before it was measured.
    pub fn rtt(&self, id: ConnectionId) -> Option<Duration> {
        self.established(id)?.rtt()
    }

    /// Bytes of unreliable messages worth queueing now: 0 when the link is saturated or there is no connection.
    pub fn state_budget(&self, id: ConnectionId) -> usize {
        self.established(id).map_or(0, Connection::state_budget)
    }

    /// The largest message that always fits one datagram, alone or with a usual acknowledgement, bytes.
    pub const fn max_unfragmented(&self) -> usize {
        limits::SEGMENT_BYTES
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<(), Cause> {
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
            let reason = Refusal::Schema { ours: self.config.schema, theirs: hello.schema };
            return self.refuse_early(from, hello.nonce, reason);
        }
        let slots = self.at(from);
        for index in slots {
            let Some(peer) = self.slots.get_mut(index as usize).and_then(|slot| slot.peer.as_mut()) else { continue };
            if peer.nonce == hello.nonce {
                peer.greeted_again();
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
        let Phase::Accepted { acceptor, welcome, replies, sent, .. } = &mut peer.phase else { return };
        let mut connection = Connection::new(peer.id, &self.config, keys(peer.nonce, *acceptor, true), now);
        if *replies == 1 {
            connection.measured(now.saturating_since(*sent));
        }
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

    fn occupy(&mut self, address: SocketAddr, nonce: u64, phase: Phase) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            #[expect(clippy::cast_possible_truncation, reason = "bounded by limits::CONNECTIONS")]
            {
                self.slots.len() as u32 - 1
            }
        });
        let slot = &mut self.slots[index as usize];
        let id = ConnectionId { index, generation: slot.generation };
        slot.peer = Some(Peer { id, address, nonce, phase });
        let entry = self.addresses.entry(address).or_insert([NOBODY; 2]);
        entry[usize::from(entry[0] != NOBODY)] = index;
        self.touch(index);
        id
    }

    /// Ends a connection without telling the peer.
    fn end(&mut self, index: u32, reason: DisconnectReason) {
        if let Some(peer) = &mut self.slots[index as usize].peer {
            peer.finish(reason, &mut self.shared);
            self.release(index);
        }
    }

    /// Frees a slot.
    fn release(&mut self, index: u32) -> Option<ConnectionId> {
        let slot = &mut self.slots[index as usize];
        let peer = slot.peer.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.half_open -= usize::from(peer.is_half_open());
        self.free.push(index);
        self.timers.set(index, None);
        let [first, second] = self.at(peer.address);
        let left = if first == index { second } else { first };
        if left == NOBODY {
            self.addresses.remove(&peer.address);
        } else {
            self.addresses.insert(peer.address, [left, NOBODY]);
        }
        Some(peer.id)
    }

    /// A slot changed: look at its deadline and whether it has something to send.
    fn touch(&mut self, index: u32) {
        let deadline = self.peer(index).map(|peer| peer.deadline(&self.config));
        self.timers.set(index, deadline);
        self.queue(index);
    }

    fn queue(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if !core::mem::replace(&mut slot.queued, true) {
            self.ready.push_back(index);
        }
    }

    fn sent(&mut self, to: SocketAddr, datagram: &[u8]) -> SocketAddr {
        self.shared.stats.sent += 1;
        self.shared.stats.sent_bytes += datagram.len() as u64;
        to
    }

    /// Time never goes back.
    fn clock(&mut self, now: Instant) -> Instant {
        self.shared.stats.clock_went_back += u64::from(now < self.now);
        self.now = self.now.max(now);
        self.now
    }

    fn is_full(&self) -> bool {
        self.slots.len() - self.free.len() >= self.config.max_connections.min(limits::CONNECTIONS)
    }

    fn at(&self, address: SocketAddr) -> [u32; 2] {
        self.addresses.get(&address).copied().unwrap_or([NOBODY; 2])
    }

    fn peer(&self, index: u32) -> Option<&Peer> {
        self.slots.get(index as usize)?.peer.as_ref()
    }

    fn established(&self, id: ConnectionId) -> Option<&Connection> {
        match &self.peer(id.index).filter(|peer| peer.id == id)?.phase {
            Phase::Established(connection) => Some(connection),
            _ => None,
        }
    }
}

fn peer_mut(slots: &mut [Slot], id: ConnectionId) -> Option<&mut Peer> {
    slots.get_mut(id.index as usize)?.peer.as_mut().filter(|peer| peer.id == id)
}
