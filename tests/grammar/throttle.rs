//! `throttle = …`: what is withheld, what is not, and that everything arrives in the end.

use gridmate_runtime::chunk::{Pace, Throttle};
use gridmate_runtime::prelude::*;
use gridmate_tests::chunks::Mover;
use gridmate_tests::mesh::{Mesh, Weather};

use crate::shared;

#[derive(Debug, Default, ReplicaChunk)]
#[chunk(migratable)]
struct Buoy {
    #[dataset(throttle = Epsilon(0.5))]
    height: f32,
    #[dataset(throttle = AtMost(10))]
    drift: u32,
    #[dataset(throttle = Exact)]
    bell: u8,
    #[dataset(throttle = Epsilon(0.5).settle(2))]
    tilt: f32,
    #[dataset(throttle = Even)]
    waves: u32,
}

/// A throttle of the program's own: odd counts wait.
struct Even;

impl Throttle<u32> for Even {
    fn passes(&self, now: &u32, _sent: &u32, pace: Pace) -> bool {
        now.is_multiple_of(2) || pace.still >= 3
    }
}

fn set(mesh: &mut Mesh, id: ReplicaId, write: impl FnOnce(&mut Buoy)) {
    write(&mut mesh.managers[0].primary_mut::<Buoy>(id).unwrap());
}

fn proxy(mesh: &Mesh, id: ReplicaId) -> &Buoy {
    mesh.managers[1].get::<Buoy>(id).unwrap()
}

/// Nothing is sent for as long as one cares to look.
fn is_idle(mesh: &mut Mesh) -> bool {
    let before = mesh.messages;
    mesh.run(50);
    mesh.messages == before
}

#[test]
fn noise_sends_nothing_and_the_settled_value_arrives_exactly() {
    let (mut mesh, id) = shared(Buoy { height: 2.0, ..Buoy::default() });
    assert!(is_idle(&mut mesh));
    assert!((proxy(&mesh, id).height - 2.0).abs() < 1e-9, "a first value is never withheld");
    let before = mesh.messages;
    for i in 0_u8..100 {
        set(&mut mesh, id, |buoy| buoy.height = 2.0 + f32::from(i % 7) * 0.05);
        mesh.step();
    }
    assert_eq!(mesh.messages, before, "it trembled");
    mesh.run(Epsilon::SETTLE.into());
    assert_eq!(mesh.messages, before + 1, "it came to rest");
    mesh.run(10);
    let here = mesh.managers[0].get::<Buoy>(id).unwrap().height;
    assert_eq!(proxy(&mesh, id).height.to_bits(), here.to_bits());
    assert!(mesh.agree() && is_idle(&mut mesh));
}

#[test]
fn a_larger_change_is_sent_at_once_and_noise_is_measured_from_there() {
    let (mut mesh, id) = shared(Buoy::default());
    for height in [0.3_f32, 0.6, 0.9, 1.2] {
        set(&mut mesh, id, |buoy| buoy.height = height);
        mesh.step();
    }
    // 0.6 passed, 0.9 did not, 1.2 passed.
    mesh.run(2);
    assert_eq!(proxy(&mesh, id).height.to_bits(), 1.2_f32.to_bits());
    assert!(is_idle(&mut mesh));
    // There and back: nothing is left to say.
    let before = mesh.messages;
    set(&mut mesh, id, |buoy| buoy.height = 1.3);
    mesh.step();
    set(&mut mesh, id, |buoy| buoy.height = 1.2);
    mesh.run(20);
    assert_eq!(mesh.messages, before);
}

#[test]
fn a_rate_is_kept_and_the_last_value_arrives() {
    let (mut mesh, id) = shared(Buoy::default());
    let mut seen = Vec::new();
    for drift in 1..=35 {
        set(&mut mesh, id, |buoy| buoy.drift = drift);
        mesh.step();
        seen.push(proxy(&mesh, id).drift);
    }
    mesh.run(20);
    seen.push(proxy(&mesh, id).drift);
    seen.dedup();
    assert_eq!(seen, [0, 1, 11, 21, 31, 35]);
    assert!(is_idle(&mut mesh));
}

#[test]
fn one_dataset_waits_while_another_is_sent() {
    let (mut mesh, id) = shared(Buoy::default());
    set(&mut mesh, id, |buoy| (buoy.height, buoy.bell, buoy.tilt) = (0.4, 1, 0.4));
    mesh.run(3);
    assert_eq!((proxy(&mesh, id).height, proxy(&mesh, id).bell, proxy(&mesh, id).tilt), (0.0, 1, 0.0));
    mesh.run(4);
    assert_eq!((proxy(&mesh, id).height, proxy(&mesh, id).tilt), (0.0, 0.4), "settled after two ticks");
    mesh.run(10);
    assert_eq!(proxy(&mesh, id).height.to_bits(), 0.4_f32.to_bits());
    assert!(is_idle(&mut mesh));
}

