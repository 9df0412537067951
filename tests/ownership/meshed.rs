//! Balls go to and fro between mesh members, clients and their host.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{Adopt, OwnershipOutcome, PeerFault, RefusedOwnership, Verdict};
use gridmate_tests::forge;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, Rock, answers, check_agreement, control, hybrid, member, note, owner, settle};

/// A host, three mesh members (1 to 3), and two clients (4 and 5).
fn nodes(seed: u64, weather: Weather) -> Mesh {
    hybrid(3, 2, seed, weather)
}

const ALL: core::ops::Range<usize> = 0..6;

#[test]
fn a_ball_goes_from_every_kind_to_every_kind_and_is_its_owners() {
    for weather in [Weather::FAIR, Weather::FOUL] {
        for (seed, (from, to)) in (0..).zip(ALL.flat_map(|from| ALL.map(move |to| (from, to)))) {
            if from == to {
                continue;
            }
            let mut mesh = nodes(seed, weather);
            let id = mesh.managers[from].add(Ball { x: 5, ..Ball::default() }).unwrap();
            settle(&mut mesh);
            mesh.managers[to].request_ownership(id).unwrap();
            settle(&mut mesh);
            assert_eq!(answers(&mut mesh, to), [(id, OwnershipOutcome::Granted)], "{from} to {to}");
            assert_eq!(owner(&mesh, id), to, "{from} to {to}");
            for node in ALL {
                control(&mut mesh, node, id, 7);
                note(&mut mesh, node, id, 8);
            }
            mesh.managers[to].primary_mut::<Ball>(id).unwrap().x = 6;
            settle(&mut mesh);
            check_agreement(&mesh);
            for node in ALL {
                let ball = mesh.managers[node].get::<Ball>(id).unwrap();
                let sources = |list: &[(MemberId, u32)]| {
                    let mut sources: Vec<_> = list.iter().map(|(source, _)| *source).collect();
                    sources.sort_unstable();
                    sources
                };
                let all: Vec<_> = ALL.map(member).collect();
                assert_eq!(ball.x, 6);
                assert_eq!(sources(&ball.notes), all, "{from} to {to}, at {node}");
                assert_eq!(
                    sources(&ball.controls),
                    if node == to { all } else { Vec::new() },
                    "{from} to {to}, {node}"
                );
            }
            // On to somebody else, by the host, and to its end.
            let last = (to + 1) % ALL.len();
            mesh.managers[0].set_owner(id, member(last)).unwrap();
            settle(&mut mesh);
            assert_eq!(owner(&mesh, id), last);
            note(&mut mesh, last, id, 9);
            mesh.managers[last].destroy(id).unwrap();
            settle(&mut mesh);
            mesh.run(40);
            assert!(ALL.into_iter().all(|node| mesh.managers[node].is_empty()), "{from} to {to}");
        }
    }
}

/// Its state reaches mesh members before the host's word, or after it.
#[test]
fn a_new_owner_is_believed_when_the_host_says_so() {
    let mut mesh = nodes(2, Weather::FAIR);
    let id = mesh.managers[1].add(Ball { x: 1, ..Ball::default() }).unwrap();
    settle(&mut mesh);
    mesh.managers[0].set_owner(id, member(2)).unwrap();
    // By hand: member 3 hears from the new owner first.
    let mut later = Vec::new();
    for round in 0..7 {
        for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 1), (1, 3), (2, 1), (2, 3), (3, 2), (3, 0)] {
            if (from, to) == (0, 3) {
                continue;
            }
            for (reliable, call) in mesh.take_calls(from, to) {
                assert!(reliable);
                mesh.give_call(from, to, &call).unwrap();
            }
        }
        for node in 0..4 {
            assert_eq!(mesh.update(node), []);
            mesh.managers[node].prepare();
        }
        // The detour is the only word of the host that it gets.
        for (_, word) in mesh.take_calls(0, 3) {
            if round == 0 { mesh.give_call(0, 3, &word).unwrap() } else { later.push(word) }
        }
    }
    mesh.managers[2].prepare();
    assert!(mesh.managers[2].info(id).unwrap().is_primary);
    let [(_, state)] = &mesh.take_state(2, 3)[..] else { panic!("one message") };
    assert_eq!(mesh.give_state(2, 3, state), Ok(Verdict::TooLate), "nobody has said that it owns it");
    assert_eq!(mesh.managers[3].info(id).unwrap().owner, member(1));
    assert_eq!(later.len(), 1);
    mesh.give_call(0, 3, &later[0]).unwrap();
    assert_eq!(mesh.give_state(2, 3, state), Ok(Verdict::Accepted));
    assert_eq!(mesh.managers[3].info(id).unwrap().owner, member(2));
    // And the former owner is late.
    let late = forge::state(99, |w| {
        forge::id(w, id.creator.0, id.serial);
        forge::full(w, 2, &[0]);
    });
    assert_eq!(mesh.give_state(1, 3, &late), Ok(Verdict::TooLate));
}

