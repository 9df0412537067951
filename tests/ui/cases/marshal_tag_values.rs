use gridmate_runtime::Marshal;

#[derive(Marshal)]
enum Weapon {
    #[marshal(tag)]
    A,
    #[marshal(tag = "1")]
    B,
    #[marshal(tag = -1)]
    C,
    #[marshal(tag = 1, tag = 2)]
    D,
    #[marshal(tag = 18_446_744_073_709_551_616)]
    E,
}

#[derive(Marshal)]
#[marshal(tag_bits = 4_294_967_296)]
enum Wide {
    A,
}

fn main() {}
