use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    fn pattern(&mut self, _ctx: &RpcContext, (_a, _b): (u8, u8)) {}
    #[rpc]
    fn unnamed(&mut self, _ctx: &RpcContext, _: u8) {}
    #[rpc]
    fn borrowed(&mut self, _ctx: &RpcContext, _name: &str) {}
    #[rpc]
    fn either(&mut self, _ctx: &RpcContext, _name: impl Copy) {}
    #[rpc]
    fn sometimes(&mut self, _ctx: &RpcContext, #[cfg(all())] _name: u8) {}
}

fn main() {}
