//! The reading end.

use core::fmt;
use core::time::Duration;

use super::{BLOCK_HEAD, CALL, HINT, MAGIC, STATE, VERSION};
use crate::chunk::Registry;
use crate::ids::MemberId;
use crate::replica::{PeerFault, PeerId, PeerRole, ReplicaManager};
use crate::schema::{SchemaDiff, Snapshot};
use crate::time::Instant;

/// Why a recording cannot be played.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{PlaybackError, Player};
///
/// let registry = Registry::builder().build()?;
/// assert_eq!(Player::open(registry, b"RIFF".to_vec()).err(), Some(PlaybackError::NotARecording));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// The bytes do not begin as a recording does.
    #[error("this is not a recording")]
    NotARecording,
    /// It was written by a program that writes them in another way.
    #[error("recorded in format {0}; this program reads format {VERSION}")]
    Format(u8),
    /// It is of other chunk types; here is this program, there what was recorded.
    #[error("the recording is of other chunk types:\n{0}")]
    Schema(Box<SchemaDiff>),
    /// It ends before its first tick.
    #[error("there is nothing in the recording")]
    Empty,
    /// Bytes were changed since.
    #[error("the recording is damaged at byte {at}")]
    Damaged {
        /// Where.
        at: usize,
    },
    /// It was put together by something else than a recorder.
    #[error("the recording makes no sense at byte {at}: {fault}")]
    Nonsense {
        /// Where.
        at: usize,
        /// What is wrong.
        fault: PeerFault,
    },
}

/// Shows a recording: see the [`Recorder`](super::Recorder) for an example.
///
/// Its replicas are proxies, with events, change handlers, calls that were echoed to proxies, and interpolation as in a live session,
/// in which time is what [`position`](Self::position) says. Nothing can be added to them, and calls made on them go nowhere.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{PlaybackError, Player};
///
/// /// Half as fast, from the tenth second on.
/// fn watch(mut player: Player, mut draw: impl FnMut(&ReplicaManager)) -> Result<(), PlaybackError> {
///     player.seek(Duration::from_secs(10))?;
///     while !player.is_at_end() {
///         player.advance(Duration::from_millis(8))?; // for a frame of 16 ms
///         draw(player.replicas_ref());
///     }
///     Ok(())
/// }
/// ```
pub struct Player {
    replicas: ReplicaManager,
    peer: PeerId,
    recording: Vec<u8>,
    blocks: Vec<Block>,
    /// The block that comes next.
    next: usize,
    position: Duration,
    /// Counts messages since the last seek.
    order: u64,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    at: usize,
    end: usize,
    time: Duration,
    /// Reliable calls before it, if it is a key tick.
    key: Option<u32>,
}

impl Player {
    /// Opens a recording at its beginning. All of it is checked for damage.
    ///
    /// # Errors
    /// [`PlaybackError`].
    pub fn open(registry: Registry, recording: Vec<u8>) -> Result<Self, PlaybackError> {
        let mut at = check_head(&registry, &recording)?;
        let mut blocks = Vec::new();
        while let Some(block) = Block::read(&recording, at)? {
            at = block.end;
            blocks.push(block);
        }
        if blocks.first().is_none_or(|block| block.key.is_none()) {
            return Err(PlaybackError::Empty);
        }
        // A seed changes nothing that can be observed.
        let mut replicas = ReplicaManager::new(registry, 0);
        replicas.set_local_member(MemberId::NONE);
        let peer = replicas.add_peer(MemberId::HOST, PeerRole::Host);
        let mut player = Self { replicas, peer, recording, blocks, next: 0, position: Duration::ZERO, order: 0 };
        player.seek(Duration::ZERO)?;
        Ok(player)
    }

    /// What there is to see at the present [`position`](Self::position).
    pub const fn replicas(&mut self) -> &mut ReplicaManager {
        &mut self.replicas
    }

    /// The same, to look only.
    pub const fn replicas_ref(&self) -> &ReplicaManager {
        &self.replicas
    }

    /// How long after the start of the recording it is: the time of the replicas, to be given to
    /// [`display`](ReplicaManager::display) as `Instant::ZERO + position`.
    pub const fn position(&self) -> Duration {
        self.position
    }

    /// From the start of the recording to its last change.
    pub fn duration(&self) -> Duration {
        self.blocks.last().map_or(Duration::ZERO, |block| block.time)
    }

    /// Whether everything recorded has been shown.
    pub const fn is_at_end(&self) -> bool {
        self.next == self.blocks.len()
    }

    /// Goes on by `by`: the time of a frame, times the speed.
    ///
    /// # Errors
    /// [`PlaybackError::Nonsense`]; a recorder does not write such a thing.
    pub fn advance(&mut self, by: Duration) -> Result<(), PlaybackError> {
        self.position = self.position.saturating_add(by);
        while let Some(block) = self.due() {
            self.show(block, true)?;
            self.update(block.time, block)?;
        }
        if let Some(block) = self.blocks.last().copied() {
            self.update(self.position, block)?;
        }
        Ok(())
    }

