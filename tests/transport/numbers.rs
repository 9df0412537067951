//! Scenario 7: 70,000 and more messages through every number wrap, and every boundary value of each comparison.
//!
//! On the wire are the low 8 or 16 bits of packet numbers and of what acknowledgements say, the low 8 or 24 bits of a reliable
//! segment's sequence number, and 16 bits of a fragmented message's group. Behind them are numbers of 64 bits, which the receiver
//! completes. `CarrierConfig::first_number` lets all of them begin anywhere.

use core::time::Duration;

use gridmate_runtime::Rng;
use gridmate_runtime::carrier::ChannelId;

use crate::carrier_support::*;
use crate::forged::DATA;

const CHANNELS: [ChannelId; 5] = [RELIABLE, SECOND_RELIABLE, UNORDERED, SEQUENCED, UNRELIABLE];

/// What is sent in fragments, bytes.
const FRAGMENTED: usize = 1_250;

/// Messages of every channel, as they should be received.
struct Checked {
    sent: u64,
    /// By channel, as in [`CHANNELS`]; then those in fragments.
    got: [u64; 6],
    unordered: Vec<bool>,
    last_sequenced: Option<u64>,
    unreliable: Vec<[bool; 2]>,
}

impl Checked {
    fn new(messages: usize) -> Self {
        Self {
            sent: 0,
            got: [0; 6],
            unordered: vec![false; messages],
            last_sequenced: None,
            unreliable: vec![[false; 2]; messages],
        }
    }

    /// One message on each channel, and one in fragments, each in datagrams of its own if `alone`.
    fn send(&mut self, pair: &mut Pair, alone: bool) {
        for channel in CHANNELS {
            assert!(pair.send(1, channel, &self.sent.to_le_bytes(), None), "{channel}: {}", self.sent);
            if alone {
                pair.flush(1);
            }
        }
        let mut long = self.sent.to_le_bytes().to_vec();
        long.resize(FRAGMENTED, 0x5A);
        assert!(pair.send(1, UNRELIABLE, &long, None));
        self.sent += 1;
    }

    fn receive(&mut self, pair: &mut Pair) {
        for (at, channel) in CHANNELS.into_iter().enumerate() {
            for (_, bytes) in pair.messages(0, channel) {
                let n = number(&bytes);
                let place = usize::try_from(n).unwrap();
                match channel {
                    UNORDERED => assert!(!core::mem::replace(&mut self.unordered[place], true), "{n} twice"),
                    SEQUENCED => {
                        assert!(self.last_sequenced.is_none_or(|last| n > last), "{n} after a later one");
                        self.last_sequenced = Some(n);
                    }
                    UNRELIABLE => {
                        let long = bytes.len() > 8;
                        assert!(!long || bytes.len() == FRAGMENTED && bytes[8..].iter().all(|byte| *byte == 0x5A));
                        assert!(!core::mem::replace(&mut self.unreliable[place][usize::from(long)], true), "{n} twice");
                        if long {
                            self.got[5] += 1;
                            continue;
                        }
                    }
                    _ => assert_eq!(n, self.got[at], "{channel}"),
                }
                self.got[at] += 1;
            }
        }
    }
}

fn starting_at(first: u64, seed: u64, link: Link) -> Pair {
    let mut configs = [config(), config()];
    configs.iter_mut().for_each(|config| config.first_number = first);
    let mut pair = Pair::with(seed, link, configs);
    pair.connect();
    pair
}

/// Numbers of one width as they appear on the wire: how many, and how often one was far below the one before.
#[derive(Debug, Default)]
struct Width {
    seen: u64,
    wraps: u64,
    last: u64,
}

impl Width {
    fn note(&mut self, low: u64, bits: u32) {
        self.seen += 1;
        self.wraps += u64::from(low + (1 << (bits - 1)) < self.last);
        self.last = low;
    }
}

/// What of each width was on the wire from end 1: packet numbers and sequence numbers; and acknowledgements from end 0.
#[derive(Debug, Default)]
struct Widths {
    numbers: [Width; 2],
    sequences: [Width; 2],
    acks: [Width; 2],
}

