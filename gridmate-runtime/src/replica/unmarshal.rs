//! State and calls as they arrive: checked, then written in place or noted down. No handler runs here.

use smallvec::SmallVec;

use super::entry::ChunkRef;
use super::profile::{PeerProfile, share};
use super::record::{Call, Kind, Ownership};
use super::records::{ModelledRecords, PackedRecords, Records};
use super::sync::is_report;
use super::target::{Doomed, Peer, PeerId};
use super::{PeerFault, PeerRole, ReplicaEvent, ReplicaManager};
use crate::chunk::coder::Supply;
use crate::chunk::{Arrival, Basis, ReceiveError};
use crate::ids::ReplicaId;
use crate::limits;
use crate::wire::{BitReader, WireError};

/// What became of a state message.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{PeerRole, Verdict};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// # let registry = Registry::builder().chunk::<Door>().build()?;
/// # let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
/// # client.set_local_member(MemberId(2));
/// # let there = host.add_peer(MemberId(2), PeerRole::Client);
/// # let back = client.add_peer(MemberId::HOST, PeerRole::Host);
/// let door = host.add(Door { open: true })?;
/// host.prepare();
/// let (mut order, mut bytes) = (0, Vec::new());
/// while let Some(message) = host.marshal(there, 1_200, &mut bytes) {
///     order += 1;
///     let verdict = client.handle_state(back, order, &bytes)?; // it has arrived
///     host.handle_receipt(there, message.token, verdict == Verdict::Accepted);
/// }
/// assert!(client.get::<Door>(door)?.open);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All of it was taken in; it may be acknowledged.
    Accepted,
    /// It came so late that what it builds on is gone. It must *not* be acknowledged: the sender will repeat what it said.
    TooLate,
}

/// Where reading a message stopped.
pub(super) enum Stop {
    Fault(PeerFault),
    TooLate,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<PeerFault> for Stop {
    fn from(fault: PeerFault) -> Self {
        Self::Fault(fault)
    }
}

impl ReplicaManager {
    /// Takes a state message in. `order` grows with every message the peer sends (gaps are fine), and no message arrives that
    /// is more than [`limits::PACKET_WINDOW`] behind one that has arrived.
    ///
    /// # Errors
    /// A [`PeerFault`] says that the peer does not follow the protocol and has to go.
    pub fn handle_state(&mut self, peer: PeerId, order: u64, message: &[u8]) -> Result<Verdict, PeerFault> {
        let Some(Some(known)) = self.peers.get_mut(peer.0 as usize) else {
            return Ok(Verdict::TooLate);
        };
        known.graves.arrived(order);
        match self.read_message(peer, message) {
            Ok(()) => Ok(Verdict::Accepted),
            Err(Stop::TooLate) => {
                self.stats.late_messages += 1;
                Ok(Verdict::TooLate)
            }
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    /// Takes an RPC message in, to be run or forwarded in [`update`](Self::update).
    ///
    /// # Errors
    /// A [`PeerFault`] says that the peer does not follow the protocol and has to go.
    pub fn handle_call(&mut self, peer: PeerId, reliable: bool, message: &[u8]) -> Result<(), PeerFault> {
        let id = peer;
        let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) else { return Ok(()) };
        if is_report(message) {
            return self.handle_report(id, reliable, message);
        }
        let mut r = BitReader::new(message);
        let call = Call::read(&mut r)?;
        let limit = if reliable { limits::RPC_BYTES } else { limits::UNRELIABLE_RPC_BYTES };
        if r.remaining() > limit * 8 + 7 {
            return Err(WireError::TooLong.into());
        }
        if call.is_passed_on() && peer.role != PeerRole::Host {
            return Err(PeerFault::NotOwner);
        }
        peer.rpcs_received = peer.rpcs_received.wrapping_add(u32::from(reliable));
        peer.held.push(call, message, reliable)
    }

    fn read_message(&mut self, peer: PeerId, message: &[u8]) -> Result<(), Stop> {
        let Some(mut reading) = self.reading.take() else {
            return self.read_state(peer, &mut PackedRecords::new(message)?);
        };
        let mut heard =
            self.peers[peer.0 as usize].as_mut().map(|peer| core::mem::take(&mut peer.heard)).unwrap_or_default();
        let result = ModelledRecords::new(&mut reading, &mut heard, message).and_then(|mut records| {
            self.read_state(peer, &mut records)?;
            Ok(records.tick())
        });
        let result = result.map(|tick| heard.note(tick, reading.list(), 2 * limits::HISTORY));
        self.reading = Some(reading);
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            peer.heard = heard;
        }
        result
    }

