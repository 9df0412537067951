//! What a peer that has the key can do with compressed packets.

use super::super::packet::{Content, put_varint};
use super::super::tests::Victim;
use super::super::{CarrierEvent, ChannelId};
use super::*;
use crate::rng::Rng;

/// Runs of equal bytes, each as its length and the byte.
#[derive(Debug)]
struct Runs;

impl Compressor for Runs {
    fn id(&self) -> u8 {
        130
    }

    fn compress(&mut self, mut input: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut len = 0;
        while let Some(&byte) = input.first() {
            let run = input.iter().take(255).take_while(|&&b| b == byte).count();
            out.get_mut(len..len + 2)?.copy_from_slice(&[u8::try_from(run).ok()?, byte]);
            len += 2;
            input = &input[run..];
        }
        Some(len)
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        let (pairs, []) = input.as_chunks::<2>() else { return None };
        let mut len = 0;
        for [run, byte] in pairs {
            let end = len + usize::from(*run);
            out.get_mut(len..end)?.fill(*byte);
            len = end;
        }
        Some(len)
    }
}

/// Says that it has written more than there was room for.
#[derive(Debug)]
struct Liar;

impl Compressor for Liar {
    fn id(&self) -> u8 {
        131
    }

    fn compress(&mut self, _: &[u8], out: &mut [u8]) -> Option<usize> {
        Some(out.len() + 1)
    }

    fn decompress(&mut self, _: &[u8], out: &mut [u8]) -> Option<usize> {
        Some(out.len() + 1)
    }
}

fn all() -> Vec<CompressionConfig> {
    vec![
        CompressionConfig::Custom(Arc::new(|| Box::new(Runs))),
        #[cfg(feature = "lz4")]
        CompressionConfig::Lz4 { dictionary: Arc::default() },
        #[cfg(feature = "lz4")]
        CompressionConfig::Lz4 { dictionary: Arc::from(&[7; 300][..]) },
        #[cfg(feature = "zstd")]
        CompressionConfig::Zstd { level: 1, dictionary: Arc::default() },
        #[cfg(feature = "zstd")]
        CompressionConfig::Zstd { level: 3, dictionary: Arc::from(&[7; 300][..]) },
    ]
}

fn victim(seed: u64, config: &CompressionConfig) -> (Victim, Box<dyn Compressor>) {
    let compressor = config.build().unwrap();
    let offer = Offer { id: compressor.id(), dictionary: compressor.dictionary() };
    (Victim::with(seed, config.clone(), offer), compressor)
}

fn compressed(compressor: &mut dyn Compressor, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 2 * bytes.len() + 64];
    let len = compressor.compress(bytes, &mut out).unwrap();
    out.truncate(len);
    out
}

/// A frame with one unreliable message.
fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = vec![2];
    put_varint(&mut out, message.len());
    out.extend_from_slice(message);
    out
}

impl Victim {
    /// Sends compressed frames whose first byte is `kind`.
    fn press(&mut self, kind: u8, short: &[u8]) -> bool {
        self.offer(Content::Compressed, None, &[&[kind][..], short].concat())
    }

    fn heard(&mut self) -> Vec<Vec<u8>> {
        let event = |event| match event {
            CarrierEvent::Message { channel: ChannelId(2), bytes, .. } => bytes,
            other => panic!("{other:?}"),
        };
        core::iter::from_fn(|| self.endpoint.poll_event()).map(event).collect()
    }

    /// The packets it has to send now.
    fn flush(&mut self) -> usize {
        let mut out = Vec::new();
        core::iter::from_fn(|| self.endpoint.poll_transmit(self.now, &mut out)).count()
    }
}

#[test]
fn frames_come_out_as_they_went_in() {
    for config in all() {
        let (mut victim, mut compressor) = victim(3, &config);
        let short = compressed(&mut *compressor, &frame(&[5; 900]));
        assert!(short.len() < 100 && victim.press(0, &short), "{config:?}");
        assert_eq!(victim.heard(), [[5; 900]]);
    }
}

#[test]
fn an_urgent_one_is_acknowledged_at_once() {
    let (mut victim, mut compressor) = victim(3, &all()[0]);
    let short = compressed(&mut *compressor, &frame(&[5; 90]));
    // The first few are acknowledged at once in any case.
    for _ in 0..20 {
        assert!(victim.press(0, &short));
        victim.flush();
    }
    assert!(victim.press(0, &short));
    assert_eq!(victim.flush(), 0, "it can wait");
    assert!(victim.press(1, &short));
    assert_eq!(victim.flush(), 1);
}

