//! When to acknowledge: with whatever goes out, and on its own only when that cannot wait.
//!
//! Acknowledgements ride on every packet. When nothing goes the other way, one is sent on its own after
//! [`limits::ACK_EVERY`] packets or [`ack_delay`](super::CarrierConfig::ack_delay), and at once when there is a gap
//! (the sender is to repair it soon), when the network marked a packet, when the sender asks, and for the first packets of a
//! connection (the sender knows nothing of the path yet).

use core::time::Duration;

use super::due::Due;
use crate::limits;
use crate::time::Instant;

/// Packets at the start of a connection that are acknowledged at once, count.
const EAGER: u8 = 16;

/// What is owed to the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acks {
    /// Packets came that no acknowledgement reported yet.
    pub(super) news: bool,
    /// Those among them that asked for it, and when the first of them came.
    pending: u32,
    since: Instant,
    now: bool,
    eager: u8,
    /// The peer's newest packet had wide numbers.
    pub(super) wide: bool,
}

impl Acks {
    pub(super) const fn new() -> Self {
        Self { news: false, pending: 0, since: Instant::ZERO, now: false, eager: EAGER, wide: false }
    }

    /// A packet was taken. `eliciting`: it asks for an acknowledgement; `at_once`: without delay.
    pub(super) fn heard(&mut self, now: Instant, eliciting: bool, at_once: bool) {
        self.news = true;
        if !eliciting {
            return;
        }
        if self.pending == 0 {
            self.since = now;
        }
        self.pending += 1;
        self.now |= at_once || self.eager > 0 || self.pending >= limits::ACK_EVERY;
        self.eager = self.eager.saturating_sub(1);
    }

    /// Whether a packet has to go out for it alone.
    pub(super) fn due(&self, now: Instant, delay: Duration) -> bool {
        self.pending > 0 && (self.now || now >= self.since + delay)
    }

    /// When [`due`](Self::due) turns true.
    pub(super) fn deadline(&self, delay: Duration) -> Due {
        (self.pending > 0).then(|| if self.now { self.since } else { self.since + delay }).into()
    }

    /// Everything was reported, or there turned out to be nothing to report.
    pub(super) const fn done(&mut self) {
        (self.news, self.pending, self.now) = (false, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_company_but_not_for_long() {
        let (mut acks, delay, now) = (Acks::new(), Duration::from_millis(25), Instant::from_millis(100));
        for _ in 0..EAGER {
            acks.heard(now, true, false);
            assert!(acks.due(now, delay), "the first ones at once");
            acks.done();
        }
        acks.heard(now, false, true);
        assert!(acks.news && !acks.due(now + delay, delay) && !acks.deadline(delay).is_set(), "nobody asked");
        acks.heard(now, true, false);
        acks.heard(now + Duration::from_millis(20), true, false);
        assert!(!acks.due(now + Duration::from_millis(24), delay) && acks.due(now + delay, delay));
        assert_eq!(acks.deadline(delay), Due::at(now + delay));
        (2..limits::ACK_EVERY - 1).for_each(|_| acks.heard(now, true, false));
        assert!(!acks.due(now, delay));
        acks.heard(now, true, false);
        assert!(acks.due(now, delay), "enough of them");
        acks.done();
        acks.heard(now, true, true);
        assert!(acks.due(now, delay), "at once");
    }
}
