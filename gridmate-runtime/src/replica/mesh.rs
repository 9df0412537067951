//! Members that reach each other directly, and a host that reaches everyone: who sends what, and how it is known whose a replica is.
//!
//! A session may be a star, a mesh, or both at once. Everyone is connected to the host. **Clients** have nobody else; **mesh members**
//! ([`PeerRole::Peer`]) are connected to each other too.
//!
//! | what                                   | from whom, to whom                                                                |
//! |----------------------------------------|-----------------------------------------------------------------------------------|
//! | state, end, echoes, names of a replica | from its owner to all it is connected to                                          |
//! | the same, passed on                    | by the host: a client's to everyone else, a mesh member's to clients only         |
//! | a call on it                           | to its owner if that is connected, else to the host                               |
//! | requests for ownership, and hand-offs  | by way of the host: see `handoff`                                                 |
//!
//! A mesh member may send what a client may: replicas that it has created, in epoch 1, and those that it was given since, as many as a member may
//! own. What it was given is the host's to say, and the host tells the mesh members that are not concerned as well:
//!
//! ```text
//! vouched = 6  owner:gamma epoch:gamma       from the host: in this epoch this member owns it
//! detour  = 7  owner:gamma epoch:gamma       from the host: its owner of this epoch is to let go, calls come to the host
//! flushed = 8  epoch:gamma (term + 1):gamma   to that owner: all calls that come directly are before this, as the host of this term wants it
//! ```
//!
//! State and words come by several ways, in any order. The **epoch** says what is newer: whatever comes first in a later epoch, from the host or
//! from who is vouched for, is where the replica comes from now on. State of an epoch that nobody has vouched for yet is late, and comes again;
//! so is that of an epoch before. A mesh member that claims what is not its own, nor was, is at fault; it gains nothing by claiming to have been
//! given it.
//!
//! Reliable **calls** arrive once. An owner that is to let go does so when every mesh member has sent its last call to it ([`kind::FLUSHED`]),
//! and the host has all others until the next owner is there: see `flush`. Echoes name the epoch of the owner that they are from: those of an epoch
//! to come wait until it is here, those of one that is over run, for as long as [`limits::LAST_ECHO_MILLIS`]. In which order calls of two
//! owners run is not said.
//!
//! When a mesh member is lost, each other member keeps what it can of that member's replicas: what migrates stays as it is, and is expected from
//! the host, which adopts it or ends it. What the host says nothing of in time ([`limits::ORPHAN_MILLIS`]) it has never had, and ends. What cannot migrate ends at once.
//! Nobody passes on what two mesh members do not get from each other: who loses the connection to one, and stays in the session, has no
//! more of it than that.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::flush::Parting;
use super::handoff::{check_end, kind};
use super::pair::Target;
use super::record::{Call, Ownership, Route};
use super::target::{Peer, PeerId};
use super::unmarshal::Stop;
use super::{PeerFault, PeerRole, ReplicaEvent, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::{BitReader, WireError};

/// What a node knows of replicas that mesh members own and that change hands. Empty on most nodes, most of the time.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    /// How many of the peers are what; and of those that are no host, how many there were at most at one time.
    hosts: usize,
    members: usize,
    clients: usize,
    most_clients: usize,
    most_guests: usize,
    /// Who owns it, in which epoch, as the host says, until that has come from the owner.
    vouched: BTreeMap<ReplicaId, (MemberId, u32)>,
    /// Calls go by way of the host up to this epoch.
    pub(super) detours: BTreeMap<ReplicaId, u32>,
    /// Primaries here that are to go when nobody has a call for them under way.
    pub(super) partings: BTreeMap<ReplicaId, Parting>,
    /// Whose owner is lost, with the epoch of that, until when the host may say what becomes of them, from the next update on.
    orphans: BTreeMap<ReplicaId, (u32, Option<Instant>)>,
}

