//! Many replicas of one type that change in every tick: most records of a message are alike, and are read together.

use gridmate_runtime::prelude::*;
use gridmate_tests::chunks::{Gauge, Mover, registry};
use gridmate_tests::mesh::{Mesh, Weather};

fn moved(mesh: &mut Mesh, node: usize, tick: u16, which: impl Fn(u32) -> bool) {
    for (id, mut mover) in mesh.managers[node].primaries_mut::<Mover>() {
        if which(id.serial) {
            mover.position = f32::from(tick % 90);
            mover.energy = u32::from(tick) ^ id.serial;
        }
    }
}

/// What a node sees of movers.
fn seen(mesh: &Mesh, node: usize) -> Vec<(ReplicaId, u32)> {
    mesh.managers[node].iter::<Mover>().map(|(id, mover)| (id, mover.energy)).collect()
}

#[test]
fn runs_begin_and_end_anywhere() {
    for (seed, weather) in [(1, Weather::FAIR), (2, Weather::FOUL), (3, Weather::FOUL), (4, Weather::FOUL)] {
        let mut mesh = Mesh::new(&registry(), 3, seed, weather);
        let mut ids = Vec::new();
        for n in 0..150 {
            // Between them some of another type, of two chunks, and a client's.
            let node = if n % 31 == 30 { 1 } else { 0 };
            let replicas = &mut mesh.managers[node];
            ids.push((
                node,
                match n % 13 {
                    11 => replicas.add(Gauge::default()).unwrap(),
                    12 => replicas.spawn().with(Mover::default()).with(Gauge::default()).add().unwrap(),
                    _ => replicas.add(Mover::default()).unwrap(),
                },
            ));
        }
        for tick in 1..120_u16 {
            // Everything, gaps of all lengths, halves, or nothing.
            for node in [0, 1] {
                match tick % 6 {
                    0 => {}
                    1 => moved(&mut mesh, node, tick, |serial| serial % u32::from(tick / 6 + 2) != 0),
                    2 => moved(&mut mesh, node, tick, |serial| serial > 60),
                    _ => moved(&mut mesh, node, tick, |_| true),
                }
            }
            if tick % 20 == 0 {
                let (node, id) = ids.swap_remove(usize::from(tick));
                mesh.managers[node].destroy(id).unwrap();
                ids.push((0, mesh.managers[0].add(Mover::default()).unwrap()));
            }
            mesh.step();
        }
        mesh.settle();
        assert!(mesh.agree(), "seed {seed}");
        let stats = mesh.managers[2].stats();
        assert!(stats.records_received > 3_000, "{} records", stats.records_received);
    }
}

#[test]
fn a_run_that_breaks_off_is_a_fault_and_what_came_before_it_counts() {
    let mut mesh = Mesh::new(&registry(), 1, 5, Weather::FAIR);
    (0..40).for_each(|_| {
        let _ = mesh.managers[0].add(Mover::default()).unwrap();
    });
    for tick in 1..12 {
        moved(&mut mesh, 0, tick, |_| true);
        mesh.step();
    }
    let before = seen(&mesh, 1);
    moved(&mut mesh, 0, 77, |_| true);
    mesh.managers[0].prepare();
    let (mut bytes, peer) = (Vec::new(), mesh.peer(0, 1));
    let _message = mesh.managers[0].marshal(peer, 1_200, &mut bytes).expect("there is something to say");
    bytes.truncate(bytes.len() / 2);
    assert!(mesh.give_state(0, 1, &bytes).is_err());
    let after = seen(&mesh, 1);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert!((10..30).contains(&changed), "{changed} were read");
    for (was, is) in before.iter().zip(&after) {
        assert!(is == was || is.1 == 77 ^ is.0.serial, "{is:?}");
    }
}
