//! Scenario 12 as a whole: a client that sends everything that it may not, in every tick, while everybody else works.
//! (`limits` has each of these on its own, and what becomes of the connection is the node's.)

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerFault;
use gridmate_tests::chunks::{Gauge, Journal, Mover, registry};
use gridmate_tests::forge::{self, DECLARE, NOTE, STEER};
use gridmate_tests::mesh::{Mesh, Weather};

/// The hostile client: also the member after it.
const HOSTILE: usize = 3;

/// What it says in one tick of things that are not its own, and how many of its calls are dropped and counted.
fn attack(mesh: &mut Mesh, tick: u32, [hosts, clients]: [ReplicaId; 2], mover: ReplicaId) -> u64 {
    let state = |write: &dyn Fn(&mut gridmate_runtime::wire::BitWriter)| forge::state(tick, |w| write(w));
    let not_its_own = [
        // Values for it, as if it were new; a claim to own it; one for another to own it; its end.
        state(&|w| {
            forge::id(w, mover.creator.0, mover.serial);
            forge::full(w, mover.creator.0, &[0]);
        }),
        state(&|w| {
            forge::id(w, mover.creator.0, mover.serial);
            forge::full(w, 4, &[0]);
        }),
        state(&|w| {
            forge::id(w, 4, 1_000 + tick);
            forge::full(w, 2, &[2]);
        }),
        state(&|w| {
            forge::id(w, hosts.creator.0, hosts.serial);
            forge::end(w, None);
        }),
        state(&|w| {
            forge::id(w, clients.creator.0, clients.serial);
            forge::end(w, None);
        }),
    ];
    for (i, message) in not_its_own.iter().enumerate() {
        assert_eq!(mesh.give_state(HOSTILE, 0, message), Err(PeerFault::NotOwner), "message {i}, tick {tick}");
    }
    for id in [hosts, clients] {
        let in_anothers_name = forge::request(id, NOTE, Some(MemberId(2)), 666);
        assert_eq!(mesh.give_call(HOSTILE, 0, &in_anothers_name), Err(PeerFault::NotOwner));
        for rpc in [STEER, DECLARE] {
            mesh.give_call(HOSTILE, 0, &forge::request(id, rpc, None, 666)).unwrap();
        }
    }
    4
}

#[test]
fn replication_scenario_12e_whatever_a_hostile_client_says_the_others_agree_and_nothing_of_it_runs() {
    for seed in 0..20 {
        let mut mesh = Mesh::new(&registry(), 3, seed, Weather::FAIR);
        let mut rng = Rng::new(seed ^ 0xBAD);
        let journals = [0, 1].map(|node| mesh.managers[node].add(Journal::default()).unwrap());
        let movers = [0, 1, 2].map(|node| mesh.managers[node].add(Mover::default()).unwrap());
        let own = mesh.managers[HOSTILE].add(Gauge::default()).unwrap();
        mesh.settle();
        mesh.weather = Weather::FOUL;
        let (mut refused, mut noted) = (0, [0, 0]);
        for tick in 1..=100 {
            for (node, id) in movers.into_iter().enumerate() {
                mesh.managers[node].primary_mut::<Mover>(id).unwrap().energy = rng.next_u32();
            }
            // It has replicas of its own, and those are fine.
            mesh.managers[HOSTILE].primary_mut::<Gauge>(own).unwrap().level ^= 1;
            for (i, id) in journals.into_iter().enumerate() {
                if rng.chance(0.3) {
                    mesh.managers[2].proxy::<Journal>(id).unwrap().rpcs().note(tick).unwrap();
                    noted[i] += 1;
                }
            }
            refused += attack(&mut mesh, tick, journals, movers[tick as usize % 3]);
            // What it echoes in the owner's name is a fault that is found when it is to run.
            if tick == 50 {
                for id in journals {
                    mesh.give_call(HOSTILE, 0, &forge::echo(id, NOTE, MemberId(2), None, 666)).unwrap();
                    assert_eq!(mesh.update(0), [PeerFault::NotOwner]);
                    refused += 1;
                }
            }
            mesh.step();
        }
        mesh.weather = Weather::FAIR;
        mesh.settle();
        assert!(mesh.agree(), "seed {seed}");
        for (node, manager) in mesh.managers.iter().enumerate() {
            assert_eq!(manager.len(), 6, "seed {seed}, node {node}");
            for (id, count) in journals.into_iter().zip(noted) {
                let calls = &manager.get::<Journal>(id).unwrap().calls;
                assert!(calls.iter().all(|(source, number)| (*source, *number <= 100) == (MemberId(3), true)));
                assert_eq!(calls.len(), count, "seed {seed}, node {node}");
            }
        }
        assert_eq!(mesh.managers[0].stats().rpcs_dropped, refused, "seed {seed}");
    }
}
