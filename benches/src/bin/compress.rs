//! What compressing datagrams saves and costs: on quantised state, as replicas send it, and on text.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin compress`
//!
//! `state` is a host that moves 250 ships, each with a place, a course, a speed, health and ammunition, in front of one client, at 30 ticks a
//! second. `text` is 20 lines of a log a tick, like each other as such lines are. A minute of each, over a link without loss; the
//! dictionary is what the first packets of such a run held. Time is the processor's, for all of both ends, beside that of the same run without a compressor.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpu_time::ProcessTime;
use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelId, CompressionConfig, Compressor, CongestionConfig, ConnectionStats, Endpoint,
};
use gridmate_runtime::prelude::*;

const SHIPS: usize = 250;
const LINES: u64 = 20;
const TICK: Duration = Duration::from_micros(33_333);
const TICKS: u64 = 60 * 30;
/// Bytes.
const DICTIONARY: usize = 4_096;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Ship {
    #[dataset(quantize(-512.0..=512.0, step = 0.01))]
    x: f32,
    #[dataset(quantize(-512.0..=512.0, step = 0.01))]
    y: f32,
    #[dataset(quantize(0.0..=6.3, step = 0.01))]
    course: f32,
    speed: f32,
    health: u8,
    ammunition: u16,
}

/// Notes what it is given, and makes nothing shorter.
#[derive(Debug)]
struct Listen(Arc<Mutex<Vec<u8>>>);

impl Compressor for Listen {
    fn id(&self) -> u8 {
        255
    }

    fn compress(&mut self, input: &[u8], _: &mut [u8]) -> Option<usize> {
        let mut heard = self.0.lock().ok()?;
        if heard.len() < DICTIONARY {
            heard.extend_from_slice(input);
        }
        None
    }

    fn decompress(&mut self, _: &[u8], _: &mut [u8]) -> Option<usize> {
        None
    }
}

type Run = fn(&CompressionConfig) -> Result<ConnectionStats, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<6} {:<12} {:>10} {:>8} {:>12} {:>16}",
        "case", "compressor", "bytes", "of none", "compressed", "ns per packet"
    );
    for (case, run) in [("state", state as Run), ("text", text)] {
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let listen = Arc::clone(&heard);
        run(&CompressionConfig::Custom(Arc::new(move || Box::new(Listen(listen.clone())))))?;
        let dictionary: Arc<[u8]> =
            heard.lock().map_err(|error| error.to_string())?[..].iter().copied().take(DICTIONARY).collect();
        let none = Arc::default();
        let compressors = [
            ("none", CompressionConfig::None),
            ("lz4", CompressionConfig::Lz4 { dictionary: Arc::clone(&none) }),
            ("lz4+dict", CompressionConfig::Lz4 { dictionary: dictionary.clone() }),
            ("zstd1", CompressionConfig::Zstd { level: 1, dictionary: none }),
            ("zstd1+dict", CompressionConfig::Zstd { level: 1, dictionary: dictionary.clone() }),
            ("zstd3+dict", CompressionConfig::Zstd { level: 3, dictionary }),
        ];
        let mut plain = None;
        for (name, compression) in compressors {
            // The fastest of a few.
            let mut best = Duration::MAX;
            let mut stats = ConnectionStats::default();
            for _ in 0..5 {
                let start = ProcessTime::now();
                stats = run(&compression)?;
                best = best.min(start.elapsed());
            }
            let (bytes, time) = *plain.get_or_insert((stats.bytes_sent, best));
            let more = (best.as_nanos() as f64 - time.as_nanos() as f64) / stats.packets_sent as f64;
            let (share, compressed) =
                (stats.bytes_sent as f64 / bytes as f64, stats.packets_compressed as f64 / stats.packets_sent as f64);
            println!("{case:<6} {name:<12} {:>10} {share:>8.3} {compressed:>12.3} {more:>16.0}", stats.bytes_sent);
        }
    }
    Ok(())
}

fn state(compression: &CompressionConfig) -> Result<ConnectionStats, Box<dyn Error>> {
    let (registry, network) = (Registry::builder().chunk::<Ship>().build()?, MemoryNetwork::new());
    let config = || {
        NodeConfig::new(registry.clone())
            .seed(7)
            .compression(compression.clone())
            .congestion(CongestionConfig::Unlimited)
    };
    let mut host = Node::host(network.bind_any()?, config())?;
    let mut client = Node::join(network.bind_any()?, host.local_addr(), config())?;
    let mut rng = gridmate_runtime::Rng::new(2_323);
    let mut ships = Vec::new();
    for _ in 0..SHIPS {
        #[expect(clippy::cast_possible_truncation, reason = "any float will do")]
        let mut any = |most: f64| (rng.unit() * most) as f32;
        let ship =
            Ship { x: any(500.0), y: any(500.0), course: any(6.2), speed: any(9.0), health: 100, ammunition: 500 };
        ships.push((host.replicas().add(ship.clone())?, ship));
    }
    for tick in 0..TICKS {
        for (id, ship) in &mut ships {
            let dt = TICK.as_secs_f32();
            if rng.chance(0.02) {
                ship.course = (ship.course + 0.4) % 6.2;
            }
            if rng.chance(0.01) {
                ship.ammunition = ship.ammunition.saturating_sub(1);
                ship.health = ship.health.saturating_sub(1);
            }
            ship.x = (ship.x + ship.course.cos() * ship.speed * dt).clamp(-512.0, 512.0);
            ship.y = (ship.y + ship.course.sin() * ship.speed * dt).clamp(-512.0, 512.0);
            *host.replicas().primary_mut::<Ship>(*id)? = ship.clone();
        }
        let now = Instant::ZERO + TICK * u32::try_from(tick)?;
        host.tick(now)?;
        client.tick(now)?;
    }
    Ok(host.peers().next().ok_or("no peer")?.carrier)
}

fn text(compression: &CompressionConfig) -> Result<ConnectionStats, Box<dyn Error>> {
    let addresses = [1, 2].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
    let mut ends = [1, 2].map(|seed| {
        let mut config = CarrierConfig::new(7);
        config.compression = compression.clone();
        config.congestion = CongestionConfig::Unlimited;
        Endpoint::new(config, seed)
    });
    let id = ends[1].connect(Instant::ZERO, addresses[0], b"")?;
    let (mut rng, mut out, mut connected) = (gridmate_runtime::Rng::new(2_323), Vec::new(), false);
    for tick in 1..=TICKS {
        let now = Instant::ZERO + TICK * u32::try_from(tick)?;
        if connected {
            for _ in 0..LINES {
                let (player, damage, left) = (rng.below(30), rng.below(100), rng.below(1_000));
                let line = format!(
                    "[combat] player_{player:02} hit player_{:02} with {} for {damage}, {left} left",
                    rng.below(30),
                    ["sword", "arrow", "fireball"][usize::try_from(rng.below(3))?]
                );
                ends[1].send(id, ChannelId(0), line.as_bytes(), None)?;
            }
        }
        for end in 0..2 {
            ends[end].handle_timeout(now);
            while ends[end].poll_transmit(now, &mut out).is_some() {
                ends[1 - end].handle_datagram(now, addresses[end], &out);
            }
            while let Some(event) = ends[1 - end].poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => ends[1 - end].accept(now, connection, b"")?,
                    CarrierEvent::Connected { .. } => connected = true,
                    CarrierEvent::Message { bytes, .. } => ends[1 - end].recycle(bytes),
                    _ => {}
                }
            }
        }
    }
    ends[1].stats(id).ok_or_else(|| "not connected".into())
}
