//! Rotations as three numbers: what the codec for quaternions and the packed type have in common, and that type.
//!
//! A unit quaternion is told by three of its components and which one is left out, the largest, with the sign that makes that
//! positive. With *max* as the largest code, a code *i* stands for the component (2*i* - *max*) / (√2 *max*): the range
//! ±1/√2 that all but the largest are in.

use core::f64::consts::SQRT_2;

use super::residual::{self, Guess};
use super::{Ahead, Marshal, Past, Shape, Sink, Source, WireError};

/// Which component is left out (0 to 3 for x, y, z, w), and the codes of the others in that order.
pub(super) type Codes = (u8, [u32; 3]);

/// Another component is the largest of a guess only if it is larger by this.
const CLEARLY: f64 = 1.01;

/// The four components in double precision.
fn components((largest, codes): Codes, max: u32) -> [f64; 4] {
    let max = i64::from(max);
    let doubled = codes.map(|code| 2 * i64::from(code) - max);
    let rest = 2 * max * max - doubled.iter().map(|code| code * code).sum::<i64>();
    let scale = 1.0 / (SQRT_2 * max as f64);
    let [a, b, c] = doubled.map(|code| code as f64 * scale);
    let d = (rest.max(0) as f64).sqrt() * scale;
    match largest {
        0 => [d, a, b, c],
        1 => [a, d, b, c],
        2 => [a, b, d, c],
        _ => [a, b, c, d],
    }
}

/// Where a rotation is expected, as a quaternion, and where its base is.
struct Outlook {
    next: [f64; 4],
    here: [f64; 4],
    max: u32,
    ahead: Ahead,
}

impl Outlook {
    fn new(base: Codes, past: Codes, max: u32, ahead: Ahead) -> Self {
        let here = components(base, max);
        let factor = f64::from(ahead.factor());
        let next = if base == past || factor == 0.0 { here } else { turned_on(components(past, max), here, factor) };
        Self { next, here, max, ahead }
    }

    /// The component that will be left out: that of the base, unless another is clearly larger.
    fn largest(&self, of_base: u8) -> u8 {
        let mut largest = of_base & 3;
        for (i, component) in (0..4).zip(self.next) {
            if component.abs() > self.next[usize::from(largest)].abs() * CLEARLY {
                largest = i;
            }
        }
        largest
    }

    /// The codes of the others when this one is left out.
    fn guesses(&self, largest: u8) -> [Guess; 3] {
        let unit = SQRT_2 * f64::from(self.max);
        let at = usize::from(largest);
        let (next_unit, here_unit) = (unit.copysign(self.next[at]), unit.copysign(self.here[at]));
        let code = |component: f64| {
            let scaled = (component + f64::from(self.max)) * 0.5 + 0.5;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let nearest = scaled.clamp(0.0, self.max.into()) as u64;
            nearest
        };
        let mut others = (0..4).filter(|i| *i != at);
        core::array::from_fn(|_| {
            let i = others.next().unwrap_or(3);
            let (value, here) = (code(self.next[i] * next_unit), code(self.here[i] * here_unit));
            Guess { value, motion: self.ahead.unrest(value.abs_diff(here)), back: value < here }
        })
    }
}

/// Where the turn from `past` to `here` leads when it goes on for `factor` times as long. Additions, multiplications and square
/// roots only: those are the same everywhere.
fn turned_on(past: [f64; 4], here: [f64; 4], factor: f64) -> [f64; 4] {
    let [x, y, z, w] = past;
    let turn = product(here, [-x, -y, -z, w]);
    let sign = if turn[3] < 0.0 { -1.0 } else { 1.0 };
    let axis = [turn[0] * sign, turn[1] * sign, turn[2] * sign];
    // Half the angle, by the first terms of the arcsine; and what of the turn is to be added.
    let sine = axis.iter().map(|component| component * component).sum::<f64>();
    let half = 1.0 + sine * (1.0 / 6.0 + sine * (3.0 / 40.0 + sine * (5.0 / 112.0 + sine * (35.0 / 1152.0))));
    let angle = half * factor;
    let square = angle * angle * sine;
    if sine > 0.5 || square > 2.5 {
        return here; // Turns too far for a guess to be worth anything.
    }
    let sine_ratio = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0)));
    let cosine = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0 * (1.0 - square / 56.0)));
    let next = product([axis[0] * sine_ratio, axis[1] * sine_ratio, axis[2] * sine_ratio, cosine], here);
    let length = next.iter().map(|component| component * component).sum::<f64>().sqrt();
    if length < 0.1 { here } else { next.map(|component| component / length) }
}

