//! The endpoint: who sent this datagram, whose turn is it to send, who has waited long enough.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::admission::Doorkeeper;
use super::answers::Answers;
use super::compress::Compression;
use super::config::{CarrierConfig, ChannelId, ChannelKind, ConnectionId};
use super::connection::Connection;
use super::error::{ConnectError, DisconnectReason, SendError, UnknownConnection};
use super::events::{CarrierEvent, Shared};
use super::follow::SessionClock;
use super::half_open::HalfOpen;
use super::hash::SeededState;
use super::ids::Ids;
use super::peer::{Peer, Phase, keys};
use super::pool::Bytes;
use super::schedule::Schedule;
use super::secret::Secret;
use super::stats::{ConnectionStats, EndpointStats};
use super::telemetry::{ConnectionChange, Telemetry, Watch};
use super::timers::{NOBODY, Timers};
use crate::limits;
use crate::time::Instant;

/// All connections of one socket. See the [module](super) for how to run it.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Endpoint};
///
/// let (host_address, client_address) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
/// let mut host = Endpoint::new(CarrierConfig::new(7), 1);
/// let mut client = Endpoint::new(CarrierConfig::new(7), 2);
///
/// client.connect(Instant::ZERO, host_address, b"Ada")?;
/// let mut datagram = Vec::new();
/// for _ in 0..2 {
///     // The first hello is answered with a cookie, the second, which shows it, is heard.
///     while client.poll_transmit(Instant::ZERO, &mut datagram).is_some() {
///         host.handle_datagram(Instant::ZERO, client_address, &datagram); // in a program, by way of a driver
///     }
///     while host.poll_transmit(Instant::ZERO, &mut datagram).is_some() {
///         client.handle_datagram(Instant::ZERO, host_address, &datagram);
///     }
/// }
/// let Some(CarrierEvent::Incoming { address, hello, .. }) = host.poll_event() else { panic!("a hello was sent") };
/// assert_eq!((address, &hello[..]), (client_address, &b"Ada"[..]));
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    pub(super) config: CarrierConfig,
    pub(super) kinds: Vec<ChannelKind>,
    pub(super) schedule: Schedule,
    pub(super) secret: Secret,
    pub(super) ids: Ids,
    pub(super) now: Instant,
    pub(super) slots: Vec<Slot>,
    free: Vec<u32>,
    /// By address, the slots that belong to it, oldest first: the connection, and one that may replace it.
    pub(super) addresses: HashMap<SocketAddr, [u32; 2], SeededState>,
    pub(super) timers: Timers,
    /// Slots that may have something to send, each once.
    pub(super) ready: VecDeque<u32>,
    /// Answers to hellos that got no slot.
    pub(super) answers: Answers,
    pub(super) half_open: HalfOpen,
    pub(super) clock: SessionClock,
    pub(super) doorkeeper: Doorkeeper,
    pub(super) compression: Option<Box<Compression>>,
    pub(super) shared: Shared,
}

/// In this order in memory, so that what every packet needs of one is in one line of the caches.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) generation: u32,
    /// It is in `ready`.
    pub(super) queued: bool,
    /// Since it was queued last, all that it has to say was polled.
    pub(super) drained: bool,
    pub(super) peer: Option<Peer>,
}

