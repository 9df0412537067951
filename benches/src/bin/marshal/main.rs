//! One player's state, and a thousand of them, through `#[derive(Marshal)]`, eight serializers and a bit packer written by hand.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin marshal [-- --check] [-- --rounds N]`
//!
//! The lossless cases carry every value exactly, the quantised ones in the bits that a game would give it. Everything runs in
//! one process, on one thread, in turns; each row is checked for equality after a round trip before it is timed. Times are of
//! the thread's CPU clock, per item, the median of all rounds; a ratio is the median of the ratios of each round. Decoding
//! makes values that own their name, and drops them. `--check` fails when a bar of bytes or allocations is missed: those
//! repeat exactly, times do not.

mod bars;
mod counting;
mod hand;
mod measure;
mod model;
mod rows;

use std::process::ExitCode;

use measure::{Case, measure};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Rounds of which the median is taken.
const ROUNDS: usize = 21;

fn main() -> ExitCode {
    let (check, rounds) = match arguments() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let cases: Vec<Case> = rows::all().into_iter().map(|(name, rows)| measure(name, rows, rounds)).collect();
    for case in &cases {
        case.print_lines();
    }
    for case in &cases {
        case.print_table();
    }
    let held = bars::print(&cases);
    if check && !held { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn arguments() -> Result<(bool, usize), String> {
    let (mut check, mut rounds) = (false, ROUNDS);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--rounds" => {
                let given = arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                rounds = given.ok_or("--rounds takes a number above zero")?;
            }
            other => return Err(format!("`{other}` is not understood; there are --check and --rounds N")),
        }
    }
    Ok((check, rounds))
}
