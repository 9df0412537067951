//! Chunks that not every peer may have: what those who may have it get, and what the others never do.

use std::collections::BTreeSet;

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_tests::chunks::Mover;
use gridmate_tests::mesh::{Mesh, Weather};

/// Two chunk types alike, so that a replica can have both.
macro_rules! secret {
    ($($name:ident $wire:literal)*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
        #[chunk(name = $wire, migratable, send_to = Self::is_for)]
        struct $name {
            /// A bit for each member that may have it.
            viewers: u32,
            /// Never the same twice, and never near.
            code: u64,
            /// More viewers. Who changes them says so.
            #[dataset(skip)]
            guests: u32,
            /// What was whispered here, and the code at that moment.
            #[dataset(skip)]
            heard: Vec<(u64, u64)>,
        }

        impl $name {
            fn is_for(&self, peer: &TargetPeer) -> bool {
                (self.viewers | self.guests) >> peer.member.0 & 1 == 1
            }
        }

        #[rpcs]
        impl $name {
            #[rpc]
            fn whisper(&mut self, _ctx: &RpcContext, word: u64) -> Propagate {
                self.heard.push((word, self.code));
                Propagate::ToProxies
            }

            #[rpc(post_attached = false)]
            fn blurt(&mut self, _ctx: &RpcContext, word: u64) -> Propagate {
                self.heard.push((word, self.code));
                Propagate::ToProxies
            }
        }

        impl Secretive for $name {
            fn parts(&mut self) -> (&mut u32, &mut u64, &mut u32) {
                (&mut self.viewers, &mut self.code, &mut self.guests)
            }
        }
    )*};
}

secret! { Secret "secret" Vault "vault" }

trait Secretive: ReplicaChunk + HasRpcs + Clone {
    fn parts(&mut self) -> (&mut u32, &mut u64, &mut u32);
}

fn registry(coder: Coder) -> Registry {
    let types = Registry::builder().chunk::<Secret>().chunk::<Vault>().chunk::<Mover>();
    types.coder(coder).build().unwrap()
}

/// Whether a number is in bits that were sent, at any place.
fn any_of(bytes: &[u8], mut is: impl FnMut(u64) -> bool) -> bool {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |i| u64::from(byte >> i & 1)));
    let mut window = 0;
    bits.enumerate().any(|(i, bit)| {
        window = window >> 1 | bit << 63;
        i >= 63 && is(window)
    })
}

/// Secrets of the host and of a client, and what everybody may know.
struct Plot {
    mesh: Mesh,
    rng: Rng,
    secrets: Vec<ReplicaId>,
    vaults: Vec<ReplicaId>,
    movers: Vec<ReplicaId>,
    codes: BTreeSet<u64>,
    /// By node.
    allowed: Vec<BTreeSet<u64>>,
    said: Vec<(ReplicaId, u64)>,
}

impl Plot {
    fn new(seed: u64, coder: Coder, weather: Weather) -> Self {
        let mut mesh = Mesh::new(&registry(coder), 4, seed, weather);
        mesh.overheard = Some(Vec::new());
        let (mut secrets, mut vaults, mut movers) = (Vec::new(), Vec::new(), Vec::new());
        for node in [0, 0, 1] {
            let manager = &mut mesh.managers[node];
            secrets.push(manager.add(Secret::default()).unwrap());
            vaults.push(manager.add(Vault::default()).unwrap());
            let three = manager.spawn().with(Secret::default()).with(Mover::default()).with(Vault::default()).add();
            let two = manager.spawn().with(Mover::default()).with(Secret::default()).add();
            movers.extend([three.unwrap(), two.unwrap()]);
            vaults.push(three.unwrap());
            secrets.extend([three.unwrap(), two.unwrap()]);
        }
        Self {
            mesh,
            rng: Rng::new(seed ^ 0x5EC2_E75E_C2E7),
            secrets,
            vaults,
            movers,
            codes: BTreeSet::new(),
            allowed: vec![BTreeSet::new(); 6],
            said: Vec::new(),
        }
    }

    /// Where the primary of a replica is.
    fn home(&self, id: ReplicaId) -> usize {
        let at = |node: &usize| self.mesh.managers[*node].info(id).is_some_and(|info| info.is_primary);
        self.mesh.nodes().into_iter().find(at).unwrap()
    }

    fn code(&mut self) -> u64 {
        let code = self.rng.next_u64() | 1 << 63;
        self.codes.insert(code);
        code
    }

