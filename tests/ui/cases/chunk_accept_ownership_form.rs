use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership)]
struct A {
    a: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership = , migratable)]
struct B {
    b: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership = |_, _| Ok(()))]
struct C {
    c: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership = "Self::may_go")]
struct D {
    d: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership(Self::may_go))]
struct E {
    e: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership = Self::may_go, migratable, accept_ownership = Self::may_go)]
struct F {
    f: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(accept_ownership = Self::may_go)]
struct G {
    g: u8,
}

impl G {
    fn may_go(&self, _request: &gridmate_runtime::OwnershipRequest) -> Result<(), u16> {
        Ok(())
    }
}

fn main() {}
