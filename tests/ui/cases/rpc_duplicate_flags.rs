use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc(unreliable, unreliable)]
    fn a(&mut self, _ctx: &RpcContext) {}
    #[rpc(owner_only)]
    #[rpc(owner_only)]
    fn b(&mut self, _ctx: &RpcContext) {}
    #[rpc(post_attached = true, post_attached = false)]
    fn c(&mut self, _ctx: &RpcContext) {}
    #[rpc(post_attached = "yes")]
    fn d(&mut self, _ctx: &RpcContext) {}
    #[rpc = "reliable"]
    fn e(&mut self, _ctx: &RpcContext) {}
}

fn main() {}
