//! Are two nodes of one mind? A number that says so.

use super::ReplicaManager;
use crate::chunk::Basis;
use crate::chunk::coder::Out;
use crate::ids::ReplicaId;
use crate::schema::{FNV_OFFSET, fnv1a};
use crate::wire::BitWriter;

impl ReplicaManager {
    /// A hash of every replica's id, chunk types and current datasets, whoever owns it; nodes that agree have equal digests.
    /// Changes that no tick has captured yet are not in it.
    pub fn digest(&self) -> u64 {
        self.digests().into_iter().fold(FNV_OFFSET, |hash, (_, digest)| fnv1a(&digest.to_le_bytes(), hash))
    }

    /// The parts of [`digest`](Self::digest): each replica's own, in the order of ids. Tells *which* replicas two nodes
    /// disagree on.
    pub fn digests(&self) -> Vec<(ReplicaId, u64)> {
        let mut w = BitWriter::new();
        let mut all: Vec<_> = self
            .entries
            .iter()
            .filter(|e| e.live && !e.dying && e.version != 0)
            .map(|entry| {
                w.clear();
                w.gamma(entry.id.creator.0);
                w.gamma(entry.id.serial);
                for chunk in &entry.chunks {
                    w.gamma(u32::from(chunk.class) + 1);
                    self.stores[usize::from(chunk.class)].encode(
                        chunk.slot,
                        Basis::DEFAULTS,
                        entry.version,
                        None,
                        Out::Packed(&mut w),
                    );
                }
                (entry.id, fnv1a(w.finish(), FNV_OFFSET))
            })
            .collect();
        all.sort_unstable();
        all
    }
}
