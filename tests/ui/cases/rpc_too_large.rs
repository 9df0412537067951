use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Canvas {
    size: u8,
}

#[rpcs]
impl Canvas {
    #[rpc]
    fn paint(&mut self, _ctx: &RpcContext, _x: u8, _pixels: [u32; 2_048]) {}

    #[rpc(unreliable)]
    fn name(&mut self, _ctx: &RpcContext, #[marshal(max_len = 1_025)] _name: String) {}

    #[rpc]
    fn both(&mut self, _ctx: &RpcContext, #[marshal(max_len = 4_096)] _a: String, #[marshal(max_len = 4_096)] _b: String) {}
}

fn main() {}
