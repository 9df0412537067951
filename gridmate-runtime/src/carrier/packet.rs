//! Bytes of a datagram: header, integrity tag, acknowledgements. Frames are in [`frame`](super::frame), the packets that
//! make a connection in [`handshake`](super::handshake).
//!
//! All integers are little-endian. A *varint* is one byte below 128, else two: the low seven bits with the top bit set,
//! then the next seven bits; the shortest form is the only one accepted, and nothing needs more than 14 bits.
//!
//! | first byte | packet |
//! |---|---|
//! | 4 | hello |
//! | 5 | accepted |
//! | 6 | refused |
//! | 7 | disconnect |
//! | 8–15 | data: 8 + `ACK` (1) + `RANGES` (2) + `PING` (4) |
//!
//! Other first bytes belong to protocols that may share the port (STUN 0–3, DTLS 20–63, TURN 64–79, QUIC 64 and up).
//!
//! # Every packet
//!
//! ```text
//! offset  bytes
//!      0  1      type
//!      1  4      tag: CRC-32 (IEEE, as in zlib) over: key prefix, byte 0, bytes 5 to the end
//! ```
//!
//! The key prefix of data and disconnect packets is the connection's secret (8 bytes) and one byte for the direction: 0 from
//! the end that connected, 1 from the end that accepted. That of handshake packets is the eight bytes `gridmate`. The secret
//! was exchanged in the handshake in the clear, so the tag tells damage, strangers who cannot see the traffic and earlier
//! connections of the same address apart from the peer; it does not stop someone who reads along. That is what DTLS is for.
//! A packet whose tag does not match is dropped before anything else of it is looked at.
//!
//! # Data
//!
//! ```text
//!      5  2      packet number, low 16 bits
//!      7         with ACK: acknowledgement
//!         ...    frames to the end of the datagram
//! ```
//!
//! The receiver takes the 64-bit number with these low bits that is nearest to its newest plus one. A sender never lets more
//! than 16,384 numbers go unacknowledged (acknowledgements and pings excepted), so that is unambiguous. Numbers are never used twice.
//!
//! `PING` asks for an acknowledgement and is set only when there are no frames. A packet with frames or `PING` is
//! acknowledged; one with neither must have `ACK` and is not. `RANGES` is set only with `ACK`.
//!
//! ```text
//! acknowledgement:
//!         2      newest number received, low 16 bits
//!         varint packets received directly below it, without a gap
//!         with RANGES:
//!         1      further ranges, 1 to 31; each, going down:
//!         varint packets missing above it, minus 1
//!         varint packets in it, minus 1
//! ```
//!
//! The newest number is taken as the 64-bit number nearest to the last one sent. One that was never sent makes the whole
//! packet invalid, as does a range that reaches below the first number. A packet is acknowledged only if everything in it
//! was processed, and an invalid one has no effect at all. The program may reject a packet for one message in it; then it is not
//! acknowledged although the rest of it was delivered, and stays so.
//!
//! # Disconnect
//!
//! ```text
//!      5  1      reason
//! ```

use crc32fast::Hasher;

use super::stats::Cause;
use crate::limits;

pub(super) const HELLO: u8 = 4;
pub(super) const ACCEPTED: u8 = 5;
pub(super) const REFUSED: u8 = 6;
pub(super) const DISCONNECT: u8 = 7;
pub(super) const DATA: u8 = 8;
pub(super) const ACK: u8 = 1;
pub(super) const RANGES: u8 = 2;
pub(super) const PING: u8 = 4;

/// Type and tag.
pub(super) const PREFIX: usize = 5;

/// CRC state after the key prefix: what a tag starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u32);

impl Key {
    /// For data and disconnect packets of a connection.
    pub(super) fn of(secret: u64, from_acceptor: bool) -> Self {
        let mut prefix = [0; 9];
        prefix[..8].copy_from_slice(&secret.to_le_bytes());
        prefix[8] = u8::from(from_acceptor);
        Self(crc32fast::hash(&prefix))
    }

