use netbinding::NetBindable;

#[derive(Default, NetBindable)]
#[bind = "Transform"]
struct Ship {}

#[derive(NetBindable)]
#[bind(requires)]
enum Boat {
    Sunk,
}

fn main() {}
