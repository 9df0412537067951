//! What a peer may not do, and where it ends what it may.

use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerFault, PeerRole, Verdict};
use gridmate_runtime::wire::WireError;
use gridmate_tests::chunks::{Journal, Mover, registry};
use gridmate_tests::forge::{self, DECLARE, NOTE, STEER, echo, request};
use gridmate_tests::mesh::{Mesh, Weather};

/// Class of `Gauge`, which has two datasets: the first by name.
const GAUGE: u32 = 0;

/// A mesh of a host and two clients with a journal that node `owner` owns, known to all.
fn journal(owner: usize) -> (Mesh, ReplicaId) {
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    let id = mesh.managers[owner].add(Journal::default()).unwrap();
    mesh.settle();
    (mesh, id)
}

/// What ran on a node's copy of a journal.
fn ran(mesh: &Mesh, node: usize, id: ReplicaId) -> &[(MemberId, u32)] {
    &mesh.managers[node].get::<Journal>(id).unwrap().calls
}

#[test]
fn replication_scenario_12a_a_peer_cannot_touch_what_is_not_its_own() {
    // A client that claims another's replica by sending what only its owner may send.
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
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
    assert_eq!(mesh.give_state(2, 0, &bytes), Err(PeerFault::NotOwner));
    mesh.run(20);
    assert_eq!(mesh.managers[0].get::<Mover>(id).unwrap().energy, 1);
    assert!(mesh.agree());
}

#[test]
fn a_client_names_itself_as_creator_and_as_owner_and_nobody_else() {
    let create = |creator, serial, owner| {
        forge::state(9, move |w| {
            forge::id(w, creator, serial);
            forge::full(w, owner, &[GAUGE]);
        })
    };
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    for (creator, owner) in [(3, 2), (1, 2), (2, 3), (2, 1), (3, 3), (1, 1)] {
        let stolen = mesh.give_state(1, 0, &create(creator, 77, owner));
        assert_eq!(stolen, Err(PeerFault::NotOwner), "created by {creator}, owned by {owner}");
    }
    assert!(mesh.managers[0].is_empty());
    assert_eq!(mesh.give_state(1, 0, &create(2, 77, 2)), Ok(Verdict::Accepted));
    assert_eq!(mesh.give_state(1, 0, &create(2, 77, 3)), Err(PeerFault::NotOwner), "given away");
    // The host speaks for all.
    assert_eq!(mesh.give_state(0, 1, &create(3, 77, 3)), Ok(Verdict::Accepted));
}

#[test]
fn replication_scenario_12b_who_may_call_is_checked_where_a_call_arrives() {
    // Client 1 has a node that does not check. The owner is the host; or client 2, and the host does not pass it on.
    for (owner, rpc) in [(0, STEER), (0, DECLARE), (2, STEER), (2, DECLARE)] {
        let (mut mesh, id) = journal(owner);
        mesh.give_call(1, 0, &request(id, rpc, None, 7)).unwrap();
        mesh.settle();
        assert_eq!(ran(&mesh, owner, id), [], "owner {owner}, call {rpc}");
        let stats = mesh.managers[0].stats();
        assert_eq!((stats.rpcs_dropped, stats.rpcs_forwarded), (1, 0), "owner {owner}, call {rpc}");
    }
    // Passed on by a host that does not check: the owner does.
    for rpc in [STEER, DECLARE] {
        let (mut mesh, id) = journal(2);
        mesh.give_call(0, 2, &request(id, rpc, Some(MemberId(2)), 7)).unwrap();
        mesh.settle();
        assert_eq!(ran(&mesh, 2, id), [], "call {rpc}");
    }
    // Assigned, it may steer, and no more.
    let (mut mesh, id) = journal(0);
    mesh.managers[0].assign(id, MemberId(2)).unwrap();
    for (rpc, number) in [(STEER, 1), (DECLARE, 2)] {
        mesh.give_call(1, 0, &request(id, rpc, None, number)).unwrap();
    }
    mesh.settle();
    assert_eq!(ran(&mesh, 0, id), [(MemberId(2), 1)]);
}

#[test]
fn replication_scenario_11b_only_a_host_names_whom_a_call_is_from() {
    let (mut mesh, id) = journal(2);
    for source in [1, 2, 3] {
        let call = request(id, NOTE, Some(MemberId(source)), 7);
        assert_eq!(mesh.give_call(1, 0, &call), Err(PeerFault::NotOwner), "source {source}");
    }
    mesh.give_call(0, 2, &request(id, NOTE, Some(MemberId(2)), 8)).unwrap();
    mesh.settle();
    assert_eq!(ran(&mesh, 2, id), [(MemberId(2), 8)]);
}

#[test]
fn a_call_is_not_sent_back_to_where_it_came_from() {
    let (mut mesh, id) = journal(1);
    mesh.give_call(1, 0, &request(id, NOTE, None, 7)).unwrap();
    mesh.settle();
    let stats = mesh.managers[0].stats();
    assert_eq!((stats.rpcs_dropped, stats.rpcs_forwarded), (1, 0));
    assert_eq!(ran(&mesh, 1, id), []);
}

