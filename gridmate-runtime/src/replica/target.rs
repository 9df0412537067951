//! What this node knows of one peer: what it has, what it was sent, what it still needs.

use std::collections::{BTreeMap, VecDeque};

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
    pub(super) pending: BitVec<u64>,
    pub(super) has_pending: bool,
    /// Destructions not yet acknowledged.
    pub(super) tombs: BTreeMap<ReplicaId, Tomb>,
    pub(super) tombs_pending: usize,
    pub(super) in_flight: InFlight,
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
        let Self { in_flight, targets, tombs, .. } = self;
        let (mut lost_states, mut lost_tombs) = (false, 0);
        in_flight.resolve(token, |sent| match *sent {
            Sent::State { place, version } => {
                let entry = &entries[place as usize];
                let target = &mut targets[place as usize];
                if !entry.live || version < entry.floor || entry.floor == 0 {
                    // Of a replica that is gone, or of one that had this place before.
                } else if delivered {
                    target.acked = target.acked.max(version);
                } else if target.sent == version && target.acked < version {
                    self.pending.set(place as usize, true);
                    lost_states = true;
                }
            }
            Sent::Destroy(id) if delivered => drop(tombs.remove(&id)),
            Sent::Destroy(id) => {
                if let Some(tomb) = tombs.get_mut(&id) {
                    tomb.pending = true;
                    lost_tombs += 1;
                }
            }
        });
        self.has_pending |= lost_states;
        self.tombs_pending += lost_tombs;
    }
}

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
}

impl InFlight {
    pub(super) fn record(&mut self, sent: Sent) {
        self.records.push_back(sent);
    }

    /// Everything recorded since the last call went out as one message. Returns its token.
    pub(super) fn seal(&mut self) -> u64 {
        let end = self.first_record + self.records.len() as u64;
        let start = self.messages.back().map_or(self.first_record, |m| m.start + m.len as u64);
        let len = usize::try_from(end - start).expect("no more than are in the ring");
        self.messages.push_back(InFlightMessage { start, len, resolved: false });
        self.first_token + self.messages.len() as u64 - 1
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
    by_id: BTreeMap<ReplicaId, u64>,
    by_order: VecDeque<(u64, ReplicaId)>,
    newest: u64,
}

impl Graves {
    pub(super) fn contains(&self, id: ReplicaId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// A message with this place in the peer's sending order has arrived.
    pub(super) fn arrived(&mut self, order: u64) {
        self.newest = self.newest.max(order);
        let newest = self.newest;
        while let Some((_, id)) = self.by_order.pop_front_if(|(dug, _)| newest - *dug > limits::PACKET_WINDOW as u64) {
            self.by_id.remove(&id);
        }
    }

    /// False when there is no room.
    pub(super) fn dig(&mut self, id: ReplicaId) -> bool {
        if self.by_id.contains_key(&id) {
            return true;
        }
        if self.by_id.len() >= limits::TOMBSTONES {
            return false;
        }
        self.by_id.insert(id, self.newest);
        self.by_order.push_back((self.newest, id));
        true
    }
}
