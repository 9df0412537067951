//! Records as most of them are, a run at a time.
//!
//! Where much changes in every tick, most records of a message are of the replica with the next serial, against what the message has in
//! common, and of one chunk of the same type as the one before. What has to be found out about each is little then, and the chunk's type
//! reads all of them in one go.

use super::profile::{PeerProfile, share};
use super::record::USUAL;
use super::records::Records;
use super::unmarshal::{Stop, refused};
use super::{PeerId, ReplicaManager};
use crate::chunk::{Arrival, Taken};
use crate::ids::ReplicaId;

/// Records that are read together, at most: a bit for each is in a word.
const MOST: usize = 64;

/// Records to come in a message.
#[derive(Debug)]
pub(super) struct Run {
    /// How many are looked for: as what is found is in vain where they do not come, more only after as many did.
    most: usize,
    places: [u32; MOST],
    slots: [u32; MOST],
}

impl Run {
    pub(super) const START: Self = Self { most: 2, places: [0; MOST], slots: [0; MOST] };

    fn learn(&mut self, found: usize, came: usize) {
        self.most = if came < found { 2 } else { (self.most * 2).min(MOST) };
    }
}

impl ReplicaManager {
    /// Reads records of the usual kind, as many as there are now or fewer. What it does not read is read as any other.
    pub(super) fn read_run<'b>(
        &mut self,
        peer: PeerId,
        run: &mut Run,
        arrival: &mut Arrival,
        profile: Option<&PeerProfile>,
        records: &mut impl Records<'b>,
    ) -> Result<(), Stop> {
        let Some((basis, first)) = records.usual() else { return Ok(()) };
        if basis.base >= arrival.version {
            return Ok(());
        }
        if basis != arrival.basis {
            *arrival = self.arrival(peer, basis, arrival.version);
        }
        let Some((class, found)) = self.find_run(peer, first, arrival.version, run) else { return Ok(()) };
        if share(profile, class).is_some() {
            return Ok(());
        }
        let store = &mut self.stores[usize::from(class)];
        let mut taken = None;
        records.take_usual(|window| taken.insert(store.receive_run(&run.slots[..found], arrival, USUAL, window)).count);
        let Some(Taken { count, changed, fault }) = taken else { return Ok(()) };
        self.note_run(&run.places[..count], changed, arrival);
        run.learn(found, count);
        fault.map_or(Ok(()), |fault| Err(refused(fault)))
    }

    /// Looks for the replicas from an id on that may be in a run together: the class of their chunks, and how many; none if there are
    /// not two.
    fn find_run(&self, peer: PeerId, first: ReplicaId, version: u32, run: &mut Run) -> Option<(u16, usize)> {
        let (mut id, mut class, mut found) = (first, None, 0);
        // Who came one after the other have places in a row.
        let mut likely = u32::MAX;
        for (place_of, slot_of) in run.places.iter_mut().zip(&mut run.slots).take(run.most) {
            let (place, entry) = match self.entries.get(likely as usize) {
                Some(entry) if entry.id == id && entry.live => (likely, entry),
                _ => {
                    let Some(&place) = self.index.get(&id) else { break };
                    (place, &self.entries[place as usize])
                }
            };
            likely = place.wrapping_add(1);
            let &[chunk] = &entry.chunks[..] else { break };
            // Of those of which nothing has come yet the first record is still to come.
            let awaits =
                entry.upstream == Some(peer) && !entry.lagged && entry.received != 0 && entry.received < version;
            if !awaits || *class.get_or_insert(chunk.class) != chunk.class {
                break;
            }
            (*place_of, *slot_of) = (place, chunk.slot);
            id.serial = id.serial.wrapping_add(1);
            found += 1;
        }
        class.filter(|_| found > 1).map(|class| (class, found))
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
