//! Shape: what chunk types look like, without their values.

mod descriptor;

pub use descriptor::{ChunkDescriptor, DatasetDescriptor, Priority};
