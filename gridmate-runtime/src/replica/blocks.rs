//! Blocks of records, ready to be copied.
//!
//! Where all replicas of a block have something to say, and all of it against the basis that a message names, what is said of them is
//! the same in every such message: from the second id on, bit by bit. So it is put together once, and a peer that has the whole block
//! alike (`targets`) gets it in one piece.

use super::alike::{Alike, HEAD, HEAD_OF_FIRST};
use super::encoder::{Encoder, Stores};
use super::entry::Entry;
use super::lanes::Listed;
use super::record::{Cursor, Header};
use super::targets::BLOCK;
use crate::chunk::MANY;
use crate::ids::ReplicaId;
use crate::schema::Priority;
use crate::wire::BitWriter;

/// Bases for which there are blocks at a time.
pub(super) const BASES: usize = 8;

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

    /// Where blocks are for messages with that header, if there are any.
    #[inline]
    pub(super) fn known(&self, header: Header) -> Option<usize> {
        self.bases[..self.open].iter().position(|(known, _)| *known == header)
    }

    /// Where they are or will be; none if there are too many others.
    fn base(&mut self, header: Header) -> Option<usize> {
        if let Some(at) = self.known(header) {
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
                let ready = match self.take_ready(header, block, places) {
                    Some(ready) => ready,
                    None => self
                        .make_alike(header, (block, places), entries, stores)
                        .unwrap_or_else(|| self.make_ready(header, (block, places), entries, stores)),
                };
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

    /// What [`make_ready`](Self::make_ready) would make, if that was done ahead.
    #[inline]
    fn take_ready(&mut self, header: Header, block: usize, places: u32) -> Option<Ready> {
        let Self { pool, arena, lanes, .. } = self;
        let (ahead, bits) = pool.block(header, block, places)?;
        let Header { tick, common } = header;
        let moving = (common.past != 0).then(|| lanes.open(common)).flatten();
        let plain = if ahead.moving == places { None } else { lanes.open(common.without_past()) };
        if ahead.moving != 0 && moving.is_none() || ahead.moving != places && plain.is_none() {
            return None;
        }
        let start = arena.finish().len();
        let length = ahead.length as usize;
        arena.bytes(&bits[ahead.start as usize / 8..][..length.div_ceil(8)]);
        let (mut made, mut left) = (0, places);
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            left &= left - 1;
            let lane = if ahead.moving >> n & 1 == 1 { moving } else { plain };
            if let (Some(lane), place) = (lane, block * BLOCK + n)
                && matches!(lanes.look_up(lane, place, tick), Listed::NotYet)
            {
                let body = ahead.bodies[n];
                let at = start * 8 + (body.start - ahead.start) as usize;
                lanes.note(lane, place, tick, Some((at, body.length as usize)));
                made += 1;
            }
        }
        let (predicts, priority, length) = (ahead.moving != 0, ahead.priority, ahead.length);
        self.made += made;
        self.pool.note_used(made);
        Some(Ready { tick, places, start: u32::try_from(start).ok()?, length, predicts, priority })
    }

    fn make_ready(&mut self, header: Header, at: (usize, u32), entries: &[Entry], stores: Stores<'_>) -> Ready {
        let (block, places) = at;
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
            let basis = if entry.predicts { common } else { common.without_past() };
            let lane = if entry.predicts { moving } else { *plain.get_or_insert_with(|| self.lanes.open(basis)) };
            let Some(lane) = lane.filter(|_| entry.has_usual_news(header)) else { return not_at_once };
            ready.predicts |= entry.predicts;
            ready.priority = ready.priority.filter(|priority| *priority == entry.priority);
            open_record(&mut self.arena, &mut cursor, entry.id, place == first);
            if !self.add_usual((lane, basis), place, entry, tick, stores) {
                return not_at_once;
            }
        }
        match (u32::try_from(start), u32::try_from(self.arena.len() - start * 8)) {
            (Ok(start), Ok(length)) => Ready { start, length, ..ready },
            _ => not_at_once,
        }
    }

    /// The same where there is one chunk in each, all of one type, their ids follow one another, and nothing was made of them before: nearly
    /// everywhere. `None` otherwise; the arena is then as it was.
    #[inline]
    fn make_alike(
        &mut self,
        header: Header,
        (block, places): (usize, u32),
        entries: &[Entry],
        stores: Stores<'_>,
    ) -> Option<Ready> {
        let tick = header.tick;
        let first = block * BLOCK + places.trailing_zeros() as usize;
        #[cfg(test)]
        if self.one_by_one {
            return None;
        }
        let alike = Alike::of(header, first, places, entries)?;
        let lane = self.lanes.open(alike.basis)?;
        let count = places.count_ones() as usize;
        if !self.lanes.are_free(lane, first..first + count, tick) || self.pool.has(block, tick) {
            return None;
        }
        let start = u32::try_from(self.arena.finish().len()).ok()?;
        let mut ends = [0; BLOCK];
        let ends = alike.write(tick, stores, &mut self.arena, &mut ends)?;
        let first_bit = start as usize * 8;
        let length = u32::try_from(self.arena.len() - first_bit).ok()?;
        self.lanes.note_run(lane, first, tick, first_bit + HEAD_OF_FIRST.1 as usize, (ends, HEAD.1 as usize));
        self.made += count as u64;
        #[cfg(test)]
        {
            self.in_one_go += 1;
        }
        Some(Ready { tick, places, start, length, predicts: alike.predicts, priority: Some(alike.priority) })
    }
}

