//! Packets that make a connection.
//!
//! ```text
//! joiner                                acceptor
//!   hello (1,200 bytes)  ──────────────▶  version, schema, room: compared here
//!                        ◀──────────────  refused, or later accepted
//!   ping (data packet)   ──────────────▶  connected
//! ```
//!
//! The hello is padded to the size of the largest datagram: whatever comes back is smaller, so that nobody can be flooded by
//! hellos in their name. It is repeated after 100 ms, after 200 ms, then every 250 ms; each repetition
//! is answered once. The connection's secret is made of the joiner's nonce and the acceptor's; a valid data packet
//! proves that the joiner received the answer, and only that makes the connection real (or ends an older one of the same
//! address).
//!
//! All layouts start with type and tag (see [`packet`](super::packet)) and are followed by:
//!
//! ```text
//! hello       "GMTE"  version u16  schema u64  nonce u64  length u16  hello  zeros to 1,200 bytes
//! accepted    nonce u64 (the joiner's)  nonce u64 (the acceptor's)  length u16  welcome
//! refused     nonce u64 (the joiner's)  reason u8, then
//!                 0 version: version u16 (the acceptor's)
//!                 1 schema: fingerprint u64 (the acceptor's)  details, to the end
//!                 2 full, 3 busy: nothing
//!                 4 denied: code u8  length u8  text (UTF-8)
//! ```
//!
//! Programs that differ in little may know from the details of a refusal how to get along. The joiner then says a second hello, in
//! the name of the acceptor's fingerprint, and what it says of itself tells the accepting program so.
//!
//! The hello of a later version starts the same up to its nonce, so that it can be refused in words.

use super::error::Refusal;
use super::packet::{ACCEPTED, HELLO, Key, PREFIX, REFUSED, Reader};
use crate::limits;

/// Version of everything on the wire that no schema describes: packets, frames and handshake here, and above them the layouts
/// of control messages, state records and calls, and which channel each goes over.
pub(super) const VERSION: u16 = 1;

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
    pub(super) hello: &'a [u8],
}

impl<'a> Hello<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        start(out, HELLO);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.schema.to_le_bytes());
        out.extend_from_slice(&self.nonce.to_le_bytes());
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
            return Some(Self { version, schema, nonce, hello: &[] });
        }
        let hello = take_bytes(&mut reader, limits::HELLO_BYTES)?;
        reader.0.iter().all(|&byte| byte == 0).then_some(Self { version, schema, nonce, hello })
    }
}

/// The answer that lets a joiner in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted<'a> {
    pub(super) joiner: u64,
    pub(super) acceptor: u64,
    pub(super) welcome: &'a [u8],
}

impl<'a> Accepted<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        start(out, ACCEPTED);
        out.extend_from_slice(&self.joiner.to_le_bytes());
        out.extend_from_slice(&self.acceptor.to_le_bytes());
        put_bytes(out, self.welcome);
        Key::handshake().seal(out);
    }

    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(packet.get(PREFIX..)?);
        let (joiner, acceptor) = (reader.u64()?, reader.u64()?);
        let welcome = take_bytes(&mut reader, limits::WELCOME_BYTES)?;
        reader.0.is_empty().then_some(Self { joiner, acceptor, welcome })
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
        let hello = Hello { version: VERSION, schema: 2, nonce: 3, hello: b"name" };
        hello.write(&mut out);
        assert_eq!(out.len(), limits::DATAGRAM_BYTES);
        assert_eq!(Hello::read(&out), Some(hello));
        let accepted = Accepted { joiner: 3, acceptor: 4, welcome: &[5; limits::WELCOME_BYTES] };
        accepted.write(&mut out);
        assert!(out.len() < limits::DATAGRAM_BYTES);
        assert_eq!(Accepted::read(&out), Some(accepted));
        for len in 0..out.len() {
            assert_eq!(Accepted::read(&out[..len]), None);
        }
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
        Hello { version: 99, schema: 2, nonce: 3, hello: b"" }.write(&mut out);
        out[27..].fill(0xEE);
        assert_eq!(Hello::read(&out), Some(Hello { version: 99, schema: 2, nonce: 3, hello: b"" }));
    }

    #[test]
    fn each_nonce_matters() {
        assert_ne!(secret(1, 2), secret(1, 3));
        assert_ne!(secret(1, 2), secret(2, 2));
        assert_ne!(secret(1, 2), secret(2, 1));
    }
}
