//! CUBIC (RFC 9438), with HyStart++ (RFC 9406) to leave slow start.
//!
//! After a loss the window shrinks to 70 % and then follows `C (t - K)^3 + W_max`, `C` = 0.4 datagrams per cubic second: fast
//! back to near the window at which it was lost, slowly past it, then faster again. Where Reno would be faster it does as
//! Reno. Windows are in 1/65,536 of a byte, so that small acknowledgements of large windows are not rounded away.

use core::time::Duration;

use super::hystart::{HyStart, Pace};
use super::{
    Acked, Congestion, DATAGRAM, GREATEST_WINDOW, INITIAL_ROUND_TRIP, INITIAL_WINDOW, LEAST_WINDOW, Lost, scale, size,
};
use crate::time::{Instant, micros};

/// `C`, bytes per cubic second: 0.4 datagrams.
const STEEPNESS: u128 = DATAGRAM as u128 * 2 / 5;

/// Cubic microseconds in a cubic second.
const CUBIC_SECOND: u128 = 1_000_000_000_000_000_000;

/// Bits of a window behind the point.
const POINT: u32 = 16;

/// From here on a curve is as steep as it gets, microseconds: its cube times the rest still fits.
const LONGEST: u64 = 1_000_000_000;

/// Growth in parallel to Reno, which reduces to 50 %: `3 (1 - beta) / (1 + beta)` = 9 / 17 datagrams per round trip.
const RENO: (u64, u64) = (9, 17);

/// Congestion control by loss: RFC 9438, with slow start (RFC 9406), and an ECN mark as a loss (RFC 3168).
///
/// ```
/// use gridmate_runtime::carrier::{Congestion, Cubic};
///
/// let cubic = Cubic::new();
/// assert_eq!(cubic.window(), 12_000);
/// assert_eq!(cubic.rate(), 240_000); // twice the window in each of the 100 ms it takes a round trip to last
/// ```
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Cubic {
    // What every packet needs comes first in memory.
    window: u64,
    /// Slow start below this.
    threshold: u64,
    smoothed: Duration,
    last_acked: Instant,
    /// When the window last shrank. What was sent until then says nothing about the smaller window.
    recovery: Option<Instant>,
    epoch: Option<Epoch>,
    /// The window before the last reduction, and what the curve aims at: RFC 9438's `cwnd_prior` and `W_max`.
    prior: u64,
    top: u64,
    hystart: HyStart,
}

/// Growth since the last reduction.
#[derive(Clone, Debug)]
struct Epoch {
    start: Instant,
    /// Microseconds from the start until the curve is at `top`: RFC 9438's `K`.
    flat: u64,
    top: u64,
    /// Reno's window: RFC 9438's `W_est`.
    reno: u64,
}

impl Default for Cubic {
    fn default() -> Self {
        Self::new()
    }
}

impl Cubic {
    /// What the window keeps at a loss, percent: RFC 9438's beta.
    pub(super) const KEEP: u64 = 70;

    /// A controller in slow start, with a window of ten datagrams.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            window: INITIAL_WINDOW << POINT,
            threshold: u64::MAX,
            prior: 0,
            top: 0,
            epoch: None,
            recovery: None,
            smoothed: INITIAL_ROUND_TRIP,
            last_acked: Instant::ZERO,
            hystart: HyStart::new(),
        }
    }

    pub(super) const fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// The window.
    pub(super) const fn bytes(&self) -> u64 {
        self.window >> POINT
    }

    /// Goes back to the window of `before` and `more` bytes, quickly but not at once, and grows on from there as it would have.
    pub(super) fn resume(&mut self, before: &Self, more: u64) {
        self.hystart.end();
        (self.prior, self.top, self.epoch) = (before.prior, before.top, None);
        self.threshold = self.window.max(before.window.saturating_add(more << POINT));
    }

    /// Whether a packet left before the window last shrank.
    pub(super) fn predates_recovery(&self, sent_at: Instant) -> bool {
        self.recovery.is_some_and(|recovery| sent_at <= recovery)
    }

    /// Shrinks the window to `percent` of itself and begins to grow anew.
    pub(super) fn shrink(&mut self, now: Instant, percent: u64) {
        self.hystart.end();
        self.prior = self.window;
        // Fast convergence: who shrinks twice in a row without having regained anything makes room for others.
        self.top = if self.window < self.top { scale(self.window, 100 + Self::KEEP, 200) } else { self.window };
        self.window = scale(self.window, percent, 100).max(LEAST_WINDOW << POINT);
        self.threshold = self.window;
        self.epoch = None;
        self.recovery = Some(now);
    }

    /// Shrinks the window to `percent` of itself, not because it was too large for the path, and begins to grow from there:
    /// as fast as any other flow that does so at the same time, whatever its window is. Thus they converge.
    pub(super) fn step_back(&mut self, now: Instant, percent: u64) {
        self.shrink(now, percent);
        self.top = self.window;
    }

    /// Shrinks the window to `bytes` at most, beyond what the last reduction did.
    pub(super) fn limit(&mut self, bytes: u64) {
        self.window = self.window.min(bytes.max(LEAST_WINDOW) << POINT);
        self.threshold = self.threshold.min(self.window);
        self.epoch = None;
    }

    fn grow(&mut self, now: Instant, bytes: u64) {
        let (window, prior) = (self.window, self.prior);
        let top = self.top;
        let epoch = self.epoch.get_or_insert_with(|| {
            let top = top.max(window);
            Epoch { start: now, flat: flat(top - window), top, reno: window }
        });
        // As steep as Reno once it is where Reno would have been.
        let (numerator, denominator) = if epoch.reno < prior { RENO } else { (1, 1) };
        let step = scale(DATAGRAM << POINT, numerator, denominator);
        epoch.reno = epoch.reno.saturating_add(scale(step, bytes << POINT, window));
        let elapsed = micros(now - epoch.start);
        if curve(elapsed, epoch) < epoch.reno {
            self.window = window.max(epoch.reno);
        } else {
            let ahead = curve(elapsed.saturating_add(micros(self.smoothed)), epoch);
            let target = ahead.clamp(window, window + window / 2);
            self.window += scale(target - window, bytes << POINT, window);
        }
    }
}

