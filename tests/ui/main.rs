//! Compile-fail.
fn main() {}
