//! Floats on the move, guessed as numbers, and by how much the guesses are wrong.
//!
//! A coordinate has 23 bits of fraction whatever it measures, so its motion says better than its size how large an error will be: one of
//! two bits less than the motion is bad luck, one of ten bits less is usual. And the components of a value go astray together. So one code
//! says for all of them how many bits fewer than its motion an error has, and each takes what that leaves it. Nobody needs to know one to
//! read the next, which is what a processor wants that does many things at a time.

mod four;

use super::bits::lowest;
use super::residual::{self, Guess};
use super::{Ahead, Sink, Source, WireError};

/// Bits of the code.
const CODE: u32 = 4;

/// All are as guessed.
const EXACT: u32 = 0;

/// The motions say nothing of the errors: how many bits these have follows.
const APART: u32 = 15;

/// As many bits as a motion has are as many as an error has, with this code; with the one before it that is one less.
const EVEN: u32 = 13;

/// What is said of how many bits errors have that have nothing to do with the motions.
const APART_BITS: u32 = 5;

/// Each motion is taken for one of no more bits less than the largest.
const SHARED: u32 = 6;

/// Bits of an error, as a rule.
const USUAL: u32 = 12;

/// A motion of more bits, an eighth of the number and more, leads anywhere.
const WILD: u32 = 21;

/// Up to so many bits from the base are near then.
const NEAR: u32 = 26;

/// Writes the patterns of floats by their distance from where the lines from `past` through `base` lead.
#[inline(always)]
pub(super) fn write_floats<const N: usize>(
    values: &[u32; N],
    base: &[u32; N],
    past: &[u32; N],
    ahead: Ahead,
    w: &mut impl Sink,
) {
    if w.is_modelled() {
        let values = values.map(|bits| u64::from(ordered(bits)));
        return w.aside(|w| residual::write(values, guesses(base, past, ahead), 32, 0, w));
    }
    if const { !four::fits(N) } {
        return write_each(values, base, past, ahead, w);
    }
    match four::write(values, base, past, ahead) {
        Some((word, used)) => w.long_bits(word, used),
        None => w.aside(|w| write_aside(values, base, past, ahead, w)),
    }
}

/// What [`four`] does not.
#[cold]
#[inline(never)]
fn write_aside<const N: usize>(values: &[u32; N], base: &[u32; N], past: &[u32; N], ahead: Ahead, w: &mut impl Sink) {
    write_each(values, base, past, ahead, w);
}

#[inline(always)]
fn write_each<const N: usize>(values: &[u32; N], base: &[u32; N], past: &[u32; N], ahead: Ahead, w: &mut impl Sink) {
    let lines = Lines::of(base, past, ahead);
    let mut errors = [0; N];
    let (mut any, mut code) = (0, EXACT + 1);
    for i in 0..N {
        let error = fold(values[i].wrapping_sub(lines.guess[i]));
        any |= error;
        code = code.max(if error == 0 { 0 } else { (bits(error) + EVEN).saturating_sub(lines.scale[i]) });
        errors[i] = error;
    }
    if lines.wild {
        return w.aside(|w| write_wild(values, base, &errors, &lines.scale, w));
    }
    if code >= APART {
        return w.aside(|w| write_apart(&errors, any, w));
    }
    if any == 0 {
        return w.bits(EXACT.into(), CODE);
    }
    let (mut word, mut used) = (u64::from(code), CODE);
    for (error, scale) in errors.iter().zip(lines.scale) {
        let room = room(scale, code);
        if used + room > 63 {
            w.bits(word, used);
            (word, used) = (0, 0);
        }
        word |= u64::from(*error) << used;
        used += room;
    }
    w.long_bits(word, used);
}

/// Errors that have nothing to do with the motions: all in as many bits as one needs.
#[cold]
#[inline(never)]
fn write_apart<const N: usize>(errors: &[u32; N], any: u32, w: &mut impl Sink) {
    w.bits((APART | (bits(any) - 1) << CODE).into(), CODE + APART_BITS);
    errors.iter().for_each(|error| w.bits((*error).into(), bits(any)));
}

