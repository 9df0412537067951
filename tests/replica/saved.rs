//! All replicas as bytes, and back.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerRole, RestoreError};
use gridmate_runtime::{Rng, wire::WireError};
use gridmate_tests::chunks::{Journal, Mover};
use gridmate_tests::mesh::{Mesh, Weather};

/// With a throttle, a reference, a constant of its own and something that stays here.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "guard")]
struct Guard {
    #[dataset(throttle = Epsilon(10.0))]
    x: f32,
    #[dataset(max_len = 4)]
    posts: Vec<u16>,
    #[dataset(entity)]
    watches: EntityRef,
    #[dataset(skip)]
    asleep: bool,
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "crate", migratable)]
struct Crate {
    mass: u32,
}

fn registry() -> Registry {
    Registry::builder().chunk::<Guard>().chunk::<Journal>().chunk::<Mover>().build().unwrap()
}

/// A session in which two clients own something too.
fn session(seed: u64) -> Mesh {
    let mut rng = Rng::new(seed);
    let mut mesh = Mesh::new(&registry(), 2, seed, Weather::FAIR);
    for node in 0..3 {
        for _ in 0..rng.below(5) + 1 {
            let position = (rng.below(10_000) as f32 - 5_000.0) / 100.0;
            let mover = Mover {
                position,
                energy: u32::try_from(rng.below(9)).unwrap(),
                label: "m".repeat([0, 1, 3][node]),
                local: 1,
            };
            let replicas = &mut mesh.managers[node];
            let id = replicas.add(mover.clone()).unwrap();
            let guard = Guard { x: position, posts: vec![1, 2], watches: id.into(), asleep: true };
            let both = replicas.spawn().with(guard).with(mover).assign(MemberId(3)).add().unwrap();
            assert_ne!(both, id);
        }
    }
    for _ in 0..30 {
        mesh.step();
    }
    mesh
}

#[test]
fn everything_comes_back_under_the_same_id() {
    for seed in 0..50 {
        let mut mesh = session(seed);
        let (host, saved) = (&mesh.managers[0], mesh.managers[0].save());
        let mut again = ReplicaManager::new(registry(), 9);
        let restored = again.restore(&saved).unwrap();
        assert_eq!(restored.len(), host.len());
        for replica in &restored {
            let (before, now) = (host.info(replica.id).unwrap(), again.info(replica.id).unwrap());
            assert_eq!((replica.owner, replica.assigned), (before.owner, before.assigned));
            assert_eq!((now.owner, now.assigned, now.is_primary), (MemberId::HOST, MemberId::HOST, true));
            assert_eq!(now.migratable, before.migratable);
            if let Ok(guard) = host.get::<Guard>(replica.id) {
                assert_eq!(again.get::<Guard>(replica.id).unwrap(), &Guard { asleep: false, ..guard.clone() });
            }
        }
        again.prepare();
        assert_eq!(again.digest(), mesh.managers[0].digest());
        // What is added next has an id that nothing had.
        let next = again.add(Mover::default()).unwrap();
        assert!(mesh.managers[0].info(next).is_none() && restored.iter().all(|replica| replica.id != next));
        assert_eq!(mesh.managers[0].add(Mover::default()).unwrap(), next);
    }
}

#[test]
fn what_was_restored_is_replicated() {
    let saved = session(3).managers[0].save();
    let mut mesh = Mesh::new(&registry(), 2, 4, Weather::FOUL);
    mesh.managers[0].restore(&saved).unwrap();
    for _ in 0..200 {
        mesh.step();
    }
    let digests: Vec<_> = mesh.managers.iter().map(ReplicaManager::digest).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    assert!(mesh.managers[2].len() >= 6);
}

#[test]
fn what_is_not_captured_or_withheld_is_saved_too() {
    let mut replicas = ReplicaManager::new(registry(), 1);
    let peer = replicas.add_peer(MemberId(2), PeerRole::Client);
    let id = replicas.add(Guard { x: 1.0, ..Guard::default() }).unwrap();
    replicas.prepare();
    let _ = replicas.marshal(peer, 1_200, &mut Vec::new());
    replicas.primary_mut::<Guard>(id).unwrap().x = 2.0; // less than the throttle lets through
    replicas.prepare();
    replicas.primary_mut::<Guard>(id).unwrap().posts = vec![7]; // not captured
    let dying = replicas.add(Guard::default()).unwrap();
    replicas.destroy(dying).unwrap();

    let mut again = ReplicaManager::new(registry(), 2);
    assert_eq!(again.restore(&replicas.save()).unwrap().len(), 1);
    let guard = again.get::<Guard>(id).unwrap();
    assert_eq!((guard.x, &guard.posts[..]), (2.0, &[7][..]));
}

