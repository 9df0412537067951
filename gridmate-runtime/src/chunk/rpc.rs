//! Calls bound to an object: what the derive describes, what a handler sees, what a caller holds.
//!
//! A call made where the primary lives runs its handler at once; made on a proxy it travels to the primary and runs there.
//! The handler's answer decides whether the call is *echoed*: [`Propagate::ToProxies`] runs it on every proxy too. Arguments
//! are marshaled before the first handler sees them, so every node works with the same, quantised values.

use core::cell::{Cell, RefCell};

use crate::chunk::{ReplicaChunk, RpcPort};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::{BitReader, BitWriter, Marshal, Shape, WireError};

/// One RPC of a chunk type.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::wire::{BitReader, BitWriter};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ship {
///     health: u8,
/// }
///
/// #[rpcs]
/// impl Ship {
///     #[rpc]
///     fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
///         self.health -= damage;
///     }
/// }
///
/// let [hit] = Ship::RPCS else { panic!("one RPC") };
/// assert_eq!((hit.name, hit.args.len(), hit.flags.reliable), ("hit", 1, true));
/// // What happens where a call arrives.
/// let (mut ship, mut w) = (Ship { health: 100 }, BitWriter::new());
/// 30u8.marshal(&mut w);
/// let id = ReplicaId { creator: MemberId::HOST, serial: 1 };
/// let ctx = RpcContext::new(MemberId(2), MemberId::HOST, id, true, Instant::ZERO);
/// (hit.invoke)(&mut ship, &ctx, &mut BitReader::new(w.finish()))?;
/// assert_eq!(ship.health, 70);
/// # Ok::<(), gridmate_runtime::wire::WireError>(())
/// ```
#[derive(Debug)]
pub struct RpcDescriptor<T> {
    /// The handler's name.
    pub name: &'static str,
    /// How it travels and who may call.
    pub flags: RpcFlags,
    /// Its arguments, in wire order.
    pub args: &'static [ArgDescriptor],
    /// What its handler answers, of a handler that returns [`Reply`](crate::Reply).
    pub reply: Option<fn() -> Shape>,
    /// Reads the arguments and runs the handler.
    pub invoke: fn(&mut T, &RpcContext, &mut BitReader<'_>) -> Result<Propagate, WireError>,
}

/// An RPC argument as data.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Horn {
///     loud: bool,
/// }
///
/// #[rpcs]
/// impl Horn {
///     #[rpc]
///     fn blow(&mut self, _ctx: &RpcContext, loud: bool, times: u8) {}
/// }
///
/// let args: Vec<String> = Horn::RPCS[0].args.iter().map(|arg| format!("{}: {}", arg.name, (arg.shape)())).collect();
/// assert_eq!(args, ["loud: bool", "times: u8"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ArgDescriptor {
    /// The parameter's name.
    pub name: &'static str,
    /// Its layout.
    pub shape: fn() -> Shape,
}

/// How an RPC travels and who may call it.
///
/// ```
/// use gridmate_runtime::chunk::{MayCall, RpcFlags};
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ship {
///     ammo: u8,
/// }
///
/// #[rpcs]
/// impl Ship {
///     #[rpc]
///     fn dock(&mut self, _ctx: &RpcContext) {}
///
///     #[rpc(unreliable, owner_only)]
///     fn fire(&mut self, _ctx: &RpcContext) {}
/// }
///
/// let [dock, fire] = Ship::RPCS else { panic!("two RPCs") };
/// assert_eq!(dock.flags, RpcFlags::DEFAULT);
/// assert_eq!(fire.flags, RpcFlags { reliable: false, may_call: MayCall::Owner, ..RpcFlags::DEFAULT });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcFlags {
    /// Delivered exactly once and in order (`true`), or perhaps lost but never late (`false`).
    pub reliable: bool,
    /// An echo waits at a proxy until the dataset values it was made with are there.
    pub post_attached: bool,
    /// Who may call.
    pub may_call: MayCall,
    /// A host passes a request on to the client that holds the primary (`true`), or drops it (`false`).
    pub relayed: bool,
    /// How often each member may call.
    pub rate: Option<CallRate>,
}

