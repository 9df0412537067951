//! Rotations as their three smallest components.
//!
//! The components of a unit quaternion have a square sum of 1, so one can be left out; the largest, because then the others
//! are within ±1/√2 and the one computed back is well conditioned. A quaternion and its negation are the same rotation, so
//! the largest can be made positive and needs no sign.
//!
//! With B bits and M = 2^(B-1) - 1, a component *c* travels as *c* × √2 × M rounded to the nearest integer, plus M, so 0 is
//! exact, and so are ±1/√2. On ties the first component in the order x, y, z, w is the largest. Where rounding would make a
//! component overtake the one left out, all three round towards zero instead; a repr thus stands for itself, and one that
//! does not is [`Invalid`](WireError::Invalid).

use core::f64::consts::SQRT_2;

use glam::Quat;

use super::Predictable;
use crate::wire::arrays::map;
use crate::wire::lanes::Lanes;
use crate::wire::rotation;
use crate::wire::{Codec, Past, Shape, Sink, Source, WireError};

/// A rotation in 2 + 3 × `BITS` bits; `BITS` is 2..=20, anything else a compile error.
///
/// The decoded rotation is within 2√6 / (2^(BITS-1) - 1) radians of the original (0.55° for 10 bits), and usually within a
/// quarter of that; the identity is exact. The length of the quaternion does not matter. Zero, or one with a component
/// that is not finite, becomes the identity.
///
/// | layout | bits |
/// |---|---|
/// | alone | the index of the largest component: 2; the others in order x, y, z, w: `BITS` each |
/// | change, another largest | `0`, then as alone |
/// | change, same largest | `1`, then three numbers of `BITS` bits that share a rung: a bit "all differ", else a bit for each, three bits for *k*, then for each that differs its distance in ⌊`BITS` × (*k* + 1) / 8⌋ bits, for *k* = 7 its value |
///
/// ```
/// use glam::Quat;
/// use gridmate_runtime::wire::{Codec, codec::SmallestThree};
///
/// let rotation = Quat::from_rotation_y(1.0);
/// let codec = SmallestThree::<10>;
/// let back = codec.from_repr(&codec.to_repr(&-rotation));
/// assert!(rotation.angle_between(back) < 0.003);
/// assert_eq!(codec.from_repr(&codec.to_repr(&Quat::IDENTITY)), Quat::IDENTITY);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SmallestThree<const BITS: u32>;

/// What [`SmallestThree`] compares and sends.
///
/// ```
/// use glam::Quat;
/// use gridmate_runtime::wire::Codec;
/// use gridmate_runtime::wire::codec::{SmallestThree, SmallestThreeRepr};
///
/// let sent = |rotation: Quat| -> SmallestThreeRepr { SmallestThree::<10>.to_repr(&rotation) };
/// let turned = Quat::from_rotation_y(1.0);
/// assert_eq!(sent(turned), sent(-turned)); // the same rotation: nothing to send
/// assert_eq!(sent(turned), sent(turned * Quat::from_rotation_y(1e-5))); // finer than ten bits tell
/// assert_ne!(sent(turned), sent(Quat::IDENTITY));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallestThreeRepr {
    /// The component left out.
    largest: u8,
    /// The others, 0..=2M.
    others: [u32; 3],
}

impl SmallestThreeRepr {
    const fn codes(&self) -> rotation::Codes {
        (self.largest, self.others)
    }
}

/// 1.5 × 2^23: added to less than 2^22, it leaves no bits for a fraction, and the integer counted from its own pattern.
const ROUND: f32 = 1.5 * (1 << 23) as f32;

impl<const BITS: u32> SmallestThree<BITS> {
    const MAX: i32 = {
        assert!(BITS >= 2 && BITS <= 20, "SmallestThree: 2 to 20 bits");
        (1 << (BITS - 1)) - 1
    };
    const DELTA: Lanes = Lanes::even(BITS);
    /// Bits of a code, and the largest one.
    const SIZES: [u32; 2] = [BITS, 2 * Self::MAX.cast_unsigned()];

    /// Whether an `f32` holds the square of the length, and whatever is less, and tells roots of neighbours apart.
    const FLOATS: bool = Self::MAX < 1 << 10;

    /// The components that integers stand for, the largest at `largest`.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "half a part in 2^24 does not matter")]
    fn components(largest: u8, codes: [i32; 3]) -> [f32; 4] {
        let left_out = if Self::FLOATS {
            let (rest, _) = Self::rest_in_floats(map(&codes, |code| code as f32));
            rest.max(0.0)
        } else {
            Self::rest(codes).max(0) as f32
        };
        let [a, b, c] = map(&codes, |code| code as f32 * (1.0 / Self::SCALE));
        let all = [a, b, c, left_out.sqrt() * (1.0 / Self::SCALE)];
        // From memory, since which is where cannot be foreseen.
        map(&PLACES[usize::from(largest & 3)], |index| all[usize::from(index & 3)])
    }

