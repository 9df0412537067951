//! Counters: what went through, and what was dropped and why.

use core::time::Duration;

/// Counts of an endpoint since it was made.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, Endpoint};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
/// let mut datagram = Vec::new();
/// assert!(endpoint.poll_transmit(Instant::ZERO, &mut datagram).is_some());
/// let stats = endpoint.endpoint_stats();
/// assert_eq!((stats.sent, stats.sent_bytes), (1, datagram.len() as u64));
/// assert_eq!(stats.connected, 0); // nobody has answered yet
/// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Datagrams produced.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams handed in, whatever became of them.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Those that had no effect, by cause.
    pub dropped: Dropped,
    /// Connections established.
    pub connected: u64,
    /// Peers that turned up at another address and went on from there.
    pub moved: u64,
    /// Times `now` was before an earlier `now`. It was taken for the earlier one.
    pub clock_went_back: u64,
}

/// Incoming datagrams that had no effect, by cause.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{CarrierConfig, Endpoint};
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// endpoint.handle_datagram(Instant::ZERO, ([203, 0, 113, 9], 53).into(), b"");
/// let dropped = endpoint.endpoint_stats().dropped;
/// assert_eq!((dropped.short, dropped.total()), (1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Empty, or too short to be anything.
    pub short: u64,
    /// Longer than anyone sends.
    pub long: u64,
    /// Not one of our packet types.
    pub unknown_type: u64,
    /// The integrity tag does not match: damaged, forged, or of an earlier connection.
    pub bad_tag: u64,
    /// For a connection that there is not.
    pub unknown_connection: u64,
    /// The tag matches but the content makes no sense.
    pub malformed: u64,
    /// Received before.
    pub duplicate: u64,
    /// Too far behind the newest to tell whether it was received before.
    pub too_old: u64,
    /// Acknowledges what was never sent.
    pub ack_future: u64,
    /// Holds a reliable segment beyond the reorder window.
    pub beyond_window: u64,
    /// Holds a fragment of a message that was given up.
    pub stale_fragment: u64,
    /// The program does not take events fast enough.
    pub backlog: u64,
    /// Handshake packets that change nothing: repeated, late, or not for us now.
    pub handshake: u64,
    /// Hellos refused or ignored because too many connections are being made.
    pub busy: u64,
}

impl Dropped {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.short
            + self.long
            + self.unknown_type
            + self.bad_tag
            + self.unknown_connection
            + self.malformed
            + self.duplicate
            + self.too_old
            + self.ack_future
            + self.beyond_window
            + self.stale_fragment
            + self.backlog
            + self.handshake
            + self.busy
    }

    pub(super) const fn count(&mut self, cause: Cause) {
        let counter = match cause {
            Cause::Short => &mut self.short,
            Cause::Long => &mut self.long,
            Cause::UnknownType => &mut self.unknown_type,
            Cause::BadTag => &mut self.bad_tag,
            Cause::UnknownConnection => &mut self.unknown_connection,
            Cause::Malformed => &mut self.malformed,
            Cause::Duplicate => &mut self.duplicate,
            Cause::TooOld => &mut self.too_old,
            Cause::AckFuture => &mut self.ack_future,
            Cause::BeyondWindow => &mut self.beyond_window,
            Cause::StaleFragment => &mut self.stale_fragment,
            Cause::Backlog => &mut self.backlog,
            Cause::Handshake => &mut self.handshake,
            Cause::Busy => &mut self.busy,
        };
        *counter += 1;
    }
}

/// Why one datagram was dropped; [`Dropped`] counts them.
///
/// ```
/// use std::net::SocketAddr;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{DropCause, Telemetry};
///
/// /// The last address that sent something forged or damaged.
/// struct Suspect(Option<SocketAddr>);
///
/// impl Telemetry for Suspect {
///     fn datagram_dropped(&mut self, _: Instant, from: SocketAddr, _: usize, cause: DropCause) {
///         if cause == DropCause::BadTag {
///             self.0 = Some(from);
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropCause {
    /// Empty, or too short to be anything.
    Short,
    /// Longer than anyone sends.
    Long,
    /// Not one of our packet types.
    UnknownType,
    /// The integrity tag does not match.
    BadTag,
    /// For a connection that there is not.
    UnknownConnection,
    /// The tag matches but the content makes no sense.
    Malformed,
    /// Received before.
    Duplicate,
    /// Too far behind the newest.
    TooOld,
    /// Acknowledges what was never sent.
    AckFuture,
    /// Holds a reliable segment beyond the reorder window.
    BeyondWindow,
    /// Holds a fragment of a message that was given up.
    StaleFragment,
    /// The program does not take events fast enough.
    Backlog,
    /// A handshake packet that changes nothing.
    Handshake,
    /// Too many connections are being made.
    Busy,
}

