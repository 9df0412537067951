//! State messages under way: what each said, until its receipt comes.

use std::collections::VecDeque;

use super::entry::Entry;
use super::expected::Expected;
use crate::ids::ReplicaId;
use crate::limits;

/// Ticks between repetitions of something, after the first.
const REPEAT: u32 = 2;

/// Ticks without anything under way after which memory goes back that only much of it needs, and records that are not much.
const QUIET: u32 = 64;
const USUAL: usize = 1_024;

/// One thing that a state message said. `again`: it had been said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    State {
        place: u32,
        version: u32,
        again: bool,
    },
    /// Of so many blocks that follow one another as many states, none of them said before, as there are bits in `places`, counted from the
    /// first place of each.
    Blocks {
        first: u32,
        count: u32,
        places: u32,
        version: u32,
    },
    Destroy {
        id: ReplicaId,
        again: bool,
    },
}

impl Sent {
    const fn is_again(self) -> bool {
        match self {
            Self::State { again, .. } | Self::Destroy { again, .. } => again,
            Self::Blocks { .. } => false,
        }
    }
}

/// State messages without a receipt, in the order they were sent; what they said in one ring.
///
/// Nearly all of it is state, and the version of that is the tick of its message. So a record is a word: its place, and whether it
/// was said again. One with the place [`DESTROYED`] stands for the next of the destructions, which have a ring of their own; one with
/// the place [`BLOCK`] is followed by two words, for many places at once, and so is one with the place [`BLOCKS`], for whole blocks that
/// follow one another.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    messages: VecDeque<Message>,
    records: VecDeque<u32>,
    destroyed: VecDeque<ReplicaId>,
    /// Token of the front message.
    first_token: u64,
    /// Numbers, since the start, of the front record and the front destruction.
    first: Mark,
    /// The same, of what is recorded next after the last message.
    sealed: Mark,
    /// Something recorded since the last message was said before.
    has_again: bool,
    /// The block behind those that were recorded last, if they were whole.
    next_block: Option<u32>,
    /// Ticks without a message.
    quiet: u32,
}

/// Places of what is no place.
const DESTROYED: u32 = u32::MAX >> 1;
const BLOCK: u32 = DESTROYED - 1;
const BLOCKS: u32 = BLOCK - 1;

const _: () = assert!(limits::REPLICAS < BLOCKS as usize, "a place and a flag are a word");

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    record: u64,
    destroyed: u64,
}

#[derive(Debug)]
struct Message {
    start: Mark,
    end: Mark,
    resolved: bool,
    /// The tick it was sent in.
    tick: u32,
    /// What it said for the second time or more waits to be repeated; what it said for the first time does.
    again_waits: bool,
    first_waits: bool,
}

impl InFlight {
    #[inline]
    pub(super) fn record_state(&mut self, place: u32, again: bool) {
        self.has_again |= again;
        self.next_block = None;
        self.records.push_back(place << 1 | u32::from(again));
    }

    /// The same for several places of a block, all for the first time.
    #[inline]
    pub(super) fn record_block(&mut self, block: u32, places: u32) {
        if places == u32::MAX {
            self.record_whole(block, 1);
        } else {
            self.next_block = None;
            self.records.extend([BLOCK << 1, block, places]);
        }
    }

    /// The same for all places of so many blocks.
    #[inline]
    pub(super) fn record_whole(&mut self, first: u32, count: u32) {
        if self.next_block.replace(first + count) == Some(first)
            && let Some(before) = self.records.back_mut()
        {
            *before += count;
        } else {
            self.records.extend([BLOCKS << 1, first, count]);
        }
    }

    pub(super) fn record_destroy(&mut self, id: ReplicaId, again: bool) {
        self.destroyed.push_back(id);
        self.record_state(DESTROYED, again);
    }

    /// The replicas recorded since the last message was sealed, of those that are sent and not destroyed.
    ///
    /// To be asked only where nothing is recorded by blocks.
    pub(super) fn unsealed(&self, entries: &[Entry]) -> impl Iterator<Item = Expected> {
        let records = self.records.range(since(self.sealed.record, self.first.record)..);
        let places = records.map(|word| word >> 1).filter(|place| *place != DESTROYED);
        places.map(|place| Expected { id: entries[place as usize].id, place })
    }

