//! Writing to all primaries of a type in one pass.

use gridmate_runtime::prelude::*;
use gridmate_tests::chunks::{Gauge, Mover, registry};
use gridmate_tests::mesh::{Mesh, Weather};

/// The primaries that a walk comes to, with their energy.
fn walked(manager: &mut ReplicaManager) -> Vec<(ReplicaId, u32)> {
    manager.primaries_mut::<Mover>().map(|(id, mover)| (id, mover.energy)).collect()
}

fn mover(energy: u32) -> Mover {
    Mover { energy, ..Mover::default() }
}

#[test]
fn what_a_walk_writes_to_is_sent_and_nothing_else() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let ids: Vec<_> = (0..6).map(|energy| mesh.managers[0].add(mover(energy)).unwrap()).collect();
    mesh.managers[0].add(Gauge::default()).unwrap();
    mesh.settle();
    let before = mesh.managers[0].stats().records_sent;
    // By id before and after, to one of them both ways.
    mesh.managers[0].primary_mut::<Mover>(ids[4]).unwrap().energy += 100;
    for (id, mut mover) in mesh.managers[0].primaries_mut::<Mover>() {
        if mover.energy % 2 == 1 && id != ids[5] {
            mover.energy += 10;
        }
        if id == ids[4] {
            mover.energy += 10;
        }
    }
    mesh.managers[0].primary_mut::<Mover>(ids[5]).unwrap().energy += 20;
    mesh.managers[0].primary_mut::<Mover>(ids[3]).unwrap().energy += 20;
    mesh.settle();
    assert!(mesh.agree());
    let energies: Vec<_> = ids.iter().map(|id| mesh.managers[1].get::<Mover>(*id).unwrap().energy).collect();
    assert_eq!(energies, [0, 11, 2, 33, 114, 25]);
    assert_eq!(mesh.managers[0].stats().records_sent - before, 4);
    // One who only looks changes nothing, and what was written once is not sent again.
    assert_eq!(walked(&mut mesh.managers[0]).len(), 6);
    mesh.run(3);
    assert_eq!(mesh.managers[0].stats().records_sent - before, 4);
}

#[test]
fn a_walk_comes_to_primaries_alone() {
    let mut mesh = Mesh::new(&registry(), 1, 2, Weather::FAIR);
    let ours: Vec<_> = (0..3).map(|energy| mesh.managers[0].add(mover(energy)).unwrap()).collect();
    let theirs = mesh.managers[1].add(mover(7)).unwrap();
    mesh.settle();
    assert_eq!(walked(&mut mesh.managers[0]), [(ours[0], 0), (ours[1], 1), (ours[2], 2)]);
    assert_eq!(walked(&mut mesh.managers[1]), [(theirs, 7)]);
    // Not to what is about to end, and not to what has.
    mesh.managers[0].destroy(ours[1]).unwrap();
    assert_eq!(walked(&mut mesh.managers[0]), [(ours[0], 0), (ours[2], 2)]);
    mesh.settle();
    assert_eq!(walked(&mut mesh.managers[0]), [(ours[0], 0), (ours[2], 2)]);
    // A new one takes the place of the one that is gone, and what was taken over is ours.
    let new = mesh.managers[0].add(mover(5)).unwrap();
    mesh.leave(1);
    assert_eq!(walked(&mut mesh.managers[0]), [(ours[0], 0), (new, 5), (ours[2], 2), (theirs, 7)]);
    // A type that is not registered has none.
    assert_eq!(mesh.managers[0].primaries_mut::<Unknown>().count(), 0);
}

#[derive(Default, ReplicaChunk)]
struct Unknown {
    n: u8,
}
