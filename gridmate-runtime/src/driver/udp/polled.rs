//! A socket whose system calls the caller makes.

use std::net::{SocketAddr, UdpSocket};

use super::socket::{BUFFER_BYTES, Bound, Family, ReceiveFailure};
use crate::driver::{DriverError, DriverStats, canonical, is_movable};

/// Datagrams and errors taken off the socket in one `receive`, count. At some 2 µs each a flood costs the caller 4 ms a
/// call and no more; the rest waits in the system's buffer, or is dropped there.
const RECEIVES_PER_CALL: usize = 2_048;

/// Attempts at sending one datagram: some systems report an earlier datagram's bad news instead of sending this one.
const SEND_ATTEMPTS: usize = 2;

#[derive(Debug)]
pub(super) struct Polled {
    socket: UdpSocket,
    family: Family,
    buffer: Box<[u8; BUFFER_BYTES]>,
    stats: DriverStats,
    network_errors: u64,
}

impl Polled {
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            socket: bound.socket,
            family: bound.family,
            buffer: Box::new([0; BUFFER_BYTES]),
            stats: DriverStats::default(),
            network_errors: 0,
        }
    }

    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        for _ in 0..RECEIVES_PER_CALL {
            match self.socket.recv_from(&mut self.buffer[..]) {
                Ok((len, from)) if is_movable(len) => {
                    self.stats.received += 1;
                    self.stats.received_bytes += len as u64;
                    sink(canonical(from), &self.buffer[..len]);
                }
                Ok(_) => self.stats.receive_dropped += 1,
                Err(error) => match ReceiveFailure::of(error) {
                    ReceiveFailure::Empty => break,
                    ReceiveFailure::Interrupted => {}
                    ReceiveFailure::Oversized => self.stats.receive_dropped += 1,
                    ReceiveFailure::Network => self.network_errors += 1,
                    ReceiveFailure::Fatal(error) => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    /// Sends at once or not at all. A socket that failed for good shows in `receive`.
    pub(super) fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        if let Some(to) = self.family.address(to).filter(|_| is_movable(datagram.len())) {
            for _ in 0..SEND_ATTEMPTS {
                match self.socket.send_to(datagram, to) {
                    Ok(_) => {
                        self.stats.sent += 1;
                        self.stats.sent_bytes += datagram.len() as u64;
                        return;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(_) => self.network_errors += 1,
                }
            }
        }
        self.stats.send_dropped += 1;
    }

    pub(super) const fn stats(&self) -> DriverStats {
        self.stats
    }

    pub(super) const fn network_errors(&self) -> u64 {
        self.network_errors
    }
}
