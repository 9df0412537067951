use gridmate_runtime::{LifeContext, ReplicaChunk};

#[derive(Default, ReplicaChunk)]
#[chunk(on_activate)]
struct A {
    a: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(on_attach = , migratable)]
struct B {
    b: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(on_update = "Self::on_update")]
struct C {
    c: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(on_detach(Self::on_detach))]
struct D {
    d: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(on_deactivate = Self::sleep, on_deactivate = Self::sleep)]
struct E {
    e: u8,
}

impl E {
    fn sleep(&mut self, _ctx: &LifeContext) {}
}

#[derive(Default, ReplicaChunk)]
#[chunk(on_owner_change = 7)]
struct F {
    f: u8,
}

#[derive(Default, ReplicaChunk)]
#[chunk(on_spawn = Self::on_spawn)]
struct G {
    g: u8,
}

fn main() {}
