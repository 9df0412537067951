//! The host is lost, and a member of the mesh takes its place.

use gridmate_runtime::Rng;
use gridmate_runtime::limits::EPOCHS_PER_TERM;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{Adopt, OwnershipOutcome, PeerFault, SuccessionError};
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, Rock, answers, check_agreement, control, hybrid, member, mesh, note, owner, settle};

/// The host dies, everyone notices at once, and `heir` takes its place.
fn succeed(mesh: &mut Mesh, heir: usize) {
    mesh.die(mesh.host);
    mesh.nodes().into_iter().for_each(|node| mesh.lose_host(node));
    mesh.take_over(heir);
    follow(mesh);
}

fn follow(mesh: &mut Mesh) {
    for node in mesh.nodes() {
        if node != mesh.host {
            mesh.follow(node);
        }
    }
}

fn events(mesh: &mut Mesh, node: usize) -> Vec<ReplicaEvent> {
    core::iter::from_fn(|| mesh.managers[node].poll_event()).collect()
}

/// The hosts that a node has heard of.
fn hosts(events: &[ReplicaEvent]) -> Vec<MemberId> {
    let host = |event: &ReplicaEvent| match event {
        ReplicaEvent::HostChanged { host } => Some(*host),
        _ => None,
    };
    events.iter().filter_map(host).collect()
}

#[test]
fn replication_scenario_20d_a_lone_survivor_completes_host_migration() {
    for seed in 0..8 {
        let weather = [Weather::FAIR, Weather::FOUL][usize::from(seed > 1)];
        // The only client of a host, and the only other member of a mesh.
        for mut mesh in [mesh(1, seed, weather), hybrid(1, 0, seed, weather)] {
            let theirs = mesh.managers[0].add(Ball { x: 5, ..Ball::default() }).unwrap();
            let rock = mesh.managers[0].add(Rock { x: 6 }).unwrap();
            let ours = mesh.managers[1].add(Ball { x: 7, ..Ball::default() }).unwrap();
            mesh.settle();
            events(&mut mesh, 1);
            succeed(&mut mesh, 1);
            assert_eq!(mesh.managers[1].info(theirs).unwrap().owner, MemberId::HOST, "it waits for an update");
            mesh.step();
            assert_eq!(mesh.nodes(), [1]);
            assert_eq!((owner(&mesh, theirs), owner(&mesh, ours)), (1, 1));
            let epoch = mesh.managers[1].info(theirs).unwrap().epoch;
            assert_eq!(epoch, EPOCHS_PER_TERM, "beyond whatever the host may have begun");
            assert_eq!(mesh.managers[1].info(ours).unwrap().epoch, 1);
            assert!(mesh.managers[1].info(rock).is_none(), "it cannot migrate");
            let events = events(&mut mesh, 1);
            assert_eq!(hosts(&events), [member(1)]);
            assert!(events.contains(&ReplicaEvent::OwnerChanged { id: theirs, owner: member(1) }));
            assert!(events.contains(&ReplicaEvent::Removed { id: rock }));
            // It is a host as any other.
            let client = mesh.join();
            let second = mesh.join_mesh();
            settle(&mut mesh);
            check_agreement(&mesh);
            mesh.managers[client].request_ownership(theirs).unwrap();
            control(&mut mesh, second, ours, 3);
            settle(&mut mesh);
            assert_eq!(answers(&mut mesh, client), [(theirs, OwnershipOutcome::Granted)]);
            assert_eq!(mesh.managers[1].get::<Ball>(ours).unwrap().controls, [(member(second), 3)]);
            mesh.managers[1].set_owner(ours, member(second)).unwrap();
            settle(&mut mesh);
            assert_eq!((owner(&mesh, theirs), owner(&mesh, ours)), (client, second));
            assert_eq!(mesh.managers[second].get::<Ball>(theirs).unwrap().x, 5);
            check_agreement(&mesh);
        }
    }
}

