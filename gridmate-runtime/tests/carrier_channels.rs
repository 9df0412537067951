//! Kinds, priorities and shares of channels; the largest messages; and no channel in the way of another.

mod carrier_support;

use core::time::Duration;

use carrier_support::*;
use gridmate_runtime::carrier::{
    CarrierEvent, ChannelConfig, ChannelId, ChannelKind, ChannelPriority, CongestionConfig,
};
use gridmate_runtime::{Rng, limits};

#[test]
fn scenario_05d_unordered_messages_arrive_once_and_do_not_wait_for_each_other() {
    let (mut overtook, mut total) = (0, 0);
    for seed in 0..100 {
        let mut pair = Pair::connected(seed, Link::AWFUL);
        let mut rng = Rng::new(seed);
        let lens: Vec<usize> = (0..120)
            .map(|_| 8 + usize::try_from(if rng.chance(0.1) { rng.below(20_000) } else { rng.below(400) }).unwrap())
            .collect();
        let mut got = vec![false; lens.len()];
        let mut next = 0;
        let mut last = 0;
        pair.until(10_000, |pair| {
            for _ in 0..3 {
                if next < lens.len() && pair.send(1, UNORDERED, &message(next as u64, lens[next]), Some(next as u64)) {
                    next += 1;
                }
            }
            for (_, bytes) in pair.messages(0, UNORDERED) {
                let n = usize::try_from(number(&bytes)).unwrap();
                assert!(bytes == message(n as u64, lens[n]), "seed {seed}: {n} differs");
                assert!(!core::mem::replace(&mut got[n], true), "seed {seed}: {n} came twice");
                (overtook, total) = (overtook + usize::from(n < last), total + 1);
                last = last.max(n);
            }
            got.iter().all(|&got| got)
        });
        pair.until(3_000, |pair| pair.ends[1].stats(pair.id(1)).unwrap().reliable_queued == 0);
        let receipts = pair.receipts(1);
        assert!(receipts.len() == 120 && receipts.iter().all(|receipt| receipt.1), "seed {seed}");
        assert_eq!(pair.ends[0].stats(pair.id(0)).unwrap().held, 0, "seed {seed}");
    }
    assert!(overtook * 10 > total, "{overtook} of {total} came before earlier ones");
}

#[test]
fn sixty_four_mebibytes_in_one_message() {
    for kind in [ChannelKind::ReliableOrdered, ChannelKind::ReliableUnordered] {
        let mut configs = [config(), config()];
        for config in &mut configs {
            let large = ChannelConfig { max_message: 64 << 20, queue_bytes: 80 << 20, ..kind.into() };
            config.channels.push(large);
        }
        let link = Link { loss: 0.01, reorder: 0.05, delay: Duration::from_millis(1), ..Link::PERFECT };
        let mut pair = Pair::with(7, link, configs);
        pair.tick = Duration::from_millis(2);
        pair.connect();
        let channel = ChannelId(5);
        let whole: Vec<u8> = (0..64 << 20).map(|i: u32| i.to_le_bytes()[1] ^ (i >> 16).to_le_bytes()[0]).collect();
        assert!(pair.send(1, channel, &whole, Some(1)));
        let mut small = 0;
        pair.until(20_000, |pair| {
            pair.send(1, RELIABLE, b"meanwhile", None);
            small += pair.messages(0, RELIABLE).len();
            pair.events[0].iter().any(|event| matches!(event, CarrierEvent::Message { .. }))
        });
        let got = pair.messages(0, channel);
        assert!(got[0].1 == whole, "{kind:?}");
        assert!(small > 50, "other channels go on: {small}");
        // One byte more is an error at the sender; a receiver that allows less ends the connection of who sends it.
        let id = pair.id(1);
        assert!(pair.ends[1].send(id, channel, &vec![0; (64 << 20) + 1], None).is_err());
    }
}

#[test]
fn a_receiver_that_allows_less_ends_the_connection() {
    let mut configs = [config(), config()];
    configs[0].channels[0].max_message = 10_000;
    let mut pair = Pair::with(1, Link::PERFECT, configs);
    pair.connect();
    assert!(pair.send(1, RELIABLE, &[1; 10_000], None));
    pair.until(100, |pair| !pair.messages(0, RELIABLE).is_empty());
    assert!(pair.send(1, RELIABLE, &[1; 10_001], None));
    pair.until(100, |pair| pair.ids == [None, None]);
}

