//! Counting: plain numbers where datagrams are moved, atomics where another thread wants to read them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Syscalls;
use crate::driver::DriverStats;

/// What one side counted since the driver was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) stats: DriverStats,
    pub(super) syscalls: Syscalls,
    /// Errors reported about single datagrams.
    pub(super) network_errors: u64,
}

impl Tally {
    /// Counts one datagram as sent.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.stats.sent += 1;
        self.stats.sent_bytes += bytes as u64;
    }
}

/// A [`Tally`] that one thread writes and any may read. Nothing hangs on the order of its numbers, so all are relaxed; as
/// only one thread writes, it stores what it knows instead of adding.
#[derive(Debug, Default)]
pub(super) struct Published {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    send_dropped: AtomicU64,
    receive_dropped: AtomicU64,
    send_calls: AtomicU64,
    receive_calls: AtomicU64,
    network_errors: AtomicU64,
}

impl Published {
    /// Shows all of `tally` but what was received: whoever takes the datagrams counts those.
    pub(super) fn store(&self, tally: &Tally) {
        let Tally { stats, syscalls, network_errors } = tally;
        self.sent.store(stats.sent, Ordering::Relaxed);
        self.sent_bytes.store(stats.sent_bytes, Ordering::Relaxed);
        self.send_dropped.store(stats.send_dropped, Ordering::Relaxed);
        self.receive_dropped.store(stats.receive_dropped, Ordering::Relaxed);
        self.send_calls.store(syscalls.send, Ordering::Relaxed);
        self.receive_calls.store(syscalls.receive, Ordering::Relaxed);
        self.network_errors.store(*network_errors, Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> Tally {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Tally {
            stats: DriverStats {
                sent: read(&self.sent),
                sent_bytes: read(&self.sent_bytes),
                send_dropped: read(&self.send_dropped),
                receive_dropped: read(&self.receive_dropped),
                ..DriverStats::default()
            },
            syscalls: Syscalls { send: read(&self.send_calls), receive: read(&self.receive_calls) },
            network_errors: read(&self.network_errors),
        }
    }
}
