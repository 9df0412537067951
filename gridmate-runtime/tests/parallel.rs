//! Sessions whose host encodes on several threads say the same, bit by bit.
#![cfg(all(feature = "parallel", feature = "derive"))]

use core::time::Duration;

use gridmate_runtime::carrier::CongestionConfig;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{EncodeAheadStats, PeerRole, ReplicaStats};
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_runtime::{Rng, limits};

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Walker {
    #[dataset(quantize(-4096.0..=4096.0, step = 0.01), predict = Linear)]
    x: f32,
    #[dataset(predict = Linear)]
    y: f32,
    steps: u32,
}

/// Nothing of it is guessed; of the last of its datasets the old program knows nothing.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "lamp")]
struct Lamp {
    color: u32,
    label: String,
    fuel: u16,
}

mod old {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
    #[chunk(name = "lamp")]
    pub(super) struct Lamp {
        color: u32,
        label: String,
    }
}

/// Only members with an even number may have it.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(send_to = Self::is_for)]
struct Secret {
    code: u32,
}

impl Secret {
    fn is_for(&self, peer: &TargetPeer) -> bool {
        peer.member.0.is_multiple_of(2)
    }
}

fn registry(coder: Coder) -> Registry {
    Registry::builder().coder(coder).chunk::<Walker>().chunk::<Lamp>().chunk::<Secret>().build().unwrap()
}

fn old_registry() -> Registry {
    Registry::builder().chunk::<Walker>().chunk::<old::Lamp>().chunk::<Secret>().build().unwrap()
}

/// One session.
#[derive(Clone, Copy, Debug)]
struct Play {
    replicas: usize,
    ticks: u32,
    coder: Coder,
    link: LinkConfig,
    /// As much is sent as there is to say; otherwise congestion control decides.
    unlimited: bool,
    /// How many replicas are written to in a tick; the rest rests.
    share: f64,
}

/// A day on which datagrams are lost and take their time.
const ROUGH: LinkConfig = LinkConfig {
    loss: 0.02,
    duplicate: 0.01,
    latency: Duration::from_millis(20),
    jitter: Duration::from_millis(15),
    ..LinkConfig::perfect()
};

const PLAY: Play = Play { replicas: 10_000, ticks: 40, coder: Coder::Packed, link: ROUGH, unlimited: true, share: 1.0 };

/// What is seen of a session from outside, and what its host counts.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Of all datagrams: when, between whom, and their bytes.
    trace: u64,
    host: ReplicaStats,
}

struct Running {
    world: World,
    host: NodeKey,
    clients: Vec<NodeKey>,
    walkers: Vec<ReplicaId>,
    lamps: Vec<ReplicaId>,
    secrets: Vec<ReplicaId>,
    rng: Rng,
    play: Play,
}

impl Running {
    fn new(play: Play, threads: usize) -> Self {
        let mut world = World::new(7, 30, play.link).unwrap();
        let config = config(registry(play.coder), play).encode_threads(threads);
        let host = world.host(config).unwrap();
        let mut running = Self {
            world,
            host,
            clients: Vec::new(),
            walkers: Vec::new(),
            lamps: Vec::new(),
            secrets: Vec::new(),
            rng: Rng::new(99),
            play,
        };
        (0..play.replicas).for_each(|number| running.add(number));
        (0..3).for_each(|_| running.join(registry(play.coder)));
        if play.coder == Coder::Packed {
            running.join(old_registry());
        }
        running
    }

    fn join(&mut self, registry: Registry) {
        let client = self.world.join(self.host, config(registry, self.play)).unwrap();
        self.clients.push(client);
    }

    /// Mostly a block of one kind, as in a game; now and then of several.
    fn add(&mut self, number: usize) {
        let (lamp, secret) = (Lamp { label: number.to_string(), ..Lamp::default() }, Secret::default());
        let replicas = self.world.replicas(self.host);
        let id = match number / 100 % 10 {
            0 => replicas.add(lamp),
            1 => replicas.spawn().with(Walker::default()).with(lamp).add(),
            2 if number.is_multiple_of(5) => replicas.spawn().with(Walker::default()).with(secret).add(),
            3 if number.is_multiple_of(2) => replicas.add(lamp),
            _ => replicas.add(Walker::default()),
        };
        let id = id.unwrap();
        let replicas = self.world.replicas(self.host);
        let lists =
            [replicas.get::<Walker>(id).is_ok(), replicas.get::<Lamp>(id).is_ok(), replicas.get::<Secret>(id).is_ok()];
        for (list, has) in [&mut self.walkers, &mut self.lamps, &mut self.secrets].into_iter().zip(lists) {
            list.extend(has.then_some(id));
        }
    }

