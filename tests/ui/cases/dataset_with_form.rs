use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(with)]
    a: f32,
    #[dataset(with = )]
    b: f32,
    #[dataset(with(Half))]
    c: f32,
    #[dataset(with = "Half")]
    d: f32,
    #[dataset(with = Half, with = Half)]
    e: f32,
    #[dataset(with = half)]
    f: f32,
    #[dataset(with = Half extra)]
    g: f32,
}

fn main() {}
