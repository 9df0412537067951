//! Round-trip time: smoothed mean and deviation, as RFC 6298 and RFC 9002 do it.
//!
//! A sample spans from the flush that sent a packet to the arrival of its acknowledgement, less the time for which the peer says
//! it held that back. The wait until the next tick of either end is part of it: that is what a program perceives.

use core::time::Duration;

use crate::limits;
use crate::time::short;

/// Assumed before the first sample.
const INITIAL: Duration = Duration::from_millis(100);

/// A peer is trusted to acknowledge within this time of receiving: the longest delay there is, and most of a tick.
const MAX_ACK_DELAY: Duration = Duration::from_millis(limits::ACK_DELAY_MILLIS + 10);

/// Timers do not fire more precisely than this in a program that ticks.
const GRANULARITY: Duration = Duration::from_millis(10);

/// Waits of equal length before they grow, count.
const EAGER: u32 = 3;

/// However often it doubles, a resend timer waits no longer than this (unless one round trip is longer).
const BACKOFF_CAP: Duration = Duration::from_secs(1);

/// The round-trip estimate of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    /// Nanoseconds, since a mean of microseconds that was rounded each time would drift.
    smoothed: u64,
    variation: u64,
    /// The last sample, microseconds; [`INITIAL`] before there was any.
    latest: u32,
    /// The least of all, microseconds; `u32::MAX` before there was any.
    least: u32,
    sampled: bool,
}

impl Rtt {
    pub(super) const fn new() -> Self {
        Self {
            smoothed: nanos(INITIAL),
            variation: nanos(Duration::from_millis(50)),
            latest: short(INITIAL),
            least: u32::MAX,
            sampled: false,
        }
    }

    /// An acknowledgement came after `elapsed`, of which the peer says it kept it for `held`.
    pub(super) fn sample(&mut self, elapsed: Duration, held: Duration) {
        let (elapsed, held) = (short(elapsed), short(held));
        self.least = self.least.min(elapsed);
        // Nobody is believed that would make the round trip shorter than it ever was (RFC 9002, section 5.3).
        self.latest = elapsed.checked_sub(held).filter(|less| *less >= self.least).unwrap_or(elapsed);
        let sample = u64::from(self.latest) * 1_000;
        if self.sampled {
            self.variation = (self.variation * 3 + self.smoothed.abs_diff(sample)) / 4;
            self.smoothed = (self.smoothed * 7 + sample) / 8;
        } else {
            (self.smoothed, self.variation, self.sampled) = (sample, sample / 2, true);
        }
    }

    /// The last sample, and the least of all.
    pub(super) const fn latest(&self) -> Duration {
        Duration::from_micros(self.latest as u64)
    }

    pub(super) fn least(&self) -> Duration {
        Duration::from_nanos(self.smoothed.min(u64::from(self.least) * 1_000))
    }

    pub(super) const fn variation(&self) -> Duration {
        Duration::from_nanos(self.variation)
    }

    /// The estimate, whether it was measured or not.
    pub(super) const fn estimate(&self) -> Duration {
        Duration::from_nanos(self.smoothed)
    }

    /// The smoothed estimate, once there is one.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.sampled.then_some(self.estimate())
    }

    /// How much later than a packet sent after it a packet's acknowledgement may come before the packet counts as lost.
    pub(super) fn loss_delay(&self) -> Duration {
        let longer = self.smoothed.max(u64::from(self.latest) * 1_000);
        Duration::from_nanos((longer * 9 / 8).max(nanos(Duration::from_millis(1))))
    }

    /// How long to wait for any acknowledgement at all, after `backoff` such waits in a row. The first [`EAGER`] are alike,
    /// because on a bad link the repetition is lost as easily as the original; then it doubles.
    pub(super) fn timeout(&self, backoff: u32) -> Duration {
        const CAP: u64 = nanos(BACKOFF_CAP);
        let once = self.smoothed + self.variation * 4 + nanos(GRANULARITY) + nanos(MAX_ACK_DELAY);
        Duration::from_nanos((once << backoff.saturating_sub(EAGER - 1).min(10)).min(CAP.max(once)))
    }
}

/// Of less than an hour, so that sums and multiples of it fit.
const fn nanos(span: Duration) -> u64 {
    short(span) as u64 * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_converges_and_backs_off() {
        let mut rtt = Rtt::new();
        assert_eq!(rtt.smoothed(), None);
        for _ in 0..100 {
            rtt.sample(Duration::from_millis(40), Duration::ZERO);
        }
        assert_eq!(rtt.smoothed().unwrap().as_millis(), 40);
        assert_eq!(rtt.timeout(0).as_millis(), 90);
        assert_eq!(rtt.timeout(EAGER - 1).as_millis(), 90);
        assert_eq!(rtt.timeout(EAGER).as_millis(), 180);
        assert_eq!(rtt.timeout(u32::MAX), BACKOFF_CAP);
        assert_eq!(rtt.loss_delay().as_millis(), 45);
        rtt.sample(Duration::from_secs(30), Duration::ZERO);
        assert!(rtt.timeout(9) > BACKOFF_CAP, "a round trip longer than the cap is waited for");
    }
}
