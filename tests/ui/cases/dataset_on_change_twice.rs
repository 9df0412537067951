use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(on_change = Self::one, on_change(Self::other, everywhere))]
    health: u8,
    #[dataset(on_change = Self::one, everywhere)]
    heat: u8,
}

fn main() {}
