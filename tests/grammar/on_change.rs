//! `on_change = path` and `on_change(path, everywhere)`.

use gridmate_runtime::prelude::*;

use crate::shared;

#[derive(Debug, Default, ReplicaChunk)]
struct Lamp {
    #[dataset(on_change(Self::on_lit, everywhere))]
    lit: u8,
    #[dataset(on_change = Self::on_hue)]
    hue: u8,
    #[dataset(on_change(Self::on_load, everywhere))]
    load: u8,
    #[dataset(skip)]
    heard: Vec<(&'static str, u8)>,
    #[dataset(skip)]
    from: Option<(ReplicaId, MemberId, bool)>,
}

impl Lamp {
    fn on_lit(&mut self, ctx: &TimeContext) {
        self.heard.push(("lit", self.lit));
        self.from = Some((ctx.replica, ctx.owner, ctx.primary));
    }

    fn on_hue(&mut self, _ctx: &TimeContext) {
        self.heard.push(("hue", self.hue));
    }

    fn on_load(&mut self, _ctx: &TimeContext) {
        self.heard.push(("load", self.load));
        self.load = self.load.min(10);
    }
}

fn heard(mesh: &gridmate_tests::mesh::Mesh, node: usize, id: ReplicaId) -> Vec<(&'static str, u8)> {
    mesh.managers[node].get::<Lamp>(id).unwrap().heard.clone()
}

#[test]
fn the_primary_hears_once_per_tick_that_changed_the_value() {
    let (mut mesh, id) = shared(Lamp::default());
    assert_eq!(heard(&mesh, 0, id), [], "a default value is no change");
    for lit in 1..=3 {
        mesh.managers[0].primary_mut::<Lamp>(id).unwrap().lit = 100;
        mesh.managers[0].primary_mut::<Lamp>(id).unwrap().lit = lit;
        mesh.managers[0].primary_mut::<Lamp>(id).unwrap().hue = lit;
        mesh.run(6);
        // Written, but not changed.
        mesh.managers[0].primary_mut::<Lamp>(id).unwrap().lit = lit;
        mesh.run(6);
    }
    assert_eq!(heard(&mesh, 0, id), [("lit", 1), ("lit", 2), ("lit", 3)]);
    assert_eq!(mesh.managers[0].get::<Lamp>(id).unwrap().from, Some((id, MemberId::HOST, true)));
    assert_eq!(mesh.managers[1].get::<Lamp>(id).unwrap().from, Some((id, MemberId::HOST, false)));
    let both = [("lit", 1), ("hue", 1), ("lit", 2), ("hue", 2), ("lit", 3), ("hue", 3)];
    assert_eq!(heard(&mesh, 1, id), both);
}

#[test]
fn the_first_value_is_a_change_unless_it_is_the_default() {
    let (mesh, id) = shared(Lamp { lit: 7, ..Lamp::default() });
    assert_eq!(heard(&mesh, 0, id), [("lit", 7)]);
    assert_eq!(heard(&mesh, 1, id), [("lit", 7)]);
}

#[test]
fn what_a_handler_writes_on_the_primary_is_sent_and_then_there_is_silence() {
    let (mut mesh, id) = shared(Lamp::default());
    mesh.managers[0].drain_updated::<Lamp>(|_, _| ());
    mesh.managers[0].primary_mut::<Lamp>(id).unwrap().load = 30;
    mesh.run(20);
    assert_eq!(heard(&mesh, 0, id), [("load", 30), ("load", 10)]);
    assert_eq!(mesh.managers[1].get::<Lamp>(id).unwrap().load, 10);
    let mut updated = 0;
    mesh.managers[0].drain_updated::<Lamp>(|_, lamp| updated = lamp.load);
    assert_eq!(updated, 10, "a copy kept elsewhere is told");
    let before = mesh.messages;
    mesh.run(50);
    assert_eq!(mesh.messages, before);
}