/// One rotation after another, the first on the right.
fn product([a, b, c, d]: [f64; 4], [x, y, z, w]: [f64; 4]) -> [f64; 4] {
    [
        d * x + a * w + b * z - c * y,
        d * y - a * z + b * w + c * x,
        d * z + a * y - b * x + c * w,
        d * w - a * x - b * y - c * z,
    ]
}

/// Writes a rotation that was `past` before it was `base`: whether the component left out is the one expected, else which one,
/// and residuals.
pub(super) fn write_guessed(
    now: Codes,
    base: Codes,
    (past, ahead): (Codes, Ahead),
    [bits, max]: [u32; 2],
    w: &mut impl Sink,
) {
    let outlook = Outlook::new(base, past, max, ahead);
    let same = now.0 == outlook.largest(base.0);
    w.bool(same);
    if !same {
        w.bits(now.0.into(), 2);
    }
    residual::write(now.1.map(u64::from), outlook.guesses(now.0), bits, 0, w);
}

/// Reads what [`write_guessed`] wrote.
pub(super) fn read_guessed(
    base: Codes,
    (past, ahead): (Codes, Ahead),
    [bits, max]: [u32; 2],
    r: &mut impl Source,
) -> Result<Codes, WireError> {
    let outlook = Outlook::new(base, past, max, ahead);
    let largest = if r.bool()? { outlook.largest(base.0) } else { r.bits(2)?.to_le_bytes()[0] };
    #[expect(clippy::cast_possible_truncation, reason = "at most 20 bits")]
    let codes = residual::read(outlook.guesses(largest), bits, 0, r)?.map(|code| code as u32);
    Ok((largest, codes))
}

/// A rotation that a program keeps as it travels: which component is left out in two bits, the others in `BITS` each, 2 to 16.
///
/// For simulations that snap their bodies to what others will see, and for recordings. It is 2 + 3 × `BITS` bits alone. A
/// change is a bit that says whether the same component is left out, then each of the others by its distance, or all of it
/// alone; with `predict = Linear`, distances are always written, from where it would be had it turned on. Every pattern of bits is a value and
/// arrives as it is, also where another component would be larger; a quaternion in full precision is better served by the
/// codec `SmallestThree`, which has an exact identity.
///
/// ```
/// use gridmate_runtime::wire::{BitWriter, Marshal, PackedRotation};
///
/// let turned = PackedRotation::<9>::from_quaternion([0.0, 0.0, 0.6, 0.8]);
/// assert_eq!(turned.largest(), 3);
/// assert_eq!(turned.codes(), [256, 256, 472]);
/// let mut w = BitWriter::new();
/// turned.marshal(&mut w);
/// assert_eq!(w.len(), 2 + 3 * 9);
/// let [_, _, z, w] = turned.to_quaternion();
/// assert!((z - 0.6).abs() < 0.002 && (w - 0.8).abs() < 0.002);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedRotation<const BITS: u32> {
    largest: u8,
    codes: [u16; 3],
}

impl<const BITS: u32> PackedRotation<BITS> {
    const MAX: u32 = {
        assert!(BITS >= 2 && BITS <= 16, "PackedRotation: 2 to 16 bits");
        (1 << BITS) - 1
    };
    const SIZES: [u32; 2] = [BITS, Self::MAX];

    /// From its parts: the component left out, 0 to 3, and the codes of the others; higher bits are cut off.
    pub const fn new(largest: u8, codes: [u16; 3]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits")]
        let max = Self::MAX as u16;
        Self { largest: largest & 3, codes: [codes[0] & max, codes[1] & max, codes[2] & max] }
    }

