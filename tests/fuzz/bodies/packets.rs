//! Packets of the carrier, written and sealed by hand after `docs/WIRE.md`: what a peer can say that has its own program.

use std::net::SocketAddr;

use crc32fast::Hasher;
use gridmate_runtime::Rng;
use gridmate_runtime::limits::DATAGRAM_BYTES;

pub(crate) const HELLO: u8 = 4;
pub(crate) const ACCEPTED: u8 = 5;
pub(crate) const REFUSED: u8 = 6;
pub(crate) const DISCONNECT: u8 = 7;
pub(crate) const CHALLENGE: u8 = 8;
pub(crate) const PENDING: u8 = 9;
pub(crate) const DATA: u8 = 0x80;
pub(crate) const WIDE: u8 = 1;

/// The version that is spoken.
pub(crate) const VERSION: u16 = 2;

/// Type and tag.
pub(crate) const PREFIX: usize = 5;

pub(crate) fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 4_000 + u16::from(n)))
}

/// What the tag of a data packet covers besides the packet: its number, the newest it acknowledges, the sequence number of its
/// one message. Zero for what is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) number: u64,
    pub(crate) acked: u64,
    pub(crate) sequence: u64,
}

/// CRC state that a tag starts from.
#[derive(Clone, Copy)]
pub(crate) struct Key(u32);

impl Key {
    /// For what goes over the connection that these two nonces made.
    pub(crate) fn of(joiner: u64, acceptor: u64, from_acceptor: bool) -> Self {
        let secret = Rng::new(joiner ^ acceptor.rotate_left(32)).next_u64();
        let mut prefix = secret.to_le_bytes().to_vec();
        prefix.push(u8::from(from_acceptor));
        Self(crc32fast::hash(&prefix))
    }

    pub(crate) fn handshake() -> Self {
        Self(crc32fast::hash(b"gridmate"))
    }

    /// Writes the tag. Only data packets have a context.
    pub(crate) fn seal(self, context: Option<Context>, packet: &mut [u8]) {
        if packet.len() >= PREFIX {
            let tag = self.tag(context, packet);
            packet[1..PREFIX].copy_from_slice(&tag);
        }
    }

    pub(crate) fn opens(self, context: Option<Context>, packet: &[u8]) -> bool {
        packet.len() >= PREFIX && packet[1..PREFIX] == self.tag(context, packet)
    }

    fn tag(self, context: Option<Context>, packet: &[u8]) -> [u8; 4] {
        let mut hasher = Hasher::new_with_initial(self.0);
        if let Some(Context { number, acked, sequence }) = context {
            [number, acked, sequence].iter().for_each(|number| hasher.update(&number.to_le_bytes()));
        }
        hasher.update(&packet[..1]);
        hasher.update(&packet[PREFIX..]);
        hasher.finalize().to_le_bytes()
    }
}

/// A hello, whatever it says.
#[derive(Clone, Copy)]
pub(crate) struct Hello<'a> {
    pub(crate) version: u16,
    pub(crate) schema: u64,
    pub(crate) nonce: u64,
    /// How many bytes name the connection, and the name.
    pub(crate) id: (u8, u16),
    pub(crate) cookie: [u8; 20],
    pub(crate) text: &'a [u8],
}

impl Hello<'_> {
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut out = vec![HELLO, 0, 0, 0, 0];
        out.extend_from_slice(b"GMTE");
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.schema.to_le_bytes());
        out.extend_from_slice(&self.nonce.to_le_bytes());
        put_id(&mut out, self.id);
        out.extend_from_slice(&self.cookie);
        out.push(0);
        put_text(&mut out, self.text);
        out.resize(DATAGRAM_BYTES, 0);
        Key::handshake().seal(None, &mut out);
        out
    }
}

pub(crate) fn accepted(joiner: u64, acceptor: u64, id: (u8, u16), welcome: &[u8]) -> Vec<u8> {
    let mut out = head(ACCEPTED, joiner);
    out.extend_from_slice(&acceptor.to_le_bytes());
    put_id(&mut out, id);
    out.push(0);
    put_text(&mut out, welcome);
    Key::handshake().seal(None, &mut out);
    out
}

/// One of the other answers to a hello: its type, the nonce, and what follows it.
pub(crate) fn answer(kind: u8, joiner: u64, rest: &[u8]) -> Vec<u8> {
    let mut out = head(kind, joiner);
    out.extend_from_slice(rest);
    Key::handshake().seal(None, &mut out);
    out
}

pub(crate) fn goodbye(id: (u8, u16), key: Key, reason: u8) -> Vec<u8> {
    let mut out = vec![DISCONNECT, 0, 0, 0, 0];
    put_name(&mut out, id);
    out.push(reason);
    key.seal(None, &mut out);
    out
}

/// The nonce of any handshake packet.
pub(crate) fn nonce(packet: &[u8]) -> Option<u64> {
    let at = if packet.first() == Some(&HELLO) { PREFIX + 14 } else { PREFIX };
    Some(u64::from_le_bytes(packet.get(at..at + 8)?.try_into().ok()?))
}

/// What a hello says the connection's name is, or `accepted`.
pub(crate) fn name(packet: &[u8]) -> Option<(u8, u16)> {
    let at = if packet.first() == Some(&HELLO) { PREFIX + 22 } else { PREFIX + 16 };
    let [len, low, high] = packet.get(at..at + 3)?.try_into().ok()?;
    Some((len, u16::from_le_bytes([low, high])))
}

/// The cookie in a challenge.
pub(crate) fn cookie(packet: &[u8]) -> Option<[u8; 20]> {
    packet.get(PREFIX + 8..)?.try_into().ok()
}

/// The acceptor's nonce in `accepted`.
pub(crate) fn acceptor(packet: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(packet.get(PREFIX + 8..PREFIX + 16)?.try_into().ok()?))
}

/// Appends the name of a connection as packets have it.
pub(crate) fn put_name(out: &mut Vec<u8>, id: (u8, u16)) {
    out.extend_from_slice(&id.1.to_le_bytes()[..usize::from(id.0)]);
}

/// Appends a number of at most 14 bits; more are left off.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: usize) {
    let [low, high] = [value & 0x7F, value >> 7 & 0x7F].map(|seven| u8::try_from(seven).expect("seven bits"));
    if high == 0 { out.push(low) } else { out.extend_from_slice(&[low | 0x80, high]) }
}

/// Appends the low `bytes` bytes of a number.
pub(crate) fn put_low(out: &mut Vec<u8>, number: u64, bytes: usize) {
    out.extend_from_slice(&number.to_le_bytes()[..bytes]);
}

/// The number nearest to `near` with these low bits.
pub(crate) fn nearest(low: u64, bits: u32, near: u64) -> Option<u64> {
    let span = 1_i128 << bits;
    let (low, near) = (i128::from(low), i128::from(near));
    let ahead = (low - near).rem_euclid(span);
    u64::try_from(near + if ahead >= span / 2 { ahead - span } else { ahead }).ok()
}

/// The largest number up to `most` with these low bits.
pub(crate) fn largest(low: u64, bits: u32, most: u64) -> Option<u64> {
    let back = (i128::from(most) - i128::from(low)).rem_euclid(1 << bits);
    u64::try_from(i128::from(most) - back).ok()
}

fn head(kind: u8, nonce: u64) -> Vec<u8> {
    let mut out = vec![kind, 0, 0, 0, 0];
    out.extend_from_slice(&nonce.to_le_bytes());
    out
}

fn put_id(out: &mut Vec<u8>, id: (u8, u16)) {
    out.push(id.0);
    out.extend_from_slice(&id.1.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(text);
}
