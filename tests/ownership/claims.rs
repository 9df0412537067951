//! Who claims what is not theirs: nothing changes by it. Only what could be late, and is therefore no fault, is not one.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerFault, Verdict};
use gridmate_runtime::wire::BitWriter;
use gridmate_tests::forge;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{ALWAYS, Ball, NEVER, answers, asked, check_agreement, control, member, mesh, note, owner};

const ASK: u8 = 0;
const REFUSED: u8 = 1;
const OFFER: u8 = 2;
const RECALL: u8 = 3;
const RELEASED: u8 = 4;
const GRANTED: u8 = 5;

/// The class of [`Ball`].
const BALL: u32 = 0;

/// A ball of each node; client 1 is not to be trusted.
fn balls() -> (Mesh, [ReplicaId; 3]) {
    let mut mesh = mesh(2, 2, Weather::FAIR);
    let balls = [0, 1, 2].map(|node| mesh.managers[node].add(Ball { x: 10, ..Ball::default() }).unwrap());
    mesh.settle();
    (mesh, balls)
}

/// All of a ball: with `x` as given, and the other datasets as they are by default.
fn whole(w: &mut BitWriter, version: u32, owner: MemberId, epoch: u32, x: bool) {
    w.bits(version.into(), 32);
    forge::whole(w, owner.0, epoch, &[BALL]);
    w.bool(x);
    if x {
        w.gamma(667); // By the ladder, or not at all: it is never looked at.
    }
    w.bits(0, 2);
}

/// After whatever was said, everything is as it was, and works.
#[track_caller]
fn check(mesh: &mut Mesh, balls: [ReplicaId; 3]) {
    mesh.settle();
    check_agreement(mesh);
    for (node, id) in balls.into_iter().enumerate() {
        assert_eq!(owner(mesh, id), node);
        assert!((0..3).all(|at| mesh.managers[at].get::<Ball>(id).unwrap().x == 10));
        assert_eq!(mesh.managers[0].info(id).unwrap().epoch, 1);
        control(mesh, 2, id, 3);
    }
    mesh.settle();
    for (node, id) in balls.into_iter().enumerate() {
        assert_eq!(mesh.managers[node].get::<Ball>(id).unwrap().controls, [(member(2), 3)]);
    }
}

#[test]
fn offers_releases_and_refusals_of_what_is_not_theirs_change_nothing() {
    let (mut mesh, balls) = balls();
    for id in [balls[0], balls[2], ReplicaId { serial: 99, ..balls[0] }] {
        for to in 1..=4 {
            let offer = forge::handoff(id, OFFER, None, |w| w.gamma(to));
            mesh.give_call(1, 0, &offer).unwrap();
            let refused = forge::handoff(id, REFUSED, None, |w| {
                w.gamma(to);
                w.gamma(3);
            });
            mesh.give_call(1, 0, &refused).unwrap();
        }
        for (owner, epoch) in [(1, 1), (1, 2), (2, 2), (3, 2), (1, u32::MAX)] {
            let released = forge::handoff(id, RELEASED, None, |w| whole(w, 900, MemberId(owner), epoch, true));
            mesh.give_call(1, 0, &released).unwrap();
        }
    }
    assert_eq!(mesh.update(0), []);
    check(&mut mesh, balls);
}

/// Its own it must not let go of unless it is asked to, nor offer to nobody.
#[test]
fn what_was_not_recalled_is_not_released() {
    let (mut mesh, balls) = balls();
    for epoch in [1, 2, 3] {
        let released = forge::handoff(balls[1], RELEASED, None, |w| whole(w, 900, MemberId::HOST, epoch, true));
        mesh.give_call(1, 0, &released).unwrap();
    }
    for nobody in [2, 9, u32::MAX] {
        mesh.give_call(1, 0, &forge::handoff(balls[1], OFFER, None, |w| w.gamma(nobody))).unwrap();
    }
    assert_eq!(mesh.update(0), []);
    check(&mut mesh, balls);
    // Recalled, it may be released once, in the epoch that is due, and to the host.
    mesh.managers[0].set_owner(balls[1], member(0)).unwrap();
    for (owner, epoch) in [(1, 1), (1, 3), (2, 2), (3, 2)] {
        let released = forge::handoff(balls[1], RELEASED, None, |w| whole(w, 900, MemberId(owner), epoch, true));
        mesh.give_call(1, 0, &released).unwrap();
    }
    assert_eq!(mesh.update(0), []);
    assert_eq!(mesh.managers[0].get::<Ball>(balls[1]).unwrap().x, 10);
    let released = forge::handoff(balls[1], RELEASED, None, |w| whole(w, 900, MemberId::HOST, 2, false));
    for _ in 0..2 {
        mesh.give_call(1, 0, &released).unwrap();
    }
    assert_eq!(mesh.update(0), []);
    let info = mesh.managers[0].info(balls[1]).unwrap();
    assert!(info.is_primary && info.epoch == 2);
    assert_eq!(mesh.managers[0].get::<Ball>(balls[1]).unwrap().x, 0, "as it was released");
}

