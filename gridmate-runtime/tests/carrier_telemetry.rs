//! What telemetry is told is what happened, and nothing happens because of it.

mod carrier_support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use carrier_support::*;
use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{
    ConnectionChange, ConnectionId, DisconnectReason, DropCause, PacketReceived, PacketSent, PacketSettled,
    PathMetrics, Telemetry, Trace,
};
use gridmate_runtime::limits;

/// Everything it was told.
#[derive(Default)]
struct Notes {
    sent: BTreeMap<u64, (Instant, PacketSent)>,
    received: Vec<PacketReceived>,
    acked: Vec<PacketSettled>,
    lost: Vec<PacketSettled>,
    dropped: Vec<(SocketAddr, DropCause)>,
    path: Option<PathMetrics>,
    changes: Vec<ConnectionChange>,
}

impl Telemetry for Notes {
    fn packet_sent(&mut self, now: Instant, _: ConnectionId, packet: PacketSent) {
        assert!(self.sent.keys().next_back().is_none_or(|last| *last < packet.number));
        self.sent.insert(packet.number, (now, packet));
    }

    fn packet_received(&mut self, _: Instant, _: ConnectionId, packet: PacketReceived) {
        self.received.push(packet);
    }

    fn packet_acked(&mut self, _: Instant, _: ConnectionId, packet: PacketSettled) {
        self.acked.push(packet);
    }

    fn packet_lost(&mut self, now: Instant, _: ConnectionId, packet: PacketSettled) {
        assert!(now > packet.sent_at);
        self.lost.push(packet);
    }

    fn datagram_dropped(&mut self, _: Instant, from: SocketAddr, _: usize, cause: DropCause) {
        self.dropped.push((from, cause));
    }

    fn path_measured(&mut self, _: Instant, _: ConnectionId, path: PathMetrics) {
        self.path = Some(path);
    }

    fn connection_changed(&mut self, _: Instant, _: ConnectionId, change: ConnectionChange) {
        self.changes.push(change);
    }
}

/// A connection's whole life on a foul link, watched or not.
fn life(seed: u64, watch: impl Fn(usize) -> Option<Box<dyn Telemetry>>, then: impl FnOnce(&mut Pair)) -> Pair {
    let configs = [0, 1].map(|_| {
        let mut config = config();
        config.max_datagram = limits::DATAGRAM_BYTES; // no probes
        config
    });
    let mut pair = Pair::with(seed, Link::PERFECT, configs);
    for end in 0..2 {
        pair.ends[end].set_telemetry(watch(end));
    }
    pair.trace = Some(Vec::new());
    pair.ends[1].connect(pair.now, address(0), b"hello").unwrap();
    pair.until(100, |pair| pair.ids.iter().all(Option::is_some));
    pair.link = Link::AWFUL;
    for number in 0..200 {
        for end in 0..2 {
            pair.send(end, RELIABLE, &message(number, 300), None);
            pair.send(end, UNRELIABLE, &message(number, 2_000), Some(number));
        }
        pair.step();
    }
    pair.link = Link::PERFECT;
    pair.steps(200);
    then(&mut pair);
    let id = pair.id(1);
    pair.ends[1].disconnect(pair.now, id, DisconnectReason::Leave);
    pair.steps(20);
    pair
}

#[test]
fn it_is_told_what_the_counters_say() {
    for seed in 0..5 {
        let notes = [0, 1].map(|_| Arc::new(Mutex::new(Notes::default())));
        let mut stats = Vec::new();
        let pair = life(
            seed,
            |end| Some(Box::new(notes[end].clone())),
            |pair| stats.extend((0..2).map(|end| pair.ends[end].stats(pair.id(end)).unwrap())),
        );
        for (end, stats) in stats.iter().enumerate() {
            let notes = notes[end].lock().unwrap();
            // Those that were sent after the counters were read are goodbyes, which are no data packets.
            assert_eq!(notes.sent.len() as u64, stats.packets_sent);
            assert_eq!(notes.sent.values().map(|(_, packet)| packet.bytes as u64).sum::<u64>(), stats.bytes_sent);
            assert_eq!(notes.received.len() as u64, stats.packets_received);
            assert_eq!(notes.received.iter().map(|packet| packet.bytes as u64).sum::<u64>(), stats.bytes_received);
            assert_eq!((notes.acked.len() as u64, notes.lost.len() as u64), (stats.packets_acked, stats.packets_lost));
            assert!(stats.packets_lost > 20 && stats.packets_acked > 100);
            let mut settled: Vec<u64> = notes.acked.iter().chain(&notes.lost).map(|packet| packet.number).collect();
            for packet in notes.acked.iter().chain(&notes.lost) {
                let (at, sent) = notes.sent[&packet.number];
                assert_eq!((packet.sent_at, packet.bytes), (at, sent.bytes));
                assert!(sent.ack_eliciting && !sent.probe);
            }
            settled.sort_unstable();
            settled.dedup();
            assert_eq!(settled.len(), notes.acked.len() + notes.lost.len(), "each once");
            let path = notes.path.unwrap();
            assert_eq!((path.window, path.datagram, path.smoothed_rtt), (stats.window, stats.datagram, stats.rtt));
            let dropped = pair.ends[end].endpoint_stats().dropped;
            assert_eq!(notes.dropped.len() as u64, dropped.total());
            let count = |cause| notes.dropped.iter().filter(|(_, other)| *other == cause).count() as u64;
            assert_eq!(count(DropCause::Duplicate), dropped.duplicate);
            assert_eq!(count(DropCause::BadTag), dropped.bad_tag);
            assert!(dropped.duplicate > 10 && notes.dropped.iter().all(|(from, _)| *from == address(1 - end)));
        }
        let ended = ConnectionChange::Ended { reason: DisconnectReason::Leave, was_connected: true };
        let [first, second] = [0, 1].map(|end| notes[end].lock().unwrap().changes.clone());
        let (here, there) = (address(0), address(1));
        use ConnectionChange::{Accepted, Connected, Connecting, Incoming};
        assert_eq!(first, [Incoming { address: there }, Accepted, Connected { address: there }, ended]);
        assert_eq!(second, [Connecting { address: here }, Connected { address: here }, ended]);
    }
}

