//! The seam to a world: the few things a binding needs from whatever holds the game's entities.

/// A place where entities live.
///
/// Implement it, and [`Holds`] for every component type that replicates, and any ECS or plain program can be bound.
/// [`PlainWorld`](crate::PlainWorld) is the reference.
///
/// ```
/// use netbinding::World;
///
/// /// Entities are numbers; the last ones despawned are noted for the binding.
/// #[derive(Default)]
/// struct Numbers {
///     alive: std::collections::BTreeSet<u32>,
///     next: u32,
///     despawned: Vec<u32>,
/// }
///
/// impl World for Numbers {
///     type Entity = u32;
///
///     fn spawn(&mut self) -> u32 {
///         self.next += 1;
///         self.alive.insert(self.next);
///         self.next
///     }
///
///     fn despawn(&mut self, entity: u32) {
///         if self.alive.remove(&entity) {
///             self.despawned.push(entity);
///         }
///     }
///
///     fn drain_despawned(&mut self, visit: &mut dyn FnMut(u32)) {
///         self.despawned.drain(..).for_each(visit);
///     }
/// }
///
/// let mut world = Numbers::default();
/// let entity = world.spawn();
/// world.despawn(entity);
/// world.despawn(entity);
/// let mut gone = Vec::new();
/// world.drain_despawned(&mut |entity| gone.push(entity));
/// world.drain_despawned(&mut |_| panic!("each is reported once"));
/// assert_eq!(gone, [entity]);
/// ```
pub trait World {
    /// What names an entity in this world. Other nodes' worlds have their own names for it.
    type Entity: Copy + Ord + core::fmt::Debug;

    /// Makes an empty entity, for a replica that another node owns.
    fn spawn(&mut self) -> Self::Entity;

    /// Removes an entity and its components. Unknown entities are ignored.
    fn despawn(&mut self, entity: Self::Entity);

    /// Visits every entity despawned since the last call, by whomever.
    fn drain_despawned(&mut self, visit: &mut dyn FnMut(Self::Entity));
}

/// A world whose entities can have a component of type `T`.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
/// use netbinding::prelude::*;
///
/// #[derive(Default, NetBindable)]
/// struct Door {
///     open: bool,
/// }
///
/// /// A world of doors. The game opens them with `set`.
/// #[derive(Default)]
/// struct Doors {
///     doors: BTreeMap<u32, Door>,
///     changed: BTreeSet<u32>,
/// }
///
/// impl Doors {
///     fn set(&mut self, entity: u32, open: bool) {
///         self.doors.insert(entity, Door { open });
///         self.changed.insert(entity);
///     }
/// }
///
/// impl Holds<Door> for Doors {
///     fn get(&self, entity: u32) -> Option<&Door> {
///         self.doors.get(&entity)
///     }
///
///     fn get_mut_silent(&mut self, entity: u32) -> Option<&mut Door> {
///         self.doors.get_mut(&entity)
///     }
///
///     fn insert_silent(&mut self, entity: u32, door: Door) {
///         self.doors.insert(entity, door);
///     }
///
///     fn drain_changed(&mut self, visit: &mut dyn FnMut(u32, &Door)) {
///         while let Some(entity) = self.changed.pop_first() {
///             self.doors.get(&entity).into_iter().for_each(|door| visit(entity, door));
///         }
///     }
/// }
/// # impl World for Doors {
/// #     type Entity = u32;
/// #     fn spawn(&mut self) -> u32 {
/// #         self.doors.keys().next_back().map_or(1, |last| last + 1)
/// #     }
/// #     fn despawn(&mut self, entity: u32) {
/// #         self.doors.remove(&entity);
/// #     }
/// #     fn drain_despawned(&mut self, _visit: &mut dyn FnMut(u32)) {}
/// # }
///
/// let (mut net, registry) = Binding::<Doors>::builder().component::<Door>().build()?;
/// let (mut world, mut replicas) = (Doors::default(), ReplicaManager::new(registry, 1));
/// world.set(7, false);
/// let id = net.bind(7, &mut world, &mut replicas)?;
/// world.set(7, true);
/// net.push(&mut world, &mut replicas);
/// assert!(replicas.get::<Door>(id)?.open);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold components of type `{T}`",
    label = "the entities of this world cannot have a `{T}`",
    note = "implement `Holds<{T}>` for `{Self}`; a component type is held with all that it requires"
)]
pub trait Holds<T>: World {
    /// An entity's component.
    fn get(&self, entity: Self::Entity) -> Option<&T>;

    /// An entity's component, for the binding to write. Must not count as a change that
    /// [`drain_changed`](Self::drain_changed) reports: it came from there.
    fn get_mut_silent(&mut self, entity: Self::Entity) -> Option<&mut T>;

    /// Gives an entity a component, or replaces it. Must not count as a change either.
    fn insert_silent(&mut self, entity: Self::Entity, component: T);

    /// Visits every entity whose component the game has written since the last call. Visiting one that did not really
    /// change is harmless.
    fn drain_changed(&mut self, visit: &mut dyn FnMut(Self::Entity, &T));
}
