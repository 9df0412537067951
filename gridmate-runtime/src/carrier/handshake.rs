//! Packets that make a connection.
//!
//! ```text
//! joiner                                acceptor
//!   hello (1,200 bytes)  ──────────────▶  version, schema, room: compared here; nothing is kept
//!                        ◀──────────────  refused, or challenge with a cookie
//!   hello with cookie    ──────────────▶  the address is proven: the program is asked
//!                        ◀──────────────  refused, pending, or later accepted
//!   data packet          ──────────────▶  connected
//! ```
//!
//! A hello is padded to the size of the smallest path's datagram: whatever comes back is smaller, so that nobody can be flooded by
//! hellos in their name. It is repeated after 100 ms, after 200 ms, then every 250 ms; each repetition
//! is answered once. Who has no cookie, or one that is stale or somebody else's, costs the acceptor an answer and no memory.
//! The connection's secret is made of the joiner's nonce and the acceptor's; a valid data packet
//! proves that the joiner received the answer, and only that makes the connection real (or ends an older one of the same
//! address).
//!
//! All layouts start with type and tag (see [`packet`](super::packet)) and are followed by:
//!
//! ```text
//! hello       "GMTE"  version u16  schema u64  nonce u64  id  cookie 20 bytes, zeros for none
//!             compressor u8  dictionary u32 unless that is 0  length u16  hello  zeros to 1,200 bytes
//! challenge   nonce u64 (the joiner's)  cookie 20 bytes
//! pending     nonce u64 (the joiner's)
//! accepted    nonce u64 (the joiner's)  nonce u64 (the acceptor's)  id  compressor u8  length u16  welcome
//! refused     nonce u64 (the joiner's)  reason u8, then
//!                 0 version: version u16 (the acceptor's)
//!                 1 schema: fingerprint u64 (the acceptor's)  details, to the end
//!                 2 full, 3 busy: nothing
//!                 4 denied: code u8  length u8  text (UTF-8)
//!
//! id          bytes u8 (1 or 2)  id u16: what the other end is to write on its data packets
//! ```
//!
//! The joiner names the compressor and the dictionary it has; the acceptor, if it has the same, repeats the compressor and else says 0. Data may
//! be compressed if it was not 0. `pending` says that the program has not decided: the
//! joiner goes on asking, twice a second.
//!
//! Programs that differ in little may know from the details of a refusal how to get along. The joiner then says a second hello, in
//! the name of the acceptor's fingerprint, and what it says of itself tells the accepting program so.
//!
//! The hello of a later version starts the same up to its nonce, so that it can be refused in words.

use super::compress::Offer;
use super::error::Refusal;
use super::packet::{ACCEPTED, CHALLENGE, HELLO, Key, PENDING, PREFIX, REFUSED, Reader, WireId};
use super::secret::{COOKIE_BYTES, Cookie};
use crate::limits;

/// Version of everything on the wire that no schema describes: packets, frames and handshake here, and above them the layouts
/// of control messages, state records and calls, and which channel each goes over.
pub(super) const VERSION: u16 = 2;

const MAGIC: [u8; 4] = *b"GMTE";

/// The connection's secret: both nonces, each of which alone decides all of its bits.
pub(super) const fn secret(joiner: u64, acceptor: u64) -> u64 {
    crate::rng::Rng::new(joiner ^ acceptor.rotate_left(32)).next_u64()
}

/// A hello. Of another version's, only what all versions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello<'a> {
    pub(super) version: u16,
    pub(super) schema: u64,
    pub(super) nonce: u64,
    pub(super) id: WireId,
    /// Zeros before there was a challenge.
    pub(super) cookie: Cookie,
    pub(super) compressor: Offer,
    pub(super) hello: &'a [u8],
}

/// A joiner that has no cookie yet.
pub(super) const NO_COOKIE: Cookie = [0; COOKIE_BYTES];

/// What a hello of another version does not say.
const NO_ID: WireId = WireId { value: 0, len: 1 };

impl<'a> Hello<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        start(out, HELLO);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.schema.to_le_bytes());
        out.extend_from_slice(&self.nonce.to_le_bytes());
        put_id(out, self.id);
        out.extend_from_slice(&self.cookie);
        self.compressor.write(out);
        put_bytes(out, self.hello);
        out.resize(limits::DATAGRAM_BYTES, 0);
        Key::handshake().seal(out);
    }

    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(packet.get(PREFIX..)?);
        if packet.len() != limits::DATAGRAM_BYTES || reader.array()? != MAGIC {
            return None;
        }
        let (version, schema, nonce) = (reader.u16()?, reader.u64()?, reader.u64()?);
        if version != VERSION {
            return Some(Self {
                version,
                schema,
                nonce,
                id: NO_ID,
                cookie: NO_COOKIE,
                compressor: Offer::NONE,
                hello: &[],
            });
        }
        let (id, cookie, compressor) = (take_id(&mut reader)?, reader.array()?, Offer::read(&mut reader)?);
        let hello = take_bytes(&mut reader, limits::HELLO_BYTES)?;
        let sound = reader.0.iter().all(|&byte| byte == 0);
        sound.then_some(Self { version, schema, nonce, id, cookie, compressor, hello })
    }
}

