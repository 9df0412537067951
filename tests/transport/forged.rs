//! Datagrams as somebody writes them who has read `docs/WIRE.md` and knows the addresses and the schema, and nothing else.

use gridmate_runtime::Rng;

pub(crate) const HELLO: u8 = 4;
const ACCEPTED: u8 = 5;
const REFUSED: u8 = 6;
pub(crate) const DISCONNECT: u8 = 7;
const CHALLENGE: u8 = 8;
const PENDING: u8 = 9;
pub(crate) const DATA: u8 = 0x80;

/// Bytes of type and tag.
const PREFIX: usize = 5;

/// Writes the tag that the packets of a handshake have: no secret is in it.
pub(crate) fn seal_handshake(packet: &mut [u8]) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"gridmate");
    hasher.update(&packet[..1]);
    hasher.update(&packet[PREFIX..]);
    packet[1..PREFIX].copy_from_slice(&hasher.finalize().to_le_bytes());
}

/// A hello: proper in every field, with the cookie given. Zeros are none.
pub(crate) fn hello(version: u16, schema: u64, nonce: u64, cookie: [u8; 20]) -> Vec<u8> {
    let mut packet = vec![HELLO, 0, 0, 0, 0];
    packet.extend_from_slice(b"GMTE");
    packet.extend_from_slice(&version.to_le_bytes());
    packet.extend_from_slice(&schema.to_le_bytes());
    packet.extend_from_slice(&nonce.to_le_bytes());
    packet.extend_from_slice(&[1, 7, 0]);
    packet.extend_from_slice(&cookie);
    packet.extend_from_slice(&[0, 0, 0]);
    packet.resize(1_200, 0);
    seal_handshake(&mut packet);
    packet
}

/// Makes them up as its seed says.
pub(crate) struct Forger {
    rng: Rng,
    schema: u64,
    /// What data packets to the end in question are addressed to: more than a stranger would know.
    pub(crate) id: [u8; 2],
}

impl Forger {
    pub(crate) const fn new(seed: u64, schema: u64) -> Self {
        Self { rng: Rng::new(seed), schema, id: [0; 2] }
    }

    /// One of any kind, in a form that some part of the parser takes for its own.
    pub(crate) fn any(&mut self) -> Vec<u8> {
        match self.rng.below(1_000) {
            // Few, because they are long: twenty thousand in a million.
            0..20 => {
                let mut cookie = [0; 20];
                if self.rng.chance(0.8) {
                    fill(&mut self.rng, &mut cookie);
                }
                let version = if self.rng.chance(0.9) { 2 } else { 3 };
                let schema = if self.rng.chance(0.9) { self.schema } else { self.rng.next_u64() };
                hello(version, schema, self.rng.next_u64(), cookie)
            }
            20..200 => self.answer(),
            200..300 => self.disconnect(),
            300..320 => self.noise(),
            _ => self.data(),
        }
    }

    /// An answer to a hello: accepted, refused, challenge, pending, with a guessed nonce and a proper tag.
    fn answer(&mut self) -> Vec<u8> {
        let kind = [ACCEPTED, REFUSED, CHALLENGE, PENDING][self.index(4)];
        let mut packet = vec![kind, 0, 0, 0, 0];
        packet.extend_from_slice(&self.rng.next_u64().to_le_bytes());
        match kind {
            ACCEPTED => {
                packet.extend_from_slice(&self.rng.next_u64().to_le_bytes());
                packet.extend_from_slice(&[1, self.byte(), 0, 0, 0, 0]);
            }
            REFUSED => packet.push(2 + self.byte() % 2),
            CHALLENGE => {
                let mut cookie = [0; 20];
                fill(&mut self.rng, &mut cookie);
                packet.extend_from_slice(&cookie);
            }
            _ => {}
        }
        seal_handshake(&mut packet);
        packet
    }

    fn disconnect(&mut self) -> Vec<u8> {
        let mut packet = vec![DISCONNECT, 0, 0, 0, 0];
        self.put_id(&mut packet);
        packet.push(self.byte() % 9);
        self.guess_tag(&mut packet);
        packet
    }

    /// A data packet in any of its forms, every field well-formed: only the tag is wrong.
    fn data(&mut self) -> Vec<u8> {
        let wide = self.rng.chance(0.5);
        let (ack, content) = (self.byte() % 3, [0, 1, 2, 3, 4, 5, 7][self.index(7)]);
        let mut packet = vec![DATA | u8::from(wide) | ack << 1 | content << 3, 0, 0, 0, 0];
        self.put_id(&mut packet);
        self.put_number(wide, &mut packet);
        if ack > 0 {
            self.put_number(wide, &mut packet);
            packet.push(self.byte());
        }
        if ack == 2 {
            packet.extend_from_slice(&[self.byte() % 64, 1, self.byte() % 4, self.byte() % 4]);
        }
        match content {
            // Frames, and the words of the carrier: path and clock questions and their answers, and what there is besides.
            0 | 7 if self.rng.chance(0.3) => {
                packet.push(0xA0 | (self.byte() & 7));
                packet.extend_from_slice(&self.rng.next_u64().to_le_bytes());
            }
            0 | 7 => {
                let (channel, len) = (self.byte() % 5, self.byte() % 24);
                packet.push(channel);
                if matches!(channel, 0 | 3 | 4) {
                    packet.extend_from_slice(&[self.byte(), 0, 0]);
                }
                packet.push(len);
                packet.resize(packet.len() + usize::from(len), 0x5A);
            }
            // One message; a sequence number first where the channel has them.
            _ => {
                packet.extend_from_slice(&[self.byte(), self.byte() % 2, 0]);
                packet.resize(packet.len() + self.index(24), 0x5A);
            }
        }
        self.guess_tag(&mut packet);
        packet
    }

    /// Any length and any first byte.
    fn noise(&mut self) -> Vec<u8> {
        let len = if self.rng.chance(0.05) { 1_501 } else { self.index(12) };
        let mut packet = vec![0; len];
        fill(&mut self.rng, &mut packet);
        packet
    }

    fn put_id(&mut self, packet: &mut Vec<u8>) {
        let mut id = self.id;
        if self.rng.chance(0.1) {
            fill(&mut self.rng, &mut id);
        }
        packet.extend_from_slice(&id);
    }

    fn put_number(&mut self, wide: bool, packet: &mut Vec<u8>) {
        packet.push(self.byte());
        if wide {
            packet.push(if self.rng.chance(0.8) { 0 } else { self.byte() });
        }
    }

    /// Mostly a guess; now and then what would be right for another kind of packet.
    fn guess_tag(&mut self, packet: &mut [u8]) {
        match self.rng.below(20) {
            0 => {}
            1 => seal_handshake(packet),
            _ => fill(&mut self.rng, &mut packet[1..PREFIX]),
        }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.rng.next_u64().to_le_bytes()[0]
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.rng.below(below as u64)).expect("below a small number")
    }
}

fn fill(rng: &mut Rng, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let random = rng.next_u64().to_le_bytes();
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
}