#[test]
fn replication_scenario_12c_only_the_owner_echoes_and_only_the_owner_ends() {
    for owner in [0, 2] {
        let (mut mesh, id) = journal(owner);
        mesh.give_call(1, 0, &echo(id, NOTE, MemberId(2), None, 7)).unwrap();
        assert_eq!(mesh.update(0), [PeerFault::NotOwner], "owner {owner}");
        for serial in [id.serial, id.serial + 100] {
            let end = forge::state(9, |w| {
                forge::id(w, id.creator.0, serial);
                forge::end(w, None);
            });
            assert_eq!(mesh.give_state(1, 0, &end), Err(PeerFault::NotOwner), "owner {owner}, serial {serial}");
        }
        mesh.settle();
        assert!((0..3).all(|node| ran(&mesh, node, id).is_empty()), "owner {owner}");
    }
}

#[test]
fn an_id_is_used_once_however_long_ago_its_end_was() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Mover::default()).unwrap();
    mesh.settle();
    mesh.managers[1].destroy(id).unwrap();
    mesh.settle();
    mesh.skip(1, 0, 5_000);
    let again = forge::state(1_000, |w| {
        forge::id(w, id.creator.0, id.serial);
        forge::full(w, 2, &[GAUGE]);
    });
    assert_eq!(mesh.give_state(1, 0, &again), Err(PeerFault::IdReused));
    assert!(mesh.managers[0].is_empty());
}

#[test]
fn a_call_carries_its_arguments_and_nothing_behind_them() {
    let (mut mesh, id) = journal(0);
    let mut call = request(id, NOTE, None, 7);
    call.resize(limits::MESSAGE_BYTES, 0);
    assert_eq!(mesh.give_call(1, 0, &call), Err(WireError::TooLong.into()), "more than any call has");
    call.truncate(1_000);
    mesh.give_call(1, 0, &call).unwrap();
    assert!(matches!(mesh.update(0)[..], [PeerFault::Malformed(_)]), "more than this call has");
    mesh.managers[0].prepare();
    assert_eq!(mesh.take_calls(0, 2), [], "nobody else is told");
}

#[test]
fn a_replica_has_one_chunk_of_a_type() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    for classes in [[GAUGE; 2].as_slice(), &[GAUGE; 64], &[1_000]] {
        let message = forge::state(9, |w| {
            forge::id(w, 2, 1);
            forge::full(w, 2, classes);
        });
        assert_eq!(mesh.give_state(1, 0, &message), Err(PeerFault::NoSuchType));
    }
    assert!(mesh.managers[0].is_empty());
}

#[test]
fn a_client_owns_so_many_replicas_and_no_more_and_a_host_speaks_for_all() {
    let message = forge::state(9, |w| {
        for serial in 1..=u32::try_from(limits::REPLICAS_PER_MEMBER).unwrap() {
            if serial == 1 {
                forge::id(w, 2, serial)
            } else {
                forge::next_id(w)
            }
            forge::full(w, 2, &[GAUGE]);
        }
    });
    let one_more = |creator| {
        forge::state(9, move |w| {
            forge::id(w, creator, 1_000_000);
            forge::full(w, creator, &[GAUGE]);
        })
    };
    let mut mesh = Mesh::new(&registry(), 2, 1, Weather::FAIR);
    assert_eq!(mesh.give_state(1, 0, &message), Ok(Verdict::Accepted));
    assert_eq!(mesh.give_state(1, 0, &one_more(2)), Err(PeerFault::Limit("replicas")));
    assert_eq!(mesh.give_state(2, 0, &one_more(3)), Ok(Verdict::Accepted), "others have lost nothing");
    assert_eq!(mesh.managers[0].len(), limits::REPLICAS_PER_MEMBER + 1);
    assert_eq!(mesh.give_state(0, 2, &message), Ok(Verdict::Accepted));
    assert_eq!(mesh.give_state(0, 2, &one_more(2)), Ok(Verdict::Accepted));
}

#[test]
fn so_many_calls_wait_for_state_and_no_more() {
    let never = ReplicaId { creator: MemberId(2), serial: 4_000_000 };
    let call = echo(never, NOTE, MemberId(2), None, 7);
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    for _ in 0..limits::HELD_RPCS {
        mesh.give_call(1, 0, &call).unwrap();
    }
    assert_eq!(mesh.update(0), []);
    mesh.give_call(1, 0, &call).unwrap();
    assert_eq!(mesh.update(0), [PeerFault::Limit("calls waiting for state")]);
    // And so many bytes of them.
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let mut large = call;
    large.resize(8 << 10, 0);
    for _ in 0..limits::HELD_RPC_BYTES >> 13 {
        mesh.give_call(1, 0, &large).unwrap();
    }
    assert_eq!(mesh.update(0), []);
    mesh.give_call(1, 0, &large).unwrap();
    assert_eq!(mesh.update(0), [PeerFault::Limit("calls waiting for state")]);
}

