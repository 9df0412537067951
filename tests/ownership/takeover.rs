//! An owner that does not answer: the host goes on without it, and what it does meanwhile does not count.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::OwnershipOutcome;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, answers, check_agreement, control, member, mesh, note, owner};

/// More ticks than a recall lasts: five seconds of 33 ms.
const RECALL: u64 = 160;

/// A ball of client 1, which has stopped.
fn stopped(seed: u64) -> (Mesh, ReplicaId) {
    let mut mesh = mesh(3, seed, [Weather::FAIR, Weather::FOUL][(seed / 2 % 2) as usize]);
    let id = mesh.managers[1].add(Ball { x: 5, ..Ball::default() }).unwrap();
    mesh.settle();
    mesh.slow.insert(1, u64::MAX);
    (mesh, id)
}

fn thaw(mesh: &mut Mesh) {
    mesh.slow.clear();
    mesh.settle();
    mesh.run(40);
    mesh.settle();
}

#[test]
fn a_stopped_owner_is_waited_for_only_so_long() {
    for seed in 0..20 {
        let (mut mesh, id) = stopped(seed);
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        control(&mut mesh, 0, id, 1);
        control(&mut mesh, 3, id, 2);
        mesh.run(RECALL - 20);
        assert!(!mesh.managers[0].info(id).unwrap().is_primary, "it may yet answer");
        mesh.run(60);
        assert!(mesh.managers[2].info(id).unwrap().is_primary);
        assert_eq!(mesh.managers[2].info(id).unwrap().epoch, 4, "two beyond the first, and one more");
        let ran = |node: usize| mesh.managers[node].get::<Ball>(id).unwrap().controls.clone();
        assert_eq!(ran(0), [(member(0), 1)], "what the host called meanwhile, when it owned it for a moment");
        assert_eq!(ran(2), [(member(3), 2)], "and what another did");
        // It thinks that it owns it, and writes and calls.
        mesh.managers[1].primary_mut::<Ball>(id).unwrap().x = 99;
        note(&mut mesh, 1, id, 13);
        mesh.managers[2].primary_mut::<Ball>(id).unwrap().x = 6;
        thaw(&mut mesh);
        assert_eq!(owner(&mesh, id), 2, "seed {seed}");
        check_agreement(&mesh);
        for node in 0..4 {
            let ball = mesh.managers[node].get::<Ball>(id).unwrap();
            assert_eq!(ball.x, 6, "seed {seed}, node {node}");
            assert_eq!(ball.notes.len(), usize::from(node == 1), "nobody hears of what it called");
        }
        control(&mut mesh, 1, id, 3);
        mesh.settle();
        assert_eq!(mesh.managers[2].get::<Ball>(id).unwrap().controls.len(), 2);
    }
}

#[test]
fn what_was_taken_can_be_given_back_before_its_owner_hears_of_either() {
    for seed in 0..20 {
        let (mut mesh, id) = stopped(seed);
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        mesh.run(RECALL);
        assert!(mesh.managers[0].info(id).unwrap().is_primary);
        mesh.managers[0].primary_mut::<Ball>(id).unwrap().x = 7;
        mesh.run(seed);
        mesh.managers[0].set_owner(id, member(1)).unwrap();
        mesh.run(20);
        mesh.managers[1].primary_mut::<Ball>(id).unwrap().x = 99;
        thaw(&mut mesh);
        assert_eq!(owner(&mesh, id), 1, "seed {seed}");
        check_agreement(&mesh);
        assert_eq!(mesh.managers[3].get::<Ball>(id).unwrap().x, 7);
        mesh.managers[1].primary_mut::<Ball>(id).unwrap().x = 8;
        mesh.settle();
        assert_eq!(mesh.managers[3].get::<Ball>(id).unwrap().x, 8);
    }
}

/// It ends what is not its own any more: that does not count, and it gets it back as a proxy.
#[test]
fn a_stopped_owner_ends_nothing_that_was_taken() {
    for seed in 0..20 {
        let (mut mesh, id) = stopped(seed);
        if seed % 4 > 1 {
            // It had it before, and has it again.
            mesh.slow.clear();
            mesh.managers[0].set_owner(id, member(2)).unwrap();
            mesh.settle();
            mesh.managers[0].set_owner(id, member(1)).unwrap();
            mesh.settle();
            mesh.slow.insert(1, u64::MAX);
        }
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        mesh.run(RECALL + 20);
        mesh.managers[1].destroy(id).unwrap();
        thaw(&mut mesh);
        assert_eq!(owner(&mesh, id), 2, "seed {seed}");
        check_agreement(&mesh);
        let mut last = None;
        while let Some(event) = mesh.managers[1].poll_event() {
            last = Some(event);
        }
        assert_eq!(last, Some(ReplicaEvent::Added { id, owner: member(2) }));
    }
}

#[test]
fn what_was_taken_and_ended_is_gone_everywhere() {
    for seed in 0..20 {
        let (mut mesh, id) = stopped(seed);
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        mesh.run(RECALL + seed);
        mesh.managers[0].destroy(id).unwrap();
        mesh.run(seed);
        mesh.managers[1].primary_mut::<Ball>(id).unwrap().x = 99;
        thaw(&mut mesh);
        assert!(mesh.nodes().iter().all(|node| mesh.managers[*node].info(id).is_none()), "seed {seed}");
    }
}

/// It asks again for what it does not know it has lost, or others ask it: everyone gets one answer.
#[test]
fn everyone_who_asks_hears_something() {
    for seed in 0..20 {
        let (mut mesh, id) = stopped(seed);
        mesh.managers[2].request_ownership(id).unwrap();
        mesh.run(15);
        mesh.managers[0].set_owner(id, member(3)).unwrap();
        mesh.managers[0].request_ownership(id).unwrap();
        mesh.run(RECALL + 30);
        assert_eq!(answers(&mut mesh, 0), [(id, OwnershipOutcome::Granted)], "of who has it now it was asked");
        thaw(&mut mesh);
        mesh.run(300);
        let answered = answers(&mut mesh, 2);
        assert_eq!(answered.len(), 1, "seed {seed}: {answered:?}");
        assert_eq!(owner(&mesh, id), 0);
    }
}

/// The host's program was not ready for what the owner had called: it hears it before the ball is its own.
#[test]
fn what_waited_for_the_program_runs_before_a_recall_ends() {
    for seed in 0..4 {
        let (mut mesh, id) = stopped(seed);
        mesh.slow.clear();
        mesh.managers[0].suspend(id).unwrap();
        for number in 1..=3 {
            note(&mut mesh, 1, id, number);
        }
        mesh.settle();
        mesh.run(5);
        let notes = |mesh: &Mesh, node: usize| mesh.managers[node].get::<Ball>(id).unwrap().notes.len();
        assert_eq!((notes(&mesh, 0), notes(&mesh, 3)), (0, 0));
        mesh.slow.insert(1, u64::MAX);
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        mesh.run(RECALL);
        assert!(mesh.managers[0].info(id).unwrap().is_primary);
        mesh.run(30);
        assert_eq!((notes(&mesh, 0), notes(&mesh, 3)), (3, 3), "seed {seed}");
        thaw(&mut mesh);
        assert_eq!(owner(&mesh, id), 0);
        check_agreement(&mesh);
    }
}
