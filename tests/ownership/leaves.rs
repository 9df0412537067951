//! Nodes that leave, before, while and after a replica changes hands.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{Adopt, Orphan, OwnershipOutcome};
use gridmate_tests::mesh::Weather;

use super::ball::{Ball, Rock, answers, check_agreement, mesh, note, owner};

/// A client gives what it has to another; in some tick of that, one of three leaves.
#[test]
fn whoever_leaves_in_whichever_tick_there_is_one_owner_in_the_end() {
    let mut ends = [0; 4];
    for seed in 0..8 {
        for tick in 0..45 {
            for leaver in 1..=3 {
                let mut mesh = mesh(3, seed, [Weather::FAIR, Weather::FOUL][(seed / 2 % 2) as usize]);
                let id = mesh.managers[1].add(Ball { x: 5, ..Ball::default() }).unwrap();
                mesh.settle();
                mesh.managers[2].request_ownership(id).unwrap();
                for number in 0..45 {
                    if number == tick {
                        mesh.leave(leaver);
                    }
                    for node in mesh.nodes() {
                        note(&mut mesh, node, id, number * 10 + u32::try_from(node).unwrap());
                    }
                    mesh.step();
                }
                mesh.settle();
                mesh.run(2);
                let there = owner(&mesh, id);
                ends[there] += 1;
                check_agreement(&mesh);
                for node in mesh.nodes() {
                    let ball = mesh.managers[node].get::<Ball>(id).unwrap();
                    assert_eq!(ball.x, 5);
                    let mut numbers: Vec<_> = ball.notes.iter().map(|(_, number)| *number).collect();
                    numbers.sort_unstable();
                    assert!(numbers.is_sorted_by(|a, b| a < b), "at most once: {numbers:?}");
                    if leaver == 3 {
                        // Neither owner was lost, and so no call of those who stayed.
                        let expected: Vec<_> = (0..45).flat_map(|n| [0, 1, 2].map(|node| n * 10 + node)).collect();
                        numbers.retain(|number| number % 10 != 3);
                        assert_eq!(numbers, expected, "seed {seed}, tick {tick}, node {node}");
                    }
                }
                if leaver != 2 {
                    let outcomes = answers(&mut mesh, 2);
                    assert!(outcomes.len() <= 1, "{outcomes:?}");
                    assert_eq!(there == 2, outcomes == [(id, OwnershipOutcome::Granted)], "seed {seed}, tick {tick}");
                }
            }
        }
    }
    assert!(ends[0] > 100 && ends[1] > 50 && ends[2] > 300, "{ends:?}: the old one, the new one, and the host");
}

#[test]
fn what_nobody_answers_times_out() {
    let mut mesh = mesh(2, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Ball::default()).unwrap();
    mesh.settle();
    mesh.slow.insert(1, u64::MAX);
    mesh.managers[2].request_ownership(id).unwrap();
    mesh.run(290);
    assert_eq!(answers(&mut mesh, 2), []);
    mesh.run(20);
    assert_eq!(answers(&mut mesh, 2), [(id, OwnershipOutcome::TimedOut)], "ten seconds");
    mesh.managers[2].request_ownership(id).unwrap();
    mesh.slow.clear();
    mesh.settle();
    assert_eq!(owner(&mesh, id), 2);
}

#[test]
fn the_host_adopts_what_can_migrate() {
    let mut mesh = mesh(2, 1, Weather::FAIR);
    let ball = mesh.managers[1].add(Ball { x: 5, ..Ball::default() }).unwrap();
    let rock = mesh.managers[1].add(Rock { x: 6 }).unwrap();
    mesh.settle();
    mesh.leave(1);
    mesh.settle();
    assert_eq!(owner(&mesh, ball), 0);
    assert!(mesh.nodes().iter().all(|node| mesh.managers[*node].info(rock).is_none()));
    assert_eq!(mesh.managers[0].info(ball).unwrap().epoch, 3, "beyond what it may have begun");
}

#[test]
fn the_game_says_who_inherits() {
    for (heir, there) in [(MemberId(3), 2), (MemberId::HOST, 0), (MemberId(2), 0), (MemberId(9), 0)] {
        let mut mesh = mesh(2, 1, Weather::FAIR);
        mesh.managers[0].set_adoption(move |orphan: &Orphan| {
            assert_eq!((orphan.owner, orphan.assigned), (MemberId(2), MemberId(2)));
            Adopt::By(heir)
        });
        let id = mesh.managers[1].add(Ball { x: 5, ..Ball::default() }).unwrap();
        mesh.settle();
        mesh.leave(1);
        mesh.settle();
        assert_eq!(owner(&mesh, id), there, "{heir} inherits");
        assert_eq!(mesh.managers[there].get::<Ball>(id).unwrap().x, 5);
    }
    let mut mesh = mesh(2, 1, Weather::FAIR);
    mesh.managers[0].set_adoption(|_| Adopt::Nobody);
    let id = mesh.managers[1].add(Ball::default()).unwrap();
    mesh.settle();
    mesh.leave(1);
    mesh.settle();
    assert!(mesh.nodes().iter().all(|node| mesh.managers[*node].info(id).is_none()));
}

/// Its end was announced, and waits for calls that will not come any more.
#[test]
fn what_its_owner_has_ended_is_not_inherited() {
    for seed in 0..30 {
        let mut mesh = mesh(2, seed, Weather::FAIR);
        let id = mesh.managers[1].add(Ball::default()).unwrap();
        mesh.settle();
        note(&mut mesh, 1, id, 1);
        mesh.managers[1].destroy(id).unwrap();
        mesh.run(4);
        mesh.leave(1);
        mesh.settle();
        assert!(mesh.nodes().iter().all(|node| mesh.managers[*node].info(id).is_none()), "seed {seed}");
    }
}