impl Endpoint {
    /// An endpoint without connections. `seed` decides every random choice; a program that meets strangers takes it from
    /// the operating system's randomness.
    ///
    /// # Panics
    /// When the configuration has more than [`limits::CHANNELS`] channels, or a compressor with the id 0.
    pub fn new(mut config: CarrierConfig, seed: u64) -> Self {
        assert!(config.channels.len() <= limits::CHANNELS, "at most {} channels", limits::CHANNELS);
        config.ack_delay = config.ack_delay.min(Duration::from_millis(limits::ACK_DELAY_MILLIS));
        let mut secret = Secret::new(seed);
        let key = secret.next();
        Self {
            kinds: config.channels.iter().map(|channel| channel.kind).collect(),
            schedule: Schedule::new(&config.channels),
            ids: Ids::new(config.max_connections.min(limits::CONNECTIONS)),
            compression: Compression::new(&config.compression),
            config,
            secret,
            now: Instant::ZERO,
            slots: Vec::new(),
            free: Vec::new(),
            addresses: HashMap::with_hasher(SeededState::new(key)),
            timers: Timers::default(),
            ready: VecDeque::new(),
            answers: Answers::default(),
            half_open: HalfOpen::new(!key),
            clock: SessionClock::default(),
            doorkeeper: Doorkeeper::default(),
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
        self.connect_as(now, address, self.config.schema, hello)
    }

    /// The same in the name of another fingerprint than the configuration's: for a program that was refused for its own, and knows
    /// from the refusal how to speak as the acceptor does.
    ///
    /// ```
    /// use gridmate_runtime::Instant;
    /// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Endpoint};
    ///
    /// let (host_address, client_address) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
    /// let mut host = Endpoint::new(CarrierConfig::new(7), 1);
    /// let mut client = Endpoint::new(CarrierConfig::new(8), 2);
    ///
    /// client.connect_as(Instant::ZERO, host_address, 7, b"Ada, who speaks 7 too")?;
    /// let mut datagram = Vec::new();
    /// for _ in 0..2 {
    ///     while client.poll_transmit(Instant::ZERO, &mut datagram).is_some() {
    ///         host.handle_datagram(Instant::ZERO, client_address, &datagram);
    ///     }
    ///     while host.poll_transmit(Instant::ZERO, &mut datagram).is_some() {
    ///         client.handle_datagram(Instant::ZERO, host_address, &datagram);
    ///     }
    /// }
    /// assert!(matches!(host.poll_event(), Some(CarrierEvent::Incoming { .. })));
    /// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_as(
        &mut self,
        now: Instant,
        address: SocketAddr,
        schema: u64,
        hello: &[u8],
    ) -> Result<ConnectionId, ConnectError> {
        let now = self.advance(now);
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
        let nonce = self.secret.next();
        let phase = Phase::connecting(schema, hello, now, &self.config);
        let id = self.occupy(address, nonce, phase);
        self.changed(id, ConnectionChange::Connecting { address });
        Ok(id)
    }

    /// Ends a connection at once. What is queued is not sent any more: wait for receipts first if it matters. The peer is
    /// told three times, 10 ms apart. Does nothing when it has ended already.
    pub fn disconnect(&mut self, now: Instant, id: ConnectionId, reason: DisconnectReason) {
        let now = self.advance(now);
        let Some(peer) = peer_mut(&mut self.slots, id) else { return };
        let (theirs, key) = match &peer.phase {
            Phase::Established(connection) => (connection.names.theirs, connection.send_key),
            Phase::Accepted(it) => (it.theirs, keys(peer.nonce, it.acceptor, true).0),
            Phase::Connecting(_) | Phase::Pending { .. } => return self.end(id.index, reason),
            Phase::Refused(_) | Phase::Closing { .. } => return,
        };
        peer.finish(now, reason, &mut self.shared);
        if peer.is_half_open() {
            self.half_open.end(peer.address);
        }
        peer.phase = Phase::closing(theirs, key, reason, now);
        self.touch(id.index);
    }

