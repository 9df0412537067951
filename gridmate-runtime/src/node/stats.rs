//! Numbers for people: what a node and each of its connections have done.

use core::time::Duration;

use super::Node;
use crate::carrier::{ConnectionStats, EndpointStats, Telemetry};
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
    /// Session events dropped because the program does not poll for them.
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
    /// Smoothed round-trip time, once one was measured.
    pub rtt: Option<Duration>,
    /// Packets, bytes, losses.
    pub carrier: ConnectionStats,
}

impl Node {
    /// Counts since this node started.
    pub fn stats(&self) -> NodeStats {
        NodeStats {
            driver: self.driver.stats(),
            endpoint: self.endpoint.endpoint_stats(),
            replicas: self.replicas.stats(),
            events_dropped: self.events_dropped,
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
            Some(PeerStats {
                member: link.member,
                rtt: self.endpoint.rtt(*connection),
                carrier: self.endpoint.stats(*connection)?,
            })
        })
    }
}
