//! What travels: the match, the asteroids, the ships.
//!
//! Everything here is a plain struct. Fields that only the owner needs (`skip`) live beside those that everyone sees, and
//! RPC handlers decide with both: whoever shoots *claims* a hit, and the owner of what was hit says whether it was one.

use std::collections::BTreeMap;

use glam::{Quat, Vec2};
use gridmate_runtime::prelude::*;

/// Half the side of the square the game is played in.
pub(crate) const HALF: f32 = 256.0;

/// All types that replicate.
pub(crate) fn registry() -> Result<Registry, gridmate_runtime::RegistryError> {
    Registry::builder().chunk::<Match>().chunk::<Asteroid>().chunk::<Ship>().build()
}

/// How far the match is. The host moves it on; everyone else follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Marshal)]
pub(crate) enum Phase {
    /// Until all clients are there.
    #[default]
    Gathering,
    /// Things move, bots shoot.
    Playing,
    /// Nobody changes anything of their own any more; what is under way arrives.
    Frozen,
    /// Everyone says what they hold.
    Reporting,
    /// Everyone may leave.
    Over,
}

/// The match itself; one replica, owned by the host.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "match", priority = Priority::HIGHEST)]
pub(crate) struct Match {
    pub(crate) phase: Phase,
    /// Tenths of a second to play.
    pub(crate) remaining: u16,
    /// What each client has told the host.
    #[dataset(skip)]
    pub(crate) heard: BTreeMap<MemberId, Heard>,
}

/// What one client has told the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) ready: bool,
    /// The digest it held when nothing had changed for a while.
    pub(crate) settled: Option<u64>,
    /// The digest of its report.
    pub(crate) reported: Option<u64>,
}

#[rpcs]
impl Match {
    /// The caller has a ship and sees the match.
    #[rpc]
    pub(crate) fn ready(&mut self, ctx: &RpcContext) {
        self.heard.entry(ctx.source).or_default().ready = true;
    }

    /// The world has stopped, and the caller has not seen it change for a while.
    #[rpc]
    pub(crate) fn settled(&mut self, ctx: &RpcContext, digest: u64) {
        self.heard.entry(ctx.source).or_default().settled = Some(digest);
    }

    /// The caller has reported and will not look again.
    #[rpc]
    pub(crate) fn reported(&mut self, ctx: &RpcContext, digest: u64) {
        self.heard.entry(ctx.source).or_default().reported = Some(digest);
    }
}

/// How large an asteroid is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Marshal)]
pub(crate) enum Size {
    #[default]
    Pebble,
    Rock,
    Boulder,
}

impl Size {
    pub(crate) const fn full_health(self) -> u8 {
        match self {
            Self::Pebble => 20,
            Self::Rock => 50,
            Self::Boulder => 120,
        }
    }
}

/// A tumbling rock, owned by the host.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "asteroid", priority = Priority::LOW)]
pub(crate) struct Asteroid {
    #[dataset(quantize(-256.0..=256.0, step = 0.02))]
    pub(crate) position: Vec2,
    #[dataset(with = SmallestThree::<9>)]
    pub(crate) attitude: Quat,
    pub(crate) size: Size,
    pub(crate) health: u8,
    #[dataset(skip)]
    pub(crate) velocity: Vec2,
    #[dataset(skip)]
    pub(crate) tumble: Quat,
    /// The world has stopped: no hit counts.
    #[dataset(skip)]
    pub(crate) frozen: bool,
}

#[rpcs]
impl Asteroid {
    /// The caller claims to have hit this asteroid from where it says it was.
    #[rpc]
    pub(crate) fn struck(
        &mut self,
        _ctx: &RpcContext,
        #[marshal(quantize(-256.0..=256.0, step = 0.1))] from: Vec2,
        with: Weapon,
    ) {
        if !self.frozen && with.reaches(from, self.position) {
            self.health = self.health.saturating_sub(with.damage());
        }
    }
}

/// What a ship shoots with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Marshal)]
pub(crate) enum Weapon {
    #[default]
    Laser,
    Cannon {
        /// Up to 3: the more, the harder it hits.
        #[marshal(bits = 2)]
        charge: u8,
    },
}

impl Weapon {
    pub(crate) const RANGE: f32 = 90.0;

    pub(crate) const fn damage(self) -> u8 {
        match self {
            Self::Laser => 9,
            Self::Cannon { charge } => 12 + 8 * charge,
        }
    }

    /// Whether a claim is plausible. The shooter saw the target where it was half a round trip ago, so there is some slack.
    fn reaches(self, from: Vec2, target: Vec2) -> bool {
        from.distance(target) <= Self::RANGE * 1.5
    }
}

/// What a ship is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Marshal)]
pub(crate) enum Condition {
    /// Just (re)spawned: nothing can hurt it.
    #[default]
    Shielded,
    Flying,
    Wrecked,
}

/// One per client, owned by it.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "ship", priority = Priority::HIGH)]
pub(crate) struct Ship {
    #[dataset(with = MaxLen::<32>)]
    pub(crate) pilot: String,
    #[dataset(quantize(-256.0..=256.0, step = 0.01))]
    pub(crate) position: Vec2,
    /// Radians.
    #[dataset(quantize(0.0..=6.2832, bits = 10))]
    pub(crate) heading: f32,
    pub(crate) health: u8,
    pub(crate) condition: Condition,
    pub(crate) weapon: Weapon,
    pub(crate) kills: u16,
    pub(crate) deaths: u16,
    /// Muzzle flashes shown on this node; an effect, so it may differ between nodes.
    #[dataset(skip)]
    pub(crate) flashes: u32,
    #[dataset(skip)]
    pub(crate) helm: Helm,
}

/// What only a ship's owner knows of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Helm {
    pub(crate) velocity: Vec2,
    /// Seconds until it may fire again.
    pub(crate) cooldown: f32,
    /// Seconds until the condition changes by itself.
    pub(crate) recovery: f32,
    /// Who has just wrecked it and was not told yet.
    pub(crate) killer: Option<MemberId>,
    /// The world has stopped: no hit counts, no shot is fired.
    pub(crate) frozen: bool,
}

#[rpcs]
impl Ship {
    /// Asks the ship to fire. If it can, everyone sees the flash; a flash that gets lost is no loss.
    #[rpc(unreliable, owner_only)]
    pub(crate) fn fire(&mut self, ctx: &RpcContext) -> Propagate {
        if ctx.primary {
            if self.helm.frozen || self.helm.cooldown > 0.0 || self.condition == Condition::Wrecked {
                return Propagate::Stop;
            }
            self.helm.cooldown = 0.3;
        }
        self.flashes += 1;
        Propagate::ToProxies
    }

    /// The caller claims to have hit this ship from where it says it was.
    #[rpc]
    pub(crate) fn struck(
        &mut self,
        ctx: &RpcContext,
        #[marshal(quantize(-256.0..=256.0, step = 0.1))] from: Vec2,
        with: Weapon,
    ) {
        if self.helm.frozen || self.condition != Condition::Flying || !with.reaches(from, self.position) {
            return;
        }
        self.health = self.health.saturating_sub(with.damage());
        if self.health == 0 {
            self.condition = Condition::Wrecked;
            self.deaths = self.deaths.saturating_add(1);
            self.helm.recovery = 1.5;
            self.helm.killer = Some(ctx.source);
        }
    }

    /// The owner of a wreck says that this ship did it.
    #[rpc]
    pub(crate) fn scored(&mut self, _ctx: &RpcContext) {
        if !self.helm.frozen {
            self.kills = self.kills.saturating_add(1);
        }
    }
}
