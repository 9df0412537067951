//! One established connection: channels above, numbered packets below. What goes out is in [`transmit`](super::transmit).
//!
//! A received packet is first checked completely (number, tag, acknowledgement, every frame, every window) and only then acted
//! on, so a packet either has its whole effect and is acknowledged, or has none. Acting goes in a fixed order:
//! the number is noted, all acknowledgements are processed, losses are declared, then frames are delivered.

use core::time::Duration;
use std::net::SocketAddr;

use super::acks::Acks;
use super::channel::Channel;
use super::channel::fragment::Reassembly;
use super::channel::unreliable::{Tokens, cost, pieces};
use super::config::{CarrierConfig, ChannelId, ChannelKind, ConnectionId};
use super::congestion::{Acked, Bandwidth, Congestion, Lost, Pacer};
use super::error::{DisconnectReason, SendError};
use super::events::{CarrierEvent, Shared};
use super::follow::Questions;
use super::frame::{Control, Item, Items, Segment};
use super::mtu::Mtu;
use super::packet::{self, Content, Context, Data, Key, WireId, number_bits, sequence_bits};
use super::path::Path;
use super::quality::Quality;
use super::received::Received;
use super::rtt::Rtt;
use super::schedule::Turns;
use super::sent::{Packet, Purpose, Record, Sent};
use super::stats::{Cause, ConnectionStats};
use crate::limits;
use crate::time::Instant;

/// Resend timeouts in a row after which everything counts as lost for long.
const PERSISTENT: u32 = 3;

/// What both ends call the connection, and which of them we are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) ours: WireId,
    pub(super) theirs: WireId,
    pub(super) accepting: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) send_key: Key,
    pub(super) receive_key: Key,
    pub(super) names: Names,
    pub(super) channels: Vec<Channel>,
    pub(super) turns: Turns,
    pub(super) received: Received,
    pub(super) acks: Acks,
    pub(super) sent: Sent,
    pub(super) rtt: Rtt,
    pub(super) reassembly: Reassembly,
    /// The group the next fragmented message gets.
    pub(super) groups: u64,
    pub(super) tokens: Tokens,
    pub(super) unreliable_queued: usize,
    /// Send a ping unless something else goes out.
    pub(super) ping: bool,
    /// Resend timeouts in a row.
    backoff: u32,
    /// When packets that later ones overtook count as lost.
    loss_at: Option<Instant>,
    pub(super) last_received: Instant,
    pub(super) last_sent: Instant,
    pub(super) congestion: Box<dyn Congestion>,
    pub(super) pacer: Pacer,
    bandwidth: Bandwidth,
    /// Bytes sent since an acknowledgement was last asked for.
    pub(super) since_urgent: usize,
    pub(super) mtu: Mtu,
    pub(super) path: Path,
    /// Packets received with the congestion mark, and whether the peer has to hear of it; and what the peer has seen of ours.
    pub(super) marks: u16,
    pub(super) marks_news: bool,
    marks_heard: u16,
    pub(super) quality: Quality,
    /// When what was sent once is to be repeated at the latest.
    pub(super) repeat_at: Option<Instant>,
    pub(super) questions: Questions,
    pub(super) stats: ConnectionStats,
}

/// What taking a packet led to, beyond events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The connection has to end.
    pub(super) end: Option<DisconnectReason>,
    /// The peer is now at the address that the packet came from.
    pub(super) moved: bool,
    /// The peer asked for session time, or told it.
    pub(super) clock: Option<Control>,
}

/// A packet whose tag matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened<'a> {
    data: Data<'a>,
    number: u64,
    acked: Option<u64>,
    /// Of a packet that is one reliable message.
    sequence: u64,
    len: usize,
}