    fn tick(&mut self, tick: u32) {
        let Self { world, host, walkers, lamps, secrets, rng, play, .. } = self;
        let replicas = world.replicas(*host);
        for (n, id) in walkers.iter().enumerate().filter(|_| rng.chance(play.share)) {
            let mut walker = replicas.primary_mut::<Walker>(*id).unwrap();
            walker.x = (n as f32 * 0.3 + tick as f32 * 0.07).sin() * 400.0;
            walker.y += 0.5;
            walker.steps += u32::from(n % 3 == 0);
        }
        for id in lamps.iter().filter(|_| rng.chance(0.7)) {
            let mut lamp = replicas.primary_mut::<Lamp>(*id).unwrap();
            lamp.color = lamp.color.wrapping_mul(31).wrapping_add(tick);
            lamp.fuel = lamp.fuel.wrapping_add(3);
            if lamp.color % 64 == 0 {
                lamp.label.push('!');
            }
        }
        for id in &*secrets {
            replicas.primary_mut::<Secret>(*id).unwrap().code += 1;
        }
        // Some come and go, and one client is late.
        if tick % 10 == 5 {
            let gone = walkers.swap_remove(tick as usize);
            lamps.retain(|id| *id != gone);
            secrets.retain(|id| *id != gone);
            replicas.destroy(gone).unwrap();
            self.add(400 + tick as usize);
        }
        if tick == self.play.ticks / 2 {
            self.join(registry(self.play.coder));
        }
        // What a client owns, the host passes on.
        let client = self.clients[0];
        let here = self.world.replicas(client);
        let own = here.primaries_mut::<Lamp>().map(|(_, mut lamp)| lamp.color += 1).count();
        if own < 40 && here.local_member() != MemberId::NONE {
            here.add(Lamp::default()).unwrap();
        }
        self.world.step();
    }

    fn seen(&mut self) -> Seen {
        Seen { trace: self.world.trace_hash(), host: self.world.replicas(self.host).stats() }
    }
}

fn config(registry: Registry, play: Play) -> NodeConfig {
    let config = NodeConfig::new(registry).tolerant();
    if play.unlimited { config.congestion(CongestionConfig::Unlimited) } else { config }
}

/// Plays all of it, on so many threads.
fn play(play: Play, threads: usize) -> (Seen, EncodeAheadStats) {
    let mut running = Running::new(play, threads);
    (0..play.ticks).for_each(|tick| running.tick(tick));
    let ahead = running.world.replicas(running.host).encode_ahead_stats();
    assert!(ahead.used <= ahead.made && ahead.made_beside <= ahead.made, "{ahead:?}");
    (running.seen(), ahead)
}

#[test]
fn any_number_of_threads_makes_the_same_datagrams() {
    let (alone, ahead) = play(PLAY, 0);
    assert_eq!(ahead, EncodeAheadStats::default());
    assert!(alone.host.encodings > 100_000, "{alone:?}");
    assert_eq!(play(PLAY, 1), (alone, ahead));
    let (alone, _) = play(PLAY, 1);
    let mut beside = 0;
    for threads in [2, 4] {
        let (seen, ahead) = play(PLAY, threads);
        assert_eq!(seen, alone, "{threads} threads");
        assert!(ahead.ticks > 20, "{ahead:?}");
        // Not what newcomers are told, and those of another age of what they lack a part of.
        assert!(ahead.used * 2 > alone.host.encodings, "most of all: {ahead:?} {alone:?}");
        assert!(ahead.used * 20 > ahead.made * 19, "little in vain: {ahead:?}");
        beside += ahead.made_beside;
    }
    assert!(beside > 0, "others took part");
}

#[test]
fn so_it_is_on_good_links_and_when_few_change_and_when_bytes_are_short() {
    let fair = Play { link: LinkConfig::perfect(), ticks: 20, ..PLAY };
    for special in [fair, Play { share: 0.4, ..fair }, Play { unlimited: false, link: ROUGH, ..fair }] {
        let (seen, ahead) = play(special, 3);
        assert_eq!(play(special, 1), (seen, EncodeAheadStats::default()), "{special:?}");
        assert!(ahead.ticks > 0 || !special.unlimited, "{special:?} {ahead:?}");
    }
}

