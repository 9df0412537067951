//! An endpoint with two connections: one with whoever the fuzzer plays, one with an honest peer.

use core::cell::Cell;
use core::time::Duration;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelConfig, ChannelId, ChannelKind, CongestionConfig, ConnectionId,
    DisconnectReason, Dropped, Endpoint,
};
use gridmate_runtime::{Instant, limits};

use super::expected::Expected;
use super::packets::{
    self, Context, DATA, DISCONNECT, Hello, Key, PREFIX, VERSION, WIDE, address, largest, put_low, put_name,
};
use super::reader::{Data, Item, frames, sequence_width, width};
use super::script::Script;

/// More than what the low bits of a frame's first byte tell apart.
pub(crate) const CHANNELS: u8 = 33;

const SCHEMA: u64 = 1;
const VICTIM: u8 = 1;
const HONEST: u8 = 2;

/// The longest message on some channels, bytes: a limit that a short input can reach.
const SHORT: usize = 4_000;

const FIRST: [u64; 8] = [0, 0, 3, 0x70, 0xFFF0, 0xFF_FF00, 0xFFFF_FF00, 1 << 40];

/// What the peer that is played calls the connection.
const OURS: (u8, u16) = (2, 0x1234);

pub(crate) const fn kind(channel: u8) -> ChannelKind {
    match channel {
        0 | 3 => ChannelKind::ReliableOrdered,
        4 | 31 => ChannelKind::ReliableUnordered,
        2 | 5 | 32 => ChannelKind::Unreliable,
        _ => ChannelKind::UnreliableSequenced,
    }
}

pub(crate) fn channels() -> Vec<ChannelConfig> {
    let mut channels: Vec<ChannelConfig> = (0..CHANNELS).map(|channel| kind(channel).into()).collect();
    channels[3].max_message = SHORT;
    channels[4].max_message = SHORT;
    channels
}

/// Why datagrams were dropped, by cause.
pub(crate) const fn causes(dropped: &Dropped) -> [(&'static str, u64); 14] {
    [
        ("short", dropped.short),
        ("long", dropped.long),
        ("unknown_type", dropped.unknown_type),
        ("bad_tag", dropped.bad_tag),
        ("unknown_connection", dropped.unknown_connection),
        ("malformed", dropped.malformed),
        ("duplicate", dropped.duplicate),
        ("too_old", dropped.too_old),
        ("ack_future", dropped.ack_future),
        ("beyond_window", dropped.beyond_window),
        ("stale_fragment", dropped.stale_fragment),
        ("backlog", dropped.backlog),
        ("handshake", dropped.handshake),
        ("busy", dropped.busy),
    ]
}

/// The cause under which one datagram was counted, if it was dropped.
pub(crate) fn cause(before: &Dropped, after: &Dropped) -> Option<&'static str> {
    let more =
        causes(after).into_iter().zip(causes(before)).map(|((cause, after), (_, before))| (cause, after - before));
    let counted: Vec<_> = more.filter(|(_, count)| *count > 0).collect();
    assert!(counted.len() <= 1 && counted.iter().all(|(_, count)| *count == 1), "one cause, once: {counted:?}");
    assert_eq!(after.total() - before.total(), counted.len() as u64);
    counted.first().map(|(cause, _)| *cause)
}

/// What nobody may make a connection hold, bytes: by the named limits, in buffers of the sizes that there are.
pub(crate) fn held_at_most(channels: &[ChannelConfig]) -> usize {
    let reliable = channels.iter().filter(|channel| channel.kind.is_reliable());
    let window = limits::RELIABLE_WINDOW * 1_536;
    limits::REASSEMBLIES * 32_768
        + reliable.map(|channel| window + 2 * channel.max_message.next_power_of_two()).sum::<usize>()
}

