//! No library: what the system asks for moving the bytes. Nothing is reliable here; these rows are floors.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use crate::pair::{DATAGRAM, End, Pair, socket};

/// More than any datagram has.
const BUFFER: usize = 64 << 10;

/// A datagram for each message.
pub struct Raw {
    sockets: [UdpSocket; 2],
    addresses: [SocketAddr; 2],
    buffer: Box<[u8]>,
}

impl Raw {
    /// Two sockets.
    pub fn new() -> Self {
        let sockets = [(); 2].map(|()| socket().expect("a socket"));
        let addresses = [0, 1].map(|end: usize| sockets[end].local_addr().expect("an address"));
        Self { sockets, addresses, buffer: vec![0; BUFFER].into_boxed_slice() }
    }

    fn send_datagram(&self, from: End, datagram: &[u8]) {
        let to = self.addresses[from.other() as usize];
        let sent = self.sockets[from as usize].send_to(datagram, to).expect("room to send");
        assert_eq!(sent, datagram.len(), "sent whole");
    }

    /// The next datagram that has arrived.
    fn next(&mut self, end: End) -> Option<&[u8]> {
        match self.sockets[end as usize].recv_from(&mut self.buffer) {
            Ok((len, _)) => Some(&self.buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("receiving: {error}"),
        }
    }
}

impl Pair for Raw {
    fn send(&mut self, from: End, message: &[u8]) {
        self.send_datagram(from, message);
    }

    fn flush(&mut self, _: End) {}

    fn receive(&mut self, end: End, _: usize, sink: &mut dyn FnMut(&[u8])) {
        while let Some(message) = self.next(end) {
            sink(message);
        }
    }
}

/// As many messages in a datagram as fit, each behind its length in two bytes.
pub struct Packed {
    raw: Raw,
    queued: [Vec<u8>; 2],
}

impl Packed {
    /// Two sockets.
    pub fn new() -> Self {
        Self { raw: Raw::new(), queued: [(); 2].map(|()| Vec::with_capacity(BUFFER)) }
    }
}

impl Pair for Packed {
    fn send(&mut self, from: End, message: &[u8]) {
        if self.queued[from as usize].len() + 2 + message.len() > DATAGRAM {
            self.flush(from);
        }
        let len = u16::try_from(message.len()).expect("a short message");
        let queued = &mut self.queued[from as usize];
        queued.extend_from_slice(&len.to_le_bytes());
        queued.extend_from_slice(message);
    }

    fn flush(&mut self, end: End) {
        if !self.queued[end as usize].is_empty() {
            self.raw.send_datagram(end, &self.queued[end as usize]);
            self.queued[end as usize].clear();
        }
    }

    fn receive(&mut self, end: End, _: usize, sink: &mut dyn FnMut(&[u8])) {
        while let Some(mut datagram) = self.raw.next(end) {
            while let Some((len, rest)) = datagram.split_first_chunk() {
                let (message, rest) = rest.split_at(usize::from(u16::from_le_bytes(*len)));
                sink(message);
                datagram = rest;
            }
        }
    }
}

/// All messages of a tick in as few system calls as the system can do it in, cut and put together there.
pub struct Segmented {
    raw: Raw,
    states: [UdpSocketState; 2],
    queued: [Vec<u8>; 2],
    segment: usize,
    segments: usize,
}

/// The most that one call can send, bytes.
const CALL_BYTES: usize = 65_000;

impl Segmented {
    /// Messages of `size` bytes; longer ones than a datagram takes are cut.
    pub fn new(size: usize) -> Self {
        let raw = Raw::new();
        let states = [0, 1].map(|end: usize| UdpSocketState::new((&raw.sockets[end]).into()).expect("a socket"));
        let segment = size.min(DATAGRAM);
        let segments = states[0].max_gso_segments().min(64).min(CALL_BYTES / segment);
        Self { raw, states, queued: [(); 2].map(|()| Vec::new()), segment, segments }
    }
}

impl Pair for Segmented {
    fn send(&mut self, from: End, message: &[u8]) {
        self.queued[from as usize].extend_from_slice(message);
    }

    fn flush(&mut self, end: End) {
        let destination = self.raw.addresses[end.other() as usize];
        for contents in self.queued[end as usize].chunks(self.segment * self.segments) {
            let segment_size = (contents.len() > self.segment).then_some(self.segment);
            let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
            let socket = UdpSockRef::from(&self.raw.sockets[end as usize]);
            self.states[end as usize].try_send(socket, &transmit).expect("room to send");
        }
        self.queued[end as usize].clear();
    }

    fn receive(&mut self, end: End, _: usize, sink: &mut dyn FnMut(&[u8])) {
        let mut meta = [RecvMeta::default()];
        loop {
            let mut slices = [IoSliceMut::new(&mut self.raw.buffer)];
            let socket = UdpSockRef::from(&self.raw.sockets[end as usize]);
            match self.states[end as usize].recv(socket, &mut slices, &mut meta) {
                Ok(_) => self.raw.buffer[..meta[0].len].chunks(meta[0].stride.max(1)).for_each(&mut *sink),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("receiving: {error}"),
            }
        }
    }
}
