//! What is claimed of replicas when a host is lost, and who owns them then.
//!
//! The lost host knew who owned what; those who are left know it in part. Whom it has given a replica may be the only one to know so far; what it was
//! given back may be nobody's. So each follower tells the heir:
//!
//! ```text
//! claim  = 1 stance id epoch:gamma        id as in a state message
//! stance = 0 owner:gamma                  this member has it in this epoch, or was to have it
//!        | 1 0                            it is mine, in this epoch
//!        | 1 1                            it has ended, in this epoch
//! more   = 0 last:1                       last = 0: the next message goes on
//! ```
//!
//! of all that it owns; of what came from the lost host; of what that has vouched for and has not come; of what mesh members have in a later epoch than
//! the first; and of what ended in the lost host's hands not long ago. Of each replica the **latest epoch** that anyone names counts. It goes to whoever
//! claims it in that epoch, if someone else says so too. What has ended in that epoch, and nobody claims, has ended. Everything else is
//! nobody's and goes to the heir with what the lost host owned; or it ends, if the heir does not have it.
//!
//! So a member that makes up a claim, which only the lost host could refute, gains nothing for itself: the most it comes to is that the heir takes a
//! replica, or that one ends which came from the lost host or which the heir does not have.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::handoff::{NO_REPLICA, kind};
use super::record::{Cursor, Ownership, Route, at_end};
use super::target::PeerId;
use super::{PeerFault, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::wire::{BitReader, BitWriter, WireError};

/// What a node knows of a replica is at most what it has and what it was told to come.
const CLAIMS_OF_ONE: usize = 4;

/// Bits after which the next claim goes into a message of its own.
const MESSAGE_BITS: usize = (limits::RPC_BYTES - limits::RPC_HEAD_BYTES) * 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stance {
    /// In this epoch it is this member's, or was to be.
    Of(MemberId),
    /// In this epoch it is the one's who says so.
    Mine,
    /// In this epoch it has ended.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    stance: Stance,
    epoch: u32,
    /// None of this node's own.
    from: Option<PeerId>,
}

/// What was claimed so far, by replica.
#[derive(Debug, Default)]
pub(super) struct Claims {
    of: BTreeMap<ReplicaId, SmallVec<[Claim; 2]>>,
    /// How many by whom.
    count: BTreeMap<Option<PeerId>, usize>,
}

/// What others are to hear of replicas that this node does not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Whose they are, and in which epoch.
    pub(super) vouched: Vec<(ReplicaId, (MemberId, u32))>,
    /// They end, up to this epoch.
    pub(super) void: Vec<(ReplicaId, u32)>,
}

impl Stance {
    fn write(self, w: &mut BitWriter) {
        match self {
            Self::Of(owner) => {
                w.bool(false);
                w.gamma(owner.0);
            }
            Self::Mine => w.bits(0b01, 2),
            Self::Ended => w.bits(0b11, 2),
        }
    }

    fn read(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        if !r.bool()? {
            return Ok(Self::Of(MemberId(r.gamma()?)));
        }
        Ok(if r.bool()? { Self::Ended } else { Self::Mine })
    }
}

impl Claims {
    /// Returns how many there are of the same replica from the same node.
    fn add(&mut self, id: ReplicaId, claim: Claim) -> usize {
        *self.count.entry(claim.from).or_default() += 1;
        let claims = self.of.entry(id).or_default();
        claims.push(claim);
        claims.iter().filter(|other| other.from == claim.from).count()
    }

    /// What this node claims itself.
    pub(super) fn add_own(&mut self, own: Vec<(ReplicaId, Stance, u32)>) {
        for (id, stance, epoch) in own {
            self.add(id, Claim { stance, epoch, from: None });
        }
    }

    /// Reads the claims of a message. Whether there are more to come. `latest`: up to which epoch a replica can have come.
    pub(super) fn read(
        &mut self,
        from: PeerId,
        latest: impl Fn(ReplicaId) -> u32,
        r: &mut BitReader<'_>,
    ) -> Result<bool, PeerFault> {
        let mut cursor = Cursor::START;
        while r.bool()? {
            let stance = Stance::read(r)?;
            let (id, epoch) = (cursor.read(r)?, r.gamma()?);
            if epoch > latest(id) {
                return Err(PeerFault::Limit("changes of owners"));
            }
            if self.count.get(&Some(from)).is_some_and(|count| *count >= limits::REPLICAS) {
                return Err(PeerFault::Limit("claims"));
            }
            if self.add(id, Claim { stance, epoch, from: Some(from) }) > CLAIMS_OF_ONE {
                return Err(PeerFault::Limit("claims of one replica"));
            }
        }
        let last = r.bool()?;
        if at_end(r) { Ok(!last) } else { Err(WireError::Invalid.into()) }
    }
}

