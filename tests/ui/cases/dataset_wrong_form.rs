use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset = "skip"]
    a: f32,
    #[dataset[skip]]
    b: f32,
    #[dataset("skip")]
    c: f32,
    #[dataset(skip skip)]
    d: f32,
    #[dataset(skip(true))]
    e: f32,
}

fn main() {}
