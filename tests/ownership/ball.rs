//! What is passed around.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{OwnershipOutcome, PeerRole};
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

/// How its owner answers those who want it.
pub(super) const ALWAYS: u8 = 0;
pub(super) const NEVER: u8 = 1;
/// Only to members with an odd number.
pub(super) const SOMETIMES: u8 = 2;
/// What `NEVER` says.
pub(super) const KEPT: u16 = 77;

#[derive(Debug, Default, ReplicaChunk)]
#[chunk(name = "ball", migratable, accept_ownership = Self::may_go)]
pub(super) struct Ball {
    /// Which write this is.
    pub x: u32,
    pub keeps: u8,
    pub text: String,
    /// Requests judged here.
    #[dataset(skip)]
    pub asked: AtomicU32,
    /// Calls that ran here: who called, and the caller's number.
    #[dataset(skip)]
    pub notes: Vec<(MemberId, u32)>,
    /// Those of them that ran here as the owner's.
    #[dataset(skip)]
    pub owned: Vec<u32>,
    /// Numbers of calls to the owner alone.
    #[dataset(skip)]
    pub controls: Vec<(MemberId, u32)>,
}

impl Ball {
    fn may_go(&self, request: &OwnershipRequest) -> Result<(), u16> {
        self.asked.fetch_add(1, Relaxed);
        match self.keeps {
            NEVER => Err(KEPT),
            SOMETIMES if request.member.0.is_multiple_of(2) => Err(KEPT + 1),
            _ => Ok(()),
        }
    }
}

#[rpcs]
impl Ball {
    /// Runs everywhere.
    #[rpc]
    pub(super) fn note(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.notes.push((ctx.source, number));
        if ctx.primary {
            self.owned.push(number);
        }
        Propagate::ToProxies
    }

    /// Runs where the primary is.
    #[rpc]
    pub(super) fn control(&mut self, ctx: &RpcContext, number: u32) {
        self.controls.push((ctx.source, number));
    }

    /// Runs where the primary is, not too often.
    #[rpc(rate = 1, burst = 10)]
    pub(super) fn rare(&mut self, ctx: &RpcContext, number: u32) {
        self.controls.push((ctx.source, number));
    }

    /// Runs everywhere or not.
    #[rpc(unreliable)]
    pub(super) fn hint(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.notes.push((ctx.source, number));
        Propagate::ToProxies
    }

    /// Is asked.
    #[rpc]
    pub(super) fn ask(&mut self, _ctx: &RpcContext, number: u32) -> Reply<u32> {
        Reply(number + 1)
    }
}

/// One that cannot migrate.
#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "rock")]
pub(super) struct Rock {
    pub x: u32,
}

/// One of which member 4 may have nothing.
#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "secret", migratable, send_to = Self::is_for)]
pub(super) struct Secret {
    pub x: u32,
}

impl Secret {
    fn is_for(&self, peer: &TargetPeer) -> bool {
        peer.member != MemberId(4)
    }
}

/// One that its owner shows to the host alone.
#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "hand", migratable, send_to = Self::is_for)]
pub(super) struct Hand {
    pub x: u32,
}

impl Hand {
    fn is_for(&self, peer: &TargetPeer) -> bool {
        peer.role == PeerRole::Host
    }
}

/// One of which a change is withheld.
#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "tome", migratable)]
pub(super) struct Tome {
    #[dataset(throttle = AtMost(200))]
    pub page: u32,
    pub text: String,
}

pub(super) fn registry(coder: Coder) -> Registry {
    let builder = Registry::builder().coder(coder).chunk::<Ball>().chunk::<Rock>();
    builder.chunk::<Secret>().chunk::<Tome>().chunk::<Hand>().build().unwrap()
}

/// Those with an even seed write packed messages, the others under models.
pub(super) fn mesh(clients: usize, seed: u64, weather: Weather) -> Mesh {
    let coder = if seed.is_multiple_of(2) { Coder::Packed } else { Coder::Entropy };
    Mesh::new(&registry(coder), clients, seed, weather)
}

/// The same with so many members that reach each other, before the clients.
pub(super) fn hybrid(members: usize, clients: usize, seed: u64, weather: Weather) -> Mesh {
    let coder = if seed.is_multiple_of(2) { Coder::Packed } else { Coder::Entropy };
    Mesh::hybrid(&registry(coder), members, clients, seed, weather)
}

/// The member that a node of a mesh is.
pub(super) fn member(node: usize) -> MemberId {
    MemberId(u32::try_from(node).unwrap() + 1)
}

/// A call on a ball, whoever owns it.
pub(super) fn note(mesh: &mut Mesh, node: usize, id: ReplicaId, number: u32) {
    let manager = &mut mesh.managers[node];
    match manager.primary_mut::<Ball>(id) {
        Ok(mut ball) => ball.rpcs().note(number).unwrap(),
        Err(_) => manager.proxy::<Ball>(id).unwrap().rpcs().note(number).unwrap(),
    }
}

pub(super) fn control(mesh: &mut Mesh, node: usize, id: ReplicaId, number: u32) {
    let manager = &mut mesh.managers[node];
    match manager.primary_mut::<Ball>(id) {
        Ok(mut ball) => ball.rpcs().control(number).unwrap(),
        Err(_) => manager.proxy::<Ball>(id).unwrap().rpcs().control(number).unwrap(),
    }
}

/// The node that holds the primary, on which all agree.
#[track_caller]
pub(super) fn owner(mesh: &Mesh, id: ReplicaId) -> usize {
    let nodes = mesh.nodes();
    let holders: Vec<_> =
        nodes.iter().filter(|node| mesh.managers[**node].info(id).is_some_and(|info| info.is_primary)).collect();
    assert_eq!(holders.len(), 1, "one primary of {id}");
    let infos = nodes.iter().map(|node| mesh.managers[*node].info(id).unwrap());
    for info in infos {
        assert_eq!(info.owner, member(*holders[0]), "whom all know as its owner");
    }
    *holders[0]
}

/// What a node has heard of its requests.
pub(super) fn answers(mesh: &mut Mesh, node: usize) -> Vec<(ReplicaId, OwnershipOutcome)> {
    let events = core::iter::from_fn(|| mesh.managers[node].poll_event());
    events
        .filter_map(|event| match event {
            ReplicaEvent::OwnershipAnswered { id, outcome } => Some((id, outcome)),
            _ => None,
        })
        .collect()
}

/// How often the owners of a ball were asked.
pub(super) fn asked(mesh: &Mesh, id: ReplicaId) -> u32 {
    mesh.nodes().iter().map(|node| mesh.managers[*node].get::<Ball>(id).unwrap().asked.load(Relaxed)).sum()
}

/// Until nothing is under way, of what was just begun.
pub(super) fn settle(mesh: &mut Mesh) {
    mesh.run(4); // Also of who is slow.
    mesh.settle();
}

/// Every node knows the same of everything.
#[track_caller]
pub(super) fn check_agreement(mesh: &Mesh) {
    for node in mesh.nodes() {
        assert_eq!(mesh.managers[node].digests(), mesh.managers[mesh.host].digests(), "node {node}");
    }
}
