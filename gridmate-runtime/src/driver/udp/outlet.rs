//! Sending: as many datagrams per system call as the system takes, in the order they came.
//!
//! | what comes next | goes out by |
//! |---|---|
//! | several to one address, all of one size but for a shorter last one | one send, which the system cuts into segments |
//! | several to different addresses, or of different sizes | one call with a list, on Linux |
//! | one alone | a plain send: whatever goes with the others costs more |

use std::io;

use quinn_udp::{EcnCodepoint, Transmit};
use rustix::net::{SendFlags, sendto};

use super::batch::{Entry, total};
use super::burst;
use super::socket::Port;
use super::tally::Tally;

/// Payload of one send that is cut into segments, bytes: with its headers it has to fit a packet's 16 bits of length.
const RUN_BYTES: usize = 65_535 - 40 - 8;

/// Attempts at sending one datagram: some systems report an earlier datagram's bad news instead of sending this one.
const SEND_ATTEMPTS: usize = 2;

/// How datagrams leave a socket.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Segments that one send may be cut into, count; 1 once it has turned out that the network card cannot.
    segments: usize,
    ecn: Option<EcnCodepoint>,
}

/// What became of one datagram.
enum Fate {
    Sent,
    Dropped,
    /// The system's buffer is full.
    Waits,
}

impl Outlet {
    pub(super) fn new(port: &Port, ecn: bool) -> Self {
        Self { segments: port.state.max_gso_segments(), ecn: ecn.then_some(EcnCodepoint::Ect0) }
    }

    /// Pretends that the system can cut that finely.
    #[cfg(test)]
    pub(super) const fn set_segments_for_tests(&mut self, segments: usize) {
        self.segments = segments;
    }

    /// Sends `entries`, whose bytes lie back to back in `bytes`, from the front until all are gone or the system's buffer is
    /// full. Answers how many are done with, be it that they were dropped.
    pub(super) fn send(&mut self, port: &Port, entries: &[Entry], bytes: &[u8], tally: &mut Tally) -> usize {
        let (mut todo, mut rest) = (entries, bytes);
        while !todo.is_empty() {
            let run = self.run(todo);
            let done = if run > 1 {
                self.send_run(port, &todo[..run], rest, tally)
            } else {
                match self.singles(todo) {
                    1 => send_each(port, &todo[..1], rest, tally),
                    several => send_burst(port, &todo[..several], rest, tally),
                }
            };
            if done == 0 {
                break;
            }
            let (gone, left) = todo.split_at(done);
            rest = &rest[total(gone)..];
            todo = left;
        }
        entries.len() - todo.len()
    }

    /// Datagrams at the front that one send can carry, count, at least 1.
    fn run(&self, entries: &[Entry]) -> usize {
        let first = &entries[0];
        let mut bytes = usize::from(first.len);
        let mut count = 1;
        for entry in &entries[1..] {
            bytes += usize::from(entry.len);
            if count >= self.segments || !follows(first, entry) || bytes > RUN_BYTES {
                break;
            }
            count += 1;
            if entry.len < first.len {
                break;
            }
        }
        count
    }

    /// Datagrams at the front that begin no run, count, at least 1, at most what a list holds.
    fn singles(&self, entries: &[Entry]) -> usize {
        let most = entries.len().min(burst::DATAGRAMS);
        (1..most).find(|&at| self.run(&entries[at..entries.len().min(at + 2)]) > 1).unwrap_or(most)
    }

    fn send_run(&mut self, port: &Port, run: &[Entry], bytes: &[u8], tally: &mut Tally) -> usize {
        let transmit = Transmit {
            destination: run[0].address,
            ecn: self.ecn,
            contents: &bytes[..total(run)],
            segment_size: Some(run[0].len.into()),
            src_ip: None,
        };
        tally.syscalls.send += 1;
        let error = match port.state.try_send(port.as_ref(), &transmit) {
            Ok(()) => {
                tally.stats.sent += run.len() as u64;
                tally.stats.sent_bytes += transmit.contents.len() as u64;
                return run.len();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return 0,
            Err(error) => error,
        };
        // Bad news about an earlier datagram, a first segment too large for the network, or a card that cannot cut: each of
        // them fares better alone.
        count_error(&error, tally);
        let before = tally.stats.sent;
        let done = send_each(port, run, bytes, tally);
        if done > 0 && tally.stats.sent - before == done as u64 && cannot_cut(&error) {
            self.segments = 1;
        }
        done
    }
}

/// Whether `entry` may be the next segment after some like `first`.
fn follows(first: &Entry, entry: &Entry) -> bool {
    entry.address == first.address && entry.len <= first.len
}

/// Sends one by one; answers how many are done with.
fn send_each(port: &Port, entries: &[Entry], bytes: &[u8], tally: &mut Tally) -> usize {
    let mut rest = bytes;
    for (number, entry) in entries.iter().enumerate() {
        let (datagram, others) = rest.split_at(entry.len.into());
        match send_one(port, entry, datagram, tally) {
            Fate::Sent => tally.sent(datagram.len()),
            Fate::Dropped => tally.stats.send_dropped += 1,
            Fate::Waits => return number,
        }
        rest = others;
    }
    entries.len()
}

fn send_one(port: &Port, entry: &Entry, datagram: &[u8], tally: &mut Tally) -> Fate {
    for _ in 0..SEND_ATTEMPTS {
        tally.syscalls.send += 1;
        // Not the standard library's: the same call by a shorter way.
        let sent = sendto(&port.socket, datagram, SendFlags::empty(), &entry.address);
        match sent.map_err(io::Error::from) {
            Ok(_) => return Fate::Sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Waits,
            // Larger than the network takes, which is how its limit is found.
            Err(error) if quinn_udp::is_msg_size_err(&error) => return Fate::Dropped,
            Err(error) => count_error(&error, tally),
        }
    }
    Fate::Dropped
}

fn send_burst(port: &Port, entries: &[Entry], bytes: &[u8], tally: &mut Tally) -> usize {
    tally.syscalls.send += 1;
    match burst::send(&port.socket, entries, bytes) {
        Ok(sent) => {
            tally.stats.sent += sent as u64;
            tally.stats.sent_bytes += total(&entries[..sent]) as u64;
            sent
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        // About the first of them, or about one sent earlier.
        Err(error) => {
            count_error(&error, tally);
            send_each(port, &entries[..1], bytes, tally)
        }
    }
}

fn count_error(error: &io::Error, tally: &mut Tally) {
    if !quinn_udp::is_msg_size_err(error) && error.kind() != io::ErrorKind::Interrupted {
        tally.network_errors += 1;
    }
}

/// Whether `error` may mean that segments are more than the system or its network card can do.
fn cannot_cut(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(EIO)
}

/// Linux: the driver of the network card refused.
const EIO: i32 = 5;
