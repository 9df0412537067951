//! Whose turn it is: four strict priorities, and fair shares among the channels of one.
//!
//! Within a priority channels take turns (deficit round robin, Shreedhar and Varghese 1995): each turn gives a channel
//! [`QUANTUM`] bytes for each unit of its weight, and what it took too much is missing from its next turn. A channel that has
//! nothing to send saves nothing up.

use super::config::ChannelConfig;

/// What a turn is worth for each unit of weight, bytes.
const QUANTUM: isize = 300;

/// Enough for anything a packet holds.
const UNBOUNDED: isize = isize::MAX / 2;

/// Priorities, count.
pub(super) const LEVELS: usize = 4;

/// The channels of an endpoint by priority: their numbers and weights.
#[derive(Clone, Debug)]
pub(super) struct Schedule([Vec<(u8, u8)>; LEVELS]);

impl Schedule {
    pub(super) fn new(channels: &[ChannelConfig]) -> Self {
        let mut levels: [Vec<(u8, u8)>; LEVELS] = Default::default();
        for (number, channel) in (0..=u8::MAX).zip(channels) {
            levels[channel.priority as usize].push((number, channel.weight.max(1)));
        }
        Self(levels)
    }

    /// Fills a packet. `waits` says whether a channel has something to send; `pack` sends up to so many bytes of one, takes them
    /// off, and answers whether more could go now.
    pub(super) fn fill(
        &self,
        turns: &mut Turns,
        mut waits: impl FnMut(u8) -> bool,
        mut pack: impl FnMut(u8, &mut isize) -> bool,
    ) {
        for (level, cursor) in self.0.iter().zip(&mut turns.cursors) {
            let count = level.len();
            if let [(channel, _)] = level[..] {
                if waits(channel) {
                    pack(channel, &mut { UNBOUNDED });
                }
                continue;
            }
            let waiting = level.iter().filter(|(channel, _)| waits(*channel)).count();
            loop {
                let mut again = false;
                for place in (0..count).map(|i| (usize::from(*cursor) + i) % count) {
                    let (channel, weight) = level[place];
                    let saved = &mut turns.saved[usize::from(channel)];
                    if !waits(channel) {
                        *saved = 0;
                        continue;
                    }
                    if waiting == 1 {
                        *saved = 0;
                        pack(channel, &mut { UNBOUNDED });
                        continue;
                    }
                    let mut share = isize::from(*saved) + isize::from(weight) * QUANTUM;
                    let more = pack(channel, &mut share);
                    // What did not fit is not saved up: the packet is full, and the next one begins with the next channel.
                    *saved = i16::try_from(share.min(0)).unwrap_or(i16::MIN);
                    again |= more;
                }
                if !again {
                    break;
                }
            }
            // Whoever comes first in a packet has the advantage that anything fits: each in turn.
            if waiting > 1 {
                *cursor = u8::try_from((usize::from(*cursor) + 1) % count).unwrap_or(0);
            }
        }
    }
}

/// Where the turns of one connection are.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    cursors: [u8; LEVELS],
    /// By channel: what it took too much, as a negative number of bytes.
    saved: Vec<i16>,
}

impl Turns {
    pub(super) fn new(channels: usize) -> Self {
        Self { cursors: [0; LEVELS], saved: vec![0; channels] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::{ChannelKind, ChannelPriority};

    /// Sends messages of each channel's length, all of which are endless, in packets of 1,000 bytes; returns bytes by channel.
    fn shares(channels: &[(ChannelPriority, u8, isize)]) -> Vec<isize> {
        let configs: Vec<_> = channels
            .iter()
            .map(|&(priority, weight, _)| ChannelConfig { priority, weight, ..ChannelKind::Unreliable.into() })
            .collect();
        let schedule = Schedule::new(&configs);
        let (mut turns, mut sent) = (Turns::new(channels.len()), vec![0; channels.len()]);
        for _ in 0..3_000 {
            let mut room = 1_000;
            schedule.fill(
                &mut turns,
                |_| true,
                |channel, share| {
                    let len = channels[usize::from(channel)].2;
                    while *share > 0 {
                        if len > room {
                            return false;
                        }
                        (*share, room) = (*share - len, room - len);
                        sent[usize::from(channel)] += len;
                    }
                    true
                },
            );
        }
        sent
    }

    #[test]
    fn a_higher_priority_takes_all_it_can() {
        use ChannelPriority::{Critical, Low, Normal};
        let sent = shares(&[(Low, 1, 50), (Critical, 1, 400), (Normal, 9, 150)]);
        assert_eq!(sent, [3_000 * 50, 3_000 * 800, 3_000 * 150], "the others fill what is left over");
    }

    #[test]
    fn equals_share_by_weight_whatever_their_messages_are() {
        use ChannelPriority::Normal;
        let sent = shares(&[(Normal, 1, 40), (Normal, 1, 900), (Normal, 1, 10), (Normal, 2, 100)]);
        let total: isize = sent.iter().sum();
        for (bytes, weight) in sent.iter().zip([1.0, 1.0, 1.0, 2.0]) {
            let share = *bytes as f64 / total as f64 * 5.0 / weight;
            assert!((0.6..1.5).contains(&share), "{sent:?}");
        }
    }

    #[test]
    fn one_alone_has_the_packet() {
        assert_eq!(shares(&[(ChannelPriority::High, 1, 100)]), [3_000_000]);
    }
}
