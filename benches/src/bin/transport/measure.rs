//! Traffic between two ends, rounds of it taken in turns, and what is counted meanwhile.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use crate::pair::{End, Kind, Pair};
use crate::wire::Sent;
use gridmate_benches::counting::allocations;
use gridmate_benches::report::{Case, Row};

/// A library in a case, made when its turn comes.
pub type Maker = (&'static str, fn(Kind) -> Box<dyn Pair>);

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// What one library's turn takes, about.
    pub turn: Duration,
}

/// Passes without anything new after which a message is given up.
const PATIENCE: usize = 100_000;

/// Passes in which unreliable messages that wait may still come.
const LATE_PASSES: usize = 4;

/// What runs in turns.
trait Load {
    /// So many times what the case is about.
    fn run(&mut self, pair: &mut dyn Pair, times: usize) -> Outcome;
}

struct Outcome {
    messages: u64,
    /// What the load itself observes.
    metric: &'static str,
    value: f64,
}

/// `batch` messages a tick, one way.
pub fn throughput(name: &'static str, kind: Kind, libs: &[Maker], effort: Effort) -> Case {
    in_turns(name, kind, libs, effort, &|| Box::new(Ticks::new(kind)))
}

/// One message there and back at a time.
pub fn ping(name: &'static str, kind: Kind, libs: &[Maker], effort: Effort) -> Case {
    in_turns(name, kind, libs, effort, &|| Box::new(Pings::new(kind)))
}

fn in_turns(name: &'static str, kind: Kind, libs: &[Maker], effort: Effort, load: &dyn Fn() -> Box<dyn Load>) -> Case {
    let mut turns: Vec<_> = libs.iter().map(|(lib, make)| (Row::new(lib), make(kind), load(), 1)).collect();
    for (_, pair, load, times) in &mut turns {
        loop {
            let start = Instant::now();
            load.run(&mut **pair, *times);
            if start.elapsed() >= effort.turn / 2 {
                break;
            }
            *times *= 2;
        }
    }
    for round in 0..effort.rounds {
        for turn in 0..turns.len() {
            let at = (round + turn) % libs.len();
            let (row, pair, load, times) = &mut turns[at];
            // What was disturbed while the others had their turn.
            load.run(&mut **pair, (*times / 16).max(1));
            let (sent, allocated, start) = (Sent::now(), allocations(), ProcessTime::now());
            let outcome = load.run(&mut **pair, *times);
            let (took, allocated, sent) = (start.elapsed(), allocations() - allocated, Sent::now().since(sent));
            let messages = outcome.messages as f64;
            row.push("cpu_ns_per_msg", took.as_nanos() as f64 / messages);
            row.push("allocs_per_msg", allocated as f64 / messages);
            push_sent(row, sent, messages);
            row.push(outcome.metric, outcome.value);
        }
    }
    Case { name, rows: turns.into_iter().map(|(row, ..)| row).collect() }
}

fn push_sent(row: &mut Row, sent: Sent, messages: f64) {
    assert!(sent.bytes > 0, "{} sends where nobody counts", row.lib);
    row.push("wire_bytes_per_msg", sent.bytes as f64 / messages);
    row.push("datagrams_per_msg", sent.datagrams as f64 / messages);
    row.push("send_calls_per_msg", sent.calls as f64 / messages);
}

struct Ticks {
    kind: Kind,
    message: Vec<u8>,
    sent: u64,
    arrived: u64,
}

impl Ticks {
    fn new(kind: Kind) -> Self {
        Self { kind, message: message(kind.size), sent: 0, arrived: 0 }
    }

    fn tick(&mut self, pair: &mut dyn Pair) {
        for _ in 0..self.kind.batch {
            stamp(&mut self.message, self.sent);
            pair.send(End::Near, &self.message);
            self.sent += 1;
        }
        self.pass(pair, self.kind.batch);
        if self.kind.reliable {
            // A library that does not send all at once gets as many passes as it needs.
            self.pass_until_all(pair, PATIENCE);
            assert_eq!(self.arrived, self.sent, "a reliable message did not arrive");
        }
    }

    fn pass_until_all(&mut self, pair: &mut dyn Pair, patience: usize) {
        let mut in_vain = 0;
        while self.arrived < self.sent && in_vain < patience {
            let before = self.arrived;
            let left = usize::try_from(self.sent - self.arrived).expect("a few");
            self.pass(pair, left);
            in_vain = if self.arrived == before { in_vain + 1 } else { 0 };
        }
    }

    /// Flush, receive, flush, receive.
    fn pass(&mut self, pair: &mut dyn Pair, expected: usize) {
        let Self { kind, sent, arrived, .. } = self;
        pair.flush(End::Near);
        pair.receive(End::Far, expected, &mut |message| {
            assert_eq!(message.len(), kind.size, "a message of another length");
            let number = number(message);
            assert!(number < *sent, "a message that was not sent");
            assert!(!kind.reliable || number == *arrived, "out of order");
            *arrived += 1;
        });
        pair.flush(End::Far);
        pair.receive(End::Near, 0, &mut |_| panic!("nobody sent that"));
    }
}

impl Load for Ticks {
    fn run(&mut self, pair: &mut dyn Pair, times: usize) -> Outcome {
        let (sent, arrived) = (self.sent, self.arrived);
        for _ in 0..times {
            self.tick(pair);
        }
        self.pass_until_all(pair, LATE_PASSES);
        let (sent, arrived) = (self.sent - sent, self.arrived - arrived);
        // Lost ones are not waited for in the next turn.
        self.arrived = self.sent;
        Outcome { messages: sent, metric: "delivered", value: arrived as f64 / sent as f64 }
    }
}

struct Pings {
    message: Vec<u8>,
    answer: Vec<u8>,
    number: u64,
    times: Vec<Duration>,
}

