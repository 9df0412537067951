//! Controllers on a simulated bottleneck, against the bars that they are to reach.
//!
//! `cargo test --lib congestion -- --nocapture` prints the figures.

mod network;

use core::time::Duration;

use self::network::{Flow, Network, Path};
use super::{Acked, Bandwidth, CongestionConfig};
use crate::time::Instant;

const ADAPTIVE: CongestionConfig = CongestionConfig::Adaptive;
const CUBIC: CongestionConfig = CongestionConfig::Cubic;

/// The links that fairness and utilisation are promised for: Mbit/s, round trip in ms, queue in % of their product.
fn grid() -> impl Iterator<Item = (u64, u64, u64)> {
    [2, 10, 50].into_iter().flat_map(|rate| {
        [20, 50, 100].into_iter().flat_map(move |rtt| [50, 100, 200].into_iter().map(move |queue| (rate, rtt, queue)))
    })
}

#[expect(clippy::print_stdout, reason = "figures are what one runs this for")]
fn report(line: &str) {
    println!("{line}");
}

struct Figures {
    /// Of the link's rate.
    share: Vec<f64>,
    loss: f64,
    queue_ms: f64,
}

/// The flows begin a tenth of a second apart and send as much as they may. What they get in the second and third minute is
/// counted: in the first, Cubic does not become fair to itself where windows are large.
fn settled(path: Path, kinds: &[&CongestionConfig], tick: Duration, seed: u64) -> Figures {
    let flow = |(i, kind)| Flow::new(kind, Instant::from_millis(i as u64 * 100)).ticking(tick);
    let flows = kinds.iter().copied().enumerate().map(flow).collect();
    let mut network = Network::new(path, flows, seed);
    network.run(Instant::from_millis(60_000));
    let before: Vec<_> = network.flows.iter().map(|flow| flow.delivered).collect();
    network.run(Instant::from_millis(180_000));
    let capacity = path.rate as f64 * 120.0;
    let (sent, lost) = network.flows.iter().fold((0, 0), |(s, l), flow| (s + flow.sent, l + flow.lost));
    let delivered = network.flows.iter().zip(before).map(|(flow, before)| flow.delivered - before);
    Figures {
        share: delivered.map(|bytes| bytes as f64 / capacity).collect(),
        loss: lost as f64 / sent as f64,
        queue_ms: network.watched.mean_ms(),
    }
}

#[test]
fn alone_it_fills_the_link_and_not_the_queue() {
    for (rate, rtt, queue) in grid() {
        let path = Path::new(rate, rtt, queue);
        let got = settled(path, &[&ADAPTIVE], Duration::ZERO, 1);
        let line = format!(
            "{rate:2} Mbit/s {rtt:3} ms, queue {queue:3} %: {:5.1} % used, {:.2} % lost, queue {:4.1} ms",
            got.share[0] * 100.0,
            got.loss * 100.0,
            got.queue_ms
        );
        report(&line);
        assert!(got.share[0] > 0.95, "{line}");
        assert!(got.queue_ms < 1.25 * 15.0_f64.max(rtt as f64 / 4.0), "{line}");
        // No window that fills the link can avoid losses in a queue of two datagrams.
        let bar = if path.queue_bytes < 3_000 { 0.03 } else { 0.02 };
        assert!(got.loss < bar, "{line}");
    }
}

/// What the first of two flows gets beside the second, on each link of the grid and for several seeds.
fn ratios(kinds: [&CongestionConfig; 2]) -> Vec<f64> {
    let mut all = Vec::new();
    for (rate, rtt, queue) in grid() {
        let mut line = format!("{rate:2} Mbit/s {rtt:3} ms, queue {queue:3} %:");
        for seed in 1..=3 {
            let got = settled(Path::new(rate, rtt, queue), &kinds, Duration::ZERO, seed);
            let ratio = got.share[0] / got.share[1];
            line += &format!(" {ratio:.2} (queue {:.0} ms)", got.queue_ms);
            all.push(ratio);
            assert!(got.share[0] + got.share[1] > 0.95, "{line}");
        }
        report(&line);
    }
    let uneven = imbalance(&all);
    let bias = (all.iter().map(|ratio| ratio.ln()).sum::<f64>() / all.len() as f64).exp();
    report(&format!(
        "{kinds:?}: mean {:.2}, worst {:.2}, {} of {} within 1.5; geometric mean of the ratios {bias:.2}",
        mean(&uneven),
        uneven.iter().copied().fold(1.0, f64::max),
        uneven.iter().filter(|ratio| **ratio <= 1.5).count(),
        all.len()
    ));
    all
}

