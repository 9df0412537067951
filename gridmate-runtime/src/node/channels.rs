//! What goes over which channel of a connection. Part of the wire format.

use crate::carrier::{ChannelConfig, ChannelId, ChannelKind, ChannelPriority};
use crate::limits;

/// Session control: reliable, first in every datagram.
pub(super) const CONTROL: ChannelId = ChannelId(0);
/// Calls that must arrive.
pub(super) const RPC_RELIABLE: ChannelId = ChannelId(1);
/// Calls that may be lost, but never arrive late.
pub(super) const RPC_UNRELIABLE: ChannelId = ChannelId(2);
/// Replica state: repeated by the replica manager, so never by the carrier.
pub(super) const STATE: ChannelId = ChannelId(3);
/// The first of [`UserChannel`]: voice, whose datagrams are the smallest and most, has the last number that needs no frame.
const FIRST_USER: u8 = 4;

/// The share of state among channels of its priority. Whatever a program sends, most of a busy line is for its objects.
const STATE_WEIGHT: u8 = 4;

/// What a message between programs travels on: how it is repeated, ordered, and preferred.
///
/// ```
/// use gridmate_runtime::UserChannel;
///
/// assert!(UserChannel::Ordered.is_reliable() && !UserChannel::Voice.is_reliable());
/// let map = vec![0; 5 << 20];
/// assert!(map.len() > UserChannel::Ordered.max_bytes() && map.len() <= UserChannel::Bulk.max_bytes());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UserChannel {
    /// Voice: goes first, is never repeated, never waits for more than a quarter of a second, and never goes back: a piece that comes
    /// after a later one *of the same speaker* is dropped. Up to [`limits::VOICE_BYTES`] each.
    Voice,
    /// What may be lost and may come in any order. Up to [`limits::UNRELIABLE_MESSAGE_BYTES`] each.
    Unreliable,
    /// What must arrive, in the order it was sent: chat, turns. Up to [`limits::ORDERED_MESSAGE_BYTES`] each.
    Ordered,
    /// What must arrive and may take its time: maps, pictures. Messages do not wait for each other, and everything else goes first. Up
    /// to [`limits::BULK_BYTES`] each.
    Bulk,
}

impl UserChannel {
    pub(super) const ALL: [Self; 4] = [Self::Voice, Self::Unreliable, Self::Ordered, Self::Bulk];

    /// Whether every message arrives, or its sender hears that it did not.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Ordered | Self::Bulk)
    }

    /// The longest message it takes, bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Voice => limits::VOICE_BYTES,
            Self::Unreliable => limits::UNRELIABLE_MESSAGE_BYTES,
            Self::Ordered => limits::ORDERED_MESSAGE_BYTES,
            Self::Bulk => limits::BULK_BYTES,
        }
    }

    pub(super) const fn id(self) -> ChannelId {
        ChannelId(FIRST_USER + self as u8)
    }

    pub(super) fn of(id: ChannelId) -> Option<Self> {
        Self::ALL.get(usize::from(id.0.checked_sub(FIRST_USER)?)).copied()
    }

    fn config(self) -> ChannelConfig {
        // Of voice each speaker has an order of its own, which the node looks after: to the carrier it has none.
        let (kind, priority, queue_bytes) = match self {
            Self::Voice => (ChannelKind::Unreliable, ChannelPriority::High, limits::VOICE_QUEUE_BYTES),
            Self::Unreliable => (ChannelKind::Unreliable, ChannelPriority::Normal, limits::UNRELIABLE_QUEUE_BYTES),
            Self::Ordered => (ChannelKind::ReliableOrdered, ChannelPriority::Normal, limits::RELIABLE_BYTES),
            Self::Bulk => (ChannelKind::ReliableUnordered, ChannelPriority::Low, limits::BULK_QUEUE_BYTES),
        };
        ChannelConfig { priority, queue_bytes, max_message: self.max_bytes() + limits::ADDRESS_BYTES, ..kind.into() }
    }
}

/// All of them, by number.
pub(super) fn channels() -> Vec<ChannelConfig> {
    let channel = |kind: ChannelKind, priority| ChannelConfig { priority, ..kind.into() };
    let mut channels = vec![
        channel(ChannelKind::ReliableOrdered, ChannelPriority::Critical),
        channel(ChannelKind::ReliableOrdered, ChannelPriority::High),
        channel(ChannelKind::UnreliableSequenced, ChannelPriority::High),
        ChannelConfig { weight: STATE_WEIGHT, ..channel(ChannelKind::Unreliable, ChannelPriority::Normal) },
    ];
    channels.extend(UserChannel::ALL.map(UserChannel::config));
    channels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_found_by_its_number() {
        let channels = channels();
        for channel in UserChannel::ALL {
            assert_eq!(UserChannel::of(channel.id()), Some(channel));
            assert_eq!(channels[usize::from(channel.id().0)].kind.is_reliable(), channel.is_reliable());
        }
        assert_eq!([STATE, ChannelId(8), ChannelId(255)].map(UserChannel::of), [None; 3]);
        assert_eq!(channels.len(), 8);
    }
}