impl Congestion for Cubic {
    fn on_sent(&mut self, _now: Instant, _bytes: usize, _in_flight: usize) {}

    fn on_acked(&mut self, now: Instant, acked: Acked) {
        self.smoothed = acked.smoothed;
        let since = now - self.last_acked;
        self.last_acked = self.last_acked.max(now);
        if acked.app_limited {
            // Time in which the window was not needed does not make it grow (RFC 9438, section 5.8).
            if let Some(epoch) = &mut self.epoch {
                epoch.start = (epoch.start + since).min(now);
            }
            return;
        }
        if self.predates_recovery(acked.sent_at) {
            return;
        }
        let bytes = u64::try_from(acked.bytes).unwrap_or(u64::MAX).min(GREATEST_WINDOW);
        if self.in_slow_start() {
            match self.hystart.on_acked(now, &acked) {
                Pace::Full => self.window = (self.window + (bytes << POINT)).min(self.threshold),
                Pace::Conservative => self.window = (self.window + (bytes << POINT) / 4).min(self.threshold),
                Pace::Over => self.threshold = self.window,
            }
        } else {
            self.grow(now, bytes);
        }
        self.window = self.window.min(GREATEST_WINDOW << POINT);
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        if !self.predates_recovery(lost.sent_at) {
            self.shrink(now, Self::KEEP);
        }
        if lost.persistent {
            self.window = LEAST_WINDOW << POINT;
            self.epoch = None;
            self.recovery = None;
        }
    }

    fn on_marked(&mut self, now: Instant, sent_at: Instant) {
        if !self.predates_recovery(sent_at) {
            self.shrink(now, Self::KEEP);
        }
    }

    fn window(&self) -> usize {
        size(self.bytes())
    }

    fn rate(&self) -> u64 {
        // A little more than a window per round trip, so that it is the window that limits (RFC 9002, section 7.7).
        let percent = if self.in_slow_start() { 200 } else { 125 };
        scale(self.bytes(), percent * 10_000, micros(self.smoothed))
    }
}

/// The window of the curve, `elapsed` microseconds after the start of its epoch.
fn curve(elapsed: u64, epoch: &Epoch) -> u64 {
    let distance = u128::from(elapsed.abs_diff(epoch.flat).min(LONGEST));
    let height = (distance * distance * distance * (STEEPNESS << POINT)) / CUBIC_SECOND;
    let height = u64::try_from(height).unwrap_or(u64::MAX);
    if elapsed < epoch.flat { epoch.top.saturating_sub(height) } else { epoch.top.saturating_add(height) }
}

