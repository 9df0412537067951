//! Replicas that are about to change hands: who is to have them, what waits meanwhile, and the moment in which they do. What is said
//! for it is in `handoff`.

use core::time::Duration;

use super::handoff::kind;
use super::ownership::{OwnershipOutcome, RefusedOwnership};
use super::profile::share;
use super::record::{Ownership, Route};
use super::target::PeerId;
use super::{PeerRole, ReplicaEvent, ReplicaManager};
use crate::chunk::OutboxCall;
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::BitWriter;

/// Beyond the epoch that a client which was recalled, and was not heard of, may have begun by letting go.
pub(super) const PAST_RELEASE: u32 = 2;

/// A replica that a client was asked to let go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recall {
    pub(super) to: MemberId,
    pub(super) deadline: Instant,
    /// By the program here: nobody's offer counts for more.
    forced: bool,
}

/// What is to be done with a primary once this tick's calls are addressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) id: ReplicaId,
    /// Whose it will be.
    pub(super) to: MemberId,
    /// In which epoch that was decided.
    pub(super) epoch: u32,
}

impl ReplicaManager {
    /// A primary here is to be `to`'s: now, if this node is the host, else when the host is ready.
    pub(super) fn give(&mut self, place: u32, to: MemberId) {
        let id = self.entries[place as usize].id;
        match self.host() {
            None => self.part_with(place, to),
            Some(host) => self.say(host, id, kind::OFFER, Route::Request { source: None }, |w| w.gamma(to.0)),
        }
    }

    /// A primary here goes to `to` at the end of `prepare`. From the next tick on nothing runs here on its behalf.
    pub(super) fn part_with(&mut self, place: u32, to: MemberId) {
        let entry = &mut self.entries[place as usize];
        let (id, epoch) = (entry.id, entry.epoch);
        if core::mem::replace(&mut entry.in_transfer, true)
            && let Some(leaving) = self.leaving.iter_mut().find(|leaving| leaving.id == id)
        {
            let before = core::mem::replace(leaving, Leaving { id, to, epoch }).to;
            return self.overtake(id, before, to);
        }
        self.leaving.push(Leaving { id, to, epoch });
    }

    /// On the host: a client is to let go of the replica at `place`. Calls on it wait here from now on.
    pub(super) fn recall(&mut self, place: u32, to: MemberId, forced: bool) {
        let entry = &mut self.entries[place as usize];
        let (id, Some(upstream)) = (entry.id, entry.upstream) else { return };
        if entry.doomed || !entry.migratable {
            return;
        }
        if let Some(recall) = self.recalls.get_mut(&id) {
            // The last who is to have it gets it, but for whom the program here has chosen.
            let Recall { to: before, forced: was_forced, .. } = *recall;
            if was_forced && !forced {
                return self.overtake(id, to, before);
            }
            (recall.to, recall.forced) = (to, forced);
            return self.overtake(id, before, to);
        }
        entry.in_transfer = true;
        self.detour_calls(place);
        let deadline = self.now + Duration::from_millis(limits::RECALL_MILLIS);
        self.recalls.insert(id, Recall { to, deadline, forced });
        self.say(upstream, id, kind::RECALL, Route::Request { source: None }, |_| ());
    }

    /// Another gets what `member` was to have.
    fn overtake(&mut self, id: ReplicaId, member: MemberId, by: MemberId) {
        if member != by {
            self.refuse(id, member, RefusedOwnership::Overtaken);
        }
    }

    /// At the end of `update`: takes what clients were to let go of and did not, and ends what was asked for too long ago.
    pub(super) fn settle_transfers(&mut self) {
        if !self.recalls.is_empty() {
            self.end_recalls();
        }
        if !self.wanted.is_empty() {
            self.end_wanted();
        }
    }

    fn end_recalls(&mut self) {
        let is_over = |recall: &Recall| recall.deadline <= self.now;
        let over: Vec<_> = self.recalls.iter().filter(|(_, recall)| is_over(recall)).map(|(id, _)| *id).collect();
        for id in over {
            let place = self.index[&id];
            let entry = &mut self.entries[place as usize];
            if entry.doomed {
                entry.in_transfer = false;
                self.recalls.remove(&id);
                self.resume_postponed(id);
            } else {
                let epoch = entry.epoch.saturating_add(PAST_RELEASE);
                self.become_owner(place, epoch);
            }
        }
    }

