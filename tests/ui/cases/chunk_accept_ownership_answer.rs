use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(migratable, accept_ownership = Self::may_go)]
struct Ball {
    held: bool,
}

impl Ball {
    fn may_go(&self, _request: &gridmate_runtime::OwnershipRequest) -> bool {
        true
    }
}

fn main() {}
