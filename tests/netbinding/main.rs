//! Worlds bound to nodes: entities appear, follow, and vanish everywhere.

mod bound;
mod refs;

use gridmate_runtime::sim::LinkConfig;
use netbinding::prelude::*;
use netbinding::{Entity, PlainWorld};

#[derive(Clone, Debug, Default, PartialEq, NetBindable)]
#[chunk(name = "body")]
struct Body {
    #[dataset(quantize(-100.0..=100.0, step = 0.5))]
    x: f32,
    #[dataset(skip)]
    particles: u32,
}

#[derive(Clone, Debug, Default, PartialEq, NetBindable)]
#[chunk(name = "vitals")]
struct Vitals {
    health: u8,
}

#[rpcs]
impl Vitals {
    #[rpc]
    fn hurt(&mut self, _ctx: &RpcContext, points: u8) {
        self.health = self.health.saturating_sub(points);
    }

    #[rpc]
    fn perish(&mut self, ctx: &RpcContext) {
        ctx.destroy_replica();
    }
}

/// A node with a world.
struct Player {
    node: Node,
    net: Binding<PlainWorld>,
    world: PlainWorld,
}

/// A host and two clients on lossy links.
struct Game {
    players: Vec<Player>,
    frame: u64,
}

impl Game {
    fn new() -> Self {
        let network = MemoryNetwork::new();
        let mut players: Vec<Player> = Vec::new();
        for seed in 0..3 {
            let (net, registry) = Binding::<PlainWorld>::builder()
                .component::<Body>()
                .component::<Vitals>()
                .component::<refs::Missile>()
                .build()
                .unwrap();
            let link = LinkConfig { loss: 0.2, ..LinkConfig::perfect() };
            let driver = Conditioned::new(network.bind_any().unwrap(), link, seed).unwrap();
            let config = NodeConfig::new(registry).seed(seed);
            let node = match players.first() {
                None => Node::host(driver, config).unwrap(),
                Some(host) => Node::join(driver, host.node.local_addr(), config).unwrap(),
            };
            players.push(Player { node, net, world: PlainWorld::new() });
        }
        let mut game = Self { players, frame: 0 };
        game.run(90);
        assert!(game.players.iter().all(|p| p.node.members().count() == 3));
        game
    }

    fn run(&mut self, frames: u64) {
        for _ in 0..frames {
            self.frame += 1;
            for Player { node, net, world } in &mut self.players {
                net.push(world, node.replicas());
                node.tick(Instant::from_millis(self.frame * 33)).unwrap();
                while let Some(event) = node.poll_event() {
                    net.handle_event(&event, world, node.replicas());
                }
                net.pull(world, node.replicas());
            }
        }
    }

    /// Binds an entity of a player's with a body and vitals.
    fn bind(&mut self, player: usize, x: f32) -> (Entity, ReplicaId) {
        let Player { node, net, world } = &mut self.players[player];
        let entity = world.create();
        world.insert(entity, Body { x, particles: 7 });
        world.insert(entity, Vitals { health: 100 });
        (entity, net.bind(entity, world, node.replicas()).unwrap())
    }

    /// What a player's world has for a replica.
    fn see(&self, player: usize, id: ReplicaId) -> Option<(&Body, &Vitals)> {
        let Player { net, world, .. } = &self.players[player];
        let entity = net.entity(id)?;
        assert_eq!(net.replica(entity), Some(id));
        Some((world.get(entity)?, world.get(entity)?))
    }
}

#[test]
fn an_entity_is_everywhere_with_one_identity() {
    let mut game = Game::new();
    for player in 0..3 {
        let (entity, id) = game.bind(player, 10.2);
        game.run(60);
        for other in 0..3 {
            let (body, vitals) = game.see(other, id).expect("the entity is in every world");
            assert_eq!(vitals.health, 100);
            let (x, particles) = if other == player { (10.2, 7) } else { (10.0, 0) };
            assert_eq!((body.x, body.particles), (x, particles), "what is skipped stays at home");
        }
        // What does not travel stays as it is when the rest changes.
        let there = game.players[(player + 1) % 3].net.entity(id).unwrap();
        game.players[(player + 1) % 3].world.get_mut::<Body>(there).unwrap().particles = 55;
        game.players[player].world.get_mut::<Body>(entity).unwrap().x = -3.0;
        game.run(60);
        assert_eq!(game.see((player + 1) % 3, id).unwrap().0, &Body { x: -3.0, particles: 55 });
    }
}

