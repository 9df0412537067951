//! Names for people: what a game calls its replicas in its log.
//!
//! A name stays where it is given, and costs nothing on the wire. Nodes that [share](ReplicaManager::share_names) names ask each of
//! their peers for theirs, in one short message. Who shares them too answers: with those there are, some in each tick, and from then on with each that is given.
//! What nobody has asked for is not sent. It goes in the row of the reliable calls, beside the state:
//!
//! ```text
//! names = 0:64 1                                               asks for them
//!       | 0:64 0 creator:gamma serial:gamma length:7 UTF-8     this is one
//! ```
//!
//! No call and no report begins with 64 zeros. A name may come before its replica; a few are kept for that, and if it comes too
//! late for a place among them it is lost: it is a help, and nothing depends on it.

use core::fmt;
use core::ops::Bound;
use std::collections::{BTreeMap, VecDeque};

use super::record::at_end;
use super::target::PeerId;
use super::{PeerFault, ReplicaError, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::wire::{BitReader, BitWriter, WireError};

/// The names that there are here.
#[derive(Default)]
pub(super) struct Names {
    of: BTreeMap<ReplicaId, Box<str>>,
    shared: bool,
    /// Of replicas that have not come yet, by whom they come from, oldest first.
    early: VecDeque<(PeerId, ReplicaId, Box<str>)>,
}

/// How many of the names a peer was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// None, and it did not ask.
    #[default]
    Unasked,
    /// Those up to this one, in the order of ids.
    UpTo(ReplicaId),
    All,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.of.iter().map(|(id, name)| (fmt::from_fn(move |f| write!(f, "{id}")), name)))
            .finish()
    }
}

/// Whether a message of the calls' channel is about names.
pub(super) fn is_about_names(message: &[u8]) -> bool {
    message.starts_with(&[0; 8])
}

fn write_name(id: ReplicaId, name: &str, w: &mut BitWriter) {
    w.clear();
    w.bits(0, 64);
    w.bool(false);
    w.gamma(id.creator.0);
    w.gamma(id.serial);
    w.bits(name.len() as u64, 7);
    w.bytes(name.as_bytes());
}

/// None of one that asks.
fn read(message: &[u8]) -> Result<Option<(ReplicaId, Box<str>)>, WireError> {
    let mut r = BitReader::new(message);
    r.bits(64)?;
    let name = if r.bool()? {
        None
    } else {
        let id = ReplicaId { creator: MemberId(r.gamma()?), serial: r.gamma()? };
        let mut bytes = [0; limits::NAME_BYTES];
        let length = usize::try_from(r.bits(7)?).map_err(|_| WireError::TooLong)?;
        let bytes = bytes.get_mut(..length).ok_or(WireError::TooLong)?;
        r.bytes(bytes)?;
        let name = core::str::from_utf8(bytes).map_err(|_| WireError::Invalid)?;
        // People will read it, in logs and terminals.
        if name.contains(char::is_control) {
            return Err(WireError::Invalid);
        }
        Some((id, name.into()))
    };
    if at_end(&r) { Ok(name) } else { Err(WireError::Invalid) }
}

impl ReplicaManager {
    /// Gives a replica a name, for people to read: of [`limits::NAME_BYTES`] at most, without control characters; the rest is left out. An
    /// empty one takes it back. It costs nothing on the wire, unless both ends [share](Self::share_names) names.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// # #[derive(Default, ReplicaChunk)]
    /// # struct Truck { x: f32 }
    /// # let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Truck>().build()?, 1);
    /// let id = replicas.add(Truck::default())?;
    /// replicas.set_name(id, "the red one")?;
    /// assert_eq!(replicas.describe(id).to_string(), "#1.1 \"the red one\" (Truck), a primary");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`].
    pub fn set_name(&mut self, id: ReplicaId, name: &str) -> Result<(), ReplicaError> {
        self.entry(id)?;
        let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
        name.truncate(name.floor_char_boundary(limits::NAME_BYTES));
        self.keep_name(id, name.into(), None);
        Ok(())
    }

    /// The name that a replica was given, here or, if names are shared, by its owner.
    pub fn name(&self, id: ReplicaId) -> Option<&str> {
        self.names.of.get(&id).map(|name| &**name)
    }

