//! Proxies that hold still until the program is ready.

use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_tests::mesh::{Mesh, Weather};

/// Keeps what its handlers were called for, in order.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "diary", migratable)]
struct Diary {
    #[dataset(on_change = Self::on_page)]
    page: u32,
    #[dataset(on_change = Self::on_mood)]
    mood: u8,
    #[dataset(skip)]
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Page(u32),
    Mood(u8),
    Said(u32),
}

impl Diary {
    fn on_page(&mut self, _ctx: &TimeContext) {
        self.lines.push(Line::Page(self.page));
    }

    fn on_mood(&mut self, _ctx: &TimeContext) {
        self.lines.push(Line::Mood(self.mood));
    }
}

#[rpcs]
impl Diary {
    #[rpc]
    fn say(&mut self, _ctx: &RpcContext, word: u32) -> Propagate {
        self.lines.push(Line::Said(word));
        Propagate::ToProxies
    }
}

fn session(clients: usize, seed: u64, weather: Weather) -> (Mesh, ReplicaId) {
    let mut mesh = Mesh::new(&Registry::builder().chunk::<Diary>().build().unwrap(), clients, seed, weather);
    let id = mesh.managers[0].add(Diary { page: 1, mood: 1, ..Diary::default() }).unwrap();
    mesh.settle();
    (mesh, id)
}

fn say(mesh: &mut Mesh, id: ReplicaId, word: u32) {
    mesh.managers[0].primary_mut::<Diary>(id).unwrap().rpcs().say(word).unwrap();
}

fn lines(mesh: &Mesh, node: usize, id: ReplicaId) -> &[Line] {
    &mesh.managers[node].get::<Diary>(id).unwrap().lines
}

#[test]
fn replication_scenario_09_nothing_while_suspended_and_then_all_calls_and_the_newest_values_once() {
    for seed in 0..20 {
        let (mut mesh, id) = session(2, seed, Weather::FOUL);
        let before = lines(&mesh, 1, id).to_vec();
        mesh.managers[1].suspend(id).unwrap();
        mesh.managers[1].suspend(id).unwrap();
        for word in 0..40 {
            let mut diary = mesh.managers[0].primary_mut::<Diary>(id).unwrap();
            diary.page += 1;
            say(&mut mesh, id, word);
            mesh.step();
            assert_eq!(lines(&mesh, 1, id), before, "seed {seed}");
        }
        mesh.settle();
        // Long enough for a call to be given up that waits for state.
        mesh.run(400);
        assert_eq!(lines(&mesh, 1, id), before, "seed {seed}");
        assert_eq!(mesh.managers[1].get::<Diary>(id).unwrap().page, 41, "values follow");
        mesh.managers[1].resume(id).unwrap();
        mesh.step();
        let expected: Vec<_> = (0..40).map(Line::Said).chain([Line::Page(41)]).collect();
        assert_eq!(lines(&mesh, 1, id)[before.len()..], expected, "mood did not change, seed {seed}");
        // The other one was not held up, and this one is not any more.
        assert_eq!(lines(&mesh, 2, id).iter().filter(|line| matches!(line, Line::Said(_))).count(), 40);
        mesh.managers[0].primary_mut::<Diary>(id).unwrap().mood = 2;
        say(&mut mesh, id, 99);
        mesh.settle();
        let end = lines(&mesh, 1, id)[before.len() + 41..].to_vec();
        assert!(end == [Line::Said(99), Line::Mood(2)] || end == [Line::Mood(2), Line::Said(99)], "{end:?}");
        assert!(mesh.agree());
    }
}

#[test]
fn a_program_that_does_not_resume_in_time_loses_no_call() {
    let (mut mesh, id) = session(1, 1, Weather::FAIR);
    mesh.managers[1].suspend(id).unwrap();
    while mesh.managers[1].poll_event().is_some() {}
    let before = lines(&mesh, 1, id).len();
    let words = u32::try_from(limits::SUSPENDED_RPCS).unwrap() + 1;
    for word in 0..words - 1 {
        say(&mut mesh, id, word);
    }
    mesh.settle();
    mesh.run(20);
    assert_eq!(lines(&mesh, 1, id).len(), before, "as many as may");
    say(&mut mesh, id, words - 1);
    mesh.settle();
    mesh.run(20);
    assert_eq!(mesh.managers[1].poll_event(), Some(ReplicaEvent::Resumed { id }));
    assert_eq!(lines(&mesh, 1, id)[before..], (0..words).map(Line::Said).collect::<Vec<_>>());
}

