//! Messages that are the same for many peers.
//!
//! Peers who have the same, and lack the same, are told the same: not only each block (`blocks`) but whole messages, from the first bit to
//! the last. So of a message that holds nothing but blocks, one behind the other, it is noted what was found of each when it was
//! written. The next peer who is to be told from that block on is looked at as closely, and if all of it is found again, what was
//! written is what would be written.
//!
//! That goes for the block that found no room as well, so that messages end where they would end. The last message of a tick, which
//! ends because there is no more to say, is written for everyone.

use super::blocks::BASES;
use super::encoder::Encoder;
use super::in_flight::InFlight;
use super::message::Room;
use super::owed::Owed;
use super::pair::Target;
use super::record::Header;
use super::targets::BLOCK;

/// The messages of this tick that may be sent again.
#[derive(Debug, Default)]
pub(super) struct SharedMessages {
    all: Vec<SharedMessage>,
    /// What was found of their blocks, and then of the one that found no room.
    blocks: Vec<Found>,
    /// By block and base: which of `all` begins there, if it is one and does.
    by_start: Vec<[u32; BASES]>,
    /// Of the message that is being written.
    open: Open,
    /// Every message is written.
    #[cfg(test)]
    pub(super) off: bool,
    /// How often one was not.
    #[cfg(test)]
    pub(super) used: u32,
}

#[derive(Clone, Copy, Debug)]
struct SharedMessage {
    header: Header,
    room: Room,
    /// The place that it goes on from.
    start: usize,
    /// The place that found no room.
    stopped: usize,
    /// Of `blocks`.
    blocks: (u32, u32),
    /// Of the encoder's arena.
    bytes: (u32, u32),
    records: u64,
    /// How many blocks, if it says all of each.
    whole: Option<u32>,
}

/// A block as it was found when a message was written.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// What was pending.
    places: u32,
    /// What the peer had, and was sent, of all; and when the message was written, if others may get it.
    before: Target,
    after: Target,
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    start: usize,
    /// Of `blocks`.
    from: usize,
    /// The block that may follow; none if the message is one that will not be sent again.
    next: Option<usize>,
}

impl SharedMessages {
    pub(super) fn start_tick(&mut self) {
        self.all.clear();
        self.blocks.clear();
        self.open = Open::default();
        #[cfg(test)]
        {
            self.used = 0;
        }
    }

    /// A message is begun that goes on from `start`, and may be one for others, or not.
    #[inline]
    pub(super) fn begin(&mut self, start: usize, may_be: bool) {
        self.blocks.truncate(self.all.last().map_or(0, |last| last.blocks.1 as usize));
        self.open = Open { start, from: self.blocks.len(), next: may_be.then_some(start / BLOCK) };
    }

    /// All that is pending of a block is written in one piece, or finds no room, and nothing comes of it. Of a block that is written in parts
    /// nothing is noted: the next one is not the one that may follow.
    #[inline]
    pub(super) fn note(&mut self, block: usize, places: u32, target: Target) {
        if self.open.next == Some(block) {
            self.open.next = Some(block + 1);
            self.blocks.push(Found { places, before: target, after: target });
        } else {
            self.open.next = None;
        }
    }
}

impl Encoder {
    /// The message that was begun is written, and the place `stopped` found no room.
    #[inline]
    pub(super) fn share(&mut self, header: Header, room: Room, stopped: usize, message: &[u8]) {
        let Open { start, from, next } = self.shared.open;
        let [said @ .., _] = &mut self.shared.blocks[from..] else { return };
        // The last that was noted is the one that found no room.
        if next != Some(stopped / BLOCK + 1) || said.is_empty() {
            return;
        }
        let whole = said.iter().all(|found| found.places == u32::MAX).then_some(said.len());
        let whole = whole.and_then(|count| u32::try_from(count).ok());
        let records = said.iter().map(|found| u64::from(found.places.count_ones())).sum();
        for found in said {
            found.after.send_against(header);
        }
        let Some(base) = self.blocks.known(header) else { return };
        let bytes = self.arena.finish().len();
        let (Ok(first), Ok(last)) = (u32::try_from(bytes), u32::try_from(bytes + message.len())) else { return };
        let (Ok(at), Ok(from), Ok(to)) =
            (u32::try_from(self.shared.all.len()), u32::try_from(from), u32::try_from(self.shared.blocks.len()))
        else {
            return;
        };
        self.arena.bytes(message);
        self.arena.finish(); // To be copied from.
        if self.shared.by_start.len() <= start / BLOCK {
            self.shared.by_start.resize(start / BLOCK + 1, [u32::MAX; BASES]);
        }
        self.shared.by_start[start / BLOCK][base] = at;
        let shared =
            SharedMessage { header, room, start, stopped, blocks: (from, to), bytes: (first, last), records, whole };
        self.shared.all.push(shared);
    }

    /// Takes the message that was written for another peer, if it is what would be written for this one. Returns how many records it has.
    #[inline]
    pub(super) fn take_shared(
        &mut self,
        header: Header,
        room: Room,
        (owed, in_flight): (&mut Owed, &mut InFlight),
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        #[cfg(test)]
        if self.shared.off {
            return None;
        }
        let start = owed.next_place;
        let at = self.shared.by_start.get(start / BLOCK)?[self.blocks.known(header)?];
        let message = self.shared.all.get(at as usize)?;
        if message.start != start || message.header != header || message.room != room {
            return None;
        }
        let found = &self.shared.blocks[message.blocks.0 as usize..message.blocks.1 as usize];
        let first = start / BLOCK;
        for (block, found) in (first..).zip(found) {
            let pending = owed.pending_of(block) & if block == first { u32::MAX << (start % BLOCK) } else { u32::MAX };
            if pending != found.places {
                return None;
            }
        }
        // Who came meanwhile has a pair of its own.
        let targets = owed.targets.all_alike(first..first + found.len())?;
        if !targets.iter().zip(found).all(|(target, found)| *target == found.before) {
            return None;
        }
        let said = &found[..found.len() - 1];
        targets.iter_mut().zip(said).for_each(|(target, found)| *target = found.after);
        (first..).zip(said).for_each(|(block, found)| owed.set_said(block, found.places));
        #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
        let first = first as u32;
        if let Some(count) = message.whole {
            in_flight.record_whole(first, count);
        } else {
            (first..).zip(said).for_each(|(block, found)| in_flight.record_block(block, found.places));
        }
        owed.next_place = message.stopped;
        owed.stopped = true;
        out.extend_from_slice(&self.arena.finished()[message.bytes.0 as usize..message.bytes.1 as usize]);
        #[cfg(test)]
        {
            self.shared.used += 1;
        }
        Some(message.records)
    }
}
