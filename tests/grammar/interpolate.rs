//! `interpolate = …`: what proxies show between what arrives.

use core::time::Duration;

use glam::{Quat, Vec3};
use gridmate_runtime::chunk::{Interpolator, Lerp};
use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_runtime::wire::types::{Color, Transform};
use gridmate_tests::chunks::Mover;
use gridmate_tests::mesh::{Mesh, Weather};

use crate::shared;

/// Ticks from a change to its proxy, in fair weather.
const LATENCY: u64 = 2;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(migratable)]
struct Kite {
    #[dataset(interpolate = Linear)]
    height: f32,
    #[dataset(quantize(0.0..=1_000.0, step = 0.5), interpolate = Linear, on_change(Self::on_length, everywhere))]
    length: f64,
    #[dataset(interpolate = Angle::DEGREES)]
    heading: f32,
    #[dataset(with = SmallestThree::<15>, interpolate = Slerp)]
    rotation: Quat,
    #[dataset(interpolate = Steps::new().of(2.0))]
    tail: Knots,
    #[dataset(throttle = AtMost(4), interpolate = Linear)]
    wind: [f32; 2],
    #[dataset(interpolate = Point)]
    colour: u32,
    position: Vec3,
    #[dataset(skip)]
    local: u32,
}

impl Kite {
    fn on_length(&mut self, _ctx: &TimeContext) {}
}

/// A type of the program's own, with a line and an interpolator of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Marshal)]
struct Knots(f32);

impl Lerp for Knots {
    fn lerp(&self, to: &Self, t: f32) -> Self {
        Self(self.0.lerp(&to.0, t))
    }
}

struct Steps(f32);

impl Steps {
    const fn new() -> Self {
        Self(1.0)
    }

    const fn of(self, steps: f32) -> Self {
        Self(steps * self.0)
    }
}

impl Interpolator<Knots> for Steps {
    fn between(&self, from: &Knots, to: &Knots, t: f32) -> Knots {
        Linear.between(from, to, (t * self.0).floor() / self.0)
    }
}

/// A host that has flown its kite as `path` says, from tick to tick, until tick `until`.
fn flown(until: u64, path: impl Fn(u64, &mut Kite)) -> (Mesh, ReplicaId) {
    let (mut mesh, id) = shared(Kite::default());
    fly(&mut mesh, id, until, path);
    (mesh, id)
}

fn fly(mesh: &mut Mesh, id: ReplicaId, until: u64, path: impl Fn(u64, &mut Kite)) {
    while mesh.tick < until {
        let tick = mesh.tick + 1;
        path(tick, &mut mesh.managers[0].primary_mut(id).unwrap());
        mesh.step();
    }
}

/// What the client shows of tick `tick`, `behind` ticks after it could have heard of it.
fn shown_at(mesh: &Mesh, id: ReplicaId, tick: f64, behind: f64) -> Kite {
    let micros = |ticks: f64| Duration::from_secs_f64(ticks * 0.033);
    let now = Instant::ZERO + micros(tick + behind) + micros(2.0);
    mesh.managers[1].display(now, micros(behind)).get(id).unwrap()
}

/// What it shows now, so many ticks late.
fn shown(mesh: &Mesh, id: ReplicaId, behind: f64) -> Kite {
    let heard = u32::try_from(mesh.tick - LATENCY).unwrap();
    shown_at(mesh, id, f64::from(heard) - behind, behind)
}

#[track_caller]
fn assert_near(a: impl Into<f64>, b: impl Into<f64>) {
    let (a, b) = (a.into(), b.into());
    assert!((a - b).abs() < 0.01, "{a} is not {b}");
}

fn moving(tick: u64, kite: &mut Kite) {
    let t = tick as f32;
    kite.height = 3.0 * t;
    kite.length = f64::from(t);
    kite.heading = (t * 10.0) % 360.0;
    kite.rotation = Quat::from_rotation_z(t * 0.2);
    kite.tail = Knots(t);
    kite.wind = [t, -t];
    kite.colour = u32::try_from(tick).unwrap();
    kite.position.x = t;
    kite.local = 7;
}

