//! What a node is told when it starts.

use core::time::Duration;

use super::channels::channels;
use crate::carrier::{CarrierConfig, CompressionConfig, CongestionConfig};
use crate::chunk::Registry;
use crate::limits;
use crate::replica::StateRate;
use crate::session::JoinPolicy;

/// How a node takes part in a session. Start from [`NodeConfig::new`] and change what matters.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::{NodeConfig, Registry};
///
/// let registry = Registry::builder().build()?;
/// let config = NodeConfig::new(registry).name("ada").timeout(Duration::from_secs(3));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub(super) registry: Registry,
    pub(super) name: String,
    pub(super) max_members: usize,
    pub(super) timeout: Duration,
    pub(super) keep_alive: Duration,
    pub(super) seed: Option<u64>,
    pub(super) tolerant: bool,
    pub(super) congestion: CongestionConfig,
    pub(super) compression: CompressionConfig,
    pub(super) admission: JoinPolicy,
    pub(super) credentials: Vec<u8>,
    pub(super) send_interval: Duration,
    pub(super) state_rate: StateRate,
    pub(super) share_names: bool,
    pub(super) max_rtt: Option<Duration>,
    pub(super) max_loss: Option<f32>,
    pub(super) evaluation: f32,
    pub(super) pending_timeout: Option<Duration>,
    #[cfg(feature = "parallel")]
    pub(super) encode_threads: usize,
}

impl NodeConfig {
    /// A nameless member of a session of up to 64, with a timeout of five seconds.
    pub const fn new(registry: Registry) -> Self {
        Self {
            registry,
            name: String::new(),
            max_members: 64,
            timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
            seed: None,
            tolerant: false,
            congestion: CongestionConfig::Adaptive,
            compression: CompressionConfig::None,
            admission: JoinPolicy::OPEN,
            credentials: Vec::new(),
            send_interval: Duration::ZERO,
            state_rate: StateRate::UNLIMITED,
            share_names: false,
            max_rtt: None,
            max_loss: None,
            evaluation: 1.0,
            pending_timeout: None,
            #[cfg(feature = "parallel")]
            encode_threads: 1,
        }
    }

    /// The name others see; cut at [`limits::NAME_BYTES`] bytes.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many members a hosted session takes, the host included. At most [`limits::MEMBERS`].
    #[must_use]
    pub fn max_members(mut self, members: usize) -> Self {
        self.max_members = members.clamp(1, limits::MEMBERS);
        self
    }

    /// How long a connection may be silent before it counts as lost.
    #[must_use]
    pub const fn timeout(mut self, silence: Duration) -> Self {
        self.timeout = silence;
        self
    }

    /// Ends a connection whose smoothed round trip is longer than this for a second ([`LeaveReason::Latency`](crate::LeaveReason)). Without
    /// it none is.
    #[must_use]
    pub const fn max_rtt(mut self, most: Duration) -> Self {
        self.max_rtt = Some(most);
        self
    }

    /// Ends a connection that loses more than this share of its packets over a second or more
    /// ([`LeaveReason::Loss`](crate::LeaveReason)), 0 to 1. Without it none is.
    #[must_use]
    pub const fn max_loss(mut self, most: f32) -> Self {
        self.max_loss = Some(most);
        self
    }

    /// When one connection has timed out, gives those up too that were silent for more than this share of the
    /// [`timeout`](Self::timeout), 0 to 1: what took one peer away has probably taken the others. Without it none is.
    #[must_use]
    pub const fn evaluation(mut self, share: f32) -> Self {
        self.evaluation = share;
        self
    }

    /// How long a program that has answered a joiner with "pending" may take; otherwise as
    /// [`CarrierConfig`](crate::carrier::CarrierConfig) has it.
    #[must_use]
    pub const fn pending_timeout(mut self, most: Duration) -> Self {
        self.pending_timeout = Some(most);
        self
    }

    /// How often an idle connection says that it is alive. Well below the other end's timeout.
    #[must_use]
    pub const fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// Seeds everything random, for runs that can be repeated. Without it, the driver's
    /// [`entropy`](crate::driver::Driver::entropy) does.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What decides how much each connection may send. Without it, [`Adaptive`](crate::carrier::Adaptive) does.
    ///
    /// ```
    /// use gridmate_runtime::carrier::CongestionConfig;
    /// use gridmate_runtime::{NodeConfig, Registry};
    ///
    /// let registry = Registry::builder().build()?;
    /// let on_a_lan = NodeConfig::new(registry).congestion(CongestionConfig::Unlimited);
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    #[must_use]
    pub fn congestion(mut self, congestion: CongestionConfig) -> Self {
        self.congestion = congestion;
        self
    }

    /// How often state goes out: ticks in between carry calls and messages, and receive, and what changes in them waits. Without it, or
    /// with less than the time between ticks, state goes out in every tick.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::{NodeConfig, Registry};
    ///
    /// // A program that ticks sixty times a second, and sends state twenty times.
    /// let config = NodeConfig::new(Registry::builder().build()?).send_interval(Duration::from_millis(50));
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    #[must_use]
    pub const fn send_interval(mut self, interval: Duration) -> Self {
        self.send_interval = interval;
        self
    }

    /// How many bytes of state a second each peer is sent at most, besides what congestion control lets through. Without it, that
    /// alone decides. [`Node::set_state_rate`](crate::Node::set_state_rate) changes it for one member.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::replica::StateRate;
    /// use gridmate_runtime::{NodeConfig, Registry};
    ///
    /// let rate = StateRate::new(32_000).burst(Duration::from_millis(500));
    /// let config = NodeConfig::new(Registry::builder().build()?).state_rate(rate);
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    #[must_use]
    pub const fn state_rate(mut self, rate: StateRate) -> Self {
        self.state_rate = rate;
        self
    }

