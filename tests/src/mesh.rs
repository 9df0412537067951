//! Replica managers joined by hand: a host, its clients and members that reach each other too, with a seeded network between that loses, delays and reorders
//! messages. What a carrier promises is kept (receipts, reliable order, an end to lateness), nothing more.
//!
//! [`Mesh::step`] ticks everyone. Tests that decide themselves what arrives, and when, tick the managers in
//! [`Mesh::managers`] and carry messages with the `take_` and `give_` methods.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridmate_runtime::replica::{PeerFault, PeerId, PeerRole, ReplicaManager, Verdict};
use gridmate_runtime::{Instant, MemberId, Registry, Rng, limits};

/// Ticks that everything takes at least.
const LATENCY: u64 = 2;

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Chance that a state message, or an unreliable call, is lost.
    pub loss: f64,
    /// Chance that a state message is late.
    pub late: f64,
    /// How many ticks it may then be late, exclusive.
    pub span: u64,
    /// Chance that a state message that arrived is reported as lost.
    pub denial: f64,
    /// Ticks that everything takes beyond the two it takes at least.
    pub latency: u64,
    /// State messages that there is room for between two nodes in one tick: at most as many, sometimes fewer.
    pub budget: u64,
    /// Bytes of a state message.
    pub bytes: usize,
}

impl Weather {
    /// Nothing goes wrong, and there is room for everything.
    pub const FAIR: Self =
        Self { loss: 0.0, late: 0.0, span: 1, denial: 0.0, latency: 0, budget: u64::MAX, bytes: 1_100 };
    /// Nearly every other message is lost or late.
    pub const FOUL: Self = Self { loss: 0.3, late: 0.3, span: 8, ..Self::FAIR };
}

/// A host (index 0, until another takes its place), clients and mesh members, one tick at a time.
pub struct Mesh {
    /// The managers.
    pub managers: Vec<ReplicaManager>,
    /// The network's mood.
    pub weather: Weather,
    /// State messages written so far.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The tick.
    pub tick: u64,
    /// The node that hosts, and the last one that did before.
    pub host: usize,
    former: usize,
    /// By node: which one it takes for the host.
    hosts: Vec<usize>,
    term: u32,
    /// What was sent since this was made empty, by sender and receiver; nothing is noted without.
    pub overheard: Option<Vec<(usize, usize, Vec<u8>)>>,
    /// Nodes that are slow: they tick only in every so many ticks of the others.
    pub slow: BTreeMap<usize, u64>,
    registry: Registry,
    seed: u64,
    /// Those that reach each other directly.
    meshed: BTreeSet<usize>,
    /// Those that take part in nothing any more.
    dead: BTreeSet<usize>,
    /// `peers[a][b]`: how `a` calls `b`.
    peers: Vec<BTreeMap<usize, PeerId>>,
    /// By sender and receiver: the place of the last message in the sender's order, and of the newest that has arrived.
    orders: BTreeMap<(usize, usize), (u64, u64)>,
    rng: Rng,
    /// By receiver, due tick, order and sender.
    flying: BTreeMap<(usize, u64, u64, usize), What>,
    /// By sender and receiver.
    reliable: BTreeMap<(usize, usize), Line>,
}

/// Reliable calls in the order they were made, with when they are due.
type Line = VecDeque<(u64, Vec<u8>)>;

enum What {
    State { token: u64, bytes: Vec<u8> },
    Hint(Vec<u8>),
    Receipt { token: u64, delivered: bool },
}

impl Mesh {
    /// A host and `clients` clients.
    pub fn new(registry: &Registry, clients: usize, seed: u64, weather: Weather) -> Self {
        let mut mesh = Self {
            managers: vec![ReplicaManager::new(registry.clone(), seed)],
            weather,
            messages: 0,
            bytes: 0,
            tick: 0,
            host: 0,
            former: 0,
            hosts: vec![0],
            term: 0,
            overheard: None,
            slow: BTreeMap::new(),
            registry: registry.clone(),
            seed,
            meshed: BTreeSet::new(),
            dead: BTreeSet::new(),
            peers: vec![BTreeMap::new()],
            orders: BTreeMap::new(),
            rng: Rng::new(seed),
            flying: BTreeMap::new(),
            reliable: BTreeMap::new(),
        };
        for _ in 0..clients {
            mesh.join();
        }
        mesh
    }

