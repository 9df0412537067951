//! Neighbours that are written in one go: one chunk in each, all of one type, with ids that follow one another.
//!
//! That is what most of a block is, where much moves. What has to be found out about each is little then, and the chunks' type writes all of
//! them without being asked again.

use super::encoder::Stores;
use super::entry::Entry;
use super::record::Header;
use super::targets::BLOCK;
use crate::chunk::{Basis, Head, RUN};
use crate::limits;
use crate::schema::Priority;
use crate::wire::BitWriter;

const _: () = assert!(BLOCK <= RUN);

/// What comes before a body in a block: "the next serial" and "the common basis" are a one each. Before the first there is an id.
pub(super) const HEAD: Head = (0b11, 2);
pub(super) const HEAD_OF_FIRST: Head = (0b1, 1);

/// Some places of a block, one after the other.
#[derive(Debug)]
pub(super) struct Alike {
    /// Against what all of them are written.
    pub(super) basis: Basis,
    pub(super) predicts: bool,
    /// That of all, if it is the same.
    pub(super) priority: Option<Priority>,
    class: u16,
    slots: [u32; BLOCK],
    count: usize,
}

impl Alike {
    /// None if they are not, or something cannot be said of one of them in messages with that header.
    #[inline]
    pub(super) fn of(header: Header, first: usize, places: u32, entries: &[Entry]) -> Option<Self> {
        let common = header.common;
        let Entry { predicts, priority, id, .. } = entries[first];
        if predicts && common.past == 0 {
            return None;
        }
        // Ids in a row may still have places between them that are free.
        let in_a_row = places >> places.trailing_zeros();
        if in_a_row & in_a_row.wrapping_add(1) != 0 {
            return None;
        }
        let class = entries[first].chunks.first()?.class;
        let count = places.count_ones() as usize;
        let (mut slots, mut serial, mut same_priority) = ([0; BLOCK], id.serial, true);
        for (slot, entry) in slots.iter_mut().zip(&entries[first..first + count]) {
            let [chunk] = entry.chunks[..] else { return None };
            let alike = chunk.class == class && entry.predicts == predicts && !entry.is_passed_on_late();
            let next = entry.id.creator == id.creator && entry.id.serial == serial;
            if !alike || !next || !entry.has_usual_news(header) {
                return None;
            }
            same_priority &= entry.priority == priority;
            *slot = chunk.slot;
            serial = serial.wrapping_add(1);
        }
        let basis = if predicts { common } else { common.without_past() };
        Some(Self { basis, predicts, priority: same_priority.then_some(priority), class, slots, count })
    }

    /// Writes their records, the first id apart, and notes where each body ends. If one of them cannot be written, or is too large, or more than
    /// 2^32 bits are there then: `None`, and nothing is written.
    #[inline]
    pub(super) fn write<'e>(
        &self,
        tick: u32,
        stores: Stores<'_>,
        w: &mut BitWriter,
        ends: &'e mut [usize; BLOCK],
    ) -> Option<&'e [usize]> {
        let start = w.len();
        w.bits(HEAD_OF_FIRST.0, HEAD_OF_FIRST.1);
        let store = &stores.all[usize::from(self.class)];
        let written = store.encode_run(&self.slots[..self.count], (self.basis, tick), HEAD, w, ends);
        let mut at = start + HEAD_OF_FIRST.1 as usize;
        let fits = |end: &usize| {
            let length = *end - core::mem::replace(&mut at, *end + HEAD.1 as usize);
            length <= limits::RECORD_BYTES * 8
        };
        let all_fit = ends[..written].iter().all(fits) && w.error().is_none() && u32::try_from(w.len()).is_ok();
        if written == self.count && all_fit {
            return Some(&ends[..written]);
        }
        w.truncate(start);
        let _ = w.take_error();
        None
    }
}
