//! What the network thread does: wait for the socket or a wake-up, then move what there is to move.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::rings::{Packet, Receiver, Sender};
use super::socket::{BUFFER_BYTES, ReceiveFailure};
use crate::driver::{canonical, is_movable};

/// Datagrams received before the thread looks at what is to be sent, count: sending never waits longer than some 0.5 ms
/// for a flood.
const RECEIVES_PER_TURN: usize = 256;

/// Attempts at sending what is left when the thread is to stop, count. Room that does not come at once does not come.
const LAST_TURNS: usize = 4;

/// What both threads see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Wakes the thread: something is to be sent, or it is to stop.
    pub(super) wake: Notify,
    pub(super) stop: AtomicBool,
    /// The thread is gone, whatever the reason.
    pub(super) ended: AtomicBool,
    /// Why, when the socket is to blame.
    pub(super) failure: Mutex<Option<io::Error>>,
    pub(super) counts: Counts,
}

/// Counted by the network thread, read by anybody. Nothing hangs on their order, so all of them are relaxed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) send_dropped: AtomicU64,
    pub(super) receive_dropped: AtomicU64,
    pub(super) network_errors: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

/// The thread's possessions.
pub(super) struct Worker {
    pub(super) socket: UdpSocket,
    pub(super) shared: Arc<Shared>,
    pub(super) arrived: Sender,
    pub(super) outgoing: Receiver,
    /// Taken from the ring while the system's buffer was full; goes first when it has room again.
    pub(super) stuck: Option<Box<Packet>>,
    /// Where datagrams go that no buffer is left for.
    pub(super) scratch: Box<[u8; BUFFER_BYTES]>,
}

impl Worker {
    /// Runs until told to stop or until the socket fails.
    pub(super) async fn run(mut self) {
        // Tells the other side even if this thread panics.
        let _ended = SetOnDrop(Arc::clone(&self.shared));
        while !self.shared.stop.load(Ordering::Acquire) {
            let turn = match self.wait().await {
                Ok(()) => {
                    self.send_waiting();
                    self.receive_arrived()
                }
                Err(error) => Err(error),
            };
            if let Err(error) = turn {
                *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
        }
        // What was queued before the stop, a farewell for instance, still goes out, as far as the system takes it.
        for _ in 0..LAST_TURNS {
            self.send_waiting();
            if self.stuck.is_none() {
                break;
            }
            // Lets the runtime ask the system for room; a thread stopped young has not done so yet.
            tokio::task::yield_now().await;
        }
    }

    /// Until there is something to receive, room to send what is stuck, or a wake-up.
    async fn wait(&self) -> io::Result<()> {
        let mut woken = pin!(self.shared.wake.notified());
        poll_fn(|context| {
            // All of them are polled each time, so that each knows whom to wake.
            let mut ready = woken.as_mut().poll(context).is_ready();
            if let Poll::Ready(result) = self.socket.poll_recv_ready(context) {
                result?;
                ready = true;
            }
            if self.stuck.is_some()
                && let Poll::Ready(result) = self.socket.poll_send_ready(context)
            {
                result?;
                ready = true;
            }
            if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    fn send_waiting(&mut self) {
        while let Some(packet) = self.stuck.take().or_else(|| self.outgoing.pop()) {
            let counts = &self.shared.counts;
            let mut result = self.socket.try_send_to(packet.datagram(), packet.address);
            if is_refusal(&result) {
                // Some systems report an earlier datagram's bad news instead of sending this one.
                count(&counts.network_errors, 1);
                result = self.socket.try_send_to(packet.datagram(), packet.address);
            }
            match result {
                Ok(_) => {
                    count(&counts.sent, 1);
                    count(&counts.sent_bytes, packet.datagram().len());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck = Some(packet);
                    return;
                }
                Err(_) => {
                    count(&counts.network_errors, 1);
                    count(&counts.send_dropped, 1);
                }
            }
            self.outgoing.recycle(packet);
        }
    }

    fn receive_arrived(&mut self) -> io::Result<()> {
        for _ in 0..RECEIVES_PER_TURN {
            let mut packet = self.arrived.take();
            let room = packet.as_mut().map_or(&mut self.scratch[..], |packet| packet.room());
            let result = self.socket.try_recv_from(room);
            let counts = &self.shared.counts;
            match (result, packet) {
                (Ok((len, from)), Some(mut packet)) if is_movable(len) => {
                    packet.address = canonical(from);
                    packet.set_len(len);
                    self.arrived.push(packet);
                }
                (Ok(_), unused) => {
                    count(&counts.receive_dropped, 1);
                    self.keep(unused);
                }
                (Err(error), unused) => {
                    self.keep(unused);
                    let counts = &self.shared.counts;
                    match ReceiveFailure::of(error) {
                        ReceiveFailure::Empty => return Ok(()),
                        ReceiveFailure::Interrupted => {}
                        ReceiveFailure::Oversized => count(&counts.receive_dropped, 1),
                        ReceiveFailure::Network => count(&counts.network_errors, 1),
                        ReceiveFailure::Fatal(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, unused: Option<Box<Packet>>) {
        if let Some(packet) = unused {
            self.arrived.give_back(packet);
        }
    }
}

fn is_refusal(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() != io::ErrorKind::WouldBlock)
}

struct SetOnDrop(Arc<Shared>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}
