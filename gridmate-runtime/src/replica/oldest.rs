//! What nobody needs any more: of each replica, the oldest version that a peer may still be told against.
//!
//! What was sent is remembered to be written against. Of what moves in every tick that would soon be half a second of the past, and to go
//! round in so much memory costs more than all there is to do with it. But who hears and is heard is told against what is a round trip old,
//! and against what was a few ticks before that. So what is older than what any peer may be told against is forgotten when something comes
//! in its place.

use super::ReplicaManager;
use super::entry::Entry;
use super::reach::tried;
use super::target::{Peer, PeerId};
use super::targets::{BLOCK, by_block};

/// By place. Where it is too low, that costs memory; where it were too high, something would be sent without a guess, or whole.
#[derive(Debug, Default)]
pub(super) struct Oldest(Vec<u32>);

impl Oldest {
    pub(super) fn by_place(&self) -> &[u32] {
        &self.0
    }

    /// Of what changed in `tick`, a bit for each place, and was given to these peers then; of that these places are not this node's. That
    /// version at most: nobody knows what a peer will be told that comes.
    fn look(&mut self, tick: u32, marks: &[usize], passed_on: &[u32], entries: &[Entry], peers: &[Option<Peer>]) {
        let places = marks.len() * usize::BITS as usize;
        if self.0.len() < places {
            self.0.resize(places, 0);
        }
        for (block, (oldest, changed)) in self.0.chunks_exact_mut(BLOCK).zip(by_block(marks)).enumerate() {
            if changed == 0 {
                continue;
            }
            oldest.iter_mut().enumerate().filter(|(n, _)| changed >> n & 1 == 1).for_each(|(_, oldest)| *oldest = tick);
            // What is this node's goes to all of them.
            let all = peers.iter().flatten().map(|peer| peer.owed.targets.note_oldest(block, oldest)).min();
            let all = all.unwrap_or(u32::MAX);
            oldest.iter_mut().for_each(|oldest| *oldest = all.min(*oldest));
        }
        // Other things do not: what a peer owns or has by another way, it is not told by us, whatever it was before.
        for place in passed_on {
            let at = *place as usize;
            let told = (0..)
                .zip(peers)
                .filter_map(|(id, peer)| peer.as_ref().filter(|peer| entries[at].goes_to(PeerId(id), peer.role)));
            self.0[at] = told.map(|peer| peer.owed.targets.get(at).oldest()).min().unwrap_or(tick).min(tick);
        }
    }

    /// Of some, what is older by so many ticks matters as well.
    fn lower(&mut self, place: u32, ticks: u32) {
        if let Some(oldest) = self.0.get_mut(place as usize) {
            *oldest = oldest.saturating_sub(ticks);
        }
    }
}

impl ReplicaManager {
    /// Finds out what may be forgotten of what changed in the last tick. To be called before anything is captured.
    pub(super) fn look_back(&mut self) {
        let Self { oldest, marks, tick, peers, changed, changed_here, entries, neighbours, reach, .. } = self;
        if changed.is_empty() {
            return;
        }
        oldest.look(*tick, marks, &changed[*changed_here..], entries, peers);
        tried(marks, neighbours).for_each(|place| oldest.lower(place, reach.ticks_tried()));
    }

