//! What channels count is what was sent, and what came.

mod carrier_support;

use carrier_support::*;
use gridmate_runtime::carrier::{ChannelId, ChannelStats, CongestionConfig, SendError};
use gridmate_runtime::{Rng, limits};

const CHANNELS: [ChannelId; 5] = [RELIABLE, SEQUENCED, UNRELIABLE, SECOND_RELIABLE, UNORDERED];

fn stats(pair: &Pair, end: usize, channel: ChannelId) -> ChannelStats {
    pair.ends[end].channel_stats(pair.id(end), channel).unwrap()
}

#[test]
fn channels_count_their_own_messages_on_any_link() {
    for (seed, link) in [(1, Link::PERFECT), (2, Link::AWFUL), (3, Link::AWFUL)] {
        let mut pair = Pair::connected(seed, link);
        let mut rng = Rng::new(seed);
        let (mut sent, mut came) = ([(0, 0); 5], [(0, 0); 5]);
        let hear = |pair: &mut Pair, came: &mut [(u64, u64); 5]| {
            for (channel, came) in CHANNELS.into_iter().zip(came) {
                for (_, bytes) in pair.messages(0, channel) {
                    *came = (came.0 + 1, came.1 + bytes.len() as u64);
                }
            }
        };
        for _ in 0..300 {
            for (channel, sent) in CHANNELS.into_iter().zip(&mut sent) {
                // Some of several segments, or fragments.
                let most = if channel == SEQUENCED { 1_000 } else { 3_000 };
                let len = usize::try_from(8 + rng.below(most)).unwrap();
                assert!(pair.send(1, channel, &message(sent.0, len), None));
                *sent = (sent.0 + 1, sent.1 + len as u64);
            }
            pair.step();
            hear(&mut pair, &mut came);
        }
        pair.steps(1_500);
        hear(&mut pair, &mut came);
        let mut resent = 0;
        for ((channel, sent), came) in CHANNELS.into_iter().zip(sent).zip(came) {
            let (here, there) = (stats(&pair, 1, channel), stats(&pair, 0, channel));
            assert_eq!((here.messages_sent, here.bytes_sent), sent, "seed {seed} {channel}");
            assert_eq!((there.messages_received, there.bytes_received), came, "seed {seed} {channel}");
            assert_eq!((here.messages_received, there.messages_sent), (0, 0), "seed {seed} {channel}");
            assert_eq!((here.queued, here.refused, here.expired), (0, 0, 0), "seed {seed} {channel}");
            let reliable = ![SEQUENCED, UNRELIABLE].contains(&channel);
            assert!(!reliable || sent == came, "seed {seed} {channel}");
            assert_eq!(here.resent > 0, reliable && seed > 1, "seed {seed} {channel}");
            assert_eq!(there.late > 0, channel == SEQUENCED && seed > 1, "seed {seed} {channel}");
            resent += here.resent;
        }
        assert_eq!(pair.ends[1].stats(pair.id(1)).unwrap().segments_resent, resent);
    }
    let nobody = Pair::connected(1, Link::PERFECT);
    assert_eq!(nobody.ends[0].channel_stats(nobody.id(0), ChannelId(5)), None);
}

#[test]
fn what_waits_is_bounded_for_each_channel_and_counted() {
    let mut configs = [config(), config()];
    for config in &mut configs {
        config.congestion = CongestionConfig::Fixed { bytes_per_second: 5_000 };
        config.channels[usize::from(UNRELIABLE.0)].queue_bytes = 40_000;
        config.channels[usize::from(RELIABLE.0)].queue_bytes = 40_000;
    }
    let mut pair = Pair::with(4, Link::PERFECT, configs);
    pair.connect();
    let cost = 1_000 + limits::MESSAGE_OVERHEAD;
    for channel in [RELIABLE, UNRELIABLE] {
        let taken = (0..60).filter(|n| pair.send(1, channel, &message(*n, 1_000), None)).count();
        assert_eq!(taken, 40_000 / cost);
        let stats = stats(&pair, 1, channel);
        assert_eq!((stats.queued, stats.refused), (taken * cost, 60 - taken as u64));
        assert_eq!((stats.messages_sent, stats.bytes_sent), (taken as u64, taken as u64 * 1_000));
        let id = pair.id(1);
        assert_eq!(pair.ends[1].send(id, channel, &[0; 1_000], None), Err(SendError::QueueFull));
    }
    // Others have room of their own.
    assert!(pair.send(1, SEQUENCED, b"on time", None));
    pair.steps(1_500);
    let [reliable, unreliable] = [RELIABLE, UNRELIABLE].map(|channel| stats(&pair, 1, channel));
    assert_eq!((reliable.queued, unreliable.queued, reliable.expired), (0, 0, 0));
    assert!(unreliable.expired > 0, "nobody asked about them, and they are counted all the same");
    let came = stats(&pair, 0, UNRELIABLE).messages_received;
    assert_eq!(came + unreliable.expired, unreliable.messages_sent);
}
