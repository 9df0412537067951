//! Whom this end may connect to, and not before when.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::time::Instant;

/// After the first failure, and the longest: each failure doubles it.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// How long a failure is remembered when nobody has asked for the address again.
const MEMORY: Duration = Duration::from_secs(60);

/// Addresses that connections are opened to when there is something to send.
#[derive(Debug)]
pub(super) struct Dialed {
    entries: BTreeMap<SocketAddr, Entry>,
    /// Count.
    max: usize,
    /// Any address may be connected to, without a word before: nothing needs to be remembered for long.
    any: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    not_before: Instant,
}

impl Dialed {
    pub(super) const fn new(max: usize, any: bool) -> Self {
        Self { entries: BTreeMap::new(), max, any }
    }

    /// Connections to `address` are wanted from now on. False when too many others are.
    pub(super) fn allow(&mut self, address: SocketAddr, now: Instant) -> bool {
        if !self.entries.contains_key(&address) {
            if self.entries.len() >= self.max && self.any {
                self.entries.retain(|_, entry| now < entry.not_before);
            }
            if self.entries.len() >= self.max {
                return false;
            }
            self.entries.insert(address, Entry { failures: 0, not_before: now });
        }
        true
    }

    /// Whether to connect to `address` now.
    pub(super) fn is_due(&mut self, address: SocketAddr, now: Instant) -> bool {
        match self.entries.get(&address) {
            Some(entry) => entry.not_before <= now,
            None => self.any && self.allow(address, now),
        }
    }

    /// A connection to `address` ended, or could not be made. It was `good` when something came over it.
    pub(super) fn ended(&mut self, address: SocketAddr, good: bool, now: Instant) {
        if self.any {
            // A connection may live longer than the memory of how it began.
            self.allow(address, now);
        }
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.failures = if good { 0 } else { entry.failures };
            let wait = BACK_OFF_MIN.saturating_mul(1 << entry.failures.min(16)).min(BACK_OFF_MAX);
            entry.failures = entry.failures.saturating_add(1);
            entry.not_before = now + wait;
        }
    }

    /// Connections to `address` are not wanted any more.
    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.entries.remove(&address);
    }

    /// Lets go of failures that are long past.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.any {
            self.entries.retain(|_, entry| now < entry.not_before + MEMORY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(5_000);

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn waits_longer_and_longer_until_something_is_heard() {
        let mut dialed = Dialed::new(8, true);
        assert!(dialed.is_due(address(1), NOW));
        let waits = [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000];
        for _ in 0..2 {
            for wait in waits {
                dialed.ended(address(1), false, NOW);
                assert!(!dialed.is_due(address(1), NOW + Duration::from_millis(wait - 1)));
                assert!(dialed.is_due(address(1), NOW + Duration::from_millis(wait)));
            }
            for _ in 0..40 {
                dialed.ended(address(1), false, NOW);
            }
            dialed.ended(address(1), true, NOW);
            assert!(dialed.is_due(address(1), NOW + BACK_OFF_MIN));
            dialed.forget(address(1));
            assert!(dialed.is_due(address(1), NOW));
        }
    }

    #[test]
    fn only_a_client_connects_unasked() {
        let mut dialed = Dialed::new(2, false);
        assert!(!dialed.is_due(address(1), NOW));
        assert!(dialed.allow(address(1), NOW) && dialed.allow(address(2), NOW) && dialed.allow(address(1), NOW));
        assert!(!dialed.allow(address(3), NOW), "two are enough");
        dialed.sweep(NOW + MEMORY * 2);
        assert!(dialed.is_due(address(1), NOW), "asked for by name, so kept");
        dialed.forget(address(1));
        assert!(!dialed.is_due(address(1), NOW) && dialed.allow(address(3), NOW));
    }

    #[test]
    fn a_client_forgets_old_addresses_for_new_ones() {
        let mut dialed = Dialed::new(2, true);
        assert!(dialed.is_due(address(1), NOW) && dialed.is_due(address(2), NOW));
        for port in [1, 2] {
            dialed.ended(address(port), false, NOW);
        }
        assert!(!dialed.is_due(address(3), NOW), "both wait");
        assert!(dialed.is_due(address(3), NOW + BACK_OFF_MIN));
        dialed.sweep(NOW + MEMORY);
        assert_eq!(dialed.entries.len(), 1);
        dialed.sweep(NOW + MEMORY + BACK_OFF_MIN);
        assert!(dialed.entries.is_empty(), "none has failed of late");
        dialed.ended(address(1), true, NOW);
        assert!(!dialed.is_due(address(1), NOW), "known again");
    }
}
