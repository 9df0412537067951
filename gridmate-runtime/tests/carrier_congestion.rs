//! What loss and other flows do to whole endpoints: how soon a loss is repaired, how much gets through, who gets how much.
//!
//! The same figures, of more links and for longer, are printed by the benchmark `transport` with `--case repair`, `goodput`,
//! `fairness` and `reaction`. `--nocapture` shows those of the tests.

#[path = "carrier_support/pipe.rs"]
mod pipe;

use core::time::Duration;

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::CongestionConfig;

use pipe::{Load, Path, Pipe};

#[expect(clippy::print_stderr, reason = "figures are what one runs this for")]
fn report(line: &str) {
    eprintln!("{line}");
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A frame at 60 Hz.
const TICK: Duration = Duration::from_micros(16_667);

/// The middle, and what one in a hundred exceeds, of repairs for several seeds, in round trips.
fn repairs(load: Load, round_trip: Duration, seconds: u64, tick: Option<Duration>) -> (f64, f64) {
    let path = Path { megabits: None, round_trip, queue: 0, loss: 0.05 };
    let mut all: Vec<_> = (1..=3)
        .flat_map(|seed| {
            let mut pipe = Pipe::new(path, &[(CongestionConfig::Adaptive, load)], tick, seed);
            pipe.run(pipe.now + Duration::from_secs(seconds));
            pipe.finish();
            pipe.flows[0].repairs()
        })
        .collect();
    all.sort();
    assert!(all.len() >= 100, "{} losses tell nothing", all.len());
    let at = |part: usize| all[all.len() * part / 100].as_secs_f64() / round_trip.as_secs_f64();
    let figures = (at(50), at(99));
    report(&format!(
        "{load:?}, round trip {round_trip:?}, tick {tick:?}: repaired after {figures:.2?} round trips ({})",
        all.len()
    ));
    figures
}

#[test]
fn a_lost_message_is_there_within_three_round_trips() {
    let loads = [
        (Load::Messages { count: 1, every: ms(16) }, 100),
        (Load::Messages { count: 1, every: ms(250) }, 800),
        (Load::Messages { count: 20, every: ms(250) }, 300),
        (Load::Messages { count: 60, every: ms(250) }, 300),
    ];
    for (load, seconds) in loads {
        for round_trip in [ms(50), ms(150)] {
            let (median, most) = repairs(load, round_trip, seconds, None);
            assert!(median <= 1.5 && most <= 3.0, "{load:?} {round_trip:?}: {median:.2}, {most:.2}");
        }
    }
}

/// Both ends look at what has come once a frame: what they take for the round trip is up to two frames longer.
#[test]
fn ticks_add_their_own_length_to_a_repair_and_no_more() {
    for every in [TICK, ms(250)] {
        let load = Load::Messages { count: 1, every };
        let (median, most) = repairs(load, ms(50), if every == TICK { 100 } else { 800 }, Some(TICK));
        let perceived = (ms(50) + 2 * TICK).as_secs_f64() / ms(50).as_secs_f64();
        assert!(median <= 1.5 * perceived && most <= 3.0 * perceived, "{every:?}: {median:.2}, {most:.2}");
    }
}

/// What repairs so early costs a short message once more, and only where packets are lost.
#[test]
fn only_a_link_that_loses_carries_messages_twice() {
    for (loss, most) in [(0.0, 0.0), (0.05, 1.03)] {
        let path = Path { megabits: None, round_trip: ms(50), queue: 0, loss };
        let load = Load::Messages { count: 1, every: ms(16) };
        let mut pipe = Pipe::new(path, &[(CongestionConfig::Adaptive, load)], None, 1);
        pipe.run(pipe.now + Duration::from_secs(60));
        pipe.finish();
        let flow = &pipe.flows[0];
        let [resent, packets] = flow.stats().map(|count| count as f64 / flow.fates.len() as f64);
        report(&format!("{loss} lost: {resent:.2} segments sent again and {packets:.2} packets for each message"));
        assert!(resent <= most && packets < 1.1, "{resent} {packets}");
    }
}

#[test]
fn bulk_gets_through_a_link_that_loses() {
    let fixed = CongestionConfig::Fixed { bytes_per_second: 1_250_000 };
    for seed in 1..=3 {
        let path = Path { megabits: Some(10), round_trip: ms(50), queue: 100, loss: 0.05 };
        let mut pipe = Pipe::new(path, &[(fixed.clone(), Load::Bulk)], None, seed);
        let goodput = pipe.shares(Duration::from_secs(10))[0];
        report(&format!("10 Mbit/s, 5 % loss: {goodput:.3} of it arrives"));
        assert!(goodput >= 0.8, "{goodput}");
    }
}

#[test]
fn two_flows_share_a_bottleneck() {
    use CongestionConfig::{Adaptive, Cubic};
    let links = [2, 10].into_iter().flat_map(|megabits| {
        [20, 50, 100].into_iter().flat_map(move |rtt| [50, 100, 200].map(|queue| (megabits, ms(rtt), queue)))
    });
    for (megabits, round_trip, queue) in links {
        for kinds in [[Adaptive, Adaptive], [Adaptive, Cubic]] {
            let path = Path { megabits: Some(megabits), round_trip, queue, loss: 0.0 };
            let mut pipe = Pipe::new(path, &kinds.clone().map(|kind| (kind, Load::Bulk)), None, 1);
            pipe.shares(Duration::from_secs(60));
            let shares = pipe.shares(Duration::from_secs(60));
            let ratio = shares[0] / shares[1];
            report(&format!("{megabits} Mbit/s {round_trip:?} {queue} %, {kinds:?}: {ratio:.2}"));
            assert!((1.0 / 1.5..=1.5).contains(&ratio), "{kinds:?}: {shares:?}");
            // The smallest of these queues holds two datagrams.
            assert!(shares[0] + shares[1] > if queue == 50 { 0.85 } else { 0.9 }, "{kinds:?}: {shares:?}");
        }
    }
}

/// Where windows are large and the queue is hardly longer than what is given way to, Cubic takes so little at a time that each single
/// time looks like no competitor.
#[test]
fn a_place_is_not_given_up_bit_by_bit() {
    use CongestionConfig::{Adaptive, Cubic};
    let path = Path { megabits: Some(50), round_trip: ms(50), queue: 50, loss: 0.0 };
    for seed in [3, 11, 15] {
        let mut pipe = Pipe::new(path, &[Adaptive, Cubic].map(|kind| (kind, Load::Bulk)), None, seed);
        pipe.shares(Duration::from_secs(60));
        let shares = pipe.shares(Duration::from_secs(120));
        report(&format!("50 Mbit/s, seed {seed}: {shares:.3?}"));
        assert!((1.0 / 1.5..=1.5).contains(&(shares[0] / shares[1])), "{shares:?}");
    }
}

#[test]
fn alone_it_keeps_the_queue_short() {
    for (megabits, round_trip) in [(2, 50), (10, 20), (10, 50), (10, 100), (50, 50)] {
        let path = Path { megabits: Some(megabits), round_trip: ms(round_trip), queue: 200, loss: 0.0 };
        let mut pipe = Pipe::new(path, &[(CongestionConfig::Adaptive, Load::Bulk)], None, 1);
        pipe.shares(Duration::from_secs(10));
        let (mut share, mut delay) = (0.0, 0.0);
        for _ in 0..200 {
            share += pipe.shares(ms(100))[0] / 200.0;
            delay += (pipe.flows[0].round_trip().as_secs_f64() * 1e3 - round_trip as f64) / 200.0;
        }
        let line = format!("{megabits} Mbit/s {round_trip} ms: {share:.3} used, queue {delay:.1} ms");
        report(&line);
        assert!(share > 0.9 && delay < 25.0_f64.max(round_trip as f64 / 4.0), "{line}");
    }
}

/// State is written for what may leave now: when less may, less is written, and nothing waits. A round trip passes before anything is
/// known of a loss, and a good part of another until it is more than chance; what counts is the one after these.
#[test]
fn state_is_reduced_when_the_link_gets_worse() {
    for round_trip in [50, 150] {
        let mut left: Vec<_> = (1..=10).map(|seed| rate_left(ms(round_trip), seed)).collect();
        left.sort_by(f64::total_cmp);
        report(&format!("round trip {round_trip} ms, 20 % loss: rate falls to {left:.2?}"));
        assert!(left[8] <= 0.5 && left[9] < 0.7, "{left:.2?}");
    }
}

/// What of the rate is left in the round trip that begins two after one packet in five began to be lost.
fn rate_left(round_trip: Duration, seed: u64) -> f64 {
    let path = Path { megabits: Some(10), round_trip, queue: 100, loss: 0.0 };
    let mut pipe = Pipe::new(path, &[(CongestionConfig::Adaptive, Load::State { every: ms(5) })], None, seed);
    let onset = Instant::from_millis(20_000 + seed * 77);
    pipe.run(onset);
    pipe.set_loss(0.2);
    let before = pipe.flows[0].rate(onset, Duration::from_secs(1));
    assert!(before > 0.75 * 1_250_000.0, "{before}");
    // With what stands in the queue.
    let measured = pipe.flows[0].round_trip();
    pipe.run(onset + 3 * measured);
    assert!(pipe.flows[0].waiting < 2_400, "{} bytes wait", pipe.flows[0].waiting);
    pipe.flows[0].rate(pipe.now, measured) / before
}
