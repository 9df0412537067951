//! Datagrams over TCP, for networks that let nothing else through.
//!
//! Each peer has one connection, and each datagram travels in it behind its length. What a datagram loses by that: one lost
//! packet holds up all that follow. What stays: nothing blocks, nothing waits for ever, and what does not fit is dropped and
//! counted, as a network would.
//!
//! A connection that ends just stops moving datagrams; the carrier above notices by the silence. A thread of its own serves
//! all connections and exchanges datagrams with the game through two lock-free rings, a batch at a time.
//!
//! ```text
//!  game            records                network thread                     peers
//!  send, flush ──► ring of bytes ──► one outbox per connection ──► one write ──►
//!  receive     ◄── ring of bytes ◄── frames, where they were read ◄── one read ◄──
//! ```
//!
//! A connection without traffic costs some 600 bytes here (its state, what the runtime keeps for a socket, its places in some
//! tables), and no buffer: buffers come from a common pool when bytes wait, and go back when they have left.

mod connection;
mod dialed;
mod framer;
mod handle;
mod net;
mod outbox;
mod pool;
mod ready;
mod records;
mod shared;
mod table;
mod thread;

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};

use handle::Handle;
use records::Kind;

use super::{Driver, DriverError, DriverStats, canonical};
use crate::limits::{CONNECTIONS, DATAGRAM_BYTES_MAX};
use crate::time::Instant;

/// Datagrams over TCP connections, one for each peer.
///
/// Peers are named by the address at the far end of their connection, whoever opened it. Where a driver listens at several
/// addresses of its machine, a peer could connect to two of them from one of its own: the second is turned away.
///
/// ```
/// use gridmate_runtime::driver::{Clock, Driver, TcpConfig, TcpDriver};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let clock = Clock::start();
/// let mut server = TcpDriver::listen("127.0.0.1:0".parse().unwrap(), TcpConfig::default())?;
/// let mut client = TcpDriver::client(TcpConfig::default())?;
/// client.send(clock.now(), server.local_addr(), b"hello")?; // connects first
/// client.flush(clock.now())?;
/// let mut heard = false;
/// while !heard {
///     server.receive(clock.now(), &mut |_, datagram| heard = datagram == b"hello")?;
/// }
/// assert_eq!(server.connections(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpDriver {
    handle: Handle,
    local: SocketAddr,
    config: TcpConfig,
}

/// How a [`TcpDriver`] is set up. Take what you do not care about from the default.
///
/// What lies outside a setting's range is taken as the nearer end.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::driver::{TcpConfig, TcpDriver};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let config = TcpConfig { max_connections: 64, max_per_ip: 8, ..TcpConfig::default() };
/// let driver = TcpDriver::listen("127.0.0.1:0".parse().unwrap(), config)?;
/// assert_eq!(driver.connections(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// How long an attempt to connect may take. Exact to one part in eight, or one second; so is the next.
    pub connect_timeout: Duration,
    /// A connection over which no byte has moved for so long, in either direction, is closed.
    pub idle_timeout: Duration,
    /// Connections, open and opening, count, 1 to a million. Who comes when there are as many is turned away.
    pub max_connections: usize,
    /// Connections that one IP address may have opened, count.
    pub max_per_ip: usize,
    /// Bytes that may wait to be written to one connection, 4 KiB or more; each datagram counts two more than it has. A
    /// datagram that finds no room is dropped, so a peer that never reads costs no more than this.
    pub send_queue_bytes: usize,
    /// Bytes that may wait between the network thread and the game, each way, 256 KiB to 1 GiB; each datagram counts 26
    /// more than it has. Outgoing datagrams that find no room are dropped. When the game does not take what has arrived,
    /// the thread stops reading, so that peers notice. The memory is taken as it is first used.
    pub queue_bytes: usize,
    /// Largest datagram, bytes, 1 to [`DATAGRAM_BYTES_MAX`]. A peer that sends larger ones loses its connection, so both
    /// ends should agree.
    pub max_datagram: usize,
}

impl Default for TcpConfig {
    /// Five seconds to connect, half a minute of silence, as many connections as a carrier has, 1,024 of them from one
    /// address (a school, a provider), 256 KiB for each, 4 MiB between the threads, and what fits an Ethernet frame.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_connections: CONNECTIONS,
            max_per_ip: 1_024,
            send_queue_bytes: 256 << 10,
            queue_bytes: 4 << 20,
            max_datagram: 1_472,
        }
    }
}

