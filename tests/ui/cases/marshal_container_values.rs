use gridmate_runtime::Marshal;

#[derive(Marshal)]
#[marshal(tag_bits = "3")]
enum Quoted {
    A,
}

#[derive(Marshal)]
#[marshal(tag_bits)]
enum Missing {
    A,
}

#[derive(Marshal)]
#[marshal(tag_bits = 3, tag_bits = 4)]
enum Twice {
    A,
}

#[derive(Marshal)]
#[marshal(crate = "gridmate_runtime")]
struct Path;

#[derive(Marshal)]
#[marshal = "Native"]
struct Assigned;

fn main() {}
