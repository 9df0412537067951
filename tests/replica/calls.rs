//! Where calls run, when, in which order, and with which values.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::Verdict;
use gridmate_tests::chunks::{Journal, Mover, Vital, registry};
use gridmate_tests::forge;
use gridmate_tests::mesh::{Mesh, Weather};

#[test]
fn replication_scenario_04_who_calls_and_what_the_handler_says_decide_where_a_call_runs() {
    // Caller is owner or proxy × handler says propagate or stop, the owner being the host or a client.
    for owner in [0, 1] {
        for caller in [0, 1, 2] {
            let mut mesh = Mesh::new(&registry(), 2, 5, Weather::FAIR);
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
    let mut mesh = Mesh::new(&registry(), 2, 5, Weather::FAIR);
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
        let mut mesh = Mesh::new(&registry(), 3, seed, Weather::FOUL);
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
fn replication_scenario_05a_the_call_that_destroys_runs_everywhere_and_none_after_it() {
    for seed in 0..50 {
        let mut mesh = Mesh::new(&registry(), 2, seed, Weather::FOUL);
        let id = mesh.managers[1].add(Journal::default()).unwrap();
        mesh.run(60);
        mesh.managers[1].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
        mesh.managers[1].primary_mut::<Journal>(id).unwrap().rpcs().perish().unwrap();
        mesh.managers[1].primary_mut::<Journal>(id).unwrap().rpcs().note(2).unwrap();
        let here = &mesh.managers[1].get::<Journal>(id).unwrap().calls;
        assert_eq!(here.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, u32::MAX, 2], "each once");
        let ran = |m: &ReplicaManager| m.stats().rpcs_run;
        let before = [ran(&mesh.managers[0]), ran(&mesh.managers[2])];
        mesh.run(100);
        assert!(mesh.managers.iter().all(|m| m.is_empty()), "seed {seed}");
        assert_eq!([ran(&mesh.managers[0]) - before[0], ran(&mesh.managers[2]) - before[1]], [2, 2], "seed {seed}");
    }
}

#[test]
fn replication_scenario_05b_nothing_runs_anywhere_after_a_proxys_call_that_destroys() {
    for seed in 0..50 {
        let mut mesh = Mesh::new(&registry(), 2, seed, Weather::FOUL);
        let id = mesh.managers[1].add(Journal::default()).unwrap();
        mesh.run(60);
        let before: Vec<_> = mesh.managers.iter().map(|manager| manager.stats().rpcs_run).collect();
        mesh.managers[2].proxy::<Journal>(id).unwrap().rpcs().note(1).unwrap();
        mesh.managers[2].proxy::<Journal>(id).unwrap().rpcs().perish().unwrap();
        mesh.managers[2].proxy::<Journal>(id).unwrap().rpcs().note(2).unwrap();
        mesh.run(100);
        assert!(mesh.managers.iter().all(|manager| manager.is_empty()), "seed {seed}");
        let ran = mesh.managers.iter().zip(before).map(|(manager, before)| manager.stats().rpcs_run - before);
        assert_eq!(ran.collect::<Vec<_>>(), [2, 2, 2], "the first two, seed {seed}");
    }
}

#[test]
fn what_cannot_be_sent_is_said_and_holds_up_no_calls() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].spawn().with(Mover::default()).with(Journal::default()).add().unwrap();
    mesh.run(10);
    while mesh.managers[0].poll_event().is_some() {} // The client has come.
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
    mesh.run(20);
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
    let mut mesh = Mesh::new(&registry, 1, 1, Weather::FAIR);
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
fn a_proxy_follows_its_owner_whatever_a_handler_writes_there() {
    for owner in [0, 1] {
        let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
        let id = mesh.managers[owner].add(Vital { health: 100, ..Vital::default() }).unwrap();
        mesh.settle();
        mesh.managers[owner].primary_mut::<Vital>(id).unwrap().rpcs().damage(10).unwrap();
        mesh.managers[2].proxy::<Vital>(id).unwrap().rpcs().damage(5).unwrap();
        mesh.settle();
        for manager in &mesh.managers {
            assert_eq!(*manager.get::<Vital>(id).unwrap(), Vital { health: 85, ran: 2 });
        }
    }
}

#[test]
fn calls_on_one_replica_keep_their_order_though_only_some_wait_for_state() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Journal::default()).unwrap();
    let other = mesh.managers[0].add(Journal::default()).unwrap();
    mesh.settle();
    let mut journal = mesh.managers[0].primary_mut::<Journal>(id).unwrap();
    journal.version = 1;
    journal.rpcs().note(1).unwrap();
    journal.rpcs().jot(2).unwrap();
    mesh.managers[0].primary_mut::<Journal>(other).unwrap().rpcs().jot(3).unwrap();
    mesh.managers[0].prepare();
    // The calls arrive before the state does.
    for (_, call) in mesh.take_calls(0, 1) {
        mesh.give_call(0, 1, &call).unwrap();
    }
    assert_eq!(mesh.update(1), []);
    assert_eq!(mesh.managers[1].get::<Journal>(id).unwrap().calls, [], "the second waits because the first does");
    assert_eq!(mesh.managers[1].get::<Journal>(other).unwrap().calls, [(MemberId::HOST, 3)]);
    for (_, state) in mesh.take_state(0, 1) {
        assert_eq!(mesh.give_state(0, 1, &state), Ok(Verdict::Accepted));
    }
    assert_eq!(mesh.update(1), []);
    assert_eq!(mesh.managers[1].get::<Journal>(id).unwrap().calls, [(MemberId::HOST, 1), (MemberId::HOST, 2)]);
    assert_eq!(mesh.managers[1].get::<Journal>(id).unwrap().versions, [1, 1]);
}

