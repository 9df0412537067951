//! One end: an endpoint, its clock, and the program above it, which checks what it is told.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierEvent, ChannelId, ConnectionId, DisconnectReason, Endpoint, Refusal, SendError,
};
use gridmate_runtime::sim::SkewedClock;
use gridmate_runtime::{Instant, Rng, limits};

use crate::carrier_support::{RELIABLE, SECOND_RELIABLE, SEQUENCED, UNORDERED, UNRELIABLE, address};
use crate::counts::{Counts, Happened, Law};
use crate::ledger::{ACCEPTOR, HEAD, JOINER, Ledger};
use crate::plan::{NodePlan, Plan, START, up_to};
use crate::wire::{Sender, Wire};

/// What all nodes report to.
pub struct Books {
    pub ledger: Ledger,
    pub wire: Wire,
    pub counts: Counts,
    /// Hellos said so far.
    pub hellos: u32,
    /// Whom the host believes to speak to: by hello, the node and its life.
    pub greeters: BTreeMap<u32, (usize, u32)>,
    /// By node: all addresses it has had.
    pub homes: Vec<Vec<SocketAddr>>,
}

pub struct Node {
    pub index: usize,
    pub life: u32,
    pub plan: NodePlan,
    pub endpoint: Endpoint,
    pub clock: SkewedClock,
    pub address: SocketAddr,
    pub inbox: Vec<(SocketAddr, bool, Vec<u8>)>,
    pub next_tick: Instant,
    /// When the carrier wants to be woken, in the world's time.
    pub deadline: Option<Instant>,
    /// When a peer says its next hello, if it is not connected.
    pub joins_at: Option<Instant>,
    /// Every connection there is, with its session once there is one.
    pub live: BTreeMap<ConnectionId, Option<usize>>,
    /// Joiners who have to wait, and until when.
    deferred: Vec<(Instant, ConnectionId)>,
    /// What was refused for lack of room: session, channel, length, whether it asks.
    held_up: VecDeque<(usize, ChannelId, usize, bool)>,
    /// Sessions whose state the network did not take lately.
    saturated: BTreeMap<usize, bool>,
    session_time: Instant,
    pub rng: Rng,
}

impl Node {
    pub fn new(seed: u64, index: usize, plan: &NodePlan) -> Self {
        let mut rng = Rng::new(seed ^ 0x0DE_0000 ^ index as u64);
        let clock = SkewedClock::new().with_offset(plan.offset).with_drift_ppm(plan.drift_ppm);
        Self {
            index,
            life: 0,
            plan: plan.clone(),
            endpoint: Endpoint::new(plan.config.clone(), rng.next_u64()),
            clock,
            address: address(index),
            inbox: Vec::new(),
            next_tick: START,
            deadline: None,
            joins_at: (index > 0).then(|| START + Duration::from_millis(rng.below(150))),
            live: BTreeMap::new(),
            deferred: Vec::new(),
            held_up: VecDeque::new(),
            saturated: BTreeMap::new(),
            session_time: Instant::ZERO,
            rng,
        }
    }

    /// Everything is forgotten, and the next life begins.
    pub fn crash(&mut self, now: Instant, books: &mut Books) {
        books.ledger.excuse(self.index, self.life);
        books.wire.restarted(self.index);
        books.counts.note(Happened::Crashes);
        self.life += 1;
        self.endpoint = Endpoint::new(self.plan.config.clone(), self.rng.next_u64());
        self.live.clear();
        self.inbox.clear();
        self.deferred.clear();
        self.held_up.clear();
        self.saturated.clear();
        self.session_time = Instant::ZERO;
        self.joins_at = (self.index > 0).then(|| now + Duration::from_millis(self.rng.below(200)));
    }

    /// Ends the sessions that `which` names, as the program wants it.
    pub fn part(
        &mut self,
        now: Instant,
        reason: DisconnectReason,
        books: &mut Books,
        manners: &Manners,
        which: impl Fn(usize) -> bool,
    ) {
        let local = self.clock.read(now);
        let ids = self.live.iter().filter(|(_, session)| session.is_some_and(&which)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            if let Some(session) = self.live[&id] {
                books.ledger.0[session].excused = true;
            }
            books.counts.note(Happened::Partings);
            self.endpoint.disconnect(local, id, reason);
        }
        self.take_events(now, books, manners);
    }