#[test]
fn nobody_takes_what_is_not_given() {
    let mut mesh = nodes(2, Weather::FAIR);
    let ids = [0, 1, 4].map(|node| mesh.managers[node].add(Ball { x: 7, ..Ball::default() }).unwrap());
    settle(&mut mesh);
    for id in ids {
        for epoch in [1, 2, 3, 9] {
            // Member 2 says that it is its own.
            let claim = forge::state(500, |w| {
                forge::id(w, id.creator.0, id.serial);
                w.bits(0b100, 3);
                forge::whole(w, 3, epoch, &[0]);
            });
            let verdict = mesh.give_state(2, 3, &claim);
            assert!(
                verdict == Ok(Verdict::TooLate) || verdict == Err(PeerFault::NotOwner),
                "{id} {epoch}: {verdict:?}"
            );
            assert_eq!(verdict.is_err(), epoch == 1, "{id} {epoch}");
            assert_eq!(mesh.give_state(2, 0, &claim), Err(PeerFault::NotOwner), "the host knows");
            let end = forge::state(501, |w| {
                forge::id(w, id.creator.0, id.serial);
                w.bits(0b1000, 4);
                w.bool(false);
                w.gamma(epoch);
            });
            let verdict = mesh.give_state(2, 3, &end);
            assert!(
                verdict == Ok(Verdict::TooLate) || verdict == Err(PeerFault::NotOwner),
                "{id} {epoch}: {verdict:?}"
            );
        }
        // It passes on calls of others, and speaks for the host.
        let forged = [
            forge::request(id, 1, Some(member(5)), 13),
            forge::handoff(id, 6, None, |w| {
                w.gamma(3);
                w.gamma(2);
            }),
        ];
        for word in forged {
            assert_eq!(mesh.give_call(2, 3, &word), Err(PeerFault::NotOwner));
            assert_eq!(mesh.give_call(2, 0, &word), Err(PeerFault::NotOwner));
        }
        // It hands out what others own, calls back what is here, and diverts calls.
        for kind in [2, 3, 4, 5, 7] {
            let word = forge::handoff(id, kind, None, |w| {
                w.gamma(3);
                w.gamma(2);
            });
            let result = mesh.give_call(2, 3, &word);
            let faults = mesh.update(3);
            assert!(kind == 2 || result.is_err() || !faults.is_empty(), "kind {kind}");
        }
        mesh.give_call(2, 3, &forge::echo(id, 0, member(2), None, 13)).unwrap();
        assert!(mesh.update(3).len() <= 1);
        for node in ALL {
            let (ball, info) = (mesh.managers[node].get::<Ball>(id).unwrap(), mesh.managers[node].info(id).unwrap());
            assert_eq!((ball.x, info.owner.0, info.epoch), (7, id.creator.0, 1), "{id} at {node}");
            assert!(ball.notes.is_empty() && ball.controls.is_empty());
        }
    }
    settle(&mut mesh);
    check_agreement(&mesh);
}

