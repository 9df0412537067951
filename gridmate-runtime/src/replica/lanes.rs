//! The usual record, in short.
//!
//! Nearly all that is sent is against the basis that its message names, and nearly all peers name the same one. So where the bits
//! of such a record are is kept in a list by place, one for each basis in use, and a record whose bits are there costs a few
//! comparisons and a copy. Everything else goes the long way in `marshal`, which answers the same: this only saves the questions.

use core::ops::Range;

use super::entry::Entry;
use super::pair::Target;
use super::record::Header;
use crate::chunk::Basis;

/// Bases for which there are lists at a time: peers a few ticks apart, each with and without a past.
const LANES: usize = 8;

/// Where the bits of a body are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    /// In which tick; the bits of others are gone.
    tick: u32,
    /// Bit, or [`ELSEWHERE`].
    pub(super) start: u32,
    /// Bits.
    pub(super) length: u32,
}

/// The body is kept with those that are not usual.
const ELSEWHERE: u32 = u32::MAX;

/// What lists say of a body.
pub(super) enum Listed {
    At(Copied),
    /// It was not made yet in this tick.
    NotYet,
    /// It may have been, and is not usual.
    Elsewhere,
}

/// Bodies against one basis, with nothing hidden and nothing cut off.
#[derive(Debug)]
struct Lane {
    basis: Basis,
    by_place: Vec<Copied>,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// The first `open` belong to the current tick; the others are kept for their memory.
    lanes: Vec<Lane>,
    open: usize,
}

/// Which lists a message may copy from: for what is guessed from its past, and for what is not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    moving: Option<usize>,
    plain: Option<usize>,
}

impl Lanes {
    pub(super) const fn start_tick(&mut self) {
        self.open = 0;
    }

    /// For a message with that header.
    pub(super) fn usual(&self, header: Header) -> Usual {
        let find = |basis| self.lanes[..self.open].iter().position(|lane| lane.basis == basis);
        let Header { common, .. } = header;
        if common.base == 0 {
            return Usual::default();
        }
        Usual { moving: find(common).filter(|_| common.past != 0), plain: find(common.without_past()) }
    }

    /// The list for a basis; none if there are too many others.
    #[inline]
    pub(super) fn open(&mut self, basis: Basis) -> Option<usize> {
        if let Some(at) = self.lanes[..self.open].iter().position(|lane| lane.basis == basis) {
            return Some(at);
        }
        match self.lanes.get_mut(self.open) {
            Some(lane) => lane.basis = basis,
            None if self.open < LANES => self.lanes.push(Lane { basis, by_place: Vec::new() }),
            None => return None,
        }
        self.open += 1;
        Some(self.open - 1)
    }

    /// What a list knows of a body.
    #[inline]
    pub(super) fn look_up(&self, lane: usize, place: usize, tick: u32) -> Listed {
        match self.lanes[lane].by_place.get(place) {
            Some(listed) if listed.tick != tick => Listed::NotYet,
            Some(listed) if listed.start == ELSEWHERE => Listed::Elsewhere,
            Some(listed) => Listed::At(*listed),
            None => Listed::NotYet,
        }
    }

    /// Whether nothing is known of these in this tick.
    #[inline]
    pub(super) fn are_free(&self, lane: usize, places: Range<usize>, tick: u32) -> bool {
        let by_place = &self.lanes[lane].by_place;
        let listed = &by_place[places.start.min(by_place.len())..places.end.min(by_place.len())];
        listed.iter().all(|listed| listed.tick != tick)
    }

    /// Notes where bodies are, of a run of places: the first begins at `start`, each ends where `ends` says, and between two there are so
    /// many bits. That all of it is less than 2^32 bits is for the caller to know.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    pub(super) fn note_run(
        &mut self,
        lane: usize,
        first: usize,
        tick: u32,
        start: usize,
        (ends, between): (&[usize], usize),
    ) {
        let by_place = &mut self.lanes[lane].by_place;
        let behind = first + ends.len();
        if by_place.len() < behind {
            by_place.resize(behind, Copied::default());
        }
        let mut at = start;
        for (copied, end) in by_place[first..behind].iter_mut().zip(ends) {
            *copied = Copied { tick, start: at as u32, length: (end - at) as u32 };
            at = end + between;
        }
    }

    /// Notes where a body is; without bits, that it is elsewhere. Returns whether it was noted where.
    #[inline]
    pub(super) fn note(&mut self, lane: usize, place: usize, tick: u32, bits: Option<(usize, usize)>) -> bool {
        let bits = bits.and_then(|(start, length)| Some((u32::try_from(start).ok()?, u32::try_from(length).ok()?)));
        let (start, length) = bits.unwrap_or((ELSEWHERE, 0));
        let by_place = &mut self.lanes[lane].by_place;
        if by_place.len() <= place {
            by_place.resize(place + 1, Copied::default());
        }
        by_place[place] = Copied { tick, start, length };
        start != ELSEWHERE
    }

    /// Where the bits are that a peer is to be sent of `entry`; `None` when it is to be asked at length.
    #[inline]
    pub(super) fn find(
        &self,
        usual: Usual,
        header: Header,
        place: usize,
        entry: &Entry,
        target: Target,
    ) -> Option<Copied> {
        // Something to say that is ready, said for the first time, and nothing of it hidden.
        if !target.is_usual(header.common) || !entry.has_usual_news(header) {
            return None;
        }
        let lane = if entry.predicts {
            usual.moving.filter(|_| target.knows_past(header.common.past))?
        } else {
            usual.plain?
        };
        let copied = *self.lanes[lane].by_place.get(place)?;
        (copied.tick == header.tick && copied.start != ELSEWHERE).then_some(copied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_an_earlier_tick_are_not_looked_at() {
        let basis = Basis { base: 7, past: 5, calm: 2 };
        let header = |tick| Header { tick, common: basis };
        let mut lanes = Lanes::default();
        let lane = lanes.open(basis).unwrap();
        assert!(lanes.note(lane, 3, 9, Some((16, 40))));
        assert_eq!(lanes.usual(header(9)).moving, Some(0));
        assert_eq!(lanes.usual(header(9)).plain, None);
        lanes.start_tick();
        assert_eq!(lanes.usual(header(10)).moving, None);
        let lane = lanes.open(basis.without_past()).unwrap();
        assert!(lanes.note(lane, 4, 10, Some((0, 8))));
        assert_eq!((lanes.usual(header(10)).moving, lanes.usual(header(10)).plain), (None, Some(0)));
    }

    #[test]
    fn more_bases_than_there_are_lists_for_go_the_long_way() {
        let mut lanes = Lanes::default();
        for base in 1..40 {
            assert_eq!(lanes.open(Basis { base, past: 0, calm: 0 }).is_some(), base <= 8);
        }
        let plain = |base| lanes.usual(Header { tick: 50, common: Basis { base, past: 0, calm: 0 } }).plain;
        assert_eq!((plain(1), plain(8), plain(9)), (Some(0), Some(7), None));
    }
}
