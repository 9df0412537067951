//! One session: its nodes, what their programs know, and what goes wrong.
//!
//! It goes through four ages. Everybody comes; then there is trouble, with everything the plan has, and programs that do what
//! they like; then the network heals, nobody says anything any more, and all have to agree; then somebody comes who missed it all.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::StateRate;
use gridmate_runtime::sim::{LinkConfig, NodeKey, SkewedClock, World};

use crate::chunks::{self, Anchor, Craft, Dial, Log, Secret};
use crate::counts::{Counts, Happened, Law};
use crate::ledger::Ledger;
use crate::oracle::Truth;
use crate::plan::{Fault, Plan};

/// Within which all members are members, once the network is well: a connection that is dead has to be noticed, and a handshake
/// that has gone wrong to time out.
const PATIENCE: Duration = Duration::from_secs(8);

/// Within which all agree after that, and a latecomer has everything.
const AGREEMENT: Duration = Duration::from_millis(2_500);
const ARRIVAL: Duration = Duration::from_millis(1_500);

/// How many ticks all have to agree before it counts.
const CALM: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Joining,
    In,
    /// It has left, was sent away, or has lost its host.
    Over,
    Crashed,
}

/// A node and its program.
#[derive(Debug)]
pub struct Player {
    pub key: NodeKey,
    pub member: MemberId,
    pub state: State,
    /// When it became a member.
    pub joined: u64,
    /// Proxies it has been told of, and when; and those that it was told are gone, and when it had been told of them.
    pub known: BTreeMap<ReplicaId, u64>,
    pub gone: BTreeMap<ReplicaId, u64>,
    /// The oldest row that each of them may be at.
    pub rows: BTreeMap<ReplicaId, usize>,
    pub suspended: BTreeSet<ReplicaId>,
    /// What it has asked to own.
    pub wanted: BTreeSet<ReplicaId>,
    pub requests: Vec<(u32, Request<u64>)>,
    /// What the host may send it, and had sent at the end of each tick of the last second.
    pub rate: StateRate,
    pub sent: VecDeque<u64>,
    /// It was told that it has all there was.
    pub synced: bool,
}

pub struct Game {
    pub plan: Plan,
    pub world: World,
    pub registry: Registry,
    pub players: Vec<Player>,
    pub truths: BTreeMap<ReplicaId, Truth>,
    pub ledger: Ledger,
    pub counts: Counts,
    pub rng: Rng,
    pub tick: u64,
    /// Made so far.
    pub calls: u32,
    /// Everybody ticks, or has ticked; else programs act.
    pub in_step: bool,
    /// Clients that are cut off, up and down, and until when.
    cuts: Vec<(usize, bool, bool, u64)>,
}

/// Plays the session of a seed to its end.
pub fn run(seed: u64) -> Counts {
    let mut game = Game::new(seed);
    game.gather();
    game.storm();
    game.heal();
    game.welcome_one_more();
    game.counts.trace = game.world.trace_hash();
    game.counts
}

impl Game {
    fn new(seed: u64) -> Self {
        chunks::begin();
        let plan = Plan::draw(seed);
        let types = Registry::builder().coder(plan.coder);
        let types = types.chunk::<Craft>().chunk::<Dial>().chunk::<Log>().chunk::<Secret>().chunk::<Anchor>();
        let mut game = Self {
            world: World::new(seed, plan.rate, plan.link).expect("a link that makes sense"),
            registry: types.build().expect("different names"),
            players: Vec::new(),
            truths: BTreeMap::new(),
            ledger: Ledger::default(),
            counts: Counts::default(),
            rng: Rng::new(seed ^ 0x5EED_0003),
            tick: 0,
            calls: 0,
            in_step: false,
            cuts: Vec::new(),
            plan,
        };
        if game.plan.is_mild() {
            game.counts.note(Happened::Mild);
        }
        let host = game.world.host(game.config()).expect("a host");
        game.enter(host, State::In);
        game.players[0].member = MemberId::HOST;
        game
    }

