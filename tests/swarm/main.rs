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
#[path = "../../gridmate-runtime/tests/swarm_support/mod.rs"]
mod swarm_support;
mod transfers;

use counts::Counts;
use swarm_support::Swarm;

static SWARM: Swarm<Counts> = Swarm::new(5_000, "sessions", "cargo test -p gridmate-tests --test swarm");

fn swarm(part: u64) {
    SWARM.part(part, game::run, plan::Plan::draw);
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
