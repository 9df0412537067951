use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship;

#[rpcs]
impl Ship {
    #[rpc]
    fn aim(&mut self, _ctx: &RpcContext, #[marshal(predict = Linear)] at: f32) {}
}

fn main() {}