/// The latest epoch that anyone names.
fn latest(claims: &[Claim]) -> u32 {
    claims.iter().map(|claim| claim.epoch).max().unwrap_or(0)
}

/// Whether it has ended in the latest epoch. Who has it knows better, or has not heard of the end; then it is nobody's.
fn has_ended(claims: &[Claim]) -> bool {
    let latest = latest(claims);
    let is_end = |claim: &Claim| claim.stance == Stance::Ended && claim.epoch == latest;
    claims.iter().any(is_end) && claims.iter().all(|claim| claim.stance != Stance::Mine)
}

impl ReplicaManager {
    /// What this node knows of replicas that others may not, now that the host is lost.
    pub(super) fn own_claims(&self, host: PeerId) -> Vec<(ReplicaId, Stance, u32)> {
        let mut claims = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.live) {
            let stance = match entry.upstream {
                _ if entry.dying => Stance::Ended,
                None => Stance::Mine,
                Some(upstream) if upstream == host && entry.doomed => Stance::Ended,
                Some(upstream) if upstream == host || entry.epoch > 1 => Stance::Of(entry.owner),
                Some(_) => continue,
            };
            claims.push((entry.id, stance, entry.epoch));
        }
        claims.extend(self.mesh.words().map(|(id, owner, epoch)| (id, Stance::Of(owner), epoch)));
        if let Some(peer) = self.peer(host) {
            let ended = peer.graves.iter().filter(|(id, _)| !self.index.contains_key(id));
            claims.extend(ended.map(|(id, epoch)| (id, Stance::Ended, epoch)));
        }
        claims
    }

    /// Tells the next host what this node claims.
    pub(super) fn send_claims(&mut self, host: PeerId, heir: PeerId) {
        let claims = self.own_claims(host);
        let mut left = claims.iter().peekable();
        loop {
            let route = Route::Request { source: None };
            self.say(heir, NO_REPLICA, kind::CLAIMS, route, |w| {
                write_some(&mut left, w);
                w.bool(left.peek().is_none());
            });
            if left.peek().is_none() {
                return;
            }
        }
    }

    /// On the heir: replicas go to those who have them. What is nobody's is the lost host's.
    pub(super) fn settle_claims(&mut self, host: PeerId, claims: Claims) -> Settled {
        let mut settled = Settled::default();
        for (id, claims) in claims.of {
            let owner = self.owner_in(&claims, latest(&claims));
            // What is dying here leaves the table in this tick.
            match self.index.get(&id).copied().filter(|place| !self.entries[*place as usize].dying) {
                Some(place) => self.settle_what_is_here(place, host, &claims, owner),
                None => self.settle_what_is_not(id, &claims, owner, &mut settled),
            }
        }
        settled
    }

    fn settle_what_is_here(&mut self, place: u32, host: PeerId, claims: &[Claim], owner: Option<(PeerId, MemberId)>) {
        let entry = &self.entries[place as usize];
        let (latest, was_hosts) = (latest(claims), entry.upstream == Some(host));
        let is_later = latest > entry.epoch && entry.migratable;
        if !is_later && !was_hosts {
            return; // It is where it was.
        }
        if has_ended(claims) {
            self.take_from(place, host);
            let entry = &mut self.entries[place as usize];
            (entry.epoch, entry.doomed) = (latest, true);
        } else if let Some((peer, member)) = owner {
            self.take_from(place, peer);
            let entry = &mut self.entries[place as usize];
            entry.doomed = false;
            // Whom it is assigned to it says itself.
            let ownership = Ownership { owner: member, epoch: latest, ..entry.ownership() };
            self.set_ownership(place, ownership);
        } else if is_later {
            self.take_from(place, host);
            let entry = &mut self.entries[place as usize];
            (entry.epoch, entry.doomed) = (latest, false);
        }
    }

    fn settle_what_is_not(
        &mut self,
        id: ReplicaId,
        claims: &[Claim],
        owner: Option<(PeerId, MemberId)>,
        settled: &mut Settled,
    ) {
        let latest = latest(claims);
        let is_creators = |claim: &Claim| {
            let by = claim.from.and_then(|from| self.peer_member(from));
            claim.stance == Stance::Mine && by == Some(id.creator)
        };
        match owner {
            Some((_, member)) => settled.vouched.push((id, (member, latest))),
            // It is new, and comes from its creator as any other.
            None if latest == 1 && claims.iter().any(is_creators) => {}
            None => {
                // Of an end that everybody knows of nobody is told.
                if claims.iter().any(|claim| claim.stance != Stance::Ended) {
                    settled.void.push((id, latest));
                }
                self.dig_graves(id, latest);
            }
        }
    }

    /// Who has it in this epoch: a member that claims it, and whom another says to have it.
    fn owner_in(&self, claims: &[Claim], epoch: u32) -> Option<(PeerId, MemberId)> {
        let claims_it = |claim: &&Claim| claim.stance == Stance::Mine && claim.epoch == epoch;
        let owners = claims.iter().filter(claims_it).filter_map(|claim| claim.from);
        let is_confirmed = |(peer, member): &(PeerId, MemberId)| {
            let says_so = |claim: &Claim| claim.stance == Stance::Of(*member) && claim.from != Some(*peer);
            claims.iter().any(|claim| says_so(claim) && claim.epoch == epoch)
        };
        owners.filter_map(|peer| Some((peer, self.peer_member(peer)?))).find(is_confirmed)
    }
}

