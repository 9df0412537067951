//! Two schemas, and what is said of them.

use gridmate_runtime::schema::{ChunkSnapshot, Compatibility, FieldSnapshot, RpcSnapshot, Snapshot};
use proptest::prelude::*;

use super::strategy::{tame, wild};

fn ship(datasets: &[(&str, &str)], rpcs: &[(&str, &str)]) -> Snapshot {
    let field = |(name, shape): &(&str, &str)| FieldSnapshot { name: (*name).to_owned(), shape: (*shape).to_owned() };
    let rpc = |(name, flags): &(&str, &str)| RpcSnapshot {
        name: (*name).to_owned(),
        args: vec![FieldSnapshot { name: "damage".to_owned(), shape: "u8".to_owned() }],
        flags: (*flags).to_owned(),
    };
    let datasets = datasets.iter().map(field).collect();
    Snapshot { chunks: vec![ChunkSnapshot { name: "ship".to_owned(), datasets, rpcs: rpcs.iter().map(rpc).collect() }] }
}

fn base() -> Snapshot {
    ship(&[("x", "f32"), ("y", "f32"), ("hull", "u8")], &[("hit", "reliable"), ("ping", "unreliable")])
}

/// What is said of `here` compared with [`base`].
fn said(here: &Snapshot) -> (Compatibility, String) {
    let diff = here.diff(&base());
    (diff.compatibility(), diff.to_string())
}

#[test]
fn everything_that_can_differ_is_named() {
    use Compatibility::{Breaking, Compatible, Equal};
    let rpcs = [("hit", "reliable"), ("ping", "unreliable")];
    let datasets = [("x", "f32"), ("y", "f32"), ("hull", "u8")];
    assert_eq!(said(&base()), (Equal, String::new()));
    let cases = [
        (ship(&[("x", "f32"), ("y", "half"), ("hull", "u8")], &rpcs), Breaking, "dataset `y`: half here, f32 there"),
        (
            ship(&[("x", "f32"), ("y", "f32"), ("hull", "u8"), ("fuel", "u8")], &rpcs),
            Compatible,
            "dataset `fuel` is only here, at the end (u8)",
        ),
        (
            ship(&[("x", "f32"), ("fuel", "u8"), ("y", "f32"), ("hull", "u8")], &rpcs),
            Breaking,
            "dataset `fuel` is only here (u8)",
        ),
        (ship(&[("x", "f32"), ("y", "f32")], &rpcs), Breaking, "dataset `hull` is only there (u8)"),
        (ship(&[("x", "f32"), ("z", "f32"), ("hull", "u8")], &rpcs), Breaking, "dataset `z` is called `y` there"),
        (
            ship(&[("y", "f32"), ("hull", "u8"), ("x", "f32")], &rpcs),
            Breaking,
            "dataset `x` is at place 2 here, at 0 there",
        ),
        (
            ship(&datasets, &[("hit", "unreliable"), rpcs[1]]),
            Breaking,
            "rpc `hit`: { damage: u8 } unreliable here, { damage: u8 } reliable there",
        ),
        (
            ship(&datasets, &[rpcs[0], rpcs[1], ("dock", "reliable")]),
            Compatible,
            "rpc `dock` is only here, at the end ({ damage: u8 } reliable)",
        ),
    ];
    for (here, compatibility, words) in cases {
        assert_eq!(said(&here), (compatibility, format!("chunk `ship`: {words}\n")));
    }
}

#[test]
fn chunk_types_come_go_and_change_names() {
    let mut here = base();
    here.chunks.push(ChunkSnapshot { name: "wreck".to_owned(), ..ChunkSnapshot::default() });
    assert_eq!(said(&here), (Compatibility::Compatible, "chunk `wreck` is only here\n".to_owned()));
    here.chunks.remove(0);
    let words = "chunk `wreck` is only here\nchunk `ship` is only there\n";
    assert_eq!(said(&here), (Compatibility::Breaking, words.to_owned()));
    here.chunks[0] = ChunkSnapshot { name: "boat".to_owned(), ..base().chunks.remove(0) };
    assert_eq!(said(&here), (Compatibility::Breaking, "chunk `boat` is called `ship` there\n".to_owned()));
}

proptest! {
    #[test]
    fn equal_is_what_has_no_difference(a in tame(), b in tame(), c in wild()) {
        prop_assert_eq!(a.diff(&b).compatibility() == Compatibility::Equal, a == b);
        prop_assert!(a.diff(&a.clone()).differences.is_empty());
        prop_assert_eq!(c.diff(&a).differences.is_empty(), a == c);
    }

    #[test]
    fn what_only_adds_is_compatible_and_its_opposite_is_not(a in tame(), b in tame()) {
        if a.diff(&b).compatibility() == Compatibility::Compatible {
            prop_assert_eq!(b.diff(&a).compatibility(), Compatibility::Breaking);
            for chunk in &b.chunks {
                let here = a.chunks.iter().find(|c| c.name == chunk.name).unwrap();
                prop_assert!(here.datasets.starts_with(&chunk.datasets) && here.rpcs.starts_with(&chunk.rpcs));
            }
        }
    }

    #[test]
    fn additions_are_compatible(old in tame(), extra in tame()) {
        let mut new = old.clone();
        for (chunk, more) in new.chunks.iter_mut().zip(&extra.chunks) {
            // Names that are nowhere else.
            chunk.datasets.extend(more.datasets.iter().zip(0..).map(|(d, i)| FieldSnapshot { name: format!("new{i}"), ..d.clone() }));
        }
        prop_assert_ne!(new.diff(&old).compatibility(), Compatibility::Breaking);
    }
}
