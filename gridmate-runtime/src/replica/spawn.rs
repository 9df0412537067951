//! Replicas come and go: adding, assigning, destroying.

use super::entry::{ChunkRef, Chunks, Entry, Row};
use super::life::Life;
use super::pair::Target;
use super::target::PeerId;
use super::{AddError, ReplicaError, ReplicaManager};
use crate::chunk::{ChunkStore, ReplicaChunk, TypedStore};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::schema::{ChunkDescriptor, Priority};

impl ReplicaManager {
    /// Adds a replica of one chunk; this node is its primary. Peers hear of it in the next tick.
    ///
    /// # Errors
    /// See [`AddError`].
    pub fn add<T: ReplicaChunk>(&mut self, chunk: T) -> Result<ReplicaId, AddError> {
        let class = self.class_of::<T>().ok_or_else(|| AddError::NotRegistered(core::any::type_name::<T>()))?;
        self.may_create(T::DESCRIPTOR)?;
        let id = self.next_id()?;
        let ChunkDescriptor { migratable, priority, .. } = *T::DESCRIPTOR;
        let place = self.occupy(id, self.local, self.local, None, migratable, priority);
        let slot = self.store_mut::<T>(class).insert(chunk, place);
        self.attach(place, ChunkRef::new(class, slot));
        self.begin_life(place);
        Ok(id)
    }

