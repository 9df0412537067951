// Keys of a field on a variant, of a variant on a field, of a type on both.
use gridmate_runtime::Marshal;

#[derive(Marshal)]
enum Weapon {
    #[marshal(bits = 3)]
    Idle,
    #[marshal(skip)]
    Charging(u8),
    Firing {
        #[marshal(tag = 3)]
        power: u8,
        #[marshal(tag_bits = 3)]
        heat: u8,
    },
}

#[derive(Marshal)]
#[marshal(tag = 3)]
struct Loadout {}

fn main() {}