/// Writes the answer to a hello without a good cookie.
pub(super) fn write_challenge(joiner: u64, cookie: &Cookie, out: &mut Vec<u8>) {
    start(out, CHALLENGE);
    out.extend_from_slice(&joiner.to_le_bytes());
    out.extend_from_slice(cookie);
    Key::handshake().seal(out);
}

/// Reads a challenge: the nonce it answers, and the cookie.
pub(super) fn read_challenge(packet: &[u8]) -> Option<(u64, Cookie)> {
    let mut reader = Reader(packet.get(PREFIX..)?);
    let (joiner, cookie) = (reader.u64()?, reader.array()?);
    reader.0.is_empty().then_some((joiner, cookie))
}

/// Writes the answer that asks for patience.
pub(super) fn write_pending(joiner: u64, out: &mut Vec<u8>) {
    start(out, PENDING);
    out.extend_from_slice(&joiner.to_le_bytes());
    Key::handshake().seal(out);
}

/// Reads that answer: the nonce it is for.
pub(super) fn read_pending(packet: &[u8]) -> Option<u64> {
    let mut reader = Reader(packet.get(PREFIX..)?);
    let joiner = reader.u64()?;
    reader.0.is_empty().then_some(joiner)
}

/// The answer that lets a joiner in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted<'a> {
    pub(super) joiner: u64,
    pub(super) acceptor: u64,
    pub(super) id: WireId,
    pub(super) compressor: u8,
    pub(super) welcome: &'a [u8],
}

impl<'a> Accepted<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        start(out, ACCEPTED);
        out.extend_from_slice(&self.joiner.to_le_bytes());
        out.extend_from_slice(&self.acceptor.to_le_bytes());
        put_id(out, self.id);
        out.push(self.compressor);
        put_bytes(out, self.welcome);
        Key::handshake().seal(out);
    }

    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(packet.get(PREFIX..)?);
        let (joiner, acceptor) = (reader.u64()?, reader.u64()?);
        let (id, compressor) = (take_id(&mut reader)?, reader.u8()?);
        let welcome = take_bytes(&mut reader, limits::WELCOME_BYTES)?;
        reader.0.is_empty().then_some(Self { joiner, acceptor, id, compressor, welcome })
    }
}

/// Writes the answer that does not let a joiner in.
pub(super) fn write_refused(joiner: u64, refusal: &Refusal, out: &mut Vec<u8>) {
    start(out, REFUSED);
    out.extend_from_slice(&joiner.to_le_bytes());
    match refusal {
        Refusal::Version { ours, .. } => {
            out.push(0);
            out.extend_from_slice(&ours.to_le_bytes());
        }
        Refusal::Schema { ours, details, .. } => {
            out.push(1);
            out.extend_from_slice(&ours.to_le_bytes());
            out.extend_from_slice(&details[..details.len().min(limits::SCHEMA_DETAIL_BYTES)]);
        }
        Refusal::Full => out.push(2),
        Refusal::Busy => out.push(3),
        Refusal::Denied { code, text } => {
            let text = &text[..text.floor_char_boundary(limits::REFUSAL_TEXT_BYTES)];
            out.extend_from_slice(&[4, *code, u8::try_from(text.len()).unwrap_or(0)]);
            out.extend_from_slice(text.as_bytes());
        }
    }
    Key::handshake().seal(out);
}

/// Reads a refusal: the nonce it answers, and the reason as seen from the joiner, whose fingerprint is `schema`.
pub(super) fn read_refused(packet: &[u8], schema: u64) -> Option<(u64, Refusal)> {
    let mut reader = Reader(packet.get(PREFIX..)?);
    let joiner = reader.u64()?;
    let refusal = match reader.u8()? {
        0 => Refusal::Version { ours: VERSION, theirs: reader.u16()? },
        1 => {
            let theirs = reader.u64()?;
            let details = core::mem::take(&mut reader.0);
            if details.len() > limits::SCHEMA_DETAIL_BYTES {
                return None;
            }
            Refusal::Schema { ours: schema, theirs, details: details.to_vec() }
        }
        2 => Refusal::Full,
        3 => Refusal::Busy,
        4 => {
            let (code, len) = (reader.u8()?, usize::from(reader.u8()?));
            let text = reader.take(len).filter(|_| len <= limits::REFUSAL_TEXT_BYTES)?;
            Refusal::denied(code, core::str::from_utf8(text).ok()?)
        }
        _ => return None,
    };
    reader.0.is_empty().then_some((joiner, refusal))
}