#[test]
fn every_dataset_is_where_it_was_in_its_own_way() {
    let (mesh, id) = flown(80, moving);
    let newest = mesh.managers[1].get::<Kite>(id).unwrap();
    assert_eq!(newest.colour, 78, "two ticks of latency");
    for (tick, floor) in [(70.0, 70.0), (72.25, 72.0), (72.5, 72.0), (72.75, 72.0)] {
        // A little later, so that no rounding puts it before the change.
        let kite = shown_at(&mesh, id, tick + 0.0005, 5.0);
        assert_near(kite.height, tick * 3.0);
        assert_near(kite.length, tick);
        assert_near(kite.heading, (tick * 10.0) % 360.0);
        #[expect(clippy::cast_possible_truncation, reason = "near enough")]
        let turned = Quat::from_rotation_z(tick as f32 * 0.2);
        assert!(kite.rotation.angle_between(turned) < 1e-2, "{tick}");
        assert_near(kite.tail.0, floor + if tick - floor < 0.5 { 0.0 } else { 0.5 });
        assert_near(kite.colour, floor);
        assert_near(kite.position.x, 78.0);
        assert_eq!(kite.local, 0);
    }
}

#[test]
fn what_is_not_late_is_the_newest_and_what_is_too_late_the_oldest() {
    let (mesh, id) = flown(80, moving);
    let newest = mesh.managers[1].get::<Kite>(id).unwrap();
    assert_eq!(shown(&mesh, id, 0.0), *newest);
    assert_eq!(shown_at(&mesh, id, 500.0, 3.0), *newest);
    let oldest = shown(&mesh, id, 70.0);
    let remembered = u32::try_from(limits::HISTORY).unwrap();
    assert_eq!(oldest.colour, newest.colour - remembered, "as far back as there is room for, and no further");
}

#[test]
fn what_rests_is_exact_and_what_leaps_does_so_within_the_delay() {
    let (mut mesh, id) = flown(60, moving);
    fly(&mut mesh, id, 90, |_, _| {});
    assert_eq!(shown(&mesh, id, 4.0), *mesh.managers[1].get::<Kite>(id).unwrap());
    assert_eq!(mesh.managers[1].get::<Kite>(id).unwrap().height.to_bits(), 180.0_f32.to_bits());
    fly(&mut mesh, id, 110, |_, kite| kite.height = 280.0);
    let height = |tick: f64| shown_at(&mesh, id, tick, 4.0).height;
    assert_near(height(87.0), 180.0);
    assert_near(height(88.0), 205.0);
    assert_near(height(90.0), 255.0);
    assert_eq!(height(91.001).to_bits(), 280.0_f32.to_bits());
}

#[test]
fn a_throttled_dataset_moves_evenly_between_what_is_sent() {
    let (mesh, id) = flown(90, moving);
    // Sent every fourth tick; the others in every tick.
    let wind = |quarters: u32| shown_at(&mesh, id, 70.0 + f64::from(quarters) * 0.25, 6.0).wind;
    let first = wind(0);
    for quarters in 1..40 {
        let now = wind(quarters);
        assert_near(now[0], first[0] + 0.25 * quarters as f32);
        assert_near(now[1], -now[0]);
    }
}

#[test]
fn lost_messages_leave_no_gap() {
    let (mut mesh, id) = flown(60, moving);
    mesh.weather.loss = 1.0;
    fly(&mut mesh, id, 64, moving);
    mesh.weather.loss = 0.0;
    fly(&mut mesh, id, 80, moving);
    for tenths in 0..120 {
        let tick = 58.0 + f64::from(tenths) * 0.1;
        assert_near(shown_at(&mesh, id, tick, 8.0).height, tick * 3.0);
    }
}

