//! HyStart++ (RFC 9406): leave slow start when round trips get longer, before packets are lost.

use core::time::Duration;

use super::Acked;
use crate::time::Instant;

/// Round trips that got longer by less than this do not count, and by more than [`GREATEST_RISE`] always do.
const LEAST_RISE: Duration = Duration::from_millis(4);
const GREATEST_RISE: Duration = Duration::from_millis(16);

/// Between those bounds a rise by this part of the round trip counts.
const RISE_DIVISOR: u32 = 8;

/// Samples that a round needs before its minimum means anything, count.
const SAMPLES: u32 = 8;

/// Rounds of conservative slow start before slow start is over, count.
const CONSERVATIVE_ROUNDS: u32 = 5;

/// How slow start goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A window per round trip.
    Full,
    /// A quarter of that, to see whether the rise was real.
    Conservative,
    /// Not at all.
    Over,
}

/// Watches the shortest round trip of each round.
#[derive(Clone, Debug)]
pub(super) struct HyStart {
    /// The round ends when something sent at or after this is acknowledged.
    round: Option<Instant>,
    samples: u32,
    current: Duration,
    previous: Duration,
    /// In conservative slow start: the minimum it set out from, and the rounds left.
    conservative: Option<(Duration, u32)>,
    over: bool,
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self {
            round: None,
            samples: 0,
            current: Duration::MAX,
            previous: Duration::MAX,
            conservative: None,
            over: false,
        }
    }

    /// Packets were acknowledged during slow start.
    pub(super) fn on_acked(&mut self, now: Instant, acked: &Acked) -> Pace {
        if self.over {
            return Pace::Full;
        }
        if self.round.is_none_or(|round| acked.sent_at >= round) {
            self.round = Some(now);
            if self.samples > 0 {
                (self.previous, self.current, self.samples) = (self.current, Duration::MAX, 0);
            }
            if let Some((_, left)) = &mut self.conservative {
                *left -= 1;
                if *left == 0 {
                    self.over = true;
                    return Pace::Over;
                }
            }
        }
        self.current = self.current.min(acked.latest);
        self.samples = self.samples.saturating_add(1);
        if self.samples >= SAMPLES {
            match self.conservative {
                Some((from, _)) if self.current < from => self.conservative = None,
                None if self.previous < Duration::MAX => {
                    let rise = (self.previous / RISE_DIVISOR).clamp(LEAST_RISE, GREATEST_RISE);
                    if self.current >= self.previous.saturating_add(rise) {
                        self.conservative = Some((self.current, CONSERVATIVE_ROUNDS));
                    }
                }
                _ => {}
            }
        }
        if self.conservative.is_some() { Pace::Conservative } else { Pace::Full }
    }

    /// Slow start ended some other way. A later one has a threshold and needs no watching.
    pub(super) const fn end(&mut self) {
        self.over = true;
    }
}
