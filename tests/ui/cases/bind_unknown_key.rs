use netbinding::NetBindable;

#[derive(Default, NetBindable)]
#[bind(require = Transform)]
struct Ship {
    #[bind(entity)]
    target: u8,
}

fn is_bindable<T: NetBindable>() {}

fn main() {
    is_bindable::<Ship>();
}
