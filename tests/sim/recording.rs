//! What was recorded is what there was.

use core::time::Duration;
use std::collections::BTreeMap;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PlaybackError, Player, Recorder, StateRate};
use gridmate_runtime::schema::Coder;
use gridmate_runtime::{Rng, limits};
use gridmate_tests::chunks::{Journal, Mover};
use gridmate_tests::mesh::{Mesh, Weather};

const TICK: Duration = Duration::from_millis(20);

/// Only its owner may see it.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "secret", send_to = Self::never)]
struct Secret {
    word: u32,
}

impl Secret {
    fn never(&self, _: &TargetPeer) -> bool {
        false
    }
}

/// One that is shown between what arrived, so that it matters when that was made.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "wisp")]
struct Wisp {
    #[dataset(interpolate = Extrapolate(Linear, 6))]
    x: f32,
}

fn registry(coder: Coder) -> Registry {
    let builder = Registry::builder().coder(coder).chunk::<Mover>().chunk::<Journal>().chunk::<Secret>();
    builder.chunk::<Wisp>().build().unwrap()
}

/// What was recorded on one node of a session, and what that node had after each tick.
struct Taped {
    recording: Vec<u8>,
    digests: Vec<u64>,
    /// By journal that was there at the end: what was noted.
    noted: BTreeMap<ReplicaId, Vec<(MemberId, u32)>>,
}

/// Two clients and a host, of whom all add, change, call and destroy; recorded at `node`.
fn tape(seed: u64, coder: Coder, node: usize, ticks: u32, key_every: Duration) -> Taped {
    let mut rng = Rng::new(seed);
    let mut mesh = Mesh::new(&registry(coder), 2, seed, Weather { loss: 0.1, late: 0.1, span: 4, ..Weather::FAIR });
    let mut mine: Vec<Vec<ReplicaId>> = vec![Vec::new(); 3];
    let mut taped = Taped { recording: Vec::new(), digests: Vec::new(), noted: BTreeMap::new() };
    let start = Instant::from_millis(500);
    let mut recorder = Recorder::start(&mut mesh.managers[node], start, key_every, &mut taped.recording);
    for tick in 0..ticks {
        for (replicas, mine) in mesh.managers.iter_mut().zip(&mut mine) {
            match rng.below(8) {
                0 if mine.len() < 12 => mine.push(replicas.add(Journal::default()).unwrap()),
                1 if mine.len() < 12 => {
                    let secret = Secret { word: tick + 1 };
                    mine.push(replicas.spawn().with(secret).with(Mover::default()).add().unwrap());
                }
                3 if mine.len() < 12 => mine.push(replicas.add(Wisp { x: tick as f32 }).unwrap()),
                2 if mine.len() > 4 => {
                    let id = mine.swap_remove(below(&mut rng, mine.len()));
                    if let Ok(mut journal) = replicas.primary_mut::<Journal>(id) {
                        journal.rpcs().note(777).unwrap();
                    }
                    replicas.destroy(id).unwrap();
                }
                _ => {}
            }
            for id in &*mine {
                if let Ok(mut mover) = replicas.primary_mut::<Mover>(*id) {
                    mover.position += (rng.below(200) as f32 - 100.0) / 100.0;
                    mover.energy = tick / 16;
                }
                if let Ok(mut wisp) = replicas.primary_mut::<Wisp>(*id)
                    && tick % 64 < 32
                {
                    wisp.x += 0.5;
                }
                if rng.below(8) == 0
                    && let Ok(mut journal) = replicas.primary_mut::<Journal>(*id)
                {
                    journal.version += 1;
                    journal.rpcs().note(tick).unwrap();
                }
            }
        }
        mesh.step();
        recorder.record(&mut mesh.managers[node], start + TICK * tick, &mut taped.recording);
        taped.digests.push(mesh.managers[node].digest());
    }
    recorder.stop(&mut mesh.managers[node]);
    for (id, journal) in mesh.managers[node].iter::<Journal>() {
        taped.noted.insert(id, journal.calls.clone());
    }
    taped
}

fn below(rng: &mut Rng, count: usize) -> usize {
    usize::try_from(rng.below(count as u64)).unwrap()
}

