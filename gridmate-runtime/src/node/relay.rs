//! How messages between programs arrive, are passed on, and what their senders hear of it.
//!
//! Members of a session are connected to its host alone, so a client's message to another client goes by way of the host. The host
//! stamps it with the member whose connection it came over, whatever its sender would like to be. What it cannot pass on it drops if
//! that may be lost, and otherwise tells the sender: a member with a slow line keeps its connection, however much it is sent, and
//! what waits for it is bounded by its own queues and by what each sender may have under way ([`limits::RELAYED_BYTES`]).

use super::address::{self, Destination, Malformed, Report};
use super::inbox::{Arrived, Overflow};
use super::message::{Asked, KEPT, MESSAGE, MessageToken};
use super::{Node, NodeEvent, UserChannel};
use crate::carrier::{ConnectionId, DisconnectReason, SendError};
use crate::ids::MemberId;
use crate::limits;
use crate::time::Instant;

/// A message on its way from one client to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    from: MemberId,
    to: MemberId,
    channel: UserChannel,
    /// What it counts against [`limits::RELAYED_BYTES`].
    cost: usize,
    id: Option<u32>,
}

/// What a host passes on for one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Reliable bytes that were not acknowledged.
    reliable: usize,
    /// Unreliable bytes that may go now, and since when.
    unreliable: usize,
    since: Instant,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self { reliable: 0, unreliable: limits::RELAYED_BURST_BYTES, since: now }
    }

    fn take_unreliable(&mut self, now: Instant, len: usize) -> bool {
        let elapsed = now.saturating_since(self.since).as_micros().min(1_000_000);
        let new = elapsed * limits::RELAYED_BYTES_PER_SECOND as u128 / 1_000_000;
        self.unreliable = limits::RELAYED_BURST_BYTES.min(self.unreliable + usize::try_from(new).unwrap_or(0));
        self.since = self.since.max(now);
        let taken = self.unreliable >= len;
        self.unreliable -= if taken { len } else { 0 };
        taken
    }
}

impl From<Malformed> for DisconnectReason {
    fn from(_: Malformed) -> Self {
        Self::ProtocolError
    }
}

impl From<Overflow> for DisconnectReason {
    fn from(_: Overflow) -> Self {
        Self::Overflow
    }
}

impl Node {
    /// A message between programs has arrived.
    pub(super) fn handle_user_message(
        &mut self,
        now: Instant,
        over: ConnectionId,
        channel: UserChannel,
        order: u64,
        bytes: Vec<u8>,
    ) -> Result<(), DisconnectReason> {
        let Some(link) = self.links.get(&over).copied() else {
            self.endpoint.recycle(bytes);
            return Ok(());
        };
        if self.is_host() {
            self.hear_client(now, over, link.member, channel, order, bytes)
        } else {
            self.hear_host(over, channel, order, bytes)
        }
    }

    fn hear_client(
        &mut self,
        now: Instant,
        over: ConnectionId,
        from: MemberId,
        channel: UserChannel,
        order: u64,
        mut bytes: Vec<u8>,
    ) -> Result<(), DisconnectReason> {
        let Destination { to, id } = Destination::take(&mut bytes)?;
        if bytes.len() > channel.max_bytes() || to == from {
            return Err(Malformed.into());
        }
        if channel == UserChannel::Voice && !self.inbox.is_timely(from, order) {
            self.messages.stats.dropped += 1;
            self.report_lost(from, to, channel, id);
            self.endpoint.recycle(bytes);
            return Ok(());
        }
        if to == MemberId::HOST {
            return self.deliver(Arrived { over, from, channel, bytes }, false);
        }
        let len = bytes.len();
        address::write_source(from, &mut bytes);
        if to == MemberId::NONE {
            let mut others = core::mem::take(&mut self.messages.others);
            others.extend(self.connections.keys().filter(|other| **other != from));
            others.drain(..).for_each(|other| self.pass_on(now, from, other, channel, id, &bytes));
            self.messages.others = others;
            bytes.truncate(len);
            return self.deliver(Arrived { over, from, channel, bytes }, false);
        }
        self.pass_on(now, from, to, channel, id, &bytes);
        self.endpoint.recycle(bytes);
        Ok(())
    }

    fn hear_host(
        &mut self,
        over: ConnectionId,
        channel: UserChannel,
        order: u64,
        mut bytes: Vec<u8>,
    ) -> Result<(), DisconnectReason> {
        let from = address::take_source(&mut bytes)?;
        if from == MemberId::NONE {
            let report =
                if channel == UserChannel::Ordered { Report::read(&bytes)? } else { return Err(Malformed.into()) };
            self.endpoint.recycle(bytes);
            self.handle_report(report);
            return Ok(());
        }
        if bytes.len() > channel.max_bytes() || from == self.local_member() {
            return Err(Malformed.into());
        }
        let known = self.member(from).is_some();
        let early = !known && !self.inbox.has_left(from);
        // Nothing is remembered of voices that nobody knows.
        if channel == UserChannel::Voice && !(known && self.inbox.is_timely(from, order)) {
            self.messages.stats.dropped += 1;
            self.endpoint.recycle(bytes);
            return Ok(());
        }
        self.deliver(Arrived { over, from, channel, bytes }, early)
    }

    fn deliver(&mut self, arrived: Arrived, early: bool) -> Result<(), DisconnectReason> {
        let (len, mut arrived) = (arrived.bytes.len(), arrived);
        if arrived.bytes.capacity() > KEPT {
            arrived.bytes.shrink_to_fit();
        }
        if self.inbox.message(arrived, early)? {
            self.messages.stats.received += 1;
            self.messages.stats.received_bytes += len as u64;
        }
        Ok(())
    }

