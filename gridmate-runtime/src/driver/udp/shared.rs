//! What the game's thread and the network thread both see, besides the rings.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};

use tokio::sync::Notify;

use super::tally::Published;
use crate::driver::DriverError;

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Wakes the thread: something is to be sent, or it is to stop.
    pub(super) wake: Notify,
    stop: AtomicBool,
    /// The thread is gone, whatever the reason.
    ended: AtomicBool,
    /// Why, when the socket is to blame.
    failure: Mutex<Option<io::Error>>,
    pub(super) counts: Published,
    /// Somebody sleeps until something arrives.
    waiting: AtomicBool,
    waiter: Mutex<Option<Thread>>,
}

impl Shared {
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_to_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn fail(&self, error: io::Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The thread is gone; nothing will arrive any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake_waiter();
    }

    /// Whether the thread is still there, and why not.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        if !self.ended.load(Ordering::Acquire) {
            return Ok(());
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(failure.map_or(DriverError::ThreadEnded, DriverError::Socket))
    }

    /// Says that the calling thread will sleep. What it waits for must be looked for once more after this.
    pub(super) fn announce_waiter(&self) {
        *self.waiter.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        self.waiting.store(true, Ordering::Relaxed);
        // Either this thread sees what the other did before its fence, or the other sees the line above after it.
        fence(Ordering::SeqCst);
    }

    pub(super) fn forget_waiter(&self) {
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Wakes whoever sleeps. What that thread waits for must have been done before.
    pub(super) fn wake_waiter(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed)
            && let Some(waiter) = &*self.waiter.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waiter.unpark();
        }
    }
}
