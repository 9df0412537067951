// The key is wrong as well, but what is no chunk has no datasets to read.
use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship(#[dataset(skpi)] u8);

fn main() {}
