//! A direct peer: what it is owed, what is under way to it, and what it has sent us.

use std::sync::Arc;

use super::expected::Company;
use super::graves::{Graves, Spent};
use super::hold::Held;
use super::in_flight::InFlight;
use super::mesh::Tenures;
use super::names::Told;
use super::owed::Owed;
use super::profile::PeerProfile;
use super::rate::Bucket;
use super::sync::SyncState;
use super::timeline::Timeline;
use crate::chunk::PeerRole;
use crate::ids::{MemberId, ReplicaId};

/// A direct peer of this node's replica manager.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::PeerRole;
///
/// let mut replicas = ReplicaManager::new(Registry::builder().build()?, 1);
/// let peer = replicas.add_peer(MemberId(2), PeerRole::Client);
/// assert_eq!(replicas.peer_member(peer), Some(MemberId(2)));
/// replicas.remove_peer(peer, false);
/// assert_eq!(replicas.peer_member(peer), None);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(crate) u32);

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) member: MemberId,
    pub(super) role: PeerRole,
    /// It was the host, and nothing goes to it any more: see `succession`.
    pub(super) lost: bool,
    /// What it shares of chunk types; none when its program has what this one has.
    pub(super) profile: Option<Arc<PeerProfile>>,

    // What goes to it.
    pub(super) owed: Owed,
    /// Bytes of state that may go now.
    pub(super) bucket: Bucket,
    /// Bytes of the most urgent that went beyond that, and in which tick.
    pub(super) urgent: (u32, usize),
    pub(super) in_flight: InFlight,
    /// Who was in messages to it; only under models.
    pub(super) company: Company,
    /// Ticks after which a state message that nothing was heard of is taken for lost.
    pub(super) patience: u32,
    /// RPC messages for the carrier.
    pub(super) calls: Calls,
    /// Reliable RPC messages ever put into `calls`.
    pub(super) rpcs_sent: u32,

    /// The names that it was told.
    pub(super) names: Told,

    /// What it has of what there was when it came; of a host, what it says of that.
    pub(super) sync: SyncState,

    // What comes from it.
    /// Who was in messages from it; only under models.
    pub(super) heard: Company,
    /// How many records of the usual kind are looked for at a time: see `run`.
    pub(super) in_a_row: usize,
    pub(super) proxies: usize,
    pub(super) graves: Graves,
    pub(super) spent: Spent,
    /// Of a mesh member, what it said and had of replicas that change hands.
    pub(super) tenures: Tenures,
    pub(super) held: Held,
    /// Bytes of its calls that were passed on in this update.
    pub(super) forwarded: usize,
    /// Requests to own what it owns, of this node or passed on, that it may yet answer.
    pub(super) asked: usize,
    /// Destructions that have arrived and are carried out in `update`, each of a replica that is here.
    pub(super) doomed: Vec<Doomed>,
    /// Reliable RPC messages received.
    pub(super) rpcs_received: u32,
    /// Which tick it is at, for those who show what it sends between what arrived; none when nobody does.
    pub(super) timeline: Option<Box<Timeline>>,
}

/// A destruction that a peer has announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doomed {
    pub(super) id: ReplicaId,
    pub(super) after_rpcs: Option<u32>,
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

/// Ticks before a first repetition as long as no round trip was measured.
const PATIENCE: u32 = 8;

impl Peer {
    pub(super) fn new(member: MemberId, role: PeerRole) -> Self {
        Self {
            member,
            role,
            lost: false,
            profile: None,
            owed: Owed::default(),
            bucket: Bucket::default(),
            urgent: (0, 0),
            names: Told::default(),
            sync: SyncState::default(),
            in_flight: InFlight::default(),
            company: Company::default(),
            heard: Company::default(),
            in_a_row: super::run::FEW,
            patience: PATIENCE,
            calls: Calls::default(),
            rpcs_sent: 0,
            proxies: 0,
            graves: Graves::default(),
            spent: Spent::default(),
            tenures: Tenures::default(),
            held: Held::default(),
            forwarded: 0,
            asked: 0,
            doomed: Vec::new(),
            rpcs_received: 0,
            timeline: None,
        }
    }

    pub(super) fn queue_call(&mut self, message: &[u8], reliable: bool) {
        self.queue(message, reliable);
        self.rpcs_sent = self.rpcs_sent.wrapping_add(u32::from(reliable));
    }

    /// The same for what is no call, and is not counted as one.
    pub(super) fn queue(&mut self, message: &[u8], reliable: bool) {
        if self.lost {
            return;
        }
        let start = self.calls.arena.len();
        self.calls.arena.extend_from_slice(message);
        self.calls.queue.push(OutgoingCall { reliable, range: start..self.calls.arena.len() });
    }
}