    /// What to call a replica in a log or an error: its id, its name, its chunk types and whose it is.
    pub fn describe(&self, id: ReplicaId) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| {
            write!(f, "{id}")?;
            if let Some(name) = self.name(id) {
                write!(f, " {name:?}")?;
            }
            let Ok(entry) = self.entry(id) else { return f.write_str(" (not here)") };
            for (i, chunk) in entry.chunks.iter().enumerate() {
                let name = self.stores[usize::from(chunk.class)].descriptor().name;
                write!(f, "{}{name}", if i == 0 { " (" } else { ", " })?;
            }
            if entry.is_primary() { f.write_str("), a primary") } else { write!(f, "), a proxy of {}", entry.owner) }
        })
    }

    /// From now on names are exchanged with peers that do so too: while a game is made, not when it is played.
    /// [`NodeConfig::share_names`](crate::NodeConfig::share_names) does it for a node.
    pub fn share_names(&mut self) {
        if !core::mem::replace(&mut self.names.shared, true) {
            for place in 0..self.peers.len() {
                self.ask_for_names(place);
            }
        }
    }

    /// Asks the peer at `place`, if names are shared here.
    pub(super) fn ask_for_names(&mut self, place: usize) {
        // A recorder is nobody.
        if let Some(Some(peer)) = self.peers.get_mut(place)
            && self.names.shared
            && peer.member != MemberId::NONE
        {
            let w = &mut self.encoder.scratch;
            w.clear();
            w.bits(0, 64);
            w.bool(true);
            peer.queue(w.finish(), true);
        }
    }

    /// Tells those who have asked of some names that they do not know yet.
    pub(super) fn tell_names(&mut self) {
        if !self.names.shared {
            return;
        }
        let Self { peers, names, entries, index, encoder, .. } = self;
        for (peer_id, peer) in (0..).zip(peers) {
            let Some(peer) = peer else { continue };
            let Told::UpTo(last) = peer.names else { continue };
            let mut next = names.of.range((Bound::Excluded(last), Bound::Unbounded));
            for _ in 0..limits::NAMES_PER_TICK {
                let Some((id, name)) = next.next() else {
                    peer.names = Told::All;
                    break;
                };
                peer.names = Told::UpTo(*id);
                let place = index.get(id).map(|place| &entries[*place as usize]);
                if place.is_some_and(|entry| entry.goes_to(PeerId(peer_id), peer.role)) {
                    write_name(*id, name, &mut encoder.scratch);
                    peer.queue(encoder.scratch.finish(), true);
                }
            }
        }
    }

    /// Takes a message in that is about names and no call.
    pub(super) fn handle_names(&mut self, peer: PeerId, reliable: bool, message: &[u8]) -> Result<(), PeerFault> {
        let read = read(message)?;
        if !reliable {
            return Err(WireError::Invalid.into());
        }
        self.charge(peer, message.len())?;
        if !self.names.shared {
            return Ok(());
        }
        let Some((id, name)) = read else {
            if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize)
                && peer.names == Told::Unasked
            {
                peer.names = Told::UpTo(ReplicaId { creator: MemberId::NONE, serial: 0 });
            }
            return Ok(());
        };
        match self.index.get(&id).map(|place| self.entries[*place as usize].upstream) {
            Some(upstream) if upstream == Some(peer) => self.keep_name(id, name, Some(peer)),
            // It is another's by now.
            Some(_) => {}
            None => {
                if self.names.early.len() >= limits::EARLY_NAMES {
                    self.names.early.pop_front();
                }
                self.names.early.push_back((peer, id, name));
            }
        }
        Ok(())
    }

    /// A replica has come from a peer: perhaps its name was here before it.
    pub(super) fn find_name(&mut self, peer: PeerId, id: ReplicaId) {
        let mut found = None;
        self.names.early.retain_mut(|(from, of, name)| {
            let is_it = (*from, *of) == (peer, id);
            if is_it {
                found = Some(core::mem::take(name)); // The last counts.
            }
            !is_it
        });
        if let Some(name) = found {
            self.keep_name(id, name, Some(peer));
        }
    }

    /// A replica is gone, and its name.
    pub(super) fn forget_name(&mut self, id: ReplicaId) {
        if !self.names.of.is_empty() {
            self.names.of.remove(&id);
        }
    }

    /// What a peer has said before its replicas came goes with it.
    pub(super) fn forget_names_from(&mut self, peer: PeerId) {
        self.names.early.retain(|(from, ..)| *from != peer);
    }

    /// Keeps a name and tells of it, but for the peer it is from.
    fn keep_name(&mut self, id: ReplicaId, name: Box<str>, from: Option<PeerId>) {
        if self.names.of.get(&id).map_or("", |name| name) == &*name {
            return;
        }
        write_name(id, &name, &mut self.encoder.scratch);
        if name.is_empty() {
            self.names.of.remove(&id);
        } else {
            self.names.of.insert(id, name);
        }
        let Some(&place) = self.index.get(&id) else { return };
        let entry = &self.entries[place as usize];
        // What the program calls another's replica stays here.
        if !self.names.shared || entry.upstream != from {
            return;
        }
        for (peer_id, peer) in (0..).zip(&mut self.peers) {
            let Some(peer) = peer else { continue };
            let knows = match peer.names {
                Told::Unasked => false,
                Told::UpTo(last) => id <= last,
                Told::All => true,
            };
            if knows && entry.goes_to(PeerId(peer_id), peer.role) {
                peer.queue(self.encoder.scratch.finish(), true);
            }
        }
    }
}
