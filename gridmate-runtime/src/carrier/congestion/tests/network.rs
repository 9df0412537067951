//! One bottleneck and the flows through it, packet by packet.
//!
//! Packets pass a queue of limited size and come back as acknowledgements a propagation delay later, in order. So the fate of
//! a packet is known when it is sent, and each flow needs no more than a list of what comes back.

use core::time::Duration;
use std::collections::VecDeque;

use crate::carrier::{Acked, Congestion, CongestionConfig, Lost, Pacer};
use crate::rng::Rng;
use crate::time::Instant;

pub(super) const PACKET: usize = 1_200;

/// The path that all flows share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Bytes per second.
    pub(super) rate: u64,
    pub(super) round_trip: Duration,
    pub(super) queue_bytes: u64,
    pub(super) loss: f64,
    /// Acknowledgements are late by up to this.
    pub(super) jitter: Duration,
}

impl Path {
    /// `queue` is in hundredths of the bandwidth-delay product.
    pub(super) fn new(megabits: u64, round_trip_ms: u64, queue: u64) -> Self {
        let rate = megabits * 125_000;
        Self {
            rate,
            round_trip: Duration::from_millis(round_trip_ms),
            queue_bytes: rate * round_trip_ms * queue / 100_000,
            loss: 0.0,
            jitter: Duration::from_micros(500),
        }
    }
}

struct Packet {
    number: u64,
    sent_at: Instant,
}

pub(super) struct Flow {
    pub(super) control: Box<dyn Congestion>,
    pacer: Pacer,
    start: Instant,
    /// Everything happens at multiples of this; immediately when zero.
    tick: Duration,
    /// Bytes per second that the program has to say.
    pub(super) demand: Option<u64>,
    next: u64,
    flying: VecDeque<Packet>,
    /// Numbers that arrived, and when the acknowledgement does.
    returning: VecDeque<(u64, Instant)>,
    in_flight: usize,
    app_limited: bool,
    heard_at: Instant,
    smoothed: Option<Duration>,
    least: Duration,
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) delivered: u64,
    pub(super) widest: usize,
}

impl Flow {
    pub(super) fn new(config: &CongestionConfig, start: Instant) -> Self {
        Self {
            control: config.build(),
            pacer: Pacer::new(),
            start,
            tick: Duration::ZERO,
            demand: None,
            next: 0,
            flying: VecDeque::new(),
            returning: VecDeque::new(),
            in_flight: 0,
            app_limited: false,
            heard_at: start,
            smoothed: None,
            least: Duration::MAX,
            sent: 0,
            lost: 0,
            delivered: 0,
            widest: 0,
        }
    }

