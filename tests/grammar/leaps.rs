//! `breaks`: a dataset that says where others leap.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Wizard {
    #[dataset(interpolate = Linear)]
    at: f32,
    #[dataset(interpolate = Hermite)]
    curve: f64,
    #[dataset(interpolate = Extrapolate(Linear, 6))]
    guess: f64,
    #[dataset(interpolate = Linear, throttle = AtMost(4))]
    seldom: f32,
    #[dataset(breaks)]
    leaps: u8,
}

/// The same, of which nobody says where it leaps.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Ghost {
    #[dataset(interpolate = Linear)]
    at: f32,
    #[dataset(interpolate = Hermite)]
    curve: f64,
    #[dataset(interpolate = Extrapolate(Linear, 6))]
    guess: f64,
    #[dataset(interpolate = Linear, throttle = AtMost(4))]
    seldom: f32,
}

/// Ticks from one leap to the next; how far it goes.
const EVERY: u64 = 11;
const FAR: f64 = 1_000.0;

/// A step a tick, and far away every few ticks.
fn path(tick: u64) -> Wizard {
    let (leaps, at) = (tick / EVERY, tick as f64 + FAR * (tick / EVERY) as f64);
    #[expect(clippy::cast_possible_truncation, reason = "near enough, and around")]
    Wizard { at: at as f32, curve: at, guess: at, seldom: at as f32, leaps: leaps as u8 }
}

fn mesh(clients: usize, seed: u64, weather: Weather, coder: Coder) -> Mesh {
    let registry = Registry::builder().coder(coder).chunk::<Wizard>().chunk::<Ghost>().build().unwrap();
    Mesh::new(&registry, clients, seed, weather)
}

fn walk(mesh: &mut Mesh, owner: usize, id: ReplicaId) {
    let tick = mesh.tick + 1;
    *mesh.managers[owner].primary_mut::<Wizard>(id).unwrap() = path(tick);
    mesh.step();
}

fn shown(mesh: &Mesh, node: usize, id: ReplicaId, eighths: u32, behind: f64) -> Option<Wizard> {
    let tick = Duration::from_millis(33);
    let now = Instant::from_millis(mesh.tick * 33) + tick * eighths / 8;
    mesh.managers[node].display(now, tick.mul_f64(behind)).get::<Wizard>(id).ok()
}

/// Where a value lies between one leap and the next; `slack` is what a curve or a guess may be beside the way.
#[track_caller]
fn assert_on_a_way(value: f64, slack: f64) {
    // The ways are `EVERY` long, and `FAR` and a step apart.
    let place = value.rem_euclid(FAR + EVERY as f64);
    let on = place <= EVERY as f64 - 1.0 + slack || place >= FAR + EVERY as f64 - slack;
    assert!(on, "{value} is on its way over a leap");
}

#[track_caller]
fn assert_unbroken(wizard: &Wizard) {
    assert_on_a_way(wizard.at.into(), 0.01);
    assert_on_a_way(wizard.seldom.into(), 0.01);
    // Up to 4/27 of the ways on either side.
    assert_on_a_way(wizard.curve, 2.0 * 4.0 / 27.0 * EVERY as f64 + 0.01);
    // Six ticks on, at a pace that is that of all a host in between passes on at once.
    assert_on_a_way(wizard.guess, 6.0 * EVERY as f64);
}