#[test]
fn a_struct_of_the_programs_is_written_in_part() {
    let (mesh, id) = flown(80, moving);
    let now = Instant::from_millis(80 * 33);
    let display = mesh.managers[1].display(now, Duration::from_millis(33 * 3));
    let mut kite = Kite { position: Vec3::ONE, local: 9, height: -1.0, ..Kite::default() };
    assert_eq!(display.write(id, &mut kite), Ok(true));
    assert_eq!((kite.position, kite.local), (Vec3::ONE, 9));
    let whole: Kite = display.get(id).unwrap();
    assert_eq!(Kite { position: whole.position, local: whole.local, ..kite }, whole);
    let nobody = ReplicaId { serial: 99, ..id };
    assert_eq!(display.get::<Kite>(nobody), Err(ReplicaError::Unknown(nobody)));
    assert_eq!(display.write(nobody, &mut Kite::default()), Err(ReplicaError::Unknown(nobody)));
}

#[test]
fn a_primary_is_shown_as_it_is() {
    let (mut mesh, id) = flown(80, moving);
    let mut kite = Kite { height: -1.0, ..Kite::default() };
    let display = mesh.managers[0].display(Instant::from_millis(80 * 33), Duration::from_millis(100));
    assert_eq!(display.get::<Kite>(id).unwrap(), *mesh.managers[0].get::<Kite>(id).unwrap());
    assert_eq!(display.write(id, &mut kite), Ok(false));
    assert_near(kite.height, -1.0);
    // One that was a proxy before.
    let other = mesh.managers[1].add(Kite::default()).unwrap();
    for tick in 0..30 {
        moving(tick, &mut mesh.managers[1].primary_mut(other).unwrap());
        mesh.step();
    }
    let display = |mesh: &Mesh| {
        let now = Instant::from_millis(mesh.tick * 33);
        mesh.managers[0].display(now, Duration::from_millis(100)).get::<Kite>(other).unwrap()
    };
    assert_ne!(display(&mesh), *mesh.managers[0].get::<Kite>(other).unwrap());
    mesh.leave(1);
    assert_eq!(display(&mesh), *mesh.managers[0].get::<Kite>(other).unwrap());
}

#[test]
fn a_newcomer_is_shown_from_its_first_values_on() {
    let registry = Registry::builder().chunk::<Kite>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 1, 1, Weather::FAIR);
    let mut id = None;
    for tick in 1..40 {
        if tick == 5 {
            id = Some(mesh.managers[0].add(Kite::default()).unwrap());
        }
        if let Some(id) = id {
            moving(tick, &mut mesh.managers[0].primary_mut(id).unwrap());
        }
        mesh.step();
        let now = Instant::from_millis(mesh.tick * 33);
        let display = mesh.managers[1].display(now, Duration::from_millis(99));
        if let Some(kite) = id.and_then(|id| display.get::<Kite>(id).ok()) {
            // Never anything from before the first values, and on time from then on.
            assert_near(kite.height, 3.0 * (f64::from(u32::try_from(tick).unwrap()) - 5.0).max(5.0));
        }
    }
}

#[test]
fn only_types_with_an_interpolator_know_of_one() {
    assert_eq!((Kite::INTERPOLATES, Mover::INTERPOLATES), (7, 0));
    let (mut mesh, id) = shared(Mover::default());
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 5;
    mesh.run(5);
    let display = mesh.managers[1].display(Instant::from_millis(mesh.tick * 33), Duration::from_secs(1));
    assert_eq!(display.get::<Mover>(id).unwrap().energy, 5);
    assert_eq!(display.write(id, &mut Mover::default()), Ok(false));
}