/// What a mesh member had, and has said, of replicas that change hands.
#[derive(Debug, Default)]
pub(super) struct Tenures {
    /// The last epoch of those that it owned, and owns no more; its last echoes may be under way.
    over: BTreeMap<ReplicaId, u32>,
    by_time: VecDeque<(Instant, ReplicaId, u32)>,
    /// No calls on it are under way to its owner of this epoch.
    pub(super) flushed: BTreeMap<ReplicaId, u32>,
}

impl Tenures {
    fn note(&mut self, id: ReplicaId, epoch: u32, until: Instant) {
        let last = self.over.entry(id).or_default();
        *last = epoch.max(*last);
        self.by_time.push_back((until, id, *last));
        if self.by_time.len() > limits::REPLICAS_PER_MEMBER {
            self.forget_oldest();
        }
    }

    fn forget_until(&mut self, now: Instant) {
        while self.by_time.front().is_some_and(|(until, ..)| *until <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id, epoch)) = self.by_time.pop_front()
            && self.over.get(&id) == Some(&epoch)
        {
            self.over.remove(&id);
        }
    }
}

impl Mesh {
    const fn count(&mut self, role: PeerRole) -> &mut usize {
        match role {
            PeerRole::Client => &mut self.clients,
            PeerRole::Host => &mut self.hosts,
            PeerRole::Peer => &mut self.members,
        }
    }

    /// What the host has said of replicas that have not come from their owners.
    pub(super) fn words(&self) -> impl Iterator<Item = (ReplicaId, MemberId, u32)> {
        self.vouched.iter().map(|(id, (owner, epoch))| (*id, *owner, *epoch))
    }

    /// The owner of a replica is lost; the host may say for a while what becomes of it.
    pub(super) fn await_word(&mut self, id: ReplicaId, epoch: u32) {
        self.orphans.insert(id, (epoch, None));
    }

    /// This node is the host from now on. It has all but these, which members have.
    pub(super) fn begin_to_host(&mut self, others: &[(ReplicaId, (MemberId, u32))]) {
        self.orphans.clear();
        self.vouched = others.iter().copied().collect();
    }
}

impl Peer {
    /// Whether it owned a replica in an epoch that is over, or speaks for who did.
    fn has_owned(&self, id: ReplicaId, epoch: u32) -> bool {
        self.role == PeerRole::Host || self.tenures.over.get(&id).is_some_and(|last| epoch <= *last)
    }
}

impl ReplicaManager {
    /// Whether this node is a member of a mesh, and not its host.
    pub(super) const fn is_in_mesh(&self) -> bool {
        self.mesh.hosts > 0 && self.mesh.members > 0
    }

    /// Whether mesh members have what comes from this peer without our help.
    pub(super) fn is_meshed(&self, upstream: Option<PeerId>) -> bool {
        upstream.and_then(|upstream| self.peer(upstream)).is_some_and(|peer| peer.role != PeerRole::Client)
    }

    /// Whether there is, or was, anybody to pass on to what comes from this peer. Who has been passed on to stays in the books.
    pub(super) fn passes_on(&self, from: PeerId) -> bool {
        match self.peer(from).map(|peer| peer.role) {
            Some(PeerRole::Client) => self.mesh.most_guests > 1,
            _ => self.mesh.most_clients > 0,
        }
    }

    /// Whether this node passes calls on for a peer.
    pub(super) fn hosts_others(&self, peer: PeerId) -> bool {
        self.peers.len() > 1 && self.peer(peer).is_some_and(|peer| peer.role.is_guest()) && !self.is_in_mesh()
    }

    /// A peer has come.
    pub(super) fn note_coming(&mut self, role: PeerRole) {
        let mesh = &mut self.mesh;
        *mesh.count(role) += 1;
        mesh.most_clients = mesh.most_clients.max(mesh.clients);
        mesh.most_guests = mesh.most_guests.max(mesh.clients + mesh.members);
    }

    /// A peer is something else from now on.
    pub(super) fn change_role(&mut self, id: PeerId, role: PeerRole) {
        if let Some(Some(peer)) = self.peers.get_mut(id.0 as usize) {
            *self.mesh.count(peer.role) -= 1;
            *self.mesh.count(role) += 1;
            peer.role = role;
            // As that it may be shown more.
            for (place, entry) in (0..).zip(&self.entries) {
                if entry.live && entry.audience != 0 && entry.version != 0 && entry.goes_to(id, role) {
                    peer.owed.set_pending(place);
                }
            }
        }
    }