    /// The nearest to a quaternion x, y, z, w of any length; that of zero, or of what is not finite, is near the identity.
    pub fn from_quaternion(quaternion: [f32; 4]) -> Self {
        let wide = quaternion.map(f64::from);
        let square: f64 = wide.iter().map(|component| component * component).sum();
        let wide = if square > 0.0 && square.is_finite() { wide } else { [0.0, 0.0, 0.0, 1.0] };
        let length = wide.iter().map(|component| component * component).sum::<f64>().sqrt();
        let mut largest = 0;
        for i in 1..4 {
            if wide[i].abs() > wide[largest].abs() {
                largest = i;
            }
        }
        let scale = (SQRT_2 * f64::from(Self::MAX) / length).copysign(wide[largest]);
        let mut others = (0..4).filter(|i| *i != largest);
        let codes = core::array::from_fn(|_| {
            let code = (wide[others.next().unwrap_or(3)] * scale + f64::from(Self::MAX)) * 0.5 + 0.5;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let nearest = code.clamp(0.0, Self::MAX.into()) as u16;
            nearest
        });
        #[expect(clippy::cast_possible_truncation, reason = "below four")]
        Self::new(largest as u8, codes)
    }

    /// The quaternion it stands for: x, y, z, w.
    pub fn to_quaternion(self) -> [f32; 4] {
        #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
        components(self.wide(), Self::MAX).map(|component| component as f32)
    }

    /// The component that is left out: 0 to 3 for x, y, z, w.
    pub const fn largest(self) -> u8 {
        self.largest
    }

    /// The codes of the others.
    pub const fn codes(self) -> [u16; 3] {
        self.codes
    }

    fn wide(self) -> Codes {
        (self.largest, self.codes.map(u32::from))
    }

    fn narrow((largest, codes): Codes) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits")]
        Self::new(largest, codes.map(|code| code as u16))
    }
}

/// Near the identity: zero is not among the values that a component has.
impl<const BITS: u32> Default for PackedRotation<BITS> {
    fn default() -> Self {
        Self::from_quaternion([0.0, 0.0, 0.0, 1.0])
    }
}

impl<const BITS: u32> Marshal for PackedRotation<BITS> {
    type Repr = Self;
    const LARGEST_BITS: usize = 2 + 3 * BITS as usize;

    fn shape() -> Shape {
        Shape::leaf(format!("packed_rotation({BITS})"))
    }

    #[inline]
    fn to_repr(&self) -> Self {
        *self
    }

    #[inline]
    fn from_repr(repr: &Self) -> Self {
        *repr
    }

    #[inline]
    fn encode(repr: &Self, w: &mut impl Sink) {
        w.bits(repr.largest.into(), 2);
        repr.codes.iter().for_each(|code| w.bits((*code).into(), BITS));
    }

    #[inline]
    fn decode(r: &mut impl Source) -> Result<Self, WireError> {
        let largest = r.bits(2)?.to_le_bytes()[0];
        let mut codes = [0; 3];
        for code in &mut codes {
            *code = u16::try_from(r.bits(BITS)?).map_err(|_| WireError::Invalid)?;
        }
        Ok(Self { largest, codes })
    }

    fn encode_delta(repr: &Self, base: &Self, w: &mut impl Sink) {
        let same = repr.largest == base.largest;
        w.bool(same);
        if same {
            const { super::lanes::Lanes::even(BITS) }.write(&repr.codes, &base.codes, w);
        } else {
            Self::encode(repr, w);
        }
    }

    fn decode_delta(repr: &mut Self, r: &mut impl Source) -> Result<(), WireError> {
        if r.bool()? {
            return const { super::lanes::Lanes::even(BITS) }.read(&mut repr.codes, r);
        }
        *repr = Self::decode(r)?;
        Ok(())
    }

    fn encode_ahead(repr: &Self, base: &Self, past: Past<'_, Self>, w: &mut impl Sink) {
        let Some((past, ahead)) = past.guess() else { return Self::encode_delta(repr, base, w) };
        write_guessed(repr.wide(), base.wide(), (past.wide(), ahead), Self::SIZES, w);
    }

    fn decode_ahead(repr: &mut Self, past: Past<'_, Self>, r: &mut impl Source) -> Result<(), WireError> {
        let Some((past, ahead)) = past.guess() else { return Self::decode_delta(repr, r) };
        *repr = Self::narrow(read_guessed(repr.wide(), (past.wide(), ahead), Self::SIZES, r)?);
        Ok(())
    }
}

impl<const BITS: u32> super::codec::Predictable<PackedRotation<BITS>> for super::codec::Native {}
