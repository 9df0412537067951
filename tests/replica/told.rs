//! What chunks are told of their lives, and what their handlers may do there.

use std::cell::{Cell, RefCell};

use gridmate_runtime::LifeEvent;
use gridmate_runtime::LifeEvent::{Activate, Attach, Deactivate, Detach, OwnerChange, Update};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerFault, PeerRole, Verdict};
use gridmate_tests::mesh::{Mesh, Weather};

/// Where, which chunk, what.
type Line = (MemberId, &'static str, LifeEvent);

thread_local! {
    static TOLD: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    /// What a primary's handler destroys its replica in.
    static FATAL: Cell<Option<LifeEvent>> = const { Cell::new(None) };
    /// Whether primaries grow older.
    static TIME: Cell<bool> = const { Cell::new(false) };
    /// Owners before and after, as the nodes heard of them.
    static OWNERS: RefCell<Vec<(MemberId, bool, MemberId, MemberId)>> = const { RefCell::new(Vec::new()) };
}

fn told(ctx: &LifeContext, chunk: &'static str, event: LifeEvent) {
    TOLD.with_borrow_mut(|told| told.push((ctx.local, chunk, event)));
    if FATAL.get() == Some(event) {
        ctx.destroy_replica();
    }
}

/// Hears of everything, as does the next one.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "body", migratable)]
#[chunk(on_attach = Self::on_attach, on_activate = Self::on_activate, on_update = Self::on_update)]
#[chunk(on_owner_change = Self::on_owner_change, on_deactivate = Self::on_deactivate, on_detach = Self::on_detach)]
struct Body {
    weight: u32,
    /// Written by `on_activate`, on every node.
    marked: bool,
    age: u32,
    #[dataset(skip)]
    heard: Vec<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "mind", migratable, on_detach = Self::on_detach, on_attach = Self::on_attach)]
#[chunk(on_deactivate = Self::on_deactivate, on_activate = Self::on_activate)]
struct Mind {
    thought: u32,
    marked: bool,
}

impl Body {
    fn on_attach(&mut self, ctx: &LifeContext) {
        told(ctx, "body", Attach);
    }

    fn on_activate(&mut self, ctx: &LifeContext) {
        told(ctx, "body", Activate);
        self.marked = true;
    }

    fn on_update(&mut self, ctx: &LifeContext) {
        told(ctx, "body", Update);
        self.age += u32::from(TIME.get());
    }

    fn on_owner_change(&mut self, ctx: &LifeContext) {
        told(ctx, "body", OwnerChange);
        OWNERS.with_borrow_mut(|owners| owners.push((ctx.local, ctx.primary, ctx.former, ctx.owner)));
    }

    fn on_deactivate(&mut self, ctx: &LifeContext) {
        told(ctx, "body", Deactivate);
    }

    fn on_detach(&mut self, ctx: &LifeContext) {
        told(ctx, "body", Detach);
    }
}

#[rpcs]
impl Body {
    #[rpc]
    fn hear(&mut self, _ctx: &RpcContext, word: u32) -> Propagate {
        self.heard.push(word);
        Propagate::ToProxies
    }
}

impl Mind {
    fn on_attach(&mut self, ctx: &LifeContext) {
        told(ctx, "mind", Attach);
    }

    fn on_activate(&mut self, ctx: &LifeContext) {
        told(ctx, "mind", Activate);
        self.marked = true;
    }

    fn on_deactivate(&mut self, ctx: &LifeContext) {
        told(ctx, "mind", Deactivate);
    }

    fn on_detach(&mut self, ctx: &LifeContext) {
        told(ctx, "mind", Detach);
    }
}

const BEGIN: [(&str, LifeEvent); 4] = [("body", Attach), ("mind", Attach), ("body", Activate), ("mind", Activate)];
const END: [(&str, LifeEvent); 4] = [("body", Deactivate), ("mind", Deactivate), ("body", Detach), ("mind", Detach)];

fn registry() -> Registry {
    Registry::builder().chunk::<Body>().chunk::<Mind>().build().unwrap()
}

