use gridmate_runtime::{Marshal, ReplicaChunk};

#[derive(Default, Marshal)]
struct Pose {
    x: f32,
}

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(predict = Linear)]
    pose: Pose,
    #[dataset(predict = Linear)]
    name: String,
}

fn main() {}
