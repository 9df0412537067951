//! Who asks whom: every node for what every other has made, one of the nodes slow. Clients of a host, and members of a mesh among them.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{OwnershipOutcome, RefusedOwnership};
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{
    ALWAYS, Ball, KEPT, NEVER, Rock, SOMETIMES, Secret, Tome, answers, asked, check_agreement, control, hybrid, member,
    mesh, owner, settle,
};

/// A host and three clients, the last of which ticks when the others have ticked four times.
fn nodes(seed: u64, weather: Weather) -> Mesh {
    let mut mesh = mesh(3, seed, weather);
    mesh.slow.insert(3, 4);
    mesh
}

/// A host, two members of a mesh and two clients, the last of which is as slow.
fn mixed(seed: u64, weather: Weather) -> Mesh {
    let mut mesh = hybrid(2, 2, seed, weather);
    mesh.slow.insert(4, 4);
    mesh
}

/// A call from every node reaches the owner, once, and nobody else.
#[track_caller]
fn check_control(mesh: &mut Mesh, id: ReplicaId) {
    let there = owner(mesh, id);
    for node in mesh.nodes() {
        control(mesh, node, id, 7);
    }
    settle(mesh);
    for node in mesh.nodes() {
        let mut sources = mesh.managers[node].get::<Ball>(id).unwrap().controls.clone();
        sources.sort_unstable();
        let all: Vec<_> = mesh.nodes().into_iter().map(|node| (member(node), 7)).collect();
        assert_eq!(sources, if node == there { all } else { Vec::new() }, "at node {node}");
    }
}

#[test]
fn replication_scenario_16_everyone_gets_what_its_owner_gives_and_nothing_else() {
    for is_mixed in [false, true] {
        let count = if is_mixed { 5 } else { 4 };
        for weather in [Weather::FAIR, Weather::FOUL] {
            for keeps in [ALWAYS, NEVER, SOMETIMES] {
                for from in 0..count {
                    for to in (0..count).filter(|to| *to != from) {
                        let mesh = if is_mixed { mixed(1, weather) } else { nodes(1, weather) };
                        check_request(mesh, (from, to), keeps);
                    }
                }
            }
        }
    }
}

#[track_caller]
fn check_request(mut mesh: Mesh, (from, to): (usize, usize), keeps: u8) {
    let ball = Ball { x: 5, keeps, ..Ball::default() };
    let id = mesh.managers[from].add(ball).unwrap();
    settle(&mut mesh);
    mesh.managers[to].request_ownership(id).unwrap();
    assert_eq!(mesh.managers[to].request_ownership(id), Err(ReplicaError::AlreadyAsked(id)));
    settle(&mut mesh);
    let refusal = match keeps {
        NEVER => Some(KEPT),
        SOMETIMES if member(to).0.is_multiple_of(2) => Some(KEPT + 1),
        _ => None,
    };
    let outcome = match refusal {
        Some(code) => OwnershipOutcome::Refused(RefusedOwnership::ByGame(code)),
        None => OwnershipOutcome::Granted,
    };
    assert_eq!(answers(&mut mesh, to), [(id, outcome)], "{from} to {to}");
    assert_eq!(asked(&mesh, id), 1, "{from} to {to}");
    assert_eq!(owner(&mesh, id), if refusal.is_some() { from } else { to });
    check_control(&mut mesh, id);
    let there = owner(&mesh, id);
    mesh.managers[there].primary_mut::<Ball>(id).unwrap().x = 6;
    settle(&mut mesh);
    check_agreement(&mesh);
    assert_eq!(mesh.managers[from].get::<Ball>(id).unwrap().x, 6);
}

#[test]
fn what_cannot_migrate_is_not_asked_for_long() {
    let mut mesh = nodes(1, Weather::FAIR);
    let alone = mesh.managers[1].add(Rock { x: 1 }).unwrap();
    let beside = mesh.managers[1].spawn().with(Ball::default()).with(Rock { x: 2 }).add().unwrap();
    settle(&mut mesh);
    for id in [alone, beside] {
        mesh.managers[2].request_ownership(id).unwrap();
        settle(&mut mesh);
        let outcome = OwnershipOutcome::Refused(RefusedOwnership::NotMigratable);
        assert_eq!(answers(&mut mesh, 2), [(id, outcome)]);
        assert_eq!(owner(&mesh, id), 1);
        assert_eq!(mesh.managers[0].set_owner(id, member(2)), Err(ReplicaError::NotMigratable(id)));
    }
    assert_eq!(asked(&mesh, beside), 0, "the game is not bothered");
}

