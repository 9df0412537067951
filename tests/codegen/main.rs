//! What the macros write, as text: the input first, then the output, both pretty-printed.
//!
//! `cargo insta review` shows what a change to the code generator changes; every generated line is one that programs compile.

mod budget;
mod chunk;
mod documented;
mod marshal;
mod rpcs;
mod your_own;

use gridmate_codegen::Root;
use proc_macro2::TokenStream;
use quote::quote;

/// One test per case: its name, the macro that is under test, the input.
macro_rules! cases {
    ($expand:path; $($(#[$meta:meta])* $name:ident { $($input:tt)* })*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            let input = ::quote::quote!($($input)*);
            ::insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => true }, {
                ::insta::assert_snapshot!($expand(input));
            });
        }
    )*};
}
use cases;

fn replica_chunk(input: TokenStream) -> String {
    render(input.clone(), gridmate_codegen::expand_replica_chunk(input, &Root::Runtime))
}

fn net_bindable(input: TokenStream) -> String {
    render(input.clone(), gridmate_codegen::expand_net_bindable(input, &Root::Netbinding))
}

fn marshal(input: TokenStream) -> String {
    render(input.clone(), gridmate_codegen::expand_marshal(input, &Root::Runtime))
}

fn rpcs(input: TokenStream) -> String {
    render(quote!(#[rpcs] #input), gridmate_codegen::expand_rpcs(TokenStream::new(), input, &Root::Runtime))
}

fn rpcs_renamed(input: TokenStream) -> String {
    let attr = quote!(crate = renamed);
    render(quote!(#[rpcs(#attr)] #input), gridmate_codegen::expand_rpcs(attr, input, &Root::Runtime))
}

fn render(input: TokenStream, output: TokenStream) -> String {
    format!("{}\n// ---------- becomes ----------\n\n{}", pretty(input), pretty(output))
}

/// The tokens as a formatted file; as they are, below the reason, if they are no Rust at all.
fn pretty(tokens: TokenStream) -> String {
    match syn::parse2(tokens.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => format!("// does not parse: {error}\n{tokens}"),
    }
}
