//! What a value was before its base, and how far to look ahead from there.

/// The most times that the stretch from past to base may fit into the one ahead. Beyond it the base says more than a guess.
const FARTHEST: u32 = 64;

/// How far ahead of its base a value is, measured by the time that lies between past and base; and how calm the motion is, that
/// is how little of it is expected to go wrong.
///
/// ```
/// use gridmate_runtime::wire::Ahead;
///
/// // A car was at 100 in tick 10 and at 104 in tick 12. Where is it in tick 15?
/// let ahead = Ahead::new(15 - 12, 12 - 10);
/// assert_eq!(104 + ahead.scale(104 - 100), 110);
/// assert_eq!(ahead.factor(), 1.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// In units of 1/65,536.
    ratio: u32,
    /// The same as the pattern of a float.
    factor: u32,
    calm: u8,
}

impl Ahead {
    const NOT_AT_ALL: Self = Self { ratio: 0, factor: 0, calm: 0 };

    /// `ahead` ticks from the base to the value, `behind` from the past to the base. Not at all, so that the base itself is
    /// the guess, if `behind` is zero or `ahead` more than 64 times as much.
    ///
    /// ```
    /// use gridmate_runtime::wire::Ahead;
    ///
    /// assert_eq!(Ahead::new(6, 2).scale(-5), -15);
    /// assert_eq!(Ahead::new(1, 2).scale(5), 3, "to the nearest, halves up");
    /// assert_eq!(Ahead::new(6, 0).scale(5), 0);
    /// ```
    pub const fn new(ahead: u32, behind: u32) -> Self {
        if behind == 0 || ahead / behind > FARTHEST {
            return Self::NOT_AT_ALL;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 65 times 2^16")]
        let ratio = (((ahead as u64) << 16) / behind as u64) as u32;
        // Exactly: it has 23 bits at most.
        let factor = (ratio as f32 / 65_536.0).to_bits();
        Self { ratio, factor, calm: 0 }
    }

    /// The same, of a motion of which errors are expected to be less by 2^`calm`, at most 7.
    #[must_use]
    pub const fn with_calm(self, calm: u8) -> Self {
        Self { calm: calm & 7, ..self }
    }

    /// What matters of a motion of this size for what may go wrong.
    #[inline]
    pub(super) const fn unrest(self, motion: u64) -> u64 {
        motion >> self.calm
    }

    /// How much changes ahead if `step` did behind: to the nearest integer, halves up. `step` has at most 34 bits.
    #[inline]
    pub const fn scale(self, step: i64) -> i64 {
        (step * self.ratio as i64 + (1 << 15)) >> 16
    }

    /// The same as a factor, exactly.
    #[inline]
    pub const fn factor(self) -> f32 {
        f32::from_bits(self.factor)
    }
}

/// What a part of a snapshot was at some time before its base, if both ends know.
///
/// ```
/// use gridmate_runtime::wire::{Ahead, Past};
///
/// /// Where a codec expects a value: in a line with its past if that is known and it is asked to guess, else where it was.
/// fn expected(base: i64, past: Past<'_, i64>) -> i64 {
///     past.guess().map_or(base, |(past, ahead)| base + ahead.scale(base - past))
/// }
///
/// let past = Past::new(&100, Ahead::new(3, 2));
/// assert_eq!(expected(104, past.guessing()), 110);
/// assert_eq!(expected(104, past), 104);
/// assert_eq!(expected(104, Past::UNKNOWN), 104);
/// ```
#[derive(Debug)]
pub struct Past<'a, R> {
    repr: Option<&'a R>,
    base: Option<&'a R>,
    ahead: Ahead,
    guess: bool,
}

impl<R> Clone for Past<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Past<'_, R> {}

impl<'a, R> Past<'a, R> {
    /// Nothing is known but the base.
    pub const UNKNOWN: Self = Self { repr: None, base: None, ahead: Ahead::NOT_AT_ALL, guess: false };

    /// It was `repr`, and the value is this far ahead of the base.
    pub const fn new(repr: &'a R, ahead: Ahead) -> Self {
        Self { repr: Some(repr), base: None, ahead, guess: false }
    }

    /// The past of a part of it.
    #[inline]
    pub fn part<P>(self, part: impl Fn(&'a R) -> &'a P) -> Past<'a, P> {
        Past { repr: self.repr.map(&part), base: self.base.map(part), ahead: self.ahead, guess: false }
    }

    /// It was `repr` if that is known, and the value is this far ahead of the base.
    #[inline]
    pub const fn known(repr: Option<&'a R>, ahead: Ahead) -> Self {
        Self { repr, base: None, ahead, guess: false }
    }

    /// With the base, if that is somewhere else as well than in what will be the value. What has been in memory for a while is read sooner than what
    /// was just copied there.
    #[inline]
    #[must_use]
    pub const fn with_base(self, base: Option<&'a R>) -> Self {
        Self { base, ..self }
    }

    /// The base, if it is known where else that is: the same as what is to be read over.
    #[inline]
    pub const fn base(self) -> Option<&'a R> {
        self.base
    }

    /// How far ahead of the base the value is.
    #[inline]
    pub const fn ahead(self) -> Ahead {
        self.ahead
    }

    /// The past of an element of it, guessed if the whole is.
    #[inline]
    pub fn element<P>(self, part: impl Fn(&'a R) -> &'a P) -> Past<'a, P> {
        Past { guess: self.guess, ..self.part(part) }
    }

    /// The same, as the ground for a guess: see [`Predict`](super::codec::Predict).
    #[inline]
    pub const fn guessing(self) -> Self {
        Self { guess: true, ..self }
    }

    /// What to guess from, if that is asked for and known.
    #[inline]
    pub const fn guess(self) -> Option<(&'a R, Ahead)> {
        match self.repr {
            Some(repr) if self.guess => Some((repr, self.ahead)),
            _ => None,
        }
    }

    /// What it was.
    #[inline]
    pub const fn repr(self) -> Option<&'a R> {
        self.repr
    }
}

/// A snapshot to be written: what it is now, what it is written against, and what that was before.
///
/// ```
/// use gridmate_runtime::ReplicaChunk;
/// use gridmate_runtime::wire::{BitReader, BitWriter, Change, Past};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ship {
///     energy: u8,
///     docked: bool,
/// }
///
/// let mut known = Ship { energy: 5, docked: false }.snapshot();
/// let now = Ship { energy: 5, docked: true }.snapshot();
/// let mut w = BitWriter::new();
/// Ship::encode(Change::new(&now, &known), &mut w);
/// assert_eq!(w.len(), 1 + 2); // a bit that the energy is the same; one that `docked` is not, and its value
/// Ship::decode(&mut known, Past::UNKNOWN, &mut BitReader::new(w.finish()))?;
/// assert!(known == now);
/// # Ok::<(), gridmate_runtime::wire::WireError>(())
/// ```
#[derive(Debug)]
pub struct Change<'a, S> {
    /// What is written.
    pub now: &'a S,
    /// What the reader has.
    pub base: &'a S,
    /// What that was before, if the reader has that too.
    pub past: Past<'a, S>,
}

impl<S> Clone for Change<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Change<'_, S> {}

impl<'a, S> Change<'a, S> {
    /// A change of which the past is not known.
    pub const fn new(now: &'a S, base: &'a S) -> Self {
        Self { now, base, past: Past::UNKNOWN }
    }

    /// With what the base was before.
    pub const fn with_past(self, past: Past<'a, S>) -> Self {
        Self { past, ..self }
    }
}
