//! What the harness asks of every library: two ends in one process that are moved by hand.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// System's buffers of every socket, bytes.
const SOCKET_BUFFER: usize = 4 << 20;

/// A frame of a game at 60 Hz: how far time is moved where a library is told it.
pub const FRAME: Duration = Duration::from_micros(16_667);

/// Most payload of a packed datagram, bytes.
pub const DATAGRAM: usize = 1_200;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The one that messages come from, but for the answers of a ping.
    Near = 0,
    /// The one that they go to.
    Far = 1,
}

impl End {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

/// Two connected ends of one library.
pub trait Pair {
    /// Queues a message, or sends it at once where there is no queue.
    fn send(&mut self, from: End, message: &[u8]);

    /// Sends what is queued.
    fn flush(&mut self, end: End);

    /// Hands over what has arrived. `expected` messages are on their way: a library that sleeps until something arrives may
    /// wait for so many, a polled one looks once.
    fn receive(&mut self, end: End, expected: usize, sink: &mut dyn FnMut(&[u8]));

    /// One frame in which neither program says anything; how long that was for the library.
    fn idle(&mut self) -> Duration {
        FRAME
    }

    /// How much of its time is enough to know what it says when it has nothing to say.
    fn idle_for(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// How a pair is to carry its messages.
#[derive(Clone, Copy)]
pub struct Kind {
    /// All arrive, in order.
    pub reliable: bool,
    /// Bytes of a message.
    pub size: usize,
    /// Most messages of a tick.
    pub batch: usize,
}

/// A socket on the loopback interface that does not block, with the buffers that everyone gets.
pub fn socket() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    Ok(socket.into())
}
