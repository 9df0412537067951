//! What a program chooses once, and the names it uses afterwards.

use core::fmt;
use core::time::Duration;

use super::compress::CompressionConfig;
use super::congestion::CongestionConfig;
use crate::limits;

/// How an [`Endpoint`](super::Endpoint) behaves.
///
/// ```
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelKind};
///
/// let mut config = CarrierConfig::new(0xFEED_F00D);
/// config.channels = vec![ChannelKind::ReliableOrdered.into(), ChannelKind::Unreliable.into()];
/// config.max_connections = 64;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CarrierConfig {
    /// Fingerprint of what will be said over the connection. Both ends must have the same one, else the joiner is refused
    /// with [`Refusal::Schema`](super::Refusal::Schema).
    pub schema: u64,
    /// What a joiner with another fingerprint is told about this end's schema, in bytes that mean something to the programs and
    /// nothing to the carrier. Cut to [`limits::SCHEMA_DETAIL_BYTES`].
    pub schema_details: Vec<u8>,
    /// The channels, by [`ChannelId`]; at most [`limits::CHANNELS`]. Both ends must list the same kinds: let whatever
    /// computes [`schema`](Self::schema) include them. A [`ChannelKind`] turns into a channel with the usual settings.
    pub channels: Vec<ChannelConfig>,
    /// Silence after which a connection counts as dead.
    pub timeout: Duration,
    /// A ping is sent when nothing else was for this long. Keep it well below the peer's `timeout`.
    pub keep_alive: Duration,
    /// How long a packet may go without being acknowledged when nothing goes the other way. More than
    /// [`limits::ACK_DELAY_MILLIS`] counts as that: the peer's resend timer allows for no more. The acknowledgement comes sooner
    /// after a gap, after [`limits::ACK_EVERY`] packets, and when the sender asks for it.
    pub ack_delay: Duration,
    /// How long an unreliable message may wait for the network to take it. One that is older is dropped, and its receipt says so:
    /// what a congested link needs is less, not later.
    pub unreliable_age: Duration,
    /// A connection whose smoothed round trip is longer than this for a second is ended
    /// ([`DisconnectReason::Latency`](super::DisconnectReason::Latency)). `None`: none is.
    pub max_rtt: Option<Duration>,
    /// A connection that loses more than this share of its packets over a second or more is ended
    /// ([`DisconnectReason::Loss`](super::DisconnectReason::Loss)), 0 to 1. `None`: none is.
    pub max_loss: Option<f32>,
    /// When one connection has timed out, those are given up too that were silent for more than this share of
    /// [`timeout`](Self::timeout), 0 to 1: what took one peer away has probably taken the others. 1 (the default): none is.
    pub evaluation: f32,
    /// Time from the first hello to the connection being usable, at either end, including the time a program takes to
    /// [`accept`](super::Endpoint::accept).
    pub handshake_timeout: Duration,
    /// How long a program that has answered a joiner with [`Endpoint::defer`](super::Endpoint::defer) may still take.
    pub pending_timeout: Duration,
    /// Connections at once, established or not; at most [`limits::CONNECTIONS`]. Joiners beyond it are refused with
    /// [`Refusal::Full`](super::Refusal::Full).
    pub max_connections: usize,
    /// The largest datagram that is tried, bytes, [`limits::DATAGRAM_BYTES`] to [`limits::DATAGRAM_BYTES_MAX`]: what the driver
    /// can carry. Connections begin with the former and find out what their path takes.
    pub max_datagram: usize,
    /// What decides how much may be sent.
    pub congestion: CongestionConfig,
    /// What makes packets shorter, if the other end has the same. None by default.
    pub compression: CompressionConfig,
    /// Where packet, segment and group numbers start; both ends must agree. For tests of what happens when they wrap.
    #[doc(hidden)]
    pub first_number: u64,
}

impl CarrierConfig {
    /// The defaults, for programs whose traffic has the fingerprint `schema`.
    pub fn new(schema: u64) -> Self {
        Self {
            schema,
            schema_details: Vec::new(),
            channels: vec![ChannelKind::ReliableOrdered.into(), ChannelKind::Unreliable.into()],
            timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
            ack_delay: Duration::from_millis(25),
            unreliable_age: Duration::from_millis(250),
            max_rtt: None,
            max_loss: None,
            evaluation: 1.0,
            handshake_timeout: Duration::from_secs(5),
            pending_timeout: Duration::from_secs(30),
            max_datagram: limits::DATAGRAM_BYTES_MAX,
            congestion: CongestionConfig::default(),
            compression: CompressionConfig::None,
            max_connections: limits::CONNECTIONS,
            first_number: 0,
        }
    }
}

impl Default for CarrierConfig {
    fn default() -> Self {
        Self::new(0)
    }
}

