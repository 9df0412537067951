use netbinding::NetBindable;

#[derive(Default, NetBindable)]
#[bind(requires())]
struct Empty {}

#[derive(Default, NetBindable)]
#[bind(requires = (Hull, Engine), on_bound)]
struct Tuple {}

#[derive(Default, NetBindable)]
#[bind(requires(Hull Engine), on_bound = Self::one Self::other)]
struct Separators {}

#[derive(Default, NetBindable)]
#[bind(requires = Hull, requires = Engine)]
#[bind(on_bound = Self::one, on_bound = Self::other)]
struct Twice {}

#[derive(Default, NetBindable)]
#[bind(requires = 3, on_bound("path"))]
struct Literals {}

fn main() {}
