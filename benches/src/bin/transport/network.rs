//! Endpoints over a bad network in virtual time: how soon a loss is repaired, what gets through, who gets how much, and how soon
//! less is sent. Nothing here depends on the machine.

#[path = "../../../../gridmate-runtime/tests/carrier_support/pipe.rs"]
mod pipe;

use std::time::Duration;

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::CongestionConfig;

use crate::pair::FRAME;
use gridmate_benches::report::{Case, Row};
use pipe::{Load, Path, Pipe};

const LIB: &str = "gridmate";

/// Seeds of every figure, count.
const SEEDS: u64 = 3;

/// Until flows have found their shares, and for how long these are counted after that.
const SETTLE: Duration = Duration::from_secs(60);
const COUNTED: Duration = Duration::from_secs(120);

/// Reliable messages of 64 bytes: name of the load, how many at once, how often, and for how many seconds.
const LOADS: [(&str, usize, Duration, u64); 3] = [
    ("steady", 1, Duration::from_millis(16), 300),
    ("sparse", 1, Duration::from_millis(250), 3_000),
    ("bursts", 20, Duration::from_millis(250), 3_000),
];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Where in a sorted list so many hundredths are below.
fn part(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// From the first transmission of a message whose first packet was lost until it is delivered. The figure without a name is the
/// worst of all loads and round trips of ends that act when something is due.
pub fn repair() -> Case {
    let mut row = Row::new(LIB);
    let (mut median, mut most) = (0.0_f64, 0.0_f64);
    for (name, count, every, seconds) in LOADS {
        for (round_trip, tick) in [(ms(50), None), (ms(150), None), (ms(50), Some(FRAME))] {
            let path = Path { megabits: None, round_trip, queue: 0, loss: 0.05 };
            let load = Load::Messages { count, every: if tick.is_some() { every.max(FRAME) } else { every } };
            let mut took: Vec<_> = (1..=SEEDS)
                .flat_map(|seed| {
                    let mut pipe = Pipe::new(path, &[(CongestionConfig::Adaptive, load)], tick, seed);
                    pipe.run(pipe.now + Duration::from_secs(seconds));
                    pipe.finish();
                    pipe.flows[0].repairs()
                })
                .map(|took| took.as_secs_f64() / round_trip.as_secs_f64())
                .collect();
            took.sort_by(f64::total_cmp);
            let (p50, p99) = (part(&took, 50), part(&took, 99));
            let kind = if tick.is_some() { "60hz" } else { "due" };
            let prefix = format!("{name}_{}ms_{kind}", round_trip.as_millis());
            row.push_named(format!("{prefix}_rtt_p50"), p50);
            row.push_named(format!("{prefix}_rtt_p99"), p99);
            // Beyond what a message takes that is not lost.
            row.push_named(format!("{prefix}_extra_ms_p50"), (p50 - 0.5) * round_trip.as_secs_f64() * 1e3);
            row.push_named(format!("{prefix}_extra_ms_p99"), (p99 - 0.5) * round_trip.as_secs_f64() * 1e3);
            if tick.is_none() {
                (median, most) = (median.max(p50), most.max(p99));
            }
        }
    }
    row.push("repair_rtt_p50", median);
    row.push("repair_rtt_p99", most);
    Case { name: "repair", rows: vec![row] }
}

/// Messages of 16 KiB at a fixed rate over a link of that rate, share of the rate that is delivered.
pub fn goodput() -> Case {
    let mut row = Row::new(LIB);
    for loss in [0.0, 0.05] {
        for round_trip in [50, 150] {
            for seed in 1..=SEEDS {
                let path = Path { megabits: Some(10), round_trip: ms(round_trip), queue: 100, loss };
                let fixed = CongestionConfig::Fixed { bytes_per_second: 1_250_000 };
                let mut pipe = Pipe::new(path, &[(fixed, Load::Bulk)], None, seed);
                let share = pipe.shares(Duration::from_secs(30))[0];
                row.push_named(format!("share_{}pct_{round_trip}ms", loss * 100.0), share);
                if (loss, round_trip) == (0.05, 50) {
                    row.push("goodput_share", share);
                }
            }
        }
    }
    Case { name: "goodput", rows: vec![row] }
}

/// Two flows that send as much as they may: how much more the larger one gets.
pub fn fairness() -> Case {
    use CongestionConfig::{Adaptive, Cubic};
    let mut row = Row::new(LIB);
    for (name, kinds) in [("self", [Adaptive, Adaptive]), ("cubic", [Adaptive, Cubic]), ("cubic_self", [Cubic, Cubic])]
    {
        let (mut ratios, mut delays) = (Vec::new(), Vec::new());
        for (megabits, round_trip, queue) in grid() {
            for seed in 1..=SEEDS {
                let path = Path { megabits: Some(megabits), round_trip: ms(round_trip), queue, loss: 0.0 };
                // In each order: who comes second finds a queue.
                let mut order = kinds.clone();
                if seed % 2 == 0 {
                    order.reverse();
                }
                let mut pipe = Pipe::new(path, &order.map(|kind| (kind, Load::Bulk)), None, seed);
                pipe.shares(SETTLE);
                let shares = pipe.shares(COUNTED);
                let ratio = shares[0] / shares[1];
                ratios.push(ratio.max(ratio.recip()));
                delays.push(pipe.flows[0].round_trip().as_secs_f64() / path.round_trip.as_secs_f64() - 1.0);
                if ratio.max(ratio.recip()) > 1.5 {
                    eprintln!("{name}: {megabits} Mbit/s, {round_trip} ms, queue {queue} %, seed {seed}: {ratio:.2}");
                }
            }
        }
        ratios.sort_by(f64::total_cmp);
        let (count, within) = (ratios.len() as f64, ratios.iter().filter(|ratio| **ratio <= 1.5).count());
        row.push_named(format!("{name}_ratio_mean"), ratios.iter().sum::<f64>() / count);
        row.push_named(format!("{name}_ratio_worst"), part(&ratios, 100));
        row.push_named(format!("{name}_within"), within as f64 / count);
        row.push_named(format!("{name}_queue_rtt"), delays.iter().sum::<f64>() / count);
    }
    Case { name: "fairness", rows: vec![row] }
}

/// Mbit/s, round trip in ms, queue in hundredths of what is under way on an empty link.
fn grid() -> impl Iterator<Item = (u64, u64, u64)> {
    [2, 10, 50].into_iter().flat_map(|rate| {
        [20, 50, 100].into_iter().flat_map(move |rtt| [50, 100, 200].into_iter().map(move |queue| (rate, rtt, queue)))
    })
}

/// State over a link that from one moment on loses a fifth: what of the rate is left in the round trip that begins two after that,
/// and the most bytes that ever waited.
pub fn reaction() -> Case {
    let mut row = Row::new(LIB);
    let (mut most_left, mut waiting) = (0.0_f64, 0);
    for round_trip in [50, 100, 150] {
        let mut left: Vec<_> = (0..40)
            .map(|seed| {
                let path = Path { megabits: Some(10), round_trip: ms(round_trip), queue: 100, loss: 0.0 };
                let load = Load::State { every: ms(5) };
                let mut pipe = Pipe::new(path, &[(CongestionConfig::Adaptive, load)], None, seed);
                let onset = Instant::from_millis(20_000 + seed * 77);
                pipe.run(onset);
                pipe.set_loss(0.2);
                let before = pipe.flows[0].rate(onset, Duration::from_secs(1));
                let measured = pipe.flows[0].round_trip();
                pipe.run(onset + measured * 3);
                waiting = waiting.max(pipe.flows[0].waiting);
                pipe.flows[0].rate(pipe.now, measured) / before
            })
            .collect();
        left.sort_by(f64::total_cmp);
        row.push_named(format!("rate_left_{round_trip}ms_p50"), part(&left, 50));
        row.push_named(format!("rate_left_{round_trip}ms_p90"), part(&left, 90));
        row.push_named(format!("rate_left_{round_trip}ms_worst"), part(&left, 100));
        most_left = most_left.max(part(&left, 90));
    }
    row.push("rate_left_p90", most_left);
    row.push("most_bytes_waiting", waiting as f64);
    Case { name: "reaction", rows: vec![row] }
}
