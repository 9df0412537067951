use gridmate_runtime::Marshal;

#[derive(Marshal)]
struct Sample(
    #[marshal(quantize = 0.1)] f32,
    #[marshal(quantize(0.0, 1.0))] f32,
    #[marshal(quantize(..=1.0, bits = 8))] f32,
    #[marshal(quantize(0.0..=1.0, bits = 8), quantize(0.0..=1.0, bits = 8))] f32,
    #[marshal(quantize(0.0..=1.0 bits = 8))] f32,
);

fn main() {}
