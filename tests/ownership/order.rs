//! Messages in an order in which they come seldom.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::Verdict;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, check_agreement, member, mesh, note, owner};

/// The host gives a ball to client 1, to which nothing else was said of it but what is returned; it has just got it.
fn granted() -> (Mesh, ReplicaId, Vec<u8>) {
    let mut mesh = mesh(1, 2, Weather::FAIR);
    let id = mesh.managers[0].add(Ball { x: 4, ..Ball::default() }).unwrap();
    mesh.managers[0].prepare();
    let state = mesh.take_state(0, 1).pop().expect("the ball").1;
    mesh.managers[0].set_owner(id, member(1)).unwrap();
    mesh.managers[0].prepare();
    for (_, call) in mesh.take_calls(0, 1) {
        mesh.give_call(0, 1, &call).unwrap();
    }
    assert_eq!(mesh.update(1), []);
    assert!(mesh.managers[1].info(id).unwrap().is_primary);
    (mesh, id, state)
}

#[test]
fn what_the_host_said_before_is_late() {
    let (mut mesh, id, state) = granted();
    mesh.managers[1].primary_mut::<Ball>(id).unwrap().x = 5;
    assert_eq!(mesh.give_state(0, 1, &state), Ok(Verdict::TooLate));
    assert_eq!(mesh.managers[1].get::<Ball>(id).unwrap().x, 5);
}

/// All balls but the first go to client 1 and back. What was said of them as changes, all in a row, before that comes when nothing has come since.
#[test]
fn changes_from_before_it_went_to_and_fro_are_late() {
    let mut mesh = mesh(1, 2, Weather::FAIR);
    let ids: Vec<_> = (0..5).map(|_| mesh.managers[0].add(Ball { x: 4, ..Ball::default() }).unwrap()).collect();
    mesh.settle();
    for x in [5, 6] {
        ids.iter().for_each(|id| mesh.managers[0].primary_mut::<Ball>(*id).unwrap().x = x);
        mesh.step();
    }
    ids.iter().for_each(|id| mesh.managers[0].primary_mut::<Ball>(*id).unwrap().x = 7);
    mesh.managers[0].prepare();
    let changes = mesh.take_state(0, 1).pop().expect("the balls").1;
    for (at, new) in [(0, 1), (1, 0)] {
        ids[1..].iter().for_each(|id| mesh.managers[0].set_owner(*id, member(new)).unwrap());
        for _ in 0..3 {
            for (from, to) in [(0, 1), (1, 0)] {
                mesh.managers[from].prepare();
                for (_, call) in mesh.take_calls(from, to) {
                    mesh.give_call(from, to, &call).unwrap();
                }
                assert_eq!(mesh.update(to), []);
            }
        }
        assert!(ids[1..].iter().all(|id| !mesh.managers[at].info(*id).unwrap().is_primary), "from {at}");
    }
    assert_eq!(mesh.give_state(0, 1, &changes), Ok(Verdict::TooLate));
    mesh.settle();
    check_agreement(&mesh);
}

#[test]
fn an_owner_that_never_said_anything_can_end_it() {
    let (mut mesh, id, state) = granted();
    mesh.managers[1].destroy(id).unwrap();
    mesh.managers[1].prepare();
    assert_eq!(mesh.give_state(0, 1, &state), Ok(Verdict::TooLate), "it does not come back");
    assert!(mesh.managers[1].is_empty());
    for (_, end) in mesh.take_state(1, 0) {
        assert_eq!(mesh.give_state(1, 0, &end), Ok(Verdict::Accepted));
    }
    assert_eq!(mesh.update(0), []);
    assert!(mesh.managers[0].is_empty());
}

