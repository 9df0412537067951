use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(interpolate)]
    a: f32,
    #[dataset(interpolate = )]
    b: f32,
    #[dataset(interpolate = 0.5)]
    c: f32,
    #[dataset(interpolate = "Linear")]
    d: f32,
    #[dataset(interpolate(Linear))]
    e: f32,
    #[dataset(interpolate = Linear, interpolate = Point)]
    f: f32,
    #[dataset(interpolation = Linear)]
    g: f32,
    #[dataset(skip, interpolate = Linear)]
    h: f32,
}

fn main() {}
