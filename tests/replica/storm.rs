//! Everything at once, under every kind of weather: whatever happens on the way, all end up with the same.

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_tests::chunks::{Gauge, Journal, Mover, registry};
use gridmate_tests::mesh::{Mesh, Weather};

/// What a replica of the storm is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Make {
    Mover,
    MoverGauge,
    GaugeMoverJournal,
}

/// A mesh, and what its programs know: which replicas they own.
struct Storm {
    mesh: Mesh,
    rng: Rng,
    owned: Vec<(usize, ReplicaId, Make)>,
    /// Two that live throughout, of the host and of a client: everyone must run the same calls on them in the same order.
    journals: [ReplicaId; 2],
}

/// Loss, lateness, receipts that lie, and too little room, in all combinations.
fn weather(seed: u64) -> Weather {
    fn pick<T: Copy>(of: &[T], seed: &mut u64) -> T {
        let count = of.len() as u64;
        let at = usize::try_from(*seed % count).unwrap();
        *seed /= count;
        of[at]
    }
    let mut digits = seed;
    let span = pick(&[8, 40, 120], &mut digits);
    let loss = pick(&[0.0, 0.3, 0.6], &mut digits);
    let denial = pick(&[0.0, 0.3], &mut digits);
    let budget = pick(&[1, 3, 50], &mut digits);
    Weather { loss, late: 0.4, span, denial, latency: 0, budget, bytes: 200 }
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut mesh = Mesh::new(&registry(), 3, seed, weather(seed));
        let journals = [0, 2].map(|node| mesh.managers[node].add(Journal::default()).unwrap());
        Self { mesh, rng: Rng::new(seed ^ 77), owned: Vec::new(), journals }
    }

    fn up_to(&mut self, most: usize) -> usize {
        usize::try_from(self.rng.below(most as u64)).unwrap()
    }

    fn add(&mut self, node: usize, energy: u32) {
        let make = [Make::Mover, Make::MoverGauge, Make::GaugeMoverJournal][self.up_to(3)];
        let manager = &mut self.mesh.managers[node];
        let mover = Mover { energy, ..Mover::default() };
        let id = match make {
            Make::Mover => manager.add(mover),
            Make::MoverGauge => manager.spawn().with(mover).with(Gauge { level: 1, ..Gauge::default() }).add(),
            Make::GaugeMoverJournal => {
                let builder = manager.spawn().with(Gauge::default()).with(Mover::default());
                builder.with(Journal::default()).assign(MemberId(2)).add()
            }
        };
        self.owned.push((node, id.unwrap(), make));
    }

    /// Something happens to a replica: to one of the oldest or the newest, so that there are long lives and short ones.
    fn touch(&mut self, tick: u32) {
        if self.owned.is_empty() {
            return;
        }
        let few = self.owned.len().min(6);
        let newest = if self.rng.chance(0.3) { self.owned.len() - few } else { 0 };
        let at = newest + self.up_to(few);
        let (node, id, make) = self.owned[at];
        let (dice, any) = (self.rng.below(20), self.rng.next_u32());
        let manager = &mut self.mesh.managers[node];
        match dice {
            0 => {
                if self.rng.chance(0.35) {
                    manager.destroy(id).unwrap();
                    self.owned.swap_remove(at);
                }
            }
            1 => manager.assign(id, MemberId(1 + any % 4)).unwrap(),
            2 if make == Make::GaugeMoverJournal => {
                manager.primary_mut::<Journal>(id).unwrap().rpcs().note(tick).unwrap();
            }
            3 if make != Make::Mover => manager.primary_mut::<Gauge>(id).unwrap().level ^= 1,
            4 => manager.primary_mut::<Mover>(id).unwrap().label = "y".repeat((any % 30) as usize),
            // There and back again.
            5 => manager.primary_mut::<Mover>(id).unwrap().energy = any % 2,
            _ => {
                let mut mover = manager.primary_mut::<Mover>(id).unwrap();
                mover.energy = mover.energy.wrapping_mul(3).wrapping_add(any % 2);
            }
        }
    }

    /// The owners write into the journals, and others ask the host to.
    fn call(&mut self, tick: u32) {
        for (node, id) in [0, 2].into_iter().zip(self.journals) {
            if self.rng.chance(0.2) {
                self.mesh.managers[node].primary_mut::<Journal>(id).unwrap().rpcs().note(tick).unwrap();
            }
        }
        for node in self.mesh.nodes() {
            if node != 0
                && self.rng.chance(0.1)
                && let Ok(mut journal) = self.mesh.managers[node].proxy::<Journal>(self.journals[0])
            {
                journal.rpcs().note(1_000 + tick).unwrap();
            }
        }
    }

    fn tick(&mut self, tick: u32) {
        for node in self.mesh.nodes() {
            if self.rng.chance(0.06) {
                self.add(node, tick);
            }
        }
        for _ in 0..8 {
            self.touch(tick);
        }
        self.call(tick);
        match tick {
            50 | 100 => drop(self.mesh.join()),
            75 => {
                self.mesh.leave(1);
                let host = &self.mesh.managers[0];
                self.owned.retain_mut(|(node, id, _)| {
                    *node = if *node == 1 { 0 } else { *node };
                    *node != 0 || host.info(*id).is_some_and(|info| info.is_primary)
                });
            }
            _ => {}
        }
        self.mesh.step();
    }

    fn check(&self, seed: u64) {
        let host = &self.mesh.managers[0];
        for node in self.mesh.nodes() {
            let manager = &self.mesh.managers[node];
            assert_eq!(manager.digests(), host.digests(), "seed {seed}, node {node}");
            // The values themselves, and whose they are, are not in a digest.
            for (id, mover) in host.iter::<Mover>() {
                assert_eq!(manager.get::<Mover>(id).unwrap(), mover, "seed {seed}, node {node}, {id}");
                let of = |m: &ReplicaManager| m.info(id).map(|i| (i.owner, i.assigned, i.migratable));
                assert_eq!(of(manager), of(host), "seed {seed}, node {node}, {id}");
            }
        }
        for (node, id, _) in &self.owned {
            assert!(self.mesh.managers[*node].info(*id).is_some_and(|info| info.is_primary), "seed {seed}, {id}");
        }
        for id in self.journals {
            let calls = |node: usize| &self.mesh.managers[node].get::<Journal>(id).unwrap().calls;
            for node in [2, 3] {
                assert_eq!(calls(node), calls(0), "seed {seed}, node {node}, {id}");
            }
        }
    }
}

#[test]
fn storms_of_everything_end_in_agreement() {
    for seed in 0..324 {
        let mut storm = Storm::new(seed);
        (0..150).for_each(|tick| storm.tick(tick));
        storm.mesh.weather = Weather::FAIR;
        storm.mesh.settle();
        storm.check(seed);
    }
}
