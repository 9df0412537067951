//! Members come, go, crash and are refused.

use core::time::Duration;

use gridmate_runtime::carrier::Refusal;
use gridmate_runtime::prelude::*;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_tests::chunks::{Gauge, Journal, Mover, registry};

use gridmate_tests::links::foul;

use super::session;

fn events(world: &mut World, node: NodeKey) -> Vec<NodeEvent> {
    core::iter::from_fn(|| world.node(node).poll_event()).collect()
}

fn session_events(world: &mut World, node: NodeKey) -> Vec<SessionEvent> {
    events(world, node)
        .into_iter()
        .filter_map(|event| match event {
            NodeEvent::Session(event) => Some(event),
            _ => None,
        })
        .collect()
}

#[test]
fn everyone_hears_of_everyone_once() {
    for seed in 0..10 {
        let (mut world, nodes) = session(seed, 6, foul(), &registry());
        for node in nodes {
            let local = world.node(node).local_member();
            let mut heard: Vec<_> = session_events(&mut world, node)
                .into_iter()
                .filter_map(|event| match event {
                    SessionEvent::MemberJoined { member, .. } => Some(member),
                    SessionEvent::Joined { local: me } => {
                        assert_eq!(me, local);
                        None
                    }
                    other => panic!("{other:?}"),
                })
                .collect();
            heard.sort_unstable();
            let others: Vec<_> = (1..=7).map(MemberId).filter(|m| *m != local).collect();
            assert_eq!(heard, others);
        }
    }
}

#[test]
fn a_crashed_client_is_noticed_and_what_it_owned_is_gone() {
    let (mut world, nodes) = session(3, 3, foul(), &registry());
    let mortal = world.replicas(nodes[1]).add(Gauge::default()).unwrap();
    let migratable = world.replicas(nodes[1]).add(Mover { energy: 4, ..Mover::default() }).unwrap();
    let other = world.replicas(nodes[2]).add(Gauge::default()).unwrap();
    world.step();
    assert!(world.run_until(Duration::from_secs(3), |world| world.agree()).is_some());
    for node in &nodes {
        events(&mut world, *node);
    }
    let lost = world.node(nodes[1]).local_member();
    let name = "client 0".to_owned();
    world.crash(nodes[1]);
    let noticed = world.run_until(Duration::from_secs(8), |world| world.node(nodes[0]).member(lost).is_none());
    assert!(noticed.is_some_and(|after| after <= Duration::from_millis(5_200)), "{noticed:?}");
    assert!(world.run_until(Duration::from_secs(2), |world| world.agree()).is_some());
    for node in [nodes[0], nodes[2], nodes[3]] {
        let replicas = world.replicas(node);
        assert!(replicas.info(mortal).is_none());
        assert_eq!(replicas.info(migratable).unwrap().owner, MemberId::HOST);
        assert!(replicas.info(other).is_some());
        let heard = events(&mut world, node);
        assert!(heard.contains(&NodeEvent::Session(SessionEvent::MemberLeft {
            member: lost,
            name: name.clone(),
            reason: LeaveReason::Timeout
        })));
        assert!(heard.contains(&NodeEvent::Replica(ReplicaEvent::Removed { id: mortal })));
    }
}

#[test]
fn a_crashed_host_is_a_typed_event_and_ones_own_replicas_stay() {
    let (mut world, nodes) = session(4, 2, foul(), &registry());
    let hosts = world.replicas(nodes[0]).add(Gauge::default()).unwrap();
    let own = world.replicas(nodes[1]).add(Gauge::default()).unwrap();
    world.step();
    assert!(world.run_until(Duration::from_secs(3), |world| world.agree()).is_some());
    world.crash(nodes[0]);
    world.run_for(Duration::from_millis(5_500));
    for node in &nodes[1..] {
        let heard = session_events(&mut world, *node);
        assert_eq!(heard.last(), Some(&SessionEvent::HostLost { reason: LeaveReason::Timeout }));
        assert!(world.replicas(*node).info(hosts).is_none());
    }
    world.replicas(nodes[1]).primary_mut::<Gauge>(own).unwrap().level = 5;
    world.step();
}

