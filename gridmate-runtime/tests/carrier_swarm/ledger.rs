//! What was sent, delivered and reported, by connection: laws C1 to C6 and C8 as far as programs see them.
//!
//! Every message says in its first eight bytes which connection, direction, channel and place in it it belongs to; the rest
//! follows from those. So whatever comes out of a carrier can be held against the record of what went in.

use gridmate_runtime::carrier::{ChannelId, DisconnectReason};

use crate::carrier_support::{RELIABLE, SECOND_RELIABLE, SEQUENCED, UNORDERED, UNRELIABLE, message, number};
use crate::counts::{Counts, Happened, Law};

/// The accepting and the joining end of a connection, as places in arrays.
pub const ACCEPTOR: usize = 0;
pub const JOINER: usize = 1;

pub const CHANNELS: usize = 5;

/// Least length of a message.
pub const HEAD: usize = 8;

#[derive(Debug, Default)]
pub struct Ledger(pub Vec<Session>);

/// One connection, from being accepted on.
#[derive(Debug)]
pub struct Session {
    /// Node and life of each end.
    pub ends: [(usize, u32); 2],
    /// Which hello it answers.
    pub hello: u32,
    pub connected: [bool; 2],
    pub over: [bool; 2],
    /// Something happened that may end it.
    pub excused: bool,
    /// By sending end.
    flows: [Flow; 2],
}

#[derive(Debug, Default)]
struct Flow {
    lanes: [Lane; CHANNELS],
    tokens: Vec<Token>,
}

/// One channel in one direction.
#[derive(Debug, Default)]
struct Lane {
    lens: Vec<u32>,
    got: Vec<bool>,
    /// One more than the last one delivered.
    next: usize,
    /// Those not delivered: bytes, count.
    missing: (usize, usize),
}

#[derive(Clone, Copy, Debug)]
struct Token {
    channel: ChannelId,
    place: usize,
    fate: Option<bool>,
}

impl Ledger {
    pub fn begin(&mut self, ends: [(usize, u32); 2], hello: u32) -> usize {
        self.0.push(Session {
            ends,
            hello,
            connected: [false; 2],
            over: [false; 2],
            excused: false,
            flows: Default::default(),
        });
        self.0.len() - 1
    }

    /// The message that would be sent next, and its token.
    pub fn draft(&self, session: usize, side: usize, channel: ChannelId, len: usize) -> (Vec<u8>, u64) {
        let flow = &self.0[session].flows[side];
        let label = label(session, side, channel, flow.lanes[usize::from(channel.0)].lens.len());
        (message(label, len), (session as u64) << 32 | flow.tokens.len() as u64)
    }

    /// That message was taken.
    pub fn sent(&mut self, session: usize, side: usize, channel: ChannelId, len: usize, asked: bool) {
        let flow = &mut self.0[session].flows[side];
        let lane = &mut flow.lanes[usize::from(channel.0)];
        if asked {
            flow.tokens.push(Token { channel, place: lane.lens.len(), fate: None });
        }
        lane.lens.push(u32::try_from(len).unwrap());
        lane.missing = (lane.missing.0 + len, lane.missing.1 + 1);
        lane.got.push(false);
    }

    /// A message came out at the `to` end.
    pub fn delivered(&mut self, session: usize, to: usize, channel: ChannelId, bytes: &[u8], counts: &mut Counts) {
        let from = 1 - to;
        let what = |text: &str| format!("session {session} to {to}, {channel}: {text}");
        let live = &self.0[session];
        counts.hold(Law::C6, live.connected[to] && !live.over[to] && bytes.len() >= HEAD, || what("out of place"));
        let label_seen = number(bytes);
        let place = usize::try_from(label_seen & PLACE).unwrap();
        let lane = &mut self.0[session].flows[from].lanes[usize::from(channel.0)];
        let ours = label_seen == label(session, from, channel, place) && place < lane.lens.len();
        counts.hold(Law::C6, ours, || what(&format!("label {label_seen:016x} of {} sent", lane.lens.len())));
        let same = bytes.len() == lane.lens[place] as usize && *bytes == message(label_seen, bytes.len());
        let again = core::mem::replace(&mut lane.got[place], true);
        let next = core::mem::replace(&mut lane.next, place + 1);
        let order = || what(&format!("{place} after {next}, again: {again}, unaltered: {same}"));
        match channel {
            RELIABLE | SECOND_RELIABLE => counts.hold(Law::C1, same && place == next, order),
            UNORDERED => counts.hold(Law::C2, same && !again, order),
            SEQUENCED => counts.hold(Law::C3, same && place >= next, order),
            _ => counts.hold(Law::C4, same && !again, order),
        }
        lane.missing = (lane.missing.0 - bytes.len(), lane.missing.1 - 1);
        counts.note(Happened::Messages);
        if bytes.len() > gridmate_runtime::limits::SEGMENT_BYTES {
            counts.note(Happened::Fragmented);
        }
    }

