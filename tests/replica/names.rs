//! Names for people: where they go, and where they cost nothing.

use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_runtime::wire::BitWriter;
use gridmate_tests::chunks::{Gauge, Mover, registry};
use gridmate_tests::mesh::{Mesh, Weather};

/// What is said while replicas of the host and of a client are named, or not.
fn said(named: bool, shares: [bool; 2]) -> Vec<(usize, usize, Vec<u8>)> {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    mesh.overheard = Some(Vec::new());
    for (manager, share) in mesh.managers.iter_mut().zip(shares) {
        if share {
            manager.share_names();
        }
    }
    for owner in [0, 1] {
        let id = mesh.managers[owner].add(Mover::default()).unwrap();
        if named {
            mesh.managers[owner].set_name(id, "a name").unwrap();
        }
    }
    mesh.settle();
    mesh.overheard.unwrap()
}

#[test]
fn a_name_costs_nothing_unless_both_ends_share_them() {
    let silent = said(false, [false, false]);
    assert_eq!(said(true, [false, false]), silent);
    for shares in [[true, false], [false, true]] {
        let said = said(true, shares);
        let more: usize =
            said.iter().filter(|(.., bytes)| bytes.starts_with(&[0; 8])).map(|(.., bytes)| bytes.len()).sum();
        assert_eq!((said.len(), more), (silent.len() + 1, 9), "one asks, and nobody answers");
    }
    assert_eq!(said(true, [true, true]).len(), silent.len() + 4);
}

#[test]
fn names_reach_all_who_share_them_and_follow_when_they_change() {
    for seed in 0..20 {
        let mut mesh = Mesh::new(&registry(), 3, seed, Weather::FOUL);
        for node in [0, 1, 2] {
            mesh.managers[node].share_names();
        }
        let ids: Vec<_> = (0..100).map(|_| mesh.managers[1].add(Mover::default()).unwrap()).collect();
        for (i, id) in ids.iter().enumerate() {
            mesh.managers[1].set_name(*id, &format!("mover {i}")).unwrap();
        }
        let own = mesh.managers[0].add(Gauge::default()).unwrap();
        mesh.managers[0].set_name(own, "the host's").unwrap();
        mesh.settle();
        let late = mesh.join();
        mesh.managers[late].share_names();
        mesh.settle();
        for node in [0, 2, late] {
            let named = |id| mesh.managers[node].name(id);
            assert!(ids.iter().enumerate().all(|(i, id)| named(*id) == Some(&format!("mover {i}"))), "seed {seed}");
            assert_eq!(named(own), Some("the host's"));
        }
        assert!(ids.iter().all(|id| mesh.managers[3].name(*id).is_none()), "it did not ask");
        mesh.managers[1].set_name(ids[7], "another").unwrap();
        mesh.managers[1].set_name(ids[8], "").unwrap();
        mesh.settle();
        // What one calls another's stays there.
        mesh.overheard = Some(Vec::new());
        mesh.managers[2].set_name(ids[9], "mine").unwrap();
        mesh.settle();
        assert_eq!(mesh.overheard.take().unwrap(), []);
        let names = [0, 2, late].map(|node| [7, 8, 9].map(|i| mesh.managers[node].name(ids[i]).map(str::to_owned)));
        let [nine, mine] = ["mover 9", "mine"].map(|name| [Some("another".to_owned()), None, Some(name.to_owned())]);
        assert_eq!(names, [nine.clone(), mine, nine]);
        for id in &ids {
            mesh.managers[1].destroy(*id).unwrap();
        }
        mesh.settle();
        assert!(ids.iter().all(|id| mesh.managers.iter().all(|manager| manager.name(*id).is_none())));
    }
}

#[test]
fn a_description_says_what_there_is_to_say() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[1].spawn().with(Mover::default()).with(Gauge::default()).add().unwrap();
    mesh.managers[1].set_name(id, "two\nlines of \u{1b}[31m").unwrap();
    mesh.settle();
    assert_eq!(mesh.managers[1].describe(id).to_string(), "#2.1 \"twolines of [31m\" (mover, gauge), a primary");
    assert_eq!(mesh.managers[0].describe(id).to_string(), "#2.1 (mover, gauge), a proxy of #2");
    assert!(format!("{:?}", mesh.managers[1]).contains("#2.1: \"twolines of [31m\""));
    mesh.managers[1].destroy(id).unwrap();
    assert_eq!(mesh.managers[1].set_name(id, "late"), Err(ReplicaError::Unknown(id)));
    mesh.settle();
    assert_eq!(mesh.managers[1].describe(id).to_string(), "#2.1 (not here)");
    let long = mesh.managers[1].add(Gauge::default()).unwrap();
    mesh.managers[1].set_name(long, &"ä".repeat(100)).unwrap();
    assert_eq!(mesh.managers[1].name(long).unwrap().len(), limits::NAME_BYTES);
}

fn forged(id: ReplicaId, name: &[u8], length: u64) -> Vec<u8> {
    let mut w = BitWriter::new();
    w.bits(0, 64);
    w.bool(false);
    w.gamma(id.creator.0);
    w.gamma(id.serial);
    w.bits(length, 7);
    w.bytes(name);
    w.finish().to_vec()
}

#[test]
fn forged_names_name_nothing_of_others_and_fill_no_memory() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    mesh.managers.iter_mut().for_each(ReplicaManager::share_names);
    let own = mesh.managers[0].add(Gauge::default()).unwrap();
    let others = mesh.managers[2].add(Gauge::default()).unwrap();
    mesh.managers[0].set_name(own, "own").unwrap();
    mesh.settle();
    for id in [own, others] {
        mesh.give_call(1, 0, &forged(id, b"stolen", 6)).unwrap();
    }
    assert_eq!([own, others].map(|id| mesh.managers[0].name(id)), [Some("own"), None]);
    let id = ReplicaId { creator: MemberId(2), serial: 9 };
    let right = forged(id, b"text", 4);
    for wrong in [
        forged(id, b"te\nt", 4),
        forged(id, b"\xff\xfe__", 4),
        forged(id, &[b'x'; 64], 65),
        forged(id, &[b'x'; 127], 127),
        forged(id, b"text", 5),
        [&right[..], &[0; 2]].concat(),
        vec![0; 8],
        [&[0; 8][..], &[1, 0]].concat(),
    ] {
        assert!(mesh.give_call(1, 0, &wrong).is_err(), "{wrong:?}");
    }
    for cut in 8..right.len() {
        assert!(mesh.give_call(1, 0, &right[..cut]).is_err(), "{cut} bytes");
    }
    // Many that are never there.
    for serial in 1..=3_000 {
        let id = ReplicaId { creator: MemberId(2), serial };
        mesh.give_call(1, 0, &forged(id, b"text", 4)).unwrap();
    }
    let mut movers = (0..3_000).map(|_| mesh.managers[1].add(Mover::default()).unwrap()).collect::<Vec<_>>();
    mesh.settle();
    movers.retain(|id| mesh.managers[0].name(*id).is_some());
    assert_eq!(movers.len(), limits::EARLY_NAMES, "the last ones");
    // They cost others no more than calls.
    mesh.step();
    let name = [b'y'; 64];
    let mover = movers[0];
    let flood = (0..100_000u32).try_for_each(|i| {
        let name = [&name[..60], &i.to_string().as_bytes()[..1]].concat();
        mesh.give_call(1, 0, &forged(mover, &name, name.len() as u64))
    });
    assert!(flood.is_err());
}
