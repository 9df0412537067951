use gridmate_runtime::Marshal;

#[derive(Marshal)]
enum Never {}

#[derive(Marshal)]
union Bits {
    a: u8,
}

fn main() {}