    fn change<T: Secretive>(&mut self, id: ReplicaId) -> usize {
        let node = self.home(id);
        let (dice, any, code) = (self.rng.below(7), 1 << (1 + self.rng.below(6)), self.code());
        let manager = &mut self.mesh.managers[node];
        let mut primary = manager.primary_mut::<T>(id).unwrap();
        let (viewers, known, guests) = primary.parts();
        match dice {
            0..3 => *known = code,
            3 => *viewers ^= any,
            4 => (*viewers, *known) = (*viewers ^ any, code),
            // What is not on the wire means nothing where a host passes it on.
            5 if node == 0 => {
                *guests ^= any;
                manager.refresh_targets(id).unwrap();
            }
            _ => {
                *known = 0;
                *viewers |= 2;
            }
        }
        node
    }

    fn tick(&mut self) {
        for _ in 0..2 {
            let at = usize::try_from(self.rng.below(9)).unwrap();
            self.change::<Secret>(self.secrets[at]);
            let at = usize::try_from(self.rng.below(6)).unwrap();
            self.change::<Vault>(self.vaults[at]);
            let mover = self.movers[usize::try_from(self.rng.below(6)).unwrap()];
            let (home, energy) = (self.home(mover), self.rng.next_u32());
            self.mesh.managers[home].primary_mut::<Mover>(mover).unwrap().energy = energy;
        }
        let mut words = Vec::new();
        if self.rng.chance(0.3) {
            let id = self.secrets[usize::try_from(self.rng.below(6)).unwrap()];
            let word = self.code();
            self.mesh.managers[0].primary_mut::<Secret>(id).unwrap().rpcs().whisper(word).unwrap();
            self.said.push((id, word));
            words.push((id, word));
        }
        self.permit::<Secret>(&self.secrets.clone(), &words);
        self.permit::<Vault>(&self.vaults.clone(), &[]);
        self.mesh.step();
        self.listen();
    }

    /// Notes down what members may know from now on.
    fn permit<T: Secretive>(&mut self, ids: &[ReplicaId], words: &[(ReplicaId, u64)]) {
        for id in ids {
            let home = self.home(*id);
            let mut value = self.mesh.managers[home].get::<T>(*id).unwrap().clone();
            let (viewers, code, guests) = value.parts();
            for node in 0..self.allowed.len() {
                if home == node || (*viewers | *guests) >> (node + 1) & 1 == 1 {
                    self.allowed[node].insert(*code);
                    self.allowed[node].extend(words.iter().filter(|(of, _)| of == id).map(|(_, word)| *word));
                }
            }
        }
    }

    /// Looks for what somebody was told and may not know.
    fn listen(&mut self) {
        for (from, to, bytes) in self.mesh.overheard.replace(Vec::new()).unwrap() {
            let leak = |number: u64| self.codes.contains(&number) && !self.allowed[to].contains(&number);
            assert!(!any_of(&bytes, leak), "tick {}, from {from} to {to}", self.mesh.tick);
        }
    }

    fn check<T: Secretive + PartialEq + core::fmt::Debug>(&self, ids: &[ReplicaId], seed: u64) {
        let of = |node: usize, id: ReplicaId| {
            let mut value = self.mesh.managers[node].get::<T>(id).unwrap().clone();
            let (viewers, code, guests) = value.parts();
            (*viewers, *code, *guests)
        };
        for &id in ids {
            let home = self.home(id);
            for node in self.mesh.nodes().into_iter().filter(|node| *node != home) {
                // Others than the host have it from the host.
                let source = if node == 0 { home } else { 0 };
                let (viewers, code, guests) = of(source, id);
                let may = (viewers | guests) >> (node + 1) & 1 == 1;
                let (seen, known, _) = of(node, id);
                let expected = if may { (viewers, code) } else { (0, 0) };
                assert_eq!((seen, known), expected, "seed {seed}, {id} at {node}");
            }
        }
    }

    fn check_all(&self, seed: u64) {
        self.check::<Secret>(&self.secrets, seed);
        self.check::<Vault>(&self.vaults, seed);
        for &id in &self.movers {
            let of = |node: usize| self.mesh.managers[node].get::<Mover>(id).unwrap();
            assert!(self.mesh.nodes().into_iter().all(|node| of(node) == of(0)), "seed {seed}, {id}");
        }
        for node in self.mesh.nodes().into_iter().filter(|node| *node != 0) {
            for &id in &self.secrets {
                // Each word once, in order, and none that was not for this member.
                let heard = self.mesh.managers[node].get::<Secret>(id).unwrap().heard.iter().map(|(word, _)| *word);
                let mut said = self.said.iter().filter(|(of, _)| *of == id).map(|(_, word)| *word);
                for word in heard {
                    assert!(said.any(|next| next == word), "seed {seed}, {id} at {node}");
                    assert!(self.allowed[node].contains(&word), "seed {seed}, {id} at {node}");
                }
            }
        }
    }
}

