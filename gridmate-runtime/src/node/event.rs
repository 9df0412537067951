//! Everything a program may want to hear about, in one place.

use std::net::SocketAddr;

use super::{MessageToken, UserChannel};
use crate::ids::MemberId;
use crate::replica::ReplicaEvent;
use crate::session::SessionEvent;

/// Something that happened to a node.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// /// What the players are told.
/// fn news(node: &mut Node) -> Vec<String> {
///     let mut news = Vec::new();
///     while let Some(event) = node.poll_event() {
///         match event {
///             NodeEvent::Session(SessionEvent::MemberJoined { name, .. }) => news.push(format!("{name} is here")),
///             NodeEvent::Session(SessionEvent::HostLost { reason }) => news.push(format!("the host is gone: {reason}")),
///             NodeEvent::Replica(ReplicaEvent::Added { id, .. }) => news.push(format!("{id} appeared")),
///             _ => {}
///         }
///     }
///     news
/// }
/// # #[derive(Default, ReplicaChunk)]
/// # struct Door {
/// #     open: bool,
/// # }
/// # let registry = Registry::builder().chunk::<Door>().build()?;
/// # let network = MemoryNetwork::new();
/// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()).name("ada"))?;
/// # let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
/// # host.replicas().add(Door { open: true })?;
/// # for frame in 0..20 {
/// #     host.tick(Instant::from_millis(frame * 16))?;
/// #     client.tick(Instant::from_millis(frame * 16))?;
/// # }
///
/// assert_eq!(news(&mut client), ["ada is here", "#1.1 appeared"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// To the session: members coming and going, joining, losing the host.
    Session(SessionEvent),
    /// The program of another member has [sent](super::Node::send) this one a message.
    ///
    /// It never comes before its sender's [`MemberJoined`](SessionEvent::MemberJoined), but may come after its
    /// [`MemberLeft`](SessionEvent::MemberLeft): they travel on channels of their own.
    Message {
        /// Who sent it. Not what the message says, but what the host knows: nobody can speak in another's name.
        from: MemberId,
        /// What it came over.
        channel: UserChannel,
        /// The message. [`Node::recycle`](super::Node::recycle) takes the buffer back.
        bytes: Vec<u8>,
    },
    /// What became of a message that this program sent [with a receipt](super::Node::send_with_receipt).
    Receipt {
        /// Which one.
        token: MessageToken,
        /// Whom it was for.
        to: MemberId,
        /// True: that member's node has received it (and, of voice that came too late, dropped it). False: it may or may not have.
        delivered: bool,
    },
    /// A reliable message that this program sent without a receipt did not get to a member: it has left, or too much was waiting for
    /// it. Later ones may still.
    Undelivered {
        /// Who did not get it.
        to: MemberId,
        /// What it was sent on.
        channel: UserChannel,
    },
    /// A member that this node is connected to goes on from another address: its NAT has forgotten it, or it has changed networks.
    Moved {
        /// Who.
        member: MemberId,
        /// Where it is now.
        address: SocketAddr,
    },
    /// To a replica: a proxy appeared, something was removed, an owner changed.
    Replica(ReplicaEvent),
}
