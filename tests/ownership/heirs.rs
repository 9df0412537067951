//! What members claim when their host is lost, true or not, and what the next host makes of it.

use gridmate_runtime::limits::{EPOCHS_PER_TERM, RPC_BYTES, TERMS};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerFault;
use gridmate_runtime::wire::{BitWriter, WireError};
use gridmate_tests::forge;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, Secret, check_agreement, control, hybrid, member, note, owner, settle};

const VOUCHED: u8 = 6;
const CLAIMS: u8 = 9;
const VOID: u8 = 10;
const HOSTED: u8 = 11;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stance {
    Of(usize),
    Mine,
    Ended,
}

use Stance::{Ended, Mine, Of};

/// What such words name in place of a replica.
const NOBODY: ReplicaId = ReplicaId { creator: MemberId::HOST, serial: u32::MAX };

/// All members of a mesh have lost their host; node 1 takes its place, and the others have not followed.
fn orphaned(mesh: &mut Mesh) {
    mesh.die(0);
    mesh.nodes().into_iter().for_each(|node| mesh.lose_host(node));
    mesh.take_over(1);
}

fn claim(w: &mut BitWriter, stance: Stance, id: ReplicaId, epoch: u32) {
    w.bool(true);
    match stance {
        Of(node) => {
            w.bool(false);
            w.gamma(member(node).0);
        }
        Mine => w.bits(0b01, 2),
        Ended => w.bits(0b11, 2),
    }
    forge::id(w, id.creator.0, id.serial);
    w.gamma(epoch);
}

fn claims(of: impl FnOnce(&mut BitWriter), last: bool) -> Vec<u8> {
    forge::handoff(NOBODY, CLAIMS, None, |w| {
        of(w);
        w.bool(false);
        w.bool(last);
    })
}

/// Node `at` follows, and says this of what it claims.
fn follow_saying(mesh: &mut Mesh, at: usize, of: impl FnOnce(&mut BitWriter)) {
    mesh.follow(at);
    let said = mesh.take_calls(at, 1);
    assert!(said.iter().all(|(reliable, bytes)| *reliable && bytes.len() < RPC_BYTES));
    mesh.give_call(at, 1, &claims(of, true)).unwrap();
}

#[test]
fn who_claims_what_is_not_its_own_has_nothing_of_it() {
    for later in [1, 2, 3, EPOCHS_PER_TERM, 2 * EPOCHS_PER_TERM] {
        for stance in [Of(2), Of(3), Mine, Ended] {
            let mut mesh = hybrid(3, 1, 2, Weather::FAIR);
            let balls = [0, 1, 2, 3, 4].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
            settle(&mut mesh);
            mesh.die(4);
            orphaned(&mut mesh);
            mesh.follow(3);
            follow_saying(&mut mesh, 2, |w| {
                claim(w, Mine, balls[2], 1);
                for id in [balls[0], balls[1], balls[3], balls[4]] {
                    claim(w, stance, id, later);
                }
                // And what never was.
                claim(w, stance, ReplicaId { creator: MemberId::HOST, serial: 77 }, later);
            });
            settle(&mut mesh);
            check_agreement(&mesh);
            assert_eq!(owner(&mesh, balls[2]), 2);
            // What it says that it knows comes to the heir at most.
            let taken = if later == 1 { 3 } else { 1 };
            assert_eq!((owner(&mesh, balls[1]), owner(&mesh, balls[3])), (1, taken), "{stance:?}, {later}");
            for id in [balls[0], balls[4]] {
                if stance == Ended {
                    assert!(mesh.managers[1].info(id).is_none(), "nobody else knows what became of it");
                } else {
                    assert_eq!(owner(&mesh, id), 1, "{stance:?}, {later}");
                }
            }
            assert_eq!(mesh.managers[1].len(), if stance == Ended { 3 } else { 5 });
        }
    }
}

