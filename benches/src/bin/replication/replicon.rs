//! bevy_replicon: a server's and clients' `App`, run by hand, with messages passed between them as they are. Four components for an
//! entity, serde's encoding as by default, everyone sees everything.

use core::time::Duration;

use bevy_app::{App, PluginGroup, PostUpdate, TaskPoolPlugin};
use bevy_ecs::prelude::*;
use bevy_replicon::prelude::*;
use bevy_state::app::StatesPlugin;
use bevy_state::prelude::{NextState, State};
use bevy_time::{TimePlugin, TimeUpdateStrategy};
use serde::{Deserialize, Serialize};

use crate::model::Body;
use crate::rig::{Rig, Traffic};

#[derive(Clone, Component, Copy, Deserialize, Serialize)]
struct Id(u32);

#[derive(Clone, Component, Copy, Deserialize, Serialize)]
struct Health(f32);

#[derive(Clone, Component, Copy, Deserialize, Serialize)]
struct Position([f32; 3]);

#[derive(Clone, Component, Copy, Deserialize, Serialize)]
struct Alive(bool);

/// What a server may hand to its transport as one message.
const MESSAGE: usize = 1_200;

const FRAME: Duration = Duration::from_micros(16_667);

pub struct Replicon {
    server: App,
    clients: Vec<Client>,
    entities: Vec<Entity>,
    traffic: Traffic,
}

struct Client {
    app: App,
    /// How the server knows it.
    at_server: Entity,
}

impl Replicon {
    pub fn new(bodies: &[Body], clients: usize) -> Self {
        let mut server = app();
        server.world_mut().resource_mut::<NextState<ServerState>>().set(ServerState::Running);
        let entities = bodies
            .iter()
            .map(|body| {
                let Body { id, health, position, alive } = *body;
                let components = (Replicated, Id(id), Health(health), Position(position), Alive(alive));
                server.world_mut().spawn(components).id()
            })
            .collect();
        let mut rig = Self { server, clients: Vec::new(), entities, traffic: Traffic::default() };
        (0..clients).for_each(|_| rig.join());
        rig
    }

    /// Hands over what the server has for its clients. A library beside it would do that, so it is nobody's time.
    fn relay_down(&mut self) {
        let Self { server, clients, traffic, .. } = self;
        let mut messages = server.world_mut().resource_mut::<ServerMessages>();
        for (to, channel, message) in messages.drain_sent() {
            traffic.down_bytes += message.len() as u64;
            traffic.down_datagrams += 1;
            if let Some(client) = clients.iter_mut().find(|client| client.at_server == to) {
                client.app.world_mut().resource_mut::<ClientMessages>().insert_received(channel, message);
            }
        }
    }

    fn relay_up(&mut self, client: usize) {
        let Self { server, clients, traffic, .. } = self;
        let Client { app, at_server } = &mut clients[client];
        let mut messages = server.world_mut().resource_mut::<ServerMessages>();
        for (channel, message) in app.world_mut().resource_mut::<ClientMessages>().drain_sent() {
            traffic.up_bytes += message.len() as u64;
            traffic.up_datagrams += 1;
            messages.insert_received(*at_server, channel, message);
        }
    }
}

fn app() -> App {
    let mut app = App::new();
    app.add_plugins((
        TaskPoolPlugin::default(),
        TimePlugin,
        StatesPlugin,
        // A tick is an update.
        RepliconPlugins.set(ServerPlugin::new(PostUpdate)),
    ));
    app.insert_resource(TimeUpdateStrategy::ManualDuration(FRAME));
    app.replicate::<Id>().replicate::<Health>().replicate::<Position>().replicate::<Alive>();
    app.finish();
    app
}

impl Rig for Replicon {
    fn write_health(&mut self, bodies: &[Body]) {
        let world = self.server.world_mut();
        for (entity, body) in self.entities.iter().zip(bodies) {
            world.get_mut::<Health>(*entity).expect("an entity").0 = body.health;
        }
    }

    fn write_position(&mut self, bodies: &[Body]) {
        let world = self.server.world_mut();
        for (entity, body) in self.entities.iter().zip(bodies) {
            world.get_mut::<Position>(*entity).expect("an entity").0 = body.position;
        }
    }

    fn serve(&mut self) {
        self.server.update();
    }

    fn follow(&mut self, client: usize) {
        self.clients[client].app.update();
    }

    fn carry(&mut self) {
        self.relay_down();
        (0..self.clients.len()).for_each(|client| self.relay_up(client));
    }

    fn clients(&self) -> usize {
        self.clients.len()
    }

    fn join(&mut self) {
        let at_server = self.server.world_mut().spawn(ConnectedClient { max_size: MESSAGE }).id();
        let mut app = app();
        app.world_mut().resource_mut::<NextState<ClientState>>().set(ClientState::Connected);
        app.update();
        debug_assert_eq!(*app.world().resource::<State<ClientState>>().get(), ClientState::Connected);
        self.clients.push(Client { app, at_server });
        self.relay_up(self.clients.len() - 1);
    }

    fn leave(&mut self) {
        let client = self.clients.pop().expect("one to leave");
        self.server.world_mut().despawn(client.at_server);
        self.server.update();
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn count(&mut self, client: usize) -> usize {
        let world = self.clients[client].app.world_mut();
        world.query::<(&Id, &Health, &Position, &Alive)>().iter(world).count()
    }

    fn seen(&mut self, client: usize) -> Option<Vec<Body>> {
        let world = self.clients[client].app.world_mut();
        let body = |(id, health, position, alive): (&Id, &Health, &Position, &Alive)| Body {
            id: id.0,
            health: health.0,
            position: position.0,
            alive: alive.0,
        };
        let mut bodies: Vec<_> = world.query::<(&Id, &Health, &Position, &Alive)>().iter(world).map(body).collect();
        bodies.sort_by_key(|body| body.id);
        Some(bodies)
    }
}
