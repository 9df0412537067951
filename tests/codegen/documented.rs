//! The option tables of the macros name every key there is, and no other.

use std::collections::BTreeSet;

use gridmate_codegen::{Root, expand_marshal, expand_net_bindable, expand_replica_chunk, expand_rpcs};
use proc_macro2::TokenStream;
use quote::quote;

const PAGES: &str = include_str!("../../gridmate-derive/src/lib.rs");

/// The keys that the message about an unknown one offers.
fn offered(output: &TokenStream) -> BTreeSet<String> {
    let text = output.to_string();
    text.split("takes ")
        .skip(1)
        .flat_map(|list| list.split('"').next().unwrap_or_default().split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// The keys that start the rows of the tables above the macro called `name`.
fn documented(name: &str) -> BTreeSet<String> {
    let end = PAGES.find(&format!("pub fn {name}(")).expect("a macro of that name");
    let page = PAGES[..end].rsplit("\n}\n").next().unwrap_or_default();
    let cells = page.lines().filter_map(|line| line.strip_prefix("/// | `")?.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').step_by(2))
        .filter_map(|code| code.split([' ', '(']).next())
        .filter(|key| key.starts_with(char::is_lowercase))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_key_is_in_a_table() {
    let chunk = quote!(
        #[chunk(x)]
        struct Ship {
            #[dataset(x)]
            a: u8,
        }
    );
    let marshal = quote!(
        #[marshal(x)]
        enum Weapon {
            #[marshal(x)]
            A(#[marshal(x)] u8),
        }
    );
    let rpcs = quote!(impl Ship { #[rpc(x)] fn fire(&mut self, ctx: &RpcContext, #[marshal(x)] burst: u8) {} });
    assert_eq!(documented("replica_chunk"), offered(&expand_replica_chunk(chunk, &Root::Runtime)));
    assert_eq!(documented("marshal"), offered(&expand_marshal(marshal, &Root::Runtime)));
    assert!(documented("replica_chunk").contains("throttle") && documented("marshal").contains("tag_bits"));
    let mut of_rpcs = offered(&expand_rpcs(quote!(x), rpcs, &Root::Runtime));
    assert!(of_rpcs.remove("crate"), "below the table: it goes on the block");
    assert_eq!(documented("rpcs"), of_rpcs);
    let bind = quote!(
        #[bind(x)]
        struct Ship {}
    );
    assert_eq!(documented("net_bindable"), offered(&expand_net_bindable(bind, &Root::Netbinding)));
    assert!(documented("net_bindable").contains("requires"));
    let on_field = quote!(
        struct Ship {
            #[bind(x)]
            hull: u8,
        }
    );
    assert_eq!(offered(&expand_net_bindable(on_field, &Root::Netbinding)), BTreeSet::new(), "no keys");
}
