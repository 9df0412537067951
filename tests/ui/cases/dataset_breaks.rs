use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Still {
    a: f32,
    #[dataset(breaks)]
    leaps: u8,
}

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(interpolate = gridmate_runtime::chunk::Linear)]
    a: f32,
    #[dataset(breaks = 3)]
    b: u8,
    #[dataset(breaks(true))]
    c: u8,
    #[dataset(breaks, breaks)]
    d: u8,
    #[dataset(breaks, throttle = gridmate_runtime::chunk::AtMost(3))]
    e: u8,
    #[dataset(skip, breaks)]
    f: u8,
}

fn main() {}
