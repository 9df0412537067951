//! Primaries that go from node to node: asked for, given away, and taken by the host.

use gridmate_runtime::MemberId;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::OwnershipOutcome;

use crate::counts::{Happened, Law};
use crate::game::Game;
use crate::oracle::row_of;
use crate::plan::up_to;

impl Game {
    /// A program wants a replica for itself, or for another to have it.
    pub fn transfer(&mut self, player: usize) {
        if self.rng.chance(0.5) { self.request(player) } else { self.give(player) }
    }

    fn request(&mut self, player: usize) {
        let Some(id) = self.any(player, |truth| truth.home != player) else { return };
        match self.world.replicas(self.players[player].key).request_ownership(id) {
            Ok(()) => {
                self.players[player].wanted.insert(id);
                self.truths.get_mut(&id).expect("it is there").heirs.insert(player);
                self.counts.note(Happened::Requests);
            }
            Err(ReplicaError::AlreadyAsked(_) | ReplicaError::NotProxy(_)) => {}
            Err(error) => panic!("R2: player {player} asks for {id}: {error}"),
        }
    }

    fn give(&mut self, player: usize) {
        // The host may give what others own.
        let Some(id) = self.any(player, |truth| player == 0 || truth.home == player) else { return };
        let members = self.members();
        let to = members[up_to(&mut self.rng, members.len() as u64)];
        let member = self.players[to].member;
        let replicas = self.world.replicas(self.players[player].key);
        let (migratable, owner) = replicas.info(id).map_or((false, member), |info| (info.migratable, info.owner));
        match replicas.set_owner(id, member) {
            Ok(()) => {
                // To leave it with its owner may be to take back that another gets it.
                self.truths.get_mut(&id).expect("it is there").heirs.insert(to);
                if owner != member {
                    self.counts.note(Happened::Gifts);
                }
            }
            Err(ReplicaError::NotPrimary(_) | ReplicaError::NoSuchMember(_)) => {}
            Err(ReplicaError::NotMigratable(_)) => assert!(!migratable, "R2: {id} can migrate"),
            Err(error) => panic!("R2: player {player} gives {id} to {to}: {error}"),
        }
    }

    /// A node has heard that a replica has this owner now.
    pub fn owner_changed(&mut self, player: usize, id: ReplicaId, owner: MemberId) {
        let Some(truth) = self.truths.get(&id) else { panic!("R3: {id} of {owner} was never added") };
        let (home, migratable) = (truth.home, truth.migratable);
        self.counts.hold(Law::R3, migratable, || format!("{id} may not have another owner: {owner}"));
        let (voluntary, is_member) = (self.is_in(home), self.is_in(player));
        let (tick, truth) = (self.tick, self.truths.get_mut(&id).expect("it was just there"));
        truth.changes += u32::from(player == 0);
        let it = &mut self.players[player];
        if owner != it.member {
            let here = it.known.contains_key(&id) || truth.homes.contains_key(&player);
            self.counts.hold(Law::R4, here, || format!("{id} is not at {player}, and gets an owner"));
            // Whoever had it follows now.
            it.known.entry(id).or_insert(tick);
            return;
        }
        if !is_member {
            return; // It was given this before it was sent away, and has not heard of that.
        }
        let expected = player == 0 || truth.heirs.contains(&player);
        self.counts.hold(Law::R2, expected, || format!("{id} comes to {player}, who did not ask: {truth:?}"));
        it.known.remove(&id);
        it.rows.remove(&id);
        // What was called between two ticks has left, or has not, by whether it came with a tick.
        let calls_since = if self.in_step { tick - 1 } else { tick };
        let row = row_of(id, self.world.replicas(it.key));
        truth.adopt((player, it.member.0), row, tick, calls_since);
        if voluntary {
            self.counts.note(Happened::Transfers);
        } else {
            self.counts.note(Happened::Adoptions);
        }
    }

    /// Where the host has taken a replica without being given it, whatever was on its way to the former owner is lost: epochs say so,
    /// which a change of owner raises by one, and that by two.
    pub fn note_takeovers(&mut self) {
        let host = self.world.replicas(self.players[0].key);
        for (id, truth) in &mut self.truths {
            let Some(info) = host.info(*id) else { continue };
            let takeovers = info.epoch - 1 - truth.changes;
            if takeovers != core::mem::replace(&mut truth.takeovers, takeovers) {
                truth.steady_since = self.tick;
            }
        }
    }

    /// Each question for ownership has one answer.
    pub fn ownership_answered(&mut self, player: usize, id: ReplicaId, outcome: OwnershipOutcome) {
        let asked = self.players[player].wanted.remove(&id);
        self.counts.hold(Law::R2, asked, || format!("{player} did not ask for {id}: {outcome:?}"));
        if matches!(outcome, OwnershipOutcome::Refused(_)) {
            self.counts.note(Happened::Refusals);
        }
    }
}
