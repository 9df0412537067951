use gridmate_runtime::Marshal;

#[derive(Marshal)]
#[marshal(max_len = 3)]
struct Loadout {
    #[marshal(max_len = 0)]
    a: Vec<u8>,
    #[marshal(max_len = 3, bits = 3)]
    b: Vec<u8>,
    #[marshal(max_len = 3, skip)]
    c: Vec<u8>,
    #[marshal(max_len = 'x')]
    d: Vec<u8>,
}

fn main() {}