/// What a channel promises about its messages. None of them ever delivers a message twice or altered.
///
/// ```
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelId, ChannelKind, Endpoint};
/// # use gridmate_runtime::carrier::SendError;
/// # use gridmate_runtime::{Instant, limits};
///
/// const ORDERS: ChannelId = ChannelId(0); // must arrive
/// const AIM: ChannelId = ChannelId(1); // only the newest counts
///
/// let mut config = CarrierConfig::new(7);
/// config.channels = vec![ChannelKind::ReliableOrdered.into(), ChannelKind::UnreliableSequenced.into()];
/// let endpoint = Endpoint::new(config, 1);
/// # let mut endpoint = endpoint;
/// # let connection = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// # assert_eq!(endpoint.send(connection, AIM, b"left", None), Err(SendError::NotConnected));
/// assert!(endpoint.max_unfragmented() < limits::MESSAGE_BYTES); // the most that `AIM` and `ORDERS` take
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// Every message arrives, in the order sent, or the connection ends. Up to [`ChannelConfig::max_message`] each.
    ReliableOrdered,
    /// Every message arrives, as soon as all of it is here, or the connection ends. Up to [`ChannelConfig::max_message`] each.
    ReliableUnordered,
    /// A message is dropped when a later one of its channel was delivered. Up to
    /// [`Endpoint::max_unfragmented`](super::Endpoint::max_unfragmented) bytes each.
    UnreliableSequenced,
    /// Messages are delivered as they come. Large ones are cut into at most [`limits::FRAGMENTS`] fragments of
    /// [`limits::FRAGMENT_BYTES`].
    Unreliable,
}

impl ChannelKind {
    /// Whether every message arrives.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::ReliableOrdered | Self::ReliableUnordered)
    }
}

/// A channel: what it promises, and what it may take.
///
/// ```
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelConfig, ChannelKind, ChannelPriority};
///
/// let voice = ChannelConfig { priority: ChannelPriority::Critical, compress: false, ..ChannelKind::UnreliableSequenced.into() };
/// let maps = ChannelConfig { max_message: 64 << 20, queue_bytes: 80 << 20, ..ChannelKind::ReliableUnordered.into() };
/// let mut config = CarrierConfig::new(7);
/// config.channels = vec![ChannelKind::ReliableOrdered.into(), voice, maps];
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// What it promises.
    pub kind: ChannelKind,
    /// Channels of a higher priority are sent first, whatever others wait for.
    pub priority: ChannelPriority,
    /// Its share among channels of the same priority that all have something to send, relative to theirs; at least 1.
    pub weight: u8,
    /// Largest message on a reliable channel, bytes, at most [`limits::MESSAGE_BYTES`]. A peer that sends a longer one is
    /// disconnected; it makes this end hold as much at most.
    pub max_message: usize,
    /// Bytes of messages that may wait for acknowledgement (on a reliable channel) or their turn, each counted with
    /// [`limits::MESSAGE_OVERHEAD`]; `send` refuses above it. All unreliable channels of a connection together hold
    /// [`limits::UNRELIABLE_BYTES`] at most.
    pub queue_bytes: usize,
    /// Whether packets with its messages are worth compressing, if there is a compressor. False for what is compressed already, such as
    /// voice: a packet with nothing else in it then goes as it is.
    pub compress: bool,
}

impl From<ChannelKind> for ChannelConfig {
    /// Normal priority, weight 1, compressed if anything is, messages of up to [`limits::MESSAGE_BYTES_USUAL`], [`limits::RELIABLE_BYTES`] waiting.
    fn from(kind: ChannelKind) -> Self {
        Self {
            kind,
            priority: ChannelPriority::Normal,
            weight: 1,
            max_message: limits::MESSAGE_BYTES_USUAL,
            queue_bytes: limits::RELIABLE_BYTES,
            compress: true,
        }
    }
}

/// Whose messages leave first. Strict: one message of a higher priority goes before any of a lower.
///
/// ```
/// use gridmate_runtime::carrier::ChannelPriority;
///
/// assert!(ChannelPriority::Critical < ChannelPriority::Low); // in the order they are sent
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelPriority {
    /// Before everything else: what keeps a session together.
    Critical,
    /// Voice, input.
    High,
    /// Most things.
    #[default]
    Normal,
    /// What can wait: maps, logs.
    Low,
}

/// Names a channel: its place in [`CarrierConfig::channels`].
///
/// ```
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelId, ChannelKind};
///
/// const CHAT: ChannelId = ChannelId(0);
///
/// let config = CarrierConfig::new(7);
/// assert_eq!(config.channels[usize::from(CHAT.0)].kind, ChannelKind::ReliableOrdered);
/// assert_eq!(CHAT.to_string(), "channel 0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u8);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {}", self.0)
    }
}

/// Names a connection of one endpoint. Never reused while the endpoint lives (until one slot has seen 2³² connections).
///
/// ```
/// use std::collections::BTreeMap;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Endpoint};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// let host = ([10, 0, 0, 1], 4_000).into();
/// let connection = endpoint.connect(Instant::ZERO, host, b"Ada")?;
/// let mut names = BTreeMap::from([(connection, "the host")]); // a key for what a program knows of the peer
/// endpoint.handle_timeout(Instant::from_millis(60_000));
/// if let Some(CarrierEvent::Disconnected { connection, .. }) = endpoint.poll_event() {
///     names.remove(&connection);
/// }
/// assert!(names.is_empty());
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}.{}", self.index, self.generation)
    }
}