    fn config(&self) -> NodeConfig {
        let Plan { timeout, send_interval, state_rate, .. } = self.plan;
        let config = NodeConfig::new(self.registry.clone()).timeout(timeout).keep_alive(timeout / 6);
        config.max_members(32).send_interval(send_interval).state_rate(state_rate)
    }

    fn enter(&mut self, key: NodeKey, state: State) {
        if self.plan.offsets {
            let ahead = Duration::from_micros(self.rng.below(3_600_000_000));
            let drift = i32::try_from(self.rng.below(1_001)).unwrap() - 500;
            self.world.set_clock(key, SkewedClock::new().with_offset(ahead).with_drift_ppm(drift));
        }
        self.players.push(Player {
            key,
            member: MemberId::NONE,
            state,
            joined: self.tick,
            known: BTreeMap::new(),
            gone: BTreeMap::new(),
            rows: BTreeMap::new(),
            suspended: BTreeSet::new(),
            wanted: BTreeSet::new(),
            requests: Vec::new(),
            rate: self.plan.state_rate,
            sent: VecDeque::new(),
            synced: false,
        });
    }

    pub fn join(&mut self) -> usize {
        let (config, host) = (self.config(), self.players[0].key);
        let key = self.world.join(host, config).expect("a client");
        self.enter(key, State::Joining);
        self.counts.note(Happened::Joins);
        self.players.len() - 1
    }

    /// What a node's own clock shows.
    fn now(&mut self, player: usize) -> Instant {
        let (key, now) = (self.players[player].key, self.world.now());
        self.world.clock(key).map_or(now, |clock| clock.read(now))
    }

    /// A number for a call.
    pub fn number(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    /// Whether a player is a member, and its host thinks so too.
    pub fn is_in(&mut self, player: usize) -> bool {
        let Player { state, member, .. } = self.players[player];
        state == State::In && self.world.node(self.players[0].key).member(member).is_some()
    }

    /// All of those.
    pub fn members(&mut self) -> Vec<usize> {
        (0..self.players.len()).filter(|player| self.is_in(*player)).collect()
    }

    /// Who a member is.
    pub fn player(&self, member: MemberId) -> Option<usize> {
        self.players.iter().position(|player| player.member == member && member != MemberId::NONE)
    }

    /// Everybody comes, to a host that has something already.
    fn gather(&mut self) {
        for _ in 0..2 {
            self.add(0);
        }
        for _ in 0..self.plan.clients {
            self.join();
        }
        for _ in 0..10 * u64::from(self.plan.rate) {
            if self.players.iter().all(|player| player.state != State::Joining) {
                break;
            }
            self.step();
        }
    }

    fn storm(&mut self) {
        let begins = self.tick;
        let mut faults = VecDeque::from(self.plan.faults.clone());
        while self.tick < begins + self.plan.storm {
            while let Some((_, fault)) = faults.pop_front_if(|(at, _)| begins + *at <= self.tick) {
                self.strike(fault);
            }
            for player in self.members() {
                self.act(player);
            }
            self.step();
            self.mend(|until, tick| until <= tick);
        }
    }

    /// Some client that is there.
    fn victim(&self, client: usize) -> Option<usize> {
        let there = |player: &usize| [State::Joining, State::In].contains(&self.players[*player].state);
        let all: Vec<_> = (1..self.players.len()).filter(there).collect();
        (!all.is_empty()).then(|| all[client % all.len()])
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Join => drop(self.join()),
            Fault::Leave(client) => {
                let Some(player) = self.victim(client) else { return };
                let now = self.now(player);
                self.world.node(self.players[player].key).leave(now);
                self.players[player].state = State::Over;
                self.counts.note(Happened::Leaves);
            }
            Fault::Crash(client) => {
                let Some(player) = self.victim(client) else { return };
                self.world.crash(self.players[player].key);
                self.players[player].state = State::Crashed;
                self.counts.note(Happened::Crashes);
            }
            Fault::Kick(client) => {
                let Some(player) = self.victim(client) else { return };
                let (member, now) = (self.players[player].member, self.now(0));
                if self.world.node(self.players[0].key).kick(now, member) {
                    self.counts.note(Happened::Kicks);
                    // What it owned is the host's at once.
                    self.read_events(0);
                }
            }
            Fault::Cut { client, up, down, ticks } => {
                let Some(player) = self.victim(client) else { return };
                self.cut(player, up, down, true);
                self.cuts.push((player, up, down, self.tick + ticks));
                self.counts.note(Happened::Cuts);
                if !(up && down) {
                    self.counts.note(Happened::OneWayCuts);
                }
            }
            Fault::Rate(client, rate) => {
                let Some(player) = self.victim(client) else { return };
                let member = self.players[player].member;
                if self.world.node(self.players[0].key).set_state_rate(member, rate) {
                    self.players[player].rate = rate;
                    self.players[player].sent.clear();
                    self.counts.note(Happened::Rates);
                }
            }
        }
    }