#[test]
fn every_tick_is_shown_as_it_was() {
    for (seed, coder) in (0..12).flat_map(|seed| [(seed, Coder::Packed), (seed, Coder::Entropy)]) {
        for node in [0, 1] {
            let taped = tape(seed, coder, node, 200, Duration::from_millis(900));
            let mut player = Player::open(registry(coder), taped.recording).unwrap();
            for (tick, digest) in taped.digests.iter().enumerate() {
                assert_eq!(player.replicas_ref().digest(), *digest, "seed {seed}, node {node}, tick {tick}");
                player.advance(TICK).unwrap();
            }
            assert!(player.is_at_end());
            let noted: BTreeMap<_, _> =
                player.replicas_ref().iter::<Journal>().map(|(id, journal)| (id, journal.calls.clone())).collect();
            assert_eq!(noted, taped.noted, "calls run once, in order");
        }
    }
}

#[test]
fn any_moment_can_be_gone_to() {
    for (seed, coder) in (20..26).flat_map(|seed| [(seed, Coder::Packed), (seed, Coder::Entropy)]) {
        let taped = tape(seed, coder, 0, 300, Duration::from_secs(1));
        let mut player = Player::open(registry(coder), taped.recording).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..40 {
            let tick = below(&mut rng, 300);
            player.seek(TICK * u32::try_from(tick).unwrap()).unwrap();
            assert_eq!(player.replicas_ref().digest(), taped.digests[tick], "seed {seed}, tick {tick}");
            // On from there, at some speed.
            let ahead = below(&mut rng, 30).min(299 - tick);
            player.advance(TICK * u32::try_from(ahead).unwrap()).unwrap();
            assert_eq!(player.replicas_ref().digest(), taped.digests[tick + ahead], "seed {seed}, tick {tick}");
        }
        player.seek(Duration::from_secs(3_600)).unwrap();
        assert_eq!(player.replicas_ref().digest(), *taped.digests.last().unwrap());
        assert!(player.is_at_end());
    }
}

#[test]
fn a_recording_has_everything_however_little_goes_to_peers() {
    let mut host = ReplicaManager::new(registry(Coder::Packed), 1);
    host.set_default_state_rate(StateRate::new(100));
    let ids: Vec<_> = (0..200).map(|_| host.add(Mover::default()).unwrap()).collect();
    let mut recording = Vec::new();
    let mut recorder = Recorder::start(&mut host, Instant::ZERO, Duration::from_millis(200), &mut recording);
    for tick in 0..30 {
        for id in &ids {
            host.primary_mut::<Mover>(*id).unwrap().energy = tick;
        }
        host.prepare();
        recorder.record(&mut host, Instant::ZERO + TICK * tick, &mut recording);
        let mut player = Player::open(registry(Coder::Packed), recording.clone()).unwrap();
        player.seek(TICK * tick).unwrap();
        assert_eq!(player.replicas_ref().digest(), host.digest(), "tick {tick}");
    }
    // A recorder is nobody, so nobody is told how far it has come.
    let mut player = Player::open(registry(Coder::Packed), recording).unwrap();
    player.advance(TICK * 30).unwrap();
    while let Some(event) = player.replicas().poll_event() {
        assert!(matches!(event, ReplicaEvent::Added { .. }), "{event:?}");
    }
}

#[test]
fn a_recording_cut_short_is_good_up_to_there() {
    let taped = tape(30, Coder::Packed, 0, 60, Duration::from_millis(400));
    let whole = Player::open(registry(Coder::Packed), taped.recording.clone()).unwrap().duration();
    let mut lengths = (0..taped.recording.len()).step_by(37);
    let begun = lengths.find(|len| Player::open(registry(Coder::Packed), taped.recording[..*len].to_vec()).is_ok());
    assert!(begun.is_some());
    for len in lengths {
        let mut player = Player::open(registry(Coder::Packed), taped.recording[..len].to_vec()).unwrap();
        let end = player.duration();
        assert!(end <= whole);
        player.seek(end).unwrap();
        let tick = (end.as_millis() / TICK.as_millis()) as usize;
        assert_eq!(player.replicas_ref().digest(), taped.digests[tick]);
    }
}

