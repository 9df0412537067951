//! What a node is told when it starts.

use core::time::Duration;

use super::channels::CHANNELS;
use crate::carrier::CarrierConfig;
use crate::chunk::Registry;
use crate::limits;

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

    /// What the carrier has to know of it.
    pub(super) fn carrier(&self) -> CarrierConfig {
        CarrierConfig {
            schema: self.registry.fingerprint(),
            schema_details: self.registry.snapshot().digest(limits::SCHEMA_DETAIL_BYTES),
            channels: CHANNELS.to_vec(),
            timeout: self.timeout,
            keep_alive: self.keep_alive,
            handshake_timeout: self.timeout.max(CarrierConfig::default().handshake_timeout),
            ..CarrierConfig::default()
        }
    }
}
