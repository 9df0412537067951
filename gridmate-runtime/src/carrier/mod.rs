//! Reliability over datagrams: connections, channels, acknowledgements. No sockets, no clock.
//!
//! An [`Endpoint`] owns all connections of one socket. It does no input or output: bytes and time go in through `handle_*`
//! and plain calls, bytes and events come out through `poll_*`. Whoever owns the socket runs this loop:
//!
//! 1. [`handle_datagram`](Endpoint::handle_datagram) for everything that arrived;
//! 2. [`handle_timeout`](Endpoint::handle_timeout);
//! 3. [`poll_event`](Endpoint::poll_event) until `None`; react: accept, [`send`](Endpoint::send), disconnect;
//! 4. [`poll_transmit`](Endpoint::poll_transmit) until `None`, passing each datagram on;
//! 5. wait for the next tick, or until [`poll_timeout`](Endpoint::poll_timeout) or a datagram.
//!
//! The same seed, times and calls give the same datagrams and events. Connections that wait cost nothing but their memory.
//! A steady exchange allocates nothing if the program gives event buffers back with [`recycle`](Endpoint::recycle).
//!
//! ```
//! use std::net::SocketAddr;
//! use core::time::Duration;
//! use gridmate_runtime::Instant;
//! use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, ChannelId, Endpoint};
//!
//! let (host, player) = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 2)));
//! let mut ends = [(host, Endpoint::new(CarrierConfig::new(7), 1)), (player, Endpoint::new(CarrierConfig::new(7), 2))];
//! let mut now = Instant::ZERO;
//! ends[1].1.connect(now, host, b"Ada")?;
//!
//! let (mut datagram, mut heard) = (Vec::new(), Vec::new());
//! while heard.is_empty() {
//!     now += Duration::from_millis(16);
//!     for i in 0..2 {
//!         ends[i].1.handle_timeout(now);
//!         while let Some(event) = ends[i].1.poll_event() {
//!             match event {
//!                 CarrierEvent::Incoming { connection, .. } => ends[i].1.accept(now, connection, b"welcome")?,
//!                 CarrierEvent::Connected { connection, .. } if i == 1 => {
//!                     ends[1].1.send(connection, ChannelId(0), b"hi", None)?;
//!                 }
//!                 CarrierEvent::Message { bytes, .. } => heard = bytes,
//!                 _ => {}
//!             }
//!         }
//!         let from = ends[i].0;
//!         while let Some(to) = ends[i].1.poll_transmit(now, &mut datagram) {
//!             assert_eq!(to, ends[1 - i].0);
//!             ends[1 - i].1.handle_datagram(now, from, &datagram);
//!         }
//!     }
//! }
//! assert_eq!(heard, b"hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a peer can and cannot do
//!
//! Anyone can say hello, and gets a few bytes back; nothing is remembered of it. Who comes back with those bytes has proven its
//! address, and occupies one of [`HALF_OPEN`](crate::limits::HALF_OPEN) places for the handshake timeout, of which one address can have
//! [`HALF_OPEN_PER_ADDRESS`](crate::limits::HALF_OPEN_PER_ADDRESS). Only who received the
//! answer to that can do anything else; a hello never touches a live connection of its address. A connection goes wherever its
//! peer goes, and nobody else can move it. A peer can make the endpoint hold at most what the named limits allow, and is
//! disconnected for trying more. The tag on each packet stops damage and strangers who cannot see the traffic. Whoever can see
//! it can forge it: run the carrier over an encrypting driver against them.
#![forbid(unsafe_code)]

mod acks;
mod admission;
mod ahead;
mod answers;
mod channel;
mod channel_stats;
mod clock;
mod compress;
mod config;
mod congestion;
mod connection;
mod demux;
mod due;
mod endpoint;
mod error;
mod events;
mod follow;
mod frame;
mod half_open;
mod handshake;
mod hash;
mod ids;
mod mtu;
mod opened;
mod outgoing;
mod packet;
mod path;
mod peer;
mod pool;
mod quality;
mod received;
mod recovery;
mod ring;
mod rtt;
mod schedule;
mod secret;
mod sent;
mod stats;
mod telemetry;
mod timers;
mod trace;
mod transmit;

#[cfg(test)]
mod tests;

pub use admission::{Admission, Decision, Joiner};
pub use channel_stats::ChannelStats;
pub use clock::ClockFilter;
#[cfg(feature = "lz4")]
pub use compress::Lz4;
#[cfg(feature = "zstd")]
pub use compress::Zstd;
pub use compress::{CompressionConfig, Compressor};
pub use config::{CarrierConfig, ChannelConfig, ChannelId, ChannelKind, ChannelPriority, ConnectionId};
pub use congestion::{Acked, Adaptive, Bandwidth, Congestion, CongestionConfig, Cubic, Fixed, Lost, Pacer, Unlimited};
pub use endpoint::Endpoint;
pub use error::{AcceptError, ConnectError, DisconnectReason, Refusal, SendError, UnknownConnection};
pub use events::CarrierEvent;
pub use stats::{ConnectionStats, DropCause, Dropped, EndpointStats};
pub use telemetry::{ConnectionChange, PacketReceived, PacketSent, PacketSettled, PathMetrics, Telemetry};
pub use trace::Trace;
