use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
#[chunk(send_to)]
struct A {
    a: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(send_to = , migratable)]
struct B {
    b: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(send_to = |_, _| true)]
struct C {
    c: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(send_to = "Self::is_for")]
struct D {
    d: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(send_to(Self::is_for))]
struct E {
    e: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(send_to = Self::is_for, send_to = Self::is_for)]
struct F {
    f: u8,
}

fn main() {}
