//! Rows taken in turns, and what is printed of them.

use std::time::Duration;

use cpu_time::ThreadTime;

use crate::counting::allocations;

/// What one timing takes, about.
const BLOCK: Duration = Duration::from_millis(2);

/// One library in one case; an action does its work so many times.
pub struct Row {
    pub lib: &'static str,
    items: usize,
    bytes: usize,
    encode: Action,
    decode: Action,
}

type Action = Box<dyn FnMut(u32)>;

impl Row {
    /// A message of `items` items in `bytes` bytes; the actions write and read it once.
    pub fn new(
        lib: &'static str,
        items: usize,
        bytes: usize,
        mut encode: impl FnMut() + 'static,
        mut decode: impl FnMut() + 'static,
    ) -> Self {
        // The loop is inside, so that what is called through the pointer is not one item.
        let encode: Action = Box::new(move |times| (0..times).for_each(|_| encode()));
        let decode: Action = Box::new(move |times| (0..times).for_each(|_| decode()));
        Self { lib, items, bytes, encode, decode }
    }
}

/// What was measured of a row, per item.
pub struct Figures {
    pub lib: &'static str,
    pub bytes: f64,
    pub encode: Side,
    pub decode: Side,
}

pub struct Side {
    /// One per round, all rows having had their turn in each.
    pub rounds: Vec<f64>,
    pub allocations: f64,
}

pub struct Case {
    pub name: &'static str,
    pub figures: Vec<Figures>,
}

/// Times every row in every round, each round beginning with another one.
pub fn measure(name: &'static str, mut rows: Vec<Row>, rounds: usize) -> Case {
    let mut figures = Vec::new();
    let mut times = Vec::new();
    for row in &mut rows {
        let (encode_times, encode) = prepare(&mut row.encode, row.items);
        let (decode_times, decode) = prepare(&mut row.decode, row.items);
        figures.push(Figures { lib: row.lib, bytes: row.bytes as f64 / row.items as f64, encode, decode });
        times.push((encode_times, decode_times));
    }
    for round in 0..rounds {
        for turn in 0..rows.len() {
            let at = (round + turn) % rows.len();
            let (row, (encode, decode)) = (&mut rows[at], times[at]);
            figures[at].encode.rounds.push(nanoseconds(&mut row.encode, encode) / row.items as f64);
            figures[at].decode.rounds.push(nanoseconds(&mut row.decode, decode) / row.items as f64);
        }
    }
    Case { name, figures }
}

/// Warms up, counts allocations, and finds how often makes a block.
fn prepare(action: &mut Action, items: usize) -> (u32, Side) {
    let mut times = 1;
    while nanoseconds(action, times) * f64::from(times) < BLOCK.as_nanos() as f64 / 2.0 && times < 1 << 24 {
        times *= 2;
    }
    let before = allocations();
    action(16);
    let allocated = (allocations() - before) as f64 / 16.0 / items as f64;
    (times, Side { rounds: Vec::new(), allocations: allocated })
}

/// Per time.
fn nanoseconds(action: &mut Action, times: u32) -> f64 {
    let start = ThreadTime::now();
    action(times);
    start.elapsed().as_nanos() as f64 / f64::from(times)
}

impl Case {
    pub fn row(&self, lib: &str) -> &Figures {
        self.figures.iter().find(|row| row.lib == lib).expect("a row of that name")
    }

    pub fn print_lines(&self) {
        for row in &self.figures {
            let figures = [
                ("encode_ns", row.encode.median()),
                ("encode_ns_min", row.encode.least()),
                ("decode_ns", row.decode.median()),
                ("decode_ns_min", row.decode.least()),
                ("bytes", row.bytes),
                ("allocs_per_encode", row.encode.allocations),
                ("allocs_per_decode", row.decode.allocations),
            ];
            for (metric, value) in figures {
                println!("bench=marshal case={} lib={} metric={metric} value={value:.2}", self.name, row.lib);
            }
        }
    }

    pub fn print_table(&self) {
        println!();
        println!(
            "{:<24} {:>10} {:>8} {:>10} {:>8} {:>8} {:>11} {:>11}",
            self.name, "encode ns", "(min)", "decode ns", "(min)", "bytes", "allocs/enc", "allocs/dec"
        );
        let mut rows: Vec<_> = self.figures.iter().collect();
        rows.sort_by(|a, b| a.encode.median().total_cmp(&b.encode.median()));
        for Figures { lib, bytes, encode, decode } in rows {
            println!(
                "{lib:<24} {:>10.1} {:>8.1} {:>10.1} {:>8.1} {bytes:>8.2} {:>11.2} {:>11.2}",
                encode.median(),
                encode.least(),
                decode.median(),
                decode.least(),
                encode.allocations,
                decode.allocations
            );
        }
    }
}

impl Side {
    pub fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    fn least(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The median of what the rounds say, since neighbours in time share what disturbs them.
    pub fn ratio(&self, other: &Self) -> f64 {
        median(self.rounds.iter().zip(&other.rounds).map(|(ours, theirs)| ours / theirs).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
