//! Chunks that only a host creates.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{AddError, PeerFault, PeerId, PeerRole, Verdict};
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "body", migratable)]
struct Body {
    x: u32,
}

/// Of which a host takes nothing from clients.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "loot", migratable, host_only, on_activate = Self::on_activate)]
struct Loot {
    #[dataset(predict = Linear)]
    gold: u32,
    #[dataset(max_len = 8)]
    name: String,
    #[dataset(skip)]
    heard: u32,
    #[dataset(skip)]
    active: bool,
}

impl Loot {
    fn on_activate(&mut self, _ctx: &LifeContext) {
        self.active = true;
    }
}

#[rpcs]
impl Loot {
    #[rpc]
    fn jingle(&mut self, _ctx: &RpcContext) -> Propagate {
        self.heard += 1;
        Propagate::ToProxies
    }
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "tail", migratable)]
struct Tail {
    length: u32,
}

#[rpcs]
impl Tail {
    #[rpc]
    fn wag(&mut self, _ctx: &RpcContext) -> Propagate {
        self.length += 1;
        Propagate::ToProxies
    }
}

/// A replica with one is refused whole.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "whistle", host_only = Replica)]
struct Whistle {
    round: u32,
}

fn registry(coder: Coder) -> Registry {
    let builder = Registry::builder().coder(coder);
    builder.chunk::<Body>().chunk::<Loot>().chunk::<Tail>().chunk::<Whistle>().build().unwrap()
}

const NAME: &str = "treasure";

/// Whether the name is in there, at any bit.
fn names_it(bytes: &[u8]) -> bool {
    let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1;
    let (length, text) = (NAME.len() * 8, NAME.as_bytes());
    (0..(bytes.len() * 8 + 1).saturating_sub(length))
        .any(|from| (0..length).all(|at| bit(bytes, from + at) == bit(text, at)))
}

fn events(mesh: &mut Mesh, node: usize) -> Vec<ReplicaEvent> {
    std::iter::from_fn(|| mesh.managers[node].poll_event()).collect()
}

#[test]
fn replication_scenario_13_a_clients_host_only_chunk_is_refused_and_the_rest_survives() {
    for (coder, seed) in [Coder::Packed, Coder::Entropy].into_iter().flat_map(|coder| (0..8).map(move |s| (coder, s))) {
        let mut mesh = Mesh::new(&registry(coder), 2, seed, Weather::FOUL);
        mesh.overheard = Some(Vec::new());
        let loot = Loot { gold: 1_000_000, name: NAME.into(), ..Loot::default() };
        let id = mesh.managers[1].spawn().with(Body { x: 1 }).with(loot).with(Tail { length: 3 }).add().unwrap();
        for _ in 0..40 {
            mesh.managers[1].primary_mut::<Body>(id).unwrap().x += 1;
            mesh.managers[1].primary_mut::<Loot>(id).unwrap().gold += 1;
            mesh.managers[1].primary_mut::<Loot>(id).unwrap().rpcs().jingle().unwrap();
            mesh.managers[1].primary_mut::<Tail>(id).unwrap().rpcs().wag().unwrap();
            mesh.step();
        }
        mesh.managers[2].proxy::<Tail>(id).unwrap().rpcs().wag().unwrap();
        mesh.settle();
        let late = mesh.join();
        mesh.settle();
        for node in [0, 2, late] {
            let manager = &mesh.managers[node];
            assert_eq!(manager.get::<Body>(id).unwrap().x, 41, "node {node}, seed {seed}");
            assert_eq!(manager.get::<Tail>(id).unwrap().length, 44, "node {node}, seed {seed}");
            assert_eq!(manager.get::<Loot>(id), Err(ReplicaError::NoSuchChunk(id)));
            assert_eq!(manager.iter::<Loot>().count(), 0);
        }
        if coder == Coder::Packed {
            let overheard = mesh.overheard.take().unwrap();
            let named = |from| overheard.iter().any(|(node, _, bytes)| *node == from && names_it(bytes));
            assert!(named(1) && !named(0), "nothing of it is passed on");
        }
        assert_eq!(mesh.managers[0].stats().chunks_refused, 1);
        assert_eq!(mesh.managers[0].stats().rpcs_dropped, 40, "what would run on it");
        let refused = ReplicaEvent::Refused { id, chunk: "loot" };
        assert_eq!(events(&mut mesh, 0).iter().filter(|event| **event == refused).count(), 1);
        assert!(!events(&mut mesh, 2).contains(&refused), "it is the host that refuses");
        // Neither is it the host's when the rest is, nor that of a session that goes on from it.
        mesh.leave(1);
        mesh.settle();
        mesh.managers[0].primary_mut::<Body>(id).unwrap().x = 0;
        mesh.settle();
        assert_eq!(mesh.managers[2].get::<Body>(id).unwrap().x, 0);
        assert!(mesh.managers[0].primary_mut::<Loot>(id).is_err() && mesh.agree());
        let mut after = ReplicaManager::new(registry(coder), 2);
        after.restore(&mesh.managers[0].save()).unwrap();
        assert_eq!(after.get::<Tail>(id).unwrap().length, 44);
        assert!(after.get::<Loot>(id).is_err());
    }
}

