//! The macros as netbinding re-exports them: what they write names netbinding and nothing below it.

use ::core::assert_eq;
use ::core::cmp::PartialEq;
use ::core::default::Default;
use ::core::prelude::v1::test;
use ::netbinding::{Marshal, NetBindable, ReplicaChunk, RpcContext, rpcs};

use crate::round_trip::{marshals, replicates};

#[derive(Default, PartialEq, Marshal)]
struct Value(u8);

#[derive(Default, ReplicaChunk)]
struct Chunk {
    value: Value,
}

#[derive(Default, NetBindable)]
#[chunk(name = "ship")]
struct Ship {
    #[dataset(quantize(0..=1, bits = 1), on_change(Self::on_health, everywhere), interpolate = ::netbinding::prelude::Linear)]
    health: f32,
    #[dataset(max_len = 3)]
    crew: ::std::vec::Vec<u8>,
}

impl Ship {
    fn on_health(&mut self, _ctx: &::netbinding::prelude::TimeContext) {}
}

#[rpcs]
impl Ship {
    #[rpc]
    fn repair(&mut self, _ctx: &RpcContext, to: f32) {
        self.health = to;
    }
}

fn name<T: NetBindable>(_: &T) -> &'static str {
    T::DESCRIPTOR.name
}

#[test]
fn netbinding_is_enough() {
    marshals(&Value(1), &Value(2));
    assert_eq!(replicates(&Chunk { value: Value(3) }).value.0, 3);
    assert_eq!(name(&replicates(&Ship { health: 1.0, ..Default::default() })), "ship");
    assert_eq!(Ship::RPCS.len(), 1);
}
