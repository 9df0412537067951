//! A world made of maps: the reference for the seam, and all that a program without an ECS needs.

use core::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet};

use crate::world::{Holds, World};

/// Entities as numbers, components by type, changes noted when [`get_mut`](Self::get_mut) hands one out.
///
/// ```
/// use netbinding::PlainWorld;
///
/// let mut world = PlainWorld::new();
/// let door = world.create();
/// world.insert(door, "closed");
/// *world.get_mut::<&str>(door).unwrap() = "open";
/// assert_eq!(world.get::<&str>(door), Some(&"open"));
/// ```
#[derive(Default)]
pub struct PlainWorld {
    next: u64,
    alive: BTreeSet<Entity>,
    columns: BTreeMap<TypeId, Box<dyn AnyColumn>>,
    despawned: Vec<Entity>,
}

/// An entity of a [`PlainWorld`].
///
/// ```
/// use netbinding::PlainWorld;
///
/// let mut world = PlainWorld::new();
/// let (first, second) = (world.create(), world.create());
/// world.remove(first);
/// assert!(!world.contains(first) && world.contains(second));
/// assert_ne!(world.create(), first); // never used again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity(u64);

struct Column<T> {
    values: BTreeMap<Entity, T>,
    changed: BTreeSet<Entity>,
}

trait AnyColumn: Send + Sync {
    fn remove(&mut self, entity: Entity);
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl PlainWorld {
    /// An empty world.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty entity.
    pub fn create(&mut self) -> Entity {
        self.next += 1;
        let entity = Entity(self.next);
        self.alive.insert(entity);
        entity
    }

    /// Removes an entity and all its components; unknown ones are ignored.
    pub fn remove(&mut self, entity: Entity) {
        if self.alive.remove(&entity) {
            for column in self.columns.values_mut() {
                column.remove(entity);
            }
            self.despawned.push(entity);
        }
    }

    /// Whether an entity exists.
    pub fn contains(&self, entity: Entity) -> bool {
        self.alive.contains(&entity)
    }

    /// All entities, oldest first.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        self.alive.iter().copied()
    }

    /// Gives an entity a component, or replaces it. False when there is no such entity.
    pub fn insert<T: Component>(&mut self, entity: Entity, component: T) -> bool {
        let known = self.contains(entity);
        if known {
            let column = self.column_mut::<T>();
            column.values.insert(entity, component);
            column.changed.insert(entity);
        }
        known
    }

    /// An entity's component.
    pub fn get<T: Component>(&self, entity: Entity) -> Option<&T> {
        self.column::<T>()?.values.get(&entity)
    }

    /// An entity's component, to be changed: it counts as changed from now on.
    pub fn get_mut<T: Component>(&mut self, entity: Entity) -> Option<&mut T> {
        let column = self.column_mut::<T>();
        let value = column.values.get_mut(&entity)?;
        column.changed.insert(entity);
        Some(value)
    }

    /// Every entity with a component of type `T`.
    pub fn iter<T: Component>(&self) -> impl Iterator<Item = (Entity, &T)> {
        self.column::<T>().into_iter().flat_map(|column| column.values.iter().map(|(entity, value)| (*entity, value)))
    }

    fn column<T: Component>(&self) -> Option<&Column<T>> {
        self.columns.get(&TypeId::of::<T>())?.as_any().downcast_ref()
    }

    fn column_mut<T: Component>(&mut self) -> &mut Column<T> {
        let column = self
            .columns
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(Column::<T> { values: BTreeMap::new(), changed: BTreeSet::new() }));
        column.as_any_mut().downcast_mut().expect("a column is of the type it is filed under")
    }
}

/// Anything a [`PlainWorld`] can hold.
///
/// ```
/// use netbinding::{Component, Entity, PlainWorld};
///
/// /// How many entities have a component of a type.
/// fn count<T: Component>(world: &PlainWorld) -> usize {
///     world.iter::<T>().count()
/// }
///
/// let mut world = PlainWorld::new();
/// let lamp: Entity = world.create();
/// world.insert(lamp, 60_u32); // watts
/// assert_eq!((count::<u32>(&world), count::<String>(&world)), (1, 0));
/// ```
pub trait Component: Send + Sync + 'static {}

impl<T: Send + Sync + 'static> Component for T {}

impl World for PlainWorld {
    type Entity = Entity;

    fn spawn(&mut self) -> Entity {
        self.create()
    }

    fn despawn(&mut self, entity: Entity) {
        self.remove(entity);
    }

    fn drain_despawned(&mut self, visit: &mut dyn FnMut(Entity)) {
        self.despawned.drain(..).for_each(visit);
    }
}

impl<T: Component> Holds<T> for PlainWorld {
    fn get(&self, entity: Entity) -> Option<&T> {
        self.get(entity)
    }

    fn get_mut_silent(&mut self, entity: Entity) -> Option<&mut T> {
        self.column_mut::<T>().values.get_mut(&entity)
    }

    fn insert_silent(&mut self, entity: Entity, component: T) {
        if self.contains(entity) {
            self.column_mut::<T>().values.insert(entity, component);
        }
    }

    fn drain_changed(&mut self, visit: &mut dyn FnMut(Entity, &T)) {
        let Column { values, changed } = self.column_mut::<T>();
        while let Some(entity) = changed.pop_first() {
            if let Some(value) = values.get(&entity) {
                visit(entity, value);
            }
        }
    }
}

impl core::fmt::Debug for PlainWorld {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PlainWorld").field("entities", &self.alive.len()).field("columns", &self.columns.len()).finish()
    }
}

impl<T: Component> AnyColumn for Column<T> {
    fn remove(&mut self, entity: Entity) {
        self.values.remove(&entity);
        self.changed.remove(&entity);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
