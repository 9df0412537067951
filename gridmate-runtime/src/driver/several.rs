//! Several drivers as one: a host that is reached over UDP, and over TCP by those whose networks let nothing else through.

use core::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV6};

use super::{Arrival, Driver, DriverError, DriverStats};
use crate::time::Instant;

/// Drivers that one [`Several`] can hold, count: a mark is eight bits.
const DRIVERS_MAX: usize = 256;

/// Where the mark begins in a scope, bits. Scopes are numbers of network interfaces, which are small.
const MARK_SHIFT: u32 = 24;

/// One endpoint over several drivers.
///
/// A peer's address says which driver it is reached by. Those of the first driver, number 0, are what they are. An address
/// of driver *k* is an IPv6 one (an IPv4 address is written as `::ffff:a.b.c.d`) whose scope has *k* in its upper eight
/// bits, the real scope being below. [`address`](Self::address) makes such an address, to connect through driver *k*;
/// [`split`](Self::split) takes it apart, to show it to a person or to look it up in a list of bans.
///
/// A driver that fails is left out from then on, and the others go on; see [`failure`](Self::failure).
///
/// A [`Conditioned`](super::Conditioned) belongs around each of the drivers, not around all of them: it writes IPv4 addresses
/// the short way, where a mark has no room.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, MemoryNetwork, Several};
///
/// let (wire, radio) = (MemoryNetwork::new(), MemoryNetwork::new());
/// let mut host = Several::new(wire.bind_any()?).with(radio.bind_any()?);
/// let mut far = radio.bind_any()?;
///
/// host.send(Instant::ZERO, Several::address(1, far.local_addr()), b"by radio")?;
/// host.flush(Instant::ZERO)?;
/// let mut to = None;
/// far.receive(Instant::ZERO, &mut |from, _| to = Some(from))?;
/// far.send(Instant::ZERO, to.unwrap(), b"I hear you")?;
/// far.flush(Instant::ZERO)?;
/// host.receive(Instant::ZERO, &mut |from, _| assert_eq!(Several::split(from), (1, far.local_addr())))?;
/// assert_eq!(host.stats().received, 1);
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
pub struct Several {
    members: Vec<Member>,
    /// Number of the driver that failed first.
    first_failed: Option<usize>,
    /// What no driver can be asked about: sent to none that works, come from an address that cannot be marked.
    stats: DriverStats,
}

struct Member {
    driver: Box<dyn Driver>,
    failure: Option<DriverError>,
}

impl Several {
    /// One driver so far, number 0. [`local_addr`](Driver::local_addr) and [`entropy`](Driver::entropy) are its.
    #[must_use]
    pub fn new(first: impl Driver + 'static) -> Self {
        Self { members: vec![Member::new(first)], first_failed: None, stats: DriverStats::default() }
    }

    /// One more, with the next number.
    ///
    /// # Panics
    /// When there are 256 already.
    #[must_use]
    pub fn with(mut self, driver: impl Driver + 'static) -> Self {
        assert!(self.members.len() < DRIVERS_MAX, "at most {DRIVERS_MAX} drivers in one `Several`");
        self.members.push(Member::new(driver));
        self
    }

    /// What driver `k` calls `address`, as this driver calls it.
    ///
    /// # Panics
    /// When `k` is 256 or more, or the address has a scope of 2^24 or more, which no network interface has.
    #[must_use]
    pub fn address(k: usize, address: SocketAddr) -> SocketAddr {
        assert!(k < DRIVERS_MAX, "at most {DRIVERS_MAX} drivers in one `Several`");
        mark(k, address).expect("a scope below 2^24")
    }

    /// The driver's number, and what that driver calls the address. The inverse of [`address`](Self::address).
    #[must_use]
    pub fn split(address: SocketAddr) -> (usize, SocketAddr) {
        let SocketAddr::V6(v6) = address else { return (0, address) };
        let k = v6.scope_id() >> MARK_SHIFT;
        if k == 0 {
            return (0, address);
        }
        let inner = match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id() & SCOPE_MASK).into(),
        };
        (k as usize, inner)
    }

    /// Drivers, failed ones included, count.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Driver `k`: its address, its own counts.
    #[must_use]
    pub fn driver(&self, k: usize) -> Option<&dyn Driver> {
        self.members.get(k).map(|member| &*member.driver)
    }

    /// What driver `k` failed of, if it has.
    #[must_use]
    pub fn failure(&self, k: usize) -> Option<&DriverError> {
        self.members.get(k)?.failure.as_ref()
    }

    /// The driver that failed first, and of what.
    #[must_use]
    pub fn first_failure(&self) -> Option<(usize, &DriverError)> {
        let k = self.first_failed?;
        Some((k, self.failure(k)?))
    }

    /// Calls each driver that works, in order. An error only when none is left.
    fn each(
        &mut self,
        mut call: impl FnMut(usize, &mut dyn Driver, &mut DriverStats) -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        for (k, member) in self.members.iter_mut().enumerate() {
            if member.failure.is_none()
                && let Err(error) = call(k, &mut *member.driver, &mut self.stats)
            {
                member.failure = Some(error);
                self.first_failed = self.first_failed.or(Some(k));
            }
        }
        self.alive()
    }

    fn alive(&self) -> Result<(), DriverError> {
        match self.first_failure() {
            Some((_, first)) if self.members.iter().all(|member| member.failure.is_some()) => Err(again(first)),
            _ => Ok(()),
        }
    }
}

