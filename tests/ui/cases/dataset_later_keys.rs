// What other libraries of the kind have here and this one does without.
use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(max_idle = 5)]
    a: f32,
    #[dataset(delta(range = 5.0))]
    b: f32,
    #[dataset(bits = 5)]
    c: u8,
}

fn main() {}
