//! Many nodes in one thread, in virtual time.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::{LinkConfig, LinkConfigError};
use crate::driver::{Conditioned, Driver, DriverError, DriverStats, MemoryDriver, MemoryNetwork};
use crate::node::{Node, NodeConfig, NodeError};
use crate::replica::ReplicaManager;
use crate::rng::Rng;
use crate::time::Instant;

/// A network of [`Node`]s that runs as fast as the machine can and the same way every time: same seed, same trace.
///
/// Every node sends through its own seeded link; all nodes tick at one rate, in the order they were made.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::sim::{LinkConfig, World};
/// use gridmate_runtime::{NodeConfig, Registry};
///
/// let registry = Registry::builder().build()?;
/// let mut world = World::new(7, 30, LinkConfig { loss: 0.1, ..LinkConfig::perfect() })?;
/// let host = world.host(NodeConfig::new(registry.clone()))?;
/// let client = world.join(host, NodeConfig::new(registry))?;
/// world.run_for(Duration::from_secs(1));
/// assert_eq!(world.node(client).members().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct World {
    network: MemoryNetwork,
    nodes: BTreeMap<usize, Node>,
    links: BTreeMap<usize, SharedLink>,
    addresses: Vec<SocketAddr>,
    link: LinkConfig,
    rng: Rng,
    now: Instant,
    interval: Duration,
}

/// Names a node of a [`World`].
///
/// ```
/// use gridmate_runtime::sim::{LinkConfig, World};
/// use gridmate_runtime::{NodeConfig, Registry};
///
/// let registry = Registry::builder().build()?;
/// let mut world = World::new(7, 30, LinkConfig::perfect())?;
/// let host = world.host(NodeConfig::new(registry.clone()))?;
/// let client = world.join(host, NodeConfig::new(registry))?;
/// assert!(world.node(host).is_host() && !world.node(client).is_host());
/// world.crash(client);
/// assert_eq!(world.keys(), [host]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(usize);

