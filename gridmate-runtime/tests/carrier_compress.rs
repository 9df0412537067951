//! Compressed packets: two ends that agree on a compressor say the same in less, and everyone else notices nothing.

mod carrier_support;

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use carrier_support::runs::{counted, runs};
use carrier_support::*;
use gridmate_runtime::carrier::{CarrierConfig, ChannelId, ChannelKind, CompressionConfig};
use gridmate_runtime::{Rng, limits};
use proptest::prelude::*;

/// The compressors there are, with and without a dictionary.
fn all() -> Vec<CompressionConfig> {
    vec![
        runs(128, 0),
        #[cfg(feature = "lz4")]
        CompressionConfig::Lz4 { dictionary: Arc::default() },
        #[cfg(feature = "lz4")]
        CompressionConfig::Lz4 { dictionary: dictionary() },
        #[cfg(feature = "zstd")]
        CompressionConfig::Zstd { level: 1, dictionary: Arc::default() },
        #[cfg(feature = "zstd")]
        CompressionConfig::Zstd { level: 3, dictionary: dictionary() },
    ]
}

fn dictionary() -> Arc<[u8]> {
    (0..4_000u64).flat_map(|n| plain(n, 3)).take(8_000).collect::<Vec<u8>>().into()
}

fn with(compression: &CompressionConfig) -> CarrierConfig {
    let mut config = config();
    config.compression = compression.clone();
    config
}

fn connected(seed: u64, configs: [CarrierConfig; 2]) -> Pair {
    let mut pair = Pair::with(seed, Link { delay: Duration::from_millis(20), ..Link::PERFECT }, configs);
    pair.trace = Some(Vec::new());
    pair.connect();
    pair
}

/// A message that says little: its number, and bytes of few values in runs.
fn plain(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8.max(len), number.to_le_bytes()[0] % 5);
    bytes
}

/// Content of the data packets among what was sent.
fn contents(pair: &Pair) -> Vec<u8> {
    let trace = pair.trace.as_ref().unwrap();
    trace.iter().filter(|(_, packet)| packet[0] >= 128).map(|(_, packet)| packet[0] >> 3 & 7).collect()
}

/// What one end heard on one channel: numbers and messages.
type Arrived = Vec<(u64, Vec<u8>)>;

/// Sends messages of every kind both ways over a foul link; returns what arrived, and bytes sent by both ends, and saved.
fn storm(seed: u64, compression: &CompressionConfig) -> (Vec<Arrived>, u64, u64) {
    let mut pair = Pair::with(seed, Link::PERFECT, [with(compression), with(compression)]);
    pair.connect();
    pair.link = Link { corrupt: 0.0, ..Link::AWFUL };
    let (mut rng, mut number) = (Rng::new(seed), 0);
    let mut arrived = vec![Vec::new(); 10];
    for round in 0..400 {
        for end in 0..2 {
            for _ in 0..if round < 150 { rng.below(4) } else { 0 } {
                let channel = ChannelId(rng.below(5).to_le_bytes()[0]);
                let len = [12, 40, 200, 900, 4_000][usize::try_from(rng.below(5)).unwrap()];
                let len = if channel == SEQUENCED { len.min(900) } else { len };
                let bytes = if rng.chance(0.3) { message(number, len) } else { plain(number, len) };
                pair.send(end, channel, &bytes, None);
                number += 1;
            }
        }
        pair.step();
        for (place, heard) in arrived.iter_mut().enumerate() {
            let channel = ChannelId(u8::try_from(place / 2).unwrap());
            for (_, bytes) in pair.messages(place % 2, channel) {
                let sent = if bytes.len() < 8 { panic!("cut") } else { crate::number(&bytes) };
                heard.push((sent, bytes));
            }
        }
    }
    let stats = [0, 1].map(|end| pair.ends[end].stats(pair.id(end)).unwrap());
    let malformed: u64 = pair.ends.iter().map(|end| end.endpoint_stats().dropped.malformed).sum();
    assert_eq!(malformed, 0, "nothing but what a compressor wrote");
    (arrived, stats.iter().map(|s| s.bytes_sent).sum(), stats.iter().map(|s| s.bytes_saved).sum())
}

#[test]
fn over_a_foul_link_everything_arrives_as_it_was_in_fewer_bytes() {
    for seed in 0..6 {
        let (want, bytes, saved) = storm(seed, &CompressionConfig::None);
        assert_eq!(saved, 0);
        for compression in all() {
            let (got, fewer, saved) = storm(seed, &compression);
            assert!(fewer * 10 < bytes * 9 && saved > 0, "{compression:?}: {fewer} of {bytes}");
            for (place, (got, want)) in got.iter().zip(&want).enumerate() {
                for (number, bytes) in got {
                    let sent = [message(*number, bytes.len()), plain(*number, bytes.len())];
                    assert!(sent.contains(bytes), "{compression:?}: message {number} is another");
                }
                if matches!(ChannelId(u8::try_from(place / 2).unwrap()), RELIABLE | SECOND_RELIABLE) {
                    assert_eq!(got, want, "{compression:?}: all of them, in order");
                }
            }
        }
    }
}

