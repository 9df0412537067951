//! Making sockets, and what their errors mean.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use super::{GrantedBuffers, UdpConfig};
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
use crate::driver::Ecn;
use crate::driver::{DriverError, canonical};

/// Most sockets on one address, count.
const SOCKETS_MAX: usize = 64;

/// What an Ethernet frame has room for behind the headers of IPv4 and UDP, bytes.
const ETHERNET_V4_BYTES: usize = 1_500 - 20 - 8;

/// The same for IPv6.
const ETHERNET_V6_BYTES: usize = 1_500 - 40 - 8;

/// Bound sockets and what is known about them.
pub(super) struct Bound {
    /// At least one; the first is the one that sends.
    pub(super) ports: Vec<Port>,
    pub(super) local: SocketAddr,
    pub(super) family: Family,
    pub(super) buffers: GrantedBuffers,
}

/// A bound, non-blocking socket that does not fragment.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) socket: UdpSocket,
    /// What the system can do with it, as far as tried.
    pub(super) state: UdpSocketState,
}

impl Port {
    pub(super) fn as_ref(&self) -> UdpSockRef<'_> {
        UdpSockRef::from(&self.socket)
    }
}

/// Which addresses a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    /// An IPv6 socket that reaches IPv4 as well.
    Dual,
}

impl Family {
    /// `address` as this socket wants it written; `None` when it cannot reach such addresses.
    pub(super) fn address(self, address: SocketAddr) -> Option<SocketAddr> {
        match (self, canonical(address)) {
            (Self::Dual, SocketAddr::V4(v4)) => Some(SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))),
            (Self::V4, SocketAddr::V6(_)) | (Self::V6, SocketAddr::V4(_)) => None,
            (_, address) => Some(address),
        }
    }

    /// Largest datagram that an Ethernet frame carries to whomever such a socket reaches, bytes.
    pub(super) const fn max_datagram(self) -> usize {
        match self {
            Self::V4 => ETHERNET_V4_BYTES,
            Self::V6 | Self::Dual => ETHERNET_V6_BYTES,
        }
    }
}

pub(super) fn bind(address: SocketAddr, config: &UdpConfig) -> Result<Bound, DriverError> {
    let mut address = canonical(address);
    let wanted = if CAN_SHARE { config.sockets.clamp(1, SOCKETS_MAX) } else { 1 };
    let (first, family) = open(address, wanted > 1, config)?;
    let buffers =
        GrantedBuffers { receive: first.recv_buffer_size().unwrap_or(0), send: first.send_buffer_size().unwrap_or(0) };
    let mut ports = vec![port(first, family, config)?];
    let local = canonical(ports[0].socket.local_addr()?);
    // The others share the port that the first was given.
    address.set_port(local.port());
    for _ in 1..wanted {
        ports.push(port(open(address, true, config)?.0, family, config)?);
    }
    Ok(Bound { ports, local, family, buffers })
}

fn open(address: SocketAddr, shared: bool, config: &UdpConfig) -> Result<(Socket, Family), DriverError> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let family = if address.is_ipv4() {
        Family::V4
    } else {
        let alone = config.only_v6 || !address.ip().is_unspecified();
        // Systems that cannot do both stay at IPv6 alone, which is what was asked for by name.
        if socket.set_only_v6(alone).is_ok() && !alone { Family::Dual } else { Family::V6 }
    };
    if shared {
        share(&socket)?;
    }
    // Less than asked for is no reason to fail: `buffers` tells.
    let _ = socket.set_recv_buffer_size(config.receive_buffer);
    let _ = socket.set_send_buffer_size(config.send_buffer);
    socket.bind(&address.into()).map_err(|source| DriverError::Bind { address, source })?;
    Ok((socket, family))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Never called.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn share(_: &Socket) -> io::Result<()> {
    Ok(())
}

/// Whether several sockets can have one address, with peers spread over them.
const CAN_SHARE: bool = cfg!(any(target_os = "linux", target_os = "android"));

fn port(socket: Socket, family: Family, config: &UdpConfig) -> io::Result<Port> {
    let socket = UdpSocket::from(socket);
    // Makes it non-blocking, forbids fragments, turns on merged receiving and the marks of what arrives.
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    less_ancillary(&socket, family);
    set_marks(&socket, family, config.ecn);
    Ok(Port { socket, state })
}

/// Turns off what the line above turned on and nobody here reads: each costs as much as a tenth of a receive.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn less_ancillary(socket: &UdpSocket, family: Family) {
    use nix::sys::socket::{setsockopt, sockopt};
    let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &false);
    let _ = match family {
        Family::V4 => setsockopt(socket, sockopt::Ipv4PacketInfo, &false),
        Family::V6 | Family::Dual => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false),
    };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn less_ancillary(_: &UdpSocket, _: Family) {}

/// Marks all that the socket sends, or stops it from reporting marks. By socket option: to say it anew with each datagram
/// costs time. A system that refuses sends unmarked.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
fn set_marks(socket: &UdpSocket, family: Family, ecn: bool) {
    let socket = socket2::SockRef::from(socket);
    let (v4, v6) = (family != Family::V6, family != Family::V4);
    if ecn {
        let mark = u32::from(Ecn::Capable0 as u8);
        let _ = (v4.then(|| socket.set_tos_v4(mark)), v6.then(|| socket.set_tclass_v6(mark)));
    } else {
        let _ = (v4.then(|| socket.set_recv_tos_v4(false)), v6.then(|| socket.set_recv_tclass_v6(false)));
    }
}

/// Elsewhere runs are marked one by one, and lone datagrams are not.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd")))]
const fn set_marks(_: &UdpSocket, _: Family, _: bool) {}

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
            // Something sent earlier met a network with a smaller limit.
            _ if quinn_udp::is_msg_size_err(&error) => Self::Network,
            _ if error.raw_os_error() == Some(WSAENETRESET) => Self::Network,
            _ => Self::Fatal(error),
        }
    }
}

/// Windows: the datagram was larger than the buffer. No other system has error numbers in that range.
const WSAEMSGSIZE: i32 = 10_040;

/// Windows: the time to live of something sent earlier ran out.
const WSAENETRESET: i32 = 10_052;
