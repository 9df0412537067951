//! The game's side of a socket that a network thread serves.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use tokio::net::UdpSocket;
use tokio::runtime::Builder;

use super::rings::{Receiver, Sender, rings};
use super::socket::{BUFFER_BYTES, Bound, Family};
use super::thread::{Shared, Worker};
use crate::driver::{DriverError, DriverStats, is_movable};

/// Largest queue that can be asked for, datagrams: 96 MiB each way.
const QUEUE_DATAGRAMS_MAX: usize = 65_536;

/// Name of the thread in debuggers and profilers.
const THREAD_NAME: &str = "gridmate-net";

pub(super) struct Threaded {
    shared: Arc<Shared>,
    arrived: Receiver,
    outgoing: Sender,
    family: Family,
    /// Datagrams queued since the thread was last woken, count.
    unannounced: usize,
    /// Wake the thread when that many are: it should be at work before the queue is full.
    announce_at: usize,
    /// What this side counts; the thread counts the rest.
    stats: DriverStats,
    thread: Option<JoinHandle<()>>,
}

impl Threaded {
    pub(super) fn start(bound: Bound, queue_datagrams: usize) -> Result<Self, DriverError> {
        let queue_datagrams = queue_datagrams.clamp(1, QUEUE_DATAGRAMS_MAX);
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let socket = {
            let _inside = runtime.enter();
            UdpSocket::from_std(bound.socket)?
        };
        let (arrived_in, arrived_out) = rings(queue_datagrams);
        let (outgoing_in, outgoing_out) = rings(queue_datagrams);
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            socket,
            shared: Arc::clone(&shared),
            arrived: arrived_in,
            outgoing: outgoing_out,
            stuck: None,
            scratch: Box::new([0; BUFFER_BYTES]),
        };
        let thread =
            std::thread::Builder::new().name(THREAD_NAME.into()).spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self {
            shared,
            arrived: arrived_out,
            outgoing: outgoing_in,
            family: bound.family,
            unannounced: 0,
            announce_at: queue_datagrams.div_ceil(4),
            stats: DriverStats::default(),
            thread: Some(thread),
        })
    }

    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        // Asked before the ring is emptied: what arrived before the end is still handed over.
        let alive = self.check();
        // What is waiting now and no more: a flood refills the ring while it is emptied.
        for _ in 0..self.arrived.waiting() {
            let Some(packet) = self.arrived.pop() else {
                break;
            };
            self.stats.received += 1;
            self.stats.received_bytes += packet.datagram().len() as u64;
            sink(packet.address, packet.datagram());
            self.arrived.recycle(packet);
        }
        alive
    }

    pub(super) fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        let to = self.family.address(to).filter(|_| is_movable(datagram.len()));
        if to.is_some_and(|to| self.outgoing.push_copy(to, datagram)) {
            self.unannounced += 1;
            if self.unannounced >= self.announce_at {
                return self.flush();
            }
        } else {
            self.stats.send_dropped += 1;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), DriverError> {
        self.check()?;
        if self.unannounced > 0 {
            self.unannounced = 0;
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> DriverStats {
        let counts = &self.shared.counts;
        DriverStats {
            sent: read(&counts.sent),
            sent_bytes: read(&counts.sent_bytes),
            send_dropped: self.stats.send_dropped + read(&counts.send_dropped),
            receive_dropped: read(&counts.receive_dropped),
            ..self.stats
        }
    }

    pub(super) fn network_errors(&self) -> u64 {
        read(&self.shared.counts.network_errors)
    }

    fn check(&self) -> Result<(), DriverError> {
        if !self.shared.ended.load(Ordering::Acquire) {
            return Ok(());
        }
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(failure.map_or(DriverError::ThreadEnded, DriverError::Socket))
    }

    fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake.notify_one();
    }

    #[cfg(test)]
    pub(super) fn shared_for_tests(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Ends the thread behind the driver's back.
    #[cfg(test)]
    pub(super) fn end_thread(&mut self) {
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on its own; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Threaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threaded").field("shared", &self.shared).finish_non_exhaustive()
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
