//! One established connection: channels above, numbered packets below. What goes out is in [`transmit`](super::transmit),
//! and what becomes of it in [`recovery`](super::recovery).
//!
//! A received packet is first checked completely (number, tag, acknowledgement, every frame, every window) and only then acted
//! on, so a packet either has its whole effect and is acknowledged, or has none. Acting goes in a fixed order:
//! the number is noted, all acknowledgements are processed, losses are declared, then frames are delivered.

use core::time::Duration;
use std::net::SocketAddr;

use super::acks::Acks;
use super::channel::fragment::Reassembly;
use super::channel::unreliable::{Tokens, cost, pieces};
use super::channel::{Channel, Channels, Place};
use super::channel_stats::Counters;
use super::compress::Trial;
use super::config::{CarrierConfig, ChannelId, ConnectionId};
use super::congestion::{Bandwidth, Congestion, Controller, Lost, Pacer};
use super::due::Due;
use super::error::{DisconnectReason, SendError};
use super::events::{CarrierEvent, Shared};
use super::follow::Questions;
use super::frame::{Control, Item, Items};
use super::mtu::Mtu;
use super::opened::{Opened, Reading};
use super::packet::{Content, Key, WireId};
use super::path::Path;
use super::pool::Bytes;
use super::quality::{Loss, Quality};
use super::received::Received;
use super::rtt::Rtt;
use super::schedule::Turns;
use super::sent::Sent;
use super::stats::{Cause, ConnectionStats, RareTotals, Totals};
use super::telemetry::PacketReceived;
use crate::limits;
use crate::time::Instant;

/// Resend timeouts in a row after which everything counts as lost for long.
const PERSISTENT: u32 = 3;

/// What both ends call the connection, which of them we are, and whether they have a compressor in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) ours: WireId,
    pub(super) theirs: WireId,
    pub(super) accepting: bool,
    pub(super) compressed: bool,
}

/// See the module.
///
/// In this order in memory, since thousands of connections do not fit into a cache: first what every look at a connection needs,
/// then what packets need, then what few do.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) send_key: Key,
    pub(super) receive_key: Key,
    pub(super) names: Names,
    /// Send a ping unless something else goes out.
    pub(super) ping: bool,
    /// Congestion control is the program's, and hears of every packet. Ours does not listen, and is not looked for.
    pub(super) own_control: bool,
    /// The peer has to hear of packets received with the congestion mark; how many there were, and what the peer has seen of ours.
    pub(super) marks_news: bool,
    pub(super) marks: u16,
    marks_heard: u16,
    /// Resend timeouts in a row.
    pub(super) backoff: u32,
    pub(super) loss: Loss,
    pub(super) acks: Acks,
    pub(super) mtu: Mtu,
    pub(super) last_received: Instant,
    pub(super) last_sent: Instant,
    /// When packets that later ones overtook count as lost.
    pub(super) loss_at: Due,
    /// When what was sent once is to be repeated at the latest.
    pub(super) repeat_at: Due,
    pub(super) path: Path,
    pub(super) questions: Questions,
    pub(super) unreliable_queued: usize,
    /// Bytes sent since an acknowledgement was last asked for.
    pub(super) since_urgent: usize,
    /// What congestion control lets be in flight, bytes.
    pub(super) window: usize,
    pub(super) channels: Channels,
    pub(super) pacer: Pacer,
    pub(super) rtt: Rtt,
    pub(super) totals: Totals,
    pub(super) sent: Sent,
    pub(super) reassembly: Reassembly,
    pub(super) received: Received,
    pub(super) congestion: Controller,
    pub(super) bandwidth: Bandwidth,
    pub(super) quality: Quality,
    pub(super) rare_totals: RareTotals,
    /// The group the next fragmented message gets.
    pub(super) groups: u64,
    pub(super) tokens: Tokens,
    pub(super) turns: Turns,
    pub(super) trial: Trial,
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
    /// The round trip turned out to be so short that the resend timeout has passed.
    pub(super) due: bool,
}

