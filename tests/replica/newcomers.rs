//! Who comes late hears how much there is, how much has come, and once that all of it has.

use std::collections::BTreeSet;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerRole;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::{Rng, limits};
use gridmate_tests::chunks::{Mover, registry_with};
use gridmate_tests::mesh::{Mesh, Weather};

/// What a newcomer was told.
#[derive(Debug, Default)]
struct Told {
    progress: Vec<u32>,
    total: Option<u32>,
    synced: u32,
}

impl Told {
    /// Takes the events of a node in; true if one of them said that all is here.
    fn hear(&mut self, mesh: &mut Mesh, node: usize) -> bool {
        let before = self.synced;
        while let Some(event) = mesh.managers[node].poll_event() {
            let said = match event {
                ReplicaEvent::SyncProgress { from: MemberId::HOST, arrived, total } => {
                    assert_eq!(self.synced, 0, "nothing comes after the end");
                    self.progress.push(arrived);
                    total
                }
                ReplicaEvent::Synced { from: MemberId::HOST, total } => {
                    self.synced += 1;
                    total
                }
                _ => continue,
            };
            assert_eq!(*self.total.get_or_insert(said), said);
        }
        self.synced > before
    }
}

#[test]
fn all_is_here_when_it_is_said_to_be_whatever_was_lost_or_destroyed_on_the_way() {
    for seed in 0..60 {
        for coder in [Coder::Packed, Coder::Entropy] {
            let mut rng = Rng::new(seed);
            let weather = Weather { budget: 2, bytes: 200, ..Weather::FOUL };
            let mut mesh = Mesh::new(&registry_with(coder), 1, seed, weather);
            let count = usize::try_from(rng.below(150)).unwrap();
            let mut ids: Vec<_> = (0..count)
                .map(|n| {
                    let owner = usize::from(rng.chance(0.2));
                    let mover = Mover { label: format!("{n}"), ..Mover::default() };
                    (owner, mesh.managers[owner].add(mover).unwrap())
                })
                .collect();
            mesh.settle();
            let extra = mesh.managers[0].add(Mover::default()).unwrap(); // Nobody has seen it yet.
            ids.push((0, extra));
            let client = mesh.join();
            let peer = mesh.peer(0, client);
            assert!(!mesh.managers[0].sync_progress(peer).unwrap().is_complete());
            let mut were: BTreeSet<_> = ids.iter().map(|(_, id)| *id).collect();
            let (total, mut told) = (were.len(), Told::default());
            for tick in 0.. {
                assert!(tick < 2_000, "seed {seed}, {coder:?}: {told:?}");
                for _ in 0..3 {
                    let at = usize::try_from(rng.below(ids.len() as u64)).unwrap();
                    let (owner, id) = ids[at];
                    if rng.chance(0.03) && ids.len() > 1 {
                        mesh.managers[owner].destroy(id).unwrap();
                        were.remove(&id);
                        ids.swap_remove(at);
                    } else {
                        mesh.managers[owner].primary_mut::<Mover>(id).unwrap().energy += 1;
                    }
                }
                if rng.chance(0.1) {
                    ids.push((0, mesh.managers[0].add(Mover::default()).unwrap())); // Not counted.
                }
                mesh.step();
                if told.hear(&mut mesh, client) {
                    break;
                }
            }
            let missing: Vec<_> = were.iter().filter(|id| mesh.managers[client].info(**id).is_none()).collect();
            assert!(missing.is_empty(), "seed {seed}, {coder:?}: {missing:?} have not arrived");
            assert_eq!(told.total.map(|total| total as usize), Some(total), "seed {seed}, {coder:?}");
            assert!(told.progress.is_sorted() && told.progress.len() <= limits::SYNC_REPORTS as usize + 1);
            let there = mesh.managers[0].sync_progress(peer).unwrap();
            let here = mesh.managers[client].sync_progress(mesh.peer(client, 0)).unwrap();
            assert!(there.is_complete() && here.is_complete() && here.total == there.total);
            mesh.settle();
            told.hear(&mut mesh, client);
            assert_eq!(told.synced, 1, "seed {seed}, {coder:?}");
            assert!(mesh.agree());
        }
    }
}

#[test]
fn where_there_is_nothing_that_is_said_too() {
    let mut mesh = Mesh::new(&registry_with(Coder::Packed), 1, 1, Weather::FAIR);
    mesh.managers[1].add(Mover::default()).unwrap(); // Its own does not count.
    let here = mesh.managers[1].sync_progress(mesh.peer(1, 0)).unwrap();
    assert!(!here.is_complete(), "nobody has said so");
    mesh.settle();
    let mut told = Told::default();
    assert!(told.hear(&mut mesh, 1));
    assert_eq!((told.synced, told.total, told.progress.len()), (1, Some(0), 0));
    assert!(mesh.managers[1].sync_progress(mesh.peer(1, 0)).unwrap().is_complete());
    assert_eq!(mesh.managers[0].poll_event().map(|event| matches!(event, ReplicaEvent::Added { .. })), Some(true));
    assert_eq!(mesh.managers[0].poll_event(), None, "the host is told nothing of itself");
}

#[test]
fn what_cannot_be_sent_is_not_waited_for() {
    let mut mesh = Mesh::new(&registry_with(Coder::Packed), 0, 1, Weather::FAIR);
    let large = Mover { label: "x".repeat(limits::RECORD_BYTES), ..Mover::default() };
    mesh.managers[0].add(large).unwrap();
    mesh.managers[0].add(Mover::default()).unwrap();
    mesh.run(2);
    let client = mesh.join();
    mesh.settle();
    let mut told = Told::default();
    assert!(told.hear(&mut mesh, client));
    assert_eq!((told.total, mesh.managers[client].len()), (Some(2), 1));
}

#[test]
fn state_messages_are_what_they_were() {
    // Nothing of it is in them: a client that joins an empty host and one that is told of a replica get the same bits.
    let registry = registry_with(Coder::Packed);
    let message = |early: bool| {
        let mut host = ReplicaManager::new(registry.clone(), 1);
        if early {
            host.add(Mover { energy: 7, ..Mover::default() }).unwrap();
        }
        let peer = host.add_peer(MemberId(2), PeerRole::Client);
        if !early {
            host.add(Mover { energy: 7, ..Mover::default() }).unwrap();
        }
        host.prepare();
        let mut bytes = Vec::new();
        let _ = host.marshal(peer, 1_100, &mut bytes).unwrap();
        bytes
    };
    assert_eq!(message(true), message(false));
}
