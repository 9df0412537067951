//! Ours: a node that hosts and nodes that joined, all layers down to datagrams.

use core::time::Duration;

use glam::Vec3;
use gridmate_runtime::carrier::CongestionConfig;
use gridmate_runtime::prelude::*;

use crate::model::Body;
use crate::relay::{Counted, Counts, Relay};
use crate::rig::{Rig, Traffic};

/// As it is: every value arrives bit by bit as it was written.
#[derive(Clone, Debug, Default, ReplicaChunk)]
pub struct Exact {
    id: u32,
    #[dataset(predict = Linear)]
    health: f32,
    #[dataset(predict = Linear)]
    position: Vec3,
    alive: bool,
}

/// As a game would: 16 bits for each coordinate, 8 for health.
#[derive(Clone, Debug, Default, ReplicaChunk)]
pub struct Quantised {
    id: u32,
    #[dataset(quantize(0.0..=100.0, bits = 8))]
    health: f32,
    #[dataset(quantize(-512.0..=512.0, bits = 16), predict = Linear)]
    position: Vec3,
    alive: bool,
}

/// A chunk that stands for a [`Body`].
pub trait Stand: ReplicaChunk {
    /// By how much it may differ from that: position, health.
    const TOLERANCE: (f32, f32);
    fn of(body: &Body) -> Self;
    /// Of its body among all.
    fn index(&self) -> usize;
    fn set_health(&mut self, health: f32);
    fn set_position(&mut self, position: [f32; 3]);
    fn body(&self) -> Body;
}

macro_rules! stand {
    ($chunk:ident, $tolerance:expr) => {
        impl Stand for $chunk {
            const TOLERANCE: (f32, f32) = $tolerance;

            fn of(body: &Body) -> Self {
                Self { id: body.id, health: body.health, position: body.position.into(), alive: body.alive }
            }

            fn index(&self) -> usize {
                self.id as usize - 1
            }

            fn set_health(&mut self, health: f32) {
                self.health = health;
            }

            fn set_position(&mut self, position: [f32; 3]) {
                self.position = position.into();
            }

            fn body(&self) -> Body {
                Body { id: self.id, health: self.health, position: self.position.into(), alive: self.alive }
            }
        }
    };
}

stand!(Exact, (0.0, 0.0));
// Half a step.
stand!(Quantised, (0.5 * 1_024.0 / 65_535.0 + 1e-4, 0.5 * 100.0 / 255.0 + 1e-4));

/// What lies between the nodes.
enum Network {
    Memory(Relay),
    Udp(Counts),
}

pub struct Gridmate<T: Stand> {
    network: Network,
    host: Node,
    clients: Vec<Node>,
    ids: Vec<ReplicaId>,
    congestion: CongestionConfig,
    now: [Instant; 2],
    chunk: core::marker::PhantomData<T>,
}

const FRAME: Duration = Duration::from_micros(16_667);

impl<T: Stand> Gridmate<T> {
    /// Datagrams go through memory.
    pub fn in_memory(bodies: &[Body], clients: usize, congestion: CongestionConfig) -> Self {
        Self::new(Network::Memory(Relay::default()), 1, bodies, clients, congestion)
    }

    /// The same, with a host that encodes on so many threads.
    pub fn on_threads(threads: usize, bodies: &[Body], clients: usize, congestion: CongestionConfig) -> Self {
        Self::new(Network::Memory(Relay::default()), threads, bodies, clients, congestion)
    }

    /// Datagrams go through sockets.
    pub fn over_udp(bodies: &[Body], clients: usize, congestion: CongestionConfig) -> Self {
        Self::new(Network::Udp(Counts::default()), 1, bodies, clients, congestion)
    }

    fn new(network: Network, threads: usize, bodies: &[Body], clients: usize, congestion: CongestionConfig) -> Self {
        let config = config::<T>(1, &congestion).max_members(clients + 2).encode_threads(threads);
        let mut host = match &network {
            Network::Memory(relay) => Node::host(relay.plug_in(), config),
            Network::Udp(counts) => Node::host(Counted::bind(counts, false), config),
        }
        .expect("a node");
        let ids = bodies.iter().map(|body| host.replicas().add(T::of(body)).expect("room")).collect();
        let now = [Instant::ZERO; 2];
        let mut rig =
            Self { network, host, clients: Vec::new(), ids, congestion, now, chunk: core::marker::PhantomData };
        (0..clients).for_each(|_| rig.join());
        rig
    }
}

fn config<T: ReplicaChunk>(seed: u64, congestion: &CongestionConfig) -> NodeConfig {
    let registry = Registry::builder().chunk::<T>().build().expect("one chunk type");
    NodeConfig::new(registry).seed(seed).congestion(congestion.clone())
}

fn tick(node: &mut Node, now: Instant) {
    node.tick(now).expect("a driver that works");
    while let Some(event) = node.poll_event() {
        if let NodeEvent::Session(SessionEvent::JoinFailed { error }) = event {
            panic!("not joined: {error}");
        }
    }
}

impl<T: Stand> Rig for Gridmate<T> {
    fn write_health(&mut self, bodies: &[Body]) {
        for (_, mut chunk) in self.host.replicas().primaries_mut::<T>() {
            let body = &bodies[chunk.index()];
            chunk.set_health(body.health);
        }
    }

    fn write_position(&mut self, bodies: &[Body]) {
        let replicas = self.host.replicas();
        for (id, body) in self.ids.iter().zip(bodies) {
            replicas.primary_mut::<T>(*id).expect("a primary").set_position(body.position);
        }
    }

    fn serve(&mut self) {
        self.now[0] = self.now[0] + FRAME;
        tick(&mut self.host, self.now[0]);
    }

    fn follow(&mut self, client: usize) {
        if client == 0 {
            self.now[1] = self.now[1] + FRAME;
        }
        tick(&mut self.clients[client], self.now[1]);
    }

    fn clients(&self) -> usize {
        self.clients.len()
    }

    fn join(&mut self) {
        let config = config::<T>(2 + self.clients.len() as u64, &self.congestion);
        let host = self.host.local_addr();
        let node = match &self.network {
            Network::Memory(relay) => Node::join(relay.plug_in(), host, config),
            Network::Udp(counts) => Node::join(Counted::bind(counts, true), host, config),
        };
        self.clients.push(node.expect("a node"));
    }

    fn leave(&mut self) {
        let mut client = self.clients.pop().expect("one to leave");
        client.leave(self.now[1]);
        for _ in 0..60 {
            self.now[1] = self.now[1] + FRAME;
            tick(&mut client, self.now[1]);
            self.serve();
        }
    }

    fn traffic(&self) -> Traffic {
        match &self.network {
            Network::Memory(relay) => relay.traffic(),
            Network::Udp(counts) => counts.traffic(),
        }
    }

    fn count(&mut self, client: usize) -> usize {
        self.clients[client].replicas_ref().len()
    }

    fn seen(&mut self, client: usize) -> Option<Vec<Body>> {
        let replicas = self.clients[client].replicas_ref();
        let mut bodies: Vec<_> = replicas.iter::<T>().map(|(_, chunk)| chunk.body()).collect();
        bodies.sort_by_key(|body| body.id);
        Some(bodies)
    }

    fn tolerance(&self) -> (f32, f32) {
        T::TOLERANCE
    }
}
