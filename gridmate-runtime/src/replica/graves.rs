//! Replicas of a peer's that are gone, and must stay gone.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::ReplicaId;
use crate::limits;

/// Remembers each for as long as a datagram from before its end could still arrive.
#[derive(Debug, Default)]
pub(super) struct Graves {
    /// With the epoch that it ended in.
    by_id: BTreeMap<ReplicaId, u32>,
    /// Every word of it, oldest first. More than there are graves, if of some there was more than one: by this they are counted.
    by_order: VecDeque<(u64, ReplicaId, u32)>,
    newest: u64,
}

impl Graves {
    pub(super) fn contains(&self, id: ReplicaId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ReplicaId, u32)> {
        self.by_id.iter().map(|(id, epoch)| (*id, *epoch))
    }

    /// Whether it had ended by the time that it was in this epoch.
    pub(super) fn covers(&self, id: ReplicaId, epoch: u32) -> bool {
        self.by_id.get(&id).is_some_and(|last| epoch <= *last)
    }

    /// It goes on, in a later epoch.
    pub(super) fn raise(&mut self, id: ReplicaId) {
        self.by_id.remove(&id);
    }

    /// A message with this place in the peer's sending order has arrived.
    pub(super) fn arrived(&mut self, order: u64) {
        self.newest = self.newest.max(order);
        let newest = self.newest;
        let is_over = |grave: &mut (u64, ReplicaId, u32)| newest - grave.0 > limits::PACKET_WINDOW as u64;
        while let Some((_, id, epoch)) = self.by_order.pop_front_if(is_over) {
            if self.by_id.get(&id) == Some(&epoch) {
                self.by_id.remove(&id);
            }
        }
    }

    /// False when there is no room for now.
    pub(super) fn dig(&mut self, id: ReplicaId, epoch: u32) -> bool {
        if self.covers(id, epoch) {
            return true;
        }
        if self.by_order.len() >= limits::TOMBSTONES {
            return false;
        }
        self.by_id.insert(id, epoch);
        self.by_order.push_back((self.newest, id, epoch));
        true
    }
}

/// Serials that a client has used up: it must never use one twice, or others, who remember for longer or shorter, would
/// disagree on what it names. Runs of them are one entry.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// First serial of a run → its last.
    runs: BTreeMap<u32, u32>,
}

impl Spent {
    pub(super) fn contains(&self, serial: u32) -> bool {
        self.runs.range(..=serial).next_back().is_some_and(|(_, last)| *last >= serial)
    }

    pub(super) fn insert(&mut self, serial: u32) {
        if self.contains(serial) {
            return;
        }
        let before = self.runs.range(..serial).next_back().filter(|(_, last)| **last + 1 == serial).map(|(f, _)| *f);
        let after = serial.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(before.unwrap_or(serial), after.unwrap_or(serial));
        if self.runs.len() > limits::REPLICAS_PER_MEMBER {
            // Serials are handed out in order: what lies between the two oldest runs is as good as spent.
            if let (Some((first, _)), Some((_, last))) = (self.runs.pop_first(), self.runs.pop_first()) {
                self.runs.insert(first, last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberId;

    #[test]
    fn graves_are_kept_for_a_window_and_bounded() {
        let id = |serial: usize| ReplicaId { creator: MemberId(2), serial: u32::try_from(serial).unwrap() };
        let mut graves = Graves::default();
        graves.arrived(10);
        assert!(graves.dig(id(1), 1) && graves.dig(id(1), 1));
        graves.arrived(10 + limits::PACKET_WINDOW as u64);
        assert!(graves.contains(id(1)));
        graves.arrived(11 + limits::PACKET_WINDOW as u64);
        assert!(!graves.contains(id(1)));
        assert!((1..=limits::TOMBSTONES).all(|serial| graves.dig(id(serial), 1)));
        assert!(!graves.dig(id(0), 1) && graves.dig(id(7), 1), "full, and nothing is forgotten before its time");
        graves.arrived(12 + 2 * limits::PACKET_WINDOW as u64);
        assert!(graves.dig(id(0), 1));
    }

    #[test]
    fn the_graves_of_one_replica_are_bounded_too() {
        let id = ReplicaId { creator: MemberId(2), serial: 1 };
        let mut graves = Graves::default();
        let most = u32::try_from(limits::TOMBSTONES).unwrap();
        assert!((1..=most).all(|epoch| graves.dig(id, epoch)));
        assert!(!graves.dig(id, most + 1) && graves.covers(id, most));
        graves.raise(id);
        assert!(!graves.dig(id, most + 1), "what has gone on is counted as well");
        assert_eq!(graves.by_order.len(), limits::TOMBSTONES);
        graves.arrived(1 + limits::PACKET_WINDOW as u64);
        assert!(graves.dig(id, most + 1) && graves.by_order.len() == 1);
    }

    #[test]
    fn a_grave_covers_the_epochs_up_to_the_last() {
        let id = ReplicaId { creator: MemberId(2), serial: 1 };
        let mut graves = Graves::default();
        assert!(graves.dig(id, 3));
        assert_eq!([3, 4].map(|epoch| graves.covers(id, epoch)), [true, false]);
        graves.arrived(5);
        assert!(graves.dig(id, 2) && graves.dig(id, 4), "what is later counts");
        graves.arrived(2 + limits::PACKET_WINDOW as u64);
        assert!(graves.covers(id, 4), "and is kept from then on");
        graves.raise(id);
        assert!(!graves.contains(id));
        assert!(graves.dig(id, 5));
        graves.arrived(6 + limits::PACKET_WINDOW as u64);
        assert!(graves.covers(id, 5));
    }

    #[test]
    fn spent_serials_are_kept_as_runs() {
        let mut spent = Spent::default();
        for serial in [5, 7, 6, 1, u32::MAX, 3, 2, 6] {
            spent.insert(serial);
        }
        assert_eq!(spent.runs, BTreeMap::from([(1, 3), (5, 7), (u32::MAX, u32::MAX)]));
        assert_eq!([0, 1, 3, 4, 5, 7, 8].map(|s| spent.contains(s)), [false, true, true, false, true, true, false]);
    }
}
