//! What the network thread does: wait for the sockets or a wake-up, then move what there is to move.

use core::time::Duration;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::inlet::{Inlet, Left};
use super::outlet::Outlet;
use super::ring::{Reader, Writer};
use super::shared::Shared;
use super::socket::Port;
use super::tally::Tally;
use crate::driver::Clock;

/// Datagrams received from a socket before the thread looks at what is to be sent, count: sending never waits longer than
/// some 0.5 ms for a flood.
const RECEIVES_PER_TURN: usize = 256;

/// Attempts at sending what is left when the thread is to stop, count. Room that does not come at once does not come.
const LAST_TURNS: usize = 4;

/// One socket of the thread's.
pub(super) struct Watched {
    pub(super) port: Port,
    /// The same socket again, for the runtime to say when it is ready.
    pub(super) readiness: UdpSocket,
    /// Several messages were there the last time.
    pub(super) busy: bool,
}

/// Whom to ask before a system call that may find nothing to do.
#[derive(Clone, Copy)]
enum Ask {
    /// The runtime: it knows, and has to learn when a socket turned out to be empty or full.
    Runtime,
    /// The system itself: for a thread that does not sleep.
    System,
}

/// The thread's possessions.
pub(super) struct Worker {
    pub(super) sockets: Vec<Watched>,
    pub(super) shared: Arc<Shared>,
    pub(super) arrived: Writer,
    pub(super) outgoing: Reader,
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
    pub(super) tally: Tally,
    /// The system's buffer was full: what is left in the ring goes when it has room again.
    pub(super) blocked: bool,
    /// How long to look for work before sleeping.
    pub(super) spin: Duration,
    /// Longest sleep, where not each flush wakes the thread.
    pub(super) period: Option<Duration>,
}

impl Worker {
    /// Runs until told to stop or until a socket fails.
    pub(super) async fn run(mut self) {
        // Tells the other side even if this thread panics.
        let _ended = EndOnDrop(Arc::clone(&self.shared));
        if let Err(error) = self.serve().await {
            self.shared.fail(error);
            return;
        }
        // What was queued before the stop, a farewell for instance, still goes out, as far as the system takes it.
        for _ in 0..LAST_TURNS {
            self.send_waiting(Ask::Runtime);
            if !self.blocked {
                break;
            }
            // Lets the runtime ask the system for room; a thread stopped young has not done so yet.
            tokio::task::yield_now().await;
        }
        self.shared.counts.store(&self.tally);
    }

    async fn serve(&mut self) -> io::Result<()> {
        while !self.shared.is_to_stop() {
            self.wait().await?;
            self.turn(Ask::Runtime)?;
            if !self.spin.is_zero() {
                self.stay_awake()?;
            }
        }
        Ok(())
    }

    /// Until there is something to receive, room to send what is stuck, a wake-up, or enough time has passed.
    async fn wait(&self) -> io::Result<()> {
        let mut woken = pin!(self.shared.wake.notified());
        let mut slept = pin!(async {
            match self.period {
                Some(period) => tokio::time::sleep(period).await,
                None => pending().await,
            }
        });
        poll_fn(|context| {
            // All of them are polled each time, so that each knows whom to wake.
            let mut ready = woken.as_mut().poll(context).is_ready();
            ready |= slept.as_mut().poll(context).is_ready();
            for socket in &self.sockets {
                if let Poll::Ready(result) = socket.readiness.poll_recv_ready(context) {
                    result?;
                    ready = true;
                }
            }
            if self.blocked
                && let Poll::Ready(result) = self.sockets[0].readiness.poll_send_ready(context)
            {
                result?;
                ready = true;
            }
            if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    /// Moves without sleeping until nothing has moved for as long as the thread is to spin.
    fn stay_awake(&mut self) -> io::Result<()> {
        let clock = Clock::start();
        let mut until = clock.now() + self.spin;
        while clock.now() < until && !self.shared.is_to_stop() {
            if self.turn(Ask::System)? {
                until = clock.now() + self.spin;
            } else {
                core::hint::spin_loop();
            }
        }
        Ok(())
    }

    /// Moves what there is to move; answers whether that was anything.
    fn turn(&mut self, ask: Ask) -> io::Result<bool> {
        let (sent, received) = (self.tally.stats.sent, self.tally.stats.received);
        self.send_waiting(ask);
        let result = self.receive_arrived(ask);
        self.arrived.publish();
        let received = self.tally.stats.received != received;
        if received {
            self.shared.wake_waiter();
        }
        self.shared.counts.store(&self.tally);
        result.map(|()| received || self.tally.stats.sent != sent)
    }

    fn send_waiting(&mut self, ask: Ask) {
        let Self { sockets, outgoing, outlet, tally, .. } = self;
        let Watched { port, readiness, .. } = &sockets[0];
        // What is waiting now and no more: a game that never stops sending must not keep the thread from receiving.
        let mut left = outgoing.waiting();
        if left > 0 {
            // That it fails is said by what is left: nothing but a full buffer makes it.
            let _ = ask.about(readiness, Interest::WRITABLE, || {
                while left > 0 {
                    let (all, done) = outgoing.take(left, |entries, bytes| outlet.send(port, entries, bytes, tally));
                    left -= done;
                    if !all {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                }
                Ok(())
            });
        }
        self.blocked = left > 0;
    }

    fn receive_arrived(&mut self, ask: Ask) -> io::Result<()> {
        let Self { sockets, arrived, inlet, tally, .. } = self;
        for Watched { port, readiness, busy } in sockets {
            let mut dropped = 0;
            let result = ask.about(readiness, Interest::READABLE, || {
                let left = inlet.receive(port, busy, RECEIVES_PER_TURN, tally, &mut |arrival| {
                    dropped += u64::from(!arrived.push(arrival.from, arrival.ecn, arrival.bytes));
                })?;
                match left {
                    Left::Maybe => Ok(()),
                    Left::Nothing => Err(io::ErrorKind::WouldBlock.into()),
                }
            });
            tally.stats.receive_dropped += dropped;
            match result {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Ask {
    /// Does `io`, which is to fail with `WouldBlock` when the socket has no more for it, unless that is known beforehand.
    fn about(self, socket: &UdpSocket, interest: Interest, io: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Runtime => socket.try_io(interest, io),
            Self::System => io(),
        }
    }
}

struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}
