//! What the rest of the runtime knows of a store of chunks: everything but their type.

use core::any::Any;

use super::coder::{In, Out, Share};
use crate::chunk::{Propagate, RpcContext, RpcFlags, TargetPeer, TimeContext};
use crate::schema::ChunkDescriptor;
use crate::time::Instant;
use crate::wire::{Ahead, BitReader, BitWriter, WireError};

/// A [`TypedStore`](super::TypedStore) with its type forgotten: one dynamic call per chunk and phase, none per dataset.
pub(crate) trait ChunkStore: Send + Sync {
    fn descriptor(&self) -> &'static ChunkDescriptor;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// Makes a chunk with default values for the replica at index `replica`.
    fn insert_default(&mut self, replica: u32) -> u32;
    fn remove(&mut self, slot: u32);

    /// Turns every touched value into its snapshot, `at` a version and a time; the replicas of those that differ are added to `changed`.
    /// Runs the change
    /// handlers that primaries have; `context` says of a replica when and whose it is, unless it is about to be destroyed.
    fn capture(&mut self, at: (u32, Instant), changed: &mut Vec<u32>, context: &dyn Fn(u32) -> Option<TimeContext>);

    /// Whether encodings look at more than their base; see [`Basis::past`].
    fn predicts(&self) -> bool;
    /// The version of the snapshot in force at version `at`, unless that has been forgotten.
    fn in_force(&self, slot: u32, at: u32) -> Option<u32>;
    /// Writes the current snapshot, which is of `version`, against a basis. False, with nothing written, when that has been
    /// forgotten.
    fn encode(&self, slot: u32, basis: Basis, version: u32, share: Share, out: Out<'_>) -> bool;
    /// Writes that nothing differs from a basis of defaults, as for a peer that has had nothing else.
    fn encode_hidden(&self, basis: Basis, version: u32, share: Share, out: Out<'_>);
    /// Whether the current snapshot differs from the one in force at version `base`.
    fn differs(&self, slot: u32, base: u32) -> bool;

    /// Writes what the value is now, against the defaults, whether captured yet or not.
    fn save(&self, slot: u32, w: &mut BitWriter);
    /// Makes a chunk of what [`save`](Self::save) wrote, touched, for the replica at index `replica`.
    fn restore(&mut self, replica: u32, r: &mut BitReader<'_>) -> Result<u32, WireError>;

    /// Whether some peers may not have every chunk of the type.
    fn selective(&self) -> bool;
    /// Whether a peer may have this one.
    fn sends_to(&self, slot: u32, peer: &TargetPeer) -> bool;

    /// Takes a new snapshot from the owner, or none for one equal to the baseline. See [`Arrival`].
    fn receive(&mut self, slot: u32, arrival: Arrival, r: Option<In<'_, '_>>) -> Result<bool, ReceiveError>;
    /// Reads past an encoding of something that is here already.
    fn skip(&mut self, slot: u32, arrival: Arrival, r: In<'_, '_>) -> Result<(), ReceiveError>;
    /// Runs the change handlers for everything received since the last call.
    ///
    /// `context` says of a replica when and whose it is, and whether its primary is here.
    fn notify(&mut self, context: &dyn Fn(u32) -> Option<(TimeContext, bool)>);
    /// From now on the change handlers of this one run; see [`TypedStore::waiting`](super::TypedStore::waiting).
    fn mark_bound(&mut self, slot: u32);
    /// Whether the change handlers of this one wait.
    fn set_suspended(&mut self, slot: u32, suspended: bool);
    /// Forgets what only a proxy needs: the owner is here now.
    fn promote(&mut self, slot: u32);

    /// Whether what it has received is ever shown between what arrived.
    fn interpolates(&self) -> bool;

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

    pub(super) const fn ahead(self, version: u32) -> Ahead {
        Ahead::new(version.saturating_sub(self.base), self.base.saturating_sub(self.past)).with_calm(self.calm)
    }
}

/// How a received snapshot relates to those before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) basis: Basis,
    /// The sender's version of the new snapshot.
    pub(crate) version: u32,
    /// Which datasets come from this peer; the others are what they are in the base.
    pub(crate) share: Share,
    /// This node's version to pass it on with, when there are others to pass it on to.
    pub(crate) relay_as: Option<u32>,
}

#[derive(Debug)]
pub(crate) enum ReceiveError {
    Wire(WireError),
    /// The baseline named is one that we never had or have forgotten.
    MissingBaseline,
}