    pub fn side(&self) -> usize {
        if self.index == 0 { ACCEPTOR } else { JOINER }
    }

    /// The sessions that both ends have heard of, with their names here.
    pub fn sessions(&self, ledger: &Ledger) -> Vec<(ConnectionId, usize)> {
        let side = self.side();
        let usable = |session: &usize| ledger.0[*session].connected[side] && !ledger.0[*session].over[side];
        self.live.iter().filter_map(|(id, session)| session.filter(usable).map(|session| (*id, session))).collect()
    }

    /// Takes what has arrived, and everything that is due.
    pub fn hear(&mut self, now: Instant, books: &mut Books, manners: &Manners) {
        let local = self.clock.read(now);
        for (from, marked, bytes) in core::mem::take(&mut self.inbox) {
            books.wire.heard(self.index, from, &bytes);
            books.counts.note(Happened::Arrivals);
            self.endpoint.handle_marked_datagram(local, from, marked, &bytes);
            self.take_events(now, books, manners);
        }
        self.endpoint.handle_timeout(local);
        self.take_events(now, books, manners);
        self.check_clock(local, books);
    }

    /// Everything the carrier has to send; then the next deadline.
    pub fn speak(&mut self, now: Instant, books: &mut Books, mut carry: impl FnMut(SocketAddr, Vec<u8>)) {
        let local = self.clock.read(now);
        let by = Sender { node: self.index, life: self.life, address: self.address };
        let mut out = Vec::new();
        while let Some(to) = self.endpoint.poll_transmit(local, &mut out) {
            books.counts.note(Happened::Datagrams);
            books.counts.digest(&out);
            let most = self.plan.config.max_datagram.max(limits::DATAGRAM_BYTES);
            books.counts.hold(Law::C11, !out.is_empty() && out.len() <= most, || format!("{} bytes", out.len()));
            books.wire.sent(by, to, &out, &books.ledger, &mut books.counts);
            carry(to, out.clone());
        }
        let deadline = self.endpoint.poll_timeout();
        let ahead = deadline.is_none_or(|deadline| deadline > local);
        books.counts.hold(Law::C12, ahead, || format!("{by:?}: {deadline:?} is due at {local:?}, after everything"));
        // In the world's time, rounded up so that the clock shows it by then.
        self.deadline = deadline.map(|deadline| {
            let rate = u64::try_from(1_000_000 + i64::from(self.plan.drift_ppm)).unwrap();
            let wait = u64::try_from((deadline - local).as_micros()).unwrap();
            now + Duration::from_micros((wait * 1_000_000).div_ceil(rate) + 1)
        });
        self.check_bounds(books);
    }

    /// C11: what a connection holds.
    fn check_bounds(&self, books: &mut Books) {
        let room = self.live.len() <= self.plan.config.max_connections;
        books.counts.hold(Law::C11, room, || format!("node {}: {} connections", self.index, self.live.len()));
        let config = &self.plan.config;
        let reliable = config.channels.iter().filter(|channel| channel.kind.is_reliable());
        let (queues, side): (usize, _) = (reliable.map(|channel| channel.queue_bytes).sum(), self.side());
        for (id, session) in self.sessions(&books.ledger) {
            let Some(stats) = self.endpoint.stats(id) else { continue };
            // The buffer of an unreliable message has one of two sizes; others are up to eight times as large as what is in them.
            let (largest, bytes, count) = books.ledger.outstanding(session, 1 - side);
            let fragments = largest.div_ceil(limits::FRAGMENT_BYTES) * limits::FRAGMENT_BYTES;
            let parts = limits::REASSEMBLIES * if fragments > 8_192 { 32_768 } else { 8_192 };
            let ahead = 16 * bytes + 256 * count;
            let bounded = stats.reliable_queued <= queues
                && stats.unreliable_queued <= limits::UNRELIABLE_BYTES
                && stats.packets_in_flight <= limits::IN_FLIGHT
                && stats.held <= parts + ahead;
            books.counts.hold(Law::C11, bounded, || format!("node {}, session {session}: {stats:?}", self.index));
        }
    }

