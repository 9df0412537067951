//! Two ends and what lies between them, by a script: what programs do, what networks do, and what happens to programs.
//!
//! Everything is allowed to go wrong until the script ends. Then nothing is lost any more, and what was promised has to be kept.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelConfig, ChannelId, ChannelKind, CongestionConfig, ConnectionId,
    DisconnectReason, Endpoint, Refusal,
};
use gridmate_runtime::{Instant, limits};

use super::hostile::{cause, held_at_most};
use super::ledger::{Ledger, NAME, Side};
use super::packets::address;
use super::script::Script;

/// More would only take longer.
const STEPS: usize = 100;

/// Time between two looks at the ends, milliseconds.
const TICK: u64 = 15;

/// Silence after which a connection is dead, milliseconds.
const TIMEOUT: u64 = 1_500;

/// Datagrams on the link, count; more are lost.
const IN_FLIGHT: usize = 400;

const KINDS: [ChannelKind; 5] = [
    ChannelKind::ReliableOrdered,
    ChannelKind::UnreliableSequenced,
    ChannelKind::Unreliable,
    ChannelKind::ReliableUnordered,
    ChannelKind::ReliableOrdered,
];

const FIRST: [u64; 8] = [0, 0, 7, 0x70, 0xFFE0, 0xFF_FFF0, 0xFFFF_FFF0, 1 << 40];

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let mut play = Play::new(&mut script);
    for _ in 0..STEPS {
        if script.is_empty() {
            break;
        }
        play.step(&mut script);
        play.check();
    }
    play.heal();
}

/// A datagram under way.
#[derive(Clone)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    marked: bool,
    bytes: Vec<u8>,
    /// As they were sent.
    original: Vec<u8>,
}

struct End {
    endpoint: Endpoint,
    /// How often it was started.
    life: u32,
    at: SocketAddr,
    live: Vec<ConnectionId>,
    waiting: Vec<ConnectionId>,
    /// The packets that it has taken in all its lives, for who asks whether something was in one.
    taken: Vec<Vec<u8>>,
    /// Whose session time it goes by, and what that was last.
    leader: Option<ConnectionId>,
    session: Instant,
}

struct Play {
    now: Instant,
    config: CarrierConfig,
    ends: [End; 2],
    link: Vec<Datagram>,
    /// Datagrams longer than this do not get through.
    mtu: usize,
    /// Joiners are let in at once.
    open: bool,
    ledger: Ledger,
    ended: BTreeSet<Side>,
}

impl Play {
    /// The first byte says where numbers start and how much may be sent. The ends are connected, or not yet.
    fn new(script: &mut Script<'_>) -> Self {
        let shape = script.byte();
        let mut config = CarrierConfig::new(7);
        config.channels = KINDS.map(ChannelConfig::from).to_vec();
        config.channels[4].max_message = 30_000;
        config.channels[4].queue_bytes = 60_000;
        config.first_number = FIRST[usize::from(shape & 7)];
        config.timeout = Duration::from_millis(TIMEOUT);
        config.keep_alive = Duration::from_millis(300);
        config.handshake_timeout = Duration::from_millis(TIMEOUT);
        config.pending_timeout = Duration::from_millis(TIMEOUT);
        if shape & 8 != 0 {
            config.congestion = CongestionConfig::Unlimited;
        }
        let ends = [1, 2].map(|n| End {
            endpoint: Endpoint::new(config.clone(), n.into()),
            life: 0,
            at: address(n),
            live: Vec::new(),
            waiting: Vec::new(),
            taken: Vec::new(),
            leader: None,
            session: Instant::ZERO,
        });
        let now = Instant::from_millis(1_000);
        let (link, ledger, ended) = (Vec::new(), Ledger::default(), BTreeSet::new());
        let mut play = Self { now, config, ends, link, mtu: usize::MAX, open: true, ledger, ended };
        if shape & 0x10 == 0 {
            play.connect(1);
            (0..4).for_each(|_| play.pass(TICK));
            assert!(play.ends.iter().all(|end| end.live.len() == 1), "over a good link they connect");
        }
        play
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let (what, which) = (script.byte(), script.byte());
        let end = usize::from(which & 1);
        match what % 32 {
            0..=5 => self.send(end, script),
            6..=10 => self.flush(end, [0, 1, 5, TICK, 60, 260][script.pick(6)]),
            11..=16 => self.deliver(usize::from(which), 1 + script.pick(16)),
            17 => drop(self.take(which)),
            18 => {
                if let Some(datagram) = self.take(which) {
                    self.link.extend([datagram.clone(), datagram]);
                }
            }
            19 => {
                if let Some(mut datagram) = self.take(which) {
                    let bit = usize::from(script.word()) % (datagram.bytes.len().max(1) * 8);
                    if let Some(byte) = datagram.bytes.get_mut(bit / 8) {
                        *byte ^= 1 << (bit % 8);
                    }
                    self.link.insert(0, datagram);
                }
            }
            20 => {
                if let Some(mut datagram) = self.take(which) {
                    datagram.bytes.truncate(usize::from(script.word()) % datagram.bytes.len().max(1));
                    self.link.insert(0, datagram);
                }
            }
            21 => self.ends[end].at = address(1 + end.to_le_bytes()[0] + 2 * (script.byte() % 3)),
            22 => {
                let place = self.place(which);
                if let Some(datagram) = self.link.get_mut(place) {
                    datagram.marked = true;
                }
            }
            23 => self.disconnect(end, script),
            24 => self.connect(end),
            25 => self.decide(end, script),
            26 => {
                let (now, End { endpoint, live, leader, session, .. }) = (self.now, &mut self.ends[end]);
                if let Some(id) = live.last().copied() {
                    endpoint.follow_clock(now, id);
                    if leader.replace(id) != Some(id) {
                        *session = Instant::ZERO;
                    }
                }
            }
            27 if script.byte() > 0xC0 => self.restart(end),
            28 => self.mtu = [1_200, 1_200, 1_300, usize::MAX][script.pick(4)],
            29 => self.open = !self.open,
            30 => self.link.reverse(),
            _ => (0..script.pick(16)).for_each(|_| self.pass(TICK)),
        }
    }

