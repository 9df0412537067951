//! Session time, and where members are: what the carrier knows of the other ends, told to the program.
//!
//! The host's clock is the session's. A client follows it from the moment it has joined, as exactly as the line lets it.

use core::time::Duration;
use std::net::SocketAddr;

use super::{Node, NodeEvent};
use crate::carrier::ConnectionId;
use crate::ids::MemberId;
use crate::time::Instant;

/// Whose clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    /// A client that has not joined.
    Nobody,
    Oneself,
    Host,
}

impl Node {
    /// What time it is in the session when this node's clock shows `now`: the time that the host was given at its
    /// [`tick`](Self::tick). On every node the same, to within [`clock_error`](Self::clock_error), so that a moment can be named in a
    /// message.
    ///
    /// It never goes back. At a client it stands at [`Instant::ZERO`] until it is first [synchronised](Self::clock_synchronised), a round
    /// trip or a few after joining, and goes on when the host is lost.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
    /// let mut now = Instant::from_millis(60_000);
    /// let ahead = Duration::from_secs(5); // of the client's clock
    /// while !client.clock_synchronised() {
    ///     now += Duration::from_millis(16);
    ///     host.tick(now)?;
    ///     client.tick(now + ahead)?;
    /// }
    /// assert_eq!(host.session_time(now), now);
    /// let there = client.session_time(now + ahead);
    /// assert!(there.max(now) - there.min(now) <= client.clock_error());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn session_time(&self, now: Instant) -> Instant {
        if self.leader == Leader::Nobody { Instant::ZERO } else { self.endpoint.session_time(now) }
    }

    /// Whether this node knows the session's time. The host always does.
    pub fn clock_synchronised(&self) -> bool {
        self.leader != Leader::Nobody && self.endpoint.clock_synchronised()
    }

    /// How far [`session_time`](Self::session_time) may be from the host's: half the shortest round trip, and a little. Nothing at the
    /// host; without bounds at a client that was never synchronised.
    pub fn clock_error(&self) -> Duration {
        if self.leader == Leader::Nobody { Duration::MAX } else { self.endpoint.clock_error() }
    }

    /// A connection to a member is up: if that is the host, its clock is the session's.
    pub(super) fn follow(&mut self, now: Instant, connection: ConnectionId) {
        if self.leader != Leader::Oneself {
            self.leader = Leader::Host;
            self.endpoint.follow_clock(now, connection);
        }
    }

    /// The other end of a connection is somewhere else now.
    pub(super) fn handle_moved(&mut self, connection: ConnectionId, address: SocketAddr) {
        let Some(link) = self.links.get(&connection) else { return };
        if let Some(joining) = self.joining.as_mut().filter(|_| link.member == MemberId::HOST) {
            joining.host = address;
        }
        self.inbox.news(NodeEvent::Moved { member: link.member, address });
    }
}
