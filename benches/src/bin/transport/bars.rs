//! What is to be reached, and whether it is.

use gridmate_benches::report::{Case, Row, bar};

/// Libraries that do what ours does.
const PEERS: [&str; 3] = ["renet", "quinn", "enet"];

/// Cost of a message beside the best of the peers, when many go at once.
const BATCHED: [(&str, f64); 3] = [("rel64_batch64", 0.5), ("unrel64_batch64", 0.5), ("rel1000_batch64", 0.4)];

/// Metric, beside whom, and the most of it.
const BESIDE: [(&str, &str, &str, f64); 6] = [
    ("rel64_batch1", "cpu_ns_per_msg", "raw", 1.4),
    ("unrel64_batch1", "cpu_ns_per_msg", "raw", 1.4),
    ("rel1000_batch1", "cpu_ns_per_msg", "raw", 1.4),
    ("ping_rel64", "rtt_us", "raw", 1.25),
    ("ping_unrel64", "rtt_us", "raw", 1.25),
    ("ping_thread_rel64", "rtt_us", "raw_tokio", 1.3),
];

/// The most of a metric.
const AT_MOST: [(&str, &str, f64); 13] = [
    ("rel64_batch64", "wire_bytes_per_msg", 66.0),
    ("unrel64_batch64", "wire_bytes_per_msg", 66.0),
    ("rel64_batch1", "wire_bytes_per_msg", 74.0),
    ("unrel64_batch1", "wire_bytes_per_msg", 74.0),
    ("rel64_batch64", "allocs_per_msg", 0.0),
    ("idle", "kbit_per_s", 0.3),
    ("conns10k", "bytes_per_conn", 24.0 * 1024.0),
    ("conns10k", "allocs_per_msg", 0.0),
    ("repair", "repair_rtt_p50", 1.5),
    ("repair", "repair_rtt_p99", 3.0),
    ("fairness", "self_ratio_worst", 1.5),
    ("fairness", "cubic_ratio_worst", 1.5),
    ("reaction", "rate_left_p90", 0.5),
];

/// The least of a metric.
const AT_LEAST: [(&str, &str, f64); 2] = [("bulk", "gbit_per_cpu_s", 2.0), ("goodput", "goodput_share", 0.8)];

/// What a second of a connection costs among ten thousand, beside one among a thousand.
const LINEAR: f64 = 1.3;

/// Prints a line for each bar whose figures were measured.
pub fn print(cases: &[Case]) {
    println!();
    for (name, most) in BATCHED {
        if let Some((ours, case)) = ours(cases, name)
            && let Some(best) = best(case)
            && let Some(ratio) = ours.ratio(best, "cpu_ns_per_msg")
        {
            bar(&format!("{name}_cpu_beside_{}", best.lib), ratio, most, ratio <= most);
        }
    }
    for (name, metric, lib, most) in BESIDE {
        if let Some((ours, case)) = ours(cases, name)
            && let Some(ratio) = case.row(lib).and_then(|theirs| ours.ratio(theirs, metric))
        {
            bar(&format!("{name}_{metric}_beside_{lib}"), ratio, most, ratio <= most);
        }
    }
    for (name, metric, most) in AT_MOST {
        if let Some(value) = ours(cases, name).and_then(|(ours, _)| ours.median(metric)) {
            bar(&format!("{name}_{metric}"), value, most, value <= most);
        }
    }
    for (name, metric, least) in AT_LEAST {
        if let Some(value) = ours(cases, name).and_then(|(ours, _)| ours.median(metric)) {
            bar(&format!("{name}_{metric}"), value, least, value >= least);
        }
    }
    // Beside Cubic as Cubic beside itself.
    if let Some((ours, _)) = ours(cases, "fairness")
        && let (Some(beside), Some(among)) = (ours.median("cubic_within"), ours.median("cubic_self_within"))
    {
        bar("fairness_cubic_within", beside, among, beside >= among);
    }
    if let (Some((many, _)), Some((few, _))) = (ours(cases, "conns10k"), ours(cases, "conns1k"))
        && let Some(ratio) = many.ratio(few, "cpu_ns_per_conn_s")
    {
        bar("conns10k_cpu_beside_conns1k", ratio, LINEAR, ratio <= LINEAR);
    }
}

fn ours<'a>(cases: &'a [Case], name: &str) -> Option<(&'a Row, &'a Case)> {
    let case = cases.iter().find(|case| case.name == name)?;
    Some((case.row("gridmate")?, case))
}

/// The peer that needs the least of the processor.
fn best(case: &Case) -> Option<&Row> {
    let peers = case.rows.iter().filter(|row| PEERS.contains(&row.lib));
    peers.min_by(|a, b| a.median("cpu_ns_per_msg").unwrap_or(0.0).total_cmp(&b.median("cpu_ns_per_msg").unwrap_or(0.0)))
}