/// What a lost member owned stays where it is until the host says what becomes of it.
#[test]
fn what_a_lost_member_owned_goes_on_at_the_host_or_ends() {
    for seed in 0..60 {
        let weather = [Weather::FAIR, Weather::FOUL][usize::from(seed % 4 > 1)];
        let mut mesh = nodes(seed, weather);
        let ball = mesh.managers[1].add(Ball { x: 3, ..Ball::default() }).unwrap();
        let rock = mesh.managers[1].add(Rock { x: 4 }).unwrap();
        let given = mesh.managers[5].add(Ball { x: 5, ..Ball::default() }).unwrap();
        let nobodys = mesh.managers[1].add(Ball { x: 6, keeps: 9, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.managers[0].set_owner(given, member(1)).unwrap();
        settle(&mut mesh);
        mesh.managers[0].set_adoption(move |orphan| {
            if orphan.id == nobodys {
                Adopt::Nobody
            } else if orphan.id == given && seed % 2 == 0 {
                Adopt::By(member(2))
            } else {
                Adopt::ByHost
            }
        });
        // What only one of them has heard of.
        let early = mesh.managers[1].add(Ball { x: 9, ..Ball::default() }).unwrap();
        mesh.managers[1].prepare();
        for (_, state) in mesh.take_state(1, 2) {
            assert_eq!(mesh.give_state(1, 2, &state), Ok(Verdict::Accepted));
        }
        mesh.die(1);
        // In any order, and while the others go on.
        let mut order = [0, 2, 3];
        order.rotate_left(usize::try_from(seed % 3).unwrap());
        for at in order {
            mesh.run(seed % 7);
            mesh.lose(at, 1);
            if at != 0 {
                assert!(mesh.managers[at].get::<Rock>(rock).is_err(), "seed {seed}: it cannot migrate");
            }
        }
        for node in [2, 3] {
            let ball = mesh.managers[node].get::<Ball>(ball).expect("it is waited for");
            assert_eq!(ball.x, 3);
        }
        assert!(mesh.managers[2].get::<Ball>(early).is_ok());
        mesh.settle();
        assert!(mesh.managers[2].get::<Ball>(nobodys).is_err(), "seed {seed}: that is the host's word");
        mesh.run(400);
        mesh.settle();
        check_agreement(&mesh);
        assert_eq!(owner(&mesh, ball), 0, "seed {seed}");
        assert_eq!(owner(&mesh, given), if seed % 2 == 0 { 2 } else { 0 }, "seed {seed}");
        for gone in [rock, nobodys, early] {
            assert!(mesh.nodes().into_iter().all(|node| mesh.managers[node].info(gone).is_none()), "seed {seed}");
        }
        for node in mesh.nodes() {
            note(&mut mesh, node, given, 1);
        }
        mesh.settle();
        assert!(mesh.nodes().into_iter().all(|node| mesh.managers[node].get::<Ball>(given).unwrap().notes.len() == 5));
    }
}

/// A mesh member that does not answer holds up nobody for longer than two seconds.
#[test]
fn a_stopped_member_holds_nothing_up() {
    for seed in 0..20 {
        let mut mesh = nodes(seed, Weather::FAIR);
        let id = mesh.managers[1].add(Ball { x: 3, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.slow.insert(3, u64::MAX);
        mesh.managers[4].request_ownership(id).unwrap();
        mesh.run(30);
        assert!(mesh.managers[1].info(id).unwrap().is_primary, "there may be calls under way");
        mesh.run(90);
        assert!(mesh.managers[4].info(id).unwrap().is_primary);
        assert_eq!(mesh.managers[4].info(id).unwrap().epoch, 3, "and it was released");
        mesh.slow.clear();
        settle(&mut mesh);
        assert_eq!(owner(&mesh, id), 4);
        check_agreement(&mesh);
    }
}

/// Refusals come by way of the host, from whom they are believed.
#[test]
fn what_cannot_migrate_is_refused_at_once() {
    let mut mesh = nodes(1, Weather::FOUL);
    let rock = mesh.managers[1].add(Rock { x: 1 }).unwrap();
    settle(&mut mesh);
    for node in [0, 2, 4] {
        mesh.managers[node].request_ownership(rock).unwrap();
        settle(&mut mesh);
        let outcome = OwnershipOutcome::Refused(RefusedOwnership::NotMigratable);
        assert_eq!(answers(&mut mesh, node), [(rock, outcome)]);
    }
}

/// Who comes later is told what the host has said before.
#[test]
fn newcomers_know_who_was_given_what() {
    for seed in 0..30 {
        let mut mesh = nodes(seed, Weather::FOUL);
        let balls = [0, 1, 4].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
        settle(&mut mesh);
        for (ball, to) in balls.into_iter().zip([1, 2, 3]) {
            mesh.managers[0].set_owner(ball, member(to)).unwrap();
        }
        mesh.run(seed * 2);
        let newcomer = mesh.join_mesh();
        settle(&mut mesh);
        check_agreement(&mesh);
        for ball in balls {
            note(&mut mesh, newcomer, ball, 1);
            control(&mut mesh, newcomer, ball, 2);
        }
        settle(&mut mesh);
        for ball in balls {
            let there = owner(&mesh, ball);
            assert_eq!(mesh.managers[there].get::<Ball>(ball).unwrap().controls, [(member(newcomer), 2)]);
            assert!(mesh.nodes().iter().all(|n| mesh.managers[*n].get::<Ball>(ball).unwrap().notes.len() == 1));
        }
    }
}
