//! What the programs of a session do between two ticks.

use gridmate_runtime::prelude::*;

use crate::chunks::{Anchor, Craft, Dial, Log, Piece, Secret, mix};
use crate::counts::{Happened, Law};
use crate::game::Game;
use crate::ledger::{Call, For, Ledger};
use crate::oracle::Truth;
use crate::plan::up_to;

impl Game {
    /// One program does what its plan says.
    pub fn act(&mut self, player: usize) {
        let plan = &self.plan;
        let chances = [
            plan.adds,
            plan.destroys,
            plan.hides,
            plan.assigns,
            plan.suspends,
            plan.trespasses,
            plan.transfers,
            plan.calls,
            plan.calls,
        ];
        let writes = plan.writes;
        for (what, chance) in chances.into_iter().enumerate() {
            if !self.rng.chance(chance) {
                continue;
            }
            match what {
                0 => self.add(player),
                1 => self.destroy(player),
                2 => self.hide(player),
                3 => self.assign(player),
                4 => self.suspend(player),
                5 => self.trespass(player),
                6 => self.transfer(player),
                _ => self.call(player),
            }
        }
        for id in self.owned(player) {
            if self.rng.chance(writes) {
                self.write(player, id);
            }
        }
        let resumed: Vec<_> = self.players[player].suspended.iter().copied().collect();
        for id in resumed {
            if self.rng.chance(0.1) {
                self.resume(player, id);
            }
        }
        self.read_answers(player);
    }

    /// The replicas whose primary a player has.
    pub fn owned(&self, player: usize) -> Vec<ReplicaId> {
        let own = |(_, truth): &(&ReplicaId, &Truth)| truth.home == player && truth.here && truth.ended.is_none();
        self.truths.iter().filter(own).map(|(id, _)| *id).collect()
    }

    /// Any of the replicas that a player has and that are as asked for.
    pub fn any(&mut self, player: usize, asked: impl Fn(&Truth) -> bool) -> Option<ReplicaId> {
        let key = self.players[player].key;
        let all: Vec<_> = self.world.replicas(key).ids().filter(|id| self.truths.get(id).is_some_and(&asked)).collect();
        (!all.is_empty()).then(|| all[up_to(&mut self.rng, all.len() as u64)])
    }

    pub fn add(&mut self, player: usize) {
        if self.owned(player).len() >= self.plan.crowd {
            return;
        }
        let rng = &mut self.rng;
        let (make, assigned) = (up_to(rng, 8), MemberId(1 + rng.next_u32() % 6));
        let (craft, dial, log) = (Craft::draw(rng), Dial::draw(rng), Log::draw(rng));
        let (secret, anchor) = (Secret::draw(rng), Anchor::draw(rng));
        let builder = self.world.replicas(self.players[player].key).spawn();
        let builder = match make {
            0 => builder.with(craft),
            1 => builder.with(craft).with(dial),
            2 => builder.with(log),
            3 => builder.with(craft).with(log).with(secret),
            4 => builder.with(secret),
            5 => builder.with(dial).with(craft).with(secret).with(log),
            6 => builder.with(anchor).with(log).with(craft),
            _ => builder.with(log).with(anchor).with(dial),
        };
        let builder = if self.rng.chance(0.3) { builder.assign(assigned) } else { builder };
        let id = builder.add().expect("it is in a session and has few");
        let migratable = self.world.replicas(self.players[player].key).info(id).expect("just added").migratable;
        self.truths.insert(id, Truth::new(player, self.tick, migratable));
        self.counts.note(Happened::Added);
    }

    fn destroy(&mut self, player: usize) {
        let own = self.owned(player);
        if own.is_empty() {
            return;
        }
        let id = own[up_to(&mut self.rng, own.len() as u64)];
        self.world.replicas(self.players[player].key).destroy(id).expect("it is its own");
        self.end(id);
    }

    /// A replica has ended where its primary was.
    pub fn end(&mut self, id: ReplicaId) {
        let calls = self.calls;
        let truth = self.truths.get_mut(&id).expect("it was there");
        if truth.ended.is_some() {
            return; // Twice in one tick is once.
        }
        (truth.ended, truth.last_call) = (Some(self.tick), calls);
        truth.written = None;
        self.counts.note(Happened::Destroyed);
    }