#[test]
fn a_leap_happens_in_the_tick_that_it_happened_in() {
    let mut mesh = mesh(1, 1, Weather::FAIR, Coder::Packed);
    let id = mesh.managers[0].add(Wizard::default()).unwrap();
    while mesh.tick < 80 {
        walk(&mut mesh, 0, id);
    }
    let at = |tick: f64| {
        let ticks = |ticks: f64| Duration::from_secs_f64(ticks * 0.033);
        let now = Instant::ZERO + ticks(tick + 8.0) + ticks(2.0); // The latency of the mesh.
        mesh.managers[1].display(now, ticks(8.0)).get::<Wizard>(id).unwrap()
    };
    for leap in [55, 66] {
        let (before, after) = (path(leap - 1), path(leap));
        for tenths in 1..10 {
            let here = at(leap as f64 - f64::from(tenths) * 0.1);
            assert_eq!((here.at, here.curve), (before.at, before.curve), "{tenths} tenths before {leap}");
        }
        let here = at(leap as f64 + 0.001);
        assert!((here.at - after.at).abs() < 0.01 && (here.curve - after.curve).abs() < 0.01, "{here:?}");
        assert!((f64::from(here.seldom) - f64::from(after.seldom)).abs() < 0.01, "sent with it: {here:?}");
        let here = at(leap as f64 + 0.5);
        assert!((f64::from(here.at) - after.curve - 0.5).abs() < 0.01, "and on from there: {here:?}");
    }
}

#[test]
fn no_proxy_shows_a_way_over_a_leap_whatever_is_lost() {
    for seed in 0..30 {
        for (owner, coder) in [(0, Coder::Packed), (1, Coder::Packed), (1, Coder::Entropy)] {
            let mut mesh = mesh(2, seed, Weather::FOUL, coder);
            let id = mesh.managers[owner].add(path(0)).unwrap();
            let mut seen = 0;
            while mesh.tick < 200 {
                if mesh.tick == 100 + seed % EVERY {
                    assert_eq!(mesh.join(), 3, "one more comes late");
                }
                walk(&mut mesh, owner, id);
                for node in mesh.nodes().into_iter().filter(|node| *node != owner) {
                    for (eighths, behind) in [(0, 0.0), (1, 2.0), (3, 4.5), (4, 9.0), (7, 7.3)] {
                        if let Some(wizard) = shown(&mesh, node, id, eighths, behind) {
                            assert_unbroken(&wizard);
                            seen += u32::from(node == 3);
                        }
                    }
                }
            }
            assert!(seen > 300, "{seen}");
        }
    }
}

#[test]
fn a_mark_that_is_not_used_costs_a_bit_at_most() {
    let mut mesh = mesh(1, 1, Weather::FAIR, Coder::Packed);
    let wizard = mesh.managers[0].add(Wizard::default()).unwrap();
    let ghost = mesh.managers[0].add(Ghost::default()).unwrap();
    mesh.run(40);
    let mut cost = |step: &dyn Fn(&mut Mesh, f32)| {
        let before = mesh.bytes;
        for n in 0..100_u8 {
            step(&mut mesh, n.into());
            mesh.step();
        }
        mesh.run(40);
        mesh.bytes - before
    };
    let with = cost(&|mesh, n| mesh.managers[0].primary_mut::<Wizard>(wizard).unwrap().at = n + 0.5);
    let without = cost(&|mesh, n| mesh.managers[0].primary_mut::<Ghost>(ghost).unwrap().at = n + 0.5);
    // A message is of whole bytes, so a bit may come to one, or to none.
    assert!(with <= without + 102, "{with} bytes instead of {without}");
}

/// What has not changed was not sent with a leap, and need not wait for the next time.
#[test]
fn a_leap_does_not_delay_what_changes_after_it() {
    let mut mesh = mesh(1, 1, Weather::FAIR, Coder::Packed);
    let id = mesh.managers[0].add(Wizard::default()).unwrap();
    mesh.run(20);
    mesh.managers[0].primary_mut::<Wizard>(id).unwrap().leaps += 1;
    mesh.step();
    mesh.managers[0].primary_mut::<Wizard>(id).unwrap().seldom = 3.0;
    mesh.run(3); // There is nothing that it would have to wait for; the mesh takes two ticks.
    assert_eq!(mesh.managers[1].get::<Wizard>(id).unwrap().seldom.to_bits(), 3.0_f32.to_bits());
}
