//! Ticks of a rig, and what they cost.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use gridmate_benches::counting::allocations;
use gridmate_benches::report::{Case, Row};

use crate::model::{Body, Motion, Truth};
use crate::rig::{Rig, Traffic};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// What one library's turn takes, about.
    pub turn: Duration,
}

/// So many entities at so many clients.
#[derive(Clone, Copy)]
pub struct Size {
    pub entities: usize,
    pub clients: usize,
}

/// A library in a case.
#[derive(Clone, Copy)]
pub struct Entrant {
    pub lib: &'static str,
    pub motion: Motion,
    pub make: fn(&[Body], usize) -> Box<dyn Rig>,
}

/// Ticks until everyone has everything, at most.
const PATIENCE: usize = 3_000;

/// Ticks after the last change until everyone has it.
const SETTLE: usize = 60;

/// Ticks before anything is counted: buffers and histories have grown by then. Of what is slow fewer, but never less than the
/// second.
const WARM: (usize, usize) = (150, 12);
const WARM_TIME: Duration = Duration::from_secs(3);

/// Ticks of the server, and of each client, in a row where nothing happens: a clock of the processor's time takes longer to ask than
/// an idle tick.
const IDLE_ROW: usize = 8;

/// A rig, and what is to be in it.
pub struct Turn {
    pub lib: &'static str,
    pub rig: Box<dyn Rig>,
    pub truth: Truth,
    ticks: usize,
}

/// What some ticks cost, all clients together.
#[derive(Default)]
pub struct Cost {
    pub server: Duration,
    /// The same by the clock: what others do for the server is part of it.
    pub server_wall: Duration,
    /// The shortest of them: on a machine that others use, one in which nobody was in the way.
    pub server_wall_least: Option<Duration>,
    pub clients: Duration,
    pub server_allocations: u64,
    pub client_allocations: u64,
    write: Duration,
    write_by_id: Duration,
}

impl Cost {
    /// A tick of the server, and one of everyone else.
    pub fn tick(&mut self, rig: &mut dyn Rig) {
        self.ticks(rig, 1);
    }

    fn ticks(&mut self, rig: &mut dyn Rig, count: usize) {
        let (allocated, wall, start) = (allocations(), Instant::now(), ThreadTime::now());
        (0..count).for_each(|_| rig.serve());
        self.server += start.elapsed();
        let wall = wall.elapsed();
        self.server_wall += wall;
        self.server_wall_least = Some(self.server_wall_least.map_or(wall, |least| least.min(wall)));
        self.server_allocations += allocations() - allocated;
        rig.carry();
        let (allocated, start) = (allocations(), ThreadTime::now());
        (0..count).for_each(|_| (0..rig.clients()).for_each(|client| rig.follow(client)));
        self.clients += start.elapsed();
        self.client_allocations += allocations() - allocated;
        rig.carry();
    }
}

impl Turn {
    fn new(entrant: Entrant, size: Size) -> Self {
        let truth = Truth::new(size.entities, entrant.motion);
        let mut rig = (entrant.make)(&truth.bodies, size.clients);
        wait(&mut *rig, entrant.lib, size.entities);
        Self { lib: entrant.lib, rig, truth, ticks: 0 }
    }

    /// A tick in which everything changes.
    fn active_tick(&mut self, cost: &mut Cost) {
        let Self { rig, truth, .. } = self;
        truth.step();
        // The clock that costs least: this is shorter than it takes to ask the processor's.
        let start = Instant::now();
        if truth.motion != Motion::OneOfThree {
            rig.write_health(&truth.bodies);
            cost.write += start.elapsed();
        }
        let start = Instant::now();
        rig.write_position(&truth.bodies);
        cost.write_by_id += start.elapsed();
        cost.tick(&mut **rig);
    }

    /// Ticks until it runs evenly, and finds out how many make a turn.
    fn warm(&mut self, effort: Effort) {
        let start = Instant::now();
        for ticks in 1..=WARM.0 {
            self.active_tick(&mut Cost::default());
            if ticks >= WARM.1 && start.elapsed() > WARM_TIME {
                break;
            }
        }
        let start = Instant::now();
        self.active_tick(&mut Cost::default());
        self.active_tick(&mut Cost::default());
        let turns = effort.turn.as_nanos() / (start.elapsed() / 2).as_nanos().max(1);
        self.ticks = usize::try_from(turns).unwrap_or(usize::MAX).clamp(3, 1_000);
    }

