//! Bytes on slow, smooth motion: 250 bodies that drift and turn in a sphere, and bounce off its wall and each other.
//!
//! The scene is that of a public comparison of engines (`KinematicSoup/benchmarks`): 250 rigid bodies, speeds of 1 to 4 metres a
//! second, at most 45 degrees a second of turning, 30 updates a second, positions to 0.01 and rotations to 0.001, all of them
//! visible to one client. What is counted is goodput: bytes of state messages, as they are handed to the carrier.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin asteroids [-- --seed N]`

use std::error::Error;
use std::time::Duration;

use glam::{Quat, Vec3};
use gridmate_benches::Pair;
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::wire::codec::SmallestThree;

const BODIES: usize = 250;
const HZ: usize = 30;
/// Two minutes.
const TICKS: usize = 120 * HZ;
/// Ticks until the receipt of a message is there: 67 ms.
const ROUND_TRIP: usize = 2;
/// Metres.
const SPHERE: f32 = 50.0;
const RADIUS: f32 = 0.8;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Asteroid {
    #[dataset(quantize(-64.0..=64.0, step = 0.01), predict = Linear)]
    position: Vec3,
    /// Steps of 0.0007.
    #[dataset(with = SmallestThree::<11>, predict = Linear)]
    rotation: Quat,
}

/// A body of the simulation.
#[derive(Clone, Copy)]
struct Body {
    position: Vec3,
    velocity: Vec3,
    rotation: Quat,
    /// Radians a second around each axis.
    spin: Vec3,
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed = seed_argument()?;
    let mut table = Vec::new();
    for (lib, coder) in [("gridmate_packed", Coder::Packed), ("gridmate_entropy", Coder::Entropy)] {
        let figures = run(seed, coder)?;
        for (metric, value) in figures {
            println!("bench=asteroids case=bodies250 lib={lib} metric={metric} value={value:.2}");
        }
        table.push((lib, figures));
    }
    println!();
    println!(
        "{:<18} {:>14} {:>18} {:>12} {:>12}",
        "coder", "goodput kB/s", "bits per update", "encode us", "decode us"
    );
    for (lib, [(_, rate), (_, bits), (_, encode), (_, decode)]) in table {
        println!("{lib:<18} {rate:>14.2} {bits:>18.1} {:>12.1} {:>12.1}", encode / 1e3, decode / 1e3);
    }
    Ok(())
}

fn run(seed: u64, coder: Coder) -> Result<[(&'static str, f64); 4], Box<dyn Error>> {
    let registry = Registry::builder().coder(coder).chunk::<Asteroid>().build()?;
    let mut pair = Pair::new(registry, ROUND_TRIP);
    let mut bodies = scene(seed);
    let ids = bodies.iter().map(|_| pair.host.add(Asteroid::default())).collect::<Result<Vec<_>, _>>()?;
    let mut bytes = 0;
    for tick in 0..TICKS + HZ {
        step(&mut bodies);
        for (id, body) in ids.iter().zip(&bodies) {
            *pair.host.primary_mut::<Asteroid>(*id)? = Asteroid { position: body.position, rotation: body.rotation };
        }
        let sent = pair.tick()?;
        // The first second is for joining.
        bytes += if tick >= HZ { sent } else { 0 };
        assert_eq!(pair.client.digest(), pair.host.digest(), "tick {tick}");
    }
    let seconds = (TICKS / HZ) as f64;
    let per_tick = |time: Duration| time.as_nanos() as f64 / (TICKS + HZ) as f64;
    Ok([
        ("goodput_kb_s", bytes as f64 / seconds / 1e3),
        ("bits_per_update", bytes as f64 * 8.0 / (TICKS * BODIES) as f64),
        ("encode_ns_per_tick", per_tick(pair.encoding)),
        ("decode_ns_per_tick", per_tick(pair.decoding)),
    ])
}

fn scene(seed: u64) -> Vec<Body> {
    let mut rng = gridmate_runtime::Rng::new(seed);
    let mut unit = move || {
        #[expect(clippy::cast_possible_truncation, reason = "any float will do")]
        let value = rng.unit() as f32 * 2.0 - 1.0;
        value
    };
    let mut inside = || loop {
        let v = Vec3::new(unit(), unit(), unit());
        if (0.01..=1.0).contains(&v.length()) {
            return v;
        }
    };
    let mut bodies: Vec<Body> = Vec::new();
    while bodies.len() < BODIES {
        let position = inside() * (SPHERE - RADIUS);
        if bodies.iter().all(|body| body.position.distance(position) > 2.0 * RADIUS) {
            let (way, axis, speed) = (inside().normalize(), inside(), inside());
            bodies.push(Body {
                position,
                velocity: way * (2.5 + 1.5 * speed.x),
                rotation: Quat::from_scaled_axis(inside() * 3.0),
                spin: axis * 45_f32.to_radians(),
            });
        }
    }
    bodies
}

/// A thirtieth of a second.
fn step(bodies: &mut [Body]) {
    let dt = 1.0 / HZ as f32;
    for body in &mut *bodies {
        body.position += body.velocity * dt;
        body.rotation = (Quat::from_scaled_axis(body.spin * dt) * body.rotation).normalize();
        let distance = body.position.length();
        let out = body.position / distance.max(1e-6);
        if distance > SPHERE - RADIUS && body.velocity.dot(out) > 0.0 {
            body.velocity -= 2.0 * body.velocity.dot(out) * out;
        }
    }
    // Equal spheres, perfectly elastic; a hit also changes how they turn.
    for i in 0..bodies.len() {
        let (before, rest) = bodies.split_at_mut(i + 1);
        let a = &mut before[i];
        for b in rest {
            let apart = b.position - a.position;
            let closing = (b.velocity - a.velocity).dot(apart);
            if closing < 0.0 && apart.length_squared() < 4.0 * RADIUS * RADIUS {
                let normal = apart.normalize();
                let push = (b.velocity - a.velocity).dot(normal) * normal;
                a.velocity += push;
                b.velocity -= push;
                core::mem::swap(&mut a.spin, &mut b.spin);
            }
        }
    }
}

fn seed_argument() -> Result<u64, String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(2323),
        (Some("--seed"), Some(seed)) => seed.parse().map_err(|_| format!("`{seed}` is no seed; expected a number")),
        (Some(other), _) => Err(format!("`{other}` is not understood; the only flag is --seed N")),
    }
}
