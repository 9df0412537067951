use gridmate_runtime::prelude::*;

#[derive(Default, ReplicaChunk)]
struct A {
    #[dataset(initial = true)]
    a: u8,
    #[dataset(initial, initial)]
    b: u8,
    #[dataset(initial, skip)]
    c: u8,
    #[dataset(initial, on_change = Self::on_change)]
    d: u8,
    #[dataset(throttle = Epsilon(0.5), initial)]
    e: f32,
    #[dataset(interpolate = Linear, predict = Linear, initial)]
    f: f32,
}

impl A {
    fn on_change(&mut self, _ctx: &TimeContext) {}
}

fn main() {}
