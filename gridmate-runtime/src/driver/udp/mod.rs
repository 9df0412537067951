//! Datagrams over the operating system's UDP.
//!
//! One type, two ways to run it:
//!
//! - **with a network thread** (the default): a thread of its own waits for the socket and moves datagrams between it and
//!   two lock-free rings. The game's thread makes no system call except one wake-up per flush, however many datagrams go
//!   out, and what arrives is taken off the socket while the game is busy elsewhere.
//! - **polled**: no thread; `receive` and `flush` make the system calls. For tools, tests and programs that bring their own
//!   thread.
//!
//! Either way many datagrams go through one system call, both ways, where the system can do that (Linux best of all): runs
//! to one peer as segments of one send, datagrams to many peers as a list. One that is alone costs what a plain call costs.
//!
//! Both drop and count what does not fit, never block, and allocate nothing once traffic has reached its usual volume.
//! Errors that the network reports about single datagrams (a closed port, an unreachable host) are counted and otherwise
//! ignored: anybody can cause them.

mod batch;
mod burst;
mod config;
mod inlet;
mod outlet;
mod polled;
mod ring;
mod setup;
mod shared;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod single;
mod socket;
mod tally;
mod thread;
mod threaded;

use core::time::Duration;
use std::net::SocketAddr;

pub use config::{GrantedBuffers, Setting, Syscalls, ThreadSetup, UdpConfig, Wake};
use polled::Polled;
use socket::Family;
use tally::Tally;
use threaded::Threaded;

use super::{Arrival, Driver, DriverError, DriverStats};
use crate::time::Instant;

/// A UDP socket.
///
/// ```
/// use gridmate_runtime::driver::{Clock, Driver, UdpDriver};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let clock = Clock::start();
/// let mut driver = UdpDriver::bind("127.0.0.1:0".parse().unwrap())?;
/// let to_myself = driver.local_addr();
/// driver.send(clock.now(), to_myself, b"hello")?;
/// driver.flush(clock.now())?;
/// driver.receive(clock.now(), &mut |from, datagram| println!("{from}: {} bytes", datagram.len()))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpDriver {
    mode: Mode,
    local: SocketAddr,
    family: Family,
    buffers: GrantedBuffers,
}

#[derive(Debug)]
enum Mode {
    Polled(Polled),
    Threaded(Threaded),
}

impl UdpDriver {
    /// Binds `address` and serves it from a network thread. Port 0 asks for a free one; `[::]` is reachable over IPv4
    /// too, where the system can do that and [`UdpConfig::only_v6`] does not forbid it.
    ///
    /// # Errors
    /// [`DriverError::Bind`], naming the address, when it is in use, not of this machine or not permitted;
    /// [`DriverError::Socket`] when the system has no socket or thread to give.
    pub fn bind(address: SocketAddr) -> Result<Self, DriverError> {
        Self::with_config(address, UdpConfig::default())
    }

