//! The game's side of the network thread.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::runtime::Builder;

use super::TcpConfig;
use super::records::{Kind, Receiver, Sender, ring};
use super::shared::{Shared, read};
use super::thread::Worker;
use crate::driver::{DriverError, DriverStats};

/// Name of the thread in debuggers and profilers.
const THREAD_NAME: &str = "gridmate-tcp";

pub(super) struct Handle {
    shared: Arc<Shared>,
    arrived: Receiver,
    outgoing: Sender,
    /// Wake the thread when so many bytes are collected: it should be at work before the ring is full.
    announce_at: usize,
    max_datagram: usize,
    /// What this side counts; the thread counts the rest.
    stats: DriverStats,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// `config` is within its limits.
    pub(super) fn start(listener: Option<TcpListener>, config: TcpConfig) -> Result<Self, DriverError> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let (arrived_in, arrived_out) = ring(config.queue_bytes);
        let (outgoing_in, outgoing_out) = ring(config.queue_bytes);
        let shared = Arc::new(Shared::default());
        let worker = {
            let _inside = runtime.enter();
            let listener = listener.map(tokio::net::TcpListener::from_std).transpose()?;
            Worker::new(listener, config, Arc::clone(&shared), arrived_in, outgoing_out)
        };
        let thread = std::thread::Builder::new().name(THREAD_NAME.into()).spawn(move || {
            // A task, not the future that is blocked on: waking that one costs a system call, even from its own thread.
            let task = runtime.spawn(worker.run());
            // A panic has been reported, and the other side sees that the thread has ended.
            let _ = runtime.block_on(task);
        })?;
        Ok(Self {
            shared,
            arrived: arrived_out,
            outgoing: outgoing_in,
            announce_at: config.queue_bytes / 4,
            max_datagram: config.max_datagram,
            stats: DriverStats::default(),
            thread: Some(thread),
        })
    }

    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        // Asked before the ring is emptied: what arrived before the end is still handed over.
        let alive = self.check();
        let stats = &mut self.stats;
        self.arrived.take(|_, from, datagram| {
            stats.received += 1;
            stats.received_bytes += datagram.len() as u64;
            sink(from, datagram);
        });
        if self.shared.paused.load(Ordering::Acquire) && self.shared.paused.swap(false, Ordering::AcqRel) {
            self.shared.wake.notify_one();
        }
        alive
    }

    pub(super) fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        let len = datagram.len();
        if len == 0 || len > self.max_datagram || !self.outgoing.fits(len) {
            self.stats.send_dropped += 1;
            return Ok(());
        }
        self.outgoing.stage(Kind::Datagram, to, datagram);
        if self.outgoing.staged() >= self.announce_at { self.flush() } else { Ok(()) }
    }

    /// Passes on a wish about connections, after the datagrams sent before it.
    pub(super) fn tell(&mut self, kind: Kind, address: SocketAddr) -> Result<(), DriverError> {
        // Wishes find room where datagrams do not: the ring takes them as soon as the thread has emptied it.
        self.outgoing.stage(kind, address, &[]);
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<(), DriverError> {
        self.check()?;
        if self.outgoing.staged() > 0 {
            self.outgoing.push();
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

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn check(&self) -> Result<(), DriverError> {
        if self.shared.ended.load(Ordering::Acquire) { Err(DriverError::ThreadEnded) } else { Ok(()) }
    }

    fn stop(&mut self) {
        self.outgoing.push();
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

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on its own; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// A non-blocking socket that listens.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};

    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // Systems that cannot do both stay at IPv6 alone, which is what was asked for by name.
        let _ = socket.set_only_v6(!address.ip().is_unspecified());
    }
    // Old connections that the system still remembers do not keep a restarted server from its port. On Windows that goes
    // without saying, and the option would let two programs share one.
    if cfg!(not(windows)) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that may wait to be accepted, count: what a crowd opens at once while the thread is busy. The system may
/// have a lower limit.
const BACKLOG: i32 = 4_096;
