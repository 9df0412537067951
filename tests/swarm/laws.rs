//! The laws that are looked at when a tick is over, and what it takes to agree.

use core::time::Duration;
use std::collections::BTreeMap;

use gridmate_runtime::replica::StateRate;
use gridmate_runtime::{MemberId, ReplicaId};

use crate::chunks::{Dial, Piece as _, Secret};
use crate::counts::Law;
use crate::game::{Game, State};
use crate::ledger::{Call, For};
use crate::oracle::{Row, row_of};

/// R9: how far a proxy may be behind its owner in a mild session, whatever the rate and besides some intervals in which state goes out.
const AGE: Duration = Duration::from_millis(1_500);

impl Game {
    pub fn check(&mut self) {
        let members = self.members();
        for player in &members {
            self.check_proxies(*player);
        }
        self.check_rates();
        if self.plan.is_mild() {
            for player in members {
                self.check_ages(player);
            }
        }
    }

    /// R2 to R5, R8 and R12 on one node.
    fn check_proxies(&mut self, player: usize) {
        let Self { players, world, truths, counts, .. } = self;
        let it = &mut players[player];
        let replicas = &*world.replicas(it.key);
        for id in it.known.keys() {
            counts.hold(Law::R4, replicas.info(*id).is_some(), || format!("{id} vanished, and {player} was not told"));
        }
        for id in replicas.ids() {
            let Some(truth) = truths.get(&id) else { panic!("R3: {id} at {player} was never added") };
            let primary = replicas.info(id).is_some_and(|info| info.is_primary);
            let should = truth.home == player && truth.ended.is_none();
            counts.hold(Law::R2, !primary || should, || format!("{id} at {player}, primary {primary}: {truth:?}"));
            if primary {
                continue;
            }
            counts.hold(Law::R4, it.known.contains_key(&id), || format!("{id} is there, and {player} was not told"));
            let row = row_of(id, replicas);
            let before = it.rows.get(&id).copied().unwrap_or(0);
            let (at, newest) = truth.find(&row, before);
            if newest.is_none() && !it.rows.contains_key(&id) && truth.homes.contains_key(&player) {
                continue; // It was taken from here without the last of it, and that has not been corrected yet.
            }
            counts.hold(Law::R5, newest.is_some(), || format!("{id} at {player} never was {row:?}: {:?}", truth.rows));
            counts.hold(Law::R4, at.is_some(), || format!("{id} at {player} goes back from {before} to {newest:?}"));
            it.rows.extend(at.map(|at| (id, at)));
            truth.check(id, (player, it.member.0), replicas, counts);
        }
    }

    /// R10: what a client was sent within a second.
    fn check_rates(&mut self) {
        let (rate, host) = (usize::try_from(self.plan.rate).unwrap(), self.players[0].key);
        let peers: Vec<_> =
            self.world.node(host).peers().map(|peer| (peer.member, peer.channels.state.bytes_sent)).collect();
        for (member, bytes) in peers {
            let Some(player) = self.player(member) else { continue };
            let it = &mut self.players[player];
            it.sent.push_back(bytes);
            if it.sent.len() > rate + 1 {
                it.sent.pop_front();
            }
            if it.rate == StateRate::UNLIMITED {
                continue;
            }
            let (within, most) = (bytes - it.sent[0], it.rate.bytes_per_second() + it.rate.burst_bytes());
            self.counts
                .hold(Law::R10, within <= most, || format!("{within} bytes for {member} in a second: {most} at most"));
        }
    }

    /// R9: since when a node lacks what an owner has.
    fn check_ages(&mut self, player: usize) {
        let members = self.members();
        let bound = self.age_bound();
        let (it, interval) = (&self.players[player], self.world.interval());
        for (id, truth) in &self.truths {
            if truth.ended.is_some()
                || !truth.here
                || truth.home == player
                || !members.contains(&truth.home)
                || truth.rows.is_empty()
            {
                continue;
            }
            let missing = if it.known.contains_key(id) {
                let row = row_of(*id, self.world.node(it.key).replicas_ref());
                let (_, newest) = truth.find(&row, 0);
                newest.and_then(|at| truth.rows.get(at + 1)).map(|(tick, _)| *tick)
            } else {
                Some(truth.rows[0].0.max(it.joined).max(self.players[truth.home].joined))
            };
            let ticks = missing.map_or(0, |since| self.tick - since.max(truth.since).max(it.joined));
            let age = interval * u32::try_from(ticks).unwrap();
            self.counts.age = self.counts.age.max(age);
            self.counts
                .hold(Law::R9, age <= bound, || format!("{id} at {player} is {age:?} behind, {bound:?} at most"));
        }
    }

    fn age_bound(&self) -> Duration {
        AGE + self.plan.send_interval * 4
    }

    /// Why not all are members, or not of one mind about it.
    pub fn membership_doubt(&mut self) -> Option<String> {
        let host = self.players[0].key;
        let mut there: Vec<_> = self.world.node(host).members().map(|member| member.id).collect();
        there.sort_unstable();
        if let Some(player) = self.players.iter().position(|player| player.state == State::Joining) {
            return Some(format!("player {player} is still joining"));
        }
        for player in 0..self.players.len() {
            if self.players[player].state != State::In {
                continue;
            }
            let key = self.players[player].key;
            let mut known: Vec<_> = self.world.node(key).members().map(|member| member.id).collect();
            known.sort_unstable();
            if known != there {
                return Some(format!("player {player} knows {known:?}, the host {there:?}"));
            }
        }
        let inside: Vec<_> = self.players.iter().filter(|player| player.state == State::In).collect();
        (inside.len() != there.len())
            .then(|| format!("the host knows {there:?}, and there are {} players", inside.len()))
    }

