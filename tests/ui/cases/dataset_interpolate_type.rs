use gridmate_runtime::ReplicaChunk;
use gridmate_runtime::chunk::{Angle, Exact, Linear};

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(interpolate = Linear)]
    name: String,
    #[dataset(interpolate = Exact)]
    altitude: f32,
    #[dataset(interpolate = Angle::DEGREES)]
    deck: u8,
    #[dataset(interpolate = Slerp)]
    rotation: [f32; 4],
}

fn main() {}
