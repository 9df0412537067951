//! One connection: a stream, what waits to be written to it, and what is half read from it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

use super::framer::Framer;
use super::outbox::{Outbox, Written};
use super::pool::Pool;
use super::ready::{Bell, Ready};
use crate::time::Instant;

/// Read from one stream in one system call, bytes.
pub(super) const READ_BYTES: usize = 16 << 10;

/// System calls that read from one stream before others have their turn, count.
const READS_PER_TURN: usize = 4;

/// Reads that empty a stream before it is closed, count: closing one with unread bytes would cut off what was just written.
const LAST_READS: usize = 16;

pub(super) struct Connection {
    pub(super) address: SocketAddr,
    /// We opened it, not they.
    pub(super) ours: bool,
    /// When it was begun or bytes last moved.
    pub(super) moved: Instant,
    /// Something has come over it.
    pub(super) heard: bool,
    /// It is in the list of those to be written to.
    pub(super) dirty: bool,
    /// It is in the list of those that wait for the game.
    pub(super) paused: bool,
    pub(super) outbox: Outbox,
    link: Link,
    framer: Framer,
    bell: Arc<Bell>,
    waker: Waker,
}

/// A connection attempt, boxed so that it takes room only while it lasts.
type Opening = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

enum Link {
    Opening(Opening),
    Open(TcpStream),
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The other side closed it, between two datagrams or within one.
    Closed,
    /// It broke, or could not be made.
    Failed,
    /// What came is not made of frames.
    BadFrames,
}

/// What a turn did.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The attempt has succeeded.
    pub(super) opened: bool,
    pub(super) written: Written,
}

/// What connections use together.
pub(super) struct Common<'a> {
    pub(super) now: Instant,
    pub(super) pool: &'a mut Pool,
    pub(super) scratch: &'a mut [u8],
}

impl Connection {
    pub(super) fn accepted(stream: TcpStream, address: SocketAddr, setup: Setup<'_>) -> Self {
        let _ = stream.set_nodelay(true); // slower without, not wrong
        Self::new(Link::Open(stream), address, false, setup)
    }

    /// Begins to connect.
    pub(super) fn dial(address: SocketAddr, setup: Setup<'_>) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        let _ = socket.set_nodelay(true);
        Ok(Self::new(Link::Opening(Box::pin(socket.connect(address))), address, true, setup))
    }

    fn new(link: Link, address: SocketAddr, ours: bool, setup: Setup<'_>) -> Self {
        let bell = Bell::new(setup.index, setup.ready);
        let waker = Waker::from(Arc::clone(&bell));
        // The first look tells the system what to wait for.
        waker.wake_by_ref();
        Self {
            address,
            ours,
            moved: setup.now,
            heard: false,
            dirty: false,
            paused: false,
            outbox: Outbox::default(),
            link,
            framer: Framer::new(setup.max_datagram),
            bell,
            waker,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.link, Link::Open(_))
    }

    /// The next change rings again.
    pub(super) fn answer(&self) {
        self.bell.answer();
    }

    /// Gives it a turn as soon as the others have had theirs.
    pub(super) fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// Goes on connecting, and writes what waits. What cannot be done now rings when it can.
    pub(super) fn write(&mut self, common: &mut Common<'_>, turn: &mut Turn) -> Result<(), End> {
        let Self { link, outbox, waker, moved, .. } = self;
        let context = &mut Context::from_waker(waker);
        if let Link::Opening(opening) = link {
            let Poll::Ready(result) = opening.as_mut().poll(context) else { return Ok(()) };
            *link = Link::Open(result.ok().filter(|stream| !is_own(stream)).ok_or(End::Failed)?);
            *moved = common.now;
            turn.opened = true;
        }
        let Link::Open(stream) = link else { return Ok(()) };
        while !outbox.is_empty() {
            match Pin::new(&mut *stream).poll_write(context, outbox.waiting()) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(_) | Ok(0)) => return Err(End::Failed),
                Poll::Ready(Ok(written)) => {
                    let left = outbox.consume(written, common.pool);
                    turn.written.datagrams += left.datagrams;
                    turn.written.bytes += left.bytes;
                    *moved = common.now;
                }
            }
        }
        Ok(())
    }

    /// Reads what has come, as long as `sink` has room: it is asked before each read of at most [`READ_BYTES`].
    pub(super) fn read(&mut self, common: &mut Common<'_>, sink: &mut dyn Sink) -> Result<(), End> {
        let Link::Open(stream) = &mut self.link else { return Ok(()) };
        let context = &mut Context::from_waker(&self.waker);
        for _ in 0..READS_PER_TURN {
            if !sink.has_room() {
                return Ok(());
            }
            let mut buffer = ReadBuf::new(common.scratch);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(_)) => return Err(End::Failed),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Err(End::Closed),
                Poll::Ready(Ok(())) => {
                    (self.moved, self.heard) = (common.now, true);
                    let address = self.address;
                    self.framer
                        .feed(buffer.filled(), common.pool, |datagram| sink.datagram(address, datagram))
                        .map_err(|_| End::BadFrames)?;
                }
            }
        }
        self.ring();
        Ok(())
    }

    /// Gives back its buffers, and says how many datagrams it never sent. What the system has taken still leaves.
    pub(super) fn close(mut self, common: &mut Common<'_>) -> u64 {
        if let Link::Open(stream) = &self.link {
            for _ in 0..LAST_READS {
                if !matches!(stream.try_read(common.scratch), Ok(1..)) {
                    break;
                }
            }
        }
        self.framer.release(common.pool);
        self.outbox.clear(common.pool)
    }
}

/// Whether a stream's two ends are one. That is what the system may make of an attempt to connect to a free port of this
/// machine: it gives our end that very port, and the two agree that they have met.
fn is_own(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(near), Ok(far)) if near == far)
}

/// What a new connection is made from.
pub(super) struct Setup<'a> {
    pub(super) index: u32,
    pub(super) ready: &'a Arc<Ready>,
    pub(super) now: Instant,
    pub(super) max_datagram: usize,
}

/// Where datagrams go that were read.
pub(super) trait Sink {
    /// Whether all that one read can bring would find room.
    fn has_room(&mut self) -> bool;

    fn datagram(&mut self, from: SocketAddr, datagram: &[u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talking_to_oneself_is_noticed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpSocket::new_v4().unwrap();
            listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = listener.listen(1).unwrap();
            let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            assert!(!is_own(&other));

            let own = TcpSocket::new_v4().unwrap();
            own.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let to = own.local_addr().unwrap();
            // Not all systems let it come to that.
            if let Ok(own) = own.connect(to).await {
                assert!(is_own(&own));
            }
        });
    }
}
