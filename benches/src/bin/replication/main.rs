//! Replication: ours, libraries for the same, and what it takes when nothing is promised.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin replication [-- CASE… --lib NAME --rounds N --quick]`
//!
//! A server and its clients are in one process and on one thread, moved in turns, a sixtieth of a second after the other. An entity is
//! `{u32, f32, 3 × f32, bool}`; its health and position change in every tick, and in the end every client's values are compared with
//! what was written. A case's libraries take turns, in every round beginning with another; a figure is the median of the rounds, and
//! the ratio in a bar the median of the rounds' ratios. The server's time is the processor's for taking in what has arrived and sending
//! all there is to say; writing the values is not part of it, and counted by itself: `write_ns` is one
//! field of every entity in a pass over all, `write_by_id_ns` another with each entity looked up by its id.

mod bars;
mod cases;
mod floor;
mod gridmate;
mod measure;
mod memory;
mod model;
mod naia;
mod relay;
mod replicon;
mod rig;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use gridmate_benches::counting;
use measure::Effort;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const EFFORT: Effort = Effort { rounds: 7, turn: Duration::from_millis(120) };
const QUICK: Effort = Effort { rounds: 3, turn: Duration::from_millis(30) };

/// Metrics of which the least of the rounds is reported besides.
const WITH_LEAST: [&str; 5] = [
    "server_us_per_tick",
    "server_wall_us_per_tick",
    "server_wall_us_of_shortest_tick",
    "client_us_per_tick",
    "server_us_per_join",
];

/// What the tables show.
const TABLE: [&str; 21] = [
    "server_us_per_tick",
    "server_wall_us_per_tick",
    "server_wall_us_of_shortest_tick",
    "client_us_per_tick",
    "bytes_per_entity",
    "bytes_per_entity_smooth",
    "bytes_per_entity_random",
    "server_allocs_per_tick",
    "client_allocs_per_tick",
    "write_ns",
    "write_by_id_ns",
    "current",
    "clients_diverged",
    "server_us_per_join",
    "client_us_per_join",
    "ticks",
    "bytes_per_pair",
    "bytes_per_replica_with_one_peer",
    "mib",
    "most_mib",
    "show_ns_per_replica",
];

struct Options {
    /// All, when there are none.
    cases: Vec<String>,
    lib: Option<String>,
    effort: Effort,
}

fn main() -> ExitCode {
    let options = match arguments() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let mut cases = Vec::new();
    let wanted = |name: &str| options.cases.is_empty() || options.cases.iter().any(|case| case == name);
    let lib = |name: &str| options.lib.as_ref().is_none_or(|lib| lib == name);
    cases::run(options.effort, wanted, lib, |case| {
        case.print_lines("replication", &WITH_LEAST);
        cases.push(case);
    });
    if cases.is_empty() {
        eprintln!("no library of that name in those cases");
        return ExitCode::from(2);
    }
    cases.iter().for_each(|case| case.print_table(&TABLE));
    bars::print(&cases);
    ExitCode::SUCCESS
}

fn arguments() -> Result<Options, String> {
    let mut options = Options { cases: Vec::new(), lib: None, effort: EFFORT };
    let mut rounds = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--lib" => options.lib = Some(arguments.next().ok_or("--lib takes a name")?),
            "--rounds" => {
                let given = arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                rounds = Some(given.ok_or("--rounds takes a number above zero")?);
            }
            "--quick" => options.effort = QUICK,
            case if cases::names().any(|name| name == case) => options.cases.push(argument),
            other => {
                let names = cases::names().collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "`{other}` is not understood; there are --lib NAME, --rounds N, --quick, and cases: {names}"
                ));
            }
        }
    }
    options.effort.rounds = rounds.unwrap_or(options.effort.rounds);
    Ok(options)
}
