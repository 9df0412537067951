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
//! | 8 | challenge |
//! | 9 | pending |
//! | 128–191 | data: 128 + `WIDE` (1) + acknowledgement (2 × form) + content (8 × what) |
//!
//! Other first bytes belong to protocols that may share the port (STUN 0–3, DTLS 20–63, TURN 64–79, QUIC 64–127 and 192 up).
//!
//! # Every packet
//!
//! ```text
//! offset  bytes
//!      0  1      type
//!      1  4      tag: CRC-32 (IEEE, as in zlib) over: key prefix, context, byte 0, bytes 5 to the end
//! ```
//!
//! The key prefix of data and disconnect packets is the connection's secret (8 bytes) and one byte for the direction: 0 from
//! the end that connected, 1 from the end that accepted. That of handshake packets is the eight bytes `gridmate`. The secret
//! was exchanged in the handshake in the clear, so the tag tells damage, strangers who cannot see the traffic and earlier
//! connections of the same address apart from the peer; it does not stop someone who reads along. That is what DTLS is for.
//! A packet whose tag does not match is dropped before anything else of it is acted on.
//!
//! The context of data packets is 24 bytes that are not sent: the whole packet number, the whole newest number that the packet
//! acknowledges, and the whole sequence number of the one segment in it that has a short one (u64 each, 0 for what is not
//! there). Only their low bits travel. Whoever completes them wrongly, because a packet was under way for long, finds that the
//! tag does not match. Disconnect packets and those of the handshake have no context.
//!
//! # Data
//!
//! ```text
//!      5  1 or 2 connection id, as long as its owner said in the handshake
//!         1 or 2 packet number, low 8 bits; with WIDE low 16 bits
//!         …      acknowledgement, if its form is not 0
//!         …      content, to the end of the datagram
//! ```
//!
//! The receiver takes the 64-bit number with these low bits that is nearest to its newest plus one. Numbers are never used
//! twice. A sender sets `WIDE` when 8 bits may not be enough, and lets no more than 16,384 numbers go unacknowledged
//! (acknowledgements and pings excepted).
//!
//! | content | |
//! |---|---|
//! | 0 | frames |
//! | 1–5 | one message of channel 0–4, to the end. On reliable channels its sequence number comes first: 8 bits, with `WIDE` 24 |
//! | 6 | frames, compressed: one byte, of which bit 0 says the same as content 7 and the others are 0; then what the compressor
//! | | made of the frames. Only after a handshake that agreed on one |
//! | 7 | frames; the sender wants an acknowledgement at once |
//!
//! A packet that has content, or whose content is 7, is acknowledged; one with neither must have an acknowledgement and gets
//! none.
//!
//! ```text
//! acknowledgement, form 1:
//!         1 or 2 newest number received, low 8 bits; with WIDE low 16 bits
//!         1      how long ago that was, in 256 µs, at most 255
//! form 2: the same, then
//!         varint packets received directly below it, without a gap
//!         1      further ranges, 0 to 31; each, going down:
//!         varint packets missing above it, minus 1
//!         varint packets in it, minus 1
//! ```
//!
//! Form 1 says that the newest and the 63 numbers below it were all received. The newest number is taken as the largest
//! 64-bit number with these low bits that was sent; an acknowledgement of what was never sent makes the whole
//! packet invalid, as does a range that reaches below the first number. A packet is acknowledged only if everything in it
//! was processed, and an invalid one has no effect at all. The program may reject a packet for one message in it; then it is not
//! acknowledged although the rest of it was delivered, and stays so.
//!
//! # Disconnect
//!
//! ```text
//!      5  1 or 2 connection id
//!         1      reason
//! ```

use core::time::Duration;

use crc32fast::Hasher;

use crate::limits;

pub(super) const HELLO: u8 = 4;
pub(super) const ACCEPTED: u8 = 5;
pub(super) const REFUSED: u8 = 6;
pub(super) const DISCONNECT: u8 = 7;
pub(super) const CHALLENGE: u8 = 8;
pub(super) const PENDING: u8 = 9;
pub(super) const DATA: u8 = 0x80;
/// The last first byte of data packets.
pub(super) const DATA_END: u8 = 0xBF;
const WIDE: u8 = 1;
const ACK: u8 = 0x06;
const CONTENT: u8 = 0x38;

/// Channels whose messages may be a packet's whole content, count.
pub(super) const SOLE: u8 = 5;

/// Numbers that an acknowledgement of form 1 speaks for, count.
pub(super) const CUMULATIVE: u64 = 64;

