//! RPCs with 0 to 16 arguments, in their order, under every kind of codec.

#![expect(clippy::too_many_arguments, reason = "that is what is tested")]

use gridmate_runtime::chunk::HasRpcs;
use gridmate_runtime::prelude::*;
use gridmate_runtime::wire::{Codec, Shape, Sink, Source, WireError};
use gridmate_tests::mesh::{Mesh, Weather};

/// A codec of the program's own, with a state: numbers are moved by so much.
#[derive(Clone, Copy, Debug)]
struct Moved(u32);

impl Codec<u32> for Moved {
    type Repr = u32;

    fn shape(&self) -> Shape {
        Shape::named("moved", [<u32 as Marshal>::shape()])
    }

    fn to_repr(&self, value: &u32) -> u32 {
        value.wrapping_add(self.0)
    }

    fn from_repr(&self, repr: &u32) -> u32 {
        repr.wrapping_sub(self.0)
    }

    fn encode(&self, repr: &u32, w: &mut impl Sink) {
        w.bits(u64::from(*repr), 32);
    }

    fn decode(&self, r: &mut impl Source) -> Result<u32, WireError> {
        r.bits(32).map(|bits| u32::try_from(bits).expect("32 bits"))
    }
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Many {
    #[dataset(skip)]
    got: Vec<Vec<u32>>,
}

#[rpcs]
impl Many {
    #[rpc]
    fn with_0(&mut self, _ctx: &RpcContext) -> Propagate {
        self.got.push(vec![]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_1(&mut self, _ctx: &RpcContext, a0: u32) -> Propagate {
        self.got.push(vec![a0]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_2(&mut self, _ctx: &RpcContext, a0: u32, #[marshal(bits = 20)] a1: u32) -> Propagate {
        self.got.push(vec![a0, a1]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_3(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_4(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_5(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_6(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_7(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_8(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_9(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_10(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_11(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
        #[marshal(bits = 20)] a10: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_12(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
        #[marshal(bits = 20)] a10: u32,
        #[marshal(with = Moved(7))] a11: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_13(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
        #[marshal(bits = 20)] a10: u32,
        #[marshal(with = Moved(7))] a11: u32,
        a12: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_14(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
        #[marshal(bits = 20)] a10: u32,
        #[marshal(with = Moved(7))] a11: u32,
        a12: u32,
        #[marshal(bits = 20)] a13: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_15(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
        #[marshal(bits = 20)] a10: u32,
        #[marshal(with = Moved(7))] a11: u32,
        a12: u32,
        #[marshal(bits = 20)] a13: u32,
        #[marshal(with = Moved(7))] a14: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14]);
        Propagate::ToProxies
    }

    #[rpc]
    fn with_16(
        &mut self,
        _ctx: &RpcContext,
        a0: u32,
        #[marshal(bits = 20)] a1: u32,
        #[marshal(with = Moved(7))] a2: u32,
        a3: u32,
        #[marshal(bits = 20)] a4: u32,
        #[marshal(with = Moved(7))] a5: u32,
        a6: u32,
        #[marshal(bits = 20)] a7: u32,
        #[marshal(with = Moved(7))] a8: u32,
        a9: u32,
        #[marshal(bits = 20)] a10: u32,
        #[marshal(with = Moved(7))] a11: u32,
        a12: u32,
        #[marshal(bits = 20)] a13: u32,
        #[marshal(with = Moved(7))] a14: u32,
        a15: u32,
    ) -> Propagate {
        self.got.push(vec![a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15]);
        Propagate::ToProxies
    }
}

/// Calls all of them, with numbers from `from` on.
fn call_all(from: u32, mut rpcs: <Many as HasRpcs>::Caller<'_>) {
    let n = |i: u32| from + i;
    rpcs.with_0().unwrap();
    rpcs.with_1(n(0)).unwrap();
    rpcs.with_2(n(0), n(1)).unwrap();
    rpcs.with_3(n(0), n(1), n(2)).unwrap();
    rpcs.with_4(n(0), n(1), n(2), n(3)).unwrap();
    rpcs.with_5(n(0), n(1), n(2), n(3), n(4)).unwrap();
    rpcs.with_6(n(0), n(1), n(2), n(3), n(4), n(5)).unwrap();
    rpcs.with_7(n(0), n(1), n(2), n(3), n(4), n(5), n(6)).unwrap();
    rpcs.with_8(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7)).unwrap();
    rpcs.with_9(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8)).unwrap();
    rpcs.with_10(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9)).unwrap();
    rpcs.with_11(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10)).unwrap();
    rpcs.with_12(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11)).unwrap();
    rpcs.with_13(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11), n(12)).unwrap();
    rpcs.with_14(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11), n(12), n(13)).unwrap();
    rpcs.with_15(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11), n(12), n(13), n(14))
        .unwrap();
    rpcs.with_16(n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11), n(12), n(13), n(14), n(15))
        .unwrap();
}

#[test]
fn every_number_of_arguments_arrives_with_values_and_order() {
    let registry = Registry::builder().chunk::<Many>().build().unwrap();
    for owner in [0, 1] {
        let mut mesh = Mesh::new(&registry, 2, 1, Weather::FOUL);
        let id = mesh.managers[owner].add(Many::default()).unwrap();
        mesh.settle();
        call_all(1_000, mesh.managers[2].proxy::<Many>(id).unwrap().rpcs());
        mesh.settle();
        call_all(500_000, mesh.managers[owner].primary_mut::<Many>(id).unwrap().rpcs());
        mesh.settle();
        let expected: Vec<Vec<u32>> =
            [1_000, 500_000].into_iter().flat_map(|from| (0..17).map(move |n| (from..from + n).collect())).collect();
        for manager in &mesh.managers {
            assert_eq!(manager.get::<Many>(id).unwrap().got, expected, "owner {owner}");
        }
    }
}