#[test]
fn what_only_a_host_says_is_a_fault_of_others() {
    for id in 0..3 {
        let (mut mesh, balls) = balls();
        let granted = forge::handoff(balls[id], GRANTED, None, |w| whole(w, 900, MemberId::HOST, 2, false));
        assert_eq!(mesh.give_call(1, 0, &granted), Err(PeerFault::NotOwner));
        mesh.give_call(1, 0, &forge::handoff(balls[id], RECALL, None, |_| ())).unwrap();
        assert_eq!(mesh.update(0), [PeerFault::NoSuchType]);
        assert_eq!(mesh.give_call(1, 0, &forge::handoff(balls[id], 6, None, |_| ())), Err(PeerFault::NotOwner));
        for kind in 7..10 {
            mesh.give_call(1, 0, &forge::handoff(balls[id], kind, None, |_| ())).unwrap();
            assert_eq!(mesh.update(0), [PeerFault::NoSuchType]);
        }
        // On behalf of another.
        let ask = forge::handoff(balls[id], ASK, Some(member(2)), |_| ());
        assert_eq!(mesh.give_call(1, 0, &ask), Err(PeerFault::NotOwner));
        check(&mut mesh, balls);
    }
    let (mut mesh, balls) = balls();
    let released = forge::handoff(balls[2], RELEASED, None, |w| whole(w, 900, member(2), 2, false));
    assert_eq!(mesh.give_call(0, 2, &released), Err(PeerFault::NotOwner), "nobody releases to a client");
    check(&mut mesh, balls);
}

#[test]
fn what_is_cut_short_or_too_long_is_a_fault_and_changes_nothing() {
    let (mut mesh, balls) = balls();
    mesh.managers[0].set_owner(balls[1], member(0)).unwrap();
    let released = forge::handoff(balls[1], RELEASED, None, |w| whole(w, 900, MemberId::HOST, 2, false));
    let ask = forge::handoff(balls[0], ASK, None, |_| ());
    for message in [&released, &ask] {
        for cut in 0..message.len() - 1 {
            assert!(mesh.give_call(1, 0, &message[..cut]).is_err(), "{cut} bytes");
        }
        let peer = mesh.peer(0, 1);
        let unreliable = mesh.managers[0].handle_call(peer, false, message);
        assert_eq!(unreliable, Err(PeerFault::NoSuchType));
    }
    for (kind, bytes) in [(ASK, 9_000), (RELEASED, 20_000), (OFFER, 9_000)] {
        let long = forge::handoff(balls[1], kind, None, |w| (0..bytes).for_each(|_| w.bits(0, 8)));
        assert!(matches!(mesh.give_call(1, 0, &long), Err(PeerFault::Malformed(_))), "{bytes} bytes");
    }
    let padded = [released.clone(), vec![0, 0]].concat();
    assert!(matches!(mesh.give_call(1, 0, &padded), Err(PeerFault::Malformed(_))));
    let class = forge::handoff(balls[1], RELEASED, None, |w| {
        w.bits(900, 32);
        forge::whole(w, 1, 2, &[1]);
        w.bits(0, 8);
    });
    assert_eq!(mesh.give_call(1, 0, &class), Err(PeerFault::NoSuchType), "it was a ball, and is a rock");
    assert!(!mesh.managers[0].info(balls[1]).unwrap().is_primary);
}

