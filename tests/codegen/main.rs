//! What the macros write, as text: the input first, then the output, both pretty-printed.
//!
//! `cargo insta review` shows what a change to the code generator changes; every generated line is one that programs compile.

mod budget;
mod chunk;
mod documented;
mod given;
mod marshal;
mod rpcs;
mod twin;
mod your_own;

use given::at_root::{blend, effects};
use gridmate_codegen::Root;
use proc_macro2::TokenStream;
use quote::quote;

/// Two tests per case, of its name and of the function that the macro under test is written as: what it writes for the input,
/// and, in a module of that name, what the real one makes of it. Either `as` tells the type there, and `given` what it needs
/// besides; or `never` tells why it cannot be compiled.
macro_rules! cases {
    ($expand:ident; $(
        $name:ident $(as $type:ty)? $(, never $reason:literal)? { $($input:tt)* } $(, given { $($given:item)* })?
    )*) => {
        pub(crate) const CASES: &[$crate::twin::Case] = &[$($crate::twin::Case {
            module: module_path!(),
            name: stringify!($name),
            twin: $crate::case!(kind [$($type)?] [$($reason)?]),
        }),*];
        $(
            #[test]
            fn $name() {
                let input = ::quote::quote!($($input)*);
                ::insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => true }, {
                    ::insta::assert_snapshot!($crate::$expand(input));
                });
            }
            $crate::case!(item $expand $name [$($type)?] [$($reason)?] { $($input)* } { $($($given)*)? });
        )*
    };
}
use cases;

macro_rules! case {
    (kind [$type:ty] []) => { $crate::twin::Twin::Compiled };
    (kind [] [$reason:literal]) => { $crate::twin::Twin::Never($reason) };
    (item $expand:ident $name:ident [$type:ty] [] $input:tt $given:tt) => {
        mod $name {
            use $crate::given::*;

            $crate::twin::twin!($expand $type, $input $given);
        }
    };
    (item $expand:ident $name:ident [] [$reason:literal] $input:tt {}) => {};
}
use case;

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
