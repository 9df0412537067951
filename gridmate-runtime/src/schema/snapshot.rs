//! What a registry's types look like, as plain data that can be kept, read back and compared.
//!
//! A [`ChunkSchema`] belongs to the program that was built from it. A [`Snapshot`] has the same names and layouts as text, so
//! it can come from a file that another build wrote. Both print alike, and have the same fingerprint.

use core::fmt;

use super::{ChunkSchema, FNV_OFFSET, fnv1a};
use crate::wire::FieldShape;

/// All chunk types of a registry, sorted by name.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::schema::Snapshot;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "door")]
/// struct Door {
///     open: bool,
/// }
///
/// let registry = Registry::builder().chunk::<Door>().build()?;
/// let snapshot = Snapshot::from_json(&registry.to_json())?;
/// assert_eq!(snapshot, registry.snapshot());
/// assert_eq!(snapshot.fingerprint(), registry.fingerprint());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The types.
    pub chunks: Vec<ChunkSnapshot>,
}

/// One chunk type of a [`Snapshot`].
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "door")]
/// struct Door {
///     open: bool,
/// }
///
/// let snapshot = Registry::builder().chunk::<Door>().build()?.snapshot();
/// assert_eq!(snapshot.chunks[0].name, "door");
/// assert_eq!(snapshot.chunks[0].to_string(), "chunk door\n  open: bool\n");
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkSnapshot {
    /// The type's name on the wire.
    pub name: String,
    /// Who may create it, written out; empty where everyone may.
    pub flags: String,
    /// Its datasets, in wire order.
    pub datasets: Vec<FieldSnapshot>,
    /// Its RPCs, in the order of their indices.
    pub rpcs: Vec<RpcSnapshot>,
}

/// A dataset, or an argument of an RPC.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::schema::FieldSnapshot;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// let snapshot = Registry::builder().chunk::<Door>().build()?.snapshot();
/// assert_eq!(snapshot.chunks[0].datasets, [FieldSnapshot { name: "open".to_owned(), shape: "bool".to_owned() }]);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSnapshot {
    /// Its name.
    pub name: String,
    /// Its layout, written out.
    pub shape: String,
}

/// One RPC of a [`ChunkSnapshot`].
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
///     #[rpc]
///     fn knock(&mut self, _ctx: &RpcContext, times: u8) {}
/// }
///
/// let snapshot = Registry::builder().chunk::<Door>().build()?.snapshot();
/// let knock = &snapshot.chunks[0].rpcs[0];
/// assert_eq!((knock.name.as_str(), knock.args[0].shape.as_str()), ("knock", "u8"));
/// assert!(knock.flags.contains("reliable"));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcSnapshot {
    /// The handler's name.
    pub name: String,
    /// Its arguments, in wire order.
    pub args: Vec<FieldSnapshot>,
    /// How it travels and who may call, written out.
    pub flags: String,
}

impl Snapshot {
    /// The number that programs with this schema introduce themselves with.
    pub fn fingerprint(&self) -> u64 {
        fnv1a(self.to_string().as_bytes(), FNV_OFFSET)
    }
}

impl RpcSnapshot {
    /// Everything but the name, written out.
    pub(super) fn signature(&self) -> String {
        let args: Vec<_> = self.args.iter().map(ToString::to_string).collect();
        format!("{{ {} }} {}", args.join(", "), self.flags)
    }
}

impl<'a> FromIterator<&'a ChunkSchema> for Snapshot {
    fn from_iter<I: IntoIterator<Item = &'a ChunkSchema>>(schemas: I) -> Self {
        Self { chunks: schemas.into_iter().map(ChunkSnapshot::from).collect() }
    }
}

impl From<&ChunkSchema> for ChunkSnapshot {
    fn from(schema: &ChunkSchema) -> Self {
        let fields = |fields: &[FieldShape]| -> Vec<_> {
            fields.iter().map(|f| FieldSnapshot { name: f.name.to_owned(), shape: f.shape.to_string() }).collect()
        };
        let rpcs = schema.rpcs.iter();
        Self {
            name: schema.name.to_owned(),
            flags: schema.flags.to_owned(),
            datasets: fields(&schema.datasets),
            rpcs: rpcs
                .map(|rpc| RpcSnapshot { name: rpc.name.to_owned(), args: fields(&rpc.args), flags: rpc.flags.clone() })
                .collect(),
        }
    }
}

/// As a registry prints.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chunks.iter().try_for_each(|chunk| chunk.fmt(f))
    }
}

impl fmt::Display for ChunkSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(self.datasets.len(), f)
    }
}

impl ChunkSnapshot {
    /// Its name, and who may create it.
    pub(super) fn title(&self) -> String {
        if self.flags.is_empty() { self.name.clone() } else { format!("{} {}", self.name, self.flags) }
    }

    /// Prints it as if it had only the first `datasets`.
    pub(super) fn print(&self, datasets: usize, f: &mut impl fmt::Write) -> fmt::Result {
        writeln!(f, "chunk {}", self.title())?;
        for dataset in self.datasets.iter().take(datasets) {
            writeln!(f, "  {dataset}")?;
        }
        for rpc in &self.rpcs {
            writeln!(f, "  rpc {} {}", rpc.name, rpc.signature())?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.shape)
    }
}