/// Each by itself: its error, if its own motion says something; else how far it is from the base, or what it is.
#[cold]
#[inline(never)]
fn write_wild<const N: usize>(
    values: &[u32; N],
    base: &[u32; N],
    errors: &[u32; N],
    scale: &[u32; N],
    w: &mut impl Sink,
) {
    for i in 0..N {
        if scale[i] <= WILD {
            let width = bits(errors[i]).max(1);
            w.bits((width - 1).into(), APART_BITS);
            w.bits(errors[i].into(), width);
            continue;
        }
        let step = fold(ordered(values[i]).wrapping_sub(ordered(base[i])));
        let near = bits(step) <= NEAR;
        w.bool(near);
        if near { w.bits(step.into(), NEAR) } else { w.bits(values[i].into(), 32) }
    }
}

/// Reads what [`write_floats`] wrote; `values` holds the base before, which may be elsewhere too, and the values after.
#[inline(always)]
pub(super) fn read_floats<const N: usize>(
    values: &mut [u32; N],
    base: Option<&[u32; N]>,
    past: &[u32; N],
    ahead: Ahead,
    r: &mut impl Source,
) -> Result<(), WireError> {
    if const { four::fits(N) } {
        // How long it is nobody can foresee, and to look takes longer than to fill up.
        let at_hand = r.at_hand(u64::BITS);
        if let Some(used) = four::read(values, base, past, ahead, at_hand) {
            r.pass(used);
            return Ok(());
        }
    } else {
        let lines = Lines::of(base.unwrap_or(values), past, ahead);
        // A short one is at hand, as a rule.
        let likely = if N == 1 { CODE + USUAL } else { u64::BITS };
        for wanted in [likely, u64::BITS] {
            let (word, left) = r.at_hand(wanted);
            if let Some((errors, used)) = errors_in(word, left, &lines) {
                for i in 0..N {
                    values[i] = lines.guess[i].wrapping_add(unfold(errors[i]));
                }
                r.pass(used);
                return Ok(());
            }
            if N > 1 {
                break;
            }
        }
    }
    let past = *past;
    r.aside(|r| read_one_by_one(values, &past, ahead, r))
}

/// Errors of which all is in a word, and how many bits that takes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "what is in so many bits")]
fn errors_in<const N: usize>(word: u64, left: u32, lines: &Lines<N>) -> Option<([u32; N], u32)> {
    let code = (word & lowest(CODE)) as u32;
    let (mut errors, mut used) = ([0; N], CODE);
    for (error, scale) in errors.iter_mut().zip(lines.scale) {
        let room = room(scale, code);
        *error = (word >> (used & 63) & lowest(room)) as u32;
        used += room;
    }
    (code < APART && !lines.wild && used <= left).then_some((errors, used))
}

#[inline(never)]
fn read_one_by_one<const N: usize>(
    values: &mut [u32; N],
    past: &[u32; N],
    ahead: Ahead,
    r: &mut impl Source,
) -> Result<(), WireError> {
    if r.is_modelled() {
        let read = residual::read(guesses(values, past, ahead), 32, 0, r)?;
        for (value, order) in values.iter_mut().zip(read) {
            *value = disordered(narrow(order)?);
        }
        return Ok(());
    }
    let lines = Lines::of(values, past, ahead);
    if lines.wild {
        for (value, (guess, scale)) in values.iter_mut().zip(lines.guess.into_iter().zip(lines.scale)) {
            *value = if scale <= WILD {
                let width = narrow(r.bits(APART_BITS)?)? + 1;
                guess.wrapping_add(unfold(narrow(r.bits(width)?)?))
            } else if r.bool()? {
                disordered(ordered(*value).wrapping_add(unfold(narrow(r.bits(NEAR)?)?)))
            } else {
                narrow(r.bits(32)?)?
            };
        }
        return Ok(());
    }
    let code = narrow(r.bits(CODE)?)?;
    let apart = if code == APART { narrow(r.bits(APART_BITS)?)? + 1 } else { 0 };
    for (value, (guess, scale)) in values.iter_mut().zip(lines.guess.into_iter().zip(lines.scale)) {
        let width = if code == APART { apart } else { room(scale, code) };
        *value = guess.wrapping_add(unfold(narrow(r.bits(width)?)?));
    }
    Ok(())
}