    /// R1, R6: what members do not agree on, or has not run.
    pub fn doubt(&mut self) -> Option<String> {
        let members = self.members();
        let sights: BTreeMap<_, _> = members.iter().map(|player| (*player, self.sights(*player))).collect();
        for (id, truth) in self.truths.iter().filter(|(_, truth)| truth.ended.is_none()) {
            if !truth.here {
                return Some(format!("{id} is on its way"));
            }
            let Some(wanted) = sights.get(&truth.home).and_then(|sights| sights.get(id)) else {
                return Some(format!("{id} is not at home"));
            };
            for player in &members {
                let Some(found) = sights[player].get(id) else { return Some(format!("player {player} has no {id}")) };
                let visible = *player == truth.home || truth.audience >> self.players[*player].member.0 & 1 == 1;
                let same = if visible { found == wanted } else { *found == wanted.without_secret(found.digest) };
                if !same {
                    return Some(format!("{id} at {player}, visible {visible}: {found:?}, not {wanted:?}"));
                }
            }
        }
        let is_over = |id: &&ReplicaId| self.truths.get(id).is_none_or(|truth| truth.ended.is_some());
        for (player, sights) in &sights {
            if let Some(ghost) = sights.keys().find(is_over) {
                return Some(format!("player {player} has {ghost} still"));
            }
        }
        let not_run = self.ledger.calls.iter().find_map(|(number, call)| {
            let missing = self.missing(*number, call, &members);
            missing.map(|missing| format!("call {number} has not run {missing}: {call:?}"))
        });
        not_run.or_else(|| {
            let open = members.iter().flat_map(|player| &self.players[*player].requests);
            let mut open = open.map(|(number, _)| (number, &self.ledger.calls[number]));
            let unanswered = open.find(|(_, call)| {
                let ended = self.truths[&call.replica].ended.is_some();
                self.is_stable(call, &members) && call.ran.is_some() && !ended
            });
            unanswered.map(|(number, call)| format!("question {number} has no answer: {call:?}"))
        })
    }

    fn sights(&mut self, player: usize) -> BTreeMap<ReplicaId, Sight> {
        let replicas = &*self.world.replicas(self.players[player].key);
        let all = replicas.digests().into_iter().filter_map(|(id, digest)| {
            let info = replicas.info(id)?;
            let whose = (info.owner, info.assigned, info.migratable);
            let dial = replicas.get::<Dial>(id).ok().map(|dial| (dial.level, dial.odometer));
            Some((id, Sight { whose, row: row_of(id, replicas), dial, digest }))
        });
        all.collect()
    }

    /// Nothing has come between a call and where it is to run.
    fn is_stable(&self, call: &Call, members: &[usize]) -> bool {
        let truth = &self.truths[&call.replica];
        let lost_since = truth.steady_since == truth.since && truth.homes.len() > 1;
        let since = if call.caller == truth.home && lost_since { truth.calls_since } else { truth.steady_since };
        since <= call.made && !truth.lost && [call.caller, truth.home].iter().all(|player| members.contains(player))
    }

    /// Where a call has not run, and should have.
    fn missing(&self, number: u32, call: &Call, members: &[usize]) -> Option<String> {
        let truth = &self.truths[&call.replica];
        let was_over = truth.ended.is_some() && number > truth.last_call;
        if !self.is_stable(call, members) || !call.is_reliable() || was_over {
            return None;
        }
        let Some((tick, ..)) = call.ran else {
            // It may have been too often, assigned to somebody else by the time it came, or have come where it had to be passed on.
            let certain = !matches!(call.rpc, "ring" | "steer" | "nod") && truth.ended.is_none();
            return certain.then(|| "on the primary".to_owned());
        };
        let for_member = |player: usize| match call.to {
            For::Member(member) | For::Through(member) => self.players[player].member == member,
            For::Primary | For::Proxies => call.is_echoed(),
        };
        let should = |player: &&usize| {
            let it = &self.players[**player];
            let knew = it.known.get(&call.replica).or_else(|| it.gone.get(&call.replica));
            let knew = knew.is_some_and(|since| *since < tick);
            // Those who may not see it are not told, and who may changes all the time.
            **player != truth.home && knew && for_member(**player) && call.rpc != "whisper"
        };
        members.iter().filter(should).find(|player| !call.by.contains(*player)).map(|player| format!("at {player}"))
    }

    /// All agree: each replica on each node counts.
    pub fn count_agreement(&mut self) {
        let members = self.members().len();
        for _ in 0..members * self.truths.values().filter(|truth| truth.ended.is_none()).count() {
            self.counts.hold(Law::R1, true, String::new);
        }
    }
}

/// What a node holds of a replica when all is quiet: whose it is, its stamps, and the digest of all its values.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sight {
    whose: (MemberId, MemberId, bool),
    row: Row,
    /// What comes to rest is the same, whatever was withheld on the way. (A digest is of what was sent.)
    dial: Option<(i32, u32)>,
    digest: u64,
}

impl Sight {
    /// The same to somebody who may not see everything. (What there is to see is compared value by value in every tick.)
    fn without_secret(mut self, digest: u64) -> Self {
        self.row[Secret::KIND] = 0;
        Self { digest, ..self }
    }
}
