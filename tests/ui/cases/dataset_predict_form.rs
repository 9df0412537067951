use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(predict)]
    a: f32,
    #[dataset(predict = )]
    b: f32,
    #[dataset(predict = Quadratic)]
    c: f32,
    #[dataset(predict = "linear")]
    d: f32,
    #[dataset(predict = Linear, predict = Linear)]
    e: f32,
    #[dataset(skip, predict = Linear)]
    f: f32,
    #[dataset(max_len = 5, predict = Linear)]
    g: Vec<f32>,
}

fn main() {}