/// The entries of some places of a block.
fn of_block(block: usize, places: u32, entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    let block = &entries[block * BLOCK..entries.len().min((block + 1) * BLOCK)];
    block.iter().enumerate().filter(move |(n, _)| places >> n & 1 == 1).map(|(_, entry)| entry)
}

/// What comes before a body; of the first of a block, without the id.
#[inline(always)]
pub(super) fn open_record(w: &mut BitWriter, cursor: &mut Cursor, id: ReplicaId, first: bool) {
    if first {
        cursor.go_to(id);
        w.bits(HEAD_OF_FIRST.0, HEAD_OF_FIRST.1);
    } else if cursor.advance(id) {
        w.bits(HEAD.0, HEAD.1);
    } else {
        cursor.write(id, w);
        w.bits(HEAD_OF_FIRST.0, HEAD_OF_FIRST.1);
    }
}

/// Asks memory for what a block will need, all of it at once instead of one after the other.
pub(super) fn fetch(header: Header, block: usize, places: u32, entries: &[Entry], stores: Stores<'_>) {
    for entry in of_block(block, places, entries) {
        if let [chunk] = entry.chunks[..] {
            stores.all[usize::from(chunk.class)].fetch(chunk.slot, header.common, header.tick);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::limits;
    use crate::prelude::*;
    use crate::replica::{PeerId, PeerRole, ReplicaEvent, ReplicaManager};

    #[derive(Debug, Default, PartialEq, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Mover {
        at: u32,
    }

    /// A host with two full blocks and a part of one, and clients that hear everything at once.
    struct World {
        host: ReplicaManager,
        clients: Vec<(PeerId, ReplicaManager)>,
        ids: Vec<ReplicaId>,
        /// What was marshaled, and for whom.
        messages: Vec<(usize, u64, Vec<u8>)>,
    }

    impl World {
        fn new(clients: u32) -> Self {
            let registry = Registry::builder().chunk::<Mover>().build().unwrap();
            let mut host = ReplicaManager::new(registry.clone(), 1);
            let ids = (0..70).map(|_| host.add(Mover::default()).unwrap()).collect();
            let clients = (2..2 + clients).map(|member| {
                let mut client = ReplicaManager::new(registry.clone(), member.into());
                client.set_local_member(MemberId(member));
                client.add_peer(MemberId::HOST, PeerRole::Host);
                (host.add_peer(MemberId(member), PeerRole::Client), client)
            });
            let clients = clients.collect();
            Self { host, clients, ids, messages: Vec::new() }
        }

        fn write(&mut self, which: impl Fn(usize) -> bool) {
            for (_, id) in self.ids.iter().enumerate().filter(|(n, _)| which(*n)) {
                self.host.primary_mut::<Mover>(*id).unwrap().at += 7;
            }
        }

        fn send(&mut self) {
            self.host.prepare();
            for (n, (peer, _)) in self.clients.iter().enumerate() {
                let mut message = Vec::new();
                while let Some(sent) = self.host.marshal(*peer, 1_200, &mut message) {
                    self.messages.push((n, sent.token, message.clone()));
                }
            }
        }

        fn arrive(&mut self, arrives: impl Fn(usize) -> bool) {
            for (i, (n, token, message)) in self.messages.drain(..).enumerate() {
                let (peer, client) = &mut self.clients[n];
                if arrives(i) {
                    let _verdict = client.handle_state(PeerId(0), 1, &message).unwrap();
                }
                self.host.handle_receipt(*peer, token, arrives(i));
            }
        }

        /// Which blocks the last messages to a client said in one piece.
        fn told_at_once(&mut self, client: usize) -> [bool; 3] {
            let (peer, tick) = (self.clients[client].0, self.host.tick);
            let targets = &mut self.host.peers[peer.0 as usize].as_mut().unwrap().owed.targets;
            [0, 1, 2].map(|block| targets.alike(block).is_some_and(|target| target.sent() == tick))
        }

        fn agree(&self) -> bool {
            let all =
                |manager: &ReplicaManager| self.ids.iter().map(|id| manager.get::<Mover>(*id).unwrap().at).collect();
            let host: Vec<u32> = all(&self.host);
            self.clients.iter().all(|(_, client)| all(client) == host)
        }
    }

    #[test]
    fn neighbours_that_move_together_are_told_of_at_once() {
        let mut world = World::new(2);
        for tick in 0..4 {
            world.write(|_| true);
            world.send();
            assert_eq!([0, 1].map(|client| world.told_at_once(client)), [[tick >= 1; 3]; 2], "tick {tick}");
            world.arrive(|_| true);
            assert!(world.agree());
        }
        let encodings = world.host.stats().encodings;
        world.write(|_| true);
        world.send();
        assert_eq!(world.host.stats().encodings - encodings, 70, "each once, for both");
        world.arrive(|_| true);

        // One alone: for a tick the others are not where messages go by, and its block stays apart for as long as is remembered which
        // ticks it has acknowledged.
        world.write(|n| n == 3);
        world.send();
        world.arrive(|_| true);
        for told in [[false; 3], [false, true, true]] {
            world.write(|_| true);
            world.send();
            assert_eq!(world.told_at_once(0), told);
            world.arrive(|_| true);
        }
        for _ in 0..40 {
            world.write(|_| true);
            world.send();
            world.arrive(|_| true);
        }
        world.write(|_| true);
        world.send();
        assert_eq!(world.told_at_once(0), [true; 3]);
        world.arrive(|_| true);
        assert!(world.agree());
    }

    #[test]
    fn a_block_that_is_lost_is_said_again_whole() {
        let mut world = World::new(2);
        for _ in 0..3 {
            world.write(|_| true);
            world.send();
            world.arrive(|_| true);
        }
        world.write(|_| true);
        world.send();
        world.arrive(|message| message % 2 == 1);
        assert!(!world.agree(), "something was lost");
        world.send();
        assert_eq!(world.told_at_once(0), [false; 3], "what is repeated is watched more closely, each for itself");
        world.arrive(|_| true);
        assert!(world.agree(), "nothing of it was written since");
    }

    #[test]
    fn who_comes_to_a_place_is_new_to_everyone() {
        let mut world = World::new(1);
        for _ in 0..3 {
            world.write(|_| true);
            world.send();
            world.arrive(|_| true);
        }
        for n in (0..70).step_by(9) {
            world.host.destroy(world.ids[n]).unwrap();
        }
        world.write(|n| n % 9 != 0);
        world.send();
        world.arrive(|_| true);
        for n in (0..70).step_by(9) {
            world.ids[n] = world.host.add(Mover { at: 1_000 }).unwrap();
        }
        world.send();
        world.arrive(|_| true);
        world.clients[0].1.update(Instant::ZERO, |_, fault| panic!("{fault}"));
        assert!(world.agree());
        assert_eq!(world.clients[0].1.len(), 70);
        world.host.destroy(world.ids[9]).unwrap();
        world.send();
        world.arrive(|_| true);
        let short_lived = world.host.add(Mover::default()).unwrap();
        world.host.destroy(short_lived).unwrap();
        world.send();
        assert!(world.messages.is_empty(), "nobody has heard of what came to that place");
    }

    #[derive(Debug, Default, PartialEq, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Note {
        text: String,
        read: u32,
    }

    #[test]
    fn one_that_is_too_large_spares_its_neighbours() {
        let registry = Registry::builder().chunk::<Note>().build().unwrap();
        let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
        let ids: Vec<_> = (0..40).map(|_| host.add(Note::default()).unwrap()).collect();
        client.set_local_member(MemberId(2));
        client.add_peer(MemberId::HOST, PeerRole::Host);
        let peer = host.add_peer(MemberId(2), PeerRole::Client);
        for round in 1..6_u32 {
            for (n, id) in ids.iter().enumerate() {
                let mut note = host.primary_mut::<Note>(*id).unwrap();
                note.read = round;
                if n == 7 {
                    note.text = "x".repeat(if round == 3 { limits::RECORD_BYTES + 1 } else { 3 });
                }
            }
            host.prepare();
            let mut message = Vec::new();
            while let Some(sent) = host.marshal(peer, 1_200, &mut message) {
                let _verdict = client.handle_state(PeerId(0), round.into(), &message).unwrap();
                host.handle_receipt(peer, sent.token, true);
            }
            for (n, id) in ids.iter().enumerate() {
                let read = client.get::<Note>(*id).unwrap().read;
                assert_eq!(read, if n == 7 && round == 3 { 2 } else { round }, "{n} in round {round}");
            }
        }
        let too_large = |event| matches!(event, ReplicaEvent::TooLarge { id, .. } if id == ids[7]);
        assert!(core::iter::from_fn(|| host.poll_event()).any(too_large));
    }
}
