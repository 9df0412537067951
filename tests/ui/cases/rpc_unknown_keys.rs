use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs(root = gridmate_runtime)]
impl Ship {
    #[rpc(relaible)]
    fn fire(&mut self, _ctx: &RpcContext, #[marshal(skip)] _burst: u8) {}
}

fn has_rpcs<T: gridmate_runtime::chunk::HasRpcs>() {}

fn main() {
    has_rpcs::<Ship>();
}