/// Unit of the time since the newest packet was received, microseconds.
const DELAY_UNIT: u64 = 256;

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
        let tag = self.tag(None, packet);
        packet[1..PREFIX].copy_from_slice(&tag.to_le_bytes());
    }

    /// Writes the tag of a data packet that is otherwise complete.
    pub(super) fn seal_data(self, context: Context, packet: &mut [u8]) {
        let tag = self.tag(Some(context), packet);
        packet[1..PREFIX].copy_from_slice(&tag.to_le_bytes());
    }

    /// Whether the tag of a packet matches.
    pub(super) fn opens(self, packet: &[u8]) -> bool {
        packet.len() >= PREFIX && packet[1..PREFIX] == self.tag(None, packet).to_le_bytes()
    }

    /// Whether the tag of a data packet matches.
    pub(super) fn opens_data(self, context: Context, packet: &[u8]) -> bool {
        packet.len() >= PREFIX && packet[1..PREFIX] == self.tag(Some(context), packet).to_le_bytes()
    }

    fn tag(self, context: Option<Context>, packet: &[u8]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        let mut head = [packet[0]; 25];
        if let Some(context) = context {
            head[..8].copy_from_slice(&context.number.to_le_bytes());
            head[8..16].copy_from_slice(&context.acked.to_le_bytes());
            head[16..24].copy_from_slice(&context.sequence.to_le_bytes());
            hasher.update(&head);
        } else {
            hasher.update(&head[..1]);
        }
        hasher.update(&packet[PREFIX..]);
        hasher.finalize()
    }
}

/// What a data packet's tag covers and the packet does not say in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) number: u64,
    pub(super) acked: u64,
    pub(super) sequence: u64,
}

/// The name that one end gave a connection, for the other end's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireId {
    pub(super) value: u16,
    /// Bytes on the wire: 1 or 2.
    pub(super) len: u8,
}

impl WireId {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value.to_le_bytes()[..usize::from(self.len)]);
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

    /// A number of as many bits, which are whole bytes.
    pub(super) fn low(&mut self, bits: u32) -> Option<u64> {
        let mut bytes = [0; 8];
        let low = self.take(bits as usize / 8)?;
        bytes[..low.len()].copy_from_slice(low);
        Some(u64::from_le_bytes(bytes))
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
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

/// The number nearest to `near` that ends in the `bits` bits `low`; `None` when that is below zero.
pub(super) const fn expand(low: u64, bits: u32, near: u64) -> Option<u64> {
    let ahead = (low.wrapping_sub(near) << (64 - bits)).cast_signed() >> (64 - bits);
    near.checked_add_signed(ahead)
}

/// The largest number up to `most` that ends in the `bits` bits `low`; `None` when that is below zero.
pub(super) const fn expand_down(low: u64, bits: u32, most: u64) -> Option<u64> {
    most.checked_sub(most.wrapping_sub(low) << (64 - bits) >> (64 - bits))
}

/// The low bits of numbers in a packet, count.
pub(super) const fn number_bits(wide: bool) -> u32 {
    if wide { 16 } else { 8 }
}

/// The low bits of a sequence number that is on its own in a packet, count.
pub(super) const fn sequence_bits(wide: bool) -> u32 {
    if wide { 24 } else { 8 }
}

/// What the rest of a data packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Frames,
    /// One message of this channel.
    Sole(u8),
    /// Frames; to be acknowledged at once.
    Urgent,
    /// A byte that says whether to acknowledge at once, and frames that have to be decompressed.
    Compressed,
}

/// Of the byte before compressed frames: they are to be acknowledged at once.
pub(super) const COMPRESSED_URGENT: u8 = 1;

/// Begins a data packet. Content, acknowledgement and tag come into its first bytes later.
pub(super) fn start_data(out: &mut Vec<u8>, id: WireId, number: u64, wide: bool) {
    out.clear();
    out.extend_from_slice(&[DATA | u8::from(wide), 0, 0, 0, 0]);
    id.write(out);
    put_low(out, number, number_bits(wide));
}

/// Says in the first byte what the content is.
pub(super) fn set_content(out: &mut [u8], content: Content) {
    let what = match content {
        Content::Frames => 0,
        Content::Sole(channel) => 1 + channel,
        Content::Compressed => 6,
        Content::Urgent => 7,
    };
    out[0] = out[0] & !CONTENT | what << 3;
}

/// Says in the first byte which form of acknowledgement follows.
pub(super) fn set_ack(out: &mut [u8], form: u8) {
    out[0] = out[0] & !ACK | form << 1;
}

