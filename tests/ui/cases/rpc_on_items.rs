use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Ship {
    #[rpc]
    pub const GUNS: u8 = 3;

    #[rpc]
    unsafe fn fire(&mut self, _ctx: &RpcContext) {}

    #[rpc]
    const fn aim(&mut self, _ctx: &RpcContext) {}

    #[rpc]
    extern "C" fn load(&mut self, _ctx: &RpcContext) {}
}

fn main() {}
