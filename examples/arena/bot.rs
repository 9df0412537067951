//! A pilot that is no person: turns to what is near and shoots at it.
//!
//! Its whims come from a seed; what it sees comes over the network. Same seed, same sights, same decisions.

use glam::Vec2;
use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;

use crate::chunks::{Asteroid, Condition, Ship, Weapon};
use crate::rules::{Stick, spread};

/// Something to shoot at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Ship(ReplicaId),
    Asteroid(ReplicaId),
}

/// Steers one ship.
#[derive(Debug)]
pub(crate) struct Bot {
    rng: Rng,
    /// How far beside its target it flies, radians. Changes now and then, or all bots would meet in one point.
    whim: f32,
}

impl Bot {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), whim: 0.0 }
    }

    /// For what its ship leaves to chance.
    pub(crate) const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Looks around from `own` ship: how to hold the stick, and what to shoot at.
    pub(crate) fn decide(&mut self, own: ReplicaId, replicas: &ReplicaManager) -> (Stick, Option<Target>) {
        let Ok(ship) = replicas.get::<Ship>(own) else { return (Stick::default(), None) };
        if self.rng.chance(0.02) {
            self.whim = spread(&mut self.rng, 0.4);
        }
        let ships = replicas
            .iter::<Ship>()
            .filter(|(id, other)| *id != own && other.condition == Condition::Flying)
            .map(|(id, other)| (Target::Ship(id), other.position));
        let rocks = replicas.iter::<Asteroid>().map(|(id, rock)| (Target::Asteroid(id), rock.position));
        // Other ships are worth a longer way than stones.
        let nearest = nearest(ship.position, ships, 4.0 * Weapon::RANGE)
            .or_else(|| nearest(ship.position, rocks, 4.0 * Weapon::RANGE));
        let Some((target, position)) = nearest else {
            return (Stick { turn: self.whim, thrust: 0.5 }, None);
        };
        let way = position - ship.position;
        let error = ship.facing().angle_to(way);
        let stick = Stick { turn: (error + self.whim) * 2.0, thrust: if way.length() > 30.0 { 1.0 } else { 0.2 } };
        let aimed = way.length() < Weapon::RANGE && error.abs() < 0.5;
        (stick, aimed.then_some(target))
    }
}

fn nearest(from: Vec2, all: impl Iterator<Item = (Target, Vec2)>, within: f32) -> Option<(Target, Vec2)> {
    all.map(|(target, position)| (from.distance(position), target, position))
        .filter(|(distance, ..)| *distance < within)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, target, position)| (target, position))
}
