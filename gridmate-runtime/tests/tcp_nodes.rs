//! Nodes over real sockets: a host that is reached over UDP and over TCP, and a client on each.
#![cfg(all(feature = "tcp", feature = "udp", feature = "derive"))]

use core::time::Duration;

use gridmate_runtime::driver::{TcpConfig, UdpConfig, UdpDriver};
use gridmate_runtime::prelude::*;

/// Far longer than it takes, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

const TICK: Duration = Duration::from_millis(2);

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Crate {
    x: u32,
    label: String,
}

#[rpcs]
impl Crate {
    #[rpc]
    fn push(&mut self, _ctx: &RpcContext, by: u32) {
        self.x += by;
    }
}

struct World {
    clock: Clock,
    nodes: Vec<Node>,
}

impl World {
    /// Ticks all until `done`.
    fn tick_until(&mut self, what: &str, mut done: impl FnMut(&mut [Node]) -> bool) {
        let deadline = self.clock.now() + PATIENCE;
        while !done(&mut self.nodes) {
            let now = self.clock.now();
            assert!(now < deadline, "timed out waiting for {what}");
            for node in &mut self.nodes {
                node.tick(now).unwrap();
            }
            self.clock.sleep_until(now + TICK);
        }
    }
}

fn value(node: &mut Node, id: ReplicaId) -> Option<u32> {
    node.replicas().get::<Crate>(id).ok().map(|it| it.x)
}

#[test]
fn one_session_over_udp_and_tcp() {
    let registry = Registry::builder().chunk::<Crate>().build().unwrap();
    let loopback = "127.0.0.1:0".parse().unwrap();
    let udp = UdpDriver::bind(loopback).unwrap();
    let tcp = TcpDriver::listen(loopback, TcpConfig::default()).unwrap();
    let (at_udp, at_tcp) = (udp.local_addr(), tcp.local_addr());
    let host = Node::host(Several::new(udp).with(tcp), NodeConfig::new(registry.clone())).unwrap();
    let over_udp = Node::join(UdpDriver::bind(loopback).unwrap(), at_udp, NodeConfig::new(registry.clone())).unwrap();
    let over_tcp =
        Node::join(TcpDriver::client(TcpConfig::default()).unwrap(), at_tcp, NodeConfig::new(registry.clone()))
            .unwrap();
    // One that could use either, and takes the second.
    let either =
        Several::new(UdpDriver::with_config(loopback, UdpConfig { polled: true, ..UdpConfig::default() }).unwrap())
            .with(TcpDriver::client(TcpConfig::default()).unwrap());
    let over_either = Node::join(either, Several::address(1, at_tcp), NodeConfig::new(registry)).unwrap();
    let mut world = World { clock: Clock::start(), nodes: vec![host, over_udp, over_tcp, over_either] };

    world.tick_until("all to join", |nodes| nodes.iter().all(|node| node.members().count() == 4));
    let id = world.nodes[0].replicas().add(Crate { x: 1, label: "a".repeat(3_000) }).unwrap();
    world.tick_until("the crate", |nodes| nodes.iter_mut().all(|node| value(node, id) == Some(1)));
    for client in 1..4 {
        world.nodes[client].replicas().proxy::<Crate>(id).unwrap().rpcs().push(10).unwrap();
    }
    world.tick_until("all pushes everywhere", |nodes| nodes.iter_mut().all(|node| value(node, id) == Some(31)));

    // One leaves: the others stay.
    let mut gone = world.nodes.remove(2);
    gone.leave(world.clock.now());
    gone.tick(world.clock.now()).unwrap();
    drop(gone);
    world.tick_until("the others to hear of it", |nodes| nodes.iter().all(|node| node.members().count() == 3));
}
