//! Values that go on as they did.

use crate::wire::codec::{Native, Quantize};
use crate::wire::shape::PREDICTED;
use crate::wire::{Codec, Marshal, Past, Shape, Sink, Source, WireError};

/// A codec whose changes are written against a guess: where the value would be if it had gone on from its base as it came to
/// it. What `predict = Linear` makes of the codec beside it.
///
/// Alone, and against a base without a past that both ends know, everything is as with the codec itself. Otherwise each
/// component is written by how far the guess was off, in a code that suits the size of the motion: about two bits more than
/// the error has, and one bit each for what stands still or keeps its pace. The floats of a value (all coordinates of a position) share
/// a code of four bits, which says how much narrower than the motions the errors are. What never changed is not written at all, with or
/// without a guess.
///
/// It pays where things move: bodies, cameras, timers. Where values jump about it costs a bit or two for each number, and one leap of a
/// float that moved slowly costs nine.
///
/// ```
/// use gridmate_runtime::wire::codec::{Predict, Quantize};
/// use gridmate_runtime::wire::{Ahead, BitWriter, Codec, Past};
///
/// const POSITION: Predict<Quantize> = Predict::new(Quantize::step(-100.0, 100.0, 0.01));
/// let [past, base, now] = [1.0_f32, 1.5, 3.01].map(|x| POSITION.to_repr(&x));
/// let mut w = BitWriter::new();
/// Codec::<f32>::encode_ahead(&POSITION, &now, &base, Past::new(&past, Ahead::new(3, 1)), &mut w);
/// assert_eq!(w.len(), 7); // Expected at 3.00; it moves fast, so an error of one step costs no less than one of twenty.
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Predict<C>(C);

impl<C> Predict<C> {
    /// What `codec` makes of a value, guessed along a line. Codecs that are not [`Predictable`] do not guess.
    pub const fn new(codec: C) -> Self {
        Self(codec)
    }

    /// The same, for a codec that guesses; what `predict = Linear` writes.
    pub const fn of<T>(codec: C) -> Self
    where
        C: Predictable<T>,
    {
        Self(codec)
    }
}

impl Predict<Quantize> {
    /// Bits of one value alone.
    pub(crate) const fn width(&self) -> u32 {
        self.0.width()
    }
}

/// A codec for values of which a guess can be made: its [`encode_ahead`](Codec::encode_ahead) looks at
/// [`Past::guess`].
///
/// ```
/// use gridmate_runtime::wire::Codec;
/// use gridmate_runtime::wire::codec::{Native, Predict, Predictable, Quantize};
///
/// /// What `predict = Linear` says of a field: a codec that does not guess is refused when compiling.
/// fn shape<T, C: Predictable<T>>(codec: C) -> String {
///     Codec::<T>::shape(&Predict::of::<T>(codec)).to_string()
/// }
///
/// assert_eq!(shape::<u16, _>(Native), "linear<u16>");
/// assert!(shape::<f32, _>(Quantize::bits(0.0, 1.0, 8)).starts_with("linear<quantize"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot predict a `{T}`",
    label = "there is no guess for a `{T}` carried by `{Self}`",
    note = "`predict = Linear` goes with `f32`, integers of at most 32 bits, arrays and glam vectors of these, alone or under `quantize(…)` and `bits = …`, and with rotations under `SmallestThree`; in a struct, give it to the fields"
)]
pub trait Predictable<T>: Codec<T> {}

impl<T, C: Codec<T>> Codec<T> for Predict<C> {
    type Repr = C::Repr;
    const LARGEST_BITS: usize = C::LARGEST_BITS;

    fn shape(&self) -> Shape {
        Shape::named(PREDICTED, [self.0.shape()])
    }

    #[inline]
    fn to_repr(&self, value: &T) -> Self::Repr {
        self.0.to_repr(value)
    }

    #[inline]
    fn capture(&self, value: &T, into: &mut Self::Repr) {
        self.0.capture(value, into);
    }

    #[inline]
    fn from_repr(&self, repr: &Self::Repr) -> T {
        self.0.from_repr(repr)
    }

    #[inline]
    fn assign(&self, value: &mut T, repr: &Self::Repr) {
        self.0.assign(value, repr);
    }