    /// A peer is lost: what was said of it means nothing any more.
    pub(super) fn forget_in_mesh(&mut self, member: MemberId, role: PeerRole) {
        *self.mesh.count(role) -= 1;
        self.mesh.vouched.retain(|_, (owner, _)| *owner != member);
        if self.mesh.hosts == 0 {
            self.mesh.partings.clear();
        }
    }

    pub(super) fn mesh_members(&self) -> Vec<PeerId> {
        let all = (0..).zip(&self.peers);
        all.filter(|(_, peer)| peer.as_ref().is_some_and(|peer| peer.role == PeerRole::Peer))
            .map(|(place, _)| PeerId(place))
            .collect()
    }

    /// On the host: tells a mesh member that has come what it cannot know of the others.
    pub(super) fn brief_in_mesh(&mut self, to: PeerId) {
        if self.mesh.hosts > 0 || self.peer(to).is_none_or(|peer| peer.role != PeerRole::Peer) {
            return;
        }
        self.tell_former_hosts(to);
        for place in 0..self.entries.len() {
            let entry = &self.entries[place];
            if !entry.live || !entry.meshed {
                continue;
            }
            let (id, owner, epoch, in_transfer) = (entry.id, entry.owner, entry.epoch, entry.in_transfer);
            if epoch > 1 {
                self.vouch_to(to, id, (owner, epoch));
            }
            if in_transfer {
                self.say_of_owner(to, id, kind::DETOUR, (owner, epoch));
            }
        }
    }

    /// On the host: the replica at `place` was given to a peer; mesh members are to believe that.
    pub(super) fn vouch_for(&mut self, place: u32) {
        self.tell_others_of_owner(place, kind::VOUCHED);
    }

    pub(super) fn tell_others_of_owner(&mut self, place: u32, kind: u8) {
        let entry = &self.entries[place as usize];
        if !entry.meshed || self.mesh.hosts > 0 {
            return;
        }
        let (id, upstream, of) = (entry.id, entry.upstream, (entry.owner, entry.epoch));
        for peer in self.mesh_members() {
            if upstream != Some(peer) {
                self.say_of_owner(peer, id, kind, of);
            }
        }
    }

    /// On the host: a member is to believe that this is so.
    pub(super) fn vouch_to(&mut self, to: PeerId, id: ReplicaId, of: (MemberId, u32)) {
        self.say_of_owner(to, id, kind::VOUCHED, of);
    }

    fn say_of_owner(&mut self, to: PeerId, id: ReplicaId, kind: u8, (owner, epoch): (MemberId, u32)) {
        self.say(to, id, kind, Route::Request { source: None }, |w| {
            w.gamma(owner.0);
            w.gamma(epoch);
        });
    }

    /// The host has said who owns a replica.
    pub(super) fn take_word(&mut self, from: PeerId, id: ReplicaId, r: &mut BitReader<'_>) -> Result<(), PeerFault> {
        if self.peer(from).is_none_or(|peer| peer.role != PeerRole::Host) {
            return Err(PeerFault::NotOwner);
        }
        let (owner, epoch) = read_owner(r)?;
        if owner == self.local {
            return Ok(());
        }
        let Some(&place) = self.index.get(&id) else {
            let is_over = |peer: &Peer| peer.graves.covers(id, epoch);
            if self.peer_of(owner).and_then(|peer| self.peer(peer)).is_some_and(is_over) {
                return Ok(());
            }
            return self.keep_word(id, owner, epoch);
        };
        let known = self.entries[place as usize].epoch;
        if epoch == known && self.mesh.detours.get(&id) == Some(&epoch) {
            self.mesh.detours.remove(&id); // It stays with its owner after all.
        }
        if epoch < known {
            self.note_tenure(owner, id, epoch);
        }
        if epoch > known { self.keep_word(id, owner, epoch) } else { Ok(()) }
    }

