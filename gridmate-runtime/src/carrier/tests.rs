//! A peer that went through the handshake and then sends what it likes, properly sealed; and what things cost on the wire.

use core::time::Duration;
use std::net::SocketAddr;

use super::compress::Offer;
use super::frame::FrameWriter;
use super::handshake::{self, Accepted, Hello, NO_COOKIE, VERSION};
use super::packet::{
    self, Content, Context, DATA, DISCONNECT, Data, Key, WireId, put_low, put_varint, set_ack, set_content,
};
use super::peer::keys;
use super::received::Received;
use super::secret::Cookie;
use super::sent::Sent;
use super::*;
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;

const CHANNELS: [ChannelKind; 4] = [
    ChannelKind::ReliableOrdered,
    ChannelKind::UnreliableSequenced,
    ChannelKind::Unreliable,
    ChannelKind::ReliableOrdered,
];

/// An endpoint, and someone who knows the secret of its one connection.
pub(super) struct Victim {
    pub(super) now: Instant,
    pub(super) endpoint: Endpoint,
    id: ConnectionId,
    attacker: SocketAddr,
    key: Key,
    name: WireId,
    number: u64,
    out: Vec<u8>,
}

fn hello(version: u16, nonce: u64, cookie: Cookie) -> Hello<'static> {
    Hello { version, schema: 1, nonce, id: WireId { value: 5, len: 1 }, cookie, compressor: Offer::NONE, hello: b"" }
}

impl Victim {
    fn new(seed: u64) -> Self {
        Self::with(seed, CompressionConfig::None, Offer::NONE)
    }

    /// The victim has a compressor, and the attacker says that it has one.
    pub(super) fn with(seed: u64, compression: CompressionConfig, compressor: Offer) -> Self {
        let mut config = CarrierConfig::new(1);
        config.channels = CHANNELS.map(Into::into).to_vec();
        config.compression = compression;
        let mut endpoint = Endpoint::new(config, seed);
        let attacker = SocketAddr::from(([10, 6, 6, 6], 666));
        let (now, mut out) = (Instant::from_millis(1), Vec::new());
        hello(VERSION, seed, NO_COOKIE).write(&mut out);
        endpoint.handle_datagram(now, attacker, &out);
        endpoint.poll_transmit(now, &mut out).unwrap();
        let cookie = handshake::read_challenge(&out).unwrap().1;
        Hello { compressor, ..hello(VERSION, seed, cookie) }.write(&mut out);
        endpoint.handle_datagram(now, attacker, &out);
        let Some(CarrierEvent::Incoming { connection: id, .. }) = endpoint.poll_event() else { panic!() };
        endpoint.accept(now, id, b"").unwrap();
        endpoint.poll_transmit(now, &mut out).unwrap();
        let accepted = Accepted::read(&out).unwrap();
        let (key, name) = (keys(seed, accepted.acceptor, false).0, accepted.id);
        let mut victim = Self { now, endpoint, id, attacker, key, name, number: 0, out };
        victim.offer(Content::Urgent, None, &[]);
        assert!(matches!(victim.endpoint.poll_event(), Some(CarrierEvent::Connected { .. })));
        victim
    }

    /// Sends a data packet with the next number; tells whether it was taken. `ack` is a form, the number it is completed to, and its
    /// bytes.
    pub(super) fn offer(&mut self, content: Content, ack: Option<(u8, u64, Vec<u8>)>, rest: &[u8]) -> bool {
        let mut packet = vec![DATA | 1, 0, 0, 0, 0];
        self.name.write(&mut packet);
        put_low(&mut packet, self.number, 16);
        set_content(&mut packet, content);
        let mut context = Context { number: self.number, acked: 0, sequence: 0 };
        if let Some((form, acked, bytes)) = ack {
            set_ack(&mut packet, form);
            packet.extend_from_slice(&bytes);
            context.acked = acked;
        }
        if matches!(content, Content::Sole(0 | 3)) {
            context.sequence = rest.iter().take(3).rev().fold(0, |sequence, byte| sequence << 8 | u64::from(*byte));
        }
        packet.extend_from_slice(rest);
        self.number += 1;
        self.key.seal_data(context, &mut packet);
        self.offer_raw(&packet)
    }

