//! What leaves the endpoints, read by somebody who knows all secrets: laws C7, C9 and C10.
//!
//! Both nonces of a connection travel in its handshake, so its keys can be made here from what was sent, and the tag
//! of each data packet says which connection it is for and whether its number, of which only the low bits are in it, is the one it
//! was sealed with. This is the layout of `docs/WIRE.md`, written a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crc32fast::Hasher;
use gridmate_runtime::{Rng, limits};

use crate::carrier_support::{RELIABLE, SECOND_RELIABLE, UNORDERED};
use crate::counts::{Counts, Happened, Law};
use crate::ledger::{ACCEPTOR, CHANNELS, JOINER, Ledger};

const HELLO: u8 = 4;
const ACCEPTED: u8 = 5;
const DISCONNECT: u8 = 7;
const DATA: u8 = 0x80;

/// The longest datagram with a challenge for an address, bytes.
const CHALLENGE_BYTES: usize = 24;

/// Whoever sends, and where from.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub node: usize,
    pub life: u32,
    pub address: SocketAddr,
}

#[derive(Debug)]
pub struct Wire {
    first_number: u64,
    /// By the number that its text starts with.
    hellos: BTreeMap<u32, Hello>,
    nonces: BTreeSet<u64>,
    secrets: BTreeSet<u64>,
    /// By session.
    keys: BTreeMap<usize, Keys>,
    /// By node: what went from and to each address in its present life.
    accounts: Vec<BTreeMap<SocketAddr, Account>>,
}

#[derive(Debug)]
struct Hello {
    nonce: u64,
    id: Vec<u8>,
    from: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
struct Keys {
    acceptor: u64,
    sides: [Side; 2],
}

/// What one end of a connection has sent.
#[derive(Debug)]
struct Side {
    key: u32,
    /// What the other end is called by it.
    id: Vec<u8>,
    /// One more than the highest number used.
    next: u64,
    /// By channel: one more than the highest sequence number seen on its own.
    sequences: [u64; CHANNELS],
    goodbyes: u32,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Bytes of hellos and of data that came from there.
    hellos: usize,
    data: usize,
    /// Bytes that went there before it was proven: answers, and data.
    answers: usize,
    challenges: usize,
    proven: bool,
}

impl Wire {
    pub fn new(nodes: usize, first_number: u64) -> Self {
        Self {
            first_number,
            hellos: BTreeMap::new(),
            nonces: BTreeSet::new(),
            secrets: BTreeSet::new(),
            keys: BTreeMap::new(),
            accounts: vec![BTreeMap::new(); nodes],
        }
    }

    /// A node has forgotten everything.
    pub fn restarted(&mut self, node: usize) {
        self.accounts[node].clear();
    }

    /// An address may be written to.
    pub fn proven(&mut self, node: usize, address: SocketAddr) {
        self.accounts[node].entry(address).or_default().proven = true;
    }

    /// One end of a session is over.
    pub fn closed(&mut self, session: usize, side: usize) {
        if let Some(keys) = self.keys.get_mut(&session) {
            keys.sides[side].closed = true;
        }
    }

    /// Whether a hello with this number was sent from there.
    pub fn has_greeted(&self, hello: u32, from: SocketAddr) -> bool {
        self.hellos.get(&hello).is_some_and(|hello| hello.from.contains(&from))
    }

    pub fn heard(&mut self, node: usize, from: SocketAddr, datagram: &[u8]) {
        let account = self.accounts[node].entry(from).or_default();
        match datagram.first() {
            Some(&HELLO) => account.hellos += datagram.len(),
            Some(DATA..) => account.data += datagram.len(),
            _ => {}
        }
    }

    pub fn sent(&mut self, by: Sender, to: SocketAddr, datagram: &[u8], ledger: &Ledger, counts: &mut Counts) {
        self.weigh(by, to, datagram, counts);
        match datagram[0] {
            HELLO => self.greeted(by, datagram, counts),
            ACCEPTED => self.accepted(datagram, ledger, counts),
            DISCONNECT | DATA.. => self.sealed(by, datagram, ledger, counts),
            _ => {}
        }
    }