/// How often each member may call an RPC, counted over all replicas with the chunk type. Checked where a call is made on a proxy,
/// and again where the primary is, with a second's worth of patience for what the network bunches together. Calls made at the
/// primary are not counted.
///
/// ```
/// use gridmate_runtime::chunk::CallRate;
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Horn {
///     blown: u32,
/// }
///
/// #[rpcs]
/// impl Horn {
///     #[rpc(rate = 2, burst = 5)]
///     fn blow(&mut self, _ctx: &RpcContext) {
///         self.blown += 1;
///     }
/// }
///
/// assert_eq!(Horn::RPCS[0].flags.rate, Some(CallRate { per_second: 2, burst: 5 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRate {
    /// Calls a second, in the long run.
    pub per_second: u16,
    /// Calls at once.
    pub burst: u16,
}

impl RpcFlags {
    /// Reliable, post-attached, anyone may call, from everywhere and as often as they like.
    pub const DEFAULT: Self =
        Self { reliable: true, post_attached: true, may_call: MayCall::Anyone, relayed: true, rate: None };
}

/// Who may call an RPC. Checked where the call is made, and again where it arrives.
///
/// ```
/// use gridmate_runtime::chunk::MayCall;
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Gate {
///     open: bool,
/// }
///
/// #[rpcs]
/// impl Gate {
///     #[rpc]
///     fn knock(&mut self, _ctx: &RpcContext) {}
///
///     #[rpc(owner_only)]
///     fn steer(&mut self, _ctx: &RpcContext) {}
///
///     #[rpc(authority_only)]
///     fn slam(&mut self, _ctx: &RpcContext) -> Propagate {
///         Propagate::ToProxies
///     }
/// }
///
/// let who: Vec<MayCall> = Gate::RPCS.iter().map(|rpc| rpc.flags.may_call).collect();
/// assert_eq!(who, [MayCall::Anyone, MayCall::Owner, MayCall::Authority]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayCall {
    /// Every member of the session.
    Anyone,
    /// The member that holds the primary and the member that the replica is assigned to.
    Owner,
    /// Only the member that holds the primary.
    Authority,
}

/// A handler's answer on the primary: who else runs the call.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Horn {
///     #[dataset(skip)]
///     heard: u32,
/// }
///
/// #[rpcs]
/// impl Horn {
///     #[rpc]
///     fn blow(&mut self, ctx: &RpcContext, loud: bool) -> Propagate {
///         self.heard += 1; // on the primary, and then on every proxy, if it is loud
///         assert!(loud || ctx.primary);
///         if loud { Propagate::ToProxies } else { Propagate::Stop }
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Horn>().build()?, 1);
/// let horn = replicas.add(Horn::default())?;
/// replicas.primary_mut::<Horn>(horn)?.rpcs().blow(true)?;
/// assert_eq!(replicas.get::<Horn>(horn)?.heard, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagate {
    /// Nobody.
    Stop,
    /// Every proxy, but those from whom the chunk is hidden (`send_to`).
    ToProxies,
    /// One member's proxy: how a handler on the primary lets a proxy's call through to another. Nobody else, when that is this
    /// member, or one that the replica is hidden from.
    To(MemberId),
}

