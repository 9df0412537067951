//! Endpoints in pairs that share a bottleneck, in virtual time. Either whatever is due happens at the moment it is due, or both
//! ends of a pair look once a tick, as games do.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each user takes its part")]

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelId, ChannelKind, CongestionConfig, ConnectionId, Endpoint,
};
use gridmate_runtime::sim::{Link, LinkConfig, Refusal};
use gridmate_runtime::{Instant, Rng};

pub const RELIABLE: ChannelId = ChannelId(0);
pub const UNRELIABLE: ChannelId = ChannelId(1);

/// What the near end of a pair sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Reliable messages, as many as there is room for.
    Bulk,
    /// So many reliable messages of 64 bytes at once, at this interval.
    Messages { count: usize, every: Duration },
    /// Unreliable messages, as much as the carrier says is worth it, at this interval.
    State { every: Duration },
}

/// Of one message of [`Load::Messages`], once it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    pub sent: Instant,
    /// The first packet that it was in did not arrive.
    pub first_lost: bool,
    pub delivered: Option<Instant>,
}

pub struct Flow {
    pub ends: [Endpoint; 2],
    ids: [Option<ConnectionId>; 2],
    load: Load,
    /// When the near end has something to say.
    next: Instant,
    /// Where in its tick each end looks.
    phases: [Duration; 2],
    /// Came between two ticks.
    inbox: [VecDeque<usize>; 2],
    back: Link,
    pub fates: Vec<Fate>,
    /// Messages from here on have not left yet.
    unsent: usize,
    given: u64,
    /// Bytes of messages that arrived.
    pub delivered: u64,
    /// Bytes that left, by millisecond.
    pub sent: Vec<u32>,
    /// The most unreliable bytes that waited after a flush.
    pub waiting: usize,
}

pub struct Pipe {
    pub now: Instant,
    pub flows: Vec<Flow>,
    link: Link,
    tick: Option<Duration>,
    flying: BinaryHeap<Reverse<Arrival>>,
    /// Datagrams under way, and the places among them that are free.
    datagrams: Vec<Vec<u8>>,
    free: Vec<usize>,
    serial: u64,
    out: Vec<u8>,
}

/// When, in which order, at which flow's end, and which datagram.
type Arrival = (Instant, u64, usize, usize, usize);

/// A path of so many Mbit/s, with a queue of so many hundredths of what is under way, and random loss.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub megabits: Option<u64>,
    pub round_trip: Duration,
    pub queue: u64,
    pub loss: f64,
}

impl Path {
    pub fn config(&self) -> LinkConfig {
        let rate = self.megabits.map(|megabits| megabits * 125_000);
        let product = rate.unwrap_or(0) * micros(self.round_trip) / 1_000_000;
        LinkConfig {
            loss: self.loss,
            latency: self.round_trip / 2,
            bytes_per_second: rate,
            queue_bytes: usize::try_from(product * self.queue / 100).unwrap(),
            ..LinkConfig::perfect()
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap()
}

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + u8::try_from(end).unwrap()], 4_000))
}

impl Pipe {
    /// Pairs with these controllers and loads, the first at once, each of the others a tenth of a second after the one before.
    pub fn new(path: Path, loads: &[(CongestionConfig, Load)], tick: Option<Duration>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let start = Instant::from_millis(1_000);
        let flows = (0..).zip(loads).map(|(place, (congestion, load))| {
            let ends = [(); 2].map(|()| {
                let mut config = CarrierConfig::new(7);
                config.channels = vec![ChannelKind::ReliableUnordered.into(), ChannelKind::Unreliable.into()];
                config.congestion = congestion.clone();
                Endpoint::new(config, rng.next_u64())
            });
            let jitter = Duration::from_micros(500);
            let back = LinkConfig { latency: path.round_trip / 2, jitter, ..LinkConfig::perfect() };
            let phase =
                |rng: &mut Rng| tick.map_or(Duration::ZERO, |tick| Duration::from_micros(rng.below(micros(tick))));
            Flow {
                ends,
                ids: [None; 2],
                load: *load,
                next: start + Duration::from_millis(place * 100),
                phases: [phase(&mut rng), phase(&mut rng)],
                inbox: [VecDeque::new(), VecDeque::new()],
                back: Link::new(back, rng.next_u64()).unwrap(),
                fates: Vec::new(),
                unsent: 0,
                given: 0,
                delivered: 0,
                sent: Vec::new(),
                waiting: 0,
            }
        });
        let flows = flows.collect();
        // What sets up the connections is not lost.
        let perfect = LinkConfig { loss: 0.0, ..path.config() };
        let mut pipe = Self {
            now: Instant::from_millis(1),
            flows,
            link: Link::new(perfect, rng.next_u64()).unwrap(),
            tick,
            flying: BinaryHeap::new(),
            datagrams: Vec::new(),
            free: Vec::new(),
            serial: 0,
            out: Vec::new(),
        };
        for flow in 0..pipe.flows.len() {
            let now = pipe.now;
            let _ = pipe.flows[flow].ends[1].connect(now, address(0), b"").unwrap();
            pipe.flush(flow, 1);
        }
        pipe.run(start.saturating_sub(Duration::from_micros(1)));
        assert!(pipe.flows.iter().all(|flow| flow.ids.iter().all(Option::is_some)), "not connected in a second");
        pipe.set_loss(path.loss);
        pipe
    }

