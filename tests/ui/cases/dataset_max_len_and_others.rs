use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(max_len = 8, with = Native)]
    a: String,
    #[dataset(quantize(0.0..=1.0, bits = 8), max_len = 8)]
    b: String,
    #[dataset(skip, max_len = 8)]
    c: String,
    #[dataset(max_len = 8, max_len = 9)]
    d: String,
}

fn main() {}