#[test]
fn so_many_ends_are_remembered_and_more_are_not_acknowledged_until_there_is_room() {
    let ends = |serials: core::ops::RangeInclusive<u32>| {
        forge::state(9, move |w| {
            for serial in serials.clone() {
                if serial == *serials.start() {
                    forge::id(w, 2, serial)
                } else {
                    forge::next_id(w)
                }
                forge::end(w, None);
            }
        })
    };
    let all = u32::try_from(limits::TOMBSTONES).unwrap();
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    assert_eq!(mesh.give_state(1, 0, &ends(1..=all)), Ok(Verdict::Accepted));
    assert_eq!(mesh.give_state(1, 0, &ends(all + 1..=all + 1)), Ok(Verdict::TooLate));
    assert_eq!(mesh.give_state(1, 0, &ends(7..=7)), Ok(Verdict::Accepted), "one that is remembered");
    mesh.skip(1, 0, limits::PACKET_WINDOW as u64);
    assert_eq!(mesh.give_state(1, 0, &ends(all + 1..=all + 1)), Ok(Verdict::Accepted));
}

#[test]
fn an_end_announced_many_times_comes_once() {
    let (mut mesh, id) = journal(1);
    let before: Vec<_> = std::iter::from_fn(|| mesh.managers[0].poll_event()).collect();
    assert!(before.contains(&ReplicaEvent::Added { id, owner: MemberId(2) }));
    for _ in 0..5 {
        // Each of them when the one before is not remembered any more. All wait for a call.
        mesh.skip(1, 0, 2_000);
        let end = forge::state(1_000, |w| {
            forge::id(w, id.creator.0, id.serial);
            forge::end(w, Some(1));
        });
        assert_eq!(mesh.give_state(1, 0, &end), Ok(Verdict::Accepted));
        assert_eq!(mesh.update(0), []);
    }
    assert_eq!(mesh.managers[0].poll_event(), None);
    // Doomed, it follows no state any more.
    let state = forge::state(1_001, |w| {
        forge::id(w, id.creator.0, id.serial);
        forge::full(w, 2, &[GAUGE]);
    });
    mesh.skip(1, 0, 2_000);
    assert_eq!(mesh.give_state(1, 0, &state), Ok(Verdict::TooLate));
    mesh.give_call(1, 0, &echo(id, NOTE, MemberId(2), None, 7)).unwrap();
    assert_eq!(mesh.update(0), []);
    assert_eq!(mesh.managers[0].poll_event(), Some(ReplicaEvent::Removed { id }));
    assert_eq!(mesh.managers[0].poll_event(), None);
    assert_eq!(mesh.managers[0].stats().rpcs_run, 1, "the call came before the end");
}

#[test]
fn a_datagram_from_before_the_end_brings_nothing_back() {
    let mut mesh = Mesh::new(&registry(), 1, 1, Weather::FAIR);
    let ids: Vec<_> = (0..1_000).map(|_| mesh.managers[0].add(Mover::default()).unwrap()).collect();
    mesh.managers[0].prepare();
    let mut state = mesh.take_state(0, 1);
    let (_, overtaken) = state.remove(0);
    for (token, bytes) in state {
        assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
        mesh.give_receipt(0, 1, token, true);
    }
    for id in ids {
        mesh.managers[0].destroy(id).unwrap();
    }
    mesh.managers[0].prepare();
    for (_, bytes) in mesh.take_state(0, 1) {
        assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
    }
    assert_eq!(mesh.update(1), []);
    assert!(mesh.managers[1].is_empty());
    assert_eq!(mesh.give_state(0, 1, &overtaken), Ok(Verdict::TooLate));
    assert!(mesh.managers[1].is_empty());
}

#[test]
fn a_call_that_cannot_be_read_is_not_blamed_on_the_host_that_passed_it_on() {
    let (mut mesh, id) = journal(2);
    let call = request(id, NOTE, None, 7);
    let (short, long) = (call[..call.len() - 3].to_vec(), [&call[..], &[0xFF; 4]].concat());
    // What is behind the arguments is of no use, and no harm.
    for (bad, runs) in [(&short, 0), (&long, 1)] {
        mesh.give_call(1, 0, bad).unwrap();
        assert_eq!(mesh.update(0), [], "arguments are for the owner to read");
        mesh.managers[0].prepare();
        let passed_on = mesh.take_calls(0, 2);
        assert_eq!(passed_on.len(), 1);
        let before = mesh.managers[2].stats();
        mesh.give_call(0, 2, &passed_on[0].1).unwrap();
        assert_eq!(mesh.update(2), []);
        let after = mesh.managers[2].stats();
        assert_eq!((after.rpcs_run - before.rpcs_run, after.rpcs_dropped - before.rpcs_dropped), (runs, 1 - runs));
    }
    mesh.settle();
    for node in 0..3 {
        assert_eq!(ran(&mesh, node, id), [(MemberId(2), 7)], "at {node}");
    }
    // Who makes such a call itself is another matter.
    for bad in [&short, &long] {
        mesh.give_call(0, 2, bad).unwrap();
        assert!(matches!(mesh.update(2)[..], [PeerFault::Malformed(_)]));
    }
}
