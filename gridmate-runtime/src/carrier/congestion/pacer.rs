//! A token bucket that lets a rate through in portions, one a flush.

use core::time::Duration;

use super::DATAGRAM;
use crate::time::{Instant, micros};

/// The bucket holds what the rate yields in this time. Programs flush once a tick, and no tick is longer.
const SPAN: Duration = Duration::from_millis(50);

/// The bucket holds at least this, bytes: what a tick may send at once on the slowest link.
const LEAST_BURST: u64 = 16 * DATAGRAM;

/// Tokens in a byte. A rate of bytes per second yields that many of them a microsecond, without rounding.
const BYTE: i128 = 1_000_000;

/// Spreads traffic over time: a token bucket.
///
/// It fills at the rate and holds what the rate yields in 50 ms and one datagram, and no less than 16 datagrams of 1,200 bytes. So a program
/// that flushes 20 to 60 times a second sends the whole rate, and one that was silent for a minute does not send a minute's
/// worth at once. Until a rate is set, everything may leave.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::Pacer;
///
/// let mut pacer = Pacer::new();
/// pacer.set_rate(Instant::ZERO, 120_000);
/// assert_eq!(pacer.budget(Instant::ZERO), 19_200);
/// pacer.take(19_200);
/// assert_eq!(pacer.next(Instant::ZERO, 1_200), Some(Instant::from_millis(10)));
/// assert_eq!(pacer.budget(Instant::from_millis(16)), 1_920);
/// assert_eq!(pacer.next(Instant::from_millis(16), 1_200), None); // now
/// ```
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Bytes per second, at least 1; `u64::MAX` when everything may leave.
    rate: u64,
    /// Tokens in the bucket, negative when more was taken than was there.
    level: i128,
    /// When `level` was true.
    as_of: Instant,
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacer {
    /// A pacer that lets everything through until it has a rate.
    #[must_use]
    pub const fn new() -> Self {
        Self { rate: u64::MAX, level: 0, as_of: Instant::ZERO }
    }

    /// From `now` on, `rate` bytes per second; `u64::MAX` lets everything through, and 0 counts as 1.
    pub fn set_rate(&mut self, now: Instant, rate: u64) {
        let rate = rate.max(1);
        if rate == self.rate {
            return;
        }
        if self.rate == u64::MAX {
            (self.rate, self.as_of) = (rate, now);
            self.level = self.capacity();
        } else {
            self.level = self.level_at(now);
            (self.rate, self.as_of) = (rate, self.as_of.max(now));
            self.level = self.level.min(self.capacity());
        }
    }

    /// Bytes that may leave `now`.
    pub fn budget(&mut self, now: Instant) -> usize {
        if self.rate == u64::MAX {
            return usize::MAX;
        }
        self.level = self.level_at(now);
        self.as_of = self.as_of.max(now);
        usize::try_from(self.level.max(0) / BYTE).unwrap_or(usize::MAX)
    }

    /// `bytes` left. More than the budget may be taken, by what cannot wait; it is missing from later budgets.
    pub fn take(&mut self, bytes: usize) {
        if self.rate == u64::MAX {
            return;
        }
        let tokens = i128::from(u64::try_from(bytes).unwrap_or(u64::MAX)) * BYTE;
        self.level = (self.level - tokens).max(-self.capacity());
    }

    /// When `bytes` may leave, or as many as the bucket can ever hold; `None` for now.
    #[must_use]
    pub fn next(&self, now: Instant, bytes: usize) -> Option<Instant> {
        if self.rate == u64::MAX {
            return None;
        }
        let wanted = i128::from(u64::try_from(bytes).unwrap_or(u64::MAX)) * BYTE;
        let missing = wanted.min(self.capacity()) - self.level_at(now);
        let missing = u128::try_from(missing).ok().filter(|missing| *missing > 0)?;
        let wait = u64::try_from(missing.div_ceil(u128::from(self.rate))).unwrap_or(u64::MAX);
        Some(now.max(self.as_of) + Duration::from_micros(wait))
    }

    fn level_at(&self, now: Instant) -> i128 {
        let gained = i128::from(micros(now - self.as_of)).saturating_mul(i128::from(self.rate));
        self.level.saturating_add(gained).min(self.capacity())
    }

    /// Tokens the bucket holds. The remainder that is too small for a datagram has its place beside a full span's worth, or
    /// the longest ticks would lose it.
    fn capacity(&self) -> i128 {
        let span = i128::from(self.rate) * i128::from(micros(SPAN)) + i128::from(DATAGRAM) * BYTE;
        span.max(i128::from(LEAST_BURST) * BYTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends datagrams as budget allows, once a `tick`, and returns the bytes a second.
    fn paced(rate: u64, tick: Duration, seconds: u64) -> u64 {
        let mut pacer = Pacer::new();
        let (mut now, mut sent) = (Instant::ZERO, 0);
        pacer.set_rate(now, rate);
        pacer.take(pacer.clone().budget(now));
        while now < Instant::from_millis(seconds * 1_000) {
            now += tick;
            while pacer.budget(now) >= 1_200 {
                pacer.take(1_200);
                sent += 1_200;
            }
        }
        // The last tick may have ended a little later.
        sent * 1_000_000 / now.as_micros()
    }

    #[test]
    fn no_tick_holds_it_below_its_rate_or_lets_it_above() {
        for rate in [2_000, 31_999, 250_000, 6_250_001, 125_000_000] {
            for tick_us in [1_000, 8_333, 16_667, 33_333, 50_000] {
                let got = paced(rate, Duration::from_micros(tick_us), 20);
                assert!(rate.abs_diff(got) <= 1 + rate / 1_000 + 60, "{rate} with ticks of {tick_us} us: {got}");
            }
        }
    }

    #[test]
    fn days_of_odd_ticks_lose_nothing() {
        let rate = 1_234_567;
        let mut pacer = Pacer::new();
        let mut now = Instant::ZERO;
        pacer.set_rate(now, rate);
        let mut sent = 0_u64;
        for tick in 0..500_000_u64 {
            now += Duration::from_micros(7 + tick % 40_001);
            let budget = pacer.budget(now);
            pacer.take(budget);
            sent += budget as u64;
        }
        let due = u128::from(rate) * u128::from(now.as_micros()) / 1_000_000;
        // The bucket was full at the start and is all but empty at the end.
        let ahead = u128::from(sent) - due;
        assert!(ahead <= u128::from(rate) / 20 + 1_200, "{ahead} bytes ahead after {} s", now.as_micros() / 1_000_000);
    }

    #[test]
    fn silence_is_not_saved_up() {
        let mut pacer = Pacer::new();
        pacer.set_rate(Instant::ZERO, 1_000_000);
        pacer.take(50_000);
        assert_eq!(pacer.budget(Instant::from_millis(60_000)), 51_200);
        assert_eq!(pacer.budget(Instant::from_millis(59_000)), 51_200, "time that goes back changes nothing");
    }

    #[test]
    fn next_is_when_the_budget_suffices() {
        let mut pacer = Pacer::new();
        assert_eq!(pacer.next(Instant::ZERO, usize::MAX), None);
        pacer.set_rate(Instant::ZERO, 333_333);
        for bytes in [1, 700, 1_200, 19_200, usize::MAX] {
            let mut pacer = pacer.clone();
            pacer.take(30_000);
            let at = pacer.next(Instant::ZERO, bytes).unwrap();
            let bytes = bytes.min(19_200);
            assert!(pacer.budget(at.saturating_sub(Duration::from_micros(1))) < bytes);
            assert!(pacer.budget(at) >= bytes);
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let end = Instant::from_micros(u64::MAX);
        for rate in [0, 1, u64::MAX - 1, u64::MAX] {
            let mut pacer = Pacer::new();
            pacer.set_rate(Instant::ZERO, rate);
            pacer.take(usize::MAX);
            pacer.take(usize::MAX);
            let _ = pacer.next(Instant::ZERO, usize::MAX);
            let _ = (pacer.budget(end), pacer.next(end, usize::MAX));
            pacer.set_rate(end, 5);
            assert!(pacer.budget(end) > 0);
        }
    }

    #[test]
    fn a_change_of_rate_keeps_what_was_saved() {
        let mut pacer = Pacer::new();
        pacer.set_rate(Instant::ZERO, 1_000_000);
        pacer.take(51_200);
        pacer.set_rate(Instant::from_millis(10), 2_000_000);
        assert_eq!(pacer.budget(Instant::from_millis(20)), 10_000 + 20_000);
        pacer.set_rate(Instant::from_millis(20), 1);
        assert_eq!(pacer.budget(Instant::from_millis(20)), 19_200);
    }
}