#[test]
fn transforms_and_colours_are_shown_on_their_way() {
    #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
    struct Lantern {
        #[dataset(interpolate = Linear)]
        at: Transform,
        #[dataset(interpolate = Linear)]
        light: Color,
    }

    let (mut mesh, id) = shared(Lantern::default());
    while mesh.tick < 60 {
        let t = (mesh.tick + 1) as f32;
        let mut lantern = mesh.managers[0].primary_mut::<Lantern>(id).unwrap();
        lantern.at = Transform { rotation: Quat::from_rotation_y(t * 0.05), ..Transform::at(Vec3::new(t, 0.0, -t)) };
        lantern.light = Color::rgb(t / 100.0, 1.0, 0.0);
        mesh.step();
    }
    let micros = |ticks: f64| Duration::from_secs_f64(ticks * 0.033);
    let now = Instant::ZERO + micros(50.5 + 4.0) + micros(2.0);
    let shown: Lantern = mesh.managers[1].display(now, micros(4.0)).get(id).unwrap();
    assert_near(shown.at.translation.x, 50.5);
    assert_near(shown.at.translation.z, -50.5);
    assert_near(shown.at.rotation.angle_between(Quat::from_rotation_y(50.5 * 0.05)), 0.0);
    assert_near(shown.at.scale.y, 1.0);
    assert_near(shown.light.r, 0.505);
    assert_near(shown.light.a, 1.0);
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "near enough")]
fn curves_leaps_and_guesses_are_declared_like_lines() {
    #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
    struct Wisp {
        #[dataset(interpolate = Hermite)]
        height: f64,
        #[dataset(interpolate = Hermite)]
        rotation: Quat,
        #[dataset(interpolate = Extrapolate(Linear, 6))]
        along: f32,
        #[dataset(interpolate = Snap(Linear, 5.0))]
        at: Vec3,
        #[dataset(interpolate = Extrapolate(Snap(Hermite, 5.0), 6))]
        all: [f32; 2],
    }

    let (mut mesh, id) = shared(Wisp::default());
    let path = |tick: f64| Wisp {
        height: 0.1 * tick * tick,
        rotation: Quat::from_rotation_y(0.1 * tick as f32),
        along: tick as f32,
        // Far away every ten ticks.
        at: Vec3::new(tick as f32 + 100.0 * (tick / 10.0).floor() as f32, 0.0, 0.0),
        all: [tick as f32, 0.0],
    };
    while mesh.tick < 60 {
        let tick = f64::from(u32::try_from(mesh.tick + 1).unwrap());
        *mesh.managers[0].primary_mut::<Wisp>(id).unwrap() = path(tick);
        mesh.step();
    }
    let micros = |ticks: f64| Duration::from_secs_f64(ticks * 0.033);
    let shown = |mesh: &Mesh, tick: f64, behind: f64| -> Wisp {
        let now = Instant::ZERO + micros(tick + behind) + micros(2.0);
        mesh.managers[1].display(now, micros(behind)).get(id).unwrap()
    };
    for tenths in 450..540 {
        let tick = f64::from(tenths) * 0.1 + 0.0005;
        let (there, here) = (path(tick), shown(&mesh, tick, 8.0));
        assert!((here.height - there.height).abs() < 0.001, "{tick}: {here:?}");
        assert!(here.rotation.angle_between(there.rotation) < 1e-2, "{tick}");
        assert_near(here.along, there.along);
        // In the tick before a leap it waits.
        let at = if (49.0..50.0).contains(&tick) { path(49.0).at } else { there.at };
        assert_near(here.at.x, at.x);
        assert_near(here.all[0], there.all[0]);
    }
    // 58 is the newest. What is guessed goes on and comes back; what is not stays.
    for (tick, along) in [(60.0, 60.0), (63.9, 63.9), (67.0, 61.0), (70.1, 58.0), (200.0, 58.0)] {
        let here = shown(&mesh, tick, 0.0);
        assert_near(here.along, along);
        assert_near(here.all[0], along);
        assert_near(here.at.x, path(58.0).at.x);
    }
    // A way that was guessed right is taken up where it was left, however short the delay.
    mesh.weather.loss = 1.0;
    for _ in 0..3 {
        *mesh.managers[0].primary_mut::<Wisp>(id).unwrap() = path((mesh.tick + 1) as f64);
        mesh.step();
    }
    mesh.weather.loss = 0.0;
    let guess = shown(&mesh, 61.5, 1.0).along;
    for _ in 0..4 {
        *mesh.managers[0].primary_mut::<Wisp>(id).unwrap() = path((mesh.tick + 1) as f64);
        mesh.step();
    }
    assert_near(guess, 61.5);
    assert_near(shown(&mesh, 61.5, 1.0).along, 61.5);
}
