//! What an endpoint tells its program, and what all of its connections share.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::config::{ChannelId, ConnectionId};
use super::error::{DisconnectReason, Refusal};
use super::pool::Pool;
use super::stats::EndpointStats;
use super::telemetry::Watch;
use crate::limits;

/// Something happened.
///
/// Every connection, whether [`connect`](super::Endpoint::connect) returned it or [`Incoming`](Self::Incoming) announced it,
/// or an [`Admission`](super::Admission) has let in, ends with exactly one [`Disconnected`](Self::Disconnected) or
/// [`Refused`](Self::Refused), whoever ended it, and nothing
/// comes after that. The exceptions: [`refuse`](super::Endpoint::refuse) ends it without an event, and of whom an admission let in the
/// program hears nothing before [`Connected`](Self::Connected).
///
/// Give the buffers back with [`recycle`](super::Endpoint::recycle) when done with them.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Endpoint, Refusal};
///
/// /// Lets friends in and counts what they say, bytes.
/// fn react(endpoint: &mut Endpoint, now: Instant, heard: &mut usize) {
///     while let Some(event) = endpoint.poll_event() {
///         match event {
///             CarrierEvent::Incoming { connection, hello, .. } if hello == b"friend" => {
///                 let _ = endpoint.accept(now, connection, b"welcome"); // fails if it has given up meanwhile
///             }
///             CarrierEvent::Incoming { connection, .. } => endpoint.refuse(now, connection, Refusal::denied(1, "who?")),
///             CarrierEvent::Message { bytes, .. } => {
///                 *heard += bytes.len();
///                 endpoint.recycle(bytes);
///             }
///             _ => {}
///         }
///     }
/// }
/// # let (a, b) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
/// # let mut ends = [Endpoint::new(CarrierConfig::new(7), 1), Endpoint::new(CarrierConfig::new(7), 2)];
/// # let connection = ends[1].connect(Instant::ZERO, a, b"friend").unwrap();
/// # let (mut heard, mut datagram) = (0, Vec::new());
/// # for step in 1..20 {
/// #     let now = Instant::from_millis(16 * step);
/// #     react(&mut ends[0], now, &mut heard);
/// #     while let Some(event) = ends[1].poll_event() {
/// #         if matches!(event, CarrierEvent::Connected { .. }) {
/// #             ends[1].send(connection, gridmate_runtime::carrier::ChannelId(0), b"hello", None).unwrap();
/// #         }
/// #     }
/// #     for (from, to, address) in [(0, 1, a), (1, 0, b)] {
/// #         ends[from].handle_timeout(now);
/// #         while ends[from].poll_transmit(now, &mut datagram).is_some() {
/// #             ends[to].handle_datagram(now, address, &datagram);
/// #         }
/// #     }
/// # }
/// # assert_eq!(heard, 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CarrierEvent {
    /// Somebody wants to connect; answer with [`accept`](super::Endpoint::accept) or
    /// [`refuse`](super::Endpoint::refuse) within the handshake timeout. Anyone can make these events appear.
    Incoming {
        /// The connection to be.
        connection: ConnectionId,
        /// Where the hello came from. Not proven until [`Connected`](Self::Connected).
        address: SocketAddr,
        /// What the joiner says of itself.
        hello: Vec<u8>,
    },
    /// The connection is usable.
    Connected {
        /// Which one.
        connection: ConnectionId,
        /// What the accepting program passed to [`accept`](super::Endpoint::accept); empty at the accepting end.
        welcome: Vec<u8>,
    },
    /// The other end does not want us.
    Refused {
        /// What [`connect`](super::Endpoint::connect) returned.
        connection: ConnectionId,
        /// Why.
        reason: Refusal,
    },
    /// The peer is at another address now, as it has proven. Everything goes on as before.
    Moved {
        /// Which connection.
        connection: ConnectionId,
        /// Where its peer is.
        address: SocketAddr,
    },
    /// The connection is over.
    Disconnected {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A message arrived.
    Message {
        /// From whom.
        connection: ConnectionId,
        /// Where the peer sent it.
        channel: ChannelId,
        /// Number of the packet it came in; of a message in fragments the lowest, of a reliable message that of the packet
        /// whose arrival made it deliverable.
        ///
        /// On unreliable channels, once a message with order *n* was delivered, none with an order below
        /// *n* − [`limits::PACKET_WINDOW`] will be.
        order: u64,
        /// Number of the packet that completed it, for [`reject`](super::Endpoint::reject).
        packet: u64,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The fate of a message sent with a token. Comes exactly once per token, before the connection's last event.
    Receipt {
        /// The connection it was sent on.
        connection: ConnectionId,
        /// The token given to [`send`](super::Endpoint::send).
        token: u64,
        /// True: the peer's carrier has the whole message. False: it may or may not have.
        delivered: bool,
    },
}

/// Events that wait for the program.
#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<CarrierEvent>,
    /// Bytes of the messages among them.
    bytes: usize,
}

impl Events {
    pub(super) fn push(&mut self, event: CarrierEvent) {
        self.bytes += payload(&event);
        self.queue.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<CarrierEvent> {
        let event = self.queue.pop_front()?;
        self.bytes -= payload(&event);
        Some(event)
    }

    /// Whether nothing may be received before the program has taken some.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= limits::EVENTS || self.bytes >= limits::EVENT_BYTES
    }
}

fn payload(event: &CarrierEvent) -> usize {
    match event {
        CarrierEvent::Message { bytes, .. } => bytes.capacity(),
        _ => 0,
    }
}

/// What all connections of an endpoint share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) pool: Pool,
    pub(super) events: Events,
    pub(super) stats: EndpointStats,
    pub(super) watch: Watch,
}
