//! What a member claims when the host of its mesh is lost, whatever it is: the next host may find fault with it, and those who are left agree on
//! who owns what.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerId, PeerRole, Verdict};
use gridmate_runtime::wire::BitWriter;

use super::script::Script;

#[derive(Default, ReplicaChunk)]
#[chunk(name = "ball", migratable)]
struct Ball {
    x: u32,
}

#[derive(Default, ReplicaChunk)]
#[chunk(name = "rock")]
struct Rock {
    x: u32,
}

/// The host that is lost, the next one, a member that may lie, and one that does not.
const NODES: usize = 4;
const HEIR: usize = 1;
const LIAR: usize = 2;

const CLAIMS: u8 = 9;
const MILLIS: u64 = 33;

struct Mesh {
    managers: [ReplicaManager; NODES],
    /// How one calls the other, while they are connected.
    peers: [[Option<PeerId>; NODES]; NODES],
    order: u64,
    tick: u64,
}

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let mut mesh = Mesh::new();
    let ids = mesh.fill();
    // What changes hands in the last moments, and how much of that is heard of.
    for _ in 0..script.pick(4) {
        let (id, to) = (ids[script.pick(ids.len())], member(script.pick(NODES)));
        let _ = mesh.managers[0].set_owner(id, to);
        mesh.steps(script.pick(4));
    }
    mesh.part(0);
    for node in [1, 2, 3] {
        mesh.managers[node].lose_host().expect("it had one");
    }
    mesh.managers[HEIR].take_over(1).expect("the next");
    for node in [LIAR, 3] {
        let heir = mesh.peers[node][HEIR].expect("connected");
        mesh.managers[node].follow_host(heir, 1).expect("a member");
    }
    let of_liar = |id: &ReplicaId| mesh.managers[HEIR].info(*id).is_some_and(|info| info.owner == member(LIAR));
    let known: Vec<_> = ids.iter().copied().filter(of_liar).collect();
    mesh.managers[LIAR].drain_calls(mesh.peers[LIAR][HEIR].expect("connected"), |_, _| ());
    let mut more = true;
    while more {
        more = !script.is_empty() && script.byte().is_multiple_of(4);
        let said = claims(&ids, more, &mut script);
        let from = mesh.peers[HEIR][LIAR].expect("connected");
        if mesh.managers[HEIR].handle_call(from, true, &said).is_err() {
            mesh.part(LIAR);
            break;
        }
    }
    mesh.steps(12);
    // Those who said too little to be done are waited for, and then not any more.
    mesh.tick += 5_000 / MILLIS;
    mesh.steps(20);
    mesh.check(&known);
}

fn member(node: usize) -> MemberId {
    MemberId(u32::try_from(node).expect("few") + 1)
}

/// A message of claims, most of them about what there is, some damaged.
fn claims(ids: &[ReplicaId], more: bool, script: &mut Script<'_>) -> Vec<u8> {
    let mut w = BitWriter::new();
    w.gamma(1);
    w.gamma(u32::MAX);
    w.gamma(256);
    w.bits(u64::from(CLAIMS), 8);
    w.bits(0, 2);
    for _ in 0..script.pick(12) {
        w.bool(true);
        match script.pick(4) {
            0 => w.bits(0b01, 2),
            1 => w.bits(0b11, 2),
            _ => {
                w.bool(false);
                w.gamma(u32::from(script.byte() % 6) + 1);
            }
        }
        let id = ids[script.pick(ids.len())];
        let serial = if script.pick(8) == 0 { u32::from(script.word()) + 1 } else { id.serial };
        w.bits(0b000, 3);
        w.gamma(id.creator.0);
        w.gamma(serial);
        w.gamma(match script.pick(8) {
            0 => u32::from(script.word()) + 1,
            1 => u32::MAX - u32::from(script.byte()),
            2 => 65_536 + u32::from(script.byte()),
            _ => u32::from(script.byte() % 5) + 1,
        });
    }
    w.bool(false);
    w.bool(!more);
    let mut said = w.finish().to_vec();
    if script.pick(6) == 0 {
        let at = script.pick(said.len());
        said[at] ^= script.byte();
        said.truncate(said.len() - script.pick(3).min(said.len()));
    }
    said
}