    /// Exchanges names of replicas ([`ReplicaManager::set_name`](crate::ReplicaManager::set_name)) with nodes that do so too: for logs, while a game is
    /// made. Without it, names stay where they are given.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::prelude::*;
    /// use gridmate_runtime::sim::{LinkConfig, World};
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// struct Truck {
    ///     x: f32,
    /// }
    ///
    /// let registry = Registry::builder().chunk::<Truck>().build()?;
    /// let mut world = World::new(7, 30, LinkConfig::perfect())?;
    /// let host = world.host(NodeConfig::new(registry.clone()).share_names(cfg!(debug_assertions)))?;
    /// let client = world.join(host, NodeConfig::new(registry).share_names(cfg!(debug_assertions)))?;
    /// let truck = world.replicas(host).add(Truck::default())?;
    /// world.replicas(host).set_name(truck, "the red one")?;
    /// world.run_for(Duration::from_secs(1));
    /// let known = cfg!(debug_assertions).then_some("the red one");
    /// assert_eq!(world.replicas(client).name(truck), known);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn share_names(mut self, share: bool) -> Self {
        self.share_names = share;
        self
    }

    /// On how many threads of its own the node encodes state. Without it, on the one that ticks. Messages are the same bit by bit. It pays
    /// where some thousand replicas change in a tick and cores are idle; see
    /// [`ReplicaManager::set_encode_threads`](crate::ReplicaManager::set_encode_threads). Feature `parallel`.
    ///
    /// ```
    /// use gridmate_runtime::{NodeConfig, Registry};
    ///
    /// let config = NodeConfig::new(Registry::builder().build()?).encode_threads(4);
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    #[cfg(feature = "parallel")]
    #[must_use]
    pub const fn encode_threads(mut self, threads: usize) -> Self {
        self.encode_threads = threads;
        self
    }

    /// Compresses what it says to peers that have the same compressor and dictionary. Without it, nothing is. State has little left that
    /// a compressor could find; text and bytes of the program's own may have. See [`Compressor`](crate::carrier::Compressor) for when
    /// it is better left off.
    ///
    /// ```
    /// use gridmate_runtime::carrier::CompressionConfig;
    /// use gridmate_runtime::{NodeConfig, Registry};
    ///
    /// let registry = Registry::builder().build()?;
    /// # let config = NodeConfig::new(registry);
    /// # #[cfg(feature = "lz4")]
    /// let config = config.compression(CompressionConfig::Lz4 { dictionary: Default::default() }); // feature `lz4`
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    #[must_use]
    pub fn compression(mut self, compression: CompressionConfig) -> Self {
        self.compression = compression;
        self
    }

    /// Gets along with programs that are a little older or newer: that have fewer, or more, datasets *at the end* of some chunks.
    /// Both ends have to say so. Without it a session is of one schema.
    ///
    /// What only the newer end knows is not sent. It stays where it is written: at every node that the value would have to reach
    /// through an older one, host or owner, such a dataset has its default, as if it had `#[dataset(skip)]`. Everything else that
    /// can differ still keeps a joiner out, with the chunk and the field that differ: what is removed, moved, renamed or inserted, another
    /// codec, range, coder or flag, RPCs and chunk types more or less. [`Snapshot::diff`](crate::schema::Snapshot::diff) calls exactly what
    /// is let in [`Compatible`](crate::schema::Compatibility::Compatible). Whether both ends mean the same by what they share,
    /// default values included, nobody checks.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    /// # mod released {
    /// #     use gridmate_runtime::prelude::*;
    /// #     #[derive(Default, ReplicaChunk)]
    /// #     #[chunk(name = "ship")]
    /// #     pub struct Ship {
    /// #         pub hull: u8,
    /// #     }
    /// # }
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// #[chunk(name = "ship")]
    /// struct Ship {
    ///     hull: u8,
    ///     shield: u8, // not in the program that was released
    /// }
    ///
    /// # let network = MemoryNetwork::new();
    /// let old = NodeConfig::new(Registry::builder().chunk::<released::Ship>().build()?).tolerant();
    /// let new = NodeConfig::new(Registry::builder().chunk::<Ship>().build()?).tolerant();
    /// let mut host = Node::host(network.bind_any()?, old)?;
    /// let mut client = Node::join(network.bind_any()?, host.local_addr(), new)?;
    /// let id = host.replicas().add(released::Ship { hull: 9 })?;
    /// for frame in 0..10 {
    ///     host.tick(Instant::from_millis(frame * 16))?;
    ///     client.tick(Instant::from_millis(frame * 16))?;
    /// }
    /// let ship = client.replicas().get::<Ship>(id)?;
    /// assert_eq!((ship.hull, ship.shield), (9, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn tolerant(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// What the carrier has to know of it.
    pub(super) fn carrier(&self, max_datagram: usize) -> CarrierConfig {
        let (schema, room) = (self.registry.snapshot(), limits::SCHEMA_DETAIL_BYTES);
        let default = CarrierConfig::default();
        CarrierConfig {
            schema: self.registry.fingerprint(),
            schema_details: if self.tolerant { schema.offer(room) } else { schema.digest(room) },
            channels: channels(),
            max_datagram,
            congestion: self.congestion.clone(),
            compression: self.compression.clone(),
            timeout: self.timeout,
            keep_alive: self.keep_alive,
            handshake_timeout: self.timeout.max(default.handshake_timeout),
            pending_timeout: self.pending_timeout.unwrap_or(default.pending_timeout),
            max_rtt: self.max_rtt,
            max_loss: self.max_loss,
            evaluation: self.evaluation,
            ..default
        }
    }
}