    fn keep_word(&mut self, id: ReplicaId, owner: MemberId, epoch: u32) -> Result<(), PeerFault> {
        self.mesh.orphans.remove(&id); // Somebody has it.
        match self.mesh.vouched.get(&id).copied() {
            Some((_, known)) if known >= epoch => {
                self.note_tenure(owner, id, epoch);
                return Ok(());
            }
            Some((former, known)) => self.note_tenure(former, id, known),
            None if self.mesh.vouched.len() >= limits::REPLICAS => {
                return Err(PeerFault::Limit("replicas that others own"));
            }
            None => {}
        }
        self.mesh.vouched.insert(id, (owner, epoch));
        Ok(())
    }

    /// A member owned a replica in an epoch that is over.
    fn note_tenure(&mut self, member: MemberId, id: ReplicaId, epoch: u32) {
        let until = self.now + Duration::from_millis(limits::LAST_ECHO_MILLIS);
        if let Some(at) = self.peer_of(member)
            && let Some(Some(peer)) = self.peers.get_mut(at.0 as usize)
            && peer.role == PeerRole::Peer
        {
            peer.tenures.note(id, epoch, until);
        }
    }

    /// Whether the host has said that this member owns the replica in this epoch.
    pub(super) fn is_vouched(&self, id: ReplicaId, owner: MemberId, epoch: u32) -> bool {
        self.mesh.vouched.get(&id) == Some(&(owner, epoch))
    }

    /// Whether the host has said that it is somebody's in a later epoch.
    pub(super) fn is_overtaken(&self, id: ReplicaId, epoch: u32) -> bool {
        self.mesh.vouched.get(&id).is_some_and(|(_, later)| epoch < *later)
    }

    /// Whether a peer may say of a replica what it is, and whose; of one that has not ended here.
    pub(super) fn check_claim_in_mesh(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        ownership: Ownership,
    ) -> Result<(), Stop> {
        let Ownership { owner, epoch, .. } = ownership;
        let Some(known) = self.peer(peer) else { return Err(Stop::TooLate) };
        let is_host = known.role == PeerRole::Host;
        let is_given = is_host || self.is_vouched(id, owner, epoch);
        let Some(&place) = self.index.get(&id) else {
            let is_overtaken = self.is_overtaken(id, epoch);
            return match () {
                () if is_overtaken || !is_given && epoch != 1 => Err(Stop::TooLate),
                () if is_given => Ok(()),
                () if id.creator != known.member => Err(PeerFault::NotOwner.into()),
                () if known.spent.contains(id.serial) => Err(PeerFault::IdReused.into()),
                () => Ok(()),
            };
        };
        let entry = &self.entries[place as usize];
        if epoch > entry.epoch {
            if !is_given || entry.dying {
                return Err(Stop::TooLate);
            }
            self.take_from(place, peer);
            return Ok(());
        }
        match entry.upstream {
            Some(upstream) if upstream == peer && epoch == entry.epoch => Ok(()),
            Some(upstream) if upstream == peer => Err(Stop::TooLate),
            _ => Err(self.out_of_turn(peer, place)),
        }
    }

    /// Whether what a peer has ended, in this epoch, ends here by that.
    pub(super) fn may_end_in_mesh(&mut self, peer: PeerId, place: u32, epoch: u32) -> Result<bool, Stop> {
        let Some(known) = self.peer(peer) else { return Ok(false) };
        let is_host = known.role == PeerRole::Host;
        let entry = &self.entries[place as usize];
        let (id, upstream) = (entry.id, entry.upstream);
        if epoch > entry.epoch {
            if !is_host && !self.is_vouched(id, known.member, epoch) {
                return Err(Stop::TooLate);
            }
            if entry.dying {
                return Ok(false);
            }
            self.take_from(place, peer);
            self.entries[place as usize].epoch = epoch;
            return Ok(true);
        }
        if upstream == Some(peer) {
            return Ok(epoch == entry.epoch);
        }
        if is_host && upstream.is_some() && epoch == entry.epoch {
            // Its owner is lost to the host, and will be to us.
            return if self.dig_grave(peer, id, epoch) { Ok(false) } else { Err(Stop::TooLate) };
        }
        if self.is_former_owner(peer, place) { Ok(false) } else { Err(PeerFault::NotOwner.into()) }
    }

