//! One world: nodes, the links between them, time, and what goes wrong.
//!
//! A world goes through five ages. Strangers flood a host that nobody knows yet; then there is trouble, with everything the plan has;
//! then the network heals and all that is owed has to arrive; then nobody says anything, and the carrier should not either, or
//! little; then everybody leaves, and there has to be silence.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use gridmate_runtime::carrier::DisconnectReason;
use gridmate_runtime::sim::{Link, LinkConfig};
use gridmate_runtime::{Instant, Rng};

use crate::carrier_support::address;
use crate::counts::{Counts, Happened, Law};
use crate::ledger::Ledger;
use crate::node::{Books, Manners, Node};
use crate::plan::{Fault, Plan, START, up_to};
use crate::stranger::Stranger;
use crate::wire::Wire;

/// Within which all that is owed arrives once the network is well, and who is not connected connects again. Long enough for an
/// attempt that has gone wrong to time out, twice.
const PATIENCE: Duration = Duration::from_secs(15);

/// The same for what was sent on a connection that both ends know; and how fast what waits for its turn goes at least, bytes per second:
/// a congestion controller that has seen a third of everything lost begins low.
const DELIVERY: Duration = Duration::from_secs(3);
const LEAST_RATE: usize = 50_000;

/// What programs say after the trouble has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long nobody says anything, and how many deadlines a second of it may have for each connection: at first while the path is
/// explored and the leader's clock is asked, then for keep-alives and a question now and again.
const IDLE: Duration = Duration::from_secs(12);
const SETTLING: Duration = Duration::from_secs(4);
const IDLE_DEADLINES: [u64; 2] = [40, 10];

/// How far session time may be off when the network has been well for as long, beyond what the clock itself admits: what
/// two clocks drift apart until the next question.
const CLOCK_SLACK: u64 = 1_000;

/// After which nothing remembers anything of a connection that is over: the longest timeout and some.
const AFTERWARDS: Duration = Duration::from_secs(7);

const SECOND: Duration = Duration::from_secs(1);

type Flight = (SocketAddr, SocketAddr, bool, Vec<u8>);

pub struct World {
    plan: Plan,
    now: Instant,
    nodes: Vec<Node>,
    books: Books,
    stranger: Stranger,
    rng: Rng,
    /// By peer, less one: towards the host and back.
    links: Vec<[Link; 2]>,
    /// Until when a peer's link takes nothing.
    dark: Vec<(Instant, usize, usize)>,
    mtu: Option<Option<usize>>,
    /// By arrival: from where, to where, whether marked, what.
    flying: BTreeMap<(Instant, u64), Flight>,
    serial: u64,
    manners: Manners,
    /// Programs and strangers tick; else only datagrams and deadlines wake anybody.
    ticking: bool,
    trouble: bool,
    next_forgery: Instant,
    /// By node: deadlines that woke it.
    woken: Vec<u64>,
}

/// Runs the world of a seed through all ages.
pub fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    world.flood();
    world.run(world.plan.trouble_ends);
    world.heal();
    world.idle();
    world.close();
    world.books.counts
}

impl World {
    fn new(seed: u64) -> Self {
        let plan = Plan::draw(seed);
        let nodes: Vec<_> = plan.nodes.iter().enumerate().map(|(index, node)| Node::new(seed, index, node)).collect();
        let mut rng = Rng::new(seed ^ 0x3013_77ED);
        let links = (1..nodes.len())
            .map(|_| [plan.up, plan.down].map(|config| Link::new(config, rng.next_u64()).expect("a sound plan")))
            .collect();
        Self {
            now: START,
            books: Books {
                ledger: Ledger::default(),
                wire: Wire::new(nodes.len(), plan.first_number),
                counts: Counts::default(),
                hellos: 0,
                greeters: BTreeMap::new(),
                homes: nodes.iter().map(|node| vec![node.address]).collect(),
            },
            stranger: Stranger::new(seed),
            rng,
            links,
            dark: Vec::new(),
            mtu: None,
            flying: BTreeMap::new(),
            serial: 0,
            manners: Manners::of(&plan),
            ticking: true,
            trouble: true,
            next_forgery: START,
            woken: vec![0; nodes.len()],
            nodes,
            plan,
        }
    }

    /// C11: strangers say hello to a host that nobody knows, and leave no trace.
    fn flood(&mut self) {
        for _ in 0..self.plan.flood {
            let (from, hello) = self.stranger.flood();
            self.nodes[0].inbox.push((from, false, hello));
            self.books.counts.note(Happened::Forged);
        }
        self.wake(0);
        let host = &mut self.nodes[0];
        let empty = host.endpoint.poll_timeout().is_none() && host.endpoint.poll_event().is_none();
        let known = host.live.len();
        self.books.counts.hold(Law::C11, empty && known == 0, || format!("{known} strangers have a place"));
    }