/// What it is called among ourselves.
pub(super) type Cause = DropCause;

/// The state of an established connection.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::carrier::ConnectionStats;
///
/// /// The share of packets lost, and whether the line is good enough to play.
/// fn quality(stats: &ConnectionStats) -> (f64, bool) {
///     let decided = stats.packets_acked + stats.packets_lost;
///     let loss = stats.packets_lost as f64 / decided.max(1) as f64;
///     (loss, loss < 0.1 && stats.rtt.is_none_or(|rtt| rtt < Duration::from_millis(250)))
/// }
///
/// let mut stats = ConnectionStats::default(); // from `Endpoint::stats`
/// (stats.packets_acked, stats.packets_lost) = (3, 1);
/// assert_eq!(quality(&stats), (0.25, false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// The shortest measured, and how much they vary (RFC 6298's mean deviation).
    pub rtt_least: Option<Duration>,
    /// See there.
    pub rtt_variation: Option<Duration>,
    /// Share of packets lost lately, 0 to 1: a moving mean over about a hundred.
    pub loss: f32,
    /// Data packets sent.
    pub packets_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// Data packets sent compressed.
    pub packets_compressed: u64,
    /// Bytes that they would have been longer. Those sent are in [`bytes_sent`](Self::bytes_sent).
    pub bytes_saved: u64,
    /// Data packets received and processed.
    pub packets_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Packets acknowledged, of those that asked for it.
    pub packets_acked: u64,
    /// Packets given up as lost.
    pub packets_lost: u64,
    /// Packets that the network marked for congestion instead of dropping them, as the peer says.
    pub packets_marked: u64,
    /// Packets neither acknowledged nor given up.
    pub packets_in_flight: usize,
    /// Bytes of them.
    pub bytes_in_flight: usize,
    /// Bytes that may be in flight: the congestion window.
    pub window: usize,
    /// What the path has been seen to deliver, bytes per second, once measured.
    pub bandwidth: Option<u64>,
    /// The largest datagram that the path is known to take, bytes.
    pub datagram: usize,
    /// Unreliable messages with a token that waited too long and were dropped.
    pub messages_expired: u64,
    /// Reliable segments sent once more.
    pub segments_resent: u64,
    /// Bytes waiting for acknowledgement or their turn on reliable channels, with bookkeeping.
    pub reliable_queued: usize,
    /// Bytes waiting for their turn on unreliable channels, with bookkeeping.
    pub unreliable_queued: usize,
    /// Bytes of received fragments and segments that wait for others.
    pub held: usize,
}

/// What a connection counts itself; the rest of [`ConnectionStats`] is looked up when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Totals {
    pub(super) packets_sent: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_received: u64,
    pub(super) bytes_received: u64,
    pub(super) packets_acked: u64,
}

/// What there is less often, so that it need not come from memory with the rest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RareTotals {
    pub(super) packets_lost: u64,
    pub(super) packets_marked: u64,
    pub(super) messages_expired: u64,
    pub(super) packets_compressed: u64,
    pub(super) bytes_saved: u64,
}

impl Totals {
    pub(super) fn stats(&self, rare: &RareTotals) -> ConnectionStats {
        ConnectionStats {
            packets_sent: self.packets_sent,
            bytes_sent: self.bytes_sent,
            packets_received: self.packets_received,
            bytes_received: self.bytes_received,
            packets_acked: self.packets_acked,
            packets_lost: rare.packets_lost,
            packets_marked: rare.packets_marked,
            messages_expired: rare.messages_expired,
            packets_compressed: rare.packets_compressed,
            bytes_saved: rare.bytes_saved,
            ..ConnectionStats::default()
        }
    }
}