    /// Writes into some of a replica's chunks.
    fn write(&mut self, player: usize, id: ReplicaId) {
        let (rng, truth) = (&mut self.rng, self.truths.get_mut(&id).expect("it is there"));
        let replicas = self.world.replicas(self.players[player].key);
        let all = rng.chance(0.3);
        if (all || rng.chance(0.6))
            && let Ok(mut craft) = replicas.primary_mut::<Craft>(id)
        {
            if rng.chance(0.1) {
                // There and back.
                let before = craft.clone();
                craft.scramble(rng);
                *craft = before;
            } else {
                craft.scramble(rng);
            }
            truth.written = Some(craft.clone());
        }
        if (all || rng.chance(0.5))
            && let Ok(mut dial) = replicas.primary_mut::<Dial>(id)
        {
            dial.scramble(rng);
        }
        if (all || rng.chance(0.3))
            && let Ok(mut log) = replicas.primary_mut::<Log>(id)
        {
            log.scramble(rng);
        }
        if (all || rng.chance(0.4))
            && let Ok(mut secret) = replicas.primary_mut::<Secret>(id)
        {
            secret.scramble(rng);
            truth.admit(&secret);
        }
        if (all || rng.chance(0.3))
            && let Ok(mut anchor) = replicas.primary_mut::<Anchor>(id)
        {
            anchor.scramble(rng);
        }
        self.counts.note(Happened::Written);
    }

    /// Changes who may see a secret: with what it says, or beside it.
    fn hide(&mut self, player: usize) {
        let own: Vec<_> = self.owned(player).into_iter().filter(|id| self.truths[id].is_secretive()).collect();
        if own.is_empty() {
            return;
        }
        let id = own[up_to(&mut self.rng, own.len() as u64)];
        let (replicas, truth) = (self.world.replicas(self.players[player].key), self.truths.get_mut(&id));
        let (mut secret, truth) =
            (replicas.primary_mut::<Secret>(id).expect("it has one"), truth.expect("it is there"));
        let before = secret.audience();
        let lots = Secret::lots(&mut self.rng);
        if player == 0 && self.rng.chance(0.5) {
            secret.guests = if self.rng.chance(0.5) { lots } else { 0 };
            let after = secret.audience();
            truth.guests = secret.guests;
            truth.admit(&secret);
            replicas.refresh_targets(id).expect("it is there");
            self.note_audience(before, after);
            return;
        }
        secret.stamp = crate::chunks::stamp();
        secret.viewers = lots;
        if self.rng.chance(0.2) {
            // Hidden and shown in one tick is neither.
            secret.viewers = before;
        }
        let after = secret.audience();
        truth.admit(&secret);
        self.note_audience(before, after);
    }

    fn note_audience(&mut self, before: u32, after: u32) {
        if before & !after != 0 {
            self.counts.note(Happened::Hidden);
        }
        if after & !before != 0 {
            self.counts.note(Happened::Shown);
        }
    }

    fn assign(&mut self, player: usize) {
        let own = self.owned(player);
        if own.is_empty() {
            return;
        }
        let (id, to) = (own[up_to(&mut self.rng, own.len() as u64)], MemberId(self.rng.next_u32() % 6));
        self.world.replicas(self.players[player].key).assign(id, to).expect("it is its own");
        self.counts.note(Happened::Assigned);
    }

    fn suspend(&mut self, player: usize) {
        let Some(id) = self.any(player, |truth| truth.home != player) else { return };
        if self.world.replicas(self.players[player].key).suspend(id).is_ok() {
            self.players[player].suspended.insert(id);
            self.counts.note(Happened::Suspended);
        }
    }

    pub fn resume(&mut self, player: usize, id: ReplicaId) {
        // It may be gone by now.
        let _ = self.world.replicas(self.players[player].key).resume(id);
        self.players[player].suspended.remove(&id);
    }

    /// Tries what only an owner may.
    fn trespass(&mut self, player: usize) {
        let Some(id) = self.any(player, |truth| truth.home != player) else { return };
        let replicas = self.world.replicas(self.players[player].key);
        let not_primary = ReplicaError::NotPrimary(id);
        let errors = [
            replicas.destroy(id).err(),
            replicas.assign(id, MemberId(2)).err(),
            match replicas.primary_mut::<Craft>(id) {
                Err(ReplicaError::NoSuchChunk(_)) => Some(not_primary),
                other => other.err(),
            },
        ];
        let caught = errors.iter().all(|error| *error == Some(not_primary));
        self.counts.hold(Law::R3, caught, || format!("player {player} may change {id}: {errors:?}"));
        self.counts.note(Happened::Trespasses);
    }

