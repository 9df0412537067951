use gridmate_runtime::{EntityRef, Marshal, ReplicaChunk};

#[derive(Clone, Default, ReplicaChunk)]
struct Missile {
    target: EntityRef,
}

#[derive(Clone, Default, ReplicaChunk)]
struct Rocket {
    target: Option<EntityRef>,
    speed: u8,
}

#[derive(Clone, Default, Marshal)]
struct Aim {
    at: EntityRef,
}

fn main() {}
