//! What congestion control and the pacer allow is what leaves, from a connection's first packet on; and a program's own controller
//! hears of all that is its business.

mod carrier_support;

use std::sync::{Arc, Mutex};

use carrier_support::*;
use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{
    Acked, CarrierConfig, Congestion, CongestionConfig, ConnectionId, Lost, PacketSent, Telemetry,
};

/// What a bucket holds at rates at which a tick's worth is less, bytes.
const LEAST_BURST: usize = 16 * 1_200;

fn controlled(congestion: CongestionConfig) -> CarrierConfig {
    let mut config = config();
    config.congestion = congestion;
    config
}

/// Two ends that have just met, of which neither has heard an acknowledgement, and what `end` sends of a long queue in each of the
/// next few flushes, bytes. Nothing arrives any more.
fn first_flushes(end: usize, congestion: CongestionConfig) -> Vec<usize> {
    let configs = [0, 1].map(|_| controlled(congestion.clone()));
    let mut pair = Pair::connected_with(3, Link { loss: 1.0, ..Link::PERFECT }, configs);
    assert_eq!(pair.ends[end].stats(pair.id(end)).unwrap().packets_acked, 0);
    let mut queued = 0;
    while pair.send(end, RELIABLE, &[7; 1_000], None) {
        queued += 1_000;
    }
    assert!(queued > 100_000, "{queued}");
    let mut flushes = Vec::new();
    for _ in 0..4 {
        pair.trace = Some(Vec::new());
        pair.ends[end].handle_timeout(pair.now);
        pair.flush(end);
        let sent = pair.trace.take().unwrap();
        flushes.push(sent.iter().map(|(_, datagram)| datagram.len()).sum());
        pair.now += pair.tick;
    }
    flushes
}

#[test]
fn the_first_flushes_are_paced() {
    // More than a bucket may be in flight, and so it is the rate that limits.
    for end in 0..2 {
        let flushes = first_flushes(end, CongestionConfig::Fixed { bytes_per_second: 200_000 });
        let mut allowed = LEAST_BURST;
        for (flush, total) in flushes.iter().scan(0, |total, bytes| {
            Some((bytes, {
                *total += bytes;
                *total
            }))
        }) {
            assert!(total <= allowed, "{flush} more, {total} of {allowed} bytes: {flushes:?}");
            assert!(total + 2 * 1_200 >= allowed, "{total} of {allowed} bytes: {flushes:?}");
            // A tick of 10 ms.
            allowed += 2_000;
        }
    }
}

#[test]
fn the_first_window_leaves_at_once() {
    for (end, congestion) in [0, 1]
        .into_iter()
        .flat_map(|end| [CongestionConfig::Adaptive, CongestionConfig::Cubic].map(|congestion| (end, congestion)))
    {
        let flushes = first_flushes(end, congestion);
        assert!((11_000..12_000 + 1_200).contains(&flushes[0]), "{flushes:?}");
    }
}

/// What a controller was told, and what it is to answer.
#[derive(Debug)]
struct Told {
    sent: Vec<(Instant, usize, usize)>,
    acked: usize,
    window: usize,
    rate: u64,
    /// Answers that take the place of those once so many packets have left.
    then: Option<(usize, usize, u64)>,
}

#[derive(Clone, Debug)]
struct Own(Arc<Mutex<Told>>);

impl Own {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Told { sent: Vec::new(), acked: 0, window: usize::MAX, rate: u64::MAX, then: None })))
    }

    fn told<R>(&self, look: impl FnOnce(&mut Told) -> R) -> R {
        look(&mut self.0.lock().unwrap())
    }
}

impl Congestion for Own {
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: usize) {
        self.told(|told| {
            told.sent.push((now, bytes, in_flight));
            if let Some((_, window, rate)) = told.then.take_if(|then| then.0 == told.sent.len()) {
                (told.window, told.rate) = (window, rate);
            }
        });
    }

    fn on_acked(&mut self, _: Instant, acked: Acked) {
        self.told(|told| told.acked += acked.bytes);
    }

    fn on_lost(&mut self, _: Instant, _: Lost) {}

    fn on_marked(&mut self, _: Instant, _: Instant) {}

    fn window(&self) -> usize {
        self.told(|told| told.window)
    }

    fn rate(&self) -> u64 {
        self.told(|told| told.rate)
    }
}