fn mesh(clients: usize, seed: u64, weather: Weather) -> Mesh {
    TOLD.take();
    OWNERS.take();
    FATAL.set(None);
    Mesh::new(&registry(), clients, seed, weather)
}

fn add(mesh: &mut Mesh, owner: usize) -> ReplicaId {
    let spawned = mesh.managers[owner].spawn().with(Body { weight: 1, ..Body::default() });
    spawned.with(Mind { thought: 1, ..Mind::default() }).add().unwrap()
}

/// What a node was told since the last time, and updates only if they are asked for.
fn take(node: usize, updates: bool) -> Vec<(&'static str, LifeEvent)> {
    let member = MemberId(u32::try_from(node).unwrap() + 1);
    TOLD.with_borrow_mut(|told| {
        let here: Vec<_> = told.extract_if(.., |(local, _, _)| *local == member).collect();
        here.into_iter().map(|(_, chunk, event)| (chunk, event)).filter(|(_, e)| updates || *e != Update).collect()
    })
}

#[test]
fn replication_scenario_07_a_life_is_told_once_on_each_side_and_in_order() {
    for seed in 0..20 {
        for owner in [0, 1] {
            let mut mesh = mesh(2, seed, Weather::FOUL);
            let id = add(&mut mesh, owner);
            assert_eq!(take(owner, true), BEGIN, "within `add`");
            for word in 0..30 {
                let mut body = mesh.managers[owner].primary_mut::<Body>(id).unwrap();
                body.weight += 1;
                body.rpcs().hear(word).unwrap();
                mesh.managers[owner].primary_mut::<Mind>(id).unwrap().thought += 1;
                mesh.step();
            }
            mesh.settle();
            for node in [0, 1, 2].into_iter().filter(|node| *node != owner) {
                let told = take(node, true);
                assert_eq!(told[..4], BEGIN, "before anything else, seed {seed}");
                assert!(told.len() > 4 && told[4..].iter().all(|line| *line == ("body", Update)), "seed {seed}");
            }
            mesh.managers[owner].destroy(id).unwrap();
            mesh.settle();
            for node in [0, 1, 2] {
                assert_eq!(take(node, false), END, "node {node}, seed {seed}");
            }
            assert!(mesh.managers.iter().all(|manager| manager.is_empty()));
        }
    }
}

#[test]
fn replication_scenario_07_detach_waits_for_what_still_refers_to_the_chunk() {
    let mut mesh = mesh(1, 1, Weather::FAIR);
    let id = add(&mut mesh, 0);
    mesh.settle();
    take(0, true);
    take(1, true);
    mesh.managers[0].primary_mut::<Body>(id).unwrap().rpcs().hear(7).unwrap();
    mesh.managers[0].destroy(id).unwrap();
    assert_eq!(take(0, true), END[..2], "within `destroy`; a call is yet to be addressed");
    mesh.managers[0].prepare();
    assert_eq!(take(0, true), END[2..]);
    // The end overtakes the call.
    for (_, bytes) in mesh.take_state(0, 1) {
        assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
    }
    for _ in 0..5 {
        assert_eq!(mesh.update(1), []);
        mesh.managers[1].prepare();
    }
    assert_eq!(take(1, true), []);
    assert_eq!(mesh.managers[1].get::<Body>(id).unwrap().heard, []);
    let calls = mesh.take_calls(0, 1);
    assert_eq!(calls.len(), 1);
    mesh.give_call(0, 1, &calls[0].1).unwrap();
    assert_eq!(mesh.managers[1].stats().rpcs_run, 0);
    assert_eq!(mesh.update(1), []);
    assert_eq!((mesh.managers[1].stats().rpcs_run, take(1, true)), (1, END.to_vec()));
}

