//! What a link promises, checked over many datagrams.

use proptest::prelude::*;

use super::*;

const MILLI: Duration = Duration::from_millis(1);

fn link(config: LinkConfig) -> Link {
    Link::new(config, 42).unwrap()
}

/// What became of `count` datagrams of `bytes` bytes, `spacing` apart.
fn run(link: &mut Link, count: u64, bytes: usize, spacing: Duration) -> Vec<Deliveries> {
    let mut now = Instant::ZERO;
    (0..count)
        .map(|_| {
            now += spacing;
            link.schedule(now, bytes)
        })
        .collect()
}

fn share(deliveries: &[Deliveries], wanted: impl Fn(&Deliveries) -> bool) -> f64 {
    deliveries.iter().filter(|&it| wanted(it)).count() as f64 / deliveries.len() as f64
}

fn any_config() -> impl Strategy<Value = LinkConfig> {
    let probability = || prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    let span = || (0_u64..500_000).prop_map(Duration::from_micros);
    (
        (probability(), probability(), probability(), probability()),
        (span(), span(), span()),
        (prop::option::of(1_u64..10_000_000), 0_usize..200_000),
    )
        .prop_map(
            |((loss, duplicate, reorder, corrupt), (reorder_delay, latency, jitter), (rate, queue_bytes))| LinkConfig {
                loss,
                duplicate,
                reorder,
                reorder_delay,
                latency,
                jitter,
                corrupt,
                bytes_per_second: rate,
                queue_bytes,
                ..LinkConfig::perfect()
            },
        )
}

proptest! {
    #[test]
    fn same_seed_same_schedule(config in any_config(), seed: u64, sizes in prop::collection::vec(0_usize..2_000, 1..100)) {
        let (mut a, mut b) = (Link::new(config, seed).unwrap(), Link::new(config, seed).unwrap());
        for (step, &bytes) in sizes.iter().enumerate() {
            let now = Instant::from_millis(step as u64 * 7);
            prop_assert_eq!(a.schedule(now, bytes), b.schedule(now, bytes));
        }
    }

    #[test]
    fn nothing_arrives_before_the_latency_or_hits_a_bit_that_is_not_there(config in any_config(), bytes in 0_usize..2_000) {
        let mut link = Link::new(config, 1).unwrap();
        for step in 0..50 {
            let now = Instant::from_millis(step * 3);
            let deliveries = link.schedule(now, bytes);
            prop_assert_eq!(deliveries.as_slice().is_empty(), deliveries.refusal().is_some());
            for delivery in &deliveries {
                prop_assert!(delivery.at >= now + config.latency);
                prop_assert!(delivery.damage.bits().iter().all(|&bit| bit < bytes * 8));
            }
        }
    }

    #[test]
    fn without_reordering_arrivals_ascend(config in any_config()) {
        let mut link = Link::new(LinkConfig { reorder: 0.0, ..config }, 9).unwrap();
        let mut last = Instant::ZERO;
        for delivery in run(&mut link, 100, 100, Duration::from_micros(300)).iter().flatten() {
            prop_assert!(delivery.at >= last);
            last = delivery.at;
        }
    }

    #[test]
    fn a_bottleneck_never_exceeds_its_rate(rate in 1_000_u64..1_000_000, queue_bytes in 0_usize..50_000) {
        let config = LinkConfig { bytes_per_second: Some(rate), queue_bytes, ..LinkConfig::perfect() };
        let deliveries = run(&mut link(config), 300, 700, Duration::from_micros(500));
        let arrivals: Vec<_> = deliveries.iter().flatten().map(|it| it.at).collect();
        let span = (*arrivals.last().unwrap() - arrivals[0]).as_secs_f64();
        prop_assert!((arrivals.len() - 1) as f64 * 700.0 <= span * rate as f64 + 700.0);
        let longest = (queue_bytes.max(700) as u64 * 1_000_000).div_ceil(rate);
        for (step, delivery) in deliveries.iter().enumerate().flat_map(|(step, it)| it.into_iter().map(move |d| (step, d))) {
            let sent = Instant::from_micros((step as u64 + 1) * 500);
            prop_assert!(delivery.at - sent <= Duration::from_micros(longest));
        }
    }
}

#[test]
fn a_perfect_link_is_transparent() {
    let mut link = link(LinkConfig::default());
    for step in 0..1_000 {
        let now = Instant::from_micros(step / 3);
        let deliveries = link.schedule(now, 1_200);
        assert_eq!(deliveries.as_slice(), [Delivery::intact(now)]);
    }
}

