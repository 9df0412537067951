//! Where values are written to and read from: the seam between what a codec says and how it becomes bits.
//!
//! A codec does not know its coder. It says what it has to say in a handful of words (bits, a flag, a number that is probably
//! small), and the stream it says it to decides what each costs: [`BitWriter`] gives every word a fixed code and can stand at
//! any bit; the entropy coder asks a model how likely each answer was. So both are written from one declaration.

use super::forward::{sink_passed_on, source_passed_on};
use super::ladder::{low_mask, unzigzag, zigzag};
use super::stage::{ReadStage, WriteStage};
use super::{BitReader, BitWriter, WireError};

/// What values are written to: a [`BitWriter`], or a stream that models what it is told.
///
/// ```
/// use gridmate_runtime::wire::{BitWriter, Sink};
///
/// fn three(w: &mut impl Sink) {
///     w.bits(0b101, 3);
///     w.residual(-2, 1); // Probably about 1 in size.
/// }
///
/// let mut w = BitWriter::new();
/// three(&mut w);
/// assert_eq!(w.len(), 3 + 4);
/// ```
pub trait Sink {
    /// See [`stage`](Self::stage).
    type Stage<'a>: Sink
    where
        Self: 'a;

    /// Where the parts of one value meet before they are written; a stream that has no use for that gives itself. It stands
    /// where this stood, and this stands where the stage stood when it is [committed](Self::commit), which it has to be.
    fn stage(&mut self) -> Self::Stage<'_>;

    /// Ends a stage.
    #[inline]
    fn commit(self)
    where
        Self: Sized,
    {
    }

    /// Whether this stream wants to know what is likely: codecs then say more, and in other words.
    #[inline]
    fn is_modelled(&self) -> bool {
        false
    }

    /// Whether the next dataset of a chunk is to be written at all. Asked once for each, in order.
    #[inline]
    fn dataset(&mut self) -> bool {
        true
    }

    /// The same for a dataset that travels once: whether it is the whole chunk that is written.
    #[inline]
    fn initial(&mut self) -> bool {
        false
    }

    /// Writes the low `count` bits of `value`; `count` is 0..=64 and the bits above must be zero.
    fn bits(&mut self, value: u64, count: u32);

    /// The same for what is long and of any length: without a branch that nobody could foresee, where that is worth it.
    #[inline]
    fn long_bits(&mut self, value: u64, count: u32) {
        self.bits(value, count);
    }

    /// Writes a flag.
    #[inline]
    fn bool(&mut self, value: bool) {
        self.bits(value.into(), 1);
    }

    /// Writes whether something differs from its base; `moved` says whether that differed from what it was before, if that
    /// is known. Takes one bit where nothing is modelled.
    #[inline]
    fn differs(&mut self, differs: bool, moved: Option<bool>) {
        let _ = moved;
        self.bool(differs);
    }

    /// Writes `value >= 1` in 2⌊log₂ value⌋ + 1 bits.
    #[inline]
    fn gamma(&mut self, value: u32) {
        let value = u64::from(value.max(1));
        let tail = value.ilog2();
        self.bits(1 << tail, tail + 1);
        self.bits(value & low_mask(tail), tail);
    }

    /// Writes `value` in groups of seven bits, each followed by a bit that says whether another comes.
    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bits(value & 0x7F | 0x80, 8);
            value >>= 7;
        }
        self.bits(value, 8);
    }

    /// Writes whole bytes, at any position.
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.bits((*byte).into(), 8));
    }

    /// Marks what was written as unfit to send; the first fault stays.
    fn fail(&mut self, error: WireError);

    /// Does what is a function of its own, or seldom done: a stream that lives in registers leaves them for it, and stays there for all
    /// else.
    #[inline]
    fn aside(&mut self, what: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        what(self);
    }

    /// Writes by how much a guess was wrong: a number of which both ends expect about `expected` in size, between -2^31 and
    /// 2^31. Without a model that is an exponential Golomb code: with *k* as the bit length of `expected` and the number
    /// folded (0, -1, 1, -2, … as 0, 1, 2, 3, …) and increased by 2^*k*: as many zeros as that has bits above the lowest *k* + 1, a one, and all
    /// its bits but the highest.
    #[inline]
    fn residual(&mut self, value: i64, expected: u64) {
        write_golomb(value, expected, self);
    }
}

