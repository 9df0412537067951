use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    fn pattern(&mut self, _ctx: &RpcContext, Wrapping(_a): Wrapping<u8>) {}
    #[rpc]
    fn by_reference(&mut self, _ctx: &RpcContext, ref _a: u8) {}
    #[rpc]
    fn context_by_value(&mut self, _ctx: RpcContext, _a: u8) {}
}

struct Wrapping<T>(T);

fn main() {}
