//! Controllers that do not control: a fixed rate, and none.

use super::{Acked, Congestion, DATAGRAM, GREATEST_WINDOW, Lost, scale, size};
use crate::time::Instant;

/// Seconds of traffic in the window that [`Fixed::new`] chooses: a round trip of this length still carries the whole rate.
const ROUND_TRIP_SECONDS: u64 = 1;

/// The same rate and window, whatever is lost.
///
/// For networks that the program owns, and for traffic that must not adapt. On a shared link it takes from everyone else.
///
/// ```
/// use gridmate_runtime::carrier::{Congestion, Fixed};
///
/// let fixed = Fixed { rate: 125_000, window: 64_000 };
/// assert_eq!((fixed.rate(), fixed.window()), (125_000, 64_000));
/// assert_eq!(Fixed::new(125_000).window(), 125_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Bytes per second.
    pub rate: u64,
    /// Bytes that may be in flight.
    pub window: usize,
}

impl Fixed {
    /// `rate` bytes per second, with a window for a second of them.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        let window = scale(rate, ROUND_TRIP_SECONDS, 1).clamp(16 * DATAGRAM, GREATEST_WINDOW);
        Self { rate, window: size(window) }
    }
}

impl Congestion for Fixed {
    fn on_sent(&mut self, _now: Instant, _bytes: usize, _in_flight: usize) {}

    fn on_acked(&mut self, _now: Instant, _acked: Acked) {}

    fn on_lost(&mut self, _now: Instant, _lost: Lost) {}

    fn on_marked(&mut self, _now: Instant, _sent_at: Instant) {}

    fn window(&self) -> usize {
        self.window
    }

    fn rate(&self) -> u64 {
        self.rate
    }
}

/// No window and no pacing.
///
/// ```
/// use gridmate_runtime::carrier::{Congestion, Unlimited};
///
/// assert_eq!((Unlimited.window(), Unlimited.rate()), (usize::MAX, u64::MAX));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unlimited;

impl Congestion for Unlimited {
    fn on_sent(&mut self, _now: Instant, _bytes: usize, _in_flight: usize) {}

    fn on_acked(&mut self, _now: Instant, _acked: Acked) {}

    fn on_lost(&mut self, _now: Instant, _lost: Lost) {}

    fn on_marked(&mut self, _now: Instant, _sent_at: Instant) {}

    fn window(&self) -> usize {
        usize::MAX
    }

    fn rate(&self) -> u64 {
        u64::MAX
    }
}
