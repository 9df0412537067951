//! Two endpoints, a link between them that misbehaves by a seed, and a clock that only tests move.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses its part")]

pub mod runs;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelId, ChannelKind, CongestionConfig, ConnectionId, Endpoint,
};
use gridmate_runtime::{Instant, Rng};

pub const RELIABLE: ChannelId = ChannelId(0);
pub const SEQUENCED: ChannelId = ChannelId(1);
pub const UNRELIABLE: ChannelId = ChannelId(2);
pub const SECOND_RELIABLE: ChannelId = ChannelId(3);

pub const UNORDERED: ChannelId = ChannelId(4);

pub fn config() -> CarrierConfig {
    let mut config = CarrierConfig::new(0x5C4E_3A01);
    config.channels = vec![
        ChannelKind::ReliableOrdered.into(),
        ChannelKind::UnreliableSequenced.into(),
        ChannelKind::Unreliable.into(),
        ChannelKind::ReliableOrdered.into(),
        ChannelKind::ReliableUnordered.into(),
    ];
    // What is tested with it is something else than how much may be sent.
    config.congestion = CongestionConfig::Unlimited;
    config
}

pub fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + u8::try_from(end).unwrap()], 4_000))
}

/// How a link treats datagrams: probabilities, and delays.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub loss: f64,
    pub duplicate: f64,
    pub reorder: f64,
    pub corrupt: f64,
    pub delay: Duration,
}

impl Link {
    pub const PERFECT: Self =
        Self { loss: 0.0, duplicate: 0.0, reorder: 0.0, corrupt: 0.0, delay: Duration::from_millis(20) };
    pub const AWFUL: Self = Self { loss: 0.3, duplicate: 0.2, reorder: 0.3, corrupt: 0.01, ..Self::PERFECT };
}

pub struct Pair {
    pub now: Instant,
    pub ends: [Endpoint; 2],
    pub events: [Vec<CarrierEvent>; 2],
    /// By end: its connections, as far as they are established.
    pub ids: [Option<ConnectionId>; 2],
    pub link: Link,
    pub tick: Duration,
    /// Where the ends are, and how many datagrams went to where nobody is.
    pub at: [SocketAddr; 2],
    pub astray: usize,
    /// Accept whoever comes.
    pub accept: bool,
    /// Share of datagrams that the network marks.
    pub mark: f64,
    /// Datagrams longer than this vanish.
    pub mtu: usize,
    /// Every datagram handed to the link, with the end that sent it.
    pub trace: Option<Vec<(usize, Vec<u8>)>>,
    /// Datagrams to lose, by running number; to deliver twice; and to deliver behind the next one from the same end.
    pub drop: Vec<u64>,
    pub twice: Vec<u64>,
    pub swap: Vec<u64>,
    pub sent: u64,
    rng: Rng,
    flying: BTreeMap<(Instant, u64), (usize, SocketAddr, Vec<u8>)>,
    /// By end: what waits to be overtaken.
    swapped: [Vec<Vec<u8>>; 2],
    serial: u64,
}

