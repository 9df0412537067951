use gridmate_runtime::ReplicaChunk;

const FAST: u16 = 30;

#[derive(Default, ReplicaChunk)]
#[chunk(rate = FAST)]
struct Fine {
    health: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(rate)]
struct Alone {
    health: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(rate = 0)]
struct Never {
    health: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(rate = "often")]
struct Text {
    health: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(rate = 10, rate = 20)]
struct Twice {
    health: u8,
}

fn main() {}
