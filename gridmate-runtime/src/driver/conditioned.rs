//! Weather for any driver: wraps one, and loses, delays, repeats and damages what passes through it.
//!
//! Every destination has a [`Link`] of its own, seeded from the wrapper's seed and the address, so what happens to one
//! destination's datagrams does not depend on what is sent to another. Delayed datagrams wait in a bounded heap and leave
//! when the program next calls `receive` or `flush` with a time that is late enough: under a simulation that is exact,
//! under a real socket it is rounded up to the tick. [`Conditioned::next_release`] says when it is worth calling.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::fnv::Fnv;
use super::held::Held;
use super::{Driver, DriverError, DriverStats, canonical, is_movable};
use crate::rng::Rng;
use crate::sim::{Link, LinkConfig, LinkConfigError, Refusal};
use crate::time::Instant;

/// Links that nobody set by name, per direction, count. Made-up source addresses stop here: one more, and all of them
/// start over as new.
const LINKS_MAX: usize = 16_384;

/// A driver behind links that misbehave. The outgoing direction always has them, the incoming one on demand.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Conditioned, Driver, MemoryNetwork};
/// use gridmate_runtime::sim::LinkConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network = MemoryNetwork::new();
/// let mut bob = network.bind_any()?;
/// let slow = LinkConfig { latency: Duration::from_millis(40), ..LinkConfig::perfect() };
/// let mut ann = Conditioned::new(network.bind_any()?, slow, 7)?;
///
/// ann.send(Instant::ZERO, bob.local_addr(), b"hello")?;
/// assert_eq!(ann.next_release(), Some(Instant::from_millis(40)));
/// ann.flush(Instant::from_millis(39))?;
/// bob.receive(Instant::from_millis(39), &mut |_, _| unreachable!("still on its way"))?;
/// ann.flush(Instant::from_millis(40))?;
/// let mut heard = 0;
/// bob.receive(Instant::from_millis(40), &mut |_, _| heard += 1)?;
/// assert_eq!(heard, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Conditioned<D> {
    driver: D,
    seed: u64,
    outgoing: Direction,
    incoming: Option<Direction>,
    partitioned: BTreeSet<SocketAddr>,
    /// Arrivals dropped by a partition while there was no incoming link to count them.
    cut_off: u64,
}

/// What became of the datagrams of one direction. Those that the links let through are in [`Driver::stats`] too.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Conditioned, Driver, MemoryNetwork};
/// use gridmate_runtime::sim::LinkConfig;
///
/// let network = MemoryNetwork::new();
/// let bob = network.bind_any()?;
/// let hole = LinkConfig { loss: 1.0, ..LinkConfig::perfect() };
/// let mut ann = Conditioned::new(network.bind_any()?, hole, 7)?;
/// ann.send(Instant::ZERO, bob.local_addr(), b"hello")?;
/// assert_eq!((ann.outgoing_stats().lost, ann.outgoing_stats().passed), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConditionedStats {
    /// Datagrams handed on, copies included.
    pub passed: u64,
    /// Datagrams lost by chance.
    pub lost: u64,
    /// Datagrams that found the bottleneck's queue full.
    pub queue_full: u64,
    /// Datagrams that were copied.
    pub duplicated: u64,
    /// Datagrams and copies held back so that others could overtake them.
    pub held_back: u64,
    /// Datagrams and copies that had to wait, for whatever reason.
    pub delayed: u64,
    /// Datagrams and copies with a bit turned over.
    pub corrupted: u64,
    /// Datagrams dropped by a partition, before they left or on their way.
    pub partitioned: u64,
    /// Datagrams and copies dropped because too many (16,384) were waiting already.
    pub overflowed: u64,
}

impl<D: Driver> Conditioned<D> {
    /// Puts a link with `config` before every destination. Incoming datagrams pass untouched.
    ///
    /// Give every node a seed of its own: only the destination's address is mixed in, so two nodes with the same seed
    /// would lose the same datagrams on their way to a third.
    ///
    /// # Errors
    /// As [`LinkConfig::validate`].
    pub fn new(driver: D, config: LinkConfig, seed: u64) -> Result<Self, LinkConfigError> {
        let outgoing = Direction::new(config, seed, "outgoing")?;
        Ok(Self { driver, seed, outgoing, incoming: None, partitioned: BTreeSet::new(), cut_off: 0 })
    }

