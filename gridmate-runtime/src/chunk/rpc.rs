//! Calls bound to an object: what the derive describes, what a handler sees, what a caller holds.
//!
//! A call made where the primary lives runs its handler at once; made on a proxy it travels to the primary and runs there.
//! The handler's answer decides whether the call is *echoed*: [`Propagate::ToProxies`] runs it on every proxy too. Arguments
//! are marshaled before the first handler sees them, so every node works with the same, quantised values.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::collections::BTreeMap;

use crate::chunk::{ReplicaChunk, RequestError};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::replica::requests::{Accounts, Asked};
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

/// The way from a caller to one chunk: at hand when this node holds the primary, else by way of the outbox.
///
/// ```
/// use gridmate_runtime::chunk::{ArgDescriptor, HasRpcs, RpcDescriptor, RpcFlags, RpcPort};
/// use gridmate_runtime::prelude::*;
/// # use gridmate_runtime::schema::ChunkDescriptor;
/// # use gridmate_runtime::wire::{Change, Past, Sink, Source, WireError};
///
/// #[derive(Default)]
/// struct Bell {
///     rung: u32,
/// }
///
/// impl ReplicaChunk for Bell {
///     const RPCS: &'static [RpcDescriptor<Self>] = &[RpcDescriptor {
///         name: "ring",
///         flags: RpcFlags::DEFAULT,
///         args: &[ArgDescriptor { name: "times", shape: u8::shape }],
///         reply: None,
///         invoke: |bell, _ctx, r| {
///             bell.rung += u32::from(u8::unmarshal(r)?);
///             Ok(Propagate::ToProxies)
///         },
///     }];
///     // … and no datasets
/// #     type Snapshot = ();
/// #     const DESCRIPTOR: &'static ChunkDescriptor = &ChunkDescriptor::new("bell", &[]);
/// #     fn snapshot(&self) {}
/// #     fn capture(&self, _: &mut ()) {}
/// #     fn encode(_: Change<'_, ()>, _: &mut impl Sink) {}
/// #     fn decode(_: &mut (), _: Past<'_, ()>, _: &mut impl Source) -> Result<(), WireError> {
/// #         Ok(())
/// #     }
/// #     fn apply(&mut self, _: &(), _: &()) {}
/// }
///
/// impl HasRpcs for Bell {
///     /// What `#[rpcs]` wraps in methods with names.
///     type Caller<'a> = RpcPort<'a, Self>;
///
///     fn caller(port: RpcPort<'_, Self>) -> RpcPort<'_, Self> {
///         port
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Bell>().build()?, 1);
/// let id = replicas.add(Bell::default())?;
/// let mut bell = replicas.primary_mut::<Bell>(id)?;
/// bell.rpcs().call(0, |w| 3_u8.marshal(w))?; // the primary is here: it runs at once
/// assert_eq!(bell.rung, 3);
/// let too_short = bell.rpcs().call(0, |_| ());
/// assert!(matches!(too_short, Err(RpcError::Unreadable(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RpcPort<'a, T> {
    pub(crate) outbox: &'a mut RpcOutbox,
    /// The chunk itself, on the primary.
    pub(crate) value: Option<&'a mut T>,
    pub(crate) context: RpcContext,
    /// Position of the chunk in its replica, and its class.
    pub(crate) chunk: u8,
    pub(crate) class: u16,
    /// Whether the replica is assigned to this node.
    pub(crate) assigned: bool,
    /// Whether no other node is between this one and the primary.
    pub(crate) direct: bool,
    pub(crate) accounts: &'a mut Accounts,
    pub(crate) recipients: Recipients,
    /// How long a question waits for its answer, unless as long as usual.
    pub(crate) timeout: Option<Duration>,
}

/// Whom a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// The primary, and then whom the handler says.
    Primary,
    /// All proxies, but not the primary.
    Proxies,
    /// One member.
    Member(MemberId),
}

