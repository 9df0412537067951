//! Calls between nodes: what a program is told when they cannot be sent, and questions over the whole stack.

use core::time::Duration;

use gridmate_runtime::driver::UdpDriver;
use gridmate_runtime::prelude::*;
use gridmate_runtime::sim::LinkConfig;
use gridmate_runtime::{LeaveReason, SessionEvent};

use super::session;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Desk {
    served: u32,
    #[dataset(skip)]
    heard: Vec<MemberId>,
}

#[rpcs]
impl Desk {
    #[rpc]
    fn file(&mut self, _ctx: &RpcContext, _paper: Vec<u8>) {
        self.served += 1;
    }

    #[rpc(unreliable)]
    fn mention(&mut self, _ctx: &RpcContext, _paper: Vec<u8>) {
        self.served += 1;
    }

    #[rpc]
    fn serve(&mut self, ctx: &RpcContext, number: u32) -> Reply<(Who, u32)> {
        self.served += 1;
        Reply((Who(ctx.source.0), number * 2))
    }

    #[rpc]
    fn call_in(&mut self, ctx: &RpcContext) {
        self.heard.push(ctx.source);
    }
}

/// A member, as an answer has it.
#[derive(Clone, Copy, Debug, PartialEq, Marshal)]
struct Who(u32);

fn registry() -> Registry {
    Registry::builder().chunk::<Desk>().build().unwrap()
}

fn events(node: &mut Node) -> Vec<NodeEvent> {
    std::iter::from_fn(|| node.poll_event()).collect()
}

#[test]
fn rpc_overflow_is_reported() {
    // Reliable calls pile up for a client that does not answer: the connection ends, and both programs hear why. The host's own
    // queue is bounded too: there the caller has an error.
    let (mut world, nodes) = session(5, 2, LinkConfig::perfect(), &registry());
    let id = world.replicas(nodes[0]).add(Desk::default()).unwrap();
    world.run_for(Duration::from_secs(1));
    let member = world.replicas(nodes[1]).local_member();
    for node in &nodes {
        events(world.node(*node));
    }
    world.partition(nodes[0], nodes[1], true);
    let mut made = 0;
    let mut left = None;
    for _ in 0..60 {
        for _ in 0..100 {
            let mut desk = world.replicas(nodes[0]).primary_mut::<Desk>(id).unwrap();
            desk.rpcs_to(member).file(vec![7; 8_000]).unwrap();
            made += 1;
        }
        world.step();
        for event in events(world.node(nodes[0])) {
            if let NodeEvent::Session(SessionEvent::MemberLeft { member: gone, reason, .. }) = event {
                left = Some((gone, reason));
            }
        }
        if left.is_some() {
            break;
        }
    }
    assert_eq!(left, Some((member, LeaveReason::Overflow)), "after {made} calls");
    let stats = world.replicas(nodes[0]).stats();
    assert!(stats.rpcs_crowded_out > 0, "{stats:?}");
    // What could not be sent unreliably is counted, and nobody has to go for it.
    let other = world.replicas(nodes[2]).local_member();
    let before = world.replicas(nodes[0]).stats().rpcs_crowded_out;
    for _ in 0..6_000 {
        let mut desk = world.replicas(nodes[0]).primary_mut::<Desk>(id).unwrap();
        desk.rpcs_to(other).mention(vec![7; 1_000]).unwrap();
    }
    world.step();
    assert!(world.replicas(nodes[0]).stats().rpcs_crowded_out > before);
    world.run_for(Duration::from_secs(2));
    assert!(world.node(nodes[0]).members().any(|known| known.id == other));
    // And what cannot even wait for the next tick is an error.
    let mut desk = world.replicas(nodes[0]).primary_mut::<Desk>(id).unwrap();
    let error = (0..100_000).find_map(|_| desk.rpcs_to(other).call_in().err());
    assert_eq!(error, Some(RpcError::QueueFull));
    assert_eq!(world.replicas(nodes[0]).stats().rpcs_refused, 1);
}

#[test]
fn questions_and_directed_calls_work_over_udp() {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let udp = UdpDriver::bind(loopback).unwrap();
    let at = udp.local_addr();
    let mut nodes = vec![Node::host(udp, NodeConfig::new(registry())).unwrap()];
    for _ in 0..2 {
        nodes.push(Node::join(UdpDriver::bind(loopback).unwrap(), at, NodeConfig::new(registry())).unwrap());
    }
    let clock = Clock::start();
    let until = |nodes: &mut Vec<Node>, what: &str, done: &mut dyn FnMut(&mut [Node]) -> bool| {
        let deadline = clock.now() + Duration::from_secs(20);
        while !done(nodes) {
            let now = clock.now();
            assert!(now < deadline, "timed out waiting for {what}");
            for node in nodes.iter_mut() {
                node.tick(now).unwrap();
            }
            clock.sleep_until(now + Duration::from_millis(2));
        }
    };
    until(&mut nodes, "all to join", &mut |nodes| nodes.iter().all(|node| node.members().count() == 3));
    let id = nodes[1].replicas().add(Desk::default()).unwrap();
    until(&mut nodes, "the desk", &mut |nodes| nodes.iter_mut().all(|node| node.replicas().get::<Desk>(id).is_ok()));
    // Client to client: every message goes through the host.
    let (owner, asker) = (nodes[1].replicas().local_member(), nodes[2].replicas().local_member());
    let request = nodes[2].replicas().proxy::<Desk>(id).unwrap().rpcs().serve(21).unwrap();
    nodes[1].replicas().primary_mut::<Desk>(id).unwrap().rpcs_to(asker).call_in().unwrap();
    let mut answer = None;
    until(&mut nodes, "the answer", &mut |nodes| {
        answer = answer.take().or_else(|| nodes[2].replicas().poll_reply(&request));
        answer.is_some() && !nodes[2].replicas().get::<Desk>(id).unwrap().heard.is_empty()
    });
    assert_eq!(answer, Some(Ok((Who(asker.0), 42))));
    let heard = |node: &mut Node| node.replicas().get::<Desk>(id).unwrap().heard.clone();
    assert_eq!(nodes.iter_mut().map(heard).collect::<Vec<_>>(), [vec![], vec![], vec![owner]]);
}
