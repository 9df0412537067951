//! Records as most of them are, a run at a time.
//!
//! Where much changes in every tick, most records of a message are of the replica with the next serial, against what the message has in
//! common, and of one chunk of the same type as the one before. What has to be found out about each is little then, and the chunk's type
//! reads all of them in one go.

use super::entry::{Entry, Row};
use super::profile::{PeerProfile, share};
use super::record::USUAL;
use super::records::Records;
use super::unmarshal::{Stop, refused};
use super::{PeerId, ReplicaManager};
use crate::chunk::{Arrival, Taken};
use crate::ids::ReplicaId;

/// Records that are read together, at most: a bit for each is in a word.
const MOST: usize = 64;

/// How many are looked for as long as nothing is known.
pub(super) const FEW: usize = 2;

/// Records to come in a message.
#[derive(Debug)]
pub(super) struct Run {
    /// How many are looked for: as what is found is in vain where they do not come, more only after as many did.
    most: usize,
    /// How many were, and how many came. Nothing is learned from the last run of a message, which may have come to its end.
    last: (usize, usize),
    places: [u32; MOST],
    slots: [u32; MOST],
}

impl Run {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, last: (0, 0), places: [0; MOST], slots: [0; MOST] }
    }

    /// How many to look for in the next message.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    fn learn(&mut self) {
        let (found, came) = core::mem::take(&mut self.last);
        if found > 0 {
            self.most = if came < found { FEW } else { (self.most * 2).min(MOST) };
        }
    }
}

impl ReplicaManager {
    /// Reads records of the usual kind, as many as there are now or fewer. What it does not read is read as any other. Returns whether all came that
    /// were looked for, so that more may.
    pub(super) fn read_run<'b>(
        &mut self,
        peer: PeerId,
        run: &mut Run,
        arrival: &mut Arrival,
        profile: Option<&PeerProfile>,
        records: &mut impl Records<'b>,
    ) -> Result<bool, Stop> {
        run.learn();
        let Some((basis, first)) = records.usual() else { return Ok(false) };
        if basis.base >= arrival.version {
            return Ok(false);
        }
        if basis != arrival.basis {
            *arrival = self.arrival(peer, basis, arrival.version);
        }
        let Some((class, found)) = self.find_run(peer, first, arrival.version, run) else { return Ok(false) };
        if share(profile, class).is_some() {
            return Ok(false);
        }
        let store = &mut self.stores[usize::from(class)];
        let mut taken = None;
        records.take_usual(|window| taken.insert(store.receive_run(&run.slots[..found], arrival, USUAL, window)).count);
        let Some(Taken { count, changed, fault }) = taken else { return Ok(false) };
        self.note_run(&run.places[..count], changed, arrival);
        run.last = (found, count);
        fault.map_or(Ok(count == found), |fault| Err(refused(fault)))
    }

    /// Looks for the replicas from an id on that may be in a run together: the class of their chunks, and how many; none if there are
    /// not two.
    fn find_run(&self, peer: PeerId, first: ReplicaId, version: u32, run: &mut Run) -> Option<(u16, usize)> {
        // Who came one after the other have places in a row.
        let (mut id, mut likely, mut found) = (first, *self.index.get(&first)?, 0);
        let &Entry { row, upstream, ref chunks, .. } = &self.entries[likely as usize];
        if row == Row::NONE || upstream != Some(peer) {
            return None;
        }
        let class = chunks.first()?.class;
        let most = run.most.min(MOST);
        'all: loop {
            for entry in self.entries.get(likely as usize..).unwrap_or_default() {
                if entry.id != id || entry.row != row {
                    break;
                }
                debug_assert_eq!((row, entry.chunks[0].slot), (entry.row_now(), entry.slot), "of {id}");
                // Of those of which nothing has come yet the first record is still to come.
                if entry.received == 0 || entry.received >= version {
                    break 'all;
                }
                (run.places[found], run.slots[found]) = (likely, entry.slot);
                likely = likely.wrapping_add(1);
                id.serial = id.serial.wrapping_add(1);
                found += 1;
                if found == most {
                    break 'all;
                }
            }
            match self.index.get(&id) {
                Some(&place) if self.entries[place as usize].row == row => likely = place,
                _ => break,
            }
        }
        (found > 1).then_some((class, found))
    }

    fn note_run(&mut self, places: &[u32], changed: u64, arrival: &Arrival) {
        for (i, place) in places.iter().enumerate() {
            let entry = &mut self.entries[*place as usize];
            entry.received = arrival.version;
            if changed >> i & 1 != 0 {
                entry.version = self.tick + 1;
                if arrival.relay_as.is_some() || entry.floor == 0 {
                    self.relayed.push(*place);
                }
            }
        }
        self.stats.records_received += places.len() as u64;
    }
}
