//! What a chunk is told of its own life: that it has come, whose it is, that it goes.
//!
//! A type names the events that it wants to hear of, and is told of no others. On each node that has the replica, a chunk hears
//! them in this order:
//!
//! ```text
//! Attach ─▶ Activate ─▶ (Update | OwnerChange)* ─▶ Deactivate ─▶ Detach
//! ```
//!
//! [`Attach`](LifeEvent::Attach) and [`Activate`](LifeEvent::Activate), [`Deactivate`](LifeEvent::Deactivate) and
//! [`Detach`](LifeEvent::Detach) come once each. All chunks of a replica are attached before the first is activated, and all are
//! deactivated before the first is detached.

use core::cell::Cell;

use crate::ids::{MemberId, ReplicaId};
use crate::time::Instant;

/// Something in the life of a chunk, told to types that ask for it: `#[chunk(on_activate = path)]` and so on.
///
/// ```
/// use gridmate_runtime::LifeEvent;
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(on_activate = Self::light, on_update = Self::burn)]
/// struct Torch {
///     left: u8,
/// }
///
/// impl Torch {
///     fn light(&mut self, ctx: &LifeContext) {
///         if ctx.primary {
///             self.left = 2;
///         }
///     }
///
///     fn burn(&mut self, ctx: &LifeContext) {
///         if ctx.primary {
///             self.left -= 1;
///             if self.left == 0 {
///                 ctx.destroy_replica();
///             }
///         }
///     }
/// }
///
/// assert_eq!(Torch::LIFE, [LifeEvent::Activate, LifeEvent::Update]);
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Torch>().build()?, 1);
/// let torch = replicas.add(Torch::default())?;
/// assert_eq!(replicas.get::<Torch>(torch)?.left, 2);
/// replicas.prepare(); // in a program, `Node::tick` does
/// assert_eq!(replicas.get::<Torch>(torch)?.left, 1);
/// replicas.prepare();
/// assert!(replicas.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LifeEvent {
    /// It is part of a replica. On the primary that is within `add`; on a proxy at the beginning of the update in which the replica
    /// has come, with the values that came. Other chunks of the replica may not be attached yet.
    Attach,
    /// All chunks of the replica are attached. Nothing else was run on it so far.
    Activate,
    /// On the primary: in every tick, before it is looked for what has changed. On a proxy: after values have come, once an update,
    /// after the change handlers; not while the proxy is suspended.
    Update,
    /// The replica has another owner, this node or not. Changes between two updates are told as one.
    OwnerChange,
    /// The replica ends. On the primary that is within `destroy`; on a proxy when it is its turn, after the calls made before.
    Deactivate,
    /// The chunk's value is about to be dropped: the calls made on it before are on their way, and nothing refers to it any more.
    Detach,
}

impl LifeEvent {
    /// Whether this is one of them; for constants.
    pub(crate) const fn is_in(self, events: &[Self]) -> bool {
        let mut i = 0;
        while i < events.len() {
            if events[i] as u8 == self as u8 {
                return true;
            }
            i += 1;
        }
        false
    }
}

/// What a chunk knows when it is told of its life.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(migratable, on_owner_change = Self::on_owner_change)]
/// struct Ship {
///     #[dataset(skip)]
///     steered_here: bool,
/// }
///
/// impl Ship {
///     fn on_owner_change(&mut self, ctx: &LifeContext) {
///         assert_ne!(ctx.owner, ctx.former);
///         self.steered_here = ctx.primary;
///     }
/// }
///
/// // A handler called by hand, in a test.
/// let id = ReplicaId { creator: MemberId(2), serial: 1 };
/// let ctx = LifeContext::new(Instant::ZERO, id, MemberId::HOST, MemberId::HOST).after(MemberId(2));
/// let mut ship = Ship::default();
/// ship.on_owner_change(&ctx);
/// assert!(ship.steered_here);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct LifeContext {
    /// The time of this node's tick.
    pub now: Instant,
    /// The replica that the chunk is part of.
    pub replica: ReplicaId,
    /// Who owns it.
    pub owner: MemberId,
    /// Who owned it before, when that has changed; else the owner.
    pub former: MemberId,
    /// The member that this node is.
    pub local: MemberId,
    /// Whether the primary is here.
    pub primary: bool,
    destroy: Cell<bool>,
}

impl LifeContext {
    /// For tests and hand-written callers: where `owner` is `local`, the primary is here.
    pub const fn new(now: Instant, replica: ReplicaId, owner: MemberId, local: MemberId) -> Self {
        let primary = owner.0 == local.0;
        Self { now, replica, owner, former: owner, local, primary, destroy: Cell::new(false) }
    }

    /// The same, of a replica that `former` owned before.
    pub const fn after(self, former: MemberId) -> Self {
        Self { former, ..self }
    }

    pub(crate) const fn at_primary(self, primary: bool) -> Self {
        Self { primary, ..self }
    }

    /// Destroys the replica once the handler has returned; without effect on a proxy, or when it has ended already. What its
    /// chunks have begun to be told is told to all of them first: each is deactivated that was activated.
    pub fn destroy_replica(&self) {
        self.destroy.set(self.primary);
    }

    pub(crate) const fn wants_destroy(&self) -> bool {
        self.destroy.get()
    }
}
