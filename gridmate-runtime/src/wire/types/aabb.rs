//! Boxes along the axes.

use glam::Vec3;

use super::travels_as;

/// A box along the axes, from its low corner to its high one, both exact. Nothing checks that they are.
///
/// | layout | bits |
/// |---|---|
/// | alone | low corner 3 × 32, high corner 3 × 32: 192 |
/// | change | a bit for each corner that says whether it differs, then the changes of those that do, 4 + 3 × 12 to 4 + 3 × 32 if all components change |
///
/// ```
/// use glam::Vec3;
/// use gridmate_runtime::wire::types::Aabb;
///
/// let room = Aabb { min: Vec3::ZERO, max: Vec3::new(4.0, 3.0, 5.0) };
/// assert!(room.contains(Vec3::ONE) && !room.contains(-Vec3::ONE));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Aabb {
    /// The corner with the lowest coordinates.
    pub min: Vec3,
    /// The corner with the highest.
    pub max: Vec3,
}

impl Aabb {
    /// Whether a point is inside, or on the border.
    pub fn contains(&self, point: Vec3) -> bool {
        point.cmpge(self.min).all() && point.cmple(self.max).all()
    }
}

travels_as! {
    Aabb as (Vec3, Vec3), "aabb",
    |value| (value.min, value.max),
    |(min, max)| Self { min, max }
}