    /// Starts a replica of several chunks, or one assigned to another member.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// struct Body {
    ///     x: f32,
    /// }
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// struct Health {
    ///     points: u8,
    /// }
    ///
    /// let registry = Registry::builder().chunk::<Body>().chunk::<Health>().build()?;
    /// let mut replicas = ReplicaManager::new(registry, 1);
    /// let id = replicas.spawn().with(Body { x: 1.0 }).with(Health { points: 100 }).assign(MemberId(2)).add()?;
    /// assert_eq!(replicas.get::<Health>(id)?.points, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(&mut self) -> ReplicaBuilder<'_> {
        ReplicaBuilder { manager: self, chunks: Vec::new(), assigned: None, error: None }
    }

    /// Lets `member` call the `owner_only` RPCs of a replica whose primary is here; [`MemberId::NONE`] takes that back.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NotPrimary`].
    pub fn assign(&mut self, id: ReplicaId, member: MemberId) -> Result<(), ReplicaError> {
        if !self.entry(id)?.is_primary() {
            return Err(ReplicaError::NotPrimary(id));
        }
        let place = self.index[&id];
        let member = if member == MemberId::NONE { self.local } else { member };
        if self.entries[place as usize].assigned == member {
            return Ok(());
        }
        self.entries[place as usize].assigned = member;
        self.renew(place);
        Ok(())
    }

    /// Destroys a replica whose primary is here. It is unknown from now on; peers hear of it in the next tick, after the calls
    /// made on it before.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NotPrimary`].
    pub fn destroy(&mut self, id: ReplicaId) -> Result<(), ReplicaError> {
        if !self.entry(id)?.is_primary() {
            return Err(ReplicaError::NotPrimary(id));
        }
        self.end(self.index[&id]);
        Ok(())
    }

    fn next_id(&mut self) -> Result<ReplicaId, AddError> {
        if self.local == MemberId::NONE {
            return Err(AddError::NotInSession);
        }
        if self.primaries >= limits::REPLICAS_PER_MEMBER {
            return Err(AddError::TooMany);
        }
        let serial = self.next_serial;
        self.next_serial = serial.checked_add(1).ok_or(AddError::IdsUsedUp)?;
        Ok(ReplicaId { creator: self.local, serial })
    }

    /// A replica matters as much as the chunk in it that matters most.
    pub(super) fn priority_of(&self, classes: impl Iterator<Item = u16>) -> Priority {
        classes.map(|class| self.stores[usize::from(class)].descriptor().priority).max().unwrap_or_default()
    }

    /// Puts a replica without chunks into the table and returns its place.
    pub(super) fn occupy(
        &mut self,
        id: ReplicaId,
        owner: MemberId,
        assigned: MemberId,
        upstream: Option<PeerId>,
        migratable: bool,
        priority: Priority,
    ) -> u32 {
        let entry = Entry {
            id,
            owner,
            assigned,
            upstream,
            meshed: self.is_meshed(upstream),
            chunks: Chunks::new(),
            row: Row::NONE,
            slot: 0,
            version: 0,
            floor: 0,
            received: 0,
            migratable,
            epoch: 1,
            in_transfer: false,
            predicts: false,
            sampled: false,
            lagged: false,
            came_late: 0,
            lag: 0,
            audience: 0,
            priority,
            oversized: false,
            echoed: false,
            doomed: false,
            waits_in: 0,
            suspended: false,
            life: Life::default(),
            dying: false,
            live: true,
        };
        let place = if let Some(place) = self.free.pop() {
            self.entries[place as usize] = entry;
            place
        } else {
            self.entries.push(entry);
            for peer in self.peers.iter_mut().flatten() {
                peer.owed.resize(self.entries.len());
            }
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 replicas fit in memory")
        };
        for peer in self.peers.iter_mut().flatten() {
            peer.owed.begin(place);
        }
        self.neighbours.come(place);
        self.index.insert(id, place);
        self.primaries += usize::from(upstream.is_none());
        *self.levels.entry(priority).or_default() += 1;
        place
    }

    /// Gives the replica at `place` another chunk.
    pub(super) fn attach(&mut self, place: u32, chunk: ChunkRef) {
        let entry = &mut self.entries[place as usize];
        entry.chunks.push(chunk);
        (entry.row, entry.slot) = (entry.row_now(), entry.chunks[0].slot);
        let store = &mut self.stores[usize::from(chunk.class)];
        if entry.is_primary() {
            store.set_owned(chunk.slot, Some(entry.id));
        }
        if store.predicts() {
            entry.predicts = true;
            self.neighbours.predict(place);
        }
        entry.sampled |= store.samples();
        entry.life.told |= !chunk.refused && !store.life().is_empty();
        if store.selective() && entry.audience == 0 {
            let (free, last) = &mut self.audiences;
            entry.audience = free.pop().unwrap_or_else(|| {
                *last += 1;
                *last
            });
        }
    }

    /// Takes a replica out of the table and tells every peer that may know of it, but the one we had it from.
    pub(super) fn vacate(&mut self, place: u32) {
        self.lift(place);
        self.detach(place);
        let entry = &mut self.entries[place as usize];
        debug_assert!(entry.live, "a place is vacated once");
        entry.live = false;
        entry.row = Row::NONE;
        entry.dying = false;
        let upstream = entry.upstream;
        self.primaries -= usize::from(upstream.is_none());
        if let Some(count) = self.levels.get_mut(&entry.priority) {
            *count -= 1;
            if *count == 0 {
                self.levels.remove(&entry.priority);
            }
        }
        for chunk in core::mem::take(&mut entry.chunks) {
            self.stores[usize::from(chunk.class)].remove(chunk.slot);
        }
        let entry = &self.entries[place as usize];
        for (peer_id, peer) in (0..).zip(&mut self.peers) {
            let Some(peer) = peer else { continue };
            if upstream == Some(PeerId(peer_id)) {
                peer.proxies -= 1;
            }
            if !entry.goes_to(PeerId(peer_id), peer.role) {
                peer.owed.forget(place);
            } else {
                peer.owed.bury(place, entry, peer.rpcs_sent);
            }
            peer.owed.forget_audience(entry.audience);
        }
        if entry.audience != 0 {
            self.audiences.0.push(entry.audience);
        }
        let (id, epoch) = (entry.id, entry.epoch);
        self.index.remove(&id);
        self.neighbours.go(place);
        self.forget_name(id);
        self.free.push(place);
        self.end_in_mesh(id, epoch);
        self.end_transfers(id, epoch, upstream.is_none());
    }

    /// Sends the replica whole to everyone, as when it was new: what is not a dataset has changed.
    pub(super) fn renew(&mut self, place: u32) {
        let version = self.tick + 1;
        let entry = &mut self.entries[place as usize];
        if entry.version == 0 {
            return; // Not captured yet: it will go out whole anyway.
        }
        entry.version = version;
        entry.floor = version;
        self.neighbours.raise(place, version);
        for peer in self.peers.iter_mut().flatten() {
            peer.owed.targets.edit(place as usize, Target::renew);
        }
        self.relayed.push(place);
    }
}