/// What a handler may return: a [`Propagate`]; nothing, which means [`Propagate::Stop`]; or a [`Reply`](crate::Reply) to its caller.
///
/// ```
/// use gridmate_runtime::chunk::IntoPropagate;
/// use gridmate_runtime::{Instant, MemberId, Propagate, ReplicaId, RpcContext};
///
/// fn quiet() {}
/// fn loud() -> Propagate {
///     Propagate::ToProxies
/// }
///
/// let replica = ReplicaId { creator: MemberId::HOST, serial: 1 };
/// let ctx = RpcContext::new(MemberId(2), MemberId::HOST, replica, true, Instant::ZERO);
/// assert_eq!(quiet().into_propagate(&ctx), Propagate::Stop);
/// assert_eq!(loud().into_propagate(&ctx), Propagate::ToProxies);
/// ```
#[diagnostic::on_unimplemented(
    message = "an RPC handler returns `Propagate`, `Reply<…>` or nothing, not `{Self}`",
    label = "expected `Propagate`, `Reply<…>` or `()`"
)]
pub trait IntoPropagate {
    /// What a caller gets: nothing, or a ticket for the answer.
    type Ticket;

    /// The layout of the answer to the caller, if there is one.
    const REPLY: Option<fn() -> Shape> = None;

    /// Who else runs the call; what the caller is answered goes into the context.
    fn into_propagate(self, ctx: &RpcContext) -> Propagate;

    /// The ticket with this number; 0 if there is no answer to wait for.
    fn ticket(number: u32) -> Self::Ticket;
}

impl IntoPropagate for Propagate {
    type Ticket = ();

    fn into_propagate(self, _: &RpcContext) -> Propagate {
        self
    }

    fn ticket(_: u32) {}
}

impl IntoPropagate for () {
    type Ticket = ();

    fn into_propagate(self, _: &RpcContext) -> Propagate {
        Propagate::Stop
    }

    fn ticket(_: u32) {}
}

/// What an RPC handler knows besides its arguments.
///
/// ```
/// use gridmate_runtime::{Instant, MemberId, ReplicaId, RpcContext};
///
/// // A handler called by hand, in a test.
/// let replica = ReplicaId { creator: MemberId::HOST, serial: 1 };
/// let ctx = RpcContext::new(MemberId(2), MemberId::HOST, replica, true, Instant::ZERO);
/// assert!(ctx.primary && ctx.source == MemberId(2));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct RpcContext {
    /// Who made the call. On the primary this is checked against the connection it came from; on a proxy it is what the
    /// primary says.
    pub source: MemberId,
    /// The member this handler runs on.
    pub local: MemberId,
    /// The object it was called on.
    pub replica: ReplicaId,
    /// Whether this is the primary (and the answer matters) or a proxy running an echo.
    pub primary: bool,
    /// The time of this node's tick.
    pub now: Instant,
    destroy: Cell<bool>,
    answer: RefCell<Option<Vec<u8>>>,
}

impl RpcContext {
    /// For tests and hand-written callers.
    pub const fn new(source: MemberId, local: MemberId, replica: ReplicaId, primary: bool, now: Instant) -> Self {
        Self { source, local, replica, primary, now, destroy: Cell::new(false), answer: RefCell::new(None) }
    }

    /// Answers the caller, as returning a [`Reply`](crate::Reply) does. Without effect on a proxy; the last one counts. An answer
    /// that breaks a length limit is none.
    pub fn answer<T: Marshal>(&self, answer: &T) {
        let mut w = BitWriter::new();
        answer.marshal(&mut w);
        let fits = self.primary && w.error().is_none();
        *self.answer.borrow_mut() = fits.then(|| w.finish().to_vec());
    }

    /// What the handler answered, if that is no more than `limit` bytes with the bits that say that it is an answer.
    pub(crate) fn take_answer(&self, limit: usize) -> Option<Vec<u8>> {
        self.answer.take().filter(|answer| answer.len() < limit)
    }

    /// Destroys the replica once the handler has returned; without effect on a proxy. A call that is propagated as well still
    /// runs on every proxy first.
    pub fn destroy_replica(&self) {
        self.destroy.set(self.primary);
    }

    pub(crate) const fn wants_destroy(&self) -> bool {
        self.destroy.get()
    }
}

