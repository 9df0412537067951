//! One channel of a connection: what it promises, what waits in it, and how messages become frames and back.

pub(super) mod fragment;
pub(super) mod receiver;
pub(super) mod sender;
pub(super) mod unreliable;

use self::receiver::Receiver;
use self::sender::{Packed, Sender};
use self::unreliable::Queue;
use super::config::{ChannelConfig, ChannelKind};

/// A channel's state, by kind.
#[derive(Debug)]
pub(super) enum Channel {
    Reliable(Box<(Sender, Receiver)>),
    /// With the number of the newest packet that brought a message.
    Sequenced(Queue, u64),
    Unreliable(Queue),
}

impl Channel {
    pub(super) fn new(config: &ChannelConfig, first: u64) -> Self {
        let reliable =
            |ordered| Self::Reliable(Box::new((Sender::new(first), Receiver::new(first, ordered, config.max_message))));
        match config.kind {
            ChannelKind::ReliableOrdered => reliable(true),
            ChannelKind::ReliableUnordered => reliable(false),
            ChannelKind::UnreliableSequenced => Self::Sequenced(Queue::default(), 0),
            ChannelKind::Unreliable => Self::Unreliable(Queue::default()),
        }
    }

    /// Bytes of unreliable messages that wait, with bookkeeping.
    pub(super) const fn waiting(&self) -> usize {
        match self {
            Self::Reliable(_) => 0,
            Self::Sequenced(queue, _) | Self::Unreliable(queue) => queue.queued(),
        }
    }

    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Reliable(reliable) => reliable.0.has_more(),
            Self::Sequenced(queue, _) | Self::Unreliable(queue) => !queue.is_empty(),
        }
    }
}