#[test]
fn damage_is_found() {
    let taped = tape(31, Coder::Packed, 0, 20, Duration::from_secs(1));
    let mut rng = Rng::new(1);
    for _ in 0..300 {
        let mut damaged = taped.recording.clone();
        let at = below(&mut rng, damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        match Player::open(registry(Coder::Packed), damaged) {
            Err(_) => {}
            // A length that reaches beyond the end looks like a recording cut short.
            Ok(player) => assert!(player.duration() < TICK * 19),
        }
    }
    let other = Registry::builder().chunk::<Mover>().build().unwrap();
    let error = Player::open(other, taped.recording).unwrap_err();
    assert!(matches!(&error, PlaybackError::Schema(_)) && error.to_string().contains("journal"), "{error}");
}

#[test]
fn a_player_is_to_be_looked_at_only() {
    let taped = tape(32, Coder::Packed, 0, 60, Duration::from_secs(1));
    let mut player = Player::open(registry(Coder::Packed), taped.recording).unwrap();
    player.seek(TICK * 59).unwrap();
    let digest = player.replicas_ref().digest();
    let (id, calls) = player.replicas_ref().iter::<Journal>().map(|(id, j)| (id, j.calls.len())).next().unwrap();
    assert!(player.replicas().add(Mover::default()).is_err());
    assert!(player.replicas().primary_mut::<Journal>(id).is_err());
    assert!(player.replicas().destroy(id).is_err());
    for _ in 0..3 {
        player.replicas().proxy::<Journal>(id).unwrap().rpcs().ask(1).unwrap();
        player.advance(TICK).unwrap();
    }
    assert_eq!(player.replicas_ref().stats().rpcs_dropped, 3);
    assert_eq!(player.replicas_ref().digest(), digest);
    assert_eq!(player.replicas_ref().get::<Journal>(id).unwrap().calls.len(), calls);
}

#[test]
fn a_node_records_and_goes_on() {
    let network = MemoryNetwork::new();
    let node = || NodeConfig::new(registry(Coder::Packed));
    let mut host = Node::host(network.bind_any().unwrap(), node()).unwrap();
    let mut client = Node::join(network.bind_any().unwrap(), host.local_addr(), node()).unwrap();
    let (mut file, mut part) = (Vec::new(), Vec::new());
    let mut theirs = None;
    for frame in 0..200_u32 {
        let now = Instant::ZERO + TICK * frame;
        if frame == 20 {
            theirs = Some(client.replicas().add(Mover::default()).unwrap());
            host.start_recording(now, Duration::from_secs(1));
        }
        if let Some(id) = theirs {
            client.replicas().primary_mut::<Mover>(id).unwrap().energy = frame;
        }
        host.tick(now).unwrap();
        client.tick(now).unwrap();
        assert_eq!(host.take_recording(&mut part), (20..150).contains(&frame));
        file.extend_from_slice(&part);
        if frame == 149 {
            host.stop_recording();
        }
    }
    let mut player = Player::open(registry(Coder::Packed), file).unwrap();
    assert!(player.duration() > TICK * 120 && player.duration() < TICK * 130, "{:?}", player.duration());
    player.seek(TICK * 100).unwrap();
    let shown = player.replicas_ref().get::<Mover>(theirs.unwrap()).unwrap().energy;
    assert!((115..=120).contains(&shown), "{shown}");
    // Who does not take it stops it, and memory stays bounded.
    host.start_recording(Instant::ZERO + TICK * 200, Duration::ZERO);
    let text = "x".repeat(4_000);
    for _ in 0..20 {
        host.replicas().add(Mover { label: text.clone(), ..Mover::default() }).unwrap();
    }
    let mut frames = 200;
    loop {
        host.tick(Instant::ZERO + TICK * frames).unwrap();
        frames += 1;
        assert!(frames < 2_000);
        if frames.is_multiple_of(400) {
            let going_on = host.take_recording(&mut part);
            assert!(part.len() <= limits::RECORDING_BYTES + (1 << 20));
            assert!(going_on, "far from it");
            break;
        }
    }
    while frames < 1_400 {
        host.tick(Instant::ZERO + TICK * frames).unwrap();
        frames += 1;
    }
    assert!(!host.take_recording(&mut part), "forgotten");
    assert!((limits::RECORDING_BYTES..limits::RECORDING_BYTES + (1 << 20)).contains(&part.len()));
}
