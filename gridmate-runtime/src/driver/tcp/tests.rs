//! Real sockets on the loopback interface. Every wait has an end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use proptest::prelude::*;

use super::*;
use crate::Rng;
use crate::driver::Clock;

/// Far longer than anything here takes, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

const NAP: Duration = Duration::from_micros(200);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn server(config: TcpConfig) -> TcpDriver {
    TcpDriver::listen(loopback(), config).unwrap()
}

fn client() -> TcpDriver {
    TcpDriver::client(TcpConfig::default()).unwrap()
}

/// A peer that does as it likes.
fn stranger(to: &TcpDriver) -> TcpStream {
    #[expect(clippy::disallowed_methods, reason = "a peer that is no driver")]
    let stream = TcpStream::connect(to.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Calls `step` until it says true.
fn wait_for(what: &str, mut step: impl FnMut(Instant) -> bool) {
    let clock = Clock::start();
    while !step(clock.now()) {
        assert!(clock.now() - Instant::ZERO < PATIENCE, "timed out waiting for {what}");
        clock.sleep_until(clock.now() + NAP);
    }
}

fn say(driver: &mut TcpDriver, to: SocketAddr, datagram: &[u8]) {
    driver.send(Instant::ZERO, to, datagram).unwrap();
    driver.flush(Instant::ZERO).unwrap();
}

fn heard(driver: &mut TcpDriver) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut heard = Vec::new();
    driver.receive(Instant::ZERO, &mut |from, datagram| heard.push((from, datagram.to_vec()))).unwrap();
    heard
}

/// The next datagram, and who sent it.
fn hear(driver: &mut TcpDriver) -> (SocketAddr, Vec<u8>) {
    let mut all = Vec::new();
    wait_for("a datagram", |_| {
        all.append(&mut heard(driver));
        !all.is_empty()
    });
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Connects, by a datagram each way. The client's address, as the server has it.
fn meet(server: &mut TcpDriver, client: &mut TcpDriver) -> SocketAddr {
    say(client, server.local_addr(), b"hello");
    let (from, datagram) = hear(server);
    assert_eq!(datagram, b"hello");
    say(server, from, b"welcome");
    assert_eq!(hear(client), (server.local_addr(), b"welcome".to_vec()));
    assert!(server.is_connected(from) && client.is_connected(server.local_addr()));
    from
}

#[test]
fn a_client_and_a_server_meet() {
    let (mut server, mut client) = (server(TcpConfig::default()), client());
    assert_eq!((server.connections(), client.connections()), (0, 0));
    assert_eq!(client.local_addr().port(), 0);
    assert_eq!((server.max_datagram(), client.max_datagram()), (1_472, 1_472));
    meet(&mut server, &mut client);
    assert_eq!((server.connections(), client.connections()), (1, 1));
    assert_eq!((server.stats().sent, server.stats().sent_bytes, server.stats().received_bytes), (1, 7, 5));
    assert_ne!(server.entropy(), server.entropy());
    drop(client);
    wait_for("the end", |_| server.connections() == 0);
    assert_eq!(server.connection_errors(), 0);
}

#[test]
fn connecting_can_be_asked_for() {
    let (mut one, mut two) = (server(TcpConfig::default()), server(TcpConfig::default()));
    let to = two.local_addr();
    say(&mut one, to, b"unasked");
    wait_for("the drop", |_| one.stats().send_dropped == 1);
    one.connect(to).unwrap();
    wait_for("the connection", |_| one.is_connected(to) && two.connections() == 1);
    say(&mut one, to, b"asked");
    let (back, datagram) = hear(&mut two);
    assert_eq!(datagram, b"asked");
    one.disconnect(to).unwrap();
    wait_for("the end", |_| one.connections() == 0 && two.connections() == 0);
    // Neither calls the other again: one was told not to, two has never been told to.
    say(&mut one, to, b"lost");
    say(&mut two, back, b"lost");
    wait_for("the drops", |_| one.stats().send_dropped == 2 && two.stats().send_dropped == 1);
}

#[test]
fn five_hundred_packets_each_way_arrive_exact_and_in_order() {
    let (mut server, mut client) = (server(TcpConfig::default()), client());
    let from = meet(&mut server, &mut client);
    let to = server.local_addr();
    let mut rng = Rng::new(35);
    for _ in 0..500 {
        let mut packet = || (0..rng.below(127) + 1).map(|_| rng.next_u64().to_le_bytes()[0]).collect::<Vec<_>>();
        let (there, back) = (packet(), packet());
        say(&mut client, to, &there);
        assert_eq!(hear(&mut server), (from, there));
        say(&mut server, from, &back);
        assert_eq!(hear(&mut client), (to, back));
    }
}

#[test]
fn a_thousand_packets_back_to_back_arrive_exact_and_in_order() {
    let (mut server, mut client) = (server(TcpConfig::default()), client());
    let to = server.local_addr();
    let mut rng = Rng::new(38);
    let packets: Vec<Vec<u8>> = (0_u16..1_024)
        .map(|number| {
            let len = usize::try_from(rng.below(127)).unwrap() + 2;
            number.to_le_bytes().into_iter().cycle().take(len).collect()
        })
        .collect();
    // The first of them connects.
    for packet in &packets {
        client.send(Instant::ZERO, to, packet).unwrap();
    }
    client.flush(Instant::ZERO).unwrap();
    let mut arrived = Vec::new();
    wait_for("all of them", |_| {
        arrived.extend(heard(&mut server).into_iter().map(|(_, packet)| packet));
        arrived.len() >= packets.len()
    });
    assert_eq!(arrived, packets);
    wait_for("the counts", |_| client.stats().sent == 1_024);
    assert_eq!((client.stats().send_dropped, server.stats().receive_dropped), (0, 0));
}

#[test]
fn no_more_connect_than_are_wanted() {
    let mut server = server(TcpConfig { max_connections: 4, ..TcpConfig::default() });
    let mut clients: Vec<_> = (0..32).map(|_| client()).collect();
    let to = server.local_addr();
    wait_for("the others to be turned away", |now| {
        for client in &mut clients {
            client.send(now, to, b"me too").unwrap();
            client.flush(now).unwrap();
        }
        let _ = heard(&mut server);
        assert!(server.connections() <= 4);
        server.connection_errors() >= 28
    });
    assert_eq!(server.connections(), 4);
    // Room that one leaves is another's.
    let before = server.stats().received;
    clients.retain(|client| !client.is_connected(to));
    wait_for("another", |now| {
        for client in &mut clients {
            client.send(now, to, b"me now").unwrap();
            client.flush(now).unwrap();
        }
        let _ = heard(&mut server);
        assert!(server.connections() <= 4);
        server.stats().received > before
    });
}

#[test]
fn one_address_gets_its_share() {
    let server = server(TcpConfig { max_per_ip: 2, ..TcpConfig::default() });
    let mut strangers: Vec<_> = (0..3).map(|_| stranger(&server)).collect();
    wait_for("the third to be turned away", |_| server.connections() == 2 && server.connection_errors() == 1);
    assert!(matches!(strangers[2].read(&mut [0; 8]), Ok(0) | Err(_)));
    strangers.clear();
    wait_for("the end", |_| server.connections() == 0);
    let _again = [stranger(&server), stranger(&server)];
    wait_for("the share to be free again", |_| server.connections() == 2);
}

#[test]
fn a_dead_port_is_never_reported_as_connected() {
    let (mut server, mut client) = (server(TcpConfig::default()), client());
    let from = meet(&mut server, &mut client);
    client.disconnect(server.local_addr()).unwrap();
    wait_for("the farewell", |_| client.connections() == 0 && !server.is_connected(from));

    let dead = self::server(TcpConfig::default()).local_addr();
    wait_for("several refusals", |_| {
        say(&mut client, dead, b"anybody?");
        assert!(!client.is_connected(dead) && client.connections() == 0);
        client.connection_errors() >= 3
    });
    assert!(client.stats().send_dropped > 0);
    meet(&mut server, &mut client);
}

#[test]
fn a_lost_connection_is_made_again_by_who_made_it() {
    let (mut old, mut client) = (server(TcpConfig::default()), client());
    let (to, from) = (old.local_addr(), meet(&mut old, &mut client));
    drop(old);
    wait_for("the end", |_| client.connections() == 0);
    // On the same port, at once, though the system remembers the old connection.
    let mut new = TcpDriver::listen(to, TcpConfig::default()).unwrap();
    assert_eq!(new.local_addr(), to);
    say(&mut new, from, b"lost: they called, so they call again");
    wait_for("the new connection", |_| {
        say(&mut client, to, b"again");
        heard(&mut new).iter().any(|(_, datagram)| datagram == b"again")
    });
    assert_eq!(new.stats().send_dropped, 1);
}

#[test]
fn a_busy_port_is_named() {
    let first = server(TcpConfig::default());
    let address = first.local_addr();
    let error = TcpDriver::listen(address, TcpConfig::default()).unwrap_err();
    assert!(matches!(error, DriverError::Bind { address: named, .. } if named == address), "{error:?}");
    // TEST-NET-1: nobody's.
    let foreign = TcpDriver::listen("192.0.2.1:0".parse().unwrap(), TcpConfig::default());
    assert!(matches!(foreign, Err(DriverError::Bind { .. })));
}

#[test]
fn a_peer_that_never_reads_costs_its_queue_and_no_more() {
    let config = TcpConfig { send_queue_bytes: 16 << 10, ..TcpConfig::default() };
    let mut server = server(config);
    let (mut lazy, mut good) = (stranger(&server), client());
    lazy.write_all(b"\x05\0hello").unwrap();
    let (lazy_address, _) = hear(&mut server);
    let good_address = meet(&mut server, &mut good);
    let mut sent = 0;
    wait_for("the queue to be full", |now| {
        for _ in 0..200 {
            server.send(now, lazy_address, &[7; 1_400]).unwrap();
            sent += 1;
        }
        server.flush(now).unwrap();
        server.stats().send_dropped > 1_000
    });
    wait_for("the thread to have seen all", |_| {
        let stats = server.stats();
        let waiting = sent + 1 - stats.sent - stats.send_dropped;
        // No more waits than the queue holds.
        waiting <= (16 << 10) / 1_402
    });
    // Others have not noticed, and no connection is lost.
    say(&mut server, good_address, b"all is well");
    assert_eq!(hear(&mut good).1, b"all is well");
    assert!(server.is_connected(lazy_address));
    // What was sent is whole, up to where the dropping began.
    let mut frame = [0; 1_402];
    for _ in 0..20 {
        lazy.read_exact(&mut frame).unwrap();
        assert_eq!((&frame[..2], &frame[2..]), (&1_400_u16.to_le_bytes()[..], &[7; 1_400][..]));
    }
}

#[test]
fn a_game_that_takes_nothing_makes_its_peers_wait() {
    let config = TcpConfig { queue_bytes: 0, ..TcpConfig::default() };
    let mut busy = server(config);
    let mut flood = stranger(&busy);
    flood.set_nonblocking(true).unwrap();
    let frame: Vec<u8> = [&1_000_u16.to_le_bytes()[..], &[7; 1_000]].concat();
    let mut at = 0;
    // Writes until the system takes no more.
    let mut flood_on = || loop {
        match flood.write(&frame[at..]) {
            Ok(len) => at = (at + len) % frame.len(),
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    };
    wait_for("the thread to read no more", |_| {
        flood_on();
        busy.handle.shared().paused.load(std::sync::atomic::Ordering::Acquire)
    });
    let waiting = heard(&mut busy).len();
    assert!((200..=256).contains(&waiting), "256 KiB of them, each with its record's head: {waiting}");
    // Once the game takes what there is, more comes, and all of it.
    let mut taken = waiting;
    wait_for("the rest", |_| {
        flood_on();
        taken += heard(&mut busy).len();
        taken > 20_000
    });
    assert_eq!(busy.stats().receive_dropped, 0);
}

#[test]
fn frames_that_nobody_sends_end_their_connection() {
    let mut server = server(TcpConfig { max_datagram: 100, ..TcpConfig::default() });
    for (number, bad) in [(1, [0, 0]), (2, [101, 0]), (3, [0xFF, 0xFF])] {
        let mut peer = stranger(&server);
        peer.write_all(b"\x04\0good").unwrap();
        assert_eq!(hear(&mut server).1, b"good");
        peer.write_all(&bad).unwrap();
        wait_for("the end", |_| server.connections() == 0);
        assert!(matches!(peer.read(&mut [0; 8]), Ok(0) | Err(_)));
        assert_eq!((server.connection_errors(), server.stats().receive_dropped), (number, number));
    }
    let mut peer = stranger(&server);
    peer.write_all(&[&[100, 0][..], &[9; 100]].concat()).unwrap();
    assert_eq!(hear(&mut server).1, [9; 100]);
    // Nor do we send any.
    for len in [0, 101, 70_000] {
        say(&mut server, loopback(), &vec![9; len]);
    }
    assert_eq!(server.stats().send_dropped, 3);
}

#[test]
fn silence_ends_a_connection_and_an_attempt_at_one() {
    // Long enough that a busy machine does not keep the talker silent for that time.
    let timeout = Duration::from_millis(1_500);
    let mut server = server(TcpConfig { idle_timeout: timeout, ..TcpConfig::default() });
    let mut talker = client();
    let from = meet(&mut server, &mut talker);
    let clock = Clock::start();
    let _silent = stranger(&server);
    wait_for("two connections", |_| server.connections() == 2);
    wait_for("the silent one to be gone", |_| {
        say(&mut talker, server.local_addr(), b"still here");
        let _ = heard(&mut server);
        server.connections() == 1
    });
    assert!(clock.now() - Instant::ZERO >= timeout);
    assert!(server.is_connected(from), "it was never silent");
    wait_for("the other", |_| server.connections() == 0);
    assert_eq!(server.connection_errors(), 0);
}

#[test]
#[cfg(target_os = "linux")] // elsewhere a full queue refuses
fn an_attempt_that_nobody_answers_ends() {
    use socket2::{Domain, Socket, Type};

    // Nobody accepts: once the system's queue is full, it answers no more.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.bind(&loopback().into()).unwrap();
    deaf.listen(0).unwrap();
    let to = deaf.local_addr().unwrap().as_socket().unwrap();
    let config = TcpConfig { connect_timeout: Duration::from_millis(200), ..TcpConfig::default() };
    let mut clients: Vec<_> = (0..6).map(|_| TcpDriver::client(config).unwrap()).collect();
    for client in &mut clients {
        say(client, to, b"anybody?");
    }
    wait_for("the last to give up", |_| clients.iter().all(|it| it.connections() == 1 || it.stats().send_dropped == 1));
    let late: Vec<_> = clients.iter().filter(|client| client.stats().send_dropped == 1).collect();
    assert!(!late.is_empty() && late.iter().all(|client| !client.is_connected(to)));
    wait_for("the failures to be counted", |_| late.iter().all(|client| client.connection_errors() == 1));
}

#[test]
fn what_was_queued_before_the_drop_still_goes_out() {
    for datagrams in [1, 200] {
        // Not even connected yet.
        let (mut server, mut client) = (server(TcpConfig::default()), client());
        for _ in 0..datagrams {
            client.send(Instant::ZERO, server.local_addr(), &[7; 1_000]).unwrap();
        }
        drop(client);
        let mut count = 0;
        wait_for("the farewell", |_| {
            count += heard(&mut server).len();
            count == datagrams
        });
        // Connected, and with something unread, which must not cut the farewell off.
        let mut client = self::client();
        let from = meet(&mut server, &mut client);
        say(&mut client, server.local_addr(), b"unread");
        say(&mut server, from, b"farewell");
        drop(server);
        wait_for("the other farewell", |_| heard(&mut client).iter().any(|(_, datagram)| datagram == b"farewell"));
    }
}

#[test]
fn dropping_joins_the_thread() {
    for _ in 0..20 {
        let driver = server(TcpConfig::default());
        let shared = driver.handle.shared_for_tests();
        drop(driver);
        assert_eq!(std::sync::Arc::strong_count(&shared), 1, "the thread has let go of it");
    }
}

#[test]
fn the_end_of_the_thread_is_reported() {
    let mut driver = server(TcpConfig::default());
    driver.handle.end_thread();
    for _ in 0..2 {
        assert!(matches!(driver.receive(Instant::ZERO, &mut |_, _| {}), Err(DriverError::ThreadEnded)));
        assert!(matches!(driver.flush(Instant::ZERO), Err(DriverError::ThreadEnded)));
        assert!(matches!(driver.connect(loopback()), Err(DriverError::ThreadEnded)));
    }
}

#[test]
fn dual_stack_sockets_show_plain_ipv4_peers() {
    let Ok(mut dual) = TcpDriver::listen("[::]:0".parse().unwrap(), TcpConfig::default()) else {
        return; // no IPv6 here
    };
    let mut client = client();
    let to = SocketAddr::from(([127, 0, 0, 1], dual.local_addr().port()));
    say(&mut client, to, b"hello");
    let (from, _) = hear(&mut dual);
    assert!(from.is_ipv4());
    say(&mut dual, from, b"welcome");
    assert_eq!(hear(&mut client), (to, b"welcome".to_vec()));
}

#[test]
fn absurd_wishes_do_no_harm() {
    let zero = TcpConfig {
        connect_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        max_connections: 0,
        max_per_ip: usize::MAX,
        send_queue_bytes: 0,
        queue_bytes: 0,
        max_datagram: usize::MAX,
    };
    let (mut server, mut client) = (server(zero), TcpDriver::client(zero).unwrap());
    assert_eq!(server.max_datagram(), DATAGRAM_BYTES_MAX);
    let from = meet(&mut server, &mut client);
    say(&mut server, from, &[7; DATAGRAM_BYTES_MAX]);
    assert_eq!(hear(&mut client).1.len(), DATAGRAM_BYTES_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_mix_of_lengths_arrives(lengths in prop::collection::vec(1_usize..=1_472, 1..300)) {
        let (mut server, mut client) = (server(TcpConfig::default()), client());
        let datagrams: Vec<_> = (0..=250).cycle().zip(lengths).map(|(byte, len)| vec![byte; len]).collect();
        let mut unsent = datagrams.chunks(40);
        let mut arrived = Vec::new();
        wait_for("all of them", |now| {
            for datagram in unsent.next().unwrap_or_default() {
                client.send(now, server.local_addr(), datagram).unwrap();
            }
            client.flush(now).unwrap();
            arrived.extend(heard(&mut server).into_iter().map(|(_, datagram)| datagram));
            arrived.len() >= datagrams.len()
        });
        prop_assert_eq!(arrived, datagrams);
    }
}
