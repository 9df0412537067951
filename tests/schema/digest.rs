//! What fits a refusal, and what can be read out of it.

use gridmate_runtime::limits::SCHEMA_DETAIL_BYTES;
use gridmate_runtime::schema::{ChunkSnapshot, FieldSnapshot, Snapshot};
use proptest::prelude::*;

use super::strategy::{tame, wild};

proptest! {
    #[test]
    fn small_schemas_are_compared_in_full(here in tame(), there in tame()) {
        let digest = there.digest(SCHEMA_DETAIL_BYTES);
        prop_assert!(!digest.is_empty() && digest.len() <= SCHEMA_DETAIL_BYTES);
        prop_assert_eq!(here.first_difference(&digest), here.diff(&there).differences.into_iter().next());
    }

    #[test]
    fn no_limit_is_exceeded_and_nothing_differs_from_itself(snapshot in wild(), limit in 0usize..400) {
        let digest = snapshot.digest(limit);
        prop_assert!(digest.len() <= limit);
        prop_assert_eq!(snapshot.first_difference(&digest), None);
    }

    #[test]
    fn no_bytes_panic(here in tame(), form in 0u8..6, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = here.first_difference(&bytes);
        let _ = here.first_difference(&[&[form, 1, 0][..], &bytes].concat());
    }

    #[test]
    fn a_digest_cut_short_says_nothing(here in tame(), there in tame(), limit in 0usize..400) {
        let digest = there.digest(limit);
        for cut in 0..digest.len() {
            prop_assert_eq!(here.first_difference(&digest[..cut]), None);
        }
    }
}

/// So many chunk types of so many datasets.
fn large(chunks: usize, datasets: usize) -> Snapshot {
    let dataset =
        |i| FieldSnapshot { name: format!("dataset{i}"), shape: "quantize(-256..=256, step 0.01)".to_owned() };
    let chunk = |i| ChunkSnapshot {
        name: format!("chunk{i:03}"),
        datasets: (0..datasets).map(dataset).collect(),
        ..ChunkSnapshot::default()
    };
    Snapshot { chunks: (0..chunks).map(chunk).collect() }
}

#[test]
fn the_larger_the_schema_the_less_is_said() {
    let cases = [
        (3, 6, "chunk `chunk001`: dataset `dataset4`: u8 here, quantize(-256..=256, step 0.01) there"),
        (8, 6, "chunk `chunk001`: dataset `dataset4`: u8 here, something else there"),
        (25, 6, "chunk `chunk001`: dataset `dataset4`: u8 here, something else there"),
        (120, 6, "chunk `chunk001` is not the same there"),
    ];
    for (form, (chunks, datasets, words)) in (1..).zip(cases) {
        let there = large(chunks, datasets);
        let mut here = there.clone();
        here.chunks[1].datasets[4].shape = "u8".to_owned();
        let digest = there.digest(SCHEMA_DETAIL_BYTES);
        assert_eq!(digest[0], form);
        assert_eq!(here.first_difference(&digest).unwrap().to_string(), words);
    }
    assert_eq!(large(1_000, 6).digest(SCHEMA_DETAIL_BYTES), []);
}

#[test]
fn names_that_are_only_hashed_are_still_told_apart() {
    let there = large(25, 6);
    let digest = there.digest(SCHEMA_DETAIL_BYTES);
    let first = |change: &dyn Fn(&mut Vec<FieldSnapshot>)| {
        let mut here = there.clone();
        change(&mut here.chunks[7].datasets);
        here.first_difference(&digest).unwrap().to_string()
    };
    let renamed = first(&|datasets| datasets[2].name = "depth".to_owned());
    assert_eq!(renamed, "chunk `chunk007`: dataset `depth` has another name there");
    let removed = first(&|datasets| drop(datasets.remove(2)));
    assert_eq!(removed, "chunk `chunk007`: a dataset is only there");
    let moved = first(&|datasets| datasets.rotate_left(1));
    assert_eq!(moved, "chunk `chunk007`: dataset `dataset0` is at place 5 here, at 0 there");
}

#[test]
fn texts_that_terminals_would_obey_are_not_shown() {
    let mut there = large(1, 1);
    there.chunks[0].name = "\u{1b}[2J".to_owned();
    assert_eq!(large(1, 1).first_difference(&there.digest(SCHEMA_DETAIL_BYTES)), None);
}