    fn read_state<'b>(&mut self, peer: PeerId, records: &mut impl Records<'b>) -> Result<(), Stop> {
        let tick = records.tick();
        self.hear(peer, tick);
        while let Some((id, kind)) = records.next()? {
            match kind {
                Kind::Delta { basis } => self.read_delta(peer, id, basis, tick, records.body())?,
                Kind::Full => self.read_full(peer, id, tick, records.body())?,
                Kind::Destroy { after_rpcs } => self.read_destroy(peer, id, after_rpcs)?,
            }
        }
        Ok(())
    }

    fn read_delta<'b>(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        basis: Basis,
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        if basis.base >= version {
            return Err(WireError::Invalid.into());
        }
        let Some(&place) = self.index.get(&id) else {
            // A record is read by way of its baseline, so the rest of the message is lost with it. Correct peers send such
            // a thing only when the message was overtaken by the replica's end.
            return Err(if self.is_buried(peer, id) { Stop::TooLate } else { PeerFault::UnknownBaseline.into() });
        };
        let entry = &self.entries[place as usize];
        if entry.upstream != Some(peer) {
            return Err(PeerFault::NotOwner.into());
        }
        if version <= entry.received {
            return self.skip_chunks(place, basis, version, r);
        }
        self.receive_chunks(place, basis, version, r)
    }

    fn read_full<'b>(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let ownership = Ownership::read(r)?;
        let count = r.gamma()? as usize;
        if count > limits::CHUNKS_PER_REPLICA {
            return Err(WireError::TooLong.into());
        }
        let mut classes = SmallVec::<[u16; 4]>::new();
        for _ in 0..count {
            let class = r.gamma()? as usize - 1;
            if class >= self.stores.len() {
                return Err(PeerFault::NoSuchType.into());
            }
            let class = u16::try_from(class).map_err(|_| WireError::Invalid)?;
            if classes.contains(&class) {
                return Err(PeerFault::NoSuchType.into());
            }
            classes.push(class);
        }
        if self.is_buried(peer, id) {
            return Err(Stop::TooLate);
        }
        let known = self.peers[peer.0 as usize].as_ref().expect("checked by the caller");
        if known.role == PeerRole::Client {
            if ownership.owner != known.member || id.creator != known.member {
                return Err(PeerFault::NotOwner.into());
            }
            if known.spent.contains(id.serial) {
                return Err(PeerFault::IdReused.into());
            }
        }
        if let Some(&place) = self.index.get(&id) {
            let entry = &self.entries[place as usize];
            if entry.upstream != Some(peer) {
                return Err(PeerFault::NotOwner.into());
            }
            if entry.chunks.len() != count || entry.chunks.iter().zip(&classes).any(|(c, class)| c.class != *class) {
                return Err(PeerFault::NoSuchType.into());
            }
            if version <= entry.received {
                return self.skip_chunks(place, Basis::DEFAULTS, version, r);
            }
            self.set_ownership(place, ownership);
            return self.receive_chunks(place, Basis::DEFAULTS, version, r);
        }
        self.create_proxy(peer, id, ownership, &classes, version, r)
    }

    fn create_proxy<'b>(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        ownership: Ownership,
        classes: &[u16],
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let known = self.peers[peer.0 as usize].as_mut().expect("checked by the caller");
        let most = match known.role {
            PeerRole::Client => limits::REPLICAS_PER_MEMBER,
            PeerRole::Host => limits::REPLICAS,
        };
        if known.proxies >= most {
            return Err(PeerFault::Limit("replicas").into());
        }
        known.proxies += 1;
        let Ownership { owner, assigned, migratable } = ownership;
        // Not the owner's to say: the types decide.
        let migratable = migratable && classes.iter().all(|c| self.stores[usize::from(*c)].descriptor().migratable);
        let priority = self.priority_of(classes.iter().copied());
        let place = self.occupy(id, owner, assigned, Some(peer), migratable, priority);
        for class in classes {
            let slot = self.stores[usize::from(*class)].insert_default(place);
            self.attach(place, ChunkRef { class: *class, slot });
        }
        if let Err(stop) = self.receive_chunks(place, Basis::DEFAULTS, version, r) {
            // Nobody has heard of it yet.
            self.vacate(place);
            return Err(stop);
        }
        self.push_event(ReplicaEvent::Added { id, owner });
        Ok(())
    }

    fn set_ownership(&mut self, place: u32, ownership: Ownership) {
        let entry = &mut self.entries[place as usize];
        if entry.owner == ownership.owner && entry.assigned == ownership.assigned {
            return;
        }
        let former = core::mem::replace(&mut entry.owner, ownership.owner);
        entry.assigned = ownership.assigned;
        let id = entry.id;
        if former != ownership.owner {
            self.push_event(ReplicaEvent::OwnerChanged { id, owner: ownership.owner });
        }
        self.renew(place);
    }

    fn read_destroy(&mut self, peer: PeerId, id: ReplicaId, after_rpcs: Option<u32>) -> Result<(), Stop> {
        match self.index.get(&id) {
            Some(&place) if self.entries[place as usize].upstream != Some(peer) => {
                return Err(PeerFault::NotOwner.into());
            }
            None if !self.may_bury(peer, id) => return Err(PeerFault::NotOwner.into()),
            _ => {}
        }
        let known = self.peers[peer.0 as usize].as_mut().expect("checked by the caller");
        if known.graves.contains(id) {
            return Ok(()); // Said before.
        }
        if !known.graves.dig(id) {
            return Err(Stop::TooLate); // Until there is room again.
        }
        if known.role == PeerRole::Client {
            known.spent.insert(id.serial);
        }
        if let Some(&place) = self.index.get(&id)
            && !core::mem::replace(&mut self.entries[place as usize].doomed, true)
        {
            known.doomed.push(Doomed { id, after_rpcs });
        }
        Ok(())
    }

    /// Reads the encodings of all chunks of a replica and applies them.
    fn receive_chunks<'b>(
        &mut self,
        place: u32,
        basis: Basis,
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        // A node with one peer has nobody to pass anything on to.
        let relay_as = (self.peers.len() > 1).then_some(self.tick + 1);
        let Self { entries, stores, stats, relayed, peers, .. } = self;
        let entry = &mut entries[place as usize];
        let profile = profile_of(peers, entry.upstream);
        let several = basis.base != 0 && entry.chunks.len() > 1;
        // Noted first: should a later chunk turn out malformed, those before it have this version all the same.
        let mut changed = core::mem::replace(&mut entry.received, version) == 0;
        for chunk in &entry.chunks {
            let differs = !several || r.bool()?;
            let arrival = Arrival { basis, version, share: share(profile, chunk.class), relay_as };
            let store = &mut stores[usize::from(chunk.class)];
            changed |= store.receive(chunk.slot, arrival, differs.then(|| r.input())).map_err(|e| match e {
                ReceiveError::Wire(error) => Stop::from(error),
                ReceiveError::MissingBaseline => PeerFault::UnknownBaseline.into(),
            })?;
        }
        stats.records_received += 1;
        if changed {
            entry.version = self.tick + 1;
            relayed.push(place);
        }
        Ok(())
    }

    /// Reads past what is here already, to get at the records behind it. What is *older* than what is here makes the message
    /// late: to accept it would offer a version as a baseline that was never stored. No sender is stuck with that, because
    /// it sends nothing but its newest version.
    fn skip_chunks<'b>(&mut self, place: u32, basis: Basis, version: u32, r: &mut impl Supply<'b>) -> Result<(), Stop> {
        let Self { entries, stores, peers, .. } = self;
        let entry = &entries[place as usize];
        let profile = profile_of(peers, entry.upstream);
        if version < entry.received {
            return Err(Stop::TooLate);
        }
        let chunks = &entry.chunks;
        for chunk in chunks {
            if basis.base == 0 || chunks.len() == 1 || r.bool()? {
                let arrival = Arrival { basis, version, share: share(profile, chunk.class), relay_as: None };
                stores[usize::from(chunk.class)].skip(chunk.slot, arrival, r.input()).map_err(|e| match e {
                    ReceiveError::Wire(error) => Stop::from(error),
                    ReceiveError::MissingBaseline => Stop::TooLate,
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn is_buried(&self, peer: PeerId, id: ReplicaId) -> bool {
        let doomed = |place: &u32| self.entries[*place as usize].doomed;
        self.peer(peer).is_some_and(|p| p.graves.contains(id)) || self.index.get(&id).is_some_and(doomed)
    }

    /// Whether a peer may end a replica that we never heard of.
    fn may_bury(&self, peer: PeerId, id: ReplicaId) -> bool {
        self.peer(peer).is_some_and(|p: &Peer| p.role == PeerRole::Host || id.creator == p.member)
    }
}

/// The profile of the peer that a replica comes from.
fn profile_of(peers: &[Option<Peer>], upstream: Option<PeerId>) -> Option<&PeerProfile> {
    peers.get(upstream?.0 as usize)?.as_ref()?.profile.as_deref()
}
