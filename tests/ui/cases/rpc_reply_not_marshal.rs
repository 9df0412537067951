use gridmate_runtime::{ReplicaChunk, Reply, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {
    health: u8,
}

struct Secret;

#[rpcs]
impl Ship {
    #[rpc]
    fn ask(&mut self, _ctx: &RpcContext) -> Reply<Secret> {
        Reply(Secret)
    }
}

fn main() {}
