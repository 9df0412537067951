//! What this node knows of one peer: what it has, what it was sent, what it still needs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bitvec::vec::BitVec;

use super::entry::Entry;
use super::hold::Held;
use crate::ids::{MemberId, ReplicaId};
use crate::limits;

/// A direct peer of this node's replica manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(crate) u32);

/// What a peer may do on others' behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerRole {
    /// It speaks for itself: it may create and change replicas of its own.
    Client,
    /// It forwards for others, and says for whom: the host, seen from a client.
    Host,
}

/// One replica, seen from one peer. Small: there is one for every pair.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    /// Newest version it acknowledged: its baseline. 0 = none.
    pub(super) acked: u32,
    /// Newest version sent to it. 0 = none.
    pub(super) sent: u32,
    /// An echo was sent to it, so it must hear of the replica's end even if it never heard of its beginning.
    pub(super) told: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) member: MemberId,
    pub(super) role: PeerRole,
    /// By place in the replica table.
    pub(super) targets: Vec<Target>,
    /// Places whose newest version is neither sent nor on its way.
    pub(super) pending: BitVec,
    pub(super) has_pending: bool,
    /// Destructions not yet acknowledged.
    pub(super) tombs: BTreeMap<ReplicaId, Tomb>,
    pub(super) tombs_pending: usize,
    pub(super) in_flight: InFlight,
    /// Ticks after which a state message that nothing was heard of is taken for lost.
    pub(super) patience: u32,
    /// Something is being repeated in this tick.
    pub(super) repeating: bool,
    /// RPC messages for the carrier.
    pub(super) calls: Calls,
    /// Reliable RPC messages ever put into `calls`.
    pub(super) rpcs_sent: u32,

    // What it sends us.
    pub(super) proxies: usize,
    pub(super) graves: Graves,
    pub(super) held: Held,
    /// Destructions that have arrived and are carried out in `update`.
    pub(super) doomed: Vec<Doomed>,
    /// Reliable RPC messages received.
    pub(super) rpcs_received: u32,
}

/// A destruction that a peer has not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tomb {
    pub(super) after_rpcs: Option<u32>,
    pub(super) pending: bool,
}

/// A destruction that a peer has announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doomed {
    pub(super) id: ReplicaId,
    pub(super) after_rpcs: Option<u32>,
}

impl Peer {
    pub(super) fn new(member: MemberId, role: PeerRole) -> Self {
        Self {
            member,
            role,
            targets: Vec::new(),
            pending: BitVec::new(),
            has_pending: false,
            tombs: BTreeMap::new(),
            tombs_pending: 0,
            in_flight: InFlight::default(),
            patience: PATIENCE,
            repeating: false,
            calls: Calls::default(),
            rpcs_sent: 0,
            proxies: 0,
            graves: Graves::default(),
            held: Held::default(),
            doomed: Vec::new(),
            rpcs_received: 0,
        }
    }

    /// Makes room for a table of `places` replicas.
    pub(super) fn resize(&mut self, places: usize) {
        if self.targets.len() < places {
            self.targets.resize(places, Target::default());
            self.pending.resize(places, false);
        }
    }

    pub(super) fn set_pending(&mut self, place: u32) {
        self.pending.set(place as usize, true);
        self.has_pending = true;
    }

    /// Announces the end of the replica at `place`, if the peer ever heard of it, and frees the place.
    pub(super) fn bury(&mut self, place: u32, entry: &Entry) {
        let target = core::mem::take(&mut self.targets[place as usize]);
        self.pending.set(place as usize, false);
        if target.sent != 0 || target.told {
            let after_rpcs = entry.echoed.then_some(self.rpcs_sent);
            self.tombs.insert(entry.id, Tomb { after_rpcs, pending: true });
            self.tombs_pending += 1;
        }
    }

    /// What became of a state message.
    pub(super) fn handle_receipt(&mut self, token: u64, delivered: bool, entries: &[Entry]) {
        let Self { in_flight, targets, tombs, pending, has_pending, tombs_pending, .. } = self;
        in_flight.resolve(token, |sent| match *sent {
            Sent::State { place, version } if delivered => {
                // Not of a replica that is gone, or of one that had this place before.
                let entry = &entries[place as usize];
                if entry.live && entry.floor != 0 && version >= entry.floor {
                    let target = &mut targets[place as usize];
                    target.acked = target.acked.max(version);
                }
            }
            Sent::Destroy(id) if delivered => {
                if tombs.remove(&id).is_some_and(|tomb| tomb.pending) {
                    *tombs_pending -= 1;
                }
            }
            ref sent => again(sent, entries, targets, tombs, pending, has_pending, tombs_pending),
        });
    }

    /// Repeats what was sent so long ago that its receipt should be here. A first repetition waits for a round trip; after
    /// that something is known to be wrong, and there is one every few ticks.
    pub(super) fn repeat_overdue(&mut self, tick: u32, entries: &[Entry]) {
        let Self { in_flight, targets, tombs, pending, has_pending, tombs_pending, patience, .. } = self;
        self.repeating = in_flight.overdue(tick, *patience, |sent| {
            again(sent, entries, targets, tombs, pending, has_pending, tombs_pending);
        });
    }
}