/// It was not alone when it began.
#[test]
fn replication_scenario_20d_who_is_left_alone_while_it_takes_over_completes_it_too() {
    for tick in 0..12 {
        let mut mesh = hybrid(2, 0, tick, Weather::FAIR);
        let balls = [0, 1, 2].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        mesh.settle();
        events(&mut mesh, 1);
        mesh.die(0);
        mesh.lose_host(1);
        mesh.take_over(1);
        // The other one dies before it has noticed anything, or when it has said so.
        if tick % 2 == 1 {
            mesh.lose_host(2);
            mesh.follow(2);
        }
        mesh.run(tick / 2);
        mesh.die(2);
        mesh.run(3);
        mesh.lose(1, 2);
        mesh.settle();
        assert!(balls.iter().all(|id| owner(&mesh, *id) == 1));
        assert_eq!(hosts(&events(&mut mesh, 1)), [member(1)]);
    }
}

/// A member is lost, then the host, then the next host: each time what was theirs, and what they had taken over, goes on.
#[test]
fn what_hosts_had_taken_over_goes_to_the_next() {
    for seed in 0..20 {
        let weather = [Weather::FAIR, Weather::FOUL][usize::from(seed > 3)];
        let mut mesh = hybrid(4, 0, seed, weather);
        let balls = [0, 1, 2, 3, 4].map(|node| mesh.managers[node].add(Ball { x: 9, ..Ball::default() }).unwrap());
        let rocks = [0, 1, 2].map(|node| mesh.managers[node].add(Rock::default()).unwrap());
        mesh.settle();
        (0..5).for_each(|node| drop(events(&mut mesh, node)));
        mesh.leave(4);
        settle(&mut mesh);
        assert_eq!(owner(&mesh, balls[4]), 0);
        succeed(&mut mesh, 1);
        settle(&mut mesh);
        assert_eq!(balls.map(|id| owner(&mesh, id)), [1, 1, 2, 3, 1]);
        check_agreement(&mesh);
        for node in 1..4 {
            let events = events(&mut mesh, node);
            assert_eq!(hosts(&events), [member(1)], "once at node {node}");
            let synced = ReplicaEvent::Synced { from: member(1), total: 2 };
            assert_eq!(
                events.contains(&synced),
                node != 1,
                "who is told when it has all that was taken over: {events:?}"
            );
        }
        succeed(&mut mesh, 3);
        settle(&mut mesh);
        assert_eq!(balls.map(|id| owner(&mesh, id)), [3, 3, 2, 3, 3]);
        let has = |node: usize| rocks.map(|id| mesh.managers[node].info(id).is_some());
        assert_eq!((has(2), has(3)), ([false, false, true], [false, false, true]));
        check_agreement(&mesh);
        assert!(mesh.nodes().iter().all(|node| mesh.managers[*node].get::<Ball>(balls[4]).unwrap().x == 9));
        // Those who come last hear of nobody but the last.
        let (second, client) = (mesh.join_mesh(), mesh.join());
        settle(&mut mesh);
        check_agreement(&mesh);
        mesh.managers[second].request_ownership(balls[2]).unwrap();
        mesh.managers[client].request_ownership(balls[4]).unwrap();
        settle(&mut mesh);
        assert_eq!((owner(&mesh, balls[2]), owner(&mesh, balls[4])), (second, client));
    }
}

