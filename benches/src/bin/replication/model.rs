//! What everyone replicates, and how it moves.

use gridmate_runtime::Rng;

/// An entity: 21 bytes, of which 16 change in every tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Body {
    pub id: u32,
    pub health: f32,
    pub position: [f32; 3],
    pub alive: bool,
}

/// How values change from tick to tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Walkers that turn and bob, wounds that heal.
    Smooth,
    /// New values each time: nothing is to be known of them from those before.
    Random,
    /// As `Smooth`, but only one of the coordinates.
    OneOfThree,
}

/// Half the edge of the square that bodies are in, metres.
pub const FIELD: f32 = 500.0;

/// Full health.
pub const HEALTH: f32 = 100.0;

const TICK: f32 = 1.0 / 60.0;

/// All bodies as they are to be, here and at everyone.
pub struct Truth {
    pub bodies: Vec<Body>,
    pub motion: Motion,
    walks: Vec<Walk>,
    rng: Rng,
}

/// How one body moves.
struct Walk {
    /// Metres a second, radians, radians a second.
    speed: f32,
    heading: f32,
    turn: f32,
    /// Of bobbing: radians, radians a second.
    phase: f32,
    swing: f32,
    /// A second.
    healing: f32,
}

impl Truth {
    /// So many bodies, the same for every library.
    pub fn new(count: usize, motion: Motion) -> Self {
        let mut rng = Rng::new(2323);
        let (mut bodies, mut walks) = (Vec::new(), Vec::new());
        for id in 1..=u32::try_from(count).expect("not that many") {
            let mut within = |lo: f32, hi: f32| unit(&mut rng).mul_add(hi - lo, lo);
            let position = [within(-FIELD, FIELD), within(-FIELD, FIELD), within(0.0, 5.0)];
            bodies.push(Body { id, health: within(1.0, HEALTH), position, alive: true });
            walks.push(Walk {
                speed: within(1.0, 10.0),
                heading: within(-3.0, 3.0),
                turn: within(-1.0, 1.0),
                phase: within(0.0, 6.0),
                swing: within(1.0, 4.0),
                healing: within(0.5, 2.0),
            });
        }
        Self { bodies, motion, walks, rng }
    }

    /// A sixtieth of a second.
    pub fn step(&mut self) {
        match self.motion {
            Motion::Random => {
                for body in &mut self.bodies {
                    body.health = unit(&mut self.rng) * HEALTH;
                    body.position = [0; 3].map(|_| (unit(&mut self.rng) - 0.5) * 2.0 * FIELD);
                }
            }
            Motion::Smooth => {
                for (body, walk) in self.bodies.iter_mut().zip(&mut self.walks) {
                    walk.heading += walk.turn * TICK;
                    walk.phase += walk.swing * TICK;
                    let (sin, cos) = walk.heading.sin_cos();
                    let [x, y, z] = &mut body.position;
                    *x = near(*x + cos * walk.speed * TICK);
                    *y = near(*y + sin * walk.speed * TICK);
                    *z += walk.phase.cos() * 0.5 * TICK;
                    body.health += walk.healing * TICK;
                    if body.health >= HEALTH {
                        body.health = 1.0;
                    }
                }
            }
            Motion::OneOfThree => {
                for (body, walk) in self.bodies.iter_mut().zip(&self.walks) {
                    body.position[0] = near(body.position[0] + walk.speed * TICK);
                }
            }
        }
    }
}

/// Who leaves the field comes back in on the other side.
fn near(x: f32) -> f32 {
    if x >= FIELD {
        x - 2.0 * FIELD
    } else if x < -FIELD {
        x + 2.0 * FIELD
    } else {
        x
    }
}

fn unit(rng: &mut Rng) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "any float will do")]
    let value = rng.unit() as f32;
    value
}
