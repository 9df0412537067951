//! A writer for many small parts: the counterpart of a [`Window`](super::Window).
//!
//! A [`BitWriter`] keeps the word that it fills in memory, so that each part waits for the one before to come back from there. Here it is
//! in a register, for as long as nothing but parts is written: an encoding of a chunk, or one after the other.

use core::hint::select_unpredictable;

use super::bits::behind;
use super::forward::itself_as_stage;
use super::{BitWriter, Sink, WireError};

/// Writes behind what is in a [`BitWriter`], which has it when this is [put down](Self::put_down), and is not to be looked at before.
#[derive(Debug)]
pub(crate) struct Pen<'a> {
    /// Lent to another only while this is [aside](Sink::aside).
    to: Option<&'a mut BitWriter>,
    /// Bits not yet written; those above `filled` are zero.
    word: u64,
    /// 0..=63.
    filled: u32,
}

impl<'a> Pen<'a> {
    #[inline(always)]
    pub(crate) const fn of(to: &'a mut BitWriter) -> Self {
        let (word, filled) = (to.word, to.filled);
        Self { to: Some(to), word, filled }
    }

    #[inline(always)]
    pub(crate) const fn put_down(mut self) {
        self.hand_over();
    }

    /// Bits written so far, with those that were there before.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.to.as_ref().map_or(0, |to| to.bytes.len() * 8) + self.filled as usize
    }

    #[inline(always)]
    const fn hand_over(&mut self) {
        if let Some(to) = &mut self.to {
            (to.word, to.filled) = (self.word, self.filled);
        }
    }
}

impl Sink for Pen<'_> {
    itself_as_stage!();

    #[inline(always)]
    fn bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64 && (count == 64 || value >> count == 0), "{value:#x} has more than {count} bits");
        // Which is so anyway; the compiler does not know.
        let before = self.filled & 63;
        self.word |= value << before;
        let filled = before + count;
        if filled >= 64 {
            if let Some(to) = &mut self.to {
                to.bytes.extend_from_slice(&self.word.to_le_bytes());
            }
            self.word = behind(value, 64 - before);
        }
        self.filled = filled & 63;
    }

    #[inline(always)]
    fn long_bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64 && (count == 64 || value >> count == 0), "{value:#x} has more than {count} bits");
        let before = self.filled & 63;
        let word = self.word | value << before;
        let is_full = before + count >= 64;
        if let Some(to) = &mut self.to {
            let at = to.bytes.len();
            to.bytes.extend_from_slice(&word.to_le_bytes());
            to.bytes.truncate(at + usize::from(is_full) * 8);
        }
        let rest = behind(value, 64 - before);
        self.word = select_unpredictable(is_full, rest, word);
        self.filled = (before + count) & 63;
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        self.hand_over();
        if let Some(to) = &mut self.to {
            to.bytes(bytes);
            (self.word, self.filled) = (to.word, to.filled);
        }
    }

    #[inline(always)]
    fn fail(&mut self, error: WireError) {
        if let Some(to) = &mut self.to {
            to.fail(error);
        }
    }

    #[inline(always)]
    fn aside(&mut self, what: impl FnOnce(&mut Self)) {
        let mut elsewhere = Self { to: self.to.take(), word: self.word, filled: self.filled };
        what(&mut elsewhere);
        *self = elsewhere;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::bits::lowest;

    #[derive(Clone, Debug)]
    enum Part {
        Bits(u64, u32),
        Long(u64, u32),
        Gamma(u32),
        Residual(i64, u64),
        Varint(u64),
        Bytes(Vec<u8>),
        Aside(Vec<Self>),
    }

    fn part() -> impl Strategy<Value = Part> {
        let part = prop_oneof![
            (any::<u64>(), 0u32..=64)
                .prop_map(|(value, count)| Part::Bits(if count == 64 { value } else { value & lowest(count) }, count)),
            (any::<u64>(), 0u32..=64)
                .prop_map(|(value, count)| Part::Long(if count == 64 { value } else { value & lowest(count) }, count)),
            (1u32.., 0u32..32).prop_map(|(value, shift)| Part::Gamma((value >> shift).max(1))),
            (any::<i32>(), 0u32..32, any::<u64>(), 0u32..64)
                .prop_map(|(value, shift, expected, less)| Part::Residual((value >> shift).into(), expected >> less)),
            (any::<u64>(), 0u32..64).prop_map(|(value, shift)| Part::Varint(value >> shift)),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Part::Bytes),
        ];
        part.prop_recursive(2, 12, 4, |part| prop::collection::vec(part, 0..4).prop_map(Part::Aside))
    }

    fn write<S: Sink>(part: &Part, w: &mut S) {
        match part {
            Part::Bits(value, count) => w.bits(*value, *count),
            Part::Long(value, count) => w.long_bits(*value, *count),
            Part::Gamma(value) => w.gamma(*value),
            Part::Residual(value, expected) => w.residual(*value, *expected),
            Part::Varint(value) => w.varint(*value),
            Part::Bytes(bytes) => w.bytes(bytes),
            Part::Aside(parts) => w.aside(|w| parts.iter().for_each(|part| write(part, w))),
        }
    }

    proptest! {
        #[test]
        fn a_pen_writes_what_a_writer_does(parts in prop::collection::vec(part(), 0..40), lead in 0u32..64, fails in 0usize..80) {
            let [mut direct, mut to] = [BitWriter::new(), BitWriter::new()];
            direct.bits(0, lead);
            to.bits(0, lead);
            let mut pen = Pen::of(&mut to);
            for (i, part) in parts.iter().enumerate() {
                write(part, &mut direct);
                write(part, &mut pen);
                if i == fails {
                    direct.fail(WireError::Invalid);
                    Sink::fail(&mut pen, WireError::Invalid);
                }
                prop_assert_eq!(pen.len(), direct.len());
            }
            pen.put_down();
            prop_assert_eq!(to.error(), direct.error());
            // And the writer goes on where the pen was put down.
            direct.bits(5, 3);
            to.bits(5, 3);
            prop_assert_eq!(to.finish(), direct.finish());
        }
    }
}
