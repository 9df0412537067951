//! Ten thousand connections to one driver, as far as the system lets one process have so many.
#![cfg(all(feature = "tcp", unix))]

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use gridmate_runtime::driver::{Clock, Driver, TcpConfig, TcpDriver};

/// Wanted, count. Both ends are in this process, so each needs two files.
const CONNECTIONS: usize = 10_000;

/// Files that are needed for other things, count.
const OTHER_FILES: u64 = 64;

/// Times that everybody says something to the server, and the server to everybody, count.
const ROUNDS: usize = 5;

/// All of it takes some two seconds; a busy machine may need longer.
const PATIENCE: Duration = Duration::from_secs(60);

const NAP: Duration = Duration::from_micros(200);

/// What the driver may hold for one connection, bytes.
const CONNECTION_BYTES: usize = 2 << 10;

/// Size of each ring between the threads, and what else comes with the first traffic, bytes.
const RING_BYTES: usize = 1 << 20;
const SLACK_BYTES: usize = 2 * RING_BYTES + (4 << 20);

#[test]
fn ten_thousand_connections_talk_and_rest() {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let wanted = CONNECTIONS.min(usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap());
    let clock = Clock::start();
    let deadline = clock.now() + PATIENCE;
    let config = TcpConfig { max_per_ip: CONNECTIONS, queue_bytes: RING_BYTES, ..TcpConfig::default() };
    let mut server = TcpDriver::listen("127.0.0.1:0".parse().unwrap(), config).unwrap();
    let until = |what: &str, done: &mut dyn FnMut() -> bool| {
        while !done() {
            assert!(clock.now() < deadline, "timed out waiting for {what}");
            clock.sleep_until(clock.now() + NAP);
        }
    };

    let before = resident_bytes();
    let mut peers: Vec<TcpStream> = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        #[expect(clippy::disallowed_methods, reason = "peers that cost no thread each")]
        let peer = TcpStream::connect(server.local_addr()).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peers.push(peer);
    }
    until("all to be connected", &mut || server.connections() == wanted);
    assert_eq!(server.connection_errors(), 0);
    let connected = clock.now();

    for round in 0..ROUNDS {
        // All at once, before the server takes any of it.
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.write_all(&frame(round, number)).unwrap();
        }
        let mut heard: BTreeMap<SocketAddr, [u8; 8]> = BTreeMap::new();
        until("what they say", &mut || {
            server
                .receive(clock.now(), &mut |from, datagram| {
                    assert!(heard.insert(from, datagram.try_into().unwrap()).is_none(), "each says one thing");
                })
                .unwrap();
            heard.len() == wanted
        });
        for (to, datagram) in &heard {
            server.send(clock.now(), *to, datagram).unwrap();
        }
        server.flush(clock.now()).unwrap();
        for (number, peer) in peers.iter_mut().enumerate() {
            let mut echo = [0; 10];
            peer.read_exact(&mut echo).unwrap();
            assert_eq!(echo, frame(round, number));
        }
    }
    let talked = clock.now();
    assert_eq!((server.stats().send_dropped, server.stats().receive_dropped), (0, 0));
    assert_eq!(server.stats().received, (wanted * ROUNDS) as u64);

    // What they cost now that they have nothing to say.
    let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    assert!(grown.unwrap_or(0) < SLACK_BYTES + wanted * CONNECTION_BYTES, "{grown:?} bytes for {wanted} connections");

    drop(peers);
    until("all to be gone", &mut || server.connections() == 0);
    let report = format!(
        "{wanted} connections: made in {:?}, {ROUNDS} datagrams each way in {:?}, closed in {:?}; {} bytes each\n",
        connected - gridmate_runtime::Instant::ZERO,
        talked - connected,
        clock.now() - talked,
        grown.unwrap_or(0) / wanted,
    );
    std::io::stdout().write_all(report.as_bytes()).unwrap();
}

/// Eight bytes that no other peer says in that round, behind their length.
fn frame(round: usize, number: usize) -> [u8; 10] {
    let [a, b, c, d, e, f, g, h] = ((round as u64) << 32 | number as u64).to_le_bytes();
    [8, 0, a, b, c, d, e, f, g, h]
}

/// Memory of this process that is in use, where the system says.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<usize>().ok()? << 10)
}