impl Connection {
    /// A connection that pings at once: the peer learns from it that the handshake is over.
    pub(super) fn new(id: ConnectionId, config: &CarrierConfig, keys: (Key, Key), names: Names, now: Instant) -> Self {
        let first = config.first_number;
        Self {
            id,
            send_key: keys.0,
            receive_key: keys.1,
            names,
            channels: config.channels.iter().map(|channel| Channel::new(channel, first)).collect(),
            turns: Turns::new(config.channels.len()),
            received: Received::new(first),
            acks: Acks::new(),
            sent: Sent::new(first),
            rtt: Rtt::new(),
            reassembly: Reassembly::new(first),
            groups: first,
            tokens: Tokens::default(),
            unreliable_queued: 0,
            ping: true,
            backoff: 0,
            loss_at: None,
            last_received: now,
            last_sent: now,
            congestion: config.congestion.build(),
            pacer: Pacer::new(),
            bandwidth: Bandwidth::new(),
            since_urgent: 0,
            mtu: Mtu::new(now, config.max_datagram),
            path: Path::default(),
            marks: 0,
            marks_news: false,
            marks_heard: 0,
            quality: Quality::new(now),
            repeat_at: None,
            questions: Questions::default(),
            stats: ConnectionStats::default(),
        }
    }

