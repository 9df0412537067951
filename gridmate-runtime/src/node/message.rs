//! Messages between programs: what a program calls, and what it is told. How they arrive is in [`relay`](super::relay).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::address::{self, Destination};
use super::relay::Passed;
use super::{Node, NodeEvent, UserChannel};
use crate::carrier::{ConnectionId, SendError};
use crate::ids::MemberId;
use crate::limits;

/// Tokens of the carrier that belong to messages. Those of the replica manager count up from 0.
pub(super) const MESSAGE: u64 = 1 << 63;

/// Capacity above which the buffer for outgoing messages is not kept, bytes.
pub(super) const KEPT: usize = 1 << 20;

/// Names a message that was [sent with a receipt](Node::send_with_receipt). Never reused.
///
/// ```
/// use std::collections::BTreeSet;
/// use gridmate_runtime::prelude::*;
///
/// /// Notes what became of a message.
/// fn note(waiting: &mut BTreeSet<MessageToken>, event: &NodeEvent) {
///     if let NodeEvent::Receipt { token, .. } = event {
///         waiting.remove(token);
///     }
/// }
/// # let event = NodeEvent::Moved { member: MemberId(2), address: ([10, 0, 0, 1], 1).into() };
/// # note(&mut BTreeSet::new(), &event);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageToken(pub(super) u64);

/// Why a message was not sent. Nothing was queued, and no receipt follows.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry))?;
/// let error = host.send(MemberId(2), UserChannel::Ordered, b"anyone?").unwrap_err();
/// assert_eq!(error, NodeSendError::UnknownMember(MemberId(2)));
/// assert_eq!(error.to_string(), "there is no member #2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeSendError {
    /// This node is in no session: it has not joined yet, or the session is over for it.
    #[error("not in a session")]
    NotJoined,
    /// Nobody in the session has this number.
    #[error("there is no member {0}")]
    UnknownMember(MemberId),
    /// The member is this node.
    #[error("a node does not send to itself")]
    Oneself,
    /// The connection to the member has just ended, or is about to.
    #[error("the member is not connected")]
    NotConnected,
    /// The channel does not take messages of this size.
    #[error("a message of {len} bytes exceeds the {limit} of its channel")]
    TooLarge {
        /// Its length, bytes.
        len: usize,
        /// What the channel takes, bytes.
        limit: usize,
    },
    /// Too much is waiting already; try again later.
    #[error("too much is waiting to be sent")]
    QueueFull,
}

/// Messages between programs, counted at one node.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
/// # let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
/// # for frame in 0..10 {
/// #     host.tick(Instant::from_millis(frame * 16))?;
/// #     client.tick(Instant::from_millis(frame * 16))?;
/// # }
/// client.send(MemberId::HOST, UserChannel::Ordered, b"hello")?;
/// let messages = client.stats().messages;
/// assert_eq!((messages.sent, messages.sent_bytes, messages.received), (1, 5, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageStats {
    /// Sent by the program, one to everyone counted once.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Given to the program, or waiting to be.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Passed on between clients, by a host: each once for every member it went to.
    pub relayed: u64,
    /// Their bytes.
    pub relayed_bytes: u64,
    /// Reliable ones that could not be passed on, or sent to one of everyone. Their senders were told.
    pub undelivered: u64,
    /// Unreliable ones that could not be passed on, or sent to one of everyone; voice that came late; and what a program that does not
    /// poll has missed.
    pub dropped: u64,
    /// Bytes that wait to be polled, with bookkeeping.
    pub waiting: usize,
}

/// What a node knows of messages on their way.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The last number given out, to our own and to those passed on.
    pub(super) serial: u64,
    /// Ours that somebody asked about, by number.
    pub(super) asked: BTreeMap<u64, Asked>,
    /// Of others, by number, until their fate is known.
    pub(super) passed: BTreeMap<u64, Passed>,
    /// Whom a message is passed on to, reused.
    pub(super) others: Vec<MemberId>,
    pub(super) stats: MessageStats,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) to: MemberId,
    pub(super) over: ConnectionId,
    /// The host will say what became of it.
    pub(super) relayed: bool,
}