    pub fn set_loss(&mut self, loss: f64) {
        let config = LinkConfig { loss, ..*self.link.config() };
        self.link.set_config(config).unwrap();
    }

    pub fn run(&mut self, until: Instant) {
        while let Some(now) = self.next_event().filter(|now| *now <= until) {
            assert!(now >= self.now, "time runs backwards");
            self.now = now;
            self.arrive();
            for flow in 0..self.flows.len() {
                (0..2).for_each(|end| self.look(flow, end));
            }
        }
        self.now = until;
    }

    /// How much each flow delivers in `span`, as shares of the link.
    pub fn shares(&mut self, span: Duration) -> Vec<f64> {
        let before: Vec<_> = self.flows.iter().map(|flow| flow.delivered).collect();
        self.run(self.now + span);
        let capacity = self.link.config().bytes_per_second.unwrap() as f64 * span.as_secs_f64();
        self.flows.iter().zip(before).map(|(flow, before)| (flow.delivered - before) as f64 / capacity).collect()
    }

    /// Says nothing more and waits for what is under way.
    pub fn finish(&mut self) {
        self.flows.iter_mut().for_each(|flow| flow.next = Instant::from_micros(u64::MAX));
        self.run(self.now + Duration::from_secs(5));
    }

    fn next_event(&self) -> Option<Instant> {
        if let Some(tick) = self.tick {
            let phases = self.flows.iter().flat_map(|flow| flow.phases);
            return phases.map(|phase| self.now + (tick - since_tick(self.now, tick, phase))).min();
        }
        let arrival = self.flying.peek().map(|Reverse((at, ..))| *at);
        let flows = self.flows.iter().flat_map(|flow| {
            let [near, far] = &flow.ends;
            [near.poll_timeout(), far.poll_timeout(), Some(flow.next)]
        });
        // What is overdue happens now.
        flows.chain([arrival]).flatten().min().map(|at| at.max(self.now))
    }

    fn arrive(&mut self) {
        while let Some(Reverse((at, _, flow, end, place))) = self.flying.peek().copied() {
            if at > self.now {
                break;
            }
            self.flying.pop();
            self.flows[flow].inbox[end].push_back(place);
        }
    }

    /// One end takes what has come, acts on what is due, and sends.
    fn look(&mut self, flow: usize, end: usize) {
        let now = self.now;
        let it = &mut self.flows[flow];
        let due = match self.tick {
            Some(tick) => since_tick(now, tick, it.phases[end]) == Duration::ZERO,
            None => {
                let timeout = it.ends[end].poll_timeout().is_some_and(|at| at <= now);
                timeout || !it.inbox[end].is_empty() || end == 0 && it.next <= now
            }
        };
        if !due {
            return;
        }
        while let Some(place) = it.inbox[end].pop_front() {
            it.ends[end].handle_datagram(now, address(1 - end), &self.datagrams[place]);
            self.free.push(place);
        }
        it.ends[end].handle_timeout(now);
        it.take_events(now, end);
        if end == 0 && it.ids[0].is_some() {
            it.speak(now);
        }
        self.flush(flow, end);
    }

    fn flush(&mut self, flow: usize, end: usize) {
        let now = self.now;
        let it = &mut self.flows[flow];
        while it.ends[end].poll_transmit(now, &mut self.out).is_some() {
            let link = if end == 0 { &mut self.link } else { &mut it.back };
            let deliveries = link.schedule(now, self.out.len());
            if end == 0 {
                it.departed(now, &self.out, deliveries.refusal());
            }
            for delivery in &deliveries {
                let place = self.free.pop().unwrap_or_else(|| {
                    self.datagrams.push(Vec::new());
                    self.datagrams.len() - 1
                });
                self.datagrams[place].clone_from(&self.out);
                self.serial += 1;
                self.flying.push(Reverse((delivery.at, self.serial, flow, 1 - end, place)));
            }
        }
        if end == 0
            && matches!(it.load, Load::State { .. })
            && let Some(stats) = it.ids[0].and_then(|id| it.ends[0].stats(id))
        {
            it.waiting = it.waiting.max(stats.unreliable_queued);
        }
    }
}

