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
    pub(super) priority: Priority,
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
        let (mut slots, mut serial) = ([0; BLOCK], id.serial);
        let soon = Entry::soon(entries).saturating_add(first);
        for (n, (slot, entry)) in slots.iter_mut().zip(&entries[first..first + count]).enumerate() {
            if let Some(soon) = entries.get(n.saturating_add(soon)) {
                soon.fetch();
            }
            let [chunk] = entry.chunks[..] else { return None };
            let next = entry.id.creator == id.creator && entry.id.serial == serial;
            if chunk.class != class || !next || entry.is_passed_on_late() || !entry.has_usual_news(header) {
                return None;
            }
            *slot = chunk.slot;
            serial = serial.wrapping_add(1);
        }
        // Of one chunk each: whether it is guessed, and what comes first, goes by its type.
        let basis = if predicts { common } else { common.without_past() };
        Some(Self { basis, predicts, priority, class, slots, count })
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

#[cfg(test)]
mod tests {
    use crate::Rng;
    use crate::prelude::*;
    use crate::replica::{PeerId, PeerRole, ReplicaManager, Verdict};

    /// Guessed, and shown by when it was sampled.
    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Flier {
        #[dataset(predict = Linear, interpolate = Linear)]
        at: [f32; 2],
        lit: bool,
    }

    /// As large, and neither.
    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Walker {
        at: [f32; 2],
        lit: bool,
    }

