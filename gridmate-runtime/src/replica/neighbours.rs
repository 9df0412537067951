//! What is true of all replicas of a block at once, whoever the peer is; blocks are those of `targets`.

use super::targets::BLOCK;

/// Blocks by number.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Vec<Block>);

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Places with a replica, a bit for each.
    live: u32,
    /// Those of them of which nothing was captured or received yet.
    new: u32,
    /// Those of them of which a chunk is written with regard to its past.
    predicts: u32,
    /// No replica that was ever here has a higher one.
    floor: u32,
}

impl Neighbours {
    /// A replica comes to a place.
    pub(super) fn come(&mut self, place: u32) {
        let (at, bit) = locate(place);
        if self.0.len() <= at {
            self.0.resize(at + 1, Block::default());
        }
        self.0[at].live |= bit;
        self.0[at].new |= bit;
    }

    /// The replica at a place is guessed.
    pub(super) fn predict(&mut self, place: u32) {
        let (at, bit) = locate(place);
        self.0[at].predicts |= bit;
    }

    /// From now on only acknowledgements of `floor` and what is newer count.
    pub(super) fn raise(&mut self, place: u32, floor: u32) {
        let (at, bit) = locate(place);
        let block = &mut self.0[at];
        block.new &= !bit;
        block.floor = block.floor.max(floor);
    }

    /// A place is free again.
    pub(super) fn go(&mut self, place: u32) {
        let (at, bit) = locate(place);
        self.0[at].live &= !bit;
        self.0[at].new &= !bit;
        self.0[at].predicts &= !bit;
    }

    /// The places of a block with a replica.
    #[inline]
    pub(super) fn live(&self, block: usize) -> u32 {
        self.0.get(block).map_or(0, |block| block.live)
    }

    /// The places of a block of which something is guessed.
    #[inline]
    pub(super) fn predicts(&self, block: usize) -> u32 {
        self.0.get(block).map_or(0, |block| block.predicts)
    }

    /// Whether these places are all there are, and an acknowledgement of `version` counts in each.
    #[inline]
    pub(super) fn are(&self, block: usize, places: u32, version: u32) -> bool {
        self.0.get(block).is_some_and(|b| b.live & !places == 0 && b.new == 0 && version >= b.floor)
    }
}

const fn locate(place: u32) -> (usize, u32) {
    let place = place as usize;
    (place / BLOCK, 1 << (place % BLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_meant_when_all_who_live_there_are_and_were_there_in_time() {
        let mut neighbours = Neighbours::default();
        (32..35).for_each(|place| neighbours.come(place));
        assert!(!neighbours.are(1, 0b111, 9), "nothing was captured");
        (32..35).for_each(|place| neighbours.raise(place, 4));
        assert!(neighbours.are(1, 0b111, 4) && neighbours.are(1, 0b1111, 9));
        assert!(!neighbours.are(1, 0b101, 9), "one is left out");
        assert!(!neighbours.are(1, 0b111, 3), "from before they were there");
        neighbours.go(33);
        assert!(neighbours.are(1, 0b101, 9) && neighbours.live(1) == 0b101);
        neighbours.come(33);
        assert!(!neighbours.are(1, 0b111, 9), "one is new in its place");
        neighbours.raise(33, 10);
        assert!(!neighbours.are(1, 0b111, 9) && neighbours.are(1, 0b111, 10));
        assert!(neighbours.live(7) == 0 && !neighbours.are(7, u32::MAX, 9));
    }
}
