//! Between the loss of a host and the next one: what waits, who comes and goes, and what changes hands meanwhile.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerFault;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, check_agreement, control, hybrid, member, note, owner, settle};
use super::heirs::{claims, orphaned, say_last_words};

/// The heir has heard nothing of it before it is the host.
#[test]
fn what_members_make_meanwhile_is_theirs() {
    for seed in 0..20 {
        let mut mesh = hybrid(3, 0, seed, [Weather::FAIR, Weather::FOUL][usize::from(seed > 3)]);
        settle(&mut mesh);
        mesh.die(0);
        (1..4).for_each(|node| mesh.lose_host(node));
        let before = [1, 2, 3].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        mesh.take_over(1);
        mesh.managers[3].destroy(before[2]).unwrap();
        mesh.follow(3);
        mesh.run(seed % 4);
        let after = [1, 2, 3].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        mesh.follow(2);
        mesh.managers[2].destroy(after[1]).unwrap();
        settle(&mut mesh);
        check_agreement(&mesh);
        assert_eq!([before[0], before[1], after[0], after[2]].map(|id| owner(&mesh, id)), [1, 2, 1, 3]);
        assert_eq!(mesh.managers[1].len(), 4);
    }
}

/// It reports, and is lost; and who comes then is known to the heir by the same number.
#[test]
fn who_comes_in_the_place_of_one_that_is_lost_has_nothing_of_it() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    settle(&mut mesh);
    mesh.managers[0].set_owner(id, member(2)).unwrap();
    settle(&mut mesh);
    orphaned(&mut mesh);
    mesh.follow(2);
    mesh.run(14);
    let place = mesh.peer(1, 2);
    mesh.die(2);
    mesh.lose(1, 2);
    mesh.lose(3, 2);
    let newcomer = mesh.join_mesh();
    assert_eq!(mesh.peer(1, newcomer), place);
    mesh.follow(3);
    settle(&mut mesh);
    check_agreement(&mesh);
    assert_eq!(owner(&mesh, id), 1);
}

/// A member was lost, and then the host, before it had said what becomes of that; and then it takes long to find another.
#[test]
fn what_waited_for_the_lost_host_waits_for_the_next() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let id = mesh.managers[3].add(Ball::default()).unwrap();
    settle(&mut mesh);
    mesh.die(3);
    mesh.lose(1, 3);
    mesh.lose(2, 3);
    mesh.die(0);
    mesh.lose_host(1);
    mesh.lose_host(2);
    mesh.run(400);
    let gone = |mesh: &mut Mesh| {
        core::iter::from_fn(|| mesh.managers[2].poll_event()).any(|event| event == ReplicaEvent::Removed { id })
    };
    mesh.take_over(1);
    mesh.follow(2);
    settle(&mut mesh);
    check_agreement(&mesh);
    assert_eq!((owner(&mesh, id), gone(&mut mesh)), (1, false));
    // As long as for the last one it waits for no other.
    let id = mesh.managers[1].add(Ball::default()).unwrap();
    settle(&mut mesh);
    mesh.die(1);
    mesh.lose_host(2);
    let second = mesh.join();
    mesh.lose(second, 1);
    mesh.run(400);
    mesh.take_over(2);
    settle(&mut mesh);
    assert!(mesh.managers[2].info(id).unwrap().is_primary);
}

/// What the lost host had recalled, and was not released: it stays where it is, and calls on it go there, as directly as before.
#[test]
fn a_recall_ends_with_its_host() {
    for seed in 0..60 {
        let mut mesh = hybrid(3, 0, seed, Weather::FAIR);
        let id = mesh.managers[3].add(Ball::default()).unwrap();
        settle(&mut mesh);
        if seed % 2 == 1 {
            mesh.managers[0].set_owner(id, member(2)).unwrap();
            settle(&mut mesh);
            mesh.managers[0].set_owner(id, member(3)).unwrap();
            settle(&mut mesh);
        }
        // Node 3 itself does not hear of it.
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        say_last_words(&mut mesh, &[(1, true), (2, true), (3, false)]);
        mesh.run(1 + seed % 15);
        orphaned(&mut mesh);
        note(&mut mesh, 2, id, 1);
        mesh.run(2);
        mesh.follow(2);
        mesh.follow(3);
        settle(&mut mesh);
        assert_eq!(owner(&mesh, id), 3);
        mesh.overheard = Some(Vec::new());
        control(&mut mesh, 2, id, 2);
        mesh.step();
        let to: Vec<_> = mesh.overheard.take().unwrap().into_iter().map(|(from, to, _)| (from, to)).collect();
        assert_eq!(to, [(2, 3)], "directly");
        mesh.run(30);
        let ball = mesh.managers[3].get::<Ball>(id).unwrap();
        assert_eq!((&ball.notes[..], &ball.controls[..]), (&[(member(2), 1)][..], &[(member(2), 2)][..]));
        // What was said of it for the last host counts no more for the next: all calls arrive.
        let mut number = 3;
        mesh.managers[1].set_owner(id, member(1)).unwrap();
        while !mesh.managers[1].info(id).unwrap().is_primary {
            control(&mut mesh, 2, id, number);
            number += 1;
            mesh.step();
        }
        settle(&mut mesh);
        let of = |node: usize| mesh.managers[node].get::<Ball>(id).unwrap().controls.iter().map(|(_, number)| *number);
        let mut ran: Vec<_> = of(1).chain(of(3)).collect();
        ran.sort_unstable();
        assert_eq!(ran, (2..number).collect::<Vec<_>>());
    }
}