/// Where lines lead, and how far: what both ends know.
struct Lines<const N: usize> {
    /// Patterns. What is near has the same sign: so it does not matter that they run backwards below zero.
    guess: [u32; N],
    /// Bits of the motions, in steps of floats as large as the base.
    scale: [u32; N],
    /// One of them says nothing, and each stands for itself. So it is where a base, a past or a motion is no number.
    wild: bool,
}

impl<const N: usize> Lines<N> {
    #[inline(always)]
    fn of(base: &[u32; N], past: &[u32; N], ahead: Ahead) -> Self {
        let (mut guess, mut scale, mut most) = ([0; N], [0; N], 0);
        let factor = ahead.factor();
        for i in 0..N {
            let (base, past) = (f32::from_bits(base[i]), f32::from_bits(past[i]));
            // Back, not ahead: so what rests at a zero stays there, whichever of the two.
            let motion = (past - base) * factor;
            guess[i] = (base - motion).to_bits();
            scale[i] = exponent(motion).saturating_sub(exponent(base).saturating_sub(FRACTION));
            most = scale[i].max(most);
        }
        let wild = most > WILD;
        let least = if wild { 0 } else { most.saturating_sub(SHARED) };
        for scale in &mut scale {
            *scale = least.max(*scale);
        }
        Self { guess, scale, wild }
    }
}

/// The same in the words of models.
fn guesses<const N: usize>(base: &[u32; N], past: &[u32; N], ahead: Ahead) -> [Guess; N] {
    core::array::from_fn(|i| {
        let (base, past) = (f32::from_bits(base[i]), f32::from_bits(past[i]));
        let guess = base + (base - past) * ahead.factor();
        // Which NaN comes out of a computation is not the same everywhere.
        let guess = ordered(if guess.is_nan() { base } else { guess }.to_bits());
        let base = ordered(base.to_bits());
        Guess { value: guess.into(), motion: ahead.unrest(guess.abs_diff(base).into()), back: guess < base }
    })
}

/// Of a motion as large as the base: the bits of a fraction, and the one that is not written.
const FRACTION: u32 = 24;

#[inline(always)]
const fn exponent(value: f32) -> u32 {
    value.to_bits() >> 23 & 0xFF
}

/// How many bits an error has room for.
#[inline(always)]
const fn room(scale: u32, code: u32) -> u32 {
    // None of a scale that is not wild is as much.
    (scale + code).saturating_sub(if code == EXACT { u8::MAX as u32 } else { EVEN })
}

#[inline(always)]
const fn bits(value: u32) -> u32 {
    ((value as u64) << 1 | 1).ilog2()
}

/// 0, -1, 1, -2, … as 0, 1, 2, 3, …: as `zigzag`, in half a word, so that several are folded at once.
#[inline(always)]
const fn fold(error: u32) -> u32 {
    error << 1 ^ (error.cast_signed() >> 31).cast_unsigned()
}

#[inline(always)]
const fn unfold(folded: u32) -> u32 {
    folded >> 1 ^ (folded & 1).wrapping_neg()
}

fn narrow(bits: u64) -> Result<u32, WireError> {
    u32::try_from(bits).map_err(|_| WireError::Invalid)
}

