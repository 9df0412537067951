//! naia: its server and clients over its hub in memory, on its test clock. Four components for an entity, all in one room with everyone,
//! no limit to the bandwidth.

mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use naia_client::transport::local::{LocalAddrCell, LocalClientSocket, Socket as ClientSocket};
use naia_client::{Client, ClientConfig};
use naia_server::transport::local::{LocalServerSocket, Socket as ServerSocket};
use naia_server::{ConnectEvent, RoomKey, Server, ServerConfig};
use naia_shared::transport::local::{FAKE_SERVER_ADDR, LocalTransportHub};
use naia_shared::{Instant, Message, Property, Protocol, Replicate, TestClock, WorldRefType};
use parking_lot::Mutex;

use self::world::World;
use crate::model::Body;
use crate::rig::{Rig, Traffic};

#[derive(Replicate)]
pub struct Id {
    pub id: Property<u32>,
}

#[derive(Replicate)]
pub struct Health {
    pub health: Property<f32>,
}

#[derive(Replicate)]
pub struct Position {
    pub x: Property<f32>,
    pub y: Property<f32>,
    pub z: Property<f32>,
}

#[derive(Replicate)]
pub struct Alive {
    pub alive: Property<bool>,
}

/// Says nothing; everyone may come in.
#[derive(Message)]
pub struct Hello;

/// Of its clock, milliseconds.
const TICK: u64 = 16;

pub struct Naia {
    hub: LocalTransportHub,
    server: Server<u32>,
    world: World,
    room: RoomKey,
    clients: Vec<(Client<u32>, World)>,
    entities: Vec<u32>,
    traffic: Traffic,
}

fn protocol() -> Protocol {
    Protocol::builder()
        .add_default_channels()
        .add_message::<Hello>()
        .add_component::<Id>()
        .add_component::<Health>()
        .add_component::<Position>()
        .add_component::<Alive>()
        .build()
}

impl Naia {
    pub fn new(bodies: &[Body], clients: usize) -> Self {
        TestClock::init(0);
        let hub = LocalTransportHub::new(FAKE_SERVER_ADDR.parse::<SocketAddr>().expect("an address"));
        let mut config = ServerConfig::default();
        config.connection.bandwidth.target_bytes_per_sec = u32::MAX / 2;
        let mut server = Server::new(config, protocol());
        server.listen(ServerSocket::new(LocalServerSocket::new(hub.clone()), None));
        let room = server.create_room().key();
        let mut world = World::default();
        let entities = bodies
            .iter()
            .map(|body| {
                let mut entity = server.spawn_entity(&mut world);
                let [x, y, z] = body.position;
                entity.insert_component(Id::new_complete(body.id));
                entity.insert_component(Health::new_complete(body.health));
                entity.insert_component(Position::new_complete(x, y, z));
                entity.insert_component(Alive::new_complete(body.alive));
                entity.enter_room(&room);
                entity.id()
            })
            .collect();
        let traffic = Traffic::default();
        let mut rig = Self { hub, server, world, room, clients: Vec::new(), entities, traffic };
        (0..clients).for_each(|_| rig.join());
        rig
    }
}

impl Rig for Naia {
    fn write_health(&mut self, bodies: &[Body]) {
        for (entity, body) in self.entities.iter().zip(bodies) {
            let mut entity = self.server.entity_mut(&mut self.world, entity);
            *entity.component::<Health>().expect("a component").health = body.health;
        }
    }

    fn write_position(&mut self, bodies: &[Body]) {
        for (entity, body) in self.entities.iter().zip(bodies) {
            let mut entity = self.server.entity_mut(&mut self.world, entity);
            let mut position = entity.component::<Position>().expect("a component");
            [*position.x, *position.y, *position.z] = body.position;
        }
    }

    fn serve(&mut self) {
        TestClock::advance(TICK);
        let now = Instant::now();
        let Self { server, world, room, .. } = self;
        server.receive_all_packets();
        server.process_all_packets(&mut *world, &now);
        let mut events = server.take_world_events();
        for (user, _) in events.take_auths().into_values().flatten() {
            server.accept_connection(&user);
        }
        for user in events.read::<ConnectEvent>() {
            server.room_mut(room).add_user(&user);
        }
        server.take_tick_events(&now);
        server.send_all_packets(&*world);
        self.traffic.down_bytes += self.server.outgoing_bytes_last_tick();
    }

    fn follow(&mut self, client: usize) {
        let now = Instant::now();
        let (client, world) = &mut self.clients[client];
        client.receive_all_packets();
        client.process_all_packets(&mut *world, &now);
        client.take_world_events();
        client.take_tick_events(&now);
        client.send_all_packets(&*world);
    }

    fn clients(&self) -> usize {
        self.clients.len()
    }

    fn join(&mut self) {
        let mut client = Client::new(ClientConfig::default(), protocol());
        let (address, auth_request, auth_response, sender, receiver) = self.hub.register_client();
        let server = self.hub.server_addr();
        let cell = LocalAddrCell::new();
        cell.set_sync(server);
        let (token, rejection) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let socket = LocalClientSocket::new_with_tokens(
            address,
            server,
            auth_request,
            auth_response,
            sender,
            receiver,
            cell,
            token,
            rejection,
        );
        client.auth(Hello);
        client.connect(ClientSocket::new(socket, None));
        self.clients.push((client, World::default()));
    }

    fn leave(&mut self) {
        let (mut client, world) = self.clients.pop().expect("one to leave");
        client.disconnect();
        client.send_all_packets(&world);
        self.serve();
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn count(&mut self, client: usize) -> usize {
        self.clients[client].1.bodies().count()
    }

    fn seen(&mut self, client: usize) -> Option<Vec<Body>> {
        let mut bodies: Vec<_> = self.clients[client].1.bodies().collect();
        bodies.sort_by_key(|body| body.id);
        Some(bodies)
    }
}

impl World {
    /// Those that have all their components.
    fn bodies(&self) -> impl Iterator<Item = Body> {
        self.entities().into_iter().filter_map(|entity| {
            let position = self.component::<Position>(&entity)?;
            Some(Body {
                id: *self.component::<Id>(&entity)?.id,
                health: *self.component::<Health>(&entity)?.health,
                position: [*position.x, *position.y, *position.z],
                alive: *self.component::<Alive>(&entity)?.alive,
            })
        })
    }
}
