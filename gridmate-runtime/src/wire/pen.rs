//! A writer for many small parts: the counterpart of a [`Window`](super::Window).
//!
//! A [`BitWriter`] keeps the word that it fills in memory, so that each part waits for the one before to come back from there. Here it is
//! in a register, for as long as nothing but parts is written: an encoding of a chunk, or one after the other.

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