    /// For handshake packets.
    pub(super) fn handshake() -> Self {
        Self(crc32fast::hash(b"gridmate"))
    }

    /// Writes the tag of a packet that is otherwise complete.
    pub(super) fn seal(self, packet: &mut [u8]) {
        let tag = self.tag(packet);
        packet[1..PREFIX].copy_from_slice(&tag.to_le_bytes());
    }

    /// Whether the tag of a packet matches.
    pub(super) fn opens(self, packet: &[u8]) -> bool {
        packet.len() >= PREFIX && packet[1..PREFIX] == self.tag(packet).to_le_bytes()
    }

    fn tag(self, packet: &[u8]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(&packet[..1]);
        hasher.update(&packet[PREFIX..]);
        hasher.finalize()
    }
}

/// Reads little-endian fields off the front of a slice; `None` when they are not all there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn varint(&mut self) -> Option<u16> {
        let low = self.u8()?;
        if low < 0x80 {
            return Some(u16::from(low));
        }
        let high = self.u8()?;
        (1..0x80).contains(&high).then(|| u16::from(low & 0x7F) | u16::from(high) << 7)
    }
}

/// Appends `value`, which has at most 14 bits.
pub(super) fn put_varint(out: &mut Vec<u8>, value: usize) {
    debug_assert!(value < 1 << 14, "{value} does not fit a varint");
    #[expect(clippy::cast_possible_truncation, reason = "both are masked to seven bits")]
    let (low, high) = ((value & 0x7F) as u8, (value >> 7 & 0x7F) as u8);
    if high == 0 {
        out.push(low);
    } else {
        out.extend_from_slice(&[low | 0x80, high]);
    }
}

/// Bytes that [`put_varint`] appends.
pub(super) const fn varint_len(value: usize) -> usize {
    if value < 0x80 { 1 } else { 2 }
}

/// The number nearest to `near` whose low 16 bits are `low`; `None` when that is below zero.
pub(super) fn expand(low: u16, near: u64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is compared")]
    let ahead = low.wrapping_sub(near as u16).cast_signed();
    near.checked_add_signed(i64::from(ahead))
}

/// The low 16 bits of a number.
#[expect(clippy::cast_possible_truncation, reason = "numbers are sent by their low bits")]
pub(super) const fn low16(number: u64) -> u16 {
    number as u16
}

/// A data packet whose tag matched. The acknowledgement is known to be well-formed, the frames are not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    pub(super) number: u16,
    pub(super) ack: Option<Ack<'a>>,
    pub(super) ping: bool,
    pub(super) frames: &'a [u8],
}

impl<'a> Data<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Result<Self, Cause> {
        Self::read(packet).ok_or(Cause::Malformed)
    }

    fn read(packet: &'a [u8]) -> Option<Self> {
        let flags = packet.first()? - DATA;
        let mut reader = Reader(packet.get(PREFIX..)?);
        let number = reader.u16()?;
        let ack = match flags & (ACK | RANGES) {
            0 => None,
            RANGES => return None,
            present => Some(Ack::read(&mut reader, present & RANGES != 0)?),
        };
        let ping = flags & PING != 0;
        let frames = reader.0;
        // One canonical form: a ping has no frames, and nobody sends a packet that says nothing.
        let sound = if ping { frames.is_empty() } else { !frames.is_empty() || ack.is_some() };
        sound.then_some(Self { number, ack, ping, frames })
    }

    /// Whether the sender wants to know that this arrived.
    pub(super) const fn ack_eliciting(&self) -> bool {
        self.ping || !self.frames.is_empty()
    }
}

/// An acknowledgement as it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack<'a> {
    pub(super) newest: u16,
    below: u16,
    ranges: &'a [u8],
}