/// A replica being put together. Nothing happens before [`add`](Self::add), and nothing after: that takes the builder, and which chunks
/// a replica has is settled for its life. There is no way to say anything else:
///
/// ```compile_fail,E0382
/// # use gridmate_runtime::prelude::*;
/// # #[derive(Default, ReplicaChunk)]
/// # struct Body {}
/// # #[derive(Default, ReplicaChunk)]
/// # struct Cargo {}
/// # let registry = Registry::builder().chunk::<Body>().chunk::<Cargo>().build()?;
/// # let mut replicas = ReplicaManager::new(registry, 1);
/// let truck = replicas.spawn().with(Body::default());
/// let id = truck.add()?;
/// truck.with(Cargo::default()); // the builder is gone
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::AddError;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Body {
///     x: f32,
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct Cargo {
///     crates: u8,
/// }
///
/// let registry = Registry::builder().chunk::<Body>().chunk::<Cargo>().build()?;
/// let mut replicas = ReplicaManager::new(registry, 1);
/// let mut truck = replicas.spawn().with(Body { x: 3.0 });
/// if truck_is_loaded() {
///     truck = truck.with(Cargo { crates: 8 });
/// }
/// let id = truck.add()?;
/// assert_eq!(replicas.get::<Cargo>(id)?.crates, 8);
/// let twice = replicas.spawn().with(Body::default()).with(Body::default()).add();
/// assert!(matches!(twice, Err(AddError::ChunkTwice(_))));
/// # fn truck_is_loaded() -> bool {
/// #     true
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens before `add()`"]
pub struct ReplicaBuilder<'a> {
    manager: &'a mut ReplicaManager,
    chunks: Vec<(u16, Insert)>,
    assigned: Option<MemberId>,
    error: Option<AddError>,
}

type Insert = Box<dyn FnOnce(&mut dyn ChunkStore, u32) -> u32>;

impl ReplicaBuilder<'_> {
    /// Adds a chunk. A replica holds at most one of each type.
    pub fn with<T: ReplicaChunk>(mut self, chunk: T) -> Self {
        match self.manager.class_of::<T>() {
            None => self.error = self.error.or_else(|| Some(AddError::NotRegistered(core::any::type_name::<T>()))),
            Some(class) if self.chunks.iter().any(|(c, _)| *c == class) => {
                self.error = self.error.or_else(|| Some(AddError::ChunkTwice(core::any::type_name::<T>())));
            }
            Some(class) => {
                let insert: Insert = Box::new(move |store, place| {
                    let store: &mut TypedStore<T> = store.as_any_mut().downcast_mut().expect("a class is one type");
                    store.insert(chunk, place)
                });
                self.chunks.push((class, insert));
            }
        }
        self
    }

    /// Lets `member` call the replica's `owner_only` RPCs.
    pub const fn assign(mut self, member: MemberId) -> Self {
        self.assigned = Some(member);
        self
    }

    /// Adds the replica; this node is its primary. It can migrate when all its chunks can.
    ///
    /// # Errors
    /// See [`AddError`]; nothing was added then.
    pub fn add(self) -> Result<ReplicaId, AddError> {
        let Self { manager, chunks, assigned, error } = self;
        if let Some(error) = error {
            return Err(error);
        }
        if chunks.is_empty() || chunks.len() > limits::CHUNKS_PER_REPLICA {
            return Err(AddError::ChunkCount);
        }
        for (class, _) in &chunks {
            manager.may_create(manager.stores[usize::from(*class)].descriptor())?;
        }
        let id = manager.next_id()?;
        let migratable = chunks.iter().all(|(class, _)| manager.stores[usize::from(*class)].descriptor().migratable);
        let priority = manager.priority_of(chunks.iter().map(|(class, _)| *class));
        let assigned = assigned.filter(|member| *member != MemberId::NONE).unwrap_or(manager.local);
        let place = manager.occupy(id, manager.local, assigned, None, migratable, priority);
        for (class, insert) in chunks {
            let slot = insert(&mut *manager.stores[usize::from(class)], place);
            manager.attach(place, ChunkRef::new(class, slot));
        }
        manager.begin_life(place);
        Ok(id)
    }
}