fn weather(seed: u64) -> Weather {
    let at = |from: u64, of: usize| usize::try_from(seed / from).unwrap() % of;
    Weather {
        loss: [0.0, 0.3, 0.6][at(1, 3)],
        late: 0.4,
        span: [8, 40][at(3, 2)],
        denial: [0.0, 0.3][at(6, 2)],
        latency: 0,
        budget: [1, 50][at(12, 2)],
        bytes: 150,
    }
}

fn storm(seed: u64, coder: Coder) {
    let mut plot = Plot::new(seed, coder, weather(seed));
    for tick in 0..120 {
        match tick {
            50 => assert_eq!(plot.mesh.join(), 5),
            // Its replicas are the host's from then on, as far as the host was told.
            80 => plot.mesh.leave(1),
            _ => {}
        }
        plot.tick();
    }
    plot.mesh.weather = Weather::FAIR;
    plot.mesh.settle();
    plot.listen();
    plot.check_all(seed);
    let before = plot.mesh.messages;
    for id in plot.secrets.iter().chain(&plot.vaults) {
        plot.mesh.managers[0].refresh_targets(*id).unwrap();
    }
    plot.mesh.run(5);
    assert_eq!(plot.mesh.messages, before, "seed {seed}: the answers are what they were");
}

#[test]
fn what_is_hidden_is_in_no_bytes_and_what_is_not_is_agreed_on() {
    (0..72).for_each(|seed| storm(seed, Coder::Packed));
}

#[test]
fn models_and_hidden_chunks_go_together() {
    (0..48).for_each(|seed| storm(seed, Coder::Entropy));
}

/// A client's secret that member 3 may see and then may not; what the client does after that, and who is told the word that it says.
fn told(then: impl Fn(&mut Mesh, ReplicaId)) -> Vec<usize> {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 3, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Secret { viewers: 0b1_1110, ..Secret::default() }).unwrap();
    mesh.settle();
    mesh.overheard = Some(Vec::new());
    mesh.managers[1].primary_mut::<Secret>(id).unwrap().viewers = 0b1_0110;
    then(&mut mesh, id);
    mesh.weather = Weather::FAIR;
    mesh.settle();
    let words = mesh.overheard.unwrap();
    words.into_iter().filter(|(_, _, bytes)| any_of(bytes, |number| number == WORD)).map(|(_, to, _)| to).collect()
}

const WORD: u64 = 0xDEC1_A55E_F1ED_C0DE;

#[test]
fn a_host_that_does_not_know_yet_from_whom_a_chunk_is_hidden_does_not_tell_them() {
    let word = |mesh: &mut Mesh, id: ReplicaId| {
        mesh.managers[1].primary_mut::<Secret>(id).unwrap().rpcs().whisper(WORD).unwrap();
    };
    let lose_state = |mesh: &mut Mesh| {
        mesh.weather.loss = 1.0;
        mesh.step();
    };
    assert_eq!(told(word), [0, 3]);
    // The values are lost, but come later.
    let late = |mesh: &mut Mesh, id: ReplicaId| {
        word(mesh, id);
        lose_state(mesh);
    };
    assert_eq!(told(late), [0, 3]);
    // What does not wait for values, waits for these, at the host.
    let blurted = |mesh: &mut Mesh, id: ReplicaId| {
        mesh.managers[1].primary_mut::<Secret>(id).unwrap().rpcs().blurt(WORD).unwrap();
        lose_state(mesh);
    };
    assert_eq!(told(blurted), [0, 3]);
    // The values never come.
    let ended = |mesh: &mut Mesh, id: ReplicaId| {
        late(mesh, id);
        mesh.managers[1].destroy(id).unwrap();
    };
    assert_eq!(told(ended), [0]);
    let ended_at_once = |mesh: &mut Mesh, id: ReplicaId| {
        word(mesh, id);
        mesh.managers[1].destroy(id).unwrap();
    };
    assert_eq!(told(ended_at_once), [0]);
    // For one member alone.
    let directed = |mesh: &mut Mesh, id: ReplicaId| {
        for member in [3, 4] {
            let mut secret = mesh.managers[1].primary_mut::<Secret>(id).unwrap();
            secret.rpcs_to(MemberId(member)).blurt(WORD).unwrap();
        }
        lose_state(mesh);
    };
    assert_eq!(told(directed), [0, 0, 3]);
    let directed_and_ended = |mesh: &mut Mesh, id: ReplicaId| {
        directed(mesh, id);
        mesh.managers[1].destroy(id).unwrap();
    };
    assert_eq!(told(directed_and_ended), [0, 0]);
}