    /// Guessed, and more urgent.
    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate, priority = Priority::HIGH)]
    struct Missile {
        #[dataset(predict = Linear)]
        at: [f32; 2],
        lit: bool,
    }

    /// Not for everyone.
    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate, send_to = Self::is_for)]
    struct Spy {
        at: [f32; 2],
        lit: bool,
    }

    impl Spy {
        fn is_for(&self, peer: &TargetPeer) -> bool {
            peer.member != MemberId(3)
        }
    }

    const FLIER: u64 = 0;
    const WALKER: u64 = 1;
    const SPY: u64 = 3;

    fn add(manager: &mut ReplicaManager, kind: u64) -> ReplicaId {
        match kind {
            FLIER => manager.add(Flier::default()),
            WALKER => manager.add(Walker::default()),
            SPY => manager.add(Spy::default()),
            4 => manager.spawn().with(Flier::default()).with(Walker::default()).add(),
            _ => manager.add(Missile::default()),
        }
        .unwrap()
    }

    fn write(manager: &mut ReplicaManager, id: ReplicaId, to: [f32; 2]) {
        if let Ok(mut flier) = manager.primary_mut::<Flier>(id) {
            flier.at = to;
        } else if let Ok(mut walker) = manager.primary_mut::<Walker>(id) {
            walker.at = to;
        } else if let Ok(mut spy) = manager.primary_mut::<Spy>(id) {
            spy.at = to;
        } else if let Ok(mut missile) = manager.primary_mut::<Missile>(id) {
            missile.at = to;
        }
    }

    /// Of one.
    fn part(rng: &mut Rng) -> f32 {
        f32::from(u16::try_from(rng.below(1 << 16)).unwrap()) / 65_536.0
    }

    /// What is not done for speed.
    #[derive(Clone, Copy)]
    enum How {
        AllForSpeed,
        /// Neighbours are written as all others.
        OneByOne,
        /// No message is a copy of another peer's.
        EachMessage,
    }

    /// A host and its clients, of which the first has replicas as well.
    struct Side {
        nodes: Vec<ReplicaManager>,
        peers: Vec<PeerId>,
        /// Counts messages.
        order: u64,
        /// When they come, of which message, and whether it arrived.
        receipts: Vec<(u64, PeerId, u64, bool)>,
        /// How many times less than otherwise something is lost or late.
        calm: u64,
    }

    impl Side {
        fn new(how: How, calm: u64) -> Self {
            let registry = Registry::builder().chunk::<Flier>().chunk::<Walker>().chunk::<Missile>().chunk::<Spy>();
            let registry = registry.build().unwrap();
            let mut host = ReplicaManager::new(registry.clone(), 1);
            host.encoder.one_by_one = matches!(how, How::OneByOne);
            host.encoder.shared.off = matches!(how, How::EachMessage);
            let peers = (2..5).map(|member| host.add_peer(MemberId(member), PeerRole::Client)).collect();
            let clients = (2..5).map(|member| {
                let mut client = ReplicaManager::new(registry.clone(), member.into());
                client.set_local_member(MemberId(member));
                client.add_peer(MemberId::HOST, PeerRole::Host);
                client
            });
            Self { nodes: [host].into_iter().chain(clients).collect(), peers, order: 0, receipts: Vec::new(), calm }
        }

        /// All that the host says in a tick. Some of what is said is lost, and what was heard is told late.
        fn tick(&mut self, tick: u64, chances: u64) -> Vec<Vec<u8>> {
            let mut rng = Rng::new(chances);
            let now = Instant::from_millis(tick * 50);
            let Self { nodes, peers, order, receipts, calm } = self;
            let [host, clients @ ..] = &mut nodes[..] else { unreachable!("a host comes first") };
            let (mut said, mut message) = (Vec::new(), Vec::new());
            clients[0].prepare();
            while let Some(sent) = clients[0].marshal(PeerId(0), 1_000, &mut message) {
                let arrives = rng.below(10) != 0;
                if arrives {
                    *order += 1;
                    assert_eq!(host.handle_state(peers[0], *order, &message), Ok(Verdict::Accepted));
                }
                clients[0].handle_receipt(PeerId(0), sent.token, arrives);
            }
            host.update(now, |_, fault| panic!("{fault}"));
            receipts.retain(|&(due, peer, token, arrived)| {
                if due <= tick {
                    host.handle_receipt(peer, token, arrived);
                }
                due > tick
            });
            host.prepare();
            for (peer, client) in peers.iter().zip(clients) {
                let late = if rng.below(8 * *calm) == 0 { rng.below(4) } else { 0 };
                while let Some(sent) = host.marshal(*peer, 1_000, &mut message) {
                    let arrives = rng.below(60 * *calm) != 0;
                    if arrives {
                        *order += 1;
                        assert_eq!(client.handle_state(PeerId(0), *order, &message), Ok(Verdict::Accepted));
                    }
                    receipts.push((tick + 1 + late, *peer, sent.token, arrives));
                    said.push(message.clone());
                }
                client.update(now, |_, fault| panic!("{fault}"));
            }
            said
        }
    }

    /// Whatever stands beside what, comes and goes, moves or rests: who is written in one go is written as one by one, and what is copied
    /// from another peer's message is what would be written.
    #[test]
    fn in_one_go_or_one_by_one_the_messages_are_the_same() {
        let (mut in_one_go, mut shared) = (0, 0);
        for seed in 0..80 {
            let mut rng = Rng::new(seed);
            // Where there is little that sets them apart, messages are alike as well.
            let (calm, first) = if seed % 4 == 0 { (20, 400) } else { (1, 100) };
            let mut sides = [How::AllForSpeed, How::OneByOne, How::EachMessage].map(|how| Side::new(how, calm));
            let mut there: Vec<(usize, ReplicaId, [f32; 2])> = Vec::new();
            let mut kind = rng.below(5);
            for tick in 1..140 {
                // Mostly of one kind, and nothing between them, so that they stand in a row.
                let new = if tick == 1 { first } else { rng.below(30 * calm) / (30 * calm - 1) };
                for n in 0..new {
                    kind = if rng.below(80 * calm) == 0 { rng.below(5) } else { kind };
                    let owner = usize::from(if tick == 1 { n >= first - 50 } else { rng.below(4) == 0 });
                    // Not of one creator, though the numbers follow one another.
                    while tick == 1 && n == first - 50 && sides[0].nodes[1].next_serial < sides[0].nodes[0].next_serial
                    {
                        let [(), (), ()] = sides.each_mut().map(|side| {
                            let unheard_of = side.nodes[1].add(Walker::default()).unwrap();
                            side.nodes[1].destroy(unheard_of).unwrap();
                        });
                    }
                    let [id, others @ ..] = sides.each_mut().map(|side| add(&mut side.nodes[owner], kind));
                    assert_eq!([id; 2], others);
                    there.push((owner, id, [part(&mut rng) * 100.0, -3.0]));
                }
                if rng.below(40 * calm) == 0 {
                    let (owner, id, _) = there.swap_remove(usize::try_from(rng.below(there.len() as u64)).unwrap());
                    let [(), (), ()] = sides.each_mut().map(|side| side.nodes[owner].destroy(id).unwrap());
                }
                let rests = rng.below(15 * calm) == 0;
                for (owner, id, at) in &mut there {
                    if rests && rng.below(3) == 0 {
                        continue;
                    }
                    at[0] += 0.25;
                    at[1] += part(&mut rng) * 0.01;
                    let [(), (), ()] = sides.each_mut().map(|side| write(&mut side.nodes[*owner], *id, *at));
                }
                let chances = rng.next_u64();
                let [said, others @ ..] = sides.each_mut().map(|side| side.tick(tick, chances));
                assert!(others.iter().all(|other| *other == said), "tick {tick} of {seed}");
                let [stats, others @ ..] = sides.each_ref().map(|side| side.nodes[0].stats());
                for other in others {
                    assert_eq!((stats.encodings, stats.records_sent), (other.encodings, other.records_sent));
                }
                in_one_go += sides[0].nodes[0].encoder.in_one_go;
                shared += sides[0].nodes[0].encoder.shared.used;
            }
        }
        assert!(in_one_go > 800 && shared > 100, "{in_one_go} blocks, {shared} messages");
    }
}