#[test]
fn replication_scenario_07_a_replica_gets_no_chunks_after_it_was_activated() {
    // A program cannot ask for it: `add` takes the builder. A peer that says so is no peer of ours.
    let (mut host, mut other) = (ReplicaManager::new(registry(), 1), ReplicaManager::new(registry(), 2));
    let mut client = ReplicaManager::new(registry(), 3);
    client.set_local_member(MemberId(2));
    let back = client.add_peer(MemberId::HOST, PeerRole::Host);
    let id = host.add(Body::default()).unwrap();
    assert_eq!(other.spawn().with(Body::default()).with(Mind::default()).add(), Ok(id));
    other.prepare();
    let said = |manager: &mut ReplicaManager| {
        let (peer, mut bytes) = (manager.add_peer(MemberId(2), PeerRole::Client), Vec::new());
        manager.prepare();
        assert!(manager.marshal(peer, 1_200, &mut bytes).is_some());
        bytes
    };
    assert_eq!(client.handle_state(back, 1, &said(&mut host)), Ok(Verdict::Accepted));
    assert_eq!(client.handle_state(back, 2, &said(&mut other)), Err(PeerFault::NoSuchType));
    assert!(client.get::<Mind>(id).is_err());
}

#[test]
fn replication_scenario_06_what_ends_where_it_begins_is_never_sent() {
    for fatal in [Attach, Activate, Update] {
        let mut mesh = mesh(2, 1, Weather::FAIR);
        FATAL.set(Some(fatal));
        let id = add(&mut mesh, 1);
        mesh.run(30);
        assert_eq!(
            (mesh.messages, mesh.managers[1].poll_event()),
            (0, Some(ReplicaEvent::Removed { id })),
            "{fatal:?}"
        );
        assert_eq!(take(1, false), [BEGIN, END].concat(), "all of it, all the same");
        assert!(TOLD.take().is_empty() && mesh.managers.iter().all(|manager| manager.is_empty()));
    }
}

#[test]
fn a_replica_may_be_destroyed_by_any_handler() {
    for fatal in [Update, OwnerChange, Deactivate, Detach] {
        for seed in 0..10 {
            let mut mesh = mesh(2, seed, Weather::FOUL);
            let id = add(&mut mesh, 1);
            mesh.settle();
            FATAL.set(Some(fatal));
            match fatal {
                OwnerChange => mesh.leave(1),
                Update => {}
                _ => mesh.managers[1].destroy(id).unwrap(),
            }
            mesh.settle();
            for node in mesh.nodes() {
                let told = take(node, false);
                let lived: Vec<_> = told.iter().copied().filter(|(_, event)| *event != OwnerChange).collect();
                assert_eq!(lived, [BEGIN, END].concat(), "node {node}, {fatal:?}, seed {seed}");
                assert!(mesh.managers[node].is_empty(), "node {node}, {fatal:?}, seed {seed}");
                assert_eq!(mesh.managers[node].stats().rpcs_dropped, 0);
            }
        }
    }
}

#[test]
fn whose_it_is_is_told_where_it_comes_and_to_those_who_look_on() {
    let mut mesh = mesh(3, 1, Weather::FAIR);
    let id = add(&mut mesh, 1);
    mesh.settle();
    mesh.leave(1);
    mesh.settle();
    let (former, owner) = (MemberId(2), MemberId::HOST);
    let mut owners = OWNERS.take();
    owners.sort();
    assert_eq!(
        owners,
        [(MemberId(1), true, former, owner), (MemberId(3), false, former, owner), (MemberId(4), false, former, owner)]
    );
    for node in [0, 2, 3] {
        assert_eq!(take(node, false), [&BEGIN[..], &[("body", OwnerChange)]].concat());
    }
    mesh.managers[0].destroy(id).unwrap();
    mesh.settle();
    for node in [0, 2, 3] {
        assert_eq!(take(node, false), END);
    }
}

#[test]
fn what_goes_with_its_owner_is_told_of_its_end() {
    let mut mesh = mesh(1, 1, Weather::FAIR);
    add(&mut mesh, 0);
    mesh.settle();
    let back = mesh.peer(1, 0);
    assert_eq!(take(1, false), BEGIN);
    mesh.managers[1].remove_peer(back, false);
    assert_eq!(take(1, false), END);
}

