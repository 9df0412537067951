//! What the cases name and do not declare.

pub(crate) use std::collections::HashMap;
pub(crate) use std::fmt::Debug;
pub(crate) use std::marker::PhantomData;

pub(crate) use glam::{Quat, Vec3};
pub(crate) use gridmate_runtime::prelude::{
    EntityRef, Epsilon, Half, Linear, Marshal, Priority, Propagate, ReplicaChunk, Reply, RpcContext, UnitVec,
};
pub(crate) use gridmate_runtime::wire::codec as codecs;
use gridmate_runtime::wire::codec::Native;
use gridmate_runtime::wire::{Codec, Shape, Sink, Source, WireError};

pub(crate) const LIMIT: i32 = 90;
pub(crate) const WIDTH: u32 = 11;
pub(crate) const BITS: u32 = 9;
pub(crate) const SEATS: usize = 3;

/// Names something, and travels as a number.
#[derive(Clone, Debug, PartialEq, Marshal)]
pub(crate) struct Handle<T> {
    id: u32,
    #[marshal(skip)]
    to: PhantomData<T>,
}

#[derive(Clone, Debug, PartialEq, Marshal)]
pub(crate) struct Entity(u64);

/// What has a key.
pub(crate) trait Item {
    type Key;
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thing;

impl Item for Thing {
    type Key = u16;
}

/// Anything at all, as it travels by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packed<const N: u32>;

/// The same for one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedFor<T>(pub(crate) PhantomData<T>);

/// Components that others require.
pub(crate) mod bound {
    #[derive(Clone, Debug, Default, netbinding::NetBindable)]
    pub(crate) struct Hull {
        plates: u8,
    }

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Engine<T>(super::PhantomData<T>);
}

/// Numbers with so many bits behind the point, in each way that a codec can be made.
pub(crate) mod fixed {
    use super::PhantomData;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Fixed<T> {
        pub(super) bits: i32,
        of: PhantomData<T>,
    }

    impl<T> Fixed<T> {
        pub(crate) const fn with_bits(bits: i32) -> Self {
            Self { bits, of: PhantomData }
        }
    }

    pub(crate) const SHIELD_CODEC: Fixed<i16> = Fixed::with_bits(8);

    pub(crate) mod tuple {
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Fixed(pub(crate) i32);
    }

    pub(crate) mod named {
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Fixed {
            pub(crate) bits: i32,
        }
    }
}

macro_rules! codec {
    ([$($generics:tt)*] $codec:ty, $of:ty, $inner:ty, |$this:ident, $value:ident| $to:expr, |$number:ident| $from:expr) => {
        impl<$($generics)*> Codec<$of> for $codec {
            type Repr = <$inner as Marshal>::Repr;

            fn shape(&self) -> Shape {
                Shape::named("given", [<$inner>::shape()])
            }
            fn to_repr(&self, $value: &$of) -> Self::Repr {
                let $this = self;
                Codec::<$inner>::to_repr(&Native, $to)
            }
            fn from_repr(&self, repr: &Self::Repr) -> $of {
                let ($this, $number) = (self, <$inner>::from_repr(repr));
                $from
            }
            fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
                <$inner>::encode(repr, w);
            }
            fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
                <$inner>::decode(r)
            }
        }
    };
}

#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn fix(value: f32, bits: i32) -> i16 {
    (value * 2_f32.powi(bits)).round() as i16
}

fn float(number: i16, bits: i32) -> f32 {
    f32::from(number) / 2_f32.powi(bits)
}

codec!([] fixed::Fixed<i16>, f32, i16, |this, value| &fix(*value, this.bits), |number| float(number, this.bits));
codec!([] fixed::tuple::Fixed, f32, i16, |this, value| &fix(*value, this.0), |number| float(number, this.0));
codec!([] fixed::named::Fixed, f32, i16, |this, value| &fix(*value, this.bits), |number| float(number, this.bits));
codec!([T: Marshal, const N: u32] Packed<N>, T, T, |_this, value| value, |number| number);
codec!([T: Marshal, S] PackedFor<S>, T, T, |_this, value| value, |number| number);

/// What cases look for at the root of the crate.
pub(crate) mod at_root {
    /// Handlers that any chunk may name.
    pub(crate) mod effects {
        use gridmate_runtime::TimeContext;

        pub(crate) fn explode<T>(_: &mut T, _: &TimeContext) {}
    }

    /// An interpolator with a parameter.
    pub(crate) mod blend {
        use gridmate_runtime::chunk::Interpolator;

        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Gentle {
            way: f32,
        }

        impl Gentle {
            pub(crate) const fn over(way: f32) -> Self {
                Self { way }
            }
        }

        impl Interpolator<f32> for Gentle {
            fn between(&self, from: &f32, to: &f32, t: f32) -> f32 {
                from + (to - from) * t.powf(self.way)
            }
        }
    }
}
