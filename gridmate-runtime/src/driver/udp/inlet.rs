//! Receiving: as many datagrams per system call as the system has, each handed on as if it had come alone.
//!
//! Where one datagram arrives at a time, a plain receive is the cheapest; where many do, a list of buffers is, each of which
//! the system fills with a whole run of datagrams from one sender. What the last call found decides what this one begins
//! with.

use std::array;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use quinn_udp::{BATCH_SIZE, RecvMeta};

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::single;
use super::socket::{Port, ReceiveFailure};
use super::tally::Tally;
use crate::driver::{Arrival, Ecn, canonical, is_movable};

/// One buffer, bytes: the longest that the system makes of merged datagrams.
const BUFFER_BYTES: usize = 64 << 10;

/// Whether a call that fills fewer buffers than it was given has emptied the socket. Elsewhere each call fills one.
const FEWER_IS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What one buffer was filled with: datagrams of `stride` bytes each, the last of which may be shorter.
pub(super) struct Message {
    pub(super) from: SocketAddr,
    pub(super) ecn: Ecn,
    pub(super) len: usize,
    pub(super) stride: usize,
}

/// Whether there may be more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    Maybe,
}

/// Where datagrams come in. One serves any number of sockets in turn.
#[derive(Debug)]
pub(super) struct Inlet {
    /// `BATCH_SIZE` buffers in a row. Those never filled cost no memory.
    buffers: Vec<u8>,
    filled: Box<[RecvMeta; BATCH_SIZE]>,
    /// Whether anybody wants to know of marks.
    ecn: bool,
}

impl Inlet {
    pub(super) fn new(ecn: bool) -> Self {
        Self { ecn, buffers: vec![0; BATCH_SIZE * BUFFER_BYTES], filled: Box::new([RecvMeta::default(); BATCH_SIZE]) }
    }

    /// Hands on what has arrived at `port` until that is all or `most` datagrams and errors were met. `busy` is whether
    /// several messages were there the last time.
    ///
    /// An error is one after which the socket is of no more use.
    pub(super) fn receive(
        &mut self,
        port: &Port,
        busy: &mut bool,
        most: usize,
        tally: &mut Tally,
        sink: &mut dyn FnMut(Arrival<'_>),
    ) -> io::Result<Left> {
        let mut met = 0;
        // One of several is what a list is called for after.
        let mut messages = usize::from(!*busy);
        if !*busy && let Some(left) = self.receive_one(port, &mut met, tally, sink)? {
            return Ok(left);
        }
        while met < most {
            match self.receive_list(port, tally) {
                Ok(count) => {
                    for (meta, buffer) in self.filled.iter().zip(self.buffers.chunks_exact(BUFFER_BYTES)).take(count) {
                        let ecn =
                            meta.ecn.filter(|_| self.ecn).map_or(Ecn::NotCapable, |mark| Ecn::from_bits(mark as u8));
                        let message = Message { from: meta.addr, ecn, len: meta.len, stride: meta.stride };
                        met += hand_on(&message, buffer, tally, sink);
                    }
                    messages += count;
                    if FEWER_IS_ALL && count < BATCH_SIZE {
                        *busy = messages > 1;
                        return Ok(Left::Nothing);
                    }
                }
                Err(error) => {
                    met += 1;
                    if count_failure(error, tally)? == Left::Nothing {
                        *busy = messages > 1;
                        return Ok(Left::Nothing);
                    }
                }
            }
        }
        *busy = true;
        Ok(Left::Maybe)
    }

    /// Kept apart: its lists take several KiB of stack, which a call that needs none should not have to step over.
    #[inline(never)]
    fn receive_list(&mut self, port: &Port, tally: &mut Tally) -> io::Result<usize> {
        let mut buffers = self.buffers.chunks_exact_mut(BUFFER_BYTES);
        let mut list: [_; BATCH_SIZE] = array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
        tally.syscalls.receive += 1;
        port.state.recv(port.as_ref(), &mut list, &mut self.filled[..])
    }

    /// Receives one message the cheap way; `None` when there is more and a list is called for.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn receive_one(
        &mut self,
        port: &Port,
        met: &mut usize,
        tally: &mut Tally,
        sink: &mut dyn FnMut(Arrival<'_>),
    ) -> io::Result<Option<Left>> {
        let buffer = &mut self.buffers[..BUFFER_BYTES];
        tally.syscalls.receive += 1;
        let failure = match single::receive(&port.socket, buffer) {
            Ok(message) => {
                *met += hand_on(&message, buffer, tally, sink);
                tally.syscalls.receive += 1;
                match single::more(&port.socket) {
                    Ok(true) => return Ok(None),
                    Ok(false) => return Ok(Some(Left::Nothing)),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        *met += 1;
        Ok(match count_failure(failure, tally)? {
            Left::Nothing => Some(Left::Nothing),
            Left::Maybe => None,
        })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const fn receive_one(
        &mut self,
        _: &Port,
        _: &mut usize,
        _: &mut Tally,
        _: &mut dyn FnMut(Arrival<'_>),
    ) -> io::Result<Option<Left>> {
        Ok(None)
    }
}

/// Hands on the datagrams of one message; answers how many there were.
fn hand_on(message: &Message, buffer: &[u8], tally: &mut Tally, sink: &mut dyn FnMut(Arrival<'_>)) -> usize {
    if message.len == 0 {
        tally.stats.receive_dropped += 1;
        return 1;
    }
    let from = canonical(message.from);
    let mut count = 0;
    for bytes in buffer[..message.len].chunks(message.stride.max(1)) {
        count += 1;
        if is_movable(bytes.len()) {
            tally.stats.received += 1;
            tally.stats.received_bytes += bytes.len() as u64;
            sink(Arrival { from, ecn: message.ecn, bytes });
        } else {
            tally.stats.receive_dropped += 1;
        }
    }
    count
}

/// Counts a failure that is none of the socket's, and says whether to go on.
fn count_failure(error: io::Error, tally: &mut Tally) -> io::Result<Left> {
    match ReceiveFailure::of(error) {
        ReceiveFailure::Empty => return Ok(Left::Nothing),
        ReceiveFailure::Interrupted => {}
        ReceiveFailure::Oversized => tally.stats.receive_dropped += 1,
        ReceiveFailure::Network => tally.network_errors += 1,
        ReceiveFailure::Fatal(error) => return Err(error),
    }
    Ok(Left::Maybe)
}