#[test]
fn ends_that_do_not_have_the_same_go_without() {
    let none = CompressionConfig::None;
    let with_compressor = |configs: [&CompressionConfig; 2]| {
        let mut pair = connected(3, configs.map(with));
        for number in 0..20 {
            for end in 0..2 {
                pair.send(end, RELIABLE, &plain(number, 300), None);
            }
            pair.step();
        }
        pair.steps(10);
        for end in 0..2 {
            assert_eq!(pair.messages(end, RELIABLE).len(), 20);
            assert_eq!(pair.ends[end].endpoint_stats().dropped.malformed, 0);
        }
        let compressed = pair.ends.iter().zip(pair.ids).map(|(end, id)| end.stats(id.unwrap()).unwrap());
        let compressed: u64 = compressed.map(|stats| stats.packets_compressed).sum();
        assert_eq!(contents(&pair).iter().filter(|content| **content == 6).count() as u64, compressed);
        compressed
    };
    for configs in [
        [&none, &none],
        [&runs(128, 0), &none],
        [&none, &runs(128, 0)],
        [&runs(128, 0), &runs(129, 0)],
        [&runs(128, 0), &runs(128, 1)],
        [&runs(128, 2), &runs(128, 1)],
    ] {
        assert_eq!(with_compressor(configs), 0, "{configs:?}");
    }
    for compression in all() {
        assert!(with_compressor([&compression, &compression]) >= 40, "{compression:?}");
    }
    #[cfg(feature = "lz4")]
    {
        let lz4 = |dictionary: &[u8]| CompressionConfig::Lz4 { dictionary: Arc::from(dictionary) };
        assert_eq!(with_compressor([&lz4(b""), &lz4(b"swords")]), 0);
        assert_eq!(with_compressor([&lz4(b"swords"), &lz4(b"spells")]), 0);
    }
}

#[test]
fn what_cannot_be_made_shorter_goes_as_it_would_without() {
    let send = |compression| {
        let mut pair = connected(4, [with(compression), with(compression)]);
        pair.trace.as_mut().unwrap().clear();
        for number in 0..200 {
            pair.send(0, RELIABLE, &message(number, 700), None);
            pair.send(0, UNRELIABLE, &message(number, 30), None);
            pair.step();
        }
        pair.trace.take().unwrap()
    };
    let asked = Arc::default();
    assert_eq!(send(&CompressionConfig::None), send(&counted(128, 0, &asked)));
    let asked = asked.load(Ordering::Relaxed);
    assert!((3..12).contains(&asked), "tried {asked} times for 200 packets");
}

#[test]
fn short_packets_and_those_of_compressed_channels_are_not_tried() {
    let asked = Arc::default();
    let configs = [counted(128, 0, &asked), runs(128, 0)].map(|compression| {
        let mut config = with(&compression);
        config.channels[2].compress = false;
        config
    });
    let mut pair = connected(5, configs);
    let tried = |pair: &mut Pair, channel, len| {
        let before = asked.load(Ordering::Relaxed);
        assert!(pair.send(0, channel, &plain(1, len), None));
        pair.steps(5);
        asked.load(Ordering::Relaxed) - before
    };
    assert_eq!(tried(&mut pair, SEQUENCED, 900), 1);
    assert_eq!(tried(&mut pair, UNRELIABLE, 900), 0);
    assert_eq!(tried(&mut pair, SEQUENCED, 20), 0);
    pair.send(0, UNRELIABLE, &plain(1, 500), None);
    assert_eq!(tried(&mut pair, SEQUENCED, 500), 1, "one that is worth it is enough");
    pair.steps(300);
    assert_eq!(asked.load(Ordering::Relaxed), 2, "acknowledgements and pings are not tried");
    assert_eq!(pair.messages(1, UNRELIABLE).len() + pair.messages(1, SEQUENCED).len(), 5);
}