/// Why a call was not made.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Sign {
///     #[dataset(max_len = 8)]
///     text: String,
/// }
///
/// #[rpcs]
/// impl Sign {
///     #[rpc]
///     fn write(&mut self, _ctx: &RpcContext, #[marshal(max_len = 8)] text: String) {
///         self.text = text;
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Sign>().build()?, 1);
/// let sign = replicas.add(Sign::default())?;
/// match replicas.primary_mut::<Sign>(sign)?.rpcs().write("out of order".to_owned()) {
///     Err(RpcError::TooLarge { .. }) => {} // ask for a shorter text
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(replicas.get::<Sign>(sign)?.text, ""); // nothing has happened
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The RPC is `authority_only` and this node does not hold the primary.
    #[error("only the node that holds the primary may call this RPC")]
    AuthorityOnly,
    /// The RPC is `owner_only`, this node does not hold the primary and the replica is not assigned to it.
    #[error("only the replica's owner or the member it is assigned to may call this RPC")]
    OwnerOnly,
    /// The RPC is `no_relay`, and the primary is reached by way of the host.
    #[error("this RPC is not passed on by a host, and its primary is on another client")]
    NotRelayed,
    /// The RPC has a rate, and this member has called it too often of late.
    #[error("this RPC may not be called so often")]
    TooOften,
    /// As many questions as may are open: [`limits::OPEN_REQUESTS`].
    #[error("{} questions are open; wait for answers before asking more", limits::OPEN_REQUESTS)]
    TooManyRequests,
    /// A question is for the primary; it cannot be addressed to a proxy.
    #[error("an RPC that answers runs on the primary; it cannot be sent to a proxy")]
    QuestionToProxy,
    /// Too many calls wait to be sent; tick the node before calling again.
    #[error("{} calls wait to be sent; tick the node before calling again", limits::OUTBOX_CALLS)]
    QueueFull,
    /// The arguments do not fit their limits: a string or list is too long, or all together are above
    /// [`limits::RPC_BYTES`], for unreliable calls [`limits::UNRELIABLE_RPC_BYTES`].
    #[error("the arguments are too large for this call ({limit} bytes at most, and every list within its own limit)")]
    TooLarge {
        /// What all arguments together may take, bytes.
        limit: usize,
    },
    /// The arguments could not be read back: a hand-written `Marshal` or `Codec` does not read what it writes.
    #[error("the arguments cannot be read back: {0}")]
    Unreadable(WireError),
}

/// A chunk type with RPCs; `#[rpcs]` implements it.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ship {
///     health: u8,
/// }
///
/// #[rpcs]
/// impl Ship {
///     #[rpc]
///     fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
///         self.health -= damage;
///     }
/// }
///
/// /// Calls an RPC wherever the primary is.
/// fn with_rpcs<T: HasRpcs>(
///     replicas: &mut ReplicaManager,
///     id: ReplicaId,
///     call: impl FnOnce(T::Caller<'_>) -> Result<(), RpcError>,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     if replicas.info(id).is_some_and(|info| info.is_primary) {
///         call(replicas.primary_mut::<T>(id)?.rpcs())?;
///     } else {
///         call(replicas.proxy::<T>(id)?.rpcs())?;
///     }
///     Ok(())
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Ship>().build()?, 1);
/// let id = replicas.add(Ship { health: 100 })?;
/// with_rpcs::<Ship>(&mut replicas, id, |mut ship| ship.hit(30))?;
/// assert_eq!(replicas.get::<Ship>(id)?.health, 70);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait HasRpcs: ReplicaChunk {
    /// Has a method for each RPC, with the handler's arguments and visibility.
    type Caller<'a>;

    /// Wraps the way to the object.
    fn caller(port: RpcPort<'_, Self>) -> Self::Caller<'_>;
}

/// Gives chunk types without `#[rpcs]` an empty table: an inherent `__RPCS` takes precedence.
#[doc(hidden)]
pub trait NoRpcs: ReplicaChunk {
    const __RPCS: &'static [RpcDescriptor<Self>] = &[];
}

impl<T: ReplicaChunk> NoRpcs for T {}
