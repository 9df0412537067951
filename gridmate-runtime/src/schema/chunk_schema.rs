//! The shape of a chunk type in full: what two programs must agree on, as text and as a number.

use core::fmt;

use crate::wire::{FieldShape, Shape};

/// Everything about a chunk type that decides what its bits mean. Two programs whose schemas print alike understand each
/// other; what the values are *used* for is beyond it.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "door")]
/// struct Door {
///     open: bool,
///     #[dataset(skip)]
///     drawn: u32,
/// }
///
/// let registry = Registry::builder().chunk::<Door>().build()?;
/// let schema = registry.schemas().next().expect("one type was listed");
/// assert_eq!((schema.name, schema.datasets.len(), schema.rpcs.len()), ("door", 1, 0));
/// assert_eq!(schema.to_string(), "chunk door\n  open: bool\n");
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkSchema {
    /// The type's name on the wire.
    pub name: &'static str,
    /// Who may create it, written out; empty where everyone may.
    pub flags: &'static str,
    /// Its datasets, in wire order.
    pub datasets: Vec<FieldShape>,
    /// Its RPCs, in the order of their indices.
    pub rpcs: Vec<RpcSchema>,
}

/// One RPC of a [`ChunkSchema`].
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// #[rpcs]
/// impl Door {
///     #[rpc(unreliable)]
///     fn knock(&mut self, _ctx: &RpcContext, times: u8) {}
/// }
///
/// let registry = Registry::builder().chunk::<Door>().build()?;
/// let knock = &registry.schemas().next().expect("one type was listed").rpcs[0];
/// assert_eq!((knock.name, knock.args[0].to_string()), ("knock", "times: u8".to_owned()));
/// assert!(knock.flags.starts_with("unreliable"));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
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
        let space = if self.flags.is_empty() { "" } else { " " };
        writeln!(f, "chunk {}{space}{}", self.name, self.flags)?;
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