    /// Calls something on a replica that is there, near or far.
    fn call(&mut self, player: usize) {
        if self.rng.chance(0.15) {
            return self.whisper(player);
        }
        let Some(id) = self.any(player, Truth::has_log) else { return };
        let (number, dice, whom) = (self.number(), up_to(&mut self.rng, 24), 1 + self.rng.next_u32() % 6);
        let replicas = self.world.replicas(self.players[player].key);
        let (Some(info), arguments) = (replicas.info(id), mix(number)) else { return };
        let assigned = info.assigned == replicas.local_member();
        let mut to = For::Primary;
        let mut request = None;
        let mut made = |mut rpcs: <Log as HasRpcs>::Caller<'_>| match dice {
            0..4 => ("tell", rpcs.tell(number, arguments)),
            4..6 => ("ask", rpcs.ask(number, arguments)),
            6..9 => ("hint", rpcs.hint(number, arguments)),
            9..11 => ("mutter", rpcs.mutter(number, arguments)),
            11..13 => ("jot", rpcs.jot(number, arguments)),
            13..15 => ("steer", rpcs.steer(number, arguments)),
            15 => ("declare", rpcs.declare(number, arguments)),
            16 => ("nod", rpcs.nod(number, arguments)),
            17..19 => ("ring", rpcs.ring(number, arguments)),
            19..21 => ("question", rpcs.question(number, arguments).map(|asked| request = Some(asked))),
            21 => ("pass", rpcs.pass(number, arguments, whom)),
            _ => ("tell", rpcs.tell(number, arguments)),
        };
        let (rpc, result) = if info.is_primary {
            let mut log = replicas.primary_mut::<Log>(id).expect("it has one");
            match dice {
                22 if MemberId(whom) != info.owner => {
                    to = For::Member(MemberId(whom));
                    made(log.rpcs_to(MemberId(whom)))
                }
                23 => {
                    to = For::Proxies;
                    made(log.rpcs_to_proxies())
                }
                // Seldom, or there would soon be none.
                21 if self.rng.chance(0.2) => ("perish", log.rpcs().perish(number, arguments)),
                _ => made(log.rpcs()),
            }
        } else {
            made(replicas.proxy::<Log>(id).expect("it has one").rpcs())
        };
        let direct = info.is_primary || info.owner == MemberId::HOST || player == 0;
        if rpc == "pass" {
            to = For::Through(MemberId(whom));
        }
        let refused = result.is_err();
        match result {
            Ok(()) => {}
            Err(RpcError::AuthorityOnly | RpcError::OwnerOnly) => {}
            Err(RpcError::NotRelayed) => assert!(!direct && rpc == "nod", "R6: {rpc} of {player} on {id}"),
            Err(RpcError::TooOften) => assert!(rpc == "ring" && !info.is_primary, "R6: {rpc} of {player} on {id}"),
            Err(error) => panic!("R6: {rpc} of {player} on {id}: {error}"),
        }
        Ledger::refused(rpc, info.is_primary, assigned, refused, &mut self.counts);
        if refused {
            return;
        }
        self.made(number, Call { replica: id, rpc, caller: player, to, made: self.tick, ran: None, by: [].into() });
        if let Some(request) = request {
            self.players[player].requests.push((number, request));
        }
    }

    fn whisper(&mut self, player: usize) {
        let member = self.players[player].member;
        let Some(id) = self.any(player, Truth::is_secretive) else { return };
        let number = self.number();
        let replicas = self.world.replicas(self.players[player].key);
        let result = if let Ok(mut secret) = replicas.primary_mut::<Secret>(id) {
            secret.rpcs().whisper(number, mix(number))
        } else {
            replicas.proxy::<Secret>(id).expect("it has one").rpcs().whisper(number, mix(number))
        };
        result.unwrap_or_else(|error| panic!("R6: whisper of {member} on {id}: {error}"));
        let (rpc, to) = ("whisper", For::Primary);
        self.made(number, Call { replica: id, rpc, caller: player, to, made: self.tick, ran: None, by: [].into() });
    }

    fn made(&mut self, number: u32, call: Call) {
        self.ledger.made(number, call);
        self.counts.note(Happened::Calls);
        // At the primary it has run already.
        self.read_diary();
    }

    /// Takes the answers that have come.
    pub fn read_answers(&mut self, player: usize) {
        let Self { players, world, counts, ledger, .. } = self;
        let replicas = world.replicas(players[player].key);
        players[player].requests.retain(|(number, request)| {
            let Some(answer) = replicas.poll_reply(request) else { return true };
            if let Ok(answer) = answer {
                let ran = ledger.calls[number].ran.is_some();
                counts.hold(Law::R6, ran && answer == !mix(*number), || {
                    format!("{answer} to {number}, which ran: {ran}")
                });
                counts.note(Happened::Answers);
            }
            false
        });
    }
}
