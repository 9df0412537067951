//! Replicas come, change hands and go.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::Verdict;
use gridmate_tests::chunks::{Gauge, Journal, Mover, Vital, registry};
use gridmate_tests::mesh::{Mesh, Weather};

#[test]
fn a_replica_appears_changes_and_vanishes_everywhere() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Mover { energy: 7, label: "one".into(), local: 9, ..Mover::default() }).unwrap();
    mesh.run(10);
    for manager in &mesh.managers {
        assert_eq!(manager.get::<Mover>(id).unwrap().energy, 7);
        assert_eq!(manager.info(id).unwrap().owner, MemberId(2));
    }
    assert_eq!(mesh.managers[2].get::<Mover>(id).unwrap().local, 0, "skipped fields stay at home");
    mesh.managers[1].primary_mut::<Mover>(id).unwrap().position = 2.71432;
    mesh.run(10);
    assert!((mesh.managers[2].get::<Mover>(id).unwrap().position - 2.71).abs() < 1e-5, "quantised on the way");
    assert!(mesh.agree());
    mesh.managers[1].destroy(id).unwrap();
    assert_eq!(mesh.managers[1].get::<Mover>(id), Err(ReplicaError::Unknown(id)));
    mesh.run(10);
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn ownership_is_a_type() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Gauge::default()).unwrap();
    mesh.run(5);
    assert_eq!(mesh.managers[1].primary_mut::<Gauge>(id).map(|_| ()), Err(ReplicaError::NotPrimary(id)));
    assert_eq!(mesh.managers[0].proxy::<Gauge>(id).map(|_| ()), Err(ReplicaError::NotProxy(id)));
    assert_eq!(mesh.managers[1].get::<Mover>(id), Err(ReplicaError::NoSuchChunk(id)));
    assert_eq!(mesh.managers[1].destroy(id), Err(ReplicaError::NotPrimary(id)));
}

#[test]
fn several_chunks_live_and_die_as_one() {
    let mut mesh = Mesh::new(&registry(), 2, 3, Weather::FOUL);
    let id = mesh.managers[1]
        .spawn()
        .with(Mover { energy: 1, ..Mover::default() })
        .with(Gauge { level: 2, ..Gauge::default() })
        .add()
        .unwrap();
    for i in 0..60 {
        if i % 3 == 0 {
            mesh.managers[1].primary_mut::<Mover>(id).unwrap().energy += 1;
        }
        if i % 7 == 0 {
            mesh.managers[1].primary_mut::<Gauge>(id).unwrap().level += 1;
        }
        mesh.step();
    }
    mesh.run(60);
    assert!(mesh.agree());
    assert_eq!(mesh.managers[2].get::<Mover>(id).unwrap().energy, 21);
    assert_eq!(mesh.managers[2].get::<Gauge>(id).unwrap().level, 11);
    mesh.managers[1].destroy(id).unwrap();
    mesh.run(60);
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn replication_scenario_06_created_and_destroyed_in_one_tick_sends_nothing() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Journal::default()).unwrap();
    mesh.managers[0].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
    mesh.managers[0].destroy(id).unwrap();
    mesh.run(30);
    assert_eq!(mesh.messages, 0);
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn the_lost_owners_replicas_vanish_or_are_adopted() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let kept = mesh.managers[1].add(Mover { energy: 5, ..Mover::default() }).unwrap();
    let lost = mesh.managers[1].add(Gauge::default()).unwrap();
    mesh.run(10);
    mesh.leave(1);
    mesh.managers[0].primary_mut::<Mover>(kept).unwrap().energy = 6;
    mesh.run(20);
    for node in [0, 2] {
        assert_eq!(mesh.managers[node].get::<Mover>(kept).unwrap().energy, 6);
        assert_eq!(mesh.managers[node].info(kept).unwrap().owner, MemberId::HOST);
        assert_eq!(mesh.managers[node].get::<Gauge>(lost), Err(ReplicaError::Unknown(lost)));
    }
}

#[test]
fn assigning_to_nobody_is_assigning_to_the_owner() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].spawn().with(Gauge::default()).assign(MemberId::NONE).add().unwrap();
    mesh.run(10);
    mesh.managers[0].assign(id, MemberId(2)).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].info(id).unwrap().assigned, MemberId(2));
    mesh.managers[0].assign(id, MemberId::NONE).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].info(id).unwrap().assigned, MemberId::HOST);
}

#[test]
fn everyone_knows_whose_a_replica_is_after_it_was_assigned_and_after_it_was_adopted() {
    for (assigned, heir) in
        [(MemberId(3), MemberId(3)), (MemberId(2), MemberId::HOST), (MemberId::HOST, MemberId::HOST)]
    {
        let mut mesh = Mesh::new(&registry(), 3, 1, Weather::FAIR);
        let of = |mesh: &Mesh, id| -> Vec<_> {
            let infos = mesh.nodes().into_iter().map(|node| mesh.managers[node].info(id).unwrap());
            infos.map(|i| (i.owner, i.assigned, i.migratable, i.is_primary)).collect()
        };
        let id = mesh.managers[1].add(Mover::default()).unwrap();
        // Only what can migrate as a whole can migrate.
        let pinned = mesh.managers[0].spawn().with(Mover::default()).with(Gauge::default()).add().unwrap();
        mesh.settle();
        mesh.managers[1].assign(id, assigned).unwrap();
        mesh.settle();
        let proxy = (MemberId(2), assigned, true, false);
        assert_eq!(of(&mesh, id), [proxy, (MemberId(2), assigned, true, true), proxy, proxy]);
        assert!(of(&mesh, pinned).iter().all(|(_, _, migratable, _)| !migratable));
        mesh.leave(1);
        let late = mesh.join();
        mesh.settle();
        assert_eq!(mesh.nodes(), [0, 2, 3, late]);
        let proxy = (MemberId::HOST, heir, true, false);
        assert_eq!(of(&mesh, id), [(MemberId::HOST, heir, true, true), proxy, proxy, proxy]);
    }
}