    /// The network is well again, and everything that is owed arrives.
    fn heal(&mut self) {
        self.trouble = false;
        self.manners = Manners { trouble: false, talk: 0.3, ..self.manners };
        self.dark.clear();
        self.set_links();
        let healed = self.now;
        self.run(healed + LAST_WORDS);
        self.manners.talk = 0.0;
        let held = |session: &crate::ledger::Session| {
            session.connected == [true; 2] && session.over == [false; 2] && !session.excused
        };
        let known: Vec<_> = (0..self.books.ledger.0.len()).filter(|at| held(&self.books.ledger.0[*at])).collect();
        let queued = self.nodes.iter().map(|node| node.queued(&self.books.ledger)).max().unwrap_or(0);
        let queue = SECOND * u32::try_from(queued).unwrap() / u32::try_from(LEAST_RATE).unwrap();
        let mut delivered = false;
        while let Some(busy) = self.nodes.iter_mut().find_map(|node| node.busy(&self.books)) {
            let (took, ledger) = (self.now - healed, &self.books.ledger);
            if !delivered {
                let owed = known.iter().find_map(|session| ledger.owes(*session));
                delivered = owed.is_none();
                if delivered {
                    let micros = u64::try_from(took.as_micros()).unwrap();
                    self.books.counts.slowest = self.books.counts.slowest.max(micros);
                }
                self.books
                    .counts
                    .hold(Law::C8, took <= DELIVERY + queue, || format!("after {took:?}: {owed:?}, {busy}"));
            }
            self.books.counts.hold(Law::C8, took <= PATIENCE + queue, || format!("after {took:?}: {busy}"));
            self.run(self.now + Duration::from_millis(20));
        }
        for node in &mut self.nodes {
            node.check_nothing_waits(&mut self.books);
        }
    }

    /// C12: nothing is said, and the carrier is woken for keep-alives and such.
    fn idle(&mut self) {
        self.ticking = false;
        let end = self.now + IDLE;
        while self.now < end {
            let before = self.woken.clone();
            // Whoever still speaks to somebody who is gone is not idle.
            let lasting = |session: &Option<usize>| session.is_some_and(|at| !self.books.ledger.0[at].excused);
            let idle: Vec<_> = self.nodes.iter().map(|node| node.live.values().all(lasting)).collect();
            let settled = usize::from(end - self.now <= IDLE - SETTLING);
            self.run(self.now + SECOND);
            for (node, _) in idle.iter().enumerate().filter(|(_, idle)| **idle) {
                let connections = u64::try_from(self.nodes[node].live.len().max(1)).unwrap();
                let count = (self.woken[node] - before[node]).div_ceil(connections);
                if settled == 1 {
                    self.books.counts.busiest_idle = self.books.counts.busiest_idle.max(count);
                }
                let few = || format!("node {node}: {count} deadlines in a second");
                self.books.counts.hold(Law::C12, count <= IDLE_DEADLINES[settled], few);
            }
        }
        for node in 1..self.nodes.len() {
            self.check_time(node);
        }
    }

    /// Session time is right once the network has been well for long.
    fn check_time(&mut self, node: usize) {
        let [host, peer] = [0, node].map(|node| &self.nodes[node].endpoint);
        if !self.nodes[node].plan.follows {
            return;
        }
        let [there, here] = [0, node].map(|node| self.nodes[node].clock.read(self.now));
        let wrong = host.session_time(there).as_micros().abs_diff(peer.session_time(here).as_micros());
        // Time that was learned through a long queue is so wrong that it takes longer to come right without a step.
        let queued = self.plan.up.bytes_per_second.or(self.plan.down.bytes_per_second).is_some();
        let (known, admits) = (queued || peer.clock_synchronised(), peer.clock_error());
        let right = known && u128::from(wrong) <= admits.as_micros() + u128::from(CLOCK_SLACK);
        let what = || format!("node {node}: {wrong} us, admits {admits:?}, synchronised: {known}");
        self.books.counts.hold(Law::Clock, right, what);
        self.books.counts.worst_clock = self.books.counts.worst_clock.max(wrong);
    }

