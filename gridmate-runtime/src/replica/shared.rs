//! Messages that are the same for many peers.
//!
//! Peers who have the same, and lack the same, are told the same: not only each block (`blocks`) but whole messages, from the first bit to
//! the last. So of a message that holds nothing but blocks, one behind the other, it is noted what was found of each when it was
//! written. The next peer who is to be told from that block on is looked at as closely, and if all of it is found again, what was
//! written is what would be written.
//!
//! That goes for the block that found no room as well, so that messages end where they would end. The last message of a tick, which
//! ends because there is no more to say, is written for everyone.

use core::ops::Range;

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

#[derive(Clone, Debug)]
struct SharedMessage {
    header: Header,
    room: Room,
    /// The place that it goes on from.
    start: usize,
    /// The place that found no room.
    stopped: usize,
    /// Of `blocks`.
    blocks: Range<usize>,
    /// Of the encoder's arena.
    bytes: Range<usize>,
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
        self.blocks.truncate(self.all.last().map_or(0, |last| last.blocks.end));
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
        let (Some(base), Ok(at)) = (self.blocks.known(header), u32::try_from(self.shared.all.len())) else { return };
        let first = self.arena.finish().len();
        self.arena.bytes(message);
        let bytes = first..self.arena.finish().len(); // To be copied from.
        if self.shared.by_start.len() <= start / BLOCK {
            self.shared.by_start.resize(start / BLOCK + 1, [u32::MAX; BASES]);
        }
        self.shared.by_start[start / BLOCK][base] = at;
        let blocks = from..self.shared.blocks.len();
        self.shared.all.push(SharedMessage { header, room, start, stopped, blocks, bytes, records, whole });
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
        let found = &self.shared.blocks[message.blocks.clone()];
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
        out.extend_from_slice(&self.arena.finished()[message.bytes.clone()]);
        #[cfg(test)]
        {
            self.shared.used += 1;
        }
        Some(message.records)
    }
}

#[cfg(test)]
mod tests {
    use crate::MemberId;
    use crate::prelude::*;
    use crate::replica::{PeerId, PeerRole, ReplicaManager};

    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Mover {
        at: u64,
    }

    /// What two peers, who have acknowledged the same, are told where the second is not owed one of the places; and how many messages were
    /// copied.
    fn told(not_owed: Option<u32>, off: bool) -> ([Vec<Vec<u8>>; 2], u32) {
        let mut host = ReplicaManager::new(Registry::builder().chunk::<Mover>().build().unwrap(), 1);
        host.encoder.shared.off = off;
        let ids: Vec<_> = (0..400).map(|_| host.add(Mover::default()).unwrap()).collect();
        let peers = [2, 3].map(|member| host.add_peer(MemberId(member), PeerRole::Client));
        let mut last = <[Vec<Vec<u8>>; 2]>::default();
        for tick in 0..6 {
            for (n, id) in (0..).zip(&ids) {
                host.primary_mut::<Mover>(*id).unwrap().at += (n + tick) << 40;
            }
            host.prepare();
            if let Some(place) = not_owed.filter(|_| tick == 5) {
                host.peers[1].as_mut().unwrap().owed.set_settled(place);
            }
            let mut sent: Vec<(PeerId, u64)> = Vec::new();
            last = peers.map(|peer| {
                let (mut messages, mut message) = (Vec::new(), Vec::new());
                while let Some(state) = host.marshal(peer, 1_180, &mut message) {
                    sent.push((peer, state.token));
                    messages.push(message.clone());
                }
                messages
            });
            sent.iter().for_each(|(peer, token)| host.handle_receipt(*peer, *token, true));
        }
        (last, host.encoder.shared.used)
    }

    /// Wherever it is: in a block that is said, in the one that finds no room, or in the last message.
    #[test]
    fn what_one_peer_is_not_owed_is_not_said_to_it_with_what_others_are() {
        let (same, used) = told(None, false);
        assert!(used > 1 && same[0] == same[1] && same[0].len() > 2, "{used} copied");
        assert_eq!(told(None, true), (same, 0));
        for place in 0..400 {
            let (said, _) = told(Some(place), false);
            assert_eq!(said, told(Some(place), true).0, "place {place}");
            assert_ne!(said[0], said[1]);
        }
    }
}
