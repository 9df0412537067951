//! Many nodes in one thread, in virtual time.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::{LinkConfig, LinkConfigError, NatConfig, SkewedClock};
use crate::driver::{
    Arrival, Conditioned, Driver, DriverError, DriverStats, Ecn, MemoryDriver, MemoryNat, MemoryNetwork,
};
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
    /// Of nodes whose clock is not the world's.
    clocks: BTreeMap<usize, SkewedClock>,
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
            clocks: BTreeMap::new(),
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
        let (link, seed) = self.plug_in(self.network.bind_any()?)?;
        let node = Node::host(link.clone(), config.seed(seed))?;
        Ok(self.add(node, link))
    }

    /// Adds a node that joins the session of `host`.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn join(&mut self, host: NodeKey, config: NodeConfig) -> Result<NodeKey, WorldError> {
        self.join_with(self.network.bind_any()?, host, config)
    }

    /// Adds a box that translates the addresses of the nodes that [`join_behind`](Self::join_behind) puts there.
    ///
    /// # Errors
    /// [`WorldError::Driver`].
    pub fn nat(&mut self, config: NatConfig) -> Result<MemoryNat, WorldError> {
        Ok(self.network.nat(config)?)
    }

    /// Adds a node behind a box of this world that joins the session of `host`.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::sim::{LinkConfig, NatConfig, NatKind, World};
    /// use gridmate_runtime::{NodeConfig, Registry};
    ///
    /// let registry = Registry::builder().build()?;
    /// let mut world = World::new(7, 30, LinkConfig::perfect())?;
    /// let host = world.host(NodeConfig::new(registry.clone()))?;
    /// let home = world.nat(NatConfig::new(NatKind::Symmetric))?;
    /// world.join_behind(&home, host, NodeConfig::new(registry))?;
    /// world.run_for(Duration::from_secs(1));
    /// assert_eq!(world.node(host).members().count(), 2);
    /// home.rebind(); // the client's public port changes now
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn join_behind(&mut self, nat: &MemoryNat, host: NodeKey, config: NodeConfig) -> Result<NodeKey, WorldError> {
        self.join_with(nat.bind_any()?, host, config)
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
        for (key, node) in &mut self.nodes {
            let now = self.clocks.get(key).map_or(self.now, |clock| clock.read(self.now));
            // A driver in memory fails only when it is unplugged: the node has crashed and will be removed.
            let _ = node.tick(now);
        }
        self.now += self.interval;
        self.links.values().for_each(|link| link.set_now(self.now));
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

    /// Changes the link that one node sends over, until [`set_link`](Self::set_link) changes them all. Unknown nodes are ignored.
    ///
    /// # Errors
    /// [`WorldError::Link`].
    pub fn set_link_of(&mut self, key: NodeKey, link: LinkConfig) -> Result<(), WorldError> {
        link.validate()?;
        if let Some(shared) = self.links.get(&key.0) {
            shared.with(|driver| driver.set_link(link))?;
        }
        Ok(())
    }

    /// Cuts or mends both directions between two nodes.
    pub fn partition(&mut self, a: NodeKey, b: NodeKey, cut: bool) {
        self.partition_one_way(a, b, cut);
        self.partition_one_way(b, a, cut);
    }

    /// Cuts or mends the way from one node to another. Not between two nodes behind different boxes: neither end knows the
    /// other's address.
    pub fn partition_one_way(&mut self, from: NodeKey, to: NodeKey, cut: bool) {
        // At both ends: one of them may be behind a box, and then only that one knows the other's address.
        let (source, destination) = (self.addresses[from.0], self.addresses[to.0]);
        if let Some(link) = self.links.get(&from.0) {
            link.with(|driver| driver.partition_to(destination, cut));
        }
        if let Some(link) = self.links.get(&to.0) {
            link.with(|driver| driver.partition_from(source, cut));
        }
    }

    /// Gives a node a clock of its own from the next tick on; links go by the world's all the same. A clock that is behind
    /// the one before it must first catch up.
    pub fn set_clock(&mut self, key: NodeKey, clock: SkewedClock) {
        self.clocks.insert(key.0, clock);
    }

    /// The clock that was given to a node, to make it jump or drift.
    pub fn clock(&mut self, key: NodeKey) -> Option<&mut SkewedClock> {
        self.clocks.get_mut(&key.0)
    }

    /// Ends a node without a word to anyone.
    pub fn crash(&mut self, key: NodeKey) {
        self.nodes.remove(&key.0);
        self.links.remove(&key.0);
        self.clocks.remove(&key.0);
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

    fn join_with(&mut self, driver: MemoryDriver, host: NodeKey, config: NodeConfig) -> Result<NodeKey, WorldError> {
        let (link, seed) = self.plug_in(driver)?;
        let address = self.addresses[host.0];
        let node = Node::join(link.clone(), address, config.seed(seed))?;
        Ok(self.add(node, link))
    }

    fn plug_in(&mut self, driver: MemoryDriver) -> Result<(SharedLink, u64), WorldError> {
        let driver = Conditioned::new(driver, self.link, self.rng.next_u64())?;
        let plug = Plug { driver, now: self.now };
        Ok((SharedLink(Arc::new(Mutex::new(plug))), self.rng.next_u64()))
    }

    fn add(&mut self, node: Node, link: SharedLink) -> NodeKey {
        let key = self.addresses.len();
        self.addresses.push(node.local_addr());
        self.nodes.insert(key, node);
        self.links.insert(key, link);
        NodeKey(key)
    }
}

/// A driver that the world keeps a hand on. It goes by the world's time, whatever the node takes for it.
#[derive(Clone, Debug)]
struct SharedLink(Arc<Mutex<Plug>>);

#[derive(Debug)]
struct Plug {
    driver: Conditioned<MemoryDriver>,
    now: Instant,
}

impl SharedLink {
    fn with<R>(&self, f: impl FnOnce(&mut Conditioned<MemoryDriver>) -> R) -> R {
        self.at(|driver, _| f(driver))
    }

    fn at<R>(&self, f: impl FnOnce(&mut Conditioned<MemoryDriver>, Instant) -> R) -> R {
        let mut plug = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = plug.now;
        f(&mut plug.driver, now)
    }

    fn set_now(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now = now;
    }
}

impl Driver for SharedLink {
    fn local_addr(&self) -> SocketAddr {
        self.with(|driver| driver.local_addr())
    }

    fn receive(&mut self, _: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.at(|driver, now| driver.receive(now, sink))
    }

    fn receive_marked(&mut self, _: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        self.at(|driver, now| driver.receive_marked(now, sink))
    }

    fn max_datagram(&self) -> usize {
        self.with(|driver| driver.max_datagram())
    }

    fn send(&mut self, _: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.at(|driver, now| driver.send(now, to, datagram))
    }

    fn send_marked(&mut self, _: Instant, to: SocketAddr, ecn: Ecn, datagram: &[u8]) -> Result<(), DriverError> {
        self.at(|driver, now| driver.send_marked(now, to, ecn, datagram))
    }

    fn flush(&mut self, _: Instant) -> Result<(), DriverError> {
        self.at(|driver, now| driver.flush(now))
    }

    fn stats(&self) -> DriverStats {
        self.with(|driver| driver.stats())
    }

    fn entropy(&mut self) -> u64 {
        self.with(|driver| driver.entropy())
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
