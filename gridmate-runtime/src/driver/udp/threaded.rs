//! The game's side of sockets that a network thread serves.

use core::time::Duration;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tokio::net::UdpSocket;
use tokio::runtime::Builder;

use super::inlet::Inlet;
use super::outlet::Outlet;
use super::ring::{Reader, Writer, ring};
use super::shared::Shared;
use super::socket::{Bound, Family};
use super::tally::Tally;
use super::thread::{Watched, Worker};
use super::{ThreadSetup, UdpConfig, Wake, setup};
use crate::driver::{Arrival, Clock, DriverError, DriverStats, Ecn, is_movable};

/// Largest queue that can be asked for, datagrams: 96 MiB each way.
const QUEUE_DATAGRAMS_MAX: usize = 65_536;

/// Longest sleep of a thread that is not woken at each flush.
const PERIOD: Duration = Duration::from_millis(1);

/// Name of the thread in debuggers and profilers.
const THREAD_NAME: &str = "gridmate-net";

pub(super) struct Threaded {
    shared: Arc<Shared>,
    arrived: Reader,
    outgoing: Writer,
    family: Family,
    setup: ThreadSetup,
    /// Datagrams queued since the thread was last woken, count.
    unannounced: usize,
    /// Flushes wake the thread when that many are.
    wake_at: usize,
    /// So does a send: the thread should be at work before the queue is full.
    hurry_at: usize,
    /// What this side counts; the thread counts the rest.
    stats: DriverStats,
    thread: Option<JoinHandle<()>>,
}

impl Threaded {
    pub(super) fn start(bound: Bound, config: UdpConfig) -> Result<Self, DriverError> {
        let queue_datagrams = config.queue_datagrams.clamp(1, QUEUE_DATAGRAMS_MAX);
        let hurry_at = queue_datagrams.div_ceil(4);
        let (wake_at, period) = match config.wake {
            Wake::Instant => (1, None),
            Wake::Batched { datagrams } => (datagrams.clamp(1, hurry_at), Some(PERIOD)),
        };
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let outlet = Outlet::new(&bound.ports[0], config.ecn);
        let sockets = {
            let _inside = runtime.enter();
            bound
                .ports
                .into_iter()
                .map(|port| {
                    Ok(Watched { readiness: UdpSocket::from_std(port.socket.try_clone()?)?, port, busy: false })
                })
                .collect::<Result<_, std::io::Error>>()?
        };
        let (arrived_in, arrived_out) = ring(queue_datagrams);
        let (outgoing_in, outgoing_out) = ring(queue_datagrams);
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            sockets,
            shared: Arc::clone(&shared),
            arrived: arrived_in,
            outgoing: outgoing_out,
            inlet: Inlet::new(config.ecn),
            outlet,
            tally: Tally::default(),
            blocked: false,
            spin: config.spin,
            period,
        };
        let (tell, told) = sync_channel(1);
        let thread = std::thread::Builder::new().name(THREAD_NAME.into()).spawn(move || {
            // There is always somebody to tell: the line below waits for it.
            let _ = tell.send(setup::apply(&config));
            runtime.block_on(worker.run());
        })?;
        let setup = told.recv().unwrap_or_default();
        Ok(Self {
            shared,
            arrived: arrived_out,
            outgoing: outgoing_in,
            family: bound.family,
            setup,
            unannounced: 0,
            wake_at,
            hurry_at,
            stats: DriverStats::default(),
            thread: Some(thread),
        })
    }

    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        // Asked before the ring is emptied: what arrived before the end is still handed over.
        let alive = self.shared.check();
        // What is waiting now and no more: a flood refills the ring while it is emptied.
        let mut left = self.arrived.waiting();
        while left > 0 {
            let stats = &mut self.stats;
            let (_, done) = self.arrived.take(left, |entries, bytes| {
                let mut rest = bytes;
                for entry in entries {
                    let (bytes, others) = rest.split_at(entry.len.into());
                    stats.received += 1;
                    stats.received_bytes += bytes.len() as u64;
                    sink(Arrival { from: entry.address, ecn: entry.ecn, bytes });
                    rest = others;
                }
                entries.len()
            });
            left -= done;
        }
        alive
    }

    pub(super) fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        let to = self.family.address(to).filter(|_| is_movable(datagram.len()));
        if to.is_some_and(|to| self.outgoing.push(to, Ecn::NotCapable, datagram)) {
            self.unannounced += 1;
            if self.unannounced >= self.hurry_at {
                return self.flush();
            }
        } else {
            self.stats.send_dropped += 1;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), DriverError> {
        self.shared.check()?;
        self.outgoing.publish();
        if self.unannounced >= self.wake_at {
            self.unannounced = 0;
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    pub(super) fn wait(&self, timeout: Duration) -> Result<bool, DriverError> {
        let clock = Clock::start();
        let deadline = clock.now() + timeout;
        let arrived = loop {
            self.shared.announce_waiter();
            if self.arrived.waiting() > 0 {
                break Ok(true);
            }
            let left = deadline - clock.now();
            match self.shared.check() {
                Ok(()) if !left.is_zero() => std::thread::park_timeout(left),
                alive => break alive.map(|()| false),
            }
        };
        self.shared.forget_waiter();
        arrived
    }

    pub(super) const fn setup(&self) -> ThreadSetup {
        self.setup
    }

    /// What both sides counted.
    pub(super) fn tally(&self) -> Tally {
        let Tally { stats, syscalls, network_errors } = self.shared.counts.load();
        let stats = DriverStats {
            received: self.stats.received,
            received_bytes: self.stats.received_bytes,
            send_dropped: self.stats.send_dropped + stats.send_dropped,
            ..stats
        };
        Tally { stats, syscalls, network_errors }
    }

    #[cfg(test)]
    pub(super) fn shared_for_tests(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Ends the thread behind the driver's back.
    #[cfg(test)]
    pub(super) fn end_thread(&mut self) {
        self.shared.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        // A farewell that nobody flushed still goes out.
        self.outgoing.publish();
        self.shared.stop();
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
