//! One object: a user's struct, seen as datasets that change and RPCs that run.
//!
//! A **chunk** is a plain struct with a [`ReplicaChunk`] impl, usually derived. Its fields are its **datasets**. Nothing in
//! the struct knows about the network: all bookkeeping sits beside it, in the typed store that holds every chunk of the type.
//!
//! ```text
//!            capture            encode(now, base)
//!   struct ─────────▶ snapshot ──────────────────▶ bits        on the primary
//!   struct ◀───────── snapshot ◀────────────────── bits        on every proxy
//!             apply              decode(base)
//! ```
//!
//! A **snapshot** is the struct as reprs, one per dataset. It is what is compared, kept as a baseline and agreed upon.

mod call_rate;
pub(crate) mod coder;
mod cut;
mod erased;
pub(crate) mod field;
pub(crate) mod fit;
mod guessing;
pub(crate) mod history;
mod interpolate;
pub(crate) mod lags;
mod life;
mod ownership;
mod port;
mod registry;
pub(crate) mod reply;
mod requests;
mod rpc;
mod store;
mod target;
mod throttle;

pub(crate) use erased::{Arrival, Basis, ChunkStore, Head, RUN, ReceiveError, Taken};
pub use field::Field;
pub use history::History;
#[cfg(feature = "glam")]
pub use interpolate::Slerp;
pub use interpolate::{
    Angle, Apart, Beside, Between, Extrapolate, Hermite, Interpolator, Lerp, Linear, Moment, Point, Sample, Snap, Way,
};
pub use life::{LifeContext, LifeEvent};
pub use ownership::OwnershipRequest;
pub use port::RpcPort;
pub(crate) use port::{OutboxCall, Recipients, RpcOutbox};
pub use registry::{Registry, RegistryBuilder, RegistryError};
pub use reply::{Reply, Request, RequestError};
pub(crate) use requests::{Accounts, Question};
pub use rpc::{
    ArgDescriptor, CallRate, HasRpcs, IntoPropagate, MayCall, NoRpcs, Propagate, RpcContext, RpcDescriptor, RpcError,
    RpcFlags,
};
pub(crate) use store::{MANY, TypedStore, ahead};
pub use target::{PeerRole, TargetPeer};
pub use throttle::{AtMost, Distance, Epsilon, Exact, Pace, SettledEpsilon, Throttle, ThrottleMark};

use core::cell::Cell;

use crate::ids::{MemberId, ReplicaId};
use crate::schema::ChunkDescriptor;
use crate::time::Instant;
use crate::wire::{Change, Past, Sink, Source, WireError};