impl Node {
    /// Sends a message to the program of another member. It leaves with the next tick, and arrives as
    /// [`NodeEvent::Message`].
    ///
    /// To the host, and from it, a message goes directly. Between clients the host passes it on. On a reliable channel it then either
    /// arrives or [`NodeEvent::Undelivered`] follows: because the member has left, or its line is slower than what it is sent. The host
    /// ends nobody's connection for that.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
    /// let (mut greeted, mut heard) = (false, Vec::new());
    /// for frame in 0..20 {
    ///     if !greeted {
    ///         greeted = client.send(MemberId::HOST, UserChannel::Ordered, b"good evening").is_ok(); // once it has joined
    ///     }
    ///     host.tick(Instant::from_millis(frame * 16))?;
    ///     client.tick(Instant::from_millis(frame * 16))?;
    ///     while let Some(event) = host.poll_event() {
    ///         if let NodeEvent::Message { from, bytes, .. } = event {
    ///             heard.push((from, bytes));
    ///         }
    ///     }
    /// }
    /// assert_eq!(heard, [(client.local_member(), b"good evening".to_vec())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NodeSendError`].
    pub fn send(&mut self, to: MemberId, channel: UserChannel, bytes: &[u8]) -> Result<(), NodeSendError> {
        let link = self.way_to(to)?;
        self.send_over(link, to, channel, bytes, None)
    }

    /// The same, and asks for a receipt: exactly one [`NodeEvent::Receipt`] follows, as long as the program polls. It says whether
    /// *that member's node* has the message, whoever had to pass it on.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// # let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
    /// # for frame in 0..10 {
    /// #     host.tick(Instant::from_millis(frame * 16))?;
    /// #     client.tick(Instant::from_millis(frame * 16))?;
    /// # }
    /// # while host.poll_event().is_some() {}
    /// let token = host.send_with_receipt(client.local_member(), UserChannel::Bulk, &[7; 100_000])?;
    /// # let mut known = false;
    /// for frame in 10..40 {
    ///     host.tick(Instant::from_millis(frame * 16))?;
    ///     client.tick(Instant::from_millis(frame * 16))?;
    ///     while let Some(event) = host.poll_event() {
    ///         assert_eq!(event, NodeEvent::Receipt { token, to: client.local_member(), delivered: true });
    /// #         known = true;
    ///     }
    /// }
    /// # assert!(known);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NodeSendError`].
    pub fn send_with_receipt(
        &mut self,
        to: MemberId,
        channel: UserChannel,
        bytes: &[u8],
    ) -> Result<MessageToken, NodeSendError> {
        let over = self.way_to(to)?;
        if self.messages.asked.len() >= limits::RECEIPTS {
            return Err(NodeSendError::QueueFull);
        }
        let token = self.messages.serial + 1;
        self.send_over(over, to, channel, bytes, Some(token))?;
        self.messages.serial = token;
        let relayed = !self.is_host() && to != MemberId::HOST;
        self.messages.asked.insert(token, Asked { to, over, relayed });
        Ok(MessageToken(token))
    }

    /// Sends a message to everyone else in the session. On a reliable channel, [`NodeEvent::Undelivered`] follows for each member that
    /// it cannot be sent to.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// # let mut clients = Vec::new();
    /// # for _ in 0..2 {
    /// #     clients.push(Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry.clone()))?);
    /// # }
    /// # let mut heard = 0;
    /// # for frame in 0..20 {
    /// #     if frame == 10 {
    /// clients[0].broadcast(UserChannel::Voice, &[3; 80])?; // twenty milliseconds of a voice
    /// #     }
    /// #     host.tick(Instant::from_millis(frame * 16))?;
    /// #     for client in &mut clients {
    /// #         client.tick(Instant::from_millis(frame * 16))?;
    /// #     }
    /// #     for node in [&mut host, &mut clients[1]] {
    /// #         while let Some(event) = node.poll_event() {
    /// #             heard += u32::from(matches!(event, NodeEvent::Message { channel: UserChannel::Voice, .. }));
    /// #         }
    /// #     }
    /// # }
    /// # assert_eq!(heard, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NodeSendError`].
    pub fn broadcast(&mut self, channel: UserChannel, bytes: &[u8]) -> Result<(), NodeSendError> {
        if !self.is_host() {
            let host = self.way_to(MemberId::HOST)?;
            return self.send_over(host, MemberId::NONE, channel, bytes, None);
        }
        self.compose(MemberId::NONE, channel, bytes, None)?;
        self.messages.stats.sent += 1;
        self.messages.stats.sent_bytes += bytes.len() as u64;
        for (connection, link) in &self.links {
            if self.endpoint.send(*connection, channel.id(), &self.buffer, None).is_err() {
                self.messages.stats.missed(channel);
                if channel.is_reliable() {
                    self.inbox.news(NodeEvent::Undelivered { to: link.member, channel });
                }
            }
        }
        self.trim();
        Ok(())
    }