    /// Turns the knobs of every outgoing link that was not set by name. Datagrams under way keep their times.
    ///
    /// # Errors
    /// As [`LinkConfig::validate`]; then nothing has changed.
    pub fn set_link(&mut self, config: LinkConfig) -> Result<(), LinkConfigError> {
        self.outgoing.set_default(config)
    }

    /// Turns the knobs of the outgoing link to one destination; [`set_link`](Self::set_link) no longer changes it.
    ///
    /// # Errors
    /// As [`LinkConfig::validate`]; then nothing has changed.
    pub fn set_link_to(&mut self, address: SocketAddr, config: LinkConfig) -> Result<(), LinkConfigError> {
        self.outgoing.set_named(canonical(address), config)
    }

    /// Puts a link behind every source too, or turns the knobs of those links.
    ///
    /// # Errors
    /// As [`LinkConfig::validate`]; then nothing has changed.
    pub fn set_incoming(&mut self, config: LinkConfig) -> Result<(), LinkConfigError> {
        match &mut self.incoming {
            Some(incoming) => incoming.set_default(config),
            None => {
                self.incoming = Some(Direction::new(config, self.seed, "incoming")?);
                Ok(())
            }
        }
    }

    /// Cuts this end off from `address`, both ways, or (`false`) lets it through again. What is on its way when the cut
    /// is made is dropped if it becomes due before the cut ends.
    pub fn partition(&mut self, address: SocketAddr, cut: bool) {
        if cut {
            self.partitioned.insert(canonical(address));
        } else {
            self.partitioned.remove(&canonical(address));
        }
    }

    /// When the next delayed datagram is due, in either direction; `None` when none waits. Call `receive` (incoming) and
    /// `flush` (outgoing) then.
    #[must_use]
    pub fn next_release(&self) -> Option<Instant> {
        let incoming = self.incoming.as_ref().and_then(|incoming| incoming.held.next_at());
        self.outgoing.held.next_at().into_iter().chain(incoming).min()
    }

    /// Datagrams waiting for their time, both directions, count.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outgoing.held.len() + self.incoming.as_ref().map_or(0, |incoming| incoming.held.len())
    }

    /// What the outgoing links did.
    #[must_use]
    pub const fn outgoing_stats(&self) -> ConditionedStats {
        self.outgoing.stats
    }

    /// What the incoming links did. Until [`set_incoming`](Self::set_incoming) only `partitioned` can differ from zero.
    #[must_use]
    pub fn incoming_stats(&self) -> ConditionedStats {
        let mut stats = self.incoming.as_ref().map_or_else(ConditionedStats::default, |incoming| incoming.stats);
        stats.partitioned += self.cut_off;
        stats
    }

    /// The driver below.
    #[must_use]
    pub const fn driver(&self) -> &D {
        &self.driver
    }

    /// The driver below. What is sent through it meets no link.
    pub const fn driver_mut(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Takes the driver out. Datagrams that wait are lost.
    #[must_use]
    pub fn into_driver(self) -> D {
        self.driver
    }

    /// Sends what is due by `now`.
    fn release(&mut self, now: Instant) -> Result<(), DriverError> {
        let Self { driver, outgoing, partitioned, .. } = self;
        let mut result = Ok(());
        outgoing.release(now, partitioned, |to, datagram| {
            if result.is_ok() {
                result = driver.send(now, to, datagram);
            }
        });
        result
    }
}

impl<D: Driver> Driver for Conditioned<D> {
    fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.release(now)?;
        let Self { driver, incoming, partitioned, cut_off, .. } = self;
        let Some(incoming) = incoming else {
            if partitioned.is_empty() {
                return driver.receive(now, sink);
            }
            return driver.receive(now, &mut |from, datagram| {
                if partitioned.contains(&from) {
                    *cut_off += 1;
                } else {
                    sink(from, datagram);
                }
            });
        };
        incoming.release(now, partitioned, &mut *sink);
        driver.receive(now, &mut |from, datagram| incoming.pass(now, from, datagram, partitioned, &mut *sink))
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        if !is_movable(datagram.len()) {
            // The driver below counts it.
            return self.driver.send(now, to, datagram);
        }
        self.release(now)?;
        let Self { driver, outgoing, partitioned, .. } = self;
        let mut result = Ok(());
        outgoing.pass(now, canonical(to), datagram, partitioned, |to, datagram| {
            if result.is_ok() {
                result = driver.send(now, to, datagram);
            }
        });
        result
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.release(now)?;
        self.driver.flush(now)
    }

    /// The counts of the driver below: a datagram that a link lost was never sent, one that it repeated was sent twice.
    fn stats(&self) -> DriverStats {
        self.driver.stats()
    }

    fn entropy(&mut self) -> u64 {
        self.driver.entropy()
    }
}

