//! How things move. Owners run this on their own primaries; nobody runs it on a proxy.

use core::f32::consts::TAU;

use glam::{Quat, Vec2, Vec3};
use gridmate_runtime::Rng;

use crate::chunks::{Asteroid, Condition, HALF, Helm, Ship, Size, Weapon};

/// What a pilot wants of its ship for one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stick {
    /// -1 (right) to 1 (left).
    pub(crate) turn: f32,
    /// 0 to 1.
    pub(crate) thrust: f32,
}

/// A number in `-half..half`.
pub(crate) fn spread(rng: &mut Rng, half: f32) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
    let unit = rng.unit() as f32;
    (unit * 2.0 - 1.0) * half
}

fn anywhere(rng: &mut Rng) -> Vec2 {
    Vec2::new(spread(rng, HALF * 0.95), spread(rng, HALF * 0.95))
}

/// Moves within the square and bounces off its walls.
fn drift(position: &mut Vec2, velocity: &mut Vec2, seconds: f32) {
    *position += *velocity * seconds;
    for axis in 0..2 {
        if position[axis].abs() > HALF {
            velocity[axis] = -velocity[axis].abs() * position[axis].signum();
            position[axis] = position[axis].clamp(-HALF, HALF);
        }
    }
}

impl Asteroid {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let size = match rng.below(4) {
            0 => Size::Boulder,
            1 => Size::Rock,
            _ => Size::Pebble,
        };
        let axis = Vec3::new(spread(rng, 1.0), spread(rng, 1.0), 1.0).normalize();
        Self {
            position: anywhere(rng),
            attitude: Quat::from_axis_angle(axis, spread(rng, TAU)),
            size,
            health: size.full_health(),
            velocity: Vec2::new(spread(rng, 12.0), spread(rng, 12.0)),
            tumble: Quat::from_axis_angle(axis, spread(rng, 0.05)),
            frozen: false,
        }
    }

    /// One tick. A shattered asteroid is replaced by a new one somewhere else.
    pub(crate) fn step(&mut self, seconds: f32, rng: &mut Rng) {
        if self.health == 0 {
            *self = Self::random(rng);
        }
        drift(&mut self.position, &mut self.velocity, seconds);
        self.attitude = (self.attitude * self.tumble).normalize();
    }
}

impl Ship {
    pub(crate) fn new(pilot: &str, rng: &mut Rng) -> Self {
        let mut ship = Self { pilot: pilot.to_owned(), ..Self::default() };
        ship.respawn(rng);
        ship
    }

    fn respawn(&mut self, rng: &mut Rng) {
        self.position = anywhere(rng);
        self.heading = spread(rng, TAU).rem_euclid(TAU);
        self.health = 100;
        self.condition = Condition::Shielded;
        self.weapon =
            if rng.chance(0.5) { Weapon::Laser } else { Weapon::Cannon { charge: u8::from(rng.chance(0.5)) + 1 } };
        self.helm = Helm { recovery: 1.0, ..Helm::default() };
    }

    pub(crate) fn facing(&self) -> Vec2 {
        Vec2::from_angle(self.heading)
    }

    /// One tick with the stick held like this.
    pub(crate) fn step(&mut self, stick: Stick, seconds: f32, rng: &mut Rng) {
        self.helm.cooldown -= seconds;
        self.helm.recovery -= seconds;
        match self.condition {
            Condition::Wrecked if self.helm.recovery <= 0.0 => self.respawn(rng),
            Condition::Wrecked => return,
            Condition::Shielded if self.helm.recovery <= 0.0 => self.condition = Condition::Flying,
            Condition::Shielded | Condition::Flying => {}
        }
        self.heading = (self.heading + stick.turn.clamp(-1.0, 1.0) * 3.0 * seconds).rem_euclid(TAU);
        let push = self.facing() * stick.thrust.clamp(0.0, 1.0) * 60.0;
        self.helm.velocity = (self.helm.velocity + push * seconds) * (1.0 - 0.5 * seconds.min(1.0));
        drift(&mut self.position, &mut self.helm.velocity, seconds);
    }
}
