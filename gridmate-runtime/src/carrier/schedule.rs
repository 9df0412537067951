//! Whose turn it is: four strict priorities, and fair shares among the channels of one.
//!
//! Within a priority, each channel has a virtual time: the bytes it has sent, divided by its weight. Whoever is furthest behind
//! goes next (start-time fair queueing, Goyal, Vin and Cheng 1996). What does not fit into the packet at hand lets the others fill it
//! up, and comes first in the next one, since their time goes on meanwhile. A channel that has had nothing to send starts where
//! the others are: it saves nothing up.

use super::channel::sender::Packed;
use super::config::ChannelConfig;

/// What a channel may send before others are looked at again, bytes.
const QUANTUM: isize = 300;

/// Enough for anything a packet holds.
const UNBOUNDED: isize = isize::MAX / 2;

/// Virtual time for each byte at weight 1.
const UNIT: u64 = 256;

/// Priorities, count.
pub(super) const LEVELS: usize = 4;

/// The channels of an endpoint by priority: their numbers and weights.
#[derive(Clone, Debug)]
pub(super) struct Schedule([Vec<(u8, u8)>; LEVELS]);

/// What a channel is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Waiting,
    /// It waits, and what it has to send does not fit into this packet.
    Stuck,
}

impl Schedule {
    pub(super) fn new(channels: &[ChannelConfig]) -> Self {
        let mut levels: [Vec<(u8, u8)>; LEVELS] = Default::default();
        for (number, channel) in (0..=u8::MAX).zip(channels) {
            levels[channel.priority as usize].push((number, channel.weight.max(1)));
        }
        Self(levels)
    }

    /// Fills a packet. `waits` says whether a channel has something to send; `pack` sends up to so many bytes of one and takes them
    /// off.
    pub(super) fn fill(
        &self,
        turns: &mut Turns,
        mut waits: impl FnMut(u8) -> bool,
        mut pack: impl FnMut(u8, &mut isize) -> Packed,
    ) {
        for (number, level) in self.0.iter().enumerate() {
            let mut waiting = level.iter().filter(|(channel, _)| waits(*channel));
            let Some(&(first, _)) = waiting.next() else { continue };
            if waiting.next().is_some() {
                share(level, number, turns, &mut waits, &mut pack);
            } else {
                // It takes nothing from anybody.
                pack(first, &mut { UNBOUNDED });
            }
        }
    }
}

/// Fills a packet from several channels of one priority. By itself, so that nobody else looks at whose turn it is.
#[inline(never)]
fn share(
    level: &[(u8, u8)],
    number: usize,
    turns: &mut Turns,
    waits: &mut impl FnMut(u8) -> bool,
    pack: &mut impl FnMut(u8, &mut isize) -> Packed,
) {
    let clock = &mut turns.clocks[number];
    for (channel, _) in level {
        let (time, state) = &mut turns.channels[usize::from(*channel)];
        if !waits(*channel) {
            *state = State::Idle;
            continue;
        }
        if *state == State::Idle {
            *time = (*time).max(*clock);
        }
        *state = State::Waiting;
    }
    loop {
        let next = level.iter().filter_map(|&(channel, weight)| {
            let (time, state) = turns.channels[usize::from(channel)];
            (state == State::Waiting).then_some((time, channel, weight))
        });
        let Some((time, channel, weight)) = next.min() else { break };
        *clock = (*clock).max(time);
        let mut share = QUANTUM;
        let state = match pack(channel, &mut share) {
            Packed::All => State::Idle,
            Packed::Share => State::Waiting,
            Packed::Full => State::Stuck,
        };
        let sent = u64::try_from(QUANTUM - share).unwrap_or(0);
        turns.channels[usize::from(channel)] = (time + sent * UNIT / u64::from(weight), state);
    }
}

/// Where the turns of one connection are.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    /// By priority: the virtual time of whoever went last.
    clocks: [u64; LEVELS],
    /// By channel: its virtual time.
    channels: Vec<(u64, State)>,
}

impl Turns {
    pub(super) fn new(channels: usize) -> Self {
        Self { clocks: [0; LEVELS], channels: vec![(0, State::Idle); channels] }
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
                            return Packed::Full;
                        }
                        (*share, room) = (*share - len, room - len);
                        sent[usize::from(channel)] += len;
                    }
                    Packed::Share
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
            assert!((0.95..1.05).contains(&share), "{sent:?}");
        }
    }

    #[test]
    fn one_alone_has_the_packet() {
        assert_eq!(shares(&[(ChannelPriority::High, 1, 100)]), [3_000_000]);
    }
}
