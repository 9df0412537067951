//! What nobody needs any more: of each replica, the oldest version that may still be named to a peer.
//!
//! What was sent is remembered to be written against. Of what moves in every tick that would soon be a second of the past, and going round
//! in so much memory costs more than all there is to do with it. But a peer that hears and is heard names nothing older than a round trip:
//! so what is older than what any peer may still be told is forgotten as soon as something comes in its place.

use super::ReplicaManager;
use super::entry::Entry;
use super::target::Peer;
use super::targets::BLOCK;

/// By place. It may be too low, which costs memory; never too high.
#[derive(Debug, Default)]
pub(super) struct Oldest(Vec<u32>);

impl Oldest {
    pub(super) fn by_place(&self) -> &[u32] {
        &self.0
    }

    /// Of what changed in `tick`, a bit for each place, and was given to these peers then. That version at most: nobody knows what a peer
    /// will be told that comes.
    fn look(&mut self, marks: &[usize], tick: u32, peers: &[Option<Peer>]) {
        const BITS: usize = usize::BITS as usize;
        if self.0.len() < marks.len() * BITS {
            self.0.resize(marks.len() * BITS, 0);
        }
        for (places, word) in self.0.chunks_exact_mut(BLOCK).zip(blocks(marks)) {
            if word != 0 {
                places.fill(tick);
            }
        }
        for peer in peers.iter().flatten() {
            for (block, (places, word)) in self.0.chunks_exact_mut(BLOCK).zip(blocks(marks)).enumerate() {
                if word != 0 {
                    peer.owed.targets.note_oldest(block, places);
                }
            }
        }
    }

    /// Of some, what is older by so many ticks matters as well.
    fn lower(&mut self, place: u32, ticks: u32) {
        if let Some(oldest) = self.0.get_mut(place as usize) {
            *oldest = oldest.saturating_sub(ticks);
        }
    }
}

/// Marks by block.
fn blocks(marks: &[usize]) -> impl Iterator<Item = u32> {
    const PER_WORD: usize = usize::BITS as usize / BLOCK;
    #[expect(clippy::cast_possible_truncation, reason = "the places of one block")]
    marks.iter().flat_map(|word| (0..PER_WORD).map(move |i| (*word >> (i * BLOCK)) as u32))
}

impl ReplicaManager {
    /// Finds out what may be forgotten of what changed in the last tick. To be called before anything is captured.
    pub(super) fn look_back(&mut self) {
        let Self { oldest, marks, tick, peers, changed, entries, reach, .. } = self;
        if changed.is_empty() {
            return;
        }
        oldest.look(marks, *tick, peers);
        let tried = changed.iter().filter(|place| entries[**place as usize].predicts);
        tried.take(super::reach::TRIAL_REPLICAS).for_each(|place| oldest.lower(*place, reach.ticks_tried()));
    }

    /// Forgets it, of what was passed on from peers.
    pub(super) fn forget_passed_on(&mut self, from: usize) {
        let Self { oldest, changed, entries, stores, .. } = self;
        for place in &changed[from..] {
            let Some(oldest) = oldest.0.get(*place as usize) else { continue };
            let Entry { chunks, .. } = &entries[*place as usize];
            chunks.iter().for_each(|chunk| stores[usize::from(chunk.class)].forget_before(chunk.slot, *oldest));
        }
    }
}
