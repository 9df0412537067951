use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {
    health: u8,
}

#[rpcs]
impl Ship {
    #[rpc(burst = 3)]
    fn a(&mut self, _ctx: &RpcContext) {}

    #[rpc(rate = 0)]
    fn b(&mut self, _ctx: &RpcContext) {}

    #[rpc(rate = 5, burst = 70000)]
    fn c(&mut self, _ctx: &RpcContext) {}

    #[rpc(rate)]
    fn d(&mut self, _ctx: &RpcContext) {}

    #[rpc(rate = "often")]
    fn e(&mut self, _ctx: &RpcContext) {}

    #[rpc(no_relay = true)]
    fn f(&mut self, _ctx: &RpcContext) {}

    #[rpc(rate = 1, rate = 2)]
    fn g(&mut self, _ctx: &RpcContext) {}
}

fn main() {}
