use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    fn a(&mut self, _ctx: &RpcContext, #[marshal(max_len = 0)] _name: String) {}
    #[rpc]
    fn b(&mut self, _ctx: &RpcContext, #[marshal(bits = 3, max_len = 3)] _name: u8) {}
    #[rpc]
    fn c(&mut self, _ctx: &RpcContext, #[marshal(throttle = Exact)] _heat: f32) {}
    #[rpc]
    fn d(&mut self, _ctx: &RpcContext, #[marshal(with)] _heat: f32) {}
    #[rpc]
    fn e(&mut self, _ctx: &RpcContext, #[marshal = "bits"] _heat: u8) {}
}

fn main() {}