    fn offer_raw(&mut self, packet: &[u8]) -> bool {
        let before = self.endpoint.endpoint_stats().dropped.total();
        self.endpoint.handle_datagram(self.now, self.attacker, packet);
        self.endpoint.endpoint_stats().dropped.total() == before
    }

    fn tick(&mut self) {
        self.now += Duration::from_millis(10);
        self.endpoint.handle_timeout(self.now);
        let mut out = core::mem::take(&mut self.out);
        while self.endpoint.poll_transmit(self.now, &mut out).is_some() {}
        self.out = out;
    }

    pub(super) fn alive(&self) -> bool {
        self.endpoint.stats(self.id).is_some()
    }

    fn held(&self) -> usize {
        self.endpoint.stats(self.id).map_or(0, |stats| stats.held)
    }
}

/// Usually below `usual`, sometimes up to `most`.
fn below(rng: &mut Rng, usual: u64, most: u64) -> u64 {
    let bound = if rng.chance(0.8) { usual } else { most };
    rng.below(bound)
}

/// Frames that are mostly well-formed and mean harm.
fn frames(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.below(4) {
        let channel = rng.below(5).to_le_bytes()[0];
        let flags = [0, 0, 0, 0x20, 0x20, 0x40, 0x60, 0x80, 0xA0, 0xE0][usize::try_from(rng.below(10)).unwrap()];
        out.push(channel | flags);
        let near = rng.chance(0.7);
        let number = if near { rng.below(40) } else { rng.next_u64() };
        let reliable = channel.is_multiple_of(3);
        if flags == 0xA0 {
            (0..rng.below(20)).for_each(|_| out.push(rng.below(3).to_le_bytes()[0]));
            continue;
        }
        if flags == 0x60 && reliable {
            out.extend_from_slice(&number.to_le_bytes()[..3]);
            out.push(rng.below(9).to_le_bytes()[0]);
            let len = usize::try_from(rng.below(40)).unwrap();
            put_varint(&mut out, len);
            out.resize(out.len() + len / 2, 0xAA);
            continue;
        }
        if flags & 0x40 != 0 && !reliable {
            out.extend_from_slice(&number.to_le_bytes()[..2]);
            let count = if rng.chance(0.9) { 2 + rng.below(15) } else { rng.below(256) };
            let index = if rng.chance(0.9) { rng.below(count.max(1)) } else { rng.below(256) };
            out.extend_from_slice(&[index.to_le_bytes()[0], count.to_le_bytes()[0]]);
        } else if reliable {
            out.extend_from_slice(&number.to_le_bytes()[..3]);
        }
        let items = if flags & 0x20 != 0 { rng.below(5) } else { 1 };
        if flags & 0x20 != 0 {
            out.push(items.to_le_bytes()[0]);
        }
        for _ in 0..items {
            let len = match rng.below(4) {
                0 => limits::SEGMENT_BYTES,
                1 => limits::FRAGMENT_BYTES,
                _ => usize::try_from(rng.below(30)).unwrap(),
            };
            put_varint(&mut out, len);
            out.resize(out.len() + len, 0xAA);
        }
    }
    if rng.chance(0.1) {
        out.push(rng.next_u64().to_le_bytes()[0]);
    }
    out
}