impl Pings {
    fn new(kind: Kind) -> Self {
        Self { message: message(kind.size), answer: message(kind.size), number: 0, times: Vec::with_capacity(1 << 20) }
    }

    fn ping(&mut self, pair: &mut dyn Pair) {
        let Self { message, answer, number: pinged, times } = self;
        *pinged += 1;
        stamp(message, *pinged);
        let start = Instant::now();
        pair.send(End::Near, message);
        pair.flush(End::Near);
        for _ in 0..PATIENCE {
            let mut there = false;
            pair.receive(End::Far, 1, &mut |message| {
                answer.copy_from_slice(message);
                there = true;
            });
            if there {
                pair.send(End::Far, answer);
            }
            pair.flush(End::Far);
            let mut back = false;
            pair.receive(End::Near, 1, &mut |message| back = number(message) == *pinged);
            if back {
                times.push(start.elapsed());
                return;
            }
            pair.flush(End::Near);
        }
        panic!("no answer to a ping");
    }
}

impl Load for Pings {
    fn run(&mut self, pair: &mut dyn Pair, times: usize) -> Outcome {
        self.times.clear();
        for _ in 0..times {
            self.ping(pair);
        }
        self.times.sort_unstable();
        let median = self.times[times / 2].as_nanos() as f64 / 1e3;
        Outcome { messages: 2 * times as u64, metric: "rtt_us", value: median }
    }
}

/// Nobody says anything.
pub fn idle(name: &'static str, libs: &[Maker]) -> Case {
    let rows = libs.iter().map(|(lib, make)| {
        let mut row = Row::new(lib);
        let mut pair = make(Kind { reliable: true, size: 64, batch: 1 });
        let whole = pair.idle_for();
        idle_for(&mut *pair, whole / 10);
        let before = Sent::now();
        let seconds = idle_for(&mut *pair, whole).as_secs_f64();
        let sent = Sent::now().since(before);
        // Half of it is each direction's; 28 bytes are the headers of UDP and IPv4.
        let kilobits = |bytes: u64| bytes as f64 * 8.0 / 1e3 / seconds / 2.0;
        row.push("kbit_per_s", kilobits(sent.bytes));
        row.push("kbit_per_s_ip", kilobits(sent.bytes + 28 * sent.datagrams));
        row.push("datagrams_per_s", sent.datagrams as f64 / seconds / 2.0);
        row
    });
    Case { name, rows: rows.collect() }
}

fn idle_for(pair: &mut dyn Pair, whole: Duration) -> Duration {
    let mut passed = Duration::ZERO;
    while passed < whole {
        passed += pair.idle();
    }
    passed
}

/// Sizes of large messages, and how what they cost is called.
const BULK: [(usize, &str); 3] =
    [(64 << 10, "gbit_per_cpu_s_64k"), (256 << 10, "gbit_per_cpu_s_256k"), (1 << 20, "gbit_per_cpu_s_1m")];

/// What is sent of each size in a turn, bytes.
const BULK_TURN: usize = 16 << 20;

/// Large reliable messages, one after another.
pub fn bulk(name: &'static str, libs: &[Maker], effort: Effort) -> Case {
    let mut turns: Vec<_> = libs
        .iter()
        .map(|(lib, make)| {
            let pairs = BULK.map(|(size, _)| make(Kind { reliable: true, size, batch: 1 }));
            (Row::new(lib), pairs)
        })
        .collect();
    for round in 0..=effort.rounds {
        for turn in 0..turns.len() {
            let at = (round + turn) % libs.len();
            let (row, pairs) = &mut turns[at];
            let (mut bits, mut seconds, mut sent_all, mut figures) = (0.0, 0.0, Sent::default(), Vec::new());
            for (pair, (size, metric)) in pairs.iter_mut().zip(BULK) {
                let (sent, start) = (Sent::now(), ProcessTime::now());
                let arrived = transfer(&mut **pair, size, BULK_TURN / size);
                let took = start.elapsed().as_secs_f64();
                sent_all = sent_all.plus(Sent::now().since(sent));
                figures.push((metric, arrived as f64 * 8.0 / 1e9 / took));
                bits += arrived as f64 * 8.0;
                seconds += took;
            }
            // The first is for congestion windows to open and for buffers to grow.
            if round > 0 {
                row.push("gbit_per_cpu_s", bits / 1e9 / seconds);
                figures.into_iter().for_each(|(metric, value)| row.push(metric, value));
                row.push("wire_bytes_per_byte", sent_all.bytes as f64 * 8.0 / bits);
                row.push("delivered", bits / 8.0 / (BULK_TURN * BULK.len()) as f64);
            }
        }
    }
    Case { name, rows: turns.into_iter().map(|(row, _)| row).collect() }
}

/// Returns how many bytes of `times` messages arrived.
fn transfer(pair: &mut dyn Pair, size: usize, times: usize) -> usize {
    let message = message(size);
    let mut arrived = 0;
    for sent in 1..=times {
        pair.send(End::Near, &message);
        let mut in_vain = 0;
        while arrived < size * sent && in_vain < PATIENCE {
            let before = arrived;
            pair.flush(End::Near);
            pair.receive(End::Far, 1, &mut |message| arrived += message.len());
            pair.flush(End::Far);
            pair.receive(End::Near, 0, &mut |_| panic!("nobody sent that"));
            in_vain = if arrived == before { in_vain + 1 } else { 0 };
        }
    }
    arrived
}

/// Bytes that no compression makes less of.
fn message(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

fn stamp(message: &mut [u8], number: u64) {
    message[..8].copy_from_slice(&number.to_le_bytes());
}

fn number(message: &[u8]) -> u64 {
    u64::from_le_bytes(message[..8].try_into().expect("eight bytes"))
}
