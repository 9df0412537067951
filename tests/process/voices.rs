//! Three nodes on three sockets of the operating system talk to each other.

use core::time::Duration;

use gridmate_runtime::driver::Clock;
use gridmate_runtime::prelude::*;

/// What a node has heard.
#[derive(Default)]
struct Heard {
    ordered: Vec<(MemberId, u32)>,
    voice: Vec<(MemberId, u32)>,
    maps: Vec<(MemberId, usize)>,
    receipts: usize,
}

#[test]
fn three_nodes_talk_over_sockets() {
    let socket = || UdpDriver::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let config = || NodeConfig::new(Registry::builder().build().unwrap());
    let host = Node::host(socket(), config()).unwrap();
    let address = host.local_addr();
    let mut nodes =
        [host, Node::join(socket(), address, config()).unwrap(), Node::join(socket(), address, config()).unwrap()];
    let mut heard: [Heard; 3] = Default::default();
    let clock = Clock::start();
    let mut ticker = Ticker::per_second(clock, 200.try_into().unwrap());
    let map: Vec<u8> = (0..2_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let (mut said, mut tokens) = (0, 0);
    let deadline = clock.now() + Duration::from_secs(30);
    loop {
        let now = ticker.wait().now;
        assert!(now < deadline, "it takes too long");
        let together = nodes.iter().all(|node| node.members().count() == 3);
        if together && said < 100_u32 {
            for at in 0..3 {
                let next = nodes[(at + 1) % 3].local_member();
                let node = &mut nodes[at];
                node.broadcast(UserChannel::Voice, &said.to_le_bytes()).unwrap();
                node.send(next, UserChannel::Ordered, &said.to_le_bytes()).unwrap();
                if said == 10 {
                    node.send_with_receipt(next, UserChannel::Bulk, &map).unwrap();
                    tokens += 1;
                }
            }
            said += 1;
        }
        for (node, heard) in nodes.iter_mut().zip(&mut heard) {
            node.tick(now).unwrap();
            while let Some(event) = node.poll_event() {
                match event {
                    NodeEvent::Message { from, channel, bytes } => match channel {
                        UserChannel::Bulk => {
                            assert!(bytes == map);
                            heard.maps.push((from, bytes.len()));
                        }
                        channel => {
                            let number = u32::from_le_bytes(bytes[..].try_into().unwrap());
                            let list =
                                if channel == UserChannel::Voice { &mut heard.voice } else { &mut heard.ordered };
                            list.push((from, number));
                        }
                    },
                    NodeEvent::Receipt { delivered, .. } => {
                        assert!(delivered);
                        heard.receipts += 1;
                    }
                    NodeEvent::Undelivered { .. } => panic!("{event:?}"),
                    _ => {}
                }
            }
        }
        let done = |heard: &Heard| heard.ordered.len() == 100 && heard.maps.len() == 1 && heard.receipts == 1;
        if heard.iter().all(done) && nodes.iter().all(Node::clock_synchronised) {
            break;
        }
    }
    assert_eq!(tokens, 3);
    for at in 0..3 {
        let before = nodes[(at + 2) % 3].local_member();
        assert_eq!(heard[at].ordered, (0..100).map(|n| (before, n)).collect::<Vec<_>>());
        assert_eq!(heard[at].maps, [(before, map.len())]);
        for speaker in nodes.iter().map(Node::local_member).filter(|speaker| *speaker != nodes[at].local_member()) {
            let voice: Vec<_> = heard[at].voice.iter().filter(|(from, _)| *from == speaker).map(|(_, n)| *n).collect();
            assert!(voice.is_sorted() && voice.len() > 80, "{} pieces of {speaker}", voice.len());
        }
        assert!(nodes[at].clock_error() < Duration::from_millis(100));
    }
}