pub(crate) struct Scene {
    pub(crate) now: Instant,
    victim: Endpoint,
    id: ConnectionId,
    honest: Endpoint,
    /// The honest connection, by the victim and by the other end.
    ids: [Option<ConnectionId>; 2],
    /// Where the packets come from.
    from: SocketAddr,
    marked: bool,
    key: Key,
    victims_key: Key,
    pub(crate) victims_name: (u8, u16),
    first: u64,
    kinds: Vec<ChannelKind>,
    pub(crate) expected: Expected,
    /// Messages written so far.
    pub(crate) items: Cell<u32>,
    /// The newest token of a path challenge, and the time in the newest question for session time.
    pub(crate) token: u64,
    pub(crate) asked: u64,
    /// Of the victim's segments: one more than the newest number.
    segments: u64,
    receipts: BTreeSet<u64>,
    tokens: u64,
    last: u64,
    /// Messages that came over the honest connection, at both ends.
    exchanged: [Vec<(u8, Vec<u8>)>; 2],
    over: Option<DisconnectReason>,
}

impl Scene {
    /// The first byte says who connects, where numbers start, and how long the names of connections are.
    pub(crate) fn new(script: &mut Script<'_>) -> Self {
        let shape = script.byte();
        let mut config = CarrierConfig::new(SCHEMA);
        config.channels = channels();
        config.first_number = FIRST[usize::from(shape >> 1 & 7)];
        config.max_connections = if shape & 0x10 == 0 { 64 } else { 1_000 };
        if shape & 0x20 != 0 {
            config.congestion = CongestionConfig::Unlimited;
        }
        let (first, now, from) = (config.first_number, Instant::from_millis(1_000), address(6));
        let kinds: Vec<_> = config.channels.iter().map(|channel| channel.kind).collect();
        let [mut victim, honest] = [7, 8].map(|seed| Endpoint::new(config.clone(), seed));
        let joins = shape & 1 == 0;
        let (id, victims_name, nonces) =
            if joins { join(&mut victim, now, from) } else { accept(&mut victim, now, from) };
        let [key, victims_key] = [!joins, joins].map(|acceptor| Key::of(nonces.0, nonces.1, acceptor));
        let mut scene = Self {
            now,
            victim,
            id,
            honest,
            ids: [None; 2],
            from,
            marked: false,
            key,
            victims_key,
            victims_name,
            first,
            expected: Expected::new(&kinds, first),
            kinds,
            items: Cell::new(0),
            token: 0,
            asked: 0,
            segments: first,
            receipts: BTreeSet::new(),
            tokens: 0,
            last: first,
            exchanged: [Vec::new(), Vec::new()],
            over: None,
        };
        scene.ping();
        scene.honest.connect(scene.now, address(VICTIM), b"honest").expect("room");
        (0..4).for_each(|_| scene.tick(20));
        assert!(scene.ids[0].is_some() && scene.ids[1].is_some(), "the honest peer gets in");
        scene
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The numbers that the victim will complete those in a packet to.
    pub(crate) fn completed(&self, packet: &[u8]) -> Context {
        let data = Data::read(packet, self.victims_name.0);
        data.and_then(|data| self.expected.complete(&data).ok()).unwrap_or_default()
    }

    pub(crate) fn seal(&self, context: Context, packet: &mut [u8]) {
        self.key.seal(Some(context), packet);
    }

    /// Gives the victim a packet that is sealed with these numbers. It has to be taken or dropped as it deserves.
    pub(crate) fn offer(&mut self, context: Context, mut packet: Vec<u8>) {
        self.seal(context, &mut packet);
        let allowed = if packet.len() > limits::DATAGRAM_BYTES_MAX {
            vec![Some("long")]
        } else {
            self.expected.verdicts(&packet, self.victims_name.0, context)
        };
        let before = (self.victim.endpoint_stats(), self.victim.stats(self.id));
        let quiet = self.quiet();
        self.victim.handle_marked_datagram(self.now, self.from, self.marked, &packet);
        let dropped = cause(&before.0.dropped, &self.victim.endpoint_stats().dropped);
        assert!(allowed.contains(&dropped), "{dropped:?}, not of {allowed:?}: {packet:?} {context:?}");
        if dropped.is_some() {
            assert_eq!((self.victim.stats(self.id), self.quiet()), (before.1, quiet), "no effect: {dropped:?}");
            assert_eq!(self.victim.poll_event(), None, "no effect: {dropped:?}");
            return;
        }
        self.last = context.number;
        self.expected.take(&packet, self.victims_name.0, context);
        self.take_events();
        if !self.is_over() {
            self.expected.nothing_is_missing();
        }
        self.check_bounds();
    }

    /// Gives the victim something that it must not take.
    pub(crate) fn rejects(&mut self, packet: &[u8]) {
        let before = (self.victim.endpoint_stats(), self.victim.stats(self.id), self.quiet());
        self.victim.handle_datagram(self.now, self.from, packet);
        let dropped = cause(&before.0.dropped, &self.victim.endpoint_stats().dropped);
        assert!(dropped.is_some(), "{packet:?}");
        assert_eq!((self.victim.stats(self.id), self.quiet()), (before.1, before.2), "no effect: {dropped:?}");
        assert_eq!(self.victim.poll_event(), None, "no effect: {dropped:?}");
    }

    pub(crate) fn say_goodbye(&mut self, code: u8) {
        let packet = packets::goodbye(self.victims_name, self.key, code);
        if code > 8 {
            return self.rejects(&packet);
        }
        self.victim.handle_datagram(self.now, self.from, &packet);
        self.take_events();
        assert_eq!(self.over.map(|reason| reason as u8), Some(code), "what was said is what is heard");
    }

    /// The victim's program sends something.
    pub(crate) fn victim_sends(&mut self, script: &mut Script<'_>) {
        let (channel, len, count) = (script.byte() % CHANNELS, usize::from(script.word()) % 20_000, script.pick(8));
        for _ in 0..=count {
            self.tokens += 1;
            let token = script.byte().is_multiple_of(2).then_some(self.tokens);
            if self.victim.send(self.id, ChannelId(channel), &vec![7; len], token).is_ok() {
                self.receipts.extend(token);
            }
        }
        self.check_bounds();
    }

    /// Something else than packets.
    pub(crate) fn turn(&mut self, script: &mut Script<'_>) {
        match script.pick(5) {
            0 => self.from = address(6 + script.byte() % 3),
            1 => self.victim.follow_clock(self.now, self.id),
            2 => self.victim.reject(self.id, self.last.saturating_sub(u64::from(script.byte() % 4))),
            3 => self.marked = !self.marked,
            _ => {
                self.victim.disconnect(self.now, self.id, DisconnectReason::Kicked);
                self.take_events();
            }
        }
    }

    pub(crate) fn tick(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        let mut out = Vec::new();
        for _ in 0..2 {
            self.victim.handle_timeout(self.now);
            self.take_events();
            while let Some(to) = self.victim.poll_transmit(self.now, &mut out) {
                assert!(out.len() <= limits::DATAGRAM_BYTES_MAX, "{} bytes", out.len());
                if to == address(HONEST) {
                    self.honest.handle_datagram(self.now, address(VICTIM), &out);
                } else {
                    self.hear(&out);
                }
            }
            self.honest.handle_timeout(self.now);
            while let Some(event) = self.honest.poll_event() {
                match event {
                    CarrierEvent::Connected { connection, .. } => self.ids[1] = Some(connection),
                    CarrierEvent::Message { channel, bytes, .. } => self.exchanged[1].push((channel.0, bytes)),
                    event => panic!("{event:?}"),
                }
            }
            while self.honest.poll_transmit(self.now, &mut out).is_some() {
                let before = self.victim.endpoint_stats().dropped;
                self.victim.handle_datagram(self.now, address(HONEST), &out);
                assert_eq!(self.victim.endpoint_stats().dropped, before, "an honest packet is taken");
            }
            self.take_events();
        }
        self.check_bounds();
    }

    /// Whatever happened: the connection goes on if it was not ended, and the one beside it works.
    pub(crate) fn still_works(mut self) {
        if !self.is_over() {
            self.from = self.victim.address(self.id).expect("it lives");
            self.ping();
            self.victim.disconnect(self.now, self.id, DisconnectReason::Kicked);
            self.take_events();
        }
        assert!(self.is_over() && self.receipts.is_empty(), "every token has its receipt: {:?}", self.receipts);
        assert_eq!(self.victim.stats(self.id), None);
        let [Some(ours), Some(theirs)] = self.ids else { panic!("the honest connection lives") };
        let sent: Vec<_> = (0..5_u8).map(|channel| (channel, vec![channel + 1; 1_000])).collect();
        for (channel, bytes) in &sent {
            self.victim.send(ours, ChannelId(*channel), bytes, None).expect("room");
            self.honest.send(theirs, ChannelId(*channel), bytes, None).expect("room");
        }
        for _ in 0..100 {
            if self.exchanged.iter().all(|came| came.len() == sent.len()) {
                break;
            }
            self.tick(20);
        }
        for came in &mut self.exchanged {
            came.sort();
            assert_eq!(*came, sent, "the honest connection works");
        }
        assert_eq!(self.honest.endpoint_stats().dropped.total(), 0, "only valid packets were sent to it");
    }

    /// A packet that nobody could object to.
    fn ping(&mut self) {
        let number = self.expected.next();
        let mut out = vec![DATA | WIDE | 7 << 3, 0, 0, 0, 0];
        put_name(&mut out, self.victims_name);
        put_low(&mut out, number, 2);
        let taken = self.expected.next();
        self.offer(Context { number, ..Context::default() }, out);
        assert_eq!(self.expected.next(), taken + 1, "a ping is taken");
    }

    /// What a dropped datagram leaves as it is.
    fn quiet(&self) -> impl PartialEq + core::fmt::Debug + use<> {
        (self.victim.poll_timeout(), self.ids[0].map(|id| self.victim.stats(id)))
    }

    fn take_events(&mut self) {
        while let Some(event) = self.victim.poll_event() {
            match event {
                CarrierEvent::Incoming { connection, address: from, .. } => {
                    assert_eq!(from, address(HONEST));
                    self.victim.accept(self.now, connection, b"").expect("it waits");
                }
                CarrierEvent::Connected { connection, .. } if connection == self.id => {}
                CarrierEvent::Connected { connection, .. } => self.ids[0] = Some(connection),
                CarrierEvent::Message { connection, channel, bytes, .. } if Some(connection) == self.ids[0] => {
                    self.exchanged[0].push((channel.0, bytes));
                }
                CarrierEvent::Message { connection, channel, bytes, packet, order } => {
                    assert!(connection == self.id && packet == self.last && order <= packet && self.over.is_none());
                    self.expected.message(channel.0, &bytes);
                }
                CarrierEvent::Receipt { connection, token, .. } => {
                    assert!(connection == self.id && self.receipts.remove(&token), "a receipt for {token}, once");
                }
                CarrierEvent::Moved { connection, address } => {
                    assert!(connection == self.id && address == self.from && self.token != 0, "it was challenged");
                }
                CarrierEvent::Disconnected { connection, reason } => {
                    assert!(connection == self.id && self.over.is_none(), "{connection}: {reason}");
                    self.over = Some(reason);
                }
                event => panic!("{event:?}"),
            }
        }
    }

    /// The victim says something, which has to be right.
    fn hear(&mut self, packet: &[u8]) {
        if packet[0] == DISCONNECT {
            assert!(self.is_over() && packet.len() == PREFIX + usize::from(OURS.0) + 1);
            assert!(self.victims_key.opens(None, packet));
            return;
        }
        let data = Data::read(packet, OURS.0).expect("well-formed");
        let number = self.expected.sent;
        assert_eq!(packet[PREFIX..PREFIX + 2], OURS.1.to_le_bytes(), "it uses our name");
        let bits = 8 * u32::try_from(width(data.wide)).expect("1 or 2");
        let mut context = Context { number, ..Context::default() };
        if let Some(ack) = &data.ack {
            let last = self.expected.next() - 1;
            context.acked = largest(ack.newest, bits, last).expect("what we sent");
            let ranges = ack.all(context.acked, self.first).expect("what we sent");
            let all = ranges.into_iter().flat_map(|(low, high)| low..=high);
            all.for_each(|number| assert!(self.expected.has_taken(number), "{number} was not taken"));
        }
        let sole = data.content.checked_sub(1).filter(|channel| *channel < 5 && kind(*channel).is_reliable());
        if sole.is_some() {
            let width = sequence_width(data.wide);
            let low = data.rest[..width].iter().rev().fold(0, |low, byte| low << 8 | u64::from(*byte));
            let span = 1 << (8 * width);
            let newest =
                largest(low, 8 * u32::try_from(width).expect("1 or 3"), self.segments + span / 2).expect("one");
            let candidates = core::iter::successors(Some(newest), |number| number.checked_sub(span));
            let opens =
                |sequence: &u64| self.victims_key.opens(Some(Context { sequence: *sequence, ..context }), packet);
            context.sequence = candidates.take(99).find(opens).expect("one of these numbers");
            self.segments = self.segments.max(context.sequence + 1);
        }
        assert!(self.victims_key.opens(Some(context), packet), "{packet:?} is not {context:?}");
        self.expected.sent += 1;
        if !(1..=5).contains(&data.content) {
            let (items, sound) = frames(data.rest, &self.kinds);
            assert!(sound, "{packet:?}");
            for item in items {
                match item {
                    Item::Word { word: 1, number } => self.token = number,
                    Item::Word { word: 3, number } => self.asked = number,
                    Item::Segment { sequence, .. } => {
                        let near = packets::nearest(sequence.into(), 24, self.segments).expect("a number");
                        self.segments = self.segments.max(near + 1);
                    }
                    _ => {}
                }
            }
        }
    }

    fn check_bounds(&self) {
        let Some(stats) = self.victim.stats(self.id) else { return };
        assert!(stats.held <= held_at_most(&channels()), "{} bytes held", stats.held);
        assert!(stats.unreliable_queued <= limits::UNRELIABLE_BYTES);
        assert!(stats.reliable_queued <= 4 * limits::RELIABLE_BYTES);
        assert!(stats.packets_in_flight <= limits::IN_FLIGHT + 1);
    }
}

/// The peer that is played connects.
fn join(victim: &mut Endpoint, now: Instant, from: SocketAddr) -> (ConnectionId, (u8, u16), (u64, u64)) {
    let (mut hello, mut out) =
        (Hello { version: VERSION, schema: SCHEMA, nonce: 99, id: OURS, cookie: [0; 20], text: b"" }, Vec::new());
    victim.handle_datagram(now, from, &hello.packet());
    victim.poll_transmit(now, &mut out).expect("a challenge");
    hello.cookie = packets::cookie(&out).expect("a challenge");
    victim.handle_datagram(now, from, &hello.packet());
    let Some(CarrierEvent::Incoming { connection, .. }) = victim.poll_event() else { panic!("the cookie is good") };
    victim.accept(now, connection, b"").expect("it waits");
    victim.poll_transmit(now, &mut out).expect("an answer");
    let acceptor = packets::acceptor(&out).expect("an answer");
    (connection, packets::name(&out).expect("an answer"), (hello.nonce, acceptor))
}

/// The victim connects.
fn accept(victim: &mut Endpoint, now: Instant, from: SocketAddr) -> (ConnectionId, (u8, u16), (u64, u64)) {
    let mut out = Vec::new();
    let id = victim.connect(now, from, b"").expect("room");
    victim.poll_transmit(now, &mut out).expect("a hello");
    let (nonce, name) = (packets::nonce(&out).expect("a hello"), packets::name(&out).expect("a hello"));
    victim.handle_datagram(now, from, &packets::accepted(nonce, 77, OURS, b"welcome"));
    (id, name, (nonce, 77))
}
