use gridmate_runtime::ReplicaChunk;

const CODEC_OF_HEAT: u8 = 0;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(with = CODEC_OF_HEAT)]
    heat: f32,
    #[dataset(with = make_codec(3))]
    shield: f32,
    #[dataset(with = 1 + 1)]
    hull: f32,
}

fn main() {}
