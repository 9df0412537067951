use gridmate_runtime::{ReplicaChunk, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    fn missing(&mut self) {}
    #[rpc]
    fn forgotten(&mut self, _burst: u8) {}
}

fn main() {}