impl Connection {
    /// A connection that pings at once: the peer learns from it that the handshake is over.
    pub(super) fn new(id: ConnectionId, config: &CarrierConfig, keys: (Key, Key), names: Names, now: Instant) -> Self {
        let first = config.first_number;
        let congestion = Controller::new(&config.congestion);
        // The first flush is paced as all others are.
        let mut pacer = Pacer::new();
        pacer.set_rate(now, congestion.rate());
        Self {
            id,
            send_key: keys.0,
            receive_key: keys.1,
            names,
            channels: Channels::new(&config.channels, first),
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
            loss_at: Due::NEVER,
            last_received: now,
            last_sent: now,
            window: congestion.window(),
            own_control: matches!(congestion, Controller::Custom(_)),
            congestion,
            pacer,
            bandwidth: Bandwidth::new(),
            since_urgent: 0,
            mtu: Mtu::new(now, config.max_datagram),
            path: Path::default(),
            marks: 0,
            marks_news: false,
            marks_heard: 0,
            loss: Loss::default(),
            quality: Quality::new(now),
            repeat_at: Due::NEVER,
            questions: Questions::default(),
            totals: Totals::default(),
            rare_totals: RareTotals::default(),
            trial: Trial::default(),
        }
    }

    pub(super) fn measured(&mut self, round_trip: Duration) {
        self.rtt.sample(round_trip, Duration::ZERO);
    }