/// A ball is on its way from one to the other, and the host dies in some tick of that. Who notices when, and who is the heir, is all the same.
#[test]
fn a_host_may_be_lost_in_whichever_tick_of_a_transfer() {
    let (mut ends, mut epochs, mut taken) = ([0; 4], [0; 3], 0);
    for (seed, (from, to)) in (0..).zip((0..4).flat_map(|from| (0..4).map(move |to| (from, to)))) {
        for tick in 0..44 {
            let heir = 1 + (seed + usize::try_from(tick).unwrap()) % 3;
            if from == to {
                continue;
            }
            let weather = [Weather::FAIR, Weather::FOUL][usize::from(tick % 2 == 1)];
            let mut mesh = hybrid(3, 0, tick, weather);
            let id = mesh.managers[from].add(Ball { x: 5, ..Ball::default() }).unwrap();
            mesh.settle();
            mesh.managers[to].request_ownership(id).unwrap();
            let mut number = 0;
            let mut tick_of = |mesh: &mut Mesh| {
                for node in mesh.nodes() {
                    number += 1;
                    note(mesh, node, id, number);
                }
                mesh.step();
            };
            (0..tick).for_each(|_| tick_of(&mut mesh));
            mesh.die(0);
            let mut rng = Rng::new(tick);
            for node in [heir].into_iter().chain((1..4).filter(|node| *node != heir)) {
                (0..rng.below(4)).for_each(|_| tick_of(&mut mesh));
                mesh.lose_host(node);
            }
            mesh.take_over(heir);
            for node in (1..4).filter(|node| *node != heir) {
                (0..rng.below(4)).for_each(|_| tick_of(&mut mesh));
                mesh.follow(node);
            }
            (0..40).for_each(|_| tick_of(&mut mesh));
            settle(&mut mesh);
            let there = owner(&mesh, id);
            ends[there] += 1;
            epochs[(mesh.managers[there].info(id).unwrap().epoch - 1).min(2) as usize] += 1;
            check_agreement(&mesh);
            for node in mesh.nodes() {
                let ball = mesh.managers[node].get::<Ball>(id).unwrap();
                assert_eq!(ball.x, 5);
                let mut numbers: Vec<_> = ball.notes.iter().map(|(_, number)| *number).collect();
                numbers.sort_unstable();
                assert!(numbers.is_sorted_by(|a, b| a < b), "{from} to {to}, tick {tick}, node {node}: at most once");
            }
            if to != 0 {
                let outcomes = answers(&mut mesh, to);
                // Though it has it no more, if nobody but the lost host knew that it had been given it.
                assert_eq!(outcomes, [(id, OwnershipOutcome::Granted)], "{from} to {to}, tick {tick}");
                taken += usize::from(there != to);
            }
            // Whoever has it can go on with it.
            let next = 1 + there % 3;
            mesh.managers[heir].set_owner(id, member(next)).unwrap();
            settle(&mut mesh);
            assert_eq!(owner(&mesh, id), next, "{from} to {to}, tick {tick}");
            check_agreement(&mesh);
        }
    }
    assert!(ends[1..].iter().all(|count| *count > 100), "{ends:?}");
    assert!(taken > 0, "it happens seldom");
    assert!(epochs.iter().all(|count| *count > 50), "{epochs:?}: not given yet, given, and taken over");
}

#[test]
fn calls_and_requests_wait_for_the_next_host_and_arrive_once() {
    for seed in 0..40 {
        let weather = [Weather::FAIR, Weather::FOUL][usize::from(seed % 4 > 1)];
        let mut mesh = hybrid(3, 1, seed, weather);
        let balls = [0, 1, 4].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        mesh.settle();
        mesh.die(0);
        mesh.die(4);
        (1..4).for_each(|node| mesh.lose_host(node));
        (1..4).for_each(|node| drop(events(&mut mesh, node)));
        for number in 0..20 {
            for (node, id) in (1..4).flat_map(|node| balls.map(|id| (node, id))) {
                note(&mut mesh, node, id, number);
            }
            mesh.step();
            match number {
                3 => {
                    mesh.managers[2].request_ownership(balls[0]).unwrap();
                    mesh.managers[3].request_ownership(balls[1]).unwrap();
                    let refused = mesh.managers[1].set_owner(balls[1], member(2));
                    assert_eq!(refused, Err(ReplicaError::NoHost(balls[1])));
                }
                5 => mesh.take_over(3),
                8 => mesh.follow(1),
                14 => mesh.follow(2),
                _ => {}
            }
        }
        settle(&mut mesh);
        assert_eq!(balls.map(|id| owner(&mesh, id)), [2, 3, 3]);
        assert_eq!(answers(&mut mesh, 2), [(balls[0], OwnershipOutcome::Granted)]);
        assert_eq!(answers(&mut mesh, 3), [(balls[1], OwnershipOutcome::Granted)]);
        check_agreement(&mesh);
        for (node, id) in (1..4).flat_map(|node| balls.map(|id| (node, id))) {
            let mut notes = mesh.managers[node].get::<Ball>(id).unwrap().notes.clone();
            notes.sort_unstable();
            let expected: Vec<_> = (1..4).flat_map(|caller| (0..20).map(move |n| (member(caller), n))).collect();
            assert_eq!(notes, expected, "seed {seed}, node {node}, {id}");
        }
    }
}