impl Driver for Several {
    fn local_addr(&self) -> SocketAddr {
        self.members[0].driver.local_addr()
    }

    /// Hands over what each driver has, one driver after the other.
    ///
    /// # Errors
    /// The one that happened first, once all drivers have failed.
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.each(|k, driver, stats| {
            driver.receive(now, &mut |from, datagram| match mark(k, from) {
                Some(from) => sink(from, datagram),
                None => stats.receive_dropped += 1,
            })
        })
    }

    fn receive_marked(&mut self, now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        self.each(|k, driver, stats| {
            driver.receive_marked(now, &mut |arrival| match mark(k, arrival.from) {
                Some(from) => sink(Arrival { from, ..arrival }),
                None => stats.receive_dropped += 1,
            })
        })
    }

    /// The least of all drivers': a datagram of that size can go to any peer.
    fn max_datagram(&self) -> usize {
        self.members.iter().map(|member| member.driver.max_datagram()).min().unwrap_or(0)
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        let (k, to) = Self::split(to);
        match self.members.get_mut(k) {
            Some(member) if member.failure.is_none() => match member.driver.send(now, to, datagram) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    member.failure = Some(error);
                    self.first_failed = self.first_failed.or(Some(k));
                    self.stats.send_dropped += 1;
                }
            },
            _ => self.stats.send_dropped += 1,
        }
        self.alive()
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.each(|_, driver, _| driver.flush(now))
    }

    /// The sum of all drivers'.
    fn stats(&self) -> DriverStats {
        self.members.iter().fold(self.stats, |sum, member| {
            let stats = member.driver.stats();
            DriverStats {
                sent: sum.sent + stats.sent,
                sent_bytes: sum.sent_bytes + stats.sent_bytes,
                received: sum.received + stats.received,
                received_bytes: sum.received_bytes + stats.received_bytes,
                send_dropped: sum.send_dropped + stats.send_dropped,
                receive_dropped: sum.receive_dropped + stats.receive_dropped,
            }
        })
    }

    fn entropy(&mut self) -> u64 {
        self.members[0].driver.entropy()
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.members.iter().map(|member| member.driver.local_addr()).collect();
        f.debug_struct("Several").field("local_addrs", &addresses).field("first_failed", &self.first_failed).finish()
    }
}

impl Member {
    fn new(driver: impl Driver + 'static) -> Self {
        Self { driver: Box::new(driver), failure: None }
    }
}

/// The part of a scope that is a scope.
const SCOPE_MASK: u32 = (1 << MARK_SHIFT) - 1;

/// `None` when the scope leaves no room for a mark; driver 0 needs that room too, or its address would be taken for
/// another's.
fn mark(k: usize, address: SocketAddr) -> Option<SocketAddr> {
    let (ip, scope) = match address {
        SocketAddr::V4(_) if k == 0 => return Some(address),
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
        SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
    };
    if scope > SCOPE_MASK {
        return None;
    }
    if k == 0 {
        return Some(address);
    }
    let k = u32::try_from(k).ok()?;
    Some(SocketAddrV6::new(ip, address.port(), 0, k << MARK_SHIFT | scope).into())
}

/// The same error once more: the system's cannot be copied, but what it says can.
fn again(error: &DriverError) -> DriverError {
    let copy = |source: &io::Error| io::Error::new(source.kind(), source.to_string());
    match error {
        DriverError::Bind { address, source } => DriverError::Bind { address: *address, source: copy(source) },
        DriverError::Socket(source) => DriverError::Socket(copy(source)),
        DriverError::ThreadEnded => DriverError::ThreadEnded,
    }
}

#[cfg(test)]
#[path = "several_tests.rs"]
mod tests;
