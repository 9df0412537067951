use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(crate = "gridmate_runtime")]
struct Quoted {}

#[derive(Default, ReplicaChunk)]
#[chunk(crate)]
struct Missing {}

#[derive(Default, ReplicaChunk)]
#[chunk(crate = gridmate_runtime, crate = gridmate_runtime)]
struct Twice {}

fn main() {}