#[test]
fn what_came_and_went_between_two_updates_is_told_nothing() {
    let mut mesh = mesh(1, 1, Weather::FAIR);
    add(&mut mesh, 0);
    mesh.managers[0].prepare();
    for (_, bytes) in mesh.take_state(0, 1) {
        assert_eq!(mesh.give_state(0, 1, &bytes), Ok(Verdict::Accepted));
    }
    let back = mesh.peer(1, 0);
    mesh.managers[1].remove_peer(back, false);
    // Another takes its place, and is told of its own life alone.
    let own = add(&mut mesh, 1);
    assert_eq!(take(1, true), BEGIN);
    mesh.managers[1].update(Instant::from_millis(40), |_, fault| panic!("{fault}"));
    assert_eq!(take(1, true), []);
    mesh.managers[1].destroy(own).unwrap();
    mesh.managers[1].prepare();
    assert_eq!(take(1, true), END);
}

#[test]
fn a_primary_is_told_of_each_tick_and_a_proxy_of_each_arrival_unless_it_is_suspended() {
    let mut mesh = mesh(1, 1, Weather::FAIR);
    let id = add(&mut mesh, 0);
    mesh.settle();
    let updates = |node| take(node, true).into_iter().filter(|line| *line == ("body", Update)).count() as u64;
    assert!(updates(0) > 0 && updates(1) > 0);
    let before = mesh.tick;
    mesh.run(10);
    assert_eq!((updates(0), updates(1)), (mesh.tick - before, 0));
    for _ in 0..5 {
        mesh.managers[0].primary_mut::<Body>(id).unwrap().weight += 1;
        mesh.settle();
    }
    assert_eq!(updates(1), 5);
    mesh.managers[1].suspend(id).unwrap();
    for _ in 0..5 {
        mesh.managers[0].primary_mut::<Body>(id).unwrap().weight += 1;
        mesh.settle();
    }
    assert_eq!(updates(1), 0);
    mesh.managers[1].resume(id).unwrap();
    mesh.run(2);
    assert_eq!(updates(1), 1);
}

#[test]
fn what_a_handler_writes_counts_where_the_primary_is() {
    let mut mesh = mesh(1, 1, Weather::FAIR);
    let id = add(&mut mesh, 0);
    assert!(mesh.managers[0].get::<Body>(id).unwrap().marked);
    mesh.settle();
    assert!(mesh.managers[1].get::<Body>(id).unwrap().marked, "it was sent");
    assert!(mesh.agree());
    mesh.managers[0].primary_mut::<Body>(id).unwrap().marked = false;
    mesh.managers[0].primary_mut::<Mind>(id).unwrap().marked = false;
    mesh.settle();
    let late = mesh.join();
    mesh.settle();
    assert_eq!(take(late, false), BEGIN);
    assert!(!mesh.managers[late].get::<Body>(id).unwrap().marked, "it was taken back");
    assert!(!mesh.managers[late].get::<Mind>(id).unwrap().marked, "it was taken back");
    TIME.set(true);
    mesh.run(10);
    TIME.set(false);
    mesh.settle();
    assert_eq!([0, 1, late].map(|node| mesh.managers[node].get::<Body>(id).unwrap().age), [10; 3]);
    assert!(mesh.agree());
}

#[test]
fn a_proxy_does_not_end_what_is_anothers() {
    let mut mesh = mesh(1, 1, Weather::FAIR);
    let id = add(&mut mesh, 0);
    mesh.run(1);
    FATAL.set(Some(Attach));
    mesh.settle();
    assert!(mesh.managers[1].get::<Body>(id).is_ok() && mesh.managers[0].get::<Body>(id).is_ok());
}

#[test]
fn what_is_restored_begins_a_life() {
    let mut mesh = mesh(0, 1, Weather::FAIR);
    add(&mut mesh, 0);
    mesh.run(3);
    let saved = mesh.managers[0].save();
    take(0, true);
    let mut after = ReplicaManager::new(registry(), 2);
    let restored = after.restore(&saved).unwrap();
    assert_eq!((restored.len(), take(0, true)), (1, BEGIN.to_vec()));
}