    /// The primary is here from now on, unless it goes on from here.
    pub(super) fn become_owner(&mut self, place: u32, epoch: u32) {
        self.promote(place, epoch);
        let entry = &mut self.entries[place as usize];
        let id = entry.id;
        entry.in_transfer = false;
        self.push_event(ReplicaEvent::OwnerChanged { id, owner: self.local });
        match self.recalls.remove(&id) {
            Some(Recall { to, .. }) if to != self.local => {
                self.part_with(place, to);
                self.ask_again(id);
            }
            _ => self.conclude(id, OwnershipOutcome::Granted),
        }
        self.resume_postponed(id);
    }

    /// At the end of `prepare`, when every call made so far has been addressed: lets go of what is to go.
    pub(super) fn let_go(&mut self) {
        for Leaving { id, to, epoch } in core::mem::take(&mut self.leaving) {
            let Some(&place) = self.index.get(&id) else { continue };
            let entry = &mut self.entries[place as usize];
            if !entry.is_primary() || entry.dying {
                continue;
            }
            entry.in_transfer = false;
            if entry.epoch == epoch && to != self.local {
                match self.host() {
                    None => self.grant(place, to),
                    Some(host) => self.hand_over(place, host, kind::RELEASED),
                }
            }
        }
    }

    /// Keeps a call that this node has made until it is clear where to.
    pub(super) fn postpone(&mut self, call: &OutboxCall, args: &[u8]) {
        if self.postponed.calls.len() >= limits::OUTBOX_CALLS {
            self.stats.rpcs_dropped += 1;
            return;
        }
        let start = self.postponed.arena.len();
        self.postponed.arena.extend_from_slice(&args[..call.bits.div_ceil(8)]);
        self.postponed.calls.push(OutboxCall { args: start, ..*call });
    }

    /// It is clear now; or the replica is gone, and its calls with it.
    pub(super) fn resume_postponed(&mut self, id: ReplicaId) {
        if self.postponed.calls.is_empty() {
            return;
        }
        let all = core::mem::take(&mut self.postponed);
        for call in &all.calls {
            let args = &all.arena[call.args..];
            if call.replica == id { self.address_call(call, args) } else { self.postpone(call, args) }
        }
    }

    /// There is a host again: calls that waited for one go to wherever they belong now.
    pub(super) fn resume_all_postponed(&mut self) {
        let all = core::mem::take(&mut self.postponed);
        for call in &all.calls {
            self.address_call(call, &all.arena[call.args..]);
        }
    }

    /// A replica has left the table. What a former owner still has to say of it comes too late; and it may end elsewhere than with
    /// who created it, who must not use its id again all the same.
    pub(super) fn end_transfers(&mut self, id: ReplicaId, epoch: u32, was_primary: bool) {
        for peer in self.peers.iter_mut().flatten().filter(|_| epoch > 1 || was_primary) {
            // A host may have taken what was ours, of which nothing was heard yet.
            if epoch > 1 || peer.role == PeerRole::Host {
                peer.graves.dig(id, epoch);
            }
            if epoch > 1 && peer.role.is_guest() && peer.member == id.creator {
                peer.spent.insert(id.serial);
            }
        }
        self.recalls.remove(&id);
        self.conclude(id, OwnershipOutcome::Refused(RefusedOwnership::Gone));
        self.resume_postponed(id);
    }

    /// On the host: why a member that is there cannot own the replica at `place`. Of others nothing is known.
    pub(super) fn unfit(&self, place: u32, member: MemberId) -> Option<RefusedOwnership> {
        let entry = &self.entries[place as usize];
        let at = self.peer_of(member)?;
        let peer = self.peer(at)?;
        if peer.profile.as_ref().is_some_and(|profile| profile.cuts(entry)) {
            return Some(RefusedOwnership::NotMigratable);
        }
        // It may have back what it owns already.
        let is_full = peer.proxies >= limits::REPLICAS_PER_MEMBER && entry.upstream != Some(at);
        is_full.then_some(RefusedOwnership::Full)
    }

    fn grant(&mut self, place: u32, to: MemberId) {
        // Who has left meanwhile cannot have it.
        let Some(peer) = self.peer_of(to) else { return };
        // Nor who could when it was decided, and cannot any more.
        match self.unfit(place, to) {
            None => self.hand_over(place, peer, kind::GRANTED),
            Some(reason) => self.refuse(self.entries[place as usize].id, to, reason),
        }
    }

