//! Any reads from any bytes: what a reader gives is what one gives that takes a bit at a time, and what was read can be
//! written again.

use gridmate_runtime::wire::{BitReader, BitWriter, Sink as _, Source as _};

use super::script::Script;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let mut reads = Script::new(script.bytes());
    let bytes = script.rest();
    let (mut reader, mut naive, mut writer) = (BitReader::new(bytes), Naive { bytes, at: 0 }, BitWriter::new());
    while !reads.is_empty() && step(&mut reads, &mut reader, &mut naive, &mut writer) {
        assert_eq!(reader.position(), naive.at);
        assert_eq!(reader.remaining(), bytes.len() * 8 - naive.at);
        assert_eq!(writer.len(), naive.at, "written as it was read");
    }
    assert_eq!(writer.error(), None);
    let read = writer.len();
    let mut again = Naive { bytes: writer.finish(), at: 0 };
    let mut first = Naive { bytes, at: 0 };
    let same = (0..read).all(|_| again.bits(1).is_some_and(|bit| first.bits(1) == Some(bit)));
    assert!(same, "the bits that were read are the bits that are written");
}

/// One read, and the same thing written. False at an error, after which a reader may be anywhere.
fn step(reads: &mut Script<'_>, reader: &mut BitReader<'_>, naive: &mut Naive<'_>, writer: &mut BitWriter) -> bool {
    let (kind, how) = (reads.byte() % 7, reads.byte());
    match kind {
        0 => {
            let count = u32::from(how) % 65;
            let read = agree(reader.bits(count).ok(), naive.bits(count));
            read.map(|value| writer.bits(value, count)).is_some()
        }
        1 => {
            let read = agree(reader.bool().ok(), naive.bits(1).map(|bit| bit == 1));
            read.map(|value| writer.bool(value)).is_some()
        }
        2 => agree(reader.gamma().ok(), naive.gamma()).map(|value| writer.gamma(value)).is_some(),
        3 => agree(reader.varint().ok(), naive.varint()).map(|value| writer.varint(value)).is_some(),
        4 => {
            let mut out = vec![0; usize::from(how) % 20];
            let read = reader.bytes(&mut out).ok().map(|()| out.clone());
            let read = agree(read, out.iter().map(|_| naive.bits(8)?.to_le_bytes().first().copied()).collect());
            read.map(|bytes| writer.bytes(&bytes)).is_some()
        }
        5 => {
            let expected = 1_u64.checked_shl(how.into()).map_or(u64::MAX, |power| power - 1);
            let read = agree(reader.residual(expected).ok(), naive.residual(expected));
            read.map(|value| writer.residual(value, expected)).is_some()
        }
        _ => {
            let count = usize::from(how).min(reader.remaining());
            writer.append_from(reader, how.into());
            (0..count).all(|_| naive.bits(1).is_some())
        }
    }
}

#[track_caller]
fn agree<T: PartialEq + core::fmt::Debug>(read: Option<T>, naive: Option<T>) -> Option<T> {
    assert_eq!(read, naive);
    read
}

/// `docs/WIRE.md`, word for word and bit by bit.
struct Naive<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Naive<'_> {
    fn bits(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= u64::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(value)
    }

    /// A number behind at most `most` zeros, a one, and as many bits and `low` more.
    fn code(&mut self, most: u32, low: u32) -> Option<u64> {
        let mut zeros = 0;
        while self.bits(1)? == 0 {
            zeros += 1;
            if zeros > most {
                return None;
            }
        }
        Some(1 << (zeros + low) | self.bits(zeros + low)?)
    }

    fn gamma(&mut self) -> Option<u32> {
        self.code(31, 0)?.try_into().ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u128;
        for shift in (0..70).step_by(7) {
            let group = self.bits(8)?;
            value |= u128::from(group & 0x7F) << shift;
            if group < 0x80 {
                let shortest = group != 0 || shift == 0;
                return value.try_into().ok().filter(|_| shortest);
            }
        }
        None
    }

    fn residual(&mut self, expected: u64) -> Option<i64> {
        let low = (u64::BITS - expected.leading_zeros()).min(31);
        let folded = u32::try_from(self.code(32, low)? - (1 << low)).ok()?;
        let half = i64::from(folded / 2);
        Some(if folded.is_multiple_of(2) { half } else { -half - 1 })
    }
}
