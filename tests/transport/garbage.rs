//! Scenario 2: the parsers never panic, over-allocate or misdeliver, whatever they are fed.
//!
//! Here strangers and the network feed them: what comes is taken from a real exchange and broken, or made up, and no tag is right.
//! What a peer may send under right tags is in `carrier/tests.rs`, where the key is known; `tests/fuzz` feeds every parser alone.

use std::collections::BTreeSet;

use gridmate_runtime::Rng;
use gridmate_runtime::carrier::CarrierEvent;

use crate::carrier_support::*;
use crate::counting::{allocations, held};
use crate::forged::{Forger, HELLO, seal_handshake};

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound.max(1) as u64)).expect("below a usize")
}

/// A datagram of one end with something wrong, of the kinds that parsers trip over.
fn broken(rng: &mut Rng, seen: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seen[below(rng, seen.len())].clone();
    match rng.below(7) {
        0 => bytes.truncate(below(rng, bytes.len())),
        1 => bytes.resize(bytes.len() + 1 + below(rng, 400), 0xFF),
        // Lengths and counts become as large as they can be.
        2 => {
            let at = below(rng, bytes.len());
            let end = bytes.len().min(at + 1 + below(rng, 4));
            bytes[at..end].fill(0xFF);
        }
        3 => {
            let at = below(rng, bytes.len());
            bytes.remove(at);
        }
        4 => {
            let at = below(rng, bytes.len());
            bytes.insert(at, rng.next_u64().to_le_bytes()[0]);
        }
        // The head of one and the tail of another.
        5 => {
            let other = &seen[below(rng, seen.len())];
            bytes.truncate(1 + below(rng, bytes.len()));
            bytes.extend_from_slice(&other[below(rng, other.len())..]);
        }
        _ => {
            for _ in 0..=rng.below(4) {
                let bit = below(rng, bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    // A handshake's tag is anybody's to compute: half of them get past it. Not those that are whole: those would be answered.
    if bytes.len() > 5 && (5..10).contains(&bytes[0]) && rng.chance(0.5) {
        bytes[5] ^= 0x80;
        seal_handshake(&mut bytes);
    }
    bytes
}

/// Three hundred thousand broken datagrams beside an exchange: the exchange is what it is without them, none makes the endpoint
/// allocate anything, and none is delivered.
#[test]
fn scenario_02_garbage_costs_no_memory_and_delivers_nothing() {
    let mut pair = Pair::new(3, Link { loss: 0.05, ..Link::PERFECT });
    pair.trace = Some(Vec::new());
    pair.connect();
    let (mut rng, mut forger) = (Rng::new(3), Forger::new(4, config().schema));
    let (mut sent, mut got, mut thrown) = (0, [BTreeSet::new(), BTreeSet::new()], 0_u64);
    let dropped = |pair: &Pair, end: usize| pair.ends[end].endpoint_stats().dropped.total();
    for round in 0..400 {
        for end in 0..2 {
            for (channel, len) in [(RELIABLE, 30), (SEQUENCED, 9), (UNRELIABLE, 2_500), (SECOND_RELIABLE, 3_000)] {
                assert!(pair.send(end, channel, &message(round * 4 + u64::from(channel.0), len), Some(round)));
                sent += 1;
            }
        }
        pair.step();
        let trace = pair.trace.as_ref().unwrap();
        let recent = &trace[trace.len().saturating_sub(60)..];
        for (end, got) in got.iter_mut().enumerate() {
            // Those that were addressed to this end, the handshake's among them; not hellos, each of which has its answer.
            let early = trace.iter().take(20);
            let addressed = early.chain(recent).filter(|(from, bytes)| *from != end && bytes[0] != HELLO);
            let seen: Vec<_> = addressed.map(|(_, bytes)| bytes.clone()).collect();
            let mut garbage: Vec<_> = (0..320).map(|_| broken(&mut rng, &seen)).collect();
            let mut forged = core::iter::repeat_with(|| forger.any()).filter(|it| it.first() != Some(&HELLO));
            garbage.extend(forged.by_ref().take(60));
            // Whole after all: then it is a repetition, which the endpoint may count as what it is.
            garbage.retain(|bytes| !seen.contains(bytes));
            let before = (allocations(), held(), dropped(&pair, end), pair.ends[end].stats(pair.id(end)));
            for bytes in &garbage {
                pair.ends[end].handle_datagram(pair.now, address(1 - end), bytes);
            }
            let count = garbage.len() as u64;
            let after = (allocations(), held(), dropped(&pair, end), pair.ends[end].stats(pair.id(end)));
            assert_eq!(after, (before.0, before.1, before.2 + count, before.3), "nothing but the count");
            assert_eq!(pair.ends[end].poll_event(), None);
            thrown += count;
            for event in pair.events[end].drain(..) {
                if let CarrierEvent::Message { channel, bytes, .. } = event {
                    let n = number(&bytes);
                    assert!(n < round * 4 + 4 && n % 4 == u64::from(channel.0), "{n} on {channel}");
                    assert!(bytes == message(n, [30, 9, 2_500, 3_000][usize::from(channel.0)]), "{n} was altered");
                    assert!(got.insert(n), "{n} came twice");
                }
            }
        }
    }
    let delivered = got.iter().map(BTreeSet::len).sum::<usize>();
    assert!(thrown > 290_000 && delivered * 10 > sent * 8, "{thrown} thrown, {delivered} of {sent} delivered");
}
