//! All replicas as bytes, and back: what a game writes to a file when a session ends, and begins the next one from.
//!
//! A saved state holds every replica with its id, its owner and the current value of every dataset; primaries and proxies alike, so
//! a host saves the whole session. Restoring it makes all of them primaries of the node that does, under the ids they had, so that
//! references between them go on meaning what they meant. Who owned them, and to whom they were assigned, is in the answer and nowhere
//! else: it is the program that knows whom they now belong to. They are unassigned, and in their first epoch. Names for people are not
//! saved.
//!
//! ```text
//! saved   = "GMSV" version:8 schema-length:32 schema  body  crc:32       numbers are little-endian, schema is JSON, crc is of all before
//! body    = serial:32 count:32 replica*                                  bits from here on, padded to a byte
//! replica = creator:gamma serial:gamma owner (as in a state message) count:gamma (class + 1):gamma* encoding*
//! ```
//!
//! `serial` is the next that the saving node would have given out. The encodings are those of state messages under the packed coder,
//! against the defaults, of what the values are now: what throttles withhold from peers is in them.

use smallvec::SmallVec;

use super::ReplicaManager;
use super::entry::{ChunkRef, Chunks, Entry};
use super::record::Ownership;
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::schema::{SchemaDiff, Snapshot};
use crate::wire::{BitReader, BitWriter, WireError};

const MAGIC: &[u8; 4] = b"GMSV";
const VERSION: u8 = 1;

/// Why saved bytes could not be restored. Nothing was changed then.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::RestoreError;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Door>().build()?, 1);
/// replicas.add(Door { open: true })?;
/// let saved = replicas.save();
/// assert_eq!(replicas.restore(&saved), Err(RestoreError::NotEmpty));
/// assert_eq!(replicas.restore(b"GIF89a"), Err(RestoreError::NotSaved));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes do not begin as saved ones do.
    #[error("these are not saved replicas")]
    NotSaved,
    /// They were saved by a program that writes them in another way.
    #[error("saved in format {0}; this program reads format {VERSION}")]
    Format(u8),
    /// Some are missing, or were changed since.
    #[error("the saved replicas are damaged: {0}")]
    Damaged(WireError),
    /// They are of other chunk types; here is this program, there what was saved.
    #[error("the saved replicas are of other chunk types:\n{0}")]
    Schema(Box<SchemaDiff>),
    /// There are replicas already, whose ids might be among those saved.
    #[error("there are replicas already; restore before anything is added")]
    NotEmpty,
    /// This node has not joined a session, or does not host it, or others are in it already, whose new replicas might get ids that
    /// are among those saved.
    #[error("only the host of a session restores it, before anyone joins")]
    NotAlone,
}

impl From<WireError> for RestoreError {
    fn from(error: WireError) -> Self {
        Self::Damaged(error)
    }
}

/// A replica that was restored: its primary is here now.
///
/// ```
/// use std::collections::BTreeMap;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::Restored;
///
/// /// Gives those who are here again what they had: `now` says of a member of then who that is today.
/// fn give_back(replicas: &mut ReplicaManager, restored: &[Restored], now: &BTreeMap<MemberId, MemberId>) {
///     for replica in restored {
///         if let Some(member) = now.get(&replica.assigned) {
///             let _ = replicas.assign(replica.id, *member);
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The replica, under the id it had.
    pub id: ReplicaId,
    /// The member that owned it.
    pub owner: MemberId,
    /// The member it was assigned to; its owner, without an assignment.
    pub assigned: MemberId,
}

impl ReplicaManager {
    /// Every replica there is, as bytes for [`restore`](Self::restore). Of each it has the chunks with the present values of their
    /// datasets, not yet captured changes included; fields with `skip`, names, and calls on their way are left out.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// #[derive(Debug, Default, PartialEq, ReplicaChunk)]
    /// struct Door {
    ///     open: bool,
    /// }
    ///
    /// let registry = Registry::builder().chunk::<Door>().build()?;
    /// let mut before = ReplicaManager::new(registry.clone(), 1);
    /// let door = before.add(Door { open: true })?;
    /// let saved = before.save();
    ///
    /// let mut after = ReplicaManager::new(registry, 2);
    /// assert_eq!(after.restore(&saved)?[0].id, door);
    /// assert_eq!(after.get::<Door>(door)?, &Door { open: true });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self) -> Vec<u8> {
        let schema = self.registry.to_json();
        let mut out = Vec::from(*MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&u32::try_from(schema.len()).expect("a schema is far smaller").to_le_bytes());
        out.extend_from_slice(schema.as_bytes());
        out.extend_from_slice(self.save_body().finish());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn save_body(&self) -> BitWriter {
        let mut w = BitWriter::new();
        w.bits(self.next_serial.into(), 32);
        // Of a client's replica there may be nothing that was taken in.
        let chunks = |entry: &Entry| entry.chunks.iter().filter(|chunk| !chunk.refused).copied().collect::<Chunks>();
        let saved = || self.entries.iter().filter(|entry| entry.live && !entry.dying && !chunks(entry).is_empty());
        w.bits(saved().count() as u64, 32);
        for entry in saved() {
            w.gamma(entry.id.creator.0);
            w.gamma(entry.id.serial);
            entry.ownership().write(&mut w);
            let chunks = chunks(entry);
            w.gamma(u32::try_from(chunks.len()).expect("at most 64"));
            for chunk in &chunks {
                w.gamma(u32::from(chunk.class) + 1);
            }
            for chunk in &chunks {
                self.stores[usize::from(chunk.class)].save(chunk.slot, None, &mut w);
            }
        }
        w
    }

