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
#[path = "../swarm_support/mod.rs"]
mod swarm_support;
mod wire;
mod world;

use counts::Counts;
use swarm_support::Swarm;

static SWARM: Swarm<Counts> = Swarm::new(2_000, "worlds", "cargo test -p gridmate-runtime --test carrier_swarm");

fn swarm(part: u64) {
    SWARM.part(part, world::run, plan::Plan::draw);
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
