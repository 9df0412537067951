use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(name = ship, migratable = true, priority, crate = 3)]
struct Ship {
    health: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk = "boat"]
struct Boat {
    health: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(name = "")]
struct Nameless {
    health: u8,
}

fn main() {}