    /// How many clients do not see what was written, now that nothing changes any more.
    fn diverged(&mut self) -> usize {
        for _ in 0..SETTLE {
            Cost::default().tick(&mut *self.rig);
        }
        let all = self.truth.bodies.len();
        (0..self.rig.clients()).filter(|client| self.current(*client) != all).count()
    }

    /// How many entities a client sees as they were written last.
    fn current(&mut self, client: usize) -> usize {
        let (far, ill) = self.rig.tolerance();
        let near =
            |seen: f32, is: f32, tolerance: f32| seen.to_bits() == is.to_bits() || (seen - is).abs() <= tolerance;
        let same = |seen: &Body, is: &Body| {
            (seen.id, seen.alive) == (is.id, is.alive)
                && near(seen.health, is.health, ill)
                && seen.position.iter().zip(is.position).all(|(seen, is)| near(*seen, is, far))
        };
        let Some(seen) = self.rig.seen(client) else { return self.truth.bodies.len() };
        seen.iter().zip(&self.truth.bodies).filter(|(seen, is)| same(seen, is)).count()
    }
}

/// Ticks until all clients have all entities. Returns how many that took, and what they cost.
pub fn wait(rig: &mut dyn Rig, lib: &str, entities: usize) -> (usize, Cost) {
    let mut cost = Cost::default();
    for ticks in 0..PATIENCE {
        if (0..rig.clients()).all(|client| rig.count(client) == entities) {
            return (ticks, cost);
        }
        cost.tick(rig);
    }
    panic!("{lib}: not everything has arrived after {PATIENCE} ticks");
}

/// Everything changes in every tick. Entrants of one library that move differently share its row.
pub fn active(name: &'static str, size: Size, entrants: &[Entrant], effort: Effort) -> Case {
    let mut turns: Vec<_> = entrants.iter().map(|entrant| Turn::new(*entrant, size)).collect();
    turns.iter_mut().for_each(|turn| turn.warm(effort));
    let mut rows = Vec::<Row>::new();
    for round in 0..effort.rounds {
        for at in 0..turns.len() {
            let turn = &mut turns[(round + at) % entrants.len()];
            // What was disturbed while the others had their turn.
            turn.active_tick(&mut Cost::default());
            let (mut cost, before) = (Cost::default(), turn.rig.traffic());
            (0..turn.ticks).for_each(|_| turn.active_tick(&mut cost));
            let traffic = turn.rig.traffic().since(before);
            let current = turn.current(0) as f64 / size.entities as f64;
            push(row_of(&mut rows, turn.lib), turn, size, &cost, traffic, current);
        }
    }
    // In the order they were named, whoever had the first turn.
    for turn in &mut turns {
        let diverged = turn.diverged();
        assert!(diverged == 0 || turn.lib == "naia", "{}: {diverged} clients see something else", turn.lib);
        row_of(&mut rows, turn.lib).push("clients_diverged", diverged as f64);
    }
    Case { name, rows }
}

fn row_of<'a>(rows: &'a mut Vec<Row>, lib: &'static str) -> &'a mut Row {
    let place = rows.iter().position(|row| row.lib == lib).unwrap_or_else(|| {
        rows.push(Row::new(lib));
        rows.len() - 1
    });
    &mut rows[place]
}

fn push(row: &mut Row, turn: &Turn, size: Size, cost: &Cost, traffic: Traffic, current: f64) {
    let (ticks, clients) = (turn.ticks as f64, size.clients as f64);
    let down = traffic.down_bytes as f64 / ticks / clients;
    let per_entity = down / size.entities as f64;
    if turn.truth.motion == Motion::Random {
        // Beside the same in smooth motion, only what is different.
        row.push("server_us_per_tick_random", micros(cost.server) / ticks);
        row.push("client_us_per_tick_random", micros(cost.clients) / ticks / clients);
        row.push("bytes_per_entity_random", per_entity);
        row.push("current_random", current);
        return;
    }
    row.push("server_us_per_tick", micros(cost.server) / ticks);
    row.push("server_wall_us_per_tick", micros(cost.server_wall) / ticks);
    row.push("server_wall_us_of_shortest_tick", micros(cost.server_wall_least.unwrap_or_default()));
    row.push("client_us_per_tick", micros(cost.clients) / ticks / clients);
    row.push("down_bytes_per_client_tick", down);
    row.push("down_datagrams_per_client_tick", traffic.down_datagrams as f64 / ticks / clients);
    row.push("up_bytes_per_client_tick", traffic.up_bytes as f64 / ticks / clients);
    let smooth = turn.truth.motion == Motion::Smooth;
    row.push("bytes_per_entity", per_entity);
    if smooth {
        row.push("bytes_per_entity_smooth", per_entity);
    }
    // Of what was written in a tick, what the first client has at its end.
    row.push("current", current);
    row.push("server_allocs_per_tick", cost.server_allocations as f64 / ticks);
    row.push("client_allocs_per_tick", cost.client_allocations as f64 / ticks / clients);
    let each = |all: Duration| all.as_nanos() as f64 / ticks / size.entities as f64;
    if smooth {
        row.push("write_ns", each(cost.write));
    }
    row.push("write_by_id_ns", each(cost.write_by_id));
}

