use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(skip, throttle = Exact, on_change(Self::on_heat, everywhere))]
    heat: f32,
    #[dataset(skip, quantize(0.0..=1.0, bits = 3))]
    shield: f32,
}

fn main() {}
