//! When something is to happen, if ever.
//!
//! An `Option` would say the same in twice the memory, and connections have many of these.

use crate::time::Instant;

/// A moment, or never. Never is later than any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due(Instant);

impl Due {
    /// Not at all: the last moment there is, which never comes.
    pub(super) const NEVER: Self = Self(Instant::from_micros(u64::MAX));

    pub(super) const fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// Whether it is to happen now.
    pub(super) fn is_due(self, now: Instant) -> bool {
        self.0 <= now && self != Self::NEVER
    }

    /// Whether it is to happen at all.
    #[cfg(test)]
    pub(super) fn is_set(self) -> bool {
        self != Self::NEVER
    }

    /// When, as something to take the earliest of.
    pub(super) const fn moment(self) -> Instant {
        self.0
    }
}

impl From<Option<Instant>> for Due {
    fn from(moment: Option<Instant>) -> Self {
        moment.map_or(Self::NEVER, Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_does_not_come() {
        let (now, end) = (Instant::from_millis(5), Instant::from_micros(u64::MAX));
        assert!(Due::at(now).is_due(now) && !Due::at(now).is_due(Instant::ZERO));
        assert!(!Due::NEVER.is_due(end) && !Due::from(None).is_set() && Due::from(Some(now)).is_set());
        assert_eq!(Due::at(now).min(Due::NEVER).moment(), now);
    }
}
