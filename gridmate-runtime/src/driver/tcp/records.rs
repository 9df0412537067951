//! Hand-over between two threads without locks: records in a ring of bytes.
//!
//! A sender collects records in a buffer of its own and pushes all of them at once; the receiver reads them where they lie.
//! So a batch costs each side one look at the other's position, a datagram costs two copies, and neither allocates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use rtrb::{Consumer, Producer, RingBuffer};

/// Size of a record without its datagram, bytes: kind, family, length, port, scope, IP.
pub(super) const HEAD_BYTES: usize = 1 + 1 + 2 + 2 + 4 + 16;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A datagram from or for the address.
    Datagram,
    /// A connection to the address is wanted.
    Connect,
    /// The connection to the address has served its time.
    Disconnect,
}

/// The end that writes records.
#[derive(Debug)]
pub(super) struct Sender {
    ring: Producer<u8>,
    staged: Vec<u8>,
}

/// The end that reads them.
#[derive(Debug)]
pub(super) struct Receiver {
    ring: Consumer<u8>,
    /// A record that lies at the end of the ring and at its beginning.
    torn: Vec<u8>,
}

/// A ring that holds `capacity` bytes of records.
pub(super) fn ring(capacity: usize) -> (Sender, Receiver) {
    let (sender, receiver) = RingBuffer::new(capacity);
    (Sender { ring: sender, staged: Vec::new() }, Receiver { ring: receiver, torn: Vec::new() })
}

impl Sender {
    /// Collected and not pushed, bytes.
    pub(super) const fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Whether a record with a datagram of `len` bytes fits in together with what is collected.
    pub(super) fn fits(&self, len: usize) -> bool {
        let wanted = self.staged.len() + HEAD_BYTES + len;
        self.ring.cached_slots() >= wanted || self.ring.slots() >= wanted
    }

    /// Collects one record.
    pub(super) fn stage(&mut self, kind: Kind, address: SocketAddr, datagram: &[u8]) {
        let (family, ip, scope) = match address {
            SocketAddr::V4(v4) => (4, v4.ip().to_ipv6_mapped().octets(), 0),
            SocketAddr::V6(v6) => (6, v6.ip().octets(), v6.scope_id()),
        };
        debug_assert!(u16::try_from(datagram.len()).is_ok());
        let len = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
        self.staged.extend_from_slice(&[kind as u8, family]);
        self.staged.extend_from_slice(&len.to_le_bytes());
        self.staged.extend_from_slice(&address.port().to_le_bytes());
        self.staged.extend_from_slice(&scope.to_le_bytes());
        self.staged.extend_from_slice(&ip);
        self.staged.extend_from_slice(&datagram[..usize::from(len)]);
    }

    /// Makes what is collected visible to the other side; false when not all of it fits, and the rest is for another time.
    pub(super) fn push(&mut self) -> bool {
        if self.staged.is_empty() {
            return true;
        }
        if self.ring.push_entire_slice(&self.staged).is_ok() {
            self.staged.clear();
            return true;
        }
        // Whole records only: the other side does not wait for the end of one.
        let (room, mut end) = (self.ring.slots(), 0);
        while let Some((record, _)) = split(&self.staged[end..]) {
            let next = end + HEAD_BYTES + record.datagram.len();
            if next > room {
                break;
            }
            end = next;
        }
        if self.ring.push_entire_slice(&self.staged[..end]).is_ok() {
            self.staged.drain(..end);
        }
        self.staged.is_empty()
    }
}

impl Receiver {
    /// Hands over every record that is here now, and none that comes meanwhile.
    pub(super) fn take(&mut self, mut sink: impl FnMut(Kind, SocketAddr, &[u8])) {
        let Self { ring, torn } = self;
        let Ok(chunk) = ring.read_chunk(ring.slots()) else { return };
        let (mut front, mut back) = chunk.as_slices();
        while !front.is_empty() {
            if let Some((record, rest)) = split(front) {
                front = rest;
                record.hand_to(&mut sink);
                continue;
            }
            // Torn: the head first, which tells how much more there is, then the rest.
            torn.clear();
            torn.extend_from_slice(front);
            front = &[];
            while split(torn).is_none() && !back.is_empty() {
                let missing = if torn.len() < HEAD_BYTES { HEAD_BYTES } else { HEAD_BYTES + len(torn) } - torn.len();
                let (now, later) = back.split_at(missing.min(back.len()));
                torn.extend_from_slice(now);
                back = later;
            }
            if let Some((record, _)) = split(torn) {
                record.hand_to(&mut sink);
            }
        }
        while let Some((record, rest)) = split(back) {
            back = rest;
            record.hand_to(&mut sink);
        }
        chunk.commit_all();
    }
}