    /// Forgets it, of what is passed on.
    pub(super) fn forget_passed_on(&mut self) {
        let Self { oldest, changed, changed_here, entries, stores, .. } = self;
        for place in &changed[*changed_here..] {
            let Some(oldest) = oldest.0.get(*place as usize) else { continue };
            let chunks = &entries[*place as usize].chunks;
            chunks.iter().for_each(|chunk| stores[usize::from(chunk.class)].forget_before(chunk.slot, *oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::replica::{PeerId, PeerRole};

    #[derive(Debug, Default, PartialEq, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Mover {
        #[dataset(predict = Linear)]
        at: u32,
    }

    struct World {
        host: ReplicaManager,
        ids: Vec<ReplicaId>,
        clients: Vec<(PeerId, ReplicaManager)>,
        /// Whose receipts are held up, and these.
        slow: Option<usize>,
        receipts: Vec<(PeerId, u64)>,
    }

    impl World {
        fn new(replicas: usize, clients: u32) -> Self {
            let registry = Registry::builder().chunk::<Mover>().build().unwrap();
            let mut host = ReplicaManager::new(registry, 1);
            let ids = (0..replicas).map(|_| host.add(Mover::default()).unwrap()).collect();
            let mut world = Self { host, ids, clients: Vec::new(), slow: None, receipts: Vec::new() };
            (0..clients).for_each(|_| world.join());
            world
        }

        fn join(&mut self) {
            let member = MemberId(2 + u32::try_from(self.clients.len()).unwrap());
            let mut client = ReplicaManager::new(self.host.registry.clone(), member.0.into());
            client.set_local_member(member);
            client.add_peer(MemberId::HOST, PeerRole::Host);
            self.clients.push((self.host.add_peer(member, PeerRole::Client), client));
        }

        /// A tick in which these change, and what is sent to some clients arrives and is acknowledged, what is sent to others is lost.
        /// Returns the bytes that each was sent.
        fn tick(&mut self, changes: impl Fn(usize) -> bool, hears: impl Fn(usize) -> bool) -> Vec<usize> {
            for (_, id) in self.ids.iter().enumerate().filter(|(n, _)| changes(*n)) {
                self.host.primary_mut::<Mover>(*id).unwrap().at += 1_000_003;
            }
            self.host.prepare();
            let mut sizes = Vec::new();
            for (n, (peer, client)) in self.clients.iter_mut().enumerate() {
                let (mut message, mut size) = (Vec::new(), 0);
                while let Some(sent) = self.host.marshal(*peer, 1_200, &mut message) {
                    size += message.len();
                    if hears(n) {
                        let _verdict = client.handle_state(PeerId(0), self.host.tick.into(), &message).unwrap();
                        if self.slow == Some(n) {
                            self.receipts.push((*peer, sent.token));
                        } else {
                            self.host.handle_receipt(*peer, sent.token, true);
                        }
                    }
                }
                sizes.push(size);
            }
            sizes
        }

        /// What was held up is here.
        fn release(&mut self) {
            self.slow = None;
            self.receipts.drain(..).for_each(|(peer, token)| self.host.handle_receipt(peer, token, true));
        }

        /// Whether it is known what one was in a tick.
        fn remembers(&self, replica: usize, tick: u32) -> bool {
            let entry = &self.host.entries[replica];
            let [chunk] = entry.chunks[..] else { panic!("one chunk") };
            self.host.stores[usize::from(chunk.class)].in_force(chunk.slot, tick).is_some()
        }

        fn agree(&self, client: usize) -> bool {
            let of = |manager: &ReplicaManager, id: &ReplicaId| manager.get::<Mover>(*id).map(|mover| mover.at);
            self.ids.iter().all(|id| of(&self.host, id) == of(&self.clients[client].1, id))
        }
    }

    #[test]
    fn what_a_peer_may_still_be_told_of_is_kept_and_no_more() {
        let mut world = World::new(40, 2);
        for _ in 0..20 {
            world.tick(|_| true, |_| true);
        }
        assert!((1..15).all(|tick| !world.remembers(39, tick)), "both have heard of all since");
        assert!(world.remembers(0, 15) && !world.remembers(0, 10), "what trials look at is kept for longer");
        // One of them hears nothing for as long as anything is remembered at all.
        for _ in 0..20 {
            world.tick(|_| true, |client| client == 0);
        }
        assert!((20..40).all(|tick| world.remembers(39, tick)));
        let sizes = world.tick(|_| true, |_| true);
        assert!(sizes[1] < 40 * 6, "{} bytes: it is told what has changed, against what it has", sizes[1]);
        assert!(world.agree(0) && world.agree(1));
        (0..6).for_each(|_| {
            world.tick(|_| true, |_| true);
        });
        assert!((1..40).all(|tick| !world.remembers(39, tick)));
    }

    #[test]
    fn what_is_seldom_said_is_remembered_by_when_it_was() {
        let mut world = World::new(40, 2);
        for tick in 1..=395 {
            // Of two one moves always and one every forty ticks; sometimes one of the peers does not hear of that for a while.
            let sizes = world.tick(|n| n % 2 == 0 || tick % 40 == 0, |client| client == 0 || tick % 40 > 4);
            if tick > 40 {
                // Three bytes for each that always moves, seven for one that is told of again: sent whole it would be more than ten.
                let most = 20 * 4 + if tick % 40 <= 8 { 20 * 7 } else { 0 };
                assert!(sizes[0].max(sizes[1]) < most, "tick {tick}: {sizes:?} bytes");
            }
        }
        assert!(world.agree(0) && world.agree(1));
    }

    #[test]
    fn who_comes_later_is_told_all_and_then_what_changes() {
        let mut world = World::new(40, 1);
        (0..20).for_each(|_| {
            world.tick(|_| true, |_| true);
        });
        world.join();
        // What it is sent first is not heard of for five ticks.
        world.slow = Some(1);
        let first = world.tick(|_| true, |_| true);
        (0..5).for_each(|_| {
            world.tick(|_| true, |client| client == 0);
        });
        world.release();
        let then = world.tick(|_| true, |_| true);
        assert!(first[1] > 220 && then[1] < 210, "{first:?}, then {then:?} bytes");
        world.tick(|_| true, |_| true);
        assert!(world.agree(0) && world.agree(1));
        // And what takes the place of something else begins anew.
        world.host.destroy(world.ids[7]).unwrap();
        world.tick(|n| n != 7, |_| true);
        world.ids[7] = world.host.add(Mover { at: 5 }).unwrap();
        (0..3).for_each(|_| {
            world.tick(|_| true, |_| true);
        });
        world.clients.iter_mut().for_each(|(_, client)| client.update(Instant::ZERO, |_, fault| panic!("{fault}")));
        assert!(world.agree(0) && world.agree(1));
    }

    #[test]
    fn what_is_passed_on_is_forgotten_as_well() {
        let mut world = World::new(0, 2);
        let ball = world.clients[0].1.add(Mover::default()).unwrap();
        for tick in 0..30 {
            if tick == 3 {
                // Its owner was told of it, before it came to own it.
                let owner = world.host.peers[world.clients[0].0.0 as usize].as_mut().unwrap();
                owner.owed.targets.edit(0, |target| {
                    target.send(2);
                    let _ = target.delivered(2);
                });
            }
            let (there, owner) = &mut world.clients[0];
            owner.primary_mut::<Mover>(ball).unwrap().at += 3;
            owner.prepare();
            let mut message = Vec::new();
            let sent = owner.marshal(PeerId(0), 1_200, &mut message).expect("it has moved");
            let _verdict = world.host.handle_state(*there, owner.tick.into(), &message).unwrap();
            owner.handle_receipt(PeerId(0), sent.token, true);
            world.tick(|_| false, |_| true);
        }
        world.ids.push(ball);
        assert!(world.agree(1) && world.agree(0));
        assert!(world.remembers(0, 29) && (1..15).all(|tick| !world.remembers(0, tick)));
    }
}