#[test]
fn scenario_02_a_peer_that_sends_anything_panics_nothing_and_fills_nothing() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let mut victim = Victim::new(seed);
        for _ in 0..400 {
            let mut ack = None;
            if rng.chance(0.4) {
                let acked = below(&mut rng, 20, 65_536);
                let (form, mut bytes) = (1 + rng.below(2).to_le_bytes()[0], acked.to_le_bytes()[..2].to_vec());
                bytes.push(rng.next_u64().to_le_bytes()[0]);
                if form == 2 {
                    put_varint(&mut bytes, usize::try_from(below(&mut rng, 4, 16_384)).unwrap());
                    bytes.push(rng.below(40).to_le_bytes()[0]);
                    (0..rng.below(80)).for_each(|_| bytes.push(rng.below(3).to_le_bytes()[0]));
                }
                ack = Some((form, acked, bytes));
            }
            let (mut content, mut rest) = (Content::Frames, Vec::new());
            if rng.chance(0.8) {
                rest = frames(&mut rng);
                content = match rng.below(7) {
                    0 => Content::Urgent,
                    1 => Content::Sole(rng.below(5).to_le_bytes()[0]),
                    _ => content,
                };
            }
            let number = victim.number;
            if rng.chance(0.1) {
                victim.number = number.saturating_sub(rng.below(1_500));
            } else if rng.chance(0.01) {
                victim.number += rng.below(1_500);
            }
            if victim.offer(content, ack, &rest) {
                taken += 1
            } else {
                refused += 1
            }
            victim.number = victim.number.max(number);
            if rng.chance(0.3) {
                let _ = victim.endpoint.send(victim.id, ChannelId(2), &[1; 3_000], Some(rng.next_u64()));
                let _ = victim.endpoint.send(victim.id, ChannelId(0), &[1; 30], None);
                victim.tick();
            }
            while let Some(event) = victim.endpoint.poll_event() {
                if let CarrierEvent::Message { bytes, .. } = event {
                    assert!(bytes.len() <= limits::MESSAGE_BYTES_USUAL);
                }
            }
            assert!(
                victim.held() <= 2 * (limits::RELIABLE_WINDOW * 1_536 + 2 * limits::MESSAGE_BYTES_USUAL) + 8 * 32_768
            );
        }
    }
    assert!(taken > 5_000 && refused > 10_000, "{taken} {refused}");
}

#[test]
fn scenario_02_random_bytes_under_a_valid_tag_panic_nothing() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let mut victim = Victim::new(seed);
        for _ in 0..500 {
            let data = rng.chance(0.7);
            let kind = if data { DATA + rng.below(64).to_le_bytes()[0] } else { 4 + rng.below(6).to_le_bytes()[0] };
            if kind == DISCONNECT {
                continue;
            }
            let mut packet = vec![kind, 0, 0, 0, 0];
            victim.name.write(&mut packet);
            packet.extend((0..rng.below(40)).map(|_| rng.next_u64().to_le_bytes()[0]));
            if data {
                // The numbers that the victim will complete these to are mostly these.
                let wide = kind & 1 != 0;
                let low = Data::parse(&packet, victim.name.len).map_or(0, |data| data.number);
                let number = packet::expand(low, packet::number_bits(wide), 0).unwrap_or(low);
                victim.key.seal_data(Context { number, ..Context::default() }, &mut packet);
            } else {
                Key::handshake().seal(&mut packet);
            }
            victim.offer_raw(&packet);
        }
        assert!(victim.alive());
    }
}

#[test]
fn a_message_without_end_costs_the_connection() {
    let mut victim = Victim::new(1);
    let full = [&[0x9C, 0x09][..], &[7; limits::SEGMENT_BYTES]].concat();
    let mut sequence = 0_u32;
    while victim.alive() {
        let part = if sequence == 0 { 0 } else { 0x40 };
        let frame = [&[0x80 | part][..], &sequence.to_le_bytes()[..3], &full].concat();
        assert!(victim.offer(Content::Frames, None, &frame));
        victim.tick();
        sequence += 1;
        assert!(victim.held() <= 2 * limits::MESSAGE_BYTES_USUAL);
    }
    assert_eq!(sequence as usize, limits::MESSAGE_BYTES_USUAL / limits::SEGMENT_BYTES + 1);
    let reason = DisconnectReason::Overflow;
    assert_eq!(victim.endpoint.poll_event(), Some(CarrierEvent::Disconnected { connection: victim.id, reason }));
}

