//! State messages under way: what each said, until its receipt comes.

use std::collections::VecDeque;

use super::entry::Entry;
use super::expected::Expected;
use crate::ids::ReplicaId;

/// Ticks between repetitions of something, after the first.
const REPEAT: u32 = 2;

/// One thing that a state message said. `again`: it had been said before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    State { place: u32, version: u32, again: bool },
    Destroy { id: ReplicaId, again: bool },
}

impl Sent {
    const fn is_again(self) -> bool {
        match self {
            Self::State { again, .. } | Self::Destroy { again, .. } => again,
        }
    }
}

/// State messages without a receipt, in the order they were sent; what they said in one ring.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    messages: VecDeque<Message>,
    records: VecDeque<Sent>,
    /// Token of the front message.
    first_token: u64,
    /// Number, since the start, of the front record.
    first_record: u64,
    /// Something recorded since the last message was said before.
    has_again: bool,
}

#[derive(Debug)]
struct Message {
    start: u64,
    len: usize,
    resolved: bool,
    /// The tick it was sent in.
    tick: u32,
    /// What it said for the second time or more waits to be repeated; what it said for the first time does.
    again_waits: bool,
    first_waits: bool,
}

impl InFlight {
    pub(super) fn record(&mut self, sent: Sent) {
        self.has_again |= sent.is_again();
        self.records.push_back(sent);
    }

    /// The replicas recorded since the last message was sealed, of those that are sent and not destroyed.
    pub(super) fn unsealed(&self, entries: &[Entry]) -> impl Iterator<Item = Expected> {
        let sealed = self.messages.back().map_or(self.first_record, |m| m.start + m.len as u64);
        let start = usize::try_from(sealed - self.first_record).expect("no more than are in the ring");
        self.records.range(start..).filter_map(|sent| match *sent {
            Sent::State { place, .. } => Some(Expected { id: entries[place as usize].id, place }),
            Sent::Destroy { .. } => None,
        })
    }

    /// Everything recorded since the last call went out as one message. Returns its token.
    pub(super) fn seal(&mut self, tick: u32) -> u64 {
        let end = self.first_record + self.records.len() as u64;
        let start = self.messages.back().map_or(self.first_record, |m| m.start + m.len as u64);
        let len = usize::try_from(end - start).expect("no more than are in the ring");
        let again_waits = core::mem::take(&mut self.has_again);
        self.messages.push_back(Message { start, len, resolved: false, tick, again_waits, first_waits: true });
        self.first_token + self.messages.len() as u64 - 1
    }

    /// Visits, once, what was said so long ago that its receipt should be here. What was said for the first time has
    /// `patience` ticks, a round trip; what was repeated already gets only a few, because something is known to be wrong.
    pub(super) fn overdue(&mut self, tick: u32, patience: u32, mut each: impl FnMut(Sent)) {
        for message in &mut self.messages {
            let age = tick.wrapping_sub(message.tick);
            let again = message.again_waits && age >= REPEAT.min(patience);
            let first = message.first_waits && age >= patience;
            if message.resolved || !again && !first {
                continue;
            }
            message.again_waits &= !again;
            message.first_waits &= !first;
            let start = usize::try_from(message.start - self.first_record).expect("no more than are in the ring");
            let records = self.records.range(start..start + message.len);
            records.filter(|sent| if sent.is_again() { again } else { first }).for_each(|sent| each(*sent));
        }
    }

    /// Visits what a message said, now that its receipt is here, and returns the tick it was sent in. Each token is good for
    /// once.
    pub(super) fn resolve(&mut self, token: u64, mut each: impl FnMut(Sent)) -> Option<u32> {
        let message =
            token.checked_sub(self.first_token).and_then(|n| self.messages.get_mut(usize::try_from(n).ok()?))?;
        if core::mem::replace(&mut message.resolved, true) {
            return None;
        }
        let tick = message.tick;
        let start = usize::try_from(message.start - self.first_record).expect("no more than are in the ring");
        self.records.range(start..start + message.len).for_each(|sent| each(*sent));
        while let Some(message) = self.messages.pop_front_if(|m| m.resolved) {
            self.records.drain(..message.len);
            self.first_record += message.len as u64;
            self.first_token += 1;
        }
        Some(tick)
    }
}
