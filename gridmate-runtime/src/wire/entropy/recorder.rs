//! What a codec says, as symbols: decisions with the names of their models.

use super::contexts::{EXPECTATIONS, FLAG_PLACES, FLAGS, NODES, SIGNS, SIZE_PLACES, SIZES};
use super::{LARGE, class, expectation};
use crate::wire::forward::itself_as_stage;
use crate::wire::ladder::low_mask;
use crate::wire::stream::write_golomb;
use crate::wire::{Sink, WireError};

/// A stretch of what a [`Recorder`] has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbols {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// One decision under a model (a context and a bit above it), or up to 16 bits without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol(u32);

const RAW: u32 = 1 << 31;

impl Symbol {
    #[inline]
    pub(super) fn decision(context: u16, value: bool) -> Self {
        Self(u32::from(context) << 1 | u32::from(value))
    }

    #[inline]
    fn raw(value: u32, count: u32) -> Self {
        Self(RAW | count << 16 | value)
    }

    /// The context and the decision, or the bits and how many.
    #[inline]
    pub(super) const fn parts(self) -> Result<(u16, bool), (u32, u32)> {
        if self.0 & RAW == 0 {
            #[expect(clippy::cast_possible_truncation, reason = "17 bits, one of them shifted out")]
            Ok(((self.0 >> 1) as u16, self.0 & 1 != 0))
        } else {
            Err((self.0 & 0xFFFF, self.0 >> 16 & 0x1F))
        }
    }
}

/// Records what is written to it, to be played for each peer.
///
/// It can also take what a chunk with the packed coder says: word for word, without models.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    symbols: Vec<Symbol>,
    error: Option<WireError>,
    place: FlagPlace,
    modelled: bool,
}

/// Which flag of which chunk type comes next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlagPlace {
    class: u16,
    next: u16,
}

impl FlagPlace {
    pub(super) const fn begin(class: u16) -> Self {
        Self { class, next: 0 }
    }

    /// The context of the root of the tree for the next size.
    #[inline]
    pub(super) const fn size_tree(self, expected: u64) -> u16 {
        SIZES + (self.next % SIZE_PLACES * EXPECTATIONS + expectation(expected)) * NODES
    }

    /// The context of the sign of the next size.
    #[inline]
    pub(super) const fn sign(self) -> u16 {
        SIGNS + self.next % SIZE_PLACES
    }

    /// The context of the next flag.
    #[inline]
    pub(super) const fn next(&mut self, moved: Option<bool>) -> u16 {
        let place = self.class.wrapping_mul(37).wrapping_add(self.next) % FLAG_PLACES;
        self.next = self.next.wrapping_add(1);
        FLAGS
            + 3 * place
            + match moved {
                None => 0,
                Some(false) => 1,
                Some(true) => 2,
            }
    }
}

/// Bits in parts of at most 16, from the lowest on.
#[inline]
pub(super) fn parts(value: u64, count: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..count).step_by(16).map(move |from| {
        let take = (count - from).min(16);
        #[expect(clippy::cast_possible_truncation, reason = "masked to 16 bits")]
        let part = (value >> from & low_mask(take)) as u32;
        (part, take)
    })
}

impl Recorder {
    /// The next chunk is of this class, and under models or not.
    pub(crate) const fn begin(&mut self, class: u16, modelled: bool) {
        self.place = FlagPlace::begin(class);
        self.modelled = modelled;
    }

    pub(crate) fn clear(&mut self) {
        self.symbols.clear();
        self.error = None;
    }

    pub(crate) fn len(&self) -> usize {
        self.symbols.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.symbols.truncate(len);
    }

    pub(crate) const fn take_error(&mut self) -> Option<WireError> {
        self.error.take()
    }

    pub(super) fn symbols(&self, of: Symbols) -> &[Symbol] {
        &self.symbols[of.start..of.start + of.len]
    }

    /// Bits that the symbols from `start` on take at most, but for what was least expected.
    pub(crate) fn bits_from(&self, start: usize) -> usize {
        self.symbols[start..].iter().map(|symbol| symbol.parts().map_or_else(|(_, count)| count as usize, |_| 1)).sum()
    }

    #[inline]
    fn push(&mut self, symbol: Symbol) {
        self.symbols.push(symbol);
    }

    #[inline]
    fn tree(&mut self, base: u16, class: u16) {
        let mut node = 1;
        for bit in (0..5).rev() {
            let value = class >> bit & 1;
            self.push(Symbol::decision(base + node, value == 1));
            node = node << 1 | value;
        }
    }
}

impl Sink for Recorder {
    itself_as_stage!();

    #[inline]
    fn is_modelled(&self) -> bool {
        self.modelled
    }

    fn bits(&mut self, value: u64, count: u32) {
        for (part, count) in parts(value, count) {
            self.push(Symbol::raw(part, count));
        }
    }

    #[inline]
    fn bool(&mut self, value: bool) {
        self.differs(value, None);
    }

    #[inline]
    fn differs(&mut self, differs: bool, moved: Option<bool>) {
        if self.modelled {
            let context = self.place.next(moved);
            self.push(Symbol::decision(context, differs));
        } else {
            self.push(Symbol::raw(differs.into(), 1));
        }
    }

    #[cold]
    fn fail(&mut self, error: WireError) {
        self.error.get_or_insert(error);
    }

    #[inline]
    fn residual(&mut self, value: i64, expected: u64) {
        if !self.modelled {
            return write_golomb(value, expected, self);
        }
        let size = value.unsigned_abs();
        let (class, bits) = class(size);
        self.tree(self.place.size_tree(expected), class);
        if class == LARGE {
            self.bits(size, 32);
        } else {
            self.bits(size & ((1 << bits) - 1), bits);
        }
        if size != 0 {
            self.push(Symbol::decision(self.place.sign(), value < 0));
        }
    }
}
