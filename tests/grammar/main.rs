//! What the keys of the attributes do when a program runs: two managers, no carrier, no loss.

mod coder;
mod interpolate;
mod limits;
mod max_len;
mod on_change;
mod predict;
mod rate;
mod throttle;

use gridmate_runtime::prelude::*;
use gridmate_tests::mesh::{Mesh, Weather};

/// A host that holds the primary of `chunk`, and a client that has it.
fn shared<T: ReplicaChunk>(chunk: T) -> (Mesh, ReplicaId) {
    let registry = Registry::builder().chunk::<T>().build().expect("one type");
    let mut mesh = Mesh::new(&registry, 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(chunk).unwrap();
    mesh.run(20);
    (mesh, id)
}