    /// A host, `members` that reach each other (from index 1 on), and `clients` behind them.
    pub fn hybrid(registry: &Registry, members: usize, clients: usize, seed: u64, weather: Weather) -> Self {
        let mut mesh = Self::new(registry, 0, seed, weather);
        for _ in 0..members {
            mesh.join_mesh();
        }
        for _ in 0..clients {
            mesh.join();
        }
        mesh
    }

    /// Connects one more client to the host and returns its index. Its member id is one more.
    pub fn join(&mut self) -> usize {
        self.join_as(PeerRole::Client)
    }

    /// Connects one more member of the mesh, to the host and to all others of its kind, and returns its index.
    pub fn join_mesh(&mut self) -> usize {
        let node = self.join_as(PeerRole::Peer);
        for other in self.meshed.clone() {
            self.meet(node, other);
        }
        self.meshed.insert(node);
        node
    }

    /// Connects two members of the mesh, for the first time or again.
    pub fn meet(&mut self, one: usize, other: usize) {
        for (at, of) in [(one, other), (other, one)] {
            let member = self.managers[of].local_member();
            let peer = self.managers[at].add_peer(member, PeerRole::Peer);
            self.peers[at].insert(of, peer);
        }
    }

    fn join_as(&mut self, role: PeerRole) -> usize {
        let client = self.managers.len();
        let member = MemberId(u32::try_from(client + 1).expect("few clients"));
        let mut manager = ReplicaManager::new(self.registry.clone(), self.seed);
        manager.set_local_member(member);
        let host = self.host;
        let at_client = manager.add_peer(self.managers[host].local_member(), PeerRole::Host);
        let at_host = self.managers[host].add_peer(member, role);
        self.managers.push(manager);
        self.hosts.push(host);
        self.peers.push(BTreeMap::from([(host, at_client)]));
        self.peers[host].insert(client, at_host);
        client
    }

    /// Ends all connections of a node but the host: the host adopts what can migrate. Whatever is under way to and from it is gone, and
    /// it takes part in nothing any more.
    pub fn leave(&mut self, node: usize) {
        self.die(node);
        (0..self.managers.len()).for_each(|at| self.lose(at, node));
    }

    /// A node takes part in nothing any more, and nobody knows yet.
    pub fn die(&mut self, node: usize) {
        self.peers[node].clear();
        self.meshed.remove(&node);
        self.dead.insert(node);
        if node == self.host {
            self.former = node;
        }
        self.flying.retain(|(to, ..), _| *to != node);
        self.reliable.retain(|(_, to), _| *to != node);
    }

    /// Node `at` loses one that has died, and what is under way from that.
    pub fn lose(&mut self, at: usize, node: usize) {
        if let Some(peer) = self.peers[at].remove(&node) {
            self.managers[at].remove_peer(peer, at == self.host);
        }
        self.cut(at, node);
    }

    /// Node `at` has lost the host, which has died, and waits for another; what is under way from the one before is gone. To who has not followed
    /// that so far it was a member as others.
    pub fn lose_host(&mut self, at: usize) {
        if self.hosts[at] != self.former {
            return self.lose(at, self.former);
        }
        self.managers[at].lose_host().expect("it has one");
        self.peers[at].remove(&self.former);
        self.cut(at, self.former);
    }

    /// Node `heir`, which has lost the host, is to be the next.
    pub fn take_over(&mut self, heir: usize) {
        self.term += 1;
        self.managers[heir].take_over(self.term).expect("it had a host");
        self.meshed.remove(&heir);
        (self.host, self.hosts[heir]) = (heir, heir);
    }