#[test]
fn replication_scenario_13_what_a_host_creates_is_everyones() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 2, 1, Weather::FOUL);
    let id =
        mesh.managers[0].spawn().with(Loot { gold: 5, ..Loot::default() }).with(Whistle { round: 2 }).add().unwrap();
    mesh.settle();
    for node in [0, 1, 2] {
        let loot = mesh.managers[node].get::<Loot>(id).unwrap();
        assert!(loot.gold == 5 && loot.active);
        assert_eq!(mesh.managers[node].get::<Whistle>(id).unwrap().round, 2);
    }
    assert!(mesh.agree());
}

#[test]
fn a_replica_of_nothing_else_is_an_empty_one() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 1, 1, Weather::FAIR);
    let id = mesh.managers[1].add(Loot { gold: 5, ..Loot::default() }).unwrap();
    for _ in 0..20 {
        mesh.managers[1].primary_mut::<Loot>(id).unwrap().gold += 1;
        mesh.step();
    }
    mesh.settle();
    assert!(mesh.managers[0].info(id).is_some() && mesh.managers[0].get::<Loot>(id).is_err());
    let mut after = ReplicaManager::new(registry(Coder::Packed), 2);
    assert_eq!(after.restore(&mesh.managers[0].save()), Ok(vec![]));
    mesh.managers[1].destroy(id).unwrap();
    mesh.settle();
    assert!(mesh.managers.iter().all(|manager| manager.is_empty()));
}

#[test]
fn replication_scenario_13_what_is_refused_whole_is_an_error_at_the_client_and_a_fault_at_the_host() {
    let mut mesh = Mesh::new(&registry(Coder::Packed), 1, 1, Weather::FAIR);
    let client = &mut mesh.managers[1];
    assert_eq!(client.add(Whistle::default()), Err(AddError::HostOnly("whistle")));
    assert_eq!(client.spawn().with(Body::default()).with(Whistle::default()).add(), Err(AddError::HostOnly("whistle")));
    assert!(client.is_empty());
    assert!(client.add(Body::default()).is_ok_and(|id| id.serial == 1), "no id was used up");

    // One that does not care.
    let mut rogue = ReplicaManager::new(registry(Coder::Packed), 1);
    rogue.set_local_member(MemberId(2));
    let there: PeerId = rogue.add_peer(MemberId::HOST, PeerRole::Client);
    rogue.spawn().with(Body::default()).with(Whistle::default()).add().unwrap();
    rogue.prepare();
    let mut bytes = Vec::new();
    assert!(rogue.marshal(there, 1_200, &mut bytes).is_some());
    assert_eq!(mesh.give_state(1, 0, &bytes), Err(PeerFault::HostOnly("whistle")));
    assert!(mesh.managers[0].is_empty());
}

#[test]
fn a_client_does_not_say_what_is_refused() {
    // It claims that the chunk was left out already, or that it was not: the host makes up its own mind.
    let mut rogue = ReplicaManager::new(registry(Coder::Packed), 1);
    rogue.set_local_member(MemberId(2));
    let there = rogue.add_peer(MemberId::HOST, PeerRole::Client);
    rogue.spawn().with(Body { x: 1 }).with(Loot { gold: 7, ..Loot::default() }).add().unwrap();
    rogue.prepare();
    let mut bytes = Vec::new();
    assert!(rogue.marshal(there, 1_200, &mut bytes).is_some());
    for flipped in 0..bytes.len() * 8 {
        let mut mesh = Mesh::new(&registry(Coder::Packed), 1, 1, Weather::FAIR);
        let mut forged = bytes.clone();
        forged[flipped / 8] ^= 1 << (flipped % 8);
        if mesh.give_state(1, 0, &forged) == Ok(Verdict::Accepted) {
            assert_eq!(mesh.managers[0].iter::<Loot>().count(), 0, "bit {flipped}");
        }
    }
}

#[test]
fn it_is_part_of_the_schema() {
    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "body")]
    struct Other {
        x: u32,
    }
    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "body", host_only)]
    struct HostOnly {
        x: u32,
    }
    let [everyones, hosts] = [
        Registry::builder().chunk::<Other>().build().unwrap(),
        Registry::builder().chunk::<HostOnly>().build().unwrap(),
    ];
    assert_ne!(everyones.fingerprint(), hosts.fingerprint());
    assert_eq!(hosts.to_string(), "chunk body host_only\n  x: u32\n");
    let diff = everyones.snapshot().diff(&hosts.snapshot());
    assert_eq!(diff.to_string(), "chunk `body` is called `body host_only` there\n");
    assert!(everyones.snapshot().common(&hosts.snapshot()).is_err(), "nothing for tolerance");
    let read = gridmate_runtime::schema::Snapshot::from_json(&hosts.to_json()).unwrap();
    assert_eq!((read.fingerprint(), read), (hosts.fingerprint(), hosts.snapshot()));
}

