use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(throttle)]
    a: f32,
    #[dataset(throttle = )]
    b: f32,
    #[dataset(throttle = 0.5)]
    c: f32,
    #[dataset(throttle = "exact")]
    d: f32,
    #[dataset(throttle(Epsilon(0.5)))]
    e: f32,
    #[dataset(throttle = Exact, throttle = Epsilon(0.5))]
    f: f32,
}

fn main() {}
