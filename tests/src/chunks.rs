//! Sample chunk types: small ones for one mechanism each, and one with everything.

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;

/// A number to compare, and one that is quantised.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "mover", migratable)]
pub struct Mover {
    /// Steps of 0.01 within ±100.
    #[dataset(quantize(-100.0..=100.0, step = 0.01), predict = Linear)]
    pub position: f32,
    /// Every bit counts.
    pub energy: u32,
    /// Text of any length.
    pub label: String,
    /// Never on the wire.
    #[dataset(skip)]
    pub local: u64,
}

/// Keeps what its RPCs were called with.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "journal")]
pub struct Journal {
    /// Bumped by the owner with every call it makes.
    pub version: u32,
    /// Reliable calls that ran here, in order.
    #[dataset(skip)]
    pub calls: Vec<(MemberId, u32)>,
    /// Unreliable calls that ran here, in order.
    #[dataset(skip)]
    pub hints: Vec<u32>,
    /// The value of `version` when each reliable call ran.
    #[dataset(skip)]
    pub versions: Vec<u32>,
}

#[rpcs]
impl Journal {
    /// Runs everywhere.
    #[rpc]
    pub fn note(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.calls.push((ctx.source, number));
        self.versions.push(self.version);
        Propagate::ToProxies
    }

    /// Runs on the owner only.
    #[rpc]
    pub fn ask(&mut self, ctx: &RpcContext, number: u32) {
        self.calls.push((ctx.source, number));
        self.versions.push(self.version);
    }

    /// Runs everywhere, if it gets there.
    #[rpc(unreliable)]
    pub fn hint(&mut self, _ctx: &RpcContext, number: u32) -> Propagate {
        self.hints.push(number);
        Propagate::ToProxies
    }

    /// For the owner and whom the replica is assigned to.
    #[rpc(owner_only)]
    pub fn steer(&mut self, ctx: &RpcContext, number: u32) {
        self.calls.push((ctx.source, number));
    }

    /// For the owner alone.
    #[rpc(authority_only)]
    pub fn declare(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.calls.push((ctx.source, number));
        Propagate::ToProxies
    }

    /// The last thing anybody hears of it.
    #[rpc]
    pub fn perish(&mut self, ctx: &RpcContext) -> Propagate {
        self.calls.push((ctx.source, u32::MAX));
        ctx.destroy_replica();
        Propagate::ToProxies
    }

    /// Runs everywhere, without waiting for the values it was made with.
    #[rpc(post_attached = false)]
    pub fn jot(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.calls.push((ctx.source, number));
        self.versions.push(self.version);
        Propagate::ToProxies
    }
}

/// Notices changes.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "gauge")]
pub struct Gauge {
    /// Watched.
    #[dataset(on_change = Self::on_level)]
    pub level: i16,
    /// Not watched.
    pub noise: u8,
    /// Values of `level` when it was found changed.
    #[dataset(skip)]
    pub seen: Vec<i16>,
}

impl Gauge {
    fn on_level(&mut self, _ctx: &TimeContext) {
        self.seen.push(self.level);
    }
}

/// Its handlers write into what is replicated.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "vital", migratable)]
pub struct Vital {
    /// Lowered by `damage`.
    pub health: u32,
    /// Handlers that ran here.
    #[dataset(skip)]
    pub ran: u32,
}

#[rpcs]
impl Vital {
    /// Runs everywhere, though only the owner's health counts.
    #[rpc]
    pub fn damage(&mut self, _ctx: &RpcContext, points: u32) -> Propagate {
        self.ran += 1;
        self.health = self.health.saturating_sub(points);
        Propagate::ToProxies
    }

    /// Ends it, and nobody else hears of the call.
    #[rpc]
    pub fn die(&mut self, ctx: &RpcContext) {
        ctx.destroy_replica();
    }
}

/// As many datasets as make a difference when they are looked at one by one.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "panel")]
pub struct Panel {
    /// Sixteen.
    /// Lamp 1.
    pub lamp_1: bool,
    /// Lamp 2.
    pub lamp_2: bool,
    /// Lamp 3.
    pub lamp_3: bool,
    /// Lamp 4.
    pub lamp_4: bool,
    /// Lamp 5.
    pub lamp_5: bool,
    /// Lamp 6.
    pub lamp_6: bool,
    /// Lamp 7.
    pub lamp_7: bool,
    /// Lamp 8.
    pub lamp_8: bool,
    /// Lamp 9.
    pub lamp_9: bool,
    /// Lamp 10.
    pub lamp_10: bool,
    /// Lamp 11.
    pub lamp_11: bool,
    /// Lamp 12.
    pub lamp_12: bool,
    /// Lamp 13.
    pub lamp_13: bool,
    /// Lamp 14.
    pub lamp_14: bool,
    /// Lamp 15.
    pub lamp_15: bool,
    /// Lamp 16.
    pub lamp_16: bool,
}

/// All of the above.
///
/// # Panics
/// Never: the types have different names.
pub fn registry() -> Registry {
    registry_with(Coder::Packed)
}

/// All of the above, with one coder.
///
/// # Panics
/// Never: the types have different names.
pub fn registry_with(coder: Coder) -> Registry {
    Registry::builder()
        .coder(coder)
        .chunk::<Mover>()
        .chunk::<Journal>()
        .chunk::<Gauge>()
        .chunk::<Vital>()
        .chunk::<Panel>()
        .build()
        .expect("different names")
}
