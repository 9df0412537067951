use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(max_len)]
    a: String,
    #[dataset(max_len(8))]
    b: String,
    #[dataset(max_len = )]
    c: String,
    #[dataset(max_len = "8")]
    d: String,
    #[dataset(max_len = 0)]
    e: String,
    #[dataset(max_len = 16_777_217)]
    f: String,
    #[dataset(max_len = -1)]
    g: String,
    #[dataset(max_len = 2.5)]
    h: String,
}

fn main() {}
