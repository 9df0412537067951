//! The state that travels: as the peers know it, and as ours is declared.

use bincode::{Decode, Encode};
use borsh::{BorshDeserialize, BorshSerialize};
use glam::{Quat, Vec3};
use gridmate_runtime::prelude::*;
use gridmate_runtime::wire::codec::{MaxLen, SmallestThree, Varint};
use serde::{Deserialize, Serialize};
use speedy::{Readable, Writable};
use wincode::{SchemaRead, SchemaWrite};

/// Items in a batch.
pub const BATCH: usize = 1000;
/// Ids are below this: 20 bits.
const IDS: u64 = 1 << 20;

/// Vectors are arrays here, which every library writes as it would glam's types, or faster.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Serialize,
    Deserialize,
    Encode,
    Decode,
    bitcode::Encode,
    bitcode::Decode,
    BorshSerialize,
    BorshDeserialize,
    Readable,
    Writable,
    SchemaRead,
    SchemaWrite,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Plain {
    pub id: u32,
    pub alive: bool,
    pub crouching: bool,
    pub firing: bool,
    pub health: f32,
    pub position: [f32; 3],
    pub rotation: [f32; 4],
    pub name: String,
    pub weapon: Weapon,
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Serialize,
    Deserialize,
    Encode,
    Decode,
    bitcode::Encode,
    bitcode::Decode,
    BorshSerialize,
    BorshDeserialize,
    Readable,
    Writable,
    SchemaRead,
    SchemaWrite,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
    Marshal,
)]
pub enum Weapon {
    Fists,
    Pistol,
    Rifle,
    Rocket,
    Medkit,
}

pub const WEAPONS: [Weapon; 5] = [Weapon::Fists, Weapon::Pistol, Weapon::Rifle, Weapon::Rocket, Weapon::Medkit];

/// Every value exactly; what is declared of the id and the name differs.
macro_rules! exact {
    ($($(#[$doc:meta])* $name:ident { $(#[$id:meta])? } { $(#[$text:meta])? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Marshal)]
        pub struct $name {
            $(#[$id])?
            pub id: u32,
            pub alive: bool,
            pub crouching: bool,
            pub firing: bool,
            pub health: f32,
            pub position: Vec3,
            pub rotation: Quat,
            $(#[$text])?
            pub name: String,
            pub weapon: Weapon,
        }
    )*};
}

exact! {
    /// The id as most serializers write an integer: a variable number of bytes.
    Exact { #[marshal(with = Varint)] } {}
    /// Nothing declared.
    Bare {} {}
    /// The width of the id and the limit of the name.
    Narrow { #[marshal(bits = 20)] } { #[marshal(with = MaxLen::<15>)] }
}

/// In as many bits as a game would give each: 16 per axis for 512 m, 10 per component of a rotation, 8 for health.
#[derive(Clone, Debug, PartialEq, Marshal)]
pub struct Quantised {
    #[marshal(bits = 20)]
    pub id: u32,
    pub alive: bool,
    pub crouching: bool,
    pub firing: bool,
    #[marshal(quantize(0.0..=100.0, bits = 8))]
    pub health: f32,
    #[marshal(quantize(-256.0..=256.0, bits = 16))]
    pub position: Vec3,
    #[marshal(with = SmallestThree::<10>)]
    pub rotation: Quat,
    #[marshal(with = MaxLen::<15>)]
    pub name: String,
    pub weapon: Weapon,
}

macro_rules! from_plain {
    ($($ours:ident)*) => {$(
        impl From<&Plain> for $ours {
            fn from(plain: &Plain) -> Self {
                let Plain { id, alive, crouching, firing, health, position, rotation, name, weapon } = plain.clone();
                let (position, rotation) = (Vec3::from_array(position), Quat::from_array(rotation));
                Self { id, alive, crouching, firing, health, position, rotation, name, weapon }
            }
        }
    )*};
}

from_plain!(Exact Bare Narrow Quantised);

/// The same items in every run.
pub fn items() -> Vec<Plain> {
    let mut rng = Rng(0x9E37_79B9_7F4A_7C15);
    (0..BATCH).map(|_| item(&mut rng)).collect()
}

fn item(rng: &mut Rng) -> Plain {
    let rotation = Quat::from_xyzw(rng.within(1.0), rng.within(1.0), rng.within(1.0), rng.within(1.0)).normalize();
    Plain {
        id: rng.below(IDS) as u32,
        alive: rng.below(2) == 1,
        crouching: rng.below(2) == 1,
        firing: rng.below(2) == 1,
        health: rng.within(50.0) + 50.0,
        position: [rng.within(256.0), rng.within(256.0), rng.within(256.0)],
        rotation: rotation.to_array(),
        name: (0..12).map(|_| char::from(b'a' + rng.below(26) as u8)).collect(),
        weapon: WEAPONS[rng.below(5) as usize],
    }
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// From -`end` to `end`.
    fn within(&mut self, end: f32) -> f32 {
        ((self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * end
    }
}
