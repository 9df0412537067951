//! The targets of the fuzzer. What they do lies with the tests, which do the same with every input that is kept in `corpus/`.

#[path = "../../tests/fuzz/bodies/mod.rs"]
mod bodies;

/// Gives an input to a target.
///
/// # Panics
/// When there is no such target, or when it has found something.
pub fn run(target: &str, input: &[u8]) {
    let (_, body) = bodies::TARGETS.iter().find(|(name, _)| *name == target).expect("a target of that name");
    body(input);
}
