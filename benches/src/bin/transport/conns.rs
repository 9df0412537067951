//! Ten thousand connections of one endpoint, each with one message each way a second, datagrams in memory.
//!
//! Two endpoints share all connections: to either, the other is as many addresses as there are connections. Datagrams
//! arrive a frame later. Time is counted, so that what is measured is the processor's alone.

use std::net::SocketAddr;

use cpu_time::ProcessTime;
use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, ConnectionId, Endpoint};

use crate::floor::Floor;
use crate::gridmate_pair::RELIABLE;
use crate::measure::Effort;
use crate::pair::FRAME;
use gridmate_benches::counting::{allocations, held};
use gridmate_benches::report::{Case, Row};

/// Frames of a second: the connections speak in turns.
const FRAMES: usize = 60;

/// Seconds until buffers have grown.
const SETTLE: usize = 8;

/// Seconds of a round times connections: the same work whatever their number.
const ROUND: usize = 30_000;

/// Connections fetched from memory together before they are spoken to.
const AT_ONCE: usize = 16;

/// Beside ours, what memory alone takes: lines of it that are looked at whenever anything happens to a connection.
const FLOORS: [(&str, usize); 2] = [("floor", 1), ("floor_20_lines", 20)];

/// Connections begun in one frame, well below what may be half open.
const WAVE: usize = 256;

/// One row for each number of connections, each a case of its own.
pub fn measure(sizes: &[(&'static str, usize)], effort: Effort) -> Vec<Case> {
    let mut turns: Vec<_> = sizes
        .iter()
        .map(|&(name, connections)| {
            let before = held();
            let mut world = World::new(connections);
            for _ in 0..SETTLE * FRAMES {
                world.frame(true);
            }
            let mut row = Row::new("gridmate");
            row.push("bytes_per_conn", (held() - before) as f64 / (2 * connections) as f64);
            let floors = FLOORS.map(|(lib, lines)| (Row::new(lib), Floor::new(connections, lines)));
            (name, row, world, floors)
        })
        .collect();
    for _ in 0..effort.rounds {
        for (_, row, world, floors) in &mut turns {
            let seconds = (ROUND / world.ids[0].len()).max(1);
            // The others have had the caches.
            for _ in 0..FRAMES {
                world.frame(true);
            }
            let (heard, allocated, datagrams) = (world.heard, allocations(), world.datagrams);
            let start = ProcessTime::now();
            for _ in 0..seconds * FRAMES {
                world.frame(true);
            }
            let (took, allocated) = (start.elapsed().as_nanos() as f64, allocations() - allocated);
            let messages = (world.heard - heard) as f64;
            let due = (2 * seconds * world.ids[0].len()) as f64;
            row.push("cpu_ns_per_conn_s", took / due);
            row.push("cpu_ns_per_msg", took / messages);
            row.push("allocs_per_msg", allocated as f64 / messages);
            row.push("datagrams_per_msg", (world.datagrams - datagrams) as f64 / messages);
            row.push("delivered", messages / due);
            for (row, floor) in floors {
                (0..FRAMES).for_each(|_| floor.frame(FRAMES));
                let start = ProcessTime::now();
                (0..seconds * FRAMES).for_each(|_| floor.frame(FRAMES));
                row.push("cpu_ns_per_conn_s", start.elapsed().as_nanos() as f64 / due);
            }
        }
    }
    turns
        .into_iter()
        .map(|(name, row, _, floors)| Case {
            name,
            rows: [row].into_iter().chain(floors.map(|(row, _)| row)).collect(),
        })
        .collect()
}

struct World {
    now: Instant,
    ends: [Endpoint; 2],
    ids: [Vec<ConnectionId>; 2],
    /// Those that are spoken to next.
    few: Vec<ConnectionId>,
    /// Under way to each end.
    under_way: [Datagrams; 2],
    arriving: Datagrams,
    datagram: Vec<u8>,
    frame: usize,
    heard: u64,
    datagrams: u64,
}

/// One after another in one buffer, so that the network allocates nothing either.
#[derive(Default)]
struct Datagrams {
    bytes: Vec<u8>,
    /// Whose, where and how long.
    each: Vec<(SocketAddr, usize, usize)>,
}

impl World {
    fn new(connections: usize) -> Self {
        let mut world = Self {
            now: Instant::from_millis(1),
            ends: [1, 2].map(|seed| Endpoint::new(CarrierConfig::new(7), seed)),
            ids: [(); 2].map(|()| Vec::with_capacity(connections)),
            few: Vec::with_capacity(AT_ONCE),
            under_way: [(); 2].map(|()| Datagrams::default()),
            arriving: Datagrams::default(),
            datagram: Vec::new(),
            frame: 0,
            heard: 0,
            datagrams: 0,
        };
        for begin in (0..connections).step_by(WAVE) {
            let end = connections.min(begin + WAVE);
            for at in begin..end {
                let _ = world.ends[1].connect(world.now, address(at), b"").expect("room for a connection");
            }
            for _ in 0..FRAMES {
                world.frame(false);
                if world.ids.iter().all(|ids| ids.len() == end) {
                    break;
                }
            }
        }
        assert!(world.ids.iter().all(|ids| ids.len() == connections), "not all connected");
        world
    }

    fn frame(&mut self, speak: bool) {
        self.now += FRAME;
        self.frame = (self.frame + 1) % FRAMES;
        for end in 0..2 {
            self.receive(end);
            if speak {
                let mut due = self.ids[end].iter().copied().skip(self.frame).step_by(FRAMES);
                while due.len() > 0 {
                    let few = due.by_ref().take(AT_ONCE);
                    self.few.clear();
                    self.few.extend(few);
                    self.ends[end].prefetch(self.few.iter().copied());
                    for id in &self.few {
                        self.ends[end].send(*id, RELIABLE, &[7; 64], None).expect("room in the queue");
                    }
                }
            }
        }
        for end in 0..2 {
            let under_way = &mut self.under_way[1 - end];
            while let Some(to) = self.ends[end].poll_transmit(self.now, &mut self.datagram) {
                // Who is at one end of an address is at the other end of the same.
                under_way.each.push((to, under_way.bytes.len(), self.datagram.len()));
                under_way.bytes.extend_from_slice(&self.datagram);
                self.datagrams += 1;
            }
        }
    }

    fn receive(&mut self, end: usize) {
        let Self { now, ends, ids, under_way, arriving, heard, .. } = self;
        let endpoint = &mut ends[end];
        std::mem::swap(arriving, &mut under_way[end]);
        endpoint.handle_datagrams(
            *now,
            arriving.each.iter().map(|&(from, at, len)| (from, false, &arriving.bytes[at..at + len])),
        );
        arriving.bytes.clear();
        arriving.each.clear();
        endpoint.handle_timeout(*now);
        while let Some(event) = endpoint.poll_event() {
            match event {
                CarrierEvent::Message { bytes, .. } => {
                    *heard += 1;
                    endpoint.recycle(bytes);
                }
                CarrierEvent::Incoming { connection, .. } => {
                    endpoint.accept(*now, connection, b"").expect("one who waits");
                }
                CarrierEvent::Connected { connection, .. } => ids[end].push(connection),
                CarrierEvent::Disconnected { reason, .. } => panic!("disconnected: {reason:?}"),
                _ => {}
            }
        }
    }
}

fn address(at: usize) -> SocketAddr {
    let [.., high, low] = at.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 1))
}
