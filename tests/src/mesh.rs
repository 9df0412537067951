//! Replica managers joined by hand: a host and its clients, with a seeded network between that loses, delays and repeats
//! messages. What a carrier promises is kept (receipts, reliable order), nothing more.

use std::collections::{BTreeMap, VecDeque};

use gridmate_runtime::replica::{PeerId, PeerRole, ReplicaManager, Verdict};
use gridmate_runtime::{Instant, MemberId, Registry, Rng};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Chance that a state message is lost.
    pub loss: f64,
    /// Chance that it takes up to eight ticks longer than the two it takes at least.
    pub late: f64,
}

/// A host (index 0) and clients, one tick at a time.
pub struct Mesh {
    /// The managers.
    pub managers: Vec<ReplicaManager>,
    /// `peers[a][b]`: how `a` calls `b`.
    pub peers: Vec<BTreeMap<usize, PeerId>>,
    /// The network's mood.
    pub weather: Weather,
    /// State messages written so far.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The tick.
    pub tick: u64,
    orders: BTreeMap<(usize, usize), u64>,
    rng: Rng,
    flying: Vec<Flying>,
    reliable: BTreeMap<(usize, usize), Line>,
}

/// Reliable messages from one node to another, with when they are due.
type Line = VecDeque<(u64, Vec<u8>)>;

struct Flying {
    due: u64,
    from: usize,
    to: usize,
    order: u64,
    what: What,
}

enum What {
    State { token: u64, bytes: Vec<u8> },
    Hint(Vec<u8>),
    Receipt { token: u64, delivered: bool },
}

impl Mesh {
    /// A host and `clients` clients.
    pub fn new(registry: &Registry, clients: usize, seed: u64, weather: Weather) -> Self {
        let mut mesh = Self {
            managers: Vec::new(),
            peers: Vec::new(),
            weather,
            messages: 0,
            bytes: 0,
            tick: 0,
            orders: BTreeMap::new(),
            rng: Rng::new(seed),
            flying: Vec::new(),
            reliable: BTreeMap::new(),
        };
        for _ in 0..=clients {
            mesh.managers.push(ReplicaManager::new(registry.clone(), seed));
            mesh.peers.push(BTreeMap::new());
        }
        for client in 1..=clients {
            mesh.join(client);
        }
        mesh
    }

    /// Connects client number `client` to the host.
    pub fn join(&mut self, client: usize) {
        let member = MemberId(u32::try_from(client + 1).expect("few clients"));
        self.managers[client].set_local_member(member);
        let at_host = self.managers[0].add_peer(member, PeerRole::Client);
        let at_client = self.managers[client].add_peer(MemberId::HOST, PeerRole::Host);
        self.peers[0].insert(client, at_host);
        self.peers[client].insert(0, at_client);
    }

    /// One tick of everyone, in order.
    ///
    /// # Panics
    /// When a manager finds fault with another: all of them are correct.
    pub fn step(&mut self) {
        self.tick += 1;
        for node in 0..self.managers.len() {
            self.deliver(node);
            let now = Instant::from_millis(self.tick * 33);
            self.managers[node].update(now, |peer, fault| panic!("{peer:?}: {fault}"));
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

    /// Whether everyone holds the same.
    pub fn agree(&self) -> bool {
        self.managers.iter().all(|m| m.digest() == self.managers[0].digest())
    }

    fn deliver(&mut self, node: usize) {
        let mut due = Vec::new();
        let tick = self.tick;
        let mut i = 0;
        while i < self.flying.len() {
            if self.flying[i].to == node && self.flying[i].due <= tick {
                due.push(self.flying.remove(i));
            } else {
                i += 1;
            }
        }
        due.sort_by_key(|f| (f.due, f.order));
        for Flying { from, order, what, .. } in due {
            let peer = self.peers[node][&from];
            match what {
                What::State { token, bytes } => {
                    let verdict = self.managers[node].handle_state(peer, order, &bytes).expect("a correct peer");
                    self.receipt(node, from, token, verdict == Verdict::Accepted);
                }
                What::Hint(bytes) => self.managers[node].handle_call(peer, false, &bytes).expect("a correct peer"),
                What::Receipt { token, delivered } => self.managers[node].handle_receipt(peer, token, delivered),
            }
        }
        let ready: Vec<_> = self
            .reliable
            .iter_mut()
            .filter(|((_, to), _)| *to == node)
            .flat_map(|((from, _), queue)| {
                let n = queue.iter().take_while(|(due, _)| *due <= tick).count();
                let from = *from;
                queue.drain(..n).map(move |(_, bytes)| (from, bytes)).collect::<Vec<_>>()
            })
            .collect();
        for (from, bytes) in ready {
            let peer = self.peers[node][&from];
            self.managers[node].handle_call(peer, true, &bytes).expect("a correct peer");
        }
    }

    fn send(&mut self, node: usize) {
        let peers: Vec<_> = self.peers[node].iter().map(|(to, peer)| (*to, *peer)).collect();
        for (to, peer) in peers {
            let mut calls = Vec::new();
            self.managers[node].drain_calls(peer, |reliable, bytes| calls.push((reliable, bytes.to_vec())));
            for (reliable, bytes) in calls {
                let due = self.tick + 2 + self.rng.below(10);
                if reliable {
                    self.reliable.entry((node, to)).or_default().push_back((due, bytes));
                } else if !self.rng.chance(self.weather.loss) {
                    self.fly(node, to, 2, What::Hint(bytes));
                }
            }
            let mut bytes = Vec::new();
            while let Some(message) = self.managers[node].marshal(peer, 1_100, &mut bytes) {
                self.messages += 1;
                self.bytes += bytes.len() as u64;
                if self.rng.chance(self.weather.loss) {
                    self.fly(to, node, 12, What::Receipt { token: message.token, delivered: false });
                } else {
                    let late = if self.rng.chance(self.weather.late) { self.rng.below(8) } else { 0 };
                    self.fly(node, to, 2 + late, What::State { token: message.token, bytes: bytes.clone() });
                }
            }
        }
    }

    /// Acknowledgements arrive in the order they were given: a later one repeats what an earlier one said.
    fn receipt(&mut self, from: usize, to: usize, token: u64, delivered: bool) {
        self.fly(from, to, 2, What::Receipt { token, delivered });
    }

    fn fly(&mut self, from: usize, to: usize, ticks: u64, what: What) {
        let order = self.orders.entry((from, to)).or_default();
        *order += 1;
        self.flying.push(Flying { due: self.tick + ticks, from, to, order: *order, what });
    }
}
