//! Weather for any driver: wraps one, and loses, delays, repeats, marks and damages what passes through it.
//!
//! Every destination has a [`Link`] of its own, seeded from the wrapper's seed and the address, so what happens to one
//! destination's datagrams does not depend on what is sent to another. A program may bring a [`Conditioner`] instead. Delayed datagrams wait in a bounded heap and leave
//! when the program next calls `receive` or `flush` with a time that is late enough: under a simulation that is exact,
//! under a real socket it is rounded up to the tick. [`Conditioned::next_release`] says when it is worth calling.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::direction::Direction;
use super::{Arrival, Driver, DriverError, DriverStats, Ecn, canonical, is_movable};
use crate::sim::{Conditioner, Link, LinkConfig, LinkConfigError};
use crate::time::Instant;

/// A driver behind links that misbehave. The outgoing direction always has them, the incoming one on demand.
///
/// A datagram that a link marks arrives as [`Ecn::CongestionExperienced`] in [`Driver::receive_marked`], here if the link
/// is an incoming one; if it is outgoing, at the other end of a driver below that can hand marks on, such as
/// [`MemoryDriver`](super::MemoryDriver).
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
pub struct Conditioned<D, C = Link> {
    driver: D,
    seed: u64,
    outgoing: Direction<C>,
    incoming: Option<Direction<C>>,
    /// Whom nothing may reach.
    cut_to: BTreeSet<SocketAddr>,
    /// Whom nothing may come from.
    cut_from: BTreeSet<SocketAddr>,
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
    /// Datagrams lost by chance, each on its own.
    pub lost: u64,
    /// Datagrams lost in bursts.
    pub lost_in_bursts: u64,
    /// Datagrams longer than what the link carries.
    pub too_long: u64,
    /// Datagrams that found the bottleneck's queue full.
    pub queue_full: u64,
    /// Datagrams that were copied.
    pub duplicated: u64,
    /// Datagrams and copies held back so that others could overtake them.
    pub held_back: u64,
    /// Datagrams and copies that had to wait, for whatever reason.
    pub delayed: u64,
    /// Datagrams and copies that were damaged: bits turned over, cut short, grown or emptied.
    pub corrupted: u64,
    /// Those of them that no driver takes any more, because they are empty or longer than any datagram of ours. They are
    /// dropped here, as a driver at the other end would.
    pub unfit: u64,
    /// Datagrams and copies that a link marked because its queue was filling up.
    pub marked: u64,
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
        Ok(Self::with_outgoing(driver, Direction::of_links(config, seed, OUTGOING)?, seed))
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
                self.incoming = Some(Direction::of_links(config, self.seed, INCOMING)?);
                Ok(())
            }
        }
    }
}

impl<D: Driver, C: Conditioner> Conditioned<D, C> {
    /// Puts a conditioner of the program's own before every destination: `factory` makes one when the first datagram goes
    /// there, from the address and a seed for it. Incoming datagrams pass untouched.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::Instant;
    /// use gridmate_runtime::driver::{Conditioned, Driver, MemoryNetwork};
    /// use gridmate_runtime::sim::{Conditioner, Deliveries, Delivery};
    ///
    /// /// Nothing but distance.
    /// struct Cable(Duration);
    ///
    /// impl Conditioner for Cable {
    ///     fn schedule(&mut self, now: Instant, _bytes: usize) -> Deliveries {
    ///         Deliveries::once(Delivery::intact(now + self.0))
    ///     }
    /// }
    ///
    /// let network = MemoryNetwork::new();
    /// let bob = network.bind_any()?;
    /// let far = bob.local_addr();
    /// let span = move |to| Duration::from_millis(if to == far { 80 } else { 10 });
    /// let mut ann = Conditioned::with_conditioners(network.bind_any()?, 7, move |to, _seed| Cable(span(to)));
    /// ann.send(Instant::ZERO, far, b"hello")?;
    /// assert_eq!(ann.next_release(), Some(Instant::from_millis(80)));
    /// # Ok::<(), gridmate_runtime::driver::DriverError>(())
    /// ```
    pub fn with_conditioners(driver: D, seed: u64, factory: impl FnMut(SocketAddr, u64) -> C + Send + 'static) -> Self {
        Self::with_outgoing(driver, Direction::new(factory, seed, OUTGOING), seed)
    }

