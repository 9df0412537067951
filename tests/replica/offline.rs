//! A program on its own runs unchanged: what it holds are primaries.

use gridmate_runtime::prelude::*;
use gridmate_tests::chunks::{Gauge, Journal, Mover, registry};
use gridmate_tests::mesh::{Mesh, Weather};

#[test]
fn a_replica_outside_a_session_is_its_own_primary() {
    let mut alone = ReplicaManager::new(registry(), 1);
    let id = alone.spawn().with(Journal { version: 4, ..Journal::default() }).with(Gauge::default()).add().unwrap();
    assert!(alone.info(id).unwrap().is_primary);
    // A call runs at once, with the values as they are.
    alone.primary_mut::<Journal>(id).unwrap().rpcs().note(7).unwrap();
    alone.primary_mut::<Journal>(id).unwrap().rpcs().declare(8).unwrap();
    let journal = alone.get::<Journal>(id).unwrap();
    assert_eq!(journal.calls, [(MemberId::HOST, 7), (MemberId::HOST, 8)]);
    assert_eq!(journal.versions, [4], "what it was made with counts before any tick");
    // A change handler is for proxies; a dataset without one may change all the same.
    alone.primary_mut::<Gauge>(id).unwrap().level = 3;
    alone.primary_mut::<Gauge>(id).unwrap().noise = 3;
    alone.prepare();
    assert_eq!(alone.get::<Gauge>(id).unwrap().seen, []);
}

#[test]
fn what_was_set_alone_is_what_those_who_come_see() {
    let mut mesh = Mesh::new(&registry(), 0, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Mover { energy: 1, label: "made".into(), ..Mover::default() }).unwrap();
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 2;
    mesh.run(40);
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 3;
    assert_eq!(mesh.messages, 0, "there is nobody to tell");
    let late = mesh.join();
    mesh.settle();
    let seen = mesh.managers[late].get::<Mover>(id).unwrap();
    assert_eq!((seen.energy, seen.label.as_str()), (3, "made"));
    assert!(mesh.agree());
}

/// Everything that a host says while `write` gives its replica one value after another.
fn said(seed: u64, write: impl Fn(&mut ReplicaManager, ReplicaId, &Mover)) -> Vec<(usize, usize, Vec<u8>)> {
    let mut mesh = Mesh::new(&registry(), 2, seed, Weather::FOUL);
    mesh.overheard = Some(Vec::new());
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    for tick in 0..60_u16 {
        let next = Mover {
            position: f32::from(tick / 3) * 0.5,
            energy: u32::from(tick / 7),
            label: if tick < 30 { String::new() } else { "late".into() },
            local: 0,
        };
        write(&mut mesh.managers[0], id, &next);
        mesh.step();
    }
    mesh.settle();
    assert!(mesh.agree());
    mesh.overheard.unwrap()
}

#[test]
fn setting_all_of_a_value_says_the_same_bytes_as_setting_what_changed() {
    for seed in 0..8 {
        let by_field = said(seed, |manager, id, next| {
            let mut mover = manager.primary_mut::<Mover>(id).unwrap();
            if mover.position != next.position {
                mover.position = next.position;
            }
            if mover.energy != next.energy {
                mover.energy = next.energy;
            }
            if mover.label != next.label {
                mover.label.clone_from(&next.label);
            }
        });
        let whole = said(seed, |manager, id, next| *manager.primary_mut::<Mover>(id).unwrap() = next.clone());
        let merged = said(seed, |manager, id, next| manager.primary_mut::<Mover>(id).unwrap().merge(next));
        assert!(by_field.len() >= 40, "{} messages", by_field.len());
        assert!(by_field == whole && whole == merged, "seed {seed}");
    }
}