#[test]
fn a_call_changes_the_component_of_the_owner_and_then_everyones() {
    let mut game = Game::new();
    let (_, id) = game.bind(1, 0.0);
    game.run(60);
    game.players[2].node.replicas().proxy::<Vitals>(id).unwrap().rpcs().hurt(30).unwrap();
    game.run(90);
    for player in 0..3 {
        assert_eq!(game.see(player, id).unwrap().1.health, 70, "player {player}");
    }
}

#[test]
fn despawning_ends_it_everywhere_and_unbinding_elsewhere() {
    let mut game = Game::new();
    let (first, first_id) = game.bind(1, 1.0);
    let (second, second_id) = game.bind(1, 2.0);
    game.run(60);
    let spawned = game.players[2].net.entity(first_id).unwrap();
    game.players[1].world.remove(first);
    let Player { node, net, .. } = &mut game.players[1];
    assert!(net.unbind(second, node.replicas()));
    game.run(60);
    for player in [0, 2] {
        assert!(game.see(player, first_id).is_none() && game.see(player, second_id).is_none());
        assert_eq!(game.players[player].world.entities().count(), 0);
    }
    assert!(!game.players[2].world.contains(spawned));
    assert!(game.players[1].world.contains(second), "an unbound entity stays in its own world");
    assert!(game.players.iter().all(|p| p.net.is_empty() && p.node.replicas_ref().is_empty()));
}

#[test]
fn a_lost_members_entities_go_with_it() {
    let mut game = Game::new();
    let (_, id) = game.bind(2, 1.0);
    game.run(60);
    game.players.pop();
    game.run(200);
    for player in 0..2 {
        assert!(game.see(player, id).is_none());
        assert_eq!(game.players[player].world.entities().count(), 0);
    }
}

#[test]
fn misuse_is_an_error() {
    let mut game = Game::new();
    let (entity, id) = game.bind(1, 0.0);
    let Player { node, net, world } = &mut game.players[1];
    assert_eq!(net.bind(entity, world, node.replicas()), Err(BindError::Bound(id)));
    let bare = world.create();
    assert_eq!(net.bind(bare, world, node.replicas()), Err(BindError::NoComponent));
    assert!(!net.unbind(bare, node.replicas()));
    game.run(60);
    let Player { node, net, .. } = &mut game.players[2];
    let theirs = net.entity(id).unwrap();
    assert!(!net.unbind(theirs, node.replicas()), "only the owner ends a replica");
}

#[test]
fn what_a_call_changed_is_not_undone_by_the_games_next_write() {
    let mut game = Game::new();
    let (entity, id) = game.bind(1, 0.0);
    game.run(60);
    game.players[1].node.replicas().primary_mut::<Vitals>(id).unwrap().rpcs().hurt(10).unwrap();
    // Before the component has heard of it, and after.
    game.players[1].world.get_mut::<Body>(entity).unwrap().x = 1.0;
    game.players[1].world.get_mut::<Vitals>(entity).unwrap();
    game.run(1);
    assert_eq!(game.see(1, id).unwrap().1.health, 90);
    game.players[1].world.get_mut::<Vitals>(entity).unwrap();
    game.run(60);
    for player in 0..3 {
        assert_eq!(
            game.see(player, id).unwrap(),
            (&Body { x: 1.0, particles: if player == 1 { 7 } else { 0 } }, &Vitals { health: 90 })
        );
    }
}

#[test]
fn a_local_call_that_destroys_takes_the_entity_with_it() {
    let mut game = Game::new();
    let (entity, id) = game.bind(1, 0.0);
    game.run(60);
    game.players[1].node.replicas().primary_mut::<Vitals>(id).unwrap().rpcs().perish().unwrap();
    game.run(60);
    assert!(!game.players[1].world.contains(entity));
    assert!(game.players.iter().all(|p| p.net.is_empty() && p.world.entities().count() == 0));
}