    /// See [`Endpoint::max_unfragmented_to`](super::Endpoint::max_unfragmented_to).
    pub(super) const fn largest_message(&self) -> usize {
        self.mtu.largest_message()
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// Bytes of messages worth queueing on an unreliable channel now.
    pub(super) fn state_budget(&mut self, now: Instant, channel: ChannelId) -> usize {
        if self.sent.in_flight() >= limits::STATE_IN_FLIGHT || !self.sent.has_room() {
            return 0;
        }
        let window = self.window.saturating_sub(self.sent.bytes());
        let allowed = window.min(self.pacer.budget(now)).min(limits::STATE_BYTES);
        let own = self.channels.get(channel.0).map_or(0, Channel::waiting);
        // Whatever else waits gets no more than its half.
        allowed.saturating_sub(own + self.unreliable_queued.saturating_sub(own).min(allowed / 2))
    }

    pub(super) fn stats(&self) -> ConnectionStats {
        let mut stats = self.totals.stats(&self.rare_totals);
        stats.rtt = self.rtt.smoothed();
        stats.rtt_least = self.rtt.smoothed().map(|_| self.rtt.least());
        stats.rtt_variation = self.rtt.smoothed().map(|_| self.rtt.variation());
        stats.loss = self.loss.share();
        stats.packets_in_flight = self.sent.in_flight();
        stats.bytes_in_flight = self.sent.bytes();
        stats.window = self.window;
        stats.bandwidth = self.bandwidth.estimate();
        stats.datagram = self.mtu.current();
        stats.unreliable_queued = self.unreliable_queued;
        stats.held = self.reassembly.held();
        for place in &self.channels.all {
            if let Channel::Reliable(reliable) = &place.channel {
                stats.reliable_queued += reliable.sender.queued();
                stats.segments_resent += reliable.sender.resent;
                stats.held += reliable.receiver.held();
            }
        }
        stats
    }

    /// Queues a message.
    pub(super) fn send(
        &mut self,
        channel: ChannelId,
        message: impl Bytes,
        token: Option<u64>,
        config: &CarrierConfig,
        shared: &mut Shared,
    ) -> Result<(), SendError> {
        let settings = config.channels.get(usize::from(channel.0)).ok_or(SendError::UnknownChannel)?;
        let (number, len) = (channel.0, message.as_ref().len());
        let Place { counters, channel } = self.channels.place_mut(number).ok_or(SendError::UnknownChannel)?;
        let limit = match channel {
            Channel::Reliable(_) => settings.max_message.min(limits::MESSAGE_BYTES),
            Channel::Sequenced(..) => limits::SEGMENT_BYTES,
            Channel::Unreliable(_) => limits::FRAGMENTS * limits::FRAGMENT_BYTES,
        };
        // What does not fit into an empty queue never will.
        let limit = limit.min(settings.queue_bytes.saturating_sub(limits::MESSAGE_OVERHEAD));
        if len > limit {
            return Err(SendError::TooLarge { len, limit });
        }
        let queue = match channel {
            Channel::Reliable(reliable) => {
                if reliable.sender.push(message, token, settings.queue_bytes, &mut shared.pool) {
                    counters.sent(len);
                    self.channels.update(number);
                    return Ok(());
                }
                counters.refused += 1;
                return Err(SendError::QueueFull);
            }
            Channel::Sequenced(queue, _) | Channel::Unreliable(queue) => queue,
        };
        let cost = cost(len);
        if self.unreliable_queued + cost > limits::UNRELIABLE_BYTES || queue.queued() + cost > settings.queue_bytes {
            counters.refused += 1;
            return Err(SendError::QueueFull);
        }
        counters.sent(len);
        self.unreliable_queued += cost;
        let pieces = pieces(len, self.mtu.largest_message());
        let token = token.map(|token| self.tokens.insert(token, pieces));
        queue.push(message, pieces, token, &mut shared.pool);
        self.channels.update(number);
        Ok(())
    }

    /// Takes a data packet whose tag matched. `elsewhere`: it did not come from the peer's address but from this one; with a number
    /// that nobody can guess, for a challenge.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        opened: Opened<'_>,
        marked: bool,
        elsewhere: Option<(SocketAddr, u64)>,
        reading: Reading<'_>,
        shared: &mut Shared,
    ) -> Result<(), Cause> {
        let (Opened { data, number, acked, .. }, kinds, outcome) = (opened, reading.kinds, reading.outcome);
        self.received.check(number)?;
        if let (Some(ack), Some(newest)) = (&data.ack, acked) {
            self.sent.check(ack, newest)?;
        }
        let sole = self.sole(&opened, kinds)?;
        let (frames, urgent) = match data.content {
            Content::Sole(_) => (&[][..], false),
            Content::Compressed => self.inflate(data.rest, reading.compression)?,
            Content::Frames | Content::Urgent => (data.rest, data.content == Content::Urgent),
        };
        if let Some(item) = sole {
            self.check_item(item, number, &mut None)?;
        }
        self.check_frames(number, frames, kinds)?;

        let expected = self.received.expected();
        self.received.insert(now, number);
        self.last_received = now;
        self.totals.packets_received += 1;
        self.totals.bytes_received += opened.len as u64;
        let bytes = opened.len;
        shared.watch.tell(|to| to.packet_received(now, self.id, PacketReceived { number, bytes, marked }));
        if number >= expected {
            self.acks.wide = data.wide;
        }
        if marked {
            self.marks = self.marks.wrapping_add(1);
            self.marks_news = true;
        }
        let at_once = number != expected || marked || urgent;
        self.acks.heard(now, data.ack_eliciting(), at_once);
        if let Some((from, token)) = elsewhere {
            self.path.heard(now, from, opened.len, number >= expected, token);
        }
        if let (Some(ack), Some(newest)) = (data.ack, acked) {
            self.process_ack(now, newest, ack.delay, ack.ranges(newest, self.sent.first()), shared);
        }
        self.reassembly.expire(self.received.expected() - 1, &mut shared.pool);
        for item in sole.into_iter().chain(Items::new(frames, kinds).flatten()) {
            if let Item::Control(control) = item {
                self.control(now, control, elsewhere.map(|(from, _)| from), outcome);
            } else if let Some(reason) = self.deliver(number, item, shared) {
                outcome.end = Some(reason);
                return Ok(());
            }
        }
        outcome.due = data.ack.is_some() && self.resend_at().is_some_and(|at| at <= now);
        Ok(())
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
        let resend = self.resend_at();
        let paced = if self.is_paced(now) { self.pacer.next(now, limits::DATAGRAM_BYTES) } else { None };
        let ack = self.acks.deadline(config.ack_delay);
        // A probe that finds no room waits for an acknowledgement, as everything does.
        let probe = if self.sent.has_room() { self.mtu.next() } else { Due::NEVER };
        let soon = quiet.min(self.loss_at.min(ack).min(self.repeat_at.min(probe)).moment());
        let rest = [resend, paced, self.path.next(), self.quality.deadline(config), self.questions.next()];
        rest.into_iter().flatten().fold(soon, Instant::min)
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
        if self.loss_at.is_due(now) {
            self.declare_lost(now, shared);
            self.measured_path(now, shared);
        }
        let timeout = self.rtt.timeout(self.backoff);
        let mut fired = false;
        while self.sent.oldest().is_some_and(|at| at + timeout <= now) {
            let Some((number, packet)) = self.sent.take_oldest() else { break };
            self.settle(now, number, packet, false, shared);
            self.sent.trim();
            fired = true;
        }
        if fired {
            self.measured_path(now, shared);
            self.backoff += 1;
            self.ping = true;
            if self.backoff == PERSISTENT {
                let in_flight = self.sent.bytes();
                self.congestion.on_lost(now, Lost { bytes: 0, sent_at: now, in_flight, persistent: true });
                self.steer(now);
            }
        }
        self.ping |= now >= self.ping_at(config);
        self.quality.evaluate(now, self.rtt.smoothed(), self.loss, config)
    }

