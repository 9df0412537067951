//! Which packets came: the receiver's window of packet numbers, and the acknowledgements made of it.
//!
//! [`Received`] remembers which of the last [`limits::PACKET_WINDOW`] numbers came, in a ring of bits. Whatever is older is
//! not accepted, so a number is never taken twice. From it come acknowledgements: the newest number and, going down, ranges
//! of received numbers. How far down they go is learned: once the peer has acknowledged a packet that carried an
//! acknowledgement up to *n*, nothing much below *n* needs saying again. While the last [`CUMULATIVE`] numbers are all here and
//! what is older was reported twice already, one number and a time are all there is to say.

use core::time::Duration;

use super::packet::{CUMULATIVE, number_bits, put_delay, put_low, put_varint, set_ack};
use super::ring::Ring;
use super::stats::Cause;
use crate::limits;
use crate::time::Instant;

/// Numbers below one the peer is known to have seen acknowledged that are still reported, for late arrivals.
const LATE: u64 = 64;

/// Packets whose acknowledgement tells us that the peer saw ours, count.
const CARRIERS: usize = 64;

const WINDOW: u64 = limits::PACKET_WINDOW as u64;
const WORDS: usize = limits::PACKET_WINDOW / 64;

/// The numbers received.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Received {
    /// Those among them that must not be acknowledged: what they brought was of no use. They still count as seen. Few connections
    /// ever have any.
    refused: Option<Box<[u64; WORDS]>>,
    /// One more than the newest number received; the first number when none was.
    end: u64,
    /// When that one came.
    newest_at: Instant,
    first: u64,
    /// The peer is known to have seen everything up to here acknowledged.
    confirmed: u64,
    /// Ends of what the last two acknowledgements reported.
    reported: [u64; 2],
    /// Own packets that carried acknowledgements: their number, and the newest number they acknowledged.
    carriers: Ring<(u64, u64), 3>,
    /// One bit per number, at its remainder by the window.
    bits: [u64; WORDS],
}

impl Received {
    pub(super) fn new(first: u64) -> Self {
        Self {
            bits: [0; WORDS],
            refused: None,
            end: first,
            newest_at: Instant::ZERO,
            first,
            carriers: Ring::new(),
            confirmed: first,
            reported: [first; 2],
        }
    }

    /// The number the next packet would have if nothing were lost.
    pub(super) const fn expected(&self) -> u64 {
        self.end
    }

    /// Whether a packet with this number may be looked at.
    pub(super) fn check(&self, number: u64) -> Result<(), Cause> {
        if number < self.first || number + WINDOW < self.end {
            Err(Cause::TooOld)
        } else if number < self.end && self.contains(number) {
            Err(Cause::Duplicate)
        } else {
            Ok(())
        }
    }

    /// Notes a number that [`check`](Self::check) let through.
    pub(super) fn insert(&mut self, now: Instant, number: u64) {
        if number >= self.end {
            if number - self.end >= WINDOW {
                self.bits.fill(0);
            } else {
                (self.end..number).for_each(|skipped| self.bits[word(skipped)] &= !bit(skipped));
            }
            self.end = number + 1;
            self.newest_at = now;
        }
        self.bits[word(number)] |= bit(number);
        if let Some(refused) = &mut self.refused {
            refused[word(number)] &= !bit(number);
        }
    }

    /// A packet that was received is not to be acknowledged. Comes too late once an acknowledgement was written.
    pub(super) fn refuse(&mut self, number: u64) {
        if number < self.end && number + WINDOW >= self.end {
            self.refused.get_or_insert_default()[word(number)] |= bit(number);
        }
    }

    /// Appends an acknowledgement, unless there is nothing to acknowledge, and says so in the packet's first byte; returns its
    /// newest number. `carrier` is the number of the packet it goes in.
    pub(super) fn write(&mut self, now: Instant, carrier: u64, wide: bool, out: &mut Vec<u8>) -> Option<u64> {
        let floor = self.confirmed.saturating_sub(LATE).max(self.end.saturating_sub(WINDOW)).max(self.first);
        let newest = if self.end > floor && self.reports(self.end - 1) {
            self.end - 1
        } else {
            self.run_down(self.end, floor, false).checked_sub(1).filter(|newest| *newest >= floor)?
        };
        if self.carriers.len() == CARRIERS {
            self.carriers.pop_front();
        }
        self.carriers.push_back((carrier, newest));
        put_low(out, newest, number_bits(wide));
        put_delay(out, if newest + 1 == self.end { now.saturating_since(self.newest_at) } else { Duration::ZERO });
        let recent = newest.saturating_sub(CUMULATIVE - 1).max(self.first);
        let seen = self.reported[1].max(self.confirmed);
        self.reported = [newest + 1, self.reported[0]];
        let mut low = self.run_down(newest, floor.min(recent), true);
        if low <= recent && seen >= recent {
            set_ack(out, 1);
            return Some(newest);
        }
        low = low.max(floor);
        set_ack(out, 2);
        put_varint(out, small(newest - low));
        let place = out.len();
        out.push(0);
        while usize::from(out[place]) < limits::ACK_RANGES - 1 && low > floor {
            let missing_to = self.run_down(low, floor, false);
            if missing_to <= floor {
                break;
            }
            let high = missing_to - 1;
            let next = self.run_down(high, floor, true);
            put_varint(out, small(low - 1 - missing_to));
            put_varint(out, small(high - next));
            low = next;
            out[place] += 1;
        }
        Some(newest)
    }

