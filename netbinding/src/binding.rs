//! Entities on one side, replicas on the other, and the two kept equal.

use core::any::TypeId;
use std::collections::BTreeMap;

use gridmate_runtime::replica::{AddError, ReplicaBuilder, ReplicaEvent, ReplicaManager};
use gridmate_runtime::{EntityRef, NodeEvent, Registry, RegistryBuilder, RegistryError, ReplicaChunk, ReplicaId};

use crate::bound::{BoundContext, HoldsAll, NetBindable};
use crate::world::{Holds, World};

/// Ties the entities of a world to the replicas of a node.
///
/// An entity that is **bound** here is a primary everywhere else a proxy: on every other node an entity of that node's world
/// appears, with the same components and the same identity, its [`ReplicaId`]. The four verbs:
///
/// - [`bind`](Self::bind) an entity of this world, and it replicates;
/// - [`handle_event`](Self::handle_event) adopts what other nodes have bound and drops what is gone;
/// - [`pull`](Self::pull) and [`push`](Self::push) copy what changed from replicas to components and back, once a frame;
/// - [`unbind`](Self::unbind) keeps the entity here and removes it everywhere else.
///
/// See the crate's front page for a whole program.
///
/// ```
/// use netbinding::BindError;
/// use netbinding::prelude::*;
///
/// #[derive(Debug, Default, PartialEq, NetBindable)]
/// struct Door {
///     open: bool,
/// }
///
/// let (mut net, registry) = Binding::<PlainWorld>::builder().component::<Door>().build()?;
/// let (mut world, mut replicas) = (PlainWorld::new(), ReplicaManager::new(registry, 1));
///
/// let door = world.create();
/// world.insert(door, Door { open: false });
/// let id = net.bind(door, &mut world, &mut replicas)?;
/// assert_eq!((net.entity(id), net.replica(door)), (Some(door), Some(id)));
///
/// world.get_mut::<Door>(door).expect("it has one").open = true;
/// net.push(&mut world, &mut replicas);
/// assert!(replicas.get::<Door>(id)?.open);
///
/// world.remove(door);
/// net.push(&mut world, &mut replicas);
/// assert!(net.is_empty() && replicas.is_empty()); // the replica ends with its entity
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Binding<W: World> {
    components: Vec<BoundComponent<W>>,
    entities: BTreeMap<ReplicaId, W::Entity>,
    replicas: BTreeMap<W::Entity, ReplicaId>,
}

/// Lists the component types of a [`Binding`].
///
/// ```
/// use netbinding::prelude::*;
///
/// #[derive(Default, NetBindable)]
/// struct Door {
///     open: bool,
/// }
///
/// #[derive(Default, NetBindable)]
/// struct Lock {
///     code: u16,
/// }
///
/// let (net, registry) = Binding::<PlainWorld>::builder().component::<Door>().component::<Lock>().build()?;
/// let names: Vec<_> = registry.schemas().map(|schema| schema.name).collect();
/// assert_eq!(names, ["Door", "Lock"]);
/// assert!(net.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BindingBuilder<W: World> {
    components: Vec<BoundComponent<W>>,
    registry: RegistryBuilder,
}

/// Why an entity was not bound.
///
/// ```
/// use netbinding::prelude::*;
///
/// #[derive(Default, NetBindable)]
/// struct Door {
///     open: bool,
/// }
///
/// let (mut net, registry) = Binding::<PlainWorld>::builder().component::<Door>().build()?;
/// let (mut world, mut replicas) = (PlainWorld::new(), ReplicaManager::new(registry, 1));
/// let door = world.create();
/// assert_eq!(net.bind(door, &mut world, &mut replicas), Err(BindError::NoComponent));
/// world.insert(door, Door::default());
/// let id = net.bind(door, &mut world, &mut replicas)?;
/// assert_eq!(net.bind(door, &mut world, &mut replicas), Err(BindError::Bound(id)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// It is bound already; here is its replica.
    #[error("the entity is bound already, as replica {0}")]
    Bound(ReplicaId),
    /// It has no component of a type that the binding lists.
    #[error("the entity has no component that replicates; list its types with `Binding::builder().component::<…>()`")]
    NoComponent,
    /// The replica could not be added.
    #[error(transparent)]
    Add(#[from] AddError),
}

