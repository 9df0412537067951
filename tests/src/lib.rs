//! Chunk types and helpers that the test suites share.

pub mod chunks;
pub mod forge;
pub mod mesh;
