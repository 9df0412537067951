use gridmate_runtime::{ReplicaChunk, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs(crate = "gridmate_runtime")]
impl Ship {}

#[derive(Default, ReplicaChunk)]
struct Boat {}

#[rpcs(crate = gridmate_runtime, crate = gridmate_runtime)]
impl Boat {}

#[derive(Default, ReplicaChunk)]
struct Raft {}

#[rpcs(unreliable)]
impl Raft {}

fn main() {}
