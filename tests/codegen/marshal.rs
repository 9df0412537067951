//! `#[derive(Marshal)]`.

use crate::{cases, marshal};

cases! { marshal;
    named {
        pub struct Loadout {
            #[marshal(bits = 5)]
            slots: u8,
            ammo: Vec<u16>,
            #[marshal(skip)]
            weight: f32,
        }
    }
    entity {
        struct Order(#[marshal(entity)] EntityRef, u8);
    }
    max_len {
        struct Loadout<const N: usize> {
            #[marshal(max_len = 8)]
            ammo: Vec<u16>,
            #[marshal(max_len = N)]
            name: String,
        }
    }
    newtype { struct Cents(i64); }
    tuple {
        struct Sample(#[marshal(quantize(0.0..=1.0, bits = 8))] f32, #[marshal(skip)] u8, #[marshal(bits = BITS)] u16);
    }
    unit { struct Nothing; }
    generic {
        struct Pair<A: Copy = u8, B = u8>
        where
            B: Debug,
        {
            a: A,
            b: Vec<B>,
            #[marshal(with = Half)]
            c: f32,
            #[marshal(skip)]
            marker: PhantomData<B>,
        }
    }
    generic_codec {
        struct Boxed<T, const N: u32> {
            #[marshal(with = Packed::<N>)]
            value: T,
            #[marshal(bits = N)]
            count: u32,
        }
    }
    generic_self {
        struct Slot<T> {
            #[marshal(with = Self::CODEC as Packed<Self>)]
            value: T,
        }
    }
    explicit_bound {
        #[marshal(bound = "T: Item, <T as Item>::Key: Marshal", crate = engine)]
        struct Slot<T: Item> { key: <T as Item>::Key }
    }
    lifetime_and_const {
        struct Window<'a, const N: usize> {
            bytes: [u8; N],
            #[marshal(skip)]
            source: Option<&'a [u8]>,
        }
    }
    enum_of_units {
        enum Team { Red, Green, Blue }
    }
    enum_with_fields {
        #[marshal(tag_bits = 3)]
        pub enum Weapon {
            Idle,
            Charging { #[marshal(bits = 4)] level: u8 },
            #[marshal(tag = 6)]
            Firing(#[marshal(quantize(0.0..=1.0, bits = 8))] f32, #[marshal(skip)] u32, Entity),
            Broken,
        }
    }
    enum_of_one {
        enum Only { This(u8) }
    }
    generic_enum {
        enum Either<L, R> { Left(L), Right { value: R }, Neither }
    }
    raw_identifiers {
        enum r#enum { r#type { r#match: u8 } }
    }
    mistake {
        struct Pair<T> { #[marshal(tag = 3)] value: T }
    }
}
