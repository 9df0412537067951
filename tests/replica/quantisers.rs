//! Scenario 20, in part: every codec that loses something takes the nearest of what it can say.

use glam::{Quat, Vec3};
use gridmate_runtime::Rng;
use gridmate_runtime::wire::Codec;
use gridmate_runtime::wire::codec::{Half, Quantize, SmallestThree, UnitVec};

const VALUES: u32 = 50_000;

fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + rng.unit() * (high - low)
}

#[expect(clippy::cast_possible_truncation, reason = "to the nearest float")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn vector(rng: &mut Rng, size: f64) -> Vec3 {
    Vec3::from_array([(); 3].map(|()| narrow(between(rng, -size, size))))
}

/// How far off a value is, and the next things that could have been said, with some room for the rounding of floats.
fn is_nearest(value: f64, said: f64, next: [f64; 2]) -> bool {
    let room = value.abs() * 1e-6 + 1e-9;
    next.into_iter().all(|other| (value - said).abs() <= (value - other).abs() + room)
}

#[test]
fn replication_scenario_20g_numbers_in_steps_are_the_nearest_step() {
    let mut rng = Rng::new(1);
    let codecs = [
        (Quantize::step(-256.0, 256.0, 0.002), -256.0, 256.0),
        (Quantize::step(-1.0, 10.0, 0.3), -1.0, 10.0),
        (Quantize::bits(0.0, 1.0, 8), 0.0, 1.0),
        (Quantize::bits(-7.5, -2.0, 1), -7.5, -2.0),
        (Quantize::bits(-180.0, 180.0, 16), -180.0, 180.0),
    ];
    for (codec, low, high) in codecs {
        for _ in 0..VALUES {
            let value = narrow(between(&mut rng, low, high)).clamp(narrow(low), narrow(high));
            let repr = Codec::<f32>::to_repr(&codec, &value);
            let at = |repr: u32| f64::from(Codec::<f32>::from_repr(&codec, &repr));
            let last = Codec::<f32>::to_repr(&codec, &narrow(high));
            let next = [repr.saturating_sub(1), (repr + 1).min(last)].map(at);
            assert!(
                is_nearest(value.into(), at(repr), next),
                "{codec:?}: {value} is {}, and not of {next:?}",
                at(repr)
            );

            let value = between(&mut rng, low, high);
            let repr = Codec::<f64>::to_repr(&codec, &value);
            let at = |repr: u32| Codec::<f64>::from_repr(&codec, &repr);
            let next = [repr.saturating_sub(1), (repr + 1).min(last)].map(at);
            assert!(is_nearest(value, at(repr), next), "{codec:?}: {value} is {}, and not of {next:?}", at(repr));

            // Vectors are their components.
            let any = vector(&mut rng, high);
            let vector = Vec3::splat(narrow(low)).max(any).min(Vec3::splat(narrow(high)));
            let said: Vec3 = codec.from_repr(&codec.to_repr(&vector));
            let alone = vector.to_array().map(|c| Codec::<f32>::from_repr(&codec, &Codec::<f32>::to_repr(&codec, &c)));
            assert_eq!(said.to_array(), alone, "{codec:?}: {vector}");
        }
    }
}

#[test]
fn replication_scenario_20g_halves_are_the_nearest_half() {
    let mut rng = Rng::new(2);
    for _ in 0..VALUES {
        // Of every size, down to where halves are even.
        let size = 2_f64.powf(between(&mut rng, -24.0, 15.9));
        let value = narrow(between(&mut rng, -size, size));
        let repr = Codec::<f32>::to_repr(&Half, &value);
        let at = |repr: u16| f64::from(Codec::<f32>::from_repr(&Half, &repr));
        // The next nearer to zero, and the next further away.
        let nearer = if repr & 0x7FFF == 0 { repr } else { repr - 1 };
        let next = [at(nearer), at(repr + 1)];
        assert!(is_nearest(value.into(), at(repr), next), "{value} is {}, and not of {next:?}", at(repr));
    }
}

#[test]
fn replication_scenario_20g_the_components_of_rotations_are_the_nearest() {
    fn check<const BITS: u32>(rng: &mut Rng) {
        let mut overtaken = 0;
        let half_a_step = 0.5 / (core::f64::consts::SQRT_2 * f64::from((1 << (BITS - 1)) - 1));
        for _ in 0..VALUES {
            let quat = Quat::from_scaled_axis(vector(rng, 3.0));
            let codec = SmallestThree::<BITS>;
            let said: Quat = codec.from_repr(&codec.to_repr(&quat));
            let (quat, said) = (quat.as_dquat().normalize(), said.as_dquat().normalize());
            let (quat, said) = (if quat.dot(said) < 0.0 { -quat } else { quat }.to_array(), said.to_array());
            let largest = (0..4).max_by(|a, b| quat[*a].abs().total_cmp(&quat[*b].abs())).unwrap();
            let rest = (0..4).filter(|i| *i != largest);
            // Where one would overtake the one left out, all are rounded towards zero: that is rare, or there are few bits.
            let rounded: Vec<_> =
                rest.clone().map(|i| (quat[i] / (2.0 * half_a_step)).round() * 2.0 * half_a_step).collect();
            let left_out = (1.0 - rounded.iter().map(|c| c * c).sum::<f64>()).max(0.0).sqrt();
            if rounded.iter().any(|c| c.abs() > left_out - 1e-6) {
                overtaken += 1;
                continue;
            }
            for i in rest {
                let off = (quat[i] - said[i]).abs();
                assert!(
                    off <= half_a_step * 1.001 + 2e-7,
                    "{BITS} bits: {quat:?} is {said:?}, {off}, not {half_a_step}"
                );
            }
        }
        assert!(overtaken < VALUES / 10, "{overtaken}");
    }
    let mut rng = Rng::new(3);
    check::<6>(&mut rng);
    check::<10>(&mut rng);
    check::<15>(&mut rng);
}

/// A direction's place on the square that the octahedron is folded open into.
fn folded(direction: Vec3) -> [f64; 2] {
    let d = direction.as_dvec3();
    let d = d / (d.x.abs() + d.y.abs() + d.z.abs());
    let sign = |c: f64| if c < 0.0 { -1.0 } else { 1.0 };
    if d.z < 0.0 { [(1.0 - d.y.abs()) * sign(d.x), (1.0 - d.x.abs()) * sign(d.y)] } else { [d.x, d.y] }
}

#[test]
fn replication_scenario_20g_directions_are_the_nearest_point_of_the_square() {
    fn check<const BITS: u32>(rng: &mut Rng) {
        let half_a_step = 0.5 / f64::from((1 << (BITS - 1)) - 1);
        for _ in 0..VALUES {
            let direction = vector(rng, 1.0);
            let at = folded(direction);
            if direction.length() < 0.01 || at.iter().any(|c| c.abs() > 1.0 - 2.0 * half_a_step) {
                continue; // The rim is two places at once.
            }
            let codec = UnitVec::<BITS>;
            let said: Vec3 = codec.from_repr(&codec.to_repr(&direction));
            let said = folded(said);
            for i in 0..2 {
                let off = (at[i] - said[i]).abs();
                assert!(off <= half_a_step * 1.001 + 5e-7, "{BITS} bits: {direction}, {off}, not {half_a_step}");
            }
        }
    }
    let mut rng = Rng::new(4);
    check::<6>(&mut rng);
    check::<10>(&mut rng);
    check::<14>(&mut rng);
}