/// Marks what a lost message said as to be sent again, unless something newer was sent since.
fn again(
    sent: &Sent,
    entries: &[Entry],
    targets: &[Target],
    tombs: &mut BTreeMap<ReplicaId, Tomb>,
    pending: &mut BitVec,
    has_pending: &mut bool,
    tombs_pending: &mut usize,
) {
    match *sent {
        Sent::State { place, version } => {
            let (entry, target) = (&entries[place as usize], &targets[place as usize]);
            if entry.live && version >= entry.floor && target.sent == version && target.acked < version {
                pending.set(place as usize, true);
                *has_pending = true;
            }
        }
        Sent::Destroy(id) => {
            if let Some(tomb) = tombs.get_mut(&id).filter(|tomb| !tomb.pending) {
                tomb.pending = true;
                *tombs_pending += 1;
            }
        }
    }
}

/// Ticks before a first repetition as long as no round trip was measured.
const PATIENCE: u32 = 8;

/// Ticks between repetitions after the first.
const REPEAT: u32 = 2;

/// What a state message said, until we know whether it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    State { place: u32, version: u32 },
    Destroy(ReplicaId),
}

/// State messages without a receipt, in the order they were sent; what they said in one ring.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    messages: VecDeque<InFlightMessage>,
    records: VecDeque<Sent>,
    /// Token of the front message.
    first_token: u64,
    /// Number, since the start, of the front record.
    first_record: u64,
}

#[derive(Debug)]
struct InFlightMessage {
    start: u64,
    len: usize,
    resolved: bool,
    /// The tick it was sent in.
    tick: u32,
    /// It repeats something.
    repeat: bool,
    /// What it said has been repeated.
    repeated: bool,
}

impl InFlight {
    pub(super) fn record(&mut self, sent: Sent) {
        self.records.push_back(sent);
    }

    /// Everything recorded since the last call went out as one message. Returns its token.
    pub(super) fn seal(&mut self, tick: u32, repeat: bool) -> u64 {
        let end = self.first_record + self.records.len() as u64;
        let start = self.messages.back().map_or(self.first_record, |m| m.start + m.len as u64);
        let len = usize::try_from(end - start).expect("no more than are in the ring");
        self.messages.push_back(InFlightMessage { start, len, resolved: false, tick, repeat, repeated: false });
        self.first_token + self.messages.len() as u64 - 1
    }

    /// Visits what messages said that are without a receipt for `patience` ticks, once. Whether there were any.
    fn overdue(&mut self, tick: u32, patience: u32, mut each: impl FnMut(&Sent)) -> bool {
        let mut any = false;
        for message in &mut self.messages {
            let wait = if message.repeat { REPEAT } else { patience };
            if message.resolved || message.repeated || tick.wrapping_sub(message.tick) < wait {
                continue;
            }
            message.repeated = true;
            any = true;
            let start = usize::try_from(message.start - self.first_record).expect("no more than are in the ring");
            self.records.range(start..start + message.len).for_each(&mut each);
        }
        any
    }

    fn resolve(&mut self, token: u64, mut each: impl FnMut(&Sent)) {
        let Some(message) =
            token.checked_sub(self.first_token).and_then(|n| self.messages.get_mut(usize::try_from(n).ok()?))
        else {
            return;
        };
        if core::mem::replace(&mut message.resolved, true) {
            return;
        }
        let start = usize::try_from(message.start - self.first_record).expect("no more than are in the ring");
        self.records.range(start..start + message.len).for_each(&mut each);
        while let Some(message) = self.messages.pop_front_if(|m| m.resolved) {
            self.records.drain(..message.len);
            self.first_record += message.len as u64;
            self.first_token += 1;
        }
    }
}

/// RPC messages on their way to the carrier, in one arena.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) queue: Vec<OutgoingCall>,
    pub(super) arena: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct OutgoingCall {
    pub(super) reliable: bool,
    pub(super) range: core::ops::Range<usize>,
}

/// Replicas of a peer's that are gone, remembered for as long as a datagram from before could still arrive.
#[derive(Debug, Default)]
pub(super) struct Graves {
    by_id: BTreeSet<ReplicaId>,
    by_order: VecDeque<(u64, ReplicaId)>,
    newest: u64,
}

impl Graves {
    pub(super) fn contains(&self, id: ReplicaId) -> bool {
        self.by_id.contains(&id)
    }

    /// A message with this place in the peer's sending order has arrived.
    pub(super) fn arrived(&mut self, order: u64) {
        self.newest = self.newest.max(order);
        let newest = self.newest;
        while let Some((_, id)) = self.by_order.pop_front_if(|(dug, _)| newest - *dug > limits::PACKET_WINDOW as u64) {
            self.by_id.remove(&id);
        }
    }

    pub(super) fn dig(&mut self, id: ReplicaId) {
        if !self.by_id.insert(id) {
            return;
        }
        self.by_order.push_back((self.newest, id));
        if self.by_order.len() > limits::TOMBSTONES
            && let Some((_, oldest)) = self.by_order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(serial: usize) -> ReplicaId {
        ReplicaId { creator: MemberId(2), serial: u32::try_from(serial).unwrap() }
    }

    #[test]
    fn graves_are_kept_for_a_window_and_bounded() {
        let mut graves = Graves::default();
        graves.arrived(10);
        graves.dig(id(1));
        graves.dig(id(1));
        graves.arrived(10 + limits::PACKET_WINDOW as u64);
        assert!(graves.contains(id(1)));
        graves.arrived(11 + limits::PACKET_WINDOW as u64);
        assert!(!graves.contains(id(1)));
        (1..=limits::TOMBSTONES + 5).for_each(|serial| graves.dig(id(serial)));
        assert!(!graves.contains(id(5)) && graves.contains(id(6)));
        assert_eq!(graves.by_id.len(), limits::TOMBSTONES);
    }
}
