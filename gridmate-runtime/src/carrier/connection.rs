//! One established connection: channels above, numbered packets below.
//!
//! A received packet is first checked completely (number, acknowledgement, every frame, every window) and only then acted
//! on, so a packet either has its whole effect and is acknowledged, or has none. Acting goes in a fixed order:
//! the number is noted, all acknowledgements are processed, losses are declared, then frames are delivered.

use core::time::Duration;

use super::ack::{Packet, Received, Record, Sent};
use super::config::{CarrierConfig, ChannelId, ChannelKind, ConnectionId};
use super::error::{DisconnectReason, SendError};
use super::events::{CarrierEvent, Shared};
use super::fragment::Reassembly;
use super::frame::{FrameWriter, Item, Items};
use super::packet::{self, Data, Key, low16};
use super::reliable::{Receiver, Sender};
use super::rtt::Rtt;
use super::stats::{Cause, ConnectionStats};
use super::unreliable::{Queue, Tokens, cost, pieces};
use crate::limits;
use crate::time::Instant;

/// A channel's state, by kind.
#[derive(Debug)]
enum Channel {
    Reliable(Box<(Sender, Receiver)>),
    /// With the number of the newest packet that brought a message.
    Sequenced(Queue, u64),
    Unreliable(Queue),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    id: ConnectionId,
    pub(super) send_key: Key,
    pub(super) receive_key: Key,
    channels: Vec<Channel>,
    received: Received,
    sent: Sent,
    rtt: Rtt,
    reassembly: Reassembly,
    /// The group the next fragmented message gets.
    groups: u64,
    tokens: Tokens,
    unreliable_queued: usize,
    /// Packets came that no acknowledgement reported yet, and among them some that asked for it.
    ack_news: bool,
    ack_wanted: bool,
    /// Send a ping unless something else goes out.
    ping: bool,
    /// Resend timeouts in a row.
    backoff: u32,
    /// When packets that later ones overtook count as lost.
    loss_at: Option<Instant>,
    last_received: Instant,
    last_sent: Instant,
    stats: ConnectionStats,
}

impl Connection {
    /// A connection that pings at once: the peer learns from it that the handshake is over.
    pub(super) fn new(id: ConnectionId, config: &CarrierConfig, keys: (Key, Key), now: Instant) -> Self {
        let first = config.first_number;
        let channel = |kind: &ChannelKind| match kind {
            ChannelKind::ReliableOrdered => Channel::Reliable(Box::new((Sender::new(first), Receiver::new(first)))),
            ChannelKind::UnreliableSequenced => Channel::Sequenced(Queue::default(), 0),
            ChannelKind::Unreliable => Channel::Unreliable(Queue::default()),
        };
        Self {
            id,
            send_key: keys.0,
            receive_key: keys.1,
            channels: config.channels.iter().map(channel).collect(),
            received: Received::new(first),
            sent: Sent::new(first),
            rtt: Rtt::new(),
            reassembly: Reassembly::new(first),
            groups: first,
            tokens: Tokens::default(),
            unreliable_queued: 0,
            ack_news: false,
            ack_wanted: false,
            ping: true,
            backoff: 0,
            loss_at: None,
            last_received: now,
            last_sent: now,
            stats: ConnectionStats::default(),
        }
    }