    pub(super) fn ticking(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    fn on_tick(&self, at: Instant) -> Instant {
        let tick = u64::try_from(self.tick.as_micros()).unwrap();
        if tick == 0 { at } else { Instant::from_micros(at.as_micros().div_ceil(tick) * tick) }
    }

    /// When this flow next has something to do.
    fn next_event(&self, now: Instant) -> Instant {
        let mut at = Instant::from_micros(u64::MAX);
        if let Some((_, back)) = self.returning.front() {
            at = at.min(*back);
        }
        if self.in_flight > 0 {
            at = at.min(self.resend_at());
        }
        if self.in_flight + PACKET <= self.control.window() {
            let mut ready = self.pacer.next(now, PACKET).unwrap_or(now).max(self.start);
            if let Some(demand) = self.demand {
                let due = (self.sent + 1) * PACKET as u64 * 1_000_000 / demand;
                ready = ready.max(self.start + Duration::from_micros(due));
            }
            // The tick of `now` is over: it sent what it could.
            at = at.min(if self.tick.is_zero() {
                ready
            } else {
                self.on_tick(ready.max(now + Duration::from_micros(1)))
            });
        }
        at
    }

    fn resend_at(&self) -> Instant {
        self.heard_at + self.smoothed.unwrap_or(Duration::from_millis(100)) * 3 + Duration::from_millis(100)
    }

    fn receive(&mut self, now: Instant) {
        while let Some(&(number, at)) = self.returning.front() {
            if at > now {
                break;
            }
            self.returning.pop_front();
            self.acknowledge(now, number);
        }
        if self.in_flight > 0 && self.resend_at() <= now {
            self.heard_at = now;
            while let Some(packet) = self.flying.pop_front() {
                self.lose(now, &packet);
            }
        }
    }

    fn acknowledge(&mut self, now: Instant, number: u64) {
        let Some(place) = self.flying.iter().position(|packet| packet.number == number) else { return };
        let packet = self.flying.remove(place).unwrap();
        self.heard_at = now;
        self.in_flight -= PACKET;
        self.delivered += PACKET as u64;
        let latest = now - packet.sent_at;
        let smoothed = self.smoothed.map_or(latest, |smoothed| (smoothed * 7 + latest) / 8);
        (self.smoothed, self.least) = (Some(smoothed), self.least.min(latest));
        self.control.on_acked(
            now,
            Acked {
                bytes: PACKET,
                sent_at: packet.sent_at,
                in_flight: self.in_flight,
                app_limited: self.app_limited,
                latest,
                smoothed,
                least: self.least,
            },
        );
        while let Some(front) = self.flying.front() {
            let late = front.sent_at + smoothed.max(latest) * 9 / 8 <= now;
            if front.number > number || !(late || front.number + 3 <= number) {
                break;
            }
            let packet = self.flying.pop_front().unwrap();
            self.lose(now, &packet);
        }
    }

    fn lose(&mut self, now: Instant, packet: &Packet) {
        self.in_flight -= PACKET;
        self.lost += 1;
        let lost = Lost { bytes: PACKET, sent_at: packet.sent_at, in_flight: self.in_flight, persistent: false };
        self.control.on_lost(now, lost);
    }
}

/// What was seen of the queue.
#[derive(Default)]
pub(super) struct Watched {
    /// Sum of the delays that packets met, and how many there were.
    sum: u128,
    count: u128,
}

impl Watched {
    pub(super) fn mean_ms(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64 / 1e6
    }
}

pub(super) struct Network {
    pub(super) path: Path,
    pub(super) flows: Vec<Flow>,
    pub(super) now: Instant,
    /// When the bottleneck will have nothing more to do, nanoseconds.
    idle_at: u64,
    rng: Rng,
    pub(super) watched: Watched,
}

impl Network {
    pub(super) fn new(path: Path, flows: Vec<Flow>, seed: u64) -> Self {
        Self { path, flows, now: Instant::ZERO, idle_at: 0, rng: Rng::new(seed), watched: Watched::default() }
    }

    pub(super) fn run(&mut self, until: Instant) {
        loop {
            let now = self.flows.iter().map(|flow| flow.next_event(self.now)).min().unwrap().max(self.now);
            if now >= until {
                self.now = until;
                return;
            }
            self.now = now;
            for i in 0..self.flows.len() {
                self.flows[i].receive(now);
                self.send(i, now);
            }
        }
    }

    fn send(&mut self, i: usize, now: Instant) {
        let flow = &mut self.flows[i];
        if now < flow.start || flow.on_tick(now) != now {
            return;
        }
        flow.pacer.set_rate(now, flow.control.rate());
        flow.app_limited = false;
        while flow.in_flight + PACKET <= flow.control.window() && flow.pacer.budget(now) >= PACKET {
            let age = u64::try_from((now - flow.start).as_micros()).unwrap();
            if flow.demand.is_some_and(|demand| (flow.sent + 1) * PACKET as u64 * 1_000_000 / demand > age) {
                flow.app_limited = true;
                return;
            }
            let number = flow.next;
            (flow.next, flow.sent) = (number + 1, flow.sent + 1);
            flow.pacer.take(PACKET);
            flow.in_flight += PACKET;
            flow.flying.push_back(Packet { number, sent_at: now });
            flow.control.on_sent(now, PACKET, flow.in_flight);
            flow.widest = flow.widest.max(flow.control.window());
            if self.rng.chance(self.path.loss) {
                continue;
            }
            let now_ns = now.as_micros() * 1_000;
            let wait = self.idle_at.saturating_sub(now_ns);
            let backlog = u128::from(wait) * u128::from(self.path.rate) / 1_000_000_000;
            // The packet being transmitted takes no place in the queue.
            if backlog > u128::from(self.path.queue_bytes) {
                continue;
            }
            if now > Instant::from_millis(5_000) {
                self.watched.sum += u128::from(wait);
                self.watched.count += 1;
            }
            self.idle_at = self.idle_at.max(now_ns) + PACKET as u64 * 1_000_000_000 / self.path.rate;
            let out = Instant::from_micros(self.idle_at / 1_000);
            let jitter = self.rng.below(u64::try_from(self.path.jitter.as_micros()).unwrap() + 1);
            let half = self.path.round_trip / 2;
            let answered = flow.on_tick(out + half);
            let back = flow.on_tick(answered + half + Duration::from_micros(jitter));
            let back = flow.returning.back().map_or(back, |(_, last)| back.max(*last));
            flow.returning.push_back((number, back));
        }
    }
}