    /// Takes a datagram from the network. Whatever is wrong with it, the worst that happens is that it is dropped and
    /// counted, or that its sender loses the connection.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        self.handle_marked_datagram(now, from, false, datagram);
    }

    /// The same, of a datagram that the network has marked (`marked`) instead of dropping it: ECN's "congestion experienced". The
    /// sender hears of it and slows down.
    pub fn handle_marked_datagram(&mut self, now: Instant, from: SocketAddr, marked: bool, datagram: &[u8]) {
        self.fetch_single(datagram);
        self.take_datagram(now, from, marked, datagram);
    }

    /// Acts on everything that is due; call it at [`poll_timeout`](Self::poll_timeout) or whenever convenient, and before
    /// the datagrams of a flush are polled.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        let mut timed_out = false;
        while let Some((at, index)) = self.timers.first()
            && at <= now
        {
            if self.is_large() {
                self.fetch_due(now);
            }
            let Some(peer) = &mut self.slots[index as usize].peer else {
                self.timers.set(index, None);
                continue;
            };
            let established = matches!(peer.phase, Phase::Established(_));
            match peer.handle_timeout(now, &self.config, &mut self.shared) {
                Some(DisconnectReason::Timeout) => {
                    timed_out |= established;
                    self.end(index, DisconnectReason::Timeout);
                    continue;
                }
                Some(reason) => {
                    let id = peer.id;
                    self.disconnect(now, id, reason);
                    continue;
                }
                None => {}
            }
            // What is due now goes out with the next flush, which sets the deadline again.
            let deadline = peer.deadline(now, &self.config);
            self.queue(index);
            self.timers.set(index, (deadline > now).then_some(deadline));
        }
        if timed_out && self.config.evaluation < 1.0 {
            self.evaluate(now);
        }
    }

    /// One connection has timed out: gives up those that have been silent for long, too.
    fn evaluate(&mut self, now: Instant) {
        let limit = self.config.timeout.mul_f32(self.config.evaluation.clamp(0.0, 1.0));
        #[expect(clippy::cast_possible_truncation, reason = "bounded by limits::CONNECTIONS")]
        for index in 0..self.slots.len() as u32 {
            let silent = matches!(
                self.peer(index).map(|peer| &peer.phase),
                Some(Phase::Established(connection)) if now.saturating_since(connection.last_received) > limit
            );
            if silent {
                self.end(index, DisconnectReason::Timeout);
            }
        }
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
        self.queue_message(id, channel, message, token)
    }

    /// As [`send`](Self::send), without a copy where that is possible: the memory of `message` may go to the connection, and `message` is
    /// then empty and has other memory of about that size, to be filled again. When nothing was queued it is as it was.
    ///
    /// ```
    /// use gridmate_runtime::carrier::{ChannelId, ConnectionId, Endpoint, SendError};
    ///
    /// fn count(endpoint: &mut Endpoint, connection: ConnectionId) -> Result<(), SendError> {
    ///     let mut message = Vec::new();
    ///     for n in 0..1_000_u32 {
    ///         message.clear();
    ///         message.extend(n.to_le_bytes().repeat(250));
    ///         endpoint.send_owned(connection, ChannelId(0), &mut message, None)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_owned(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        message: &mut Vec<u8>,
        token: Option<u64>,
    ) -> Result<(), SendError> {
        self.queue_message(id, channel, message, token)
    }

    #[inline]
    fn queue_message(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        message: impl Bytes,
        token: Option<u64>,
    ) -> Result<(), SendError> {
        // Nothing was done with it since the last flush, which may be long ago.
        let far = self.is_large() && self.slots.get(id.index as usize).is_some_and(|slot| !slot.queued);
        match &mut peer_mut(&mut self.slots, id).ok_or(UnknownConnection)?.phase {
            Phase::Established(connection) => {
                if far {
                    connection.fetch(false);
                }
                connection.send(channel, message, token, &self.config, &mut self.shared)?;
            }
            Phase::Refused(_) | Phase::Closing { .. } => return Err(UnknownConnection.into()),
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

    /// From now on session time is what the peer of this connection says it is; nobody else can move it. Ask for nothing that you would not
    /// believe: the peer's clock is the session's. Does nothing when it is not established.
    ///
    /// ```
    /// use gridmate_runtime::Instant;
    /// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Endpoint};
    ///
    /// /// What a client does when its host has let it in.
    /// fn joined(endpoint: &mut Endpoint, now: Instant, event: &CarrierEvent) {
    ///     if let CarrierEvent::Connected { connection, .. } = event {
    ///         endpoint.follow_clock(now, *connection);
    ///     }
    /// }
    ///
    /// let endpoint = Endpoint::new(CarrierConfig::new(7), 1);
    /// let now = Instant::from_millis(5);
    /// assert!(endpoint.clock_synchronised() && endpoint.session_time(now) == now, "its own clock, until it follows another");
    /// ```
    pub fn follow_clock(&mut self, now: Instant, id: ConnectionId) {
        let now = self.advance(now);
        let before = self.clock.leader().filter(|leader| *leader != id);
        if let Some(Phase::Established(old)) =
            before.and_then(|old| peer_mut(&mut self.slots, old)).map(|p| &mut p.phase)
        {
            old.questions.stop();
        }
        if let Some(Phase::Established(connection)) = peer_mut(&mut self.slots, id).map(|peer| &mut peer.phase) {
            connection.questions.ask_at(now);
            self.clock.follow(id);
            self.touch(id.index);
        }
    }

    /// Session time at the local time `now`. It never goes back; before it was first [synchronised](Self::clock_synchronised) it
    /// stands at the origin.
    pub fn session_time(&self, now: Instant) -> Instant {
        self.clock.at(now)
    }

    /// Whether session time is known: always, unless it is another's.
    pub fn clock_synchronised(&self) -> bool {
        self.clock.is_synchronised()
    }

    /// How wrong session time may be: half the shortest round trip and a little; nothing when it is this endpoint's own.
    pub fn clock_error(&self) -> Duration {
        self.clock.error_bound()
    }

    /// Bytes of messages worth queueing on an unreliable channel now: 0 when the link is saturated or there is no connection. What
    /// waits on others takes at most half of what there is away from it.
    pub fn state_budget(&mut self, id: ConnectionId, channel: ChannelId) -> usize {
        let now = self.now;
        match peer_mut(&mut self.slots, id).map(|peer| &mut peer.phase) {
            Some(Phase::Established(connection)) => connection.state_budget(now, channel),
            _ => 0,
        }
    }

    /// From now on `telemetry` is told what happens, or nobody is. Returns what was told before.
    pub fn set_telemetry(&mut self, telemetry: Option<Box<dyn Telemetry>>) -> Option<Box<dyn Telemetry>> {
        core::mem::replace(&mut self.shared.watch, Watch(telemetry)).0
    }

    /// Tells telemetry.
    pub(super) fn changed(&mut self, id: ConnectionId, change: ConnectionChange) {
        let now = self.now;
        self.shared.watch.tell(|telemetry| telemetry.connection_changed(now, id, change));
    }

    /// Where the peer of a connection is now.
    pub fn address(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.peer(id.index).filter(|peer| peer.id == id).map(|peer| peer.address)
    }

    /// The name of the connection that [`occupy`](Self::occupy) makes next.
    pub(super) fn next_id(&self) -> ConnectionId {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by limits::CONNECTIONS")]
        let index = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        ConnectionId { index, generation: self.slots.get(index as usize).map_or(0, |slot| slot.generation) }
    }

    pub(super) fn occupy(&mut self, address: SocketAddr, nonce: u64, phase: Phase) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            #[expect(clippy::cast_possible_truncation, reason = "bounded by limits::CONNECTIONS")]
            {
                self.slots.len() as u32 - 1
            }
        });
        let name = self.ids.take(index, &mut self.secret);
        let slot = &mut self.slots[index as usize];
        let id = ConnectionId { index, generation: slot.generation };
        slot.peer = Some(Peer { id, address, nonce, name, phase });
        let entry = self.addresses.entry(address).or_insert([NOBODY; 2]);
        entry[usize::from(entry[0] != NOBODY)] = index;
        self.touch(index);
        id
    }

    /// Ends a connection without telling the peer.
    pub(super) fn end(&mut self, index: u32, reason: DisconnectReason) {
        if let Some(peer) = &mut self.slots[index as usize].peer {
            peer.finish(self.now, reason, &mut self.shared);
            self.release(index);
        }
    }

    /// Frees a slot.
    pub(super) fn release(&mut self, index: u32) -> Option<ConnectionId> {
        let slot = &mut self.slots[index as usize];
        let peer = slot.peer.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        if peer.is_half_open() {
            self.half_open.end(peer.address);
        }
        self.free.push(index);
        self.ids.release(peer.name);
        self.timers.set(index, None);
        self.leave(peer.address, index);
        Some(peer.id)
    }

    /// A connection's peer has proven to be at another address.
    pub(super) fn relocate(&mut self, now: Instant, index: u32, address: SocketAddr) {
        // Who began to connect from there is there no more. If it came to life later, by a packet that was under way for long, it would
        // replace this one.
        for slot in self.at(address) {
            if self.peer(slot).is_some_and(Peer::is_half_open) {
                self.end(slot, DisconnectReason::Replaced);
            }
        }
        // Two connections at the new address already: this one stays where it is.
        if self.at(address)[1] != NOBODY {
            return;
        }
        let Some(peer) = &mut self.slots[index as usize].peer else { return };
        let Phase::Established(connection) = &mut peer.phase else { return };
        connection.moved(now);
        let (old, connection) = (core::mem::replace(&mut peer.address, address), peer.id);
        self.leave(old, index);
        let entry = self.addresses.entry(address).or_insert([NOBODY; 2]);
        entry[usize::from(entry[0] != NOBODY)] = index;
        self.shared.stats.moved += 1;
        self.changed(connection, ConnectionChange::Moved { address });
        self.shared.events.push(CarrierEvent::Moved { connection, address });
    }

    /// An address is no longer that of a slot.
    fn leave(&mut self, address: SocketAddr, index: u32) {
        let [first, second] = self.at(address);
        let left = if first == index { second } else { first };
        if left == NOBODY {
            self.addresses.remove(&address);
        } else {
            self.addresses.insert(address, [left, NOBODY]);
        }
    }

    /// A slot changed: look at its deadline, and at the next flush whether it has something to send.
    pub(super) fn touch(&mut self, index: u32) {
        let deadline = self.peer(index).map(|peer| peer.deadline(self.now, &self.config));
        self.timers.set(index, deadline);
        self.queue(index);
    }

    /// The same where a flush follows for certain, which sets the deadline: after each packet and each message.
    pub(super) fn queue(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.drained = false;
        if !core::mem::replace(&mut slot.queued, true) {
            self.ready.push_back(index);
        }
    }

    /// Time never goes back.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        self.shared.stats.clock_went_back += u64::from(now < self.now);
        self.now = self.now.max(now);
        self.now
    }

    pub(super) fn is_full(&self) -> bool {
        self.occupied() >= self.config.max_connections.min(limits::CONNECTIONS)
    }

    /// Slots in use, count.
    pub(super) const fn occupied(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn at(&self, address: SocketAddr) -> [u32; 2] {
        self.addresses.get(&address).copied().unwrap_or([NOBODY; 2])
    }

    pub(super) fn peer(&self, index: u32) -> Option<&Peer> {
        self.slots.get(index as usize)?.peer.as_ref()
    }

    pub(super) fn established(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)?;
        match &slot.peer.as_ref()?.phase {
            Phase::Established(connection) => Some(connection),
            _ => None,
        }
    }
}

pub(super) fn peer_mut(slots: &mut [Slot], id: ConnectionId) -> Option<&mut Peer> {
    slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)?.peer.as_mut()
}

// A phase, and an address, beside a generation.
const _: () = assert!(core::mem::offset_of!(Peer, id) + core::mem::offset_of!(Slot, peer) <= 64);
