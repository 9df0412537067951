use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    fn ask(&mut self, _ctx: &RpcContext) -> bool {
        true
    }
}

fn main() {}