/// How much more the larger flow gets.
fn imbalance(ratios: &[f64]) -> Vec<f64> {
    ratios.iter().map(|ratio| ratio.max(ratio.recip())).collect()
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

fn within(all: &[f64], bound: f64) -> f64 {
    all.iter().filter(|ratio| **ratio <= bound).count() as f64 / all.len() as f64
}

#[test]
fn two_share_alike() {
    let all = imbalance(&ratios([&ADAPTIVE, &ADAPTIVE]));
    assert!(within(&all, 1.5) == 1.0 && mean(&all) < 1.15);
}

/// Which of two flows loses a packet when a queue is full is chance, and where queues are large it decides for seconds. So Cubic
/// is not always fair to itself; beside Adaptive it is to be as fair.
#[test]
fn beside_cubic_it_shares_as_cubic_does() {
    let among = imbalance(&ratios([&CUBIC, &CUBIC]));
    for kinds in [[&ADAPTIVE, &CUBIC], [&CUBIC, &ADAPTIVE]] {
        let all = imbalance(&ratios(kinds));
        assert!(mean(&all) < mean(&among) * 1.05 && mean(&all) < 1.2);
        assert!(within(&all, 1.5) >= within(&among, 1.5));
        assert!(within(&all, 2.0) == 1.0);
    }
}

#[test]
fn ticks_do_not_hold_it_back() {
    for (rate, rtt, tick_us) in [(2, 50, 16_667), (10, 20, 16_667), (10, 50, 33_333), (20, 100, 50_000)] {
        let got = settled(Path::new(rate, rtt, 200), &[&ADAPTIVE], Duration::from_micros(tick_us), 3);
        let line =
            format!("{rate} Mbit/s {rtt} ms, ticks of {tick_us} us: {:.3}, queue {:.1} ms", got.share[0], got.queue_ms);
        report(&line);
        assert!(got.share[0] > 0.9, "{line}");
    }
}

#[test]
fn a_fixed_rate_survives_loss() {
    let fixed = CongestionConfig::Fixed { bytes_per_second: 250_000 };
    for tick_us in [0, 16_667, 50_000] {
        let path = Path { loss: 0.05, ..Path::new(10, 50, 100) };
        let got = settled(path, &[&fixed], Duration::from_micros(tick_us), 4);
        let part = got.share[0] * path.rate as f64 / 250_000.0;
        report(&format!("fixed rate, 5 % loss, ticks of {tick_us} us: {part:.3} of it arrives"));
        assert!(part > 0.9);
    }
}

/// Two round trips after the onset, of which one passes before anything is known of it. A window has to hold enough packets that a
/// sixteenth of it is no accident.
#[test]
fn heavy_loss_halves_the_rate_in_two_round_trips() {
    for (rate, rtt) in [(10, 50), (10, 150), (50, 50), (50, 100)] {
        let path = Path::new(rate, rtt, 100);
        let mut took: Vec<_> = (0..40)
            .map(|seed| {
                let mut network = Network::new(path, vec![Flow::new(&ADAPTIVE, Instant::ZERO)], seed);
                let onset = Instant::from_millis(20_000 + seed * 77);
                network.run(onset);
                let before = network.flows[0].control.rate();
                network.path.loss = 0.2;
                while network.flows[0].control.rate() > before / 2 {
                    network.run(network.now + Duration::from_millis(1));
                }
                (network.now - onset).as_secs_f64() / path.round_trip.as_secs_f64()
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let [median, most, worst] = [20, 36, 39].map(|at| took[at]);
        let line =
            format!("{rate} Mbit/s {rtt} ms, 20 % loss: halved after {median:.2} round trips, {most:.2}, {worst:.2}");
        report(&line);
        assert!(median < 1.75 && most <= 2.0 && worst < 3.5, "{line}");
    }
}

#[test]
fn what_is_not_used_does_not_grow() {
    for kind in [&ADAPTIVE, &CUBIC] {
        let mut flow = Flow::new(kind, Instant::ZERO).ticking(Duration::from_millis(16));
        flow.demand = Some(20_000);
        let mut network = Network::new(Path::new(50, 50, 100), vec![flow], 5);
        network.run(Instant::from_millis(60_000));
        assert!(network.flows[0].widest <= 13_200, "{kind:?}: {}", network.flows[0].widest);
        assert!(network.flows[0].delivered > 59 * 20_000);
    }
}

#[test]
fn the_estimate_of_the_bandwidth_is_the_links() {
    let round_trip = Duration::from_millis(40);
    let ack = |bytes, app_limited, now: Instant| Acked {
        bytes,
        sent_at: now.saturating_sub(round_trip),
        in_flight: 0,
        app_limited,
        latest: round_trip,
        smoothed: round_trip,
        least: round_trip,
    };
    let mut bandwidth = Bandwidth::new();
    assert_eq!(bandwidth.estimate(), None);
    let mut now = Instant::ZERO;
    let mut feed = |bytes, app_limited, rounds: u64| {
        for _ in 0..rounds * 40 {
            now += Duration::from_millis(1);
            bandwidth.on_acked(now, ack(bytes, app_limited, now));
        }
        bandwidth.estimate().unwrap()
    };
    assert_eq!(feed(1_000, false, 20), 1_000_000);
    assert_eq!(feed(100, true, 100), 1_000_000, "a silent program does not lower it");
    assert_eq!(feed(2_000, true, 3), 2_000_000, "but may raise it");
    assert_eq!(feed(500, false, 15), 500_000, "and a slower path shows within ten round trips");
}
