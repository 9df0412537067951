use netbinding::NetBindable;

#[derive(Default, NetBindable)]
#[bind = "Transform"]
struct Ship {}

#[derive(NetBindable)]
#[bind(requires = Transform)]
enum Boat {
    Sunk,
}

fn main() {}
