//! All that belongs to a replica goes with it: chunks that are the host's to create, datasets that travel once, its name, its
//! assignment, and what its chunks are told.

use std::cell::RefCell;

use gridmate_runtime::LifeEvent::{self, Activate, Attach, OwnerChange, Update};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::OwnershipOutcome;
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

use super::ball::{answers, member, owner, settle};

/// Who was told what, by which chunk; of owners, the former and the new one.
type Line = (MemberId, &'static str, LifeEvent, [MemberId; 2]);

thread_local! {
    static TOLD: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    /// Who was asked to let a chest go.
    static ASKED: RefCell<Vec<MemberId>> = const { RefCell::new(Vec::new()) };
}

fn told(ctx: &LifeContext, chunk: &'static str, event: LifeEvent) {
    TOLD.with_borrow_mut(|told| told.push((ctx.local, chunk, event, [ctx.former, ctx.owner])));
}

#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "cart", migratable, on_attach = Self::on_attach, on_activate = Self::on_activate)]
#[chunk(on_owner_change = Self::on_owner_change)]
struct Cart {
    #[dataset(initial, max_len = 20)]
    make: String,
    x: u32,
    #[dataset(initial)]
    wheels: u8,
}

impl Cart {
    fn on_attach(&mut self, ctx: &LifeContext) {
        told(ctx, "cart", Attach);
    }

    fn on_activate(&mut self, ctx: &LifeContext) {
        told(ctx, "cart", Activate);
    }

    fn on_owner_change(&mut self, ctx: &LifeContext) {
        told(ctx, "cart", OwnerChange);
    }
}

/// Nobody lets an empty one go.
#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "chest", migratable, host_only, accept_ownership = Self::may_go)]
#[chunk(on_activate = Self::on_activate, on_update = Self::on_update)]
struct Chest {
    gold: u32,
    #[dataset(initial)]
    lock: u16,
}

impl Chest {
    fn may_go(&self, request: &OwnershipRequest) -> Result<(), u16> {
        ASKED.with_borrow_mut(|asked| asked.push(request.owner));
        if self.gold == 0 { Err(1) } else { Ok(()) }
    }

    fn on_activate(&mut self, ctx: &LifeContext) {
        told(ctx, "chest", Activate);
    }

    fn on_update(&mut self, ctx: &LifeContext) {
        told(ctx, "chest", Update);
    }
}

/// Behind the chest, so that it is read wrongly if that is.
#[derive(Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "horse", migratable)]
struct Horse {
    age: u32,
}

fn mesh(seed: u64, weather: Weather) -> Mesh {
    let coder = if seed.is_multiple_of(2) { Coder::Packed } else { Coder::Entropy };
    let registry = Registry::builder().coder(coder).chunk::<Cart>().chunk::<Chest>().chunk::<Horse>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 2, seed, weather);
    mesh.managers.iter_mut().for_each(ReplicaManager::share_names);
    mesh
}

fn cart(mesh: &mut Mesh, node: usize) -> ReplicaId {
    let cart = Cart { make: "oak".into(), x: 5, wheels: 4 };
    let builder = mesh.managers[node].spawn().with(cart).with(Chest { gold: 7, lock: 99 });
    builder.with(Horse { age: 3 }).add().unwrap()
}

/// Every node has all of a cart, but for the chest, which is nobody's but its creator's unless that is the host.
#[track_caller]
fn check(mesh: &Mesh, id: ReplicaId, creator: usize, (x, gold): (u32, u32), name: &str) {
    for node in 0..3 {
        let manager = &mesh.managers[node];
        assert_eq!(manager.get::<Cart>(id), Ok(&Cart { make: "oak".into(), x, wheels: 4 }), "node {node}");
        assert_eq!(manager.get::<Horse>(id), Ok(&Horse { age: x - 2 }), "node {node}");
        assert_eq!(manager.name(id), Some(name), "node {node}");
        let chest = Chest { gold, lock: 99 };
        let known = creator == 0 || creator == node;
        let there = if known { Ok(&chest) } else { Err(ReplicaError::NoSuchChunk(id)) };
        assert_eq!(manager.get::<Chest>(id), there, "node {node}, of {creator}");
        assert_eq!(manager.iter::<Chest>().count(), usize::from(known));
    }
}