#[test]
fn misfortunes_happen_as_often_as_asked() {
    let config = LinkConfig {
        loss: 0.1,
        duplicate: 0.2,
        reorder: 0.3,
        reorder_delay: MILLI,
        corrupt: 0.05,
        ..LinkConfig::perfect()
    };
    let all = run(&mut link(config), 50_000, 500, MILLI);
    let arrived: Vec<_> = all.iter().copied().filter(|it| it.refusal().is_none()).collect();
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.01, "expected {wanted}, found {found}");
    near(share(&all, |it| it.refusal() == Some(Refusal::Lost)), 0.1);
    near(share(&arrived, |it| it.as_slice().len() == 2), 0.2);
    near(share(&arrived, |it| it.as_slice()[0].held_back), 0.3);
    near(share(&arrived, |it| it.as_slice()[0].damage.bits().len() == 1), 0.05);
}

#[test]
fn one_knob_changes_one_thing() {
    let mild = LinkConfig { loss: 0.05, jitter: MILLI * 20, ..LinkConfig::perfect() };
    let harsh = LinkConfig { loss: 0.1, duplicate: 0.5, corrupt: 0.5, ..mild };
    // Far enough apart that no datagram holds up another.
    let mild = run(&mut link(mild), 5_000, 100, MILLI * 50);
    let harsh = run(&mut link(harsh), 5_000, 100, MILLI * 50);
    for (mild, harsh) in mild.iter().zip(&harsh) {
        match (mild.as_slice(), harsh.as_slice()) {
            ([], found) => assert!(found.is_empty(), "what is lost at 5 % is lost at 10 %"),
            ([_], []) => {}
            ([mild], [harsh, ..]) => assert_eq!(mild.at, harsh.at),
            _ => unreachable!("the mild link duplicates nothing"),
        }
    }
}

#[test]
fn held_back_datagrams_are_overtaken() {
    let config = LinkConfig { reorder: 0.2, reorder_delay: MILLI * 10, ..LinkConfig::perfect() };
    let all = run(&mut link(config), 1_000, 100, MILLI);
    let overtaken = all.windows(2).filter(|pair| pair[0].as_slice()[0].at > pair[1].as_slice()[0].at).count();
    assert!(overtaken > 50, "{overtaken} of 1000");
    for (step, deliveries) in all.iter().enumerate() {
        let sent = Instant::from_millis(step as u64 + 1);
        assert!(deliveries.as_slice()[0].at - sent <= MILLI * 10);
    }
}

#[test]
fn a_full_queue_drops_the_tail_and_then_drains() {
    // 1,000 bytes take 10 ms; the queue holds four of them.
    let config = LinkConfig { bytes_per_second: Some(100_000), queue_bytes: 4_000, ..LinkConfig::perfect() };
    let mut link = link(config);
    for number in 1..=4 {
        assert_eq!(link.schedule(Instant::ZERO, 1_000).as_slice()[0].at, Instant::from_millis(number * 10));
    }
    assert_eq!(link.schedule(Instant::ZERO, 1_000).refusal(), Some(Refusal::QueueFull));
    assert_eq!(link.schedule(Instant::from_millis(10), 1_000).as_slice()[0].at, Instant::from_millis(50));
    assert_eq!(link.schedule(Instant::from_millis(500), 1_000).as_slice()[0].at, Instant::from_millis(510));
}

#[test]
fn a_datagram_larger_than_the_queue_passes_when_nothing_waits() {
    let config = LinkConfig { bytes_per_second: Some(1_000_000), queue_bytes: 0, ..LinkConfig::perfect() };
    let mut link = link(config);
    assert!(link.schedule(Instant::ZERO, 1_200).refusal().is_none());
    assert_eq!(link.schedule(Instant::ZERO, 1).refusal(), Some(Refusal::QueueFull));
}

#[test]
fn nothing_overtakes_when_the_latency_falls() {
    let mut link = link(LinkConfig { latency: MILLI * 100, ..LinkConfig::perfect() });
    let slow = link.schedule(Instant::ZERO, 10).as_slice()[0].at;
    link.set_config(LinkConfig::perfect()).unwrap();
    assert_eq!(link.schedule(Instant::from_millis(1), 10).as_slice()[0].at, slow);
    assert_eq!(link.schedule(Instant::from_millis(200), 10).as_slice()[0].at, Instant::from_millis(200));
}

#[test]
fn knobs_out_of_range_are_named() {
    for (config, knob) in [
        (LinkConfig { loss: -0.1, ..LinkConfig::perfect() }, "loss"),
        (LinkConfig { duplicate: 1.1, ..LinkConfig::perfect() }, "duplicate"),
        (LinkConfig { reorder: f64::NAN, ..LinkConfig::perfect() }, "reorder"),
        (LinkConfig { corrupt: f64::INFINITY, ..LinkConfig::perfect() }, "corrupt"),
    ] {
        let error = Link::new(config, 0).unwrap_err();
        assert!(error.to_string().contains(&format!("`{knob}`")), "{error}");
    }
    let stopped = LinkConfig { bytes_per_second: Some(0), ..LinkConfig::perfect() };
    assert_eq!(Link::new(stopped, 0).unwrap_err(), LinkConfigError::ZeroRate);
}
