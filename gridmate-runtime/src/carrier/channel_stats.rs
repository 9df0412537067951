//! What each channel of a connection has done: plain counters, always on.

use super::channel::{Channel, Place};
use super::config::{ChannelId, ConnectionId};
use super::connection::Connection;
use super::endpoint::Endpoint;

/// Counts of one channel of a connection since it was established.
///
/// ```
/// use gridmate_runtime::carrier::ChannelStats;
///
/// /// Whether a channel takes more than it can get rid of.
/// fn is_behind(stats: &ChannelStats) -> bool {
///     stats.refused > 0 || stats.queued > 64 << 10
/// }
///
/// let mut stats = ChannelStats::default(); // from `Endpoint::channel_stats`
/// assert!(!is_behind(&stats));
/// stats.queued = 1 << 20;
/// assert!(is_behind(&stats));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Messages taken by [`send`](Endpoint::send).
    pub messages_sent: u64,
    /// Their bytes, without anything of the carrier's.
    pub bytes_sent: u64,
    /// Messages handed over as events.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Messages that [`send`](Endpoint::send) refused because too much was waiting.
    pub refused: u64,
    /// Unreliable messages that waited too long and were dropped.
    pub expired: u64,
    /// Messages of a sequenced channel that came after a later one and were dropped.
    pub late: u64,
    /// Reliable segments sent once more.
    pub resent: u64,
    /// Bytes waiting now, for acknowledgement or for their turn, with bookkeeping.
    pub queued: usize,
}

impl ChannelStats {
    /// Both together.
    ///
    /// ```
    /// use gridmate_runtime::carrier::ChannelStats;
    ///
    /// let (mut voice, mut state) = (ChannelStats::default(), ChannelStats::default());
    /// (voice.bytes_sent, state.bytes_sent) = (3, 4);
    /// assert_eq!(voice.and(state).bytes_sent, 7);
    /// ```
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            messages_sent: self.messages_sent + other.messages_sent,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            messages_received: self.messages_received + other.messages_received,
            bytes_received: self.bytes_received + other.bytes_received,
            refused: self.refused + other.refused,
            expired: self.expired + other.expired,
            late: self.late + other.late,
            resent: self.resent + other.resent,
            queued: self.queued + other.queued,
        }
    }
}

/// What is counted for a channel of either kind. The rest is known to its queue.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Counters {
    sent: u64,
    sent_bytes: u64,
    received: u64,
    received_bytes: u64,
    pub(super) refused: u64,
    pub(super) late: u64,
}

impl Counters {
    pub(super) const fn sent(&mut self, len: usize) {
        self.sent += 1;
        self.sent_bytes += len as u64;
    }

    pub(super) const fn received(&mut self, len: usize) {
        self.received += 1;
        self.received_bytes += len as u64;
    }
}

impl Connection {
    fn channel_stats(&self, channel: ChannelId) -> Option<ChannelStats> {
        let Place { counters: counted, channel } = self.channels.all.get(usize::from(channel.0))?;
        let mut stats = ChannelStats {
            messages_sent: counted.sent,
            bytes_sent: counted.sent_bytes,
            messages_received: counted.received,
            bytes_received: counted.received_bytes,
            refused: counted.refused,
            late: counted.late,
            ..ChannelStats::default()
        };
        match channel {
            Channel::Reliable(reliable) => {
                (stats.resent, stats.queued) = (reliable.sender.resent, reliable.sender.queued())
            }
            Channel::Sequenced(queue, _) | Channel::Unreliable(queue) => {
                (stats.expired, stats.queued) = (queue.expired(), queue.queued());
            }
        }
        Some(stats)
    }
}

impl Endpoint {
    /// What one channel of an established connection has done; `None` when there is no such connection or channel.
    ///
    /// ```
    /// use gridmate_runtime::Instant;
    /// use gridmate_runtime::carrier::{CarrierConfig, ChannelId, ConnectionId, Endpoint};
    ///
    /// /// Bytes of messages in either direction, without what the carrier adds.
    /// fn bytes(endpoint: &Endpoint, connection: ConnectionId, channels: u8) -> u64 {
    ///     (0..channels)
    ///         .filter_map(|channel| endpoint.channel_stats(connection, ChannelId(channel)))
    ///         .map(|stats| stats.bytes_sent + stats.bytes_received)
    ///         .sum()
    /// }
    ///
    /// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
    /// let connection = endpoint.connect(Instant::ZERO, ([10, 0, 0, 1], 1).into(), b"")?;
    /// assert_eq!(bytes(&endpoint, connection, 2), 0); // not established yet
    /// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
    /// ```
    pub fn channel_stats(&self, id: ConnectionId, channel: ChannelId) -> Option<ChannelStats> {
        self.established(id)?.channel_stats(channel)
    }
}
