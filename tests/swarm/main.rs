//! Replication under everything at once: thousands of small sessions, and laws that hold in each of them.
//!
//! A seed draws a session: a host and one to five clients, links that lose, repeat, delay, reorder, damage and cut, in one direction
//! or both, clients that come, leave, crash and are sent away ([`plan`]). Their programs add, change, hide, assign and destroy
//! replicas of [several chunk types](chunks), call RPCs of every kind, suspend proxies, try what they may not
//! ([`program`]), and ask for, give and take [ownership](transfers). What every node holds at the end of every tick is compared
//! with [copies](oracle) of what owners wrote, and what ran with a [list](ledger) of what was called. Each look at a law is counted
//! ([`counts`]), because one that was never tested proves nothing.
//!
//! ```sh
//! cargo test -p gridmate-tests --test swarm -- --nocapture              # 5,000 sessions, and the counts
//! GRIDMATE_SEEDS=100000 cargo test -p gridmate-tests --test swarm       # more of them
//! GRIDMATE_SEED=1234 cargo test -p gridmate-tests --test swarm          # one
//! ```
#![allow(
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "counts and failing seeds are for people; modules share names"
)]

mod chunks;
mod counts;
mod game;
mod laws;
mod ledger;
mod oracle;
mod plan;
mod program;
mod transfers;

use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use counts::{Counts, HAPPENED, LAWS};

/// Seeds unless the environment says otherwise, count.
const SEEDS: u64 = 5_000;

/// Parts that run side by side, count.
const PARTS: u64 = 4;

/// One session in so many is played twice, to see whether it is the same again.
const TWICE: u64 = 20;

/// Sessions from which on averages mean something, count.
const MANY: u64 = 100;

/// Parts that have come to their end, sessions in them, and their counts.
static TOTAL: Mutex<Option<(u64, u64, Counts)>> = Mutex::new(None);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

/// Plays every [`PARTS`]th seed from `part` on.
fn swarm(part: u64) {
    let one = from_environment("GRIDMATE_SEED");
    let seeds = from_environment("GRIDMATE_SEEDS").unwrap_or(SEEDS);
    let (mut counts, mut sessions) = (Counts::default(), 0);
    for seed in one.map_or(0..seeds, |seed| seed..seed + 1).filter(|seed| seed % PARTS == part) {
        let outcome = catch_unwind(|| {
            let counts = game::run(seed);
            // Counted among the seeds of one part, so that each part has its share of them.
            assert!(
                !(seed / PARTS).is_multiple_of(TWICE) || counts == game::run(seed),
                "the second time was different"
            );
            counts
        });
        match outcome {
            Ok(more) => counts.add(&more),
            Err(cause) => {
                eprintln!("seed {seed} failed in {:?}", plan::Plan::draw(seed));
                eprintln!("again: GRIDMATE_SEED={seed} cargo test -p gridmate-tests --test swarm");
                resume_unwind(cause);
            }
        }
        sessions += 1;
    }
    let mut total = TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
    let (parts, all_sessions, all) = total.get_or_insert_default();
    all.add(&counts);
    (*parts, *all_sessions) = (*parts + 1, *all_sessions + sessions);
    if *parts == PARTS {
        eprintln!("{all_sessions} sessions: {all}");
    }
    drop(total);
    if sessions < MANY {
        return;
    }
    for law in LAWS {
        let (least, looks) = (sessions * law.least(), counts.law(law));
        assert!(looks >= least, "{law:?}: looked at {looks} times in {sessions} sessions, not {least}");
    }
    for what in HAPPENED {
        let times = counts.happened(what);
        assert!(times > sessions / 20, "{what:?}: {times} times in {sessions} sessions");
    }
}

#[test]
fn the_first_quarter_of_all_sessions_keeps_the_laws() {
    swarm(0);
}

#[test]
fn the_second_quarter_of_all_sessions_keeps_the_laws() {
    swarm(1);
}

#[test]
fn the_third_quarter_of_all_sessions_keeps_the_laws() {
    swarm(2);
}

#[test]
fn the_last_quarter_of_all_sessions_keeps_the_laws() {
    swarm(3);
}
