use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    #[cfg(all())]
    fn sometimes(&mut self, _ctx: &RpcContext) {}
    #[rpc]
    async fn later(&mut self, _ctx: &RpcContext) {}
    #[rpc]
    fn generic<T>(&mut self, _ctx: &RpcContext) {}
    #[rpc]
    const LIMIT: u8 = 3;
}

fn main() {}
