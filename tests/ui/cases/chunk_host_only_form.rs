use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(host_only = )]
struct A {
    a: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(host_only = true)]
struct B {
    b: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(host_only = Session)]
struct C {
    c: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(host_only(Replica))]
struct D {
    d: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(host_only, host_only = Replica)]
struct E {
    e: u8,
}

fn main() {}
