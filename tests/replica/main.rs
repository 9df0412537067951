//! The replica manager without a carrier: life, values, calls, loss.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerRole;
use gridmate_tests::chunks::{Gauge, Journal, Mover, registry};
use gridmate_tests::mesh::{Mesh, Weather};

const FAIR: Weather = Weather { loss: 0.0, late: 0.0 };
const FOUL: Weather = Weather { loss: 0.3, late: 0.3 };

#[test]
fn a_replica_appears_changes_and_vanishes_everywhere() {
    let mut mesh = Mesh::new(&registry(), 2, 1, FAIR);
    let id = mesh.managers[1].add(Mover { energy: 7, label: "one".into(), local: 9, ..Mover::default() }).unwrap();
    mesh.run(10);
    for manager in &mesh.managers {
        assert_eq!(manager.get::<Mover>(id).unwrap().energy, 7);
        assert_eq!(manager.info(id).unwrap().owner, MemberId(2));
    }
    assert_eq!(mesh.managers[2].get::<Mover>(id).unwrap().local, 0, "skipped fields stay at home");
    mesh.managers[1].primary_mut::<Mover>(id).unwrap().position = 2.71432;
    mesh.run(10);
    assert!((mesh.managers[2].get::<Mover>(id).unwrap().position - 2.71).abs() < 1e-5, "quantised on the way");
    assert!(mesh.agree());
    mesh.managers[1].destroy(id).unwrap();
    assert_eq!(mesh.managers[1].get::<Mover>(id), Err(ReplicaError::Unknown(id)));
    mesh.run(10);
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn ownership_is_a_type() {
    let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
    let id = mesh.managers[0].add(Gauge::default()).unwrap();
    mesh.run(5);
    assert_eq!(mesh.managers[1].primary_mut::<Gauge>(id).map(|_| ()), Err(ReplicaError::NotPrimary(id)));
    assert_eq!(mesh.managers[0].proxy::<Gauge>(id).map(|_| ()), Err(ReplicaError::NotProxy(id)));
    assert_eq!(mesh.managers[1].get::<Mover>(id), Err(ReplicaError::NoSuchChunk(id)));
    assert_eq!(mesh.managers[1].destroy(id), Err(ReplicaError::NotPrimary(id)));
}

#[test]
fn idle_sends_nothing_and_a_change_is_repeated_until_acknowledged() {
    let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    mesh.run(20);
    let before = mesh.messages;
    mesh.run(50);
    assert_eq!(mesh.messages, before, "idle is free");
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().position += 0.000_1;
    mesh.run(5);
    assert_eq!(mesh.messages, before, "noise below a step is no change");
    mesh.weather.loss = 1.0;
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().position += 1.0;
    mesh.run(50);
    assert!(mesh.messages > before + 2, "repeated while it is lost");
    mesh.weather.loss = 0.0;
    mesh.run(30);
    assert!(mesh.agree());
    let settled = mesh.messages;
    mesh.run(50);
    assert_eq!(mesh.messages, settled);
}

#[test]
fn there_and_back_within_a_tick_sends_nothing_and_a_value_held_for_one_tick_arrives_in_its_final_state() {
    let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
    let id = mesh.managers[0].add(Mover::default()).unwrap();
    mesh.run(20);
    let before = mesh.messages;
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 1;
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 0;
    mesh.run(5);
    assert_eq!(mesh.messages, before);
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 1;
    mesh.step();
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().energy = 0;
    mesh.run(20);
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().energy, 0);
    assert!(mesh.agree());
}

#[test]
fn defaults_cost_no_dataset_bytes() {
    let bytes = |chunk: Mover| {
        let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
        mesh.managers[0].add(chunk).unwrap();
        mesh.run(1);
        assert_eq!(mesh.messages, 1);
        mesh.bytes
    };
    let empty = bytes(Mover::default());
    assert!(empty <= 7, "a tick, an id, a type: {empty} bytes");
    assert!(bytes(Mover { energy: 1 << 31, ..Mover::default() }) >= empty + 4);
}

