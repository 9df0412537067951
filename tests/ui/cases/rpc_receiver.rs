use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    fn shared(&self, _ctx: &RpcContext) {}
    #[rpc]
    fn owned(self, _ctx: &RpcContext) {}
    #[rpc]
    fn typed(self: &mut Self, _ctx: &RpcContext) {}
    #[rpc]
    fn missing(_ctx: &RpcContext) {}
    #[rpc]
    fn empty() {}
}

fn main() {}