/// Client 1 has stopped, and ended its ball last. The host has taken it before, and given it back: it was not the client's to end.
#[test]
fn who_has_ended_what_was_taken_has_not_ended_it() {
    for rounds in [0, 1] {
        for back in [false, true] {
            let mut mesh = mesh(2, 2, Weather::FAIR);
            let id = mesh.managers[1].add(Ball { x: 4, ..Ball::default() }).unwrap();
            mesh.settle();
            for _ in 0..rounds {
                mesh.managers[0].set_owner(id, member(2)).unwrap();
                mesh.settle();
                mesh.managers[0].set_owner(id, member(1)).unwrap();
                mesh.settle();
            }
            mesh.slow.insert(1, u64::MAX);
            mesh.managers[1].destroy(id).unwrap();
            mesh.managers[1].prepare();
            assert!(mesh.managers[1].is_empty());
            mesh.managers[0].set_owner(id, member(0)).unwrap();
            mesh.run(160);
            if back {
                mesh.managers[0].set_owner(id, member(1)).unwrap();
                mesh.run(10);
            }
            mesh.slow.clear();
            mesh.settle();
            mesh.run(20);
            assert_eq!(owner(&mesh, id), usize::from(back));
            assert_eq!(mesh.managers[1].get::<Ball>(id).unwrap().x, 4);
            check_agreement(&mesh);
            let there = owner(&mesh, id);
            mesh.managers[there].destroy(id).unwrap();
            mesh.settle();
            assert!((0..3).all(|node| mesh.managers[node].is_empty()), "{rounds}, {back}");
        }
    }
}

/// The host has taken what client 1 owns, and ended it; of that client 1 hears before it hears of the recall.
#[test]
fn an_end_may_overtake_the_recall() {
    let mut mesh = mesh(1, 2, Weather::FAIR);
    let id = mesh.managers[1].add(Ball::default()).unwrap();
    mesh.settle();
    mesh.managers[0].set_owner(id, member(0)).unwrap();
    mesh.managers[0].prepare();
    let recall = mesh.take_calls(0, 1).pop().expect("a recall").1;
    mesh.tick += 160;
    assert_eq!(mesh.update(0), []);
    mesh.managers[0].destroy(id).unwrap();
    mesh.managers[0].prepare();
    for (_, end) in mesh.take_state(0, 1) {
        for _ in 0..2 {
            assert_eq!(mesh.give_state(0, 1, &end), Ok(Verdict::Accepted));
        }
    }
    assert!(mesh.managers[1].primary_mut::<Ball>(id).is_err());
    assert_eq!(mesh.update(1), []);
    assert!(mesh.managers[1].is_empty());
    mesh.give_call(0, 1, &recall).unwrap();
    assert_eq!(mesh.update(1), []);
    mesh.managers[1].prepare();
    assert_eq!(mesh.take_calls(1, 0), []);
    assert!(mesh.take_state(1, 0).is_empty());
}

/// The host has called a ball, given it to client 2, and passes on the news that this has ended it.
#[test]
fn an_end_waits_for_what_a_former_owner_called() {
    let mut mesh = mesh(2, 2, Weather::FAIR);
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    mesh.settle();
    note(&mut mesh, 0, id, 1);
    mesh.managers[0].set_owner(id, member(2)).unwrap();
    mesh.managers[0].prepare();
    let late = mesh.take_calls(0, 1);
    for (_, call) in mesh.take_calls(0, 2) {
        mesh.give_call(0, 2, &call).unwrap();
    }
    assert_eq!(mesh.update(2), []);
    mesh.managers[2].destroy(id).unwrap();
    mesh.managers[2].prepare();
    for (from, to) in [(2, 0), (0, 1)] {
        for (_, end) in mesh.take_state(from, to) {
            assert_eq!(mesh.give_state(from, to, &end), Ok(Verdict::Accepted));
        }
        assert_eq!(mesh.update(to), []);
        mesh.managers[to].prepare();
    }
    assert!(mesh.managers[0].is_empty());
    assert_eq!(mesh.managers[1].ids().collect::<Vec<_>>(), [id], "its end has come, and not the call before it");
    let ran = mesh.managers[1].stats().rpcs_run;
    for (_, call) in late {
        mesh.give_call(0, 1, &call).unwrap();
    }
    assert_eq!(mesh.update(1), []);
    assert!(mesh.managers[1].is_empty());
    assert_eq!(mesh.managers[1].stats().rpcs_run, ran + 1);
}

