//! What waits for the program to poll it, in the order it happened, and how much of it may.
//!
//! **News** (members coming and going, receipts) is small, and of more than [`limits::EVENTS`] the oldest is dropped and counted.
//! **Messages** are counted in bytes against the connection they came over. A connection that has too many waiting gets no more
//! unreliable ones in, and ends for one more reliable one: whoever floods a program loses only itself, and nothing reliable is
//! dropped in silence. When a connection ends, what it has brought still waits, as far as there is room for all such.
//!
//! A client hears of members over another channel than it gets their messages. What comes before its sender is known waits until
//! it is.

use std::collections::{BTreeMap, VecDeque};

use super::{NodeEvent, UserChannel};
use crate::carrier::ConnectionId;
use crate::ids::MemberId;
use crate::limits;
use crate::session::SessionEvent;

/// A message that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) over: ConnectionId,
    pub(super) from: MemberId,
    pub(super) channel: UserChannel,
    pub(super) bytes: Vec<u8>,
}

/// Too many messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// With running numbers that both queues share.
    news: VecDeque<(u64, NodeEvent)>,
    messages: VecDeque<(u64, Arrived)>,
    serial: u64,
    /// From members that nobody has told us of yet.
    early: Vec<Arrived>,
    /// Those that have left lately.
    departed: VecDeque<MemberId>,
    /// By speaker, the newest packet that brought something.
    pub(super) voices: BTreeMap<MemberId, u64>,
    /// By connection, the bytes of its messages; and those of connections that have ended.
    waiting: BTreeMap<ConnectionId, usize>,
    orphaned: usize,
    /// News dropped, and messages.
    pub(super) news_dropped: u64,
    pub(super) messages_dropped: u64,
}

impl Inbox {
    pub(super) fn news(&mut self, event: NodeEvent) {
        if self.news.len() >= limits::EVENTS {
            self.news.pop_front();
            self.news_dropped += 1;
        }
        self.serial += 1;
        self.news.push_back((self.serial, event));
    }

    /// News of the session, and what follows from it.
    pub(super) fn session_news(&mut self, event: SessionEvent) {
        let mut joined = None;
        match &event {
            SessionEvent::MemberJoined { member, .. } => joined = Some(*member),
            SessionEvent::MemberLeft { member, .. } => {
                self.voices.remove(member);
                if self.departed.len() >= limits::DEPARTED {
                    self.departed.pop_front();
                }
                self.departed.push_back(*member);
            }
            SessionEvent::HostLost { .. } => self.voices.clear(),
            _ => {}
        }
        self.news(NodeEvent::Session(event));
        for arrived in self.early.extract_if(.., |arrived| joined == Some(arrived.from)) {
            self.serial += 1;
            self.messages.push_back((self.serial, arrived));
        }
    }

    /// Whether a piece of a member's voice, from a packet of this order, is not older than what was heard of it.
    pub(super) fn is_timely(&mut self, speaker: MemberId, order: u64) -> bool {
        let newest = self.voices.entry(speaker).or_insert(order);
        let timely = order >= *newest;
        *newest = order.max(*newest);
        timely
    }

    /// Whether a member has left lately.
    pub(super) fn has_left(&self, member: MemberId) -> bool {
        self.departed.contains(&member)
    }

    /// Takes a message in. `early`: its sender is not known yet. True if it was, or will be, an event.
    pub(super) fn message(&mut self, arrived: Arrived, early: bool) -> Result<bool, Overflow> {
        let (cost, waiting) = (cost(&arrived), self.waiting.entry(arrived.over).or_default());
        if !arrived.channel.is_reliable() && (early || *waiting + cost > limits::INBOX_UNRELIABLE_BYTES) {
            self.messages_dropped += 1;
            return Ok(false);
        }
        if *waiting + cost > limits::INBOX_BYTES {
            return Err(Overflow);
        }
        *waiting += cost;
        if early {
            self.early.push(arrived);
        } else {
            self.serial += 1;
            self.messages.push_back((self.serial, arrived));
        }
        Ok(true)
    }

    /// A connection has ended.
    pub(super) fn close(&mut self, over: ConnectionId) {
        let Some(waiting) = self.waiting.remove(&over) else { return };
        let early = self.early.extract_if(.., |arrived| arrived.over == over);
        let (count, unheard) = early.fold((0, 0), |(n, sum), arrived| (n + 1, sum + cost(&arrived)));
        self.messages_dropped += count;
        if self.orphaned + waiting <= limits::INBOX_BYTES {
            self.orphaned += waiting - unheard;
            return;
        }
        let before = self.messages.len();
        self.messages.retain(|(_, arrived)| arrived.over != over);
        self.messages_dropped += (before - self.messages.len()) as u64;
    }

    /// Bytes of messages that wait, with bookkeeping.
    pub(super) fn bytes(&self) -> usize {
        self.orphaned + self.waiting.values().sum::<usize>()
    }

    /// What happened first.
    pub(super) fn poll(&mut self) -> Option<NodeEvent> {
        let news = self.news.front().map_or(u64::MAX, |(serial, _)| *serial);
        if self.messages.front().is_none_or(|(serial, _)| *serial > news) {
            return self.news.pop_front().map(|(_, event)| event);
        }
        let (_, arrived) = self.messages.pop_front()?;
        match self.waiting.get_mut(&arrived.over) {
            Some(waiting) => *waiting -= cost(&arrived),
            None => self.orphaned -= cost(&arrived),
        }
        let Arrived { from, channel, bytes, .. } = arrived;
        Some(NodeEvent::Message { from, channel, bytes })
    }
}

/// What a message counts for, bytes: the memory that it holds.
const fn cost(arrived: &Arrived) -> usize {
    arrived.bytes.capacity() + limits::MESSAGE_OVERHEAD
}
