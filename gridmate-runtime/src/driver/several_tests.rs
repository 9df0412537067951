use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::driver::{Ecn, MemoryDriver, MemoryNetwork};
use crate::{Node, NodeConfig, Registry};

const NOW: Instant = Instant::ZERO;

fn heard(driver: &mut dyn Driver) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut heard = Vec::new();
    driver.receive(NOW, &mut |from, datagram| heard.push((from, datagram.to_vec()))).unwrap();
    heard
}

/// Works until told otherwise, and reports marks.
struct Fragile {
    inner: MemoryDriver,
    max: usize,
    /// Calls that still work, count.
    good: u32,
}

impl Fragile {
    fn call(&mut self) -> Result<(), DriverError> {
        self.good = self.good.checked_sub(1).ok_or_else(|| io::Error::other(format!("of {}", self.max)))?;
        Ok(())
    }
}

impl Driver for Fragile {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.call()?;
        self.inner.receive(now, sink)
    }

    fn receive_marked(&mut self, now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        self.call()?;
        self.inner.receive_marked(now, &mut |arrival| sink(Arrival { ecn: Ecn::Capable0, ..arrival }))
    }

    fn max_datagram(&self) -> usize {
        self.max
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.call()?;
        self.inner.send(now, to, datagram)
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.call()?;
        self.inner.flush(now)
    }

    fn stats(&self) -> DriverStats {
        self.inner.stats()
    }

    fn entropy(&mut self) -> u64 {
        42 + self.max as u64
    }
}

#[test]
fn addresses_say_which_driver() {
    for (plain, marked) in [
        ("1.2.3.4:5", "[::ffff:1.2.3.4%33554432]:5"),
        ("[2001:db8::1]:5", "[2001:db8::1%33554432]:5"),
        ("[fe80::1%7]:5", "[fe80::1%33554439]:5"),
    ] {
        let (plain, marked) = (plain.parse().unwrap(), marked.parse().unwrap());
        assert_eq!(Several::address(2, plain), marked);
        assert_eq!(Several::split(marked), (2, plain));
        assert_eq!((Several::address(0, plain), Several::split(plain)), (plain, (0, plain)));
    }
}

#[test]
fn each_peer_is_answered_by_the_driver_that_heard_it() {
    let networks: Vec<_> = (0..3).map(|_| MemoryNetwork::new()).collect();
    // On every network the same addresses: without a mark nobody could tell them apart.
    let mut host = Several::new(networks[0].bind_any().unwrap())
        .with(networks[1].bind_any().unwrap())
        .with(networks[2].bind_any().unwrap());
    let mut peers: Vec<_> = networks.iter().map(|network| network.bind_any().unwrap()).collect();
    let to = host.local_addr();
    for (k, peer) in (0..).zip(&mut peers) {
        peer.send(NOW, to, &[k]).unwrap();
        peer.send(NOW, to, &[k, k]).unwrap();
    }
    let heard_by_host = heard(&mut host);
    let bytes: Vec<_> = heard_by_host.iter().map(|(_, bytes)| &bytes[..]).collect();
    assert_eq!(bytes, [&[0][..], &[0, 0], &[1], &[1, 1], &[2], &[2, 2]], "in order");
    let froms: BTreeMap<_, _> = heard_by_host.iter().map(|(from, bytes)| (*from, bytes[0])).collect();
    assert_eq!(froms.len(), 3);
    for (from, k) in froms {
        assert_eq!(Several::split(from), (usize::from(k), peers[usize::from(k)].local_addr()));
        host.send(NOW, from, &[100 + k]).unwrap();
    }
    host.flush(NOW).unwrap();
    for (k, peer) in (0..).zip(&mut peers) {
        assert_eq!(heard(peer), [(to, vec![100 + k])]);
    }
    let stats = host.stats();
    assert_eq!((stats.sent, stats.sent_bytes, stats.received, stats.received_bytes), (3, 3, 6, 9));
    assert_eq!(host.driver(2).unwrap().stats().received, 2);
    assert!(host.driver(3).is_none());
    host.send(NOW, Several::address(3, to), b"nobody's").unwrap();
    assert_eq!(host.stats().send_dropped, 1);
}

