//! What a component requires, and when it and its change handlers are told.

use std::cell::RefCell;

use netbinding::prelude::*;
use netbinding::{Component, Entity, PlainWorld};

thread_local! {
    /// What happened, and on which of the two nodes.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static NODE: RefCell<&'static str> = const { RefCell::new("") };
}

fn log(what: &str) {
    let line = format!("{}: {what}", NODE.with_borrow(|node| *node));
    LOG.with_borrow_mut(|log| log.push(line));
}

/// What happened on a node since the last call.
fn drain(node: &str) -> Vec<String> {
    let of_node = |log: &mut Vec<String>| {
        let (of_node, others) = log.drain(..).partition(|line| line.starts_with(node));
        *log = others;
        of_node
    };
    let lines: Vec<String> = LOG.with_borrow_mut(of_node);
    lines.into_iter().map(|line| line[node.len() + 2..].to_owned()).collect()
}

/// Stays at home: no node hears of another's.
#[derive(Debug, PartialEq)]
struct Mount {
    height: u8,
}

impl Default for Mount {
    fn default() -> Self {
        Self { height: 3 }
    }
}

#[derive(Debug, Default, PartialEq, NetBindable)]
#[bind(requires = Fuel, on_bound = Self::on_bound)]
struct Engine {
    #[dataset(on_change = Self::on_power)]
    power: u8,
    #[dataset(skip)]
    bound: u32,
}

impl Engine {
    fn on_bound(&mut self, ctx: &BoundContext) {
        log(&format!("engine bound, power {}, primary {}", self.power, ctx.primary));
        self.bound += 1;
    }

    fn on_power(&mut self, _ctx: &TimeContext) {
        log(&format!("power {}", self.power));
    }
}

#[derive(Debug, Default, PartialEq)]
struct Fuel(u8);

#[derive(Debug, Default, PartialEq, NetBindable)]
#[bind(requires(Mount, Engine), on_bound = Self::on_bound)]
struct Turret {
    #[dataset(on_change(Self::on_angle, everywhere))]
    angle: u16,
    ammo: u8,
    #[dataset(skip)]
    owner: Option<MemberId>,
}

impl Turret {
    fn on_bound(&mut self, ctx: &BoundContext) {
        log(&format!("turret bound, angle {}, ammo {}, primary {}", self.angle, self.ammo, ctx.primary));
        self.owner = Some(ctx.owner);
        if ctx.primary {
            self.ammo = 40;
        }
    }

    fn on_angle(&mut self, ctx: &TimeContext) {
        log(&format!("angle {}, primary {}", self.angle, ctx.primary));
    }
}

/// A world that says what the binding gives its entities.
#[derive(Default)]
struct Watched(PlainWorld);

impl World for Watched {
    type Entity = Entity;

    fn spawn(&mut self) -> Entity {
        self.0.spawn()
    }

    fn despawn(&mut self, entity: Entity) {
        self.0.despawn(entity);
    }

    fn drain_despawned(&mut self, visit: &mut dyn FnMut(Entity)) {
        self.0.drain_despawned(visit);
    }
}

impl<T: Component> Holds<T> for Watched {
    fn get(&self, entity: Entity) -> Option<&T> {
        self.0.get(entity)
    }

    fn get_mut_silent(&mut self, entity: Entity) -> Option<&mut T> {
        self.0.get_mut_silent(entity)
    }

    fn insert_silent(&mut self, entity: Entity, component: T) {
        log(&format!("insert {}", std::any::type_name::<T>().rsplit("::").next().unwrap()));
        self.0.insert_silent(entity, component);
    }

    fn drain_changed(&mut self, visit: &mut dyn FnMut(Entity, &T)) {
        self.0.drain_changed(visit);
    }
}

struct Player {
    name: &'static str,
    node: Node,
    net: Binding<Watched>,
    world: Watched,
}

/// A host and a client.
fn pair() -> [Player; 2] {
    let network = MemoryNetwork::new();
    let net = || Binding::<Watched>::builder().component::<Turret>().component::<Engine>().build().unwrap();
    let (net_a, registry) = net();
    let host = Node::host(network.bind_any().unwrap(), NodeConfig::new(registry.clone())).unwrap();
    let client = Node::join(network.bind_any().unwrap(), host.local_addr(), NodeConfig::new(registry)).unwrap();
    let mut pair = [
        Player { name: "host", node: host, net: net_a, world: Watched::default() },
        Player { name: "client", node: client, net: net().0, world: Watched::default() },
    ];
    run(&mut pair, 0..30);
    pair
}

fn run(pair: &mut [Player; 2], frames: core::ops::Range<u64>) {
    for frame in frames {
        for Player { name, node, net, world } in &mut *pair {
            NODE.set(name);
            net.push(world, node.replicas());
            node.tick(Instant::from_millis(frame * 33)).unwrap();
            while let Some(event) = node.poll_event() {
                net.handle_event(&event, world, node.replicas());
            }
            net.pull(world, node.replicas());
        }
    }
}

fn bind(player: &mut Player, entity: Entity) -> ReplicaId {
    NODE.set(player.name);
    player.net.bind(entity, &mut player.world, player.node.replicas()).unwrap()
}

