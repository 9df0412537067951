//! `Extrapolate`: what is shown when nothing newer is here, and how it comes back from that.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

/// Ticks that are guessed.
const LIMIT: u32 = 6;

/// Pictures in a tick.
const FRAMES: u32 = 8;

const TICK: Duration = Duration::from_millis(33);

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(migratable)]
struct Runner {
    #[dataset(interpolate = Extrapolate(Linear, LIMIT))]
    at: f64,
    /// The tick it is of.
    tick: u32,
}

/// The same without a guess.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Walker {
    #[dataset(interpolate = Linear)]
    at: f64,
    tick: u32,
}

/// To and fro, a step in every tick.
fn zigzag(tick: u64) -> f64 {
    (14.0 - (tick % 28) as f64).abs()
}

fn mesh(clients: usize, seed: u64, weather: Weather, coder: Coder) -> Mesh {
    let registry = Registry::builder().coder(coder).chunk::<Runner>().chunk::<Walker>().build().unwrap();
    Mesh::new(&registry, clients, seed, weather)
}

fn run(mesh: &mut Mesh, owner: usize, id: ReplicaId, path: impl Fn(u64) -> f64) {
    let tick = mesh.tick + 1;
    let mut runner = mesh.managers[owner].primary_mut::<Runner>(id).unwrap();
    (runner.at, runner.tick) = (path(tick), u32::try_from(tick).unwrap());
    mesh.step();
}

/// What a node shows, so many frames after the tick.
fn shown(mesh: &Mesh, node: usize, id: ReplicaId, frame: u32, behind: u32) -> f64 {
    let now = Instant::from_millis(mesh.tick * 33) + TICK * frame / FRAMES;
    mesh.managers[node].display(now, TICK * behind).get::<Runner>(id).unwrap().at
}

#[track_caller]
fn assert_near(a: f64, b: f64) {
    assert!((a - b).abs() < 0.01, "{a} is not {b}");
}

#[test]
fn a_guess_is_held_at_its_limit_and_goes_over_to_what_was_true() {
    for behind in [0, 2, 4] {
        let mut mesh = mesh(1, 1, Weather::FAIR, Coder::Packed);
        let id = mesh.managers[0].add(Runner::default()).unwrap();
        // It turns back as soon as nothing is heard of it, in tick 60.
        let path = |tick: u64| if tick <= 60 { tick as f64 } else { 120.0 - tick as f64 };
        while mesh.tick < 60 {
            run(&mut mesh, 0, id, path);
        }
        mesh.weather.loss = 1.0;
        for _ in 0..20 {
            run(&mut mesh, 0, id, path);
        }
        assert_eq!(mesh.managers[1].get::<Runner>(id).unwrap().tick, 60);
        for frame in 0..FRAMES {
            assert_near(shown(&mesh, 1, id, frame, behind), 66.0);
        }
        mesh.weather.loss = 0.0;
        let mut last = shown(&mesh, 1, id, FRAMES - 1, behind);
        let mut back = None;
        for ticks in 0..40_u32 {
            run(&mut mesh, 0, id, path);
            let news = mesh.managers[1].get::<Runner>(id).unwrap().tick > 60;
            let since = if news { ticks - *back.get_or_insert(ticks) } else { 0 };
            for frame in 0..FRAMES {
                let now = shown(&mesh, 1, id, frame, behind);
                // 120 - 81 is where the first news finds it: 27 from what is shown, and what comes after it is no news.
                let pace = 1.0_f64.max((60.0 - 39.0) / f64::from(LIMIT));
                let most = (pace + 2.0 * 27.0 / f64::from(LIMIT)) / f64::from(FRAMES);
                assert!((now - last).abs() <= most + 0.01, "behind {behind}, {ticks}: from {last} to {now}");
                last = now;
                let there = path(mesh.tick) + 2.0 + f64::from(behind) - f64::from(frame) / f64::from(FRAMES);
                if !news {
                    assert_near(now, 66.0);
                } else if since == 0 && frame == 0 {
                    assert_near(now, 66.0); // No jump.
                } else if since > LIMIT && behind > 0 {
                    assert_near(now, there);
                }
            }
        }
        assert!(back.is_some());
    }
}

#[test]
fn what_has_stopped_is_exact_though_nothing_tells_rest_from_silence() {
    for seed in 0..40 {
        for (owner, coder) in [(0, Coder::Packed), (1, Coder::Packed), (0, Coder::Entropy)] {
            // A client's comes to the other client by way of the host.
            let mut mesh = mesh(2, seed, Weather::FOUL, coder);
            let id = mesh.managers[owner].add(Runner::default()).unwrap();
            mesh.settle();
            for _ in 0..(30 + seed) {
                run(&mut mesh, owner, id, zigzag);
            }
            let at = mesh.managers[owner].get::<Runner>(id).unwrap().at;
            // Lost, repeated, passed on, and said once more at rest on each link; then back, while the weather is still foul.
            mesh.settle();
            mesh.run(u64::from(2 * LIMIT));
            mesh.settle();
            mesh.run(u64::from(2 * LIMIT) + 8);
            for node in (0..3).filter(|node| *node != owner) {
                for behind in [0, 2, 9] {
                    let here = shown(&mesh, node, id, 0, behind);
                    assert_eq!(
                        here.to_bits(),
                        at.to_bits(),
                        "seed {seed}, node {node}, owner {owner}: {here}, not {at}"
                    );
                }
            }
            let sent = mesh.messages;
            mesh.run(100);
            assert_eq!(mesh.messages, sent, "seed {seed}: and then it is silent");
        }
    }
}

