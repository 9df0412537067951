//! The usual record, in short.
//!
//! Nearly all that is sent is against the basis that its message names, and nearly all peers name the same one. So where the bits
//! of such a record are is kept in a list by place, one for each basis in use, and a record whose bits are there costs a few
//! comparisons and a copy. Everything else goes the long way in `marshal`, which answers the same: this only saves the questions.

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
    /// Byte.
    pub(super) start: u32,
    /// Bits.
    pub(super) length: u32,
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

    /// Remembers a body, if there is room for one more basis.
    pub(super) fn note(&mut self, basis: Basis, place: usize, tick: u32, start: usize, length: usize) {
        let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(length)) else { return };
        let at = self.lanes[..self.open].iter().position(|lane| lane.basis == basis);
        let at = at.or_else(|| {
            let at = self.open;
            match self.lanes.get_mut(at) {
                Some(lane) => lane.basis = basis,
                None if at < LANES => self.lanes.push(Lane { basis, by_place: Vec::new() }),
                None => return None,
            }
            self.open += 1;
            Some(at)
        });
        if let Some(at) = at {
            let by_place = &mut self.lanes[at].by_place;
            if by_place.len() <= place {
                by_place.resize(place + 1, Copied::default());
            }
            by_place[place] = Copied { tick, start, length };
        }
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
        let Basis { base, past, .. } = header.common;
        // Something to say that is ready, said for the first time, and nothing of it hidden.
        let news = target.acked() == base && entry.version > base && entry.version <= header.tick;
        if !news || target.is_again() || entry.audience != 0 {
            return None;
        }
        let lane = if entry.predicts {
            let knows = past >= target.kept() && target.ticks().has(past);
            usual.moving.filter(|_| knows)?
        } else {
            usual.plain?
        };
        let copied = *self.lanes[lane].by_place.get(place)?;
        (copied.tick == header.tick).then_some(copied)
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
        lanes.note(basis, 3, 9, 16, 40);
        assert_eq!(lanes.usual(header(9)).moving, Some(0));
        assert_eq!(lanes.usual(header(9)).plain, None);
        lanes.start_tick();
        assert_eq!(lanes.usual(header(10)).moving, None);
        lanes.note(basis.without_past(), 4, 10, 0, 8);
        assert_eq!((lanes.usual(header(10)).moving, lanes.usual(header(10)).plain), (None, Some(0)));
    }

    #[test]
    fn more_bases_than_there_are_lists_for_go_the_long_way() {
        let mut lanes = Lanes::default();
        for base in 1..40 {
            lanes.note(Basis { base, past: 0, calm: 0 }, 0, 50, 0, 8);
        }
        let plain = |base| lanes.usual(Header { tick: 50, common: Basis { base, past: 0, calm: 0 } }).plain;
        assert_eq!((plain(1), plain(8), plain(9)), (Some(0), Some(7), None));
    }
}