/// What the binding does for one component type, with the type forgotten.
struct BoundComponent<W: World> {
    type_id: TypeId,
    /// Whether the entity has one; what that requires is there then too.
    require: fn(&mut W, W::Entity) -> bool,
    with: for<'a> fn(&W, W::Entity, ReplicaBuilder<'a>) -> ReplicaBuilder<'a>,
    bound: fn(&mut W, W::Entity, &BoundContext, &mut ReplicaManager),
    /// Whether the replica has one; the entity has it then too.
    adopt: fn(&mut W, W::Entity, ReplicaId, &mut ReplicaManager) -> bool,
    pull: fn(&mut W, &BTreeMap<ReplicaId, W::Entity>, &mut ReplicaManager),
    push: fn(&mut W, &BTreeMap<W::Entity, ReplicaId>, &mut ReplicaManager),
}

impl<W: World> Binding<W> {
    /// Starts a list of component types.
    pub fn builder() -> BindingBuilder<W> {
        BindingBuilder { components: Vec::new(), registry: Registry::builder() }
    }

    /// Makes an entity of this world a primary, with every listed component it has now and those that they require.
    /// Components that it gets later do not replicate: the chunks of a replica are settled when it is added.
    ///
    /// # Errors
    /// See [`BindError`]. What its components require the entity may have got nevertheless.
    pub fn bind(
        &mut self,
        entity: W::Entity,
        world: &mut W,
        replicas: &mut ReplicaManager,
    ) -> Result<ReplicaId, BindError> {
        if let Some(id) = self.replicas.get(&entity) {
            return Err(BindError::Bound(*id));
        }
        let found = self.settle(entity, world);
        let found = || self.components.iter().zip(&found).filter_map(|(component, found)| found.then_some(component));
        if found().next().is_none() {
            return Err(BindError::NoComponent);
        }
        let builder = found().fold(replicas.spawn(), |builder, component| (component.with)(world, entity, builder));
        let id = builder.add()?;
        self.entities.insert(id, entity);
        self.replicas.insert(entity, id);
        if let Some(info) = replicas.info(id) {
            let context = BoundContext::of(&info);
            found().for_each(|component| (component.bound)(world, entity, &context, replicas));
        }
        Ok(id)
    }

    /// Which of the listed components the entity has, once it has all that they require.
    fn settle(&self, entity: W::Entity, world: &mut W) -> Vec<bool> {
        let mut found = vec![false; self.components.len()];
        // What is required may be listed, and require more. Each round finds a component that the one before did not.
        loop {
            let before = found.iter().filter(|found| **found).count();
            for (component, found) in self.components.iter().zip(&mut found) {
                *found = *found || (component.require)(world, entity);
            }
            if found.iter().filter(|found| **found).count() == before {
                return found;
            }
        }
    }

    /// Ends an entity's replica and keeps the entity, as one that only this world knows. False when it was not bound, or is
    /// another node's.
    pub fn unbind(&mut self, entity: W::Entity, replicas: &mut ReplicaManager) -> bool {
        let Some(id) = self.replicas.get(&entity).copied() else { return false };
        let ours = replicas.destroy(id).is_ok();
        if ours {
            self.forget(id);
        }
        ours
    }