impl<T: ReplicaChunk> RpcPort<'_, T> {
    /// Calls RPC number `index` with the arguments that `write` marshals.
    ///
    /// # Errors
    /// See [`RpcError`]; nothing has happened then.
    ///
    /// # Panics
    /// When the type has no RPC of that number.
    pub fn call(&mut self, index: u8, write: impl FnOnce(&mut BitWriter)) -> Result<(), RpcError> {
        self.call_for::<()>(index, write)
    }

    /// The same for an RPC whose handler returns `R`: a [`Reply`](crate::Reply) gives a ticket.
    ///
    /// # Errors
    /// See [`RpcError`]; nothing has happened then.
    ///
    /// # Panics
    /// When the type has no RPC of that number.
    pub fn call_for<R: IntoPropagate>(
        &mut self,
        index: u8,
        write: impl FnOnce(&mut BitWriter),
    ) -> Result<R::Ticket, RpcError> {
        let rpc = &T::RPCS[usize::from(index)];
        let result = self.admit(rpc).and_then(|()| {
            let asked = Asked { replica: self.context.replica, chunk: self.chunk, rpc: index };
            let ticket = if rpc.reply.is_some() {
                self.accounts.requests.open(asked, self.context.now, self.timeout)
            } else {
                0
            };
            self.make(rpc, asked, ticket, write).inspect_err(|_| self.accounts.requests.cancel(ticket)).map(|()| ticket)
        });
        self.accounts.refused += u64::from(result.is_err());
        result.map(R::ticket)
    }

    /// Whether the call may be made at all.
    fn admit(&self, rpc: &RpcDescriptor<T>) -> Result<(), RpcError> {
        let flags = rpc.flags;
        match flags.may_call {
            MayCall::Authority if self.value.is_none() => return Err(RpcError::AuthorityOnly),
            MayCall::Owner if self.value.is_none() && !self.assigned => return Err(RpcError::OwnerOnly),
            _ => {}
        }
        if !flags.relayed && !self.direct {
            return Err(RpcError::NotRelayed);
        }
        if rpc.reply.is_some() && self.recipients != Recipients::Primary {
            return Err(RpcError::QuestionToProxy);
        }
        if rpc.reply.is_some() && self.accounts.requests.is_full() {
            return Err(RpcError::TooManyRequests);
        }
        if self.outbox.calls.len() >= limits::OUTBOX_CALLS {
            return Err(RpcError::QueueFull);
        }
        Ok(())
    }

    /// Marshals the arguments, runs the handler if it is to run here, and notes down what is to be sent.
    fn make(
        &mut self,
        rpc: &RpcDescriptor<T>,
        asked: Asked,
        ticket: u32,
        write: impl FnOnce(&mut BitWriter),
    ) -> Result<(), RpcError> {
        let remote = self.value.is_none();
        let start = self.outbox.arena.len();
        let mut w = core::mem::take(&mut self.outbox.scratch);
        w.clear();
        if remote && ticket != 0 {
            w.gamma(ticket);
        }
        write(&mut w);
        let limit = rpc.flags.bytes();
        let bits = w.len();
        let fits = w.error().is_none() && w.finish().len() <= limit;
        if fits {
            self.outbox.arena.extend_from_slice(w.finish());
        }
        self.outbox.scratch = w;
        if !fits {
            return Err(RpcError::TooLarge { limit });
        }
        if remote
            && let Some(rate) = rpc.flags.rate
            && !self.accounts.rates.take(
                rate,
                (self.context.source, self.class, asked.rpc),
                self.context.now,
                Duration::ZERO,
            )
        {
            self.outbox.arena.truncate(start);
            return Err(RpcError::TooOften);
        }
        let to = match self.recipients {
            Recipients::Member(member) => Some(member),
            _ => None,
        };
        let here = self.recipients == Recipients::Primary || to == Some(self.context.local);
        let mut echo = (!remote).then_some(to);
        if let Some(value) = self.value.as_deref_mut().filter(|_| here) {
            let mut r = BitReader::new(&self.outbox.arena[start..]);
            let answer = (rpc.invoke)(value, &self.context, &mut r);
            echo = match answer {
                Ok(Propagate::ToProxies) if to.is_none() => Some(None),
                Ok(Propagate::To(member)) if to.is_none() && member != self.context.local => Some(Some(member)),
                _ => None,
            };
            if self.context.wants_destroy() {
                // This call still goes out when it is propagated, later ones do not.
                let last = self.outbox.calls.len() + usize::from(echo.is_some());
                self.outbox.destroys.entry(self.context.replica).or_insert(last);
            }
            if ticket != 0 && answer.is_ok() {
                let answer = self.context.take_answer(limit).ok_or(RequestError::Unreadable);
                self.accounts.requests.answer(ticket, asked, answer);
            }
            if echo.is_none() {
                self.outbox.arena.truncate(start);
                return answer.map(drop).map_err(RpcError::Unreadable);
            }
        }
        self.outbox.calls.push(OutboxCall {
            replica: asked.replica,
            chunk: asked.chunk,
            rpc: asked.rpc,
            flags: rpc.flags,
            echo: echo.is_some(),
            to: echo.flatten(),
            ticket: 0,
            source: self.context.source,
            args: start,
            bits,
        });
        Ok(())
    }
}

impl RpcFlags {
    /// What all arguments of a call, or an answer, may take.
    pub(crate) const fn bytes(self) -> usize {
        if self.reliable { limits::RPC_BYTES } else { limits::UNRELIABLE_RPC_BYTES }
    }
}

/// Calls made since the last tick, arguments in one arena.
#[derive(Debug, Default)]
pub(crate) struct RpcOutbox {
    pub(crate) calls: Vec<OutboxCall>,
    pub(crate) arena: Vec<u8>,
    /// Replicas that a handler asked to destroy, with the number of calls before: later ones go nowhere.
    pub(crate) destroys: BTreeMap<ReplicaId, usize>,
    scratch: BitWriter,
}

#[derive(Debug)]
pub(crate) struct OutboxCall {
    pub(crate) replica: ReplicaId,
    pub(crate) chunk: u8,
    pub(crate) rpc: u8,
    pub(crate) flags: RpcFlags,
    /// The handler ran here and asked for all proxies to run it; else the call is a request to the primary.
    pub(crate) echo: bool,
    /// The only member to run it, of an echo.
    pub(crate) to: Option<MemberId>,
    /// The question that this is the answer to; else 0.
    pub(crate) ticket: u32,
    /// Who made it.
    pub(crate) source: MemberId,
    /// Where in the arena the arguments start, and how long they are.
    pub(crate) args: usize,
    pub(crate) bits: usize,
}
