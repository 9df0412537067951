use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(coder)]
struct Ship {
    a: f32,
}

#[derive(Default, ReplicaChunk)]
#[chunk(coder = Zip)]
struct Boat {
    a: f32,
}

#[derive(Default, ReplicaChunk)]
#[chunk(coder = Packed, coder = Entropy)]
struct Raft {
    a: f32,
}

fn main() {}