#[test]
fn what_was_asked_of_a_lost_host_is_not_answered() {
    let mut mesh = hybrid(3, 1, 2, Weather::FAIR);
    let balls = [0, 2, 4].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
    mesh.settle();
    mesh.die(0);
    mesh.die(4);
    let ask = |mesh: &mut Mesh, node: usize| {
        balls.map(|id| mesh.managers[node].proxy::<Ball>(id).map(|mut ball| ball.rpcs().ask(7).unwrap()))
    };
    let early = [1, 3].map(|node| (node, ask(&mut mesh, node)));
    mesh.step();
    (1..4).for_each(|node| mesh.lose_host(node));
    // These wait for the next host, as other calls do.
    let late = [1, 3].map(|node| (node, ask(&mut mesh, node)));
    mesh.run(4);
    mesh.take_over(1);
    follow(&mut mesh);
    settle(&mut mesh);
    for ((node, early), (_, late)) in early.into_iter().zip(late) {
        let answers = early.map(|asked| mesh.managers[node].poll_reply(&asked.unwrap()));
        let lost = Some(Err(RequestError::OwnerGone));
        assert_eq!(answers, [lost, Some(Ok(8)), lost], "node {node}");
        let answers = late.map(|asked| mesh.managers[node].poll_reply(&asked.unwrap()));
        assert_eq!(answers, [Some(Ok(8)); 3], "node {node}");
    }
}

#[test]
fn the_game_says_who_inherits_from_a_host() {
    for (heir, there) in [(MemberId(4), 3), (MemberId(2), 1), (MemberId(1), 1), (MemberId(9), 1)] {
        let mut mesh = hybrid(3, 1, 1, Weather::FAIR);
        mesh.managers[1].set_adoption(move |_| Adopt::By(heir));
        let balls = [0, 4].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        mesh.settle();
        mesh.die(4);
        succeed(&mut mesh, 1);
        settle(&mut mesh);
        assert_eq!(balls.map(|id| owner(&mesh, id)), [there; 2], "{heir}");
        check_agreement(&mesh);
    }
    let mut mesh = hybrid(3, 0, 1, Weather::FAIR);
    mesh.managers[1].set_adoption(|_| Adopt::Nobody);
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    mesh.settle();
    succeed(&mut mesh, 1);
    settle(&mut mesh);
    assert!(mesh.nodes().iter().all(|node| mesh.managers[*node].info(id).is_none()));
}

