//! What the derive says about a type that no tick needs to know: names, flags, shapes.

use crate::wire::Shape;

/// A chunk type as data. Lives in a `static`; the derive writes it.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "door", priority = Priority::LOW)]
/// struct Door {
///     open: bool,
/// }
///
/// assert_eq!((Door::DESCRIPTOR.name, Door::DESCRIPTOR.priority), ("door", Priority::LOW));
/// assert!(!Door::DESCRIPTOR.migratable);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ChunkDescriptor {
    /// The type's name on the wire: `#[chunk(name = "…")]`, else the struct's own.
    pub name: &'static str,
    /// Whether replicas with this chunk may have another owner: when theirs is lost, when one asks, when the host says so.
    pub migratable: bool,
    /// How much it matters when bytes are short.
    pub priority: Priority,
    /// How many times a second its changes go out at most; none when every tick will do.
    pub rate: Option<u16>,
    /// How its values become bits, unless the registry says so for all.
    pub coder: Coder,
    /// What becomes of it when a node creates it that is not the host; everyone may create it without.
    pub host_only: Option<HostOnly>,
    /// Its datasets, in wire order.
    pub datasets: &'static [DatasetDescriptor],
}

/// What a host refuses when a client creates a chunk that only a host creates.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::schema::HostOnly;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(host_only)]
/// struct Loot {
///     gold: u32,
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(host_only = Replica)]
/// struct Referee {
///     round: u8,
/// }
///
/// assert_eq!(Loot::DESCRIPTOR.host_only, Some(HostOnly::Chunk));
/// assert_eq!(Referee::DESCRIPTOR.host_only, Some(HostOnly::Replica));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostOnly {
    /// The chunk. The rest of the replica is taken in; the host and all others have it without this chunk, whoever owns the replica later. The
    /// client keeps it for itself.
    Chunk,
    /// The whole replica: creating it is an error on a client ([`AddError::HostOnly`](crate::replica::AddError::HostOnly)), and one that
    /// sends it all the same loses its connection.
    Replica,
}

/// How the values of a chunk become bits. Both coders are written from the same declaration.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(coder = Entropy)]
/// struct Cube {
///     #[dataset(predict = Linear)]
///     height: f32,
/// }
///
/// let registry = Registry::builder().chunk::<Cube>().build()?;
/// assert_eq!(registry.to_string(), "chunk Cube\n  height: entropy<linear<f32>>\n");
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coder {
    /// Fixed codes, bit for bit: an encoding is made once and copied to every peer.
    #[default]
    Packed,
    /// Codes by what is likely: a fifth less in scenes with much motion, for some nanoseconds more a value and peer. One chunk
    /// type with it makes messages of state so; other types keep their codes within them.
    Entropy,
}

impl ChunkDescriptor {
    /// A chunk type that is as chunk types are by default.
    ///
    /// ```
    /// use gridmate_runtime::schema::ChunkDescriptor;
    /// use gridmate_runtime::Priority;
    ///
    /// const DOOR: ChunkDescriptor = ChunkDescriptor::new("door", &[]).migratable().with_priority(Priority::LOW);
    /// assert!(DOOR.migratable && DOOR.priority == Priority::LOW);
    /// ```
    pub const fn new(name: &'static str, datasets: &'static [DatasetDescriptor]) -> Self {
        Self {
            name,
            migratable: false,
            priority: Priority::NORMAL,
            rate: None,
            coder: Coder::Packed,
            host_only: None,
            datasets,
        }
    }

    /// Another node may own it.
    pub const fn migratable(self) -> Self {
        Self { migratable: true, ..self }
    }

    /// How its values become bits.
    pub const fn with_coder(self, coder: Coder) -> Self {
        Self { coder, ..self }
    }

    /// Its changes go out so many times a second at most. What they came to goes out in the end.
    ///
    /// # Panics
    /// With 0.
    pub const fn with_rate(self, per_second: u16) -> Self {
        assert!(per_second > 0, "with a rate of 0 nothing would ever arrive");
        Self { rate: Some(per_second), ..self }
    }

    /// Only a host creates it.
    pub const fn host_only(self, refused: HostOnly) -> Self {
        Self { host_only: Some(refused), ..self }
    }

    /// How much it matters.
    pub const fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }
}

/// A dataset as data.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
///     #[dataset(skip)]
///     drawn: u32,
/// }
///
/// let [open] = Door::DESCRIPTOR.datasets else { panic!("what is skipped is no dataset") };
/// assert_eq!((open.name, (open.shape)().to_string()), ("open", "bool".to_owned()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DatasetDescriptor {
    /// The field's name.
    pub name: &'static str,
    /// Its layout. A function, because a codec's parameters are values.
    pub shape: fn() -> Shape,
}

/// How much a replica matters when bytes are short: it is sent in proportion to 1 + level / 8192, and nothing starves (see
/// [`set_relevance`](crate::ReplicaManager::set_relevance)). A replica has the highest priority of its chunks. The numbers are
/// GridMate's.
///
/// ```
/// use gridmate_runtime::Priority;
///
/// assert!(Priority::HIGH > Priority::default());
/// assert!(Priority::new(0x9000) > Priority::NORMAL);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u16);

impl Priority {
    /// Goes first of all, and when there is no room too: of each tick's state to a peer, up to
    /// [`limits::REALTIME_BYTES`](crate::limits::REALTIME_BYTES) of this class go out whatever the budget is.
    pub const REALTIME: Self = Self(0xFFFF);
    /// 0xFFFE.
    pub const HIGHEST: Self = Self(0xFFFE);
    /// 0xC000.
    pub const HIGH: Self = Self(0xC000);
    /// 0x8000, the default.
    pub const NORMAL: Self = Self(0x8000);
    /// 0x4000.
    pub const LOW: Self = Self(0x4000);
    /// 0.
    pub const LOWEST: Self = Self(0);

    /// Any level in between.
    pub const fn new(level: u16) -> Self {
        Self(level)
    }

    /// The level as a number.
    pub const fn level(self) -> u16 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::NORMAL
    }
}
