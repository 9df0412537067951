//! What was sent over whichever connections two ends had, and what became of it.

use std::collections::BTreeMap;

use gridmate_runtime::Rng;
use gridmate_runtime::carrier::{ChannelId, ChannelKind, ConnectionId};

/// A message has a name in front by which it is known.
pub(crate) const NAME: usize = 8;

/// A connection, by an end, how often that end was started, and the end's own name for it.
pub(crate) type Side = (usize, u32, ConnectionId);

/// Messages by their names.
#[derive(Default)]
pub(crate) struct Ledger {
    messages: BTreeMap<u64, Message>,
    serial: u64,
    /// By the receiving side: the sending side, once something came.
    pairs: BTreeMap<Side, Side>,
    /// By sending side and channel: names in the order sent, and how many came so far.
    ordered: BTreeMap<(Side, u8), (Vec<u64>, usize)>,
    /// By receiving side and channel: the serial number of the newest that came.
    newest: BTreeMap<(Side, u8), u64>,
}

struct Message {
    side: Side,
    channel: u8,
    kind: ChannelKind,
    serial: u64,
    len: usize,
    arrived: bool,
    /// It was sent with a token, and what its receipt said.
    receipt: Option<Option<bool>>,
}

impl Ledger {
    /// Bytes of the next message. Nobody could take it for another.
    pub(crate) fn write(&mut self, len: usize) -> Vec<u8> {
        self.serial += 1;
        bytes(Rng::new(self.serial).next_u64(), len)
    }

    /// The message that was written last is on its way.
    pub(crate) fn sent(&mut self, side: Side, channel: ChannelId, kind: ChannelKind, len: usize, token: bool) {
        let name = self.token();
        let receipt = token.then_some(None);
        let (channel, serial) = (channel.0, self.serial);
        self.messages.insert(name, Message { side, channel, kind, serial, len, arrived: false, receipt });
        if kind == ChannelKind::ReliableOrdered {
            self.ordered.entry((side, channel)).or_default().0.push(name);
        }
    }

    /// The token of the message that was written last: its name.
    pub(crate) fn token(&self) -> u64 {
        Rng::new(self.serial).next_u64()
    }

    /// Something came up at a side.
    pub(crate) fn came(&mut self, at: Side, channel: ChannelId, received: &[u8]) {
        let name = received.first_chunk().map(|name| u64::from_le_bytes(*name));
        let message = name.and_then(|name| self.messages.get_mut(&name)).expect("nothing that was not sent");
        assert_eq!(message.channel, channel.0, "on the channel it was sent on");
        assert!(received == bytes(name.unwrap_or_default(), message.len), "as it was sent");
        assert!(!core::mem::replace(&mut message.arrived, true), "once");
        let from = *self.pairs.entry(at).or_insert(message.side);
        assert_eq!(from, message.side, "by one connection");
        assert_ne!(from.0, at.0, "from the other end");
        match message.kind {
            ChannelKind::ReliableOrdered => {
                let (sent, came) = self.ordered.get_mut(&(from, channel.0)).expect("it was sent");
                assert_eq!(sent.get(*came), name.as_ref(), "in the order sent, without a gap");
                *came += 1;
            }
            ChannelKind::UnreliableSequenced => {
                let newest = self.newest.entry((at, channel.0)).or_default();
                assert!(message.serial > *newest, "none that is older than one that came");
                *newest = message.serial;
            }
            ChannelKind::ReliableUnordered | ChannelKind::Unreliable => {}
        }
    }

    /// A receipt came. `reached` tells whether the beginning of a message was in a packet that the other end took.
    pub(crate) fn receipt(&mut self, side: Side, token: u64, delivered: bool, reached: impl Fn(&[u8; NAME]) -> bool) {
        let message = self.messages.get_mut(&token).expect("a token that was given");
        assert_eq!(message.side, side, "by the connection it was sent on");
        assert_eq!(message.receipt.replace(Some(delivered)), Some(None), "once, for those that have a token");
        if !delivered || message.arrived {
            return;
        }
        let waits = message.kind != ChannelKind::Unreliable;
        assert!(waits && reached(&token.to_le_bytes()), "not before it is there: {:?}", message.kind);
    }

    /// A connection has ended.
    pub(crate) fn ended(&self, side: Side) {
        let open = self.messages.values().filter(|message| message.side == side && message.receipt == Some(None));
        let open: Vec<_> = open.map(|message| (message.kind, message.len, message.arrived)).collect();
        assert_eq!(open, [], "every token has its receipt");
    }

    /// A connection has had all the time it needs.
    pub(crate) fn settled(&self, side: Side) {
        self.ended(side);
        for message in self.messages.values().filter(|message| message.side == side && message.kind.is_reliable()) {
            assert!(message.arrived, "a reliable message of {} bytes came through", message.len);
            assert!(message.receipt.is_none_or(|receipt| receipt == Some(true)), "and so does its receipt say");
        }
    }

    /// An end was started anew: nobody waits for receipts.
    pub(crate) fn forget(&mut self, end: usize) {
        let theirs = self.messages.values_mut().filter(|message| message.side.0 == end);
        theirs.for_each(|message| message.receipt = message.receipt.map(|receipt| receipt.or(Some(false))));
    }
}

/// The message of a name: its own bytes to the end.
fn bytes(name: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::new(name);
    let mut bytes = name.to_le_bytes().to_vec();
    while bytes.len() < len {
        bytes.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes.truncate(len.max(NAME));
    bytes
}
