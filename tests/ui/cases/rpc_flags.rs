use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc(reliable, unreliable)]
    fn a(&mut self, _ctx: &RpcContext) {}
    #[rpc(authority_only, owner_only)]
    fn b(&mut self, _ctx: &RpcContext) {}
    #[rpc(post_attached)]
    fn c(&mut self, _ctx: &RpcContext) {}
    #[rpc(unreliable = true, unreliable)]
    fn d(&mut self, _ctx: &RpcContext) {}
}

fn main() {}
