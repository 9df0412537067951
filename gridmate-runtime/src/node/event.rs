//! Everything a program may want to hear about, in one place.

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
    /// To a replica: a proxy appeared, something was removed, an owner changed.
    Replica(ReplicaEvent),
}