#[test]
fn a_word_too_many_is_a_fault() {
    for kind in [ASK, REFUSED, OFFER, RECALL] {
        for (extra, faulty) in [(0, false), (1, true), (9, true)] {
            let (mut mesh, balls) = balls();
            let (from, to) = if kind == RECALL { (0, 1) } else { (1, 0) };
            let word = forge::handoff(balls[1], kind, None, |w| {
                if kind == REFUSED || kind == OFFER {
                    w.gamma(3);
                }
                if kind == REFUSED {
                    w.gamma(1);
                }
                (0..extra).for_each(|_| w.bits(0xff, 8));
            });
            mesh.give_call(from, to, &word).unwrap();
            let faults = mesh.update(to);
            assert_eq!(matches!(faults[..], [PeerFault::Malformed(_)]), faulty, "kind {kind}: {faults:?}");
            assert!(faulty || faults.is_empty());
        }
    }
}

/// The first epoch is the creator's, and nobody gives it.
#[test]
fn nobody_is_granted_a_first_epoch() {
    let (mut mesh, balls) = balls();
    let unknown = ReplicaId { serial: 99, ..balls[0] };
    for id in [unknown, balls[0], balls[2]] {
        let granted = |epoch: u32| forge::handoff(id, GRANTED, None, |w| whole(w, 900, member(2), epoch, false));
        assert!(matches!(mesh.give_call(0, 2, &granted(1)), Err(PeerFault::Malformed(_))), "{id}");
    }
    assert!(mesh.managers[2].info(unknown).is_none());
    check(&mut mesh, balls);
    let granted = forge::handoff(unknown, GRANTED, None, |w| whole(w, 900, member(2), 2, false));
    mesh.give_call(0, 2, &granted).unwrap();
    assert_eq!(mesh.update(2), []);
    assert!(mesh.managers[2].info(unknown).is_some_and(|info| info.is_primary && info.epoch == 2));
}

/// What nobody has heard of has had no other owner than its creator.
#[test]
fn nothing_unknown_ends_in_a_later_epoch() {
    let end = |id: ReplicaId, epoch: u32| {
        forge::state(900, move |w| {
            forge::id(w, id.creator.0, id.serial);
            w.bits(0b1000, 4);
            w.bool(false);
            w.gamma(epoch);
        })
    };
    let (mut mesh, balls) = balls();
    let unknown = ReplicaId { serial: 77, ..balls[1] };
    for epoch in [2, 3, u32::MAX] {
        assert_eq!(mesh.give_state(1, 0, &end(unknown, epoch)), Err(PeerFault::NotOwner), "{epoch}");
    }
    assert_eq!(mesh.give_state(1, 0, &end(unknown, 1)), Ok(Verdict::Accepted));
    check(&mut mesh, balls);
    // What it had owned, and has ended or lost since, may be said to end again, however late.
    for id in [balls[1], balls[2]] {
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        mesh.settle();
        mesh.managers[0].set_owner(id, member(1)).unwrap();
        mesh.settle();
        mesh.managers[1].destroy(id).unwrap();
        mesh.settle();
    }
    let again = [balls[1], balls[2]].map(|id| end(id, 5));
    assert_eq!(mesh.give_state(1, 0, &again[0]), Ok(Verdict::Accepted));
    mesh.skip(1, 0, 2_000);
    for message in [end(balls[1], 5), end(balls[1], 3)] {
        assert_eq!(mesh.give_state(1, 0, &message), Ok(Verdict::Accepted));
    }
    assert_eq!(mesh.update(0), []);
    assert!(mesh.managers[0].info(balls[1]).is_none());
}

