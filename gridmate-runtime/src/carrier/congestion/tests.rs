//! Controllers on a simulated bottleneck, against the bars that they are to reach.

mod network;

use core::time::Duration;

use self::network::{Flow, Network, Path};
use super::CongestionConfig;
use crate::time::Instant;

const MINUTE: Instant = Instant::from_millis(60_000);

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

fn minute(path: Path, kinds: &[&CongestionConfig], tick: Duration, seed: u64) -> Figures {
    let flow = |(i, kind)| Flow::new(kind, Instant::from_millis(i as u64 * 100)).ticking(tick);
    let flows = kinds.iter().copied().enumerate().map(flow).collect();
    let mut network = Network::new(path, flows, seed);
    network.run(MINUTE);
    let capacity = path.rate as f64 * 60.0;
    let (sent, lost) = network.flows.iter().fold((0, 0), |(s, l), flow| (s + flow.sent, l + flow.lost));
    Figures {
        share: network.flows.iter().map(|flow| flow.delivered as f64 / capacity).collect(),
        loss: lost as f64 / sent as f64,
        queue_ms: network.watched.mean_ms(),
    }
}

#[test]
fn explore() {
    let (a, c) = (CongestionConfig::Adaptive, CongestionConfig::Cubic);
    let mut worst = [1.0_f64; 3];
    for (rate, rtt, queue) in grid() {
        let path = Path::new(rate, rtt, queue);
        let alone = minute(path, &[&a], Duration::ZERO, 1);
        let cubic = minute(path, &[&c], Duration::ZERO, 1);
        let mut line = format!(
            "{rate:2} Mbit/s {rtt:3} ms {queue:3} %: A {:.3} loss {:.4} queue {:.1} ms | C {:.3} {:.4} {:.1} |",
            alone.share[0], alone.loss, alone.queue_ms, cubic.share[0], cubic.loss, cubic.queue_ms
        );
        for (i, kinds) in [[&a, &a], [&a, &c], [&c, &a], [&c, &c]].iter().enumerate() {
            let both = minute(path, kinds, Duration::ZERO, 2);
            let ratio = both.share[0] / both.share[1];
            line += &format!(
                " {}: {:.2} ({:.2}, {:.0} ms)",
                ["AA", "AC", "CA", "CC"][i],
                ratio,
                both.share[0] + both.share[1],
                both.queue_ms
            );
            if i < 3 {
                worst[i] = worst[i].max(ratio.max(1.0 / ratio));
            }
        }
        report(&line);
    }
    report(&format!("worst {worst:?}"));
}
