//! What goes over which channel of a connection. Part of the wire format.

use crate::carrier::{ChannelConfig, ChannelId, ChannelKind, ChannelPriority};

/// Session control: reliable, first in every datagram.
pub(super) const CONTROL: ChannelId = ChannelId(0);
/// Calls that must arrive.
pub(super) const RPC_RELIABLE: ChannelId = ChannelId(1);
/// Calls that may be lost, but never arrive late.
pub(super) const RPC_UNRELIABLE: ChannelId = ChannelId(2);
/// Replica state: repeated by the replica manager, so never by the carrier.
pub(super) const STATE: ChannelId = ChannelId(3);

/// All of them, by number.
pub(super) fn channels() -> Vec<ChannelConfig> {
    let channel = |kind: ChannelKind, priority| ChannelConfig { priority, ..kind.into() };
    vec![
        channel(ChannelKind::ReliableOrdered, ChannelPriority::Critical),
        channel(ChannelKind::ReliableOrdered, ChannelPriority::High),
        channel(ChannelKind::UnreliableSequenced, ChannelPriority::High),
        channel(ChannelKind::Unreliable, ChannelPriority::Normal),
    ]
}
