use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(with = Half, skip, on_change = Self::on_health)]
    health: f32,
}

fn main() {}
