//! What replicas of the swarm are made of, and the diary that their handlers keep.
//!
//! Every write gives a chunk a **stamp**, a number that no other write in the session has. A stamp on a proxy thus tells which
//! of its owner's values it should hold; `oracle` has them all.

use core::cell::{Cell, RefCell};

use glam::{Quat, Vec3};
use gridmate_runtime::Rng;
use gridmate_runtime::chunk::RpcFlags;
use gridmate_runtime::prelude::*;

/// A handler ran.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub at: MemberId,
    pub source: MemberId,
    pub replica: ReplicaId,
    pub primary: bool,
    pub rpc: &'static str,
    pub number: u32,
    /// What came beside the number, and should be [`mix`] of it.
    pub check: u64,
    /// The chunk's, after the handler.
    pub stamp: u32,
}

thread_local! {
    static DIARY: RefCell<Vec<Ran>> = const { RefCell::new(Vec::new()) };
    static STAMP: Cell<u32> = const { Cell::new(0) };
}

/// A session begins in this thread.
pub fn begin() {
    DIARY.take();
    STAMP.set(0);
}

/// What ran in this thread since this was asked.
pub fn diary() -> Vec<Ran> {
    DIARY.take()
}

/// A number that was not given before; they grow.
pub fn stamp() -> u32 {
    STAMP.set(STAMP.get() + 1);
    STAMP.get()
}

/// What is sent beside a number, to see whether arguments arrive as they were.
pub fn mix(number: u32) -> u64 {
    Rng::new(number.into()).next_u64()
}

fn note(ctx: &RpcContext, rpc: &'static str, (number, check): (u32, u64), stamp: u32) {
    let RpcContext { local: at, source, replica, primary, .. } = *ctx;
    DIARY.with_borrow_mut(|diary| diary.push(Ran { at, source, replica, primary, rpc, number, check, stamp }));
}

/// A chunk that the swarm writes into.
pub trait Piece: ReplicaChunk + Clone + core::fmt::Debug + PartialEq {
    /// Its place in a [`Row`](crate::oracle::Row).
    const KIND: usize;

    fn stamp(&self) -> u32;

    /// Changes some of it, and stamps it.
    fn scramble(&mut self, rng: &mut Rng);

    /// A new one.
    fn draw(rng: &mut Rng) -> Self {
        let mut piece = Self::default();
        piece.scramble(rng);
        piece
    }
}

/// How many chunk types there are.
pub const KINDS: usize = 5;

/// A dataset of every codec that loses something, and of some that lose nothing.
#[derive(Clone, Debug, PartialEq, ReplicaChunk)]
#[chunk(name = "craft", migratable)]
pub struct Craft {
    pub stamp: u32,
    #[dataset(quantize(-100.0..=100.0, step = 0.01), predict = Linear)]
    pub position: Vec3,
    #[dataset(with = SmallestThree::<10>)]
    pub rotation: Quat,
    #[dataset(with = UnitVec::<10>)]
    pub aim: Vec3,
    #[dataset(with = Half)]
    pub shield: f32,
    #[dataset(quantize(0.0..=1.0, bits = 8))]
    pub heat: f32,
    pub energy: i64,
    #[dataset(max_len = 16)]
    pub label: String,
    pub crew: Vec<u16>,
    #[dataset(entity)]
    pub target: Option<EntityRef>,
}

impl Default for Craft {
    fn default() -> Self {
        Self {
            stamp: 0,
            position: Vec3::ZERO,
            rotation: Quat::IDENTITY,
            aim: Vec3::Z,
            shield: 0.0,
            heat: 0.0,
            energy: 0,
            label: String::new(),
            crew: Vec::new(),
            target: None,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number between two small ones")]
fn between(rng: &mut Rng, low: f64, high: f64) -> f32 {
    (low + rng.unit() * (high - low)) as f32
}

fn direction(rng: &mut Rng) -> Vec3 {
    let any = Vec3::from_array([(); 3].map(|()| between(rng, -1.0, 1.0)));
    any.try_normalize().unwrap_or(Vec3::Z)
}

impl Piece for Craft {
    const KIND: usize = 0;

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn scramble(&mut self, rng: &mut Rng) {
        self.stamp = stamp();
        if rng.chance(0.7) {
            let moved = self.position + direction(rng) * between(rng, 0.0, 2.0);
            self.position = moved.clamp(Vec3::splat(-100.0), Vec3::splat(100.0));
        }
        if rng.chance(0.1) {
            self.position = Vec3::from_array([(); 3].map(|()| between(rng, -100.0, 100.0)));
        }
        if rng.chance(0.3) {
            self.rotation = Quat::from_axis_angle(direction(rng), between(rng, -3.0, 3.0));
        }
        if rng.chance(0.2) {
            self.aim = direction(rng);
        }
        if rng.chance(0.2) {
            self.shield = between(rng, -1_000.0, 1_000.0);
        }
        if rng.chance(0.2) {
            self.heat = between(rng, 0.0, 1.0);
        }
        if rng.chance(0.3) {
            self.energy = rng.next_u64().cast_signed() >> rng.below(64);
        }
        if rng.chance(0.1) {
            self.label = "shipshape and fine".chars().take(rng.below(17).try_into().unwrap()).collect();
        }
        if rng.chance(0.1) {
            self.crew.truncate(rng.below(6).try_into().unwrap());
            self.crew.push((rng.next_u32() >> 16).try_into().unwrap());
        }
        if rng.chance(0.1) {
            let replica = ReplicaId { creator: MemberId(1 + rng.next_u32() % 4), serial: 1 + rng.next_u32() % 9 };
            self.target = rng.chance(0.7).then(|| replica.into());
        }
    }
}

/// What changes is not always sent at once.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "dial", migratable)]
pub struct Dial {
    pub stamp: u32,
    #[dataset(throttle = Epsilon(Self::SLACK))]
    pub level: i32,
    /// The stamp of the last write that changed it.
    #[dataset(throttle = AtMost(Self::DELAY))]
    pub odometer: u32,
}

impl Dial {
    /// How far `level` may be off on a proxy; nearer than that.
    pub const SLACK: f64 = 5.0;
    /// How many ticks `odometer` may be late when it is sent.
    pub const DELAY: u32 = 4;
}

impl Piece for Dial {
    const KIND: usize = 1;

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn scramble(&mut self, rng: &mut Rng) {
        self.stamp = stamp();
        self.odometer = self.stamp;
        let step = if rng.chance(0.2) { 100 } else { 4 };
        self.level += i32::try_from(rng.below(2 * step + 1)).unwrap() - i32::try_from(step).unwrap();
    }
}

/// A call of every kind.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "log", migratable)]
pub struct Log {
    pub stamp: u32,
    /// Calls that ran on the primary.
    pub tally: u32,
}

impl Piece for Log {
    const KIND: usize = 2;

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn scramble(&mut self, _: &mut Rng) {
        self.stamp = stamp();
    }
}

impl Log {
    fn ran(&mut self, ctx: &RpcContext, rpc: &'static str, arguments: (u32, u64)) {
        if ctx.primary {
            self.tally += 1;
            self.stamp = stamp();
        }
        note(ctx, rpc, arguments, self.stamp);
    }
}

#[rpcs]
impl Log {
    #[rpc]
    pub fn tell(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "tell", (number, check));
        Propagate::ToProxies
    }

    #[rpc]
    pub fn ask(&mut self, ctx: &RpcContext, number: u32, check: u64) {
        self.ran(ctx, "ask", (number, check));
    }

    #[rpc(unreliable)]
    pub fn hint(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "hint", (number, check));
        Propagate::ToProxies
    }

    #[rpc(unreliable, post_attached = false)]
    pub fn mutter(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "mutter", (number, check));
        Propagate::ToProxies
    }

