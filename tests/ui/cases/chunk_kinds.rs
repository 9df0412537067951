use gridmate_runtime::ReplicaChunk;

#[derive(ReplicaChunk)]
enum Ship {
    Sunk,
}

#[derive(Default, ReplicaChunk)]
struct Boat(u8);

#[derive(ReplicaChunk)]
union Raft {
    logs: u8,
}

fn main() {}