#[test]
fn peers_on_one_baseline_share_an_encoding() {
    let mut mesh = Mesh::new(&registry(), 16, 1, FAIR);
    let ids: Vec<_> = (0..50).map(|_| mesh.managers[0].add(Mover::default()).unwrap()).collect();
    mesh.run(20);
    let before = mesh.managers[0].stats();
    for id in &ids {
        mesh.managers[0].primary_mut::<Mover>(*id).unwrap().energy += 1;
    }
    mesh.step();
    let after = mesh.managers[0].stats();
    assert_eq!(after.records_sent - before.records_sent, 50 * 16);
    assert_eq!(after.encodings - before.encodings, 50);
}

#[test]
fn a_change_handler_hears_of_the_newest_value_once_and_never_on_the_primary() {
    let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
    let id = mesh.managers[0].add(Gauge { level: 1, ..Gauge::default() }).unwrap();
    mesh.run(5);
    for level in 2..=10 {
        mesh.managers[0].primary_mut::<Gauge>(id).unwrap().level = level;
        mesh.step();
    }
    mesh.managers[0].primary_mut::<Gauge>(id).unwrap().noise = 9;
    mesh.run(10);
    assert_eq!(mesh.managers[1].get::<Gauge>(id).unwrap().seen, (1..=10).collect::<Vec<_>>());
    assert_eq!(mesh.managers[0].get::<Gauge>(id).unwrap().seen, []);
}

#[test]
fn several_chunks_live_and_die_as_one() {
    let mut mesh = Mesh::new(&registry(), 2, 3, FOUL);
    let id = mesh.managers[1]
        .spawn()
        .with(Mover { energy: 1, ..Mover::default() })
        .with(Gauge { level: 2, ..Gauge::default() })
        .add()
        .unwrap();
    for i in 0..60 {
        if i % 3 == 0 {
            mesh.managers[1].primary_mut::<Mover>(id).unwrap().energy += 1;
        }
        if i % 7 == 0 {
            mesh.managers[1].primary_mut::<Gauge>(id).unwrap().level += 1;
        }
        mesh.step();
    }
    mesh.run(60);
    assert!(mesh.agree());
    assert_eq!(mesh.managers[2].get::<Mover>(id).unwrap().energy, 21);
    assert_eq!(mesh.managers[2].get::<Gauge>(id).unwrap().level, 11);
    mesh.managers[1].destroy(id).unwrap();
    mesh.run(60);
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn calls_run_where_they_should_with_their_true_source() {
    // Caller is owner or proxy × handler says propagate or stop, the owner being the host or a client.
    for owner in [0, 1] {
        for caller in [0, 1, 2] {
            let mut mesh = Mesh::new(&registry(), 2, 5, FAIR);
            let id = mesh.managers[owner].add(Journal::default()).unwrap();
            mesh.run(10);
            let source = mesh.managers[caller].local_member();
            if caller == owner {
                mesh.managers[caller].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
                mesh.managers[caller].primary_mut::<Journal>(id).unwrap().rpcs().ask(2).unwrap();
            } else {
                mesh.managers[caller].proxy::<Journal>(id).unwrap().rpcs().note(1).unwrap();
                mesh.managers[caller].proxy::<Journal>(id).unwrap().rpcs().ask(2).unwrap();
            }
            mesh.run(60);
            for (node, manager) in mesh.managers.iter().enumerate() {
                let expected = if node == owner { vec![(source, 1), (source, 2)] } else { vec![(source, 1)] };
                assert_eq!(
                    manager.get::<Journal>(id).unwrap().calls,
                    expected,
                    "owner {owner}, caller {caller}, node {node}"
                );
            }
        }
    }
}

#[test]
fn who_may_call_is_checked_at_both_ends() {
    let mut mesh = Mesh::new(&registry(), 2, 5, FAIR);
    let id = mesh.managers[0].add(Journal::default()).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].proxy::<Journal>(id).unwrap().rpcs().steer(1), Err(RpcError::OwnerOnly));
    assert_eq!(mesh.managers[1].proxy::<Journal>(id).unwrap().rpcs().declare(1), Err(RpcError::AuthorityOnly));
    mesh.managers[0].assign(id, MemberId(2)).unwrap();
    mesh.run(10);
    mesh.managers[1].proxy::<Journal>(id).unwrap().rpcs().steer(2).unwrap();
    assert_eq!(mesh.managers[2].proxy::<Journal>(id).unwrap().rpcs().steer(3), Err(RpcError::OwnerOnly));
    mesh.run(30);
    assert_eq!(mesh.managers[0].get::<Journal>(id).unwrap().calls, [(MemberId(2), 2)]);
    // Taken away while a call is under way: the receiver decides.
    mesh.managers[1].proxy::<Journal>(id).unwrap().rpcs().steer(4).unwrap();
    mesh.managers[0].assign(id, MemberId::HOST).unwrap();
    mesh.run(30);
    assert_eq!(mesh.managers[0].get::<Journal>(id).unwrap().calls.len(), 1);
    assert_eq!(mesh.managers[0].stats().rpcs_dropped, 1);
}