/// Microseconds in which the curve climbs by `height`.
fn flat(height: u64) -> u64 {
    let cube = u128::from(height) * CUBIC_SECOND / (STEEPNESS << POINT);
    // The greatest number whose cube is not greater, bit by bit.
    let mut root = 0_u64;
    for bit in (0..40).rev() {
        let more = u128::from(root | 1 << bit);
        if more * more * more <= cube {
            root |= 1 << bit;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);

    fn acked(now: Instant, bytes: usize, app_limited: bool) -> Acked {
        Acked {
            bytes,
            sent_at: now.saturating_sub(ROUND_TRIP),
            in_flight: 0,
            app_limited,
            latest: ROUND_TRIP,
            smoothed: ROUND_TRIP,
            least: ROUND_TRIP,
        }
    }

    fn lost(sent_at: Instant, persistent: bool) -> Lost {
        Lost { bytes: 1_200, sent_at, in_flight: 0, persistent }
    }

    /// A window of a thousand datagrams, after a loss at zero.
    fn after_loss() -> Cubic {
        let mut cubic = Cubic::new();
        cubic.window = (1_000 * DATAGRAM) << POINT;
        cubic.on_lost(Instant::ZERO, lost(Instant::ZERO, false));
        cubic
    }

    /// A window a round trip is acknowledged for so long.
    fn feed(cubic: &mut Cubic, from: Instant, span: Duration) {
        for ms in 1..=u64::try_from(span.as_millis()).unwrap() {
            let now = from + Duration::from_millis(ms);
            cubic.on_acked(now, acked(now, cubic.window() / 100, false));
        }
    }

    #[test]
    fn the_curve_is_that_of_the_rfc() {
        let mut cubic = after_loss();
        assert_eq!(cubic.window(), 840_000);
        // K = cbrt(300 / 0.4) = 9.086 s, counted from the first acknowledgement out of recovery.
        let start = Instant::from_millis(101);
        feed(&mut cubic, Instant::from_millis(100), Duration::from_millis(1));
        for (seconds, datagrams) in [(2.0_f64, 1_000.0 - 0.4 * 7.086_f64.powi(3)), (9.0, 1_000.0), (14.0, 1_047.4)] {
            let mut cubic = cubic.clone();
            feed(&mut cubic, start, Duration::from_secs_f64(seconds));
            let window = cubic.window() as f64 / 1_200.0;
            assert!((window - datagrams).abs() < datagrams * 0.02, "after {seconds} s {window}, not {datagrams}");
        }
    }

    #[test]
    fn there_is_one_reduction_a_round_trip() {
        let mut cubic = after_loss();
        let (then, later) = (Instant::from_millis(50), Instant::from_millis(100));
        cubic.on_lost(then, lost(Instant::ZERO, false));
        cubic.on_marked(then, Instant::ZERO);
        assert_eq!(cubic.window(), 840_000);
        cubic.on_marked(later, Instant::from_millis(1));
        assert_eq!(cubic.window(), 588_000, "a mark counts as a loss");
    }

    #[test]
    fn persistent_congestion_leaves_the_least_window() {
        let mut cubic = after_loss();
        cubic.on_lost(Instant::from_millis(900), lost(Instant::from_millis(800), true));
        assert_eq!(cubic.window(), 4_800);
        let now = Instant::from_millis(1_000);
        cubic.on_acked(now, acked(now, 2_400, false));
        assert_eq!(cubic.window(), 7_200, "and slow start after it");
    }

    #[test]
    fn silence_does_not_make_it_grow() {
        let mut cubic = after_loss();
        feed(&mut cubic, Instant::from_millis(100), Duration::from_secs(5));
        let before = cubic.window();
        for ms in (5_200..60_000).step_by(100) {
            let now = Instant::from_millis(ms);
            cubic.on_acked(now, acked(now, 1_200, true));
        }
        assert_eq!(cubic.window(), before);
        feed(&mut cubic, Instant::from_millis(60_000), Duration::from_millis(100));
        assert!(cubic.window() - before < 12_000, "{} after {before}", cubic.window());
    }

    #[test]
    fn slow_start_ends_when_round_trips_get_longer() {
        let mut cubic = Cubic::new();
        let mut now = Instant::ZERO;
        for round in 0..20_u32 {
            let latest = ROUND_TRIP + Duration::from_millis(20) * round.saturating_sub(3);
            let sent_at = now;
            now += latest;
            for _ in 0..cubic.window() / 1_200 {
                cubic.on_acked(now, Acked { latest, sent_at, ..acked(now, 1_200, false) });
            }
        }
        assert!(!cubic.in_slow_start());
        assert!(cubic.window() < 700_000, "{}", cubic.window());
    }

    #[test]
    fn extremes_do_not_overflow() {
        let end = Instant::from_micros(u64::MAX);
        let all = Acked { bytes: usize::MAX, latest: Duration::MAX, smoothed: Duration::MAX, ..acked(end, 0, false) };
        let mut cubic = Cubic::new();
        for now in [Instant::ZERO, end, Instant::ZERO, end] {
            cubic.on_acked(now, Acked { sent_at: now, ..all });
            cubic.on_lost(now, Lost { bytes: usize::MAX, sent_at: now, in_flight: usize::MAX, persistent: false });
            cubic.on_acked(now, Acked { sent_at: end, ..all });
            cubic.on_acked(end, Acked { sent_at: end, smoothed: Duration::ZERO, ..all });
            assert!(cubic.window() >= 2_400 && cubic.window() <= 1 << 30);
            let _ = cubic.rate();
        }
    }
}
