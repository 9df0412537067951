//! What the derive and `#[rpcs]` write, written by hand: nothing in it is magic, and nothing is private.
//!
//! The chunk below is what this would be:
//!
//! ```ignore
//! #[derive(Default, ReplicaChunk)]
//! #[chunk(name = "door")]
//! struct Door {
//!     #[dataset(quantize(0.0..=90.0, bits = 8))]
//!     angle: f32,
//!     label: String,
//!     #[dataset(on_change = Self::on_locked)]
//!     locked: bool,
//!     #[dataset(skip)]
//!     creaks: u32,
//! }
//!
//! #[rpcs]
//! impl Door {
//!     #[rpc]
//!     fn push(&mut self, ctx: &RpcContext, degrees: f32) -> Propagate { … }
//! }
//! ```

use gridmate_runtime::chunk::{
    ArgDescriptor, HasRpcs, MayCall, Propagate, ReplicaChunk, RpcContext, RpcDescriptor, RpcError, RpcFlags, RpcPort,
    TimeContext,
};
use gridmate_runtime::driver::MemoryNetwork;
use gridmate_runtime::schema::{ChunkDescriptor, DatasetDescriptor};
use gridmate_runtime::wire::codec::Quantize;
use gridmate_runtime::wire::{Change, Codec, Marshal, Past, Sink, Source, WireError};
use gridmate_runtime::{Instant, Node, NodeConfig, Registry};

#[derive(Debug, Default)]
struct Door {
    angle: f32,
    label: String,
    locked: bool,
    /// Not part of the snapshot, so it never travels.
    creaks: u32,
}

/// A codec is a value; a field's type alone decides how the others travel.
const ANGLE: Quantize = Quantize::bits(0.0, 90.0, 8);

/// The datasets as what is compared, remembered and sent: a repr each.
#[derive(Clone, PartialEq)]
struct DoorSnapshot {
    angle: <Quantize as Codec<f32>>::Repr,
    label: <String as Marshal>::Repr,
    locked: <bool as Marshal>::Repr,
}

impl ReplicaChunk for Door {
    type Snapshot = DoorSnapshot;

    const DESCRIPTOR: &'static ChunkDescriptor = &ChunkDescriptor::new(
        "door",
        &[
            DatasetDescriptor { name: "angle", shape: || <Quantize as Codec<f32>>::shape(&ANGLE) },
            DatasetDescriptor { name: "label", shape: String::shape },
            DatasetDescriptor { name: "locked", shape: bool::shape },
        ],
    );

    const RPCS: &'static [RpcDescriptor<Self>] = &[RpcDescriptor {
        name: "push",
        flags: RpcFlags { reliable: true, post_attached: true, may_call: MayCall::Anyone, ..RpcFlags::DEFAULT },
        args: &[ArgDescriptor { name: "degrees", shape: f32::shape }],
        reply: None,
        invoke: |door, ctx, r| {
            let degrees = f32::unmarshal(r)?;
            Ok(door.push(ctx, degrees))
        },
    }];

    fn snapshot(&self) -> DoorSnapshot {
        DoorSnapshot { angle: ANGLE.to_repr(&self.angle), label: self.label.to_repr(), locked: self.locked.to_repr() }
    }

    /// Reuses the old snapshot's memory: the label's, here.
    fn capture(&self, into: &mut DoorSnapshot) {
        Codec::<f32>::capture(&ANGLE, &self.angle, &mut into.angle);
        self.label.capture(&mut into.label);
        self.locked.capture(&mut into.locked);
    }

    /// A bit for each dataset, and behind it, if it differs, the difference.
    fn encode(change: Change<'_, DoorSnapshot>, w: &mut impl Sink) {
        let Change { now, base, .. } = change;
        w.bool(now.angle != base.angle);
        if now.angle != base.angle {
            Codec::<f32>::encode_delta(&ANGLE, &now.angle, &base.angle, w);
        }
        w.bool(now.label != base.label);
        if now.label != base.label {
            String::encode_delta(&now.label, &base.label, w);
        }
        w.bool(now.locked != base.locked);
        if now.locked != base.locked {
            bool::encode_delta(&now.locked, &base.locked, w);
        }
    }

    fn decode(
        snapshot: &mut DoorSnapshot,
        _past: Past<'_, DoorSnapshot>,
        r: &mut impl Source,
    ) -> Result<(), WireError> {
        if r.bool()? {
            Codec::<f32>::decode_delta(&ANGLE, &mut snapshot.angle, r)?;
        }
        if r.bool()? {
            String::decode_delta(&mut snapshot.label, r)?;
        }
        if r.bool()? {
            bool::decode_delta(&mut snapshot.locked, r)?;
        }
        Ok(())
    }

    /// Only what differs is stored: a proxy may have smoothed the rest.
    fn apply(&mut self, now: &DoorSnapshot, before: &DoorSnapshot) {
        if now.angle != before.angle {
            ANGLE.assign(&mut self.angle, &now.angle);
        }
        if now.label != before.label {
            self.label.assign(&now.label);
        }
        if now.locked != before.locked {
            self.locked.assign(&now.locked);
        }
    }

    const NOTIFIES: bool = true;

    fn notify(&mut self, now: &DoorSnapshot, before: &DoorSnapshot, ctx: &TimeContext) {
        if now.locked != before.locked {
            self.on_locked(ctx);
        }
    }
}

/// What callers hold: a method for each RPC, which marshals the arguments and sends them on their way.
struct DoorCaller<'a>(RpcPort<'a, Door>);

impl DoorCaller<'_> {
    fn push(&mut self, degrees: f32) -> Result<(), RpcError> {
        self.0.call(0, |w| degrees.marshal(w))
    }
}

impl HasRpcs for Door {
    type Caller<'a> = DoorCaller<'a>;

    fn caller(port: RpcPort<'_, Self>) -> DoorCaller<'_> {
        DoorCaller(port)
    }
}

/// The part that one writes with the derive, too.
impl Door {
    fn push(&mut self, ctx: &RpcContext, degrees: f32) -> Propagate {
        if ctx.primary {
            if self.locked {
                return Propagate::Stop;
            }
            self.angle += degrees;
        }
        self.creaks += 1;
        Propagate::ToProxies
    }

    fn on_locked(&mut self, _ctx: &TimeContext) {
        self.creaks += 100;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::builder().chunk::<Door>().build()?;
    let network = MemoryNetwork::new();
    let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
    let id = host.replicas().add(Door { angle: 30.0, label: "cellar".to_owned(), ..Door::default() })?;

    for frame in 0..120 {
        let now = Instant::from_millis(frame * 33);
        match frame {
            30 => client.replicas().proxy::<Door>(id)?.rpcs().push(15.0)?,
            60 => host.replicas().primary_mut::<Door>(id)?.locked = true,
            90 => client.replicas().proxy::<Door>(id)?.rpcs().push(15.0)?,
            _ => {}
        }
        host.tick(now)?;
        client.tick(now)?;
    }

    let here = host.replicas_ref().get::<Door>(id)?;
    let there = client.replicas_ref().get::<Door>(id)?;
    assert!(f64::from(here.angle - 45.0).abs() < ANGLE.resolution(), "the second push met a locked door");
    assert_eq!(here.snapshot().angle, there.snapshot().angle, "the same step on both nodes");
    assert_eq!((there.label.as_str(), there.locked), ("cellar", true));
    assert_eq!((here.creaks, there.creaks), (1, 101), "one push ran on both, one change was noticed by the proxy");
    assert_eq!(host.replicas_ref().digest(), client.replicas_ref().digest());
    Ok(())
}
