//! Who has something to do: with ten thousand connections, only those are looked at.
//!
//! Each connection has a waker of its own, which puts the connection's number into one list and wakes the network thread's
//! only task. All of it happens on that thread: the lock is there for the type system and never waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// The list.
#[derive(Debug, Default)]
pub(super) struct Ready {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    woken: Vec<u32>,
    /// The task to wake for the next one; none when it has been.
    task: Option<Waker>,
}

/// One connection's way into the list.
#[derive(Debug)]
pub(super) struct Bell {
    index: u32,
    /// It is in the list already.
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    /// Whether anybody is in the list; if not, the context's task is woken as soon as somebody is.
    pub(super) fn poll(&self, context: &Context<'_>) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.woken.is_empty() && !inner.task.as_ref().is_some_and(|it| it.will_wake(context.waker())) {
            inner.task = Some(context.waker().clone());
        }
        !inner.woken.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).woken.is_empty()
    }

    /// Moves the list's numbers to the end of `to`. The connections are yet to be told, by [`Bell::answer`].
    pub(super) fn drain(&self, to: &mut std::collections::VecDeque<u32>) {
        to.extend(self.inner.lock().unwrap_or_else(PoisonError::into_inner).woken.drain(..));
    }
}

impl Bell {
    pub(super) fn new(index: u32, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { index, rung: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    /// The connection is about to be looked at: from here on it can ring again.
    pub(super) fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let mut inner = self.ready.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.woken.push(self.index);
            if let Some(task) = inner.task.take() {
                task.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_once_until_it_is_answered() {
        let ready = Arc::new(Ready::default());
        let (one, two) = (Bell::new(1, &ready), Bell::new(2, &ready));
        let mut list = std::collections::VecDeque::new();
        for bell in [&two, &one, &two, &one] {
            bell.wake_by_ref();
        }
        ready.drain(&mut list);
        assert_eq!(list, [2, 1]);
        one.wake_by_ref();
        assert!(ready.is_empty(), "nobody has looked yet");
        one.answer();
        one.wake_by_ref();
        ready.drain(&mut list);
        assert_eq!(list, [2, 1, 1]);
    }
}