    /// Sends the state of a primary to its next owner, and is a proxy from then on.
    fn hand_over(&mut self, place: u32, to: PeerId, kind: u8) {
        let Some(owner) = self.peer_member(to) else { return };
        let Self { entries, stores, peers, tick, .. } = self;
        let entry = &mut entries[place as usize];
        let id = entry.id;
        let mut ownership = Ownership { owner, epoch: entry.epoch.saturating_add(1), ..entry.ownership() };
        if ownership.assigned == entry.owner {
            ownership.assigned = owner;
        }
        let mut body = BitWriter::new();
        body.bits(u64::from(*tick), 32);
        ownership.write(&mut body);
        body.gamma(u32::try_from(entry.chunks.len()).expect("at most 64"));
        for chunk in &entry.chunks {
            body.gamma(u32::from(chunk.class) + 1);
            if stores[usize::from(chunk.class)].is_refusable() {
                body.bool(chunk.refused);
            }
        }
        let profile = peers[to.0 as usize].as_ref().and_then(|peer| peer.profile.as_deref());
        for chunk in &entry.chunks {
            stores[usize::from(chunk.class)].save(chunk.slot, share(profile, chunk.class), &mut body);
        }
        if body.take_error().is_some() || body.len() > limits::RECORD_BYTES * 8 {
            // Nobody can be told of it, so it stays, and is what it was.
            return self.refuse(id, owner, RefusedOwnership::TooLarge);
        }
        for chunk in &entry.chunks {
            stores[usize::from(chunk.class)].demote(chunk.slot, *tick + 1);
        }
        entry.owner = owner;
        entry.assigned = ownership.assigned;
        entry.epoch = ownership.epoch;
        self.follow(place, to);
        let bits = body.len();
        let state = body.finish().to_vec();
        self.say(to, id, kind, Route::Request { source: None }, |w| {
            w.append(&state, bits);
        });
        self.vouch_for(place);
        self.owner_changed(place, self.local);
        self.push_event(ReplicaEvent::OwnerChanged { id, owner });
    }

    /// The host has taken the replica at `place`, whose primary was here: it has what comes next of it.
    pub(super) fn lose(&mut self, place: u32, to: PeerId) {
        for chunk in &self.entries[place as usize].chunks {
            self.stores[usize::from(chunk.class)].demote(chunk.slot, self.tick + 1);
        }
        self.follow(place, to);
    }

    /// What was a primary is a proxy, of what a peer has.
    fn follow(&mut self, place: u32, upstream: PeerId) {
        let meshed = self.is_meshed(Some(upstream));
        let Self { entries, peers, stores, .. } = self;
        let entry = &mut entries[place as usize];
        entry.set_upstream(Some(upstream));
        entry.meshed = meshed;
        entry.in_transfer = false;
        entry.received = 0;
        self.primaries -= 1;
        if let Some(peer) = &mut peers[upstream.0 as usize] {
            peer.proxies += 1;
            peer.owed.forget(place);
            peer.owed.begin(place);
        }
        for chunk in &entry.chunks {
            stores[usize::from(chunk.class)].set_owned(chunk.slot, None);
        }
        self.renew(place);
    }
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::replica::Verdict;
    use crate::replica::sync::is_report;

    mod before {
        use crate::prelude::*;

