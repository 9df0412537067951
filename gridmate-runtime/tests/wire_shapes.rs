//! Name hashes, transforms, boxes and colours: their bytes, their costs, and what they are read as.

mod laws;

use gridmate_runtime::wire::Marshal as _;
use gridmate_runtime::wire::codec::Native;
use gridmate_runtime::wire::types::Crc32;
use laws::{change_cost, garbage, golden, laws};
use proptest::prelude::*;

#[test]
fn a_name_is_its_crc() {
    const FIRE: Crc32 = Crc32::of("fire");
    for name in ["", "a", "fire", "123456789", "Überschall", "a rather longer name, as names go"] {
        assert_eq!(Crc32::of(name).value(), crc32fast::hash(name.as_bytes()), "{name}");
    }
    assert_eq!(Crc32::from_value(FIRE.value()), FIRE);
    assert_eq!(Crc32::of("123456789").to_string(), "cbf43926");
    golden(&Native, &Crc32::of("123456789"), 32, &[0x26, 0x39, 0xF4, 0xCB]);
    assert_eq!(change_cost(&Native, &Crc32::from_value(7), &Crc32::from_value(8)), 32, "hashes are never near");
    assert_eq!(Crc32::shape().to_string(), "crc32");
}

proptest! {
    #[test]
    fn hashes_keep_the_laws(value: u32, base: u32, bytes: [u8; 8]) {
        laws(&Native, &Crc32::from_value(value), &Crc32::from_value(base));
        garbage(&Native, &Crc32::from_value(base), &bytes);
    }
}

#[cfg(feature = "glam")]
mod shapes {
    use glam::{Quat, Vec3};
    use gridmate_runtime::wire::types::{Aabb, Color, Transform};

    use super::*;

    /// The bytes of floats, one after the other.
    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn shapes_are_their_parts() {
        let transform = Transform {
            translation: Vec3::new(1.0, 2.0, 3.0),
            rotation: Quat::from_xyzw(0.5, -0.5, 0.5, 0.5),
            scale: Vec3::new(1.0, 2.0, 1.0),
        };
        golden(&Native, &transform, 320, &floats(&[1.0, 2.0, 3.0, 0.5, -0.5, 0.5, 0.5, 1.0, 2.0, 1.0]));
        golden(
            &Native,
            &Color::rgb(1.0, 0.5, -2.0),
            128,
            &[0, 0, 0x80, 0x3F, 0, 0, 0, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0x80, 0x3F],
        );
        let room = Aabb { min: Vec3::new(-1.0, 0.0, 0.0), max: Vec3::new(1.0, 2.0, 4.0) };
        golden(&Native, &room, 192, &floats(&[-1.0, 0.0, 0.0, 1.0, 2.0, 4.0]));
        assert_eq!(
            [Transform::shape(), Aabb::shape(), Color::shape()].map(|shape| shape.to_string()),
            [
                "transform<tuple<vec3<f32>, quat<f32>, vec3<f32>>>",
                "aabb<tuple<vec3<f32>, vec3<f32>>>",
                "color<vec4<f32>>"
            ]
        );
        assert_eq!(Transform::default(), Transform::IDENTITY);
        assert!(room.contains(room.max) && !room.contains(Vec3::splat(3.0)));
    }

    #[test]
    fn a_change_costs_what_differs() {
        let from = Transform::at(Vec3::new(10.0, -20.0, 30.0));
        let moved = Transform { translation: from.translation + Vec3::splat(0.01), ..from };
        assert_eq!(change_cost(&Native, &from, &moved), 3 + 4 + 3 * 15);
        let turned = Transform { rotation: Quat::from_xyzw(0.0, 0.0, 1.0, 0.0), ..from };
        assert_eq!(change_cost(&Native, &from, &turned), 3 + 8 + 2 * 32, "two components of four");
        let grown = Transform { scale: Vec3::splat(2.0), ..moved };
        assert_eq!(change_cost(&Native, &from, &grown), (3 + 4 + 3 * 15) + (4 + 3 * 25));
        let room = Aabb { min: Vec3::ZERO, max: Vec3::ONE };
        assert_eq!(change_cost(&Native, &room, &Aabb { max: Vec3::ONE * -1.0, ..room }), 2 + 4 + 3 * 32);
        assert_eq!(change_cost(&Native, &Color::WHITE, &Color { a: 0.0, ..Color::WHITE }), 8 + 32);
    }

    fn float() -> impl Strategy<Value = f32> {
        prop_oneof![any::<u32>().prop_map(f32::from_bits), -4.0f32..4.0]
    }

    fn vector() -> impl Strategy<Value = Vec3> {
        [float(), float(), float()].prop_map(Vec3::from_array)
    }

    fn transform() -> impl Strategy<Value = Transform> {
        (vector(), [float(), float(), float(), float()], vector()).prop_map(|(translation, rotation, scale)| {
            Transform { translation, rotation: Quat::from_array(rotation), scale }
        })
    }

    fn color() -> impl Strategy<Value = Color> {
        [float(), float(), float(), float()].prop_map(|[r, g, b, a]| Color { r, g, b, a })
    }

    proptest! {
        #[test]
        fn shapes_keep_the_laws(
            (value, base) in (transform(), transform()),
            corners in [vector(), vector(), vector(), vector()],
            colors in [color(), color()],
        ) {
            laws(&Native, &value, &base);
            laws(&Native, &Transform { scale: base.scale, ..value }, &base);
            let [a, b, c, d] = corners;
            laws(&Native, &Aabb { min: a, max: b }, &Aabb { min: c, max: d });
            laws(&Native, &colors[0], &colors[1]);
        }

        #[test]
        fn garbage_is_no_danger(base in transform(), bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            garbage(&Native, &base, &bytes);
            garbage(&Native, &Aabb { min: base.translation, max: base.scale }, &bytes);
            garbage(&Native, &Color::WHITE, &bytes);
        }
    }
}