#[test]
fn leaving_is_prompt_and_frees_the_place() {
    let registry = registry();
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry.clone()).max_members(2)).unwrap();
    let first = world.join(host, NodeConfig::new(registry.clone())).unwrap();
    world.run_for(Duration::from_millis(500));
    let second = world.join(host, NodeConfig::new(registry.clone())).unwrap();
    world.run_for(Duration::from_millis(500));
    assert_eq!(
        session_events(&mut world, second),
        [SessionEvent::JoinFailed { error: JoinError::Refused(Refusal::Full) }]
    );
    let now = world.now();
    world.node(first).leave(now);
    world.run_for(Duration::from_millis(500));
    assert!(session_events(&mut world, host).contains(&SessionEvent::MemberLeft {
        member: MemberId(2),
        name: String::new(),
        reason: LeaveReason::Left
    }));
    let third = world.join(host, NodeConfig::new(registry)).unwrap();
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.node(third).local_member(), MemberId(3), "ids are not reused");
}

#[test]
fn another_schema_is_refused_by_name_of_the_reason() {
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry())).unwrap();
    let smaller = Registry::builder().chunk::<Mover>().build().unwrap();
    let client = world.join(host, NodeConfig::new(smaller.clone())).unwrap();
    world.run_for(Duration::from_secs(1));
    let heard = session_events(&mut world, client);
    let [SessionEvent::JoinFailed { error: JoinError::Schema { ours, theirs, ref difference } }] = heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((ours, theirs), (smaller.fingerprint(), registry().fingerprint()));
    assert_eq!(difference.as_ref().unwrap().to_string(), "chunk `gauge` is only there");
}

#[test]
fn nobody_there_is_an_error_not_a_hang() {
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry())).unwrap();
    world.crash(host);
    let client = world.join(host, NodeConfig::new(registry())).unwrap();
    world.run_for(Duration::from_secs(6));
    assert_eq!(
        session_events(&mut world, client),
        [SessionEvent::JoinFailed { error: JoinError::Unreachable(LeaveReason::Timeout) }]
    );
}

#[test]
fn a_kicked_member_is_told_why() {
    let (mut world, nodes) = session(2, 2, LinkConfig::perfect(), &registry());
    let now = world.now();
    let victim = world.node(nodes[1]).local_member();
    let name = "client 0".to_owned();
    assert!(!world.node(nodes[2]).kick(now, victim), "only the host sends members away");
    assert!(world.node(nodes[0]).kick(now, victim));
    world.run_for(Duration::from_millis(500));
    assert_eq!(
        session_events(&mut world, nodes[1]).last(),
        Some(&SessionEvent::HostLost { reason: LeaveReason::Kicked })
    );
    assert_eq!(
        session_events(&mut world, nodes[2]).last(),
        Some(&SessionEvent::MemberLeft { member: victim, name, reason: LeaveReason::Kicked })
    );
}

#[test]
fn a_late_joiner_gets_everything_there_is() {
    let registry = registry();
    let (mut world, nodes) = session(9, 2, foul(), &registry);
    for i in 0..500 {
        let node = nodes[i % 3];
        world.replicas(node).add(Mover { energy: u32::try_from(i).unwrap(), ..Mover::default() }).unwrap();
    }
    world.run_for(Duration::from_secs(2));
    let late = world.join(nodes[0], NodeConfig::new(registry)).unwrap();
    let done = world.run_until(Duration::from_secs(3), |world| world.replicas(late).len() == 500 && world.agree());
    assert!(done.is_some());
}

#[test]
fn a_replica_cannot_be_added_before_joining() {
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry())).unwrap();
    let client = world.join(host, NodeConfig::new(registry())).unwrap();
    let early = world.replicas(client).add(Journal::default());
    assert_eq!(early, Err(gridmate_runtime::replica::AddError::NotInSession));
}

#[test]
fn a_program_that_joins_late_in_its_life_has_all_the_time_there_is() {
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry())).unwrap();
    world.run_for(Duration::from_secs(60));
    let client = world.join(host, NodeConfig::new(registry())).unwrap();
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.node(client).local_member(), MemberId(2));
}

#[test]
fn seventy_thousand_ends_in_one_tick_are_survived() {
    let (mut world, nodes) = session(1, 1, LinkConfig::perfect(), &registry());
    let ids: Vec<_> = (0..70_000).map(|_| world.replicas(nodes[0]).add(Gauge::default()).unwrap()).collect();
    let arrived = world.run_until(Duration::from_secs(30), |world| world.replicas(nodes[1]).len() == 70_000);
    assert!(arrived.is_some());
    for id in ids {
        world.replicas(nodes[0]).destroy(id).unwrap();
    }
    let gone = world.run_until(Duration::from_secs(30), |world| world.replicas(nodes[1]).is_empty());
    assert!(gone.is_some());
    assert_eq!(world.node(nodes[1]).members().count(), 2);
}