    fn cut(&mut self, player: usize, up: bool, down: bool, cut: bool) {
        let (host, client) = (self.players[0].key, self.players[player].key);
        if up {
            self.world.partition_one_way(client, host, cut);
        }
        if down {
            self.world.partition_one_way(host, client, cut);
        }
    }

    /// Mends the cuts that are over.
    fn mend(&mut self, over: impl Fn(u64, u64) -> bool) {
        for (player, up, down, until) in core::mem::take(&mut self.cuts) {
            if over(until, self.tick) {
                self.cut(player, up, down, false);
            } else {
                self.cuts.push((player, up, down, until));
            }
        }
    }

    /// The network is well from now on, and everybody is silent.
    fn heal(&mut self) {
        self.mend(|_, _| true);
        let LinkConfig { latency, jitter, .. } = self.plan.link;
        self.world.set_link(LinkConfig { latency, jitter, ..LinkConfig::perfect() }).expect("a better link");
        for player in 0..self.players.len() {
            if self.players[player].state != State::Crashed {
                for id in self.players[player].suspended.clone() {
                    self.resume(player, id);
                }
            }
        }
        let (patience, agreement) = (self.ticks(PATIENCE), self.ticks(AGREEMENT));
        // Who was cut off at the end may still be lost; and what was under way then may still change something.
        let (begins, mut all_in, mut calm) = (self.tick, self.tick, 0);
        while calm < CALM {
            if let Some(doubt) = self.membership_doubt() {
                assert!(self.tick - begins < patience, "R1: {PATIENCE:?} after all is well, {doubt}");
                (all_in, calm) = (self.tick, 0);
            } else if let Some(doubt) = self.doubt() {
                assert!(self.tick - all_in < agreement, "R1: {AGREEMENT:?} after all are members, {doubt}");
                calm = 0;
            } else {
                calm += 1;
            }
            self.step();
            for player in self.members() {
                self.read_answers(player);
            }
        }
        self.counts.agreement = self.span(self.tick - all_in - CALM);
        self.count_agreement();
    }

    /// R11: who comes when all is quiet has everything soon.
    fn welcome_one_more(&mut self) {
        let (begins, arrival) = (self.tick, self.ticks(ARRIVAL));
        let latecomer = self.join();
        loop {
            self.step();
            let there = self.players[latecomer].synced && self.membership_doubt().is_none();
            let doubt = if there { self.doubt() } else { Some("it has not all it should".to_owned()) };
            let in_time = self.tick - begins <= arrival;
            self.counts.hold(Law::R11, doubt.is_none() || in_time, || format!("after {ARRIVAL:?}: {doubt:?}"));
            if doubt.is_none() {
                break;
            }
        }
        self.counts.arrival = self.span(self.tick - begins);
        self.count_agreement();
    }