    fn dig_grave(&mut self, peer: PeerId, id: ReplicaId, epoch: u32) -> bool {
        self.peers[peer.0 as usize].as_mut().is_some_and(|peer| peer.graves.dig(id, epoch))
    }

    /// A replica has ended that was never heard of. If its end is to be believed, nobody brings it back who had it before.
    pub(super) fn bury_in_mesh(&mut self, from: PeerId, id: ReplicaId, epoch: u32) {
        let believed =
            self.peer(from).is_some_and(|peer| peer.role == PeerRole::Host || self.is_vouched(id, peer.member, epoch));
        if !believed {
            return;
        }
        self.dig_graves(id, epoch);
        self.end_in_mesh(id, epoch);
    }

    /// No member of the mesh brings it back, in an epoch up to this one.
    pub(super) fn dig_graves(&mut self, id: ReplicaId, epoch: u32) {
        for peer in self.peers.iter_mut().flatten().filter(|peer| peer.role != PeerRole::Client) {
            // Where there is no room, late news of it lasts until later ones.
            peer.graves.dig(id, epoch);
        }
    }

    /// From now on the replica at `place` comes from another peer than before.
    pub(super) fn take_from(&mut self, place: u32, peer: PeerId) {
        match self.entries[place as usize].upstream {
            None => self.lose(place, peer),
            Some(upstream) if upstream != peer => self.follow_other(place, peer),
            Some(_) => {}
        }
    }

    /// What came from one peer comes from another from now on; nothing has come from that yet.
    pub(super) fn follow_other(&mut self, place: u32, to: PeerId) {
        let meshed = self.is_meshed(Some(to));
        let until = self.now + Duration::from_millis(limits::LAST_ECHO_MILLIS);
        let Self { entries, peers, stores, tick, .. } = self;
        let entry = &mut entries[place as usize];
        let from = entry.set_upstream(Some(to));
        (entry.meshed, entry.received) = (meshed, 0);
        if let Some(Some(former)) = from.map(|from| &mut peers[from.0 as usize]) {
            former.proxies -= 1;
            if former.role == PeerRole::Peer {
                former.tenures.note(entry.id, entry.epoch, until);
            }
        }
        if let Some(peer) = &mut peers[to.0 as usize] {
            peer.proxies += 1;
            peer.owed.forget(place);
            peer.owed.begin(place);
        }
        for chunk in &entry.chunks {
            stores[usize::from(chunk.class)].demote(chunk.slot, *tick + 1);
        }
        self.renew(place);
    }

    /// A primary has come here: the others in the mesh may have the replica, and must hear of its end.
    pub(super) fn tell_mesh(&mut self, place: u32) {
        if self.mesh.members > 0 {
            for peer in self.peers.iter_mut().flatten().filter(|peer| peer.role == PeerRole::Peer) {
                peer.owed.targets.edit(place as usize, Target::tell);
            }
        }
    }

    /// What was said of a replica in epochs up to this one is done with: it is here.
    pub(super) fn settle_in_mesh(&mut self, id: ReplicaId, epoch: u32) {
        if let Some((owner, known)) = self.mesh.vouched.get(&id).copied().filter(|(_, known)| *known <= epoch) {
            self.mesh.vouched.remove(&id);
            if known < epoch {
                self.note_tenure(owner, id, known);
            }
        }
        let Mesh { detours, orphans, .. } = &mut self.mesh;
        if detours.get(&id).is_some_and(|known| *known < epoch) {
            detours.remove(&id);
        }
        if orphans.get(&id).is_some_and(|(known, _)| *known < epoch) {
            orphans.remove(&id);
        }
    }