#[test]
fn all_of_a_replica_goes_with_it() {
    for (weather, seed) in [(Weather::FAIR, 0), (Weather::FAIR, 1), (Weather::FOUL, 2), (Weather::FOUL, 3)] {
        for (from, to) in (0..3).flat_map(|from| (0..3).map(move |to| (from, to))).filter(|(from, to)| from != to) {
            TOLD.take();
            let mut mesh = mesh(seed, weather);
            let id = cart(&mut mesh, from);
            mesh.managers[from].set_name(id, "the old one").unwrap();
            settle(&mut mesh);
            check(&mesh, id, from, (5, 7), "the old one");
            mesh.managers[to].request_ownership(id).unwrap();
            settle(&mut mesh);
            assert_eq!(answers(&mut mesh, to), [(id, OwnershipOutcome::Granted)], "{from} to {to}");
            assert_eq!(owner(&mesh, id), to);
            check(&mesh, id, from, (5, 7), "the old one");

            // Everyone hears of it once, whether by one step or by two.
            let told = TOLD.take();
            for node in 0..3 {
                let of = |chunk, event| {
                    let mine = told.iter().filter(move |line| (line.0, line.1, line.2) == (member(node), chunk, event));
                    mine.map(|line| line.3).collect::<Vec<_>>()
                };
                assert_eq!((of("cart", Attach).len(), of("cart", Activate).len()), (1, 1), "node {node}");
                let has_chest = from == 0 || from == node;
                assert_eq!(of("chest", Activate).len(), usize::from(has_chest), "node {node}");
                assert!(has_chest || of("chest", Update).is_empty(), "node {node}");
                let owners = of("cart", OwnerChange);
                let joined = owners.windows(2).all(|pair| pair[0][1] == pair[1][0]);
                let ends = (owners.first().map(|owners| owners[0]), owners.last().map(|owners| owners[1]));
                assert_eq!(ends, (Some(member(from)), Some(member(to))), "node {node}, {from} to {to}");
                assert!(joined && owners.len() <= 2, "node {node}: {owners:?}");
            }

            // The new owner has the say, of what it has.
            let manager = &mut mesh.managers[to];
            manager.primary_mut::<Cart>(id).unwrap().x = 6;
            manager.primary_mut::<Horse>(id).unwrap().age = 4;
            let gold = if from == 0 { 8 } else { 7 };
            match manager.primary_mut::<Chest>(id) {
                Ok(mut chest) => chest.gold = gold,
                Err(error) => assert!(error == ReplicaError::NoSuchChunk(id) && from != 0),
            }
            manager.set_name(id, "the new one").unwrap();
            settle(&mut mesh);
            check(&mesh, id, from, (6, gold), "the new one");

            // And back.
            mesh.managers[0].set_owner(id, member(from)).unwrap();
            settle(&mut mesh);
            assert_eq!(owner(&mesh, id), from);
            check(&mesh, id, from, (6, gold), "the new one");
            let manager = &mut mesh.managers[from];
            manager.primary_mut::<Chest>(id).unwrap().gold = 20;
            manager.primary_mut::<Horse>(id).unwrap().age = 5;
            manager.primary_mut::<Cart>(id).unwrap().x = 7;
            settle(&mut mesh);
            check(&mesh, id, from, (7, 20), "the new one");
        }
    }
}

/// What a host has of a client's chest is not there for its program, nor for whoever has it next.
#[test]
fn what_was_refused_is_not_shown_to_those_who_own_it_later() {
    for seed in 0..4 {
        let mut mesh = mesh(seed, Weather::FAIR);
        let id = cart(&mut mesh, 1);
        settle(&mut mesh);
        mesh.leave(1);
        settle(&mut mesh);
        TOLD.take();
        ASKED.take();
        for next in [0, 2, 0] {
            if next != owner(&mesh, id) {
                mesh.managers[next].request_ownership(id).unwrap();
            }
            settle(&mut mesh);
            assert_eq!(owner(&mesh, id), next);
            let manager = &mut mesh.managers[next];
            assert_eq!(manager.primaries_mut::<Chest>().count(), 0, "node {next}");
            assert_eq!(manager.primaries_mut::<Cart>().count(), 1, "node {next}");
            assert!(manager.primary_mut::<Chest>(id).is_err());
            mesh.run(5);
        }
        assert_eq!(ASKED.take(), [], "seed {seed}");
        assert!(TOLD.take().iter().all(|line| line.1 == "cart"), "seed {seed}");
    }
}

#[test]
fn an_assignment_stays_and_without_one_it_is_the_owners() {
    for (from, to) in [(0, 1), (1, 0), (1, 2)] {
        for assigned in [None, Some(member(2))] {
            let mut mesh = mesh(2, Weather::FAIR);
            let id = cart(&mut mesh, from);
            if let Some(member) = assigned {
                mesh.managers[from].assign(id, member).unwrap();
            }
            settle(&mut mesh);
            mesh.managers[0].set_owner(id, member(to)).unwrap();
            settle(&mut mesh);
            for node in 0..3 {
                let info = mesh.managers[node].info(id).unwrap();
                let whose = assigned.unwrap_or_else(|| member(to));
                assert_eq!((info.owner, info.assigned), (member(to), whose), "{from} to {to}");
            }
        }
    }
}