    pub fn ticks(&self, span: Duration) -> u64 {
        u64::try_from(span.as_micros() / self.world.interval().as_micros()).unwrap()
    }

    pub fn span(&self, ticks: u64) -> Duration {
        self.world.interval() * u32::try_from(ticks).unwrap()
    }

    /// Everybody ticks, and all laws are looked at.
    pub fn step(&mut self) {
        self.world.step();
        self.tick += 1;
        self.in_step = true;
        self.counts.note(Happened::Ticks);
        for player in 0..self.players.len() {
            if self.players[player].state != State::Crashed {
                self.read_events(player);
            }
        }
        self.read_diary();
        self.capture();
        self.check();
        self.in_step = false;
    }

    fn read_events(&mut self, player: usize) {
        let key = self.players[player].key;
        let mut left = Vec::new();
        while let Some(event) = self.world.node(key).poll_event() {
            match event {
                NodeEvent::Session(SessionEvent::Joined { local }) => {
                    let tick = self.tick;
                    let Player { member, state, joined, .. } = &mut self.players[player];
                    (*member, *state, *joined) = (local, State::In, tick);
                }
                NodeEvent::Session(SessionEvent::JoinFailed { .. } | SessionEvent::HostLost { .. }) => {
                    self.players[player].state = State::Over;
                }
                NodeEvent::Session(SessionEvent::MemberLeft { member, .. }) if player == 0 => left.push(member),
                NodeEvent::Replica(event) => self.read_replica_event(player, event),
                _ => {}
            }
        }
        // What it owned and nobody could adopt has ended.
        for member in left {
            let Some(lost) = self.player(member) else { continue };
            for truth in
                self.truths.values_mut().filter(|truth| truth.home == lost && truth.here && truth.ended.is_none())
            {
                (truth.ended, truth.lost) = (Some(self.tick), true);
                self.counts.note(Happened::Lost);
            }
        }
    }

    fn read_replica_event(&mut self, player: usize, event: ReplicaEvent) {
        let members: Vec<_> = self.players.iter().map(|player| player.member).collect();
        let (tick, counts) = (self.tick, &mut self.counts);
        let known = &mut self.players[player];
        match event {
            ReplicaEvent::Added { id, owner } => {
                let Some(truth) = self.truths.get(&id) else {
                    panic!("R3: {id} of {owner} at {player} was never added")
                };
                let lately = truth.ended.is_none_or(|ended| (tick - ended) / u64::from(self.plan.rate) < 6);
                let back = known.gone.contains_key(&id) || !lately;
                counts.hold(Law::R7, !back, || format!("{id} is back at {player}: {truth:?}"));
                let new = known.known.insert(id, tick).is_none();
                counts.hold(Law::R4, new, || format!("{id} appears twice at {player}"));
                let at = |player: &usize| members[*player] == owner;
                let fits = owner == MemberId::HOST || truth.homes.keys().chain(&truth.heirs).any(at);
                counts.hold(Law::R3, fits, || format!("{id} is not of {owner}: {truth:?}"));
            }
            ReplicaEvent::Removed { id } => {
                let truth = self.truths.get_mut(&id).expect("it was there");
                let there = known.known.remove(&id);
                // It was on its way when its owner was lost.
                if player == 0 && !truth.here && truth.ended.is_none() {
                    (truth.ended, truth.lost) = (Some(tick), true);
                }
                counts.hold(Law::R4, there.is_some() || truth.homes.contains_key(&player), || {
                    format!("{id} vanishes twice at {player}")
                });
                known.gone.insert(id, there.unwrap_or(tick));
                known.rows.remove(&id);
                known.suspended.remove(&id);
            }
            ReplicaEvent::OwnerChanged { id, owner } => self.owner_changed(player, id, owner),
            ReplicaEvent::OwnershipAnswered { id, outcome } => self.ownership_answered(player, id, outcome),
            ReplicaEvent::Synced { .. } => known.synced = true,
            ReplicaEvent::TooLarge { .. } => panic!("{event:?}"),
            _ => {}
        }
    }

