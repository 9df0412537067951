//! Chunk types and helpers that the test suites share.

pub mod chunks;
pub mod document;
pub mod forge;
pub mod links;
pub mod mesh;
pub mod scenarios;
