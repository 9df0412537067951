//! Why things end, and what a caller can do wrong.

use crate::limits;

/// Why a joiner was not let in.
///
/// ```
/// use gridmate_runtime::carrier::Refusal;
///
/// fn advice(reason: &Refusal) -> &'static str {
///     match reason {
///         Refusal::Version { .. } | Refusal::Schema { .. } => "update the game",
///         Refusal::Full | Refusal::Busy => "try again later",
///         _ => "ask whoever runs the server",
///     }
/// }
///
/// assert_eq!(advice(&Refusal::Schema { ours: 1, theirs: 2, details: vec![] }), "update the game");
/// let banned = Refusal::denied(3, "banned until Monday");
/// assert_eq!(banned.to_string(), "denied (3): banned until Monday");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The two programs speak different versions of the carrier's protocol.
    #[error("protocol version {ours} here, {theirs} there")]
    Version {
        /// The version of the end that reports this.
        ours: u16,
        /// The version of the other end.
        theirs: u16,
    },
    /// The two programs would not understand each other's messages.
    #[error("schema {ours:016x} here, {theirs:016x} there")]
    Schema {
        /// The fingerprint of the end that reports this.
        ours: u64,
        /// The fingerprint of the other end.
        theirs: u64,
        /// The acceptor's [`schema_details`](super::CarrierConfig::schema_details). Whoever answers at the address wrote it.
        details: Vec<u8>,
    },
    /// No connection is free.
    #[error("the other end is full")]
    Full,
    /// Too many are joining right now; trying again later may help.
    #[error("the other end is busy")]
    Busy,
    /// The program said no.
    #[error("denied ({code}): {text}")]
    Denied {
        /// What the program means by it.
        code: u8,
        /// For people; cut to [`limits::REFUSAL_TEXT_BYTES`] on the wire.
        text: String,
    },
}

impl Refusal {
    /// A program's own reason, for [`Endpoint::refuse`](super::Endpoint::refuse).
    pub fn denied(code: u8, text: impl Into<String>) -> Self {
        Self::Denied { code, text: text.into() }
    }
}

/// Why a connection ended. The same words at both ends, except for what only one end can know.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, DisconnectReason, Endpoint};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// let connection = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// endpoint.handle_timeout(Instant::from_millis(60_000)); // nobody has answered
/// let Some(CarrierEvent::Disconnected { reason, .. }) = endpoint.poll_event() else { panic!("it gives up") };
/// assert_eq!(reason, DisconnectReason::Timeout);
/// assert_eq!(reason.to_string(), "timed out");
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[repr(u8)]
pub enum DisconnectReason {
    /// Whoever ended it wanted to leave.
    #[error("left")]
    Leave = 0,
    /// Whoever ended it wanted the other gone.
    #[error("kicked")]
    Kicked = 1,
    /// The program is closing.
    #[error("shutting down")]
    Shutdown = 2,
    /// The other end broke the rules of the protocol.
    #[error("protocol error")]
    ProtocolError = 3,
    /// The other end exceeded a limit.
    #[error("a limit was exceeded")]
    Overflow = 4,
    /// Nothing was heard for too long.
    #[error("timed out")]
    Timeout = 5,
    /// The peer at this address connected anew.
    #[error("replaced by a newer connection")]
    Replaced = 6,
    /// The round trip was longer than allowed for too long ([`CarrierConfig::max_rtt`](super::CarrierConfig::max_rtt)).
    #[error("the round trip takes too long")]
    Latency = 7,
    /// More packets were lost than allowed for too long ([`CarrierConfig::max_loss`](super::CarrierConfig::max_loss)).
    #[error("too much is lost")]
    Loss = 8,
}

impl DisconnectReason {
    pub(super) const fn from_wire(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Leave,
            1 => Self::Kicked,
            2 => Self::Shutdown,
            3 => Self::ProtocolError,
            4 => Self::Overflow,
            5 => Self::Timeout,
            6 => Self::Replaced,
            7 => Self::Latency,
            8 => Self::Loss,
            _ => return None,
        })
    }
}

/// Why [`Endpoint::connect`](super::Endpoint::connect) did nothing.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, ConnectError, Endpoint};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// let host = ([10, 0, 0, 1], 1).into();
/// endpoint.connect(Instant::ZERO, host, b"Ada")?;
/// assert_eq!(endpoint.connect(Instant::ZERO, host, b"Ada"), Err(ConnectError::AddressInUse));
/// # Ok::<(), ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The hello is too long.
    #[error("a hello holds at most {} bytes, not {len}", limits::HELLO_BYTES)]
    HelloTooLong {
        /// Its length, bytes.
        len: usize,
    },
    /// There is a connection with this address, or one is being made, from either side.
    #[error("the address is already in use by a connection")]
    AddressInUse,
    /// No connection is free.
    #[error("no connection is free")]
    Full,
}

/// Why [`Endpoint::send`](super::Endpoint::send) did nothing. No receipt will come.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelId, Endpoint, SendError};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// let connection = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// match endpoint.send(connection, ChannelId(0), b"hi", None) {
///     Err(SendError::NotConnected) => {} // too early: wait for `CarrierEvent::Connected`
///     Err(SendError::QueueFull) => unreachable!("the peer is slow; send less, or drop it"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended or never was.
    #[error(transparent)]
    UnknownConnection(#[from] UnknownConnection),
    /// The handshake is not over; wait for [`Connected`](super::CarrierEvent::Connected).
    #[error("the connection is not established yet")]
    NotConnected,
    /// The configuration has no such channel.
    #[error("there is no such channel")]
    UnknownChannel,
    /// The channel cannot carry a message of this size.
    #[error("a message of {len} bytes exceeds the {limit} of its channel")]
    TooLarge {
        /// Its length, bytes.
        len: usize,
        /// What the channel can carry, bytes.
        limit: usize,
    },
    /// Too much is waiting already ([`limits::RELIABLE_BYTES`], [`limits::UNRELIABLE_BYTES`]); try again later.
    #[error("too much is waiting to be sent")]
    QueueFull,
}

/// The connection has ended or never was, or is not in the state the call is for.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, ChannelId, DisconnectReason, Endpoint, UnknownConnection};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// let connection = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// endpoint.disconnect(Instant::ZERO, connection, DisconnectReason::Leave);
/// assert_eq!(endpoint.send(connection, ChannelId(0), b"hi", None), Err(UnknownConnection.into()));
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown connection")]
pub struct UnknownConnection;

/// Why [`Endpoint::accept`](super::Endpoint::accept) did nothing.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{AcceptError, CarrierConfig, Endpoint, UnknownConnection};
/// use gridmate_runtime::limits::WELCOME_BYTES;
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// let ours = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// // It was made here; only what `Incoming` announced can be accepted.
/// assert_eq!(endpoint.accept(Instant::ZERO, ours, b""), Err(AcceptError::UnknownConnection(UnknownConnection)));
/// let long = [0; WELCOME_BYTES + 1];
/// assert_eq!(endpoint.accept(Instant::ZERO, ours, &long), Err(AcceptError::WelcomeTooLong { len: long.len() }));
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// It is not waiting for an answer (any more).
    #[error(transparent)]
    UnknownConnection(#[from] UnknownConnection),
    /// The welcome is too long.
    #[error("a welcome holds at most {} bytes, not {len}", limits::WELCOME_BYTES)]
    WelcomeTooLong {
        /// Its length, bytes.
        len: usize,
    },
}
