//! What is to be reached, and whether it is.

use gridmate_benches::report::{Case, Row, bar};

/// Case, metric, beside whom, and the most of it.
const BESIDE: [(&str, &str, &str, f64); 4] = [
    ("active_R1000_N16", "server_us_per_tick", "bevy_replicon", 0.1),
    ("active_R1000_N16", "server_us_per_tick", "floor", 3.0),
    ("active_R10000_N4", "server_us_per_tick", "bevy_replicon", 0.1),
    ("active_R1000_N1", "client_us_per_tick", "bevy_replicon", 0.4),
];

/// The most of a metric.
const AT_MOST: [(&str, &str, f64); 20] = [
    ("active_R1000_N16", "bytes_per_entity_random", 16.8),
    ("active_R1000_N16", "bytes_per_entity_smooth", 10.5),
    ("active_R10000_N64", "bytes_per_entity_random", 16.8),
    ("active_R10000_N64", "bytes_per_entity_smooth", 10.5),
    ("quantised_R1000_N16", "bytes_per_entity_smooth", 6.0),
    ("one_of_three_R1000_N16", "bytes_per_entity", 5.0),
    ("idle_R10000_N16", "server_us_per_tick", 5.0),
    ("active_R1000_N1", "write_ns", 5.0),
    ("active_R1000_N16", "write_ns", 5.0),
    ("active_R10000_N64", "write_ns", 5.0),
    ("join_R10000", "server_us_per_join", 2_000.0),
    ("join_R10000", "bytes_per_entity", 22.0),
    ("active_R1000_N1", "client_allocs_per_tick", 0.0),
    ("active_R1000_N16", "server_allocs_per_tick", 0.0),
    ("active_R1000_N16", "client_allocs_per_tick", 0.0),
    ("active_R10000_N64", "server_allocs_per_tick", 0.0),
    ("active_R10000_N64", "client_allocs_per_tick", 0.0),
    ("idle_R10000_N16", "server_allocs_per_tick", 0.0),
    ("memory_R100000_N100", "bytes_per_pair", 16.0),
    ("memory_R100000_N100", "most_mib", 1_024.0),
];

/// Of what is written in a tick, everyone has everything at its end: else the figures of that tick are of less.
const CURRENT: [&str; 2] = ["current", "current_random"];

/// Metric of one case beside the same of another, and the most of it.
const GROWTH: [(&str, &str, &str, f64); 3] = [
    // Linear, with an eighth for caches.
    ("active_R10000_N4", "active_R1000_N4", "server_us_per_tick", 11.25),
    ("active_R10000_N64", "active_R10000_N4", "server_us_per_tick", 5.0),
    ("idle_R10000_N16", "idle_R100_N16", "server_us_per_tick", 2.0),
];

/// Prints a line for each bar whose figures were measured.
pub fn print(cases: &[Case]) {
    println!();
    for (name, metric, lib, most) in BESIDE {
        if let Some((ours, case)) = ours(cases, name)
            && let Some(ratio) = case.row(lib).and_then(|theirs| ours.ratio(theirs, metric))
        {
            bar(&format!("{name}_{metric}_beside_{lib}"), ratio, most, ratio <= most);
        }
    }
    for (many, few, metric, most) in GROWTH {
        if let (Some((large, _)), Some((small, _))) = (ours(cases, many), ours(cases, few))
            && let Some(ratio) = large.ratio(small, metric)
        {
            bar(&format!("{many}_{metric}_beside_{few}"), ratio, most, ratio <= most);
        }
    }
    for case in cases {
        for metric in CURRENT {
            if let Some(value) = case.row("gridmate").and_then(|ours| ours.median(metric)) {
                bar(&format!("{}_{metric}", case.name), value, 1.0, value >= 1.0);
            }
        }
    }
    for (name, metric, most) in AT_MOST {
        if let Some(value) = ours(cases, name).and_then(|(ours, _)| ours.median(metric)) {
            bar(&format!("{name}_{metric}"), value, most, value <= most);
        }
    }
}

fn ours<'a>(cases: &'a [Case], name: &str) -> Option<(&'a Row, &'a Case)> {
    let case = cases.iter().find(|case| case.name == name)?;
    Some((case.row("gridmate")?, case))
}