/// Client 1 has called its ball unreliably, and the host has taken it before it hears that, or gets the values that the call belongs
/// to. When the client has it back, and its values come, it is too late.
#[test]
fn an_echo_does_not_wait_for_its_owners_return() {
    let mut mesh = mesh(1, 2, Weather::FAIR);
    let id = mesh.managers[1].add(Ball::default()).unwrap();
    mesh.settle();
    let mut ball = mesh.managers[1].primary_mut::<Ball>(id).unwrap();
    ball.x = 1;
    ball.rpcs().hint(7).unwrap();
    mesh.managers[1].prepare();
    assert_eq!(mesh.take_state(1, 0).len(), 1, "it is lost");
    let late = mesh.take_calls(1, 0);
    mesh.managers[0].set_owner(id, member(0)).unwrap();
    mesh.settle();
    assert_eq!(owner(&mesh, id), 0);
    let peer = mesh.peer(0, 1);
    for (reliable, echo) in late {
        mesh.managers[0].handle_call(peer, reliable, &echo).unwrap();
    }
    assert_eq!(mesh.update(0), []);
    mesh.managers[0].set_owner(id, member(1)).unwrap();
    mesh.settle();
    assert_eq!(owner(&mesh, id), 1);
    mesh.managers[1].primary_mut::<Ball>(id).unwrap().x = 2;
    mesh.settle();
    let ball = mesh.managers[0].get::<Ball>(id).unwrap();
    assert_eq!((ball.x, &ball.notes), (2, &vec![]));
}

/// Client 1 has stopped: when it goes on, it hears that it was given a ball, that the host has taken it, and that it is given it again.
#[test]
fn of_two_gifts_that_come_together_the_last_counts() {
    let mut mesh = mesh(1, 2, Weather::FAIR);
    let id = mesh.managers[0].add(Ball::default()).unwrap();
    mesh.settle();
    let mut late = Vec::new();
    for next in [1, 0, 1] {
        mesh.managers[0].set_owner(id, member(next)).unwrap();
        mesh.managers[0].prepare();
        late.extend(mesh.take_calls(0, 1));
        mesh.tick += 160; // Longer than the host waits.
        assert_eq!(mesh.update(0), []);
        if let Ok(mut ball) = mesh.managers[0].primary_mut::<Ball>(id) {
            ball.x = 3;
        }
    }
    for (_, call) in late {
        mesh.give_call(0, 1, &call).unwrap();
    }
    assert_eq!(mesh.update(1), []);
    assert_eq!(owner(&mesh, id), 1);
    assert_eq!(mesh.managers[1].info(id).unwrap().epoch, mesh.managers[0].info(id).unwrap().epoch);
    assert_eq!(mesh.managers[1].get::<Ball>(id).unwrap().x, 3);
    mesh.settle();
    check_agreement(&mesh);
}

/// Client 1 hears the recall of its ball, and in the same tick that it was taken meanwhile, and given back: that is not recalled.
#[test]
fn a_recall_is_of_the_epoch_that_it_was_heard_in() {
    let mut mesh = mesh(2, 2, Weather::FAIR);
    let id = mesh.managers[1].add(Ball { x: 4, ..Ball::default() }).unwrap();
    mesh.settle();
    mesh.managers[0].set_owner(id, member(2)).unwrap();
    mesh.managers[0].prepare();
    for (_, recall) in mesh.take_calls(0, 1) {
        mesh.give_call(0, 1, &recall).unwrap();
    }
    // Longer than the host waits; then it is client 2's, and client 1's again.
    mesh.tick += 160;
    mesh.managers[0].set_owner(id, member(1)).unwrap();
    assert_eq!(mesh.update(0), []);
    mesh.managers[0].prepare();
    let granted = mesh.take_calls(0, 1);
    assert_eq!(mesh.update(1), [], "it has heard the recall, and not let go yet");
    for (_, call) in granted {
        mesh.give_call(0, 1, &call).unwrap();
    }
    assert_eq!(mesh.update(1), []);
    let info = mesh.managers[1].info(id).unwrap();
    assert!(info.is_primary && info.epoch == 4, "{info:?}");
    mesh.managers[1].prepare();
    assert_eq!(mesh.take_calls(1, 0), [], "nothing is released");
    assert!(mesh.managers[1].info(id).unwrap().is_primary);
    mesh.settle();
    assert_eq!(owner(&mesh, id), 1);
    check_agreement(&mesh);
    // It can go on from there.
    mesh.managers[0].set_owner(id, member(2)).unwrap();
    mesh.settle();
    assert_eq!(owner(&mesh, id), 2);
}
