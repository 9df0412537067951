use netbinding::NetBindable;

struct Hull;

#[derive(Default)]
struct Engine;

#[derive(Default, NetBindable)]
#[bind(requires(Engine, Hull))]
struct Ship {}

fn main() {}
