use netbinding::{Binding, Holds, NetBindable, World};

#[derive(Default)]
struct Hull;

#[derive(Default, NetBindable)]
#[bind(requires = Hull)]
struct Ship {}

/// A world of ships and of nothing else.
struct Sea;

impl World for Sea {
    type Entity = u32;

    fn spawn(&mut self) -> u32 {
        0
    }

    fn despawn(&mut self, _: u32) {}

    fn drain_despawned(&mut self, _: &mut dyn FnMut(u32)) {}
}

impl Holds<Ship> for Sea {
    fn get(&self, _: u32) -> Option<&Ship> {
        None
    }

    fn get_mut_silent(&mut self, _: u32) -> Option<&mut Ship> {
        None
    }

    fn insert_silent(&mut self, _: u32, _: Ship) {}

    fn drain_changed(&mut self, _: &mut dyn FnMut(u32, &Ship)) {}
}

fn main() {
    let _ = Binding::<Sea>::builder().component::<Ship>();
}