impl Pair {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::with(seed, link, [config(), config()])
    }

    pub fn with(seed: u64, link: Link, configs: [CarrierConfig; 2]) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            now: Instant::from_millis(1_000),
            ends: configs.map(|config| Endpoint::new(config, rng.next_u64())),
            events: [Vec::new(), Vec::new()],
            ids: [None; 2],
            link,
            tick: Duration::from_millis(10),
            at: [address(0), address(1)],
            astray: 0,
            accept: true,
            mark: 0.0,
            mtu: usize::MAX,
            trace: None,
            drop: Vec::new(),
            twice: Vec::new(),
            swap: Vec::new(),
            sent: 0,
            rng,
            flying: BTreeMap::new(),
            swapped: [Vec::new(), Vec::new()],
            serial: 0,
        }
    }

    /// Two ends that are connected; 1 is the one that connected.
    pub fn connected(seed: u64, link: Link) -> Self {
        Self::connected_with(seed, link, [config(), config()])
    }

    pub fn connected_with(seed: u64, link: Link, configs: [CarrierConfig; 2]) -> Self {
        let mut pair = Self::with(seed, Link::PERFECT, configs);
        pair.connect();
        pair.link = link;
        pair
    }

    pub fn connect(&mut self) {
        self.ends[1].connect(self.now, address(0), b"hello").unwrap();
        self.until(1_000, |pair| pair.ids.iter().all(Option::is_some));
        self.events.iter_mut().for_each(Vec::clear);
    }

    pub fn id(&self, end: usize) -> ConnectionId {
        self.ids[end].expect("connected")
    }

    pub fn send(&mut self, end: usize, channel: ChannelId, message: &[u8], token: Option<u64>) -> bool {
        let id = self.id(end);
        self.ends[end].send(id, channel, message, token).is_ok()
    }

    /// One tick of both ends: arrivals, deadlines, events, departures.
    pub fn step(&mut self) {
        self.now += self.tick;
        for end in 0..2 {
            self.deliver(end);
            self.ends[end].handle_timeout(self.now);
            self.take_events(end);
            self.flush(end);
        }
    }

    pub fn steps(&mut self, count: usize) {
        (0..count).for_each(|_| self.step());
    }

    pub fn until(&mut self, limit: usize, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..limit {
            if done(self) {
                return;
            }
            self.step();
        }
        assert!(done(self), "not after {limit} ticks");
    }

    pub fn flush(&mut self, end: usize) {
        let mut out = Vec::new();
        while let Some(to) = self.ends[end].poll_transmit(self.now, &mut out) {
            if to != self.at[1 - end] {
                self.astray += 1;
                continue;
            }
            assert!(!out.is_empty() && out.len() <= gridmate_runtime::limits::DATAGRAM_BYTES_MAX);
            self.carry(end, &out);
        }
    }

    /// Puts a datagram from `end` on the link.
    pub fn carry(&mut self, end: usize, datagram: &[u8]) {
        if let Some(trace) = &mut self.trace {
            trace.push((end, datagram.to_vec()));
        }
        let number = self.sent;
        self.sent += 1;
        if self.swap.contains(&number) {
            return self.swapped[end].push(datagram.to_vec());
        }
        let copies = 1 + usize::from(self.twice.contains(&number) || self.rng.chance(self.link.duplicate));
        for _ in 0..copies {
            if datagram.len() > self.mtu || self.drop.contains(&number) || self.rng.chance(self.link.loss) {
                continue;
            }
            let mut bytes = datagram.to_vec();
            if self.rng.chance(self.link.corrupt) {
                let bit = usize::try_from(self.rng.below(bytes.len() as u64 * 8)).unwrap();
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let late = if self.rng.chance(self.link.reorder) { self.rng.below(100_000) } else { 0 };
            self.fly(end, self.link.delay + Duration::from_micros(late), bytes);
        }
        for bytes in core::mem::take(&mut self.swapped[end]) {
            self.fly(end, self.link.delay, bytes);
        }
    }

    fn fly(&mut self, end: usize, delay: Duration, bytes: Vec<u8>) {
        self.serial += 1;
        self.flying.insert((self.now + delay, self.serial), (1 - end, self.at[end], bytes));
    }

    pub fn take_events(&mut self, end: usize) {
        while let Some(event) = self.ends[end].poll_event() {
            match &event {
                CarrierEvent::Incoming { connection, .. } if self.accept => {
                    self.ends[end].accept(self.now, *connection, b"welcome").unwrap();
                }
                CarrierEvent::Connected { connection, .. } => self.ids[end] = Some(*connection),
                CarrierEvent::Disconnected { connection, .. } if self.ids[end] == Some(*connection) => {
                    self.ids[end] = None;
                }
                _ => {}
            }
            self.events[end].push(event);
        }
    }

    /// Messages among the events of an end on one channel, which are forgotten.
    pub fn messages(&mut self, end: usize, channel: ChannelId) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        self.events[end].retain_mut(|event| match event {
            CarrierEvent::Message { channel: c, order, bytes, .. } if *c == channel => {
                found.push((*order, core::mem::take(bytes)));
                false
            }
            _ => true,
        });
        found
    }

    /// Receipts among the events of an end, which are forgotten.
    pub fn receipts(&mut self, end: usize) -> Vec<(u64, bool)> {
        let mut found = Vec::new();
        self.events[end].retain(|event| match event {
            CarrierEvent::Receipt { token, delivered, .. } => {
                found.push((*token, *delivered));
                false
            }
            _ => true,
        });
        found
    }

    pub fn deliver(&mut self, end: usize) {
        let due: Vec<_> = self
            .flying
            .range(..=(self.now, u64::MAX))
            .filter(|(_, (to, ..))| *to == end)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            let (_, from, bytes) = self.flying.remove(&key).unwrap();
            let marked = self.mark > 0.0 && self.rng.chance(self.mark);
            self.ends[end].handle_marked_datagram(self.now, from, marked, &bytes);
        }
    }
}

/// A message of `len` bytes that nobody could confuse with another.
pub fn message(number: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::new(number);
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend((8..len).map(|_| rng.next_u64().to_le_bytes()[0]));
    bytes
}

pub fn number(message: &[u8]) -> u64 {
    u64::from_le_bytes(message[..8].try_into().unwrap())
}
