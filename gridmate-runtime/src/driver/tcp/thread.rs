//! The network thread's loop: wait until somebody has something to do, then let each have a turn.

use core::time::Duration;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Interval, MissedTickBehavior};

use super::TcpConfig;
use super::net::Net;
use super::records::{Receiver, Sender};
use super::shared::{Shared, count};
use crate::driver::Clock;

/// Connections that get a turn before the thread looks at what is to be sent, count.
const LOOKS_PER_TURN: usize = 256;

/// Connections accepted before the others have their turn, count.
const ACCEPTS_PER_TURN: usize = 64;

/// Timeouts are exact to one part in so many.
const SWEEPS_PER_TIMEOUT: u32 = 8;

/// The shortest and the longest time between two looks at the timeouts.
const SWEEP_MIN: Duration = Duration::from_millis(5);
const SWEEP_MAX: Duration = Duration::from_secs(1);

/// How long the thread, told to stop, waits for peers to take what was queued.
const LINGER: Duration = Duration::from_millis(200);

/// The thread's possessions.
pub(super) struct Worker {
    net: Net,
    shared: Arc<Shared>,
    outgoing: Receiver,
    listener: Option<TcpListener>,
    /// The system has no room for more connections; asked again after the next sweep.
    accepts_paused: bool,
    accepted: Vec<(TcpStream, SocketAddr)>,
    /// Those that rang and had no turn yet.
    waiting: VecDeque<u32>,
    sweep: Interval,
    sweep_due: bool,
    clock: Clock,
}

impl Worker {
    /// Called inside the runtime that will run it.
    pub(super) fn new(
        listener: Option<TcpListener>,
        config: TcpConfig,
        shared: Arc<Shared>,
        arrived: Sender,
        outgoing: Receiver,
    ) -> Self {
        let timeout = config.idle_timeout.min(config.connect_timeout);
        let mut sweep = tokio::time::interval((timeout / SWEEPS_PER_TIMEOUT).clamp(SWEEP_MIN, SWEEP_MAX));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            net: Net::new(config, listener.is_none(), Arc::clone(&shared), arrived),
            shared,
            outgoing,
            listener,
            accepts_paused: false,
            accepted: Vec::new(),
            waiting: VecDeque::new(),
            sweep,
            sweep_due: false,
            clock: Clock::start(),
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        // Tells the other side even if this thread panics.
        let _ended = SetOnDrop(Arc::clone(&self.shared));
        // Turns are bounded here; tokio's own count, meant for tasks that do one thing, would only add to that.
        tokio::task::unconstrained(async {
            while !self.shared.stop.load(Ordering::Acquire) {
                self.turn();
                let busy = !self.waiting.is_empty() || !self.net.ready.is_empty();
                if busy {
                    // Lets the runtime ask the system who else has something to do.
                    tokio::task::yield_now().await;
                }
                self.wait(busy).await;
            }
            self.finish().await;
        })
        .await;
    }

    fn turn(&mut self) {
        let net = &mut self.net;
        net.now = self.clock.now();
        for (stream, address) in self.accepted.drain(..) {
            net.accept(stream, address);
        }
        self.outgoing.take(|kind, address, datagram| net.handle(kind, address, datagram));
        net.write_dirty();
        net.ready.drain(&mut self.waiting);
        for _ in 0..LOOKS_PER_TURN {
            let Some(index) = self.waiting.pop_front() else { break };
            net.look_at(index);
        }
        net.publish();
        if core::mem::take(&mut self.sweep_due) {
            net.sweep();
            self.accepts_paused = false;
        }
    }

    /// Until somebody has something to do.
    async fn wait(&mut self, busy: bool) {
        let mut woken = pin!(self.shared.wake.notified());
        let ready_list = &self.net.ready;
        poll_fn(|context| {
            // All of them are polled each time, so that each knows whom to wake.
            let mut ready = busy | woken.as_mut().poll(context).is_ready() | ready_list.poll(context);
            if self.sweep.poll_tick(context).is_ready() {
                (self.sweep_due, ready) = (true, true);
            }
            if let Some(listener) = self.listener.as_ref().filter(|_| !self.accepts_paused) {
                for _ in 0..ACCEPTS_PER_TURN {
                    let Poll::Ready(result) = listener.poll_accept(context) else { break };
                    ready = true;
                    match result {
                        Ok(accepted) => self.accepted.push(accepted),
                        Err(error) => {
                            count(&self.shared.counts.connection_errors, 1);
                            // What one peer did is over; a shortage is not, and asking on would be all we do.
                            self.accepts_paused = !is_peers_doing(&error);
                            break;
                        }
                    }
                }
            }
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// What was queued before the stop, a farewell for instance, still goes out, as far as peers take it soon.
    async fn finish(&mut self) {
        let net = &mut self.net;
        self.outgoing.take(|kind, address, datagram| net.handle(kind, address, datagram));
        let written = async {
            while !net.write_all() {
                self.waiting.clear();
                poll_fn(|context| if net.ready.poll(context) { Poll::Ready(()) } else { Poll::Pending }).await;
                net.ready.drain(&mut self.waiting);
                // Nobody hurries: those that rang for other reasons must not keep this loop spinning.
                tokio::task::yield_now().await;
            }
        };
        // Peers that take nothing for so long have lost the rest; it is counted.
        let _ = tokio::time::timeout(LINGER, written).await;
        self.net.close();
    }
}

fn is_peers_doing(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::ConnectionAborted | Kind::ConnectionReset | Kind::Interrupted)
}

struct SetOnDrop(Arc<Shared>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}
