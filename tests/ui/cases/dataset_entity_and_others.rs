use gridmate_runtime::{EntityRef, Marshal, ReplicaChunk};

#[derive(Default, ReplicaChunk)]
struct Missile {
    #[dataset(entity = Ship)]
    target: EntityRef,
    #[dataset(skip, entity)]
    owner: EntityRef,
    #[dataset(entity, with = Half)]
    a: EntityRef,
    #[dataset(predict = Linear, entity)]
    b: EntityRef,
    #[dataset(entity, entity)]
    c: EntityRef,
    #[dataset(entity(Ship), max_len = 4)]
    d: EntityRef,
}

#[derive(Marshal)]
struct Order {
    #[marshal(bits = 4, entity)]
    to: EntityRef,
}

fn main() {}
