//! Scenario 5, in part: no blocking across channels. Scenario 6: large messages, and a receiver that does not take them.

use core::time::Duration;

use gridmate_runtime::carrier::{CarrierEvent, ChannelId};
use gridmate_runtime::limits;
use gridmate_runtime::sim::LinkConfig;

use crate::carrier_support::*;
use crate::star::Star;

/// While a reliable channel waits for a packet that was lost, every message of every other channel, and of the same
/// endpoint's other ordered channel in particular, arrives one way's time after it was sent.
#[test]
fn scenario_05b_other_channels_do_not_wait_for_a_lost_packet() {
    let mut pair = Pair::connected(1, Link { delay: Duration::from_millis(100), ..Link::PERFECT });
    for n in 0..100 {
        pair.send(1, RELIABLE, &message(n, 20), None);
        pair.step();
    }
    pair.steps(50);
    pair.messages(0, RELIABLE);

    pair.drop.push(pair.sent);
    let start = pair.now;
    // Too long to be repeated before anybody knows that it is lost.
    assert!(pair.send(1, RELIABLE, &[0; 300], None));
    pair.flush(1);
    let others = [SECOND_RELIABLE, UNORDERED, SEQUENCED, UNRELIABLE];
    let (mut sent_at, mut repaired) = (Vec::new(), None);
    let (mut delivered, mut during) = ([0; 4], 0);
    for n in 1..=100_u64 {
        sent_at.push(pair.now);
        for channel in others.into_iter().chain([RELIABLE]) {
            assert!(pair.send(1, channel, &n.to_le_bytes(), None));
            // Each in a datagram of its own.
            pair.flush(1);
        }
        pair.step();
        for (delivered, channel) in delivered.iter_mut().zip(others) {
            for (_, bytes) in pair.messages(0, channel) {
                *delivered += 1;
                assert_eq!(number(&bytes), *delivered, "{channel}");
                let took = pair.now - sent_at[usize::try_from(*delivered).unwrap() - 1];
                assert_eq!(took, Duration::from_millis(100), "{channel}: message {delivered}");
                during += usize::from(repaired.is_none());
            }
        }
        let waited: Vec<u64> = pair.messages(0, RELIABLE).iter().map(|(_, bytes)| number(bytes)).collect();
        if repaired.is_none() && !waited.is_empty() {
            repaired = Some((pair.now, waited));
        }
    }
    let (at, waited) = repaired.expect("the lost one was sent again");
    assert!(at - start >= Duration::from_millis(300), "a round trip to notice and a way to repair: {:?}", at - start);
    assert!(
        waited.len() > 15 && waited.iter().copied().eq(0..waited.len() as u64),
        "all at once, in order: {waited:?}"
    );
    assert!(during >= 4 * 15, "{during} overtook the channel that waited");
}

/// 40,960 bytes, each way at the same time, on each kind of channel that takes them, over links of the simulator that lose,
/// repeat and reorder.
#[test]
fn scenario_06a_forty_kibibytes_each_way() {
    let link = LinkConfig {
        loss: 0.05,
        duplicate: 0.05,
        reorder: 0.2,
        reorder_delay: Duration::from_millis(30),
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(5),
        ..LinkConfig::perfect()
    };
    for seed in 0..20 {
        let mut star = Star::new(&config(), 1, link, seed);
        let whole = [0, 1].map(|end| message(seed * 2 + end, 40_960));
        let channels = [RELIABLE, SECOND_RELIABLE, UNORDERED];
        for (end, whole) in whole.iter().enumerate() {
            let id = star.ids[end][0];
            channels.iter().for_each(|&channel| star.ends[end].send(id, channel, whole, Some(1)).unwrap());
        }
        let arrived = |star: &Star, end: usize| {
            let channel = |event: &CarrierEvent| match event {
                CarrierEvent::Message { channel, bytes, .. } => {
                    assert!(*bytes == whole[1 - end], "seed {seed}: altered");
                    Some(*channel)
                }
                _ => None,
            };
            star.events[end].iter().filter_map(channel).collect::<Vec<ChannelId>>()
        };
        for _ in 0..5_000 {
            star.tick();
        }
        for end in 0..2 {
            let mut got = arrived(&star, end);
            got.sort_unstable();
            assert_eq!(got, channels, "seed {seed}: each once");
        }
    }
}

/// The equivalent of a receive buffer that is too small. Buffers are the carrier's and handed over whole, so no message can be
/// cut; but a program may leave events where they are: here until there is room for no more, and for two seconds longer (it has
/// as long as a peer may be silent: what is refused is not heard). Then datagrams are refused and not acknowledged
/// ([`Dropped::backlog`](gridmate_runtime::carrier::Dropped::backlog)), memory stays bounded, and all of it arrives once the program
/// takes events again.
#[test]
fn scenario_06b_a_program_that_takes_nothing_loses_nothing() {
    for (len, each, limit) in [(8, 200, limits::EVENTS), (40_960, 4, limits::EVENT_BYTES / 40_960)] {
        let mut pair = Pair::connected(1, Link::PERFECT);
        let channels = [RELIABLE, SECOND_RELIABLE, UNORDERED];
        let (mut out, mut sent) = (Vec::new(), [0_u64; 3]);
        let (mut rounds, mut refusing) = (0, 0);
        while refusing < 200 {
            rounds += 1;
            assert!(rounds < 2_000, "{sent:?} messages, and no end of it");
            pair.now += pair.tick;
            refusing += usize::from(pair.ends[0].endpoint_stats().dropped.backlog > 0);
            let mut full = false;
            for (sent, channel) in sent.iter_mut().zip(channels) {
                for _ in 0..each {
                    let accepted = pair.send(1, channel, &message(*sent, len), None);
                    *sent += u64::from(accepted);
                    full |= !accepted;
                }
            }
            assert!(
                !full || pair.ends[0].endpoint_stats().dropped.backlog > 0,
                "the sender waits only for the receiver"
            );
            for end in [1, 0] {
                pair.ends[end].handle_timeout(pair.now);
                while pair.ends[end].poll_transmit(pair.now, &mut out).is_some() {
                    pair.ends[1 - end].handle_datagram(pair.now, address(end), &out);
                }
            }
        }
        assert!(pair.ends[0].endpoint_stats().dropped.backlog > 0);
        let waiting = pair.ends[0].stats(pair.id(0)).unwrap().held;
        assert!(waiting <= 3 * limits::RELIABLE_WINDOW * 1_500, "{waiting} bytes beside the events");
        let mut got = [0_u64; 3];
        let mut unordered = vec![false; usize::try_from(sent[2]).unwrap()];
        pair.until(6_000, |pair| {
            for (got, channel) in got.iter_mut().zip(channels) {
                for (_, bytes) in pair.messages(0, channel) {
                    let n = number(&bytes);
                    assert!(bytes == message(n, len), "{channel}: {n} was altered");
                    if channel == UNORDERED {
                        assert!(
                            !core::mem::replace(&mut unordered[usize::try_from(n).unwrap()], true),
                            "{n} came twice"
                        );
                    } else {
                        assert_eq!(n, *got, "{channel}");
                    }
                    *got += 1;
                }
            }
            got == sent
        });
        let total = usize::try_from(got.iter().sum::<u64>()).unwrap();
        assert!(total > limit, "{total}: more than the endpoint keeps for its program");
    }
}
