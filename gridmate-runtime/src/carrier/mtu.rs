//! How large a datagram the path takes: found out upwards by probes, downwards by what vanishes (RFC 8899).
//!
//! A connection begins with [`limits::DATAGRAM_BYTES`]. A probe is a packet filled up with zeros; one that is acknowledged makes
//! its size the new one, three lost in a row rule it out. The largest size is tried first, since most paths take it; then the gap
//! is halved until it is small. When several large packets in a row are lost while nothing large arrives, the path has
//! changed: the size falls back at once, and the search begins anew a minute later.

use core::time::Duration;

use super::due::Due;
use crate::limits;
use crate::time::Instant;

const BASE: usize = limits::DATAGRAM_BYTES;

/// Probes of one size that may be lost before it counts as too large, count.
const ATTEMPTS: u8 = 3;

/// Large packets lost in a row after which the path counts as a black hole for them, count.
const VANISHED: u8 = 6;

/// A difference not worth a probe, bytes.
const NEAR: usize = 16;

/// Pause between two probes, and before a search begins anew.
const PAUSE: Duration = Duration::from_millis(200);
const AGAIN: Duration = Duration::from_secs(60);

/// What is known about the path of one connection.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Mtu {
    next: Due,
    current: u16,
    /// Smallest size known or taken to be too large.
    too_large: u16,
    /// Largest size of interest.
    most: u16,
    failed: u8,
    vanished: u8,
    probing: bool,
}

impl Mtu {
    /// Knows nothing yet and wants to know about sizes up to `most`.
    pub(super) fn new(now: Instant, most: usize) -> Self {
        let most = narrow(most.clamp(BASE, limits::DATAGRAM_BYTES_MAX));
        let next = (usize::from(most) > BASE).then_some(now + PAUSE).into();
        Self { current: narrow(BASE), too_large: most + 1, most, failed: 0, vanished: 0, probing: false, next }
    }

    /// Largest datagram to send, bytes.
    pub(super) const fn current(&self) -> usize {
        self.current as usize
    }

    /// Bytes of the largest message that such a datagram takes, alone or with a usual acknowledgement.
    pub(super) const fn largest_message(&self) -> usize {
        largest_message(self.current())
    }

    /// When the next probe is due.
    pub(super) const fn next(&self) -> Due {
        self.next
    }

    /// The size of a probe that is to be sent now.
    pub(super) fn probe(&mut self, now: Instant) -> Option<usize> {
        if self.probing || !self.next.is_due(now) {
            return None;
        }
        self.probing = true;
        self.next = Due::NEVER;
        Some(usize::from(self.candidate()))
    }

    /// A packet of `size` arrived.
    pub(super) fn on_acked(&mut self, now: Instant, size: usize, was_probe: bool) {
        if size > BASE {
            self.vanished = 0;
        }
        if was_probe {
            self.probing = false;
            self.failed = 0;
            self.current = self.current.max(narrow(size)).min(self.most);
            self.go_on(now);
        }
    }

    /// A packet of `size` was lost.
    pub(super) fn on_lost(&mut self, now: Instant, size: usize, was_probe: bool) {
        if was_probe {
            self.probing = false;
            self.failed += 1;
            if self.failed >= ATTEMPTS {
                self.failed = 0;
                self.too_large = self.too_large.min(narrow(size)).max(self.current + 1);
            }
            self.go_on(now);
        } else if size > BASE {
            self.vanished += 1;
            if self.vanished >= VANISHED {
                self.vanished = 0;
                self.current = narrow(BASE);
                self.start_again(now);
            }
        }
    }

    /// The path is another one.
    pub(super) fn reset(&mut self, now: Instant) {
        *self = Self::new(now, usize::from(self.most));
    }

    fn start_again(&mut self, now: Instant) {
        self.too_large = self.most + 1;
        self.failed = 0;
        self.next = Due::at(now + AGAIN);
    }

    fn go_on(&mut self, now: Instant) {
        let gap = usize::from(self.too_large - self.current);
        self.next = (gap > NEAR && self.current < self.most).then_some(now + PAUSE).into();
    }

    fn candidate(&self) -> u16 {
        if self.too_large > self.most { self.most } else { u16::midpoint(self.current, self.too_large) }
    }
}

/// Bytes of the largest message that a datagram of a size takes, alone or with a usual acknowledgement.
pub(super) const fn largest_message(datagram: usize) -> usize {
    datagram.saturating_sub(limits::DATAGRAM_BYTES - limits::SEGMENT_BYTES)
}

fn narrow(size: usize) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches on a path that takes datagrams up to `path`; returns the probes it took.
    fn search(mtu: &mut Mtu, now: &mut Instant, path: usize) -> usize {
        let mut probes = 0;
        while mtu.next().is_set() {
            let next = mtu.next().moment();
            if next.saturating_since(*now) > Duration::from_secs(10) {
                break;
            }
            *now = next;
            let size = mtu.probe(*now).unwrap();
            assert!(mtu.probe(*now).is_none(), "one at a time");
            probes += 1;
            if size <= path {
                mtu.on_acked(*now, size, true);
            } else {
                mtu.on_lost(*now, size, true);
            }
        }
        probes
    }

    #[test]
    fn it_finds_what_the_path_takes() {
        for path in [1_200, 1_201, 1_250, 1_280, 1_350, 1_399, 1_452, 1_471, 1_472, 9_000] {
            let mut now = Instant::from_millis(5);
            let mut mtu = Mtu::new(now, 1_472);
            assert_eq!(mtu.current(), 1_200);
            let probes = search(&mut mtu, &mut now, path);
            let found = mtu.current();
            assert!(found <= path && (found + NEAR >= path || found == 1_472), "{found} on {path}");
            assert!(probes <= 20 && (path < 1_472 || probes == 1), "{probes} probes for {path}");
        }
    }

    #[test]
    fn a_black_hole_is_noticed_and_forgiven() {
        let mut now = Instant::ZERO;
        let mut mtu = Mtu::new(now, 1_472);
        search(&mut mtu, &mut now, 1_472);
        for _ in 0..VANISHED - 1 {
            mtu.on_lost(now, 1_472, false);
        }
        mtu.on_acked(now, 1_300, false);
        (0..VANISHED - 1).for_each(|_| mtu.on_lost(now, 1_472, false));
        assert_eq!(mtu.current(), 1_472, "large ones did arrive");
        mtu.on_acked(now, 100, false);
        mtu.on_lost(now, 1_472, false);
        assert_eq!(mtu.current(), 1_200);
        assert_eq!(mtu.next(), Due::at(now + AGAIN));
        now += AGAIN;
        search(&mut mtu, &mut now, 1_300);
        assert!((1_284..=1_300).contains(&mtu.current()));
    }

    #[test]
    fn a_driver_that_takes_no_more_is_not_probed() {
        assert_eq!(Mtu::new(Instant::ZERO, 1_000).next(), Due::NEVER);
        assert_eq!(Mtu::new(Instant::ZERO, 1_200).next(), Due::NEVER);
    }
}