    /// Takes in what [`save`](Self::save) wrote: every replica is here again, under its id, and its primary is this node; it is assigned to
    /// nobody and in its first epoch. Which were restored, with the owners and assignments they had, in the order they were saved in. Peers hear of them in the next tick, as of any others.
    ///
    /// Only into a manager without replicas. In a session, use [`Node::restore`](crate::Node::restore), which sees to it that members
    /// who join later do not give out ids that are taken.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing was changed then.
    pub fn restore(&mut self, saved: &[u8]) -> Result<Vec<Restored>, RestoreError> {
        let body = self.check_saved(saved)?;
        if !self.index.is_empty() {
            return Err(RestoreError::NotEmpty);
        }
        if self.local == MemberId::NONE {
            return Err(RestoreError::NotAlone);
        }
        let mut restored = Vec::new();
        match self.read_saved(body, &mut restored) {
            Ok(next_serial) => {
                self.next_serial = next_serial.max(self.next_serial);
                for Restored { id, .. } in &restored {
                    self.begin_life(self.index[id]);
                }
                Ok(restored)
            }
            Err(error) => {
                for Restored { id, .. } in restored {
                    let place = self.index[&id];
                    self.vacate(place);
                }
                Err(error.into())
            }
        }
    }

    /// The body, if it is whole and of the chunk types that there are here.
    fn check_saved<'b>(&self, saved: &'b [u8]) -> Result<&'b [u8], RestoreError> {
        let rest = saved.strip_prefix(MAGIC).ok_or(RestoreError::NotSaved)?;
        let (&version, rest) = rest.split_first().ok_or(WireError::UnexpectedEnd)?;
        if version != VERSION {
            return Err(RestoreError::Format(version));
        }
        let (whole, crc) = saved.split_last_chunk::<4>().ok_or(WireError::UnexpectedEnd)?;
        if crc32fast::hash(whole) != u32::from_le_bytes(*crc) {
            return Err(WireError::Invalid.into());
        }
        let rest = &rest[..rest.len() - crc.len()];
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(WireError::UnexpectedEnd)?;
        let (schema, body) =
            rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(WireError::UnexpectedEnd)?;
        let schema = core::str::from_utf8(schema).map_err(|_| WireError::Invalid)?;
        let there = Snapshot::from_json(schema).map_err(|_| WireError::Invalid)?;
        let here = self.registry.snapshot();
        if here != there {
            return Err(RestoreError::Schema(Box::new(here.diff(&there))));
        }
        Ok(body)
    }

    fn read_saved(&mut self, body: &[u8], restored: &mut Vec<Restored>) -> Result<u32, WireError> {
        let mut r = BitReader::new(body);
        let next_serial = r.bits(32)?;
        for _ in 0..r.bits(32)? {
            restored.push(self.read_replica(&mut r)?);
        }
        #[expect(clippy::cast_possible_truncation, reason = "32 bits were read")]
        Ok(next_serial as u32)
    }

    fn read_replica(&mut self, r: &mut BitReader<'_>) -> Result<Restored, WireError> {
        let id = ReplicaId { creator: MemberId(r.gamma()?), serial: r.gamma()? };
        let Ownership { owner, assigned, .. } = Ownership::read(r)?;
        let count = r.gamma()? as usize;
        if count > limits::CHUNKS_PER_REPLICA || self.index.contains_key(&id) {
            return Err(WireError::Invalid);
        }
        let mut classes = SmallVec::<[u16; 4]>::new();
        for _ in 0..count {
            let class = u16::try_from(r.gamma()? - 1).map_err(|_| WireError::Invalid)?;
            if usize::from(class) >= self.stores.len() || classes.contains(&class) {
                return Err(WireError::Invalid);
            }
            classes.push(class);
        }
        let migratable = classes.iter().all(|class| self.stores[usize::from(*class)].descriptor().migratable);
        let priority = self.priority_of(classes.iter().copied());
        let place = self.occupy(id, self.local, self.local, None, migratable, priority);
        for class in classes {
            match self.stores[usize::from(class)].restore(place, r) {
                Ok(slot) => self.attach(place, ChunkRef::new(class, slot)),
                Err(error) => {
                    self.vacate(place);
                    return Err(error);
                }
            }
        }
        Ok(Restored { id, owner, assigned })
    }
}
