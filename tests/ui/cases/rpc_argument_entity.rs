use gridmate_runtime::{EntityRef, ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Missile {}

#[rpcs]
impl Missile {
    #[rpc]
    fn without_the_key(&mut self, _ctx: &RpcContext, to: EntityRef) {}

    #[rpc]
    fn optional(&mut self, _ctx: &RpcContext, to: Option<EntityRef>) {}

    #[rpc]
    fn other_type(&mut self, _ctx: &RpcContext, #[marshal(entity)] to: u32) {}

    #[rpc]
    fn several(&mut self, _ctx: &RpcContext, #[marshal(entity)] to: Vec<EntityRef>) {}
}

fn main() {}