#[test]
fn peers_that_may_see_the_same_share_an_encoding() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 16, 1, Weather::FAIR);
    let host = &mut mesh.managers[0];
    // Odd members may see the secrets, members divisible by four the vaults.
    let (odd, fourth) = (0xAAAA_AAAA, 0x1111_1110);
    let ids: Vec<_> = (0..50)
        .map(|_| {
            let secret = Secret { viewers: odd, ..Secret::default() };
            host.spawn()
                .with(secret)
                .with(Vault { viewers: fourth, ..Vault::default() })
                .with(Mover::default())
                .add()
                .unwrap()
        })
        .collect();
    mesh.settle();
    let before = mesh.managers[0].stats();
    for id in &ids {
        mesh.managers[0].primary_mut::<Secret>(*id).unwrap().code += 1;
    }
    mesh.step();
    let after = mesh.managers[0].stats();
    assert_eq!(after.records_sent - before.records_sent, 50 * 16);
    assert_eq!(after.encodings - before.encodings, 50 * 3, "secrets, vaults, neither");
    // All that are shown it in one tick share the whole.
    mesh.settle();
    let before = mesh.managers[0].stats();
    mesh.managers[0].primary_mut::<Secret>(ids[0]).unwrap().viewers = u32::MAX;
    mesh.step();
    let after = mesh.managers[0].stats();
    assert_eq!(after.records_sent - before.records_sent, 16);
    assert_eq!(after.encodings - before.encodings, 3, "the odd ones' change, and two wholes");
    mesh.settle();
    assert!((1..17).all(|node| mesh.managers[node].get::<Secret>(ids[0]).unwrap().code == 1));
}

#[test]
fn what_is_hidden_falls_back_to_defaults_and_comes_back_whole() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 2, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Secret { viewers: 0b1100, code: 7, ..Secret::default() }).unwrap();
    mesh.settle();
    let code = |mesh: &Mesh| [1, 2].map(|node| mesh.managers[node].get::<Secret>(id).unwrap().code);
    assert_eq!(code(&mesh), [7, 7]);
    mesh.managers[0].primary_mut::<Secret>(id).unwrap().viewers = 0b0100;
    mesh.settle();
    assert_eq!(code(&mesh), [7, 0]);
    // Something beside it: nobody is told before it is said that the answer has changed.
    mesh.managers[0].primary_mut::<Secret>(id).unwrap().guests = 0b1000;
    mesh.settle();
    assert_eq!(code(&mesh), [7, 0]);
    let before = mesh.messages;
    mesh.managers[0].refresh_targets(id).unwrap();
    mesh.settle();
    assert_eq!((code(&mesh), mesh.messages - before), ([7, 7], 1), "and the other one is not told what it has");
    assert!(mesh.managers[0].refresh_targets(ReplicaId { creator: MemberId::HOST, serial: 99 }).is_err());
}

#[test]
fn replication_scenario_20f_what_is_hidden_and_shown_in_one_tick_does_not_flicker() {
    for owner in [0, 1] {
        let mut mesh = Mesh::new(&registry(Coder::Packed), 3, 1, Weather::FAIR);
        let id = mesh.managers[owner].add(Secret { viewers: 0b0_1110, code: 7, ..Secret::default() }).unwrap();
        mesh.settle();
        let codes = |mesh: &Mesh| [2, 3].map(|node| mesh.managers[node].get::<Secret>(id).unwrap().code);
        assert_eq!(codes(&mesh), [7, 0]);
        let before = mesh.messages;
        for _ in 0..10 {
            for viewers in [0b0_0010, 0b0_1110] {
                mesh.managers[owner].primary_mut::<Secret>(id).unwrap().viewers = viewers;
                mesh.managers[owner].refresh_targets(id).unwrap();
            }
            mesh.step();
        }
        assert_eq!(mesh.messages, before, "owner {owner}: nothing has changed, nothing is said");
        // The rule moves on to another member: of who stays within it, nothing changes on the way.
        for n in 0..20 {
            let viewers = if n % 2 == 0 { 0b1_1110 } else { 0b0_1110 };
            mesh.managers[owner].primary_mut::<Secret>(id).unwrap().viewers = viewers;
            for _ in 0..6 {
                mesh.step();
                assert_eq!(codes(&mesh)[0], 7, "owner {owner}, change {n}");
            }
            mesh.settle();
            assert_eq!(codes(&mesh), [7, if n % 2 == 0 { 7 } else { 0 }], "owner {owner}, change {n}");
        }
    }
}