#[test]
fn a_call_finds_the_values_it_was_made_with() {
    for seed in 0..50 {
        let mut mesh = Mesh::new(&registry(), 3, seed, FOUL);
        let id = mesh.managers[1].add(Journal::default()).unwrap();
        for number in 1..=40 {
            let mut journal = mesh.managers[1].primary_mut::<Journal>(id).unwrap();
            journal.version = number;
            journal.rpcs().note(number).unwrap();
            mesh.step();
        }
        mesh.run(150);
        for manager in &mesh.managers {
            let journal = manager.get::<Journal>(id).unwrap();
            assert_eq!(journal.calls, (1..=40).map(|n| (MemberId(2), n)).collect::<Vec<_>>(), "seed {seed}");
            assert!(journal.versions.iter().zip(1..).all(|(seen, made)| *seen >= made), "seed {seed}");
        }
    }
}

#[test]
fn the_call_that_destroys_runs_everywhere_and_none_after_it() {
    for seed in 0..50 {
        let mut mesh = Mesh::new(&registry(), 2, seed, FOUL);
        let id = mesh.managers[1].add(Journal::default()).unwrap();
        mesh.run(60);
        mesh.managers[1].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
        mesh.managers[1].primary_mut::<Journal>(id).unwrap().rpcs().perish().unwrap();
        mesh.managers[1].primary_mut::<Journal>(id).unwrap().rpcs().note(2).unwrap();
        let ran = |m: &ReplicaManager| m.stats().rpcs_run;
        let before = [ran(&mesh.managers[0]), ran(&mesh.managers[2])];
        mesh.run(100);
        assert!(mesh.managers.iter().all(|m| m.is_empty()), "seed {seed}");
        assert_eq!([ran(&mesh.managers[0]) - before[0], ran(&mesh.managers[2]) - before[1]], [2, 2], "seed {seed}");
    }
}

#[test]
fn created_and_destroyed_in_one_tick_sends_nothing() {
    let mut mesh = Mesh::new(&registry(), 2, 1, FAIR);
    let id = mesh.managers[0].add(Journal::default()).unwrap();
    mesh.managers[0].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
    mesh.managers[0].destroy(id).unwrap();
    mesh.run(30);
    assert_eq!(mesh.messages, 0);
    assert!(mesh.managers.iter().all(|m| m.is_empty()));
}

