//! What programs know of each other's schemas: as JSON, as differences, as a file, and when one of them is refused.

mod diff;
mod digest;
mod join;
mod json;
mod strategy;

use gridmate_tests::chunks::{Gauge, Journal, registry};

#[test]
fn the_sample_chunks_are_as_they_were() {
    gridmate_runtime::assert_schema!("schema/wire.lock", registry());
}

#[test]
#[should_panic(expected = "chunk `vital` is only there\nThis is a breaking change.")]
fn another_schema_than_the_locked_one_is_told_in_words() {
    let registry = gridmate_runtime::Registry::builder().chunk::<Gauge>().chunk::<Journal>().build().unwrap();
    gridmate_runtime::assert_schema!("schema/wire.lock", &registry);
}
