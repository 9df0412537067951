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
    let rpcs = rpcs.iter().map(rpc).collect();
    Snapshot { chunks: vec![ChunkSnapshot { name: "ship".to_owned(), datasets, rpcs, ..ChunkSnapshot::default() }] }
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
        (ship(&[("x", "f32"), ("y", "f32")], &rpcs), Compatible, "dataset `hull` is only there, at the end (u8)"),
        (ship(&[("x", "f32"), ("hull", "u8")], &rpcs), Breaking, "dataset `y` is only there (f32)"),
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
            Breaking,
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
    assert_eq!(said(&here), (Compatibility::Breaking, "chunk `wreck` is only here\n".to_owned()));
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
    fn compatible_is_what_has_the_same_beginnings(a in tame(), b in tame(), cut in 0usize..5) {
        for b in [b, shortened(&a, cut)] {
            let chunks = a.chunks.iter().zip(&b.chunks);
            let same_beginnings = a.chunks.len() == b.chunks.len() && chunks.clone().all(|(a, b)| {
                let shorter = a.datasets.len().min(b.datasets.len());
                a.name == b.name && a.flags == b.flags && a.rpcs == b.rpcs && a.datasets[..shorter] == b.datasets[..shorter]
            });
            prop_assert_eq!(a.diff(&b).compatibility() != Compatibility::Breaking, same_beginnings);
            prop_assert_eq!(b.diff(&a).compatibility() != Compatibility::Breaking, same_beginnings);
            match a.common(&b) {
                Ok(common) => {
                    prop_assert!(same_beginnings);
                    prop_assert_eq!(b.common(&a), Ok(common.clone()));
                    let shorter: Vec<_> = chunks.map(|(a, b)| a.datasets.len().min(b.datasets.len())).collect();
                    prop_assert_eq!(common.datasets().iter().map(|n| *n as usize).collect::<Vec<_>>(), shorter);
                }
                Err(difference) => {
                    prop_assert!(!same_beginnings);
                    prop_assert!(a.diff(&b).differences.contains(&difference));
                }
            }
        }
    }
}

/// The same with fewer datasets in every other chunk type.
fn shortened(of: &Snapshot, by: usize) -> Snapshot {
    let mut short = of.clone();
    for chunk in short.chunks.iter_mut().step_by(2) {
        chunk.datasets.truncate(chunk.datasets.len().saturating_sub(by));
    }
    short
}

#[test]
fn the_first_difference_that_matters_is_named() {
    let mut here = base();
    here.chunks[0].datasets.push(FieldSnapshot { name: "fuel".to_owned(), shape: "u8".to_owned() });
    assert_eq!(here.common(&base()).unwrap().datasets(), [3]);
    assert_eq!(base().common(&here).unwrap().datasets(), [3]);
    here.chunks[0].rpcs.remove(1);
    let difference = here.common(&base()).unwrap_err();
    assert_eq!(
        difference.to_string(),
        "chunk `ship`: rpc `ping` is only there, at the end ({ damage: u8 } unreliable)"
    );
    let mut there = base();
    there.chunks[0].datasets.push(FieldSnapshot { name: "cargo".to_owned(), shape: "u16".to_owned() });
    let mut here = base();
    here.chunks[0].datasets.push(FieldSnapshot { name: "fuel".to_owned(), shape: "u8".to_owned() });
    let difference = here.common(&there).unwrap_err();
    assert_eq!(difference.to_string(), "chunk `ship`: dataset `cargo` is only there, at the end (u16)");
}

#[test]
fn the_first_dataset_of_another_kind_of_messages_is_not_compatible() {
    let (none, one) = (ship(&[], &[]), ship(&[("x", "entropy<f32>")], &[]));
    assert_eq!(one.diff(&none).compatibility(), Compatibility::Breaking);
    assert_eq!(none.diff(&one).compatibility(), Compatibility::Breaking);
    let both = |chunk: &Snapshot| {
        let mut all = chunk.clone();
        all.chunks.extend(ship(&[("y", "entropy<f32>")], &[]).chunks);
        all.chunks[1].name = "wreck".to_owned();
        all
    };
    assert_eq!(both(&one).diff(&both(&none)).compatibility(), Compatibility::Compatible);
}