impl core::fmt::Debug for ReplicaBuilder<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ReplicaBuilder").field("chunks", &self.chunks.len()).field("assigned", &self.assigned).finish()
    }
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[derive(Debug, Default, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Door {
        open: bool,
    }

    /// One that has given out every id up to this one.
    fn manager(last: u32) -> ReplicaManager {
        let mut manager = ReplicaManager::new(Registry::builder().chunk::<Door>().build().unwrap(), 1);
        manager.next_serial = last + 1;
        manager
    }

    #[test]
    fn ids_are_given_out_until_there_are_none_and_never_again() {
        let mut manager = manager(u32::MAX - 3);
        let add = |manager: &mut ReplicaManager| manager.add(Door::default()).map(|id| id.serial);
        assert_eq!([add(&mut manager), add(&mut manager)], [Ok(u32::MAX - 2), Ok(u32::MAX - 1)]);
        assert_eq!(add(&mut manager), Err(AddError::IdsUsedUp));
        let two = manager.ids().collect::<Vec<_>>();
        for id in &two {
            manager.destroy(*id).unwrap();
        }
        for _ in 0..3 {
            manager.prepare();
            assert_eq!(add(&mut manager), Err(AddError::IdsUsedUp), "nobody knows who may still refer to them");
            assert_eq!(manager.spawn().with(Door::default()).add(), Err(AddError::IdsUsedUp));
        }
        assert!(manager.is_empty());
        assert!(two.iter().all(|id| manager.get::<Door>(*id).is_err()));
    }

    #[test]
    fn the_last_ids_travel_as_any_others() {
        let mut host = manager(u32::MAX - 3);
        let mut client = ReplicaManager::new(host.registry.clone(), 2);
        client.set_local_member(MemberId(2));
        let there = host.add_peer(MemberId(2), PeerRole::Client);
        let back = client.add_peer(MemberId::HOST, PeerRole::Host);
        let ids = [host.add(Door::default()).unwrap(), host.add(Door { open: true }).unwrap()];
        host.prepare();
        let mut message = Vec::new();
        assert!(host.marshal(there, 1_200, &mut message).is_some());
        let _verdict = client.handle_state(back, 1, &message).unwrap();
        assert_eq!(ids.map(|id| client.get::<Door>(id).unwrap().open), [false, true]);
        host.destroy(ids[1]).unwrap();
        host.prepare();
        assert!(host.marshal(there, 1_200, &mut message).is_some());
        let _verdict = client.handle_state(back, 2, &message).unwrap();
        client.update(Instant::ZERO, |_, fault| panic!("{fault}"));
        assert_eq!(client.ids().collect::<Vec<_>>(), [ids[0]]);
    }

    #[test]
    fn what_is_refused_uses_up_no_id_and_a_place_used_again_has_another_id() {
        let mut manager = manager(0);
        let first = manager.add(Door::default()).unwrap();
        assert_eq!(manager.spawn().add(), Err(AddError::ChunkCount));
        let twice = manager.spawn().with(Door::default()).with(Door::default()).add();
        assert!(matches!(twice, Err(AddError::ChunkTwice(_))));
        manager.destroy(first).unwrap();
        manager.prepare();
        let second = manager.add(Door::default()).unwrap();
        assert_eq!((first.serial, second.serial, manager.index[&second]), (1, 2, 0), "in the place of the first");
        assert_eq!(manager.get::<Door>(first).unwrap_err(), ReplicaError::Unknown(first));
    }
}