    /// Spawns an entity for a proxy that appeared, despawns the entity of a replica that is gone. Hand it every event.
    pub fn handle_event(&mut self, event: &NodeEvent, world: &mut W, replicas: &mut ReplicaManager) {
        match *event {
            // It may be gone again: its end is the next event then.
            NodeEvent::Replica(ReplicaEvent::Added { id, .. }) if replicas.info(id).is_some() => {
                self.adopt(id, world, replicas);
            }
            // A proxy whose entity the game has despawned is ours now: so that nothing is left that no entity stands for, it ends.
            NodeEvent::Replica(ReplicaEvent::OwnerChanged { id, .. }) if !self.entities.contains_key(&id) => {
                let _ = replicas.destroy(id);
            }
            NodeEvent::Replica(ReplicaEvent::Removed { id }) => {
                if let Some(entity) = self.forget(id) {
                    world.despawn(entity);
                }
            }
            _ => {}
        }
    }

    /// Copies to components what peers and RPC handlers have changed. Call after the events of a tick were handled.
    pub fn pull(&mut self, world: &mut W, replicas: &mut ReplicaManager) {
        for component in &self.components {
            (component.pull)(world, &self.entities, replicas);
        }
    }

    /// Copies to primaries what the game has changed, and destroys the replicas of entities it has despawned. Changes to
    /// other nodes' components stay in this world, until the owner's next change overwrites them.
    pub fn push(&mut self, world: &mut W, replicas: &mut ReplicaManager) {
        let mut gone = Vec::new();
        world.drain_despawned(&mut |entity| gone.push(entity));
        for entity in gone {
            if let Some(id) = self.replicas.get(&entity).copied() {
                // A proxy's entity is only taken out of this world; the replica is its owner's.
                let _ = replicas.destroy(id);
                self.forget(id);
            }
        }
        for component in &self.components {
            (component.push)(world, &self.replicas, replicas);
        }
    }

    /// The entity of a replica in this world.
    pub fn entity(&self, id: ReplicaId) -> Option<W::Entity> {
        self.entities.get(&id).copied()
    }

    /// The replica of an entity: its identity on every node.
    pub fn replica(&self, entity: W::Entity) -> Option<ReplicaId> {
        self.replicas.get(&entity).copied()
    }

    /// A reference to an entity of this world, for components to keep: every node finds its own entity from it. None when
    /// the entity is not bound.
    pub fn entity_ref(&self, entity: W::Entity) -> Option<EntityRef> {
        self.replica(entity).map(EntityRef::new)
    }

    /// The entity of this world that a reference is to. None while its replica is not here yet, when it is gone, and for a
    /// reference to nothing; so ask when the entity is needed, and do not keep the answer.
    ///
    /// ```
    /// use netbinding::{Binding, Entity, PlainWorld, prelude::*};
    ///
    /// #[derive(Default, NetBindable)]
    /// struct Missile {
    ///     #[dataset(entity)]
    ///     target: Option<EntityRef>,
    /// }
    ///
    /// fn aim(missile: &mut Missile, net: &Binding<PlainWorld>, at: Entity) {
    ///     missile.target = net.entity_ref(at);
    /// }
    ///
    /// fn target_of(missile: &Missile, net: &Binding<PlainWorld>) -> Option<Entity> {
    ///     net.resolve(missile.target)
    /// }
    /// ```
    pub fn resolve(&self, to: impl Into<EntityRef>) -> Option<W::Entity> {
        to.into().replica().and_then(|id| self.entity(id))
    }

    /// How many entities are bound, ours and others'.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    fn adopt(&mut self, id: ReplicaId, world: &mut W, replicas: &mut ReplicaManager) {
        let Some(info) = replicas.info(id) else { return };
        let entity = world.spawn();
        let bound: Vec<_> =
            self.components.iter().filter(|component| (component.adopt)(world, entity, id, replicas)).collect();
        for component in &bound {
            (component.require)(world, entity);
        }
        self.entities.insert(id, entity);
        self.replicas.insert(entity, id);
        let context = BoundContext::of(&info);
        for component in bound {
            (component.bound)(world, entity, &context, replicas);
        }
        replicas.mark_bound(id);
    }

    fn forget(&mut self, id: ReplicaId) -> Option<W::Entity> {
        let entity = self.entities.remove(&id)?;
        self.replicas.remove(&entity);
        Some(entity)
    }
}