#[test]
fn an_invalid_packet_is_not_acknowledged_and_none_of_it_counts() {
    let mut victim = Victim::new(1);
    victim.tick();
    // A good message, then a segment beyond the window: neither is taken.
    let rest = [0x02, 2, b'o', b'k', 0x00, 0x00, 0x04, 0x00, 0];
    assert!(!victim.offer(Content::Frames, None, &rest));
    assert_eq!(victim.endpoint.endpoint_stats().dropped.beyond_window, 1);
    assert_eq!(victim.endpoint.poll_event(), None);
    assert_eq!(victim.endpoint.poll_transmit(victim.now, &mut Vec::new()), None, "no acknowledgement either");
    // The same with a segment within it: both are.
    let rest = [0x02, 2, b'o', b'k', 0x00, 0xFF, 0x03, 0x00, 0];
    assert!(victim.offer(Content::Frames, None, &rest));
    assert!(matches!(victim.endpoint.poll_event(), Some(CarrierEvent::Message { order: 2, .. })));
    let mut out = Vec::new();
    victim.endpoint.poll_transmit(victim.now, &mut out).unwrap();
    let data = Data::parse(&out, 1).unwrap();
    let ranges: Vec<_> = data.ack.unwrap().ranges(2, 0).map(Option::unwrap).collect();
    assert_eq!(ranges, [(2, 2), (0, 0)], "packet 1 is reported missing");
}

/// Runs a steady one-way or two-way exchange without loss, and returns the datagrams of the last flush of one end.
fn steady(both: bool, channel: ChannelId, count: usize, len: usize) -> Vec<Vec<u8>> {
    let address = |end: usize| SocketAddr::from(([10, 0, 0, 1], u16::try_from(end).unwrap()));
    let mut config = CarrierConfig::new(1);
    config.channels = CHANNELS.map(Into::into).to_vec();
    let mut ends = [Endpoint::new(config.clone(), 1), Endpoint::new(config, 2)];
    let mut now = Instant::ZERO;
    let mut ids = [None; 2];
    ids[1] = ends[1].connect(now, address(0), b"").ok();
    let (mut out, mut flight, mut last) = (Vec::new(), std::collections::VecDeque::new(), Vec::new());
    for round in 0..400 {
        now += Duration::from_millis(16);
        for end in 0..2 {
            ends[end].handle_timeout(now);
            while let Some(event) = ends[end].poll_event() {
                if let CarrierEvent::Incoming { connection, .. } = event {
                    ends[end].accept(now, connection, b"").unwrap();
                    ids[end] = Some(connection);
                }
            }
            if round > 20 && (both || end == 1) {
                (0..count).for_each(|_| ends[end].send(ids[end].unwrap(), channel, &vec![7; len], None).unwrap());
            }
            last.clear();
            while ends[end].poll_transmit(now, &mut out).is_some() {
                last.push(out.clone());
                flight.push_back((round + 3, 1 - end, out.clone()));
            }
            while flight.front().is_some_and(|(at, ..)| *at <= round) {
                let (_, to, bytes) = flight.pop_front().unwrap();
                ends[to].handle_datagram(now, address(1 - to), &bytes);
            }
        }
    }
    assert_eq!(ends[0].endpoint_stats().dropped.total(), 0);
    last
}

#[test]
fn what_it_costs() {
    let alone = |both, channel| {
        let datagrams = steady(both, channel, 1, 64);
        assert_eq!(datagrams.len(), 1);
        datagrams[0].len() - 64
    };
    assert_eq!(alone(false, ChannelId(2)), 8, "type, tag, id, number");
    assert_eq!(alone(false, ChannelId(0)), 9, "and a sequence number");
    assert_eq!(alone(true, ChannelId(2)), 10, "with an acknowledgement");
    assert_eq!(alone(true, ChannelId(0)), 11);
    let bytes = |channel| steady(true, channel, 64, 64).iter().map(Vec::len).sum::<usize>() - 64 * 64;
    assert!(bytes(ChannelId(2)) <= 4 * (8 + 3) + 2 + 64 / 16);
    assert!(bytes(ChannelId(0)) <= 4 * (8 + 6) + 2 + 64 / 16);
}