/// All want it, one after the other, while it still is on its way to those before.
#[test]
fn replication_scenario_16_requests_in_a_row_end_in_the_last() {
    for seed in 0..40 {
        for first in 0..4 {
            let mut mesh = nodes(seed, [Weather::FAIR, Weather::FOUL][(seed / 2 % 2) as usize]);
            let id = mesh.managers[first].add(Ball::default()).unwrap();
            settle(&mut mesh);
            // Every request arrives at the host before the next is made.
            let mut order: Vec<_> = (0..4).filter(|node| *node != first).collect();
            order.rotate_left(usize::try_from(seed % 3).unwrap());
            // The host need not wait until a transfer is over for all, so that it may come before who asked a moment ago.
            if order[2] == 0 {
                order.swap(1, 2);
            }
            for to in &order {
                mesh.managers[*to].request_ownership(id).unwrap();
                mesh.run(16);
            }
            let (requests, last) = (3, order[2]);
            settle(&mut mesh);
            assert_eq!(owner(&mesh, id), last, "seed {seed}");
            assert_eq!(asked(&mesh, id), requests, "seed {seed}: each request is judged once");
            let mut outcomes = Vec::new();
            for node in 0..4 {
                outcomes.extend(answers(&mut mesh, node).into_iter().map(|(_, outcome)| outcome));
            }
            assert_eq!(outcomes.len(), 3, "seed {seed}: {outcomes:?}");
            let overtaken = OwnershipOutcome::Refused(RefusedOwnership::Overtaken);
            assert!(outcomes.iter().all(|outcome| [OwnershipOutcome::Granted, overtaken].contains(outcome)));
            check_control(&mut mesh, id);
        }
    }
}

/// In a mesh it is the owner that puts requests in order, and the way there differs from asker to asker: so each asks when the one before was heard
/// there, and is still to get it.
#[test]
fn replication_scenario_16_requests_in_a_row_end_in_the_last_in_a_mesh_too() {
    let mut under_way = 0;
    for (seed, first) in (0..40).flat_map(|seed| (0..5).map(move |first| (seed, first))) {
        let mut mesh = mixed(seed, [Weather::FAIR, Weather::FOUL][(seed / 2 % 2) as usize]);
        let id = mesh.managers[first].add(Ball::default()).unwrap();
        settle(&mut mesh);
        let mut order: Vec<_> = (0..5).filter(|node| *node != first).collect();
        order.rotate_left(usize::try_from(seed % 4).unwrap());
        for (heard, to) in (1..).zip(&order) {
            under_way += u32::from(heard > 1 && !mesh.managers[order[heard as usize - 2]].info(id).unwrap().is_primary);
            mesh.managers[*to].request_ownership(id).unwrap();
            (0..2_000).find(|_| {
                mesh.step();
                asked(&mesh, id) == heard
            });
        }
        settle(&mut mesh);
        assert_eq!(owner(&mesh, id), order[3], "seed {seed}, first {first}");
        assert_eq!(asked(&mesh, id), 4, "seed {seed}: each request is judged once");
        let mut outcomes = Vec::new();
        for node in 0..5 {
            outcomes.extend(answers(&mut mesh, node).into_iter().map(|(_, outcome)| outcome));
        }
        assert_eq!(outcomes.len(), 4, "seed {seed}: {outcomes:?}");
        let overtaken = OwnershipOutcome::Refused(RefusedOwnership::Overtaken);
        assert!(outcomes.iter().all(|outcome| [OwnershipOutcome::Granted, overtaken].contains(outcome)));
        check_control(&mut mesh, id);
    }
    assert!(under_way > 400, "{under_way} of 600 asked while it was on its way");
}

#[test]
fn all_at_once_end_in_one() {
    for seed in 0..100 {
        let mut mesh = nodes(seed, Weather::FOUL);
        let id = mesh.managers[usize::try_from(seed % 4).unwrap()].add(Ball::default()).unwrap();
        settle(&mut mesh);
        let mut requests = 0;
        for node in 0..4 {
            requests += u32::from(mesh.managers[node].request_ownership(id).is_ok());
        }
        settle(&mut mesh);
        let there = owner(&mesh, id);
        assert_eq!(asked(&mesh, id), requests);
        for node in 0..4 {
            let answers = answers(&mut mesh, node);
            assert_eq!(
                answers.len(),
                usize::from(node != usize::try_from(seed % 4).unwrap()),
                "node {node}: {answers:?}"
            );
        }
        check_control(&mut mesh, id);
        assert_eq!(owner(&mesh, id), there);
    }
}