    pub(super) fn measured(&mut self, round_trip: Duration) {
        self.rtt.sample(round_trip);
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    pub(super) fn state_budget(&self) -> usize {
        if self.sent.in_flight() >= limits::STATE_IN_FLIGHT || !self.sent.has_room() {
            return 0;
        }
        limits::STATE_BYTES.saturating_sub(self.unreliable_queued)
    }

    pub(super) fn stats(&self) -> ConnectionStats {
        let mut stats = self.stats;
        stats.rtt = self.rtt.smoothed();
        stats.packets_in_flight = self.sent.in_flight();
        stats.unreliable_queued = self.unreliable_queued;
        stats.held = self.reassembly.held();
        for channel in &self.channels {
            if let Channel::Reliable(reliable) = channel {
                stats.reliable_queued += reliable.0.queued();
                stats.segments_resent += reliable.0.resent;
                stats.held += reliable.1.held();
            }
        }
        stats
    }

    /// Queues a message.
    pub(super) fn send(
        &mut self,
        channel: ChannelId,
        message: &[u8],
        token: Option<u64>,
        shared: &mut Shared,
    ) -> Result<(), SendError> {
        let channel = self.channels.get_mut(usize::from(channel.0)).ok_or(SendError::UnknownChannel)?;
        let limit = match channel {
            Channel::Reliable(_) => limits::MESSAGE_BYTES,
            Channel::Sequenced(..) => limits::SEGMENT_BYTES,
            Channel::Unreliable(_) => limits::FRAGMENTS * limits::FRAGMENT_BYTES,
        };
        if message.len() > limit {
            return Err(SendError::TooLarge { len: message.len(), limit });
        }
        let queue = match channel {
            Channel::Reliable(reliable) => {
                let queued = reliable.0.push(message, token, &mut shared.pool);
                return if queued { Ok(()) } else { Err(SendError::QueueFull) };
            }
            Channel::Sequenced(queue, _) | Channel::Unreliable(queue) => queue,
        };
        if self.unreliable_queued + cost(message.len()) > limits::UNRELIABLE_BYTES {
            return Err(SendError::QueueFull);
        }
        self.unreliable_queued += cost(message.len());
        let token = token.map(|token| self.tokens.insert(token, pieces(message.len())));
        queue.push(message, token, &mut shared.pool);
        Ok(())
    }

    /// Takes a data packet whose tag matched. `Ok` with a reason means that the connection has to end.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        datagram: &[u8],
        kinds: &[ChannelKind],
        shared: &mut Shared,
    ) -> Result<Option<DisconnectReason>, Cause> {
        let data = Data::parse(datagram)?;
        let number = packet::expand(data.number, self.received.expected()).ok_or(Cause::TooOld)?;
        self.received.check(number)?;
        let acked = data.ack.as_ref().map(|ack| self.sent.check(ack)).transpose()?;
        self.check_frames(number, data.frames, kinds)?;

        self.received.insert(number);
        self.last_received = now;
        self.stats.packets_received += 1;
        self.stats.bytes_received += datagram.len() as u64;
        self.ack_news = true;
        self.ack_wanted |= data.ack_eliciting();
        if let (Some(ack), Some(newest)) = (data.ack, acked) {
            self.process_ack(now, newest, ack.ranges(newest), shared);
        }
        self.reassembly.expire(self.received.expected() - 1, &mut shared.pool);
        for item in Items::new(data.frames, kinds).flatten() {
            if let Some(reason) = self.deliver(number, item, shared) {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    /// A packet's message was of no use: the packet is not to be acknowledged.
    pub(super) fn reject(&mut self, packet: u64) {
        self.received.refuse(packet);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    pub(super) fn deadline(&self, config: &CarrierConfig) -> Instant {
        let quiet = (self.last_received + config.timeout).min(self.last_sent + config.keep_alive);
        let resend = self.sent.oldest().map(|at| at + self.rtt.timeout(self.backoff));
        [resend, self.loss_at].into_iter().flatten().fold(quiet, Instant::min)
    }

    /// Acts on every deadline that has passed. True when the peer has been silent for too long.
    pub(super) fn handle_timeout(&mut self, now: Instant, config: &CarrierConfig, shared: &mut Shared) -> bool {
        if now >= self.last_received + config.timeout {
            return true;
        }
        if self.loss_at.is_some_and(|at| at <= now) {
            self.declare_lost(now, shared);
        }
        let timeout = self.rtt.timeout(self.backoff);
        let mut fired = false;
        while self.sent.oldest().is_some_and(|at| at + timeout <= now) {
            let Some(packet) = self.sent.take_oldest() else { break };
            self.settle(packet, false, shared);
            self.sent.trim();
            fired = true;
        }
        if fired {
            self.backoff += 1;
            self.ping = true;
        }
        self.ping |= now >= self.last_sent + config.keep_alive;
        false
    }

    /// Writes one packet, if there is something to say.
    pub(super) fn transmit(&mut self, now: Instant, out: &mut Vec<u8>, shared: &mut Shared) -> bool {
        let waiting = self.channels.iter().any(Channel::has_more);
        let frames = waiting && self.sent.has_room();
        // Without anything in flight no timer would ask the peer what it has.
        self.ping |= waiting && !frames && self.sent.in_flight() == 0;
        if !frames && !self.ack_wanted && !self.ping {
            return false;
        }
        if self.sent.is_full()
            && let Some(packet) = self.sent.take_oldest()
        {
            self.settle(packet, false, shared);
            self.sent.trim();
        }
        let number = self.sent.next();
        out.clear();
        out.extend_from_slice(&[packet::DATA, 0, 0, 0, 0]);
        out.extend_from_slice(&low16(number).to_le_bytes());
        if self.ack_news
            && let Some(more) = self.received.write(number, out)
        {
            out[0] |= packet::ACK | if more { packet::RANGES } else { 0 };
        }
        let header = out.len();
        if frames {
            self.pack(out, shared);
        }
        if out.len() == header && !self.ping && out[0] & packet::ACK == 0 {
            // All that asked to be acknowledged was rejected.
            (self.ack_news, self.ack_wanted) = (false, false);
            return false;
        }
        // After a large acknowledgement the first message may not fit: then the acknowledgement travels alone.
        let eliciting = out.len() > header || self.ping;
        if out.len() == header && self.ping {
            out[0] |= packet::PING;
        }
        self.send_key.seal(out);
        self.sent.commit(now, eliciting);
        self.ping &= !eliciting;
        (self.ack_news, self.ack_wanted) = (false, false);
        self.last_sent = now;
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += out.len() as u64;
        true
    }

    /// Ends it: tokens not yet reported become receipts, memory goes back, the program is told.
    pub(super) fn finish(&mut self, reason: DisconnectReason, shared: &mut Shared) {
        let Shared { pool, events, .. } = shared;
        let mut receipt = |token| events.push(CarrierEvent::Receipt { connection: self.id, token, delivered: false });
        for channel in &mut self.channels {
            match channel {
                Channel::Reliable(reliable) => {
                    reliable.0.clear(pool, &mut receipt);
                    reliable.1.clear(pool);
                }
                Channel::Sequenced(queue, _) | Channel::Unreliable(queue) => queue.clear(pool),
            }
        }
        self.tokens.clear(&mut receipt);
        self.reassembly.clear(pool);
        events.push(CarrierEvent::Disconnected { connection: self.id, reason });
    }

    fn check_frames(&self, number: u64, frames: &[u8], kinds: &[ChannelKind]) -> Result<(), Cause> {
        let newest = number.max(self.received.expected().saturating_sub(1));
        let mut last_group = None;
        for item in Items::new(frames, kinds) {
            match item.map_err(|_| Cause::Malformed)? {
                Item::Segment { channel, sequence, .. } => {
                    if let Some(Channel::Reliable(reliable)) = self.channels.get(usize::from(channel))
                        && !reliable.1.check(sequence)
                    {
                        return Err(Cause::BeyondWindow);
                    }
                }
                Item::Fragment { channel, fragment } => {
                    self.reassembly.check(channel, &fragment, newest, &mut last_group)?;
                }
                Item::Message { .. } => {}
            }
        }
        Ok(())
    }

    fn deliver(&mut self, number: u64, item: Item<'_>, shared: &mut Shared) -> Option<DisconnectReason> {
        let Shared { pool, events, .. } = shared;
        let connection = self.id;
        let message = |channel, order, bytes| CarrierEvent::Message {
            connection,
            channel: ChannelId(channel),
            order,
            packet: number,
            bytes,
        };
        match item {
            Item::Segment { channel, sequence, more, bytes } => {
                let Some(Channel::Reliable(reliable)) = self.channels.get_mut(usize::from(channel)) else {
                    return None;
                };
                let deliver = |bytes| events.push(message(channel, number, bytes));
                let result = reliable.1.insert(sequence, more, bytes, pool, deliver);
                return result.is_err().then_some(DisconnectReason::Overflow);
            }
            Item::Message { channel, bytes } => {
                if let Some(Channel::Sequenced(_, newest)) = self.channels.get_mut(usize::from(channel)) {
                    if number < *newest {
                        return None;
                    }
                    *newest = number;
                }
                events.push(message(channel, number, pool.copy(bytes)));
            }
            Item::Fragment { channel, fragment } => {
                if let Some((bytes, order)) = self.reassembly.insert(channel, &fragment, number, pool) {
                    events.push(message(channel, order, bytes));
                }
            }
        }
        None
    }

    fn process_ack(
        &mut self,
        now: Instant,
        newest: u64,
        ranges: impl Iterator<Item = Option<(u64, u64)>>,
        shared: &mut Shared,
    ) {
        let mut progress = false;
        self.sent.heard(newest);
        for (index, (low, high)) in ranges.flatten().enumerate() {
            if index == 0 {
                self.received.confirm(low, high);
            }
            for number in self.sent.clamp(low, high) {
                let Some(packet) = self.sent.acked(number) else { continue };
                if number == newest {
                    self.rtt.sample(now.saturating_since(packet.at));
                }
                progress = true;
                self.settle(packet, true, shared);
            }
        }
        if progress {
            self.backoff = 0;
            self.declare_lost(now, shared);
            self.sent.trim();
        }
    }

    fn declare_lost(&mut self, now: Instant, shared: &mut Shared) {
        self.loss_at = loop {
            match self.sent.lost(now, self.rtt.loss_delay()) {
                Ok(packet) => self.settle(packet, false, shared),
                Err(next) => break next,
            }
        };
        self.sent.trim();
    }

    /// Tells everything that was in a packet about its fate.
    fn settle(&mut self, packet: Packet, arrived: bool, shared: &mut Shared) {
        let Shared { pool, events, .. } = shared;
        let connection = self.id;
        let counter = if arrived { &mut self.stats.packets_acked } else { &mut self.stats.packets_lost };
        *counter += 1;
        for place in packet.first_record..packet.first_record + u64::from(packet.records) {
            match self.sent.record(place) {
                Some(Record::Segments { channel, count, first }) => {
                    let Some(Channel::Reliable(reliable)) = self.channels.get_mut(usize::from(channel)) else {
                        continue;
                    };
                    if arrived {
                        let receipt = |token| events.push(CarrierEvent::Receipt { connection, token, delivered: true });
                        reliable.0.acked(first, count, pool, receipt);
                    } else {
                        reliable.0.lost(first, count);
                    }
                }
                Some(Record::Token { place }) => {
                    if let Some((token, delivered)) = self.tokens.settle(place, arrived) {
                        events.push(CarrierEvent::Receipt { connection, token, delivered });
                    }
                }
                None => {}
            }
        }
    }

    fn pack(&mut self, out: &mut Vec<u8>, shared: &mut Shared) {
        let mut writer = FrameWriter::new(out, &mut self.sent);
        for (channel, state) in (0..).zip(&mut self.channels) {
            match state {
                Channel::Reliable(reliable) => reliable.0.pack(channel, &mut writer),
                Channel::Sequenced(queue, _) | Channel::Unreliable(queue) => {
                    self.unreliable_queued -=
                        queue.pack(channel, &mut self.groups, &mut self.tokens, &mut shared.pool, &mut writer);
                }
            }
        }
    }
}

impl Channel {
    fn has_more(&self) -> bool {
        match self {
            Self::Reliable(reliable) => reliable.0.has_more(),
            Self::Sequenced(queue, _) | Self::Unreliable(queue) => !queue.is_empty(),
        }
    }
}
