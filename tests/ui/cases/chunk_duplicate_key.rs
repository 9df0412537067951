use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(migratable, name = "ship")]
#[chunk(name = "boat", migratable)]
struct Ship {
    health: u8,
}

fn main() {}
