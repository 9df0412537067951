//! The list of chunk types a program replicates.

use core::any::TypeId;
use core::fmt;

use crate::chunk::{ArgDescriptor, ChunkStore, MayCall, ReplicaChunk, RpcFlags, TypedStore};
use crate::limits;
use crate::schema::{ChunkDescriptor, ChunkSchema, Coder, FNV_OFFSET, RpcSchema, Snapshot, fnv1a};
use crate::wire::{FieldShape, Shape};

/// Chunk types by name. Frozen once built; every node of a session needs the same one.
///
/// Types are sorted by name, so the order they are listed in means nothing and their place in the list is their number on the
/// wire. The list is explicit: what replicates is there to read, and cannot depend on what was linked.
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
/// let registry = Registry::builder().chunk::<Door>().build()?;
/// assert_eq!(registry.to_string(), "chunk door\n  open: bool\n");
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    types: Vec<ChunkType>,
    fingerprint: u64,
    modelled: bool,
}

/// Collects chunk types for a [`Registry`].
///
/// ```
/// use gridmate_runtime::{Registry, ReplicaChunk};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct Lamp {
///     lit: bool,
/// }
///
/// // Each part of a program can list its own; the order means nothing.
/// let one = Registry::builder().chunk::<Door>().chunk::<Lamp>().build()?;
/// let other = Registry::builder().chunk::<Lamp>().chunk::<Door>().build()?;
/// assert_eq!(one.fingerprint(), other.fingerprint());
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Default)]
pub struct RegistryBuilder {
    types: Vec<ChunkType>,
    coder: Option<Coder>,
}

#[derive(Clone)]
pub(crate) struct ChunkType {
    pub(crate) type_id: TypeId,
    rust_name: &'static str,
    schema: ChunkSchema,
    coder: Coder,
    make_store: fn(u16, Coder) -> Box<dyn ChunkStore>,
}

/// Why a list of chunk types cannot be used.
///
/// ```
/// use gridmate_runtime::{Registry, RegistryError, ReplicaChunk};
///
/// mod doors {
/// #     use gridmate_runtime::ReplicaChunk;
///     #[derive(Default, ReplicaChunk)]
///     pub struct State {
///         pub open: bool,
///     }
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct State {
///     lit: bool,
/// }
///
/// let error = Registry::builder().chunk::<State>().chunk::<doors::State>().build().unwrap_err();
/// assert!(matches!(error, RegistryError::SameName { name: "State", .. }));
/// assert!(error.to_string().contains("give one of them another `#[chunk(name"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two types have one name on the wire.
    #[error("{first} and {second} are both named \"{name}\"; give one of them another `#[chunk(name = \"…\")]`")]
    SameName {
        /// The name.
        name: &'static str,
        /// One type.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A type without a name.
    #[error("{0} has an empty name; give it one with `#[chunk(name = \"…\")]`")]
    EmptyName(&'static str),
    /// More RPCs than an index can name.
    #[error("{rust_name} has {count} RPCs, {} at most", limits::RPCS_PER_CHUNK)]
    TooManyRpcs {
        /// The type.
        rust_name: &'static str,
        /// How many it has.
        count: usize,
    },
    /// More types than a number on the wire can name.
    #[error("{0} chunk types, 65,536 at most")]
    TooManyTypes(usize),
}

impl Registry {
    /// Starts an empty list.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// A number that differs, but for a chance of 2⁻⁶⁴, when any name, order, layout, range, RPC flag or signature differs.
    /// It covers what is declared, not what handlers do, nor which values a type has by default: all nodes must run the same
    /// `Default`.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The types' schemas, sorted by name.
    pub fn schemas(&self) -> impl Iterator<Item = &ChunkSchema> {
        self.types.iter().map(|t| &t.schema)
    }

    /// All schemas as plain data, to be kept or compared.
    pub fn snapshot(&self) -> Snapshot {
        self.schemas().collect()
    }

    /// All schemas as JSON; [`Snapshot::from_json`] reads it.
    pub fn to_json(&self) -> String {
        self.snapshot().to_json()
    }

    /// Whether messages of state are under models: some dataset has the entropy coder.
    pub(crate) const fn is_modelled(&self) -> bool {
        self.modelled
    }

    pub(crate) fn types(&self) -> &[ChunkType] {
        &self.types
    }
}

impl RegistryBuilder {
    /// Adds a chunk type. Adding one twice is the same as once.
    #[must_use]
    pub fn chunk<T: ReplicaChunk>(self) -> Self {
        self.with::<T>(|class, coder| Box::new(TypedStore::<T>::new(class, coder)))
    }

    /// The same, for programs that give every replica something of their own to stand for, an entity: the change handlers of
    /// a proxy wait until the program says [`ReplicaManager::mark_bound`](crate::ReplicaManager::mark_bound).
    #[must_use]
    pub fn bound_chunk<T: ReplicaChunk>(self) -> Self {
        self.with::<T>(|class, coder| Box::new(TypedStore::<T>::waiting(class, coder)))
    }

    fn with<T: ReplicaChunk>(mut self, make_store: fn(u16, Coder) -> Box<dyn ChunkStore>) -> Self {
        if self.is_new(TypeId::of::<T>()) {
            self.types.push(ChunkType {
                type_id: TypeId::of::<T>(),
                rust_name: core::any::type_name::<T>(),
                schema: schema_of::<T>(),
                coder: T::DESCRIPTOR.coder,
                make_store,
            });
        }
        self
    }

    fn is_new(&self, type_id: TypeId) -> bool {
        self.types.iter().all(|t| t.type_id != type_id)
    }

    /// Gives all types this coder, whatever they declare: for sessions short of bandwidth, or of time.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    /// use gridmate_runtime::schema::Coder;
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// struct Door {
    ///     open: bool,
    /// }
    ///
    /// let small = Registry::builder().coder(Coder::Entropy).chunk::<Door>().build()?;
    /// assert_ne!(small.fingerprint(), Registry::builder().chunk::<Door>().build()?.fingerprint());
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    #[must_use]
    pub const fn coder(mut self, coder: Coder) -> Self {
        self.coder = Some(coder);
        self
    }

    /// Sorts, checks and freezes the list.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn build(mut self) -> Result<Registry, RegistryError> {
        self.types.sort_by_key(|t| t.schema.name);
        for t in &mut self.types {
            t.settle_coder(self.coder);
        }
        if u16::try_from(self.types.len()).is_err() {
            return Err(RegistryError::TooManyTypes(self.types.len()));
        }
        for t in &self.types {
            if t.schema.name.is_empty() {
                return Err(RegistryError::EmptyName(t.rust_name));
            }
            if t.schema.rpcs.len() > limits::RPCS_PER_CHUNK {
                return Err(RegistryError::TooManyRpcs { rust_name: t.rust_name, count: t.schema.rpcs.len() });
            }
        }
        for pair in self.types.windows(2) {
            if pair[0].schema.name == pair[1].schema.name {
                return Err(RegistryError::SameName {
                    name: pair[0].schema.name,
                    first: pair[0].rust_name,
                    second: pair[1].rust_name,
                });
            }
        }
        let fingerprint = self.types.iter().fold(FNV_OFFSET, |hash, t| fnv1a(t.schema.to_string().as_bytes(), hash));
        // A type without datasets has nothing to put under models, and its schema does not show the coder.
        let modelled = self.types.iter().any(|t| t.coder == Coder::Entropy && !t.schema.datasets.is_empty());
        Ok(Registry { types: self.types, fingerprint, modelled })
    }
}

impl ChunkType {
    pub(crate) fn make_store(&self, class: u16) -> Box<dyn ChunkStore> {
        (self.make_store)(class, self.coder)
    }

    /// The coder is part of what nodes must agree on, so it shows in the layout of every dataset.
    fn settle_coder(&mut self, forced: Option<Coder>) {
        self.coder = forced.unwrap_or(self.coder);
        if self.coder == Coder::Entropy {
            for FieldShape { shape, .. } in &mut self.schema.datasets {
                *shape = Shape::named("entropy", [shape.clone()]);
            }
        }
    }
}

/// The schema, a chunk type a paragraph.
impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schemas().try_for_each(|schema| schema.fmt(f))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.schemas().map(|s| s.name).collect();
        f.debug_struct("Registry").field("types", &names).field("fingerprint", &self.fingerprint).finish()
    }
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.types.iter().map(|t| t.schema.name).collect();
        f.debug_struct("RegistryBuilder").field("types", &names).finish()
    }
}

