//! The carrier under everything at once: thousands of small worlds, and laws that hold in each of them.
//!
//! A seed draws a world: a host and one or two peers whose clocks drift, links that lose, repeat, delay, reorder, damage and
//! cut, addresses that change, nodes that forget everything, strangers who make things up ([`plan`]). The programs in it send on
//! channels of every kind ([`node`]), and what goes in and comes out is held against a record of it ([`ledger`]), as are
//! the datagrams ([`wire`]). Each look at a law is counted ([`counts`]), because one that was never tested proves nothing.
//!
//! ```sh
//! cargo test -p gridmate-runtime --test carrier_swarm -- --nocapture              # 2,000 worlds, and the counts
//! GRIDMATE_SEEDS=100000 cargo test -p gridmate-runtime --test carrier_swarm       # more of them
//! GRIDMATE_SEED=1234 cargo test -p gridmate-runtime --test carrier_swarm          # one
//! ```
#![allow(
    clippy::print_stderr,
    unreachable_pub,
    reason = "counts and failing seeds are for people; modules share names"
)]

#[path = "../carrier_support/mod.rs"]
mod carrier_support;
mod counts;
mod ledger;
mod node;
mod plan;
mod stranger;
mod wire;
mod world;

use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use counts::{Counts, HAPPENED, LAWS};

/// Seeds unless the environment says otherwise, count.
const SEEDS: u64 = 2_000;

/// Parts that run side by side, count.
const PARTS: u64 = 4;

/// One world in so many is run twice, to see whether it is the same again.
const TWICE: u64 = 20;

/// Worlds from which on averages mean something, count.
const MANY: u64 = 100;

/// Parts that have come to their end, worlds in them, and their counts.
static TOTAL: Mutex<Option<(u64, u64, Counts)>> = Mutex::new(None);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

/// Runs every [`PARTS`]th seed from `part` on.
fn swarm(part: u64) {
    let one = from_environment("GRIDMATE_SEED");
    let seeds = from_environment("GRIDMATE_SEEDS").unwrap_or(SEEDS);
    let (mut counts, mut worlds) = (Counts::default(), 0);
    for seed in one.map_or(0..seeds, |seed| seed..seed + 1).filter(|seed| seed % PARTS == part) {
        let outcome = catch_unwind(|| {
            let counts = world::run(seed);
            // Counted among the seeds of one part, so that each part has its share of them.
            assert!(
                !(seed / PARTS).is_multiple_of(TWICE) || counts == world::run(seed),
                "the second time was different"
            );
            counts
        });
        match outcome {
            Ok(more) => counts.add(&more),
            Err(cause) => {
                eprintln!("seed {seed} failed in {:?}", plan::Plan::draw(seed));
                eprintln!("again: GRIDMATE_SEED={seed} cargo test -p gridmate-runtime --test carrier_swarm");
                resume_unwind(cause);
            }
        }
        worlds += 1;
    }
    let mut total = TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
    let (parts, all_worlds, all) = total.get_or_insert_default();
    all.add(&counts);
    (*parts, *all_worlds) = (*parts + 1, *all_worlds + worlds);
    if *parts == PARTS {
        eprintln!("{all_worlds} worlds: {all}");
    }
    drop(total);
    if worlds < MANY {
        return;
    }
    for law in LAWS {
        let (least, looks) = (worlds * law.least(), counts.law(law));
        assert!(looks >= least, "{law:?}: looked at {looks} times in {worlds} worlds, not {least}");
    }
    for what in HAPPENED {
        assert!(counts.happened(what) > worlds / 20, "{what:?}: {} times in {worlds} worlds", counts.happened(what));
    }
}

#[test]
fn the_first_quarter_of_all_worlds_keeps_the_laws() {
    swarm(0);
}

#[test]
fn the_second_quarter_of_all_worlds_keeps_the_laws() {
    swarm(1);
}

#[test]
fn the_third_quarter_of_all_worlds_keeps_the_laws() {
    swarm(2);
}

#[test]
fn the_last_quarter_of_all_worlds_keeps_the_laws() {
    swarm(3);
}