/// Whether a packet being written has an acknowledgement.
pub(super) const fn has_ack(out: &[u8]) -> bool {
    out[0] & ACK != 0
}

/// Appends the low `bits` bits of a number, which are whole bytes.
pub(super) fn put_low(out: &mut Vec<u8>, number: u64, bits: u32) {
    out.extend_from_slice(&number.to_le_bytes()[..bits as usize / 8]);
}

/// Appends how long ago something was.
pub(super) fn put_delay(out: &mut Vec<u8>, delay: Duration) {
    out.push(u8::try_from(delay.as_micros() / u128::from(DELAY_UNIT)).unwrap_or(u8::MAX));
}

/// A data packet whose tag was not looked at. The acknowledgement is known to be well-formed, the content is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    pub(super) wide: bool,
    /// Low bits of the number.
    pub(super) number: u64,
    pub(super) ack: Option<Ack<'a>>,
    pub(super) content: Content,
    pub(super) rest: &'a [u8],
}

impl<'a> Data<'a> {
    /// Reads a packet that is sent to an id of `id_len` bytes.
    pub(super) fn parse(packet: &'a [u8], id_len: u8) -> Option<Self> {
        let flags = *packet.first()?;
        let wide = flags & WIDE != 0;
        let mut reader = Reader(packet.get(PREFIX + usize::from(id_len)..)?);
        let number = reader.low(number_bits(wide))?;
        let ack = match (flags & ACK) >> 1 {
            0 => None,
            form @ (1 | 2) => Some(Ack::read(&mut reader, wide, form == 2)?),
            _ => return None,
        };
        let content = match (flags & CONTENT) >> 3 {
            0 => Content::Frames,
            6 => Content::Compressed,
            7 => Content::Urgent,
            channel => Content::Sole(channel - 1),
        };
        let rest = reader.0;
        // One canonical form: nobody sends a packet that says nothing.
        let sound = match content {
            Content::Frames => !rest.is_empty() || ack.is_some(),
            Content::Sole(_) | Content::Urgent | Content::Compressed => true,
        };
        sound.then_some(Self { wide, number, ack, content, rest })
    }

    /// Whether the sender wants to know that this arrived.
    pub(super) fn ack_eliciting(&self) -> bool {
        !self.rest.is_empty() || self.content != Content::Frames
    }
}

/// An acknowledgement as it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack<'a> {
    /// Low bits of the newest number.
    pub(super) newest: u64,
    pub(super) delay: Duration,
    /// Of form 2: how many directly below, and the ranges.
    below: Option<u64>,
    ranges: &'a [u8],
}

impl<'a> Ack<'a> {
    fn read(reader: &mut Reader<'a>, wide: bool, has_ranges: bool) -> Option<Self> {
        let newest = reader.low(number_bits(wide))?;
        let delay = Duration::from_micros(u64::from(reader.u8()?) * DELAY_UNIT);
        if !has_ranges {
            return Some(Self { newest, delay, below: None, ranges: &[] });
        }
        let (below, count) = (reader.varint()?, reader.u8()?);
        if usize::from(count) >= limits::ACK_RANGES {
            return None;
        }
        let rest = reader.0;
        for _ in 0..count {
            reader.varint()?;
            reader.varint()?;
        }
        let ranges = &rest[..rest.len() - reader.0.len()];
        Some(Self { newest, delay, below: Some(u64::from(below)), ranges })
    }