/// The links of one direction, and what waits in them.
#[derive(Debug)]
struct Direction {
    seed: u64,
    default: LinkConfig,
    links: BTreeMap<SocketAddr, PeerLink>,
    /// How many of `links` nobody set by name.
    unnamed: usize,
    held: Held,
    stats: ConditionedStats,
}

#[derive(Debug)]
struct PeerLink {
    link: Link,
    named: bool,
}

impl Direction {
    fn new(default: LinkConfig, seed: u64, name: &str) -> Result<Self, LinkConfigError> {
        default.validate()?;
        Ok(Self {
            seed: seed ^ Fnv::new().bytes(name.as_bytes()).finish(),
            default,
            links: BTreeMap::new(),
            unnamed: 0,
            held: Held::default(),
            stats: ConditionedStats::default(),
        })
    }

    fn set_default(&mut self, config: LinkConfig) -> Result<(), LinkConfigError> {
        config.validate()?;
        self.default = config;
        self.links.values_mut().filter(|peer| !peer.named).try_for_each(|peer| peer.link.set_config(config))
    }

    fn set_named(&mut self, address: SocketAddr, config: LinkConfig) -> Result<(), LinkConfigError> {
        config.validate()?;
        let seed = self.link_seed(address);
        match self.links.get_mut(&address) {
            Some(peer) => {
                peer.link.set_config(config)?;
                self.unnamed -= usize::from(!peer.named);
                peer.named = true;
            }
            None => {
                let link = Link::new(config, seed)?;
                self.links.insert(address, PeerLink { link, named: true });
            }
        }
        Ok(())
    }

    /// Takes one datagram and hands on at once what the link does not delay. Everything due by `now` has been released.
    fn pass(
        &mut self,
        now: Instant,
        address: SocketAddr,
        datagram: &[u8],
        partitioned: &BTreeSet<SocketAddr>,
        mut emit: impl FnMut(SocketAddr, &[u8]),
    ) {
        if partitioned.contains(&address) {
            self.stats.partitioned += 1;
            return;
        }
        let deliveries = self.link(address).schedule(now, datagram.len());
        match deliveries.refusal() {
            Some(Refusal::QueueFull) => self.stats.queue_full += 1,
            Some(_) => self.stats.lost += 1,
            None => {}
        }
        if let [only] = deliveries.as_slice()
            && only.at <= now
            && only.corrupt_bit.is_none()
        {
            self.stats.passed += 1;
            emit(address, datagram);
            return;
        }
        self.stats.duplicated += u64::from(deliveries.as_slice().len() > 1);
        for delivery in &deliveries {
            self.stats.held_back += u64::from(delivery.held_back);
            self.stats.delayed += u64::from(delivery.at > now);
            self.stats.corrupted += u64::from(delivery.corrupt_bit.is_some());
            if !self.held.insert(delivery.at, address, datagram, delivery.corrupt_bit) {
                self.stats.overflowed += 1;
            }
        }
        self.release(now, partitioned, emit);
    }

    /// Hands on what is due by `now`.
    fn release(&mut self, now: Instant, partitioned: &BTreeSet<SocketAddr>, mut emit: impl FnMut(SocketAddr, &[u8])) {
        while let Some((address, datagram)) = self.held.pop_due(now) {
            if partitioned.contains(&address) {
                self.stats.partitioned += 1;
            } else {
                self.stats.passed += 1;
                emit(address, datagram);
            }
        }
    }

    fn link(&mut self, address: SocketAddr) -> &mut Link {
        if !self.links.contains_key(&address) {
            if self.unnamed >= LINKS_MAX {
                self.links.retain(|_, peer| peer.named);
                self.unnamed = 0;
            }
            self.unnamed += 1;
        }
        let (default, seed) = (self.default, self.link_seed(address));
        let peer = self.links.entry(address);
        &mut peer.or_insert_with(|| PeerLink { link: Link::from_valid(default, seed), named: false }).link
    }

    fn link_seed(&self, address: SocketAddr) -> u64 {
        // The generator scrambles what the hash of two near addresses may have in common.
        Rng::new(self.seed ^ Fnv::new().address(address).finish()).next_u64()
    }
}

#[cfg(test)]
#[path = "conditioned_tests.rs"]
mod tests;