#[test]
fn nothing_longer_than_a_datagram_comes_out() {
    for config in all() {
        let (mut victim, mut compressor) = victim(4, &config);
        let malformed = |victim: &Victim| victim.endpoint.endpoint_stats().dropped.malformed;
        // A word of the carrier's own, padding, and its zeros.
        let mut padding = vec![0; limits::DATAGRAM_BYTES_MAX];
        padding[0] = 0xA0;
        assert!(victim.press(0, &compressed(&mut *compressor, &padding)), "{config:?}: what just fits");
        padding.push(0);
        for bomb in [padding.len(), 3_000, 65_000, 100_000] {
            padding.resize(bomb, 0);
            let short = compressed(&mut *compressor, &padding);
            if short.len() < 1_400 {
                let before = malformed(&victim);
                assert!(!victim.press(0, &short), "{config:?}: {bomb} bytes");
                assert_eq!(malformed(&victim), before + 1);
            }
        }
        assert!(victim.alive() && victim.press(0, &compressed(&mut *compressor, &frame(&[1; 40]))));
        assert_eq!(victim.heard(), [[1; 40]]);
    }
}

#[test]
fn bytes_that_no_compressor_wrote_are_dropped_or_read_as_frames() {
    for config in all() {
        let (mut victim, mut compressor) = victim(5, &config);
        let mut rng = Rng::new(17);
        for kind in 2..=255 {
            assert!(!victim.press(kind, &compressed(&mut *compressor, &frame(&[1; 40]))), "kind {kind}");
        }
        assert!(!victim.press(0, &[]) && !victim.offer(Content::Compressed, None, &[]));
        let (mut dropped, mut taken) = (0, 0);
        for _ in 0..6_000 {
            let message: Vec<u8> = (0..rng.below(200)).map(|_| rng.below(3).to_le_bytes()[0]).collect();
            let mut short = compressed(&mut *compressor, &frame(&message));
            for _ in 0..1 + rng.below(4) {
                let place = usize::try_from(rng.below(short.len() as u64)).unwrap();
                match rng.below(4) {
                    0 => short[place] = rng.next_u64().to_le_bytes()[0],
                    1 => short[place] ^= 1 << rng.below(8),
                    2 => short.truncate(place.max(1)),
                    _ => short.insert(place, rng.next_u64().to_le_bytes()[0]),
                }
            }
            short.truncate(1_400);
            *(if victim.press(0, &short) { &mut taken } else { &mut dropped }) += 1;
            while let Some(event) = victim.endpoint.poll_event() {
                if let CarrierEvent::Message { bytes, .. } = event {
                    victim.endpoint.recycle(bytes);
                }
            }
            assert!(victim.alive());
        }
        assert!(dropped > 500 && taken > 100, "{config:?}: {dropped} dropped, {taken} taken");
    }
}

#[test]
fn who_has_agreed_on_nothing_may_not_compress() {
    let short = compressed(&mut Runs, &frame(&[1; 40]));
    let offer = Offer { id: 130, dictionary: 0 };
    let runs = all()[0].clone();
    for (ours, theirs) in [
        (CompressionConfig::None, Offer::NONE),
        (CompressionConfig::None, offer),
        (runs.clone(), Offer::NONE),
        (runs.clone(), Offer { id: 129, ..offer }),
        (runs.clone(), Offer { dictionary: 1, ..offer }),
    ] {
        let mut victim = Victim::with(6, ours.clone(), theirs);
        assert!(!victim.press(0, &short), "{ours:?}, {theirs:?}");
        assert_eq!(victim.endpoint.endpoint_stats().dropped.malformed, 1);
    }
    let mut victim = Victim::with(6, runs, offer);
    assert!(victim.press(0, &short));
    assert!(!victim.press(1, &[0, 7]), "no frames at all");
}

#[test]
fn a_compressor_that_lies_harms_nobody() {
    let (mut victim, _) = victim(7, &CompressionConfig::Custom(Arc::new(|| Box::new(Liar))));
    assert!(!victim.press(0, b"something"));
    let (mut liar, mut trial) =
        (Compression::new(&CompressionConfig::Custom(Arc::new(|| Box::new(Liar)))).unwrap(), Trial::default());
    let mut packet = vec![0x80; 100];
    assert_eq!(liar.deflate(&mut trial, &mut packet, 9, 91, false), None);
    assert_eq!(packet, [0x80; 100]);
}

#[test]
fn what_fails_is_tried_less_and_less_until_it_works() {
    let mut trial = Trial::default();
    let mut tried = Vec::new();
    for packet in 0..700 {
        if trial.begin() {
            trial.end(false);
            tried.push(packet);
        }
    }
    assert_eq!(tried, [0, 1, 2, 11, 28, 61, 126, 255, 384, 513, 642]);
    while !trial.begin() {}
    trial.end(true);
    assert!(trial.begin(), "the next is tried");
    trial.end(false);
    assert!(!trial.begin(), "but one that works is not enough");
    for _ in 0..100 {
        if trial.begin() {
            trial.end(true);
        }
    }
    assert_eq!(trial, Trial::default());
}