impl<W: World> BindingBuilder<W> {
    /// Adds a component type. Twice is the same as once, and the order means nothing but in which `on_bound` handlers run.
    #[must_use]
    pub fn component<T: NetBindable>(mut self) -> Self
    where
        W: Holds<T> + HoldsAll<T::Requires>,
    {
        let type_id = TypeId::of::<T>();
        if self.components.iter().any(|known| known.type_id == type_id) {
            return self;
        }
        self.registry = self.registry.bound_chunk::<T>();
        self.components.push(BoundComponent {
            type_id,
            require: require::<W, T>,
            with: with::<W, T>,
            bound: bound::<W, T>,
            adopt: adopt::<W, T>,
            pull: pull::<W, T>,
            push: push::<W, T>,
        });
        self
    }

    /// The binding, and the registry that its node needs.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn build(self) -> Result<(Binding<W>, Registry), RegistryError> {
        let binding = Binding { components: self.components, entities: BTreeMap::new(), replicas: BTreeMap::new() };
        Ok((binding, self.registry.build()?))
    }
}

impl<W: World> core::fmt::Debug for Binding<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Binding").field("entities", &self.entities).finish_non_exhaustive()
    }
}

impl<W: World> core::fmt::Debug for BindingBuilder<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BindingBuilder").field("registry", &self.registry).finish_non_exhaustive()
    }
}

fn require<W: Holds<T> + HoldsAll<T::Requires>, T: NetBindable>(world: &mut W, entity: W::Entity) -> bool {
    let has = Holds::<T>::get(world, entity).is_some();
    if has {
        HoldsAll::<T::Requires>::insert_missing(world, entity);
    }
    has
}

fn with<'a, W: Holds<T>, T: NetBindable>(
    world: &W,
    entity: W::Entity,
    builder: ReplicaBuilder<'a>,
) -> ReplicaBuilder<'a> {
    let Some(component) = world.get(entity) else { return builder };
    let mut chunk = T::default();
    copy_datasets(component, &mut chunk);
    builder.with(chunk)
}

fn bound<W: Holds<T>, T: NetBindable>(
    world: &mut W,
    entity: W::Entity,
    context: &BoundContext,
    replicas: &mut ReplicaManager,
) {
    let Some(component) = world.get_mut_silent(entity) else { return };
    component.notify_bound(context);
    if let Ok(mut chunk) = replicas.primary_mut::<T>(context.replica) {
        chunk.merge(component);
    }
}

fn adopt<W: Holds<T>, T: NetBindable>(
    world: &mut W,
    entity: W::Entity,
    id: ReplicaId,
    replicas: &mut ReplicaManager,
) -> bool {
    // From now on `pull` has to hear of every change.
    replicas.watch::<T>();
    let Ok(chunk) = replicas.get::<T>(id) else { return false };
    let mut component = T::default();
    copy_datasets(chunk, &mut component);
    world.insert_silent(entity, component);
    true
}

fn pull<W: Holds<T>, T: NetBindable>(
    world: &mut W,
    entities: &BTreeMap<ReplicaId, W::Entity>,
    replicas: &mut ReplicaManager,
) {
    replicas.drain_updated::<T>(|id, chunk| {
        if let Some(component) = entities.get(&id).and_then(|entity| world.get_mut_silent(*entity)) {
            copy_datasets(chunk, component);
        }
    });
}

fn push<W: Holds<T>, T: NetBindable>(
    world: &mut W,
    entities: &BTreeMap<W::Entity, ReplicaId>,
    replicas: &mut ReplicaManager,
) {
    world.drain_changed(&mut |entity, component| {
        let Some(id) = entities.get(&entity) else { return };
        if let Ok(mut chunk) = replicas.primary_mut::<T>(*id) {
            chunk.merge(component);
        }
    });
}

/// Copies what travels; fields that are `skip`ped keep their value.
fn copy_datasets<T: ReplicaChunk>(from: &T, to: &mut T) {
    to.apply(&from.snapshot(), &to.snapshot());
}
