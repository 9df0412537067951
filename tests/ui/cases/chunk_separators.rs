use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(migratable name = "ship")]
struct Ship {}

#[derive(Default, ReplicaChunk)]
#[chunk(name = "boat"; migratable)]
struct Boat {}

#[derive(Default, ReplicaChunk)]
#[chunk(, migratable)]
struct Raft {}

fn main() {}