/// Packets that left and are a controller's business: neither mere acknowledgements nor probes.
#[derive(Default)]
struct Left(Vec<(Instant, usize)>);

impl Telemetry for Left {
    fn packet_sent(&mut self, now: Instant, _: ConnectionId, packet: PacketSent) {
        if packet.ack_eliciting && !packet.probe {
            self.0.push((now, packet.bytes));
        }
    }
}

/// Two ends that are about to connect, the second with a controller of its own.
fn with_own() -> (Pair, Own, Arc<Mutex<Left>>) {
    let own = Own::new();
    let made = own.clone();
    let congestion = CongestionConfig::Custom(Arc::new(move || Box::new(made.clone())));
    let mut pair = Pair::with(5, Link::PERFECT, [config(), controlled(congestion)]);
    let left = Arc::new(Mutex::new(Left::default()));
    pair.ends[1].set_telemetry(Some(Box::new(left.clone())));
    pair.connect();
    (pair, own, left)
}

#[test]
fn a_controller_hears_of_every_packet_that_leaves() {
    let (mut pair, own, left) = with_own();
    for round in 0..200 {
        for _ in 0..round % 7 {
            assert!(pair.send(1, RELIABLE, &[7; 900], None) && pair.send(0, UNRELIABLE, &[7; 30], None));
        }
        pair.step();
    }
    pair.steps(20);
    let left = core::mem::take(&mut left.lock().unwrap().0);
    let stats = pair.ends[1].stats(pair.id(1)).unwrap();
    assert!(left.len() > 400 && stats.packets_sent > left.len() as u64, "{} {}", left.len(), stats.packets_sent);
    own.told(|told| {
        assert_eq!(told.sent.iter().map(|(at, bytes, _)| (*at, *bytes)).collect::<Vec<_>>(), left);
        assert!(told.sent.iter().all(|(_, bytes, in_flight)| in_flight >= bytes));
        // Nothing was lost.
        assert_eq!(told.acked + stats.bytes_in_flight, left.iter().map(|(_, bytes)| bytes).sum());
        let burst = told.sent.windows(2).filter(|two| two[0].0 == two[1].0);
        assert!(burst.clone().count() > 100);
        assert!(burst.into_iter().all(|two| two[1].2 == two[0].2 + two[1].1), "in flight includes the packet");
    });
}

/// The second end has a long queue and sends until its controller has answered otherwise after `packets`; how many leave in that flush.
fn flush_until(packets: usize, window: usize, rate: u64) -> (Pair, Own, usize) {
    let (mut pair, own, _) = with_own();
    pair.steps(20);
    while pair.send(1, RELIABLE, &[7; 1_000], None) {}
    let before = own.told(|told| {
        // A bucket that holds more than is left of it later.
        told.rate = 2_000_000;
        told.then = Some((told.sent.len() + 1 + packets, window, rate));
        told.sent.len()
    });
    // The controller is asked after it was told something, so a packet has to leave first.
    pair.ends[1].handle_timeout(pair.now);
    pair.flush(1);
    let sent = own.told(|told| told.sent.len() - before);
    (pair, own, sent)
}

#[test]
fn a_window_that_shrinks_while_packets_leave_ends_the_flush() {
    let (mut pair, own, sent) = flush_until(4, 0, 2_000_000);
    assert_eq!(sent, 5);
    let before = own.told(|told| told.sent.len());
    pair.steps(3);
    assert_eq!(own.told(|told| told.sent.len()), before);
    // It is asked again when it has heard of something.
    own.told(|told| told.window = usize::MAX);
    pair.steps(5);
    assert!(own.told(|told| told.sent.len()) > before + 20);
}

#[test]
fn a_rate_that_falls_while_packets_leave_ends_the_flush() {
    let (.., unchanged) = flush_until(1_000, 0, 0);
    assert!((75..=101).contains(&unchanged), "{unchanged} packets of a bucket of 101,200 bytes");
    let (_, own, sent) = flush_until(4, usize::MAX, 1_000);
    own.told(|told| {
        // The smallest bucket is what is left, and the packet at which the rate fell is the first that comes out of it.
        let after = &told.sent[told.sent.len() - (sent - 4)..];
        let bytes: usize = after.iter().map(|(_, bytes, _)| bytes).sum();
        assert!((LEAST_BURST - 1_200..=LEAST_BURST).contains(&bytes), "{bytes} bytes in {sent} packets");
    });
}