    /// A program sends messages.
    fn send(&mut self, end: usize, script: &mut Script<'_>) {
        let (shape, size) = (script.byte(), script.byte());
        let channel = ChannelId(shape % 5);
        let len = match size {
            0..0xA0 => NAME + usize::from(size),
            0xA0..0xE0 => 1_160 + usize::from(size % 32),
            _ => 700 * usize::from(size % 32),
        };
        let count = if shape & 0x80 == 0 { 1 } else { 1 + script.pick(24) };
        for _ in 0..count {
            self.send_one(end, channel, len, shape & 0x40 != 0);
        }
    }

    fn send_one(&mut self, end: usize, channel: ChannelId, len: usize, token: bool) -> bool {
        let Some(id) = self.ends[end].live.last().copied() else { return false };
        let message = self.ledger.write(len.max(NAME));
        let (kind, named) = (KINDS[usize::from(channel.0)], token.then(|| self.ledger.token()));
        let sent = self.ends[end].endpoint.send(id, channel, &message, named).is_ok();
        if sent {
            let side = (end, self.ends[end].life, id);
            self.ledger.sent(side, channel, kind, message.len(), token);
        }
        sent
    }

    fn connect(&mut self, end: usize) {
        let to = self.ends[1 - end].at;
        // It may be connecting already.
        let _ = self.ends[end].endpoint.connect(self.now, to, b"hello");
    }

    fn disconnect(&mut self, end: usize, script: &mut Script<'_>) {
        let reasons = [DisconnectReason::Leave, DisconnectReason::Kicked, DisconnectReason::Shutdown];
        if let Some(id) = self.ends[end].live.last().copied() {
            self.ends[end].endpoint.disconnect(self.now, id, reasons[script.pick(3)]);
            self.take_events(end);
        }
    }

    /// A program makes up its mind about a joiner.
    fn decide(&mut self, end: usize, script: &mut Script<'_>) {
        let (now, End { endpoint, waiting, .. }) = (self.now, &mut self.ends[end]);
        let Some(id) = waiting.last().copied() else { return };
        match script.pick(3) {
            0 => endpoint.defer(now, id),
            1 => {
                endpoint.refuse(now, id, Refusal::denied(3, "not you"));
                waiting.pop();
            }
            _ => {
                waiting.pop();
                endpoint.accept(now, id, b"welcome").expect("it waits");
            }
        }
    }

    /// A program crashes and is started again at the same address.
    fn restart(&mut self, end: usize) {
        let End { endpoint, life, live, waiting, leader, session, .. } = &mut self.ends[end];
        *life += 1;
        *endpoint = Endpoint::new(self.config.clone(), u64::from(*life) << 8 | end as u64);
        (*live, *waiting, *leader, *session) = (Vec::new(), Vec::new(), None, Instant::ZERO);
        self.ledger.forget(end);
    }

    /// Time goes by, and one end puts on the link what it has to say.
    fn flush(&mut self, end: usize, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.ends[end].endpoint.handle_timeout(self.now);
        self.take_events(end);
        let (from, mut bytes) = (self.ends[end].at, Vec::new());
        while let Some(to) = self.ends[end].endpoint.poll_transmit(self.now, &mut bytes) {
            assert!(!bytes.is_empty() && bytes.len() <= limits::DATAGRAM_BYTES_MAX);
            if bytes.len() <= self.mtu && self.link.len() < IN_FLIGHT {
                self.link.push(Datagram { from, to, marked: false, bytes: bytes.clone(), original: bytes.clone() });
            }
        }
        self.take_events(end);
    }

