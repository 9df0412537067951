//! What a session looked like, kept: a recorder writes down what a peer would be sent, a player shows it again.
//!
//! A [`Recorder`] is to its manager one more peer, one whose link loses nothing and takes no time. What it is sent is the
//! recording: the same messages, deltas against the tick before, that a client next door would get, so a minute of it is about what
//! a client downloads in a minute. Every few seconds everything is written whole: a **key tick**, from which a player can start.
//!
//! A [`Player`] is a manager with a recording for a peer. Its replicas are proxies, to be looked at, iterated and
//! [displayed](crate::replica::Display) like those of a live session, at any speed; [`Player::seek`] goes to any moment.
//!
//! ```text
//! recording = "GMRC" version:8 schema-length:32 schema  block*           numbers are little-endian, schema is JSON
//! block     = length:32 crc:32 body                                      length and crc are the body's; a tick in which something was said
//! body      = time:64 rpcs:33 message*                                   microseconds since it began; see below
//! rpcs      = 0:8 | 1:8 count:32                                         1: a key tick, with the reliable calls recorded before
//! message   = kind:8 length:32 bytes                                     1 a state message, 2 a reliable call, 3 an unreliable one
//! ```
//!
//! A recording that ends in the middle of a block, because the program that wrote it did, is good up to there.

mod manager;
mod player;
mod recorder;

pub use player::{PlaybackError, Player};
pub use recorder::Recorder;

const MAGIC: &[u8; 4] = b"GMRC";
const VERSION: u8 = 1;

/// Length and checksum of a block.
const BLOCK_HEAD: usize = 8;

const STATE: u8 = 1;
const CALL: u8 = 2;
const HINT: u8 = 3;
