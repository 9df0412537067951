//! Where something is, which way it faces, and how large it is.

use glam::{Affine3A, Quat, Vec3};

use super::travels_as;

/// A place, a rotation and a scale, all exact.
///
/// | layout | bits |
/// |---|---|
/// | alone | translation 3 × 32, rotation 4 × 32, scale 3 × 32: 320 |
/// | change | a bit for each of the three that says whether it differs, then the changes of those that do: 4 + 3 × 12 to 4 + 3 × 32 for a translation or a scale of which all components change, 4 + 4 × 12 to 4 + 4 × 32 for a rotation |
///
/// A body that only moves a little costs 43 to 70 bits, one that turns a little besides 95 and more. In a struct of the program's own
/// `quantize(…)`, `SmallestThree` and `predict = Linear` on each field make that a fraction.
///
/// With `interpolate = Linear` a proxy is shown on its way: place and scale on straight lines, the rotation the shorter way.
///
/// ```
/// use glam::{Quat, Vec3};
/// use gridmate_runtime::wire::types::Transform;
///
/// let door = Transform { rotation: Quat::from_rotation_y(1.0), ..Transform::at(Vec3::new(0.0, 2.0, 0.0)) };
/// assert!(door.to_affine().transform_point3(Vec3::ZERO).abs_diff_eq(Vec3::Y * 2.0, 1e-6));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Where it is.
    pub translation: Vec3,
    /// Which way it faces.
    pub rotation: Quat,
    /// How large it is along its own axes.
    pub scale: Vec3,
}

impl Transform {
    /// At the origin, not turned, as large as it is.
    pub const IDENTITY: Self = Self { translation: Vec3::ZERO, rotation: Quat::IDENTITY, scale: Vec3::ONE };

    /// At a place, otherwise as [`IDENTITY`](Self::IDENTITY).
    pub const fn at(translation: Vec3) -> Self {
        Self { translation, ..Self::IDENTITY }
    }

    /// The same as a matrix: scaled first, then turned, then moved.
    pub fn to_affine(&self) -> Affine3A {
        Affine3A::from_scale_rotation_translation(self.scale, self.rotation, self.translation)
    }
}

impl Default for Transform {
    fn default() -> Self {
        Self::IDENTITY
    }
}

travels_as! {
    Transform as (Vec3, Quat, Vec3), "transform",
    |value| (value.translation, value.rotation, value.scale),
    |(translation, rotation, scale)| Self { translation, rotation, scale }
}
