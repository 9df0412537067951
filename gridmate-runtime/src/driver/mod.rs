//! Sockets: the only place that touches the operating system.
//!
//! A [`Driver`] moves datagrams between addresses and promises nothing about their fate. Everything above takes time and
//! bytes as arguments, so the same program runs over a socket, in memory, or on a simulated link that loses and delays.
//!
//! | driver | for |
//! |---|---|
//! | `UdpDriver` (feature `udp`) | games: a socket served by its own thread, or a polled one |
//! | `TcpDriver` (feature `tcp`) | the same where nothing but TCP gets through |
//! | [`MemoryDriver`] | tests and simulations: nodes of one process, in an order that never differs |
//! | [`Several`] | a host that is reached over more than one of these |
//! | [`Conditioned`] | any other driver, behind links that lose, delay, repeat and damage datagrams |
//!
//! `Clock` is where a real program's [`Instant`]s come from; tests and simulations count them up themselves.

#[cfg(not(target_family = "wasm"))]
mod clock;
mod conditioned;
mod direction;
mod fnv;
mod held;
mod memory;
mod memory_nat;
mod several;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "udp")]
mod udp;

use std::net::SocketAddr;

use crate::limits::DATAGRAM_BYTES_MAX;
use crate::time::Instant;
#[cfg(not(target_family = "wasm"))]
pub use clock::{Clock, Tick, Ticker};
pub use conditioned::{Conditioned, ConditionedStats};
pub use memory::{MemoryDriver, MemoryNetwork, MemoryStats};
pub use memory_nat::MemoryNat;
pub use several::Several;
#[cfg(feature = "tcp")]
pub use tcp::{TcpConfig, TcpDriver};
#[cfg(feature = "udp")]
pub use udp::{GrantedBuffers, Setting, Syscalls, ThreadSetup, UdpConfig, UdpDriver, Wake};

/// Moves datagrams. One node owns one driver.
///
/// No call blocks. Datagrams handed to [`send`](Self::send) may wait for [`flush`](Self::flush), so that a driver can pass
/// many to the operating system at once.
///
/// A driver of one's own, or one around another:
///
/// ```
/// use std::net::SocketAddr;
/// use gridmate_runtime::driver::{Driver, DriverError, DriverStats, MemoryDriver, MemoryNetwork};
/// use gridmate_runtime::{Instant, Node, NodeConfig, Registry};
///
/// /// Talks to nobody but its friends.
/// struct Private {
///     inner: MemoryDriver,
///     friends: Vec<SocketAddr>,
/// }
///
/// impl Driver for Private {
///     fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
///         let Self { inner, friends } = self;
///         inner.receive(now, &mut |from, datagram| {
///             if friends.contains(&from) {
///                 sink(from, datagram);
///             }
///         })
///     }
///     // The rest is as with the driver inside.
/// #     fn local_addr(&self) -> SocketAddr {
/// #         self.inner.local_addr()
/// #     }
/// #     fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
/// #         self.inner.send(now, to, datagram)
/// #     }
/// #     fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
/// #         self.inner.flush(now)
/// #     }
/// #     fn stats(&self) -> DriverStats {
/// #         self.inner.stats()
/// #     }
/// #     fn entropy(&mut self) -> u64 {
/// #         self.inner.entropy()
/// #     }
/// }
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let (friend, stranger) = (network.bind_any()?, network.bind_any()?);
/// let driver = Private { inner: network.bind_any()?, friends: vec![friend.local_addr()] };
/// let mut host = Node::host(driver, NodeConfig::new(registry.clone()))?;
/// # let mut nodes = [
/// #     Node::join(friend, host.local_addr(), NodeConfig::new(registry.clone()))?,
/// #     Node::join(stranger, host.local_addr(), NodeConfig::new(registry))?,
/// # ];
/// # for frame in 0..20 {
/// #     host.tick(Instant::from_millis(frame * 16))?;
/// #     for node in &mut nodes {
/// #         node.tick(Instant::from_millis(frame * 16))?;
/// #     }
/// # }
/// // Both join:
/// assert_eq!(host.members().count(), 2); // the host itself and its friend
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Driver: Send {
    /// The address that others can send to, as far as this end knows it.
    fn local_addr(&self) -> SocketAddr;

    /// Hands every datagram that has arrived by `now` to `sink`, with its sender's address.
    ///
    /// # Errors
    /// [`DriverError`] when the driver can no longer be used. What one peer's packets do is never an error.
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError>;

    /// The same, with what the network wrote on each datagram. Drivers that cannot tell leave this alone.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn receive_marked(&mut self, now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        self.receive(now, &mut |from, bytes| sink(Arrival { from, ecn: Ecn::NotCapable, bytes }))
    }

    /// The largest datagram that this driver could carry if every network on the way can, bytes.
    fn max_datagram(&self) -> usize {
        DATAGRAM_BYTES_MAX
    }

    /// Queues one datagram of at most [`DATAGRAM_BYTES_MAX`] bytes. Full buffers drop it,
    /// as the network would, and count it.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError>;

    /// The same, with what the network is said to have written on the datagram: how a model of a network above a driver
    /// hands on its marks. Drivers that cannot forge them leave this alone, and the mark is lost.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn send_marked(&mut self, now: Instant, to: SocketAddr, _ecn: Ecn, datagram: &[u8]) -> Result<(), DriverError> {
        self.send(now, to, datagram)
    }

    /// Passes on everything queued.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    fn flush(&mut self, now: Instant) -> Result<(), DriverError>;

    /// Counts since the driver was made.
    fn stats(&self) -> DriverStats;

    /// A number that nobody outside can guess, for connection secrets. Drivers that exist to be repeatable answer with the
    /// same numbers every time.
    fn entropy(&mut self) -> u64;
}