#[test]
fn storms_of_everything_end_in_agreement() {
    for seed in 0..150 {
        let mut mesh = Mesh::new(&registry(), 4, seed, FOUL);
        let mut rng = gridmate_runtime::Rng::new(seed ^ 0xABCD);
        let mut owned: Vec<(usize, ReplicaId)> = Vec::new();
        for tick in 0..120 {
            for node in 0..5 {
                if rng.chance(0.15) {
                    let mover = Mover {
                        energy: rng.next_u32() >> 8,
                        label: "x".repeat(usize::try_from(rng.below(40)).unwrap()),
                        ..Mover::default()
                    };
                    owned.push((node, mesh.managers[node].add(mover).unwrap()));
                }
            }
            for _ in 0..6 {
                if owned.is_empty() {
                    continue;
                }
                let at = usize::try_from(rng.below(owned.len() as u64)).unwrap();
                let (node, id) = owned[at];
                if rng.chance(0.1) {
                    mesh.managers[node].destroy(id).unwrap();
                    owned.swap_remove(at);
                } else {
                    let mut mover = mesh.managers[node].primary_mut::<Mover>(id).unwrap();
                    #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
                    {
                        mover.position = (rng.unit() * 200.0 - 100.0) as f32;
                    }
                    mover.energy ^= 1 << rng.below(32);
                }
            }
            if tick == 60 {
                mesh.managers.push(ReplicaManager::new(registry(), seed));
                mesh.peers.push(Default::default());
                mesh.join(5);
            }
            mesh.step();
        }
        mesh.run(200);
        let counts: Vec<_> = mesh.managers.iter().map(|m| m.len()).collect();
        assert!(mesh.agree(), "seed {seed}: {counts:?}");
        assert_eq!(mesh.managers[5].len(), owned.len());
    }
}

#[test]
fn the_lost_owners_replicas_vanish_or_are_adopted() {
    let mut mesh = Mesh::new(&registry(), 2, 1, FAIR);
    let kept = mesh.managers[1].add(Mover { energy: 5, ..Mover::default() }).unwrap();
    let lost = mesh.managers[1].add(Gauge::default()).unwrap();
    mesh.run(10);
    let gone = mesh.peers[0].remove(&1).unwrap();
    mesh.peers[1].clear();
    mesh.managers[0].remove_peer(gone, true);
    mesh.managers[0].primary_mut::<Mover>(kept).unwrap().energy = 6;
    mesh.run(20);
    for node in [0, 2] {
        assert_eq!(mesh.managers[node].get::<Mover>(kept).unwrap().energy, 6);
        assert_eq!(mesh.managers[node].info(kept).unwrap().owner, MemberId::HOST);
        assert_eq!(mesh.managers[node].get::<Gauge>(lost), Err(ReplicaError::Unknown(lost)));
    }
}

#[test]
fn a_peer_cannot_touch_what_is_not_its_own() {
    // A client that claims another's replica by sending what only its owner may send.
    let mut mesh = Mesh::new(&registry(), 2, 1, FAIR);
    let id = mesh.managers[1].add(Mover { energy: 1, ..Mover::default() }).unwrap();
    mesh.run(10);
    let mut thief = ReplicaManager::new(registry(), 9);
    thief.set_local_member(MemberId(2)); // Whose first replica has the same id.
    let host = thief.add_peer(MemberId::HOST, PeerRole::Host);
    let stolen = thief.add(Mover { energy: 666, ..Mover::default() }).unwrap();
    assert_eq!(stolen, id);
    thief.prepare();
    let mut bytes = Vec::new();
    let _ = thief.marshal(host, 1_100, &mut bytes).unwrap();
    let through = mesh.peers[0][&2];
    assert!(mesh.managers[0].handle_state(through, 1_000, &bytes).is_err());
    mesh.run(20);
    assert_eq!(mesh.managers[0].get::<Mover>(id).unwrap().energy, 1);
    assert!(mesh.agree());
}

#[test]
fn what_cannot_be_sent_is_said_and_holds_up_no_calls() {
    let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
    let id = mesh.managers[0].spawn().with(Mover::default()).with(Journal::default()).add().unwrap();
    mesh.run(10);
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().label = "x".repeat(40_000);
    mesh.step();
    let event = mesh.managers[0].poll_event();
    assert!(matches!(event, Some(ReplicaEvent::TooLarge { id: of, bytes }) if of == id && bytes > 40_000), "{event:?}");
    for number in 0..10 {
        mesh.managers[0].primary_mut::<Journal>(id).unwrap().version = number;
        mesh.step();
        mesh.managers[0].primary_mut::<Journal>(id).unwrap().rpcs().note(number).unwrap();
        mesh.step();
    }
    // A call made in the very tick in which the state grew too large waits for it, but not for ever.
    mesh.run(340);
    assert_eq!(mesh.managers[1].get::<Journal>(id).unwrap().calls.len(), 10);
    assert_eq!(mesh.managers[1].get::<Mover>(id).unwrap().label, "");
    mesh.managers[0].primary_mut::<Mover>(id).unwrap().label = "short again".to_owned();
    mesh.run(20);
    assert!(mesh.agree());
}