impl TcpConfig {
    /// The same, with everything in its range.
    fn clamped(self) -> Self {
        Self {
            max_connections: self.max_connections.clamp(1, CONNECTIONS_MAX),
            send_queue_bytes: self.send_queue_bytes.max(SEND_QUEUE_BYTES_MIN),
            queue_bytes: self.queue_bytes.clamp(net::RING_BYTES_MIN, QUEUE_BYTES_MAX),
            max_datagram: self.max_datagram.clamp(1, DATAGRAM_BYTES_MAX),
            ..self
        }
    }
}

impl TcpDriver {
    /// Waits for others to connect to `address`. Port 0 asks for a free one; `[::]` is reachable over IPv4 too, where the
    /// system can do that. Opens connections only to addresses that [`connect`](Self::connect) was called for: who
    /// connected to us and went away is not called back.
    ///
    /// # Errors
    /// [`DriverError::Bind`], naming the address, when it is in use, not of this machine or not permitted;
    /// [`DriverError::Socket`] when the system has no thread or timer to give.
    pub fn listen(address: SocketAddr, config: TcpConfig) -> Result<Self, DriverError> {
        let address = canonical(address);
        let listener = handle::listen(address).map_err(|source| DriverError::Bind { address, source })?;
        let local = canonical(listener.local_addr()?);
        let config = config.clamped();
        Ok(Self { handle: Handle::start(Some(listener), config)?, local, config })
    }

    /// Waits for nobody. The first datagram to an address opens a connection to it, and waits there with those that follow
    /// until it is open. When a connection ends or cannot be made, its datagrams are lost, and a datagram sent 0.1 s later
    /// tries again; each further failure doubles that time, to 2 s at most.
    ///
    /// # Errors
    /// [`DriverError::Socket`] when the system has no thread or timer to give.
    pub fn client(config: TcpConfig) -> Result<Self, DriverError> {
        let config = config.clamped();
        let local = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Ok(Self { handle: Handle::start(None, config)?, local, config })
    }

    /// Opens a connection to `address`, unless there is one, and again when there is something to send and it has ended.
    /// Returns at once: ask [`is_connected`](Self::is_connected) what has become of it.
    ///
    /// # Errors
    /// [`DriverError::ThreadEnded`].
    pub fn connect(&mut self, address: SocketAddr) -> Result<(), DriverError> {
        self.handle.tell(Kind::Connect, canonical(address))
    }

    /// Closes the connection to `address`, if there is one, after what was sent before, as far as the system takes that at
    /// once. A client connects again when it next sends something there; who listens needs to be
    /// [told](Self::connect) to.
    ///
    /// # Errors
    /// [`DriverError::ThreadEnded`].
    pub fn disconnect(&mut self, address: SocketAddr) -> Result<(), DriverError> {
        self.handle.tell(Kind::Disconnect, canonical(address))
    }

    /// Whether there is an open connection to `address`, whoever opened it. One that is being opened does not count, and
    /// one whose far end has vanished without a word does.
    #[must_use]
    pub fn is_connected(&self, address: SocketAddr) -> bool {
        self.handle.shared().open().contains(&canonical(address))
    }

    /// Open connections, count.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.handle.shared().open().len()
    }

    /// Connections that failed since the driver was made, count: that could not be made or broke, that were turned away
    /// for want of room, or whose bytes were no datagrams. Any peer can cause them. Those that were closed, from either
    /// side or for being idle, are none.
    #[must_use]
    pub fn connection_errors(&self) -> u64 {
        shared::read(&self.handle.shared().counts.connection_errors)
    }
}

impl Driver for TcpDriver {
    /// The address that others can connect to, with the port that the system chose. An unspecified IP stays unspecified:
    /// which of this machine's addresses others can reach is not known here. A client has none; its port is 0.
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// # Errors
    /// [`DriverError::ThreadEnded`].
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.handle.receive(sink)
    }

    /// As [`TcpConfig::max_datagram`] says.
    fn max_datagram(&self) -> usize {
        self.config.max_datagram
    }

    fn send(&mut self, _now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.handle.send(canonical(to), datagram)
    }

    fn flush(&mut self, _now: Instant) -> Result<(), DriverError> {
        self.handle.flush()
    }

    fn stats(&self) -> DriverStats {
        self.handle.stats()
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

/// More connections than any system has room for, count.
const CONNECTIONS_MAX: usize = 1 << 20;

/// Two of the largest datagrams, bytes.
const SEND_QUEUE_BYTES_MIN: usize = 4 << 10;

/// What nobody needs, bytes.
const QUEUE_BYTES_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests;
