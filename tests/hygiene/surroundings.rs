//! Types in unusual places: in a function's body, out of a `macro_rules!`, among names that stand in the way.

use ::core::assert_eq;
use ::core::cmp::PartialEq;
use ::core::default::Default;
use ::core::prelude::v1::test;
use ::gridmate_runtime::chunk::Epsilon;
use ::gridmate_runtime::{Marshal, ReplicaChunk, RpcContext, TimeContext, rpcs};

use crate::round_trip::{marshals, replicates};

#[test]
fn in_a_function() {
    #[derive(Default, PartialEq, Marshal)]
    struct Inner {
        a: u8,
    }

    #[derive(Default, ReplicaChunk)]
    struct Local {
        inner: Inner,
    }

    #[rpcs]
    impl Local {
        #[rpc]
        fn reset(&mut self, _ctx: &RpcContext, to: u8) {
            self.inner.a = to;
        }
    }

    assert_eq!(replicates(&Local { inner: Inner { a: 1 } }).inner.a, 1);
    marshals(&Inner { a: 1 }, &Inner { a: 2 });
    assert_eq!(Local::RPCS.len(), 1);
}

macro_rules! declare {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $ty:ty = $low:literal..=$high:expr),* } rpc $rpc:ident($arg:ident: $arg_ty:ty)) => {
        #[derive(Default, ReplicaChunk)]
        $(#[$meta])*
        struct $name {
            from_the_macro: u16,
            $(#[dataset(quantize($low..=$high, bits = 8), throttle = Epsilon($high), on_change($name::hear, everywhere))] $field: $ty,)*
        }

        impl $name {
            fn hear(&mut self, _ctx: &TimeContext) {}
        }

        #[rpcs]
        impl $name {
            #[rpc]
            fn $rpc(&mut self, ctx: &RpcContext, $arg: $arg_ty, from_the_macro: u16) {
                self.from_the_macro = from_the_macro;
                let _ = (ctx, $arg);
            }
        }
    };
}

declare! {
    #[chunk(name = "declared")]
    Declared { heading: f32 = -180.0..=180.0, speed: f32 = 0.0..=2.0 * 10.0 } rpc turn(from_the_macro: f32)
}

#[test]
fn out_of_a_macro() {
    let proxy = replicates(&Declared { from_the_macro: 7, heading: 180.0, speed: 20.0 });
    assert_eq!((proxy.from_the_macro, proxy.heading, proxy.speed), (7, 180.0, 20.0));
    assert_eq!((Declared::DESCRIPTOR.name, Declared::RPCS[0].args.len()), ("declared", 2));
}

mod in_the_way {
    //! Everything generated code could be tempted to name without a path.

    use ::core::default::Default;
    use ::gridmate_runtime::{Marshal, ReplicaChunk, RpcContext, rpcs};

    mod core {}
    mod std {}
    #[expect(dead_code, reason = "here to stand in the way")]
    struct Option;
    #[expect(dead_code, reason = "as above")]
    struct Result;
    #[expect(dead_code, reason = "as above")]
    struct Field;
    #[expect(dead_code, reason = "as above")]
    trait Clone {}

    #[derive(Default, Marshal)]
    pub(super) struct Value {
        pub(super) a: u8,
    }

    #[derive(Default, ReplicaChunk)]
    pub(super) struct Chunk {
        pub(super) value: Value,
    }

    #[rpcs]
    impl Chunk {
        #[rpc]
        pub(super) fn set(&mut self, _ctx: &RpcContext, a: u8) {
            self.value.a = a;
        }
    }
}

#[test]
fn among_names_in_the_way() {
    use in_the_way::{Chunk, Value};

    assert_eq!(replicates(&Chunk { value: Value { a: 3 } }).value.a, 3);
    assert_eq!(Chunk::RPCS.len(), 1);
}

/// A block that is compiled out takes what is generated from it along.
#[rpcs]
#[cfg(any())]
impl Absent {
    #[rpc]
    fn never(&mut self, _ctx: &RpcContext) {}
}
