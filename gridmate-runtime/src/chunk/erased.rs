//! What the rest of the runtime knows of a store of chunks: everything but their type.

use core::any::Any;

use super::coder::{In, Out, Share};
use crate::chunk::{
    LifeContext, LifeEvent, OwnershipRequest, Propagate, RpcContext, RpcFlags, TargetPeer, TimeContext,
};
use crate::ids::{MemberId, ReplicaId};
use crate::schema::{ChunkDescriptor, HostOnly};
use crate::time::Instant;
use crate::wire::{Ahead, BitReader, BitWriter, Window, WireError};

/// A [`TypedStore`](super::TypedStore) with its type forgotten: one dynamic call per chunk and phase, none per dataset.
pub(crate) trait ChunkStore: Send + Sync {
    fn descriptor(&self) -> &'static ChunkDescriptor;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// Whether a host leaves out chunks of the type that clients create; records then say of each whether it did.
    fn is_refusable(&self) -> bool {
        self.descriptor().host_only == Some(HostOnly::Chunk)
    }

    /// Nothing that arrives for this one is taken in; what comes after is read against it all the same. The program sees it only if it is
    /// `shown`.
    fn refuse(&mut self, slot: u32, shown: bool);

    /// Makes a chunk with default values for the replica at index `replica`.
    fn insert_default(&mut self, replica: u32) -> u32;
    fn remove(&mut self, slot: u32);
    /// Says whose it is, as soon as its primary is here, and when that is no longer so.
    fn set_owned(&mut self, slot: u32, replica: Option<ReplicaId>);

    /// Turns every touched value into its snapshot, `at` a version and a time; the replicas of those that differ are added to `changed`.
    /// Runs the change handlers that primaries have; `context` says of a replica when and whose it is, unless it is about to be destroyed.
    /// Those that a handler ends go to `ending`. What was in force before the version that `oldest` says, by replica, may be forgotten.
    fn capture(
        &mut self,
        at: (u32, Instant),
        oldest: &[u32],
        changed: &mut Vec<u32>,
        context: &dyn Fn(u32) -> Option<TimeContext>,
        ending: &mut Vec<u32>,
    );

    /// Forgets what was in force before a version.
    fn forget_before(&mut self, slot: u32, version: u32);

