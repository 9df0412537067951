//! Everything at once: balls are asked for, given, written and called on, over links that lose and delay; programs know what they
//! did, and compare.

use std::collections::{BTreeMap, BTreeSet};

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, answers, check_agreement, hybrid, member, mesh, note, owner, settle};

/// Loss, lateness, receipts that lie, and too little room, in all combinations.
fn weather(seed: u64) -> Weather {
    let pick = |of: [f64; 3], at: u64| of[usize::try_from(at % 3).unwrap()];
    let loss = pick([0.0, 0.3, 0.6], seed);
    let late = pick([0.0, 0.3, 0.6], seed / 3);
    let denial = pick([0.0, 0.2, 0.4], seed / 9);
    Weather { loss, late, span: 20, denial, budget: 1 + seed % 4, bytes: 300, ..Weather::FAIR }
}

/// Who is connected to whom.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Star,
    /// The first three reach each other.
    Hybrid,
}

/// What the programs know.
struct Storm {
    mesh: Mesh,
    rng: Rng,
    balls: Vec<ReplicaId>,
    /// Who held the primary in which epoch.
    held: BTreeMap<(ReplicaId, u32), usize>,
    /// The last value that an owner wrote.
    written: BTreeMap<ReplicaId, u32>,
    /// What each node last saw. It never goes back: each owner goes on from where the last one was.
    seen: BTreeMap<(usize, ReplicaId), u32>,
    /// Calls made, reliable and not.
    sure: BTreeMap<ReplicaId, BTreeSet<u32>>,
    maybe: BTreeMap<ReplicaId, BTreeSet<u32>>,
    asked: usize,
    heard: usize,
    questions: Vec<(usize, u32, Request<u32>)>,
    transfers: u32,
}

impl Storm {
    fn new(seed: u64, form: Form) -> Self {
        let mut mesh = match form {
            Form::Star => mesh(4, seed, Weather::FAIR),
            Form::Hybrid => hybrid(3, 2, seed, Weather::FAIR),
        };
        let balls = [0, 1, 2].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        mesh.settle();
        mesh.weather = weather(seed);
        mesh.slow.insert(3, 3);
        Self {
            mesh,
            rng: Rng::new(seed ^ 99),
            balls: balls.to_vec(),
            held: BTreeMap::new(),
            written: BTreeMap::new(),
            seen: BTreeMap::new(),
            sure: BTreeMap::new(),
            maybe: BTreeMap::new(),
            asked: 0,
            heard: 0,
            questions: Vec::new(),
            transfers: 0,
        }
    }

    fn up_to(&mut self, most: usize) -> usize {
        usize::try_from(self.rng.below(most as u64)).unwrap()
    }

    fn act(&mut self, number: u32) {
        let nodes = self.mesh.nodes();
        let (node, to, ball) = (nodes[self.up_to(nodes.len())], nodes[self.up_to(nodes.len())], self.up_to(3));
        let (id, dice) = (self.balls[ball], self.rng.below(20));
        let manager = &mut self.mesh.managers[node];
        if manager.info(id).is_none() {
            return; // It has just come, and has not heard of everything.
        }
        match dice {
            // The last node only watches.
            0 | 1 if node != 4 => self.asked += usize::from(manager.request_ownership(id).is_ok()),
            2 if to != 4 => {
                let _ = manager.set_owner(id, member(to));
            }
            3..=7 => {
                self.sure.entry(id).or_default().insert(number);
                note(&mut self.mesh, node, id, number);
            }
            8 | 9 => {
                self.maybe.entry(id).or_default().insert(number);
                match manager.primary_mut::<Ball>(id) {
                    Ok(mut ball) => ball.rpcs().hint(number).unwrap(),
                    Err(_) => manager.proxy::<Ball>(id).unwrap().rpcs().hint(number).unwrap(),
                }
            }
            10 => {
                let request = match manager.primary_mut::<Ball>(id) {
                    Ok(mut ball) => ball.rpcs().ask(number).unwrap(),
                    Err(_) => manager.proxy::<Ball>(id).unwrap().rpcs().ask(number).unwrap(),
                };
                self.questions.push((node, number, request));
            }
            // Whoever owns one writes.
            _ => {
                for node in nodes {
                    if let Ok(mut ball) = self.mesh.managers[node].primary_mut::<Ball>(id) {
                        ball.x = number;
                        self.written.insert(id, number);
                    }
                }
            }
        }
    }

    /// What must hold in every tick, whatever happens.
    fn watch_owners(&mut self, seed: u64) {
        for node in self.mesh.nodes() {
            for id in &self.balls {
                let Some(info) = self.mesh.managers[node].info(*id) else { continue };
                if info.is_primary {
                    assert_eq!(info.owner, member(node));
                    let holder = *self.held.entry((*id, info.epoch)).or_insert_with(|| {
                        self.transfers += 1;
                        node
                    });
                    assert_eq!(holder, node, "seed {seed}: two primaries of {id} in epoch {}", info.epoch);
                }
            }
        }
    }

