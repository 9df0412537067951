// A mistake in an attribute comes alone: the stub asks nothing of the type that the program has not said.
use gridmate_runtime::ReplicaChunk;

#[derive(ReplicaChunk)]
#[chunk(priority = "high")]
enum Ship {
    Sunk,
}

#[derive(Default, ReplicaChunk)]
#[chunk(priority = 3)]
struct Boat {}

fn main() {}
