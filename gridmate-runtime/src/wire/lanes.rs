//! Changes of several numbers that move together: the components of a vector, a quaternion, a matrix.
//!
//! One rung serves all of them. A first bit is 1 when every component differs from its base; else it is 0 and one bit per
//! component says which do. Three bits then name a rung, the narrowest that holds every distance (see [`ladder`]); each
//! component that differs follows with that many bits. Rung 7 is the full width, and holds values instead of distances.
//!
//! So a change of all three components of a `Vec3` costs 1 + 3 + 3 × rung bits, of one 1 + 3 + 3 + rung.
//!
//! [`ladder`]: super::ladder

use super::ladder::{distance, moved, usual};
use super::residual::{self, Guess};
use super::{Sink, Source, WireError};

/// Seven rungs and the jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    rungs: [u32; 8],
}

/// A component's bits.
pub(super) trait Lane: Copy + PartialEq + Into<u64> + TryFrom<u64> {}

impl Lane for u8 {}
impl Lane for u16 {}
impl Lane for u32 {}
impl Lane for u64 {}

impl Lanes {
    /// `near` must grow and stay below `full`, which is at most 64.
    pub(super) const fn new(near: [u32; 7], full: u32) -> Self {
        let [a, b, c, d, e, f, g] = near;
        assert!(a <= b && b <= c && c <= d && d <= e && e <= f && f <= g && g < 64 && full <= 64);
        Self { rungs: [a, b, c, d, e, f, g, full] }
    }

    /// Rung *k* of a number of `full` bits is ⌊`full` × (k + 1) / 8⌋ bits wide.
    pub(super) const fn even(full: u32) -> Self {
        let [a, b, c, d, e, f, g] = [full, full * 2, full * 3, full * 4, full * 5, full * 6, full * 7];
        Self::new([a / 8, b / 8, c / 8, d / 8, e / 8, f / 8, g / 8], full)
    }

    #[inline]
    pub(super) fn write<L: Lane, const N: usize>(self, values: &[L; N], base: &[L; N], w: &mut impl Sink) {
        let full = self.rungs[7];
        if w.is_modelled() && full <= 32 {
            return residual::write(values.map(Into::into), base.map(still), full, usual(full), w);
        }
        let mut distances = [0; N];
        let (mut reach, mut all) = (0, true);
        for ((distance_of, value), base) in distances.iter_mut().zip(values).zip(base) {
            *distance_of = distance((*value).into(), (*base).into(), full);
            all &= value != base;
            reach |= if value == base { 0 } else { *distance_of };
        }
        w.bool(all);
        if !all {
            for (value, base) in values.iter().zip(base) {
                w.bool(value != base);
            }
        }
        let rung = self.rungs[..7].iter().filter(|width| reach >> **width != 0).count();
        let width = self.rungs[rung];
        w.bits(rung as u64, 3);
        for ((distance, value), base) in distances.into_iter().zip(values).zip(base) {
            if value != base {
                w.bits(if rung == 7 { (*value).into() } else { distance }, width);
            }
        }
    }

    /// `values` holds the base before and the values after.
    #[inline(always)]
    pub(super) fn read<L: Lane, const N: usize>(
        self,
        values: &mut [L; N],
        r: &mut impl Source,
    ) -> Result<(), WireError> {
        r.aside(|r| self.read_rung(values, r))
    }

    #[inline]
    fn read_rung<L: Lane, const N: usize>(self, values: &mut [L; N], r: &mut impl Source) -> Result<(), WireError> {
        let full = self.rungs[7];
        if r.is_modelled() && full <= 32 {
            let read = residual::read(values.map(still), full, usual(full), r)?;
            for (value, bits) in values.iter_mut().zip(read) {
                *value = L::try_from(bits).map_err(|_| WireError::Invalid)?;
            }
            return Ok(());
        }
        let mut differs = [true; N];
        if !r.bool()? {
            for differs in &mut differs {
                *differs = r.bool()?;
            }
        }
        let rung = usize::from(r.bits(3)?.to_le_bytes()[0]);
        let width = self.rungs[rung];
        for (value, differs) in values.iter_mut().zip(differs) {
            if differs {
                let bits = r.bits(width)?;
                let next = if rung == 7 { bits } else { moved(bits, (*value).into(), full) };
                *value = L::try_from(next).map_err(|_| WireError::Invalid)?;
            }
        }
        Ok(())
    }
}

/// Under models, components are told by their distance from where they were.
#[inline]
fn still<L: Lane>(value: L) -> Guess {
    Guess { value: value.into(), ..Guess::default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{BitReader, BitWriter};

    #[test]
    fn even_rungs_divide_the_width() {
        assert_eq!(Lanes::even(18).rungs, [2, 4, 6, 9, 11, 13, 15, 18]);
        assert_eq!(Lanes::even(1).rungs, [0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn one_rung_serves_all_and_still_components_cost_a_bit() {
        let cost = |values: [u32; 3]| {
            let mut w = BitWriter::new();
            Lanes::even(16).write(&values, &[1000, 2000, 3000], &mut w);
            w.len()
        };
        assert_eq!(cost([1001, 1999, 3002]), 1 + 3 + 3 * 2);
        assert_eq!(cost([1001, 2000, 3000]), 1 + 3 + 3 + 2);
        assert_eq!(cost([1001, 2100, 3001]), 1 + 3 + 3 * 8);
        assert_eq!(cost([1001, 34_000, 3001]), 1 + 3 + 3 * 16);
        assert_eq!(cost([1000, 2000, 3000]), 1 + 3 + 3);
    }

    proptest! {
        #[test]
        fn every_change_comes_back(base in any::<[u32; 3]>(), steps in any::<[i32; 3]>(), shift in 0u32..32, full in 1u32..=32) {
            let mask = u32::MAX >> (32 - full);
            let base = base.map(|v| v & mask);
            let values: [u32; 3] = core::array::from_fn(|i| base[i].wrapping_add_signed(steps[i] >> shift) & mask);
            let lanes = Lanes::even(full);
            let mut w = BitWriter::new();
            lanes.write(&values, &base, &mut w);
            let mut got = base;
            let mut r = BitReader::new(w.finish());
            prop_assert_eq!(lanes.read(&mut got, &mut r), Ok(()));
            prop_assert_eq!(got, values);
            prop_assert!(r.remaining() < 8);
        }
    }
}