    pub(super) fn measured(&mut self, round_trip: Duration) {
        self.rtt.sample(round_trip, Duration::ZERO);
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// Bytes of unreliable messages worth queueing now.
    pub(super) fn state_budget(&mut self, now: Instant) -> usize {
        if self.sent.in_flight() >= limits::STATE_IN_FLIGHT || !self.sent.has_room() {
            return 0;
        }
        let window = self.congestion.window().saturating_sub(self.sent.bytes());
        let allowed = window.min(self.pacer.budget(now)).min(limits::STATE_BYTES);
        allowed.saturating_sub(self.unreliable_queued)
    }

    pub(super) fn stats(&self) -> ConnectionStats {
        let mut stats = self.stats;
        stats.rtt = self.rtt.smoothed();
        stats.rtt_least = self.rtt.smoothed().map(|_| self.rtt.least());
        stats.rtt_variation = self.rtt.smoothed().map(|_| self.rtt.variation());
        stats.loss = self.quality.loss();
        stats.packets_in_flight = self.sent.in_flight();
        stats.bytes_in_flight = self.sent.bytes();
        stats.window = self.congestion.window();
        stats.bandwidth = self.bandwidth.estimate();
        stats.datagram = self.mtu.current();
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
        config: &CarrierConfig,
        shared: &mut Shared,
    ) -> Result<(), SendError> {
        let settings = config.channels.get(usize::from(channel.0)).ok_or(SendError::UnknownChannel)?;
        let channel = &mut self.channels[usize::from(channel.0)];
        let limit = match channel {
            Channel::Reliable(_) => settings.max_message.min(limits::MESSAGE_BYTES),
            Channel::Sequenced(..) => limits::SEGMENT_BYTES,
            Channel::Unreliable(_) => limits::FRAGMENTS * limits::FRAGMENT_BYTES,
        };
        if message.len() > limit {
            return Err(SendError::TooLarge { len: message.len(), limit });
        }
        let queue = match channel {
            Channel::Reliable(reliable) => {
                let queued = reliable.0.push(message, token, settings.queue_bytes, &mut shared.pool);
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

    /// Completes the numbers of a packet and looks at its tag. Nothing is changed.
    pub(super) fn open<'a>(&self, datagram: &'a [u8]) -> Result<Opened<'a>, Cause> {
        let data = Data::parse(datagram, self.names.ours.len)?;
        let number =
            packet::expand(data.number, number_bits(data.wide), self.received.expected()).ok_or(Cause::TooOld)?;
        let acked = data.ack.as_ref().map(|ack| self.sent.expand(ack, data.wide)).transpose()?;
        let sequence = self.sole_sequence(&data)?;
        let context = Context { number, acked: acked.unwrap_or(0), sequence };
        if !self.receive_key.opens_data(context, datagram) {
            return Err(Cause::BadTag);
        }
        Ok(Opened { data, number, acked, sequence, len: datagram.len() })
    }

    /// Takes a data packet whose tag matched. `elsewhere`: it did not come from the peer's address but from this one; with a number
    /// that nobody can guess, for a challenge.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        opened: Opened<'_>,
        marked: bool,
        elsewhere: Option<(SocketAddr, u64)>,
        kinds: &[ChannelKind],
        shared: &mut Shared,
    ) -> Result<Outcome, Cause> {
        let Opened { data, number, acked, .. } = opened;
        self.received.check(number)?;
        if let (Some(ack), Some(newest)) = (&data.ack, acked) {
            self.sent.check(ack, newest)?;
        }
        let sole = self.sole(&opened, kinds)?;
        let frames = if sole.is_some() { &[][..] } else { data.rest };
        if let Some(item) = sole {
            self.check_item(item, number, &mut None)?;
        }
        self.check_frames(number, frames, kinds)?;

        let expected = self.received.expected();
        self.received.insert(now, number);
        self.last_received = now;
        self.stats.packets_received += 1;
        self.stats.bytes_received += opened.len as u64;
        if number >= expected {
            self.acks.wide = data.wide;
        }
        if marked {
            self.marks = self.marks.wrapping_add(1);
            self.marks_news = true;
        }
        let at_once = number != expected || marked || data.content == Content::Urgent;
        self.acks.heard(now, data.ack_eliciting(), at_once);
        if let Some((from, token)) = elsewhere {
            self.path.heard(now, from, opened.len, number >= expected, token);
        }
        if let (Some(ack), Some(newest)) = (data.ack, acked) {
            self.process_ack(now, newest, ack.delay, ack.ranges(newest, self.sent.first()), shared);
        }
        self.reassembly.expire(self.received.expected() - 1, &mut shared.pool);
        let mut outcome = Outcome::default();
        for item in sole.into_iter().chain(Items::new(frames, kinds).flatten()) {
            if let Item::Control(control) = item {
                self.control(now, control, elsewhere.map(|(from, _)| from), &mut outcome);
            } else if let Some(reason) = self.deliver(number, item, shared) {
                return Ok(Outcome { end: Some(reason), ..outcome });
            }
        }
        self.pacer.set_rate(now, self.congestion.rate());
        Ok(outcome)
    }

    /// A packet's message was of no use: the packet is not to be acknowledged.
    pub(super) fn reject(&mut self, packet: u64) {
        self.received.refuse(packet);
    }

    /// The peer's address is another one.
    pub(super) fn moved(&mut self, now: Instant) {
        self.mtu.reset(now);
        self.ping = true;
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    pub(super) fn deadline(&self, now: Instant, config: &CarrierConfig) -> Instant {
        let quiet = (self.last_received + config.timeout).min(self.ping_at(config));
        let resend = self.sent.oldest().map(|at| at + self.rtt.timeout(self.backoff));
        let paced = if self.is_paced(now) { self.pacer.next(now, limits::DATAGRAM_BYTES) } else { None };
        let ack = self.acks.deadline(config.ack_delay);
        // A probe that finds no room waits for an acknowledgement, as everything does.
        let probe = self.mtu.next().filter(|_| self.sent.has_room());
        let rest = [probe, self.path.next(), self.quality.deadline(config), self.questions.next()];
        [resend, self.loss_at, paced, ack, self.repeat_at].into_iter().chain(rest).flatten().fold(quiet, Instant::min)
    }

    /// Acts on every deadline that has passed. `Some` when it has to end.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        config: &CarrierConfig,
        shared: &mut Shared,
    ) -> Option<DisconnectReason> {
        if now >= self.last_received + config.timeout {
            return Some(DisconnectReason::Timeout);
        }
        if self.loss_at.is_some_and(|at| at <= now) {
            self.declare_lost(now, shared);
        }
        let timeout = self.rtt.timeout(self.backoff);
        let mut fired = false;
        while self.sent.oldest().is_some_and(|at| at + timeout <= now) {
            let Some(packet) = self.sent.take_oldest() else { break };
            self.settle(now, packet, false, shared);
            self.sent.trim();
            fired = true;
        }
        if fired {
            self.backoff += 1;
            self.ping = true;
            if self.backoff == PERSISTENT {
                let in_flight = self.sent.bytes();
                self.congestion.on_lost(now, Lost { bytes: 0, sent_at: now, in_flight, persistent: true });
                self.pacer.set_rate(now, self.congestion.rate());
            }
        }
        self.ping |= now >= self.ping_at(config);
        self.quality.evaluate(now, self.rtt.smoothed(), config)
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

    /// When the peer has to hear from us. One end is a little more patient, so that on an idle link the other asks and it answers,
    /// instead of both asking.
    fn ping_at(&self, config: &CarrierConfig) -> Instant {
        let patience = if self.names.accepting { config.keep_alive / 8 } else { Duration::ZERO };
        self.last_sent + config.keep_alive + patience
    }

    /// The whole sequence number of a packet that is one reliable message; 0 of any other.
    fn sole_sequence(&self, data: &Data<'_>) -> Result<u64, Cause> {
        let Content::Sole(channel) = data.content else { return Ok(0) };
        let Some(Channel::Reliable(reliable)) = self.channels.get(usize::from(channel)) else { return Ok(0) };
        let bits = sequence_bits(data.wide);
        let low = packet::Reader(data.rest).low(bits).ok_or(Cause::Malformed)?;
        reliable.1.expand(low, bits).ok_or(Cause::TooOld)
    }

    /// The one message that a packet consists of.
    fn sole<'a>(&self, opened: &Opened<'a>, kinds: &[ChannelKind]) -> Result<Option<Item<'a>>, Cause> {
        let Content::Sole(channel) = opened.data.content else { return Ok(None) };
        let kind = kinds.get(usize::from(channel)).ok_or(Cause::Malformed)?;
        let bytes = opened.data.rest;
        if !kind.is_reliable() {
            return Ok(Some(Item::Message { channel, bytes }));
        }
        let bytes = bytes.get(sequence_bits(opened.data.wide) as usize / 8..).ok_or(Cause::Malformed)?;
        let sequence = (opened.sequence & 0xFF_FFFF) as u32;
        Ok(Some(Item::Segment { channel, segment: Segment { sequence, part: false, more: false, bytes } }))
    }