/// What values are read from: the counterpart of [`Sink`]. Whatever the input, nothing panics.
///
/// ```
/// use gridmate_runtime::wire::{BitReader, BitWriter, Sink, Source, WireError};
///
/// fn write(coordinates: [i64; 2], w: &mut impl Sink) {
///     coordinates.map(|coordinate| w.residual(coordinate, 1));
/// }
///
/// fn read(r: &mut impl Source) -> Result<[i64; 2], WireError> {
///     Ok([r.residual(1)?, r.residual(1)?]) // in the same words, whatever the coder
/// }
///
/// let mut w = BitWriter::new();
/// write([-2, 40], &mut w);
/// assert_eq!(read(&mut BitReader::new(w.finish())), Ok([-2, 40]));
/// ```
pub trait Source {
    /// See [`stage`](Self::stage).
    type Stage<'a>: Source
    where
        Self: 'a;

    /// Where the parts of one value are taken from; a stream that has no use for that gives itself. It stands where this
    /// stood, and this stands where the stage stood when it was [left](Self::leave), which it has to be, unless it failed.
    fn stage(&mut self) -> Self::Stage<'_>;

    /// Ends a stage.
    #[inline]
    fn leave(self)
    where
        Self: Sized,
    {
    }

    /// As [`Sink::is_modelled`].
    #[inline]
    fn is_modelled(&self) -> bool {
        false
    }

    /// Whether the next dataset of a chunk was written. Asked once for each, in order.
    #[inline]
    fn dataset(&mut self) -> bool {
        true
    }

    /// The same for a dataset that travels once: whether it is the whole chunk that was written.
    #[inline]
    fn initial(&mut self) -> bool {
        false
    }

    /// Reads `count` bits, 0..=64.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when fewer are left.
    fn bits(&mut self, count: u32) -> Result<u64, WireError>;

    /// Reads a flag.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`].
    #[inline]
    fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.bits(1)? != 0)
    }

    /// Reads what [`Sink::differs`] wrote.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`].
    #[inline]
    fn differs(&mut self, moved: Option<bool>) -> Result<bool, WireError> {
        let _ = moved;
        self.bool()
    }

    /// Reads what [`Sink::gamma`] wrote.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for more than 32 bits.
    fn gamma(&mut self) -> Result<u32, WireError> {
        let tail = read_zeros(31, self)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 31 bits are read")]
        let low = self.bits(tail)? as u32;
        Ok(1 << tail | low)
    }

    /// Reads what [`Sink::varint`] wrote.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for a padded form or more than 64 bits.
    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        let first = self.bits(8)?;
        if first < 0x80 { Ok(first) } else { read_varint_rest(first, self) }
    }

    /// Reads `out.len()` whole bytes.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when fewer are left.
    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        for byte in out {
            *byte = self.bits(8)?.to_le_bytes()[0];
        }
        Ok(())
    }

    /// How many bits the rest could hold at most: what a length may claim.
    fn remaining(&self) -> usize;

    /// The next bits, and how many these are, fewer than 64: as many as there are without effort, or none. More effort is worth it for
    /// `wanted` of them. They remain to be read, or [passed](Self::pass).
    #[inline]
    fn at_hand(&mut self, wanted: u32) -> (u64, u32) {
        let _ = wanted;
        (0, 0)
    }

    /// Goes past bits that were [at hand](Self::at_hand).
    #[inline]
    fn pass(&mut self, count: u32) {
        debug_assert!(count == 0, "there was nothing at hand");
    }

    /// Does what is a function of its own, or seldom done: a stream that lives in registers leaves them for it, and stays there for all
    /// else.
    #[inline]
    fn aside<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T
    where
        Self: Sized,
    {
        what(self)
    }

    /// Reads what [`Sink::residual`] wrote.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for a number out of range.
    #[inline]
    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        read_golomb(expected, self)
    }
}