/// What is known is shown as it is, and steps are bounded by what the worst guess costs.
#[test]
fn what_is_shown_never_jumps_whatever_the_weather() {
    let (mut worst, mut frames) = (0.0_f64, 0);
    for seed in 0..40 {
        for (behind, owner) in [(0, 0), (2, 0), (3, 1)] {
            let mut mesh = mesh(2, seed, Weather::FOUL, Coder::Packed);
            let id = mesh.managers[owner].add(Runner::default()).unwrap();
            mesh.settle();
            let (mut last, mut heard, mut longest) = (None, mesh.tick, 0);
            let mut most = 0.0_f64;
            for tick in 0..300 {
                run(&mut mesh, owner, id, zigzag);
                // At first nothing is known of the pace of time.
                if tick < 60 {
                    heard = mesh.tick;
                    continue;
                }
                let newest = u64::from(mesh.managers[2].get::<Runner>(id).unwrap().tick);
                longest = longest.max(mesh.tick - newest.min(heard));
                heard = newest;
                for frame in 0..FRAMES {
                    let now = shown(&mesh, 2, id, frame, behind);
                    most = most.max((now - last.unwrap_or(now)).abs());
                    last = Some(now);
                    frames += 1;
                }
            }
            // A step a tick; so many ticks were not heard of. A way that long is taken in `LIMIT` ticks. A guess is off by what it went, a step
            // for each tick that it is taken back in, and by what the runner did meanwhile; and in each of `LIMIT` ticks one can be found out.
            let ways = longest as f64 / f64::from(LIMIT);
            let bound = (ways.max(1.0) + f64::from(LIMIT) * (1.0 + ways.max(1.0))) / f64::from(FRAMES);
            assert!(most <= bound, "seed {seed}, behind {behind}: {most} in a frame, {longest} ticks unheard, {bound}");
            worst = worst.max(most);
        }
    }
    assert!(worst > 1.5 / f64::from(FRAMES), "{worst} in {frames} frames: there was nothing to go over from");
}

#[test]
fn rest_is_told_once_and_only_of_what_is_guessed() {
    let mut mesh = mesh(1, 1, Weather::FAIR, Coder::Packed);
    let walker = mesh.managers[0].add(Walker::default()).unwrap();
    let runner = mesh.managers[0].add(Runner::default()).unwrap();
    mesh.run(60);
    let mut cost = |step: &dyn Fn(&mut Mesh)| {
        let before = (mesh.messages, mesh.bytes);
        step(&mut mesh);
        mesh.run(60);
        (mesh.messages - before.0, mesh.bytes - before.1)
    };
    let (messages, bytes) = cost(&|mesh| mesh.managers[0].primary_mut::<Walker>(walker).unwrap().at += 1.0);
    assert_eq!(messages, 1);
    let (told, more) = cost(&|mesh| mesh.managers[0].primary_mut::<Runner>(runner).unwrap().at += 1.0);
    // A header of five bytes or six, and a record without a value.
    assert!(told == 2 && more <= bytes + 9, "{told} messages, {more} bytes instead of {bytes}");
}

/// Other datasets of the chunk go on changing: it is known that this one does not.
#[test]
fn one_dataset_stops_while_others_go_on() {
    let mut mesh = mesh(1, 1, Weather::FAIR, Coder::Packed);
    let id = mesh.managers[0].add(Runner::default()).unwrap();
    mesh.run(20);
    let (mut last, mut most) = (None, 0.0_f64);
    while mesh.tick < 120 {
        run(&mut mesh, 0, id, |tick| tick.min(60) as f64);
        for frame in 0..FRAMES {
            let now = shown(&mesh, 1, id, frame, 0);
            let step = now - last.unwrap_or(now);
            // On for as long as it takes to be sure, and back in as many ticks.
            assert!(mesh.tick < 40 || step.abs() <= 1.0 / f64::from(FRAMES) + 0.01, "tick {}: {step}", mesh.tick);
            last = Some(now);
            most = most.max(now);
        }
    }
    assert_eq!(last, Some(60.0));
    assert!(most > 65.0, "{most}: it was gone on with");
}

/// Who takes the place of what was on the move is not taken for it; no node says of another's replica that it has come to rest.
#[test]
fn what_was_on_the_move_is_forgotten_with_it() {
    for after in 0..=LIMIT + 1 {
        let mut mesh = mesh(2, 1, Weather::FAIR, Coder::Packed);
        let id = mesh.managers[1].add(Runner::default()).unwrap();
        (0..20).for_each(|_| run(&mut mesh, 1, id, zigzag));
        // The proxy comes to the slot that is free since.
        let other = mesh.managers[0].add(Runner { at: 5.0, tick: 0 }).unwrap();
        mesh.run(after.into());
        let _gone = mesh.managers[1].destroy(id);
        mesh.run(u64::from(4 * LIMIT));
        mesh.settle();
        assert_eq!(mesh.managers[1].get::<Runner>(other).unwrap().at.to_bits(), 5.0_f64.to_bits());
        assert!(mesh.agree());
    }
}

#[test]
fn a_former_owner_does_not_say_when_it_has_come_to_rest() {
    for after in 0..=LIMIT + 1 {
        let mut mesh = mesh(2, 1, Weather::FAIR, Coder::Packed);
        let id = mesh.managers[1].add(Runner::default()).unwrap();
        (0..20).for_each(|_| run(&mut mesh, 1, id, zigzag));
        mesh.run(after.into());
        mesh.managers[0].set_owner(id, MemberId::HOST).unwrap();
        // A step fails when anyone is at fault.
        mesh.run(u64::from(4 * LIMIT));
        mesh.settle();
        assert!(mesh.managers[0].info(id).unwrap().is_primary);
        assert!(mesh.agree());
    }
}