    /// Binds `address` without a thread: `receive` and `flush` make the system calls.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_polled(address: SocketAddr) -> Result<Self, DriverError> {
        Self::with_config(address, UdpConfig { polled: true, ..UdpConfig::default() })
    }

    /// Binds `address` as `config` says.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn with_config(address: SocketAddr, config: UdpConfig) -> Result<Self, DriverError> {
        let bound = socket::bind(address, &config)?;
        let (local, family, buffers) = (bound.local, bound.family, bound.buffers);
        let mode = if config.polled {
            Mode::Polled(Polled::new(bound, config.ecn))
        } else {
            Mode::Threaded(Threaded::start(bound, config)?)
        };
        Ok(Self { mode, local, family, buffers })
    }

    /// The sizes of the system's buffers. Smaller than asked for where the system has a limit (Linux:
    /// `net.core.rmem_max` and `wmem_max`); a server that sees that should say so in its log.
    #[must_use]
    pub const fn buffers(&self) -> GrantedBuffers {
        self.buffers
    }

    /// What became of [`UdpConfig::cpu`] and [`UdpConfig::priority`].
    #[must_use]
    pub const fn thread_setup(&self) -> ThreadSetup {
        match &self.mode {
            Mode::Polled(_) => ThreadSetup { cpu: Setting::NotAsked, priority: Setting::NotAsked },
            Mode::Threaded(threaded) => threaded.setup(),
        }
    }

    /// Errors that the network or the system reported about single datagrams since the driver was made, count: closed
    /// ports, unreachable hosts. Any peer can cause them.
    #[must_use]
    pub fn network_errors(&self) -> u64 {
        self.tally().network_errors
    }

    /// System calls made to move datagrams since the driver was made.
    #[must_use]
    pub fn syscalls(&self) -> Syscalls {
        self.tally().syscalls
    }

    /// Blocks the calling thread until there is something to [`receive`](Driver::receive) or `timeout` has passed, and says
    /// which: true for the former. What there is may turn out to be an error of the network's or a datagram to be dropped.
    ///
    /// For servers and tools that have nothing else to do. A game never needs it: it has a frame to draw.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::driver::{Clock, Driver, UdpDriver};
    ///
    /// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
    /// let clock = Clock::start();
    /// let mut driver = UdpDriver::bind("127.0.0.1:0".parse().unwrap())?;
    /// # let to_myself = driver.local_addr();
    /// # driver.send(clock.now(), to_myself, b"hello")?;
    /// # driver.flush(clock.now())?;
    /// while !driver.wait(Duration::from_secs(1))? {
    ///     println!("nothing for a second");
    /// }
    /// driver.receive(clock.now(), &mut |from, datagram| println!("{from}: {} bytes", datagram.len()))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`receive`](Driver::receive).
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, DriverError> {
        match &self.mode {
            Mode::Polled(polled) => polled.wait(timeout),
            Mode::Threaded(threaded) => threaded.wait(timeout),
        }
    }

    fn tally(&self) -> Tally {
        match &self.mode {
            Mode::Polled(polled) => *polled.tally(),
            Mode::Threaded(threaded) => threaded.tally(),
        }
    }
}

impl Driver for UdpDriver {
    /// The address bound, with the port that the system chose. An unspecified IP stays unspecified: which of this
    /// machine's addresses others can reach is not known here.
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Hands over at most a few thousand datagrams a call and socket, so that a flood cannot keep the caller from its game.
    ///
    /// # Errors
    /// [`DriverError::Socket`] when the socket failed for good, and [`DriverError::ThreadEnded`] ever after when the
    /// network thread had it.
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.receive_marked(now, &mut |arrival| sink(arrival.from, arrival.bytes))
    }

    fn receive_marked(&mut self, _now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        match &mut self.mode {
            Mode::Polled(polled) => polled.receive(sink),
            Mode::Threaded(threaded) => threaded.receive(sink),
        }
    }

    /// What an Ethernet frame holds: 1,472 bytes over IPv4, and 1,452 where IPv6 is spoken. Nothing is sent in fragments,
    /// so a network with a smaller limit drops what is larger than that.
    fn max_datagram(&self) -> usize {
        self.family.max_datagram()
    }

    fn send(&mut self, _now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        match &mut self.mode {
            Mode::Polled(polled) => {
                polled.send(to, datagram);
                Ok(())
            }
            Mode::Threaded(threaded) => threaded.send(to, datagram),
        }
    }

    fn flush(&mut self, _now: Instant) -> Result<(), DriverError> {
        match &mut self.mode {
            Mode::Polled(polled) => {
                polled.flush();
                Ok(())
            }
            Mode::Threaded(threaded) => threaded.flush(),
        }
    }

    fn stats(&self) -> DriverStats {
        self.tally().stats
    }

    fn entropy(&mut self) -> u64 {
        entropy()
    }
}

/// The operating system's randomness, by way of the standard library's hash keys: those are drawn from it once a thread, and
/// differ with every call after.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "drivers are where randomness comes in")]
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u64)
}

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod tests;
