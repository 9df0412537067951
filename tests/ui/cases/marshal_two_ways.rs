use gridmate_runtime::Marshal;

#[derive(Marshal)]
struct Loadout {
    #[marshal(bits = 3, skip)]
    slots: u8,
    #[marshal(bits = 3, quantize(0.0..=1.0, bits = 3))]
    ammo: u8,
}

fn main() {}
