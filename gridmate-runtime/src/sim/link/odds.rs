//! Distributions with tails, the same to the last bit on every platform.
//!
//! The logarithms and powers of the standard library may differ between platforms. Additions, multiplications and square
//! roots are rounded as IEEE 754 says, everywhere; so everything here is made of those.

use core::f64::consts::LN_2;

use crate::rng::Rng;

/// Binary digits behind the point that logarithms and exponents are worked out to, count. Microseconds need fewer.
const DIGITS: u32 = 40;

/// Exponential, mean 1.
pub(super) fn exponential(rng: &mut Rng) -> f64 {
    LN_2 * halvings(1.0 - rng.unit())
}

/// Pareto with its beginning moved to 0 (Lomax), scale 1: more than `x` with probability `(1 + x)^-shape`. May be infinite.
pub(super) fn pareto_tail(rng: &mut Rng, shape: f64) -> f64 {
    power_of_two(halvings(1.0 - rng.unit()) / shape) - 1.0
}

/// How often 1 has to be halved to get `share`, a number in `(0, 1]`: its binary logarithm without the sign.
fn halvings(share: f64) -> f64 {
    let (mut rest, mut whole) = (share, 0.0);
    while rest < 1.0 {
        rest *= 2.0;
        whole += 1.0;
    }
    // Squaring a number doubles its logarithm: what exceeds 1 then is the next binary digit.
    let (mut fraction, mut digit) = (0.0, 0.5);
    for _ in 0..DIGITS {
        rest *= rest;
        if rest >= 2.0 {
            rest *= 0.5;
            fraction += digit;
        }
        digit *= 0.5;
    }
    whole - fraction
}

/// 2 to the power of `exponent`, not negative.
fn power_of_two(exponent: f64) -> f64 {
    let (mut rest, mut power) = (exponent, 1.0);
    while rest >= 1.0 && power < f64::INFINITY {
        rest -= 1.0;
        power *= 2.0;
    }
    let (mut digit, mut root) = (0.5, 2.0_f64);
    for _ in 0..DIGITS {
        root = root.sqrt();
        if rest >= digit {
            rest -= digit;
            power *= root;
        }
        digit *= 0.5;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        let mut rng = Rng::new(3);
        for _ in 0..10_000 {
            let share = 1.0 - rng.unit();
            assert!((halvings(share) + share.log2()).abs() < 1e-10, "{share}");
            let exponent = rng.unit() * 60.0;
            assert!((power_of_two(exponent) / exponent.exp2() - 1.0).abs() < 1e-10, "{exponent}");
        }
        assert_eq!((halvings(1.0), halvings(0.25)), (0.0, 2.0));
        assert_eq!((power_of_two(0.0), power_of_two(3.0), power_of_two(1e9)), (1.0, 8.0, f64::INFINITY));
    }

    #[test]
    fn never_changes() {
        let mut rng = Rng::new(7);
        let drawn = [exponential(&mut rng), pareto_tail(&mut rng, 1.5)];
        // Fixed for good: a change here means that recorded runs no longer compare.
        assert_eq!(drawn.map(f64::to_bits), [4_602_571_043_705_764_755, 4_577_697_114_891_566_208]);
    }
}