    /// The peer acknowledged our packets `low..=high` in the newest range of an acknowledgement.
    pub(super) fn confirm(&mut self, low: u64, high: u64) {
        while let Some(&(carrier, newest)) = self.carriers.front() {
            if carrier > high {
                return;
            }
            if carrier >= low {
                self.confirmed = self.confirmed.max(newest);
            }
            self.carriers.pop_front();
        }
    }

    fn contains(&self, number: u64) -> bool {
        self.bits[word(number)] & bit(number) != 0
    }

    /// What is to be reported of a word of the window.
    fn reported_in(&self, index: usize) -> u64 {
        self.bits[index] & !self.refused.as_ref().map_or(0, |refused| refused[index])
    }

    fn reports(&self, number: u64) -> bool {
        self.reported_in(word(number)) & bit(number) != 0
    }

    /// The lowest number, not below `floor`, such that all from it to below `high` are (`present`) or are not to be reported.
    fn run_down(&self, high: u64, floor: u64, present: bool) -> u64 {
        let mut low = high;
        while low > floor {
            let index = word(low - 1);
            let reported = self.reported_in(index);
            let like = if present { reported } else { !reported };
            // The bits below `low` of its word, at the top.
            let place = (low - 1) % 64 + 1;
            let run = u64::from((like << (64 - place)).leading_ones()).min(place);
            low -= run;
            if run < place {
                break;
            }
        }
        low.max(floor)
    }
}

const fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[expect(clippy::cast_possible_truncation, reason = "differences within the packet window")]
const fn small(difference: u64) -> usize {
    difference as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::carrier::packet::{Data, WireId, expand_down, start_data};
    use crate::rng::Rng;

    fn ack_of(received: &mut Received, carrier: u64, wide: bool) -> Vec<u8> {
        let mut packet = Vec::new();
        start_data(&mut packet, WireId { value: 1, len: 1 }, carrier, wide);
        received.write(Instant::ZERO, carrier, wide, &mut packet);
        packet
    }

    /// What an acknowledgement reports, from the newest down.
    fn reported(packet: &[u8], last: u64, first: u64) -> BTreeSet<u64> {
        let data = Data::parse(packet, 1).unwrap();
        let ack = data.ack.unwrap();
        let newest = expand_down(ack.newest, number_bits(data.wide), last).unwrap();
        ack.ranges(newest, first).flat_map(|range| range.map(|(low, high)| low..=high).unwrap()).collect()
    }

    #[test]
    fn an_acknowledgement_says_only_what_came_and_most_of_it() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let first = if seed % 2 == 0 { 0 } else { 65_000 };
            let (mut received, mut model) = (Received::new(first), BTreeSet::new());
            let mut refused = BTreeSet::new();
            let chance = if seed % 3 == 0 { 1.0 } else { rng.unit() };
            let mut last = first;
            for number in first..first + 1_500 {
                if rng.chance(chance) {
                    let number = number.saturating_sub(if seed % 3 == 0 { 0 } else { rng.below(8) }).max(first);
                    assert_eq!(received.check(number).is_ok(), model.insert(number));
                    if received.check(number).is_ok() {
                        received.insert(Instant::ZERO, number);
                        last = last.max(number);
                        if rng.chance(0.01) {
                            received.refuse(number);
                            refused.insert(number);
                        }
                    }
                }
                if rng.chance(0.05) && !model.is_empty() {
                    let said = reported(&ack_of(&mut received, number, true), last, first);
                    let true_set: BTreeSet<_> = model.difference(&refused).copied().collect();
                    assert!(said.is_subset(&true_set), "seed {seed}");
                    let recent = true_set.range(last.saturating_sub(20)..).count();
                    assert_eq!(said.range(last.saturating_sub(20)..).count(), recent, "seed {seed}");
                    if rng.chance(0.3) {
                        received.confirm(number, number);
                    }
                }
            }
        }
    }

    #[test]
    fn without_loss_it_is_two_bytes() {
        let mut received = Received::new(0);
        let mut sizes = Vec::new();
        for number in 0..2_000 {
            received.insert(Instant::ZERO, number);
            if number % 16 == 15 {
                sizes.push(ack_of(&mut received, number / 16, false).len() - 7);
            }
        }
        assert!(sizes[8..].iter().all(|&size| size == 2), "{sizes:?}");
    }

    #[test]
    fn what_is_missing_is_reported_again_until_it_is_confirmed() {
        let mut received = Received::new(0);
        (0..200).filter(|number| *number != 150).for_each(|number| received.insert(Instant::ZERO, number));
        for carrier in 0..5 {
            let said = reported(&ack_of(&mut received, carrier, false), 199, 0);
            assert!(!said.contains(&150) && said.contains(&149) && said.len() == 199);
        }
        received.confirm(4, 4);
        (200..300).for_each(|number| received.insert(Instant::ZERO, number));
        let said = reported(&ack_of(&mut received, 5, true), 299, 0);
        assert_eq!(said.first(), Some(&135), "64 below what was confirmed: {said:?}");
    }

    #[test]
    fn old_numbers_and_repetitions_are_told_apart() {
        let mut received = Received::new(10);
        assert_eq!(received.check(9), Err(Cause::TooOld));
        received.insert(Instant::ZERO, 10);
        assert_eq!(received.check(10), Err(Cause::Duplicate));
        received.insert(Instant::ZERO, 5_000);
        assert_eq!(received.check(11), Err(Cause::TooOld));
        assert_eq!(received.check(5_001 - WINDOW), Ok(()));
        assert_eq!(received.check(5_000 - WINDOW), Err(Cause::TooOld));
    }
}