    fn check_frames(&self, number: u64, frames: &[u8], kinds: &[ChannelKind]) -> Result<(), Cause> {
        let mut last_group = None;
        for item in Items::new(frames, kinds) {
            self.check_item(item.map_err(|_| Cause::Malformed)?, number, &mut last_group)?;
        }
        Ok(())
    }

    fn check_item(&self, item: Item<'_>, number: u64, last_group: &mut Option<u64>) -> Result<(), Cause> {
        match item {
            Item::Segment { channel, segment } | Item::Half { channel, segment, .. } => {
                if let Some(Channel::Reliable(reliable)) = self.channels.get(usize::from(channel))
                    && !reliable.1.check(segment.sequence)
                {
                    return Err(Cause::BeyondWindow);
                }
            }
            Item::Fragment { channel, fragment } => {
                let newest = number.max(self.received.expected().saturating_sub(1));
                self.reassembly.check(channel, &fragment, newest, last_group)?;
            }
            Item::Message { .. } | Item::Control(_) => {}
        }
        Ok(())
    }

    /// Takes a word of the peer's carrier. It came `from` elsewhere than the peer's address.
    fn control(&mut self, now: Instant, control: Control, from: Option<SocketAddr>, outcome: &mut Outcome) {
        match control {
            Control::PathChallenge(token) => self.path.challenged(token),
            Control::PathResponse(token) => {
                outcome.moved |= from.is_some_and(|from| self.path.answered(from, token));
            }
            Control::Marks(count) => {
                let new = count.wrapping_sub(self.marks_heard);
                // Numbers that go down are old.
                if (1..1 << 15).contains(&new) {
                    self.marks_heard = count;
                    self.stats.packets_marked += u64::from(new);
                    self.congestion.on_marked(now, now.saturating_sub(self.rtt.estimate()));
                }
            }
            Control::ClockRequest(_) | Control::ClockResponse { .. } => outcome.clock = Some(control),
            Control::Padding => {}
        }
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
            Item::Segment { channel, segment } => {
                let Some(Channel::Reliable(reliable)) = self.channels.get_mut(usize::from(channel)) else {
                    return None;
                };
                let deliver = |bytes| events.push(message(channel, number, bytes));
                let result = reliable.1.insert(segment, pool, deliver);
                return result.is_err().then_some(DisconnectReason::Overflow);
            }
            Item::Half { channel, half, len, segment } => {
                let Some(Channel::Reliable(reliable)) = self.channels.get_mut(usize::from(channel)) else {
                    return None;
                };
                let deliver = |bytes| events.push(message(channel, number, bytes));
                let result = reliable.1.insert_half(half, len, segment, pool, deliver);
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
            Item::Control(_) => {}
        }
        None
    }

