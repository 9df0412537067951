//! Members that reach each other directly, beside clients that reach the host alone: who sends what to whom.

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_tests::chunks::{Journal, Mover, registry_with};
use gridmate_tests::mesh::{Mesh, Weather};

/// A host, three mesh members (1 to 3), and two clients (4 and 5), each with a mover.
fn movers(seed: u64, weather: Weather) -> (Mesh, Vec<ReplicaId>) {
    let coder = [Coder::Packed, Coder::Entropy][usize::from(seed % 2 == 1)];
    let mut mesh = Mesh::hybrid(&registry_with(coder), 3, 2, seed, weather);
    let ids = (0..6).map(|node| mesh.managers[node].add(Mover::default()).unwrap()).collect();
    mesh.settle();
    (mesh, ids)
}

/// Those who are sent anything while these nodes write, by sender and receiver.
fn traffic(mesh: &mut Mesh, writers: &[usize], ids: &[ReplicaId]) -> Vec<(usize, usize)> {
    mesh.overheard = Some(Vec::new());
    for energy in 1..30 {
        for &node in writers {
            mesh.managers[node].primary_mut::<Mover>(ids[node]).unwrap().energy += energy;
        }
        mesh.step();
    }
    mesh.settle();
    let mut pairs: Vec<_> = mesh.overheard.take().unwrap().into_iter().map(|(from, to, _)| (from, to)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

#[test]
fn a_host_passes_on_what_its_receivers_do_not_get_themselves() {
    for seed in 0..2 {
        let (mut mesh, ids) = movers(seed, Weather::FAIR);
        assert!(mesh.agree());
        // What mesh members own goes among them, and through the host to clients.
        let direct = |from: usize| (0..4).filter(move |to| *to != from).map(move |to| (from, to));
        let mut expected: Vec<_> = (1..4).flat_map(direct).chain([(0, 4), (0, 5)]).collect();
        expected.sort_unstable();
        assert_eq!(traffic(&mut mesh, &[1, 2, 3], &ids), expected);
        // What a client owns goes through the host to everyone.
        assert_eq!(traffic(&mut mesh, &[4], &ids), [(0, 1), (0, 2), (0, 3), (0, 5), (4, 0)]);
        assert_eq!(traffic(&mut mesh, &[0], &ids), [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
        assert!(mesh.agree());
    }
}

#[test]
fn records_are_passed_on_once_to_each_client_and_to_nobody_else() {
    let (mut mesh, ids) = movers(0, Weather::FAIR);
    let before = mesh.managers[0].stats();
    for energy in 1..=20 {
        mesh.managers[1].primary_mut::<Mover>(ids[1]).unwrap().energy = energy;
        mesh.step();
    }
    mesh.settle();
    let sent = mesh.managers[0].stats().records_sent - before.records_sent;
    // The first times it is said again, because nobody can have answered.
    assert!((40..=100).contains(&sent), "{sent} records for twenty changes and two clients");
    assert_eq!(
        mesh.managers[2].stats().records_sent,
        mesh.managers[3].stats().records_sent,
        "and they pass nothing on"
    );
}

#[test]
fn everyone_agrees_on_foul_networks() {
    for seed in 0..200 {
        let (mut mesh, ids) = movers(seed, Weather::FOUL);
        for number in 1..=30_u16 {
            for (node, id) in ids.iter().enumerate() {
                if (usize::from(number) + node).is_multiple_of(3) {
                    let mut mover = mesh.managers[node].primary_mut::<Mover>(*id).unwrap();
                    (mover.position, mover.energy) = (f32::from(number), u32::from(number));
                }
            }
            mesh.step();
            if number == 30 {
                mesh.managers[1].destroy(ids[1]).unwrap();
                mesh.managers[4].destroy(ids[4]).unwrap();
                mesh.managers[2].add(Mover::default()).unwrap();
            }
        }
        mesh.settle();
        assert!(mesh.agree(), "seed {seed}");
        assert!(mesh.managers.iter().all(|manager| manager.len() == 5));
    }
}

#[test]
fn calls_of_everyone_on_everything_run_where_they_should_once() {
    for seed in 0..6 {
        let weather = [Weather::FAIR, Weather::FOUL][usize::from(seed > 1)];
        let coder = [Coder::Packed, Coder::Entropy][usize::from(seed % 2 == 1)];
        for owner in 0..6 {
            let mut mesh = Mesh::hybrid(&registry_with(coder), 3, 2, seed, weather);
            let id = mesh.managers[owner].add(Journal::default()).unwrap();
            mesh.settle();
            mesh.overheard = Some(Vec::new());
            let sources: Vec<_> = mesh.managers.iter().map(ReplicaManager::local_member).collect();
            for (caller, member) in sources.iter().enumerate() {
                let manager = &mut mesh.managers[caller];
                if caller == owner {
                    let mut journal = manager.primary_mut::<Journal>(id).unwrap();
                    journal.version += 1;
                    journal.rpcs().note(member.0).unwrap();
                    journal.rpcs().ask(100 + member.0).unwrap();
                } else {
                    manager.proxy::<Journal>(id).unwrap().rpcs().note(member.0).unwrap();
                    manager.proxy::<Journal>(id).unwrap().rpcs().ask(100 + member.0).unwrap();
                }
            }
            mesh.settle();
            for node in 0..6 {
                let mut ran = mesh.managers[node].get::<Journal>(id).unwrap().calls.clone();
                ran.sort_unstable();
                let mut expected: Vec<_> = sources.iter().map(|member| (*member, member.0)).collect();
                if node == owner {
                    expected.extend(sources.iter().map(|member| (*member, 100 + member.0)));
                    expected.sort_unstable();
                }
                assert_eq!(ran, expected, "seed {seed}, owner {owner}, node {node}");
                let journal = mesh.managers[node].get::<Journal>(id).unwrap();
                assert!(journal.versions.iter().all(|version| *version == 1), "not before the values it was made with");
            }
            // No call on what a mesh member owns goes through the host to another.
            let pairs = mesh.overheard.take().unwrap();
            if (1..4).contains(&owner) {
                assert!(pairs.iter().all(|(from, to, _)| *from != 0 || *to == owner || *to > 3), "owner {owner}");
            }
        }
    }
}

#[test]
fn the_last_call_and_the_end_come_to_everyone() {
    for seed in 0..20 {
        for owner in 0..6 {
            let (mut mesh, _) = movers(seed, Weather::FOUL);
            let id = mesh.managers[owner].add(Journal::default()).unwrap();
            mesh.settle();
            for number in 0..5 {
                let mut journal = mesh.managers[owner].primary_mut::<Journal>(id).unwrap();
                journal.version = number;
                journal.rpcs().note(number).unwrap();
            }
            mesh.managers[owner].primary_mut::<Journal>(id).unwrap().rpcs().perish().unwrap();
            let before: u64 = mesh.managers.iter().map(|manager| manager.stats().rpcs_run).sum();
            mesh.settle();
            mesh.run(20);
            assert!(mesh.managers.iter().all(|manager| manager.info(id).is_none()), "seed {seed}, owner {owner}");
            let after: u64 = mesh.managers.iter().map(|manager| manager.stats().rpcs_run).sum();
            assert_eq!(after - before, 5 * 6, "seed {seed}, owner {owner}: five others, six calls");
        }
    }
}

#[test]
fn names_come_from_the_owner_and_through_the_host_to_clients() {
    let (mut mesh, ids) = movers(0, Weather::FAIR);
    mesh.managers.iter_mut().for_each(ReplicaManager::share_names);
    mesh.run(30);
    mesh.overheard = Some(Vec::new());
    for (node, id) in ids.iter().enumerate() {
        mesh.managers[node].set_name(*id, &format!("mover {node}")).unwrap();
    }
    mesh.run(30);
    for (node, id) in ids.iter().enumerate() {
        let name = format!("mover {node}");
        assert!(mesh.managers.iter().all(|manager| manager.name(*id) == Some(&name)), "{name}");
    }
    let words = mesh.overheard.take().unwrap();
    // Of six names, each node is told five, once.
    for node in 0..6 {
        assert_eq!(words.iter().filter(|(_, to, _)| *to == node).count(), 5, "to {node}");
    }
}

#[test]
fn newcomers_hear_from_the_host_what_it_has_sent_them() {
    let (mut mesh, _) = movers(1, Weather::FAIR);
    let newcomer = mesh.join_mesh();
    mesh.settle();
    assert!(mesh.agree());
    let events: Vec<_> = core::iter::from_fn(|| mesh.managers[newcomer].poll_event()).collect();
    // Its own and the clients'.
    assert!(events.contains(&ReplicaEvent::Synced { from: MemberId::HOST, total: 3 }), "{events:?}");
}