#[test]
fn higher_priorities_overtake_what_waits() {
    let mut configs = [config(), config()];
    for config in &mut configs {
        config.channels[usize::from(RELIABLE.0)].priority = ChannelPriority::Low;
        config.channels[usize::from(SECOND_RELIABLE.0)].priority = ChannelPriority::Critical;
        config.congestion = CongestionConfig::Fixed { bytes_per_second: 50_000 };
    }
    let mut pair = Pair::with(2, Link::PERFECT, configs);
    pair.connect();
    for n in 0..100 {
        assert!(pair.send(1, RELIABLE, &message(n, 1_000), None));
    }
    pair.steps(20);
    let start = pair.now;
    assert!(pair.send(1, SECOND_RELIABLE, b"now", None));
    pair.until(100, |pair| !pair.messages(0, SECOND_RELIABLE).is_empty());
    let took = pair.now.saturating_since(start);
    assert!(took < Duration::from_millis(100), "{took:?} beside two seconds' worth of others");
    pair.until(400, |pair| pair.messages(0, RELIABLE).iter().any(|(_, bytes)| number(bytes) == 99));
}

#[test]
fn channels_of_one_priority_share_fairly() {
    let mut configs = [config(), config()];
    for config in &mut configs {
        config.congestion = CongestionConfig::Fixed { bytes_per_second: 100_000 };
        config.channels[usize::from(UNORDERED.0)].weight = 2;
    }
    let mut pair = Pair::with(3, Link::PERFECT, configs);
    pair.connect();
    let lens = [(RELIABLE, 100), (SECOND_RELIABLE, 900), (UNORDERED, 300)];
    let mut got = [0; 3];
    for _ in 0..1_000 {
        for (channel, len) in lens {
            (0..4).for_each(|_| _ = pair.send(1, channel, &vec![1; len], None));
        }
        pair.step();
        for (got, (channel, _)) in got.iter_mut().zip(lens) {
            *got += pair.messages(0, channel).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        }
    }
    let total: usize = got.iter().sum();
    assert!((800_000..=1_050_000).contains(&total), "{total} bytes in ten seconds at 100,000 a second");
    for (got, share) in got.iter().zip([0.25, 0.25, 0.5]) {
        let part = *got as f64 / total as f64;
        assert!((part / share - 1.0).abs() < 0.25, "{part} instead of {share}");
    }
}

#[test]
fn what_waits_too_long_is_dropped_and_said_to_be_lost() {
    let mut configs = [config(), config()];
    configs.iter_mut().for_each(|config| config.congestion = CongestionConfig::Fixed { bytes_per_second: 20_000 });
    let mut pair = Pair::with(4, Link::PERFECT, configs);
    pair.connect();
    let (mut sent, mut delays) = (0, Vec::new());
    for _ in 0..300 {
        for _ in 0..2 {
            let stamp = pair.now.as_micros().to_le_bytes();
            assert!(pair.send(1, UNRELIABLE, &[&stamp[..], &[0; 492]].concat(), Some(sent)));
            sent += 1;
        }
        pair.step();
        for (_, bytes) in pair.messages(0, UNRELIABLE) {
            delays.push(pair.now.as_micros() - number(&bytes));
        }
    }
    pair.steps(100);
    let receipts = pair.receipts(1);
    assert_eq!(receipts.len() as u64, sent);
    let lost = receipts.iter().filter(|receipt| !receipt.1).count();
    assert!(lost > 400, "five times too much was offered: {lost} of {sent} dropped");
    let worst = delays.iter().max().unwrap() / 1_000;
    assert!(worst <= 250 + 20 + 20, "{worst} ms: late is of no use");
    assert_eq!(pair.ends[1].stats(pair.id(1)).unwrap().messages_expired, lost as u64);
}

#[test]
fn what_is_queued_after_a_long_pause_is_not_old() {
    let mut pair = Pair::connected(6, Link::PERFECT);
    pair.steps(50);
    assert!(pair.send(1, UNRELIABLE, b"fresh", Some(1)));
    // The program stood still for a second before and after it queued this, as far as the carrier can tell.
    pair.now += Duration::from_secs(1);
    pair.steps(20);
    assert_eq!((pair.messages(0, UNRELIABLE).len(), pair.receipts(1)), (1, vec![(1, true)]));
}

#[test]
fn as_many_channels_as_there_can_be() {
    let mut configs = [config(), config()];
    for config in &mut configs {
        config.channels = vec![ChannelKind::ReliableOrdered.into(); limits::CHANNELS];
    }
    let mut pair = Pair::with(5, Link { loss: 0.1, ..Link::PERFECT }, configs);
    pair.connect();
    for channel in 0..=255 {
        assert!(pair.send(1, ChannelId(channel), &[channel], None));
    }
    pair.steps(300);
    for channel in 0..=255 {
        assert_eq!(pair.messages(0, ChannelId(channel)).iter().map(|m| m.1.clone()).collect::<Vec<_>>(), [[channel]]);
    }
}