/// Epochs are the host's to count.
#[test]
fn a_client_begins_no_epoch() {
    let claim = |id: ReplicaId, owner: u32, epoch: u32| {
        forge::state(900, move |w| {
            forge::id(w, id.creator.0, id.serial);
            w.bits(0b100, 3);
            forge::whole(w, owner, epoch, &[BALL]);
            w.bits(0, 3);
        })
    };
    let (mut mesh, balls) = balls();
    for epoch in [2, 3, u32::MAX] {
        for id in balls {
            assert_eq!(mesh.give_state(1, 0, &claim(id, 2, epoch)), Err(PeerFault::NotOwner), "{id}, {epoch}");
        }
        let new = ReplicaId { creator: member(1), serial: 77 };
        assert_eq!(mesh.give_state(1, 0, &claim(new, 2, epoch)), Err(PeerFault::NotOwner));
    }
    check(&mut mesh, balls);

    // What it had owned once it may still be speaking of.
    mesh.managers[0].set_owner(balls[1], member(2)).unwrap();
    mesh.settle();
    for epoch in [1, 2, 3, 4, u32::MAX] {
        assert_eq!(mesh.give_state(1, 0, &claim(balls[1], 2, epoch)), Ok(Verdict::TooLate), "{epoch}");
    }
    let end = forge::state(900, |w| {
        forge::id(w, balls[1].creator.0, balls[1].serial);
        forge::end(w, None);
    });
    assert_eq!(mesh.give_state(1, 0, &end), Ok(Verdict::Accepted));
    mesh.give_call(1, 0, &forge::echo(balls[1], 0, member(1), None, 7)).unwrap();
    mesh.give_call(1, 0, &forge::handoff(balls[1], OFFER, None, |w| w.gamma(2))).unwrap();
    mesh.settle();
    assert_eq!(owner(&mesh, balls[1]), 2);
    for node in 0..3 {
        let ball = mesh.managers[node].get::<Ball>(balls[1]).unwrap();
        assert_eq!((ball.x, ball.notes.len()), (10, 0));
    }
    note(&mut mesh, 1, balls[1], 8);
    mesh.settle();
    assert_eq!(mesh.managers[2].get::<Ball>(balls[1]).unwrap().owned, [8]);
}

/// Who asks much is answered much, and bothers only itself.
#[test]
fn a_flood_of_requests_is_the_end_of_who_sends_it() {
    let (mut mesh, balls) = balls();
    let ask = forge::handoff(balls[2], ASK, None, |_| ());
    for _ in 0..300_000 / ask.len() {
        mesh.give_call(1, 0, &ask).unwrap();
    }
    assert_eq!(mesh.update(0), [PeerFault::Limit("calls for others in one tick")]);
    mesh.leave(1);
    mesh.settle();
    assert_eq!(owner(&mesh, balls[2]), 2, "who asked for it is not there any more");
    assert!(asked(&mesh, balls[2]) > 100);
    assert_eq!(answers(&mut mesh, 2), []);
}

/// Offers and refusals cost others something as well.
#[test]
fn a_flood_of_offers_or_refusals_is_the_end_of_who_sends_it() {
    for kind in [OFFER, REFUSED] {
        let (mut mesh, balls) = balls();
        for number in 0..60_000 {
            let word = forge::handoff(balls[1], kind, None, |w| {
                w.gamma(if number % 2 == 0 { 1 } else { 3 });
                if kind == REFUSED {
                    w.gamma(1);
                }
            });
            mesh.give_call(1, 0, &word).unwrap();
        }
        assert_eq!(mesh.update(0), [PeerFault::Limit("calls for others in one tick")], "kind {kind}");
        assert!(mesh.take_calls(0, 2).len() < 60_000, "kind {kind}");
        mesh.leave(1);
        mesh.settle();
        assert_eq!(owner(&mesh, balls[2]), 2);
    }
}

/// Who is asked answers, and is not to blame for how often it is asked.
#[test]
fn whoever_answers_a_flood_stays() {
    for keeps in [NEVER, ALWAYS] {
        let (mut mesh, balls) = balls();
        mesh.managers[2].primary_mut::<Ball>(balls[2]).unwrap().keeps = keeps;
        mesh.settle();
        let ask = forge::handoff(balls[2], ASK, None, |_| ());
        let asks = 260_000 / ask.len();
        for _ in 0..asks {
            mesh.give_call(1, 0, &ask).unwrap();
        }
        assert_eq!(mesh.update(0), []);
        mesh.managers[0].prepare();
        for (_, call) in mesh.take_calls(0, 2) {
            mesh.give_call(0, 2, &call).unwrap();
        }
        assert_eq!(mesh.update(2), []);
        mesh.managers[2].prepare();
        let answers = mesh.take_calls(2, 0);
        assert_eq!(answers.len(), asks);
        assert!(answers.iter().map(|(_, call)| call.len()).sum::<usize>() > 270_000, "more than was asked");
        for (_, call) in answers {
            mesh.give_call(2, 0, &call).unwrap();
        }
        assert_eq!(mesh.update(0), [], "keeps {keeps}");
    }
}
