//! Clocks that are wrong: each node's own idea of the time.

use core::time::Duration;

use crate::time::Instant;

/// Parts in a whole, for drift.
const MILLION: u64 = 1_000_000;

/// The clock of one node: set to another time, too fast or too slow, coarse, and sometimes jumping ahead. It never runs
/// backwards while the world does not.
///
/// Instants are never negative; instead of setting one clock back, set the others ahead.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::SkewedClock;
///
/// let mut clock = SkewedClock::new()
///     .with_offset(Duration::from_secs(3_600))
///     .with_drift_ppm(500)
///     .with_resolution(Duration::from_millis(10));
/// // Ten seconds later it is 5 ms ahead, which does not show yet.
/// assert_eq!(clock.read(Instant::from_millis(10_000)), Instant::from_millis(3_610_000));
/// assert_eq!(clock.read(Instant::from_millis(20_000)), Instant::from_millis(3_620_010));
/// clock.jump(Duration::from_secs(60)); // the lid was closed
/// assert_eq!(clock.read(Instant::from_millis(20_000)), Instant::from_millis(3_680_010));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkewedClock {
    /// World time from which on the drift is what it is.
    since: Instant,
    /// What the clock, were it not coarse, showed then.
    shown: Instant,
    drift_ppm: i32,
    resolution: Duration,
}

impl SkewedClock {
    /// A clock that is right, to the microsecond.
    #[must_use]
    pub const fn new() -> Self {
        Self { since: Instant::ZERO, shown: Instant::ZERO, drift_ppm: 0, resolution: Duration::from_micros(1) }
    }

    /// This clock, set ahead by `offset`.
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.jump(offset);
        self
    }

    /// This clock, gaining so many microseconds a second, or losing them if negative. One that would run backwards
    /// (below −1,000,000) stands still.
    #[must_use]
    pub const fn with_drift_ppm(mut self, drift_ppm: i32) -> Self {
        self.drift_ppm = drift_ppm;
        self
    }

    /// This clock, moving in steps of `resolution`, whole microseconds and at least one.
    #[must_use]
    pub fn with_resolution(mut self, resolution: Duration) -> Self {
        self.resolution = resolution.max(Duration::from_micros(1));
        self
    }

    /// What it shows when the world's time is `now`.
    #[must_use]
    pub fn read(&self, now: Instant) -> Instant {
        let exact = self.exact(now).as_micros();
        let step = u64::try_from(self.resolution.as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(exact - exact % step)
    }

    /// Moves it ahead by `span` from now on, as when a computer wakes up.
    pub fn jump(&mut self, span: Duration) {
        self.shown += span;
    }

    /// Changes the drift at `now`; what it shows then does not change.
    pub fn set_drift_ppm(&mut self, now: Instant, drift_ppm: i32) {
        (self.shown, self.since, self.drift_ppm) = (self.exact(now), now, drift_ppm);
    }

    fn exact(&self, now: Instant) -> Instant {
        let rate = MILLION.saturating_add_signed(i64::from(self.drift_ppm));
        let passed = (now - self.since).as_micros() * u128::from(rate);
        self.shown + Duration::from_micros(u64::try_from(passed / u128::from(MILLION)).unwrap_or(u64::MAX))
    }
}

impl Default for SkewedClock {
    /// One that is right.
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn drifts_by_parts_in_a_million() {
        let day = Instant::from_millis(86_400_000);
        for (ppm, wrong_by_ms) in
            [(0, 0), (500, 43_200), (-500, -43_200), (-1_000_000, -86_400_000), (i32::MIN, -86_400_000)]
        {
            let shown = SkewedClock::new().with_drift_ppm(ppm).read(day);
            assert_eq!(shown, Instant::from_millis(86_400_000_u64.saturating_add_signed(wrong_by_ms)), "{ppm} ppm");
        }
    }

    #[test]
    fn jumps_ahead_and_goes_on() {
        let mut clock = SkewedClock::new().with_offset(Duration::from_secs(7));
        assert_eq!(clock.read(Instant::from_millis(1)), Instant::from_millis(7_001));
        clock.jump(Duration::from_millis(100));
        assert_eq!(clock.read(Instant::from_millis(1)), Instant::from_millis(7_101));
        assert_eq!(clock.read(Instant::from_millis(2)), Instant::from_millis(7_102));
    }

    proptest! {
        #[test]
        fn never_runs_backwards(
            drifts in prop::collection::vec(-2_000_000_i32..2_000_000, 1..20),
            resolution_us in 0_u64..20_000,
            steps in prop::collection::vec((0_u64..50_000, 0_u64..3), 1..200),
        ) {
            let mut clock = SkewedClock::new().with_resolution(Duration::from_micros(resolution_us));
            let (mut world, mut last) = (Instant::ZERO, Instant::ZERO);
            for (step, (micros, event)) in steps.into_iter().enumerate() {
                world += Duration::from_micros(micros);
                match event {
                    0 => clock.set_drift_ppm(world, drifts[step % drifts.len()]),
                    1 => clock.jump(Duration::from_micros(micros / 2)),
                    _ => {}
                }
                let shown = clock.read(world);
                prop_assert!(shown >= last);
                prop_assert_eq!(shown.as_micros() % resolution_us.max(1), 0);
                last = shown;
            }
        }
    }
}
