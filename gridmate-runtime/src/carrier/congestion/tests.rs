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

/// The flows begin a tenth of a second apart and send for a minute as much as they may.
fn minute(path: Path, kinds: &[&CongestionConfig], tick: Duration, seed: u64) -> Figures {
    let flow = |(i, kind)| Flow::new(kind, Instant::from_millis(i as u64 * 100)).ticking(tick);
    let flows = kinds.iter().copied().enumerate().map(flow).collect();
    let mut network = Network::new(path, flows, seed);
    network.run(Instant::from_millis(60_000));
    let capacity = path.rate as f64 * 60.0;
    let (sent, lost) = network.flows.iter().fold((0, 0), |(s, l), flow| (s + flow.sent, l + flow.lost));
    Figures {
        share: network.flows.iter().map(|flow| flow.delivered as f64 / capacity).collect(),
        loss: lost as f64 / sent as f64,
        queue_ms: network.watched.mean_ms(),
    }
}

#[test]
fn alone_it_fills_the_link_and_not_the_queue() {
    for (rate, rtt, queue) in grid() {
        let path = Path::new(rate, rtt, queue);
        let got = minute(path, &[&ADAPTIVE], Duration::ZERO, 1);
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

/// How much more the larger of two flows gets, on each link of the grid and for several seeds.
fn imbalance(kinds: [&CongestionConfig; 2]) -> Vec<f64> {
    let mut all = Vec::new();
    for (rate, rtt, queue) in grid() {
        let mut line = format!("{rate:2} Mbit/s {rtt:3} ms, queue {queue:3} %:");
        for seed in 1..=3 {
            let got = minute(Path::new(rate, rtt, queue), &kinds, Duration::ZERO, seed);
            let ratio = got.share[0] / got.share[1];
            line += &format!(" {ratio:.2} (queue {:.0} ms)", got.queue_ms);
            all.push(ratio.max(1.0 / ratio));
            assert!(got.share[0] + got.share[1] > 0.95, "{line}");
        }
        report(&line);
    }
    all.sort_by(f64::total_cmp);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let (worst, within) = (all[all.len() - 1], all.iter().filter(|ratio| **ratio <= 1.5).count());
    report(&format!("{kinds:?}: mean {mean:.2}, worst {worst:.2}, {within} of {} within 1.5", all.len()));
    all
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

fn within(all: &[f64], bound: f64) -> f64 {
    all.iter().filter(|ratio| **ratio <= bound).count() as f64 / all.len() as f64
}

#[test]
fn two_share_alike() {
    let all = imbalance([&ADAPTIVE, &ADAPTIVE]);
    assert!(within(&all, 1.5) > 0.9 && mean(&all) < 1.25);
}

/// Cubic takes longer than a minute to be fair to itself where windows are large. It is to fare no worse beside Adaptive.
#[test]
fn beside_cubic_it_shares_as_cubic_does() {
    let among = imbalance([&CUBIC, &CUBIC]);
    for kinds in [[&ADAPTIVE, &CUBIC], [&CUBIC, &ADAPTIVE]] {
        let all = imbalance(kinds);
        assert!(mean(&all) < mean(&among) * 1.1 && mean(&all) < 1.4);
        assert!(within(&all, 1.5) > within(&among, 1.5) - 0.1);
        assert!(within(&all, 2.5) > 0.98);
    }
}

#[test]
fn ticks_do_not_hold_it_back() {
    for (rate, rtt, tick_us) in [(2, 50, 16_667), (10, 20, 16_667), (10, 50, 33_333), (20, 100, 50_000)] {
        let got = minute(Path::new(rate, rtt, 200), &[&ADAPTIVE], Duration::from_micros(tick_us), 3);
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
        let got = minute(path, &[&fixed], Duration::from_micros(tick_us), 4);
        let part = got.share[0] * path.rate as f64 / 250_000.0;
        report(&format!("fixed rate, 5 % loss, ticks of {tick_us} us: {part:.3} of it arrives"));
        assert!(part > 0.9);
    }
}

#[test]
fn heavy_loss_halves_the_rate_in_two_round_trips() {
    for seed in 0..20 {
        let path = Path::new(10, 50, 100);
        let mut network = Network::new(path, vec![Flow::new(&ADAPTIVE, Instant::ZERO)], seed);
        let onset = Instant::from_millis(20_000 + seed * 77);
        network.run(onset);
        let before = network.flows[0].control.rate();
        network.flows[0].first_loss = None;
        network.path.loss = 0.2;
        while network.flows[0].control.rate() > before / 2 {
            network.run(network.now + Duration::from_millis(1));
        }
        let took = network.now - network.flows[0].first_loss.unwrap();
        if seed < 3 {
            report(&format!("20 % loss: halved {took:?} after the first, {:?} after the onset", network.now - onset));
        }
        assert!(took <= path.round_trip * 2, "{took:?}, seed {seed}");
        assert!(network.now - onset <= path.round_trip * 4, "seed {seed}");
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
