//! `#[derive(Marshal)]`.

#![expect(
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    unused_imports,
    reason = "the cases are declared as programs would, and not used"
)]

use crate::cases;

cases! { marshal;
    named as Loadout {
        pub struct Loadout {
            #[marshal(bits = 5)]
            slots: u8,
            ammo: Vec<u16>,
            #[marshal(skip)]
            weight: f32,
        }
    }
    entity as Order {
        struct Order(#[marshal(entity)] EntityRef, u8);
    }
    max_len as Loadout<5> {
        struct Loadout<const N: usize> {
            #[marshal(max_len = 8)]
            ammo: Vec<u16>,
            #[marshal(max_len = N)]
            name: String,
        }
    }
    newtype as Cents { struct Cents(i64); }
    tuple as Sample {
        struct Sample(#[marshal(quantize(0.0..=1.0, bits = 8))] f32, #[marshal(skip)] u8, #[marshal(bits = BITS)] u16);
    }
    unit as Nothing { struct Nothing; }
    generic as Pair<u16, String> {
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
    generic_codec as Boxed<u8, 3> {
        struct Boxed<T, const N: u32> {
            #[marshal(with = Packed::<N>)]
            value: T,
            #[marshal(bits = N)]
            count: u32,
        }
    }
    generic_self as Slot<u16> {
        struct Slot<T> {
            #[marshal(with = Self::CODEC as Packed<Self>)]
            value: T,
        }
    }, given {
        use crate::given::PackedFor as Packed;
        impl<T> Slot<T> {
            const CODEC: Packed<Self> = Packed(PhantomData);
        }
    }
    explicit_bound as Slot<Thing> {
        #[marshal(bound = "T: Item, <T as Item>::Key: Marshal", crate = engine)]
        struct Slot<T: Item> { key: <T as Item>::Key }
    }, given {
        use gridmate_runtime as engine;
    }
    lifetime_and_const as Window<'static, 3> {
        struct Window<'a, const N: usize> {
            bytes: [u8; N],
            #[marshal(skip)]
            source: Option<&'a [u8]>,
        }
    }
    enum_of_units as Team {
        enum Team { Red, Green, Blue }
    }
    enum_with_fields as Weapon {
        #[marshal(tag_bits = 3)]
        pub enum Weapon {
            Idle,
            Charging { #[marshal(bits = 4)] level: u8 },
            #[marshal(tag = 6)]
            Firing(#[marshal(quantize(0.0..=1.0, bits = 8))] f32, #[marshal(skip)] u32, Entity),
            Broken,
        }
    }
    enum_of_one as Only {
        enum Only { This(u8) }
    }
    generic_enum as Either<u8, String> {
        enum Either<L, R> { Left(L), Right { value: R }, Neither }
    }
    raw_identifiers as r#enum {
        enum r#enum { r#type { r#match: u8 } }
    }
    mistake, never "a key that is not for structs" {
        struct Pair<T> { #[marshal(tag = 3)] value: T }
    }
}
