//! A chunk with every kind of field and RPC argument that the derives know.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::num::{NonZero, Wrapping};
use std::sync::Arc;
use std::time::Duration;

use bitvec::prelude::{BitVec, Lsb0};
use glam::{Affine3A, DVec2, IVec3, Quat, Vec2, Vec3};
use gridmate_runtime::prelude::*;

type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashedSet<T> = HashSet<T, BuildHasherDefault<DefaultHasher>>;

const SEATS: usize = 4;

/// Its fields in groups: the type's own marshaling, codecs, keys, collections, types with a derive. At the end new ones: what a
/// recorded input means depends on the place.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "kitchen sink", migratable, priority = Priority::HIGH, send_to = Self::is_for)]
pub(crate) struct KitchenSink {
    pub(crate) flag: bool,
    pub(crate) byte: u8,
    pub(crate) small: i16,
    pub(crate) long: u64,
    pub(crate) huge: i128,
    pub(crate) size: usize,
    pub(crate) letter: char,
    pub(crate) nothing: (),
    pub(crate) single: f32,
    pub(crate) double: f64,
    pub(crate) option: Option<NonZero<u16>>,
    pub(crate) result: Option<Result<u8, String>>,
    pub(crate) tuple: (bool, [u8; 3], Option<(u8, i8)>),
    pub(crate) wrapped: (Wrapping<u16>, Box<u8>, Arc<str>, Cow<'static, str>),
    pub(crate) time: Duration,
    pub(crate) address: Option<IpAddr>,
    pub(crate) vectors: (Vec2, DVec2, IVec3),
    pub(crate) frame: Affine3A,

    #[dataset(with = Half)]
    pub(crate) glow: [f32; 3],
    #[dataset(with = SmallestThree::<10>)]
    pub(crate) rotation: Quat,
    #[dataset(with = UnitVec::<10>)]
    pub(crate) aim: Vec3,
    #[dataset(with = Bits::<5>)]
    pub(crate) slots: i8,
    #[dataset(with = Range::<-20, 30>)]
    pub(crate) level: i16,
    #[dataset(with = Varint)]
    pub(crate) score: i64,
    #[dataset(with = Serde)]
    pub(crate) save: (u8, Option<String>, Vec<i16>),
    #[dataset(quantize(0.0..=1.0, bits = 9))]
    pub(crate) hue: f64,

    #[dataset(quantize(-256.0..=256.0, step = 0.002), predict = Linear, interpolate = Linear)]
    pub(crate) position: Vec3,
    #[dataset(with = SmallestThree::<9>, predict = Linear, interpolate = Slerp)]
    pub(crate) attitude: Quat,
    #[dataset(predict = Linear, interpolate = Linear)]
    pub(crate) velocity: [f32; 2],
    #[dataset(predict = Linear)]
    pub(crate) clock: u32,
    #[dataset(predict = Linear)]
    pub(crate) drift: [i16; 2],
    #[dataset(interpolate = Angle::DEGREES, throttle = Epsilon(0.5))]
    pub(crate) heading: f32,
    #[dataset(throttle = AtMost(3), interpolate = Point)]
    pub(crate) fuel: u16,
    #[dataset(on_change(Self::on_heat, everywhere))]
    pub(crate) heat: u16,
    #[dataset(skip)]
    pub(crate) heard: u64,

    #[dataset(max_len = 24)]
    pub(crate) name: String,
    #[dataset(max_len = 2 * SEATS)]
    pub(crate) crew: Vec<Weapon>,
    #[dataset(max_len = 5)]
    pub(crate) seen: BTreeSet<u16>,
    pub(crate) text: String,
    pub(crate) list: Vec<Option<i16>>,
    pub(crate) queue: VecDeque<u8>,
    pub(crate) stock: BTreeMap<u8, Option<String>>,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) hashed: Hashed<u16, Vec<u8>>,
    pub(crate) hashes: HashedSet<u32>,
    pub(crate) bits: BitVec<u32, Lsb0>,