/// Given away in the last moment: to whom, some have heard.
#[test]
fn what_a_lost_host_gave_away_is_believed_when_others_have_heard_of_it() {
    for (heir_heard, other_heard) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let id = mesh.managers[0].add(Ball { x: 4, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        mesh.managers[0].prepare();
        for (to, hears) in [(1, heir_heard), (2, true), (3, other_heard)] {
            for (_, word) in mesh.take_calls(0, to) {
                if hears {
                    mesh.give_call(0, to, &word).unwrap();
                }
            }
        }
        mesh.update(2);
        assert!(mesh.managers[2].info(id).unwrap().is_primary);
        mesh.managers[2].primary_mut::<Ball>(id).unwrap().x = 6;
        orphaned(&mut mesh);
        mesh.follow(3);
        mesh.follow(2);
        settle(&mut mesh);
        check_agreement(&mesh);
        let believed = heir_heard || other_heard;
        assert_eq!(owner(&mesh, id), if believed { 2 } else { 1 });
        let info = mesh.managers[3].info(id).unwrap();
        assert_eq!(info.epoch, if believed { 2 } else { EPOCHS_PER_TERM });
        assert_eq!(mesh.managers[3].get::<Ball>(id).unwrap().x, if believed { 6 } else { 4 });
        for node in 1..4 {
            note(&mut mesh, node, id, 1);
        }
        settle(&mut mesh);
        assert!((1..4).all(|node| mesh.managers[node].get::<Ball>(id).unwrap().notes.len() == 3));
    }
}

/// Given back in the last moment, and the host was lost with it.
#[test]
fn what_was_given_back_to_a_lost_host_is_nobodys_and_goes_on() {
    for heard in [false, true] {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let id = mesh.managers[2].add(Ball { x: 4, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        mesh.run(8);
        if heard {
            settle(&mut mesh);
            assert!(mesh.managers[0].info(id).unwrap().is_primary);
        }
        while mesh.managers[2].info(id).unwrap().is_primary {
            mesh.step();
        }
        orphaned(&mut mesh);
        assert_eq!(mesh.managers[1].info(id).unwrap().owner, if heard { member(0) } else { member(2) });
        mesh.follow(2);
        mesh.follow(3);
        settle(&mut mesh);
        check_agreement(&mesh);
        assert_eq!(owner(&mesh, id), 1);
        assert_eq!(mesh.managers[3].get::<Ball>(id).unwrap().x, 4);
    }
}

/// What it was not to see has its default values, in what it adopts; owners go on with theirs.
#[test]
fn an_heir_goes_on_with_what_it_was_shown() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let ids = [0, 2].map(|node| mesh.managers[node].add(Secret { x: 5 }).unwrap());
    settle(&mut mesh);
    let shown = |mesh: &Mesh, id, node: usize| mesh.managers[node].get::<Secret>(id).unwrap().x;
    assert_eq!((shown(&mesh, ids[0], 3), shown(&mesh, ids[0], 1)), (0, 5));
    mesh.die(0);
    (1..4).for_each(|node| mesh.lose_host(node));
    mesh.take_over(3);
    mesh.follow(1);
    mesh.follow(2);
    settle(&mut mesh);
    assert_eq!(ids.map(|id| owner(&mesh, id)), [3, 2]);
    assert!((1..4).all(|node| shown(&mesh, ids[0], node) == 0), "nobody else has what it was");
    assert_eq!([1, 2, 3].map(|node| shown(&mesh, ids[1], node)), [5, 5, 0]);
}

/// A replica was made and given away before the heir had heard anything of it.
#[test]
fn what_an_heir_has_never_had_goes_on_with_its_owner_or_ends() {
    let heard = [(false, false), (false, true), (true, false)];
    for ((heir_heard, other_heard), ends) in heard.into_iter().flat_map(|heard| [(heard, false), (heard, true)]) {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        settle(&mut mesh);
        let id = mesh.managers[0].add(Ball { x: 5, ..Ball::default() }).unwrap();
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        mesh.managers[0].prepare();
        for (to, hears) in [(1, heir_heard), (2, true), (3, other_heard)] {
            for (_, word) in mesh.take_calls(0, to) {
                if hears {
                    mesh.give_call(0, to, &word).unwrap();
                }
            }
        }
        mesh.update(2);
        assert!(mesh.managers[2].info(id).unwrap().is_primary);
        // No state arrives before the heir is the host.
        mesh.weather.loss = 1.0;
        orphaned(&mut mesh);
        mesh.follow(3);
        mesh.follow(2);
        mesh.run(20);
        assert!(mesh.managers[1].info(id).is_none() && mesh.managers[3].info(id).is_none());
        if ends && mesh.managers[2].info(id).is_some() {
            mesh.managers[2].destroy(id).unwrap();
        }
        mesh.weather.loss = 0.0;
        settle(&mut mesh);
        check_agreement(&mesh);
        if !ends && (heir_heard || other_heard) {
            assert_eq!(owner(&mesh, id), 2);
            let second = mesh.join_mesh();
            settle(&mut mesh);
            assert_eq!(mesh.managers[second].get::<Ball>(id).unwrap().x, 5);
            mesh.managers[2].destroy(id).unwrap();
            settle(&mut mesh);
        }
        assert!(mesh.nodes().into_iter().all(|node| mesh.managers[node].is_empty()), "{heir_heard}, {other_heard}");
    }
}

/// Two of them had lost each other, and met again, before that had come to anything.
#[test]
fn who_came_back_in_time_keeps_what_it_has() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let given = mesh.managers[0].add(Ball::default()).unwrap();
    let made = mesh.managers[3].add(Ball { x: 4, ..Ball::default() }).unwrap();
    settle(&mut mesh);
    mesh.managers[0].set_owner(given, member(3)).unwrap();
    settle(&mut mesh);
    mesh.lose(1, 3);
    mesh.lose(3, 1);
    mesh.run(2);
    mesh.meet(1, 3);
    mesh.run(2);
    orphaned(&mut mesh);
    mesh.follow(2);
    mesh.follow(3);
    settle(&mut mesh);
    check_agreement(&mesh);
    for id in [made, given] {
        assert_eq!(owner(&mesh, id), 3);
        mesh.managers[3].primary_mut::<Ball>(id).unwrap().x = 5;
    }
    // Nobody waits for a word of it any more.
    mesh.run(400);
    assert!((1..4).all(|node| mesh.managers[node].get::<Ball>(made).is_ok_and(|ball| ball.x == 5)));
    check_agreement(&mesh);
}

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
    for round in 0..2 {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let id = mesh.managers[3].add(Ball::default()).unwrap();
        settle(&mut mesh);
        if round == 1 {
            mesh.managers[0].set_owner(id, member(2)).unwrap();
            settle(&mut mesh);
            mesh.managers[0].set_owner(id, member(3)).unwrap();
            settle(&mut mesh);
        }
        // Node 3 itself does not hear of it.
        mesh.managers[0].set_owner(id, member(0)).unwrap();
        mesh.managers[0].prepare();
        for to in 1..4 {
            for (_, word) in mesh.take_calls(0, to) {
                if to != 3 {
                    mesh.give_call(0, to, &word).unwrap();
                }
            }
        }
        mesh.run(15);
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
        mesh.managers[0].prepare();
        for (_, word) in mesh.take_calls(0, 1) {
            mesh.give_call(0, 1, &word).unwrap();
        }
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

#[test]
fn claims_that_make_no_sense_are_faults() {
    let known = |mesh: &mut Mesh| mesh.managers[0].add(Ball::default()).unwrap();
    type Body = fn(&mut BitWriter, ReplicaId);
    let bodies: [(Body, PeerFault); 5] = [
        (|w, _| w.bits(0b11, 2), WireError::UnexpectedEnd.into()),
        (|w, id| claim(w, Mine, id, 2 * EPOCHS_PER_TERM + 1), PeerFault::Limit("changes of owners")),
        (|w, id| claim(w, Ended, id, u32::MAX), PeerFault::Limit("changes of owners")),
        (
            |w, id| (0..2).for_each(|_| claim(w, Ended, ReplicaId { serial: 99, ..id }, u32::MAX)),
            PeerFault::Limit("changes of owners"),
        ),
        (
            |w, id| {
                claim(w, Of(0), id, 1);
                w.bool(false);
                w.bool(true);
                w.bits(1, 9);
            },
            WireError::Invalid.into(),
        ),
    ];
    for (body, fault) in bodies {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let id = known(&mut mesh);
        settle(&mut mesh);
        orphaned(&mut mesh);
        mesh.give_call(2, 1, &forge::handoff(NOBODY, CLAIMS, None, |w| body(w, id))).unwrap();
        mesh.tick += 1;
        assert_eq!(mesh.update(1), [fault]);
    }
}

/// Whoever they are from, and whenever.
#[test]
fn words_of_a_succession_that_nobody_may_say_are_faults() {
    let mut mesh = hybrid(3, 1, 2, Weather::FAIR);
    let id = mesh.managers[2].add(Ball::default()).unwrap();
    settle(&mut mesh);
    let faults = |mesh: &mut Mesh, from, to, word: &[u8]| {
        let at_once = mesh.give_call(from, to, word).err();
        mesh.tick += 1;
        at_once.into_iter().chain(mesh.update(to)).collect::<Vec<_>>()
    };
    let void = forge::handoff(id, VOID, None, |w| w.gamma(1));
    let hosted = |member: u32, term: u32| {
        forge::handoff(NOBODY, HOSTED, None, |w| {
            w.gamma(member);
            w.gamma(term);
        })
    };
    let of_all = claims(|_| (), true);
    for (from, to) in [(1, 2), (4, 0), (3, 0)] {
        assert_eq!(faults(&mut mesh, from, to, &void), [PeerFault::NoSuchType]);
        assert_eq!(faults(&mut mesh, from, to, &hosted(3, 1)), [PeerFault::NotOwner]);
    }
    assert_eq!(faults(&mut mesh, 0, 1, &of_all), [PeerFault::NoSuchType], "a host follows nobody");
    assert_eq!(faults(&mut mesh, 1, 0, &of_all), [PeerFault::NoSuchType], "it is there");
    let long = forge::handoff(id, VOID, None, |w| {
        w.gamma(1);
        w.bits(1, 9);
    });
    assert_eq!(faults(&mut mesh, 0, 1, &long), [PeerFault::Malformed(WireError::Invalid)]);
    assert_eq!(faults(&mut mesh, 0, 1, &forge::handoff(NOBODY, HOSTED, None, |_| ())).len(), 1);
    assert!((0..4).all(|node| mesh.managers[node].info(id).is_some()), "nothing has come of it");
    // Of former hosts there is an end.
    for host in 100..100 + 1_024 {
        assert_eq!(faults(&mut mesh, 0, 1, &hosted(host, 1)), []);
    }
    assert_eq!(faults(&mut mesh, 0, 1, &hosted(3_000, 1)), [PeerFault::Limit("former hosts")]);
    assert_eq!(faults(&mut mesh, 0, 2, &hosted(3_000, TERMS + 1)), [PeerFault::Limit("hosts of a session")]);
    let vouched = forge::handoff(id, VOUCHED, None, |w| {
        w.gamma(2);
        w.gamma(9);
    });
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    settle(&mut mesh);
    orphaned(&mut mesh);
    mesh.follow(2);
    let heirs_word = faults(&mut mesh, 1, 3, &vouched);
    assert_eq!(heirs_word, [PeerFault::NotOwner], "node 3 does not follow");
}

#[test]
fn claims_of_thousands_go_in_several_messages() {
    let mut mesh = hybrid(2, 0, 2, Weather::FAIR);
    for node in [0, 2] {
        for _ in 0..10_000 {
            mesh.managers[node].add(Ball::default()).unwrap();
        }
    }
    settle(&mut mesh);
    orphaned(&mut mesh);
    mesh.follow(2);
    let words = mesh.take_calls(2, 1);
    let bytes: usize = words.iter().map(|(_, word)| word.len()).sum();
    assert!(words.len() > 1 && words.iter().all(|(_, word)| word.len() <= RPC_BYTES));
    assert!(bytes <= 20_000, "{bytes} bytes for 20,000 that are one after the other: less than one each");
    for (_, word) in words {
        mesh.give_call(2, 1, &word).unwrap();
    }
    settle(&mut mesh);
    assert_eq!(mesh.managers[1].ids().filter(|id| mesh.managers[1].info(*id).unwrap().is_primary).count(), 10_000);
    check_agreement(&mesh);
}