/// Why a node could not be added to a [`World`].
///
/// ```
/// use gridmate_runtime::sim::{LinkConfig, LinkConfigError, World, WorldError};
///
/// let shut = LinkConfig { bytes_per_second: Some(0), ..LinkConfig::perfect() };
/// let error = World::new(7, 30, shut).unwrap_err();
/// assert!(matches!(error, WorldError::Link(LinkConfigError::ZeroRate)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The link's parameters make no sense.
    #[error(transparent)]
    Link(#[from] LinkConfigError),
    /// The network in memory has no address left.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The node could not start.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl World {
    /// An empty world whose nodes will tick `rate` times a second and send over links like `link`.
    ///
    /// # Errors
    /// [`WorldError::Link`].
    pub fn new(seed: u64, rate: u32, link: LinkConfig) -> Result<Self, WorldError> {
        link.validate()?;
        Ok(Self {
            network: MemoryNetwork::new(),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            addresses: Vec::new(),
            link,
            rng: Rng::new(seed),
            // Not zero, so that nothing can mistake "now" for "never".
            now: Instant::from_millis(1),
            interval: Duration::from_secs(1) / rate.max(1),
        })
    }

    /// Adds a node that hosts a session.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn host(&mut self, config: NodeConfig) -> Result<NodeKey, WorldError> {
        let (link, seed) = self.plug_in()?;
        let node = Node::host(link.clone(), config.seed(seed))?;
        Ok(self.add(node, link))
    }

    /// Adds a node that joins the session of `host`.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn join(&mut self, host: NodeKey, config: NodeConfig) -> Result<NodeKey, WorldError> {
        let (link, seed) = self.plug_in()?;
        let address = self.addresses[host.0];
        let node = Node::join(link.clone(), address, config.seed(seed))?;
        Ok(self.add(node, link))
    }

    /// A node.
    ///
    /// # Panics
    /// When it has crashed.
    pub fn node(&mut self, key: NodeKey) -> &mut Node {
        self.nodes.get_mut(&key.0).expect("the node has not crashed")
    }

    /// A node's replicas.
    ///
    /// # Panics
    /// When it has crashed.
    pub fn replicas(&mut self, key: NodeKey) -> &mut ReplicaManager {
        self.node(key).replicas()
    }

    /// The nodes that are alive, in the order they were made.
    pub fn keys(&self) -> Vec<NodeKey> {
        self.nodes.keys().map(|n| NodeKey(*n)).collect()
    }

    /// Virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Time between ticks.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Ticks every node once, then lets one interval pass.
    pub fn step(&mut self) {
        for node in self.nodes.values_mut() {
            // A driver in memory fails only when it is unplugged: the node has crashed and will be removed.
            let _ = node.tick(self.now);
        }
        self.now += self.interval;
    }

    /// Steps until `span` has passed.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    /// Steps until `done` says so; how long that took, or `None` when `limit` passed first.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> Option<Duration> {
        let start = self.now;
        while !done(self) {
            if self.now - start >= limit {
                return None;
            }
            self.step();
        }
        Some(self.now - start)
    }

    /// Changes every link, now and for nodes to come.
    ///
    /// # Errors
    /// [`WorldError::Link`].
    pub fn set_link(&mut self, link: LinkConfig) -> Result<(), WorldError> {
        link.validate()?;
        for shared in self.links.values() {
            shared.with(|driver| driver.set_link(link))?;
        }
        self.link = link;
        Ok(())
    }

    /// Cuts or mends both directions between two nodes.
    pub fn partition(&mut self, a: NodeKey, b: NodeKey, cut: bool) {
        for (from, to) in [(a, b), (b, a)] {
            let address = self.addresses[to.0];
            if let Some(link) = self.links.get(&from.0) {
                link.with(|driver| driver.partition(address, cut));
            }
        }
    }

    /// Ends a node without a word to anyone.
    pub fn crash(&mut self, key: NodeKey) {
        self.nodes.remove(&key.0);
        self.links.remove(&key.0);
        self.network.unplug(self.addresses[key.0]);
    }

    /// Whether all nodes hold the same replicas with the same values.
    pub fn agree(&self) -> bool {
        let mut digests = self.nodes.values().map(|node| node.replicas_ref().digest());
        digests.next().is_none_or(|first| digests.all(|other| other == first))
    }

    /// A hash of every datagram sent: when, from whom, to whom, and its bytes.
    pub fn trace_hash(&self) -> u64 {
        self.network.trace_hash()
    }

    fn plug_in(&mut self) -> Result<(SharedLink, u64), WorldError> {
        let driver = Conditioned::new(self.network.bind_any()?, self.link, self.rng.next_u64())?;
        Ok((SharedLink(Arc::new(Mutex::new(driver))), self.rng.next_u64()))
    }

    fn add(&mut self, node: Node, link: SharedLink) -> NodeKey {
        let key = self.addresses.len();
        self.addresses.push(node.local_addr());
        self.nodes.insert(key, node);
        self.links.insert(key, link);
        NodeKey(key)
    }
}

/// A driver that the world keeps a hand on.
#[derive(Clone, Debug)]
struct SharedLink(Arc<Mutex<Conditioned<MemoryDriver>>>);

impl SharedLink {
    fn with<R>(&self, f: impl FnOnce(&mut Conditioned<MemoryDriver>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Driver for SharedLink {
    fn local_addr(&self) -> SocketAddr {
        self.with(|driver| driver.local_addr())
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.with(|driver| driver.receive(now, sink))
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.with(|driver| driver.send(now, to, datagram))
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.with(|driver| driver.flush(now))
    }

    fn stats(&self) -> DriverStats {
        self.with(|driver| driver.stats())
    }

    fn entropy(&mut self) -> u64 {
        self.with(|driver| driver.entropy())
    }
}