/// An exponential Golomb code for a number of about the expected size.
#[inline]
pub(super) fn write_golomb(value: i64, expected: u64, w: &mut (impl Sink + ?Sized)) {
    let low = golomb_parameter(expected);
    let Golomb { tail, rest } = Golomb::of(zigzag(value), low);
    w.bits(1 << tail, tail + 1);
    w.bits(rest, tail + low);
}

/// The code of a folded number of at most 33 bits, of which about `low` are expected: `tail` zeros and a one, and `tail + low` bits more.
/// These are the low ones of what is 2^`low` more than the number; of its highest, a one, the tail says where it is.
pub(super) struct Golomb {
    pub(super) tail: u32,
    pub(super) rest: u64,
}

impl Golomb {
    #[inline(always)]
    pub(super) const fn of(folded: u64, low: u32) -> Self {
        let more = folded + (1 << low);
        let most = more.ilog2();
        Self { tail: most - low, rest: more ^ 1 << most }
    }

    /// The number, if `rest` has no bits but its own. Not more than there are in a word: tail and low are at most 32 each.
    #[inline(always)]
    pub(super) const fn folded(self, low: u32) -> u64 {
        (self.rest | 1 << (self.tail + low)) - (1 << low)
    }
}

/// Reads what [`write_golomb`] wrote, a zero at a time.
pub(super) fn read_golomb(expected: u64, r: &mut (impl Source + ?Sized)) -> Result<i64, WireError> {
    let low = golomb_parameter(expected);
    let tail = read_zeros(32, r)?;
    golomb_value(Golomb { tail, rest: r.bits(tail + low)? }, low)
}

/// Reads zeros and the one behind them, and counts the zeros, at most `most`.
fn read_zeros(most: u32, r: &mut (impl Source + ?Sized)) -> Result<u32, WireError> {
    let mut count = 0;
    while r.bits(1)? == 0 {
        count += 1;
        if count > most {
            return Err(WireError::Invalid);
        }
    }
    Ok(count)
}

#[inline]
fn golomb_value(code: Golomb, low: u32) -> Result<i64, WireError> {
    let folded = code.folded(low);
    if folded > u32::MAX.into() { Err(WireError::Invalid) } else { Ok(unzigzag(folded).cast_signed()) }
}

/// How many low bits of a residual are written as they are.
#[inline]
pub(super) const fn golomb_parameter(expected: u64) -> u32 {
    let bits = u64::BITS - expected.leading_zeros();
    if bits > 31 { 31 } else { bits }
}

/// Reads the groups of a varint that follow the first one.
pub(super) fn read_varint_rest<R: Source + ?Sized>(first: u64, r: &mut R) -> Result<u64, WireError> {
    let mut value = first & 0x7F;
    for shift in (7..64).step_by(7) {
        let group = r.bits(8)?;
        if group == 0 || shift == 63 && group > 1 {
            return Err(WireError::Invalid);
        }
        value |= (group & 0x7F) << shift;
        if group < 0x80 {
            return Ok(value);
        }
    }
    Err(WireError::Invalid)
}

impl Sink for BitWriter {
    type Stage<'a> = WriteStage<'a>;

    #[inline]
    fn stage(&mut self) -> WriteStage<'_> {
        WriteStage::new(self)
    }

    #[inline]
    fn bits(&mut self, value: u64, count: u32) {
        Self::bits(self, value, count);
    }

    #[inline]
    fn bool(&mut self, value: bool) {
        Self::bool(self, value);
    }

    #[inline]
    fn gamma(&mut self, value: u32) {
        Self::gamma(self, value);
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        Self::varint(self, value);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        Self::bytes(self, bytes);
    }

    #[inline]
    fn fail(&mut self, error: WireError) {
        Self::fail(self, error);
    }
}

