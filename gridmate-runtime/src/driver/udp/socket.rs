//! Making a socket, and what its errors mean.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::{GrantedBuffers, UdpConfig};
use crate::driver::{DriverError, canonical};
use crate::limits::DATAGRAM_BYTES_MAX;

/// Room for one datagram and one byte more, which tells a datagram that was cut from one that just fits.
pub(super) const BUFFER_BYTES: usize = DATAGRAM_BYTES_MAX + 1;

/// A bound, non-blocking socket and what is known about it.
pub(super) struct Bound {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    pub(super) family: Family,
    pub(super) buffers: GrantedBuffers,
}

/// Which addresses a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// `address` as this socket wants it written; `None` when it cannot reach such addresses.
    pub(super) fn address(self, address: SocketAddr) -> Option<SocketAddr> {
        match (self, canonical(address)) {
            (Self::V6, SocketAddr::V4(v4)) => Some(SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))),
            (Self::V4, SocketAddr::V6(_)) => None,
            (_, address) => Some(address),
        }
    }
}

pub(super) fn bind(address: SocketAddr, config: &UdpConfig) -> Result<Bound, DriverError> {
    let address = canonical(address);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // Systems that cannot do both stay at IPv6 alone, which is what was asked for by name.
        let _ = socket.set_only_v6(!address.ip().is_unspecified());
    }
    // Less than asked for is no reason to fail: `buffers` tells.
    let _ = socket.set_recv_buffer_size(config.receive_buffer);
    let _ = socket.set_send_buffer_size(config.send_buffer);
    let buffers = GrantedBuffers {
        receive: socket.recv_buffer_size().unwrap_or(0),
        send: socket.send_buffer_size().unwrap_or(0),
    };
    socket.bind(&address.into()).map_err(|source| DriverError::Bind { address, source })?;
    let socket = UdpSocket::from(socket);
    let local = canonical(socket.local_addr()?);
    let family = if address.is_ipv6() { Family::V6 } else { Family::V4 };
    Ok(Bound { socket, local, family, buffers })
}

/// What to do about a failed receive.
pub(super) enum ReceiveFailure {
    /// Nothing more has arrived.
    Empty,
    /// Ask again; nothing is lost.
    Interrupted,
    /// A datagram larger than the buffer, on systems that call that an error.
    Oversized,
    /// News about something sent earlier, or a passing shortage. Count it and go on.
    Network,
    /// The socket is of no more use.
    Fatal(io::Error),
}

impl ReceiveFailure {
    pub(super) fn of(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::WouldBlock => Self::Empty,
            Kind::Interrupted => Self::Interrupted,
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::PermissionDenied
            | Kind::OutOfMemory
            | Kind::TimedOut => Self::Network,
            _ if error.raw_os_error() == Some(WSAEMSGSIZE) => Self::Oversized,
            _ if error.raw_os_error() == Some(WSAENETRESET) => Self::Network,
            _ => Self::Fatal(error),
        }
    }
}

/// Windows: the datagram was larger than the buffer. No other system has error numbers in that range.
const WSAEMSGSIZE: i32 = 10_040;

/// Windows: the time to live of something sent earlier ran out.
const WSAENETRESET: i32 = 10_052;
