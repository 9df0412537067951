//! Sockets whose system calls the caller makes.

use core::time::Duration;
use std::net::SocketAddr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use smallvec::SmallVec;

use super::batch::Batch;
use super::inlet::Inlet;
use super::outlet::Outlet;
use super::socket::{Bound, Family, Port};
use super::tally::Tally;
use crate::driver::{Arrival, Clock, DriverError, is_movable};

/// Datagrams and errors taken off a socket in one `receive`, count. At some 2 µs each a flood costs the caller 4 ms a
/// call and no more; the rest waits in the system's buffer, or is dropped there.
const RECEIVES_PER_CALL: usize = 2_048;

#[derive(Debug)]
pub(super) struct Polled {
    /// Each with whether several messages were there the last time.
    ports: Vec<(Port, bool)>,
    family: Family,
    inlet: Inlet,
    outlet: Outlet,
    waiting: Batch,
    tally: Tally,
}

impl Polled {
    pub(super) fn new(bound: Bound, ecn: bool) -> Self {
        Self {
            outlet: Outlet::new(&bound.ports[0], ecn),
            ports: bound.ports.into_iter().map(|port| (port, false)).collect(),
            family: bound.family,
            inlet: Inlet::new(ecn),
            waiting: Batch::new(),
            tally: Tally::default(),
        }
    }

    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        for (port, busy) in &mut self.ports {
            self.inlet.receive(port, busy, RECEIVES_PER_CALL, &mut self.tally, sink)?;
        }
        Ok(())
    }

    /// A socket that failed for good shows in `receive`.
    pub(super) fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        let Some(to) = self.family.address(to).filter(|_| is_movable(datagram.len())) else {
            self.tally.stats.send_dropped += 1;
            return;
        };
        if !self.waiting.push(to, datagram) {
            self.flush();
            let pushed = self.waiting.push(to, datagram);
            debug_assert!(pushed, "an empty batch has room for one");
        }
    }

    /// Sends at once or not at all: nobody would come back for what is left.
    pub(super) fn flush(&mut self) {
        let entries = self.waiting.entries();
        if entries.is_empty() {
            return;
        }
        let done = self.outlet.send(&self.ports[0].0, entries, self.waiting.bytes(), &mut self.tally);
        self.tally.stats.send_dropped += (entries.len() - done) as u64;
        self.waiting.clear();
    }

    pub(super) fn wait(&self, timeout: Duration) -> Result<bool, DriverError> {
        let clock = Clock::start();
        let deadline = clock.now() + timeout;
        let mut sockets: SmallVec<[_; 4]> =
            self.ports.iter().map(|(port, _)| PollFd::new(&port.socket, PollFlags::IN)).collect();
        loop {
            // More than the system can count is as good as for ever, and then it looks again.
            let left = Timespec::try_from(deadline - clock.now()).unwrap_or(Timespec { tv_sec: 1 << 20, tv_nsec: 0 });
            match poll(&mut sockets, Some(&left)) {
                Ok(0) if clock.now() < deadline => {}
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Polled {
    /// A farewell that nobody flushed still goes out.
    fn drop(&mut self) {
        self.flush();
    }
}
