//! References between entities, followed on each node to that node's own, over links that lose a fifth.

use netbinding::Entity;
use netbinding::prelude::*;

use crate::{Body, Game, Player};

#[derive(Clone, Debug, Default, PartialEq, NetBindable)]
#[chunk(name = "missile")]
pub(crate) struct Missile {
    #[dataset(entity)]
    target: Option<EntityRef>,
    #[dataset(entity)]
    shooter: EntityRef,
    wanted: Vec<Wanted>,
}

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
struct Wanted(#[marshal(entity)] EntityRef, u8);

#[rpcs]
impl Missile {
    #[rpc]
    fn divert(&mut self, _ctx: &RpcContext, #[marshal(entity)] to: Option<EntityRef>) {
        self.target = to;
    }
}

impl Game {
    fn fire(&mut self, player: usize, missile: Missile) -> (Entity, ReplicaId) {
        let Player { node, net, world } = &mut self.players[player];
        let entity = world.create();
        world.insert(entity, missile);
        (entity, net.bind(entity, world, node.replicas()).unwrap())
    }

    fn missile(&self, player: usize, id: ReplicaId) -> &Missile {
        let Player { net, world, .. } = &self.players[player];
        world.get(net.entity(id).expect("the missile is in this world")).expect("it is a missile")
    }

    /// The x of the body that a missile's target has in a player's world.
    fn target(&self, player: usize, id: ReplicaId) -> Option<f32> {
        let Player { net, world, .. } = &self.players[player];
        let target = net.resolve(self.missile(player, id).target)?;
        Some(world.get::<Body>(target).expect("the target has a body").x)
    }

    fn reference(&self, player: usize, entity: Entity) -> Option<EntityRef> {
        self.players[player].net.entity_ref(entity)
    }
}

#[test]
fn every_node_finds_its_own_entity() {
    let mut game = Game::new();
    // So that the worlds' own names for entities have nothing in common.
    (0..5).for_each(|_| _ = game.players[2].world.create());
    let (prey, prey_id) = game.bind(0, 25.0);
    let (shooter, _) = game.bind(1, -4.0);
    game.run(60);
    let prey_there = game.players[1].net.entity(prey_id).unwrap();
    let target = game.reference(1, prey_there);
    let shooter = game.reference(1, shooter).unwrap();
    assert_eq!(game.reference(0, prey), target, "one reference, on whatever node it is made");
    let wanted = vec![Wanted(target.unwrap(), 3), Wanted(EntityRef::NONE, 1), Wanted(shooter, 0)];
    let (_, id) = game.fire(1, Missile { target, shooter, wanted });
    game.run(60);
    let mut found = Vec::new();
    for player in 0..3 {
        assert_eq!(game.missile(player, id), game.missile(1, id));
        assert_eq!(game.target(player, id), Some(25.0), "player {player}");
        let net = &game.players[player].net;
        found.push(net.resolve(target).unwrap());
        assert_eq!(net.resolve(target), net.entity(prey_id));
        let missile = game.missile(player, id);
        let shooter = net.resolve(missile.shooter).unwrap();
        assert_eq!(game.players[player].world.get::<Body>(shooter).unwrap().x, -4.0);
        let wanted: Vec<_> = missile.wanted.iter().map(|wanted| net.resolve(wanted.0)).collect();
        assert_eq!(wanted, [net.resolve(target), None, Some(shooter)]);
    }
    assert_ne!(found[0], found[2], "the same object, not the same entity");
}

#[test]
fn a_reference_may_be_older_than_what_it_refers_to_and_outlive_it() {
    let mut game = Game::new();
    let (entity, id) = game.fire(1, Missile::default());
    game.run(60);
    assert!((0..3).all(|player| game.target(player, id).is_none()));
    // The host's next replica, before it is there.
    let next = EntityRef::new(ReplicaId { creator: MemberId::HOST, serial: 1 });
    game.players[1].world.get_mut::<Missile>(entity).unwrap().target = Some(next);
    game.run(60);
    for player in 0..3 {
        assert_eq!(game.missile(player, id).target, Some(next));
        assert_eq!(game.target(player, id), None, "nothing is there yet");
    }
    let (prey, prey_id) = game.bind(0, 7.0);
    assert_eq!(EntityRef::from(prey_id), next);
    game.run(60);
    assert!((0..3).all(|player| game.target(player, id) == Some(7.0)), "it leads there now, unchanged");

    game.players[0].world.remove(prey);
    game.run(60);
    for player in 0..3 {
        assert_eq!(game.missile(player, id).target, Some(next), "it is kept");
        assert_eq!(game.target(player, id), None, "and leads nowhere");
    }
    let (_, later) = game.bind(0, 8.0);
    game.run(60);
    assert_ne!(later, prey_id);
    assert!((0..3).all(|player| game.target(player, id).is_none()), "nor to what came in its place");
}

#[test]
fn a_reference_travels_in_calls_and_goes_with_a_lost_owner() {
    let mut game = Game::new();
    let (_, id) = game.fire(1, Missile::default());
    let (prey, prey_id) = game.bind(2, 12.5);
    game.run(60);
    let to = game.reference(2, prey);
    game.players[2].node.replicas().proxy::<Missile>(id).unwrap().rpcs().divert(to).unwrap();
    game.run(90);
    assert!((0..3).all(|player| game.target(player, id) == Some(12.5)));
    game.players.pop();
    game.run(200);
    for player in 0..2 {
        assert_eq!(game.missile(player, id).target, Some(prey_id.into()));
        assert_eq!(game.target(player, id), None);
    }
    game.players[0].node.replicas().proxy::<Missile>(id).unwrap().rpcs().divert(Some(EntityRef::NONE)).unwrap();
    game.run(90);
    assert!((0..2).all(|player| game.missile(player, id).target.is_none()), "a reference to nothing is none");
}

#[test]
fn a_local_entity_has_no_reference() {
    let mut game = Game::new();
    let entity = game.players[1].world.create();
    assert_eq!(game.reference(1, entity), None);
    assert_eq!(game.players[1].net.resolve(EntityRef::NONE), None);
    let (bound, id) = game.bind(1, 0.0);
    assert_eq!(game.reference(1, bound), Some(id.into()));
    let Player { node, net, .. } = &mut game.players[1];
    assert!(net.unbind(bound, node.replicas()));
    assert_eq!(game.reference(1, bound), None);
    assert_eq!(game.players[1].net.resolve(EntityRef::from(id)), None);
}
