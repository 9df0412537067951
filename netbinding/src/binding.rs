//! Entities on one side, replicas on the other, and the two kept equal.

use core::any::TypeId;
use std::collections::BTreeMap;

use gridmate_runtime::replica::{AddError, ReplicaBuilder, ReplicaEvent, ReplicaManager};
use gridmate_runtime::{NodeEvent, Registry, RegistryBuilder, RegistryError, ReplicaChunk, ReplicaId};

use crate::world::{Holds, World};

/// A component that replicates: a [`ReplicaChunk`] that also lives in a world. `#[derive(NetBindable)]` makes a struct both.
///
/// ```
/// use netbinding::prelude::*;
///
/// #[derive(Debug, Default, PartialEq, NetBindable)]
/// struct Door {
///     open: bool,
///     #[dataset(skip)]
///     hinge_sound: Option<u32>, // of this world only
/// }
///
/// /// What is known of a component type without a value of it.
/// fn describe<T: NetBindable>() -> String {
///     format!("{}: {} dataset(s)", T::DESCRIPTOR.name, T::DESCRIPTOR.datasets.len())
/// }
///
/// assert_eq!(describe::<Door>(), "Door: 1 dataset(s)");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be bound to the network",
    note = "add `#[derive(Default, NetBindable)]` to `{Self}`"
)]
pub trait NetBindable: ReplicaChunk {}

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
/// let id = net.bind(door, &world, &mut replicas)?;
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
/// assert_eq!(net.bind(door, &world, &mut replicas), Err(BindError::NoComponent));
/// world.insert(door, Door::default());
/// let id = net.bind(door, &world, &mut replicas)?;
/// assert_eq!(net.bind(door, &world, &mut replicas), Err(BindError::Bound(id)));
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
    with: for<'a> fn(&W, W::Entity, ReplicaBuilder<'a>) -> (ReplicaBuilder<'a>, bool),
    type_id: TypeId,
    adopt: fn(&mut W, W::Entity, ReplicaId, &mut ReplicaManager),
    pull: fn(&mut W, &BTreeMap<ReplicaId, W::Entity>, &mut ReplicaManager),
    push: fn(&mut W, &BTreeMap<W::Entity, ReplicaId>, &mut ReplicaManager),
}

impl<W: World> Binding<W> {
    /// Starts a list of component types.
    pub fn builder() -> BindingBuilder<W> {
        BindingBuilder { components: Vec::new(), registry: Registry::builder() }
    }

    /// Makes an entity of this world a primary, with every listed component it has now. Components that it gets later do not
    /// replicate: the chunks of a replica are settled when it is added.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(
        &mut self,
        entity: W::Entity,
        world: &W,
        replicas: &mut ReplicaManager,
    ) -> Result<ReplicaId, BindError> {
        if let Some(id) = self.replicas.get(&entity) {
            return Err(BindError::Bound(*id));
        }
        let mut builder = replicas.spawn();
        let mut any = false;
        for component in &self.components {
            let has;
            (builder, has) = (component.with)(world, entity, builder);
            any |= has;
        }
        if !any {
            return Err(BindError::NoComponent);
        }
        let id = builder.add()?;
        self.entities.insert(id, entity);
        self.replicas.insert(entity, id);
        Ok(id)
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
                let entity = world.spawn();
                for component in &self.components {
                    (component.adopt)(world, entity, id, replicas);
                }
                self.entities.insert(id, entity);
                self.replicas.insert(entity, id);
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

    /// How many entities are bound, ours and others'.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    fn forget(&mut self, id: ReplicaId) -> Option<W::Entity> {
        let entity = self.entities.remove(&id)?;
        self.replicas.remove(&entity);
        Some(entity)
    }
}

impl<W: World> BindingBuilder<W> {
    /// Adds a component type. The order means nothing, and twice is the same as once.
    #[must_use]
    pub fn component<T: NetBindable>(mut self) -> Self
    where
        W: Holds<T>,
    {
        let type_id = TypeId::of::<T>();
        if self.components.iter().any(|known| known.type_id == type_id) {
            return self;
        }
        self.registry = self.registry.chunk::<T>();
        self.components.push(BoundComponent {
            type_id,
            with: with::<W, T>,
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

fn with<'a, W: Holds<T>, T: NetBindable>(
    world: &W,
    entity: W::Entity,
    builder: ReplicaBuilder<'a>,
) -> (ReplicaBuilder<'a>, bool) {
    match world.get(entity) {
        None => (builder, false),
        Some(component) => {
            let mut chunk = T::default();
            copy_datasets(component, &mut chunk);
            (builder.with(chunk), true)
        }
    }
}

fn adopt<W: Holds<T>, T: NetBindable>(world: &mut W, entity: W::Entity, id: ReplicaId, replicas: &mut ReplicaManager) {
    // From now on `pull` has to hear of every change.
    replicas.watch::<T>();
    if let Ok(chunk) = replicas.get::<T>(id) {
        let mut component = T::default();
        copy_datasets(chunk, &mut component);
        world.insert_silent(entity, component);
    }
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
