//! What goes out: one packet at a time, of whatever is most urgent.
//!
//! A challenge to an address that may be the peer's or the answer to one from there, a probe for larger datagrams, or a packet of
//! frames. Frames go when the congestion window and the pacer let them; acknowledgements, pings and the carrier's own words always
//! may. A packet that turns out to hold a single message is written without the frame around it, and one that gets shorter by it
//! is compressed, frames and all.
//!
//! On a link that has lost packets lately, what is short, reliable and new is sent once more without waiting for news of it: with
//! the next packet that has room for it, or alone after half a round trip. That takes a part of the window that nothing else
//! wants, and repairs nearly every loss before it could be known.

use core::time::Duration;
use std::net::SocketAddr;

use super::channel::sender::Packed;
use super::channel::unreliable::Common;
use super::channel::{Channel, Place};
use super::compress::Compression;
use super::config::CarrierConfig;
use super::congestion::Congestion;
use super::connection::Connection;
use super::due::Due;
use super::events::{CarrierEvent, Shared};
use super::frame::{Control, FrameWriter, Sole};
use super::packet::{Content, Context, SOLE, has_ack, sequence_bits, set_content, start_data};
use super::schedule::Schedule;
use super::sent::Purpose;
use super::telemetry::PacketSent;
use crate::limits;
use crate::time::Instant;

/// Parts of a window after which an acknowledgement is asked for, so that the next part may go before it is full.
const PARTS: usize = 4;

/// Share of packets lost from which on short messages are repeated.
const LOSSY: f32 = 0.01;

/// What is to be repeated waits for a packet to go with for this time at least: a tick of most programs.
const LEAST_WAIT: Duration = Duration::from_millis(20);

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Peer,
    /// An address that has yet to prove that it is the peer's.
    Candidate(SocketAddr),
}

