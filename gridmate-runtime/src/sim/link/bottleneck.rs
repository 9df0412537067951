//! The slowest hop and the queue before it.

use core::time::Duration;

use super::LinkConfig;
use crate::time::Instant;

/// Millionths of a byte: a rate of bytes per second drains that many a microsecond, without rounding.
const PER_BYTE: u128 = 1_000_000;

/// The slowest hop and the queue before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Bottleneck {
    /// Bytes accepted and not yet transmitted, in millionths.
    backlog: u128,
    /// When `backlog` was true.
    as_of: Instant,
}

/// The far side of the bottleneck, for one datagram.
pub(super) struct Passage {
    /// When it has been transmitted.
    pub(super) at: Instant,
    /// Whether it found the queue more than half full.
    pub(super) crowded: bool,
}

impl Bottleneck {
    /// When a datagram has been transmitted; `None` when it found the queue full.
    pub(super) fn pass(&mut self, config: &LinkConfig, now: Instant, bytes: usize) -> Option<Passage> {
        let Some(rate) = config.bytes_per_second.map(u128::from) else {
            self.backlog = 0;
            return Some(Passage { at: now, crowded: false });
        };
        self.backlog = self.backlog.saturating_sub((now - self.as_of).as_micros() * rate);
        self.as_of = now;
        let room = config.queue_bytes as u128 * PER_BYTE;
        let after = self.backlog + bytes as u128 * PER_BYTE;
        if self.backlog > 0 && after > room {
            return None;
        }
        let crowded = self.backlog > room / 2;
        self.backlog = after;
        let micros = u64::try_from(after.div_ceil(rate)).unwrap_or(u64::MAX);
        Some(Passage { at: now + Duration::from_micros(micros), crowded })
    }
}