    /// Node `at`, which has lost the host, follows the next.
    pub fn follow(&mut self, at: usize) {
        let heir = self.peer(at, self.host);
        self.managers[at].follow_host(heir, self.term).expect("a member of its mesh");
        self.hosts[at] = self.host;
    }

    fn cut(&mut self, at: usize, node: usize) {
        self.flying.retain(|(to, _, _, from), _| (*to, *from) != (at, node));
        self.reliable.retain(|(from, to), _| (*to, *from) != (at, node));
    }

    /// The nodes that are in the session.
    pub fn nodes(&self) -> Vec<usize> {
        (0..self.managers.len()).filter(|node| !self.dead.contains(node)).collect()
    }

    /// How node `at` calls node `of`.
    pub fn peer(&self, at: usize, of: usize) -> PeerId {
        self.peers[at][&of]
    }

    /// One tick of everyone, in order.
    ///
    /// # Panics
    /// When a manager finds fault with another: all of them are correct.
    pub fn step(&mut self) {
        self.tick += 1;
        for node in self.nodes() {
            if self.slow.get(&node).is_some_and(|every| !self.tick.is_multiple_of(*every)) {
                continue;
            }
            self.deliver(node);
            assert_eq!(self.update(node), [], "at node {node}");
            self.managers[node].prepare();
            self.send(node);
        }
    }

