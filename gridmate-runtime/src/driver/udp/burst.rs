//! A list of datagrams in one system call, where the system has such a call.

use std::io;
use std::net::UdpSocket;

use super::batch::Entry;

/// Datagrams in a list, count: by then the call itself costs next to nothing, and the list still fits the stack.
#[cfg(target_os = "linux")]
pub(super) const DATAGRAMS: usize = 64;

/// No lists here.
#[cfg(not(target_os = "linux"))]
pub(super) const DATAGRAMS: usize = 1;

/// Sends `entries`, at most [`DATAGRAMS`], whose bytes lie back to back in `bytes`. Answers how many went out, at least one:
/// what is wrong with the next is said when it is the first.
#[cfg(target_os = "linux")]
pub(super) fn send(socket: &UdpSocket, entries: &[Entry], bytes: &[u8]) -> io::Result<usize> {
    use std::io::IoSlice;

    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
    use smallvec::SmallVec;

    let mut rest = bytes;
    let mut pieces = SmallVec::<[[IoSlice<'_>; 1]; DATAGRAMS]>::new();
    let mut addresses = SmallVec::<[SocketAddrAny; DATAGRAMS]>::new();
    let mut controls = SmallVec::<[SendAncillaryBuffer<'_, '_, '_>; DATAGRAMS]>::new();
    for entry in entries.iter().take(DATAGRAMS) {
        let (datagram, others) = rest.split_at(entry.len.into());
        rest = others;
        pieces.push([IoSlice::new(datagram)]);
        addresses.push(entry.address.into());
        controls.push(SendAncillaryBuffer::default());
    }
    let mut list: SmallVec<[MMsgHdr<'_>; DATAGRAMS]> = addresses
        .iter()
        .zip(&pieces)
        .zip(&mut controls)
        .map(|((address, piece), control)| MMsgHdr::new_with_addr(address, piece, control))
        .collect();
    Ok(sendmmsg(socket, &mut list, SendFlags::empty())?)
}

/// Never called: a list of one goes out plainly.
#[cfg(not(target_os = "linux"))]
pub(super) fn send(socket: &UdpSocket, entries: &[Entry], bytes: &[u8]) -> io::Result<usize> {
    let first = &entries[0];
    socket.send_to(&bytes[..usize::from(first.len)], first.address).map(|_| 1)
}
