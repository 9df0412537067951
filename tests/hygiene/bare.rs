//! No prelude, a renamed crate, raw identifiers, and names that look like ours.

use ::core::cmp::PartialEq;
use ::core::default::Default;
use ::core::option::Option;
use ::core::prelude::v1::test;
use ::core::{assert, assert_eq};
use ::gridmate_runtime::{Marshal, Propagate, ReplicaChunk, RpcContext, TimeContext, rpcs};
use ::std::string::String;
use ::std::vec::Vec;

use crate::round_trip::{marshals, replicates};

/// Every kind of field a struct has.
#[derive(Default, PartialEq, Marshal)]
pub struct Loadout {
    #[marshal(bits = 5)]
    slots: u8,
    ammo: Vec<u16>,
    #[marshal(max_len = 20)]
    name: String,
    #[marshal(skip)]
    weight: u64,
    r#type: Option<i32>,
    #[marshal(quantize(0.0..=1.0, bits = 10))]
    r#match: f32,
}

#[test]
fn struct_round_trip() {
    let base = Loadout::default();
    marshals(
        &base,
        &Loadout {
            slots: 31,
            ammo: ::std::vec![1, 2],
            name: ::std::borrow::ToOwned::to_owned("x"),
            weight: 0,
            r#type: Option::Some(-1),
            r#match: 1.0,
        },
    );
    marshals(&base, &Loadout { slots: 1, ..Default::default() });
}

#[test]
fn skipped_fields_are_kept_by_assign_and_defaulted_by_decode() {
    let sent = Loadout { slots: 3, weight: 7, ..Default::default() };
    let repr = Marshal::to_repr(&sent);
    assert_eq!(<Loadout as Marshal>::from_repr(&repr).weight, 0);
    let mut here = Loadout { weight: 9, ..Default::default() };
    here.assign(&repr);
    assert_eq!((here.slots, here.weight), (3, 9));
}

/// Private types in a public generic one.
#[derive(Default, PartialEq, Marshal)]
pub struct Pair<'a, A: Default = u8, B = u8, const N: usize = 2>
where
    B: Default,
{
    a: A,
    b: Vec<B>,
    private: Private,
    array: [u8; 2],
    #[marshal(skip)]
    source: Option<&'a [A; N]>,
}

/// A newtype.
#[derive(Default, PartialEq, Marshal)]
pub struct Newtype(u16);

#[derive(Default, PartialEq, Marshal)]
struct Private(u8);

#[test]
fn generic_round_trip() {
    type Two = Pair<'static, Option<u8>, String, 3>;
    marshals(
        &Two::default(),
        &Two { a: Option::Some(1), b: ::std::vec![::std::borrow::ToOwned::to_owned("b")], ..Default::default() },
    );
    marshals(&Newtype(1), &Newtype(2));
}

