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

impl<const BITS: u32> SmallestThree<BITS> {
    const MAX: i32 = {
        assert!(BITS >= 2 && BITS <= 20, "SmallestThree: 2 to 20 bits");
        (1 << (BITS - 1)) - 1
    };
    const DELTA: Lanes = Lanes::even(BITS);
    /// Bits of a code, and the largest one.
    const SIZES: [u32; 2] = [BITS, 2 * Self::MAX.cast_unsigned()];

    /// The components that integers stand for, the largest at `largest`.
    #[inline]
    fn components(largest: u8, codes: [i32; 3]) -> [f32; 4] {
        let scale = 1.0 / (SQRT_2 * f64::from(Self::MAX));
        let [a, b, c] = codes.map(i64::from);
        let max = i64::from(Self::MAX);
        let rest = 2 * max * max - (a * a + b * b + c * c);
        let left_out = (rest.max(0) as f64).sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
        let component = |code: f64| (code * scale) as f32;
        let ([a, b, c], d) = (codes.map(|code| component(code.into())), component(left_out));
        match largest {
            0 => [d, a, b, c],
            1 => [a, d, b, c],
            2 => [a, b, d, c],
            _ => [a, b, c, d],
        }
    }

    #[inline]
    fn codes(repr: &SmallestThreeRepr) -> [i32; 3] {
        repr.others.map(|code| code.cast_signed() - Self::MAX)
    }

    /// Whether the component left out is the largest of what comes back.
    #[inline]
    fn stands_for_itself(largest: u8, codes: [i32; 3]) -> bool {
        first_largest(Self::components(largest, codes)) == largest
    }

    #[inline]
    fn checked(repr: SmallestThreeRepr) -> Result<SmallestThreeRepr, WireError> {
        let in_range = repr.others.iter().all(|code| code.cast_signed() <= 2 * Self::MAX);
        if in_range && Self::stands_for_itself(repr.largest, Self::codes(&repr)) {
            Ok(repr)
        } else {
            Err(WireError::Invalid)
        }
    }
}

impl<const BITS: u32> Codec<Quat> for SmallestThree<BITS> {
    type Repr = SmallestThreeRepr;
    const LARGEST_BITS: usize = 2 + 3 * BITS as usize;

    fn shape(&self) -> Shape {
        Shape::leaf(format!("smallest_three({BITS})"))
    }

    fn to_repr(&self, value: &Quat) -> SmallestThreeRepr {
        let single = value.to_array();
        let components = single.map(f64::from);
        let square: f64 = components.iter().map(|component| component * component).sum();
        if square == 0.0 || !square.is_finite() {
            return self.to_repr(&Quat::IDENTITY);
        }
        let largest = first_largest(single);
        let [x, y, z, w] = components;
        let (left_out, others) = match largest {
            0 => (x, [y, z, w]),
            1 => (y, [x, z, w]),
            2 => (z, [x, y, w]),
            _ => (w, [x, y, z]),
        };
        let scale = (SQRT_2 * f64::from(Self::MAX) / square.sqrt()).copysign(left_out);
        #[expect(clippy::cast_possible_truncation, reason = "within ±MAX but for rounding, and clamped")]
        let integers =
            |round: fn(f64) -> f64| others.map(|other| (round(other * scale) as i32).clamp(-Self::MAX, Self::MAX));
        let mut codes = integers(f64::round);
        if !Self::stands_for_itself(largest, codes) {
            codes = integers(f64::trunc);
        }
        while !Self::stands_for_itself(largest, codes) {
            // Two components so close that a float cannot tell them apart.
            let farthest = codes.map(i32::abs).into_iter().max().unwrap_or(0);
            codes = codes.map(|code| if code.abs() == farthest { code - code.signum() } else { code });
        }
        SmallestThreeRepr { largest, others: codes.map(|code| (code + Self::MAX).cast_unsigned()) }
    }

    #[inline]
    fn from_repr(&self, repr: &SmallestThreeRepr) -> Quat {
        Quat::from_array(Self::components(repr.largest, Self::codes(repr)))
    }

    #[inline]
    fn encode(&self, repr: &SmallestThreeRepr, w: &mut impl Sink) {
        let [a, b, c] = repr.others.map(u64::from);
        w.bits(u64::from(repr.largest) | a << 2 | b << (2 + BITS) | c << (2 + 2 * BITS), 2 + 3 * BITS);
    }

    #[inline]
    fn decode(&self, r: &mut impl Source) -> Result<SmallestThreeRepr, WireError> {
        let bits = r.bits(2 + 3 * BITS)?;
        #[expect(clippy::cast_possible_truncation, reason = "masked to at most 20 bits")]
        let field = |from: u32, width: u32| (bits >> from) as u32 & ((1 << width) - 1);
        Self::checked(SmallestThreeRepr {
            largest: field(0, 2).to_le_bytes()[0],
            others: [field(2, BITS), field(2 + BITS, BITS), field(2 + 2 * BITS, BITS)],
        })
    }

    #[inline]
    fn encode_delta(&self, repr: &SmallestThreeRepr, base: &SmallestThreeRepr, w: &mut impl Sink) {
        let same = repr.largest == base.largest;
        w.bool(same);
        if same {
            Self::DELTA.write(&repr.others, &base.others, w);
        } else {
            self.encode(repr, w);
        }
    }

    #[inline]
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

/// The index of the component farthest from zero, the first of several.
#[inline]
fn first_largest(components: [f32; 4]) -> u8 {
    let [x, y, z, w] = components.map(f32::abs);
    let (xy, low) = if y > x { (y, 1) } else { (x, 0) };
    let (zw, high) = if w > z { (w, 3) } else { (z, 2) };
    if zw > xy { high } else { low }
}
