//! State and calls as they arrive: checked, then written in place or noted down. No handler runs here.

use smallvec::SmallVec;

use super::entry::ChunkRef;
use super::handoff::{has_state, is_handoff};
use super::lag;
use super::names::is_about_names;
use super::profile::{PeerProfile, share};
use super::record::{Call, Kind, Ownership};
use super::records::{ModelledRecords, PackedRecords, Records};
use super::run::{FEW, Run};
use super::sync::is_report;
use super::target::{Doomed, Peer, PeerId};
use super::{PeerFault, PeerRole, ReplicaEvent, ReplicaManager};
use crate::chunk::coder::Supply;
use crate::chunk::{Arrival, Basis, ReceiveError};
use crate::ids::ReplicaId;
use crate::limits;
use crate::wire::{BitReader, Source, WireError};

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
        if self.succession.is_open() && known.role == PeerRole::Client {
            return Ok(Verdict::TooLate); // Nobody passes it on so far.
        }
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
        if is_about_names(message) {
            return self.handle_names(id, reliable, message);
        }
        if is_report(message) {
            return self.handle_report(id, reliable, message);
        }
        let mut r = BitReader::new(message);
        let call = Call::read(&mut r)?;
        let limit = match (reliable, has_state(&call)) {
            (false, _) => limits::UNRELIABLE_RPC_BYTES,
            (true, false) => limits::RPC_BYTES,
            (true, true) => limits::RECORD_BYTES,
        };
        if r.remaining() > limit * 8 + 7 {
            return Err(WireError::TooLong.into());
        }
        if call.is_passed_on() && peer.role != PeerRole::Host {
            return Err(PeerFault::NotOwner);
        }
        peer.rpcs_received = peer.rpcs_received.wrapping_add(u32::from(reliable));
        if is_handoff(&call) && !self.take_handoff(id, reliable, &call, &r)? {
            return Ok(());
        }
        let Some(Some(peer)) = self.peers.get_mut(id.0 as usize) else { return Ok(()) };
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
        // What holds for most records.
        let (profile, most) = self.peer(peer).map_or((None, FEW), |peer| (peer.profile.clone(), peer.in_a_row));
        let mut arrival = self.arrival(peer, Basis::DEFAULTS, tick);
        let mut run = Run::new(most);
        loop {
            while self.read_run(peer, &mut run, &mut arrival, profile.as_deref(), records)? {}
            let Some((id, kind)) = records.next()? else { break };
            match kind {
                Kind::Delta { basis } => {
                    if basis != arrival.basis {
                        arrival = self.arrival(peer, basis, tick);
                    }
                    self.read_delta(peer, id, (&arrival, profile.as_deref()), records.body())?;
                }
                Kind::Full => self.read_full(peer, id, tick, records.body())?,
                Kind::Destroy { after_rpcs, epoch } => self.read_destroy(peer, id, epoch, after_rpcs)?,
            }
        }
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            peer.in_a_row = run.most();
        }
        Ok(())
    }

    fn read_delta<'b>(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        (arrival, profile): (&Arrival, Option<&PeerProfile>),
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let &Arrival { basis, version, .. } = arrival;
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
            return Err(self.out_of_turn(peer, place));
        }
        if entry.received == 0 {
            return Err(Stop::TooLate); // From before it went to and fro: this time nothing has come yet.
        }
        let lag = if entry.lagged { lag::read(r)? } else { 0 };
        let is_late = lag > 0 || entry.came_late > 0;
        if version <= entry.received {
            return self.skip_chunks(place, basis, version, r);
        }
        if !is_late {
            return self.receive_against(place, arrival, profile, r);
        }
        let arrival = self.arrival_late(peer, arrival, lag);
        self.entries[place as usize].came_late = lag;
        self.receive_against(place, &arrival, profile, r)
    }

    /// How what comes against a basis relates to it.
    pub(super) fn arrival(&self, from: PeerId, basis: Basis, version: u32) -> Arrival {
        let relay_as = self.passes_on(from).then_some(self.tick + 1);
        Arrival { basis, ahead: basis.ahead(version), version, relay_as, lag: 0 }
    }

    fn read_full<'b>(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let (ownership, classes, refused) = self.read_head(r)?;
        let lag = lag::read_of_whole(r)?;
        self.check_claim(peer, id, ownership)?;
        if let Some(&place) = self.index.get(&id) {
            let entry = &self.entries[place as usize];
            if !entry.is_made_of(&classes) {
                return Err(PeerFault::NoSuchType.into());
            }
            if version <= entry.received {
                return self.skip_chunks(place, Basis::DEFAULTS, version, r);
            }
            self.set_ownership(place, ownership);
            self.settle_in_mesh(id, ownership.epoch);
            self.entries[place as usize].set_lag(lag);
            self.keep_refused(peer, place, refused);
            return self.receive_chunks(place, Basis::DEFAULTS, version, r);
        }
        let refused = self.refused(peer, id, &classes, refused)?;
        self.create_proxy(peer, id, ownership, (&classes, refused, lag), version, r)
    }

    /// Reads whose a replica is and what it is made of, and a bit for each chunk that is refused.
    pub(super) fn read_head(&self, r: &mut impl Source) -> Result<(Ownership, SmallVec<[u16; 4]>, u64), Stop> {
        let ownership = Ownership::read(r)?;
        let count = r.gamma()? as usize;
        if count > limits::CHUNKS_PER_REPLICA {
            return Err(WireError::TooLong.into());
        }
        let mut classes = SmallVec::<[u16; 4]>::new();
        // A bit for each chunk that its sender has not taken in either.
        let mut refused = 0_u64;
        for _ in 0..count {
            let class = r.gamma()? as usize - 1;
            if class >= self.stores.len() {
                return Err(PeerFault::NoSuchType.into());
            }
            let class = u16::try_from(class).map_err(|_| WireError::Invalid)?;
            if classes.contains(&class) {
                return Err(PeerFault::NoSuchType.into());
            }
            if self.stores[usize::from(class)].is_refusable() && r.bool()? {
                refused |= 1 << classes.len();
            }
            classes.push(class);
        }
        Ok((ownership, classes, refused))
    }

    pub(super) fn create_proxy<'b>(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        ownership: Ownership,
        (classes, refused, lag): (&[u16], u64, Option<u8>),
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let known = self.peers[peer.0 as usize].as_mut().expect("checked by the caller");
        let most = match known.role {
            PeerRole::Client | PeerRole::Peer => limits::REPLICAS_PER_MEMBER,
            PeerRole::Host => limits::REPLICAS,
        };
        if known.proxies >= most {
            return Err(PeerFault::Limit("replicas").into());
        }
        known.proxies += 1;
        known.graves.raise(id);
        let Ownership { owner, assigned, migratable, epoch } = ownership;
        // Not the owner's to say: the types decide.
        let migratable = migratable && classes.iter().all(|c| self.stores[usize::from(*c)].descriptor().migratable);
        let priority = self.priority_of(classes.iter().copied());
        let place = self.occupy(id, owner, assigned, Some(peer), migratable, priority);
        self.entries[place as usize].epoch = epoch;
        self.entries[place as usize].set_lag(lag);
        for (i, class) in classes.iter().enumerate() {
            let slot = self.stores[usize::from(*class)].insert_default(place);
            self.attach(place, ChunkRef { refused: refused >> i & 1 == 1, ..ChunkRef::new(*class, slot) });
        }
        self.refuse_chunks(place);
        if let Err(stop) = self.receive_chunks(place, Basis::DEFAULTS, version, r) {
            // Nobody has heard of it yet.
            self.vacate(place);
            return Err(stop);
        }
        self.begin_in_mesh(id, epoch);
        self.note_arrival(place);
        self.find_name(peer, id);
        self.push_event(ReplicaEvent::Added { id, owner });
        self.report_refused(peer, place);
        Ok(())
    }

    pub(super) fn set_ownership(&mut self, place: u32, ownership: Ownership) {
        let entry = &mut self.entries[place as usize];
        entry.epoch = ownership.epoch;
        if entry.owner == ownership.owner && entry.assigned == ownership.assigned {
            return;
        }
        let former = core::mem::replace(&mut entry.owner, ownership.owner);
        entry.assigned = ownership.assigned;
        let id = entry.id;
        if former != ownership.owner {
            self.owner_changed(place, former);
            self.push_event(ReplicaEvent::OwnerChanged { id, owner: ownership.owner });
        }
        self.renew(place);
    }

    fn read_destroy(&mut self, peer: PeerId, id: ReplicaId, epoch: u32, after_rpcs: Option<u32>) -> Result<(), Stop> {
        match self.index.get(&id).copied() {
            Some(place) if !self.may_end(peer, place, epoch)? => return Ok(()),
            None if !self.may_bury(peer, id, epoch) => return Err(PeerFault::NotOwner.into()),
            None => self.bury_in_mesh(peer, id, epoch),
            _ => {}
        }
        let known = self.peers[peer.0 as usize].as_mut().expect("checked by the caller");
        if known.graves.covers(id, epoch) {
            return Ok(()); // Said before.
        }
        if !known.graves.dig(id, epoch) {
            return Err(Stop::TooLate); // Until there is room again.
        }
        if known.role.is_guest() && known.member == id.creator {
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
    pub(super) fn receive_chunks<'b>(
        &mut self,
        place: u32,
        basis: Basis,
        version: u32,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let Some(upstream) = self.entries[place as usize].upstream else { return Err(Stop::TooLate) };
        let profile = self.peer(upstream).and_then(|peer| peer.profile.clone());
        let arrival = self.arrival(upstream, basis, version);
        let arrival = self.arrival_late(upstream, &arrival, self.entries[place as usize].came_late);
        self.receive_against(place, &arrival, profile.as_deref(), r)
    }

    #[inline]
    fn receive_against<'b>(
        &mut self,
        place: u32,
        arrival: &Arrival,
        profile: Option<&PeerProfile>,
        r: &mut impl Supply<'b>,
    ) -> Result<(), Stop> {
        let &Arrival { basis, version, relay_as, .. } = arrival;
        let Self { entries, stores, stats, relayed, .. } = self;
        let entry = &mut entries[place as usize];
        let several = basis.base != 0 && entry.chunks.len() > 1;
        // Noted first: should a later chunk turn out malformed, those before it have this version all the same.
        let mut changed = core::mem::replace(&mut entry.received, version) == 0;
        for chunk in &entry.chunks {
            let differs = !several || r.bool()?;
            let (store, share) = (&mut stores[usize::from(chunk.class)], share(profile, chunk.class));
            changed |= store.receive(chunk.slot, arrival, share, differs.then(|| r.input())).map_err(refused)?;
        }
        stats.records_received += 1;
        if changed {
            entry.version = self.tick + 1;
            // Others are to have it; and of what is new the tick is to be noted.
            if relay_as.is_some() || entry.floor == 0 {
                relayed.push(place);
            }
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
                let arrival = Arrival { basis, ahead: basis.ahead(version), version, relay_as: None, lag: 0 };
                let (store, share) = (&mut stores[usize::from(chunk.class)], share(profile, chunk.class));
                store.skip(chunk.slot, &arrival, share, r.input()).map_err(|e| match e {
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

    /// Whether a peer may end, in this epoch, a replica that is not here. Nobody else has owned what we never heard of, but in a mesh.
    fn may_bury(&self, peer: PeerId, id: ReplicaId, epoch: u32) -> bool {
        let own = |p: &Peer| {
            id.creator == p.member && (epoch == 1 || p.spent.contains(id.serial))
                || self.is_vouched(id, p.member, epoch)
        };
        let speaks = |p: &Peer| p.role == PeerRole::Host || p.role == PeerRole::Peer && self.is_in_mesh();
        self.peer(peer).is_some_and(|p| speaks(p) || own(p) || p.graves.contains(id))
    }
}

/// Why a new snapshot was not taken in.
pub(super) fn refused(error: ReceiveError) -> Stop {
    match error {
        ReceiveError::Wire(error) => error.into(),
        ReceiveError::MissingBaseline => PeerFault::UnknownBaseline.into(),
    }
}

/// The profile of the peer that a replica comes from.
fn profile_of(peers: &[Option<Peer>], upstream: Option<PeerId>) -> Option<&PeerProfile> {
    peers.get(upstream?.0 as usize)?.as_ref()?.profile.as_deref()
}