/// Nothing happens.
pub fn idle(name: &'static str, size: Size, entrants: &[Entrant], effort: Effort) -> Case {
    let mut turns: Vec<_> = entrants.iter().map(|entrant| Turn::new(*entrant, size)).collect();
    for turn in &mut turns {
        (0..SETTLE).for_each(|_| Cost::default().tick(&mut *turn.rig));
        let start = Instant::now();
        Cost::default().ticks(&mut *turn.rig, IDLE_ROW);
        let turns = effort.turn.as_nanos() / start.elapsed().as_nanos().max(1);
        turn.ticks = usize::try_from(turns).unwrap_or(usize::MAX).clamp(2, 500) * IDLE_ROW;
    }
    let mut rows = Vec::<Row>::new();
    for round in 0..effort.rounds {
        for at in 0..turns.len() {
            let turn = &mut turns[(round + at) % entrants.len()];
            let (mut cost, before) = (Cost::default(), turn.rig.traffic());
            (0..turn.ticks / IDLE_ROW).for_each(|_| cost.ticks(&mut *turn.rig, IDLE_ROW));
            let traffic = turn.rig.traffic().since(before);
            let (ticks, clients) = (turn.ticks as f64, size.clients as f64);
            let row = row_of(&mut rows, turn.lib);
            row.push("server_us_per_tick", micros(cost.server) / ticks);
            row.push("client_us_per_tick", micros(cost.clients) / ticks / clients);
            row.push("down_bytes_per_client_tick", traffic.down_bytes as f64 / ticks / clients);
            row.push("server_allocs_per_tick", cost.server_allocations as f64 / ticks);
            row.push("client_allocs_per_tick", cost.client_allocations as f64 / ticks / clients);
        }
    }
    Case { name, rows }
}

/// One client joins, alone, where nothing changes.
pub fn join(name: &'static str, entities: usize, entrants: &[Entrant], effort: Effort) -> Case {
    let mut rows = Vec::<Row>::new();
    let mut turns: Vec<_> = entrants.iter().map(|entrant| Turn::new(*entrant, Size { entities, clients: 1 })).collect();
    for round in 0..effort.rounds {
        for at in 0..turns.len() {
            let turn = &mut turns[(round + at) % entrants.len()];
            turn.rig.leave();
            let mut idle = Cost::default();
            (0..SETTLE).for_each(|_| idle.tick(&mut *turn.rig));
            let before = turn.rig.traffic();
            turn.rig.join();
            let (ticks, mut cost) = wait(&mut *turn.rig, turn.lib, entities);
            // What acknowledges the last of it.
            (0..2).for_each(|_| cost.tick(&mut *turn.rig));
            let traffic = turn.rig.traffic().since(before);
            let idle = micros(idle.server) / SETTLE as f64;
            let row = row_of(&mut rows, turn.lib);
            row.push("server_us_per_join", micros(cost.server) - idle * (ticks + 2) as f64);
            row.push("client_us_per_join", micros(cost.clients));
            row.push("bytes_per_entity", traffic.down_bytes as f64 / entities as f64);
            row.push("down_datagrams", traffic.down_datagrams as f64);
            row.push("ticks", ticks as f64);
            row.push("server_allocs", cost.server_allocations as f64);
            row.push("client_allocs", cost.client_allocations as f64);
        }
    }
    for turn in &mut turns {
        let diverged = turn.diverged();
        assert_eq!(diverged, 0, "{}: a client sees something else", turn.lib);
    }
    Case { name, rows }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
