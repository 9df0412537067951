//! Numbers for people: what a node and each of its connections have done.

use core::time::Duration;

use super::Node;
use crate::carrier::{ConnectionStats, EndpointStats};
use crate::driver::DriverStats;
use crate::ids::MemberId;
use crate::replica::ReplicaStats;

/// Counts since a node started, by layer.
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