    /// C9: everybody leaves. A few goodbyes, then nothing.
    fn close(&mut self) {
        for node in 1..self.nodes.len() {
            let leaver = if self.rng.chance(0.5) { node } else { 0 };
            self.part(leaver, node, DisconnectReason::Leave);
            self.speak(leaver);
        }
        self.run(self.now + AFTERWARDS);
        let said = self.books.counts.happened(Happened::Datagrams);
        self.run(self.now + SECOND);
        let silent = said == self.books.counts.happened(Happened::Datagrams);
        self.books.counts.hold(Law::C9, silent, || "something is still said after everybody left".into());
        for node in &self.nodes {
            let gone = node.live.is_empty() && node.endpoint.poll_timeout().is_none();
            self.books.counts.hold(Law::C11, gone, || format!("node {} remembers {:?}", node.index, node.live));
        }
    }

    /// Time passes until `end`.
    fn run(&mut self, end: Instant) {
        loop {
            let next = self.next_moment();
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            self.go_wrong();
            self.arrive();
            for node in 0..self.nodes.len() {
                if self.is_due(node) {
                    self.wake(node);
                }
            }
        }
    }

    fn next_moment(&self) -> Instant {
        let mut next = self.flying.first_key_value().map_or(Instant::from_micros(u64::MAX), |((at, _), _)| *at);
        for node in &self.nodes {
            if self.ticking {
                next = next.min(node.next_tick);
            }
            if let Some(deadline) = node.deadline.filter(|_| self.is_eager(node)) {
                next = next.min(deadline);
            }
        }
        if self.trouble {
            let faults = self.plan.faults.first().map(|(at, _)| *at);
            let dark = self.dark.iter().map(|(until, ..)| *until).min();
            next = faults.into_iter().chain(dark).fold(next, Instant::min);
        }
        next
    }

    fn is_eager(&self, node: &Node) -> bool {
        !self.ticking || node.plan.eager
    }

    fn is_due(&self, node: usize) -> bool {
        let node = &self.nodes[node];
        let asked = node.deadline.is_some_and(|deadline| deadline <= self.now) || !node.inbox.is_empty();
        self.ticking && node.next_tick <= self.now || self.is_eager(node) && asked
    }

    fn wake(&mut self, index: usize) {
        let (now, node) = (self.now, &mut self.nodes[index]);
        self.books.counts.note(Happened::Wakeups);
        self.woken[index] += u64::from(node.deadline.is_some_and(|deadline| deadline <= now));
        node.hear(now, &mut self.books, &self.manners);
        if self.ticking && node.next_tick <= now {
            node.act(now, &mut self.books, &self.manners);
            node.next_tick = now + node.plan.tick.mul_f64(0.8 + 0.4 * node.rng.unit());
        }
        self.speak(index);
        if self.ticking && self.trouble && index == 0 && self.plan.stranger > 0.0 && self.next_forgery <= now {
            self.next_forgery = now + Duration::from_millis(10);
            self.forge();
        }
    }

    /// Puts on the links what a node has to say.
    fn speak(&mut self, index: usize) {
        let mut said = Vec::new();
        self.nodes[index].speak(self.now, &mut self.books, |to, bytes| said.push((to, bytes)));
        for (to, bytes) in said {
            self.carry(index, to, bytes);
        }
    }

    fn carry(&mut self, node: usize, to: SocketAddr, bytes: Vec<u8>) {
        let from = self.nodes[node].address;
        let (peer, way) = if node > 0 { (node, 0) } else { (self.owner(to).unwrap_or(1), 1) };
        // What goes to nowhere is not passed on: whoever can do that is a path, and a peer may move there.
        let known = if node > 0 { to == self.nodes[0].address } else { self.owner(to).is_some() };
        if self.trouble && self.plan.stranger > 0.0 && known {
            self.stranger.listen(from, if node > 0 { 0 } else { peer }, &bytes);
        }
        if self.trouble && self.rng.chance(self.plan.thief) {
            let thief = SocketAddr::from(([198, 51, 100, 7], 7));
            self.books.counts.note(Happened::Replayed);
            // As fast as the network is at best, so that it is often the first.
            let latency = [self.plan.up, self.plan.down][way].latency;
            self.fly(self.now + latency, thief, to, false, bytes.clone());
        }
        let deliveries = self.links[peer - 1][way].schedule(self.now, bytes.len());
        match deliveries.as_slice().len() {
            0 => self.books.counts.note(Happened::Lost),
            1 => {}
            _ => self.books.counts.note(Happened::Doubled),
        }
        for delivery in &deliveries {
            let mut bytes = bytes.clone();
            if !delivery.damage.is_none() {
                self.books.counts.note(Happened::Damaged);
                delivery.damage.apply(&mut bytes);
            }
            if delivery.held_back {
                self.books.counts.note(Happened::HeldBack);
            }
            self.fly(delivery.at, from, to, delivery.marked, bytes);
        }
    }