impl Mesh {
    fn new() -> Self {
        let registry = Registry::builder().chunk::<Ball>().chunk::<Rock>().build().expect("two types");
        let mut managers = core::array::from_fn(|node| {
            let mut manager = ReplicaManager::new(registry.clone(), 1);
            manager.set_local_member(member(node));
            manager
        });
        let mut peers = [[None; NODES]; NODES];
        for (at, manager) in managers.iter_mut().enumerate() {
            for of in (0..NODES).filter(|of| *of != at) {
                let role = if of == 0 { PeerRole::Host } else { PeerRole::Peer };
                peers[at][of] = Some(manager.add_peer(member(of), role));
            }
        }
        Self { managers, peers, order: 0, tick: 0 }
    }

    /// Each has a ball and a rock of its own, and one more ball is not its creator's any more.
    fn fill(&mut self) -> Vec<ReplicaId> {
        let mut ids: Vec<_> =
            self.managers.iter_mut().map(|manager| manager.add(Ball::default()).expect("a member")).collect();
        ids.extend(self.managers.iter_mut().map(|manager| manager.add(Rock::default()).expect("a member")));
        ids.push(self.managers[0].add(Ball { x: 4 }).expect("a member"));
        self.steps(3);
        self.managers[0].set_owner(ids[8], member(3)).expect("it is the host's");
        self.steps(4);
        ids
    }

    fn steps(&mut self, steps: usize) {
        for _ in 0..steps {
            self.tick += 1;
            for node in 0..NODES {
                if self.is_there(node) {
                    self.step(node);
                }
            }
        }
    }

    fn is_there(&self, node: usize) -> bool {
        self.peers[node].iter().any(Option::is_some)
    }

    /// A tick of one node, whose messages arrive at once; with whom it finds fault is not connected to anyone any more.
    fn step(&mut self, node: usize) {
        let mut at_fault = Vec::new();
        let now = Instant::from_millis(self.tick * MILLIS);
        self.managers[node].update(now, |peer, _| at_fault.push(peer));
        for peer in at_fault {
            let of = self.peers[node].iter().position(|known| *known == Some(peer)).expect("one of them");
            assert_eq!(of, LIAR, "the others say nothing wrong");
            self.part(of);
        }
        self.managers[node].prepare();
        for to in 0..NODES {
            let (Some(peer), Some(back)) = (self.peers[node][to], self.peers[to][node]) else { continue };
            let mut calls = Vec::new();
            self.managers[node].drain_calls(peer, |reliable, call| calls.push((reliable, call.to_vec())));
            for (reliable, call) in calls {
                self.managers[to].handle_call(back, reliable, &call).expect("a correct peer");
            }
            let mut bytes = Vec::new();
            while let Some(message) = self.managers[node].marshal(peer, 1_100, &mut bytes) {
                self.order += 1;
                let verdict = self.managers[to].handle_state(back, self.order, &bytes).expect("a correct peer");
                self.managers[node].handle_receipt(peer, message.token, verdict == Verdict::Accepted);
            }
        }
    }

    /// A node loses everyone, and everyone it. The host's loss the others carry out themselves.
    fn part(&mut self, node: usize) {
        for other in 0..NODES {
            if let Some(peer) = self.peers[other][node].take()
                && node != 0
            {
                self.managers[other].remove_peer(peer, other == HEIR);
            }
            self.peers[node][other] = None;
        }
    }

    /// `known`: what the heir took for the liar's before it heard of its claims.
    fn check(&self, known: &[ReplicaId]) {
        let nodes: Vec<_> = (1..NODES).filter(|node| self.is_there(*node)).collect();
        assert!(nodes.len() >= 2 && nodes[0] == HEIR);
        for &node in &nodes {
            assert_eq!(self.managers[node].digest(), self.managers[HEIR].digest(), "node {node}");
        }
        for id in self.managers[HEIR].ids() {
            let is_primary = |node: &&usize| self.managers[**node].info(id).is_some_and(|info| info.is_primary);
            let primaries = nodes.iter().filter(is_primary).count();
            // Of those it may have let go, and keep that to itself.
            assert!(primaries == 1 || primaries == 0 && known.contains(&id), "{id}: {primaries} primaries");
        }
    }
}