#[test]
fn the_host_gives_what_is_anyones_to_anyone() {
    for from in 0..4 {
        for to in 0..4 {
            let mut mesh = nodes(1, Weather::FOUL);
            let id = mesh.managers[from].add(Ball { keeps: NEVER, ..Ball::default() }).unwrap();
            settle(&mut mesh);
            mesh.managers[0].set_owner(id, member(to)).unwrap();
            settle(&mut mesh);
            assert_eq!(owner(&mesh, id), to, "from {from}");
            assert_eq!(asked(&mesh, id), 0, "it is not asked");
            check_control(&mut mesh, id);
        }
    }
    let mut mesh = nodes(1, Weather::FAIR);
    let id = mesh.managers[1].add(Ball::default()).unwrap();
    settle(&mut mesh);
    assert_eq!(mesh.managers[2].set_owner(id, member(2)), Err(ReplicaError::NotPrimary(id)));
    assert_eq!(mesh.managers[0].set_owner(id, MemberId(9)), Err(ReplicaError::NoSuchMember(MemberId(9))));
    for node in [0, 1] {
        let nobody = MemberId::NONE;
        assert_eq!(mesh.managers[node].set_owner(id, nobody), Err(ReplicaError::NoSuchMember(nobody)));
    }
    mesh.managers[1].set_owner(id, member(2)).unwrap();
    settle(&mut mesh);
    assert_eq!(owner(&mesh, id), 2, "its owner gives it away");
    mesh.managers[2].set_owner(id, MemberId(9)).unwrap();
    settle(&mut mesh);
    assert_eq!(owner(&mesh, id), 2, "to nobody");
}

/// What the host has chosen is not undone by an offer that was under way.
#[test]
fn the_host_overrules_an_offer() {
    for seed in 0..50 {
        let mut mesh = nodes(seed, Weather::FAIR);
        let id = mesh.managers[1].add(Ball::default()).unwrap();
        settle(&mut mesh);
        mesh.managers[2].request_ownership(id).unwrap();
        while asked(&mesh, id) == 0 {
            mesh.step();
        }
        mesh.managers[0].set_owner(id, member(3)).unwrap();
        settle(&mut mesh);
        assert_eq!(owner(&mesh, id), 3, "seed {seed}");
        assert_eq!(answers(&mut mesh, 2).len(), 1);
    }
}

/// A third node has nothing of it but its existence; the transfer does not wait for it.
#[test]
fn replication_scenario_20c_a_third_node_may_have_nothing_of_what_changes_hands() {
    for (from, to) in [(0, 1), (1, 0), (1, 2)] {
        let mut mesh = nodes(3, Weather::FOUL);
        mesh.slow.insert(3, 1_000); // And says nothing.
        let id = mesh.managers[from].add(Secret { x: 8 }).unwrap();
        mesh.run(60);
        mesh.managers[to].request_ownership(id).unwrap();
        mesh.run(60);
        assert_eq!(answers(&mut mesh, to), [(id, OwnershipOutcome::Granted)]);
        mesh.managers[to].primary_mut::<Secret>(id).unwrap().x = 9;
        mesh.run(60);
        assert_eq!(mesh.managers[from].get::<Secret>(id).unwrap().x, 9);
        mesh.slow.clear();
        settle(&mut mesh);
        assert_eq!(owner(&mesh, id), to);
        assert_eq!(mesh.managers[3].get::<Secret>(id), Ok(&Secret { x: 0 }));
        // It may own it all the same.
        mesh.managers[0].set_owner(id, member(3)).unwrap();
        settle(&mut mesh);
        assert_eq!((owner(&mesh, id), mesh.managers[3].get::<Secret>(id)), (3, Ok(&Secret { x: 9 })));
        // And has nothing of it again when it does not.
        mesh.managers[0].set_owner(id, member(to)).unwrap();
        settle(&mut mesh);
        assert_eq!((owner(&mesh, id), mesh.managers[3].get::<Secret>(id)), (to, Ok(&Secret { x: 0 })));
    }
}

/// Who has not heard of a replica yet is told all of it with the ownership.
#[test]
fn what_a_node_has_never_seen_can_be_its_own() {
    let mut mesh = mesh(2, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Ball { x: 4, ..Ball::default() }).unwrap();
    mesh.managers[0].set_owner(id, member(1)).unwrap();
    settle(&mut mesh);
    assert_eq!((owner(&mesh, id), mesh.managers[1].get::<Ball>(id).unwrap().x), (1, 4));
    let mut events = Vec::new();
    while let Some(event) = mesh.managers[1].poll_event() {
        events.push(event);
    }
    events.retain(|event| !matches!(event, ReplicaEvent::Synced { .. }));
    let owner = MemberId::HOST;
    assert_eq!(events, [ReplicaEvent::Added { id, owner }, ReplicaEvent::OwnerChanged { id, owner: member(1) }]);
}