struct Record<'a> {
    head: &'a [u8; HEAD_BYTES],
    datagram: &'a [u8],
}

impl Record<'_> {
    fn hand_to(&self, sink: &mut impl FnMut(Kind, SocketAddr, &[u8])) {
        let [kind, family, _, _, p0, p1, s0, s1, s2, s3, ip @ ..] = *self.head;
        let kind = match kind {
            0 => Kind::Datagram,
            1 => Kind::Connect,
            _ => Kind::Disconnect,
        };
        let (ip, port) = (Ipv6Addr::from(ip), u16::from_le_bytes([p0, p1]));
        let address = if family == 4 {
            SocketAddr::new(IpAddr::V4(ip.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED)), port)
        } else {
            SocketAddr::V6(SocketAddrV6::new(ip, port, 0, u32::from_le_bytes([s0, s1, s2, s3])))
        };
        sink(kind, address, self.datagram);
    }
}

/// The first record, if all of it is here, and what follows.
fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    let (datagram, rest) = rest.split_at_checked(len(head))?;
    Some((Record { head, datagram }, rest))
}

/// Length of the datagram of a record whose head is here, bytes.
fn len(head: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([head[2], head[3]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(receiver: &mut Receiver) -> Vec<(Kind, SocketAddr, Vec<u8>)> {
        let mut out = Vec::new();
        receiver.take(|kind, address, datagram| out.push((kind, address, datagram.to_vec())));
        out
    }

    #[test]
    fn nothing_is_seen_before_the_push_and_nothing_is_half_pushed() {
        let (mut sender, mut receiver) = ring(2 * HEAD_BYTES + 10);
        let to = "[fe80::1%7]:9".parse().unwrap();
        assert!(sender.fits(10));
        sender.stage(Kind::Datagram, to, &[1; 10]);
        assert!(taken(&mut receiver).is_empty());
        assert!(sender.fits(0) && !sender.fits(1));
        sender.stage(Kind::Disconnect, to, &[]);
        assert!(sender.push());
        sender.stage(Kind::Connect, to, &[]);
        sender.stage(Kind::Connect, to, &[1]);
        assert!(!sender.push(), "full");
        assert_eq!(taken(&mut receiver), [(Kind::Datagram, to, vec![1; 10]), (Kind::Disconnect, to, vec![])]);
        assert!(sender.push());
        assert_eq!(taken(&mut receiver), [(Kind::Connect, to, vec![]), (Kind::Connect, to, vec![1])]);
        for number in 0..5 {
            sender.stage(Kind::Datagram, to, &[number]);
        }
        for pair in [&[0, 1][..], &[2, 3], &[4]] {
            assert_eq!(sender.push(), pair == [4], "two fit at a time");
            assert_eq!(taken(&mut receiver).into_iter().flat_map(|(_, _, it)| it).collect::<Vec<_>>(), pair);
        }
    }

    proptest! {
        #[test]
        fn records_come_out_as_they_went_in_wherever_the_ring_tears_them(
            lengths in prop::collection::vec(0_usize..60, 1..200),
            capacity in 120_usize..300,
            batch in 1_usize..4,
        ) {
            let (mut sender, mut receiver) = ring(capacity);
            let (mut went, mut came) = (Vec::new(), Vec::new());
            for (number, len) in lengths.into_iter().enumerate() {
                let port = u16::try_from(number).unwrap();
                let address = if number % 2 == 0 {
                    SocketAddr::from(([1, 2, 3, 4], port))
                } else {
                    SocketAddrV6::new(Ipv6Addr::new(1, 2, 3, 4, 5, 6, 7, 8), port, 0, u32::from(port) << 8).into()
                };
                if !sender.fits(len) {
                    prop_assert!(sender.push());
                    came.extend(taken(&mut receiver));
                }
                let datagram = vec![port.to_le_bytes()[0]; len];
                sender.stage(Kind::Datagram, address, &datagram);
                went.push((Kind::Datagram, address, datagram));
                if number % batch == 0 {
                    prop_assert!(sender.push());
                }
            }
            prop_assert!(sender.push());
            came.extend(taken(&mut receiver));
            prop_assert_eq!(came, went);
        }
    }
}
