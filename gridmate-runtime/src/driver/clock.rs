//! The operating system's monotone clock as the core's [`Instant`], and a loop that ticks at a rate.
//!
//! A program makes one [`Clock`], asks it for the time once per tick and passes that number to everything. Programs that
//! have no frame loop of their own (a dedicated server, a bot) let a [`Ticker`] wait for the next tick.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::time::Instant;

/// Ticks that a late [`Ticker`] catches up with, count. A stall longer than this is skipped: running a second's worth of
/// ticks back to back would only make the next one late too.
const TICKS_BEHIND_MAX: u64 = 4;

/// Microseconds since the clock was started, from the operating system's monotone clock.
///
/// Never runs backwards. Copies show the same time.
///
/// ```
/// use gridmate_runtime::driver::Clock;
///
/// let clock = Clock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that shows zero now.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where the program's time comes from")]
        let origin = std::time::Instant::now();
        Self { origin }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// Puts the calling thread to sleep until `deadline`; returns at once when that has passed. The system may wake it
    /// late (Linux: some 50 µs, elsewhere up to some milliseconds), never early.
    ///
    /// For programs without a frame loop. A node never needs it: its tick does not wait.
    pub fn sleep_until(&self, deadline: Instant) {
        // The sleep may count by another clock than ours: look again.
        loop {
            let left = deadline - self.now();
            if left.is_zero() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "waiting is what the caller asked for")]
            std::thread::sleep(left);
        }
    }
}

/// Waits for ticks at a fixed rate. Tick *n* is due at `start + n / rate`, computed from *n* each time, so that neither
/// rounding nor late wake-ups add up.
///
/// ```
/// use core::num::NonZeroU32;
/// use gridmate_runtime::driver::{Clock, Ticker};
///
/// let mut ticker = Ticker::per_second(Clock::start(), NonZeroU32::new(1_000).unwrap());
/// for number in 0..3 {
///     let tick = ticker.wait();
///     assert!(tick.number >= number);
///     // node.tick(tick.now)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Ticker {
    clock: Clock,
    start: Instant,
    rate: NonZeroU32,
    next: u64,
}

/// One tick of a [`Ticker`].
///
/// ```
/// use core::num::NonZeroU32;
/// use gridmate_runtime::driver::{Clock, Ticker};
///
/// let mut ticker = Ticker::per_second(Clock::start(), NonZeroU32::new(1_000).unwrap());
/// let (first, second) = (ticker.wait(), ticker.wait());
/// assert!(first.now >= first.due && second.due > first.due);
/// assert_eq!(second.number, first.number + 1 + second.skipped); // what was skipped has numbers too
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Its running number, from 0. Skipped ticks have numbers too.
    pub number: u64,
    /// When it was due.
    pub due: Instant,
    /// The time now: `due`, or later.
    pub now: Instant,
    /// Ticks left out before this one, because the program was too late for them.
    pub skipped: u64,
}

impl Ticker {
    /// Ticks `rate` times a second, first at once.
    #[must_use]
    pub fn per_second(clock: Clock, rate: NonZeroU32) -> Self {
        Self { clock, start: clock.now(), rate, next: 0 }
    }

    /// When the next tick is due.
    #[must_use]
    pub fn next_due(&self) -> Instant {
        self.due(self.next)
    }

    /// Sleeps until the next tick. A program that is late gets its ticks at once, up to four of them; beyond that they
    /// are skipped.
    pub fn wait(&mut self) -> Tick {
        self.clock.sleep_until(self.next_due());
        self.take(self.clock.now())
    }

    /// The tick to run when the time is `now`, which is not before it is due.
    fn take(&mut self, now: Instant) -> Tick {
        let behind = self.latest(now).saturating_sub(self.next);
        let skipped = if behind > TICKS_BEHIND_MAX { behind } else { 0 };
        let number = self.next + skipped;
        self.next = number + 1;
        Tick { number, due: self.due(number), now, skipped }
    }

    /// The last tick that is due by `now`.
    fn latest(&self, now: Instant) -> u64 {
        let ticks = (now - self.start).as_micros() * u128::from(self.rate.get()) / 1_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    fn due(&self, number: u64) -> Instant {
        // Rounded up, so that `latest(due(n))` is `n`.
        let micros = (u128::from(number) * 1_000_000).div_ceil(u128::from(self.rate.get()));
        self.start + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticker(rate: u32) -> Ticker {
        Ticker { clock: Clock::start(), start: Instant::ZERO, rate: NonZeroU32::new(rate).unwrap(), next: 0 }
    }

    #[test]
    fn does_not_drift() {
        let ticker = ticker(60);
        assert_eq!(ticker.due(60), Instant::from_millis(1_000));
        assert_eq!(ticker.due(60 * 60 * 60 * 24), Instant::from_millis(24 * 60 * 60 * 1_000));
        for number in 0..1_000 {
            assert_eq!(ticker.latest(ticker.due(number)), number);
        }
    }

    #[test]
    fn catches_up_with_a_short_stall_and_skips_a_long_one() {
        let mut ticker = ticker(100);
        assert_eq!(ticker.take(Instant::ZERO).number, 0);
        let late = Instant::from_millis(45);
        assert_eq!([1, 2, 3, 4].map(|_| ticker.take(late).number), [1, 2, 3, 4]);
        let tick = ticker.take(Instant::from_millis(1_003));
        assert_eq!((tick.number, tick.skipped, tick.due), (100, 95, Instant::from_millis(1_000)));
    }

    #[test]
    fn waits_for_each_tick() {
        let mut ticker = Ticker::per_second(Clock::start(), NonZeroU32::new(500).unwrap());
        let ticks: Vec<_> = (0..5).map(|_| ticker.wait()).collect();
        assert!(ticks.iter().all(|tick| tick.now >= tick.due));
        assert!(ticks.windows(2).all(|pair| pair[1].number == pair[0].number + 1 + pair[1].skipped));
    }

    #[test]
    fn sleeps_until_the_deadline() {
        let clock = Clock::start();
        let deadline = clock.now() + Duration::from_millis(3);
        clock.sleep_until(deadline);
        assert!(clock.now() >= deadline);
        clock.sleep_until(deadline);
    }
}
