//! What the path delivers, measured.

use super::{Acked, scale};
use crate::time::{Instant, micros};

/// Round trips whose greatest rate is the estimate, count.
const ROUNDS: usize = 10;

/// The delivery rate: bytes acknowledged per round trip, the greatest of the last ten.
///
/// Round trips in which the program had too little to say can only raise it, as they do not show what the path would have
/// carried (compare draft-cheng-iccrg-delivery-rate-estimation).
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{Acked, Bandwidth};
///
/// let mut bandwidth = Bandwidth::new();
/// let round_trip = Duration::from_millis(40);
/// for ms in (0..400).step_by(10) {
///     bandwidth.on_acked(Instant::from_millis(ms + 40), Acked {
///         bytes: 1_200,
///         sent_at: Instant::from_millis(ms),
///         in_flight: 4_800,
///         app_limited: false,
///         latest: round_trip,
///         smoothed: round_trip,
///         least: round_trip,
///     });
/// }
/// assert_eq!(bandwidth.estimate(), Some(120_000)); // bytes per second
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bandwidth {
    /// When the round began, and what was acknowledged since.
    round: Option<Round>,
    /// Bytes per second; 0 for none.
    rates: [u32; ROUNDS],
    next: u32,
}

#[derive(Clone, Debug)]
struct Round {
    start: Instant,
    bytes: u64,
    app_limited: bool,
}

impl Bandwidth {
    /// An estimate of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Packets arrived.
    pub fn on_acked(&mut self, now: Instant, acked: Acked) {
        let Some(round) = &mut self.round else {
            self.round = Some(Round { start: now, bytes: 0, app_limited: acked.app_limited });
            return;
        };
        round.bytes = round.bytes.saturating_add(u64::try_from(acked.bytes).unwrap_or(u64::MAX));
        round.app_limited |= acked.app_limited;
        // What was sent after the round began took a round trip, so bytes that came in a lump do not look fast.
        if acked.sent_at < round.start || now <= round.start {
            return;
        }
        let rate = scale(round.bytes, 1_000_000, micros(now - round.start));
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        if !round.app_limited || self.best().is_none_or(|best| rate > best) {
            self.rates[self.next as usize] = rate;
            self.next = if self.next as usize + 1 == ROUNDS { 0 } else { self.next + 1 };
        }
        self.round = Some(Round { start: now, bytes: 0, app_limited: acked.app_limited });
    }

    /// Bytes per second, four billion at most; `None` before the first round trip.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        self.best().map(u64::from)
    }

    fn best(&self) -> Option<u32> {
        self.rates.iter().copied().max().filter(|rate| *rate > 0)
    }
}
