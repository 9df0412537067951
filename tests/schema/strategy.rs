//! Schemas of all kinds, with few names, so that two of them have something in common.

use gridmate_runtime::schema::{ChunkSnapshot, FieldSnapshot, RpcSnapshot, Snapshot};
use proptest::collection::vec;
use proptest::prelude::*;

/// Schemas whose names and layouts are any text at all.
pub(super) fn wild() -> impl Strategy<Value = Snapshot> {
    snapshot(".{0,6}".boxed())
}

/// Schemas whose names and layouts are one of a few letters.
pub(super) fn tame() -> impl Strategy<Value = Snapshot> {
    snapshot("[a-d]".boxed())
}

fn snapshot(text: BoxedStrategy<String>) -> impl Strategy<Value = Snapshot> {
    let field = (text.clone(), text.clone()).prop_map(|(name, shape)| FieldSnapshot { name, shape });
    let rpc = (text.clone(), vec(field.clone(), 0..3), text.clone()).prop_map(|(name, args, flags)| RpcSnapshot {
        name,
        args,
        flags,
    });
    let flags = prop_oneof![Just(String::new()), Just("host_only".to_owned())];
    let chunk = (text, flags, vec(field, 0..5), vec(rpc, 0..3))
        .prop_map(|(name, flags, datasets, rpcs)| ChunkSnapshot { name, flags, datasets, rpcs });
    vec(chunk, 0..5).prop_map(|mut chunks| {
        chunks.sort_by(|a, b| a.name.cmp(&b.name));
        chunks.dedup_by(|a, b| a.name == b.name);
        Snapshot { chunks }
    })
}
