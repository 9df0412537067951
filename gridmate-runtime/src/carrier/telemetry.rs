//! The hook for whoever wants to see what connections do: packets, losses, windows, beginnings and ends.

use core::fmt;
use core::time::Duration;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::ConnectionId;
use super::error::DisconnectReason;
use super::stats::DropCause;
use crate::time::Instant;

/// Is told what happens on the connections of an endpoint, as it happens.
///
/// Every method does nothing unless it is written. They are called in the middle of the endpoint's work: be quick, and leave
/// the rest for later. An endpoint without telemetry does not call anything. [`Trace`](super::Trace) writes everything
/// down; for totals there are [`Endpoint::stats`](super::Endpoint::stats) and
/// [`endpoint_stats`](super::Endpoint::endpoint_stats).
///
/// An `Arc<Mutex<T>>` of telemetry is telemetry, so that a program can keep a hand on it.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, ConnectionId, Endpoint, PacketSent, Telemetry};
///
/// /// The largest packet.
/// #[derive(Default)]
/// struct Largest(usize);
///
/// impl Telemetry for Largest {
///     fn packet_sent(&mut self, _: Instant, _: ConnectionId, packet: PacketSent) {
///         self.0 = self.0.max(packet.bytes);
///     }
/// }
///
/// let largest = Arc::new(Mutex::new(Largest::default()));
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// endpoint.set_telemetry(Some(Box::new(largest.clone())));
/// // … and at the end:
/// assert_eq!(largest.lock().unwrap().0, 0);
/// ```
#[doc(alias = "driller")]
pub trait Telemetry: Send {
    /// A data packet was written.
    fn packet_sent(&mut self, now: Instant, connection: ConnectionId, packet: PacketSent) {
        let _ = (now, connection, packet);
    }

    /// A data packet was received and taken.
    fn packet_received(&mut self, now: Instant, connection: ConnectionId, packet: PacketReceived) {
        let _ = (now, connection, packet);
    }

    /// A packet was acknowledged.
    fn packet_acked(&mut self, now: Instant, connection: ConnectionId, packet: PacketSettled) {
        let _ = (now, connection, packet);
    }

    /// A packet was given up.
    fn packet_lost(&mut self, now: Instant, connection: ConnectionId, packet: PacketSettled) {
        let _ = (now, connection, packet);
    }

    /// A datagram of `bytes` had no effect.
    fn datagram_dropped(&mut self, now: Instant, from: SocketAddr, bytes: usize, cause: DropCause) {
        let _ = (now, from, bytes, cause);
    }

    /// An acknowledgement or a loss has changed what is known of the path.
    fn path_measured(&mut self, now: Instant, connection: ConnectionId, path: PathMetrics) {
        let _ = (now, connection, path);
    }

    /// A connection has begun, got further or ended.
    fn connection_changed(&mut self, now: Instant, connection: ConnectionId, change: ConnectionChange) {
        let _ = (now, connection, change);
    }
}

/// A packet that was written.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{ConnectionId, PacketSent, Telemetry};
///
/// /// Bytes that say nothing but what has arrived.
/// struct Reports(usize);
///
/// impl Telemetry for Reports {
///     fn packet_sent(&mut self, _: Instant, _: ConnectionId, packet: PacketSent) {
///         self.0 += if packet.ack_eliciting { 0 } else { packet.bytes };
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketSent {
    /// Its number.
    pub number: u64,
    /// Its length.
    pub bytes: usize,
    /// Whether it asks for an acknowledgement.
    pub ack_eliciting: bool,
    /// Whether it only finds out if datagrams of its length get through.
    pub probe: bool,
}

/// A packet that was taken.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{ConnectionId, PacketReceived, Telemetry};
///
/// /// Packets that the network has marked.
/// struct Marked(u64);
///
/// impl Telemetry for Marked {
///     fn packet_received(&mut self, _: Instant, _: ConnectionId, packet: PacketReceived) {
///         self.0 += u64::from(packet.marked);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketReceived {
    /// Its number.
    pub number: u64,
    /// Its length.
    pub bytes: usize,
    /// Whether the network has marked it for congestion.
    pub marked: bool,
}

/// A packet whose fate is known.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{ConnectionId, PacketSettled, Telemetry};
///
/// /// How long the last loss took to be noticed.
/// struct Noticed(Duration);
///
/// impl Telemetry for Noticed {
///     fn packet_lost(&mut self, now: Instant, _: ConnectionId, packet: PacketSettled) {
///         self.0 = now - packet.sent_at;
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketSettled {
    /// Its number.
    pub number: u64,
    /// Its length.
    pub bytes: usize,
    /// When it was sent.
    pub sent_at: Instant,
}