impl<'b> Source for BitReader<'b> {
    type Stage<'a>
        = ReadStage<'a, 'b>
    where
        Self: 'a;

    #[inline]
    fn stage(&mut self) -> ReadStage<'_, 'b> {
        ReadStage::new(self)
    }

    #[inline]
    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        Self::bits(self, count)
    }

    #[inline]
    fn bool(&mut self) -> Result<bool, WireError> {
        Self::bool(self)
    }

    #[inline]
    fn gamma(&mut self) -> Result<u32, WireError> {
        Self::gamma(self)
    }

    #[inline]
    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        Self::bytes(self, out)
    }

    #[inline]
    fn remaining(&self) -> usize {
        Self::remaining(self)
    }

    #[inline]
    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        let low = golomb_parameter(expected);
        let tail = self.zeros(32)?;
        golomb_value(Golomb { tail, rest: Self::bits(self, tail + low)? }, low)
    }
}

/// What is behind the reference, borrowed again.
macro_rules! behind {
    (&$this:ident, $stream:ident => $does:expr) => {{
        let $stream: &S = $this;
        $does
    }};
    (&mut $this:ident, $stream:ident => $does:expr) => {{
        let $stream: &mut S = $this;
        $does
    }};
}

impl<S: Sink> Sink for &mut S {
    type Stage<'a>
        = S::Stage<'a>
    where
        Self: 'a;

    #[inline]
    fn stage(&mut self) -> S::Stage<'_> {
        S::stage(self)
    }

    #[inline]
    fn dataset(&mut self) -> bool {
        S::dataset(self)
    }

    #[inline]
    fn initial(&mut self) -> bool {
        S::initial(self)
    }

    sink_passed_on!(behind);
}

impl<S: Source> Source for &mut S {
    type Stage<'a>
        = S::Stage<'a>
    where
        Self: 'a;

    #[inline]
    fn stage(&mut self) -> S::Stage<'_> {
        S::stage(self)
    }

    #[inline]
    fn dataset(&mut self) -> bool {
        S::dataset(self)
    }

    #[inline]
    fn initial(&mut self) -> bool {
        S::initial(self)
    }

    source_passed_on!(behind);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_expected_is_cheap() {
        for (value, expected, bits) in
            [(0, 0, 1), (-1, 0, 3), (1, 0, 3), (0, 1, 2), (-1, 1, 2), (1, 1, 4), (100, 100, 10), (-100, 0, 15)]
        {
            let mut w = BitWriter::new();
            Sink::residual(&mut w, value, expected);
            assert_eq!(w.len(), bits, "{value} where about {expected} was expected");
        }
    }

    proptest! {
        #[test]
        fn residuals_come_back(value in any::<i32>(), shift in 0u32..32, expected in any::<u64>(), less in 0u32..64) {
            let (value, expected) = (i64::from(value >> shift), expected >> less);
            let mut w = BitWriter::new();
            Sink::residual(&mut w, value, expected);
            let bits = w.len();
            let bytes = w.finish();
            let mut r = BitReader::new(bytes);
            prop_assert_eq!(Source::residual(&mut r, expected), Ok(value));
            prop_assert_eq!(r.position(), bits);
            for cut in 0..bytes.len() {
                prop_assert_eq!(Source::residual(&mut BitReader::new(&bytes[..cut]), expected), Err(WireError::UnexpectedEnd));
            }
        }

        #[test]
        fn no_bits_panic(bytes in prop::collection::vec(any::<u8>(), 0..20), expected in any::<u64>()) {
            let mut r = BitReader::new(&bytes);
            while Source::residual(&mut r, expected).is_ok() {}
        }
    }
}
