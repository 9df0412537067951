//! What becomes of the packets of a connection: acknowledged, or given up as lost.
//!
//! An acknowledgement is processed whole before losses are declared, so that a packet it reports never counts as lost. Either way
//! a packet is settled once: everything that was in it hears of its fate, congestion control and the search for the largest datagram
//! included. The resend timeout is in [`Connection::handle_timeout`].

use core::time::Duration;

use super::channel::Channel;
use super::congestion::{Acked, Congestion, Lost};
use super::connection::Connection;
use super::events::{CarrierEvent, Shared};
use super::sent::{Packet, Purpose, Record};
use super::telemetry::{PacketSettled, PathMetrics};
use crate::time::Instant;

impl Connection {
    pub(super) fn process_ack(
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
                self.settle(now, number, packet, true, shared);
            }
        }
        if progress {
            self.backoff = 0;
            self.declare_lost(now, shared);
            self.measured_path(now, shared);
        }
        self.steer(now);
    }

    /// Asks congestion control what may be under way from now on.
    pub(super) fn steer(&mut self, now: Instant) {
        self.window = self.congestion.window();
        self.pacer.set_rate(now, self.congestion.rate());
    }

    /// Tells telemetry what is known of the path.
    pub(super) fn measured_path(&self, now: Instant, shared: &mut Shared) {
        shared.watch.tell(|telemetry| {
            let smoothed_rtt = self.rtt.smoothed();
            let path = PathMetrics {
                window: self.congestion.window(),
                in_flight: self.sent.bytes(),
                rate: self.congestion.rate(),
                latest_rtt: smoothed_rtt.map(|_| self.rtt.latest()),
                smoothed_rtt,
                datagram: self.mtu.current(),
            };
            telemetry.path_measured(now, self.id, path);
        });
    }

    pub(super) fn declare_lost(&mut self, now: Instant, shared: &mut Shared) {
        let (mut bytes, mut sent_at) = (0, None);
        self.loss_at = loop {
            match self.sent.lost(now, self.rtt.loss_delay()) {
                Ok((number, packet)) => {
                    if packet.purpose == Purpose::Data {
                        bytes += packet.weight();
                        sent_at = sent_at.max(Some(packet.at));
                    }
                    self.settle(now, number, packet, false, shared);
                }
                Err(next) => break next,
            }
        };
        self.sent.trim();
        if let Some(sent_at) = sent_at {
            let in_flight = self.sent.bytes();
            self.congestion.on_lost(now, Lost { bytes, sent_at, in_flight, persistent: false });
            self.steer(now);
        }
    }

    /// Tells everything that was in a packet about its fate.
    pub(super) fn settle(&mut self, now: Instant, number: u64, packet: Packet, arrived: bool, shared: &mut Shared) {
        let Shared { pool, events, watch, .. } = shared;
        let connection = self.id;
        watch.tell(|telemetry| {
            let settled = PacketSettled { number, bytes: usize::from(packet.size), sent_at: packet.at };
            if arrived {
                telemetry.packet_acked(now, connection, settled);
            } else {
                telemetry.packet_lost(now, connection, settled);
            }
        });
        let (size, probe) = (usize::from(packet.size), packet.purpose == Purpose::Probe);
        if arrived {
            self.totals.packets_acked += 1;
            self.mtu.on_acked(now, size, probe);
        } else {
            self.rare_totals.packets_lost += u64::from(!probe);
            self.mtu.on_lost(now, size, probe);
        }
        if !probe {
            self.loss.settled(arrived);
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
            let Some(Channel::Reliable(reliable)) = self.channels.get_mut(channel) else { continue };
            if arrived {
                let receipt = |token| events.push(CarrierEvent::Receipt { connection, token, delivered: true });
                reliable.sender.acked(first, count, halves, pool, receipt);
            } else {
                reliable.sender.lost(first, count, halves);
            }
            self.channels.update(channel);
        }
    }
}