#[test]
fn no_call_leaves_after_one_that_destroyed_and_stopped() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Vital::default()).unwrap();
    mesh.settle();
    mesh.managers[0].primary_mut::<Vital>(id).unwrap().rpcs().die().unwrap();
    mesh.managers[0].primary_mut::<Vital>(id).unwrap().rpcs().damage(1).unwrap();
    mesh.settle();
    let stats = mesh.managers[1].stats();
    assert_eq!((stats.rpcs_run, stats.rpcs_dropped), (0, 0));
    assert!(mesh.managers[1].is_empty());
}

#[test]
fn a_call_made_before_the_replica_came_here_runs_here() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = called_and_then_adopted(&mut mesh);
    assert_eq!(*mesh.managers[0].get::<Vital>(id).unwrap(), Vital { health: 95, ran: 1 });
    assert!(mesh.agree());
}

#[test]
fn a_call_made_before_the_replica_came_here_is_echoed() {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = called_and_then_adopted(&mut mesh);
    assert_eq!(*mesh.managers[2].get::<Vital>(id).unwrap(), Vital { health: 95, ran: 1 });
}

/// The host calls a client's replica and takes it over before the call has left.
fn called_and_then_adopted(mesh: &mut Mesh) -> ReplicaId {
    let id = mesh.managers[1].add(Vital { health: 100, ..Vital::default() }).unwrap();
    mesh.settle();
    mesh.managers[0].proxy::<Vital>(id).unwrap().rpcs().damage(5).unwrap();
    mesh.leave(1);
    mesh.settle();
    id
}

#[test]
fn a_proxys_call_that_comes_after_one_that_destroyed_runs_nowhere() {
    for owner in [0, 1] {
        let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
        let id = mesh.managers[owner].add(Journal::default()).unwrap();
        mesh.settle();
        mesh.managers[2].proxy::<Journal>(id).unwrap().rpcs().note(1).unwrap();
        // It is there in this tick, or the next.
        let ran = |mesh: &Mesh| mesh.managers.iter().map(|manager| manager.stats().rpcs_run).collect::<Vec<_>>();
        let arrived = |mesh: &Mesh| mesh.managers[owner].get::<Journal>(id).unwrap().calls.len() == 1;
        let mut ahead = Mesh::new(&registry(), 2, 1, Weather::FAIR);
        assert_eq!(ahead.managers[owner].add(Journal::default()).unwrap(), id);
        ahead.settle();
        ahead.managers[2].proxy::<Journal>(id).unwrap().rpcs().note(1).unwrap();
        let mut ticks = 0;
        while !arrived(&ahead) {
            ahead.step();
            ticks += 1;
        }
        mesh.run(ticks - 1);
        let before = ran(&mesh);
        mesh.managers[owner].primary_mut::<Journal>(id).unwrap().rpcs().perish().unwrap();
        mesh.settle();
        let mut expected = vec![1; 3];
        expected[owner] = 0; // What the program calls is not counted.
        let more: Vec<_> = ran(&mesh).iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(more, expected, "owner {owner}: that which destroys, and no other");
    }
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(migratable)]
struct Till {
    total: u32,
    /// `total` when a call had run.
    #[dataset(skip)]
    seen: Vec<u32>,
}

