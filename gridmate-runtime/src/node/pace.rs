//! How often and how much: ticks in which state goes out, and what each member is sent of it at most.

use core::time::Duration;

use super::Node;
use crate::ids::MemberId;
use crate::replica::{StateRate, SyncProgress};
use crate::time::Instant;

/// Picks the ticks in which state goes out. On the average they come as often as they should, whatever the rate of ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Instant,
}

impl Pace {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, next: Instant::ZERO }
    }

    /// Whether state goes out in the tick at `now`; asked once a tick.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let next = self.next + self.interval;
        // After a pause nothing is made up for.
        self.next = if next > now { next } else { now + self.interval };
        true
    }
}

impl Node {
    /// How many bytes of state a second a member is sent at most from now on, besides what its line carries. False when this node is
    /// not connected to it. What [`NodeConfig::state_rate`](crate::NodeConfig::state_rate) said holds for the others.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// use gridmate_runtime::replica::StateRate;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// # let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
    /// # for frame in 0..10 {
    /// #     host.tick(Instant::from_millis(frame * 16))?;
    /// #     client.tick(Instant::from_millis(frame * 16))?;
    /// # }
    /// assert!(host.set_state_rate(MemberId(2), StateRate::new(16_000))); // it is on a phone
    /// assert!(!host.set_state_rate(MemberId(9), StateRate::UNLIMITED)); // nobody
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_state_rate(&mut self, member: MemberId, rate: StateRate) -> bool {
        let link = self.connections.get(&member).and_then(|connection| self.links.get(connection));
        link.map(|link| self.replicas.set_state_rate(link.peer, rate)).is_some()
    }

    /// How much a member has of what was there when it came; on a client, of the host, how much of that has come here. `None` when this
    /// node is not connected to it.
    pub fn sync_progress(&self, member: MemberId) -> Option<SyncProgress> {
        let link = self.links.get(self.connections.get(&member)?)?;
        self.replicas.sync_progress(link.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks with state among those at multiples of `tick` milliseconds within ten seconds.
    fn due(interval: u64, tick: u64) -> u64 {
        let mut pace = Pace::new(Duration::from_millis(interval));
        (0..10_000 / tick).map(|n| u64::from(pace.is_due(Instant::from_millis(n * tick)))).sum()
    }

    #[test]
    fn as_many_ticks_as_there_should_be_whatever_their_rate() {
        assert_eq!(due(0, 10), 1_000);
        assert_eq!(due(10, 10), 1_000);
        assert_eq!(due(100, 10), 100);
        assert_eq!(due(100, 33), 100, "not every third or fourth, but both");
        assert_eq!(due(50, 100), 100, "there are no more ticks than there are");
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(Duration::from_millis(100));
        let at = Instant::from_millis;
        assert!(pace.is_due(at(0)) && !pace.is_due(at(99)) && pace.is_due(at(100)));
        assert!(pace.is_due(at(5_000)) && !pace.is_due(at(5_001)) && !pace.is_due(at(5_099)) && pace.is_due(at(5_100)));
    }
}
