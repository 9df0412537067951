use gridmate_runtime::rpcs;

#[rpcs]
struct Ship {}

#[rpcs]
trait Fires {}

#[rpcs]
mod fleet {}

fn main() {}