#[test]
fn what_is_too_large_to_be_sent_stays() {
    for from in [0, 1] {
        let mut mesh = mesh(2, 1, Weather::FAIR);
        let id = mesh.managers[from].add(Ball::default()).unwrap();
        settle(&mut mesh);
        mesh.managers[from].primary_mut::<Ball>(id).unwrap().text = "x".repeat(60_000);
        mesh.managers[2].request_ownership(id).unwrap();
        settle(&mut mesh);
        let outcome = OwnershipOutcome::Refused(RefusedOwnership::TooLarge);
        assert_eq!(answers(&mut mesh, 2), [(id, outcome)], "from {from}");
        assert_eq!(owner(&mesh, id), from);
        assert_eq!(mesh.managers[from].info(id).unwrap().epoch, 1);
        let mut ball = mesh.managers[from].primary_mut::<Ball>(id).unwrap();
        (ball.x, ball.text) = (3, String::new());
        settle(&mut mesh);
        check_agreement(&mesh);
        check_control(&mut mesh, id);
    }
}

/// What can just be sent cannot change hands, for that takes a few bits more. A change that waits when that turns out is sent.
#[test]
fn what_does_not_go_after_all_loses_no_change() {
    for from in [0, 1] {
        let mut mesh = mesh(2, 2, Weather::FAIR);
        let id = mesh.managers[from].add(Tome::default()).unwrap();
        let longest = (16_300..16_384).rev().find(|length| {
            mesh.managers[from].primary_mut::<Tome>(id).unwrap().text = "x".repeat(*length);
            settle(&mut mesh);
            mesh.managers[2].get::<Tome>(id).is_ok_and(|tome| tome.text.len() == *length)
        });
        assert!(longest.is_some(), "some length is one that can be sent");
        mesh.run(210);
        for page in [1, 2] {
            mesh.managers[from].primary_mut::<Tome>(id).unwrap().page = page;
            mesh.run(1);
        }
        mesh.managers[2].request_ownership(id).unwrap();
        mesh.run(80);
        let outcome = OwnershipOutcome::Refused(RefusedOwnership::TooLarge);
        assert_eq!(answers(&mut mesh, 2), [(id, outcome)], "from {from}");
        assert_eq!(mesh.managers[2].get::<Tome>(id).unwrap().page, 1, "it is withheld");
        mesh.run(240);
        for node in 0..3 {
            assert_eq!(mesh.managers[node].get::<Tome>(id).unwrap().page, 2, "node {node}, from {from}");
        }
    }
}

#[test]
fn what_ends_meanwhile_is_gone() {
    for seed in 0..60 {
        for from in [0, 1] {
            let mut mesh = mesh(2, seed, Weather::FOUL);
            let id = mesh.managers[from].add(Ball::default()).unwrap();
            settle(&mut mesh);
            mesh.managers[2].request_ownership(id).unwrap();
            mesh.run(seed % 30);
            let there = (0..3).find(|node| mesh.managers[*node].info(id).is_some_and(|info| info.is_primary));
            // Between two owners there is nobody to end it.
            let Some(there) = there else { continue };
            mesh.managers[there].destroy(id).unwrap();
            settle(&mut mesh);
            mesh.run(40);
            assert!((0..3).all(|node| mesh.managers[node].is_empty()), "seed {seed}, {from}");
            let answers = answers(&mut mesh, 2);
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
    }
}

/// What a node has called before it knew that it is the owner comes back to it, and counts once.
#[test]
fn calls_on_what_is_ones_own_by_now_come_back() {
    let mut mesh = mesh(1, 2, Weather::FAIR);
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    settle(&mut mesh);
    mesh.managers[0].set_owner(id, member(1)).unwrap();
    mesh.step();
    assert_eq!(mesh.managers[0].info(id).unwrap().owner, member(1));
    for number in 0..10 {
        mesh.managers[1].proxy::<Ball>(id).unwrap().rpcs().rare(number).unwrap();
    }
    mesh.step();
    assert!(!mesh.managers[1].info(id).unwrap().is_primary, "the calls are on their way");
    settle(&mut mesh);
    let ran = &mesh.managers[1].get::<Ball>(id).unwrap().controls;
    assert_eq!(*ran, (0..10).map(|number| (member(1), number)).collect::<Vec<_>>());
}