    pub(crate) weapon: Weapon,
    pub(crate) loadout: Loadout,
    pub(crate) pair: Pair<u8, Vec<Weapon>>,
    pub(crate) spare: Option<Box<Loadout>>,
    #[dataset(entity)]
    pub(crate) target: EntityRef,
    #[dataset(entity)]
    pub(crate) owner: Option<EntityRef>,
}

impl KitchenSink {
    /// Others have a chunk of defaults in its place.
    pub(crate) const fn is_secret(&self) -> bool {
        self.byte % 8 == 7
    }

    fn is_for(&self, peer: &TargetPeer) -> bool {
        !self.is_secret() || peer.owner
    }

    fn on_heat(&mut self, _ctx: &TimeContext) {
        self.heard += 1;
    }
}

#[rpcs]
impl KitchenSink {
    /// Takes every kind of argument, and runs everywhere.
    #[rpc]
    #[expect(clippy::too_many_arguments, reason = "one of each kind")]
    pub(crate) fn serve(
        &mut self,
        _ctx: &RpcContext,
        weapon: Weapon,
        stock: BTreeMap<u8, Option<String>>,
        #[marshal(bits = 3)] burst: u8,
        #[marshal(max_len = 16)] shout: String,
        #[marshal(quantize(0.0..=1.0, step = 0.1))] power: f32,
        #[marshal(with = UnitVec::<8>)] aim: Vec3,
        partner: Option<Loadout>,
    ) -> Propagate {
        assert!(burst < 8 && shout.len() <= 16 && (0.0..=1.0).contains(&power) && aim.is_normalized());
        self.weapon = weapon;
        self.stock = stock;
        self.loadout = partner.unwrap_or_default();
        self.heard += 1;
        Propagate::ToProxies
    }

    /// Runs where the primary is.
    #[rpc(unreliable, post_attached = false)]
    pub(crate) fn hint(&mut self, _ctx: &RpcContext, list: Vec<Option<i16>>) {
        self.list = list;
        self.heard += 1;
    }

    /// For some only.
    #[rpc(owner_only)]
    pub(crate) fn steer(&mut self, _ctx: &RpcContext, velocity: [f32; 2]) -> Propagate {
        self.velocity = velocity;
        Propagate::ToProxies
    }

    /// For one only.
    #[rpc(authority_only)]
    pub(crate) fn declare(&mut self, _ctx: &RpcContext, text: String) -> Propagate {
        self.text = text;
        Propagate::ToProxies
    }

    /// The last thing anybody hears of it.
    #[rpc]
    pub(crate) fn perish(&mut self, ctx: &RpcContext) -> Propagate {
        ctx.destroy_replica();
        Propagate::ToProxies
    }
}

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
#[marshal(tag_bits = 3)]
pub(crate) enum Weapon {
    #[default]
    Idle,
    Charging {
        #[marshal(bits = 4)]
        level: u8,
    },
    #[marshal(tag = 6)]
    Firing(#[marshal(quantize(0.0..=1.0, bits = 8))] f32, #[marshal(skip)] u32, Option<u8>),
    Broken,
}

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
pub(crate) struct Loadout {
    #[marshal(bits = 5)]
    slots: u8,
    #[marshal(max_len = 6)]
    ammo: Vec<u16>,
    #[marshal(quantize(-10.0..=10.0, step = 0.01), predict = Linear)]
    spin: f32,
    #[marshal(with = Half)]
    weight: f32,
    weapons: Vec<Weapon>,
    #[marshal(skip)]
    cache: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
pub(crate) struct Pair<A, B> {
    first: A,
    second: B,
}

/// A small one, to be the second chunk of a replica.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "counter")]
pub(crate) struct Counter {
    pub(crate) count: u32,
}

#[rpcs]
impl Counter {
    #[rpc]
    pub(crate) fn count(&mut self, _ctx: &RpcContext, by: u32) -> Propagate {
        self.count = self.count.wrapping_add(by);
        Propagate::ToProxies
    }
}
