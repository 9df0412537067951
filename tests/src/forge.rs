//! Replica traffic written by hand: what no correct node sends.

use gridmate_runtime::wire::BitWriter;
use gridmate_runtime::{Marshal as _, MemberId, ReplicaId};

/// Index of [`Journal::note`](crate::chunks::Journal::note).
pub const NOTE: u8 = 0;
/// Index of [`Journal::steer`](crate::chunks::Journal::steer).
pub const STEER: u8 = 3;
/// Index of [`Journal::declare`](crate::chunks::Journal::declare).
pub const DECLARE: u8 = 4;

/// A call of RPC `rpc` of the first chunk of `id`, with one argument, on its way to the primary. `source` is named when a node
/// passes it on for another.
pub fn request(id: ReplicaId, rpc: u8, source: Option<MemberId>, number: u32) -> Vec<u8> {
    let mut w = head(id, rpc);
    w.bool(false);
    w.bool(source.is_some());
    if let Some(source) = source {
        w.gamma(source.0);
    }
    u32::encode(&number, &mut w);
    w.finish().to_vec()
}

/// The same on its way from the primary to proxies, which have to wait for the sender's version `after`.
pub fn echo(id: ReplicaId, rpc: u8, source: MemberId, after: Option<u32>, number: u32) -> Vec<u8> {
    let mut w = head(id, rpc);
    w.bool(true);
    w.gamma(source.0);
    w.gamma(1); // Of the first owner.
    w.bool(after.is_some());
    if let Some(after) = after {
        w.bits(u64::from(after), 32);
    }
    w.bool(false); // For every proxy.
    u32::encode(&number, &mut w);
    w.finish().to_vec()
}

fn head(id: ReplicaId, rpc: u8) -> BitWriter {
    let mut w = BitWriter::new();
    w.gamma(id.creator.0);
    w.gamma(id.serial);
    w.gamma(1);
    w.bits(u64::from(rpc), 8);
    w
}

/// A word about a replica itself, on its way between owners: see `handoff` in the runtime.
pub fn handoff(id: ReplicaId, kind: u8, source: Option<MemberId>, payload: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
    let mut w = BitWriter::new();
    w.gamma(id.creator.0);
    w.gamma(id.serial);
    w.gamma(256);
    w.bits(u64::from(kind), 8);
    w.bool(false);
    w.bool(source.is_some());
    if let Some(source) = source {
        w.gamma(source.0);
    }
    payload(&mut w);
    w.finish().to_vec()
}

/// A state message of tick `tick` without a common baseline: whatever `records` writes.
pub fn state(tick: u32, records: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
    let mut w = BitWriter::new();
    w.bits(u64::from(tick), 32);
    w.gamma(1);
    records(&mut w);
    w.finish().to_vec()
}

/// The id of a record, whole.
pub fn id(w: &mut BitWriter, creator: u32, serial: u32) {
    w.bits(0b000, 3);
    w.gamma(creator);
    w.gamma(serial);
}

/// The id of a record that follows one with the serial before.
pub fn next_id(w: &mut BitWriter) {
    w.bool(true);
}

/// The rest of a record that creates a replica of the classes given, each of them with two datasets as they are by default.
pub fn full(w: &mut BitWriter, owner: u32, classes: &[u32]) {
    w.bits(0b100, 3);
    made_of(w, owner, 1, classes);
    w.bool(false); // Nothing about when it was sampled.
    defaults(w, classes);
}

/// What a hand-over says of such a replica, which has had `epoch` - 1 owners before.
pub fn whole(w: &mut BitWriter, owner: u32, epoch: u32, classes: &[u32]) {
    made_of(w, owner, epoch, classes);
    defaults(w, classes);
}

fn made_of(w: &mut BitWriter, owner: u32, epoch: u32, classes: &[u32]) {
    w.gamma(owner);
    w.bool(true); // Assigned to its owner,
    w.bool(false); // not to migrate.
    w.gamma(epoch);
    w.gamma(u32::try_from(classes.len()).expect("few chunks"));
    classes.iter().for_each(|class| w.gamma(class + 1));
}

fn defaults(w: &mut BitWriter, classes: &[u32]) {
    classes.iter().for_each(|_| w.bits(0, 2));
}

/// The rest of a record that ends a replica.
pub fn end(w: &mut BitWriter, after_rpcs: Option<u32>) {
    w.bits(0b1000, 4);
    w.bool(after_rpcs.is_some());
    if let Some(count) = after_rpcs {
        w.bits(u64::from(count), 32);
    }
    w.gamma(1); // In its first epoch.
}
