//! The frame of a swarm: many seeds, in parts that run side by side; what a failure needs to be seen again; counts of all.

use core::fmt;
use std::panic::{RefUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

/// Parts that run side by side, count.
const PARTS: u64 = 4;

/// One run in so many is done twice, to see whether it is the same again.
const TWICE: u64 = 20;

/// Runs from which on averages mean something, count.
const MANY: u64 = 100;

/// What one run, or many, have looked at.
pub trait Tally: Default + PartialEq + fmt::Display {
    fn add(&mut self, other: &Self);
    /// Whether so many runs have looked at everything often enough.
    ///
    /// # Panics
    /// When they have not.
    fn check(&self, runs: u64);
}

/// A swarm, of which parts may have come to their end.
pub struct Swarm<C> {
    /// Seeds unless the environment says otherwise, count.
    seeds: u64,
    /// What it is that is run, more than one of it.
    what: &'static str,
    /// The command that runs it.
    command: &'static str,
    /// Parts that have come to their end, runs in them, and their counts.
    total: Mutex<Option<(u64, u64, C)>>,
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

impl<C: Tally> Swarm<C> {
    pub const fn new(seeds: u64, what: &'static str, command: &'static str) -> Self {
        Self { seeds, what, command, total: Mutex::new(None) }
    }

    /// Runs every fourth seed from `part` on; `plan` says what a seed comes to.
    pub fn part<P: fmt::Debug>(&self, part: u64, run: impl Fn(u64) -> C + RefUnwindSafe, plan: impl Fn(u64) -> P) {
        let one = from_environment("GRIDMATE_SEED");
        let seeds = from_environment("GRIDMATE_SEEDS").unwrap_or(self.seeds);
        let (mut counts, mut runs) = (C::default(), 0);
        for seed in one.map_or(0..seeds, |seed| seed..seed + 1).filter(|seed| seed % PARTS == part) {
            let outcome = catch_unwind(|| {
                let counts = run(seed);
                // Counted among the seeds of one part, so that each part has its share of them.
                assert!(!(seed / PARTS).is_multiple_of(TWICE) || counts == run(seed), "the second time was different");
                counts
            });
            match outcome {
                Ok(more) => counts.add(&more),
                Err(cause) => {
                    eprintln!("seed {seed} failed in {:?}", plan(seed));
                    eprintln!("again: GRIDMATE_SEED={seed} {}", self.command);
                    resume_unwind(cause);
                }
            }
            runs += 1;
        }
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let (parts, all_runs, all) = total.get_or_insert_default();
        all.add(&counts);
        (*parts, *all_runs) = (*parts + 1, *all_runs + runs);
        if *parts == PARTS {
            eprintln!("{all_runs} {}: {all}", self.what);
        }
        drop(total);
        if runs >= MANY {
            counts.check(runs);
        }
    }
}