#[test]
fn one_failure_is_survived_and_the_last_reports_the_first() {
    let network = MemoryNetwork::new();
    let fragile = |max, good| Fragile { inner: network.bind_any().unwrap(), max, good };
    let mut host = Several::new(fragile(1_400, 1)).with(fragile(1_200, 3)).with(fragile(1_300, 4));
    assert_eq!((host.len(), host.max_datagram(), host.entropy()), (3, 1_200, 1_442));
    let mut peer = network.bind_any().unwrap();

    peer.send(NOW, host.driver(1).unwrap().local_addr(), b"x").unwrap();
    host.receive_marked(NOW, &mut |arrival| {
        assert_eq!((Several::split(arrival.from), arrival.ecn), ((1, peer.local_addr()), Ecn::Capable0));
    })
    .unwrap();
    assert!(host.first_failure().is_none());

    host.flush(NOW).unwrap(); // breaks driver 0
    assert_eq!(host.first_failure().unwrap().0, 0);
    assert!(host.failure(0).is_some() && host.failure(1).is_none());
    host.send(NOW, peer.local_addr(), b"lost").unwrap();
    assert_eq!(host.stats().send_dropped, 1);
    host.send(NOW, Several::address(1, peer.local_addr()), b"arrives").unwrap();
    assert_eq!(heard(&mut peer).len(), 1);
    host.send(NOW, Several::address(1, peer.local_addr()), b"breaks driver 1").unwrap();
    host.send(NOW, Several::address(2, peer.local_addr()), b"arrives").unwrap();
    host.flush(NOW).unwrap();
    for _ in 0..2 {
        let error = host.receive(NOW, &mut |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("of 1400"), "{error}");
        assert!(host.send(NOW, peer.local_addr(), b"lost").is_err() && host.flush(NOW).is_err());
    }
}

#[test]
fn a_session_spans_two_networks() {
    let registry = Registry::builder().build().unwrap();
    let networks = [MemoryNetwork::new(), MemoryNetwork::new()];
    let driver = Several::new(networks[0].bind_any().unwrap()).with(networks[1].bind_any().unwrap());
    let at = driver.local_addr();
    let mut host = Node::host(driver, NodeConfig::new(registry.clone())).unwrap();
    let mut clients: Vec<_> = networks
        .iter()
        .map(|network| Node::join(network.bind_any().unwrap(), at, NodeConfig::new(registry.clone())).unwrap())
        .collect();
    // And one whose own driver is several, through the second of which it joins.
    let driver = Several::new(networks[0].bind_any().unwrap()).with(networks[1].bind_any().unwrap());
    clients.push(Node::join(driver, Several::address(1, at), NodeConfig::new(registry)).unwrap());
    for frame in 0..40 {
        let now = Instant::from_millis(frame * 16);
        host.tick(now).unwrap();
        clients.iter_mut().for_each(|client| client.tick(now).unwrap());
    }
    assert_eq!(host.members().count(), 4);
    assert!(clients.iter().all(|client| client.members().count() == 4));
}

proptest! {
    #[test]
    fn split_undoes_address(k in 0..DRIVERS_MAX, ip: std::net::IpAddr, port: u16, scope in 0..=SCOPE_MASK) {
        let plain = match ip {
            std::net::IpAddr::V4(_) => SocketAddr::new(ip, port),
            // A mapped address is another spelling of an IPv4 one, which drivers never use.
            std::net::IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Ok(()),
            std::net::IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
        };
        prop_assert_eq!(Several::split(Several::address(k, plain)), (k, plain));
        prop_assert_eq!(mark(k, SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, port, 0, scope + SCOPE_MASK + 1).into()), None);
    }
}