impl<D: Driver + ?Sized> Driver for Box<D> {
    fn local_addr(&self) -> SocketAddr {
        (**self).local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        (**self).receive(now, sink)
    }

    fn receive_marked(&mut self, now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        (**self).receive_marked(now, sink)
    }

    fn max_datagram(&self) -> usize {
        (**self).max_datagram()
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        (**self).send(now, to, datagram)
    }

    fn send_marked(&mut self, now: Instant, to: SocketAddr, ecn: Ecn, datagram: &[u8]) -> Result<(), DriverError> {
        (**self).send_marked(now, to, ecn, datagram)
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        (**self).flush(now)
    }

    fn stats(&self) -> DriverStats {
        (**self).stats()
    }

    fn entropy(&mut self) -> u64 {
        (**self).entropy()
    }
}

/// A datagram that arrived.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, Ecn, MemoryNetwork};
///
/// let network = MemoryNetwork::new();
/// let (mut ann, mut bob) = (network.bind_any()?, network.bind_any()?);
/// ann.send(Instant::ZERO, bob.local_addr(), b"hello")?;
/// ann.flush(Instant::ZERO)?;
/// bob.receive_marked(Instant::ZERO, &mut |arrival| {
///     assert_eq!((arrival.from, arrival.ecn, arrival.bytes), (ann.local_addr(), Ecn::NotCapable, &b"hello"[..]));
/// })?;
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The sender's address, as the network has it.
    pub from: SocketAddr,
    /// What the network says about congestion.
    pub ecn: Ecn,
    /// The datagram.
    pub bytes: &'a [u8],
}

/// The two congestion bits of an IP header (RFC 3168). A sender marks its packets as capable; a network that is about to drop
/// packets marks those instead.
///
/// ```
/// use gridmate_runtime::driver::Ecn;
///
/// assert_eq!(Ecn::from_bits(3), Ecn::CongestionExperienced);
/// assert_eq!(Ecn::Capable0 as u8, 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ecn {
    /// The sender does not want marks, or the driver cannot tell.
    #[default]
    NotCapable = 0,
    /// Capable, second code point, ECT(1).
    Capable1 = 1,
    /// Capable, first code point, ECT(0): what our drivers send.
    Capable0 = 2,
    /// A router's queue is filling up.
    CongestionExperienced = 3,
}

impl Ecn {
    /// From the low two bits of the traffic class; others are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::CongestionExperienced,
        }
    }
}

/// What a driver moved, and what it had to drop. Payload bytes: IP and UDP headers are not counted.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, MemoryNetwork};
///
/// let network = MemoryNetwork::new();
/// let mut ann = network.bind_any()?;
/// let to_myself = ann.local_addr();
/// ann.send(Instant::ZERO, to_myself, b"hello")?;
/// ann.send(Instant::ZERO, to_myself, b"")?; // no driver sends an empty one
/// ann.receive(Instant::ZERO, &mut |_, _| {})?;
/// let stats = ann.stats();
/// assert_eq!((stats.sent, stats.sent_bytes, stats.send_dropped, stats.received), (1, 5, 1, 1));
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverStats {
    /// Datagrams handed to the network.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that arrived and were handed up.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Outgoing datagrams dropped here: buffers were full, or the system refused this one.
    pub send_dropped: u64,
    /// Incoming datagrams dropped here: empty, larger than any we send, or buffers were full.
    pub receive_dropped: u64,
}

/// Why a driver could not be made or can no longer be used.
///
/// ```
/// use gridmate_runtime::driver::{Driver, DriverError, MemoryNetwork};
///
/// let network = MemoryNetwork::new();
/// let ann = network.bind_any()?;
/// match network.bind(ann.local_addr()) {
///     Err(DriverError::Bind { address, .. }) => assert_eq!(address, ann.local_addr()), // ask for another
///     other => panic!("the address is in use, and yet {other:?}"),
/// }
/// # Ok::<(), DriverError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The address is in use, not of this machine, or not permitted.
    #[error("cannot bind {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket failed for good.
    #[error("the socket failed: {0}")]
    Socket(#[from] std::io::Error),
    /// The network thread ended.
    #[error("the network thread ended")]
    ThreadEnded,
}

/// Whether a datagram of `len` bytes is one that we move: not empty, not longer than anybody sends.
const fn is_movable(len: usize) -> bool {
    len != 0 && len <= DATAGRAM_BYTES_MAX
}

/// One spelling per address, so that equal peers compare equal: an IPv4 address is never written as an IPv6 one, and the
/// flow label, which is no part of an address, is zero. The scope of a link-local address stays.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(mut v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => {
                v6.set_flowinfo(0);
                SocketAddr::V6(v6)
            }
        },
    }
}
