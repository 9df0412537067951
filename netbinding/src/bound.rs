//! What happens besides when a component is bound: others it needs are there, and it is told.

use gridmate_runtime::replica::ReplicaInfo;
use gridmate_runtime::{MemberId, ReplicaChunk, ReplicaId};

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
pub trait NetBindable: ReplicaChunk {
    /// Types of components that an entity also has when it has this one, as nested pairs: `()`, `(A, ())`, `(A, (B, ()))`.
    type Requires;

    /// Called once on each node when the component has been bound to an entity there; [`BoundContext`] has the order.
    fn notify_bound(&mut self, ctx: &BoundContext) {
        let _ = ctx;
    }
}

/// Where a component has been bound.
///
/// Binding an entity takes these steps, on the node that owns it and on every other:
///
/// 1. All its components that replicate are there. On a proxy they hold the first values that have arrived, and the defaults
///    in fields that are `skip`ped.
/// 2. What they [require](NetBindable::Requires) is there: what the entity lacked is a default value now. On a primary that may be
///    a component that replicates; it is bound too. On a proxy nothing is put in the place of what has arrived.
/// 3. [`Binding::entity`](crate::Binding::entity) and [`Binding::replica`](crate::Binding::replica) know it.
/// 4. `on_bound` handlers run, one component after the other as the binding's builder lists the types. What one writes on a primary is
///    sent with the first values; on a proxy it stays until the owner's next change of that dataset.
/// 5. From the next tick on, change handlers run: `on_change` is never earlier than `on_bound`. The first values of a proxy are a change
///    from the defaults then. RPC handlers do not wait.
///
/// ```
/// use netbinding::BoundContext;
/// use netbinding::prelude::*;
///
/// #[derive(Default, NetBindable)]
/// #[bind(on_bound = Self::on_bound)]
/// struct Ship {
///     health: u8,
///     #[dataset(skip)]
///     ours: bool,
/// }
///
/// impl Ship {
///     fn on_bound(&mut self, ctx: &BoundContext) {
///         self.ours = ctx.primary;
///     }
/// }
///
/// let (mut net, registry) = Binding::<PlainWorld>::builder().component::<Ship>().build()?;
/// let (mut world, mut replicas) = (PlainWorld::new(), ReplicaManager::new(registry, 1));
/// let ship = world.create();
/// world.insert(ship, Ship::default());
/// net.bind(ship, &mut world, &mut replicas)?;
/// assert!(world.get::<Ship>(ship).is_some_and(|ship| ship.ours));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoundContext {
    /// The replica that the entity stands for.
    pub replica: ReplicaId,
    /// Who owns it.
    pub owner: MemberId,
    /// Whether that is this node.
    pub primary: bool,
}

impl BoundContext {
    /// For tests and hand-written callers: on a proxy.
    pub const fn new(replica: ReplicaId, owner: MemberId) -> Self {
        Self { replica, owner, primary: false }
    }

    /// The same, on the owner's own node.
    pub const fn on_primary(self) -> Self {
        Self { primary: true, ..self }
    }

    pub(crate) const fn of(info: &ReplicaInfo) -> Self {
        Self { replica: info.id, owner: info.owner, primary: info.is_primary }
    }
}

/// What can be [required](NetBindable::Requires): anything with a default value.
///
/// ```
/// use netbinding::Required;
/// use netbinding::prelude::*;
///
/// struct Exhaust {
///     particles: Vec<f32>,
/// }
///
/// impl Default for Exhaust {
///     fn default() -> Self {
///         Self { particles: vec![0.0; 8] }
///     }
/// }
///
/// #[derive(Default, NetBindable)]
/// #[bind(requires = Exhaust)]
/// struct Ship {
///     health: u8,
/// }
///
/// assert_eq!(Exhaust::initial().particles.len(), 8); // what a ship gets that has none when it is bound
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be required: it has no default value",
    label = "an entity that lacks it would get the default",
    note = "add `#[derive(Default)]` to `{Self}`"
)]
pub trait Required: Sized {
    /// What an entity gets that lacks it.
    fn initial() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Required for T {
    fn initial() -> Self {
        Self::default()
    }
}

/// A world that holds all of a list of types: see [`NetBindable::Requires`].
///
/// ```
/// use netbinding::{HoldsAll, PlainWorld, World};
///
/// #[derive(Default)]
/// struct Exhaust(Vec<f32>);
///
/// #[derive(Debug, Default, PartialEq)]
/// struct Name(String);
///
/// let mut world = PlainWorld::new();
/// let ship = world.spawn();
/// world.insert(ship, Name("Argo".to_owned()));
/// HoldsAll::<(Exhaust, (Name, ()))>::insert_missing(&mut world, ship);
/// assert!(world.get::<Exhaust>(ship).is_some());
/// assert_eq!(world.get::<Name>(ship), Some(&Name("Argo".to_owned()))); // it had one
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold all that the component requires",
    label = "the entities of this world cannot have all of `{List}`",
    note = "implement `Holds` for every type that `#[bind(requires(…))]` names"
)]
pub trait HoldsAll<List>: World {
    /// Gives an entity a default value of every one that it lacks.
    fn insert_missing(&mut self, entity: Self::Entity);
}

impl<W: World> HoldsAll<()> for W {
    fn insert_missing(&mut self, _entity: W::Entity) {}
}

impl<W, First, Rest> HoldsAll<(First, Rest)> for W
where
    W: Holds<First> + HoldsAll<Rest>,
    First: Required,
{
    fn insert_missing(&mut self, entity: W::Entity) {
        if Holds::<First>::get(self, entity).is_none() {
            self.insert_silent(entity, First::initial());
        }
        HoldsAll::<Rest>::insert_missing(self, entity);
    }
}
