use gridmate_runtime::Marshal;

#[derive(Marshal)]
struct Loadout {
    #[marshal(bits)]
    a: u8,
    #[marshal(bits = "5")]
    b: u8,
    #[marshal(bits = 0)]
    c: u8,
    #[marshal(bits = 65)]
    d: u64,
    #[marshal(bits(5))]
    e: u8,
    #[marshal(bits = 5, bits = 5)]
    f: u8,
}

fn main() {}
