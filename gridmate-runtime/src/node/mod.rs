//! The one pump: a driver below, a program above, and everything else in between.
//!
//! A [`Node`] owns a driver, a carrier, a session and a replica manager, and moves bytes between them. A program calls
//! [`Node::tick`] once a frame and works on [`Node::replicas`] in between. A tick is six steps:
//!
//! 1. **receive** what the driver has,
//! 2. **unmarshal** it: session messages, state, calls,
//! 3. **update**: run the handlers,
//! 4. **prepare**: find what the program and the handlers have changed,
//! 5. **marshal** it for each peer,
//! 6. **send**.

mod address;
mod admission;
mod batch;
mod channels;
mod clock;
mod config;
mod event;
mod inbox;
mod message;
mod pace;
mod recording;
mod relay;
mod saved;
mod stats;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub use channels::UserChannel;
pub use config::NodeConfig;
pub use event::NodeEvent;
pub use message::{MessageStats, MessageToken, NodeSendError};
pub use stats::{NodeStats, PeerChannels, PeerStats};

use self::batch::Batch;
use self::channels::{CONTROL, RPC_RELIABLE, RPC_UNRELIABLE, STATE};
use self::clock::Leader;
use self::inbox::Inbox;
use self::message::Messages;
use self::pace::Pace;
use self::recording::Recording;
use self::relay::Allowance;
use crate::carrier::{CarrierEvent, ChannelId, ConnectionId, DisconnectReason, Endpoint, SendError};
use crate::driver::{Driver, DriverError};
use crate::ids::MemberId;
use crate::replica::{PeerId, PeerRole, ReplicaManager, Verdict};
use crate::session::{Action, Member, Session, SessionEvent};
use crate::time::Instant;

