use netbinding::NetBindable;

#[derive(Default)]
struct Hull;

#[derive(Default, NetBindable)]
#[bind(requires(Self, Hull, Ship, Hull))]
struct Ship {}

fn main() {}