#[derive(Default, PartialEq, Marshal)]
enum Weapon<T> {
    #[default]
    Idle,
    Charging {
        #[marshal(bits = 4)]
        level: u8,
        r#loop: T,
    },
    #[marshal(tag = 6)]
    Firing(u8, #[marshal(skip)] u32),
    Broken,
}

#[derive(PartialEq, Marshal)]
#[marshal(crate = ::renamed)]
enum Team {
    Red,
    Green,
    Blue,
}

#[derive(PartialEq, Marshal)]
enum Only {
    This(u8, bool),
}

#[test]
fn enum_round_trip() {
    let charging = |level| Weapon::Charging { level, r#loop: 7_u32 };
    marshals(&Weapon::Idle, &charging(3));
    marshals(&charging(3), &charging(4));
    marshals(&charging(3), &Weapon::Firing(1, 0));
    marshals(&Weapon::Firing(1, 0), &Weapon::<u32>::Firing(2, 0));
    marshals(&Weapon::Firing(1, 0), &Weapon::<u32>::Broken);
    marshals(&Team::Red, &Team::Blue);
    marshals(&Team::Blue, &Team::Green);
    marshals(&Only::This(1, true), &Only::This(2, true));
}

#[test]
fn unknown_tags_are_refused() {
    use ::core::result::Result::Err;
    use ::gridmate_runtime::wire::{BitReader, WireError};

    assert_eq!(Team::decode(&mut BitReader::new(&[3])).err(), Option::Some(WireError::Invalid));
    assert_eq!(Team::unmarshal(&mut BitReader::new(&[3])).err(), Err::<(), _>(WireError::Invalid).err());
    assert_eq!(Team::shape().to_text(), "Team:2 [ Red = 0, Green = 1, Blue = 2 ]");
}

/// For text without `ToString` in scope.
trait ToText {
    fn to_text(&self) -> String;
}

impl<T: ::core::fmt::Display> ToText for T {
    fn to_text(&self) -> String {
        ::std::string::ToString::to_string(self)
    }
}

/// Fields called like what generated code uses.
#[derive(Default, ReplicaChunk)]
#[chunk(name = "ship", migratable, crate = ::renamed, send_to = Self::is_for)]
pub struct Ship {
    #[dataset(on_change = Self::on_health)]
    health: u8,
    r#type: Newtype,
    __w: bool,
    now: u16,
    #[dataset(throttle = ::renamed::chunk::Epsilon(0.5), on_change(Self::on_now, everywhere))]
    __now: u16,
    #[dataset(max_len = Self::LETTERS, throttle = Self::SLOW)]
    __held: String,
    #[dataset(skip)]
    skipped: u8,
    #[dataset(skip)]
    heard: u8,
    #[dataset(with = Half as Half, interpolate = ::renamed::chunk::Point)]
    half: u16,
    #[dataset(interpolate = ::renamed::chunk::Linear)]
    __past: f32,
    #[dataset(interpolate = Self::WAY)]
    __between: [f64; 1],
    __s: u8,
}

impl Ship {
    fn is_for(&self, _peer: &::renamed::TargetPeer) -> bool {
        true
    }

    const LETTERS: usize = 4;
    const WAY: ::renamed::chunk::Linear = ::renamed::chunk::Linear;
    const SLOW: ::renamed::chunk::AtMost = ::renamed::chunk::AtMost(3);

    fn on_now(&mut self, _ctx: &TimeContext) {
        self.heard += 100;
    }

    fn on_health(&mut self, ctx: &TimeContext) {
        self.heard += u8::try_from_tick(ctx.tick);
    }
}

/// `u8::try_from` without `TryFrom` in scope.
trait FromTick {
    fn try_from_tick(tick: u32) -> u8;
}

impl FromTick for u8 {
    fn try_from_tick(tick: u32) -> u8 {
        ::core::convert::TryFrom::try_from(tick).unwrap_or(Self::MAX)
    }
}

/// A codec of the program's own: drops the lowest bit.
struct Half;

impl ::gridmate_runtime::wire::Codec<u16> for Half {
    type Repr = u16;

    fn shape(&self) -> ::gridmate_runtime::wire::Shape {
        ::gridmate_runtime::wire::Shape::leaf("half")
    }
    fn to_repr(&self, value: &u16) -> u16 {
        *value >> 1
    }
    fn from_repr(&self, repr: &u16) -> u16 {
        *repr << 1
    }
    fn encode(&self, repr: &u16, w: &mut impl ::gridmate_runtime::wire::Sink) {
        repr.marshal(w);
    }
    fn decode(
        &self,
        r: &mut impl ::gridmate_runtime::wire::Source,
    ) -> ::core::result::Result<u16, ::gridmate_runtime::wire::WireError> {
        u16::unmarshal(r)
    }
}

#[rpcs(crate = ::renamed)]
impl Ship {
    /// Arguments called like what generated code uses.
    #[rpc(unreliable, owner_only)]
    pub fn fire(
        &mut self,
        _ctx: &RpcContext,
        #[marshal(bits = 3)] __w: u8,
        mut __r: u16,
        r#type: Newtype,
    ) -> Propagate {
        __r += r#type.0;
        self.health = __w;
        self.now = __r;
        Propagate::ToProxies
    }

    #[rpc(post_attached = false)]
    fn r#loop(&mut self, _ctx: &RpcContext, __ctx: Option<Loadout>) {
        self.skipped = __ctx.map_or(1, |loadout| loadout.slots);
    }
}

#[test]
fn chunk_round_trip() {
    let proxy =
        replicates(&Ship { health: 3, r#type: Newtype(4), __w: true, skipped: 9, half: 11, ..Default::default() });
    assert_eq!((proxy.health, proxy.r#type.0, proxy.__w, proxy.now, proxy.__now), (3, 4, true, 0, 0));
    assert_eq!((proxy.skipped, proxy.half), (0, 10));
    assert_eq!(Ship::DESCRIPTOR.name, "ship");
    assert_eq!(Ship::DESCRIPTOR.datasets[1].name, "type");
    assert_eq!((Ship::DESCRIPTOR.datasets.len(), Ship::DESCRIPTOR.migratable), (10, true));
}

#[test]
fn handlers_hear_of_changes_only() {
    use ::gridmate_runtime::{Instant, MemberId, ReplicaId};

    let id = ReplicaId { creator: MemberId::HOST, serial: 1 };
    let ctx = TimeContext::new(Instant::default(), id, MemberId::HOST, 5);
    let mut ship = Ship { health: 3, ..Default::default() };
    let (before, now) = (Ship::default().snapshot(), ship.snapshot());
    ship.notify(&now, &before, &ctx);
    ship.notify(&now, &now, &ctx);
    assert_eq!((ship.heard, Ship::NOTIFIES, Plain::NOTIFIES), (5, true, false));

    // The owner hears of what its handlers are for, and of nothing else.
    ship.__now = 1;
    let now = ship.snapshot();
    ship.notify(&now, &before, &ctx.on_primary());
    assert_eq!((ship.heard, Ship::NOTIFIES_PRIMARY, Plain::NOTIFIES_PRIMARY), (105, true, false));
}

#[test]
fn throttles_put_back_what_they_withhold() {
    let mut marks = [::renamed::chunk::ThrottleMark::default(); Ship::THROTTLES];
    let sent = Ship::default().snapshot();
    let ship = Ship { health: 1, __now: 1, __held: ::std::borrow::ToOwned::to_owned("x"), ..Default::default() };
    let mut now = ship.snapshot();
    // One is as far as a half, and the other is early.
    assert!(Ship::throttle(&mut now, &sent, &sent, &mut marks));
    let mut proxy = Ship::default();
    proxy.apply(&now, &sent);
    assert_eq!((proxy.health, proxy.__now, proxy.__held.len()), (1, 1, 0));
}

#[derive(Default, ReplicaChunk)]
struct Plain {}

#[test]
fn rpcs_read_what_callers_write() {
    use ::gridmate_runtime::chunk::MayCall;
    use ::gridmate_runtime::wire::{BitReader, BitWriter};
    use ::gridmate_runtime::{Instant, MemberId, ReplicaId};

    let [fire, again] = Ship::RPCS else { ::core::panic!("two RPCs") };
    assert_eq!((fire.name, again.name, Plain::RPCS.len()), ("fire", "loop", 0));
    assert_eq!((fire.flags.reliable, fire.flags.post_attached, fire.flags.may_call), (false, true, MayCall::Owner));
    assert_eq!((again.flags.reliable, again.flags.post_attached, again.flags.may_call), (true, false, MayCall::Anyone));
    assert_eq!((fire.args.len(), fire.args[2].name), (3, "type"));

    let id = ReplicaId { creator: MemberId::HOST, serial: 1 };
    let ctx = RpcContext::new(MemberId::HOST, MemberId::HOST, id, true, Instant::default());
    let mut w = BitWriter::new();
    w.bits(5, 3);
    300_u16.marshal(&mut w);
    Newtype(7).marshal(&mut w);
    let mut ship = Ship::default();
    let answer = (fire.invoke)(&mut ship, &ctx, &mut BitReader::new(w.finish()));
    assert_eq!(answer, ::core::result::Result::Ok(Propagate::ToProxies));
    assert_eq!((ship.health, ship.now), (5, 307));
    assert!((fire.invoke)(&mut ship, &ctx, &mut BitReader::new(&[])).is_err());
}
