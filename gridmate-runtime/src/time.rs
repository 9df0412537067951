//! Time as the core sees it: a number that somebody else supplies.
//!
//! Nothing below `driver/` reads a clock. A program passes [`Instant`]s in (`driver::Clock` makes them from the
//! operating system's monotone clock), a simulation counts them up itself, and both run the same code.

use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// Microseconds since an origin that the caller chose; only differences mean anything.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
///
/// let start = Instant::from_micros(1_000);
/// assert_eq!((start + Duration::from_millis(2)).as_micros(), 3_000);
/// assert_eq!(start.saturating_since(start + Duration::from_secs(1)), Duration::ZERO);
/// assert_eq!(start.saturating_sub(Duration::from_micros(400)).as_micros(), 600);
/// assert_eq!(start.saturating_sub(Duration::from_secs(1)), Instant::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself.
    pub const ZERO: Self = Self(0);

    /// `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long `earlier` was before `self`; zero when it was not.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` before this one; the origin if that is later.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

/// Whole microseconds, without the wide division that [`Duration::as_micros`] is; what is too many is as many as there are.
pub(crate) const fn micros(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000).saturating_add(span.subsec_micros() as u64)
}

/// Microseconds in half the memory. More than an hour is as good as any more. Never `u32::MAX`, which is free to mean something else.
#[expect(clippy::cast_possible_truncation, reason = "compared before")]
pub(crate) const fn short(span: Duration) -> u32 {
    let micros = micros(span);
    if micros < u32::MAX as u64 { micros as u32 } else { u32::MAX - 1 }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}