#[test]
fn a_peer_is_told_which_member_it_is_and_whose_the_replica_is() {
    #[derive(Default, ReplicaChunk)]
    #[chunk(send_to = Self::note)]
    struct Roll {
        value: u8,
        #[dataset(skip)]
        asked: std::sync::Mutex<BTreeSet<(u32, bool, bool, bool)>>,
    }
    impl Roll {
        fn note(&self, peer: &TargetPeer) -> bool {
            let host = peer.role == PeerRole::Host;
            self.asked.lock().unwrap().insert((peer.member.0, host, peer.owner, peer.assigned));
            true
        }
    }
    let registry = Registry::builder().chunk::<Roll>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 2, 1, Weather::FAIR);
    let a = mesh.managers[0].spawn().with(Roll::default()).assign(MemberId(3)).add().unwrap();
    let b = mesh.managers[1].add(Roll { value: 1, ..Roll::default() }).unwrap();
    mesh.settle();
    let asked = |node: usize, id| mesh.managers[node].get::<Roll>(id).unwrap().asked.lock().unwrap().clone();
    assert_eq!(asked(0, a), BTreeSet::from([(2, false, false, false), (3, false, false, true)]));
    assert_eq!(asked(1, b), BTreeSet::from([(1, true, false, false)]));
    assert_eq!(asked(0, b), BTreeSet::from([(3, false, false, false)]), "a host asks for those it passes on to");
    // Idle, nobody is asked. With a new assignment, everybody.
    for (node, id) in [(0, a), (1, b)] {
        mesh.managers[node].get::<Roll>(id).unwrap().asked.lock().unwrap().clear();
    }
    mesh.run(50);
    mesh.managers[0].assign(a, MemberId(2)).unwrap();
    mesh.settle();
    let asked = |node: usize, id| mesh.managers[node].get::<Roll>(id).unwrap().asked.lock().unwrap().clone();
    assert_eq!(asked(0, a), BTreeSet::from([(2, false, false, true), (3, false, false, false)]));
    assert_eq!(asked(1, b), BTreeSet::new());
}

#[test]
fn a_word_is_for_those_who_see_and_finds_what_they_see() {
    for seed in 0..50 {
        let mut mesh = Mesh::new(&registry(Coder::Packed), 2, seed, Weather { loss: 0.6, ..Weather::FOUL });
        let id = mesh.managers[0].add(Secret { viewers: 0b0100, code: 7, ..Secret::default() }).unwrap();
        mesh.settle();
        let heard = |mesh: &Mesh| [1, 2].map(|node| mesh.managers[node].get::<Secret>(id).unwrap().heard.clone());
        let whisper = |mesh: &mut Mesh, word| mesh.managers[0].primary_mut::<Secret>(id).unwrap().rpcs().whisper(word);
        whisper(&mut mesh, 1).unwrap();
        mesh.settle();
        assert_eq!(heard(&mesh), [vec![(1, 7)], vec![]]);
        // It is shown the code and told a word in one tick, though no version of the replica is new.
        mesh.managers[0].primary_mut::<Secret>(id).unwrap().guests = 0b1000;
        whisper(&mut mesh, 2).unwrap();
        mesh.step();
        whisper(&mut mesh, 3).unwrap();
        mesh.settle();
        let both = vec![(2, 7), (3, 7)];
        assert_eq!(heard(&mesh), [[vec![(1, 7)], both.clone()].concat(), both], "seed {seed}");
        // From whom it is hidden may ask, and does not hear itself.
        mesh.managers[0].primary_mut::<Secret>(id).unwrap().guests = 0;
        mesh.managers[0].refresh_targets(id).unwrap();
        mesh.settle();
        mesh.managers[2].proxy::<Secret>(id).unwrap().rpcs().whisper(4).unwrap();
        mesh.settle();
        assert_eq!(heard(&mesh).map(|words| words.last().copied()), [Some((4, 7)), Some((3, 7))], "seed {seed}");
        assert_eq!(mesh.managers[2].get::<Secret>(id).unwrap().code, 0);
    }
}