    /// Some datagrams get where they are sent, from the one at a place on.
    fn deliver(&mut self, which: usize, count: usize) {
        for _ in 0..count {
            if self.link.is_empty() {
                return;
            }
            let Datagram { from, to, marked, bytes, original } = self.link.remove(which % self.link.len());
            let Some(end) = self.ends.iter().position(|end| end.at == to) else { continue };
            let End { endpoint, taken, .. } = &mut self.ends[end];
            let before = endpoint.endpoint_stats().dropped;
            endpoint.handle_marked_datagram(self.now, from, marked, &bytes);
            let dropped = cause(&before, &endpoint.endpoint_stats().dropped);
            assert!(bytes == original || dropped.is_some(), "damage is noticed: {bytes:?}");
            if dropped.is_none() {
                taken.push(bytes);
            }
            self.take_events(end);
        }
    }

    /// A tick of both ends over a link that loses nothing.
    fn pass(&mut self, millis: u64) {
        for end in 0..2 {
            self.flush(end, millis / 2);
            self.deliver(0, IN_FLIGHT);
        }
    }

    fn place(&self, which: u8) -> usize {
        usize::from(which) % self.link.len().max(1)
    }

    fn take(&mut self, which: u8) -> Option<Datagram> {
        let place = self.place(which);
        (place < self.link.len()).then(|| self.link.remove(place))
    }

    fn take_events(&mut self, end: usize) {
        let life = self.ends[end].life;
        while let Some(event) = self.ends[end].endpoint.poll_event() {
            let [first, second] = &mut self.ends;
            let (this, other) = if end == 0 { (first, second) } else { (second, first) };
            match event {
                CarrierEvent::Incoming { connection, .. } if self.open => {
                    this.endpoint.accept(self.now, connection, b"welcome").expect("it waits");
                }
                CarrierEvent::Incoming { connection, .. } => this.waiting.push(connection),
                CarrierEvent::Connected { connection, .. } => {
                    assert!(!this.live.contains(&connection), "once");
                    this.live.push(connection);
                }
                CarrierEvent::Refused { connection, .. } => assert!(!this.live.contains(&connection)),
                CarrierEvent::Moved { connection, .. } => assert!(this.live.contains(&connection)),
                CarrierEvent::Disconnected { connection, reason } => {
                    let never = [DisconnectReason::Overflow, DisconnectReason::ProtocolError];
                    assert!(!never.contains(&reason), "an honest peer does nothing wrong");
                    this.live.retain(|live| *live != connection);
                    this.waiting.retain(|waiting| *waiting != connection);
                    assert!(self.ended.insert((end, life, connection)), "once");
                    self.ledger.ended((end, life, connection));
                }
                CarrierEvent::Message { connection, channel, bytes, .. } => {
                    assert!(this.live.contains(&connection), "between the beginning and the end");
                    self.ledger.came((end, life, connection), channel, &bytes);
                    this.endpoint.recycle(bytes);
                }
                CarrierEvent::Receipt { connection, token, delivered } => {
                    let reached = |name: &[u8; NAME]| {
                        other.taken.iter().any(|packet| packet.windows(NAME).any(|window| window == name))
                    };
                    self.ledger.receipt((end, life, connection), token, delivered, reached);
                }
                event => panic!("{event:?}"),
            }
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let held = held_at_most(&self.config.channels);
        for End { endpoint, live, session, .. } in &mut self.ends {
            let time = endpoint.session_time(self.now);
            assert!(time >= *session, "session time never goes back");
            *session = time;
            for stats in live.iter().filter_map(|id| endpoint.stats(*id)) {
                assert!(stats.held <= held, "{} bytes held", stats.held);
                assert!(stats.unreliable_queued <= limits::UNRELIABLE_BYTES);
                assert!(stats.reliable_queued <= 2 * limits::RELIABLE_BYTES + 60_000);
                assert!(stats.packets_in_flight <= limits::IN_FLIGHT + 1);
            }
        }
    }

    /// Nothing goes wrong any more.
    fn heal(mut self) {
        (self.mtu, self.open) = (usize::MAX, true);
        for end in &mut self.ends {
            for id in end.waiting.drain(..) {
                end.endpoint.accept(self.now, id, b"welcome").expect("it waits");
            }
        }
        // Who still speaks to somebody who is gone has to notice that, too.
        let quiet = TIMEOUT + 1_000;
        (0..quiet / TICK).for_each(|_| self.pass(TICK));
        self.check();
        for (end, one) in self.ends.iter().enumerate() {
            one.live.iter().for_each(|id| self.ledger.settled((end, one.life, *id)));
        }
        if self.ends.iter().any(|end| end.live.is_empty()) {
            let live = self.ends.each_ref().map(|end| &end.live);
            assert!(live.iter().all(|live| live.is_empty()), "both know that it is over, or neither: {live:?}");
            self.connect(1);
            (0..20).for_each(|_| self.pass(TICK));
        }
        for end in 0..2 {
            assert_eq!(self.ends[end].live.len(), 1, "one connection");
            for channel in 0..5 {
                assert!(self.send_one(end, ChannelId(channel), 1_000, true), "room");
            }
        }
        (0..20).for_each(|_| self.pass(TICK));
        for end in 0..2 {
            let side = (end, self.ends[end].life, self.ends[end].live[0]);
            self.ledger.settled(side);
        }
        self.check();
    }
}
