//! What members claim when their host is lost, true or not, and what the next host makes of it.

use gridmate_runtime::limits::{EPOCHS_PER_TERM, RPC_BYTES, TERMS};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerFault, Verdict};
use gridmate_runtime::wire::{BitWriter, WireError};
use gridmate_tests::forge;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{Ball, Hand, Rock, Secret, check_agreement, hybrid, member, note, owner, settle};

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
pub(super) fn orphaned(mesh: &mut Mesh) {
    mesh.die(0);
    mesh.nodes().into_iter().for_each(|node| mesh.lose_host(node));
    mesh.take_over(1);
}

/// What the host has to say in this tick, some hear.
pub(super) fn say_last_words(mesh: &mut Mesh, to: &[(usize, bool)]) {
    mesh.managers[0].prepare();
    for &(to, hears) in to {
        for (_, word) in mesh.take_calls(0, to) {
            if hears {
                mesh.give_call(0, to, &word).unwrap();
            }
        }
    }
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

pub(super) fn claims(of: impl FnOnce(&mut BitWriter), last: bool) -> Vec<u8> {
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

/// Neither does it help to say so twice, or to have had it before.
#[test]
fn who_confirms_its_own_claims_has_nothing_of_it() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let balls = [0, 0, 3].map(|node| mesh.managers[node].add(Ball::default()).unwrap());
    settle(&mut mesh);
    mesh.managers[0].set_owner(balls[1], member(2)).unwrap();
    settle(&mut mesh);
    orphaned(&mut mesh);
    mesh.follow(3);
    follow_saying(&mut mesh, 2, |w| {
        for id in [balls[0], balls[2]] {
            claim(w, Mine, id, 7);
            claim(w, Of(2), id, 7);
        }
        // All know that it has this one in epoch 2.
        claim(w, Mine, balls[1], 7);
    });
    settle(&mut mesh);
    check_agreement(&mesh);
    assert_eq!(balls.map(|id| owner(&mesh, id)), [1; 3]);
}

/// Given away in the last moment: to whom, some have heard.
#[test]
fn what_a_lost_host_gave_away_is_believed_when_others_have_heard_of_it() {
    for (heir_heard, other_heard) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let id = mesh.managers[0].add(Ball { x: 4, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        say_last_words(&mut mesh, &[(1, heir_heard), (2, true), (3, other_heard)]);
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
    let all = heard.into_iter().flat_map(|heard| [0, 1, 2].map(|ends| (heard, ends)));
    for ((heir_heard, other_heard), ends) in all {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        // Its owner has used up the same number for something of its own.
        let own = mesh.managers[2].add(Ball::default()).unwrap();
        settle(&mut mesh);
        mesh.managers[2].destroy(own).unwrap();
        settle(&mut mesh);
        let id = mesh.managers[0].add(Ball { x: 5, ..Ball::default() }).unwrap();
        mesh.managers[0].set_owner(id, member(2)).unwrap();
        say_last_words(&mut mesh, &[(1, heir_heard), (2, true), (3, other_heard)]);
        mesh.update(2);
        assert!(mesh.managers[2].info(id).unwrap().is_primary);
        // No state arrives before the heir is the host.
        mesh.weather.loss = 1.0;
        orphaned(&mut mesh);
        if ends == 1 {
            mesh.managers[2].destroy(id).unwrap();
            mesh.step();
        }
        mesh.follow(3);
        mesh.follow(2);
        mesh.run(20);
        assert!(mesh.managers[1].info(id).is_none() && mesh.managers[3].info(id).is_none());
        if ends == 2 && mesh.managers[2].info(id).is_some() {
            mesh.managers[2].destroy(id).unwrap();
        }
        mesh.weather.loss = 0.0;
        settle(&mut mesh);
        check_agreement(&mesh);
        if ends == 0 && (heir_heard || other_heard) {
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

/// The host had taken it from a member that did not answer, which then ended it, and does not know better.
#[test]
fn an_end_that_came_too_late_is_none_for_the_heir_either() {
    for known in [false, true] {
        let mut mesh = hybrid(4, 0, 2, Weather::FAIR);
        let id = mesh.managers[2].add(Ball { x: 3, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        // Nodes 3 and 4 hear of it, or 3 alone.
        mesh.slow.extend([(1, u64::MAX), (2, u64::MAX)]);
        if !known {
            mesh.slow.insert(4, u64::MAX);
        }
        mesh.weather.loss = 1.0;
        mesh.managers[0].set_owner(id, member(3)).unwrap();
        mesh.run(180);
        assert_eq!(mesh.managers[3].info(id).map(|info| (info.is_primary, info.epoch)), Some((true, 4)));
        mesh.slow.clear();
        mesh.weather.loss = 0.0;
        orphaned(&mut mesh);
        mesh.follow(2);
        mesh.run(14);
        // The heir has heard what it claims, and not yet what others do.
        mesh.managers[2].destroy(id).unwrap();
        mesh.run(20);
        mesh.follow(3);
        mesh.follow(4);
        settle(&mut mesh);
        check_agreement(&mesh);
        assert_eq!(owner(&mesh, id), if known { 3 } else { 1 });
        for node in 1..5 {
            note(&mut mesh, node, id, 1);
        }
        settle(&mut mesh);
        assert!((1..5).all(|node| mesh.managers[node].get::<Ball>(id).unwrap().notes.len() == 4));
    }
}

#[test]
fn nobody_is_told_of_what_everybody_knows() {
    let mut mesh = hybrid(2, 0, 2, Weather::FAIR);
    let ids: Vec<_> = (0..100).map(|_| mesh.managers[0].add(Ball::default()).unwrap()).collect();
    settle(&mut mesh);
    ids.iter().for_each(|id| mesh.managers[0].destroy(*id).unwrap());
    settle(&mut mesh);
    orphaned(&mut mesh);
    mesh.follow(2);
    mesh.overheard = Some(Vec::new());
    settle(&mut mesh);
    let told = mesh.overheard.take().unwrap().into_iter().filter(|(from, ..)| *from == 1).count();
    assert!(told <= 2, "{told} messages: who was the host, and that all is there");
}

#[test]
fn claims_that_make_no_sense_are_faults() {
    let known = |mesh: &mut Mesh| mesh.managers[0].add(Ball::default()).unwrap();
    type Body = fn(&mut BitWriter, ReplicaId);
    let bodies: [(Body, PeerFault); 6] = [
        (|w, _| w.bits(0b11, 2), WireError::UnexpectedEnd.into()),
        (|w, id| (1..=5).for_each(|epoch| claim(w, Mine, id, epoch)), PeerFault::Limit("claims of one replica")),
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

/// The host had taken it from the heir, which then ended it, and does not know better.
#[test]
fn what_an_heir_has_ended_too_late_goes_on() {
    for tick in 0..20 {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let id = mesh.managers[1].add(Ball { x: 3, ..Ball::default() }).unwrap();
        settle(&mut mesh);
        mesh.slow.insert(1, u64::MAX);
        mesh.weather.loss = 1.0;
        mesh.managers[0].set_owner(id, member(3)).unwrap();
        mesh.run(180);
        mesh.slow.clear();
        mesh.weather.loss = 0.0;
        orphaned(&mut mesh);
        mesh.follow(2);
        mesh.follow(3);
        mesh.run(tick);
        if mesh.managers[1].info(id).unwrap().is_primary {
            mesh.managers[1].destroy(id).unwrap();
        }
        settle(&mut mesh);
        check_agreement(&mesh);
        assert_eq!((owner(&mesh, id), mesh.managers[1].get::<Ball>(id).unwrap().x), (3, 3), "tick {tick}");
    }
}

/// What its creator said of it was under way for a long time.
#[test]
fn what_an_heir_vouches_for_is_not_overtaken_by_what_was_before() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    settle(&mut mesh);
    mesh.weather.loss = 1.0;
    let id = mesh.managers[3].add(Ball { x: 5, ..Ball::default() }).unwrap();
    mesh.managers[3].prepare();
    let late = mesh.take_state(3, 1);
    for (_, state) in mesh.take_state(3, 0) {
        assert_eq!(mesh.give_state(3, 0, &state), Ok(Verdict::Accepted));
    }
    mesh.managers[0].set_owner(id, member(2)).unwrap();
    mesh.run(60);
    assert!(mesh.managers[2].info(id).unwrap().is_primary);
    orphaned(&mut mesh);
    mesh.follow(2);
    mesh.follow(3);
    mesh.run(20);
    assert!(mesh.managers[1].info(id).is_none());
    for (_, state) in late {
        assert_eq!(mesh.give_state(3, 1, &state), Ok(Verdict::TooLate));
    }
    mesh.weather.loss = 0.0;
    settle(&mut mesh);
    check_agreement(&mesh);
    assert_eq!(owner(&mesh, id), 2);
}

/// They could not be adopted, so they would end.
#[test]
fn nobody_ends_by_claims_what_cannot_migrate() {
    for stance in [Of(2), Of(3), Mine, Ended] {
        let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
        let rocks = [1, 2, 3].map(|node| mesh.managers[node].add(Rock { x: 4 }).unwrap());
        settle(&mut mesh);
        orphaned(&mut mesh);
        mesh.follow(3);
        follow_saying(&mut mesh, 2, |w| rocks.iter().for_each(|id| claim(w, stance, *id, 7)));
        settle(&mut mesh);
        check_agreement(&mesh);
        assert_eq!(rocks.map(|id| owner(&mesh, id)), [1, 2, 3], "{stance:?}");
    }
}

#[test]
fn an_heir_sees_what_hosts_see() {
    let mut mesh = hybrid(3, 0, 2, Weather::FAIR);
    let id = mesh.managers[2].add(Hand { x: 5 }).unwrap();
    settle(&mut mesh);
    let shown = |mesh: &Mesh| [1, 3].map(|node| mesh.managers[node].get::<Hand>(id).unwrap().x);
    assert_eq!(shown(&mesh), [0, 0]);
    orphaned(&mut mesh);
    mesh.follow(2);
    mesh.follow(3);
    settle(&mut mesh);
    assert_eq!(shown(&mesh), [5, 0]);
}