#[test]
fn binding_takes_its_steps_in_order_on_both_sides() {
    let mut pair = pair();
    let entity = pair[0].world.spawn();
    pair[0].world.0.insert(entity, Turret { angle: 90, ammo: 2, owner: None });
    let id = bind(&mut pair[0], entity);
    assert_eq!(
        drain("host"),
        [
            "insert Mount",
            "insert Engine",
            "insert Fuel",
            "turret bound, angle 90, ammo 2, primary true",
            "engine bound, power 0, primary true",
        ],
        "what is required may require more, and all of it is there before anyone is told"
    );
    run(&mut pair, 30..60);
    assert_eq!(drain("host"), ["angle 90, primary true"]);
    assert_eq!(
        drain("client"),
        [
            "insert Turret",
            "insert Engine",
            "insert Mount",
            "insert Fuel",
            "turret bound, angle 90, ammo 40, primary false",
            "engine bound, power 0, primary false",
            "angle 90, primary false",
        ],
        "what has arrived is not replaced by what is required"
    );
    let there = pair[1].net.entity(id).unwrap();
    assert_eq!(pair[1].world.0.get::<Mount>(there), Some(&Mount { height: 3 }));
    let turret = Turret { angle: 90, ammo: 40, owner: Some(MemberId::HOST) };
    assert_eq!(pair[1].world.0.get::<Turret>(there), Some(&turret), "what was written on the primary came along");
    assert_eq!(pair[0].world.0.get::<Turret>(entity), Some(&turret));
}

#[test]
fn it_is_told_once_and_changes_come_as_ever() {
    let mut pair = pair();
    let entity = pair[0].world.spawn();
    pair[0].world.0.insert(entity, Engine { power: 7, bound: 0 });
    let id = bind(&mut pair[0], entity);
    run(&mut pair, 30..60);
    assert_eq!(drain("client"), ["insert Engine", "insert Fuel", "engine bound, power 7, primary false", "power 7"]);
    pair[0].world.0.get_mut::<Engine>(entity).unwrap().power = 8;
    run(&mut pair, 60..90);
    assert_eq!(drain("client"), ["power 8"]);
    let there = pair[1].net.entity(id).unwrap();
    assert_eq!(pair[1].world.0.get::<Engine>(there), Some(&Engine { power: 8, bound: 1 }));
}

#[test]
fn what_is_there_is_kept_and_what_goes_is_not_required_again() {
    let mut pair = pair();
    let entity = pair[1].world.spawn();
    pair[1].world.0.insert(entity, Engine { power: 1, bound: 0 });
    pair[1].world.0.insert(entity, Fuel(200));
    let id = bind(&mut pair[1], entity);
    assert_eq!(drain("client"), ["engine bound, power 1, primary true"]);
    assert_eq!(pair[1].world.0.get::<Fuel>(entity), Some(&Fuel(200)));
    run(&mut pair, 30..60);
    assert!(pair[1].net.unbind(entity, pair[1].node.replicas()));
    run(&mut pair, 60..90);
    assert_eq!(pair[0].net.entity(id), None);
    let again = bind(&mut pair[1], entity);
    assert_ne!(again, id);
    assert_eq!(pair[1].world.0.get::<Engine>(entity), Some(&Engine { power: 1, bound: 2 }), "bound anew, told anew");
}

#[test]
fn change_handlers_wait_until_the_program_has_heard_of_the_replica() {
    let mut pair = pair();
    let entity = pair[0].world.spawn();
    pair[0].world.0.insert(entity, Engine { power: 1, bound: 0 });
    let id = bind(&mut pair[0], entity);
    // The client takes replicas in and no events.
    for frame in 30..60 {
        pair[0].world.0.get_mut::<Engine>(entity).unwrap().power += 1;
        for Player { name, node, net, world } in &mut pair {
            NODE.set(name);
            net.push(world, node.replicas());
            node.tick(Instant::from_millis(frame * 33)).unwrap();
        }
    }
    assert_eq!(pair[1].node.replicas().get::<Engine>(id).unwrap().power, 31);
    assert_eq!(drain("client"), [""; 0], "change handlers wait for the entity");
    run(&mut pair, 60..90);
    assert_eq!(drain("client"), ["insert Engine", "insert Fuel", "engine bound, power 31, primary false", "power 31"]);
}

#[test]
fn contexts_are_made_by_hand() {
    let replica = ReplicaId { creator: MemberId::HOST, serial: 1 };
    let ctx = BoundContext::new(replica, MemberId::HOST);
    assert!(!ctx.primary && ctx.on_primary().primary && ctx.on_primary().replica == replica);
    let mut engine = Engine { power: 5, bound: 0 };
    engine.notify_bound(&ctx);
    assert_eq!(engine.bound, 1);
}

#[test]
fn what_is_set_back_in_the_frame_it_is_bound_in_is_not_lost() {
    let mut pair = pair();
    let entity = pair[0].world.spawn();
    pair[0].world.0.insert(entity, Engine { power: 7, bound: 0 });
    pair[0].world.0.insert(entity, Turret { angle: 90, ammo: 2, owner: None });
    let id = bind(&mut pair[0], entity);
    pair[0].world.0.get_mut::<Engine>(entity).unwrap().power = 0;
    let turret = pair[0].world.0.get_mut::<Turret>(entity).unwrap();
    // Its handler has made it 40.
    (turret.angle, turret.ammo) = (0, 2);
    run(&mut pair, 30..60);
    let there = pair[1].net.entity(id).unwrap();
    assert_eq!(pair[1].world.0.get::<Engine>(there).unwrap().power, 0);
    let turret = pair[1].world.0.get::<Turret>(there).unwrap();
    assert_eq!((turret.angle, turret.ammo), (0, 2));
    assert_eq!(pair[0].world.0.get::<Engine>(entity).unwrap().power, 0);
}
