use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(nmae = "ship")]
struct Ship {
    health: u8,
}

fn main() {}
