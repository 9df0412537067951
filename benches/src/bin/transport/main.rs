//! Messages over the loopback interface: ours, three libraries for the same, and what the system takes without any.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin transport [-- --case NAME] [--lib NAME] [--rounds N] [--quick]`
//!
//! Both ends are in one process and on one thread, moved in turns; messages go one way, are numbered, and are checked on
//! arrival. `batch64` is 64 messages a tick, and then flush, receive, flush, receive. A case's libraries take turns, in every
//! round beginning with another; a figure is the median of the rounds, and the ratio in a bar is the median of the rounds'
//! ratios. Handshakes are over before anything is counted. CPU time is the whole process's, user and system, all threads.
//! Bytes and datagrams are those handed to the system by both ends, acknowledgements included and headers of UDP and IP not,
//! counted in `wire.rs` in the same way for all. Linux only.
//!
//! `repair`, `goodput`, `fairness` and `reaction` are something else: our endpoints alone over a network that is computed
//! (`network.rs`), in virtual time. They repeat exactly.

mod bars;
mod conns;
mod enet_pair;
mod floor;
mod gridmate_pair;
mod measure;
mod network;
mod pair;
mod quinn_pair;
mod raw;
mod renet_pair;
mod tokio_pair;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use enet_pair::Enet;
use gridmate_benches::counting;
use gridmate_benches::report::Case;
use gridmate_pair::Gridmate;
use measure::{Effort, Maker};
use pair::Kind;
use quinn_pair::Quinn;
use raw::{Packed, Raw, Segmented};
use renet_pair::Renet;
use tokio_pair::RawTokio;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const EFFORT: Effort = Effort { rounds: 7, turn: Duration::from_millis(200) };
const QUICK: Effort = Effort { rounds: 3, turn: Duration::from_millis(40) };

/// All that move messages.
const LIBS: [Maker; 7] = [
    ("gridmate", |kind| Box::new(Gridmate::new(kind.reliable, false))),
    ("raw", |_| Box::new(Raw::new())),
    ("raw_packed", |_| Box::new(Packed::new())),
    ("quinn_udp_gso", |kind| Box::new(Segmented::new(kind.size))),
    ("renet", |kind| Box::new(Renet::new(kind.reliable))),
    ("quinn", |kind| Box::new(Quinn::new(kind))),
    ("enet", |kind| Box::new(Enet::new(kind.reliable))),
];

/// Those that say something of their own accord, and so may when there is nothing to say.
const IDLE: [&str; 4] = ["gridmate", "renet", "quinn", "enet"];

/// Those that take messages of a megabyte, and the system.
const BULK: [&str; 5] = ["gridmate", "quinn_udp_gso", "renet", "quinn", "enet"];

/// Those with threads of their own for the sockets.
const THREADED: [Maker; 2] =
    [("gridmate", |kind| Box::new(Gridmate::new(kind.reliable, true))), ("raw_tokio", |_| Box::new(RawTokio::new()))];

/// One way: name, whether reliable, bytes and messages a tick.
const THROUGHPUT: [(&str, bool, usize, usize); 6] = [
    ("unrel64_batch64", false, 64, 64),
    ("unrel64_batch1", false, 64, 1),
    ("rel64_batch64", true, 64, 64),
    ("rel64_batch1", true, 64, 1),
    ("rel1000_batch64", true, 1_000, 64),
    ("rel1000_batch1", true, 1_000, 1),
];

const CONNECTIONS: [(&str, usize); 3] = [("conns1k", 1_000), ("conns3k", 3_000), ("conns10k", 10_000)];

struct Options {
    case: Option<String>,
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
    let cases = run(&options);
    if cases.iter().all(|case| case.rows.is_empty()) {
        eprintln!("no case of that name, or no library of that name in it");
        return ExitCode::from(2);
    }
    cases.iter().for_each(|case| case.print_table(&[]));
    bars::print(&cases);
    ExitCode::SUCCESS
}

fn run(options: &Options) -> Vec<Case> {
    let wanted = |name: &str| options.case.as_ref().is_none_or(|case| case == name);
    let libs = |libs: &[Maker], of: Option<&[&str]>| -> Vec<Maker> {
        let among =
            |lib: &str| of.is_none_or(|of| of.contains(&lib)) && options.lib.as_ref().is_none_or(|it| it == lib);
        libs.iter().copied().filter(|(lib, _)| among(lib)).collect()
    };
    let effort = options.effort;
    let mut cases = Vec::new();
    let mut add = |case: Case| {
        case.print_lines("transport", &["cpu_ns_per_msg"]);
        cases.push(case);
    };
    for (name, reliable, size, batch) in THROUGHPUT.into_iter().filter(|(name, ..)| wanted(name)) {
        let kind = Kind { reliable, size, batch };
        add(measure::throughput(name, kind, &libs(&LIBS, None), effort));
    }
    for (name, reliable) in [("ping_rel64", true), ("ping_unrel64", false)] {
        if wanted(name) {
            add(measure::ping(name, Kind { reliable, size: 64, batch: 1 }, &libs(&LIBS, None), effort));
        }
    }
    if wanted("ping_thread_rel64") {
        let kind = Kind { reliable: true, size: 64, batch: 1 };
        add(measure::ping("ping_thread_rel64", kind, &libs(&THREADED, None), effort));
    }
    if wanted("idle") {
        add(measure::idle("idle", &libs(&LIBS, Some(&IDLE))));
    }
    if wanted("bulk") {
        add(measure::bulk("bulk", &libs(&LIBS, Some(&BULK)), effort));
    }
    if wanted("conns10k") && options.lib.as_ref().is_none_or(|lib| lib == "gridmate") {
        conns::measure(&CONNECTIONS, effort).into_iter().for_each(&mut add);
    }
    if options.lib.as_ref().is_none_or(|lib| lib == "gridmate") {
        let network: [(&str, fn() -> Case); 4] = [
            ("repair", network::repair),
            ("goodput", network::goodput),
            ("fairness", network::fairness),
            ("reaction", network::reaction),
        ];
        network.into_iter().filter(|(name, _)| wanted(name)).for_each(|(_, measure)| add(measure()));
    }
    cases
}

fn arguments() -> Result<Options, String> {
    let mut options = Options { case: None, lib: None, effort: EFFORT };
    let mut rounds = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--case" => options.case = Some(arguments.next().ok_or("--case takes a name")?),
            "--lib" => options.lib = Some(arguments.next().ok_or("--lib takes a name")?),
            "--rounds" => {
                let given = arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                rounds = Some(given.ok_or("--rounds takes a number above zero")?);
            }
            "--quick" => options.effort = QUICK,
            other => {
                return Err(format!("`{other}` is not understood; there are --case, --lib, --rounds N and --quick"));
            }
        }
    }
    options.effort.rounds = rounds.unwrap_or(options.effort.rounds);
    Ok(options)
}