/// A struct that can be replicated. Derive it; everything it says can also be written by hand (`examples/by_hand.rs`).
///
/// The value of `Self::default()` is what both ends start from: datasets that still hold it are not sent.
///
/// ```
/// use gridmate_runtime::ReplicaChunk;
///
/// #[derive(Debug, Default, PartialEq, ReplicaChunk)]
/// struct Ship {
///     energy: u8,
///     #[dataset(skip)]
///     exhaust: Vec<f32>,
/// }
///
/// /// Copies what travels; what is skipped stays as it is.
/// fn copy<T: ReplicaChunk>(from: &T, to: &mut T) {
///     to.apply(&from.snapshot(), &to.snapshot());
/// }
///
/// let mut shown = Ship { energy: 1, exhaust: vec![0.5] };
/// copy(&Ship { energy: 9, exhaust: vec![] }, &mut shown);
/// assert_eq!(shown, Ship { energy: 9, exhaust: vec![0.5] });
/// assert_eq!(Ship::DESCRIPTOR.datasets.len(), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a replica chunk",
    note = "add `#[derive(Default, ReplicaChunk)]` to `{Self}`"
)]
pub trait ReplicaChunk: Default + Send + Sync + 'static {
    /// The reprs of all datasets. Snapshots are copied over older ones: a `clone_from` that reuses what they own saves an
    /// allocation for each text and list that changes.
    type Snapshot: Clone + PartialEq + Send + Sync + 'static;

    /// Name, flags and datasets: everything about the type that is not hot.
    const DESCRIPTOR: &'static ChunkDescriptor;

    /// The RPCs bound to this type, in the order of their indices on the wire.
    const RPCS: &'static [RpcDescriptor<Self>];

    /// Whether [`notify`](Self::notify) does anything.
    const NOTIFIES: bool = false;

    /// How many datasets have a throttle.
    const THROTTLES: usize = 0;

    /// The reprs of this value.
    fn snapshot(&self) -> Self::Snapshot;

    /// Like [`snapshot`](Self::snapshot), reusing the memory of an older one.
    fn capture(&self, into: &mut Self::Snapshot);

    /// Puts `sent` back into every dataset of `now` whose throttle withholds its change; true if any does. `now` is what was
    /// captured in this tick, `before` what was in the tick before, `sent` what proxies have.
    ///
    /// A line for each dataset with a throttle: `Field::throttle`, with a mark of its own among the [`THROTTLES`](Self::THROTTLES).
    fn throttle(
        now: &mut Self::Snapshot,
        before: &Self::Snapshot,
        sent: &Self::Snapshot,
        marks: &mut [ThrottleMark],
    ) -> bool {
        let _ = (now, before, sent, marks);
        false
    }

    /// How many datasets have an interpolator. A type that has any keeps what it has received for longer.
    const INTERPOLATES: usize = 0;

    /// Stores in `self` what every dataset with an interpolator shows at a `moment`; the others stay as they are.
    ///
    /// A line for each: `Field::interpolate`, which looks for the changes around the moment.
    fn interpolate(&mut self, moment: &Moment<'_, Self::Snapshot>) {
        let _ = moment;
    }

    /// Writes a snapshot against another: for each dataset a bit that says whether it differs, then the difference.
    fn encode(change: Change<'_, Self::Snapshot>, w: &mut impl Sink);

    /// Reads what [`encode`](Self::encode) wrote; `snapshot` holds the base before and the value after.
    ///
    /// # Errors
    /// Any [`WireError`]; `snapshot` may then hold anything.
    fn decode(
        snapshot: &mut Self::Snapshot,
        past: Past<'_, Self::Snapshot>,
        r: &mut impl Source,
    ) -> Result<(), WireError>;

    /// Whether any dataset travels only with the whole: those whose lines in [`encode`](Self::encode) and [`decode`](Self::decode) are
    /// `Field::write_initial` and `Field::read_initial`.
    const INITIAL: bool = false;

    /// Puts the datasets of `from` that travel only with the whole into `now`.
    fn keep_initial(now: &mut Self::Snapshot, from: &Self::Snapshot) {
        let _ = (now, from);
    }

    /// Whether the datasets that travel only with the whole are the same.
    fn same_initial(now: &Self::Snapshot, before: &Self::Snapshot) -> bool {
        let _ = (now, before);
        true
    }

    /// Stores in `self` every dataset whose repr differs between `now` and `before`.
    fn apply(&mut self, now: &Self::Snapshot, before: &Self::Snapshot);

    /// Whether [`sends_to`](Self::sends_to) is ever to be asked.
    const SELECTIVE: bool = false;

    /// Whether a peer may have this chunk: its datasets, and the echoes of calls on it. One that may not has a chunk of default
    /// values. Asked only of a type that is [`SELECTIVE`](Self::SELECTIVE).
    fn sends_to(&self, peer: &TargetPeer) -> bool {
        let _ = peer;
        true
    }

    /// Whether another member may own the replica; asked once for each request, where the primary is. An error refuses it, with a
    /// code that the one who asked is told. An owner has every chunk, those too that [`sends_to`](Self::sends_to) keeps from it now.
    ///
    /// # Errors
    /// A code that means something to the game.
    fn accept_ownership(&self, request: &OwnershipRequest) -> Result<(), u16> {
        let _ = request;
        Ok(())
    }

    /// Whether [`notify`](Self::notify) does anything on a primary.
    const NOTIFIES_PRIMARY: bool = false;

    /// Calls the `on_change` handler of every dataset whose repr differs between `now` and `before`; `self` holds `now`.
    ///
    /// On a proxy that is once an update for what has arrived. On a primary, and only if [`NOTIFIES_PRIMARY`](Self::NOTIFIES_PRIMARY)
    /// says so, it is once a tick for what is sent from then on, the first time compared with the default value; `ctx.primary` is
    /// set then.
    fn notify(&mut self, now: &Self::Snapshot, before: &Self::Snapshot, ctx: &TimeContext) {
        let _ = (now, before, ctx);
    }

    /// What [`live`](Self::live) is called for.
    const LIFE: &'static [LifeEvent] = &[];

    /// Tells the chunk of its life. What it writes into datasets counts on a primary, and is taken back on a proxy.
    fn live(&mut self, event: LifeEvent, ctx: &LifeContext) {
        let _ = (event, ctx);
    }
}

/// When and on whose behalf a change handler runs.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Siren {
///     #[dataset(on_change = Self::on_loud)]
///     loud: bool,
///     #[dataset(skip)]
///     since: Option<Instant>,
/// }
///
/// impl Siren {
///     fn on_loud(&mut self, ctx: &TimeContext) {
///         self.since = self.loud.then_some(ctx.now);
///     }
/// }
///
/// // A handler called by hand, in a test.
/// let id = ReplicaId { creator: MemberId::HOST, serial: 1 };
/// let ctx = TimeContext::new(Instant::from_millis(500), id, MemberId::HOST, 15);
/// let mut siren = Siren { loud: true, since: None };
/// siren.on_loud(&ctx);
/// assert_eq!(siren.since, Some(Instant::from_millis(500)));
/// assert!(!ctx.primary && ctx.on_primary().primary);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimeContext {
    /// The time of this node's tick.
    pub now: Instant,
    /// The replica whose dataset changed.
    pub replica: ReplicaId,
    /// Who owns that replica.
    pub owner: MemberId,
    /// The tick that the new values are from, as the node counts that we have them from: the owner, or a host in between.
    pub tick: u32,
    /// Whether the change was made here, by the owner: the handler runs `everywhere`, and this is the primary.
    pub primary: bool,
    destroy: Cell<bool>,
}

impl TimeContext {
    /// For tests and hand-written callers.
    pub const fn new(now: Instant, replica: ReplicaId, owner: MemberId, tick: u32) -> Self {
        Self { now, replica, owner, tick, primary: false, destroy: Cell::new(false) }
    }

    /// The same, for a change that the owner has made on its own node.
    pub const fn on_primary(self) -> Self {
        Self { primary: true, ..self }
    }

    /// Destroys the replica once the handler has returned, and with it the change that the handler was told of; without effect on a
    /// proxy.
    pub fn destroy_replica(&self) {
        self.destroy.set(self.primary);
    }

    pub(crate) const fn wants_destroy(&self) -> bool {
        self.destroy.get()
    }
}