#[test]
fn thousands_of_calls_in_one_tick_are_no_fault() {
    let (mut world, nodes) = session(1, 1, LinkConfig::perfect(), &registry());
    let journal = world.replicas(nodes[0]).add(Journal::default()).unwrap();
    world.run_for(Duration::from_secs(1));
    for number in 0..20_000 {
        world.replicas(nodes[0]).primary_mut::<Journal>(journal).unwrap().rpcs().hint(number).unwrap();
        world.replicas(nodes[0]).primary_mut::<Journal>(journal).unwrap().rpcs().note(number).unwrap();
    }
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.node(nodes[0]).members().count(), 2);
    let there = world.replicas(nodes[1]).get::<Journal>(journal).unwrap();
    assert_eq!(there.calls.len(), 20_000);
    assert_eq!(there.hints.len(), 20_000);
}

#[test]
fn two_who_leave_at_once_have_both_just_left() {
    let (mut world, nodes) = session(3, 3, LinkConfig::perfect(), &registry());
    let mover = world.replicas(nodes[2]).add(Mover::default()).unwrap();
    world.run_for(Duration::from_secs(1));
    session_events(&mut world, nodes[0]);
    let now = world.now();
    world.node(nodes[1]).leave(now);
    world.replicas(nodes[2]).primary_mut::<Mover>(mover).unwrap().energy = 3;
    world.node(nodes[3]).leave(now);
    world.run_for(Duration::from_millis(500));
    let reasons: Vec<_> = session_events(&mut world, nodes[0])
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::MemberLeft { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [LeaveReason::Left, LeaveReason::Left]);
}

#[test]
fn who_only_says_hello_keeps_nobody_out() {
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry()).max_members(2)).unwrap();
    // Says hello and never hears the answer, as if the address it gave were forged.
    let ghost = world.join(host, NodeConfig::new(registry())).unwrap();
    world.step();
    world.crash(ghost);
    world.step();
    let client = world.join(host, NodeConfig::new(registry())).unwrap();
    world.run_for(Duration::from_secs(2));
    assert_ne!(world.node(client).local_member(), MemberId::NONE);
}

/// Thresholds that are set end a connection on time, with their own reason; without them it lasts.
#[test]
fn a_line_that_is_too_slow_or_loses_too_much_is_given_up_if_it_was_so_agreed() {
    let slow = LinkConfig { latency: Duration::from_millis(400), ..LinkConfig::default() };
    let bad = LinkConfig { latency: Duration::from_millis(20), loss: 0.5, ..LinkConfig::default() };
    for (link, reason) in [(slow, LeaveReason::Latency), (bad, LeaveReason::Loss)] {
        for strict in [true, false] {
            let good = LinkConfig { latency: Duration::from_millis(20), ..LinkConfig::default() };
            let mut world = World::new(7, 60, good).unwrap();
            let config = || {
                let config = NodeConfig::new(registry()).timeout(Duration::from_secs(20));
                if strict { config.max_rtt(Duration::from_millis(300)).max_loss(0.25) } else { config }
            };
            let host = world.host(config()).unwrap();
            let client = world.join(host, NodeConfig::new(registry()).timeout(Duration::from_secs(20))).unwrap();
            let gauge = world.replicas(host).add(Gauge::default()).unwrap();
            world.run_for(Duration::from_secs(2));
            events(&mut world, host);
            assert_eq!(world.node(host).members().count(), 2, "{client:?}");
            world.set_link(link).unwrap();
            let mut left = None;
            for _ in 0..60 * 8 {
                world.replicas(host).primary_mut::<Gauge>(gauge).unwrap().level ^= 1;
                world.step();
                left = left.or_else(|| {
                    session_events(&mut world, host).into_iter().find_map(|event| match event {
                        SessionEvent::MemberLeft { reason, .. } => Some(reason),
                        _ => None,
                    })
                });
            }
            assert_eq!(left, strict.then_some(reason), "{link:?}");
        }
    }
}
