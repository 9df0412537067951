use gridmate_runtime::ReplicaChunk;

#[derive(ReplicaChunk)]
struct Ship<'a, const N: usize> {
    name: &'a [u8; N],
}

fn main() {}
