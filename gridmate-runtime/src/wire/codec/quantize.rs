//! Floats in a known range, as integers.

/// Placeholder until the codec lands.
#[derive(Clone, Copy, Debug)]
pub struct Quantize;
