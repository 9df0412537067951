//! The shape of a chunk type in full: what two programs must agree on, as text and as a number.

use core::fmt;

use crate::wire::{FieldShape, Shape};

/// Everything about a chunk type that decides what its bits mean. Two programs whose schemas print alike understand each
/// other; what the values are *used* for is beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkSchema {
    /// The type's name on the wire.
    pub name: &'static str,
    /// Its datasets, in wire order.
    pub datasets: Vec<FieldShape>,
    /// Its RPCs, in the order of their indices.
    pub rpcs: Vec<RpcSchema>,
}

/// One RPC of a [`ChunkSchema`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcSchema {
    /// The handler's name.
    pub name: &'static str,
    /// How it travels and who may call, written out.
    pub flags: String,
    /// Its arguments, in wire order.
    pub args: Vec<FieldShape>,
}

impl fmt::Display for ChunkSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "chunk {}", self.name)?;
        for dataset in &self.datasets {
            writeln!(f, "  {dataset}")?;
        }
        for rpc in &self.rpcs {
            let args = Shape::Struct(rpc.name, rpc.args.clone());
            writeln!(f, "  rpc {args} {}", rpc.flags)?;
        }
        Ok(())
    }
}

/// FNV-1a, 64 bits, of `text`: what fingerprints and digests are made of.
///
/// ```
/// assert_eq!(gridmate_runtime::schema::fnv1a(b"a", gridmate_runtime::schema::FNV_OFFSET), 0xaf63_dc4c_8601_ec8c);
/// ```
pub const fn fnv1a(bytes: &[u8], mut hash: u64) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// Where an [`fnv1a`] hash starts.
pub const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