/// What a connection knows of its path.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{ConnectionId, PathMetrics, Telemetry};
///
/// /// A curve to draw: time and window.
/// struct Curve(Vec<(Instant, usize)>);
///
/// impl Telemetry for Curve {
///     fn path_measured(&mut self, now: Instant, _: ConnectionId, path: PathMetrics) {
///         self.0.push((now, path.window));
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathMetrics {
    /// Bytes that may be in flight: the congestion window.
    pub window: usize,
    /// Bytes in flight.
    pub in_flight: usize,
    /// Pacing rate, bytes per second; `u64::MAX` when unpaced.
    pub rate: u64,
    /// The last round trip, once one was measured.
    pub latest_rtt: Option<Duration>,
    /// The smoothed one.
    pub smoothed_rtt: Option<Duration>,
    /// The largest datagram that the path is known to take, bytes.
    pub datagram: usize,
}

/// How far a connection has got.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{ConnectionChange, ConnectionId, Telemetry};
///
/// /// Connections that stand.
/// struct Open(usize);
///
/// impl Telemetry for Open {
///     fn connection_changed(&mut self, _: Instant, _: ConnectionId, change: ConnectionChange) {
///         match change {
///             ConnectionChange::Connected { .. } => self.0 += 1,
///             ConnectionChange::Ended { was_connected: true, .. } => self.0 -= 1,
///             _ => {}
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionChange {
    /// This end says hello.
    Connecting {
        /// To whom.
        address: SocketAddr,
    },
    /// Somebody's hello is with the program.
    Incoming {
        /// Whose.
        address: SocketAddr,
    },
    /// The joiner may come in.
    Accepted,
    /// The joiner may not: by this end's word or the other's.
    Refused,
    /// It stands.
    Connected {
        /// With whom.
        address: SocketAddr,
    },
    /// Its peer is elsewhere.
    Moved {
        /// Where.
        address: SocketAddr,
    },
    /// It is over.
    Ended {
        /// Why.
        reason: DisconnectReason,
        /// Whether it has ever stood.
        was_connected: bool,
    },
}

/// Where telemetry goes, if anywhere.
#[derive(Default)]
pub(super) struct Watch(pub(super) Option<Box<dyn Telemetry>>);

impl Watch {
    /// Tells something that is only worked out if there is anyone to hear it.
    #[inline]
    pub(super) fn tell(&mut self, what: impl FnOnce(&mut dyn Telemetry)) {
        if let Some(telemetry) = &mut self.0 {
            cold(|| what(&mut **telemetry));
        }
    }
}

/// Keeps what is rare out of the way of what is not.
#[cold]
#[inline(never)]
fn cold(rare: impl FnOnce()) {
    rare();
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watch(..)" } else { "Watch(None)" })
    }
}

impl<T: Telemetry> Telemetry for Arc<Mutex<T>> {
    fn packet_sent(&mut self, now: Instant, connection: ConnectionId, packet: PacketSent) {
        self.lock().unwrap_or_else(PoisonError::into_inner).packet_sent(now, connection, packet);
    }

    fn packet_received(&mut self, now: Instant, connection: ConnectionId, packet: PacketReceived) {
        self.lock().unwrap_or_else(PoisonError::into_inner).packet_received(now, connection, packet);
    }

    fn packet_acked(&mut self, now: Instant, connection: ConnectionId, packet: PacketSettled) {
        self.lock().unwrap_or_else(PoisonError::into_inner).packet_acked(now, connection, packet);
    }

    fn packet_lost(&mut self, now: Instant, connection: ConnectionId, packet: PacketSettled) {
        self.lock().unwrap_or_else(PoisonError::into_inner).packet_lost(now, connection, packet);
    }

    fn datagram_dropped(&mut self, now: Instant, from: SocketAddr, bytes: usize, cause: DropCause) {
        self.lock().unwrap_or_else(PoisonError::into_inner).datagram_dropped(now, from, bytes, cause);
    }

    fn path_measured(&mut self, now: Instant, connection: ConnectionId, path: PathMetrics) {
        self.lock().unwrap_or_else(PoisonError::into_inner).path_measured(now, connection, path);
    }

    fn connection_changed(&mut self, now: Instant, connection: ConnectionId, change: ConnectionChange) {
        self.lock().unwrap_or_else(PoisonError::into_inner).connection_changed(now, connection, change);
    }
}