#[test]
fn who_it_is_assigned_to_arrives_even_when_older_state_is_acknowledged_in_between() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    mesh.managers[0].prepare();
    let first = mesh.take_state(0, 1).remove(0);
    assert_eq!(mesh.give_state(0, 1, &first.1), Ok(Verdict::Accepted));
    // A difference to what is acknowledged now would say nothing of whose it is.
    mesh.managers[0].assign(id, MemberId(2)).unwrap();
    mesh.give_receipt(0, 1, first.0, true);
    mesh.run(10);
    assert_eq!(mesh.managers[1].info(id).unwrap().assigned, MemberId(2));
}

#[test]
fn a_receipt_says_nothing_of_the_replica_that_took_the_place() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let first = mesh.managers[0].add(Mover { energy: 1, ..Mover::default() }).unwrap();
    mesh.managers[0].prepare();
    let (token, bytes) = mesh.take_state(0, 1).remove(0);
    mesh.managers[0].destroy(first).unwrap();
    mesh.managers[0].prepare();
    let second = mesh.managers[0].add(Mover { energy: 2, ..Mover::default() }).unwrap();
    mesh.managers[0].prepare();
    assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
    mesh.give_receipt(0, 1, token, true);
    mesh.managers[0].primary_mut::<Mover>(second).unwrap().energy = 3;
    mesh.settle();
    assert_eq!(mesh.managers[1].ids().collect::<Vec<_>>(), [second]);
    assert!(mesh.agree());
}

#[test]
fn the_end_of_a_replica_is_said_to_those_who_only_heard_a_call_on_it() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Journal::default()).unwrap();
    mesh.managers[0].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
    mesh.managers[0].prepare();
    // There was room for the call in this tick, and none for the state.
    for (_, call) in mesh.take_calls(0, 1) {
        mesh.give_call(0, 1, &call).unwrap();
    }
    mesh.managers[0].destroy(id).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].stats().rpcs_dropped, 1, "it waits no longer");
    assert!(mesh.managers[1].is_empty());
}

#[test]
fn a_local_call_that_destroys_is_an_event_too() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Vital::default()).unwrap();
    mesh.settle();
    while mesh.managers[0].poll_event().is_some() {} // The client has come.
    mesh.managers[0].primary_mut::<Vital>(id).unwrap().rpcs().die().unwrap();
    mesh.settle();
    assert_eq!(mesh.managers[0].poll_event(), Some(ReplicaEvent::Removed { id }));
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn state_an_adoption_and_a_call_may_meet_in_one_tick() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Vital { health: 100, ..Vital::default() }).unwrap();
    mesh.settle();
    mesh.managers[1].primary_mut::<Vital>(id).unwrap().health = 50;
    mesh.managers[1].prepare();
    let (_, last) = mesh.take_state(1, 0).remove(0);
    mesh.managers[2].proxy::<Vital>(id).unwrap().rpcs().damage(1).unwrap();
    mesh.managers[2].prepare();
    let (_, call) = mesh.take_calls(2, 0).remove(0);
    assert_eq!(mesh.give_state(1, 0, &last), Ok(Verdict::Accepted));
    mesh.leave(1);
    mesh.give_call(2, 0, &call).unwrap();
    mesh.settle();
    mesh.managers[0].primary_mut::<Vital>(id).unwrap().health -= 1;
    mesh.settle();
    assert_eq!(mesh.managers[2].get::<Vital>(id).unwrap().health, 48);
    assert!(mesh.agree());
}

#[test]
fn what_others_changed_is_listed_and_what_the_program_wrote_is_not() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let listed = |mesh: &mut Mesh, node: usize| {
        let mut ids = Vec::new();
        mesh.managers[node].drain_updated::<Vital>(|id, vital| ids.push((id, vital.health)));
        ids
    };
    let id = mesh.managers[0].add(Vital { health: 9, ..Vital::default() }).unwrap();
    let other = mesh.managers[1].add(Vital { health: 9, ..Vital::default() }).unwrap();
    mesh.settle();
    for node in [0, 1] {
        assert_eq!(listed(&mut mesh, node), [], "nobody had asked");
    }
    // A write is listed where it arrives.
    mesh.managers[0].primary_mut::<Vital>(id).unwrap().health = 8;
    mesh.settle();
    assert_eq!([listed(&mut mesh, 0), listed(&mut mesh, 1)], [vec![], vec![(id, 8)]]);
    // A local call is listed on the primary too, and so is one from elsewhere.
    mesh.managers[0].primary_mut::<Vital>(id).unwrap().rpcs().damage(1).unwrap();
    assert_eq!(listed(&mut mesh, 0), [(id, 7)]);
    mesh.settle();
    assert_eq!([listed(&mut mesh, 0), listed(&mut mesh, 1)], [vec![], vec![(id, 7)]]);
    mesh.managers[0].proxy::<Vital>(other).unwrap().rpcs().damage(4).unwrap();
    mesh.settle();
    assert_eq!([listed(&mut mesh, 0), listed(&mut mesh, 1)], [vec![(other, 5)], vec![(other, 5)]]);
    assert_eq!([listed(&mut mesh, 0), listed(&mut mesh, 1)], [vec![], vec![]], "each once");
}