    /// C10.
    fn weigh(&mut self, by: Sender, to: SocketAddr, datagram: &[u8], counts: &mut Counts) {
        let account = self.accounts[by.node].entry(to).or_default();
        if account.proven {
            return;
        }
        let what = |account: &Account| format!("{by:?} to {to}: {} bytes, {account:?}", datagram.len());
        if datagram[0] == HELLO {
            counts.hold(Law::C10, false, || what(account));
        } else if datagram[0] < DATA {
            account.answers += datagram.len();
            counts.hold(Law::C10, account.answers <= account.hellos, || what(account));
        } else {
            account.challenges += datagram.len();
            let little = datagram.len() <= CHALLENGE_BYTES && account.challenges <= 3 * account.data;
            counts.hold(Law::C10, little, || what(account));
            counts.note(Happened::Challenges);
        }
    }

    fn greeted(&mut self, by: Sender, datagram: &[u8], counts: &mut Counts) {
        let nonce = u64_at(datagram, 19);
        let (id, text) = (id_at(datagram, 27), u32_at(datagram, 53));
        let new = !self.hellos.contains_key(&text);
        let hello = self.hellos.entry(text).or_insert_with(|| Hello { nonce, id, from: BTreeSet::new() });
        hello.from.insert(by.address);
        let sound = if new { self.nonces.insert(nonce) } else { hello.nonce == nonce };
        counts.hold(Law::C7, sound, || format!("{by:?}: nonce {nonce:x} of hello {text}"));
    }

    fn accepted(&mut self, datagram: &[u8], ledger: &Ledger, counts: &mut Counts) {
        let (joiner, acceptor) = (u64_at(datagram, 5), u64_at(datagram, 13));
        let (id, session) = (id_at(datagram, 21), u32_at(datagram, 27) as usize);
        let hello = &self.hellos[&ledger.0[session].hello];
        if let Some(keys) = self.keys.get(&session) {
            let same = (hello.nonce, keys.acceptor) == (joiner, acceptor);
            return counts.hold(Law::C7, same, || format!("session {session}: {joiner:x} {acceptor:x}"));
        }
        let secret = Rng::new(joiner ^ acceptor.rotate_left(32)).next_u64();
        let new = self.nonces.insert(acceptor) && self.secrets.insert(secret) && hello.nonce == joiner;
        counts.hold(Law::C7, new, || format!("session {session}: {joiner:x} {acceptor:x} again"));
        let side = |side: usize, id: &[u8]| {
            let prefix = [&secret.to_le_bytes()[..], &[u8::from(side == ACCEPTOR)]].concat();
            Side {
                key: crc32fast::hash(&prefix),
                id: id.to_vec(),
                next: self.first_number,
                sequences: [self.first_number; CHANNELS],
                goodbyes: 0,
                closed: false,
            }
        };
        let sides = [side(ACCEPTOR, &hello.id), side(JOINER, &id)];
        self.keys.insert(session, Keys { acceptor, sides });
    }

