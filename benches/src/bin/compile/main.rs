//! What derives cost whoever builds a program: a crate of a hundred structs of eight fields, with `#[derive(ReplicaChunk)]`, with
//! serde's two derives, and with neither.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin compile [-- --rounds N]`
//!
//! The crates are written below the target folder and built there by the same cargo, their dependencies beforehand. In the
//! case `derived` the structs are only declared; in the case `used` every chunk type is registered, and every serde type
//! written and read with postcard, so that generic code is compiled too. `clean` builds the crate from nothing, `incremental`
//! after a field of one struct got another name. All crates take turns; a figure is the median of the rounds, a ratio the median
//! of the ratios of each round. Nothing else should run meanwhile. The size of what is generated is counted in what the
//! compiler prints when it has expanded all macros (which takes `RUSTC_BOOTSTRAP=1`), less what is there without derives.

mod crates;

use std::error::Error;
use std::time::Duration;

use crates::{CHUNKS, Case, Crate, FIELDS, Lib, Workspace};

/// Rounds of which the median is taken.
const ROUNDS: usize = 7;

/// What is built: all of it, or as much as an editor wants to know.
const COMMANDS: [&str; 2] = ["build", "check"];

/// Milliseconds, one for each round.
type Times = Vec<f64>;

struct Row {
    of: Crate,
    /// By command: clean and incremental.
    times: [[Times; 2]; 2],
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = rounds()?;
    let workspace = Workspace::write()?;
    let crates = Crate::all();
    workspace.prepare(&crates)?;
    let mut rows: Vec<Row> = crates.iter().map(|of| Row { of: *of, times: Default::default() }).collect();
    for round in 0..rounds {
        for turn in 0..rows.len() {
            let count = rows.len();
            let row = &mut rows[(round + turn) % count];
            for (command, times) in COMMANDS.iter().zip(&mut row.times) {
                for (times, time) in times.iter_mut().zip(measure(&workspace, row.of, command)?) {
                    times.push(time.as_secs_f64() * 1e3);
                }
            }
        }
    }
    let mut sizes = Vec::new();
    for lib in Lib::ALL {
        sizes.push(workspace.expanded(Crate { lib, case: Case::Derived })?);
    }
    print_lines(&rows, &sizes);
    print_table(&rows, &sizes);
    Ok(())
}

/// From nothing, and after a change.
fn measure(workspace: &Workspace, of: Crate, command: &str) -> Result<[Duration; 2], Box<dyn Error>> {
    workspace.clean(of)?;
    let clean = workspace.cargo(of, command)?;
    workspace.change(of)?;
    Ok([clean, workspace.cargo(of, command)?])
}

const METRICS: [[&str; 2]; 2] = [["clean_ms", "incremental_ms"], ["clean_check_ms", "incremental_check_ms"]];

fn print_lines(rows: &[Row], sizes: &[(usize, usize)]) {
    for Row { of, times } in rows {
        for (metric, times) in METRICS.iter().flatten().zip(times.iter().flatten()) {
            let (case, lib, value) = (of.case.name(), of.lib.name(), median(times.clone()));
            println!("bench=compile case={case} lib={lib} metric={metric} value={value:.1}");
        }
    }
    for (lib, (lines, bytes)) in generated(sizes) {
        println!("bench=compile case=derived lib={} metric=lines_per_derive value={lines:.1}", lib.name());
        println!("bench=compile case=derived lib={} metric=bytes_per_derive value={bytes:.0}", lib.name());
    }
}

fn print_table(rows: &[Row], sizes: &[(usize, usize)]) {
    println!();
    println!("{CHUNKS} structs of {FIELDS} fields, milliseconds");
    let [[a, b], [c, d]] =
        METRICS.map(|metrics| metrics.map(|metric| metric.trim_end_matches("_ms").replace('_', " ")));
    println!("{:<10} {:<16} {a:>12} {b:>12} {c:>18} {d:>18}", "case", "lib");
    for Row { of, times } in rows {
        let [[a, b], [c, d]] = times.clone().map(|times| times.map(median));
        println!("{:<10} {:<16} {a:>12.0} {b:>12.0} {c:>18.0} {d:>18.0}", of.case.name(), of.lib.name());
    }
    for case in Case::ALL {
        let of = |lib| &rows.iter().find(|row| row.of == Crate { lib, case }).expect("every crate has a row").times;
        let (ours, theirs) = (of(Lib::Gridmate), of(Lib::Serde));
        let ratio = |i: usize, j: usize| {
            median(ours[i][j].iter().zip(&theirs[i][j]).map(|(ours, theirs)| ours / theirs).collect())
        };
        let [a, b, c, d] = [ratio(0, 0), ratio(0, 1), ratio(1, 0), ratio(1, 1)];
        println!("{:<10} {:<16} {a:>12.2} {b:>12.2} {c:>18.2} {d:>18.2}", case.name(), "gridmate / serde");
    }
    println!();
    for (lib, (lines, bytes)) in generated(sizes) {
        println!("{:<16} {lines:>8.0} lines and {bytes:>8.0} bytes for a struct", lib.name());
    }
}

/// Lines and bytes for each struct.
fn generated(sizes: &[(usize, usize)]) -> Vec<(Lib, (f64, f64))> {
    let of = |lib: Lib| sizes[Lib::ALL.iter().position(|other| *other == lib).expect("all are there")];
    let (lines, bytes) = of(Lib::None);
    let each = |all: usize, without: usize| all.saturating_sub(without) as f64 / CHUNKS as f64;
    [Lib::Gridmate, Lib::Serde].map(|lib| (lib, (each(of(lib).0, lines), each(of(lib).1, bytes)))).into()
}

fn median(mut times: Times) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2.0 }
}

fn rounds() -> Result<usize, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(ROUNDS),
        (Some("--rounds"), Some(number), None) if number.parse().is_ok_and(|number: usize| number > 0) => {
            Ok(number.parse()?)
        }
        _ => Err("there is --rounds N, a number above zero".into()),
    }
}