impl<'a> Ack<'a> {
    fn read(reader: &mut Reader<'a>, has_ranges: bool) -> Option<Self> {
        let (newest, below) = (reader.u16()?, reader.varint()?);
        let count = if has_ranges { reader.u8()? } else { 0 };
        if has_ranges && !(1..limits::ACK_RANGES).contains(&usize::from(count)) {
            return None;
        }
        let rest = reader.0;
        for _ in 0..count {
            reader.varint()?;
            reader.varint()?;
        }
        Some(Self { newest, below, ranges: &rest[..rest.len() - reader.0.len()] })
    }

    /// The ranges as `(lowest, highest)`, from the newest down, `newest` being the expanded number. Ends early with `None`
    /// inside when a range reaches below zero.
    pub(super) fn ranges(&self, newest: u64) -> impl Iterator<Item = Option<(u64, u64)>> + use<'a> {
        let mut reader = Reader(self.ranges);
        let mut low = newest.checked_sub(u64::from(self.below));
        core::iter::once(low.map(|low| (low, newest))).chain(core::iter::from_fn(move || {
            let (gap, more) = (u64::from(reader.varint()?), u64::from(reader.varint()?));
            let high = low.and_then(|low| low.checked_sub(gap + 2));
            low = high.and_then(|high| high.checked_sub(more));
            Some(low.zip(high))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_short_and_canonical() {
        for value in [0, 1, 127, 128, 1_023, 16_383] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value));
            assert_eq!(Reader(&bytes).varint().map(usize::from), Some(value));
        }
        assert_eq!(Reader(&[0x80, 0]).varint(), None, "padded");
        assert_eq!(Reader(&[0x80, 0x80, 1]).varint(), None, "three bytes");
    }

    #[test]
    fn numbers_expand_to_the_nearest() {
        assert_eq!(expand(5, 3), Some(5));
        assert_eq!(expand(0xFFFF, 3), None);
        assert_eq!(expand(2, 0xFFFE), Some(0x1_0002));
        assert_eq!(expand(0xFFFE, 0x1_0002), Some(0xFFFE));
        for near in [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x12_3456, u64::MAX >> 1] {
            for ahead in [0, 1, 100, 0x7FFF] {
                assert_eq!(expand(low16(near + ahead), near), Some(near + ahead));
                if near >= ahead {
                    assert_eq!(expand(low16(near - ahead), near), Some(near - ahead));
                }
            }
        }
    }

    #[test]
    fn a_tag_depends_on_every_bit_the_secret_and_the_direction() {
        let mut packet = vec![DATA; 40];
        let key = Key::of(0x1234, false);
        key.seal(&mut packet);
        assert!(key.opens(&packet));
        assert!(!Key::of(0x1234, true).opens(&packet));
        assert!(!Key::of(0x1235, false).opens(&packet));
        for bit in 0..packet.len() * 8 {
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.opens(&packet));
            packet[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..packet.len() {
            assert!(!key.opens(&packet[..len]));
        }
    }

    #[test]
    fn flags_have_one_meaning() {
        let parse = |flags: u8, rest: &[u8]| {
            let mut packet = vec![DATA + flags, 0, 0, 0, 0, 1, 0];
            packet.extend_from_slice(rest);
            Data::parse(&packet).is_ok()
        };
        assert!(parse(PING, &[]));
        assert!(!parse(PING, &[0]), "a ping with frames");
        assert!(!parse(0, &[]), "nothing");
        assert!(parse(0, &[0]));
        assert!(parse(ACK, &[1, 0, 0]));
        assert!(!parse(ACK, &[1, 0]));
        assert!(!parse(RANGES, &[1, 0, 0]));
        assert!(!parse(ACK | RANGES, &[1, 0, 0, 0]), "no ranges");
        assert!(parse(ACK | RANGES, &[9, 0, 0, 1, 0, 0]));
        assert!(!parse(ACK | RANGES, &[9, 0, 0, 2, 0, 0]), "cut short");
        let many = [&[9, 0, 0, 32][..], &[0; 64]].concat();
        assert!(!parse(ACK | RANGES, &many), "more ranges than allowed");
    }
}