#[test]
fn arguments_have_limits_and_breaking_one_is_an_error_at_the_caller() {
    #[derive(Default, ReplicaChunk)]
    struct Chatter {
        lines: u32,
    }

    #[rpcs]
    impl Chatter {
        #[rpc]
        fn say(&mut self, _ctx: &RpcContext, line: String) {
            self.lines += u32::try_from(line.len()).unwrap();
        }

        #[rpc(unreliable)]
        fn mutter(&mut self, _ctx: &RpcContext, line: String) {
            self.lines += u32::try_from(line.len()).unwrap();
        }
    }

    let registry = Registry::builder().chunk::<Chatter>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 1, 1, FAIR);
    let id = mesh.managers[0].add(Chatter::default()).unwrap();
    mesh.run(10);
    let mut proxy = mesh.managers[1].proxy::<Chatter>(id).unwrap();
    assert_eq!(proxy.rpcs().say("x".repeat(9_000)), Err(RpcError::TooLarge { limit: 8_192 }));
    assert_eq!(proxy.rpcs().mutter("x".repeat(1_100)), Err(RpcError::TooLarge { limit: 1_024 }));
    proxy.rpcs().say("x".repeat(8_000)).unwrap();
    proxy.rpcs().mutter("x".repeat(1_000)).unwrap();
    mesh.run(60);
    assert_eq!(mesh.managers[0].get::<Chatter>(id).unwrap().lines, 9_000);
}

#[test]
fn assigning_to_nobody_is_assigning_to_the_owner() {
    let mut mesh = Mesh::new(&registry(), 1, 1, FAIR);
    let id = mesh.managers[0].spawn().with(Gauge::default()).assign(MemberId::NONE).add().unwrap();
    mesh.run(10);
    mesh.managers[0].assign(id, MemberId(2)).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].info(id).unwrap().assigned, MemberId(2));
    mesh.managers[0].assign(id, MemberId::NONE).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].info(id).unwrap().assigned, MemberId::HOST);
}

#[test]
fn what_matters_most_is_sent_first() {
    macro_rules! of_priority {
        ($($name:ident $level:expr),*) => {$(
            #[derive(Default, ReplicaChunk)]
            #[chunk(priority = $level)]
            struct $name {
                filler: u64,
            }
        )*};
    }
    of_priority!(Low Priority::LOW, Normal Priority::NORMAL, High Priority::HIGH);
    let registry = Registry::builder().chunk::<Low>().chunk::<Normal>().chunk::<High>().build().unwrap();
    let mut host = ReplicaManager::new(registry.clone(), 1);
    let mut client = ReplicaManager::new(registry, 2);
    client.set_local_member(MemberId(2));
    let (to, from) = (host.add_peer(MemberId(2), PeerRole::Client), client.add_peer(MemberId::HOST, PeerRole::Host));
    for filler in 1..=20 {
        host.add(Low { filler }).unwrap();
    }
    for filler in 1..=20 {
        host.add(Normal { filler }).unwrap();
        host.add(High { filler }).unwrap();
    }
    host.prepare();
    let mut bytes = Vec::new();
    let mut arrived = Vec::new();
    for order in 0.. {
        let Some(_) = host.marshal(to, 100, &mut bytes) else { break };
        let _ = client.handle_state(from, order, &bytes).unwrap();
        arrived.push((client.iter::<High>().count(), client.iter::<Normal>().count(), client.iter::<Low>().count()));
    }
    assert_eq!(arrived.last(), Some(&(20, 20, 20)));
    assert!(arrived.iter().all(|(high, normal, low)| (*normal == 0 || *high == 20) && (*low == 0 || *normal == 20)));
}