impl Connection {
    /// Writes one packet, if there is something to say.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        config: &CarrierConfig,
        schedule: &Schedule,
        out: &mut Vec<u8>,
        compression: Option<&mut Compression>,
        shared: &mut Shared,
    ) -> Option<To> {
        if let Some((address, token)) = self.path.challenge(now) {
            self.write_control(now, Control::PathChallenge(token), None, out, shared);
            return Some(To::Candidate(address));
        }
        if let Some((address, token)) = self.path.take_response_elsewhere() {
            self.write_control(now, Control::PathResponse(token), None, out, shared);
            return Some(To::Candidate(address));
        }
        if self.sent.has_room()
            && let Some(size) = self.mtu.probe(now)
        {
            self.write_control(now, Control::Padding, Some(size), out, shared);
            return Some(To::Peer);
        }
        self.transmit_frames(now, config, schedule, out, compression, shared).then_some(To::Peer)
    }

    /// Whether the pacer is all that keeps something from being sent.
    pub(super) fn is_paced(&self, now: Instant) -> bool {
        self.channels.any_waits()
            && self.sent.has_room()
            && self.sent.bytes() < self.window
            && self.pacer.next(now, limits::DATAGRAM_BYTES).is_some()
    }

    fn transmit_frames(
        &mut self,
        now: Instant,
        config: &CarrierConfig,
        schedule: &Schedule,
        out: &mut Vec<u8>,
        compression: Option<&mut Compression>,
        shared: &mut Shared,
    ) -> bool {
        self.expire(now, config.unreliable_age, shared);
        let waiting = self.channels.any_waits();
        let window = self.window;
        let allowed = self.sent.bytes() < window && self.pacer.budget(now) >= limits::DATAGRAM_BYTES;
        let lossy = self.loss.share() > LOSSY;
        let due = self.repeat_at.is_due(now);
        if due {
            self.repeat_at = Due::NEVER;
        }
        let repeat = due && lossy;
        let frames = (waiting || repeat) && allowed && self.sent.has_room();
        // Without anything in flight no timer would ask the peer what it has.
        self.ping |= waiting && !self.sent.has_room() && self.sent.in_flight() == 0;
        let words = self.path.has_response() || self.marks_news || self.questions.any(now);
        if !frames && !self.ping && !words && !self.acks.due(now, config.ack_delay) {
            return false;
        }
        self.make_room(now, shared);
        let number = self.sent.next();
        let wide = !self.sent.is_narrow() || self.acks.news && self.acks.wide;
        start_data(out, self.names.theirs, number, wide);
        let acked = if self.acks.news { self.received.write(now, number, wide, out) } else { None };
        let header = out.len();
        let compression = compression.filter(|_| frames && self.is_compressible(config));
        let mut writer = FrameWriter::new(out, &mut self.sent, self.mtu.current());
        writer.lossy = lossy;
        if let Some(token) = self.path.take_response() {
            writer.control(Control::PathResponse(token));
        }
        for word in self.questions.take(now).into_iter().flatten() {
            writer.control(word);
        }
        if core::mem::take(&mut self.marks_news) {
            writer.control(Control::Marks(self.marks));
        }
        if frames {
            let mut common = Common {
                groups: &mut self.groups,
                tokens: &mut self.tokens,
                pool: &mut shared.pool,
                queued: &mut self.unreliable_queued,
            };
            // Both closures look at the channels, one after the other.
            let channels = core::cell::RefCell::new(&mut self.channels);
            schedule.fill(
                &mut self.turns,
                |channel| channels.borrow().waits(channel),
                |channel, share| {
                    let mut channels = channels.borrow_mut();
                    let packed = match channels.get_mut(channel) {
                        Some(Channel::Reliable(reliable)) => reliable.sender.pack(channel, &mut writer, share),
                        Some(Channel::Sequenced(queue, _) | Channel::Unreliable(queue)) => {
                            queue.pack(channel, &mut common, &mut writer, share)
                        }
                        None => Packed::All,
                    };
                    channels.update(channel);
                    packed
                },
            );
        }
        if frames && lossy && !self.channels.any_waits() {
            for (number, place) in (0..=u8::MAX).zip(&mut self.channels.all) {
                if let Channel::Reliable(reliable) = &mut place.channel {
                    reliable.sender.repeat(number, &mut writer);
                }
            }
            let may_repeat = |place: &Place| matches!(&place.channel, Channel::Reliable(it) if it.sender.may_repeat());
            // What is due and did not fit into this packet goes into the next.
            let wait = if repeat { Duration::ZERO } else { LEAST_WAIT.max(self.rtt.estimate() / 2) };
            self.repeat_at = self.channels.all.iter().any(may_repeat).then(|| now + wait).into();
        }
        let (sole, empty) = (writer.sole(), writer.is_empty());
        if empty && !self.ping && !has_ack(out) {
            // All that asked to be acknowledged was rejected.
            self.acks.done();
            return false;
        }
        let urgent = self.ping || (self.since_urgent + out.len()) * PARTS >= window;
        let sole = sole.filter(|sole| !urgent && self.may_be_alone(*sole, wide));
        let mut context = Context { number, acked: acked.unwrap_or(0), sequence: 0 };
        let compressed = compression.is_some_and(|it| self.compress(header, sole, wide, urgent, out, it));
        match sole {
            _ if compressed => {}
            Some(sole) => {
                context.sequence = sole.sequence.unwrap_or(0);
                unwrap_frame(out, header, sole, wide);
            }
            None if urgent && (!empty || self.ping) => set_content(out, Content::Urgent),
            None => {}
        }
        let eliciting = !empty || self.ping;
        self.finish_packet(now, context, if eliciting { Purpose::Data } else { Purpose::Report }, out, shared);
        if eliciting {
            self.since_urgent = if urgent { 0 } else { self.since_urgent + out.len() };
            self.ping = false;
        }
        self.acks.done();
        true
    }

    /// Whether anything that waits is worth compressing, and the peer reads it.
    fn is_compressible(&self, config: &CarrierConfig) -> bool {
        let mut channels = (0..=u8::MAX).zip(&config.channels);
        self.names.compressed && channels.any(|(number, settings)| settings.compress && self.channels.waits(number))
    }

    /// Sends the frames compressed if that is shorter than what they are without it, alone or not.
    #[cold] // Those that are not compressed must not pay for it.
    #[inline(never)]
    fn compress(
        &mut self,
        header: usize,
        sole: Option<Sole>,
        wide: bool,
        urgent: bool,
        out: &mut Vec<u8>,
        compression: &mut Compression,
    ) -> bool {
        let plain = sole.map_or(out.len() - header, |sole| sole.len + sole_header(sole, wide));
        let saved = compression.deflate(&mut self.trial, out, header, plain, urgent);
        self.rare_totals.packets_compressed += u64::from(saved.is_some());
        self.rare_totals.bytes_saved += saved.unwrap_or(0) as u64;
        saved.is_some()
    }

    /// Drops unreliable messages that have waited for longer than `age`.
    fn expire(&mut self, now: Instant, age: Duration, shared: &mut Shared) {
        if self.unreliable_queued == 0 {
            return;
        }
        let Shared { pool, events, .. } = shared;
        let (connection, tokens, totals) = (self.id, &mut self.tokens, &mut self.rare_totals);
        for number in (0..=u8::MAX).take(self.channels.all.len()) {
            if !self.channels.waits(number) {
                continue;
            }
            let Some(Channel::Sequenced(queue, _) | Channel::Unreliable(queue)) = self.channels.get_mut(number) else {
                continue;
            };
            queue.expire(now, age, pool, &mut self.unreliable_queued, |place, pieces| {
                totals.messages_expired += 1;
                if let Some((token, delivered)) = tokens.cancel(place, pieces) {
                    events.push(CarrierEvent::Receipt { connection, token, delivered });
                }
            });
            self.channels.update(number);
        }
    }

    /// Writes a packet with one word in it and nothing else. With a size it is a probe of that size.
    fn write_control(
        &mut self,
        now: Instant,
        control: Control,
        size: Option<usize>,
        out: &mut Vec<u8>,
        shared: &mut Shared,
    ) {
        self.make_room(now, shared);
        let number = self.sent.next();
        start_data(out, self.names.theirs, number, !self.sent.is_narrow());
        control.write(out);
        set_content(out, Content::Urgent);
        if let Some(size) = size {
            out.resize(size.max(out.len()), 0);
        }
        let purpose = if size.is_some() { Purpose::Probe } else { Purpose::Data };
        self.finish_packet(now, Context { number, ..Context::default() }, purpose, out, shared);
    }

    fn finish_packet(&mut self, now: Instant, context: Context, purpose: Purpose, out: &mut [u8], shared: &mut Shared) {
        self.send_key.seal_data(context, out);
        let (size, window) = (out.len(), self.window);
        let more = self.channels.any_waits();
        let app_limited = !more && self.sent.bytes() + size + self.mtu.current() < window;
        self.sent.commit(now, size, purpose, app_limited);
        if purpose == Purpose::Data {
            if self.own_control {
                self.congestion.on_sent(now, size, self.sent.bytes());
                self.steer(now);
            }
            // Asking for the budget brings the pacer up to this moment.
            self.pacer.budget(now);
            self.pacer.take(size);
        }
        self.last_sent = now;
        self.totals.packets_sent += 1;
        self.totals.bytes_sent += size as u64;
        shared.watch.tell(|telemetry| {
            let (ack_eliciting, probe) = (purpose != Purpose::Report, purpose == Purpose::Probe);
            let packet = PacketSent { number: context.number, bytes: size, ack_eliciting, probe };
            telemetry.packet_sent(now, self.id, packet);
        });
    }

    /// The table of packets has room for one more.
    fn make_room(&mut self, now: Instant, shared: &mut Shared) {
        if self.sent.is_full()
            && let Some((number, packet)) = self.sent.take_oldest()
        {
            self.settle(now, number, packet, false, shared);
            self.sent.trim();
        }
    }

    /// Whether a message may be a packet's whole content.
    fn may_be_alone(&self, sole: Sole, wide: bool) -> bool {
        let narrow = match self.channels.get(sole.channel) {
            Some(Channel::Reliable(reliable)) => reliable.sender.is_narrow(),
            _ => true,
        };
        sole.channel < SOLE && (wide || narrow)
    }
}

/// Bytes before a packet's only message: its sequence number, on channels that have them.
fn sole_header(sole: Sole, wide: bool) -> usize {
    if sole.sequence.is_some() { sequence_bits(wide) as usize / 8 } else { 0 }
}

/// Takes the frame off a packet's only message.
fn unwrap_frame(out: &mut Vec<u8>, header: usize, sole: Sole, wide: bool) {
    let (from, start) = (out.len() - sole.len, header + sole_header(sole, wide));
    out.copy_within(from.., start);
    if let Some(sequence) = sole.sequence {
        out[header..start].copy_from_slice(&sequence.to_le_bytes()[..start - header]);
    }
    out.truncate(start + sole.len);
    set_content(out, Content::Sole(sole.channel));
}
