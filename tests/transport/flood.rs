//! Scenario 3: a spoofed connect flood costs no memory per source, and replies are never larger than requests.

use std::net::SocketAddr;

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{CarrierConfig, Endpoint};
use gridmate_runtime::limits;

use crate::carrier_support::config;
use crate::counting::{allocations, held};
use crate::forged::hello;

const SOURCES: u32 = 100_000;

/// What the flood asks with, and how the host would answer.
struct Flood {
    name: &'static str,
    config: CarrierConfig,
    version: u16,
    schema: u64,
    cookie: [u8; 20],
}

fn floods() -> Vec<Flood> {
    let schema = config().schema;
    let plain = |name| Flood { name, config: config(), version: 2, schema, cookie: [0; 20] };
    let (mut talkative, mut full) = (config(), config());
    talkative.schema_details = vec![7; 5_000];
    full.max_connections = 0;
    vec![
        plain("no cookie"),
        Flood { cookie: [9; 20], ..plain("a forged cookie") },
        Flood { version: 3, ..plain("another version") },
        Flood { schema: 1, config: talkative, ..plain("another schema") },
        Flood { config: full, ..plain("a full host") },
    ]
}

/// A hundred thousand sources, each with a nonce of its own. However they ask, the host holds as much afterwards as before, and
/// allocates for as many as wait for the next flush, not for each; each answer goes to who asked and is shorter than the question.
#[test]
fn scenario_03_a_flood_of_hellos_costs_no_memory_and_answers_are_smaller() {
    for flood in floods() {
        let (mut host, now) = (Endpoint::new(flood.config, 1), Instant::from_millis(1_000));
        let source = |n: u32| {
            let [a, b, c, d] = n.to_le_bytes();
            SocketAddr::from(([11, a, b, c], 1 + u16::from(d)))
        };
        let (mut out, mut answered, mut allocated, mut least, mut most) =
            (Vec::with_capacity(2_000), 0, 0, i64::MAX, 0);
        for n in 0..SOURCES {
            let hello = hello(flood.version, flood.schema, u64::from(n) << 32 | 5, flood.cookie);
            let before = allocations();
            host.handle_datagram(now, source(n), &hello);
            allocated += allocations() - before;
            if n % 500 == 499 {
                let mut to = n - 499;
                while let Some(address) = host.poll_transmit(now, &mut out) {
                    assert_eq!(address, source(to), "{}", flood.name);
                    assert!(out.len() < hello.len(), "{} bytes for {}", out.len(), flood.name);
                    (answered, to) = (answered + 1, to + 1);
                }
            }
            // From the end of the first flush on, by when the queue of answers is as large as it gets.
            if n >= 500 && n % 500 == 499 {
                drop(hello);
                (least, most) = (least.min(held()), most.max(held()));
            }
        }
        assert_eq!(answered, SOURCES, "{}", flood.name);
        assert_eq!((host.poll_event(), host.poll_timeout()), (None, None), "{}: nothing is remembered", flood.name);
        assert_eq!(most, least, "{}: bytes held between flushes", flood.name);
        // What a schema's refusal says is one buffer until it is sent.
        let per_source = u64::from(flood.name == "another schema");
        assert!(allocated <= 16 + per_source * u64::from(SOURCES), "{allocated} allocations for {}", flood.name);
    }
}

/// When nobody flushes, answers wait up to their limit and the rest is dropped and counted.
#[test]
fn scenario_03_answers_that_wait_are_bounded() {
    let (mut host, now) = (Endpoint::new(config(), 1), Instant::from_millis(1_000));
    let before = held();
    for n in 0..SOURCES {
        let [a, b, c, d] = n.to_le_bytes();
        let from = SocketAddr::from(([11, a, b, c], 1 + u16::from(d)));
        host.handle_datagram(now, from, &hello(2, config().schema, u64::from(n), [0; 20]));
    }
    assert_eq!(host.endpoint_stats().dropped.busy, u64::from(SOURCES) - limits::ANSWERS as u64);
    assert!(held() - before < 200 * i64::try_from(limits::ANSWERS).unwrap(), "{} bytes", held() - before);
    let mut out = Vec::new();
    assert_eq!(core::iter::from_fn(|| host.poll_transmit(now, &mut out)).count(), limits::ANSWERS);
}
