use gridmate_runtime::ReplicaChunk;

#[derive(Default, ReplicaChunk)]
struct Ship {
    #[dataset(on_change)]
    a: u8,
    #[dataset(on_change = )]
    b: u8,
    #[dataset(on_change = |ship| ship.b = 1)]
    c: u8,
    #[dataset(on_change = "Self::on_d")]
    d: u8,
    #[dataset(on_change(Self::on_e))]
    e: u8,
    #[dataset(on_change(everywhere, Self::on_f))]
    f: u8,
    #[dataset(on_change(Self::on_g, primary))]
    g: u8,
    #[dataset(on_change(Self::on_h, everywhere, everywhere))]
    h: u8,
    #[dataset(on_change())]
    i: u8,
}

fn main() {}