#[test]
fn a_program_has_throttles_of_its_own() {
    let (mut mesh, id) = shared(Buoy::default());
    set(&mut mesh, id, |buoy| buoy.waves = 3);
    mesh.run(5);
    assert_eq!(proxy(&mesh, id).waves, 0);
    set(&mut mesh, id, |buoy| buoy.waves = 4);
    mesh.run(3);
    assert_eq!(proxy(&mesh, id).waves, 4);
    set(&mut mesh, id, |buoy| buoy.waves = 5);
    mesh.run(12);
    assert_eq!(proxy(&mesh, id).waves, 5);
    assert!(is_idle(&mut mesh));
}

#[test]
fn late_joiners_have_what_everyone_has() {
    let registry = Registry::builder().chunk::<Buoy>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Buoy { height: 5.0, ..Buoy::default() }).unwrap();
    mesh.run(10);
    set(&mut mesh, id, |buoy| buoy.height = 5.2);
    mesh.step();
    mesh.join();
    mesh.run(4);
    assert_eq!(mesh.managers[2].get::<Buoy>(id).unwrap().height.to_bits(), 5.0_f32.to_bits());
    assert!(mesh.agree());
    mesh.run(20);
    assert_eq!(mesh.managers[2].get::<Buoy>(id).unwrap().height.to_bits(), 5.2_f32.to_bits());
}

#[test]
fn a_copy_that_goes_back_takes_back_what_was_withheld() {
    let (mut mesh, id) = shared(Buoy { height: 1.0, ..Buoy::default() });
    let merge = |mesh: &mut Mesh, height: f32| {
        mesh.managers[0].primary_mut::<Buoy>(id).unwrap().merge(&Buoy { height, ..Buoy::default() });
        mesh.step();
    };
    merge(&mut mesh, 1.2);
    merge(&mut mesh, 1.0);
    assert_eq!(mesh.managers[0].get::<Buoy>(id).unwrap().height.to_bits(), 1.0_f32.to_bits());
    assert!(is_idle(&mut mesh));
}

#[test]
fn a_copy_that_goes_back_to_defaults_at_once_is_followed() {
    let registry = Registry::builder().chunk::<Buoy>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Buoy { height: 1.0, bell: 3, ..Buoy::default() }).unwrap();
    mesh.managers[0].primary_mut::<Buoy>(id).unwrap().merge(&Buoy { height: 1.0, ..Buoy::default() });
    mesh.run(10);
    assert_eq!((proxy(&mesh, id).height.to_bits(), proxy(&mesh, id).bell), (1.0_f32.to_bits(), 0));
    assert!(mesh.agree() && is_idle(&mut mesh));
}

#[test]
fn a_place_taken_over_owes_nothing_to_who_had_it() {
    let (mut mesh, id) = shared(Buoy { height: 1.0, ..Buoy::default() });
    set(&mut mesh, id, |buoy| buoy.height = 1.2);
    mesh.step();
    mesh.managers[0].destroy(id).unwrap();
    mesh.step();
    let next = mesh.managers[0].add(Buoy { height: 1.1, drift: 3, ..Buoy::default() }).unwrap();
    mesh.run(4);
    assert_eq!((proxy(&mesh, next).height.to_bits(), proxy(&mesh, next).drift), (1.1_f32.to_bits(), 3));
    mesh.run(4);
    assert!(mesh.agree() && is_idle(&mut mesh));
}

#[test]
fn a_new_owner_withholds_from_what_proxies_have() {
    let registry = Registry::builder().chunk::<Buoy>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 2, 1, Weather::FAIR);
    let id = mesh.managers[2].add(Buoy { height: 1.0, ..Buoy::default() }).unwrap();
    mesh.run(10);
    mesh.leave(2);
    assert!(mesh.managers[0].info(id).unwrap().is_primary);
    mesh.managers[0].primary_mut::<Buoy>(id).unwrap().merge(&Buoy { height: 1.2, ..Buoy::default() });
    mesh.run(3);
    assert_eq!(proxy(&mesh, id).height.to_bits(), 1.0_f32.to_bits());
    mesh.run(20);
    assert_eq!(proxy(&mesh, id).height.to_bits(), 1.2_f32.to_bits());
    assert!(is_idle(&mut mesh));
}

#[test]
fn only_types_with_a_throttle_know_of_one() {
    assert_eq!((Buoy::THROTTLES, Mover::THROTTLES), (5, 0));
}
