//! What happens in a session, as a program sees it.

use crate::carrier::{DisconnectReason, Refusal};
use crate::ids::MemberId;
use crate::schema::SchemaDifference;

/// Something that happened to the session.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// /// Keeps a list of who is here up to date.
/// fn note(players: &mut Vec<MemberId>, event: &SessionEvent) {
///     match event {
///         SessionEvent::Joined { local } => players.push(*local),
///         SessionEvent::MemberJoined { member, .. } => players.push(*member),
///         SessionEvent::MemberLeft { member, .. } => players.retain(|player| player != member),
///         SessionEvent::HostLost { .. } => players.clear(),
///         _ => {}
///     }
/// }
///
/// let mut players = Vec::new();
/// note(&mut players, &SessionEvent::Joined { local: MemberId(2) });
/// note(&mut players, &SessionEvent::MemberJoined { member: MemberId(3), name: "eve".to_owned() });
/// let reason = LeaveReason::Timeout;
/// note(&mut players, &SessionEvent::MemberLeft { member: MemberId(3), name: "eve".to_owned(), reason });
/// assert_eq!(players, [MemberId(2)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// This node is a member now.
    Joined {
        /// Who it is.
        local: MemberId,
    },
    /// This node could not join; the session is over for it.
    JoinFailed {
        /// Why.
        error: JoinError,
    },
    /// On the host: someone waits to be let in ([`JoinDecision::Pending`](super::JoinDecision::Pending)).
    JoinRequested {
        /// Who it will be, for [`Node::admit`](crate::Node::admit) and [`Node::deny`](crate::Node::deny).
        member: MemberId,
        /// The name it gives.
        name: String,
    },
    /// Someone is here. A joiner hears this once for everyone already present, the host among them.
    MemberJoined {
        /// Who.
        member: MemberId,
        /// The name it gave.
        name: String,
    },
    /// Someone is gone. The replicas it owned are gone with it, but for those that migrate.
    MemberLeft {
        /// Who.
        member: MemberId,
        /// The name it had given.
        name: String,
        /// Why.
        reason: LeaveReason,
    },
    /// The host is gone; the session is over for this node. Proxies are gone, this node's own replicas stay.
    HostLost {
        /// Why.
        reason: LeaveReason,
    },
}

/// Why a node could not join.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "door")]
/// struct Door {
///     open: bool,
/// }
///
/// # let network = MemoryNetwork::new();
/// let (ours, theirs) = (Registry::builder().build()?, Registry::builder().chunk::<Door>().build()?);
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(theirs))?;
/// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(ours))?;
/// for frame in 0..10 {
///     host.tick(Instant::from_millis(frame * 16))?;
///     client.tick(Instant::from_millis(frame * 16))?;
/// }
/// let Some(NodeEvent::Session(SessionEvent::JoinFailed { error })) = client.poll_event() else { panic!() };
/// assert!(matches!(error, JoinError::Schema { .. }));
/// assert_eq!(error.to_string(), "the host's schema is another: chunk `door` is only there");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The host answered, and refused.
    #[error("the host refused: {0}")]
    Refused(Refusal),
    /// The host's program replicates other chunk types, or others of the same name.
    #[error("the host's schema is another: {}", first(difference.as_ref(), *ours, *theirs))]
    Schema {
        /// The fingerprint here.
        ours: u64,
        /// The host's.
        theirs: u64,
        /// The first thing that differs, *there* being the host. `None` when the host's schema is so large that a datagram could not
        /// say enough of it.
        difference: Option<SchemaDifference>,
    },
    /// Nobody answered at the address, or the connection ended before it was up.
    #[error("the host could not be reached: {0}")]
    Unreachable(LeaveReason),
}

/// Why a member is gone.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
/// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
/// let mut lost = None;
/// for frame in 0..20 {
///     let now = Instant::from_millis(frame * 16);
///     if frame == 10 {
///         host.kick(now, client.local_member());
///     }
///     host.tick(now)?;
///     client.tick(now)?;
///     while let Some(event) = client.poll_event() {
///         if let NodeEvent::Session(SessionEvent::HostLost { reason }) = event {
///             lost = Some(reason);
///         }
///     }
/// }
/// assert_eq!(lost, Some(LeaveReason::Kicked));
/// assert_eq!(LeaveReason::Kicked.to_string(), "it was sent away");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It left.
    #[error("it left")]
    Left,
    /// The host ended the session.
    #[error("the session ended")]
    Shutdown,
    /// The host sent it away.
    #[error("it was sent away")]
    Kicked,
    /// Nothing was heard from it for the configured time.
    #[error("it fell silent")]
    Timeout,
    /// It did not follow the protocol, or a limit was reached.
    #[error("it broke the protocol or a limit")]
    Fault,
    /// More waited to be sent to it than may: messages or calls that must arrive, made faster than it takes them.
    #[error("more waited to be sent to it than may")]
    Overflow,
    /// Its round trip was longer than [`NodeConfig::max_rtt`](crate::NodeConfig::max_rtt) allows.
    #[error("its round trip was too long")]
    Latency,
    /// It lost more than [`NodeConfig::max_loss`](crate::NodeConfig::max_loss) allows.
    #[error("too much was lost on the way to it")]
    Loss,
}

impl LeaveReason {
    pub(super) const fn to_wire(self) -> u8 {
        match self {
            Self::Left => 0,
            Self::Shutdown => 1,
            Self::Kicked => 2,
            Self::Timeout => 3,
            Self::Fault => 4,
            Self::Overflow => 5,
            Self::Latency => 6,
            Self::Loss => 7,
        }
    }

    pub(super) const fn from_wire(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Left,
            1 => Self::Shutdown,
            2 => Self::Kicked,
            3 => Self::Timeout,
            4 => Self::Fault,
            5 => Self::Overflow,
            6 => Self::Latency,
            7 => Self::Loss,
            _ => return None,
        })
    }
}

impl From<DisconnectReason> for LeaveReason {
    fn from(reason: DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Leave => Self::Left,
            DisconnectReason::Shutdown => Self::Shutdown,
            DisconnectReason::Kicked => Self::Kicked,
            DisconnectReason::Timeout => Self::Timeout,
            DisconnectReason::Overflow => Self::Overflow,
            DisconnectReason::Latency => Self::Latency,
            DisconnectReason::Loss => Self::Loss,
            _ => Self::Fault,
        }
    }
}

fn first(difference: Option<&SchemaDifference>, ours: u64, theirs: u64) -> String {
    difference.map_or_else(|| format!("{ours:016x} here, {theirs:016x} there"), ToString::to_string)
}