    #[inline]
    fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
        self.0.encode(repr, w);
    }

    #[inline]
    fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
        self.0.decode(r)
    }

    #[inline]
    fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        self.0.encode_delta(repr, base, w);
    }

    #[inline]
    fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        self.0.decode_delta(repr, r)
    }

    #[inline]
    fn encode_ahead(&self, repr: &Self::Repr, base: &Self::Repr, past: Past<'_, Self::Repr>, w: &mut impl Sink) {
        self.0.encode_ahead(repr, base, past.guessing(), w);
    }

    #[inline]
    fn decode_ahead(
        &self,
        repr: &mut Self::Repr,
        past: Past<'_, Self::Repr>,
        r: &mut impl Source,
    ) -> Result<(), WireError> {
        self.0.decode_ahead(repr, past.guessing(), r)
    }
}

/// `encode_ahead` and `decode_ahead` of a [`Codec`] whose reprs are integers of a width, or arrays of them. They wrap around,
/// and what is read may still be refused. More than 32 bits are not guessed.
macro_rules! along_lines {
    ($type:ty: $one_or_more:ident, |$this:ident| $width:expr, |$repr:ident| $checked:expr) => {
        #[inline]
        fn encode_ahead(
            &self,
            repr: &Self::Repr,
            base: &Self::Repr,
            past: $crate::wire::Past<'_, Self::Repr>,
            w: &mut impl $crate::wire::Sink,
        ) {
            use $crate::wire::residual::view::$one_or_more::shared;
            let $this = self;
            match past.guess() {
                Some((past, ahead)) if $width <= 32 => {
                    $crate::wire::residual::write_lines(shared(repr), shared(base), shared(past), $width, ahead, w);
                }
                _ => $crate::wire::Codec::<$type>::encode_delta($this, repr, base, w),
            }
        }

        #[inline]
        fn decode_ahead(
            &self,
            repr: &mut Self::Repr,
            past: $crate::wire::Past<'_, Self::Repr>,
            r: &mut impl $crate::wire::Source,
        ) -> Result<(), $crate::wire::WireError> {
            use $crate::wire::residual::view::$one_or_more::{exclusive, shared};
            let $this = self;
            match past.guess() {
                Some((then, ahead)) if $width <= 32 => {
                    let base = past.base().map(shared);
                    $crate::wire::residual::read_lines(exclusive(repr), base, shared(then), $width, ahead, r)?;
                    let $repr = &*repr;
                    $checked
                }
                _ => $crate::wire::Codec::<$type>::decode_delta($this, repr, r),
            }
        }
    };
}
pub(in crate::wire) use along_lines;

/// The same of a [`Marshal`](crate::wire::Marshal): `lines` for integers, `floats` for what travels as the patterns of floats.
macro_rules! marshal_ahead {
    (lines $one_or_more:ident $width:expr) => {
        $crate::wire::codec::predict::marshal_ahead!(@ #[inline] $one_or_more residual write_lines read_lines ($width) if $width <= 32);
    };
    (floats $one_or_more:ident) => {
        $crate::wire::codec::predict::marshal_ahead!(@ #[inline(always)] $one_or_more floats write_floats read_floats () if true);
    };
    (@ #[$inline:meta] $one_or_more:ident $module:ident $write:ident $read:ident ($($width:expr)?) if $fits:expr) => {
        #[$inline]
        fn encode_ahead(
            repr: &Self::Repr,
            base: &Self::Repr,
            past: $crate::wire::Past<'_, Self::Repr>,
            w: &mut impl $crate::wire::Sink,
        ) {
            use $crate::wire::{$module, residual::view::$one_or_more::shared};
            match past.guess() {
                Some((past, ahead)) if $fits => {
                    $module::$write(shared(repr), shared(base), shared(past), $($width,)? ahead, w);
                }
                _ => Self::encode_delta(repr, base, w),
            }
        }

        #[$inline]
        fn decode_ahead(
            repr: &mut Self::Repr,
            past: $crate::wire::Past<'_, Self::Repr>,
            r: &mut impl $crate::wire::Source,
        ) -> Result<(), $crate::wire::WireError> {
            use $crate::wire::{$module, residual::view::$one_or_more::{exclusive, shared}};
            match past.guess() {
                Some((then, ahead)) if $fits => {
                    $module::$read(exclusive(repr), past.base().map(shared), shared(then), $($width,)? ahead, r)
                }
                _ => Self::decode_delta(repr, r),
            }
        }
    };
}
pub(in crate::wire) use marshal_ahead;

impl Predictable<u8> for Native {}
impl Predictable<u16> for Native {}
impl Predictable<u32> for Native {}
impl Predictable<i8> for Native {}
impl Predictable<i16> for Native {}
impl Predictable<i32> for Native {}
impl Predictable<f32> for Native {}
/// Element by element, each with a bit that says whether it differs.
impl<T: Marshal, const N: usize> Predictable<[T; N]> for Native where Self: Predictable<T> {}
