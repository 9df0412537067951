//! Datagrams over the operating system's UDP.
//!
//! One type, two ways to run it:
//!
//! - **with a network thread** (the default): a thread of its own waits for the socket and moves datagrams between it and
//!   two lock-free rings. The game's thread makes no system call except one wake-up per flush, however many datagrams go
//!   out, and what arrives is taken off the socket while the game is busy elsewhere.
//! - **polled**: no thread; `receive` and `send` make the system calls. For tools, tests and programs that bring their own
//!   thread.
//!
//! Both drop and count what does not fit, never block, and allocate nothing once traffic has reached its usual volume.
//! Errors that the network reports about single datagrams (a closed port, an unreachable host) are counted and otherwise
//! ignored: anybody can cause them.

mod polled;
mod rings;
mod socket;
mod thread;
mod threaded;

use std::net::SocketAddr;

use polled::Polled;
use threaded::Threaded;

use super::{Driver, DriverError, DriverStats};
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
    buffers: GrantedBuffers,
}

#[derive(Debug)]
enum Mode {
    Polled(Polled),
    Threaded(Threaded),
}

/// How a [`UdpDriver`] is set up. Take what you do not care about from the default.
///
/// ```
/// use gridmate_runtime::driver::{UdpConfig, UdpDriver};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let config = UdpConfig { receive_buffer: 1 << 20, ..UdpConfig::default() };
/// let driver = UdpDriver::with_config("127.0.0.1:0".parse().unwrap(), config)?;
/// assert!(driver.buffers().receive > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Size of the system's receive buffer to ask for, bytes. The system may grant less: see [`UdpDriver::buffers`].
    pub receive_buffer: usize,
    /// Size of the system's send buffer to ask for, bytes.
    pub send_buffer: usize,
    /// Whether the caller's thread makes the system calls, instead of a network thread.
    pub polled: bool,
    /// Datagrams that may wait between the network thread and the game, each way, count, 1 to 65,536 (what lies outside
    /// is taken as the nearer end). Each takes 1.5 KiB, from the first time that many wait. Unused when polled.
    pub queue_datagrams: usize,
}

impl Default for UdpConfig {
    /// 4 MiB of socket buffer each way (a server's usual share of a burst; systems default to a twentieth), a network
    /// thread, and queues of 4,096 datagrams, which is what those buffers hold of middling ones.
    fn default() -> Self {
        Self { receive_buffer: 4 << 20, send_buffer: 4 << 20, polled: false, queue_datagrams: 4_096 }
    }
}

/// What the system granted of the buffers that a [`UdpConfig`] asked for, bytes, as the system counts them: Linux doubles
/// the number and spends half of it on bookkeeping. 0 where it would not say.
///
/// ```
/// use gridmate_runtime::driver::{UdpConfig, UdpDriver};
///
/// let config = UdpConfig::default();
/// let driver = UdpDriver::with_config("127.0.0.1:0".parse().unwrap(), config)?;
/// let granted = driver.buffers();
/// if granted.receive < config.receive_buffer {
///     println!("bursts will be lost: {} bytes of buffer, wanted {}", granted.receive, config.receive_buffer);
/// }
/// assert!(granted.receive > 0 && granted.send > 0);
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantedBuffers {
    /// The receive buffer.
    pub receive: usize,
    /// The send buffer.
    pub send: usize,
}

impl UdpDriver {
    /// Binds `address` and serves it from a network thread. Port 0 asks for a free one; `[::]` is reachable over IPv4
    /// too, where the system can do that.
    ///
    /// # Errors
    /// [`DriverError::Bind`], naming the address, when it is in use, not of this machine or not permitted;
    /// [`DriverError::Socket`] when the system has no socket or thread to give.
    pub fn bind(address: SocketAddr) -> Result<Self, DriverError> {
        Self::with_config(address, UdpConfig::default())
    }

    /// Binds `address` without a thread: `receive` and `send` make the system calls.
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
        let (local, buffers) = (bound.local, bound.buffers);
        let mode = if config.polled {
            Mode::Polled(Polled::new(bound))
        } else {
            Mode::Threaded(Threaded::start(bound, config.queue_datagrams)?)
        };
        Ok(Self { mode, local, buffers })
    }

    /// The sizes of the system's buffers. Smaller than asked for where the system has a limit (Linux:
    /// `net.core.rmem_max` and `wmem_max`); a server that sees that should say so in its log.
    #[must_use]
    pub const fn buffers(&self) -> GrantedBuffers {
        self.buffers
    }

    /// Errors that the network or the system reported about single datagrams since the driver was made, count: closed
    /// ports, unreachable hosts. Any peer can cause them.
    #[must_use]
    pub fn network_errors(&self) -> u64 {
        match &self.mode {
            Mode::Polled(polled) => polled.network_errors(),
            Mode::Threaded(threaded) => threaded.network_errors(),
        }
    }
}

impl Driver for UdpDriver {
    /// The address bound, with the port that the system chose. An unspecified IP stays unspecified: which of this
    /// machine's addresses others can reach is not known here.
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Hands over at most a few thousand datagrams a call, so that a flood cannot keep the caller from its game.
    ///
    /// # Errors
    /// [`DriverError::Socket`] when the socket failed for good, and [`DriverError::ThreadEnded`] ever after when the
    /// network thread had it.
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        match &mut self.mode {
            Mode::Polled(polled) => polled.receive(sink),
            Mode::Threaded(threaded) => threaded.receive(sink),
        }
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
            Mode::Polled(_) => Ok(()),
            Mode::Threaded(threaded) => threaded.flush(),
        }
    }

    fn stats(&self) -> DriverStats {
        match &self.mode {
            Mode::Polled(polled) => polled.stats(),
            Mode::Threaded(threaded) => threaded.stats(),
        }
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
mod tests;
