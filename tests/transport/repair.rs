//! Scenario 9: fair sharing of a bottleneck, and tail loss repaired in under two and a half round trips.

use core::time::Duration;

use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent};
use gridmate_runtime::sim::LinkConfig;

use crate::carrier_support::*;
use crate::star::Star;

/// Two clients send to one host as much as they may, through a link of 10 Mbit/s with a round trip of 40 ms and a queue as large as
/// their product, under the controller that endpoints have unless told otherwise. The second joins after three seconds. Over the
/// minute that begins two seconds later neither gets more than half as much again as the other, and together they fill nine tenths of the link. More links, and other controllers beside it, are in
/// `carrier/congestion/tests.rs` (`two_share_alike`, `beside_cubic_it_shares_as_cubic_does`).
#[test]
fn scenario_09a_two_connections_share_a_bottleneck() {
    const RATE: u64 = 1_250_000;
    let mut config = config();
    config.congestion = CarrierConfig::default().congestion;
    let link = LinkConfig {
        latency: Duration::from_millis(20),
        jitter: Duration::from_micros(500),
        bytes_per_second: Some(RATE),
        queue_bytes: usize::try_from(RATE / 25).unwrap(),
        ..LinkConfig::perfect()
    };
    let apart = |got: [u64; 2]| got[0].max(got[1]) as f64 / got[0].min(got[1]) as f64;
    for seed in 1..=6 {
        let mut star = Star::new(&config, 2, link, seed);
        let start = star.now;
        // Bytes that came of each, by periods of five seconds.
        let mut got = vec![[0_u64; 2]; 13];
        for got in &mut got {
            for _ in 0..5_000 {
                for client in 1..=2 {
                    let id = star.ids[client][0];
                    let begun = client == 1 || star.now - start >= Duration::from_secs(3);
                    while begun && star.ends[client].stats(id).unwrap().reliable_queued < 200_000 {
                        star.ends[client].send(id, RELIABLE, &[7; 1_000], None).unwrap();
                    }
                }
                star.tick();
                for event in core::mem::take(&mut star.events[0]) {
                    if let CarrierEvent::Message { connection, bytes, .. } = event {
                        let client = star.ids[0].iter().position(|id| *id == connection).unwrap();
                        got[client] += bytes.len() as u64;
                        star.ends[0].recycle(bytes);
                    }
                }
            }
        }
        let sum = |periods: &[[u64; 2]]| periods.iter().fold([0; 2], |sum, got| [sum[0] + got[0], sum[1] + got[1]]);
        let minute = sum(&got[1..]);
        assert!(apart(minute) <= 1.5, "seed {seed}: {minute:?} in a minute");
        let used = (minute[0] + minute[1]) as f64 / (RATE * 60) as f64;
        assert!(used > 0.9, "seed {seed}: {used:.2} of the link");
    }
}

/// A burst of eight datagrams whose end is lost: the last one, the last two, and so on, and each one alone. Whatever was lost is there
/// two and a half round trips after it was sent, where a round trip is 60 ms or more.
///
/// When the last datagram of all is missing, only a timer tells, and it leaves the peer 25 ms to acknowledge and both programs a tick:
/// 50 ms beside the round trip. So on shorter ways it takes one and a half round trips and these 50 ms. Anything before the
/// last three is repaired as soon as they are acknowledged, after one and a half round trips.
#[test]
fn scenario_09b_a_lost_tail_is_repaired_in_two_and_a_half_round_trips() {
    const BURST: u64 = 8;
    const TIMER: Duration = Duration::from_millis(50);
    // The program ticks every millisecond, twice on the way.
    const TICKS: Duration = Duration::from_millis(2);
    for round_trip in [20, 40, 60, 80, 100, 200, 400].map(Duration::from_millis) {
        let tails = (1..=BURST).map(|tail| (BURST - tail)..BURST);
        for lost in tails.chain((0..BURST).map(|at| at..at + 1)) {
            let mut pair = Pair::connected(2, Link { delay: round_trip / 2, ..Link::PERFECT });
            pair.tick = Duration::from_millis(1);
            // Let the round trip be known, and the largest datagram.
            for n in 0..1_000 {
                pair.send(1, RELIABLE, &message(n, 100), None);
                pair.steps(3);
            }
            pair.steps(1_000);
            assert_eq!(pair.messages(0, RELIABLE).len(), 1_000);

            pair.drop = lost.clone().map(|at| pair.sent + at).collect();
            let (start, before) = (pair.now, pair.sent);
            for n in 0..BURST {
                assert!(pair.send(1, RELIABLE, &message(n, 1_000), None));
                pair.flush(1);
            }
            assert_eq!(pair.sent - before, BURST, "a datagram each");
            pair.until(5_000, |pair| {
                let message = |event: &&CarrierEvent| matches!(event, CarrierEvent::Message { .. });
                pair.events[0].iter().filter(message).count() as u64 == BURST
            });
            let took = pair.now - start;
            assert!(took >= round_trip * 3 / 2, "{lost:?} was lost");
            let limit = if lost.end + 3 <= BURST {
                round_trip * 3 / 2 + TICKS
            } else if round_trip >= Duration::from_millis(60) {
                round_trip * 5 / 2
            } else {
                round_trip * 3 / 2 + TIMER + TICKS
            };
            assert!(took <= limit, "{took:?} for a round trip of {round_trip:?} without {lost:?}");
        }
    }
}
