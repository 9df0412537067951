//! What is done with an input, for each target: a plain function that panics when it has found something.
//!
//! Two programs share these files by path: the fuzzer's in `fuzz/`, and the test that replays what the fuzzer has found.

mod bit_reader;
mod claims;
mod collections;
mod connection;
mod datagram;
mod entropy;
mod expected;
mod handshake;
mod hostile;
mod kitchen_sink;
mod ledger;
mod packets;
mod pair;
mod reader;
mod round_trip;
mod rpc_message;
mod saved;
mod schema_json;
mod script;
mod sink;
mod state_message;

/// A target by the name of its program and of the folder with its corpus.
pub(crate) type Target = (&'static str, fn(&[u8]));

pub(crate) const TARGETS: &[Target] = &[
    ("bit_reader", bit_reader::run),
    ("claims", claims::run),
    ("collections", collections::run),
    ("connection", connection::run),
    ("datagram", datagram::run),
    ("entropy", entropy::run),
    ("handshake", handshake::run),
    ("kitchen_sink", kitchen_sink::run),
    ("rpc_message", rpc_message::run),
    ("saved", saved::run),
    ("schema_json", schema_json::run),
    ("state_message", state_message::run),
];
