//! What `docs/WIRE.md` takes apart bit by bit.

use gridmate_runtime::prelude::*;

/// The document's ship.
#[derive(Default, ReplicaChunk)]
#[chunk(name = "ship")]
pub struct Ship {
    /// In steps of a centimetre.
    #[dataset(quantize(-256.0..=256.0, step = 0.01))]
    pub x: f32,
    /// Falls with each hit.
    pub health: u8,
}

#[rpcs]
impl Ship {
    #[rpc]
    /// Takes that much off, everywhere.
    pub fn hit(&mut self, _ctx: &RpcContext, damage: u8) -> Propagate {
        self.health = self.health.saturating_sub(damage);
        Propagate::ToProxies
    }
}

/// Bytes as the document shows them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
