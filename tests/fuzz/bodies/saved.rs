//! Saved replicas and recordings that were tampered with by someone who knows how to make checksums.

use core::time::Duration;
use std::sync::OnceLock;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{Player, Recorder, RestoreError};
use gridmate_runtime::schema::Coder;

use super::pair::{Pair, registry};
use super::script::Script;
use super::sink::KitchenSink;

const TICK: Duration = Duration::from_millis(33);
const TICKS: u32 = 12;

/// Magic, version, and the schema's length.
const HEAD: usize = 9;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let coder = if script.byte().is_multiple_of(2) { Coder::Packed } else { Coder::Entropy };
    if script.byte().is_multiple_of(2) {
        saved(coder, &mut script);
    } else {
        recorded(coder, &mut script);
    }
}

fn saved(coder: Coder, script: &mut Script<'_>) {
    let good = &samples(coder).saved;
    let (whole, _) = good.split_last_chunk::<4>().expect("a checksum");
    let begin = body(whole);
    let mut bytes = whole[..begin].to_vec();
    // Something in place of what was saved, or that with changes.
    if script.byte().is_multiple_of(4) {
        bytes.extend_from_slice(script.bytes());
    } else {
        bytes.extend_from_slice(&whole[begin..]);
        alter(&mut bytes[begin..], script);
        bytes.truncate(bytes.len() - script.pick(3).min(bytes.len() - begin));
    }
    let crc = crc(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());

    let registry = registry(coder);
    let mut replicas = ReplicaManager::new(registry.clone(), 1);
    match replicas.restore(&bytes) {
        Ok(restored) => {
            assert_eq!(restored.len(), replicas.len());
            replicas.prepare();
            let mut again = ReplicaManager::new(registry.clone(), 2);
            again.restore(&replicas.save()).expect("what was saved here");
            again.prepare();
            assert_eq!(again.digest(), replicas.digest());
        }
        Err(error) => {
            assert!(matches!(error, RestoreError::Damaged(_)), "{error}");
            assert!(replicas.is_empty());
            replicas.restore(good).expect("as good as new");
        }
    }
}

fn recorded(coder: Coder, script: &mut Script<'_>) {
    let mut bytes = samples(coder).recording.clone();
    let mut at = body(&bytes);
    let (mut blocks, altered) = (0, script.pick(TICKS as usize));
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let body = at + 8..at + 8 + length;
        if blocks >= altered && blocks < altered + 2 {
            alter(&mut bytes[body.clone()], script);
            let crc = crc(&bytes[body.clone()]);
            bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        }
        blocks += 1;
        at = body.end;
    }
    let Ok(mut player) = Player::open(registry(coder).clone(), bytes) else { return };
    for _ in 0..4 {
        let ticks = TICK * u32::from(script.byte() % 16);
        let going_on = if script.byte().is_multiple_of(2) { player.seek(ticks) } else { player.advance(ticks) };
        if going_on.is_err() {
            break;
        }
    }
    // However it went: it can be looked at.
    for (id, sink) in player.replicas_ref().iter::<KitchenSink>() {
        assert!(player.replicas_ref().info(id).is_some_and(|info| !info.is_primary));
        let _ = sink.is_secret();
    }
}

/// Changes a few bytes.
fn alter(bytes: &mut [u8], script: &mut Script<'_>) {
    for _ in 0..script.pick(4) {
        let at = usize::from(script.word());
        if !bytes.is_empty() {
            bytes[at % bytes.len()] = script.byte();
        }
    }
}

/// Where what follows the schema begins.
fn body(bytes: &[u8]) -> usize {
    HEAD + u32::from_le_bytes(bytes[HEAD - 4..HEAD].try_into().expect("four bytes")) as usize
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

struct Samples {
    saved: Vec<u8>,
    recording: Vec<u8>,
}

/// What a host saves and records that owns some replicas and has proxies of others.
fn samples(coder: Coder) -> &'static Samples {
    static SAMPLES: [OnceLock<Samples>; 2] = [const { OnceLock::new() }; 2];
    SAMPLES[usize::from(coder == Coder::Entropy)].get_or_init(|| {
        let mut pair = Pair::new(coder);
        let mut recording = Vec::new();
        let replicas = &mut pair.host.replicas;
        let mut recorder = Recorder::start(replicas, Instant::ZERO, TICK * 4, &mut recording);
        for tick in 0..TICKS {
            let mut script = Script::new(&[7, 3, 9, 1, 4, 2, 8, 6, 5, 3, 1][tick as usize % 11..]);
            pair.side(tick % 3 == 0).play(&mut script);
            for client in [true, false] {
                pair.exchange(client, |_| ());
            }
            recorder.record(&mut pair.host.replicas, Instant::ZERO + TICK * tick, &mut recording);
        }
        Samples { saved: pair.host.replicas.save(), recording }
    })
}
