//! How many bytes of state a second a peer is sent at most, whatever the line would carry.
//!
//! A bucket for each peer: it fills with the rate, up to the burst, and what is sent is taken out. A message is written only as long as
//! the bucket holds, so that within any second no more goes out than a second's worth and a burst. Two things may go beyond it and are
//! paid for by what comes after: a replica whose state alone is larger than the burst, which waits for a full bucket, and the
//! [`REALTIME`](crate::Priority::REALTIME) class, which waits for nothing and has a limit of its own.

use core::time::Duration;

use super::{PeerId, ReplicaManager};
use crate::time::Instant;

/// Bytes of state a second, and how far they may be ahead of it. Counted are state messages, without what the carrier and the network
/// put around them.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::StateRate;
///
/// let on_a_phone = StateRate::new(4_000).burst(Duration::from_millis(500));
/// assert_eq!((on_a_phone.bytes_per_second(), on_a_phone.burst_bytes()), (4_000, 2_000));
/// let config = NodeConfig::new(Registry::builder().build()?).state_rate(on_a_phone);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRate {
    bytes_per_second: u64,
    burst: u64,
}

/// What a burst is unless it is said: that much time's worth.
const USUAL_BURST: Duration = Duration::from_millis(250);

/// Millionths of a byte in a byte: what a rate brings in a microsecond is a whole number of them.
const UNIT: i128 = 1_000_000;

impl StateRate {
    /// As much as the line carries.
    pub const UNLIMITED: Self = Self { bytes_per_second: u64::MAX, burst: u64::MAX };

    /// So many bytes a second, with a burst of a quarter of a second's worth. With 0 nothing is sent.
    pub const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, burst: u64::MAX }.burst(USUAL_BURST)
    }

    /// What was not used is good for later, so many seconds' worth of it.
    #[must_use]
    pub const fn burst(self, span: Duration) -> Self {
        if self.is_unlimited() {
            return self;
        }
        let bytes = (self.bytes_per_second as u128).saturating_mul(span.as_micros()) / 1_000_000;
        #[expect(clippy::cast_possible_truncation, reason = "it is less than the largest")]
        let burst = if bytes > u32::MAX as u128 { u32::MAX as u64 } else { bytes as u64 };
        Self { burst, ..self }
    }

    /// Bytes a second; `u64::MAX` for [`UNLIMITED`](Self::UNLIMITED).
    pub const fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// Bytes that may go at once after a pause.
    pub const fn burst_bytes(&self) -> u64 {
        self.burst
    }

    const fn is_unlimited(&self) -> bool {
        self.bytes_per_second == u64::MAX
    }
}

impl Default for StateRate {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// What may go to one peer now.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    rate: StateRate,
    /// Bytes, in units; below zero when more went than there was.
    level: i128,
    since: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) const fn new(rate: StateRate, now: Instant) -> Self {
        Self { rate, level: rate.burst as i128 * UNIT, since: now }
    }

    fn change(&mut self, rate: StateRate, now: Instant) {
        self.fill(now);
        let full = Self::new(rate, now);
        *self = if self.rate.is_unlimited() { full } else { Self { level: full.level.min(self.level), ..full } };
    }

    /// Bytes that may go now; and whether the bucket is full, so that one replica may go that is larger.
    #[inline]
    pub(super) fn room(&mut self, now: Instant) -> (usize, bool) {
        if self.rate.is_unlimited() {
            return (usize::MAX, true);
        }
        self.fill(now);
        let bytes = usize::try_from(self.level.max(0) / UNIT).unwrap_or(usize::MAX);
        (bytes, self.rate.bytes_per_second > 0 && self.level == i128::from(self.rate.burst) * UNIT)
    }

    #[inline]
    pub(super) fn spend(&mut self, bytes: usize) {
        if !self.rate.is_unlimited() {
            self.level -= bytes as i128 * UNIT;
        }
    }

    fn fill(&mut self, now: Instant) {
        if now > self.since {
            let elapsed = i128::from(now.as_micros() - self.since.as_micros());
            let more = elapsed.saturating_mul(self.rate.bytes_per_second.into());
            self.level = self.level.saturating_add(more).min(i128::from(self.rate.burst) * UNIT);
            self.since = now;
        }
    }
}

impl ReplicaManager {
    /// How much state a peer is sent at most, from now on. Without it, what was said for
    /// [all](Self::set_default_state_rate) holds.
    pub fn set_state_rate(&mut self, peer: PeerId, rate: StateRate) {
        let now = self.now;
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            peer.bucket.change(rate, now);
        }
    }

    /// How much state peers that come from now on are sent at most.
    pub const fn set_default_state_rate(&mut self, rate: StateRate) {
        self.state_rate = rate;
    }

    /// How much state a peer is sent at most; `None` when there is no such peer.
    pub fn state_rate(&self, peer: PeerId) -> Option<StateRate> {
        self.peer(peer).map(|peer| peer.bucket.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_bucket_fills_with_the_rate_up_to_the_burst_and_pays_back_what_it_owes() {
        let mut bucket = Bucket::new(StateRate::new(4_000).burst(Duration::from_millis(500)), at(0));
        assert_eq!(bucket.room(at(0)), (2_000, true));
        bucket.spend(1_500);
        assert_eq!(bucket.room(at(0)), (500, false));
        assert_eq!(bucket.room(at(100)), (900, false));
        assert_eq!(bucket.room(at(50)), (900, false), "time does not go back");
        bucket.spend(1_900);
        assert_eq!(bucket.room(at(100)), (0, false));
        assert_eq!(bucket.room(at(350)), (0, false), "paid back");
        assert_eq!(bucket.room(at(360)), (40, false));
        assert_eq!(bucket.room(at(1_000_000)), (2_000, true));
        // A microsecond brings 4 thousandths of a byte, and none of it is lost.
        bucket.spend(2_000);
        for micros in 1..=1_000 {
            let _ = bucket.room(Instant::from_micros(1_000_000_000 + micros));
        }
        assert_eq!(bucket.room(Instant::from_micros(1_000_001_000)), (4, false));
    }

    #[test]
    fn a_rate_changes_without_a_present_and_extremes_are_what_they_say() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.room(at(0)), (usize::MAX, true));
        bucket.spend(1 << 40);
        bucket.change(StateRate::new(1_000), at(1));
        assert_eq!(bucket.room(at(1)), (250, true));
        bucket.spend(200);
        bucket.change(StateRate::new(10_000), at(1));
        assert_eq!(bucket.room(at(1)), (50, false));
        bucket.change(StateRate::new(0), at(1));
        assert_eq!(bucket.room(at(9_000_000)), (0, false));
        bucket.change(StateRate::UNLIMITED, at(9_000_000));
        assert_eq!(bucket.room(at(9_000_000)), (usize::MAX, true));
        let fastest = StateRate::new(u64::MAX - 1).burst(Duration::MAX);
        let mut bucket = Bucket::new(fastest, at(0));
        bucket.spend(u32::MAX as usize);
        assert_eq!(bucket.room(Instant::from_micros(u64::MAX)), (u32::MAX as usize, true));
    }
}
