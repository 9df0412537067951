//! The seam to a world: the few things a binding needs from whatever holds the game's entities.

/// A place where entities live.
///
/// Implement it, and [`Holds`] for every component type that replicates, and any ECS or plain program can be bound.
/// [`PlainWorld`](crate::PlainWorld) is the reference.
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