#[test]
fn datagrams_are_what_the_document_says() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let (joiner, acceptor) = (0xbfc8_4610_0bfc_1e42, 0xbeeb_8da1_658e_ec67);
    let (mut out, mut sent, mut received) = (Vec::new(), Sent::new(0), Received::new(0));
    received.insert(Instant::ZERO, 0);
    packet::start_data(&mut out, WireId { value: 7, len: 1 }, 0, false);
    received.write(Instant::ZERO, 0, false, &mut out);
    let mut writer = FrameWriter::new(&mut out, &mut sent, 1_200);
    assert!(writer.segment(0, 0, false, false, b"hi"));
    assert!(writer.message(3, &[0x11, 0x22]) && writer.message(3, &[0x33]));
    keys(joiner, acceptor, true).0.seal_data(Context::default(), &mut out);
    assert_eq!(hex(&out), "82 35 a2 95 25 07 00 00 00 00 00 00 00 02 68 69 23 02 02 11 22 01 33");
    let welcome = [2, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1];
    Accepted { joiner, acceptor, id: WireId { value: 0x234, len: 2 }, compressor: 0, welcome: &welcome }
        .write(&mut out);
    let accepted = "05 76 d0 82 92 42 1e fc 0b 10 46 c8 bf 67 ec 8e 65 a1 8d eb be 02 34 02 00 0c 00 02 00 00 00 08 07 06 05 04 03 02 01";
    assert_eq!(hex(&out), accepted);
    let document = include_str!("../../../docs/WIRE.md");
    assert!(
        document.contains(accepted)
            && document.contains("82 35 a2 95 25 07 00 00 00 00 00 00 00 02 68 69 23 02 02 11 22 01 33")
    );
}

#[test]
fn another_version_is_refused_in_words() {
    let (host, joiner) = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 2)));
    let mut endpoint = Endpoint::new(CarrierConfig::new(1), 1);
    let mut out = Vec::new();
    for _ in 0..2 * limits::ANSWERS {
        hello(99, 5, NO_COOKIE).write(&mut out);
        endpoint.handle_datagram(Instant::ZERO, joiner, &out);
    }
    assert_eq!(endpoint.endpoint_stats().dropped.busy, limits::ANSWERS as u64, "only so many answers wait");
    assert_eq!(endpoint.poll_event(), None);
    assert_eq!(endpoint.poll_transmit(Instant::ZERO, &mut out), Some(joiner));
    let refusal = Refusal::Version { ours: VERSION, theirs: VERSION };
    assert_eq!(handshake::read_refused(&out, 1), Some((5, refusal)));

    // The joining end reports a later version's answer the same way.
    let mut endpoint = Endpoint::new(CarrierConfig::new(1), 1);
    let connection = endpoint.connect(Instant::ZERO, host, b"").unwrap();
    endpoint.poll_transmit(Instant::ZERO, &mut out).unwrap();
    let nonce = Hello::read(&out).unwrap().nonce;
    handshake::write_refused(nonce ^ 1, &Refusal::Full, &mut out);
    endpoint.handle_datagram(Instant::ZERO, host, &out);
    assert_eq!(endpoint.poll_event(), None, "not the answer to our hello");
    handshake::write_refused(nonce, &Refusal::Version { ours: 99, theirs: VERSION }, &mut out);
    endpoint.handle_datagram(Instant::ZERO, host, &out);
    let reason = Refusal::Version { ours: VERSION, theirs: 99 };
    assert_eq!(endpoint.poll_event(), Some(CarrierEvent::Refused { connection, reason }));
}