fn low(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Widths {
    fn note(&mut self, end: usize, bytes: &[u8]) {
        if bytes[0] < DATA {
            return;
        }
        let wide = usize::from(bytes[0] & 1);
        // Type, tag, a name of two bytes.
        let (mut at, len) = (7, 1 + wide);
        if end == 1 {
            self.numbers[wide].note(low(bytes, at, len), 8 * (1 + u32::from(wide == 1)));
        }
        at += len;
        match bytes[0] >> 1 & 3 {
            0 => {}
            form => {
                if end == 0 {
                    self.acks[wide].note(low(bytes, at, len), 8 * (1 + u32::from(wide == 1)));
                }
                at += len + 1;
                if form == 2 {
                    return;
                }
            }
        }
        // One message of the first reliable channel.
        if end == 1 && bytes[0] >> 3 & 7 == 1 {
            let len = [1, 3][wide];
            self.sequences[wide].note(low(bytes, at, len), 8 * [1, 3][wide]);
        }
    }
}

/// 75,000 messages on every kind of channel and as many in fragments, each in a datagram of its own: half a million packets. The round
/// trip is short most of the time, so that numbers are narrow, and long now and then, so that they are wide.
#[test]
fn scenario_07b_seventy_thousand_messages_of_every_kind_through_every_wrap() {
    const MESSAGES: u64 = 75_000;
    for first in [0, (1 << 24) - MESSAGES / 2, (1 << 32) - MESSAGES / 2] {
        let link = Link { delay: Duration::from_millis(1), loss: 0.002, ..Link::PERFECT };
        let mut pair = starting_at(first, first, link);
        pair.tick = Duration::from_millis(1);
        pair.trace = Some(Vec::new());
        let (mut checked, mut widths) = (Checked::new(usize::try_from(MESSAGES).unwrap()), Widths::default());
        let mut rounds = 0;
        while checked.got[..3] != [MESSAGES; 3] {
            if checked.sent < MESSAGES {
                pair.link.delay = Duration::from_millis(if checked.sent % 500 < 470 { 1 } else { 30 });
                checked.send(&mut pair, true);
            }
            pair.step();
            checked.receive(&mut pair);
            pair.trace.as_mut().unwrap().drain(..).for_each(|(end, bytes)| widths.note(end, &bytes));
            rounds += 1;
            assert!(rounds < 2 * MESSAGES, "{:?} of {}", checked.got, checked.sent);
        }
        pair.steps(100);
        checked.receive(&mut pair);
        for (kind, got) in ["sequenced", "unreliable", "in fragments"].into_iter().zip(&checked.got[3..]) {
            assert!(*got > 70_000, "{got} {kind}: {widths:?}");
        }
        let [narrow, wide] = &widths.numbers;
        assert!(narrow.seen > 300_000 && narrow.wraps > 1_000, "{widths:?}");
        assert!(wide.seen > 10_000 && wide.wraps >= 4, "{widths:?}");
        let [narrow, wide] = &widths.acks;
        assert!(narrow.wraps > 1_000 && wide.wraps >= 4, "{widths:?}");
        let [narrow, wide] = &widths.sequences;
        assert!(narrow.seen > 40_000 && narrow.wraps > 200 && wide.seen > 1_000, "{widths:?}");
        assert_eq!(wide.wraps, u64::from(first > 0), "24 bits begin again once in the second and the third run");
    }
}

/// Every number begins at each distance from each boundary that a comparison has: where a width wraps, at half of it, and what a
/// window is away from either; over a link that loses, repeats and reorders.
#[test]
fn scenario_07c_every_boundary_of_every_comparison() {
    let mut seed = 0;
    for boundary in [8, 16, 24, 32].into_iter().flat_map(|bits| [1_u64 << (bits - 1), 1 << bits]) {
        // The narrow widths' 64 and 128, the window's 1,024, and the numbers that a short run passes.
        for before in [1_025, 1_024, 1_023, 257, 256, 129, 128, 127, 65, 64, 63, 2, 1, 0] {
            let Some(first) = boundary.checked_sub(before) else { continue };
            seed += 1;
            let link = Link { loss: 0.1, duplicate: 0.1, reorder: 0.2, ..Link::PERFECT };
            let mut pair = starting_at(first, seed, link);
            let mut rng = Rng::new(seed);
            let mut checked = Checked::new(400);
            let mut rounds = 0;
            while checked.got[..3] != [checked.sent; 3] || checked.sent < 60 {
                if checked.sent < 60 || checked.sent < 400 && before > 200 {
                    for _ in 0..1 + rng.below(6) {
                        let alone = rng.chance(0.5);
                        if checked.sent < 400 {
                            checked.send(&mut pair, alone);
                        }
                    }
                }
                pair.step();
                checked.receive(&mut pair);
                rounds += 1;
                assert!(rounds < 3_000, "{boundary:#x} - {before}: {:?} of {}", checked.got, checked.sent);
            }
            let part = |got: u64| got * 10 >= checked.sent * 5;
            assert!(checked.got[4..].iter().all(|got| part(*got)), "{boundary:#x} - {before}: {:?}", checked.got);
            assert!(pair.ids.iter().all(Option::is_some));
        }
    }
}