#[rpcs]
impl Till {
    #[rpc]
    fn pay(&mut self, ctx: &RpcContext, amount: u32) -> Propagate {
        if ctx.primary {
            self.total += amount;
        }
        self.seen.push(self.total);
        Propagate::ToProxies
    }
}

#[test]
fn an_echo_of_a_call_made_before_the_replica_came_here_finds_what_its_handler_wrote_here() {
    let mut mesh = Mesh::new(&Registry::builder().chunk::<Till>().build().unwrap(), 2, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Till::default()).unwrap();
    mesh.settle();
    for amount in [5, 2] {
        mesh.managers[0].proxy::<Till>(id).unwrap().rpcs().pay(amount).unwrap();
    }
    mesh.leave(1);
    mesh.managers[0].primary_mut::<Till>(id).unwrap().rpcs().pay(3).unwrap();
    mesh.settle();
    // The one that ran at once was the first; the others ran with the tick, and went out with what they made of it.
    assert_eq!(mesh.managers[0].get::<Till>(id).unwrap().seen, [3, 8, 10]);
    assert_eq!(mesh.managers[2].get::<Till>(id).unwrap().seen, [10, 10, 10]);
}

#[test]
fn calls_wait_ten_seconds_for_state_that_never_comes_and_are_then_dropped() {
    // What is too large to be sent even once has no proxies for a call to run on.
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let replica = mesh.managers[0].spawn().with(Journal::default());
    let id = replica.with(Mover { label: "x".repeat(17_000), ..Mover::default() }).add().unwrap();
    for number in 0..100 {
        mesh.managers[0].primary_mut::<Journal>(id).unwrap().rpcs().note(number).unwrap();
    }
    let dropped = |mesh: &Mesh| [1, 2].map(|node| mesh.managers[node].stats().rpcs_dropped);
    mesh.run(300);
    assert_eq!(dropped(&mesh), [0, 0]);
    mesh.run(30);
    assert_eq!(dropped(&mesh), [100, 100]);
}

#[test]
fn a_call_that_arrives_when_the_end_is_forgotten_does_not_wait_for_ever() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Journal::default()).unwrap();
    mesh.settle();
    mesh.managers[0].primary_mut::<Journal>(id).unwrap().rpcs().note(1).unwrap();
    mesh.managers[0].prepare();
    let (_, call) = mesh.take_calls(0, 1).remove(0);
    // An unreliable channel would do this to a call; a reliable one keeps the end waiting for it.
    let end = forge::state(1_000, |w| {
        forge::id(w, id.creator.0, id.serial);
        forge::end(w, None);
    });
    assert_eq!(mesh.give_state(0, 1, &end), Ok(Verdict::Accepted));
    assert_eq!(mesh.update(1), []);
    mesh.skip(0, 1, 2_000);
    assert_eq!(mesh.give_state(0, 1, &forge::state(1_001, |_| ())), Ok(Verdict::Accepted));
    mesh.give_call(0, 1, &call).unwrap();
    assert_eq!(mesh.update(1), []);
    mesh.tick += 310;
    assert_eq!(mesh.update(1), []);
    assert_eq!(mesh.managers[1].stats().rpcs_dropped, 1);
}

#[test]
fn a_joiner_runs_every_call_made_since_once_it_has_the_state() {
    // Room for few replicas in a tick, and calls on those that come last.
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather { budget: 1, bytes: 200, ..Weather::FAIR });
    let label = |i: u32| format!("replica number {i}, with some text in it");
    let add = |host: &mut ReplicaManager, i: u32| {
        host.spawn().with(Journal::default()).with(Mover { label: label(i), ..Mover::default() }).add().unwrap()
    };
    let ids: Vec<_> = (0..200).map(|i| add(&mut mesh.managers[0], i)).collect();
    mesh.settle();
    let late = mesh.join();
    for number in 0..40 {
        for id in ids.iter().rev().take(50) {
            mesh.managers[0].primary_mut::<Journal>(*id).unwrap().rpcs().note(number).unwrap();
        }
        mesh.step();
    }
    mesh.settle();
    mesh.run(5);
    for id in ids.iter().rev().take(50) {
        let all: Vec<_> = (0..40).map(|number| (MemberId::HOST, number)).collect();
        assert_eq!(mesh.managers[late].get::<Journal>(*id).unwrap().calls, all);
    }
}