#[test]
fn damage_is_told_and_changes_nothing() {
    let saved = session(1).managers[0].save();
    let mut replicas = ReplicaManager::new(registry(), 1);
    for len in 0..saved.len() {
        let error = replicas.restore(&saved[..len]).unwrap_err();
        assert!(matches!(error, RestoreError::NotSaved | RestoreError::Damaged(_)), "{len}: {error}");
    }
    for (at, bit) in (0..saved.len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
        let mut damaged = saved.clone();
        damaged[at] ^= bit;
        let error = replicas.restore(&damaged).unwrap_err();
        let plausible = match at {
            0..4 => error == RestoreError::NotSaved,
            4 => matches!(error, RestoreError::Format(_)),
            _ => error == RestoreError::Damaged(WireError::Invalid),
        };
        assert!(plausible, "{at}: {error}");
    }
    assert!(replicas.is_empty());
    assert!(!replicas.restore(&saved).unwrap().is_empty());
    assert_eq!(replicas.restore(&saved), Err(RestoreError::NotEmpty));
}

/// As zlib does it, a bit at a time.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_body_that_makes_no_sense_changes_nothing_even_if_nothing_shows() {
    let saved = session(2).managers[0].save();
    for at in 9..saved.len() - 4 {
        let mut forged = saved[..saved.len() - 4].to_vec();
        forged[at] ^= 0x10;
        forged.extend_from_slice(&crc(&forged).to_le_bytes());
        let mut replicas = ReplicaManager::new(registry(), 1);
        if replicas.restore(&forged).is_err() {
            assert!(replicas.is_empty());
            assert_eq!(replicas.add(Guard::default()).unwrap(), ReplicaId { creator: MemberId::HOST, serial: 1 });
        }
    }
}

#[test]
fn other_chunk_types_are_named() {
    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "guard")]
    struct Other {
        x: f64,
    }
    let mut saved_by = ReplicaManager::new(Registry::builder().chunk::<Other>().build().unwrap(), 1);
    saved_by.add(Other { x: 1.0 }).unwrap();
    let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Guard>().build().unwrap(), 1);
    let error = replicas.restore(&saved_by.save()).unwrap_err().to_string();
    assert!(error.contains("chunk `guard`") && error.contains("`x`"), "{error}");
}

#[test]
fn only_a_host_who_is_alone_restores() {
    let network = MemoryNetwork::new();
    let node = |registry| Node::host(network.bind_any().unwrap(), NodeConfig::new(registry)).unwrap();
    let saved = session(5).managers[0].save();
    let mut host = node(registry());
    let mut client = Node::join(network.bind_any().unwrap(), host.local_addr(), NodeConfig::new(registry())).unwrap();
    assert_eq!(client.restore(&saved), Err(RestoreError::NotAlone));
    host.restore(&saved).unwrap();
    for frame in 0..20 {
        let now = Instant::from_millis(frame * 20);
        host.tick(now).unwrap();
        client.tick(now).unwrap();
    }
    // Members 1 to 3 were in the session that was saved.
    assert_eq!(client.local_member(), MemberId(4));
    assert_eq!(client.replicas().digest(), host.replicas().digest());
    let mine = client.replicas().add(Mover::default()).unwrap();
    assert_eq!(mine, ReplicaId { creator: MemberId(4), serial: 1 });
    let mut second = node(registry());
    let mut joined = Node::join(network.bind_any().unwrap(), second.local_addr(), NodeConfig::new(registry())).unwrap();
    for frame in 0..20 {
        second.tick(Instant::from_millis(frame * 20)).unwrap();
        joined.tick(Instant::from_millis(frame * 20)).unwrap();
    }
    assert_eq!(second.restore(&saved), Err(RestoreError::NotAlone));
}

/// Of owners, the program hears who they were; all else of them begins anew.
#[test]
fn names_and_assignments_and_epochs_do_not_come_back() {
    let registry = || Registry::builder().chunk::<Crate>().build().unwrap();
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = mesh.managers[0].spawn().with(Crate { mass: 5 }).assign(MemberId(3)).add().unwrap();
    mesh.managers[0].set_name(id, "the heavy one").unwrap();
    mesh.settle();
    for member in [2, 1] {
        mesh.managers[0].set_owner(id, MemberId(member)).unwrap();
        mesh.settle();
    }
    let before = mesh.managers[0].info(id).unwrap();
    assert_eq!((before.assigned, before.epoch), (MemberId(3), 3));
    let saved = mesh.managers[0].save();
    assert!(!saved.windows(5).any(|bytes| bytes == b"heavy"));
    let mut again = ReplicaManager::new(registry(), 2);
    let restored = again.restore(&saved).unwrap();
    assert_eq!((restored[0].owner, restored[0].assigned), (MemberId::HOST, MemberId(3)));
    let now = again.info(id).unwrap();
    assert_eq!((now.owner, now.assigned, now.epoch), (MemberId::HOST, MemberId::HOST, 1));
    assert_eq!((again.name(id), again.get::<Crate>(id).unwrap().mass), (None, 5));
}
