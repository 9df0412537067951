//! How often a member may call an RPC that has a rate.
//!
//! For each caller and RPC of a chunk type one moment is kept: when it will have been silent for long enough to have everything back that it
//! may spend at once. An entry whose moment has passed says nothing, and goes. The count is of the type's RPC, over all its
//! replicas, so that what is kept is bounded by who calls and not by what there is.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::chunk::CallRate;
use crate::ids::MemberId;
use crate::limits;
use crate::time::Instant;

/// Who has called what, of late.
#[derive(Debug, Default)]
pub(crate) struct CallRates {
    /// By caller, class and RPC.
    spent: BTreeMap<(MemberId, u16, u8), Instant>,
    /// How many entries make it worth looking for those that may go.
    crowded: usize,
}

impl CallRates {
    /// Whether one more call is within the rate; it counts if so. `slack` is what the network may have bunched together.
    pub(crate) fn take(
        &mut self,
        rate: CallRate,
        (caller, class, rpc): (MemberId, u16, u8),
        now: Instant,
        slack: Duration,
    ) -> bool {
        let interval = Duration::from_secs(1) / u32::from(rate.per_second.max(1));
        let most = interval * u32::from(rate.burst.max(1)) + slack;
        let key = (caller, class, rpc);
        if !self.spent.contains_key(&key) && self.spent.len() >= self.crowded.max(64) {
            self.spent.retain(|_, full| *full > now);
            self.crowded = self.spent.len() * 2;
            if self.spent.len() >= limits::CALL_RATES {
                return false;
            }
        }
        let full = self.spent.entry(key).or_insert(now);
        let next = (*full).max(now) + interval;
        let within = next - now <= most;
        if within {
            *full = next;
        }
        within
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.spent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: CallRate = CallRate { per_second: 20, burst: 40 };

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut rates = CallRates::default();
        let mut take = |millis| rates.take(RATE, (MemberId(2), 0, 0), Instant::from_millis(millis), Duration::ZERO);
        assert_eq!((0..100).filter(|_| take(1_000)).count(), 40);
        assert_eq!((1_001..=2_000).filter(|t| take(*t)).count(), 20);
        assert_eq!((0..100).filter(|_| take(60_000)).count(), 40);
    }

    #[test]
    fn callers_and_rpcs_are_counted_apart_and_forgotten_when_silent() {
        let mut rates = CallRates::default();
        for second in 0..100 {
            for caller in 0..1_000 {
                let key = (MemberId(second * 1_000 + caller), 1, 2);
                assert!(rates.take(RATE, key, Instant::from_millis(u64::from(second) * 1_000), Duration::ZERO));
            }
        }
        assert!(rates.len() <= 2_000, "{}", rates.len());
    }
}
