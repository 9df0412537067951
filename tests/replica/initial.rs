//! Datasets that travel with the first state, and never again.

use std::cell::RefCell;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

thread_local! {
    /// What there was of them when a chunk was activated.
    static SEEN: RefCell<Vec<(MemberId, u32, String, String)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "pawn", migratable, on_activate = Self::on_activate, send_to = Self::is_for)]
struct Pawn {
    #[dataset(initial)]
    team: u32,
    health: u32,
    #[dataset(initial, max_len = 40)]
    model: String,
    #[dataset(predict = Linear)]
    x: i32,
    #[dataset(initial, quantize(-100.0..=100.0, step = 1.0))]
    spawn: f32,
    #[dataset(skip)]
    hidden_from: u32,
}

impl Pawn {
    fn on_activate(&mut self, ctx: &LifeContext) {
        SEEN.with_borrow_mut(|seen| seen.push((ctx.local, self.team, self.model.clone(), self.spawn.to_string())));
    }

    fn is_for(&self, peer: &TargetPeer) -> bool {
        peer.member.0 != self.hidden_from
    }
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "purse", migratable)]
struct Purse {
    gold: u32,
}

const MODEL: &str = "a model with a name that would be seen";

fn registry(coder: Coder) -> Registry {
    Registry::builder().coder(coder).chunk::<Pawn>().chunk::<Purse>().build().unwrap()
}

fn pawn() -> Pawn {
    Pawn { team: 3, health: 100, model: MODEL.into(), x: 5, spawn: -40.0, hidden_from: 0 }
}

fn names_it(bytes: &[u8]) -> bool {
    // Bits are packed, so the text may begin anywhere in a byte.
    let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1;
    let text = &MODEL.as_bytes()[..8];
    (0..(bytes.len() * 8).saturating_sub(text.len() * 8))
        .any(|from| (0..text.len() * 8).all(|at| bit(from + at) == text[at / 8] >> (at % 8) & 1))
}

#[test]
fn what_travels_once_is_there_before_activation_for_all_who_come_and_in_no_later_message() {
    for (coder, seed) in [Coder::Packed, Coder::Entropy].into_iter().flat_map(|coder| (0..8).map(move |s| (coder, s))) {
        SEEN.take();
        let mut mesh = Mesh::new(&registry(coder), 2, seed, Weather::FOUL);
        mesh.overheard = Some(Vec::new());
        let id = mesh.managers[1].spawn().with(pawn()).with(Purse::default()).add().unwrap();
        mesh.settle();
        let said = mesh.overheard.take().unwrap();
        assert!(coder == Coder::Entropy || said.iter().any(|(_, _, bytes)| names_it(bytes)));
        mesh.overheard = Some(Vec::new());
        for tick in 0..60 {
            let mut pawn = mesh.managers[1].primary_mut::<Pawn>(id).unwrap();
            pawn.health -= 1;
            pawn.x += tick;
            mesh.managers[1].primary_mut::<Purse>(id).unwrap().gold += 2;
            mesh.step();
        }
        mesh.settle();
        let later = mesh.overheard.take().unwrap();
        let bytes: usize = later.iter().map(|(_, _, bytes)| bytes.len()).sum();
        assert!(coder == Coder::Entropy || !later.iter().any(|(_, _, bytes)| names_it(bytes)), "seed {seed}");
        assert!(bytes / later.len() < MODEL.len(), "{bytes} bytes in {} messages, seed {seed}", later.len());
        let late = mesh.join();
        mesh.settle();
        let there = mesh.managers[late].get::<Pawn>(id).unwrap();
        assert_eq!((there.team, there.model.as_str(), there.spawn, there.health), (3, MODEL, -40.0, 40));
        let mut seen = SEEN.take();
        seen.sort();
        let all = [1, 2, 3, 4].map(|member| (MemberId(member), 3, MODEL.to_owned(), "-40".to_owned()));
        assert_eq!(seen, all, "seed {seed}");
        assert!(mesh.agree());
    }
}

#[test]
fn what_is_written_there_later_stays_where_it_was_written() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 1, 1, Weather::FAIR);
    let id = mesh.managers[0].add(pawn()).unwrap();
    // Before it has gone out, it is what it was made with.
    mesh.managers[0].primary_mut::<Pawn>(id).unwrap().team = 4;
    mesh.settle();
    let messages = mesh.messages;
    mesh.managers[0].primary_mut::<Pawn>(id).unwrap().team = 9;
    mesh.settle();
    assert_eq!(mesh.messages, messages, "nothing to say");
    mesh.managers[0].primary_mut::<Pawn>(id).unwrap().health = 1;
    mesh.settle();
    let late = mesh.join();
    mesh.settle();
    let teams = [0, 1, late].map(|node| mesh.managers[node].get::<Pawn>(id).unwrap().team);
    assert_eq!(teams, [9, 4, 4]);
    assert!(mesh.agree(), "what was sent is what counts");
    let saved = mesh.managers[0].save();
    let mut after = ReplicaManager::new(registry(Coder::Packed), 2);
    after.restore(&saved).unwrap();
    assert_eq!(after.get::<Pawn>(id).unwrap(), &Pawn { team: 4, health: 1, ..pawn() });
}

