//! The writing end.

use core::time::Duration;

use super::{BLOCK_HEAD, CALL, HINT, MAGIC, STATE, VERSION};
use crate::ids::MemberId;
use crate::limits;
use crate::replica::{PeerId, PeerRole, ReplicaManager};
use crate::time::Instant;

/// Writes down what happens to the replicas of a manager; see the module for how, and [`Player`](super::Player) for how to watch
/// it.
///
/// It sees everything: chunks that are not [sent to](crate::chunk::ReplicaChunk::sends_to) everyone are in it all the same.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{Player, Recorder};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Lamp {
///     level: u8,
/// }
///
/// let registry = Registry::builder().chunk::<Lamp>().build()?;
/// let mut replicas = ReplicaManager::new(registry.clone(), 1);
/// let lamp = replicas.add(Lamp::default())?;
///
/// let mut file = Vec::new();
/// let mut recorder = Recorder::start(&mut replicas, Instant::ZERO, Duration::from_secs(5), &mut file);
/// for frame in 0..=50 {
///     replicas.primary_mut::<Lamp>(lamp)?.level = frame;
///     replicas.prepare(); // a node's tick does
///     recorder.record(&mut replicas, Instant::from_millis(u64::from(frame) * 20), &mut file);
/// }
/// recorder.stop(&mut replicas);
///
/// let mut player = Player::open(registry, file)?;
/// player.seek(Duration::from_millis(500))?;
/// assert_eq!(player.replicas().get::<Lamp>(lamp)?.level, 25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is written before `record`"]
pub struct Recorder {
    peer: PeerId,
    start: Instant,
    key_every: Duration,
    next_key: Instant,
    /// One message, reused.
    message: Vec<u8>,
    /// Messages of a tick, to be acknowledged at its end.
    tokens: Vec<u64>,
}

impl Recorder {
    /// Begins a recording at `now`, with a key tick every `key_every`: a seek reads that much of a recording at most, and each costs what
    /// a joiner does. Appends its head to `out`.
    pub fn start(replicas: &mut ReplicaManager, now: Instant, key_every: Duration, out: &mut Vec<u8>) -> Self {
        let schema = replicas.registry().to_json();
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&u32::try_from(schema.len()).expect("a schema is far smaller").to_le_bytes());
        out.extend_from_slice(schema.as_bytes());
        let peer = replicas.add_peer(MemberId::NONE, PeerRole::Client);
        Self { peer, start: now, key_every, next_key: now, message: Vec::new(), tokens: Vec::new() }
    }

    /// Appends to `out` what has happened since the last call; to be called once a tick, after
    /// [`prepare`](ReplicaManager::prepare). `now` never goes back. Where nothing has happened nothing is written.
    pub fn record(&mut self, replicas: &mut ReplicaManager, now: Instant, out: &mut Vec<u8>) {
        let key = now >= self.next_key;
        if key {
            self.next_key = now + self.key_every;
        }
        let calls = if key { replicas.begin_anew(self.peer) } else { None };
        let begin = out.len();
        out.extend_from_slice(&[0; BLOCK_HEAD]);
        out.extend_from_slice(&u64::try_from((now - self.start).as_micros()).unwrap_or(u64::MAX).to_le_bytes());
        out.push(u8::from(calls.is_some()));
        if let Some(calls) = calls {
            out.extend_from_slice(&calls.to_le_bytes());
        }
        let messages = out.len();
        replicas.drain_calls(self.peer, |reliable, call| write(out, if reliable { CALL } else { HINT }, call));
        while let Some(state) = replicas.marshal(self.peer, limits::RECORD_BYTES, &mut self.message) {
            write(out, STATE, &self.message);
            self.tokens.push(state.token);
        }
        for token in self.tokens.drain(..) {
            replicas.handle_receipt(self.peer, token, true);
        }
        // A key tick says that there was nothing, if there was.
        if out.len() == messages && !key {
            out.truncate(begin);
            return;
        }
        let body = &out[begin + BLOCK_HEAD..];
        let (len, crc) = (u32::try_from(body.len()).expect("limits of a message apply"), crc32fast::hash(body));
        out[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
        out[begin + 4..begin + BLOCK_HEAD].copy_from_slice(&crc.to_le_bytes());
    }

    /// Ends it. What was written stays good.
    pub fn stop(self, replicas: &mut ReplicaManager) {
        replicas.remove_peer(self.peer, false);
    }
}

fn write(out: &mut Vec<u8>, kind: u8, message: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&u32::try_from(message.len()).expect("limits of a message apply").to_le_bytes());
    out.extend_from_slice(message);
}