    /// Ends it: tokens not yet reported become receipts, memory goes back, the program is told.
    pub(super) fn finish(&mut self, reason: DisconnectReason, shared: &mut Shared) {
        let Shared { pool, events, .. } = shared;
        let mut receipt = |token| events.push(CarrierEvent::Receipt { connection: self.id, token, delivered: false });
        for place in &mut self.channels.all {
            match &mut place.channel {
                Channel::Reliable(reliable) => {
                    reliable.sender.clear(pool, &mut receipt);
                    reliable.receiver.clear(pool);
                }
                Channel::Sequenced(queue, _) | Channel::Unreliable(queue) => queue.clear(pool),
            }
        }
        self.tokens.clear(&mut receipt);
        self.reassembly.clear(pool);
        events.push(CarrierEvent::Disconnected { connection: self.id, reason });
    }

    /// When the oldest packet in flight has waited for long enough.
    fn resend_at(&self) -> Option<Instant> {
        self.sent.oldest().map(|at| at + self.rtt.timeout(self.backoff))
    }

    /// When the peer has to hear from us. One end is a little more patient, so that on an idle link the other asks and it answers,
    /// instead of both asking.
    fn ping_at(&self, config: &CarrierConfig) -> Instant {
        let patience = if self.names.accepting { config.keep_alive / 8 } else { Duration::ZERO };
        self.last_sent + config.keep_alive + patience
    }

    /// Takes a word of the peer's carrier. It came `from` elsewhere than the peer's address.
    fn control(&mut self, now: Instant, control: Control, from: Option<SocketAddr>, outcome: &mut Outcome) {
        match control {
            Control::PathChallenge(token) => self.path.challenged(token, from),
            Control::PathResponse(token) => {
                outcome.moved |= from.is_some_and(|from| self.path.answered(from, token));
            }
            Control::Marks(count) => {
                let new = count.wrapping_sub(self.marks_heard);
                // Numbers that go down are old.
                if (1..1 << 15).contains(&new) {
                    self.marks_heard = count;
                    self.rare_totals.packets_marked += u64::from(new);
                    self.congestion.on_marked(now, now.saturating_sub(self.rtt.estimate()));
                    self.steer(now);
                }
            }
            Control::ClockRequest(_) | Control::ClockResponse { .. } => outcome.clock = Some(control),
            Control::Padding => {}
        }
    }

    fn deliver(&mut self, number: u64, item: Item<'_>, shared: &mut Shared) -> Option<DisconnectReason> {
        let Shared { pool, events, .. } = shared;
        let connection = self.id;
        let message = |counters: &mut Counters, channel: u8, order, bytes: Vec<u8>| {
            counters.received(bytes.len());
            CarrierEvent::Message { connection, channel: ChannelId(channel), order, packet: number, bytes }
        };
        match item {
            Item::Segment { channel, segment } => {
                let Some(Place { counters, channel: Channel::Reliable(reliable) }) = self.channels.place_mut(channel)
                else {
                    return None;
                };
                let deliver = |bytes| events.push(message(counters, channel, number, bytes));
                let result = reliable.receiver.insert(segment, pool, deliver);
                return result.is_err().then_some(DisconnectReason::Overflow);
            }
            Item::Half { channel, half, len, segment } => {
                let Some(Place { counters, channel: Channel::Reliable(reliable) }) = self.channels.place_mut(channel)
                else {
                    return None;
                };
                let deliver = |bytes| events.push(message(counters, channel, number, bytes));
                let result = reliable.receiver.insert_half(half, len, segment, pool, deliver);
                return result.is_err().then_some(DisconnectReason::Overflow);
            }
            Item::Message { channel, bytes } => {
                let Place { counters, channel: kind } = self.channels.place_mut(channel)?;
                if let Channel::Sequenced(_, newest) = kind {
                    if number < *newest {
                        counters.late += 1;
                        return None;
                    }
                    *newest = number;
                }
                events.push(message(counters, channel, number, pool.copy(bytes)));
            }
            Item::Fragment { channel, fragment } => {
                if let Some((bytes, order)) = self.reassembly.insert(channel, &fragment, number, pool) {
                    let counters = &mut self.channels.place_mut(channel)?.counters;
                    events.push(message(counters, channel, order, bytes));
                }
            }
            Item::Control(_) => {}
        }
        None
    }
}
