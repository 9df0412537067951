//! One channel of a connection: what it promises, what waits in it, and how messages become frames and back.

pub(super) mod fragment;
pub(super) mod receiver;
pub(super) mod sender;
pub(super) mod unreliable;

use self::receiver::Receiver;
use self::sender::{Packed, Sender};
use self::unreliable::Queue;
use super::channel_stats::Counters;
use super::config::{ChannelConfig, ChannelKind};
use crate::limits;

/// A channel's state, by kind.
#[derive(Debug)]
#[repr(u8)]
#[expect(clippy::large_enum_variant, reason = "behind a pointer there would be one more place in memory to wait for")]
pub(super) enum Channel {
    Reliable(Reliable),
    /// With the number of the newest packet that brought a message.
    Sequenced(Queue, u64),
    Unreliable(Queue),
}

/// Both halves of a reliable channel.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Reliable {
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
}

// Six lines of memory: what was counted, the receiver, the sender's numbers, its window, and its first message and its second.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Place>() == 6 * 64 && size_of::<Receiver>() == 72 && size_of::<Sender>() == 240);

impl Channel {
    pub(super) fn new(config: &ChannelConfig, first: u64) -> Self {
        let reliable = |ordered| {
            Self::Reliable(Reliable {
                receiver: Receiver::new(first, ordered, config.max_message),
                sender: Sender::new(first),
            })
        };
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

    fn has_more(&self) -> bool {
        match self {
            Self::Reliable(reliable) => reliable.sender.has_more(),
            Self::Sequenced(queue, _) | Self::Unreliable(queue) => !queue.is_empty(),
        }
    }
}

/// A channel, and what it has done.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Place {
    pub(super) counters: Counters,
    pub(super) channel: Channel,
}

/// The channels of a connection, by number, and which of them have something to send: a connection is asked that far more often
/// than it changes, and most channels of most connections are idle.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) all: Box<[Place]>,
    /// One bit per channel.
    waiting: [u64; limits::CHANNELS / 64],
}

impl Channels {
    pub(super) fn new(configs: &[ChannelConfig], first: u64) -> Self {
        let place = |config| Place { counters: Counters::default(), channel: Channel::new(config, first) };
        let all = configs.iter().map(place).collect();
        Self { all, waiting: [0; limits::CHANNELS / 64] }
    }

    pub(super) fn get(&self, channel: u8) -> Option<&Channel> {
        self.all.get(usize::from(channel)).map(|place| &place.channel)
    }

    pub(super) fn get_mut(&mut self, channel: u8) -> Option<&mut Channel> {
        self.all.get_mut(usize::from(channel)).map(|place| &mut place.channel)
    }

    pub(super) fn place_mut(&mut self, channel: u8) -> Option<&mut Place> {
        self.all.get_mut(usize::from(channel))
    }

    /// A channel was changed: notes whether it has something to send now.
    pub(super) fn update(&mut self, channel: u8) {
        let (word, bit) = (usize::from(channel / 64), 1 << (channel % 64));
        match self.get(channel) {
            Some(changed) if changed.has_more() => self.waiting[word] |= bit,
            _ => self.waiting[word] &= !bit,
        }
    }

    /// Whether a channel has something to send.
    pub(super) fn waits(&self, channel: u8) -> bool {
        debug_assert_eq!(self.bit(channel), self.get(channel).is_some_and(Channel::has_more), "channel {channel}");
        self.bit(channel)
    }

    /// Whether any does.
    pub(super) fn any_waits(&self) -> bool {
        debug_assert!((0..=u8::MAX).zip(&self.all).all(|(n, place)| self.bit(n) == place.channel.has_more()));
        self.waiting.iter().any(|word| *word != 0)
    }

    fn bit(&self, channel: u8) -> bool {
        self.waiting[usize::from(channel / 64)] & 1 << (channel % 64) != 0
    }
}