/// Whatever the host had ended, and not everyone has heard of, does not come back; what only others have is gone for all.
#[test]
fn ends_of_the_lost_host_are_ends() {
    for seed in 0..60 {
        let mut mesh = hybrid(3, 0, seed, [Weather::FAIR, Weather::FOUL][usize::from(seed % 4 > 1)]);
        let id = mesh.managers[0].add(Ball::default()).unwrap();
        mesh.settle();
        note(&mut mesh, 0, id, 1);
        mesh.managers[0].destroy(id).unwrap();
        mesh.run(seed % 12);
        let late = mesh.managers[0].add(Ball::default()).unwrap();
        mesh.run(1 + seed % 4);
        let heir = 1 + usize::try_from(seed).unwrap() % 3;
        mesh.die(0);
        // Who has heard of the end has it for good.
        let had = |mesh: &Mesh| [1, 2, 3].map(|node| mesh.managers[node].info(id).is_some());
        mesh.run(1);
        let before = had(&mesh);
        let late_there = mesh.managers[heir].info(late).is_some();
        (1..4).for_each(|node| mesh.lose_host(node));
        mesh.take_over(heir);
        follow(&mut mesh);
        mesh.run(30);
        settle(&mut mesh);
        let after = had(&mesh);
        assert!(after == [true; 3] || after == [false; 3], "seed {seed}: {before:?}, {after:?}");
        assert!(before == [true; 3] || after == [false; 3], "seed {seed}: {before:?}, {after:?}");
        let late = [1, 2, 3].map(|node| mesh.managers[node].info(late).is_some());
        assert_eq!(late, [late_there; 3], "seed {seed}: what the heir has, and nothing else");
        check_agreement(&mesh);
    }
}

#[test]
fn who_does_not_follow_is_at_fault_and_not_waited_for() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    mesh.settle();
    mesh.die(0);
    (1..4).for_each(|node| mesh.lose_host(node));
    mesh.take_over(1);
    mesh.follow(2);
    // Five seconds of 33 ms.
    mesh.run(152);
    assert!(!mesh.managers[1].info(id).unwrap().is_primary);
    mesh.tick += 1;
    assert_eq!(mesh.update(1), [PeerFault::Limit("time to follow a new host")]);
    mesh.tick += 1;
    assert_eq!(mesh.update(1), [], "said once");
    mesh.die(3);
    [1, 2].into_iter().for_each(|node| mesh.lose(node, 3));
    settle(&mut mesh);
    assert_eq!(owner(&mesh, id), 1);
    check_agreement(&mesh);
}

#[test]
fn what_cannot_be_is_an_error() {
    let mut mesh = hybrid(2, 1, 2, Weather::FAIR);
    assert_eq!(mesh.managers[0].lose_host(), Err(SuccessionError::NoHost));
    assert_eq!(mesh.managers[0].take_over(1), Err(SuccessionError::NoHost));
    let peer = mesh.peer(0, 1);
    assert_eq!(mesh.managers[0].follow_host(peer, 1), Err(SuccessionError::NoHost));
    let host = mesh.peer(1, 0);
    assert_eq!(mesh.managers[1].follow_host(host, 1), Err(SuccessionError::NotAMember), "the host is no other's heir");
    let host = mesh.peer(3, 0);
    assert_eq!(mesh.managers[3].follow_host(host, 1), Err(SuccessionError::NotAMember));
    mesh.managers[1].take_over(0).unwrap_err();
    let peer = mesh.peer(1, 2);
    assert_eq!(mesh.managers[1].follow_host(peer, 0), Err(SuccessionError::OldTerm(0)));
    // Nothing has happened.
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    mesh.settle();
    mesh.managers[1].set_owner(id, member(1)).unwrap_err();
    mesh.managers[0].set_owner(id, member(1)).unwrap();
    settle(&mut mesh);
    assert_eq!(owner(&mesh, id), 1);
}

/// The session ends instead.
#[test]
fn who_gives_a_lost_host_up_has_what_is_its_own() {
    let mut mesh = hybrid(2, 0, 2, Weather::FAIR);
    let balls = [0, 1, 2].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
    mesh.settle();
    let host = mesh.peer(1, 0);
    mesh.die(0);
    mesh.lose_host(1);
    mesh.managers[1].take_over(1).unwrap();
    mesh.managers[1].remove_peer(host, false);
    assert_eq!(balls.map(|id| mesh.managers[1].info(id).is_some()), [false, true, true]);
    assert_eq!(mesh.managers[1].take_over(1), Err(SuccessionError::NoHost));
}
