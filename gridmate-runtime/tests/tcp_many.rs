//! Ten thousand connections to one process, as far as the system lets it have so many.
#![cfg(all(feature = "tcp", target_os = "linux"))] // elsewhere not all of 127.0.0.0/8 is this machine

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use gridmate_runtime::Instant;
use gridmate_runtime::driver::{Clock, Driver, TcpConfig, TcpDriver};

/// Wanted, count. Both ends are in this process, so each needs two files.
const CONNECTIONS: usize = 10_000;

/// Files that are needed for other things, count.
const OTHER_FILES: u64 = 100;

/// Connections that are being opened at a time, count: the system's queue has to hold them.
const OPENING: usize = 200;

/// All of it takes a second or two; a busy machine may need longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory that a connection may cost in this process, both ends together, bytes.
const BYTES_PER_PAIR: usize = 4 << 10;

const NAP: Duration = Duration::from_micros(200);

/// What both threads' rings take once they have been filled, and what else comes with the first traffic, bytes.
const RING_BYTES: usize = 256 << 10;
const SLACK_BYTES: usize = 4 * RING_BYTES + (4 << 20);

#[test]
fn ten_thousand_connections_talk_and_rest() {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let wanted = CONNECTIONS.min(usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap());
    let clock = Clock::start();
    let deadline = clock.now() + PATIENCE;
    let config = TcpConfig { max_per_ip: CONNECTIONS, queue_bytes: RING_BYTES, ..TcpConfig::default() };
    let mut server = TcpDriver::listen("0.0.0.0:0".parse().unwrap(), config).unwrap();
    // One client with a connection to each of many addresses, all of them this server's.
    let mut client = TcpDriver::client(config).unwrap();
    let port = server.local_addr().port();
    let address = |number: usize| {
        let [.., high, low] = (number + 1).to_be_bytes();
        SocketAddr::from(([127, 0, high, low], port))
    };

    let before = resident_bytes();
    let mut begun = 0;
    let mut known = BTreeSet::new();
    while known.len() < wanted {
        let (now, step) = (clock.now(), (known.len() + OPENING).min(wanted));
        while begun < step {
            client.send(now, address(begun), &number(begun)).unwrap();
            begun += 1;
        }
        client.flush(now).unwrap();
        server.receive(now, &mut |from, _| assert!(known.insert(from))).unwrap();
        assert!(now < deadline, "{} of {wanted} are connected", known.len());
        clock.sleep_until(now + NAP);
    }
    assert_eq!((server.connections(), client.connections()), (wanted, wanted));
    assert_eq!((server.connection_errors(), client.connection_errors()), (0, 0));
    let connected = clock.now();

    // Everybody says something to everybody at once, several times.
    const ROUNDS: usize = 5;
    let (mut there, mut back, mut sent) = (0, 0, 0);
    let peers: Vec<_> = known.into_iter().collect();
    while there < ROUNDS * wanted || back < ROUNDS * wanted {
        let now = clock.now();
        // No more than the rings hold: what does not fit is dropped.
        let step = (there.min(back) + 2_000).min(ROUNDS * wanted);
        while sent < step {
            client.send(now, address(sent % wanted), &number(sent)).unwrap();
            server.send(now, peers[sent % wanted], &number(sent)).unwrap();
            sent += 1;
        }
        client.flush(now).unwrap();
        server.flush(now).unwrap();
        server.receive(now, &mut |_, _| there += 1).unwrap();
        client.receive(now, &mut |_, _| back += 1).unwrap();
        assert!(now < deadline, "{there} and {back} of {} arrived", ROUNDS * wanted);
        clock.sleep_until(now + NAP);
    }
    assert_eq!((server.stats().send_dropped, client.stats().send_dropped), (0, 0));
    let talked = clock.now();

    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < SLACK_BYTES + wanted * BYTES_PER_PAIR, "{grown} bytes for {wanted} pairs");
    drop(client);
    while server.connections() > 0 {
        assert!(clock.now() < deadline, "{} are left", server.connections());
        clock.sleep_until(clock.now() + NAP);
    }
    let report = format!(
        "{wanted} pairs: connected in {:?}, {} datagrams each way in {:?}, closed in {:?}; {} bytes for each pair",
        connected - Instant::ZERO,
        ROUNDS * wanted,
        talked - connected,
        clock.now() - talked,
        grown / wanted,
    );
    std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes()).unwrap();
}

fn number(number: usize) -> [u8; 8] {
    (number as u64).to_le_bytes()
}

/// Memory of this process that is in use.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
}