    /// The square of the component left out, in the square of the others' unit.
    #[inline(always)]
    fn rest(codes: [i32; 3]) -> i64 {
        let [a, b, c] = map(&codes, i64::from);
        let max = i64::from(Self::MAX);
        2 * max * max - (a * a + b * b + c * c)
    }

    /// As [`rest`](Self::rest), of integers in floats; and the largest square of the others.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "held exactly")]
    fn rest_in_floats(codes: [f32; 3]) -> (f32, f32) {
        let [a, b, c] = map(&codes, |code| code * code);
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        (2.0 * Self::MAX as f32 * Self::MAX as f32 - (a + b + c), larger(larger(a, b), c))
    }

    const IDENTITY: SmallestThreeRepr = SmallestThreeRepr { largest: 3, others: [Self::MAX.cast_unsigned(); 3] };

    /// What a component is multiplied by.
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
    const SCALE: f32 = (SQRT_2 * Self::MAX as f64) as f32;

    /// The nearest integer that may stand for a component.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates below, and there is a limit above")]
    fn nearest(component: f64) -> u32 {
        ((component + (f64::from(Self::MAX) + 0.5)) as u32).min(2 * Self::MAX.cast_unsigned())
    }

    /// As [`to_repr`](Codec::to_repr), of what may have any length, or two components that are nearly the largest.
    #[cold]
    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "within ±MAX but for rounding, and clamped")]
    fn with_care(components: [f32; 4]) -> SmallestThreeRepr {
        let square: f64 = components.map(|component| f64::from(component) * f64::from(component)).into_iter().sum();
        if square == 0.0 || !square.is_finite() {
            return Self::IDENTITY;
        }
        let largest = first_largest(components);
        let (left_out, others) = remove(largest, components);
        let scale = (SQRT_2 * f64::from(Self::MAX) / square.sqrt()).copysign(left_out.into());
        let others = others.map(|other| f64::from(other) * scale);
        let repr = SmallestThreeRepr { largest, others: others.map(Self::nearest) };
        if Self::stands_for_itself(&repr) {
            return repr;
        }
        let mut codes = others.map(|other| (other as i32).clamp(-Self::MAX, Self::MAX));
        loop {
            let repr = SmallestThreeRepr { largest, others: codes.map(|code| (code + Self::MAX).cast_unsigned()) };
            if Self::stands_for_itself(&repr) {
                return repr;
            }
            // Two components so close that a float cannot tell them apart.
            let farthest = codes.map(i32::abs).into_iter().max().unwrap_or(0);
            codes = codes.map(|code| if code.abs() == farthest { code - code.signum() } else { code });
        }
    }

    #[inline(always)]
    fn codes(repr: &SmallestThreeRepr) -> [i32; 3] {
        map(&repr.others, |code| code.cast_signed() - Self::MAX)
    }

    /// Whether the component left out is the largest of what comes back.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "held exactly")]
    fn stands_for_itself(repr: &SmallestThreeRepr) -> bool {
        let codes = Self::codes(repr);
        let is_larger = if Self::FLOATS {
            let (rest, farthest) = Self::rest_in_floats(map(&codes, |code| code as f32));
            rest > farthest
        } else {
            let rest = Self::rest(codes);
            let [a, b, c] = map(&codes, |code| code.unsigned_abs());
            let farthest = i64::from(a.max(b).max(c));
            // By more than what `f32` may lose.
            rest - farthest * farthest > rest >> 20
        };
        is_larger || Self::comes_back(*repr)
    }

    #[cold]
    fn comes_back(repr: SmallestThreeRepr) -> bool {
        first_largest(Self::components(repr.largest, Self::codes(&repr))) == repr.largest
    }

    #[inline(always)]
    fn checked(repr: SmallestThreeRepr) -> Result<SmallestThreeRepr, WireError> {
        // A code above 2M stands for more than is left out, so that does not come back either.
        if Self::stands_for_itself(&repr) { Ok(repr) } else { Err(WireError::Invalid) }
    }
}

impl<const BITS: u32> Codec<Quat> for SmallestThree<BITS> {
    type Repr = SmallestThreeRepr;
    const LARGEST_BITS: usize = 2 + 3 * BITS as usize;

    fn shape(&self) -> Shape {
        Shape::leaf(format!("smallest_three({BITS})"))
    }