    /// Everything recorded since the last call went out as one message. Returns its token.
    pub(super) fn seal(&mut self, tick: u32) -> u64 {
        let end = Mark {
            record: self.first.record + self.records.len() as u64,
            destroyed: self.first.destroyed + self.destroyed.len() as u64,
        };
        let start = core::mem::replace(&mut self.sealed, end);
        let again_waits = core::mem::take(&mut self.has_again);
        self.next_block = None;
        self.messages.push_back(Message { start, end, resolved: false, tick, again_waits, first_waits: true });
        self.first_token + self.messages.len() as u64 - 1
    }

    /// Visits, once, what was said so long ago that its receipt should be here. What was said for the first time has
    /// `patience` ticks, a round trip; what was repeated already gets only a few, because something is known to be wrong.
    ///
    /// To be called once a tick.
    pub(super) fn overdue(&mut self, tick: u32, patience: u32, mut each: impl FnMut(Sent)) {
        if self.messages.is_empty() {
            self.rest();
            return;
        }
        self.quiet = 0;
        let Self { messages, records, destroyed, first: front, .. } = self;
        for message in messages {
            let age = tick.wrapping_sub(message.tick);
            let again = message.again_waits && age >= REPEAT.min(patience);
            let first = message.first_waits && age >= patience;
            if message.resolved || !again && !first {
                continue;
            }
            message.again_waits &= !again;
            message.first_waits &= !first;
            let said = message.said(*front, records, destroyed);
            said.filter(|sent| if sent.is_again() { again } else { first }).for_each(&mut each);
        }
    }

    /// A burst, as for a newcomer, leaves rings that may never be filled again.
    fn rest(&mut self) {
        self.quiet = self.quiet.saturating_add(1);
        if self.quiet == QUIET && self.records.capacity() > USUAL {
            (self.messages, self.records, self.destroyed) = Default::default();
        }
    }

    /// Visits what a message said, now that its receipt is here, and returns the tick it was sent in. Each token is good for
    /// once.
    pub(super) fn resolve(&mut self, token: u64, each: impl FnMut(Sent)) -> Option<u32> {
        let Self { messages, records, destroyed, first, first_token, .. } = self;
        let message = token.checked_sub(*first_token).and_then(|n| messages.get_mut(usize::try_from(n).ok()?))?;
        if core::mem::replace(&mut message.resolved, true) {
            return None;
        }
        let tick = message.tick;
        message.said(*first, records, destroyed).for_each(each);
        while let Some(message) = messages.pop_front_if(|m| m.resolved) {
            records.drain(..since(message.end.record, first.record));
            destroyed.drain(..since(message.end.destroyed, first.destroyed));
            *first = message.end;
            *first_token += 1;
        }
        Some(tick)
    }
}

impl Message {
    fn said(
        &self,
        first: Mark,
        records: &VecDeque<u32>,
        destroyed: &VecDeque<ReplicaId>,
    ) -> impl Iterator<Item = Sent> {
        let mut ids = destroyed.range(since(self.start.destroyed, first.destroyed)..);
        let version = self.tick;
        let mut records = records.range(since(self.start.record, first.record)..since(self.end.record, first.record));
        core::iter::from_fn(move || {
            let word = records.next()?;
            let (place, again) = (word >> 1, word & 1 == 1);
            match place {
                DESTROYED => ids.next().map(|id| Sent::Destroy { id: *id, again }),
                BLOCK => Some(Sent::Blocks { first: *records.next()?, count: 1, places: *records.next()?, version }),
                BLOCKS => {
                    let (first, count) = (*records.next()?, *records.next()?);
                    Some(Sent::Blocks { first, count, places: u32::MAX, version })
                }
                _ => Some(Sent::State { place, version, again }),
            }
        })
    }
}

