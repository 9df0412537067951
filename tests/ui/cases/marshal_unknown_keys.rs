use gridmate_runtime::Marshal;

#[derive(Marshal)]
#[marshal(bits = 3)]
enum Weapon {
    #[marshal(name = "idle")]
    Idle,
    Firing(#[marshal(on_change = f)] u8),
}

fn is_marshal<T: Marshal>() {}

fn main() {
    is_marshal::<Weapon>();
}