    fn fly(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, marked: bool, bytes: Vec<u8>) {
        self.serial += 1;
        self.flying.insert((at, self.serial), (from, to, marked, bytes));
    }

    /// Whose address it is, or was.
    fn owner(&self, address: SocketAddr) -> Option<usize> {
        (1..self.nodes.len()).find(|node| self.books.homes[*node].contains(&address))
    }

    /// What has been under way for long enough reaches whoever is there now.
    fn arrive(&mut self) {
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= self.now
        {
            let (from, to, marked, bytes) = entry.remove();
            if let Some(node) = self.nodes.iter_mut().find(|node| node.address == to) {
                node.inbox.push((from, marked, bytes));
            }
        }
    }

    fn forge(&mut self) {
        let homes: Vec<_> = self.nodes.iter().map(|node| node.address).collect();
        let mut count = self.plan.stranger;
        while self.rng.chance(count) {
            count -= 1.0;
            let ((from, to, bytes), again) = self.stranger.forge(&homes);
            self.books.counts.note(if again { Happened::Replayed } else { Happened::Forged });
            // No faster than the others: a clock trusts the shortest way there ever was.
            let latency = self.plan.up.latency.max(self.plan.down.latency);
            self.fly(self.now + latency, from, homes[to], false, bytes);
        }
    }

    fn go_wrong(&mut self) {
        if !self.trouble {
            return;
        }
        while let Some((at, fault)) = self.plan.faults.first().copied()
            && at <= self.now
        {
            self.plan.faults.remove(0);
            self.apply(fault);
        }
        let before = self.dark.len();
        self.dark.retain(|(until, ..)| *until > self.now);
        if self.dark.len() < before {
            self.set_links();
        }
    }

    fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Rebind(node) => {
                let homes = &mut self.books.homes[node];
                let back = homes.len() > 1 && self.rng.chance(0.2);
                let address = if back {
                    homes[up_to(&mut self.rng, homes.len() as u64)]
                } else {
                    SocketAddr::from((
                        [10, 9, u8::try_from(node).unwrap(), 1],
                        9_000 + u16::try_from(homes.len()).unwrap(),
                    ))
                };
                homes.push(address);
                self.nodes[node].address = address;
                self.books.counts.note(Happened::Rebindings);
            }
            Fault::Crash(node) => {
                self.nodes[node].crash(self.now, &mut self.books);
                // Players notice sooner than timeouts do.
                if node == 0 {
                    for peer in 1..self.nodes.len() {
                        let at = self.now + Duration::from_millis(self.rng.below(600));
                        self.plan.faults.push((at.min(self.plan.trouble_ends), Fault::Leave(peer)));
                    }
                    self.plan.faults.sort_by_key(|(at, _)| *at);
                }
            }
            Fault::Leave(node) => self.part(node, node, DisconnectReason::Leave),
            Fault::Kick(node) => self.part(0, node, DisconnectReason::Kicked),
            Fault::Dark { peer, up, down, span } => {
                self.books.counts.note(Happened::Blackouts);
                for (way, _) in [up, down].into_iter().enumerate().filter(|(_, dark)| *dark) {
                    self.dark.push((self.now + span, peer, way));
                }
                self.set_links();
            }
            Fault::Mtu(mtu) => {
                self.mtu = Some(mtu);
                self.set_links();
            }
        }
    }

    /// A node ends its connections with a peer.
    fn part(&mut self, node: usize, peer: usize, reason: DisconnectReason) {
        let theirs: Vec<_> =
            self.books.ledger.0.iter().map(|session| session.ends.iter().any(|end| end.0 == peer)).collect();
        self.nodes[node].part(self.now, reason, &mut self.books, &self.manners, |session| theirs[session]);
    }

    /// What the links are like at present.
    fn set_links(&mut self) {
        for (at, links) in self.links.iter_mut().enumerate() {
            for (way, link) in links.iter_mut().enumerate() {
                let usual = [self.plan.up, self.plan.down][way];
                let mut config = if self.trouble {
                    LinkConfig { mtu: self.mtu.unwrap_or(usual.mtu), ..usual }
                } else {
                    LinkConfig { latency: usual.latency, ..LinkConfig::perfect() }
                };
                if self.dark.iter().any(|(_, peer, dark)| (*peer, *dark) == (at + 1, way)) {
                    config.loss = 1.0;
                }
                link.set_config(config).expect("a sound plan");
            }
        }
    }
}

const _: () = assert!(DELIVERY.as_secs() < PATIENCE.as_secs());

#[test]
fn the_host_is_where_everybody_looks_for_it() {
    assert_eq!(World::new(0).nodes[0].address, address(0));
}