    /// Calls run at most once on every node, and as the owner's on one; but for a node that was given up and went on for a while.
    fn check_calls(&self, seed: u64, given_up: Option<usize>) {
        for id in &self.balls {
            let mut owned = Vec::new();
            for node in self.mesh.nodes() {
                let ball = self.mesh.managers[node].get::<Ball>(*id).unwrap();
                let mut numbers: Vec<_> = ball.notes.iter().map(|(_, number)| *number).collect();
                numbers.sort_unstable();
                assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}, node {node}, {id}: at most once");
                if Some(node) != given_up {
                    owned.extend_from_slice(&ball.owned);
                }
            }
            owned.sort_unstable();
            assert!(owned.is_sorted_by(|a, b| a < b), "seed {seed}, {id}: by one owner");
        }
    }

    /// And this as long as nobody is given up.
    fn watch(&mut self, seed: u64) {
        self.watch_owners(seed);
        for node in self.mesh.nodes() {
            for id in &self.balls {
                let x = self.mesh.managers[node].get::<Ball>(*id).unwrap().x;
                let before = self.seen.insert((node, *id), x).unwrap_or(0);
                assert!(x >= before, "seed {seed}, node {node}, {id}: {x} after {before}");
            }
            self.heard += answers(&mut self.mesh, node).len();
        }
    }
}

/// One owner in each epoch, whose writes apply and nobody else's; every call arrives once, every question is answered, and every
/// request.
#[test]
fn storms_of_transfers_lose_nothing_and_make_no_two_owners() {
    transfers_lose_nothing(Form::Star);
}

#[test]
fn storms_of_transfers_in_a_mesh_lose_nothing_and_make_no_two_owners() {
    transfers_lose_nothing(Form::Hybrid);
}

fn transfers_lose_nothing(form: Form) {
    let (mut transfers, mut sure, mut lost) = (0, 0, 0);
    for seed in 0..324 {
        let mut storm = Storm::new(seed, form);
        for number in 1..=400 {
            storm.act(number);
            if storm.rng.chance(0.4) {
                storm.mesh.step();
                storm.watch(seed);
            }
        }
        storm.mesh.weather = Weather::FAIR;
        for _ in 0..200 {
            storm.mesh.step();
            storm.watch(seed);
        }
        storm.mesh.settle();
        check_agreement(&storm.mesh);
        assert_eq!(storm.heard, storm.asked, "seed {seed}: one answer for each request");
        for id in storm.balls.clone() {
            let there = owner(&storm.mesh, id);
            let x = storm.written.get(&id).copied().unwrap_or(0);
            assert_eq!(storm.mesh.managers[there].get::<Ball>(id).unwrap().x, x, "seed {seed}: the last write");
            let (all, maybe) =
                (storm.sure.remove(&id).unwrap_or_default(), storm.maybe.remove(&id).unwrap_or_default());
            let mut owned = Vec::new();
            for node in storm.mesh.nodes() {
                let ball = storm.mesh.managers[node].get::<Ball>(id).unwrap();
                let numbers: Vec<_> = ball.notes.iter().map(|(_, number)| *number).collect();
                let ran: BTreeSet<_> = numbers.iter().copied().collect();
                assert_eq!(ran.len(), numbers.len(), "seed {seed}, node {node}, {id}: once");
                let missing: Vec<_> = all.difference(&ran).collect();
                assert!(missing.is_empty(), "seed {seed}, node {node}, {id}: {missing:?} never ran");
                assert!(ran.iter().all(|number| all.contains(number) || maybe.contains(number)));
                lost += maybe.difference(&ran).count();
                owned.extend(ball.owned.iter().copied());
                // Of who has never owned it, in order; but not where the calls of two owners come by two ways.
                let several_ways = form == Form::Hybrid && (1..4).contains(&node);
                let of_watcher =
                    ball.notes.iter().filter(|(source, number)| *source == member(4) && all.contains(number));
                assert!(several_ways || of_watcher.is_sorted_by(|a, b| a.1 < b.1), "seed {seed}, node {node}, {id}");
            }
            owned.sort_unstable();
            assert_eq!(owned, all.iter().copied().collect::<Vec<_>>(), "seed {seed}, {id}: by one owner");
            sure += all.len();
        }
        for (node, number, request) in storm.questions {
            assert_eq!(storm.mesh.managers[node].poll_reply(&request), Some(Ok(number + 1)), "seed {seed}");
        }
        transfers += storm.transfers;
    }
    assert!(transfers > 5_000 && sure > 30_000 && lost > 1_000, "{transfers} transfers, {sure} calls, {lost} lost");
}