#[test]
fn the_last_calls_before_an_end_run_while_there_is_no_host() {
    for seed in 0..10 {
        let mut mesh = hybrid(3, 0, seed, Weather::FAIR);
        let id = mesh.managers[2].add(Ball::default()).unwrap();
        settle(&mut mesh);
        orphaned(&mut mesh);
        mesh.follow(2);
        mesh.run(seed);
        let ran = |mesh: &Mesh| [1, 3].map(|node| mesh.managers[node].stats().rpcs_run);
        let before = ran(&mesh);
        (0..5).for_each(|number| note(&mut mesh, 2, id, number));
        mesh.step();
        mesh.managers[2].destroy(id).unwrap();
        mesh.run(20);
        assert!(mesh.managers[1].info(id).is_some() && mesh.managers[3].info(id).is_none());
        mesh.follow(3);
        settle(&mut mesh);
        assert!(mesh.managers[1].info(id).is_none());
        assert_eq!(ran(&mesh), before.map(|count| count + 5), "seed {seed}");
    }
}

#[test]
fn nothing_is_kept_for_a_lost_host() {
    let mut mesh = hybrid(1, 0, 2, Weather::FAIR);
    let balls = [0, 1].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
    settle(&mut mesh);
    let host = mesh.peer(1, 0);
    note(&mut mesh, 1, balls[0], 1);
    mesh.managers[1].prepare();
    mesh.die(0);
    mesh.lose_host(1);
    let dropped = mesh.managers[1].stats().rpcs_dropped;
    for number in 2..20 {
        mesh.managers[1].primary_mut::<Ball>(balls[1]).unwrap().x = number;
        (0..2).for_each(|ball| note(&mut mesh, 1, balls[ball], number));
        mesh.step();
        let manager = &mut mesh.managers[1];
        assert!(!manager.has_state_for(host) && manager.marshal(host, 1_000, &mut Vec::new()).is_none());
        manager.drain_calls(host, |_, _| panic!("it is lost"));
    }
    assert_eq!(dropped, 1, "what was to go when it was lost");
    assert_eq!(mesh.managers[1].stats().rpcs_dropped, dropped);
    mesh.take_over(1);
    mesh.step();
    mesh.step();
    let notes = balls.map(|id| mesh.managers[1].get::<Ball>(id).unwrap().notes.len());
    assert_eq!(notes, [18, 18]);
}

/// It was about to let go, when it heard that there is nobody to have it.
#[test]
fn what_has_not_left_stays() {
    for runs_first in [false, true] {
        let mut mesh = hybrid(1, 0, 2, Weather::FAIR);
        let id = mesh.managers[1].add(Ball { x: 3, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        say_last_words(&mut mesh, &[(1, true)]);
        if runs_first {
            mesh.update(1);
        }
        mesh.die(0);
        mesh.lose_host(1);
        mesh.update(1);
        mesh.managers[1].prepare();
        assert!(mesh.managers[1].info(id).unwrap().is_primary);
        note(&mut mesh, 1, id, 1);
        mesh.take_over(1);
        mesh.step();
        let ball = mesh.managers[1].get::<Ball>(id).unwrap();
        assert_eq!((mesh.managers[1].info(id).unwrap().epoch, &ball.notes[..]), (1, &[(member(1), 1)][..]));
    }
}

#[test]
fn who_follows_before_its_heir_knows_waits_for_it() {
    let mut mesh = hybrid(2, 0, 2, Weather::FAIR);
    let balls = [0, 1].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
    settle(&mut mesh);
    mesh.die(0);
    [1, 2].into_iter().for_each(|node| mesh.lose_host(node));
    let heir = mesh.peer(2, 1);
    mesh.managers[2].follow_host(heir, 1).unwrap();
    note(&mut mesh, 2, balls[0], 3);
    note(&mut mesh, 2, balls[1], 4);
    mesh.run(250);
    assert_eq!(mesh.managers[1].get::<Ball>(balls[1]).unwrap().notes, [], "what is said to a host");
    mesh.take_over(1);
    mesh.run(2);
    settle(&mut mesh);
    for (ball, number) in balls.into_iter().zip(3..) {
        assert_eq!(owner(&mesh, ball), 1);
        assert_eq!(mesh.managers[1].get::<Ball>(ball).unwrap().notes, [(member(2), number)]);
    }
    settle(&mut mesh);
    check_agreement(&mesh);
}

#[test]
fn who_follows_a_node_that_nobody_else_does_is_at_fault() {
    let mut mesh = hybrid(2, 0, 2, Weather::FAIR);
    settle(&mut mesh);
    mesh.give_call(2, 1, &claims(|_| (), true)).unwrap();
    mesh.run(300);
    let faults: Vec<_> = (0..6)
        .flat_map(|_| {
            mesh.tick += 1;
            mesh.update(1)
        })
        .collect();
    assert_eq!(faults, [PeerFault::NotOwner], "after ten seconds");
}

#[test]
fn those_who_come_while_there_is_no_host_are_served_by_the_next() {
    for seed in 0..6 {
        let mut mesh = hybrid(3, 0, seed, [Weather::FAIR, Weather::FOUL][usize::from(seed > 1)]);
        let balls = [0, 1, 2].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        settle(&mut mesh);
        mesh.managers[0].set_owner(balls[1], member(2)).unwrap();
        settle(&mut mesh);
        orphaned(&mut mesh);
        mesh.run(2);
        let (second, client) = (mesh.join_mesh(), mesh.join());
        mesh.managers[client].add(Ball::default()).unwrap();
        mesh.run(10);
        mesh.follow(2);
        mesh.run(10);
        mesh.follow(3);
        settle(&mut mesh);
        check_agreement(&mesh);
        assert_eq!(mesh.managers[client].len(), 4);
        mesh.managers[second].request_ownership(balls[0]).unwrap();
        settle(&mut mesh);
        assert_eq!(balls.map(|id| owner(&mesh, id)), [second, 2, 2]);
    }
}
