//! How much a replica matters to one peer: what only the program knows.

use super::entry::Entry;
use super::index::Index;
use super::{ReplicaError, ReplicaInfo};
use crate::chunk::{ChunkStore, Registry, ReplicaChunk, TargetPeer, TypedStore};
use crate::ids::ReplicaId;

/// Says how much a replica matters to a peer: by how far away it is, whether it is in view, what it is to the peer.
///
/// It is asked when bytes are short, and for a peer that has just come: of replicas that there is something to be said of, and in every
/// tick anew. Where there is room for all, nobody asks. A replica is sent in proportion to its class and this; half as relevant, it is
/// sent half as often. Nothing starves, whatever the answers: see [`set_relevance`](super::ReplicaManager::set_relevance).
///
/// Closures are `Relevance`, when the types of their arguments are written out.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::ReplicaView;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ship {
///     x: f32,
///     pilot: u32,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Ship>().build()?, 1);
/// replicas.set_relevance(|peer: &TargetPeer, view: &ReplicaView<'_>| {
///     let Ok(ship) = view.get::<Ship>(peer.replica) else { return 1.0 };
///     let own = view.iter::<Ship>().find(|(_, ship)| ship.pilot == peer.member.0);
///     own.map_or(1.0, |(_, own)| 10.0 / (ship.x - own.x).abs())
/// });
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
pub trait Relevance: Send + Sync {
    /// How much the replica `peer.replica` matters to `peer`. Less than [`LEAST`](ReplicaView::LEAST), and what is no number, count as
    /// that, more than 1 as 1.
    fn relevance(&self, peer: &TargetPeer, view: &ReplicaView<'_>) -> f32;
}

impl<F: Fn(&TargetPeer, &ReplicaView<'_>) -> f32 + Send + Sync> Relevance for F {
    fn relevance(&self, peer: &TargetPeer, view: &ReplicaView<'_>) -> f32 {
        self(peer, view)
    }
}

/// The replicas of a manager, to look at while it is at work.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{Relevance, ReplicaView};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Lamp {
///     lit: bool,
/// }
///
/// /// What is dark is hardly seen.
/// struct ByLight;
///
/// impl Relevance for ByLight {
///     fn relevance(&self, peer: &TargetPeer, view: &ReplicaView<'_>) -> f32 {
///         if view.get::<Lamp>(peer.replica).is_ok_and(|lamp| lamp.lit) { 1.0 } else { ReplicaView::LEAST }
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Lamp>().build()?, 1);
/// replicas.set_relevance(ByLight);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy)]
pub struct ReplicaView<'a> {
    pub(super) registry: &'a Registry,
    pub(super) stores: &'a [Box<dyn ChunkStore>],
    pub(super) entries: &'a [Entry],
    pub(super) index: &'a Index,
}

impl<'a> ReplicaView<'a> {
    /// The least that a replica can matter.
    pub const LEAST: f32 = 0.125;

    /// A replica's chunk of type `T`, primary or proxy.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NoSuchChunk`].
    pub fn get<T: ReplicaChunk>(&self, id: ReplicaId) -> Result<&'a T, ReplicaError> {
        let entry = self.entry(id).ok_or(ReplicaError::Unknown(id))?;
        let class = self.class_of::<T>().ok_or(ReplicaError::NoSuchChunk(id))?;
        let chunk = entry.chunks.iter().find(|chunk| chunk.class == class).ok_or(ReplicaError::NoSuchChunk(id))?;
        Ok(self.store::<T>(class).value(chunk.slot))
    }

    /// Every chunk of type `T` with the replica it belongs to, primaries and proxies.
    pub fn iter<T: ReplicaChunk>(&self) -> impl Iterator<Item = (ReplicaId, &'a T)> + use<'a, T> {
        let Self { entries, .. } = *self;
        self.class_of::<T>().map(|class| self.store::<T>(class)).into_iter().flat_map(move |store| {
            store.iter().filter_map(move |(place, value)| {
                let entry = &entries[place as usize];
                (!entry.dying).then_some((entry.id, value))
            })
        })
    }

    /// Who a replica belongs to; `None` when there is no such replica.
    pub fn info(&self, id: ReplicaId) -> Option<ReplicaInfo> {
        let entry = self.entry(id)?;
        Some(ReplicaInfo {
            id,
            owner: entry.owner,
            assigned: entry.assigned,
            is_primary: entry.is_primary(),
            migratable: entry.migratable,
        })
    }

    fn entry(&self, id: ReplicaId) -> Option<&'a Entry> {
        let place = *self.index.get(&id)?;
        Some(&self.entries[place as usize]).filter(|entry| !entry.dying)
    }

    fn class_of<T: ReplicaChunk>(&self) -> Option<u16> {
        let id = core::any::TypeId::of::<T>();
        let class = self.registry.types().iter().position(|t| t.type_id == id)?;
        u16::try_from(class).ok()
    }

    fn store<T: ReplicaChunk>(&self, class: u16) -> &'a TypedStore<T> {
        self.stores[usize::from(class)].as_any().downcast_ref().expect("a class is one type")
    }
}

impl core::fmt::Debug for ReplicaView<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ReplicaView").field("replicas", &self.index.len()).finish_non_exhaustive()
    }
}

/// What a program's answer counts for.
pub(super) fn clamp(answer: f32) -> f32 {
    if answer.is_nan() { ReplicaView::LEAST } else { answer.clamp(ReplicaView::LEAST, 1.0) }
}
