//! Receiving one message with its control data, for less than what a list of one costs.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use rustix::net::{RecvFlags, recv};

use super::inlet::Message;
use crate::driver::Ecn;

/// Room for control data, bytes: the marks of both families and the size of segments take 72.
const CONTROL_BYTES: usize = 128;

/// Aligned as the system's headers within must be.
#[repr(align(16))]
struct Control([u8; CONTROL_BYTES]);

/// The oldest message that has arrived.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Message> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut room = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut room, Some(&mut control.0), MsgFlags::empty())?;
    let (mut ecn, mut stride) = (Ecn::NotCapable, message.bytes);
    // Data cut short is data of a kind that was not asked for.
    for data in message.cmsgs().into_iter().flatten() {
        match data {
            ControlMessageOwned::Ipv4Tos(bits) => ecn = Ecn::from_bits(bits),
            ControlMessageOwned::Ipv6TClass(bits) => ecn = Ecn::from_bits(bits.to_le_bytes()[0]),
            ControlMessageOwned::UdpGroSegments(size) => stride = usize::try_from(size).unwrap_or(stride),
            _ => {}
        }
    }
    let from = message.address.as_ref().and_then(address).ok_or(Errno::EAFNOSUPPORT)?;
    Ok(Message { from, ecn, len: message.bytes, stride })
}

/// Whether more have arrived. An error is news about something sent earlier, which is thereby taken.
pub(super) fn more(socket: &UdpSocket) -> io::Result<bool> {
    match recv(socket, &mut [0_u8], RecvFlags::PEEK) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    storage.as_sockaddr_in().map(|&v4| v4.into()).or_else(|| storage.as_sockaddr_in6().map(|&v6| v6.into()))
}
