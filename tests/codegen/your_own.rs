//! What programs may do with their own types, as the documentation of `gridmate-codegen` shows it.

use gridmate_codegen::{Root, expand_replica_chunk};
use quote::ToTokens as _;
use syn::Item;

/// What the derive writes for the struct called `name` in `source`.
fn expansion(source: &str, name: &str) -> String {
    let file = syn::parse_file(source).expect("a file that compiles");
    let found = file.items.into_iter().find(|item| matches!(item, Item::Struct(item) if item.ident == name));
    let tokens = expand_replica_chunk(found.expect("a struct of that name").into_token_stream(), &Root::Runtime);
    prettyplease::unparse(&syn::parse2(tokens).expect("Rust"))
}

#[test]
fn a_struct_in_a_file_of_the_program() {
    insta::assert_snapshot!(expansion(include_str!("../src/chunks.rs"), "Gauge"));
}