    /// Sends a client's message, which ends with its source, to another client.
    fn pass_on(
        &mut self,
        now: Instant,
        from: MemberId,
        to: MemberId,
        channel: UserChannel,
        id: Option<u32>,
        message: &[u8],
    ) {
        let sender = self.connections.get(&from).and_then(|connection| self.links.get_mut(connection));
        let (Some(over), Some(sender)) = (self.connections.get(&to), sender) else {
            return self.not_passed_on(from, to, channel, id);
        };
        let (cost, reliable) = (message.len() + limits::MESSAGE_OVERHEAD, channel.is_reliable());
        let allowed = if reliable {
            sender.allowance.reliable + cost <= limits::RELAYED_BYTES
        } else {
            sender.allowance.take_unreliable(now, message.len())
        };
        let token = (reliable || id.is_some()).then_some(self.messages.serial + 1);
        let sent =
            allowed && self.endpoint.send(*over, channel.id(), message, token.map(|token| token | MESSAGE)).is_ok();
        if !sent {
            return self.not_passed_on(from, to, channel, id);
        }
        if let Some(token) = token {
            self.messages.serial = token;
            let cost = if reliable { cost } else { 0 };
            sender.allowance.reliable += cost;
            self.messages.passed.insert(token, Passed { from, to, channel, cost, id });
        }
        self.messages.stats.relayed += 1;
        self.messages.stats.relayed_bytes += message.len() as u64;
    }

    fn not_passed_on(&mut self, from: MemberId, to: MemberId, channel: UserChannel, id: Option<u32>) {
        self.messages.stats.missed(channel);
        self.report_lost(from, to, channel, id);
    }

    /// Tells a client that its message did not arrive, if that is news.
    fn report_lost(&mut self, client: MemberId, to: MemberId, channel: UserChannel, id: Option<u32>) {
        match id {
            Some(id) => self.report(client, Report::Receipt { id, delivered: false }),
            None if channel.is_reliable() => self.report(client, Report::Undelivered { channel, to }),
            None => {}
        }
    }

    fn report(&mut self, client: MemberId, report: Report) {
        let Some(connection) = self.connections.get(&client) else { return };
        self.buffer.clear();
        report.write(&mut self.buffer);
        address::write_source(MemberId::NONE, &mut self.buffer);
        if self.endpoint.send(*connection, UserChannel::Ordered.id(), &self.buffer, None) == Err(SendError::QueueFull) {
            self.faulty.push((*connection, DisconnectReason::Overflow));
        }
    }

    /// The host says what became of a message of ours.
    fn handle_report(&mut self, report: Report) {
        match report {
            Report::Receipt { id, delivered } => {
                #[expect(clippy::cast_possible_truncation, reason = "the name is the low bits")]
                let back = (self.messages.serial as u32).wrapping_sub(id);
                if let Some(token) = self.messages.serial.checked_sub(u64::from(back)) {
                    self.settle_asked(token, delivered);
                }
            }
            Report::Undelivered { channel, to } => self.inbox.news(NodeEvent::Undelivered { to, channel }),
        }
    }

    /// The carrier says what became of something: true if it was a message between programs.
    pub(super) fn handle_message_receipt(&mut self, token: u64, delivered: bool) -> bool {
        if token & MESSAGE == 0 {
            return false;
        }
        let token = token & !MESSAGE;
        if let Some(Passed { from, to, channel, cost, id }) = self.messages.passed.remove(&token) {
            if let Some(link) = self.connections.get(&from).and_then(|connection| self.links.get_mut(connection)) {
                link.allowance.reliable -= cost;
            }
            if !delivered {
                self.not_passed_on(from, to, channel, id);
            } else if let Some(id) = id {
                self.report(from, Report::Receipt { id, delivered });
            }
        } else if self.messages.asked.get(&token).is_some_and(|asked| !delivered || !asked.relayed) {
            self.settle_asked(token, delivered);
        }
        true
    }

    /// A connection has ended: nobody will say any more what became of what was sent over it.
    pub(super) fn end_messages(&mut self, connection: ConnectionId) {
        self.inbox.close(connection);
        for (token, Asked { to, .. }) in self.messages.asked.extract_if(.., |_, asked| asked.over == connection) {
            self.inbox.news(NodeEvent::Receipt { token: MessageToken(token), to, delivered: false });
        }
    }

    fn settle_asked(&mut self, token: u64, delivered: bool) {
        if let Some(Asked { to, .. }) = self.messages.asked.remove(&token) {
            self.inbox.news(NodeEvent::Receipt { token: MessageToken(token), to, delivered });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::MemoryNetwork;
    use crate::{NodeConfig, Registry};

    #[test]
    fn of_voices_that_nobody_knows_nothing_is_remembered() {
        let (network, registry) = (MemoryNetwork::new(), Registry::builder().build().unwrap());
        let mut host = Node::host(network.bind_any().unwrap(), NodeConfig::new(registry.clone())).unwrap();
        let config = NodeConfig::new(registry);
        let mut client = Node::join(network.bind_any().unwrap(), host.local_addr(), config).unwrap();
        for frame in 0..10 {
            host.tick(Instant::from_millis(frame * 16)).unwrap();
            client.tick(Instant::from_millis(frame * 16)).unwrap();
        }
        let over = client.connections[&MemberId::HOST];
        for member in [3, 4, 1_000_000, 1] {
            let mut bytes = vec![7];
            address::write_source(MemberId(member), &mut bytes);
            client.hear_host(over, UserChannel::Voice, 5, bytes).unwrap();
        }
        assert_eq!(client.inbox.voices.keys().collect::<Vec<_>>(), [&MemberId::HOST]);
    }
}
