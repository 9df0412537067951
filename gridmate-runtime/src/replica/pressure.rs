//! How much may go to a peer in a message, and what of it first: where budget, order and the program's opinion meet.

use super::ReplicaManager;
use super::message::Room;
use super::ranking::{Ranking, score};
use super::relevance::{self, Relevance, ReplicaView};
use super::target::Peer;
use crate::chunk::TargetPeer;
use crate::limits;
use crate::time::Instant;

impl ReplicaManager {
    /// Says how much replicas matter to peers, for when bytes are short; see [`Relevance`].
    ///
    /// What is pending goes out by `weight × relevance × (1 + waited)`: the weight of its class, from 1 for
    /// [`LOWEST`](crate::Priority::LOWEST) over 5 for `NORMAL` to 9 for `HIGHEST`; the program's answer, from 1/8 to 1; and how many
    /// ticks it was passed over in. So nothing starves. If *k* of *n* replicas fit a tick, a replica whose weight × relevance is 1/*ρ* of
    /// the greatest waits at most 2 (*ρ* + 1) *n* / *k* of the ticks in which state goes out; *ρ* is at most 72. As a rule it is half
    /// of that, or less.
    pub fn set_relevance(&mut self, relevance: impl Relevance + 'static) {
        self.relevance = Some(Box::new(relevance));
    }
}

impl Peer {
    /// Room for the next message of at most `max_bytes`, and whether it is beyond the budget, for what is `realtime`. None when
    /// nothing may go.
    pub(super) fn room(
        &mut self,
        max_bytes: usize,
        realtime: bool,
        (now, tick): (Instant, u32),
    ) -> Option<(Room, bool)> {
        let (allowed, full) = self.bucket.room(now);
        if max_bytes > 0 && allowed > 0 {
            // The carrier cuts a replica into fragments when it must.
            let first = if full { usize::MAX } else { allowed };
            return Some((Room::new(max_bytes.min(allowed), first), false));
        }
        let spent = if self.urgent.0 == tick { self.urgent.1 } else { 0 };
        let left = limits::REALTIME_BYTES.saturating_sub(spent);
        let first = if spent == 0 { usize::MAX } else { left };
        (realtime && left > 0).then(|| (Room::new(left.min(limits::SEGMENT_BYTES), first), true))
    }

    /// A message goes out.
    pub(super) fn spend(&mut self, bytes: usize, beyond: bool, tick: u32) {
        self.bucket.spend(bytes);
        if beyond {
            let spent = if self.urgent.0 == tick { self.urgent.1 } else { 0 };
            self.urgent = (tick, spent + bytes);
        }
    }

    /// Fills a ranking with what is pending, all of which has waited once more.
    pub(super) fn rank(&mut self, ranking: &mut Ranking, view: ReplicaView<'_>, relevance: Option<&dyn Relevance>) {
        let Self { owed, member, role, .. } = self;
        for place in owed.pending.iter_ones() {
            let entry = &view.entries[place];
            let relevance = relevance.map_or(1.0, |relevance| {
                let peer = TargetPeer::new(entry.id, *member, *role).of(entry.owner, entry.assigned);
                relevance::clamp(relevance.relevance(&peer, &view))
            });
            let waited = owed.targets[place].wait();
            #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
            ranking.add(place as u32, score(entry.priority, relevance, waited));
        }
    }
}