/// Where in a ring the item of that number is, whose front has the number `first`.
fn since(number: u64, first: u64) -> usize {
    usize::try_from(number - first).expect("no more than are in the ring")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberId;

    fn gone(serial: u32) -> ReplicaId {
        ReplicaId { creator: MemberId(2), serial }
    }

    /// Receipts in any order, each for what its message said.
    #[test]
    fn every_receipt_brings_back_what_its_message_said() {
        let mut rng = crate::Rng::new(4);
        let (mut in_flight, mut open, mut tick, mut together) = (InFlight::default(), Vec::new(), 0, 0);
        for round in 0..3_000_u32 {
            tick += u32::from(rng.chance(0.5));
            let (mut said, mut behind) = (Vec::new(), 0);
            for n in 0..u32::try_from(rng.below(6)).unwrap() {
                let again = rng.chance(0.3);
                if rng.chance(0.3) {
                    in_flight.record_destroy(gone(round * 8 + n + 1), again);
                    said.push(Sent::Destroy { id: gone(round * 8 + n + 1), again });
                } else if rng.chance(0.3) {
                    // Words that would mean something else in front.
                    let places = [u32::MAX, u32::MAX, u32::MAX - 1, 1 << n][usize::try_from(rng.below(4)).unwrap()];
                    let block = if rng.chance(0.7) { behind } else { n };
                    let more = if places == u32::MAX { u32::try_from(rng.below(3)).unwrap() } else { 0 };
                    behind = block + 1 + more;
                    if more > 0 {
                        in_flight.record_whole(block, 1 + more);
                    } else {
                        in_flight.record_block(block, places);
                    }
                    match said.last_mut() {
                        Some(Sent::Blocks { first, count, places: u32::MAX, .. })
                            if places == u32::MAX && *first + *count == block =>
                        {
                            *count += 1 + more;
                            together += 1;
                        }
                        _ => said.push(Sent::Blocks { first: block, count: 1 + more, places, version: tick }),
                    }
                } else {
                    let place = [n, BLOCKS - 1][usize::from(rng.chance(0.1))];
                    in_flight.record_state(place, again);
                    said.push(Sent::State { place, version: tick, again });
                }
            }
            open.push((in_flight.seal(tick), said, tick));
            while open.len() > 20 || (!open.is_empty() && rng.chance(0.4)) {
                let at = usize::try_from(rng.below(open.len() as u64)).unwrap();
                let (token, said, sent_in) = open.swap_remove(at);
                let mut heard = Vec::new();
                assert_eq!(in_flight.resolve(token, |sent| heard.push(sent)), Some(sent_in));
                assert_eq!(heard, said);
                assert_eq!(in_flight.resolve(token, |_| panic!("once")), None);
            }
        }
        for (token, ..) in open {
            in_flight.resolve(token, |_| ());
        }
        assert!(together > 50, "{together} blocks that followed one another");
        assert!(in_flight.records.is_empty() && in_flight.destroyed.is_empty() && in_flight.messages.is_empty());
    }

    #[test]
    fn what_a_burst_took_goes_back_when_it_has_been_quiet_for_long() {
        let mut in_flight = InFlight::default();
        for (records, kept) in [(USUAL / 2, true), (4 * USUAL, false)] {
            (0..records).for_each(|_| in_flight.record_state(1, false));
            let token = in_flight.seal(1);
            (0..2 * QUIET).for_each(|tick| in_flight.overdue(tick, u32::MAX, |_| ()));
            assert!(in_flight.records.capacity() >= records, "it is under way");
            in_flight.resolve(token, |_| ());
            (1..QUIET).for_each(|tick| in_flight.overdue(tick, 1, |_| ()));
            assert!(in_flight.records.capacity() >= records, "there may be more");
            in_flight.overdue(QUIET, 1, |_| ());
            assert_eq!(in_flight.records.capacity() > 0, kept);
        }
        in_flight.record_state(7, false);
        let (token, mut said) = (in_flight.seal(9), Vec::new());
        assert_eq!(in_flight.resolve(token, |sent| said.push(sent)), Some(9));
        assert_eq!(said, [Sent::State { place: 7, version: 9, again: false }]);
    }

    #[test]
    fn what_was_repeated_is_overdue_sooner_and_all_of_it_once() {
        let mut in_flight = InFlight::default();
        in_flight.record_destroy(gone(1), false);
        in_flight.record_state(5, true);
        in_flight.record_destroy(gone(2), true);
        in_flight.record_state(6, false);
        let _ = in_flight.seal(10);
        let mut overdue = |tick| {
            let mut said = Vec::new();
            in_flight.overdue(tick, 8, |sent| said.push(sent));
            said
        };
        assert_eq!(overdue(11), []);
        let again = true;
        assert_eq!(overdue(12), [Sent::State { place: 5, version: 10, again }, Sent::Destroy { id: gone(2), again }]);
        assert_eq!(overdue(17), []);
        let again = false;
        assert_eq!(overdue(18), [Sent::Destroy { id: gone(1), again }, Sent::State { place: 6, version: 10, again }]);
        assert_eq!(overdue(99), []);
    }
}
