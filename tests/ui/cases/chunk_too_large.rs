use gridmate_runtime::{Marshal, ReplicaChunk};

#[derive(ReplicaChunk)]
#[chunk(name = "grid")]
struct Grid {
    width: u32,
    cells: [u64; 2_048],
    after: u8,
}

#[derive(Default, ReplicaChunk)]
struct Chat {
    #[dataset(max_len = 10_000)]
    said: String,
    #[dataset(max_len = 200)]
    cells: Vec<Cell>,
}

#[derive(ReplicaChunk)]
struct Field {
    #[dataset(quantize(0.0..=1.0, bits = 12))]
    fits: [f32; 10_000],
    #[dataset(quantize(0.0..=1.0, bits = 12), predict = Linear)]
    heights: [f32; 1_000],
}

#[derive(Marshal)]
enum Cell {
    Empty,
    Full { of: (u128, Option<u128>) },
}

impl Default for Grid {
    fn default() -> Self {
        Self { width: 0, cells: [0; 2_048], after: 0 }
    }
}

impl Default for Field {
    fn default() -> Self {
        Self { fits: [0.0; 10_000], heights: [0.0; 1_000] }
    }
}

fn main() {}
