//! Do all nodes hold the same?

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

/// Differences of one node that are worth a line each.
const SHOWN: usize = 8;

/// What a node says it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) replicas: BTreeMap<String, u64>,
    pub(crate) digest: Option<u64>,
}

/// The comparison of everyone's report with the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    nodes: usize,
    replicas: usize,
    /// Who differs, and in what.
    different: Vec<(String, Vec<String>)>,
}

impl Verdict {
    pub(crate) fn of<'a>(
        (first, host): (&str, &Report),
        others: impl IntoIterator<Item = (&'a str, &'a Report)>,
    ) -> Self {
        let mut verdict = Self { nodes: 1, replicas: host.replicas.len(), different: Vec::new() };
        for (name, report) in others {
            verdict.nodes += 1;
            if report != host {
                verdict.different.push((name.to_owned(), differences(first, host, report)));
            }
        }
        verdict
    }

    pub(crate) const fn agreed(&self) -> bool {
        self.different.is_empty()
    }
}

fn differences(first: &str, host: &Report, report: &Report) -> Vec<String> {
    let ids: BTreeSet<_> = host.replicas.keys().chain(report.replicas.keys()).collect();
    ids.into_iter()
        .filter_map(|id| match (host.replicas.get(id), report.replicas.get(id)) {
            (Some(a), Some(b)) if a == b => None,
            (Some(_), Some(_)) => Some(format!("replica {id} differs from {first}'s")),
            (Some(_), None) => Some(format!("replica {id} is missing")),
            (None, _) => Some(format!("replica {id} is not on {first}")),
        })
        .collect()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, replicas, different } = self;
        for (name, what) in different {
            for line in what.iter().take(SHOWN) {
                writeln!(f, "{name}: {line}")?;
            }
            if what.len() > SHOWN {
                writeln!(f, "{name}: and {} more", what.len() - SHOWN)?;
            }
        }
        let word = if self.agreed() { "converged" } else { "diverged" };
        write!(f, "{word}: {}/{nodes} nodes, {replicas} replicas", nodes - different.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(replicas: &[(&str, u64)]) -> Report {
        let replicas: BTreeMap<_, _> = replicas.iter().map(|(id, digest)| ((*id).to_owned(), *digest)).collect();
        Report { digest: Some(replicas.values().sum()), replicas }
    }

    #[test]
    fn names_the_node_and_the_replica() {
        let host = report(&[("#1.1", 1), ("#1.2", 2)]);
        let same = Verdict::of(("host", &host), [("client-1", &host)]);
        assert!(same.agreed());
        assert_eq!(same.to_string(), "converged: 2/2 nodes, 2 replicas");
        let off = report(&[("#1.1", 1), ("#1.2", 3), ("#2.1", 4)]);
        let verdict = Verdict::of(("host", &host), [("client-1", &off), ("client-2", &host)]);
        assert!(!verdict.agreed());
        assert_eq!(
            verdict.to_string(),
            "client-1: replica #1.2 differs from host's\n\
             client-1: replica #2.1 is not on host\n\
             diverged: 2/3 nodes, 2 replicas"
        );
    }
}