    /// Goes to any moment, forward or back. Replicas are seen to go and come anew ([`Removed`](crate::replica::ReplicaEvent::Removed),
    /// [`Added`](crate::replica::ReplicaEvent::Added)); of what is in between no call runs, and change handlers run once.
    ///
    /// Costs what was recorded from the last key tick up to there.
    ///
    /// # Errors
    /// [`PlaybackError::Nonsense`]; a recorder does not write such a thing.
    pub fn seek(&mut self, to: Duration) -> Result<(), PlaybackError> {
        self.replicas.remove_peer(self.peer, false);
        self.peer = self.replicas.add_peer(MemberId::HOST, PeerRole::Host);
        self.order = 0;
        self.position = to;
        let after = self.blocks.partition_point(|block| block.time <= to).max(1);
        self.next = self.blocks[..after].iter().rposition(|block| block.key.is_some()).unwrap_or(0);
        let mut last = self.blocks[self.next];
        self.replicas.skip_to(Instant::ZERO + last.time);
        self.replicas.skip_calls(self.peer, last.key.unwrap_or(0));
        while let Some(block) = self.due() {
            self.show(block, false)?;
            self.replicas.skip_to(Instant::ZERO + block.time);
            last = block;
        }
        self.update(to, last)
    }

    /// The next block, if its time has come.
    fn due(&mut self) -> Option<Block> {
        let block = *self.blocks.get(self.next).filter(|block| block.time <= self.position)?;
        self.next += 1;
        Some(block)
    }

    fn show(&mut self, block: Block, calls: bool) -> Result<(), PlaybackError> {
        let Self { replicas, peer, recording, order, .. } = self;
        for (at, kind, message) in block.messages(recording) {
            let result = match kind {
                STATE => {
                    *order += 1;
                    replicas.handle_state(*peer, *order, message).map(drop)
                }
                CALL if !calls => {
                    replicas.skip_calls(*peer, 1);
                    Ok(())
                }
                CALL | HINT if calls => replicas.handle_call(*peer, kind == CALL, message),
                _ => Ok(()),
            };
            result.map_err(|fault| PlaybackError::Nonsense { at, fault })?;
        }
        Ok(())
    }

    fn update(&mut self, time: Duration, block: Block) -> Result<(), PlaybackError> {
        let mut wrong = None;
        self.replicas.update(Instant::ZERO + time, |_, fault| wrong = Some(fault));
        self.replicas.drop_calls();
        wrong.map_or(Ok(()), |fault| Err(PlaybackError::Nonsense { at: block.at, fault }))
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("position", &self.position)
            .field("duration", &self.duration())
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// Where the first block begins.
fn check_head(registry: &Registry, recording: &[u8]) -> Result<usize, PlaybackError> {
    let rest = recording.strip_prefix(MAGIC).ok_or(PlaybackError::NotARecording)?;
    let (&version, rest) = rest.split_first().ok_or(PlaybackError::Empty)?;
    if version != VERSION {
        return Err(PlaybackError::Format(version));
    }
    let (len, rest) = rest.split_first_chunk::<4>().ok_or(PlaybackError::Empty)?;
    let schema = rest.get(..u32::from_le_bytes(*len) as usize).ok_or(PlaybackError::Empty)?;
    let at = recording.len() - rest.len();
    let damaged = PlaybackError::Damaged { at };
    let there = core::str::from_utf8(schema).ok().and_then(|json| Snapshot::from_json(json).ok()).ok_or(damaged)?;
    let here = registry.snapshot();
    if here != there {
        return Err(PlaybackError::Schema(Box::new(here.diff(&there))));
    }
    Ok(at + schema.len())
}

impl Block {
    /// The block that begins at `at`; none where the recording ends, if need be in the middle of it.
    fn read(recording: &[u8], at: usize) -> Result<Option<Self>, PlaybackError> {
        let damaged = PlaybackError::Damaged { at };
        let Some((len, rest)) = recording[at..].split_first_chunk::<4>() else { return Ok(None) };
        let Some((crc, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some(body) = rest.get(..u32::from_le_bytes(*len) as usize) else { return Ok(None) };
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(damaged);
        }
        let head = || {
            let (time, rest) = body.split_first_chunk::<8>()?;
            let (key, rest) = rest.split_first()?;
            let (key, rest) = match key {
                0 => (None, rest),
                _ => rest.split_first_chunk::<4>().map(|(calls, rest)| (Some(u32::from_le_bytes(*calls)), rest))?,
            };
            Some((Duration::from_micros(u64::from_le_bytes(*time)), key, rest.len()))
        };
        let (time, key, messages) = head().ok_or(damaged)?;
        let end = at + BLOCK_HEAD + body.len();
        Ok(Some(Self { at: end - messages, end, time, key }))
    }

    /// Where each is, its kind and its bytes.
    fn messages(self, recording: &[u8]) -> impl Iterator<Item = (usize, u8, &[u8])> {
        let mut rest = &recording[self.at..self.end];
        core::iter::from_fn(move || {
            let at = self.end - rest.len();
            let (&kind, after) = rest.split_first()?;
            let (len, after) = after.split_first_chunk::<4>()?;
            let (message, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = after;
            Some((at, kind, message))
        })
    }
}