#[test]
fn a_sole_message_and_the_packet_of_a_handshake_are_compressed_too() {
    let configs = [0, 1].map(|_| {
        let mut config = with(&runs(128, 0));
        config.max_datagram = limits::DATAGRAM_BYTES; // no probes
        config
    });
    let mut pair = Pair::with(6, Link::PERFECT, configs);
    pair.trace = Some(Vec::new());
    pair.ends[1].connect(pair.now, address(0), b"hello").unwrap();
    // The joiner says something in the packet that proves where it is.
    let mut said = false;
    pair.until(100, |pair| {
        if let (Some(id), false) = (pair.ids[1], said) {
            said = pair.ends[1].send(id, RELIABLE, &plain(1, 600), None).is_ok();
        }
        pair.ids[0].is_some()
    });
    pair.steps(5);
    assert_eq!(pair.messages(0, RELIABLE)[0].1, plain(1, 600));
    assert!(pair.trace.as_ref().unwrap().iter().all(|(_, packet)| packet[0] < 128 || packet.len() < 100));
    for channel in [RELIABLE, SEQUENCED, UNRELIABLE] {
        pair.send(0, channel, &plain(2, 600), None);
        pair.steps(5);
        assert_eq!(pair.messages(1, channel)[0].1, plain(2, 600));
    }
    assert_eq!(contents(&pair).iter().filter(|content| **content == 6).count(), 4);
    assert!(pair.trace.as_ref().unwrap().iter().all(|(_, packet)| packet[0] < 128 || packet.len() < 100));
}

#[test]
fn what_is_saved_is_counted() {
    let bytes = |compression: &CompressionConfig| {
        let mut pair = connected(8, [with(compression), with(compression)]);
        for number in 0..100 {
            for channel in [RELIABLE, SEQUENCED, UNRELIABLE] {
                if (number + u64::from(channel.0)) % 3 > 0 {
                    pair.send(0, channel, &plain(number, 250), None);
                }
            }
            pair.step();
        }
        pair.steps(10);
        let stats = pair.ends[0].stats(pair.id(0)).unwrap();
        (stats.bytes_sent, stats.bytes_saved)
    };
    let (plain, _) = bytes(&CompressionConfig::None);
    for compression in all() {
        let (sent, saved) = bytes(&compression);
        assert_eq!(sent + saved, plain, "{compression:?}");
    }
}

#[test]
fn a_channel_says_by_default_that_it_is_worth_it() {
    assert!(gridmate_runtime::carrier::ChannelConfig::from(ChannelKind::Unreliable).compress);
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 1..limits::DATAGRAM_BYTES_MAX);
    let dull = prop::collection::vec(0u8..3, 1..limits::DATAGRAM_BYTES_MAX);
    let runs = prop::collection::vec((any::<u8>(), 1usize..40), 1..30)
        .prop_map(|runs| runs.iter().flat_map(|(byte, len)| vec![*byte; *len]).collect());
    let known = (0usize..4_000, 4usize..1_400).prop_map(|(at, len)| dictionary()[at..at + len].to_vec());
    prop_oneof![noise, dull, runs, known]
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back(bytes in bytes()) {
        let (mut short, mut long) = ([0; limits::COMPRESSED_BYTES], [0; limits::DATAGRAM_BYTES_MAX]);
        for compression in all() {
            let mut compressor = compression.build().unwrap();
            let Some(len) = compressor.compress(&bytes, &mut short) else {
                // Two bytes for each: too many for the place.
                prop_assert_eq!(compressor.id(), 128);
                continue;
            };
            let back = compressor.decompress(&short[..len], &mut long).unwrap();
            prop_assert_eq!(&long[..back], &bytes[..]);
            // The same again: nothing is remembered.
            let again = compressor.compress(&bytes, &mut [0; limits::COMPRESSED_BYTES]).unwrap_or(0);
            prop_assert_eq!(again, len);
            for room in [0, bytes.len() / 2, bytes.len() - 1] {
                prop_assert_eq!(compressor.decompress(&short[..len], &mut vec![0; room]), None, "{} in {}", bytes.len(), room);
            }
        }
    }

    #[test]
    fn nothing_that_is_decompressed_panics_or_gets_too_long(
        bytes in bytes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut short, mut long) = ([0; limits::COMPRESSED_BYTES], [0; limits::DATAGRAM_BYTES_MAX]);
        for compression in all() {
            let mut compressor = compression.build().unwrap();
            let len = compressor.compress(&bytes, &mut short).unwrap_or(0);
            let mut damaged = if changes.len() == 5 { bytes.clone() } else { short[..len].to_vec() };
            for (place, byte) in &changes {
                if !damaged.is_empty() {
                    let place = place.index(damaged.len());
                    damaged[place] = *byte;
                }
            }
            if changes.len() % 2 == 1 {
                damaged.truncate(cut.index(damaged.len() + 1));
            }
            let read = compressor.decompress(&damaged, &mut long);
            prop_assert!(read.is_none_or(|len| len <= long.len()));
            // It is none the worse for it.
            if len > 0 {
                let back = compressor.decompress(&short[..len], &mut long);
                prop_assert_eq!(back.map(|back| &long[..back]), Some(&bytes[..]));
            }
        }
    }
}
