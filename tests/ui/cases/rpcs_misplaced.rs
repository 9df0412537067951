use gridmate_runtime::{ReplicaChunk, RpcContext, rpcs};

#[derive(Default, ReplicaChunk)]
struct Ship {}

#[rpcs]
impl Clone for Ship {
    fn clone(&self) -> Self {
        Self {}
    }
}

#[rpcs]
impl<T> Cargo<T> {
    #[rpc]
    fn load(&mut self, _ctx: &RpcContext) {}
}

struct Cargo<T>(T);

#[rpcs]
fn fire() {}

fn main() {}