    /// Handlers have run.
    pub fn read_diary(&mut self) {
        for ran in chunks::diary() {
            let (at, caller) = (self.player(ran.at), self.player(ran.source));
            let (Some(at), Some(caller)) = (at, caller) else { panic!("R6: nobody: {ran:?}") };
            let (player, truth) = (&self.players[at], &self.truths[&ran.replica]);
            self.ledger.ran(&ran, (at, caller), self.tick, truth, &mut self.counts);
            let there = player.known.contains_key(&ran.replica) || player.gone.contains_key(&ran.replica);
            // Or it was there, and its former owner has not heard that it has another.
            let here = truth.homes.contains_key(&at) || there;
            self.counts.hold(Law::R4, here, || format!("{ran:?}, which is not there"));
            // What the owner itself calls after its end runs there all the same, as long as it is there. An owner that is lost to the
            // others may not have heard of it.
            let ended = truth.ended.filter(|_| !truth.lost);
            let after = ran.primary && truth.home == at && ended.is_some_and(|ended| ended < self.tick);
            self.counts.hold(Law::R4, !after, || format!("{ran:?}, which had ended: {truth:?}"));
            if ran.primary
                && ran.rpc == "steer"
                && let Some(info) = self.world.replicas(self.players[at].key).info(ran.replica)
            {
                // Its owner may have another by now.
                let may = [info.owner, info.assigned, ran.at].contains(&ran.source);
                self.counts.hold(Law::R3, may, || format!("{ran:?}, assigned to {}", info.assigned));
            }
            if ran.primary && ran.rpc == "declare" {
                self.counts.hold(Law::R3, caller == at, || format!("{ran:?}"));
            }
            if ran.rpc == "whisper" && !ran.primary {
                // It was said to those who could see what it was said of, or see what came after.
                let (tick, ..) = self.ledger.calls[&ran.number].ran.expect("it is an echo");
                let since = truth.rows.iter().rposition(|(from, _)| *from <= tick).unwrap_or(0);
                let stamps = truth.rows[since..].iter().map(|(_, row)| row[<Secret as chunks::Piece>::KIND]);
                let audience = stamps.fold(0, |all, stamp| all | truth.audiences.get(&stamp).copied().unwrap_or(0));
                let may = (audience | truth.audience) >> ran.at.0 & 1 == 1;
                self.counts
                    .hold(Law::R8, may, || format!("{ran:?}, which was for {audience:b} in tick {tick}: {truth:?}"));
            }
            if ran.primary && ran.rpc == "perish" {
                self.end(ran.replica);
            }
        }
    }

    /// The oracle looks at every primary.
    fn capture(&mut self) {
        self.note_takeovers();
        let homes: Vec<_> = (0..self.players.len()).map(|player| self.is_in(player)).collect();
        for (id, truth) in self.truths.iter_mut().filter(|(_, truth)| truth.ended.is_none() && homes[truth.home]) {
            let host = self.world.replicas(self.players[0].key);
            let guests = host.get::<Secret>(*id).map_or(0, |secret| secret.guests);
            let replicas = self.world.replicas(self.players[truth.home].key);
            let was_here = core::mem::replace(&mut truth.here, replicas.info(*id).is_some_and(|info| info.is_primary));
            let somewhere = truth.here || !truth.heirs.is_empty();
            self.counts.hold(Law::R2, somewhere, || format!("{id} has no primary: {truth:?}"));
            // What was written in the tick in which it left goes with it.
            if was_here && replicas.info(*id).is_some() {
                let member = self.players[truth.home].member;
                truth.capture(self.tick, *id, (member.0, guests, replicas), &mut self.counts);
            }
        }
    }
}
