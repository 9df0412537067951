//! Two to four floats at once: of a vector or a quaternion each component has a lane, and what is done to one is done to all.
//!
//! It is what [`floats`](super) does one by one, bit for bit, as long as all of it is in a word. Of anything else it says so, and others do it.
//! Lanes beyond the last component rest at zero: they have no motion, no error, and nobody asks for them.

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4, u16x8, u32x4};

use super::{APART, Ahead, CODE, EVEN, EXACT, FRACTION, SHARED, WILD, lowest};

/// Whether so many components are dealt with here.
pub(super) const fn fits(components: usize) -> bool {
    matches!(components, 2..=4)
}

/// What is written of a value: so many bits, fewer than 64.
#[inline(always)]
pub(super) fn write<const N: usize>(
    values: &[u32; N],
    base: &[u32; N],
    past: &[u32; N],
    ahead: Ahead,
) -> Option<(u64, u32)> {
    let lines = Lines::of(base, past, ahead);
    let errors = fold(load(values) - lines.guess);
    let code = larger(largest(more_by(bits_and_even(errors), lines.scale)), lanes(EXACT + 1));
    if (lines.wild() | more_than(code, APART - 1)).any() {
        return None;
    }
    if errors.simd_eq(u32x4::ZERO).all() {
        return Some((EXACT.into(), CODE));
    }
    let rooms: [u32; 4] = cast(lines.rooms(code));
    let errors = errors.to_array();
    let (mut word, mut used) = (u64::from(cast::<_, [u32; 4]>(code)[0]), CODE);
    for i in 0..N {
        word |= u64::from(errors[i]) << (used & 63);
        used += rooms[i];
    }
    (used < u64::BITS).then_some((word, used))
}

/// Reads that from a word of which so many bits are there; `values` holds the base before, which may be elsewhere too, and the values after. How many bits
/// that takes, or nothing is changed.
#[inline(always)]
pub(super) fn read<const N: usize>(
    values: &mut [u32; N],
    base: Option<&[u32; N]>,
    past: &[u32; N],
    ahead: Ahead,
    (word, left): (u64, u32),
) -> Option<u32> {
    let lines = Lines::of(base.unwrap_or(values), past, ahead);
    #[expect(clippy::cast_possible_truncation, reason = "what is in so many bits")]
    let code = (word & lowest(CODE)) as u32;
    let scale: [u32; 4] = cast(lines.scale);
    let (mut errors, mut used) = ([0; 4], CODE);
    for i in 0..N {
        let room = super::room(scale[i], code);
        #[expect(clippy::cast_possible_truncation, reason = "the room is smaller, unless it is nonsense")]
        let error = (word >> (used & 63)) as u32 & LOWEST[room as usize % LOWEST.len()];
        errors[i] = error;
        used += room;
    }
    if code >= APART || used > left || lines.wild().any() {
        return None;
    }
    let read = (lines.guess + unfold(errors.into())).to_array();
    values.copy_from_slice(&read[..N]);
    Some(used)
}

/// The lowest bits, by how many. From memory, that is one step behind a room that was just found out, and not three.
static LOWEST: [u32; 32] = {
    let (mut masks, mut bits) = ([0; 32], 1);
    while bits < masks.len() {
        masks[bits] = masks[bits - 1] << 1 | 1;
        bits += 1;
    }
    masks
};

/// Where lines lead, and how far.
struct Lines {
    guess: u32x4,
    /// Bits of the motions, in the low half of each lane.
    scale: u16x8,
}

impl Lines {
    #[inline(always)]
    fn of<const N: usize>(base: &[u32; N], past: &[u32; N], ahead: Ahead) -> Self {
        let (base, past): (f32x4, f32x4) = (cast(load(base)), cast(load(past)));
        let motion = (past - base) * f32x4::splat(ahead.factor());
        let scale = more_by(exponents(motion), more_by(exponents(base), lanes(FRACTION)));
        let least = more_by(largest(scale), lanes(SHARED));
        Self { guess: cast(base - motion), scale: larger(scale, least) }
    }

    /// Which of them lead anywhere. All else that is said of those is nonsense.
    #[inline(always)]
    fn wild(&self) -> i32x4 {
        more_than(self.scale, WILD)
    }

    /// How many bits the errors have room for.
    #[inline(always)]
    fn rooms(&self, code: u16x8) -> u16x8 {
        more_by(self.scale + code, lanes(EVEN))
    }
}

#[inline(always)]
fn load<const N: usize>(components: &[u32; N]) -> u32x4 {
    let at = |i: usize| u64::from(components.get(i).copied().unwrap_or(0));
    // Two by two, as they are stored: what overlaps two stores that are on their way has to wait for both.
    cast([at(0) | at(1) << 32, at(2) | at(3) << 32])
}

/// A number below 2^16 in the low half of each lane.
#[inline(always)]
fn lanes(number: u32) -> u16x8 {
    cast(u32x4::splat(number))
}

/// By how much it is more, if it is.
#[inline(always)]
fn more_by(one: u16x8, other: u16x8) -> u16x8 {
    one.saturating_sub(other)
}

#[inline(always)]
fn larger(one: u16x8, other: u16x8) -> u16x8 {
    // As numbers with a sign, which none of them has: of those every processor knows the larger.
    cast(cast::<_, i16x8>(one).max(cast(other)))
}

/// Which lanes are more than a number below 2^16.
#[inline(always)]
fn more_than(numbers: u16x8, number: u32) -> i32x4 {
    cast::<_, i32x4>(numbers).simd_gt(cast::<_, i32x4>(lanes(number)))
}

/// The largest of all lanes, in each of them: to take it out and put it back would take longer than all the rest.
#[inline(always)]
fn largest(numbers: u16x8) -> u16x8 {
    let [a, b, c, d]: [u32; 4] = cast(numbers);
    let two = larger(numbers, cast([c, d, a, b]));
    let [a, b, c, d]: [u32; 4] = cast(two);
    larger(two, cast([b, a, d, c]))
}

#[inline(always)]
fn exponents(floats: f32x4) -> u16x8 {
    cast(cast::<_, u32x4>(floats) << 1 >> 24)
}

/// How many bits errors have, and [`EVEN`]; 0 of those that have none; too many for any code of those with 32.
#[inline(always)]
fn bits_and_even(errors: u32x4) -> u16x8 {
    /// The exponent of a number of one bit, which has none before it.
    const BIAS: u32 = 126;
    // Without the bit behind the highest no float is rounded up to one bit more. A number with 32 is negative, and its sign adds 256.
    let behind: u32x4 = errors >> 1;
    let highest = errors & !behind;
    let floats = f32x4::from_i32x4(cast::<_, i32x4>(highest));
    more_by(cast(cast::<_, u32x4>(floats) >> 23), lanes(BIAS - EVEN))
}

/// As [`fold`](super::fold).
#[inline(always)]
fn fold(errors: u32x4) -> u32x4 {
    errors << 1 ^ cast::<_, u32x4>(cast::<_, i32x4>(errors) >> 31)
}

/// As [`unfold`](super::unfold).
#[inline(always)]
fn unfold(folded: u32x4) -> u32x4 {
    folded >> 1 ^ (u32x4::ZERO - (folded & u32x4::splat(1)))
}
