//! Over real sockets, as programs do it.

use core::num::NonZeroU32;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::OwnershipOutcome;
use gridmate_runtime::schema::Coder;

use super::ball::{Ball, registry};

#[test]
fn a_ball_goes_round_over_loopback() {
    let any = ([127, 0, 0, 1], 0).into();
    let config = || NodeConfig::new(registry(Coder::Packed));
    let mut nodes = vec![Node::host(UdpDriver::bind(any).unwrap(), config()).unwrap()];
    let address = nodes[0].local_addr();
    for _ in 0..2 {
        nodes.push(Node::join(UdpDriver::bind(any).unwrap(), address, config()).unwrap());
    }
    let ball = nodes[0].replicas().add(Ball::default()).unwrap();
    let mut ticker = Ticker::per_second(Clock::start(), NonZeroU32::new(200).unwrap());
    let (mut turn, mut granted, mut asked) = (0, 0, false);
    for _ in 0..4_000 {
        let now = ticker.wait().now;
        for node in &mut nodes {
            node.tick(now).unwrap();
        }
        // Each in its turn asks for it, and adds one when it has it.
        let node = &mut nodes[(turn + 1) % 3];
        if !asked && node.replicas().get::<Ball>(ball).is_ok_and(|ball| ball.x == u32::try_from(turn).unwrap()) {
            asked = node.replicas().request_ownership(ball).is_ok();
        }
        while let Some(event) = node.poll_event() {
            if let NodeEvent::Replica(ReplicaEvent::OwnershipAnswered { id, outcome }) = event {
                assert_eq!((id, outcome), (ball, OwnershipOutcome::Granted));
                node.replicas().primary_mut::<Ball>(ball).unwrap().x += 1;
                (turn, granted, asked) = (turn + 1, granted + 1, false);
            }
        }
        let all = nodes.iter().all(|node| node.replicas_ref().get::<Ball>(ball).is_ok_and(|ball| ball.x == 30));
        if all {
            assert_eq!(granted, 30);
            let epochs = nodes.iter().map(|node| node.replicas_ref().info(ball).unwrap().epoch);
            assert_eq!(
                epochs.min(),
                Some(1 + 40),
                "ten rounds: to the host, to a client, by way of the host to the next"
            );
            return;
        }
    }
    panic!("twenty seconds, and {granted} of thirty turns");
}
