//! Two nodes over real sockets and by a real clock: state by its rate, and a newcomer that hears when it has all.

use core::num::NonZeroU32;
use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::StateRate;
use gridmate_runtime::schema::Coder;
use gridmate_tests::chunks::{Mover, registry_with};

#[test]
fn a_newcomer_is_served_by_the_rate_over_loopback() {
    let any = ([127, 0, 0, 1], 0).into();
    let registry = registry_with(Coder::Packed);
    let rate = StateRate::new(8_000).burst(Duration::from_millis(500));
    let config = NodeConfig::new(registry.clone()).state_rate(rate).send_interval(Duration::from_millis(50));
    let mut host = Node::host(UdpDriver::bind(any).unwrap(), config).unwrap();
    let ids: Vec<_> = (0..400_u32)
        .map(|n| {
            let label = format!("number {n} of four hundred");
            host.replicas().add(Mover { energy: n, label, ..Mover::default() }).unwrap()
        })
        .collect();
    let mut client = Node::join(UdpDriver::bind(any).unwrap(), host.local_addr(), NodeConfig::new(registry)).unwrap();
    let mut ticker = Ticker::per_second(Clock::start(), NonZeroU32::new(200).unwrap());
    let (mut joined, mut synced, mut progress) = (None, None, 0);
    for _ in 0..6_000 {
        let now = ticker.wait().now;
        host.tick(now).unwrap();
        client.tick(now).unwrap();
        while let Some(event) = client.poll_event() {
            match event {
                NodeEvent::Replica(ReplicaEvent::SyncProgress { total: 400, .. }) => progress += 1,
                NodeEvent::Replica(ReplicaEvent::Synced { from: MemberId::HOST, total: 400 }) => {
                    assert_eq!(synced.replace(now), None, "once");
                    assert!(ids.iter().all(|id| client.replicas().get::<Mover>(*id).is_ok()));
                }
                _ => {}
            }
        }
        if joined.is_none() && host.peers().next().is_some() {
            joined = Some(now);
        }
        if let (Some(from), Some(_)) = (joined, synced) {
            let bytes = host.peers().next().unwrap().channels.state.bytes_sent;
            let most = 8_000 * (now - from).as_millis() / 1_000 + 4_000 + 8_000 / 20;
            assert!(u128::from(bytes) <= most, "{bytes} bytes, {most} are allowed");
            assert!(now - from > Duration::from_millis(700), "four hundred names are more than ten thousand bytes");
            assert!(progress > 3, "{progress}");
            assert!(host.sync_progress(MemberId(2)).unwrap().is_complete());
            return;
        }
    }
    panic!("thirty seconds, and not all has come");
}
