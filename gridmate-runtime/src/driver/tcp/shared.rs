//! What both threads see.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Wakes the thread: something is to be sent, there is room again for what comes, or it is to stop.
    pub(super) wake: Notify,
    pub(super) stop: AtomicBool,
    /// The thread is gone, whatever the reason.
    pub(super) ended: AtomicBool,
    /// The thread reads no more until the game has taken something and wakes it.
    pub(super) paused: AtomicBool,
    pub(super) counts: Counts,
    /// Whom there are open connections to. Locked when one comes or goes and when the program asks, never for a datagram.
    open: Mutex<BTreeSet<SocketAddr>>,
}

/// Counted by the network thread, read by anybody. Nothing hangs on their order, so all of them are relaxed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) send_dropped: AtomicU64,
    pub(super) receive_dropped: AtomicU64,
    pub(super) connection_errors: AtomicU64,
}

impl Shared {
    pub(super) fn open(&self) -> MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