fn start(out: &mut Vec<u8>, kind: u8) {
    out.clear();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
}

fn put_id(out: &mut Vec<u8>, id: WireId) {
    out.push(id.len);
    out.extend_from_slice(&id.value.to_le_bytes());
}

fn take_id(reader: &mut Reader<'_>) -> Option<WireId> {
    let (len, value) = (reader.u8()?, reader.u16()?);
    (len == 2 || len == 1 && value < 256).then_some(WireId { value, len })
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    #[expect(clippy::cast_possible_truncation, reason = "callers check against limits far below")]
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(reader: &mut Reader<'a>, limit: usize) -> Option<&'a [u8]> {
    let len = usize::from(reader.u16()?);
    reader.take(len).filter(|_| len <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_they_were() {
        let mut out = Vec::new();
        let id = WireId { value: 0x102, len: 2 };
        let hello = Hello {
            version: VERSION,
            schema: 2,
            nonce: 3,
            id,
            cookie: [9; 20],
            compressor: Offer::NONE,
            hello: b"name",
        };
        for compressor in [Offer::NONE, Offer { id: 1, dictionary: 0 }, Offer { id: 255, dictionary: u32::MAX }] {
            let hello = Hello { compressor, ..hello };
            hello.write(&mut out);
            assert_eq!(out.len(), limits::DATAGRAM_BYTES);
            assert_eq!(Hello::read(&out), Some(hello));
        }
        let id = WireId { value: 0xFF, len: 1 };
        let accepted = Accepted { joiner: 3, acceptor: 4, id, compressor: 0, welcome: &[5; limits::WELCOME_BYTES] };
        accepted.write(&mut out);
        assert!(out.len() < limits::DATAGRAM_BYTES);
        assert_eq!(Accepted::read(&out), Some(accepted));
        for len in 0..out.len() {
            assert_eq!(Accepted::read(&out[..len]), None);
        }
        write_challenge(3, &[7; 20], &mut out);
        assert_eq!(read_challenge(&out), Some((3, [7; 20])));
        assert!((0..out.len()).all(|len| read_challenge(&out[..len]).is_none()));
        write_pending(3, &mut out);
        assert_eq!(read_pending(&out), Some(3));
        assert!((0..out.len()).all(|len| read_pending(&out[..len]).is_none()));
    }

    #[test]
    fn refusals_are_told_from_the_other_side() {
        let schema = |ours, theirs, details| Refusal::Schema { ours, theirs, details };
        let there = [
            (Refusal::Version { ours: 9, theirs: VERSION }, Refusal::Version { ours: VERSION, theirs: 9 }),
            (schema(8, 7, vec![]), schema(7, 8, vec![])),
            (schema(8, 7, vec![9; 5_000]), schema(7, 8, vec![9; limits::SCHEMA_DETAIL_BYTES])),
            (Refusal::Full, Refusal::Full),
            (Refusal::Busy, Refusal::Busy),
            (Refusal::denied(3, "no"), Refusal::denied(3, "no")),
            (Refusal::denied(3, "é".repeat(100)), Refusal::denied(3, "é".repeat(64))),
        ];
        let mut out = Vec::new();
        for (sent, seen) in there {
            write_refused(1, &sent, &mut out);
            assert!(out.len() < limits::DATAGRAM_BYTES);
            assert_eq!(read_refused(&out, 7), Some((1, seen)));
        }
    }

    #[test]
    fn a_later_version_is_recognised_by_its_start() {
        let mut out = Vec::new();
        let id = NO_ID;
        let hello =
            Hello { version: 99, schema: 2, nonce: 3, id, cookie: NO_COOKIE, compressor: Offer::NONE, hello: b"" };
        hello.write(&mut out);
        out[27..].fill(0xEE);
        assert_eq!(Hello::read(&out), Some(hello));
    }

    #[test]
    fn each_nonce_matters() {
        assert_ne!(secret(1, 2), secret(1, 3));
        assert_ne!(secret(1, 2), secret(2, 2));
        assert_ne!(secret(1, 2), secret(2, 1));
    }
}