    /// Session time does not go back while one leader is followed.
    fn check_clock(&mut self, local: Instant, books: &mut Books) {
        let session_time = self.endpoint.session_time(local);
        let on = session_time >= self.session_time;
        books.counts.hold(Law::Clock, on, || format!("node {}: {session_time:?} again", self.index));
        self.session_time = session_time;
        let straight = self.endpoint.endpoint_stats().clock_went_back == 0;
        books.counts.hold(Law::Clock, straight, || format!("node {}: told an earlier time", self.index));
    }

    pub fn take_events(&mut self, now: Instant, books: &mut Books, manners: &Manners) {
        let local = self.clock.read(now);
        let side = self.side();
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                CarrierEvent::Incoming { connection, address, hello } => {
                    self.greeted(now, connection, address, &hello, books, manners);
                }
                CarrierEvent::Connected { connection, welcome } => {
                    let session = match self.live.get(&connection) {
                        Some(Some(session)) if side == ACCEPTOR => *session,
                        Some(None) if side == JOINER => u32::from_le_bytes(welcome[..4].try_into().unwrap()) as usize,
                        other => panic!("node {}: {connection} is {other:?}", self.index),
                    };
                    self.live.insert(connection, Some(session));
                    let ends = books.ledger.0[session].ends;
                    let own = ends[side] == (self.index, self.life) && !books.ledger.0[session].connected[side];
                    books.counts.hold(Law::C6, own, || format!("node {}: session {session} {ends:?}", self.index));
                    books.ledger.0[session].connected[side] = true;
                    let peer = self.endpoint.address(connection).expect("it was just connected");
                    books.wire.proven(self.index, peer);
                    books.counts.note(Happened::Sessions);
                    if self.plan.follows {
                        self.endpoint.follow_clock(local, connection);
                        self.session_time = Instant::ZERO;
                    }
                }
                CarrierEvent::Refused { connection, reason } => {
                    self.live.remove(&connection).expect("it was tried");
                    let denied = matches!(reason, Refusal::Denied { code: 7, .. });
                    books.counts.hold(Law::Life, denied && manners.refuses > 0.0, || format!("refused: {reason}"));
                    self.joins_at = Some(now + Duration::from_millis(20));
                }
                CarrierEvent::Moved { connection, address } => {
                    let session = self.live[&connection].expect("only what is connected moves");
                    let peer = books.ledger.0[session].ends[1 - side].0;
                    let home = books.homes[peer].contains(&address);
                    books.counts.hold(Law::C10, home, || format!("session {session} moved to {address}"));
                    books.wire.proven(self.index, address);
                    books.counts.note(Happened::Moves);
                }
                CarrierEvent::Disconnected { connection, reason } => {
                    let session = self.live.remove(&connection).expect("ends once");
                    if let Some(session) = session {
                        books.ledger.over(session, side, reason, &mut books.counts);
                        books.wire.closed(session, side);
                        self.held_up.retain(|held| held.0 != session);
                        self.saturated.remove(&session);
                    }
                    if side == JOINER {
                        self.joins_at = Some(now + Duration::from_millis(self.rng.below(50)));
                    }
                }
                CarrierEvent::Message { connection, channel, packet, bytes, .. } => {
                    let session = self.live.get(&connection).copied().flatten();
                    let known = || format!("node {}: a message of {connection}", self.index);
                    books.counts.hold(Law::C6, session.is_some(), known);
                    books.ledger.delivered(session.unwrap(), side, channel, &bytes, &mut books.counts);
                    if channel == UNRELIABLE && manners.trouble && self.rng.chance(self.plan.rejects) {
                        self.endpoint.reject(connection, packet);
                    }
                    self.endpoint.recycle(bytes);
                }
                CarrierEvent::Receipt { connection, token, delivered } => {
                    let session = self.live[&connection].expect("only what is connected sends");
                    books.ledger.receipt(session, side, token, delivered, &mut books.counts);
                }
                other => panic!("unknown event {other:?}"),
            }
        }
    }

    /// Somebody wants to come in.
    fn greeted(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        from: SocketAddr,
        hello: &[u8],
        books: &mut Books,
        manners: &Manners,
    ) {
        let local = self.clock.read(now);
        let hello = u32::from_le_bytes(hello[..4].try_into().unwrap());
        let came = self.index == 0 && books.wire.has_greeted(hello, from);
        books.counts.hold(Law::C11, came, || format!("hello {hello} from {from} has a place"));
        if manners.trouble && self.rng.chance(manners.refuses) {
            return self.endpoint.refuse(local, connection, Refusal::denied(7, "not now"));
        }
        let session = books.ledger.begin([(self.index, self.life), books.greeters[&hello]], hello);
        self.live.insert(connection, Some(session));
        if manners.trouble && self.rng.chance(manners.defers) {
            self.endpoint.defer(local, connection);
            self.deferred.push((now + Duration::from_millis(self.rng.below(400)), connection));
        } else {
            self.accept(local, connection);
        }
    }

    fn accept(&mut self, local: Instant, connection: ConnectionId) {
        let Some(Some(session)) = self.live.get(&connection) else { return };
        let welcome = u32::try_from(*session).unwrap().to_le_bytes();
        self.endpoint.accept(local, connection, &welcome).expect("it waits");
    }

    /// One tick of the program.
    pub fn act(&mut self, now: Instant, books: &mut Books, manners: &Manners) {
        let local = self.clock.read(now);
        for (_, connection) in self.deferred.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
            self.accept(local, connection);
        }
        if self.live.is_empty() && self.joins_at.is_some_and(|at| at <= now) {
            self.join(local, books);
        }
        for _ in 0..self.held_up.len() {
            let Some((session, channel, len, asks)) = self.held_up.pop_front() else { break };
            self.send(session, channel, len, asks, books);
        }
        for (id, session) in self.sessions(&books.ledger) {
            let count = up_to(&mut self.rng, 1_000) as f64 / 500.0 * self.plan.rate * manners.talk;
            let count = count.floor() + f64::from(u8::from(self.rng.chance(count.fract())));
            let mut left = count;
            while left >= 1.0 {
                left -= 1.0;
                let channel = [RELIABLE, SECOND_RELIABLE, UNORDERED, SEQUENCED, UNRELIABLE][up_to(&mut self.rng, 5)];
                let (len, asks) = (self.some_len(channel), self.rng.chance(self.plan.asks));
                if self.plan.polite && !is_reliable(channel) {
                    let open = self.endpoint.state_budget(id, channel) > 0;
                    if !open {
                        self.saturated.insert(session, true);
                        books.counts.note(Happened::HeldUp);
                        continue;
                    }
                }
                self.send(session, channel, len, asks, books);
            }
            if self.saturated.contains_key(&session) && self.endpoint.state_budget(id, UNRELIABLE) > 0 {
                self.saturated.remove(&session);
            }
        }
    }

    fn join(&mut self, local: Instant, books: &mut Books) {
        let mut hello = books.hellos.to_le_bytes().to_vec();
        hello.resize(4 + up_to(&mut self.rng, 60), 0xAA);
        // The address is free again once the last goodbye was said.
        if let Ok(connection) = self.endpoint.connect(local, address(0), &hello) {
            books.wire.proven(self.index, address(0));
            books.greeters.insert(books.hellos, (self.index, self.life));
            books.hellos += 1;
            self.live.insert(connection, None);
            self.joins_at = None;
        }
    }

    fn send(&mut self, session: usize, channel: ChannelId, len: usize, asks: bool, books: &mut Books) {
        let Some((id, _)) = self.sessions(&books.ledger).into_iter().find(|(_, other)| *other == session) else {
            return;
        };
        let first = |held: &(usize, ChannelId, usize, bool)| (held.0, held.1) == (session, channel);
        let (bytes, token) = books.ledger.draft(session, self.side(), channel, len);
        match self.endpoint.send(id, channel, &bytes, asks.then_some(token)) {
            Ok(()) => books.ledger.sent(session, self.side(), channel, len, asks),
            Err(SendError::QueueFull) => {
                if !self.held_up.iter().any(first) {
                    books.counts.note(Happened::HeldUp);
                }
                self.held_up.push_back((session, channel, len, asks));
            }
            Err(error) => panic!("node {}: {len} bytes on {channel}: {error}", self.index),
        }
    }

    fn some_len(&mut self, channel: ChannelId) -> usize {
        let rng = &mut self.rng;
        let most = match (channel, rng.below(20)) {
            (SEQUENCED, 0..4) => limits::SEGMENT_BYTES - HEAD + 1,
            (UNRELIABLE, _) if self.plan.bulky => 8_000,
            (UNRELIABLE, 0) => limits::FRAGMENTS * limits::FRAGMENT_BYTES - HEAD + 1,
            (UNRELIABLE, 1..4) => 4_000,
            (SEQUENCED | UNRELIABLE, _) => 250,
            (_, 0) => 5_500,
            (_, 1..4) => 1_400,
            _ => 120,
        };
        HEAD + up_to(rng, most as u64)
    }

    /// Bytes that wait for their turn, here or in the carrier.
    pub fn queued(&self, ledger: &Ledger) -> usize {
        let stats = self.sessions(ledger).into_iter().filter_map(|(id, _)| self.endpoint.stats(id));
        let held_up = self.held_up.iter().map(|(_, _, len, _)| len + limits::MESSAGE_OVERHEAD).sum::<usize>();
        stats.map(|stats| stats.reliable_queued + stats.unreliable_queued).sum::<usize>() + held_up
    }

    /// Why this node still has something to do, if it has.
    pub fn busy(&mut self, books: &Books) -> Option<String> {
        let mut sessions = self.sessions(&books.ledger);
        sessions.retain(|(_, session)| !books.ledger.0[*session].excused);
        if self.index > 0 && sessions.is_empty() {
            return Some(format!("node {} is not connected: {:?}", self.index, self.live));
        }
        for (id, session) in sessions {
            if books.ledger.0[session].connected != [true; 2] {
                return Some(format!("session {session} is known to node {} only", self.index));
            }
            let Some(stats) = self.endpoint.stats(id) else { return Some(format!("session {session} has no state")) };
            if stats.reliable_queued + stats.unreliable_queued > 0 {
                return Some(format!("node {}, session {session}: {stats:?}", self.index));
            }
            if self.endpoint.state_budget(id, UNRELIABLE) == 0 {
                return Some(format!("node {}, session {session} has no room for state: {stats:?}", self.index));
            }
            if let Some(owed) = books.ledger.owes(session) {
                return Some(owed);
            }
        }
        let lasting = |session: usize| !books.ledger.0[session].excused;
        let held_up = self.held_up.iter().filter(|held| lasting(held.0)).count();
        let waits = (held_up, self.saturated.keys().filter(|session| lasting(**session)).count());
        (waits != (0, 0)).then(|| format!("node {}: {waits:?} wait for room", self.index))
    }

    /// C8: nothing waits any more.
    pub fn check_nothing_waits(&mut self, books: &mut Books) {
        for (id, session) in self.sessions(&books.ledger) {
            if books.ledger.0[session].excused {
                continue;
            }
            let stats = self.endpoint.stats(id).expect("it is connected");
            let empty = stats.reliable_queued == 0 && stats.unreliable_queued == 0;
            books.counts.hold(Law::C8, empty, || format!("session {session}: {stats:?}"));
            let open = self.endpoint.state_budget(id, UNRELIABLE);
            books.counts.hold(Law::C8, open > 0, || format!("session {session}: no room for state, {stats:?}"));
            books.ledger.complete(session, &mut books.counts);
        }
    }
}

/// How programs behave at present.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// There is trouble: they may be rude.
    pub trouble: bool,
    pub refuses: f64,
    pub defers: f64,
    /// How much of their usual traffic they send.
    pub talk: f64,
}

impl Manners {
    pub fn of(plan: &Plan) -> Self {
        Self { trouble: true, refuses: plan.refuses, defers: plan.defers, talk: 1.0 }
    }
}

fn is_reliable(channel: ChannelId) -> bool {
    [RELIABLE, SECOND_RELIABLE, UNORDERED].contains(&channel)
}
