//! Figures of rounds, and how they are printed.

use std::borrow::Cow;

/// More columns than this make no table.
const TABLE: usize = 14;

/// What was measured of one library in one case.
pub struct Row {
    pub lib: &'static str,
    /// By metric, one value per round.
    metrics: Vec<(Cow<'static, str>, Vec<f64>)>,
}

/// All that were measured in the same way.
pub struct Case {
    pub name: &'static str,
    pub rows: Vec<Row>,
}

impl Row {
    /// Without figures yet.
    pub const fn new(lib: &'static str) -> Self {
        Self { lib, metrics: Vec::new() }
    }

    /// Adds a round's value.
    pub fn push(&mut self, metric: &'static str, value: f64) {
        self.push_named(metric, value);
    }

    /// The same of a metric whose name is put together.
    pub fn push_named(&mut self, metric: impl Into<Cow<'static, str>>, value: f64) {
        let metric = metric.into();
        match self.metrics.iter_mut().find(|(name, _)| *name == metric) {
            Some((_, rounds)) => rounds.push(value),
            None => self.metrics.push((metric, vec![value])),
        }
    }

    /// One value per round.
    pub fn rounds(&self, metric: &str) -> Option<&[f64]> {
        self.metrics.iter().find(|(name, _)| *name == metric).map(|(_, rounds)| &rounds[..])
    }

    /// What is reported.
    pub fn median(&self, metric: &str) -> Option<f64> {
        self.rounds(metric).map(|rounds| median(rounds.to_vec()))
    }

    /// The median of what the rounds say, since neighbours in time share what disturbs them.
    pub fn ratio(&self, other: &Self, metric: &str) -> Option<f64> {
        let (ours, theirs) = (self.rounds(metric)?, other.rounds(metric)?);
        Some(median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()))
    }
}

impl Case {
    /// That of a library.
    pub fn row(&self, lib: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.lib == lib)
    }

    /// A line per library and metric; of those in `with_least` one more, for the least of the rounds.
    pub fn print_lines(&self, bench: &str, with_least: &[&str]) {
        for row in &self.rows {
            let head = format!("bench={bench} case={} lib={}", self.name, row.lib);
            for (metric, rounds) in &row.metrics {
                let value = median(rounds.clone());
                println!("{head} metric={metric} value={value:.3}");
                if with_least.contains(&&**metric) {
                    let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
                    println!("{head} metric={metric}_min value={least:.3}");
                }
            }
        }
    }

    /// A line per library, a column per metric of the first; of those in `only`, unless that is empty.
    pub fn print_table(&self, only: &[&str]) {
        let Some(first) = self.rows.first() else { return };
        let columns = first.metrics.iter().map(|(metric, _)| &**metric);
        let columns: Vec<_> = columns.filter(|metric| only.is_empty() || only.contains(metric)).collect();
        println!();
        if columns.len() > TABLE {
            println!("{}: {} figures", self.name, columns.len());
            return;
        }
        print!("{:<18}", self.name);
        columns.iter().for_each(|metric| print!(" {metric:>19}"));
        println!();
        for row in &self.rows {
            print!("{:<18}", row.lib);
            for metric in &columns {
                match row.median(metric) {
                    Some(value) => print!(" {value:>19.3}"),
                    None => print!(" {:>19}", "-"),
                }
            }
            println!();
        }
    }
}

/// Prints what was reached of something, what was to be, and whether that holds.
pub fn bar(name: &str, value: f64, limit: f64, holds: bool) {
    println!("bar={name} value={value:.4} limit={limit} {}", if holds { "yes" } else { "NO" });
}

/// The middle one, or between the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
