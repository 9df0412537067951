//! A snapshot of everything, read against any base and any past: what is accepted encodes and decodes to the same.

use gridmate_runtime::chunk::{ThrottleMark, TimeContext};
use gridmate_runtime::wire::{Ahead, BitReader, Change, Past, WireError};
use gridmate_runtime::{Instant, MemberId, ReplicaChunk, ReplicaId};

use super::round_trip::again;
use super::script::Script;
use super::sink::KitchenSink;

pub(crate) type Snapshot = <KitchenSink as ReplicaChunk>::Snapshot;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let start = KitchenSink::default().snapshot();
    let mut other = || read(&start, Past::UNKNOWN, script.bytes()).unwrap_or_else(|_| start.clone());
    let (base, before) = (other(), other());
    let past = Past::new(&before, Ahead::new(script.byte().into(), script.byte().into()));
    let bytes = script.rest();
    for now in [Ok(base.clone()), read(&base, past, bytes), read(&base, Past::UNKNOWN, bytes)].into_iter().flatten() {
        comes_back(&now, &base, past);
        comes_back(&now, &base, Past::UNKNOWN);
        comes_back(&now, &start, Past::UNKNOWN);
        comes_back(&base, &now, past);
        stands_for_itself(&now, &base);
        may_be_withheld(&now, &base, &before);
    }
}

pub(crate) fn read(base: &Snapshot, past: Past<'_, Snapshot>, bytes: &[u8]) -> Result<Snapshot, WireError> {
    let mut snapshot = base.clone();
    KitchenSink::decode(&mut snapshot, past, &mut BitReader::new(bytes)).map(|()| snapshot)
}

fn comes_back(now: &Snapshot, base: &Snapshot, past: Past<'_, Snapshot>) {
    let read = |r: &mut BitReader<'_>| {
        let mut snapshot = base.clone();
        KitchenSink::decode(&mut snapshot, past, r).map(|()| snapshot)
    };
    again(now, |w| KitchenSink::encode(Change::new(now, base).with_past(past), w), read);
}

fn stands_for_itself(now: &Snapshot, base: &Snapshot) {
    let start = KitchenSink::default().snapshot();
    let mut value = KitchenSink::default();
    value.apply(base, &start);
    assert!(value.snapshot() == *base, "what was applied is what is captured");
    value.apply(now, base);
    assert!(value.snapshot() == *now, "one after the other");
    let mut captured = base.clone();
    value.capture(&mut captured);
    assert!(captured == *now, "into an older one");
    let ctx = TimeContext::new(Instant::ZERO, ReplicaId { creator: MemberId::HOST, serial: 1 }, MemberId::HOST, 1);
    value.notify(now, base, &ctx);
    value.notify(now, base, &ctx.on_primary());
    assert!(value.snapshot() == *now, "the handler writes only what does not travel");
}

/// What a throttle leaves is what it was, or is, dataset by dataset.
fn may_be_withheld(now: &Snapshot, before: &Snapshot, sent: &Snapshot) {
    let mut marks = [ThrottleMark::default(); KitchenSink::THROTTLES];
    let mut out = now.clone();
    let held = KitchenSink::throttle(&mut out, before, sent, &mut marks);
    assert!(held || out == *now, "nothing is changed without saying so");
    comes_back(&out, sent, Past::UNKNOWN);
}
