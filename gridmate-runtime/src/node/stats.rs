//! Numbers for people: what a node and each of its connections have done.

use core::time::Duration;
use std::net::SocketAddr;

use super::channels::{CONTROL, RPC_RELIABLE, RPC_UNRELIABLE, STATE};
use super::{MessageStats, Node, UserChannel};
use crate::carrier::{ChannelId, ChannelStats, ConnectionStats, EndpointStats, Telemetry};
use crate::driver::DriverStats;
use crate::ids::MemberId;
use crate::replica::ReplicaStats;

/// Counts since a node started, by layer.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
/// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
/// for frame in 0..10 {
///     host.tick(Instant::from_millis(frame * 16))?;
///     client.tick(Instant::from_millis(frame * 16))?;
/// }
/// let stats = client.stats();
/// assert!(stats.driver.sent > 0 && stats.driver.received_bytes > 0);
/// assert_eq!((stats.endpoint.connected, stats.events_dropped), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NodeStats {
    /// Datagrams and bytes at the socket.
    pub driver: DriverStats,
    /// Datagrams dropped before any connection saw them, by cause.
    pub endpoint: EndpointStats,
    /// Records and calls.
    pub replicas: ReplicaStats,
    /// Messages between programs.
    pub messages: MessageStats,
    /// Session events and receipts dropped because the program does not poll for them.
    pub events_dropped: u64,
}

/// One connection.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
/// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
/// for frame in 0..10 {
///     host.tick(Instant::from_millis(frame * 16))?;
///     client.tick(Instant::from_millis(frame * 16))?;
/// }
/// let peer = client.peers().next().expect("a client is connected to its host");
/// assert_eq!(peer.member, MemberId::HOST);
/// assert_eq!(peer.carrier.packets_lost, 0);
/// println!("round trip: {:?}", peer.rtt);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PeerStats {
    /// Who is at the other end.
    pub member: MemberId,
    /// Where that is.
    pub address: Option<SocketAddr>,
    /// Smoothed round-trip time, once one was measured.
    pub rtt: Option<Duration>,
    /// Packets, bytes, losses; the shortest round trip and its variation; the congestion window; what waits.
    pub carrier: ConnectionStats,
    /// What went over each channel: messages and their bytes, without what the carrier adds.
    pub channels: PeerChannels,
}

/// What a connection has carried, by what it was for.
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
/// let peer = client.peers().next().expect("a client is connected to its host");
/// assert_eq!(peer.channels.user(UserChannel::Ordered).messages_sent, 1);
/// assert_eq!(peer.channels.total().bytes_sent, 6); // the message, and a byte that says whom it is for
/// assert_eq!(peer.channels.control.messages_received, 1); // that the host is here
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerChannels {
    /// News of the session.
    pub control: ChannelStats,
    /// Calls that must arrive.
    pub reliable_calls: ChannelStats,
    /// Calls that may be lost.
    pub unreliable_calls: ChannelStats,
    /// State of replicas.
    pub state: ChannelStats,
    user: [ChannelStats; UserChannel::ALL.len()],
}

impl PeerChannels {
    /// Messages between programs.
    #[must_use]
    pub const fn user(&self, channel: UserChannel) -> ChannelStats {
        self.user[channel as usize]
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> ChannelStats {
        let own = [self.control, self.reliable_calls, self.unreliable_calls, self.state];
        own.into_iter().chain(self.user).fold(ChannelStats::default(), ChannelStats::and)
    }
}

impl Node {
    /// Counts since this node started.
    pub fn stats(&self) -> NodeStats {
        NodeStats {
            driver: self.driver.stats(),
            endpoint: self.endpoint.endpoint_stats(),
            replicas: self.replicas.stats(),
            messages: self.message_stats(),
            events_dropped: self.inbox.news_dropped,
        }
    }

    /// From now on `telemetry` is told what happens to packets and connections, or nobody is. Returns what was told before.
    ///
    /// ```
    /// use gridmate_runtime::carrier::Trace;
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry))?;
    /// host.set_telemetry(Some(Box::new(Trace::new(std::io::stderr()))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_telemetry(&mut self, telemetry: Option<Box<dyn Telemetry>>) -> Option<Box<dyn Telemetry>> {
        self.endpoint.set_telemetry(telemetry)
    }

    /// The members this node is directly connected to.
    pub fn peers(&self) -> impl Iterator<Item = PeerStats> {
        self.links.iter().filter_map(|(connection, link)| {
            let channel = |id: ChannelId| self.endpoint.channel_stats(*connection, id).unwrap_or_default();
            let channels = PeerChannels {
                control: channel(CONTROL),
                reliable_calls: channel(RPC_RELIABLE),
                unreliable_calls: channel(RPC_UNRELIABLE),
                state: channel(STATE),
                user: UserChannel::ALL.map(|user| channel(user.id())),
            };
            Some(PeerStats {
                member: link.member,
                address: self.endpoint.address(*connection),
                channels,
                rtt: self.endpoint.rtt(*connection),
                carrier: self.endpoint.stats(*connection)?,
            })
        })
    }
}