    /// Takes back the bytes of a [message](NodeEvent::Message) that the program has done with. Optional: a node that gets its buffers
    /// back need not allocate new ones.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// # let network = MemoryNetwork::new();
    /// # let mut node = Node::host(network.bind_any()?, NodeConfig::new(Registry::builder().build()?))?;
    /// # fn play(_: MemberId, _: &[u8]) {}
    /// while let Some(event) = node.poll_event() {
    ///     if let NodeEvent::Message { from, channel: UserChannel::Voice, bytes } = event {
    ///         play(from, &bytes);
    ///         node.recycle(bytes);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        self.endpoint.recycle(bytes);
    }

    /// Where another member is, if this node is connected to it: what its datagrams come from.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// # let network = MemoryNetwork::new();
    /// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(Registry::builder().build()?))?;
    /// # let config = NodeConfig::new(Registry::builder().build()?);
    /// let mut client = Node::join(network.bind_any()?, host.local_addr(), config)?;
    /// # for frame in 0..10 {
    /// #     host.tick(Instant::from_millis(frame * 16))?;
    /// #     client.tick(Instant::from_millis(frame * 16))?;
    /// # }
    /// assert_eq!(client.member_address(MemberId::HOST), Some(host.local_addr()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn member_address(&self, member: MemberId) -> Option<SocketAddr> {
        self.endpoint.address(*self.connections.get(&member)?)
    }

    /// The connection that leads to a member.
    fn way_to(&self, to: MemberId) -> Result<ConnectionId, NodeSendError> {
        if !self.is_host() && self.links.is_empty() {
            return Err(NodeSendError::NotJoined);
        }
        if to == self.local_member() {
            return Err(NodeSendError::Oneself);
        }
        // A client may speak to its host before the host has introduced itself.
        let next = if self.is_host() { to } else { MemberId::HOST };
        if to != next && self.member(to).is_none() {
            return Err(NodeSendError::UnknownMember(to));
        }
        match self.connections.get(&next) {
            Some(connection) => Ok(*connection),
            None if self.member(to).is_some() => Err(NodeSendError::NotConnected),
            None => Err(NodeSendError::UnknownMember(to)),
        }
    }

    fn send_over(
        &mut self,
        over: ConnectionId,
        to: MemberId,
        channel: UserChannel,
        bytes: &[u8],
        token: Option<u64>,
    ) -> Result<(), NodeSendError> {
        self.compose(to, channel, bytes, token)?;
        let sent = self.endpoint.send(over, channel.id(), &self.buffer, token.map(|token| token | MESSAGE));
        self.trim();
        match sent {
            Ok(()) => {
                self.messages.stats.sent += 1;
                self.messages.stats.sent_bytes += bytes.len() as u64;
                Ok(())
            }
            Err(SendError::QueueFull) => Err(NodeSendError::QueueFull),
            Err(_) => Err(NodeSendError::NotConnected),
        }
    }

    /// Puts a message and its address into the buffer.
    fn compose(
        &mut self,
        to: MemberId,
        channel: UserChannel,
        bytes: &[u8],
        token: Option<u64>,
    ) -> Result<(), NodeSendError> {
        let (len, limit) = (bytes.len(), channel.max_bytes());
        if len > limit {
            return Err(NodeSendError::TooLarge { len, limit });
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        if self.is_host() {
            address::write_source(MemberId::HOST, &mut self.buffer);
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low bits are the name; few are asked about at once"
            )]
            let id = token.filter(|_| to != MemberId::HOST).map(|token| token as u32);
            Destination { to, id }.write(&mut self.buffer);
        }
        Ok(())
    }

    /// One long message must not hold its memory for ever.
    fn trim(&mut self) {
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }

    pub(super) fn message_stats(&self) -> MessageStats {
        let mut stats = self.messages.stats;
        stats.dropped += self.inbox.messages_dropped;
        stats.waiting = self.inbox.bytes();
        stats
    }
}

impl MessageStats {
    pub(super) const fn missed(&mut self, channel: UserChannel) {
        if channel.is_reliable() {
            self.undelivered += 1;
        } else {
            self.dropped += 1;
        }
    }
}