#[test]
fn what_waited_runs_before_the_end() {
    let (mut mesh, id) = session(1, 1, Weather::FAIR);
    mesh.managers[1].suspend(id).unwrap();
    for word in 0..3 {
        say(&mut mesh, id, word);
    }
    mesh.settle();
    mesh.run(20);
    assert_eq!(mesh.managers[1].stats().rpcs_run, 0);
    mesh.managers[0].destroy(id).unwrap();
    mesh.settle();
    let stats = mesh.managers[1].stats();
    assert_eq!((stats.rpcs_run, stats.rpcs_dropped), (3, 0));
    assert!(mesh.managers[1].is_empty());
    assert_eq!(mesh.managers[1].resume(id), Err(ReplicaError::Unknown(id)));
    // What takes its place is not suspended.
    let next = mesh.managers[0].add(Diary { page: 5, ..Diary::default() }).unwrap();
    mesh.settle();
    assert_eq!(lines(&mesh, 1, next), [Line::Page(5)]);
}

#[test]
fn primaries_are_not_suspended() {
    let (mut mesh, id) = session(1, 1, Weather::FAIR);
    assert_eq!(mesh.managers[0].suspend(id), Err(ReplicaError::NotProxy(id)));
    let theirs = mesh.managers[1].add(Diary::default()).unwrap();
    mesh.settle();
    mesh.managers[0].suspend(theirs).unwrap();
    mesh.managers[1].primary_mut::<Diary>(theirs).unwrap().page = 8;
    mesh.settle();
    assert_eq!(lines(&mesh, 0, theirs), []);
    mesh.leave(1);
    mesh.step();
    assert!(mesh.managers[0].info(theirs).unwrap().is_primary);
    assert_eq!(lines(&mesh, 0, theirs), [Line::Page(8)], "it is ours, and we hear what we had not");
}

#[test]
fn what_takes_the_place_of_a_lost_owners_replica_is_not_suspended() {
    let (mut mesh, _) = session(2, 1, Weather::FAIR);
    let lost = mesh.managers[1].add(Diary::default()).unwrap();
    mesh.settle();
    mesh.managers[0].suspend(lost).unwrap();
    let gone = mesh.peer(0, 1);
    mesh.managers[0].remove_peer(gone, false);
    mesh.leave(1);
    let next = mesh.managers[2].add(Diary { page: 3, ..Diary::default() }).unwrap();
    mesh.settle();
    assert_eq!(mesh.managers[0].resume(lost), Err(ReplicaError::Unknown(lost)));
    assert_eq!(lines(&mesh, 0, next), [Line::Page(3)]);
    mesh.managers[2].primary_mut::<Diary>(next).unwrap().rpcs().say(1).unwrap();
    mesh.settle();
    assert_eq!(lines(&mesh, 0, next), [Line::Page(3), Line::Said(1)]);
}

/// It is given what it has suspended: what the owner called before comes first.
#[test]
fn what_waited_runs_before_it_is_ones_own() {
    let (mut mesh, id) = session(1, 1, Weather::FAIR);
    mesh.managers[1].suspend(id).unwrap();
    for word in 0..3 {
        say(&mut mesh, id, word);
    }
    mesh.settle();
    mesh.run(20);
    let before = lines(&mesh, 1, id).len();
    mesh.managers[0].set_owner(id, MemberId(2)).unwrap();
    mesh.settle();
    assert!(mesh.managers[1].info(id).unwrap().is_primary);
    let said: Vec<_> = lines(&mesh, 1, id)[before..].iter().filter(|l| matches!(l, Line::Said(_))).copied().collect();
    assert_eq!(said, (0..3).map(Line::Said).collect::<Vec<_>>());
    assert_eq!(mesh.managers[1].stats().rpcs_dropped, 0);
}