/// The same while nodes stop for longer than the host waits, and leave.
#[test]
fn storms_with_nodes_that_stop_and_leave_make_no_two_owners() {
    nodes_stop_and_leave(Form::Star);
}

#[test]
fn storms_with_mesh_members_that_stop_and_leave_make_no_two_owners() {
    nodes_stop_and_leave(Form::Hybrid);
}

fn nodes_stop_and_leave(form: Form) {
    let mut transfers = 0;
    for seed in 0..324 {
        let mut storm = Storm::new(seed, form);
        for number in 1..=600 {
            storm.act(number);
            match number {
                150 => drop(storm.mesh.slow.insert(1, u64::MAX)),
                200 if seed % 2 == 0 => storm.mesh.leave(2),
                480 => drop(storm.mesh.slow.remove(&1)),
                540 if seed % 3 == 0 => storm.mesh.leave(1),
                _ => {}
            }
            storm.mesh.step();
            storm.watch_owners(seed);
        }
        storm.mesh.weather = Weather::FAIR;
        storm.mesh.run(400);
        storm.mesh.settle();
        check_agreement(&storm.mesh);
        storm.check_calls(seed, Some(1));
        for id in &storm.balls {
            let there = owner(&storm.mesh, *id);
            storm.mesh.managers[there].primary_mut::<Ball>(*id).unwrap().x = 10_000;
        }
        storm.mesh.settle();
        check_agreement(&storm.mesh);
        transfers += storm.transfers;
    }
    assert!(transfers > 5_000, "{transfers} transfers");
}

/// The same while hosts are lost, with those who have nobody but them.
#[test]
fn storms_in_which_hosts_are_lost_make_no_two_owners() {
    let mut transfers = 0;
    for seed in 0..972 {
        let mut storm = Storm::new(seed, Form::Hybrid);
        // When a node is to notice, and when it goes on with the heir; and when that is lost while it waits for others.
        let (mut plan, mut again) = (BTreeMap::new(), 0);
        for number in 1..=600 {
            storm.act(number);
            match number {
                120 => drop(storm.mesh.slow.insert(1, 1 + seed % 4)),
                150 | 400 => storm.lose_host(number, &mut plan),
                _ if number == again => storm.lose_host(number, &mut plan),
                300 => drop(storm.mesh.join_mesh()),
                _ => {}
            }
            for step in plan.remove(&number).unwrap_or_default() {
                match step {
                    Step::Notice(node) => storm.mesh.lose_host(node),
                    Step::TakeOver(node) => {
                        storm.mesh.take_over(node);
                        again = number + [0, 1, 3][usize::try_from(seed % 3).unwrap()];
                        again *= u32::from(number > 400 && storm.mesh.nodes().len() > 2);
                    }
                    Step::Follow(node) => storm.mesh.follow(node),
                }
            }
            storm.mesh.step();
            storm.watch_owners(seed);
        }
        storm.mesh.weather = Weather::FAIR;
        storm.mesh.run(400);
        storm.mesh.settle();
        check_agreement(&storm.mesh);
        storm.check_calls(seed, None);
        for id in &storm.balls {
            let there = owner(&storm.mesh, *id);
            storm.mesh.managers[there].primary_mut::<Ball>(*id).unwrap().x = 10_000;
        }
        settle(&mut storm.mesh);
        check_agreement(&storm.mesh);
        for id in &storm.balls {
            for node in storm.mesh.nodes() {
                let x = storm.mesh.managers[node].get::<Ball>(*id).unwrap().x;
                assert_eq!(x, 10_000, "seed {seed}, node {node}, {id}");
            }
        }
        assert_eq!(storm.mesh.nodes().len(), if seed % 3 == 0 { 3 } else { 2 });
        transfers += storm.transfers;
    }
    assert!(transfers > 25_000, "{transfers} transfers");
}

enum Step {
    Notice(usize),
    TakeOver(usize),
    Follow(usize),
}

impl Storm {
    /// The host dies, and its clients with it. In some of the next ticks the others notice, and agree on one of them.
    fn lose_host(&mut self, number: u32, plan: &mut BTreeMap<u32, Vec<Step>>) {
        plan.clear();
        let host = self.mesh.host;
        for node in [host, 4, 5] {
            self.mesh.die(node);
        }
        let nodes = self.mesh.nodes();
        let heir = nodes[self.up_to(nodes.len())];
        let mut when = |after: u32| number + after + u32::try_from(self.rng.below(12)).unwrap();
        let announced = when(12);
        plan.entry(announced).or_default().push(Step::TakeOver(heir));
        for node in nodes {
            plan.entry(when(0)).or_default().push(Step::Notice(node));
            if node != heir {
                plan.entry(when(announced - number + 1)).or_default().push(Step::Follow(node));
            }
        }
    }
}