    fn with_outgoing(driver: D, outgoing: Direction<C>, seed: u64) -> Self {
        let (cut_to, cut_from) = (BTreeSet::new(), BTreeSet::new());
        Self { driver, seed, outgoing, incoming: None, cut_to, cut_from, cut_off: 0 }
    }

    /// Puts a conditioner behind every source too. What waits in those that were there before is lost.
    pub fn condition_incoming(&mut self, factory: impl FnMut(SocketAddr, u64) -> C + Send + 'static) {
        self.incoming = Some(Direction::new(factory, self.seed, INCOMING));
    }

    /// The conditioner before one destination, made when there is none. From now on it is one set by name:
    /// [`set_link`](Self::set_link) no longer changes it.
    pub fn conditioner_to(&mut self, address: SocketAddr) -> &mut C {
        self.outgoing.named_link(canonical(address))
    }

    /// Cuts this end off from `address`, both ways, or (`false`) lets it through again. What is on its way when the cut
    /// is made is dropped if it becomes due before the cut ends.
    pub fn partition(&mut self, address: SocketAddr, cut: bool) {
        self.partition_to(address, cut);
        self.partition_from(address, cut);
    }

    /// [`partition`](Self::partition) for what is sent to `address` only: it is heard and does not hear.
    pub fn partition_to(&mut self, address: SocketAddr, cut: bool) {
        set(&mut self.cut_to, canonical(address), cut);
    }

    /// [`partition`](Self::partition) for what comes from `address` only: it hears and is not heard.
    pub fn partition_from(&mut self, address: SocketAddr, cut: bool) {
        set(&mut self.cut_from, canonical(address), cut);
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
        let Self { driver, outgoing, cut_to, .. } = self;
        let mut result = Ok(());
        outgoing.release(now, cut_to, |datagram| hand_down(driver, now, datagram, &mut result));
        result
    }
}

impl<D: Driver, C: Conditioner> Driver for Conditioned<D, C> {
    fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.receive_marked(now, &mut |arrival| sink(arrival.from, arrival.bytes))
    }

    fn receive_marked(&mut self, now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        self.release(now)?;
        let Self { driver, incoming, cut_from, cut_off, .. } = self;
        let Some(incoming) = incoming else {
            if cut_from.is_empty() {
                return driver.receive_marked(now, sink);
            }
            return driver.receive_marked(now, &mut |arrival| {
                if cut_from.contains(&arrival.from) {
                    *cut_off += 1;
                } else {
                    sink(arrival);
                }
            });
        };
        incoming.release(now, cut_from, &mut *sink);
        driver.receive_marked(now, &mut |arrival| incoming.pass(now, arrival, cut_from, &mut *sink))
    }

    /// That of the driver below: what a link's MTU swallows, nobody is told.
    fn max_datagram(&self) -> usize {
        self.driver.max_datagram()
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.send_marked(now, to, Ecn::NotCapable, datagram)
    }

    fn send_marked(&mut self, now: Instant, to: SocketAddr, ecn: Ecn, datagram: &[u8]) -> Result<(), DriverError> {
        let mut result = Ok(());
        if !is_movable(datagram.len()) {
            // The driver below counts it.
            hand_down(&mut self.driver, now, Arrival { from: to, ecn, bytes: datagram }, &mut result);
            return result;
        }
        self.release(now)?;
        let Self { driver, outgoing, cut_to, .. } = self;
        let datagram = Arrival { from: canonical(to), ecn, bytes: datagram };
        outgoing.pass(now, datagram, cut_to, |datagram| hand_down(driver, now, datagram, &mut result));
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

/// Sends to `datagram.from`, unless something failed before. What bears no mark goes as the driver marks it by itself.
fn hand_down(driver: &mut impl Driver, now: Instant, datagram: Arrival<'_>, result: &mut Result<(), DriverError>) {
    if result.is_ok() {
        *result = match datagram.ecn {
            Ecn::NotCapable => driver.send(now, datagram.from, datagram.bytes),
            ecn => driver.send_marked(now, datagram.from, ecn, datagram.bytes),
        };
    }
}

fn set(addresses: &mut BTreeSet<SocketAddr>, address: SocketAddr, present: bool) {
    if present {
        addresses.insert(address);
    } else {
        addresses.remove(&address);
    }
}

/// Names that set the seeds of the two directions apart.
const OUTGOING: &str = "outgoing";
const INCOMING: &str = "incoming";

#[cfg(test)]
#[path = "conditioned_tests.rs"]
mod tests;
