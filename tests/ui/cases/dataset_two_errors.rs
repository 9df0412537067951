// Both mistakes are reported, and nothing else: a stub stands in for the impl.
use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(on_chang = Self::f, skip = true)]
    health: u8,
    #[dataset(wiht = Half)]
    heat: f32,
}

fn is_chunk<T: ReplicaChunk>() {}

fn main() {
    is_chunk::<Ship>();
}
