use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(quantize)]
    a: f32,
    #[dataset(quantize(0.0..1.0, bits = 8))]
    b: f32,
    #[dataset(quantize(0.0..=1.0))]
    c: f32,
    #[dataset(quantize(0.0..=1.0, size = 8))]
    d: f32,
    #[dataset(quantize(0.0..=1.0, step = 0.1, bits = 8))]
    e: f32,
}

fn main() {}
