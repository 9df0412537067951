use gridmate_runtime::Marshal;

#[derive(Marshal)]
#[marshal(tag_bits = 2)]
enum Narrow {
    A,
    #[marshal(tag = 9)]
    B,
    C,
}

#[derive(Marshal)]
enum Twice {
    A,
    B,
    #[marshal(tag = 1)]
    C,
}

#[derive(Marshal)]
#[marshal(tag_bits = 65)]
enum Wide {
    A,
}

#[derive(Marshal)]
#[marshal(tag_bits = 3)]
struct Untagged;

fn main() {}