/// The pattern of a float as a number that is larger where the float is.
#[inline(always)]
const fn ordered(bits: u32) -> u32 {
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

#[inline(always)]
const fn disordered(order: u32) -> u32 {
    order ^ ((!order.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{BitReader, BitWriter, Pen, Window};

    /// Past, base and value of a component: near each other, or anything.
    fn component() -> impl Strategy<Value = [u32; 3]> {
        let usual = (1u32..0x7F80_0000, any::<bool>()).prop_map(|(bits, below)| bits | u32::from(below) << 31);
        let base = prop_oneof![4 => usual, 1 => any::<u32>(), 1 => prop::sample::select(vec![0, 1 << 31, 1, 0x7F80_0000, 0x7FC0_0000])];
        let step = || (any::<i32>(), 0u32..32, 0u32..4);
        (base, step(), step()).prop_map(|(base, before, after)| {
            let stepped = |from: u32, (step, less, odd): (i32, u32, u32)| match odd {
                0 => step.cast_unsigned(),
                _ => from.wrapping_add((step >> less).cast_unsigned()),
            };
            let past = stepped(base, before);
            // Where it would be if it went on, and somewhat off.
            let (b, p) = (f32::from_bits(base), f32::from_bits(past));
            [past, base, stepped((b - (p - b)).to_bits(), after)]
        })
    }

    fn come_back<const N: usize>(components: &[[u32; 3]], ahead: Ahead, lead: u32) -> Result<(), TestCaseError> {
        let [past, base, values] = [0, 1, 2].map(|which| core::array::from_fn::<u32, N, _>(|i| components[i][which]));
        let [mut direct, mut by_pen] = [BitWriter::new(), BitWriter::new()];
        direct.bits(0, lead);
        by_pen.bits(0, lead);
        write_floats(&values, &base, &past, ahead, &mut direct);
        let mut pen = Pen::of(&mut by_pen);
        write_floats(&values, &base, &past, ahead, &mut pen);
        pen.put_down();
        let end = direct.len();
        prop_assert_eq!(end, by_pen.len());
        let bytes = direct.finish().to_vec();
        prop_assert_eq!(&bytes[..], by_pen.finish());
        let mut one_by_one = BitWriter::new();
        one_by_one.bits(0, lead);
        write_each(&values, &base, &past, ahead, &mut one_by_one);
        prop_assert_eq!(&bytes[..], one_by_one.finish());
        for cut in [0, 1, 9] {
            let bytes = &bytes[..bytes.len().saturating_sub(cut)];
            let mut r = BitReader::new(bytes);
            if r.bits(lead).is_err() {
                continue;
            }
            let mut window = Window::of(&r);
            let [mut one, mut other] = [base; 2];
            let read = read_floats(&mut one, None, &past, ahead, &mut r);
            prop_assert_eq!(&read, &read_floats(&mut other, Some(&base), &past, ahead, &mut window));
            let mut r_one_by_one = BitReader::new(bytes);
            r_one_by_one.skip(lead as usize);
            let mut slowly = base;
            prop_assert_eq!(&read, &read_one_by_one(&mut slowly, &past, ahead, &mut r_one_by_one));
            if read.is_ok() {
                prop_assert_eq!(slowly, values);
                prop_assert_eq!((one, other), (values, values));
                prop_assert_eq!((r.position(), window.reader().position()), (end, end));
            } else {
                prop_assert!(cut > 0);
            }
        }
        Ok(())
    }

    fn any_bits_do<const N: usize>(components: &[[u32; 3]], ahead: Ahead, bytes: &[u8]) -> Result<(), TestCaseError> {
        let [past, base, _] = [0, 1, 2].map(|which| core::array::from_fn::<u32, N, _>(|i| components[i][which]));
        let (mut r, [mut one, mut other]) = (BitReader::new(bytes), [base; 2]);
        let mut window = Window::of(&r);
        let read = read_floats(&mut one, None, &past, ahead, &mut r);
        prop_assert_eq!(&read, &read_floats(&mut other, Some(&base), &past, ahead, &mut window));
        if read.is_ok() {
            prop_assert_eq!((one, r.position()), (other, window.reader().position()));
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn all_floats_come_back_by_either_stream(
            components in prop::collection::vec(component(), 16), ticks in (0u32..70, 0u32..12), lead in 0u32..64,
            noise in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let ahead = Ahead::new(ticks.0, ticks.1);
            come_back::<1>(&components, ahead, lead)?;
            come_back::<2>(&components, ahead, lead)?;
            come_back::<3>(&components, ahead, lead)?;
            come_back::<4>(&components, ahead, lead)?;
            come_back::<16>(&components, ahead, lead)?;
            any_bits_do::<1>(&components, ahead, &noise)?;
            any_bits_do::<3>(&components, ahead, &noise)?;
            any_bits_do::<16>(&components, ahead, &noise)?;
        }
    }

    #[test]
    fn the_order_of_floats_is_that_of_their_numbers() {
        let floats = [f32::NEG_INFINITY, -2.0, -1.0, -0.0, 0.0, 1e-30, 1.0, f32::INFINITY];
        assert!(floats.map(|float| ordered(float.to_bits())).is_sorted());
        for float in floats.into_iter().chain([f32::NAN]) {
            assert_eq!(disordered(ordered(float.to_bits())), float.to_bits());
        }
    }
}