#[test]
fn nothing_happens_because_of_it() {
    let mut alone = life(9, |_| None, |_| {});
    let mut watched = life(9, |_| Some(Box::new(Trace::new(std::io::sink()))), |_| {});
    assert_eq!(alone.trace.take(), watched.trace.take());
    assert!(watched.ends[0].set_telemetry(None).is_some() && watched.ends[0].set_telemetry(None).is_none());
}

#[test]
fn those_who_do_not_come_in_are_told_of_too() {
    let notes = [0, 1].map(|_| Arc::new(Mutex::new(Notes::default())));
    let mut pair = Pair::new(3, Link::PERFECT);
    for (end, notes) in notes.iter().enumerate() {
        pair.ends[end].set_telemetry(Some(Box::new(notes.clone())));
    }
    pair.accept = false;
    pair.ends[1].connect(pair.now, address(0), b"").unwrap();
    pair.until(50, |pair| !pair.events[0].is_empty());
    let gridmate_runtime::carrier::CarrierEvent::Incoming { connection, .. } = pair.events[0][0] else { panic!() };
    for _ in 0..2 {
        pair.ends[0].refuse(pair.now, connection, gridmate_runtime::carrier::Refusal::Busy);
    }
    pair.steps(700);
    let (here, there) = (address(0), address(1));
    use ConnectionChange::{Connecting, Incoming, Refused};
    assert_eq!(notes[0].lock().unwrap().changes, [Incoming { address: there }, Refused]);
    assert_eq!(notes[1].lock().unwrap().changes, [Connecting { address: here }, Refused]);
}

#[test]
fn a_trace_has_a_line_for_everything() {
    let traces = [0, 1].map(|_| Arc::new(Mutex::new(Trace::new(Vec::new()))));
    let notes = [0, 1].map(|_| Arc::new(Mutex::new(Notes::default())));
    life(4, |end| Some(Box::new(traces[end].clone())), |_| {});
    life(4, |end| Some(Box::new(notes[end].clone())), |_| {});
    for (trace, notes) in traces.iter().zip(&notes) {
        let (text, notes) = (core::mem::take(trace.lock().unwrap().get_mut()), notes.lock().unwrap());
        let text = String::from_utf8(text).unwrap();
        let count = |name: &str| text.lines().filter(|line| line.contains(&format!(r#","name":"{name}","#))).count();
        assert_eq!(count("packet_sent"), notes.sent.len());
        assert_eq!(count("packet_received"), notes.received.len());
        assert_eq!((count("packet_acked"), count("packet_lost")), (notes.acked.len(), notes.lost.len()));
        assert_eq!(count("packet_dropped"), notes.dropped.len());
        assert!(count("metrics_updated") > 50 && count("connected") == 1 && count("connection_closed") == 1);
        for line in text.lines() {
            assert!(line.starts_with(r#"{"time":"#) && line.ends_with('}') && !line.contains(",,"), "{line}");
            assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        }
    }
}

/// Takes so many bytes, and counts how often it had to say no.
struct Short(usize, usize);

impl std::io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.0 {
            self.1 += 1;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_trace_that_cannot_be_written_stops_and_says_so() {
    let trace = Arc::new(Mutex::new(Trace::new(Short(5_000, 0))));
    life(4, |end| if end == 0 { Some(Box::new(trace.clone())) } else { None }, |_| {});
    let mut trace = trace.lock().unwrap();
    assert_eq!(trace.get_mut().1, 1, "it is not tried again");
    assert_eq!(trace.error().map(std::io::Error::kind), Some(std::io::ErrorKind::StorageFull));
}