    /// A replica has ended, in this epoch.
    pub(super) fn end_in_mesh(&mut self, id: ReplicaId, epoch: u32) {
        if self.mesh.members == 0 && self.mesh.vouched.is_empty() {
            return;
        }
        self.settle_in_mesh(id, epoch.saturating_add(1));
        self.mesh.partings.remove(&id);
        self.forget_flushes(id);
    }

    /// A replica is here for the first time, in this epoch.
    pub(super) fn begin_in_mesh(&mut self, id: ReplicaId, epoch: u32) {
        if epoch > 1 && self.is_in_mesh() {
            self.note_tenure(id.creator, id, 1);
        }
        self.settle_in_mesh(id, epoch);
    }

    /// Whether it is known here who owned a replica in an epoch from which a peer has an echo, that is not where it comes from.
    pub(super) fn is_heard_of(&self, peer: PeerId, id: ReplicaId, epoch: u32) -> bool {
        let known = self.index.get(&id).is_some_and(|place| epoch <= self.entries[*place as usize].epoch);
        known && (epoch == 1 || self.peer(peer).is_some_and(|peer| peer.has_owned(id, epoch)))
    }

    /// Whether an echo counts that is not from where its replica comes from: of an owner before.
    pub(super) fn counts_late(&self, peer: PeerId, call: &Call, epoch: u32, reliable: bool) -> bool {
        let Some(place) = self.index.get(&call.replica).filter(|_| reliable && self.is_in_mesh()) else { return false };
        let entry = &self.entries[*place as usize];
        let owned = self.peer(peer).is_some_and(|peer| peer.has_owned(call.replica, epoch));
        epoch <= entry.epoch && !entry.dying && owned
    }

    /// At the end of `update`: what was waited for is there, or was waited for long enough.
    pub(super) fn settle_mesh(&mut self) {
        if self.mesh.members > 0 {
            let now = self.now;
            self.peers.iter_mut().flatten().for_each(|peer| peer.tenures.forget_until(now));
        }
        if !self.mesh.partings.is_empty() {
            self.end_partings();
        }
        if !self.mesh.orphans.is_empty() && !self.succession.is_open() {
            self.end_orphans();
        }
    }

    fn end_orphans(&mut self) {
        let (now, latest) = (self.now, self.now + Duration::from_millis(limits::ORPHAN_MILLIS));
        let is_over = |(id, (epoch, until)): (&ReplicaId, &mut (u32, Option<Instant>))| {
            (*until.get_or_insert(latest) <= now).then_some((*id, *epoch))
        };
        let over: Vec<_> = self.mesh.orphans.iter_mut().filter_map(is_over).collect();
        for (id, epoch) in over {
            self.mesh.orphans.remove(&id);
            let Some(&place) = self.index.get(&id) else { continue };
            let entry = &self.entries[place as usize];
            if entry.epoch == epoch && !entry.is_primary() {
                self.vacate(place);
                self.push_event(ReplicaEvent::Removed { id });
            }
        }
    }

    /// Of a peer that is lost: keeps the replica at `place`, if it is the host that will say what becomes of it.
    pub(super) fn await_host(&mut self, lost: PeerId, place: u32) -> bool {
        let Some(host) = self.host().filter(|host| *host != lost && self.is_in_mesh()) else { return false };
        let entry = &self.entries[place as usize];
        let (id, epoch) = (entry.id, entry.epoch);
        if self.peer(host).is_some_and(|host| host.graves.covers(id, epoch)) {
            return false;
        }
        self.follow_other(place, host);
        self.mesh.await_word(id, epoch);
        true
    }

    /// Of a peer that is lost: the replica at `place` goes with it. Mesh members that wait for the host to say so hear of it.
    pub(super) fn end_without_owner(&mut self, place: u32) {
        if self.entries[place as usize].meshed && self.mesh.hosts == 0 {
            self.tell_mesh(place);
            self.entries[place as usize].meshed = false;
        }
        self.vacate(place);
    }
}

pub(super) fn read_owner(r: &mut BitReader<'_>) -> Result<(MemberId, u32), WireError> {
    let (owner, epoch) = (MemberId(r.gamma()?), r.gamma()?);
    check_end(r).map(|()| (owner, epoch))
}
