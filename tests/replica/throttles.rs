//! Throttles delay, and that is all: what comes to rest arrives, exactly.

use gridmate_runtime::chunk::{Pace, Throttle};
use gridmate_runtime::prelude::*;
use gridmate_runtime::{Rng, schema::Coder};
use gridmate_tests::mesh::{Mesh, Weather};

/// Even numbers at once, odd ones when nothing has happened for a while.
struct Even;

impl Throttle<u32> for Even {
    fn passes(&self, now: &u32, _sent: &u32, pace: Pace) -> bool {
        now.is_multiple_of(2) || pace.still >= 7
    }
}

#[derive(Clone, Debug, Default, ReplicaChunk)]
struct Dials {
    #[dataset(throttle = Exact)]
    exact: f32,
    #[dataset(throttle = Epsilon(0.5))]
    near: f32,
    #[dataset(throttle = AtMost(9))]
    seldom: u32,
    #[dataset(throttle = Even)]
    even: u32,
}

impl Dials {
    fn bits(&self) -> [u32; 4] {
        [self.exact.to_bits(), self.near.to_bits(), self.seldom, self.even]
    }
}

#[test]
fn what_comes_to_rest_is_exact_everywhere_whatever_was_lost_and_whoever_came_late() {
    for (coder, seed) in [Coder::Packed, Coder::Entropy].into_iter().flat_map(|c| (0..30).map(move |seed| (c, seed))) {
        let registry = Registry::builder().coder(coder).chunk::<Dials>().build().unwrap();
        let mut mesh = Mesh::new(&registry, 2, seed, Weather::FOUL);
        let mut rng = Rng::new(seed);
        let id = mesh.managers[1].add(Dials::default()).unwrap();
        for tick in 0..80 {
            if rng.chance(0.7) {
                let mut dials = mesh.managers[1].primary_mut::<Dials>(id).unwrap();
                let by = f32::from(u8::try_from(rng.below(200)).unwrap()) / 317.0;
                dials.exact += by;
                dials.near += by;
                dials.seldom += 1;
                dials.even += u32::try_from(rng.below(4)).unwrap();
            }
            if tick == 40 {
                mesh.join();
            }
            mesh.step();
        }
        // The last word falls below the threshold, and one who joins has nothing but what was let through.
        mesh.managers[1].primary_mut::<Dials>(id).unwrap().near += 0.01;
        mesh.step();
        mesh.join();
        mesh.run(30);
        mesh.settle();
        let settled = mesh.managers[1].get::<Dials>(id).unwrap().bits();
        for node in mesh.nodes() {
            assert_eq!(mesh.managers[node].get::<Dials>(id).unwrap().bits(), settled, "{coder:?} {seed} node {node}");
        }
    }
}

#[test]
fn what_is_not_a_number_is_said_once() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let registry = Registry::builder().coder(coder).chunk::<Dials>().build().unwrap();
        let mut mesh = Mesh::new(&registry, 1, 1, Weather::FAIR);
        let id = mesh.managers[0].add(Dials::default()).unwrap();
        mesh.settle();
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NAN, 1.0] {
            let mut dials = mesh.managers[0].primary_mut::<Dials>(id).unwrap();
            (dials.exact, dials.near) = (value, value);
            mesh.run(30);
            mesh.settle();
            let before = mesh.messages;
            for _ in 0..50 {
                // Looked at again, and found the same.
                mesh.managers[0].primary_mut::<Dials>(id).unwrap().exact = value;
                mesh.step();
            }
            assert_eq!(mesh.messages, before, "{value} is no news");
            let seen = mesh.managers[1].get::<Dials>(id).unwrap();
            assert_eq!((seen.exact.to_bits(), seen.near.to_bits()), (value.to_bits(), value.to_bits()));
        }
    }
}
