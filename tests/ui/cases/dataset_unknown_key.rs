use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(quantise(0.0..=1.0, step = 0.1))]
    health: f32,
}

fn main() {}
