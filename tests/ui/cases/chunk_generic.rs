use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship<T> {
    cargo: T,
}

fn main() {}