#[test]
fn small_sessions_and_those_with_models_stay_on_one_thread() {
    let few = Play { replicas: 500, ticks: 20, ..PLAY };
    let (seen, ahead) = play(few, 4);
    assert_eq!(ahead, EncodeAheadStats::default());
    assert_eq!(play(few, 1), (seen, ahead));
    let modelled = Play { coder: Coder::Entropy, replicas: 3_000, ticks: 8, link: LinkConfig::perfect(), ..PLAY };
    let (seen, ahead) = play(modelled, 4);
    assert_eq!(ahead, EncodeAheadStats::default());
    assert_eq!(play(modelled, 1), (seen, ahead));
    let mut modelled = ReplicaManager::new(registry(Coder::Entropy), 1);
    modelled.set_encode_threads(4);
    assert_eq!(modelled.encode_threads(), 1);
}

#[test]
fn threads_come_and_go_between_ticks() {
    let (alone, _) = play(Play { ticks: 24, ..PLAY }, 1);
    let mut running = Running::new(Play { ticks: 24, ..PLAY }, 2);
    for (tick, threads) in (0..24).zip([2, 2, 2, 1, 3, 3, 0, 4].into_iter().cycle()) {
        running.world.replicas(running.host).set_encode_threads(threads);
        running.tick(tick);
    }
    assert_eq!(running.seen(), alone);
    let replicas = running.world.replicas(running.host);
    replicas.set_encode_threads(usize::MAX);
    assert_eq!(replicas.encode_threads(), limits::ENCODE_THREADS);
}

/// A host that passes on what a client owns, some of which arrives between messages of one tick. Returns what it says.
fn passed_on(threads: usize) -> (Vec<Vec<u8>>, EncodeAheadStats) {
    let mut host = ReplicaManager::new(registry(Coder::Packed), 1);
    host.set_encode_threads(threads);
    let peers = [2, 3, 4].map(|member| host.add_peer(MemberId(member), PeerRole::Client));
    let mut owner = ReplicaManager::new(registry(Coder::Packed), 2);
    owner.set_local_member(MemberId(2));
    let above = owner.add_peer(MemberId::HOST, PeerRole::Host);
    for _ in 0..12_000 {
        owner.add(Walker::default()).unwrap();
    }
    let (mut said, mut message) = (Vec::new(), Vec::new());
    for tick in 0..20 {
        for (n, (_, mut walker)) in owner.primaries_mut::<Walker>().enumerate() {
            walker.x = ((n + tick) as f32).sin();
        }
        owner.prepare();
        let (mut arriving, mut tokens) = (Vec::new(), Vec::new());
        while let Some(sent) = owner.marshal(above, 1_200, &mut message) {
            tokens.push(sent.token);
            arriving.push(message.clone());
        }
        let mut late = arriving.split_off(arriving.len() / 2);
        for message in &arriving {
            let _verdict = host.handle_state(peers[0], tick as u64, message).unwrap();
        }
        host.update(Instant::from_millis(tick as u64), |_, fault| panic!("{fault}"));
        while host.poll_event().is_some() {}
        host.prepare();
        let mut receipts = Vec::new();
        for peer in &peers[1..] {
            while let Some(sent) = host.marshal(*peer, 1_200, &mut message) {
                receipts.push((*peer, sent.token));
                said.push(message.clone());
                // In the middle of it: the first message is written.
                for message in late.drain(..) {
                    let _verdict = host.handle_state(peers[0], tick as u64, &message).unwrap();
                }
            }
        }
        for message in late {
            let _verdict = host.handle_state(peers[0], tick as u64, &message).unwrap();
        }
        receipts.into_iter().for_each(|(peer, token)| host.handle_receipt(peer, token, true));
        tokens.into_iter().for_each(|token| owner.handle_receipt(above, token, true));
    }
    (said, host.encode_ahead_stats())
}

#[test]
fn what_arrives_in_the_middle_of_a_tick_waits_for_the_next() {
    let (said, ahead) = passed_on(2);
    assert!(ahead.used > 1_000, "{ahead:?}");
    let (alone, _) = passed_on(1);
    assert_eq!(said.len(), alone.len());
    assert!(said == alone, "the same messages");
}
