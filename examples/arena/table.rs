//! Numbers for whoever watches: a table redrawn in place on a terminal, a line a second otherwise.

use core::fmt::Write as _;
use core::time::Duration;
use std::io::IsTerminal as _;

use gridmate_runtime::Instant;

use crate::report::{Status, say};

/// A person sees no more frames than this anyway.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(1);
/// Width of the progress bar, characters.
const BAR: usize = 40;

/// One node's numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    name: String,
    rtt_ms: f64,
    replicas: usize,
    now: Rates,
    /// Counts while playing: for the averages in the end.
    played: Counts,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    bytes_in: f64,
    bytes_out: f64,
    rpcs: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    micros: u64,
    bytes_in: u64,
    bytes_out: u64,
    rpcs: u64,
}

impl Counts {
    const fn between(before: &Status, after: &Status) -> Self {
        Self {
            micros: after.at.saturating_sub(before.at),
            bytes_in: after.bytes_in.saturating_sub(before.bytes_in),
            bytes_out: after.bytes_out.saturating_sub(before.bytes_out),
            rpcs: after.rpcs.saturating_sub(before.rpcs),
        }
    }

    fn rates(self) -> Rates {
        let per_second = |count: u64| count as f64 * 1e6 / self.micros.max(1) as f64;
        Rates {
            bytes_in: per_second(self.bytes_in),
            bytes_out: per_second(self.bytes_out),
            rpcs: per_second(self.rpcs),
        }
    }
}

impl Row {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes in two consecutive statuses of the node.
    pub(crate) fn update(&mut self, before: &Status, after: &Status, playing: bool) {
        let counts = Counts::between(before, after);
        self.now = counts.rates();
        if after.rtt > 0 {
            self.rtt_ms = after.rtt as f64 / 1e3;
        }
        self.replicas = after.replicas;
        if playing {
            self.played.micros += counts.micros;
            self.played.bytes_in += counts.bytes_in;
            self.played.bytes_out += counts.bytes_out;
            self.played.rpcs += counts.rpcs;
        }
    }

    fn line(&self, rates: Rates) -> String {
        let Self { name, rtt_ms, replicas, .. } = self;
        let Rates { bytes_in, bytes_out, rpcs } = rates;
        let (k_in, k_out) = (bytes_in / 1e3, bytes_out / 1e3);
        format!("{name:<10} {rtt_ms:>7.1} {k_in:>9.1} {k_out:>9.1} {replicas:>9} {rpcs:>7.1}")
    }
}

const HEAD: &str = "node        rtt ms   kB/s in  kB/s out  replicas  RPCs/s";

/// Draws rows, as often as makes sense.
pub(crate) struct Table {
    terminal: bool,
    next: Instant,
    /// Lines on the screen that the next drawing goes over.
    drawn: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), next: Instant::ZERO, drawn: 0 }
    }

    /// Shows a line that stays.
    pub(crate) fn note(&mut self, text: &str) {
        self.print(&format!("{text}\n"), 0);
    }

    pub(crate) fn draw<'a>(
        &mut self,
        now: Instant,
        phase: &str,
        played: f64,
        total: f64,
        rows: impl Iterator<Item = &'a Row>,
    ) {
        if now < self.next {
            return;
        }
        self.next = now + if self.terminal { REDRAW_EVERY } else { LINE_EVERY };
        if self.terminal {
            let mut text = format!("{HEAD}\n");
            let mut lines = 2;
            for row in rows {
                let _ = writeln!(text, "{}", row.line(row.now));
                lines += 1;
            }
            let _ = writeln!(text, "{} {phase} {played:.1}/{total:.1} s", bar(played / total));
            self.print(&text, lines);
        } else {
            self.print(&summary(phase, played, total, rows), 0);
        }
    }

    /// The averages over the time of play, to stay.
    pub(crate) fn finish<'a>(&mut self, rows: impl Iterator<Item = &'a Row>) {
        let mut text = format!("{HEAD}   (averages while playing)\n");
        for row in rows {
            let _ = writeln!(text, "{}", row.line(row.played.rates()));
        }
        self.print(&text, 0);
    }

    /// Prints over what was drawn before; the next print goes over the last `volatile` lines of it.
    fn print(&mut self, text: &str, volatile: usize) {
        let mut out = String::new();
        if self.drawn > 0 {
            // To the first of those lines, and clear the screen from there on.
            let _ = write!(out, "\x1b[{}F\x1b[J", self.drawn);
        }
        out.push_str(text.trim_end_matches('\n'));
        say(out);
        self.drawn = volatile;
    }
}

fn bar(done: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the width of the bar")]
    let full = (done.clamp(0.0, 1.0) * BAR as f64) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

/// All nodes in one line.
fn summary<'a>(phase: &str, played: f64, total: f64, rows: impl Iterator<Item = &'a Row>) -> String {
    let (mut nodes, mut replicas, mut rtt, mut sum) = (0, 0, 0.0_f64, Rates::default());
    for row in rows {
        nodes += 1;
        replicas = replicas.max(row.replicas);
        rtt = rtt.max(row.rtt_ms);
        sum.bytes_in += row.now.bytes_in;
        sum.bytes_out += row.now.bytes_out;
        sum.rpcs += row.now.rpcs;
    }
    format!(
        "{phase} {played:.1}/{total:.1} s: {nodes} nodes, {replicas} replicas, rtt up to {rtt:.0} ms, \
         {:.1} kB/s in, {:.1} kB/s out, {:.0} RPCs/s",
        sum.bytes_in / 1e3,
        sum.bytes_out / 1e3,
        sum.rpcs
    )
}