impl Flow {
    /// How long messages took whose first packet was lost, sorted.
    pub fn repairs(&self) -> Vec<Duration> {
        let lost = self.fates.iter().filter(|fate| fate.first_lost);
        let mut took: Vec<_> = lost.map(|fate| fate.delivered.expect("a reliable message") - fate.sent).collect();
        took.sort();
        took
    }

    /// Of the near end: segments sent again, and packets.
    pub fn stats(&self) -> [u64; 2] {
        let stats = self.ids[0].and_then(|id| self.ends[0].stats(id)).unwrap();
        [stats.segments_resent, stats.packets_sent]
    }

    /// As the near end measures it.
    pub fn round_trip(&self) -> Duration {
        self.ids[0].and_then(|id| self.ends[0].rtt(id)).unwrap()
    }

    /// Bytes a second that left in the `span` before `until`.
    pub fn rate(&self, until: Instant, span: Duration) -> f64 {
        let [end, from] =
            [until, until.saturating_sub(span)].map(|at| usize::try_from(at.as_micros() / 1_000).unwrap());
        let bytes: u32 = self.sent.iter().take(end).skip(from).sum();
        f64::from(bytes) / span.as_secs_f64()
    }

    fn take_events(&mut self, now: Instant, end: usize) {
        while let Some(event) = self.ends[end].poll_event() {
            match event {
                CarrierEvent::Incoming { connection, .. } => self.ends[end].accept(now, connection, b"").unwrap(),
                CarrierEvent::Connected { connection, .. } => self.ids[end] = Some(connection),
                CarrierEvent::Message { bytes, .. } => {
                    self.delivered += bytes.len() as u64;
                    if let Load::Messages { .. } = self.load {
                        let number = u64::from_le_bytes(bytes[..8].try_into().unwrap()) - MARK;
                        let fate = &mut self.fates[usize::try_from(number).unwrap()];
                        assert!(fate.delivered.replace(now).is_none(), "delivered twice");
                    }
                    self.ends[end].recycle(bytes);
                }
                CarrierEvent::Disconnected { reason, .. } => panic!("disconnected: {reason:?}"),
                _ => {}
            }
        }
    }

    fn speak(&mut self, now: Instant) {
        let id = self.ids[0].unwrap();
        if now < self.next {
            return;
        }
        match self.load {
            Load::Bulk => {
                // Enough for any window here.
                while self.given - self.delivered < 4 << 20 {
                    self.ends[0].send(id, RELIABLE, &[7; 16 << 10], None).unwrap();
                    self.given += 16 << 10;
                }
                self.next = now + Duration::from_millis(100);
            }
            Load::Messages { count, every } => {
                for _ in 0..count {
                    let mut message = [0; 64];
                    message[..8].copy_from_slice(&(MARK + self.fates.len() as u64).to_le_bytes());
                    self.ends[0].send(id, RELIABLE, &message, None).unwrap();
                    self.fates.push(Fate { sent: now, first_lost: false, delivered: None });
                }
                self.next += every;
            }
            Load::State { every } => {
                for _ in 0..self.ends[0].state_budget(id, UNRELIABLE) / 1_000 {
                    self.ends[0].send(id, UNRELIABLE, &[7; 1_000], None).unwrap();
                }
                self.next += every;
            }
        }
    }

    fn departed(&mut self, now: Instant, datagram: &[u8], refusal: Option<Refusal>) {
        let ms = usize::try_from(now.as_micros() / 1_000).unwrap();
        self.sent.resize(self.sent.len().max(ms + 1), 0);
        self.sent[ms] += u32::try_from(datagram.len()).unwrap();
        // Messages leave in the order of their numbers.
        while let Some(fate) = self.fates.get_mut(self.unsent) {
            let mark = (MARK + self.unsent as u64).to_le_bytes();
            if !datagram.windows(8).any(|bytes| bytes == mark) {
                break;
            }
            (fate.sent, fate.first_lost) = (now, refusal.is_some());
            self.unsent += 1;
        }
    }
}

/// The messages' numbers begin here: what else is in a datagram is never like it.
const MARK: u64 = 0x5EED_F00D << 32;

/// How long ago somebody with this phase looked.
fn since_tick(now: Instant, tick: Duration, phase: Duration) -> Duration {
    let [now, tick, phase] = [now.as_micros(), micros(tick), micros(phase)];
    Duration::from_micros((now + tick - phase) % tick)
}