    #[rpc(post_attached = false)]
    pub fn jot(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "jot", (number, check));
        Propagate::ToProxies
    }

    #[rpc(owner_only)]
    pub fn steer(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "steer", (number, check));
        Propagate::ToProxies
    }

    #[rpc(authority_only)]
    pub fn declare(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "declare", (number, check));
        Propagate::ToProxies
    }

    #[rpc(no_relay)]
    pub fn nod(&mut self, ctx: &RpcContext, number: u32, check: u64) {
        self.ran(ctx, "nod", (number, check));
    }

    #[rpc(rate = 4, burst = 3)]
    pub fn ring(&mut self, ctx: &RpcContext, number: u32, check: u64) {
        self.ran(ctx, "ring", (number, check));
    }

    #[rpc]
    pub fn question(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Reply<u64> {
        self.ran(ctx, "question", (number, check));
        Reply(!check)
    }

    #[rpc]
    pub fn pass(&mut self, ctx: &RpcContext, number: u32, check: u64, to: u32) -> Propagate {
        self.ran(ctx, "pass", (number, check));
        Propagate::To(MemberId(to))
    }

    #[rpc]
    pub fn perish(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        self.ran(ctx, "perish", (number, check));
        ctx.destroy_replica();
        Propagate::ToProxies
    }
}

/// Not for everybody.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "secret", migratable, send_to = Self::is_for)]
pub struct Secret {
    pub stamp: u32,
    /// A bit for each member that may have it; the host's is always set.
    pub viewers: u32,
    pub code: u64,
    /// More viewers. Whoever changes them says so.
    #[dataset(skip)]
    pub guests: u32,
}

impl Secret {
    fn is_for(&self, peer: &TargetPeer) -> bool {
        self.audience() >> peer.member.0 & 1 == 1
    }

    /// Who may have it, a bit for each member.
    pub const fn audience(&self) -> u32 {
        self.viewers | self.guests
    }

    /// A drawing of lots among the first members of a session.
    pub const fn lots(rng: &mut Rng) -> u32 {
        rng.next_u32() & 0xFFFF | 1 << MemberId::HOST.0
    }
}

#[rpcs]
impl Secret {
    #[rpc]
    pub fn whisper(&mut self, ctx: &RpcContext, number: u32, check: u64) -> Propagate {
        note(ctx, "whisper", (number, check), self.stamp);
        Propagate::ToProxies
    }
}

impl Piece for Secret {
    const KIND: usize = 3;

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn scramble(&mut self, rng: &mut Rng) {
        self.stamp = stamp();
        self.code = rng.next_u64();
        if self.viewers == 0 || rng.chance(0.2) {
            self.viewers = Self::lots(rng);
        }
    }
}

/// What goes with its owner.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "anchor")]
pub struct Anchor {
    pub stamp: u32,
}

impl Piece for Anchor {
    const KIND: usize = 4;

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn scramble(&mut self, _: &mut Rng) {
        self.stamp = stamp();
    }
}

/// How an RPC travels, by its name.
pub fn flags(rpc: &str) -> RpcFlags {
    let log = Log::RPCS.iter().map(|rpc| (rpc.name, rpc.flags));
    let secret = Secret::RPCS.iter().map(|rpc| (rpc.name, rpc.flags));
    log.chain(secret).find(|(name, _)| *name == rpc).expect("an RPC").1
}