    #[inline(always)]
    fn to_repr(&self, value: &Quat) -> SmallestThreeRepr {
        let components = value.to_array();
        let largest = first_largest(components);
        let (left_out, others) = remove(largest, components);
        let [x, y, z, w] = map(&components, |component| component * component);
        let square = (x + y) + (z + w);
        // Which is not so of what is not a number.
        let is_unit = (square - 1.0).abs() <= 1e-4;
        if !is_unit {
            return Self::with_care(components);
        }
        // This near to one, the tangent of the inverse root is as good as the root, to a few in 10^9.
        let scale = (Self::SCALE * (1.5 - 0.5 * square)).copysign(left_out);
        let rounded = map(&others, |other| other * scale + ROUND);
        let repr = SmallestThreeRepr {
            largest,
            others: map(&rounded, |code| code.to_bits().wrapping_sub(ROUND.to_bits() - Self::MAX.cast_unsigned())),
        };
        let stands = if Self::FLOATS {
            let (rest, farthest) = Self::rest_in_floats(map(&rounded, |code| code - ROUND));
            rest > farthest
        } else {
            Self::stands_for_itself(&repr)
        };
        if stands { repr } else { Self::with_care(components) }
    }

    #[inline(always)]
    fn from_repr(&self, repr: &SmallestThreeRepr) -> Quat {
        Quat::from_array(Self::components(repr.largest, Self::codes(repr)))
    }

    #[inline(always)]
    fn encode(&self, repr: &SmallestThreeRepr, w: &mut impl Sink) {
        let [a, b, c] = map(&repr.others, u64::from);
        w.bits(u64::from(repr.largest) | a << 2 | b << (2 + BITS) | c << (2 + 2 * BITS), 2 + 3 * BITS);
    }

    #[inline(always)]
    fn decode(&self, r: &mut impl Source) -> Result<SmallestThreeRepr, WireError> {
        let bits = r.bits(2 + 3 * BITS)?;
        #[expect(clippy::cast_possible_truncation, reason = "masked to at most 20 bits")]
        let field = |from: u32, width: u32| (bits >> from) as u32 & ((1 << width) - 1);
        Self::checked(SmallestThreeRepr {
            largest: field(0, 2).to_le_bytes()[0],
            others: [field(2, BITS), field(2 + BITS, BITS), field(2 + 2 * BITS, BITS)],
        })
    }

    #[inline(always)]
    fn encode_delta(&self, repr: &SmallestThreeRepr, base: &SmallestThreeRepr, w: &mut impl Sink) {
        let same = repr.largest == base.largest;
        w.bool(same);
        if same {
            Self::DELTA.write(&repr.others, &base.others, w);
        } else {
            self.encode(repr, w);
        }
    }

    #[inline(always)]
    fn decode_delta(&self, repr: &mut SmallestThreeRepr, r: &mut impl Source) -> Result<(), WireError> {
        if r.bool()? {
            Self::DELTA.read(&mut repr.others, r)?;
            *repr = Self::checked(*repr)?;
        } else {
            *repr = self.decode(r)?;
        }
        Ok(())
    }

    fn encode_ahead(
        &self,
        repr: &SmallestThreeRepr,
        base: &SmallestThreeRepr,
        past: Past<'_, SmallestThreeRepr>,
        w: &mut impl Sink,
    ) {
        let Some((past, ahead)) = past.guess() else { return self.encode_delta(repr, base, w) };
        rotation::write_guessed(repr.codes(), base.codes(), (past.codes(), ahead), Self::SIZES, w);
    }

    fn decode_ahead(
        &self,
        repr: &mut SmallestThreeRepr,
        past: Past<'_, SmallestThreeRepr>,
        r: &mut impl Source,
    ) -> Result<(), WireError> {
        let Some((past, ahead)) = past.guess() else { return self.decode_delta(repr, r) };
        let (largest, others) = rotation::read_guessed(repr.codes(), (past.codes(), ahead), Self::SIZES, r)?;
        *repr = Self::checked(SmallestThreeRepr { largest, others })?;
        Ok(())
    }
}

impl<const BITS: u32> Predictable<Quat> for SmallestThree<BITS> {}

/// The index of the component farthest from zero, the first of several. None is NaN.
#[inline(always)]
fn first_largest(components: [f32; 4]) -> u8 {
    // Without their signs, floats are in the order of their patterns; and integers are chosen without a branch.
    let [x, y, z, w] = map(&components, |component| component.abs().to_bits());
    let (xy, low) = if y > x { (y, 1) } else { (x, 0) };
    let (zw, high) = if w > z { (w, 3) } else { (z, 2) };
    if zw > xy { high } else { low }
}

/// Where each of x, y, z, w is among the three others in order, and behind them the one left out, which is at the index.
const PLACES: [[u8; 4]; 4] = [[3, 0, 1, 2], [0, 3, 1, 2], [0, 1, 3, 2], [0, 1, 2, 3]];
/// The others.
const OTHERS: [[u8; 3]; 4] = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]];

/// The component at `index`, and the others in order.
#[inline(always)]
fn remove(index: u8, components: [f32; 4]) -> (f32, [f32; 3]) {
    let at = |index: u8| components[usize::from(index & 3)];
    (at(index), map(&OTHERS[usize::from(index & 3)], at))
}
