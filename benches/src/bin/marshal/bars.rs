//! What is to be reached, and whether it is.

use crate::measure::{Case, Figures};

/// What a lossless item may cost beside postcard, and a quantised one beside the packer written by hand.
const LOSSLESS: (f64, f64) = (1.25, 1.0);
const QUANTISED: (f64, f64) = (1.1, 1.1);

/// The most bytes for an item.
const LOSSLESS_BYTES: f64 = 50.0;
const QUANTISED_BYTES: f64 = 27.0;

/// True when all bars of bytes and allocations hold; those of time are only reported.
pub fn print(cases: &[Case]) -> bool {
    println!();
    println!("{:<18} {:<58} {:>8} {:>8}  held", "bar", "what", "figure", "at most");
    let mut held = true;
    for case in cases {
        let lossless = case.name.starts_with("lossless");
        let (bytes, beside, times) = match lossless {
            true => (LOSSLESS_BYTES, "postcard_slice", LOSSLESS),
            false => (QUANTISED_BYTES, "hand_quantized", QUANTISED),
        };
        let (ours, theirs) = (case.row("gridmate"), case.row(beside));
        let bar = |what: String, figure: f64, most: f64| {
            let holds = figure <= most;
            println!("{:<18} {what:<58} {figure:>8.2} {most:>8.2}  {}", case.name, if holds { "yes" } else { "NO" });
            holds
        };
        held &= bar("bytes".into(), ours.bytes, bytes);
        if lossless {
            let least = least_bytes(case);
            held &= bar(format!("bytes, beside {}", least.lib), ours.bytes, least.bytes);
        }
        held &= bar("allocations to write".into(), ours.encode.allocations, 0.0);
        // The name, and for a batch the list.
        let names = if case.name.ends_with("batch") { 1.001 } else { 1.0 };
        held &= bar("allocations to read".into(), ours.decode.allocations, names);
        let _ = bar(format!("time to write, beside {beside}"), ours.encode.ratio(&theirs.encode), times.0);
        let _ = bar(format!("time to read, beside {beside}"), ours.decode.ratio(&theirs.decode), times.1);
    }
    held
}

fn least_bytes(case: &Case) -> &Figures {
    let others = case.figures.iter().filter(|row| !row.lib.starts_with("gridmate"));
    others.min_by(|a, b| a.bytes.total_cmp(&b.bytes)).expect("there are others")
}