    /// C7 and C9.
    fn sealed(&mut self, by: Sender, datagram: &[u8], ledger: &Ledger, counts: &mut Counts) {
        let found = self.keys.iter_mut().rev().find_map(|(&session, keys)| {
            let side = ledger.0[session].ends.iter().position(|end| *end == (by.node, by.life))?;
            if !datagram[5..].starts_with(&keys.sides[side].id) {
                return None;
            }
            let opened = keys.open(side, datagram)?;
            Some((session, &mut keys.sides[side], opened))
        });
        let Some((session, side, opened)) = found else {
            return counts.hold(Law::C7, false, || format!("{by:?}: {:02x?} has no key", &datagram[..12]));
        };
        let Some((number, sequence)) = opened else {
            side.goodbyes += 1;
            counts.note(Happened::Goodbyes);
            let polite = side.closed && side.goodbyes <= 3;
            return counts.hold(Law::C9, polite, || format!("{by:?}: {} goodbyes of session {session}", side.goodbyes));
        };
        counts.hold(Law::C7, number >= side.next, || format!("{by:?}: number {number:x} of session {session} again"));
        counts.hold(Law::C9, !side.closed, || format!("{by:?}: data of session {session}, which is over"));
        side.next = number + 1;
        if let Some((channel, sequence)) = sequence {
            side.sequences[channel] = side.sequences[channel].max(sequence + 1);
        }
    }
}

/// A packet's whole number; when it is a reliable message also its channel and sequence number. A goodbye has none.
type Numbers = Option<(u64, Option<(usize, u64)>)>;

impl Keys {
    /// What a packet says, if it is sealed with the key of this side.
    fn open(&self, side: usize, datagram: &[u8]) -> Option<Numbers> {
        let (ours, theirs) = (&self.sides[side], &self.sides[1 - side]);
        if datagram[0] == DISCONNECT {
            return (tag(ours.key, None, datagram) == datagram[1..5]).then_some(None);
        }
        let mut at = 5 + ours.id.len();
        let mut low = |bytes: usize| {
            let mut whole = [0; 8];
            whole[..bytes].copy_from_slice(datagram.get(at..at + bytes)?);
            at += bytes;
            Some(u64::from_le_bytes(whole))
        };
        let width = 1 + usize::from(datagram[0] & 1);
        let number = nearest(low(width)?, 8 * width, ours.next)?;
        let form = datagram[0] >> 1 & 3;
        let mut acked = vec![0];
        if form > 0 {
            let newest = low(width)?;
            low(1)?;
            let most = theirs.next.checked_sub(1)?;
            let first = most.checked_sub(most.wrapping_sub(newest) & ((1 << (8 * width)) - 1))?;
            // A peer that was silent for long may have sent more since than the low bits tell.
            acked = (0..6_u64).map_while(|round| first.checked_sub(round << (8 * width))).collect();
        }
        if form == 2 {
            let mut varint = || if low(1)? >= 0x80 { low(1) } else { Some(0) };
            varint()?;
            let ranges = low(1)?;
            for _ in 0..ranges {
                for _ in 0..2 {
                    if low(1)? >= 0x80 {
                        low(1)?;
                    }
                }
            }
        }
        let content = usize::from(datagram[0] >> 3 & 7);
        let reliable = [RELIABLE, SECOND_RELIABLE, UNORDERED].map(|channel| usize::from(channel.0) + 1);
        let mut sequences = vec![None];
        if reliable.contains(&content) {
            let bytes = if width == 2 { 3 } else { 1 };
            let near = ours.sequences[content - 1] >> (8 * bytes) << (8 * bytes) | low(bytes)?;
            // Those that travelled in frames were not counted.
            let around = (0..12_i64).chain(-4..0).filter_map(|round| near.checked_add_signed(round << (8 * bytes)));
            sequences = around.map(|sequence| Some((content - 1, sequence))).collect();
        }
        sequences.iter().find_map(|sequence| {
            let whole = sequence.map_or(0, |(_, sequence)| sequence);
            let opens = |acked: &u64| tag(ours.key, Some([number, *acked, whole]), datagram) == datagram[1..5];
            acked.iter().any(opens).then_some(Some((number, *sequence)))
        })
    }
}

/// The tag that belongs on a packet.
pub fn tag(key: u32, context: Option<[u64; 3]>, datagram: &[u8]) -> [u8; 4] {
    let mut hasher = Hasher::new_with_initial(key);
    for number in context.into_iter().flatten() {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&datagram[..1]);
    hasher.update(&datagram[5..]);
    hasher.finalize().to_le_bytes()
}

/// The key of packets that make connections.
pub fn handshake_key() -> u32 {
    crc32fast::hash(b"gridmate")
}

fn nearest(low: u64, bits: usize, near: u64) -> Option<u64> {
    let ahead = (low.wrapping_sub(near) << (64 - bits)).cast_signed() >> (64 - bits);
    near.checked_add_signed(ahead)
}

fn u32_at(datagram: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(datagram[at..at + 4].try_into().unwrap())
}

fn u64_at(datagram: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(datagram[at..at + 8].try_into().unwrap())
}

fn id_at(datagram: &[u8], at: usize) -> Vec<u8> {
    datagram[at + 1..at + 1 + usize::from(datagram[at])].to_vec()
}

const _: () = assert!(limits::DATAGRAM_BYTES == 1_200, "what a hello is long");