    /// The `side` end was told what became of a message.
    pub fn receipt(&mut self, session: usize, side: usize, token: u64, delivered: bool, counts: &mut Counts) {
        let what = || format!("session {session} from {side}, token {token:x}: {delivered}");
        let flow = &mut self.0[session].flows[side];
        let place = usize::try_from(token & 0xFFFF_FFFF).unwrap();
        let asked = token >> 32 == session as u64 && place < flow.tokens.len();
        counts.hold(Law::C5, asked && flow.tokens[place].fate.is_none(), what);
        let token = &mut flow.tokens[place];
        token.fate = Some(delivered);
        let lane = &flow.lanes[usize::from(token.channel.0)];
        if !delivered {
            return counts.note(Happened::ReceiptsFalse);
        }
        counts.note(Happened::ReceiptsTrue);
        let there = match token.channel {
            // The carrier has it; it may wait for earlier ones of its own channel, and for nothing else.
            RELIABLE | SECOND_RELIABLE => {
                if lane.next < token.place {
                    counts.note(Happened::Blocked);
                }
                lane.next != token.place
            }
            // A later one may have made it worthless.
            SEQUENCED => lane.next > token.place,
            _ => lane.got[token.place],
        };
        counts.hold(Law::C5, there, || format!("{}: place {} is not there, {}", what(), token.place, lane.next));
    }

    /// The `side` end was told that it is over.
    pub fn over(&mut self, session: usize, side: usize, reason: DisconnectReason, counts: &mut Counts) {
        let ended = &mut self.0[session];
        ended.over[side] = true;
        let open = ended.flows[side].tokens.iter().filter(|token| token.fate.is_none()).count();
        counts.hold(Law::C5, open == 0, || format!("session {session}: {open} tokens without a receipt"));
        let reasonable = ended.excused || ended.connected != [true; 2];
        counts.hold(Law::Life, reasonable, || format!("session {session} lost at {side}: {reason}"));
    }

    /// Whatever happens to a node happens to its connections.
    pub fn excuse(&mut self, node: usize, life: u32) {
        self.0.iter_mut().filter(|session| session.ends.contains(&(node, life))).for_each(|s| s.excused = true);
    }

    /// What a session still owes.
    pub fn owes(&self, session: usize) -> Option<String> {
        for (side, flow) in self.0[session].flows.iter().enumerate() {
            for channel in [RELIABLE, SECOND_RELIABLE, UNORDERED] {
                let lane = &flow.lanes[usize::from(channel.0)];
                let missing = lane.got.iter().filter(|got| !**got).count();
                if missing > 0 {
                    return Some(format!("session {session} from {side}: {missing} of {channel}"));
                }
            }
            let open = flow.tokens.iter().filter(|token| token.fate.is_none()).count();
            if open > 0 {
                return Some(format!("session {session} from {side}: {open} receipts"));
            }
        }
        None
    }

    /// The trouble is long over: everything reliable is there, and its receipts say so.
    pub fn complete(&self, session: usize, counts: &mut Counts) {
        for (side, flow) in self.0[session].flows.iter().enumerate() {
            for channel in [RELIABLE, SECOND_RELIABLE, UNORDERED] {
                let lane = &flow.lanes[usize::from(channel.0)];
                let law = if channel == UNORDERED { Law::C2 } else { Law::C1 };
                let all = lane.got.iter().all(|got| *got);
                counts.hold(law, all, || format!("session {session} from {side}, {channel}: something is missing"));
            }
            for token in &flow.tokens {
                let reliable = [RELIABLE, SECOND_RELIABLE, UNORDERED].contains(&token.channel);
                let right = token.fate.is_some() && (!reliable || token.fate == Some(true));
                counts.hold(Law::C5, right, || format!("session {session} from {side}: {token:?}"));
            }
        }
    }

    /// Of what an end has sent: bytes of the largest unreliable message; bytes and count of reliable ones that were not delivered.
    pub fn outstanding(&self, session: usize, side: usize) -> (usize, usize, usize) {
        let lane = |channel: ChannelId| &self.0[session].flows[side].lanes[usize::from(channel.0)];
        let largest = lane(UNRELIABLE).lens.iter().max().map_or(0, |len| *len as usize);
        let missing = [RELIABLE, SECOND_RELIABLE, UNORDERED].map(|channel| lane(channel).missing);
        (largest, missing.iter().map(|missing| missing.0).sum(), missing.iter().map(|missing| missing.1).sum())
    }
}

const PLACE: u64 = (1 << 24) - 1;

fn label(session: usize, side: usize, channel: ChannelId, place: usize) -> u64 {
    assert!(place as u64 <= PLACE);
    (session as u64) << 32 | (side as u64) << 31 | u64::from(channel.0) << 24 | place as u64
}