/// As many claims as a message takes.
fn write_some<'a>(
    claims: &mut core::iter::Peekable<impl Iterator<Item = &'a (ReplicaId, Stance, u32)>>,
    w: &mut BitWriter,
) {
    let mut cursor = Cursor::START;
    while let Some((id, stance, epoch)) = claims.next_if(|_| w.len() < MESSAGE_BITS) {
        w.bool(true);
        stance.write(w);
        cursor.write(*id, w);
        w.gamma(*epoch);
    }
    w.bool(false);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim() -> impl Strategy<Value = (ReplicaId, Stance, u32)> {
        let stance = prop_oneof![
            (1..=u32::MAX).prop_map(|member| Stance::Of(MemberId(member))),
            Just(Stance::Mine),
            Just(Stance::Ended)
        ];
        let id = prop_oneof![(1..4_u32, 1..9_u32), (1..=u32::MAX, 1..=u32::MAX)];
        (id, stance, 1..=u32::MAX).prop_map(|((creator, serial), stance, epoch)| {
            (ReplicaId { creator: MemberId(creator), serial }, stance, epoch)
        })
    }

    proptest! {
        #[test]
        fn claims_come_back_in_as_many_messages_as_it_takes(claims in prop::collection::vec(claim(), 0..2_000)) {
            let mut seen = BTreeMap::<_, usize>::new();
            let is_one_of_few = |(id, ..): &(ReplicaId, Stance, u32)| {
                let seen = seen.entry(*id).or_default();
                *seen += 1;
                *seen <= CLAIMS_OF_ONE
            };
            let claims: Vec<_> = claims.into_iter().filter(is_one_of_few).collect();
            let (mut left, mut read, from) = (claims.iter().peekable(), Claims::default(), PeerId(3));
            loop {
                let mut w = BitWriter::new();
                write_some(&mut left, &mut w);
                w.bool(left.peek().is_none());
                prop_assert!(w.len() <= limits::RPC_BYTES * 8);
                let more = read.read(from, |_| u32::MAX, &mut BitReader::new(w.finish())).unwrap();
                prop_assert_eq!(more, left.peek().is_some());
                if !more {
                    break;
                }
            }
            prop_assert_eq!(read.count.values().sum::<usize>(), claims.len());
            let mut expected = Claims::default();
            for &(id, stance, epoch) in &claims {
                expected.add(id, Claim { stance, epoch, from: Some(from) });
            }
            prop_assert_eq!(read.of, expected.of);
        }

        #[test]
        fn no_bytes_panic_or_claim_more_than_they_have_bits(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut claims = Claims::default();
            let _ = claims.read(PeerId(0), |_| u32::MAX, &mut BitReader::new(&bytes));
            prop_assert!(claims.count.values().sum::<usize>() <= bytes.len() * 8 / 4);
        }
    }
}