    /// The ranges as `(lowest, highest)`, from the newest down, `newest` being the expanded number and `first` the lowest there
    /// is. Ends early with `None` inside when a range reaches below that.
    pub(super) fn ranges(&self, newest: u64, first: u64) -> impl Iterator<Item = Option<(u64, u64)>> + use<'a> {
        let mut reader = Reader(self.ranges);
        let not_below = move |number: &u64| *number >= first;
        let mut low = match self.below {
            None => Some(newest.saturating_sub(CUMULATIVE - 1).max(first)),
            Some(below) => newest.checked_sub(below).filter(not_below),
        };
        core::iter::once(low.map(|low| (low, newest))).chain(core::iter::from_fn(move || {
            let (gap, more) = (u64::from(reader.varint()?), u64::from(reader.varint()?));
            let high = low.and_then(|low| low.checked_sub(gap + 2));
            low = high.and_then(|high| high.checked_sub(more)).filter(not_below);
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
    fn scenario_07d_numbers_expand_to_the_nearest() {
        assert_eq!(expand(5, 16, 3), Some(5));
        assert_eq!(expand(0xFFFF, 16, 3), None);
        assert_eq!(expand(2, 16, 0xFFFE), Some(0x1_0002));
        assert_eq!(expand(0xFFFE, 16, 0x1_0002), Some(0xFFFE));
        for near in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x12_3456, u64::MAX >> 1] {
            for (bits, reach) in [(8, 0x7F), (16, 0x7FFF), (24, 0x7F_FFFF)] {
                let low = |number: u64| number & ((1 << bits) - 1);
                for ahead in [0, 1, 100, reach] {
                    assert_eq!(expand(low(near + ahead), bits, near), Some(near + ahead));
                    if near >= ahead {
                        assert_eq!(expand(low(near - ahead), bits, near), Some(near - ahead));
                    }
                    if near >= 2 * ahead {
                        assert_eq!(expand_down(low(near - 2 * ahead), bits, near), Some(near - 2 * ahead));
                    }
                }
            }
        }
        assert_eq!(expand_down(4, 8, 3), None);
        assert_eq!(expand_down(4, 8, 0x103), Some(4));
    }

    #[test]
    fn a_tag_depends_on_every_bit_the_secret_the_direction_and_the_context() {
        let mut packet = vec![DATA; 40];
        let (key, context) = (Key::of(0x1234, false), Context { number: 5, acked: 6, sequence: 7 });
        key.seal_data(context, &mut packet);
        assert!(key.opens_data(context, &packet));
        assert!(!key.opens(&packet));
        assert!(!Key::of(0x1234, true).opens_data(context, &packet));
        assert!(!Key::of(0x1235, false).opens_data(context, &packet));
        for bit in 0..64 {
            let (number, acked, sequence) =
                (context.number ^ 1 << bit, context.acked ^ 1 << bit, context.sequence ^ 1 << bit);
            assert!(!key.opens_data(Context { number, ..context }, &packet));
            assert!(!key.opens_data(Context { acked, ..context }, &packet));
            assert!(!key.opens_data(Context { sequence, ..context }, &packet));
        }
        for bit in 0..packet.len() * 8 {
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.opens_data(context, &packet));
            packet[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..packet.len() {
            assert!(!key.opens_data(context, &packet[..len]));
        }
        key.seal(&mut packet);
        assert!(key.opens(&packet) && !key.opens_data(Context::default(), &packet));
    }

    #[test]
    fn flags_have_one_meaning() {
        let parse = |flags: u8, rest: &[u8]| {
            let mut packet = vec![DATA + flags, 0, 0, 0, 0, 9, 1];
            packet.extend_from_slice(rest);
            Data::parse(&packet, 1).is_some()
        };
        assert!(parse(0x38, &[]), "a ping");
        assert!(!parse(0, &[]), "nothing");
        assert!(parse(0x30, &[0, 5]), "compressed");
        assert!(parse(0, &[0]));
        assert!(parse(0x08, &[]), "an empty message");
        assert!(parse(0x02, &[1, 0]));
        assert!(!parse(0x02, &[1]));
        assert!(!parse(0x06, &[1, 0, 0, 0]), "no such form");
        assert!(parse(0x04, &[1, 0, 0, 0]), "no ranges");
        assert!(!parse(0x04, &[1, 0, 0]));
        assert!(parse(0x04, &[9, 0, 0, 1, 0, 0]));
        assert!(!parse(0x04, &[9, 0, 0, 2, 0, 0]), "cut short");
        assert!(!parse(0x03, &[1, 0]), "wide numbers are longer");
        assert!(parse(0x03, &[0, 1, 0, 0]));
        let many = [&[9, 0, 0, 32][..], &[0; 64]].concat();
        assert!(!parse(0x04, &many), "more ranges than allowed");
    }

    #[test]
    fn form_one_speaks_for_sixty_four_numbers() {
        let mut packet = vec![DATA | 0x02, 0, 0, 0, 0, 9, 1];
        packet.extend_from_slice(&[200, 4]);
        let ack = Data::parse(&packet, 1).unwrap().ack.unwrap();
        assert_eq!((ack.newest, ack.delay.as_micros()), (200, 1_024));
        assert_eq!(ack.ranges(1_000, 0).collect::<Vec<_>>(), [Some((937, 1_000))]);
        assert_eq!(ack.ranges(1_000, 990).collect::<Vec<_>>(), [Some((990, 1_000))]);
        assert_eq!(ack.ranges(5, 0).collect::<Vec<_>>(), [Some((0, 5))]);
    }
}