    fn process_ack(
        &mut self,
        now: Instant,
        newest: u64,
        held: Duration,
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
                    self.rtt.sample(now.saturating_since(packet.at), held);
                }
                progress = true;
                let acked = Acked {
                    bytes: packet.weight(),
                    sent_at: packet.at,
                    in_flight: self.sent.bytes(),
                    app_limited: packet.app_limited,
                    latest: self.rtt.latest(),
                    smoothed: self.rtt.estimate(),
                    least: self.rtt.least(),
                };
                self.congestion.on_acked(now, acked);
                self.bandwidth.on_acked(now, acked);
                self.settle(now, packet, true, shared);
            }
        }
        if progress {
            self.backoff = 0;
            self.declare_lost(now, shared);
        }
    }

    fn declare_lost(&mut self, now: Instant, shared: &mut Shared) {
        let (mut bytes, mut sent_at) = (0, None);
        self.loss_at = loop {
            match self.sent.lost(now, self.rtt.loss_delay()) {
                Ok(packet) => {
                    if packet.purpose == Purpose::Data {
                        bytes += packet.weight();
                        sent_at = sent_at.max(Some(packet.at));
                    }
                    self.settle(now, packet, false, shared);
                }
                Err(next) => break next,
            }
        };
        self.sent.trim();
        if let Some(sent_at) = sent_at {
            let in_flight = self.sent.bytes();
            self.congestion.on_lost(now, Lost { bytes, sent_at, in_flight, persistent: false });
            self.pacer.set_rate(now, self.congestion.rate());
        }
    }

    /// Tells everything that was in a packet about its fate.
    pub(super) fn settle(&mut self, now: Instant, packet: Packet, arrived: bool, shared: &mut Shared) {
        let Shared { pool, events, .. } = shared;
        let connection = self.id;
        let (size, probe) = (usize::from(packet.size), packet.purpose == Purpose::Probe);
        if arrived {
            self.stats.packets_acked += 1;
            self.mtu.on_acked(now, size, probe);
        } else {
            self.stats.packets_lost += u64::from(!probe);
            self.mtu.on_lost(now, size, probe);
        }
        if !probe {
            self.quality.settled(arrived);
        }
        for place in packet.first_record..packet.first_record + u64::from(packet.records) {
            let (channel, first, count, halves) = match self.sent.record(place) {
                Some(Record::Segments { channel, count, first }) => (channel, first, count, 0b11),
                Some(Record::Half { channel, half, sequence }) => (channel, sequence, 1, 1 << half),
                Some(Record::Token { place }) => {
                    if let Some((token, delivered)) = self.tokens.settle(place, arrived) {
                        events.push(CarrierEvent::Receipt { connection, token, delivered });
                    }
                    continue;
                }
                None => continue,
            };
            let Some(Channel::Reliable(reliable)) = self.channels.get_mut(usize::from(channel)) else { continue };
            if arrived {
                let receipt = |token| events.push(CarrierEvent::Receipt { connection, token, delivered: true });
                reliable.0.acked(first, count, halves, pool, receipt);
            } else {
                reliable.0.lost(first, count, halves);
            }
        }
    }
}
