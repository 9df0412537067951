//! Blocks of records, ready to be copied.
//!
//! Where all replicas of a block have something to say, and all of it against the basis that a message names, what is said of them is
//! the same in every such message: from the second id on, bit by bit. So it is put together once, and a peer that has the whole block
//! alike (`targets`) gets it in one piece.

use super::encoder::{Encoder, Stores};
use super::entry::Entry;
use super::record::{Cursor, Header};
use super::targets::BLOCK;
use crate::schema::Priority;

/// Bases for which there are blocks at a time.
const BASES: usize = 8;

/// Replicas that do not all fit into a near cache.
const MANY: usize = 256;

/// What may be said of a block at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    tick: u32,
    /// A bit for each place; none if they cannot be told of at once.
    places: u32,
    /// Byte in the encoder's arena.
    start: u32,
    /// Bits.
    length: u32,
    /// One of them is guessed from its past.
    pub(super) predicts: bool,
    /// That of all, if it is the same.
    pub(super) priority: Option<Priority>,
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The first `open` belong to the current tick; the others are kept for their memory.
    bases: Vec<(Header, Vec<Ready>)>,
    open: usize,
}

impl Blocks {
    pub(super) const fn start_tick(&mut self) {
        self.open = 0;
    }

    /// Where blocks are for messages with that header; none if there are too many others.
    fn base(&mut self, header: Header) -> Option<usize> {
        if let Some(at) = self.bases[..self.open].iter().position(|(known, _)| *known == header) {
            return Some(at);
        }
        if self.open == BASES {
            return None;
        }
        match self.bases.get_mut(self.open) {
            Some((known, _)) => *known = header,
            None => self.bases.push((header, Vec::new())),
        }
        self.open += 1;
        Some(self.open - 1)
    }
}

impl Encoder {
    /// The bits of a block that is ready.
    #[inline]
    pub(super) fn bits(&self, ready: &Ready) -> (&[u8], usize) {
        (&self.arena.finished()[ready.start as usize..], ready.length as usize)
    }

    /// Everything about `places` of a block, the first id apart, if it can be told at once in messages with that header.
    #[inline]
    pub(super) fn block(
        &mut self,
        header: Header,
        block: (usize, u32),
        entries: &[Entry],
        stores: Stores<'_>,
    ) -> Option<Ready> {
        let (block, places) = block;
        let base = self.blocks.base(header)?;
        let known = self.blocks.bases[base].1.get(block).filter(|ready| ready.tick == header.tick);
        let ready = match known {
            Some(known) => *known,
            None => {
                let ready = self.make_ready(header, block, places, entries, stores);
                self.arena.finish(); // To be copied from.
                let by_block = &mut self.blocks.bases[base].1;
                if by_block.len() <= block {
                    by_block.resize(block + 1, Ready::default());
                }
                by_block[block] = ready;
                ready
            }
        };
        (ready.places == places).then_some(ready)
    }

    fn make_ready(
        &mut self,
        header: Header,
        block: usize,
        places: u32,
        entries: &[Entry],
        stores: Stores<'_>,
    ) -> Ready {
        let Header { tick, common } = header;
        let start = self.arena.finish().len();
        let not_at_once = Ready { tick, ..Ready::default() };
        let first = block * BLOCK + places.trailing_zeros() as usize;
        let mut ready = Ready { places, priority: Some(entries[first].priority), ..not_at_once };
        let moving = (common.past != 0).then(|| self.lanes.open(common)).flatten();
        let mut plain = None;
        if entries.len() >= MANY {
            fetch(header, block, places, entries, stores);
        }
        let mut cursor = Cursor::START;
        let mut left = places;
        while left != 0 {
            let place = block * BLOCK + left.trailing_zeros() as usize;
            left &= left - 1;
            let entry = &entries[place];
            let has_news = entry.version > common.base && entry.version <= tick && entry.audience == 0;
            let basis = if entry.predicts { common } else { common.without_past() };
            let lane = if entry.predicts { moving } else { *plain.get_or_insert_with(|| self.lanes.open(basis)) };
            let Some(lane) = lane.filter(|_| has_news) else { return not_at_once };
            ready.predicts |= entry.predicts;
            ready.priority = ready.priority.filter(|priority| *priority == entry.priority);
            // "The next serial" and "the common basis" are a one each.
            if place == first {
                cursor.go_to(entry.id);
                self.arena.bits(0b1, 1);
            } else if cursor.advance(entry.id) {
                self.arena.bits(0b11, 2);
            } else {
                cursor.write(entry.id, &mut self.arena);
                self.arena.bits(0b1, 1);
            }
            if !self.add_usual((lane, basis), place, entry, tick, stores) {
                return not_at_once;
            }
        }
        match (u32::try_from(start), u32::try_from(self.arena.len() - start * 8)) {
            (Ok(start), Ok(length)) => Ready { start, length, ..ready },
            _ => not_at_once,
        }
    }
}

/// Asks memory for what a block will need, all of it at once instead of one after the other.
fn fetch(header: Header, block: usize, places: u32, entries: &[Entry], stores: Stores<'_>) {
    let block = &entries[block * BLOCK..entries.len().min((block + 1) * BLOCK)];
    for (n, entry) in block.iter().enumerate() {
        if places >> n & 1 == 1
            && let [chunk] = entry.chunks[..]
        {
            stores.all[usize::from(chunk.class)].fetch(chunk.slot, header.common, header.tick);
        }
    }
}