    /// Whether encodings look at more than their base; see [`Basis::past`].
    fn predicts(&self) -> bool;
    /// The version of the snapshot in force at version `at`, unless that has been forgotten.
    fn in_force(&self, slot: u32, at: u32) -> Option<u32>;
    /// Has what [`encode`](Self::encode) will need brought into the cache, as far as that can be guessed.
    fn fetch(&self, slot: u32, basis: Basis, version: u32);
    /// Writes the current snapshot, which is of `version`, against a basis. False, with nothing written, when that has been
    /// forgotten.
    fn encode(&self, slot: u32, basis: Basis, version: u32, share: Share, out: Out<'_>) -> bool;
    /// The same of several chunks, with all datasets, against a basis that is not the defaults: one after the other, with a `head` before each
    /// but the first. Notes where each ends. Returns how many there are before the first of which that has been forgotten, or of which
    /// no difference can be told.
    fn encode_run(
        &self,
        slots: &[u32],
        at: (Basis, u32),
        head: Head,
        w: &mut BitWriter,
        ends: &mut [usize; RUN],
    ) -> usize;
    /// Writes that nothing differs from a basis of defaults, as for a peer that has had nothing else.
    fn encode_hidden(&self, basis: Basis, version: u32, share: Share, out: Out<'_>);
    /// Whether the current snapshot differs from the one in force at version `base`.
    fn differs(&self, slot: u32, base: u32) -> bool;

    /// Writes what the value is now, against the defaults, whether captured yet or not; of the datasets those that are shared.
    fn save(&self, slot: u32, share: Share, w: &mut BitWriter);
    /// Makes a chunk of what [`save`](Self::save) wrote of all of them, touched, for the replica at index `replica`.
    fn restore(&mut self, replica: u32, r: &mut BitReader<'_>) -> Result<u32, WireError>;

    /// Whether some peers may not have every chunk of the type.
    fn selective(&self) -> bool;
    /// Whether a peer may have this one.
    fn sends_to(&self, slot: u32, peer: &TargetPeer) -> bool;

    /// Whether another member may own it.
    fn accepts_owner(&self, slot: u32, request: &OwnershipRequest) -> Result<(), u16>;

    /// Takes a new snapshot from the owner, or none for one equal to the baseline. See [`Arrival`]. Of the datasets those that are shared
    /// come from this peer; the others are what they are in the base.
    fn receive(
        &mut self,
        slot: u32,
        arrival: &Arrival,
        share: Share,
        r: Option<In<'_, '_>>,
    ) -> Result<bool, ReceiveError>;
    /// Takes new snapshots for these chunks from the owner, one after the other, for as long as each encoding has a `head` before it.
    fn receive_run(&mut self, slots: &[u32], arrival: &Arrival, head: Head, r: &mut Window<'_>) -> Taken;
    /// Reads past an encoding of something that is here already.
    fn skip(&mut self, slot: u32, arrival: &Arrival, share: Share, r: In<'_, '_>) -> Result<(), ReceiveError>;
    /// Runs the change handlers for everything received since the last call.
    ///
    /// `local` is this node; `context` says of a replica when and whose it is, and whether its primary is here.
    fn notify(&mut self, local: MemberId, context: &dyn Fn(u32) -> Option<(TimeContext, bool)>);
    /// What chunks of the type are told of their lives.
    fn life(&self) -> &'static [LifeEvent];
    /// Tells one. A primary counts as touched.
    fn live(&mut self, slot: u32, event: LifeEvent, context: &LifeContext);
    /// Tells every primary of the tick; `context` says of a replica whether it is one. Those that are to end go to `ending`.
    fn live_all(&mut self, context: &dyn Fn(u32) -> Option<LifeContext>, ending: &mut Vec<u32>);
    /// From now on the change handlers of this one run; see [`TypedStore::waiting`](super::TypedStore::waiting).
    fn mark_bound(&mut self, slot: u32);
    /// Whether the change handlers of this one wait.
    fn set_suspended(&mut self, slot: u32, suspended: bool);
    /// Forgets what only a proxy needs: the owner is here now.
    fn promote(&mut self, slot: u32);
    /// Takes what the value is now for the last snapshot of this owner, in force from `version` on; another goes on from it.
    fn demote(&mut self, slot: u32, version: u32);

    /// Whether what it has received is ever shown between what arrived.
    fn interpolates(&self) -> bool;
    /// Whether that goes by when it was sampled, if that is known. Guesses tell rest from silence, which is the sender's: they go by its
    /// ticks.
    fn samples(&self) -> bool;
    /// What was received since the last call came at `now`, as what is shown is concerned.
    fn stamp(&mut self, now: Instant);

    /// How an RPC travels, and whether it is a question.
    fn rpc(&self, index: u8) -> Option<(RpcFlags, bool)>;
    /// Runs a handler. A primary it ran on counts as touched.
    fn invoke(
        &mut self,
        slot: u32,
        index: u8,
        context: &RpcContext,
        r: &mut BitReader<'_>,
    ) -> Result<Propagate, WireError>;
}

/// What an encoding is against, as the sender numbers its versions. Both are snapshots that the receiver has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    /// The snapshot in force then is the one that differences are from; 0 stands for the defaults.
    pub(crate) base: u32,
    /// The one in force then, before `base`, says what was on the move; 0 if none does.
    pub(crate) past: u32,
    /// How calm what moves is; see [`Ahead::with_calm`].
    pub(crate) calm: u8,
}

impl Basis {
    pub(crate) const DEFAULTS: Self = Self { base: 0, past: 0, calm: 0 };

    /// Without a past nothing moves.
    pub(crate) const fn without_past(self) -> Self {
        Self { base: self.base, past: 0, calm: 0 }
    }

    pub(crate) const fn ahead(self, version: u32) -> Ahead {
        Ahead::new(version.saturating_sub(self.base), self.base.saturating_sub(self.past)).with_calm(self.calm)
    }
}

/// How received snapshots relate to those before them: the same for most of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) basis: Basis,
    /// How far ahead of its base the new snapshot is.
    pub(crate) ahead: Ahead,
    /// The sender's version of it.
    pub(crate) version: u32,
    /// This node's version to pass it on with, when there are others to pass it on to.
    pub(crate) relay_as: Option<u32>,
    /// How much earlier it was sampled than the tick of that version, in [`LAG_UNITS`](super::lags::LAG_UNITS) of a tick.
    pub(crate) lag: u8,
}

/// Bits, and how many.
pub(crate) type Head = (u64, u32);

/// The most chunks that are written at once.
pub(crate) const RUN: usize = 32;

/// How far a run of encodings was taken in.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) count: usize,
    /// A bit for each that changed something, of at most 64.
    pub(crate) changed: u64,
    /// What the one behind them was.
    pub(crate) fault: Option<ReceiveError>,
}

#[derive(Debug)]
pub(crate) enum ReceiveError {
    Wire(WireError),
    /// The baseline named is one that we never had or have forgotten.
    MissingBaseline,
}