/// Member 1 takes the place of the host of a mesh.
fn succeed(mesh: &mut Mesh) {
    mesh.die(0);
    mesh.nodes().into_iter().for_each(|node| mesh.lose_host(node));
    mesh.take_over(1);
    mesh.nodes().into_iter().filter(|node| *node != 1).for_each(|node| mesh.follow(node));
    mesh.run(4);
    mesh.settle();
}

#[test]
fn what_a_lost_host_created_is_everyones_still() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut mesh = Mesh::hybrid(&registry(coder), 3, 0, 1, Weather::FOUL);
        let loot = || Loot { gold: 5, ..Loot::default() };
        let ids = [0, 1].map(|_| mesh.managers[0].spawn().with(loot()).with(Whistle { round: 2 }).add().unwrap());
        mesh.settle();
        succeed(&mut mesh);
        assert!(mesh.agree() && mesh.managers[2].info(ids[0]).is_none(), "whistles do not migrate");
    }
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut mesh = Mesh::hybrid(&registry(coder), 3, 0, 1, Weather::FOUL);
        let loot = || Loot { gold: 5, ..Loot::default() };
        let ids = [0, 1].map(|_| mesh.managers[0].spawn().with(loot()).with(Body { x: 2 }).add().unwrap());
        mesh.managers[0].set_owner(ids[0], MemberId(3)).unwrap();
        mesh.run(4);
        mesh.settle();
        succeed(&mut mesh);
        // They come from a member to one that has never known their host, and to a client, and on to others.
        let (second, client) = (mesh.join_mesh(), mesh.join());
        mesh.settle();
        let gold = |mesh: &Mesh, id, node: usize| mesh.managers[node].get::<Loot>(id).unwrap().gold;
        for id in ids {
            assert_eq!([1, 2, 3, second, client].map(|node| gold(&mesh, id, node)), [5; 5]);
        }
        mesh.managers[1].set_owner(ids[1], MemberId(4)).unwrap();
        mesh.run(4);
        mesh.settle();
        mesh.managers[3].primary_mut::<Loot>(ids[1]).unwrap().gold = 6;
        mesh.managers[2].primary_mut::<Loot>(ids[0]).unwrap().gold = 7;
        mesh.settle();
        assert_eq!([1, 2, second, client].map(|node| gold(&mesh, ids[1], node)), [6; 4]);
        assert_eq!([1, 3, second, client].map(|node| gold(&mesh, ids[0], node)), [7; 4]);
        assert!(mesh.agree());
    }
}

/// It creates such chunks from then on, but what it has created before was taken in without them.
#[test]
fn a_member_gets_nothing_by_becoming_the_host() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut mesh = Mesh::hybrid(&registry(coder), 2, 0, 1, Weather::FOUL);
        let ids = [1, 2].map(|node| {
            let spawn = mesh.managers[node].spawn();
            spawn.with(Body { x: 1 }).with(Loot { gold: 9, ..Loot::default() }).with(Tail { length: 3 }).add().unwrap()
        });
        mesh.settle();
        assert_eq!(mesh.managers[1].get::<Loot>(ids[0]).unwrap().gold, 9);
        assert_eq!(mesh.managers[1].spawn().with(Whistle { round: 1 }).add(), Err(AddError::HostOnly("whistle")));
        events(&mut mesh, 1);
        succeed(&mut mesh);
        let refused = ReplicaEvent::Refused { id: ids[0], chunk: "loot" };
        assert_eq!(events(&mut mesh, 1).iter().filter(|event| **event == refused).count(), 1);
        assert_eq!(mesh.managers[1].primaries_mut::<Loot>().count(), 0);
        let (second, client) = (mesh.join_mesh(), mesh.join());
        mesh.managers[1].primary_mut::<Tail>(ids[0]).unwrap().length += 1;
        mesh.settle();
        for (id, creator) in ids.into_iter().zip([1, 2]) {
            for node in [1, 2, second, client] {
                let manager = &mesh.managers[node];
                assert_eq!(manager.get::<Tail>(id).unwrap().length, 3 + u32::from(creator == 1), "node {node}");
                let keeps_it = node == creator && node != 1;
                assert_eq!(manager.get::<Loot>(id).is_ok(), keeps_it, "node {node} of creator {creator}");
            }
        }
        let new = mesh.managers[1].spawn().with(Loot { gold: 4, ..Loot::default() }).with(Whistle { round: 1 }).add();
        let new = new.expect("it is the host");
        mesh.settle();
        assert!([2, second, client].iter().all(|node| mesh.managers[*node].get::<Loot>(new).unwrap().gold == 4));
    }
}
