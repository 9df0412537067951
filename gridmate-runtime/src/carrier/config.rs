//! What a program chooses once, and the names it uses afterwards.

use core::fmt;
use core::time::Duration;

use crate::limits;

/// How an [`Endpoint`](super::Endpoint) behaves.
///
/// ```
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelKind};
///
/// let mut config = CarrierConfig::new(0xFEED_F00D);
/// config.channels = vec![ChannelKind::ReliableOrdered, ChannelKind::Unreliable];
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
    /// computes [`schema`](Self::schema) include them.
    pub channels: Vec<ChannelKind>,
    /// Silence after which a connection counts as dead.
    pub timeout: Duration,
    /// A ping is sent when nothing else was for this long. Keep it well below the peer's `timeout`.
    pub keep_alive: Duration,
    /// Time from the first hello to the connection being usable, at either end, including the time a program takes to
    /// [`accept`](super::Endpoint::accept).
    pub handshake_timeout: Duration,
    /// Connections at once, established or not; at most [`limits::CONNECTIONS`]. Joiners beyond it are refused with
    /// [`Refusal::Full`](super::Refusal::Full).
    pub max_connections: usize,
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
            channels: vec![ChannelKind::ReliableOrdered, ChannelKind::Unreliable],
            timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(5),
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
/// config.channels = vec![ChannelKind::ReliableOrdered, ChannelKind::UnreliableSequenced];
/// let endpoint = Endpoint::new(config, 1);
/// # let mut endpoint = endpoint;
/// # let connection = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// # assert_eq!(endpoint.send(connection, AIM, b"left", None), Err(SendError::NotConnected));
/// assert!(endpoint.max_unfragmented() < limits::MESSAGE_BYTES); // the most that `AIM` and `ORDERS` take
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// Every message arrives, in the order sent, or the connection ends. Up to [`limits::MESSAGE_BYTES`] each.
    ReliableOrdered,
    /// A message is dropped when a later one of its channel was delivered. Up to
    /// [`Endpoint::max_unfragmented`](super::Endpoint::max_unfragmented) bytes each.
    UnreliableSequenced,
    /// Messages are delivered as they come. Large ones are cut into at most [`limits::FRAGMENTS`] fragments of
    /// [`limits::FRAGMENT_BYTES`].
    Unreliable,
}

/// Names a channel: its place in [`CarrierConfig::channels`]. Lower ones are sent first.
///
/// ```
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelId, ChannelKind};
///
/// const CHAT: ChannelId = ChannelId(0);
///
/// let config = CarrierConfig::new(7);
/// assert_eq!(config.channels[usize::from(CHAT.0)], ChannelKind::ReliableOrdered);
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