    /// Steps `ticks` times.
    pub fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.step();
        }
    }

    /// Steps until nothing is under way and nobody has anything to send.
    ///
    /// # Panics
    /// When that takes more than a thousand ticks.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            self.step();
            let idle = |node: &usize| self.peers[*node].values().all(|peer| !self.managers[*node].has_state_for(*peer));
            if self.flying.is_empty() && self.reliable.values().all(VecDeque::is_empty) && self.nodes().iter().all(idle)
            {
                return;
            }
        }
        panic!("a thousand ticks, and there is still something to say");
    }

    /// Whether everyone in the session holds the same.
    pub fn agree(&self) -> bool {
        self.nodes().into_iter().all(|node| self.managers[node].digest() == self.managers[self.host].digest())
    }

    /// Runs what has arrived at a node. Returns the faults it finds with its peers.
    pub fn update(&mut self, node: usize) -> Vec<PeerFault> {
        let mut faults = Vec::new();
        let now = Instant::from_millis(self.tick * 33);
        self.managers[node].update(now, |_, fault| faults.push(fault));
        faults
    }

    /// All state messages that `from` has for `to`, which are not delivered: their tokens and bytes.
    pub fn take_state(&mut self, from: usize, to: usize) -> Vec<(u64, Vec<u8>)> {
        let (peer, mut bytes) = (self.peer(from, to), Vec::new());
        let manager = &mut self.managers[from];
        std::iter::from_fn(|| manager.marshal(peer, self.weather.bytes, &mut bytes).map(|m| (m.token, bytes.clone())))
            .collect()
    }

    /// All calls that `from` has for `to`, which are not delivered: whether they are reliable, and their bytes.
    pub fn take_calls(&mut self, from: usize, to: usize) -> Vec<(bool, Vec<u8>)> {
        let (peer, mut calls) = (self.peer(from, to), Vec::new());
        self.managers[from].drain_calls(peer, |reliable, bytes| calls.push((reliable, bytes.to_vec())));
        calls
    }

    /// Delivers a state message, as the next that `from` sends.
    ///
    /// # Errors
    /// What `to` finds wrong with it.
    pub fn give_state(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<Verdict, PeerFault> {
        let (peer, order) = (self.peer(to, from), self.skip(from, to, 1));
        self.managers[to].handle_state(peer, order, bytes)
    }

    /// Delivers a reliable call.
    ///
    /// # Errors
    /// What `to` finds wrong with it.
    pub fn give_call(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<(), PeerFault> {
        let peer = self.peer(to, from);
        self.managers[to].handle_call(peer, true, bytes)
    }

    /// Tells `from` what became of a state message to `to`.
    pub fn give_receipt(&mut self, from: usize, to: usize, token: u64, delivered: bool) {
        let peer = self.peer(from, to);
        self.managers[from].handle_receipt(peer, token, delivered);
    }

    /// Lets `messages` places in the order of what `from` sends to `to` go by. Returns the last of them.
    pub fn skip(&mut self, from: usize, to: usize, messages: u64) -> u64 {
        let (last, _) = self.orders.entry((from, to)).or_default();
        *last += messages;
        *last
    }

    fn deliver(&mut self, node: usize) {
        let later = self.flying.split_off(&(node, self.tick + 1, 0, 0));
        let due = self.flying.split_off(&(node, 0, 0, 0));
        self.flying.extend(later);
        for ((_, _, order, from), what) in due {
            let peer = self.peer(node, from);
            match what {
                What::State { token, bytes } => {
                    let (_, newest) = self.orders.entry((from, node)).or_default();
                    *newest = order.max(*newest);
                    let mut delivered = *newest - order <= limits::PACKET_WINDOW as u64;
                    if delivered {
                        let verdict = self.managers[node].handle_state(peer, order, &bytes).expect("a correct peer");
                        delivered = verdict == Verdict::Accepted;
                    }
                    if self.rng.chance(self.weather.denial) {
                        let late = self.rng.below(12);
                        self.fly(node, from, late, What::Receipt { token, delivered: false });
                    } else {
                        self.fly(node, from, 0, What::Receipt { token, delivered });
                    }
                }
                What::Hint(bytes) => self.managers[node].handle_call(peer, false, &bytes).expect("a correct peer"),
                What::Receipt { token, delivered } => self.managers[node].handle_receipt(peer, token, delivered),
            }
        }
        for ((from, to), line) in &mut self.reliable {
            while *to == node
                && let Some((_, bytes)) = line.pop_front_if(|(due, _)| *due <= self.tick)
            {
                self.managers[node].handle_call(self.peers[node][from], true, &bytes).expect("a correct peer");
            }
        }
    }

    fn send(&mut self, node: usize) {
        let peers: Vec<_> = self.peers[node].iter().map(|(to, peer)| (*to, *peer)).collect();
        for (to, peer) in peers {
            for (reliable, bytes) in self.take_calls(node, to) {
                self.overhear(node, to, &bytes);
                if !self.peers[to].contains_key(&node) {
                    continue; // It has died.
                }
                if reliable {
                    let due = self.tick + LATENCY + self.weather.latency + self.rng.below(10);
                    self.reliable.entry((node, to)).or_default().push_back((due, bytes));
                } else if !self.rng.chance(self.weather.loss) {
                    self.fly(node, to, 0, What::Hint(bytes));
                }
            }
            let mut bytes = Vec::new();
            for _ in 0..=self.rng.below(self.weather.budget) {
                let Some(message) = self.managers[node].marshal(peer, self.weather.bytes, &mut bytes) else { break };
                self.messages += 1;
                self.bytes += bytes.len() as u64;
                self.overhear(node, to, &bytes);
                if self.rng.chance(self.weather.loss) {
                    // Noticed when later ones have been acknowledged.
                    let noticed = 10 + self.weather.latency;
                    self.fly(to, node, noticed, What::Receipt { token: message.token, delivered: false });
                } else {
                    let late = if self.rng.chance(self.weather.late) { self.rng.below(self.weather.span) } else { 0 };
                    self.fly(node, to, late, What::State { token: message.token, bytes: bytes.clone() });
                }
            }
        }
    }

    fn overhear(&mut self, from: usize, to: usize, bytes: &[u8]) {
        if let Some(overheard) = &mut self.overheard {
            overheard.push((from, to, bytes.to_vec()));
        }
    }

    fn fly(&mut self, from: usize, to: usize, late: u64, what: What) {
        if !self.peers[to].contains_key(&from) {
            return; // It has died.
        }
        let order = self.skip(from, to, 1);
        self.flying.insert((to, self.tick + LATENCY + self.weather.latency + late, order, from), what);
    }
}