        #[derive(Default, ReplicaChunk)]
        #[chunk(crate = crate, name = "ship", migratable)]
        pub(super) struct Ship {
            pub(super) hull: u8,
        }
    }

    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate, name = "ship", migratable)]
    struct Ship {
        hull: u8,
        shield: u8,
    }

    const OWNER: MemberId = MemberId(2);
    const OLD: MemberId = MemberId(3);
    const FULL: MemberId = MemberId(4);

    /// A host with a ship of its own and one of a client's. Of two others one has an older program, and one as much as it may have.
    struct Harbour {
        host: ReplicaManager,
        client: ReplicaManager,
        /// The client, the host as it knows it, the old, the full.
        peers: [PeerId; 4],
        own: ReplicaId,
        theirs: ReplicaId,
    }

    impl Harbour {
        fn new() -> Self {
            let registry = Registry::builder().chunk::<Ship>().build().unwrap();
            let older = Registry::builder().chunk::<before::Ship>().build().unwrap();
            let common = registry.snapshot().common(&older.snapshot()).unwrap();
            let mut host = ReplicaManager::new(registry.clone(), 1);
            let mut client = ReplicaManager::new(registry, 2);
            client.set_local_member(OWNER);
            let peers = [
                host.add_peer(OWNER, PeerRole::Client),
                client.add_peer(MemberId::HOST, PeerRole::Host),
                host.add_peer_with(OLD, PeerRole::Client, &common),
                host.add_peer(FULL, PeerRole::Client),
            ];
            host.peers[peers[3].0 as usize].as_mut().unwrap().proxies = limits::REPLICAS_PER_MEMBER;
            let own = host.add(Ship { hull: 1, shield: 1 }).unwrap();
            let theirs = client.add(Ship { hull: 2, shield: 2 }).unwrap();
            client.prepare();
            let mut state = Vec::new();
            assert!(client.marshal(peers[1], 1_200, &mut state).is_some());
            assert_eq!(host.handle_state(peers[0], 1, &state), Ok(Verdict::Accepted));
            Self { host, client, peers, own, theirs }
        }

        /// How many words of replicas the host has for each of its peers.
        fn said(&mut self) -> [usize; 3] {
            let [owner, _, old, full] = self.peers;
            [owner, old, full].map(|peer| {
                let mut said = 0;
                self.host.drain_calls(peer, |_, word| said += usize::from(!is_report(word)));
                said
            })
        }

        fn update(&mut self) {
            self.host.update(Instant::from_millis(1), |_, fault| panic!("{fault}"));
        }
    }

    #[test]
    fn the_host_does_not_choose_who_cannot_own() {
        let mut harbour = Harbour::new();
        for id in [harbour.own, harbour.theirs] {
            let unfit = [(OLD, RefusedOwnership::NotMigratable), (FULL, RefusedOwnership::Full)];
            for (member, reason) in unfit {
                assert_eq!(harbour.host.set_owner(id, member), Err(ReplicaError::Unfit(member, reason)), "{id}");
            }
            assert!(!harbour.host.entry(id).unwrap().in_transfer);
        }
        harbour.host.prepare();
        assert_eq!(harbour.said(), [0, 0, 0], "nothing is recalled");
        assert!(harbour.host.recalls.is_empty() && harbour.host.info(harbour.own).unwrap().is_primary);
    }

    #[test]
    fn what_is_offered_to_who_cannot_own_it_is_not_recalled() {
        for (member, said) in [(OLD, [0, 1, 0]), (FULL, [0, 0, 1]), (MemberId::HOST, [1, 0, 0])] {
            let mut harbour = Harbour::new();
            harbour.client.set_owner(harbour.theirs, member).unwrap();
            let Harbour { host, client, peers, .. } = &mut harbour;
            client.drain_calls(peers[1], |reliable, offer| host.handle_call(peers[0], reliable, offer).unwrap());
            harbour.update();
            harbour.host.prepare();
            assert_eq!(harbour.said(), said, "{member}: who wanted it hears of it, or who is to let go");
            assert_eq!(harbour.host.recalls.is_empty(), member != MemberId::HOST);
        }
    }

    /// What was decided before is looked at again when it comes to it.
    #[test]
    fn the_host_gives_nothing_to_who_cannot_own_it() {
        for (member, said) in [(OLD, [0, 1, 0]), (FULL, [0, 0, 1]), (OWNER, [1, 0, 0])] {
            let mut harbour = Harbour::new();
            let at = harbour.host.peer_of(member);
            harbour.host.answer_request(harbour.own, member, at);
            harbour.host.prepare();
            assert_eq!(harbour.said(), said, "{member}");
            let info = harbour.host.info(harbour.own).unwrap();
            assert_eq!((info.is_primary, info.owner == member), (member != OWNER, member == OWNER));
            assert!(!harbour.host.entry(harbour.own).unwrap().in_transfer);
        }
    }

    #[test]
    fn who_is_full_may_have_back_what_is_recalled_from_it() {
        let mut harbour = Harbour::new();
        harbour.host.set_owner(harbour.theirs, MemberId::HOST).unwrap();
        harbour.host.peers[harbour.peers[0].0 as usize].as_mut().unwrap().proxies = limits::REPLICAS_PER_MEMBER;
        assert_eq!(harbour.host.set_owner(harbour.theirs, OWNER), Ok(()));
        let full = Err(ReplicaError::Unfit(OWNER, RefusedOwnership::Full));
        assert_eq!(harbour.host.set_owner(harbour.own, OWNER), full);
    }
}
