//! What a replica manager keeps for each peer and each replica: a manager without a carrier, a hundred peers, a hundred thousand
//! replicas, all of them sent to everyone and acknowledged a second and a half ago.

use std::collections::VecDeque;
use std::time::Instant as Clock;

use gridmate_benches::counting::held;
use gridmate_benches::report::{Case, Row};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerId, PeerRole};

use crate::gridmate::{Exact, Stand};
use crate::model::{Motion, Truth};

/// Bytes of a state message.
const MESSAGE: usize = 1_180;

/// Messages to a peer in one tick: 60 ticks a second of these are 23 Mbit/s.
const BUDGET: usize = 40;

/// Ticks until a receipt is here.
const ROUND_TRIP: usize = 3;

pub fn measure(name: &'static str, replicas: usize, peers: usize) -> Case {
    let truth = Truth::new(replicas, Motion::Smooth);
    let start = held();
    let registry = Registry::builder().chunk::<Exact>().build().expect("one chunk type");
    let mut host = ReplicaManager::new(registry, 1);
    for body in &truth.bodies {
        let _ = host.add(Exact::of(body)).expect("room");
    }
    let clock = Clock::now();
    // What a tick needs is there with the first peer.
    let mut all = vec![add_peer(&mut host, 0)];
    let mut most = settle(&mut host, &all);
    let one = held() - start;
    (1..peers).for_each(|peer| all.push(add_peer(&mut host, peer)));
    most = most.max(settle(&mut host, &all));
    let held = held() - start;
    let mut row = Row::new("gridmate");
    row.push("bytes_per_pair", (held - one) as f64 / (replicas * (peers - 1)) as f64);
    row.push("bytes_per_replica_with_one_peer", one as f64 / replicas as f64);
    row.push("mib", held as f64 / f64::from(1 << 20));
    row.push("most_mib", (most - start) as f64 / f64::from(1 << 20));
    row.push("seconds", clock.elapsed().as_secs_f64());
    Case { name, rows: vec![row] }
}

fn add_peer(host: &mut ReplicaManager, peer: usize) -> PeerId {
    host.add_peer(MemberId(u32::try_from(peer + 2).expect("few peers")), PeerRole::Client)
}

/// Ticks in which there is nothing to say, at the end.
const QUIET: usize = 100;

/// Sends until every peer has acknowledged everything, and a while longer. Returns the most bytes that were ever held.
fn settle(host: &mut ReplicaManager, peers: &[PeerId]) -> i64 {
    let (mut message, mut under_way, mut most, mut quiet) = (Vec::new(), VecDeque::new(), 0, 0);
    loop {
        host.prepare();
        let mut sent = Vec::new();
        for peer in peers {
            for _ in 0..BUDGET {
                let Some(state) = host.marshal(*peer, MESSAGE, &mut message) else { break };
                sent.push((*peer, state.token));
            }
        }
        most = most.max(held());
        quiet = if sent.is_empty() && under_way.iter().all(Vec::is_empty) { quiet + 1 } else { 0 };
        under_way.push_back(sent);
        if quiet == QUIET {
            return most;
        }
        if under_way.len() >= ROUND_TRIP {
            for (peer, token) in under_way.pop_front().into_iter().flatten() {
                host.handle_receipt(peer, token, true);
            }
        }
    }
}