// What is generic is compiled for each chunk type, in each build of the program. It is kept to a few lines here and in `store`.
fn schema_of<T: ReplicaChunk>() -> ChunkSchema {
    let mut schema = schema_of_datasets(T::DESCRIPTOR);
    if const { !T::RPCS.is_empty() } {
        for rpc in T::RPCS {
            schema.rpcs.push(schema_of_rpc(rpc.name, rpc.flags, rpc.args, rpc.reply));
        }
    }
    schema
}

fn schema_of_datasets(descriptor: &ChunkDescriptor) -> ChunkSchema {
    let datasets = descriptor.datasets.iter().map(|d| FieldShape { name: d.name, shape: (d.shape)() }).collect();
    ChunkSchema { name: descriptor.name, datasets, rpcs: Vec::new() }
}

fn schema_of_rpc(
    name: &'static str,
    flags: RpcFlags,
    args: &[ArgDescriptor],
    reply: Option<fn() -> Shape>,
) -> RpcSchema {
    let args = args.iter().map(|a| FieldShape { name: a.name, shape: (a.shape)() }).collect();
    let answers = reply.map(|shape| format!(" answers {}", shape())).unwrap_or_default();
    RpcSchema { name, flags: describe(flags) + &answers, args }
}

fn describe(flags: RpcFlags) -> String {
    let reliable = if flags.reliable { "reliable" } else { "unreliable" };
    let attached = if flags.post_attached { " post_attached" } else { "" };
    let may_call = match flags.may_call {
        MayCall::Anyone => "",
        MayCall::Owner => " owner_only",
        MayCall::Authority => " authority_only",
    };
    let relayed = if flags.relayed { "" } else { " no_relay" };
    let rate = flags.rate.map(|r| format!(" rate {} burst {}", r.per_second, r.burst)).unwrap_or_default();
    format!("{reliable}{attached}{may_call}{relayed}{rate}")
}
