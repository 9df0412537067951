//! Session time: close to the leader's clock, never back, and nobody else's business.

mod carrier_support;

use core::time::Duration;

use carrier_support::*;
use gridmate_runtime::Instant;
use gridmate_runtime::carrier::CarrierEvent;

/// Runs both ends for `seconds`, the second's clock being `offset` behind and `ppm` too fast; returns the worst difference of
/// session times once synchronised, in microseconds.
fn drift(seed: u64, link: Link, offset: u64, ppm: i64, seconds: u64) -> u64 {
    let mut pair = Pair::new(seed, link);
    let start = pair.now;
    let local = |now: Instant| {
        let elapsed = i64::try_from(now.saturating_since(start).as_micros()).unwrap();
        let micros = start.as_micros().cast_signed() + elapsed + elapsed * ppm / 1_000_000;
        Instant::from_micros(micros.cast_unsigned())
    };
    // The leader's clock is ahead by the offset: it lives in another epoch.
    let leader = |now: Instant| now + Duration::from_micros(offset);
    pair.ends[1].connect(local(start), address(0), b"").unwrap();
    let (mut last, mut worst, mut out, mut following) = (Instant::ZERO, 0, Vec::new(), false);
    let mut rng = gridmate_runtime::Rng::new(seed);
    let mut flying: Vec<(Instant, usize, Vec<u8>)> = Vec::new();
    while pair.now.saturating_since(start) < Duration::from_secs(seconds) {
        pair.now += pair.tick;
        let now = [leader(pair.now), local(pair.now)];
        for end in 0..2 {
            let mut i = 0;
            while i < flying.len() {
                if flying[i].0 <= pair.now && flying[i].1 == end {
                    let (_, _, bytes) = flying.swap_remove(i);
                    pair.ends[end].handle_datagram(now[end], address(1 - end), &bytes);
                } else {
                    i += 1;
                }
            }
            pair.ends[end].handle_timeout(now[end]);
            while let Some(event) = pair.ends[end].poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => {
                        pair.ends[end].accept(now[end], connection, b"").unwrap();
                    }
                    CarrierEvent::Connected { connection, .. } if end == 1 => {
                        pair.ends[1].follow_clock(now[1], connection);
                        following = true;
                    }
                    _ => {}
                }
            }
            while pair.ends[end].poll_transmit(now[end], &mut out).is_some() {
                if !rng.chance(link.loss) {
                    let jitter = if rng.chance(link.reorder) { rng.below(40_000) } else { 0 };
                    flying.push((pair.now + link.delay + Duration::from_micros(jitter), 1 - end, out.clone()));
                }
            }
        }
        if !following {
            continue;
        }
        let session = pair.ends[1].session_time(now[1]);
        assert!(session >= last, "it went back");
        last = session;
        if pair.ends[1].clock_synchronised() {
            worst = worst.max(session.as_micros().abs_diff(pair.ends[0].session_time(now[0]).as_micros()));
        } else {
            assert!(pair.now.saturating_since(start) < Duration::from_secs(5), "seed {seed}: not synchronised");
        }
    }
    worst
}

#[test]
fn session_time_is_within_half_a_round_trip_and_five_milliseconds() {
    let mut worst = 0;
    for seed in 0..40 {
        let link = Link { loss: 0.1, reorder: 0.3, ..Link::PERFECT };
        let ppm = [-500, -50, 0, 50, 500][usize::try_from(seed % 5).unwrap()];
        let error = drift(seed, link, 7_000_000_000 + seed * 1_000_003, ppm, 30);
        // A tick of ten milliseconds at each end belongs to the round trip of forty.
        assert!(error <= (40_000 + 20_000) / 2 + 5_000, "seed {seed}: {error} us");
        worst = worst.max(error);
    }
    assert!(worst > 0, "it was measured");
}

#[test]
fn nobody_but_the_leader_moves_the_clock() {
    let mut pair = Pair::connected(1, Link::PERFECT);
    let id = pair.id(0);
    // The host's clock is its own, whatever a client says: it asks nobody.
    let before = pair.ends[0].session_time(pair.now);
    pair.steps(500);
    assert_eq!(pair.ends[0].session_time(pair.now).saturating_since(before), Duration::from_secs(5));
    // Followed, the client is asked; forgotten with the connection, time goes on as it was.
    pair.ends[0].follow_clock(pair.now, id);
    pair.until(300, |pair| pair.ends[0].clock_synchronised());
    let error = pair.ends[0].clock_error();
    assert!(error <= Duration::from_millis(40), "{error:?}");
    let (client, now) = (pair.id(1), pair.now);
    pair.ends[1].disconnect(now, client, gridmate_runtime::carrier::DisconnectReason::Leave);
    pair.steps(100);
    let at = pair.ends[0].session_time(pair.now);
    pair.steps(100);
    let gained = pair.ends[0].session_time(pair.now).saturating_since(at);
    assert!(gained.abs_diff(Duration::from_secs(1)) < Duration::from_millis(5), "{gained:?}");
}