/// A participant in a session: what a program holds and ticks.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()).name("ada"))?;
/// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry).name("bob"))?;
/// for frame in 0..10 {
///     let now = Instant::from_millis(frame * 16);
///     host.tick(now)?;
///     client.tick(now)?;
///     while let Some(event) = client.poll_event() {
///         match event {
///             NodeEvent::Session(SessionEvent::Joined { local }) => assert_eq!(local, MemberId(2)),
///             NodeEvent::Session(SessionEvent::JoinFailed { error }) => panic!("{error}"),
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(client.members().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Node {
    driver: Box<dyn Driver>,
    endpoint: Endpoint,
    session: Session,
    replicas: ReplicaManager,
    /// The session that was to be joined.
    joining: Option<Joining>,
    /// Connections that replicas go over.
    links: BTreeMap<ConnectionId, Link>,
    /// The same by member.
    connections: BTreeMap<MemberId, ConnectionId>,
    messages: Messages,
    inbox: Inbox,
    leader: Leader,
    /// When state goes out.
    pace: Pace,
    last_tick: Option<Instant>,
    /// Between ticks, smoothed.
    interval: Duration,
    /// One datagram or message, reused.
    buffer: Vec<u8>,
    batch: Batch,
    /// Connections to be ended at the end of a step.
    faulty: Vec<(ConnectionId, DisconnectReason)>,
    recording: Recording,
}

/// Links whose connections are fetched together when state goes out, count.
const AHEAD: usize = 16;

#[derive(Debug)]
struct Joining {
    host: SocketAddr,
    schema: u64,
    hello: Vec<u8>,
    /// It is to be said in the next tick: a handshake's time starts when it does.
    due: bool,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    peer: PeerId,
    member: MemberId,
    allowance: Allowance,
}

/// Why a node could not start.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// fn start(network: &MemoryNetwork, registry: Registry) -> Result<Node, Box<dyn std::error::Error>> {
///     Ok(Node::host(network.bind_any()?, NodeConfig::new(registry))?) // a `DriverError` or a `NodeError`
/// }
///
/// let node = start(&MemoryNetwork::new(), Registry::builder().build()?)?;
/// assert!(node.is_host());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The driver cannot be used.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

impl Node {
    /// Starts a session and hosts it.
    ///
    /// # Errors
    /// None today; a driver that needs more than an address to start may add some.
    pub fn host(driver: impl Driver + 'static, config: NodeConfig) -> Result<Self, NodeError> {
        let session = |seed, config: &NodeConfig| Session::host(&config.name, seed, config.max_members);
        Ok(Self { leader: Leader::Oneself, ..Self::new(Box::new(driver), config, session) })
    }

    /// Joins the session hosted at `host`. Returns at once; [`SessionEvent::Joined`] or
    /// [`SessionEvent::JoinFailed`] follows after some ticks.
    ///
    /// # Errors
    /// None today; a driver that needs more than an address to start may add some.
    pub fn join(driver: impl Driver + 'static, host: SocketAddr, config: NodeConfig) -> Result<Self, NodeError> {
        let credentials = config.credentials.clone();
        let mut node = Self::new(Box::new(driver), config, |_, config| Session::join(&config.name));
        let hello = node.session.hello(&credentials);
        let schema = node.replicas.registry().fingerprint();
        node.joining = Some(Joining { host, schema, hello, due: true });
        node.replicas.set_local_member(MemberId::NONE);
        Ok(node)
    }

    /// Does everything that is due at `now`; see the [module](self). Never blocks. `now` never goes back.
    ///
    /// # Errors
    /// [`DriverError`] when the driver can no longer be used; what peers do is never an error.
    pub fn tick(&mut self, now: Instant) -> Result<(), DriverError> {
        self.receive(now)?;
        self.unmarshal(now);
        self.update(now);
        self.measure(now);
        self.replicas.prepare();
        self.marshal(now)?;
        self.record(now);
        self.flush(now)
    }

    /// The objects of this node: its own, and everyone else's proxies.
    pub const fn replicas(&mut self) -> &mut ReplicaManager {
        &mut self.replicas
    }

    /// The same, to look only.
    pub const fn replicas_ref(&self) -> &ReplicaManager {
        &self.replicas
    }

    /// The next thing that happened. News of the session and messages come in the order they arrived, before the replica events of the
    /// same tick.
    ///
    /// Poll until there is nothing more, every tick. Of a program that does not, old news is dropped and counted
    /// ([`NodeStats::events_dropped`]), and who sends it more reliable messages than [`limits::INBOX_BYTES`](crate::limits::INBOX_BYTES)
    /// loses the connection.
    pub fn poll_event(&mut self) -> Option<NodeEvent> {
        self.inbox.poll().or_else(|| self.replicas.poll_event().map(NodeEvent::Replica))
    }

    /// The address others can reach this node at, as far as its driver knows.
    pub fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    /// Whether this node hosts its session.
    pub fn is_host(&self) -> bool {
        self.session.is_host()
    }

    /// The member this node is; [`MemberId::NONE`] before it has joined.
    pub const fn local_member(&self) -> MemberId {
        self.session.local()
    }

    /// A number drawn by the host that tells sessions apart; 0 before this node has joined.
    pub const fn session_id(&self) -> u64 {
        self.session.id()
    }

    /// Everyone in the session, this node included, in the order of ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.session.members()
    }

    /// One member.
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.session.member(id)
    }

    /// Sends a member away. False when this node is not the host, or there is no such member, or it is this node.
    pub fn kick(&mut self, now: Instant, member: MemberId) -> bool {
        let known = self.session.kick(member);
        self.carry_out_actions(now);
        known
    }

    /// Leaves the session; the host ends it for everyone. Tick a few more times so that the others hear of it.
    pub fn leave(&mut self, now: Instant) {
        self.session.leave();
        self.joining = None;
        self.carry_out_actions(now);
        for (connection, link) in core::mem::take(&mut self.links) {
            self.connections.remove(&link.member);
            self.replicas.remove_peer(link.peer, false);
            self.end_messages(connection);
        }
    }

    fn new(driver: Box<dyn Driver>, config: NodeConfig, session: impl FnOnce(u64, &NodeConfig) -> Session) -> Self {
        let mut driver = driver;
        let mut rng = crate::Rng::new(config.seed.unwrap_or_else(|| driver.entropy()));
        let endpoint = Endpoint::new(config.carrier(driver.max_datagram()), rng.next_u64());
        let mut session = session(rng.next_u64(), &config);
        session.set_policy(config.admission.clone());
        if config.tolerant {
            session.tolerate(config.registry.snapshot());
        }
        let mut replicas = ReplicaManager::new(config.registry, rng.next_u64());
        if config.share_names {
            replicas.share_names();
        }
        replicas.set_default_state_rate(config.state_rate);
        #[cfg(feature = "parallel")]
        replicas.set_encode_threads(config.encode_threads);
        Self {
            joining: None,
            driver,
            endpoint,
            session,
            replicas,
            links: BTreeMap::new(),
            connections: BTreeMap::new(),
            messages: Messages::default(),
            inbox: Inbox::default(),
            leader: Leader::Nobody,
            pace: Pace::new(config.send_interval),
            last_tick: None,
            interval: Duration::ZERO,
            buffer: Vec::new(),
            batch: Batch::default(),
            faulty: Vec::new(),
            recording: Recording::default(),
        }
    }

    fn receive(&mut self, now: Instant) -> Result<(), DriverError> {
        let endpoint = &mut self.endpoint;
        if let Some(joining) = self.joining.as_mut().filter(|joining| joining.due) {
            joining.due = false;
            let connection = endpoint.connect_as(now, joining.host, joining.schema, &joining.hello);
            self.session.handle_connecting(connection.ok());
        }
        let batch = &mut self.batch;
        let received = self.driver.receive_marked(now, &mut |arrival| batch.take(now, arrival, endpoint));
        batch.hand_over(now, endpoint);
        received?;
        endpoint.handle_timeout(now);
        Ok(())
    }

    fn unmarshal(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.handle_carrier_event(now, event);
            self.end_faulty(now);
            self.carry_out_actions(now);
        }
    }

    fn handle_carrier_event(&mut self, now: Instant, event: CarrierEvent) {
        match event {
            CarrierEvent::Receipt { connection, token, delivered } => {
                if !self.handle_message_receipt(token, delivered)
                    && let Some(link) = self.links.get(&connection)
                {
                    self.replicas.handle_receipt(link.peer, token, delivered);
                }
            }
            CarrierEvent::Message { connection, channel, order, packet, bytes } => {
                if let Some(channel) = UserChannel::of(channel) {
                    if let Err(reason) = self.handle_user_message(now, connection, channel, order, bytes) {
                        self.faulty.push((connection, reason));
                    }
                    return;
                }
                let fault = match channel {
                    CONTROL => self.session.handle_message(connection, &bytes).is_err(),
                    _ => self.handle_replica_message(connection, channel, order, packet, &bytes).is_err(),
                };
                if fault {
                    self.faulty.push((connection, DisconnectReason::ProtocolError));
                }
                self.endpoint.recycle(bytes);
            }
            CarrierEvent::Incoming { connection, address, hello } => {
                self.session.handle_incoming(connection, address, &hello);
            }
            CarrierEvent::Connected { connection, welcome } => {
                if self.session.handle_connected(connection, &welcome).is_err() {
                    self.faulty.push((connection, DisconnectReason::ProtocolError));
                }
            }
            CarrierEvent::Refused { connection, reason } => {
                self.session.handle_refused(connection, reason, &self.replicas.registry().snapshot());
            }
            CarrierEvent::Moved { connection, address } => self.handle_moved(connection, address),
            CarrierEvent::Disconnected { connection, reason } => self.disconnected(connection, reason),
        }
    }

    fn handle_replica_message(
        &mut self,
        connection: ConnectionId,
        channel: ChannelId,
        order: u64,
        packet: u64,
        bytes: &[u8],
    ) -> Result<(), crate::replica::PeerFault> {
        let Some(link) = self.links.get(&connection) else { return Ok(()) };
        if channel == STATE {
            if self.replicas.handle_state(link.peer, order, bytes)? == Verdict::TooLate {
                self.endpoint.reject(connection, packet);
            }
            Ok(())
        } else {
            self.replicas.handle_call(link.peer, channel == RPC_RELIABLE, bytes)
        }
    }

    fn disconnected(&mut self, connection: ConnectionId, reason: DisconnectReason) {
        self.session.handle_disconnected(connection, reason);
        if let Some(link) = self.links.remove(&connection) {
            self.connections.remove(&link.member);
            self.replicas.remove_peer(link.peer, self.session.is_host());
            self.end_messages(connection);
        }
    }

    fn update(&mut self, now: Instant) {
        let (links, faulty) = (&self.links, &mut self.faulty);
        self.replicas.update(now, |peer, _| {
            if let Some((connection, _)) = links.iter().find(|(_, link)| link.peer == peer) {
                faulty.push((*connection, DisconnectReason::ProtocolError));
            }
        });
        self.end_faulty(now);
        self.carry_out_actions(now);
    }

    /// Tells the replica manager round trips in its own unit, ticks.
    fn measure(&mut self, now: Instant) {
        let interval = now - self.last_tick.unwrap_or(now);
        self.last_tick = Some(now);
        // Programs tick evenly, more or less: a moving mean over a handful of ticks is near enough.
        self.interval = if self.interval.is_zero() { interval } else { (self.interval * 7 + interval) / 8 };
        for (connection, link) in &self.links {
            if let Some(rtt) = self.endpoint.rtt(*connection).filter(|_| !self.interval.is_zero()) {
                let ticks = rtt.as_micros().div_ceil(self.interval.as_micros().max(1));
                self.replicas.set_patience(link.peer, u32::try_from(ticks).unwrap_or(u32::MAX).saturating_add(1));
            }
        }
    }

    /// Has all that is due written, and what was written of state sent while it is at hand.
    fn marshal(&mut self, now: Instant) -> Result<(), DriverError> {
        let state_is_due = self.pace.is_due(now);
        for (at, (connection, link)) in self.links.iter().enumerate() {
            // Those who are next come into the caches together, but for those to whom nothing is to be said.
            if state_is_due && at.is_multiple_of(AHEAD) {
                let next = self.links.range(*connection..).take(AHEAD);
                let next = next.filter(|(_, link)| self.replicas.has_state_for(link.peer));
                self.endpoint.prefetch(next.map(|(connection, _)| *connection));
            }
            let (endpoint, faulty) = (&mut self.endpoint, &mut self.faulty);
            let mut crowded_out = 0;
            self.replicas.drain_calls(link.peer, |reliable, message| {
                let channel = if reliable { RPC_RELIABLE } else { RPC_UNRELIABLE };
                // An unreliable call that finds no room is lost, as it may be. A reliable one must not be.
                if endpoint.send(*connection, channel, message, None) == Err(SendError::QueueFull) {
                    crowded_out += 1;
                    if reliable {
                        faulty.push((*connection, DisconnectReason::Overflow));
                    }
                }
            });
            self.replicas.call_crowded_out(crowded_out);
            if !state_is_due || !self.replicas.has_state_for(link.peer) {
                continue;
            }
            let mut budget = self.endpoint.state_budget(*connection, STATE);
            let largest = self.endpoint.max_unfragmented_to(*connection);
            while self.replicas.has_state_for(link.peer) {
                // Without budget there may be what does not wait for any.
                let max = if budget == 0 { 0 } else { largest.min(budget.max(256)) };
                let Some(message) = self.replicas.marshal(link.peer, max, &mut self.buffer) else { break };
                budget = budget.saturating_sub(self.buffer.len());
                if self.endpoint.send_owned(*connection, STATE, &mut self.buffer, Some(message.token)).is_err() {
                    self.replicas.handle_receipt(link.peer, message.token, false);
                    break;
                }
            }
            while let Some(to) = self.endpoint.poll_transmit_to(now, *connection, &mut self.buffer) {
                self.driver.send(now, to, &self.buffer)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.end_faulty(now);
        self.carry_out_actions(now);
        while let Some(to) = self.endpoint.poll_transmit(now, &mut self.buffer) {
            self.driver.send(now, to, &self.buffer)?;
        }
        self.driver.flush(now)
    }

    fn end_faulty(&mut self, now: Instant) {
        while let Some((connection, reason)) = self.faulty.pop() {
            self.endpoint.disconnect(now, connection, reason);
            self.disconnected(connection, reason);
        }
    }

    fn carry_out_actions(&mut self, now: Instant) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Accept { connection, welcome } => {
                    if self.endpoint.accept(now, connection, &welcome).is_err() {
                        self.session.handle_disconnected(connection, DisconnectReason::Timeout);
                    }
                }
                Action::Refuse { connection, reason } => self.endpoint.refuse(now, connection, reason),
                Action::Defer { connection } => self.endpoint.defer(now, connection),
                Action::Send { connection, message } => {
                    // A connection that has just ended will say so itself.
                    if self.endpoint.send(connection, CONTROL, &message, None) == Err(SendError::QueueFull) {
                        self.faulty.push((connection, DisconnectReason::Overflow));
                    }
                }
                Action::Disconnect { connection, reason } => {
                    self.endpoint.disconnect(now, connection, reason);
                    self.disconnected(connection, reason);
                }
                Action::SayAgain { schema, hello } => {
                    if let Some(joining) = &mut self.joining {
                        *joining = Joining { host: joining.host, schema, hello, due: true };
                    }
                }
                Action::Joined { local } => self.replicas.set_local_member(local),
                Action::PeerUp { connection, member, profile } => {
                    let role = if self.session.is_host() { PeerRole::Client } else { PeerRole::Host };
                    let peer = match profile {
                        Some(profile) => self.replicas.add_peer_with(member, role, &profile),
                        None => self.replicas.add_peer(member, role),
                    };
                    self.links.insert(connection, Link { peer, member, allowance: Allowance::new(now) });
                    self.connections.insert(member, connection);
                    self.follow(now, connection);
                }
            }
        }
        while let Some(event) = self.session.poll_event() {
            if let SessionEvent::MemberLeft { member, .. } = &event {
                self.replicas.member_left(*member);
            }
            self.inbox.session_news(event);
        }
    }
}

impl core::fmt::Debug for Node {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node")
            .field("local_addr", &self.local_addr())
            .field("local_member", &self.local_member())
            .field("is_host", &self.is_host())
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
