use gridmate_runtime::Marshal;

#[derive(Marshal)]
#[marshal(bound = "T Marshal")]
struct Unreadable<T>(T);

#[derive(Marshal)]
#[marshal(bound = T: Marshal)]
struct Unquoted<T>(T);

#[derive(Marshal)]
#[marshal(bound)]
struct Missing<T>(T);

#[derive(Marshal)]
#[marshal(bound = "", bound = "")]
struct Twice<T>(T);

fn main() {}