#[test]
fn it_survives_adoption_assignment_and_the_loss_of_every_baseline() {
    for seed in 0..8 {
        let mut mesh = Mesh::new(&registry(Coder::Packed), 2, seed, Weather::FOUL);
        let id = mesh.managers[1].add(pawn()).unwrap();
        mesh.settle();
        mesh.managers[1].assign(id, MemberId(3)).unwrap();
        mesh.settle();
        mesh.leave(1);
        for _ in 0..100 {
            mesh.managers[0].primary_mut::<Pawn>(id).unwrap().health += 1;
            mesh.step();
        }
        mesh.settle();
        let late = mesh.join();
        mesh.settle();
        for node in [0, 2, late] {
            let there = mesh.managers[node].get::<Pawn>(id).unwrap();
            assert_eq!((there.team, there.model.as_str(), there.health), (3, MODEL, 200), "node {node}, seed {seed}");
        }
    }
}

#[test]
fn what_becomes_visible_brings_it_and_a_relay_passes_it_on() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut mesh = Mesh::new(&registry(coder), 2, 1, Weather::FAIR);
        // The host may not have it, so nobody has.
        let hidden = Pawn { hidden_from: 1, ..pawn() };
        let id = mesh.managers[1].spawn().with(hidden).with(Purse { gold: 1 }).add().unwrap();
        mesh.settle();
        for node in [0, 2] {
            assert_eq!(mesh.managers[node].get::<Pawn>(id).unwrap(), &Pawn::default());
        }
        mesh.managers[1].primary_mut::<Pawn>(id).unwrap().hidden_from = 0;
        mesh.managers[1].primary_mut::<Pawn>(id).unwrap().health = 50;
        mesh.settle();
        for node in [0, 2] {
            let there = mesh.managers[node].get::<Pawn>(id).unwrap();
            assert_eq!((there.team, there.model.as_str(), there.health), (3, MODEL, 50), "node {node}");
        }
        assert!(mesh.agree());
    }
}

#[test]
fn a_difference_has_not_even_a_bit_for_it() {
    #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
    #[chunk(name = "pawn")]
    struct Much {
        #[dataset(initial)]
        table: [u64; 8],
        #[dataset(initial)]
        more: (bool, bool, bool, bool),
        health: u32,
        #[dataset(initial)]
        a: u8,
        #[dataset(initial)]
        b: u8,
        #[dataset(initial)]
        c: u8,
        #[dataset(initial)]
        d: u8,
        #[dataset(initial)]
        e: u8,
        #[dataset(initial)]
        f: u8,
        #[dataset(initial)]
        g: u8,
    }
    #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
    #[chunk(name = "pawn")]
    struct Little {
        health: u32,
    }
    fn said<T: ReplicaChunk>(coder: Coder, first: T, write: impl Fn(&mut T)) -> Vec<Vec<u8>> {
        let mut mesh = Mesh::new(&Registry::builder().coder(coder).chunk::<T>().build().unwrap(), 1, 1, Weather::FAIR);
        let id = mesh.managers[0].add(first).unwrap();
        mesh.settle();
        mesh.overheard = Some(Vec::new());
        for _ in 0..20 {
            write(&mut *mesh.managers[0].primary_mut::<T>(id).unwrap());
            mesh.settle();
        }
        assert!(mesh.agree());
        mesh.overheard.unwrap().into_iter().map(|(.., bytes)| bytes).collect()
    }
    for coder in [Coder::Packed, Coder::Entropy] {
        let much = said(coder, Much { table: [7; 8], a: 1, ..Much::default() }, |pawn| pawn.health += 3);
        let little = said(coder, Little::default(), |pawn| pawn.health += 3);
        let bits = |said: &[Vec<u8>]| said.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(bits(&much), bits(&little), "{coder:?}");
    }
}

#[test]
fn it_is_part_of_the_schema() {
    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "purse")]
    struct Other {
        #[dataset(initial)]
        gold: u32,
    }
    let here = Registry::builder().chunk::<Purse>().build().unwrap();
    let there = Registry::builder().chunk::<Other>().build().unwrap();
    assert_ne!(here.fingerprint(), there.fingerprint());
    assert_eq!(there.to_string(), "chunk purse\n  gold: initial<u32>\n");
    let diff = here.snapshot().diff(&there.snapshot()).to_string();
    assert_eq!(diff, "chunk `purse`: dataset `gold`: u32 here, initial<u32> there\n");
}

#[test]
fn what_was_written_there_later_is_gone_with_the_ownership() {
    for coder in [Coder::Packed, Coder::Entropy] {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut mesh = Mesh::new(&registry(coder), 1, 1, Weather::FAIR);
            let id = mesh.managers[from].spawn().with(pawn()).with(Purse::default()).add().unwrap();
            mesh.settle();
            mesh.managers[from].primary_mut::<Pawn>(id).unwrap().team = 9;
            mesh.settle();
            assert_eq!(mesh.managers[from].get::<Pawn>(id).unwrap().team, 9);
            let mut pawn = mesh.managers[from].primary_mut::<Pawn>(id).unwrap();
            (pawn.team, pawn.health) = (10, 55);
            mesh.managers[0].set_owner(id, MemberId(u32::try_from(to).unwrap() + 1)).unwrap();
            mesh.settle();
            assert!(mesh.managers[to].info(id).unwrap().is_primary);
            for node in [from, to] {
                let pawn = mesh.managers[node].get::<Pawn>(id).unwrap();
                assert_eq!((pawn.team, pawn.health), (3, 55), "node {node}: a proxy has what its owner has");
            }
        }
    }
}
