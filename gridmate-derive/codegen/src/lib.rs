//! The library behind `gridmate-derive`: tokens in, tokens out.
//!
//! A proc-macro crate can only be tried by compiling programs that use it. This one is an ordinary library, so its output can
//! be printed, compared and counted in ordinary tests; the macros are one line each.
//!
//! ```text
//! tokens ──syn──▶ DeriveInput ──attr/──▶ attributes ──model/──▶ model ──expand/──▶ tokens
//!                                └────────── check ──────────┘
//!                        every error goes into one `Errors`, at the token it is about
//! ```
//!
//! - `attr` knows syntax: which keys there are, what follows each.
//! - `model` is the input in the words of the domain: a chunk has datasets, an RPC has arguments, each has a codec.
//! - `check` holds the rules that look at more than one key or field.
//! - `expand` is total: it takes a model and cannot fail.
//!
//! When anything is wrong the output is every error at once plus a stub, so that a mistake in an attribute is not also
//! reported by everything that uses the type.
//!
//! # Watching what is written for your own types
//!
//! The tests of this library keep every expansion as a snapshot. A program can do the same for its chunks and see in review
//! what an update of GridMate changes in them. The test reads the source that the program compiles, so there is nothing to keep
//! in step. In `[dev-dependencies]`: `gridmate-codegen`, `insta`, `prettyplease`, `quote`, and `syn` with the feature `full`.
//!
//! ```
//! use gridmate_codegen::{Root, expand_replica_chunk};
//! use quote::ToTokens as _;
//! use syn::Item;
//!
//! /// What the derive writes for the struct called `name` in `source`.
//! fn expansion(source: &str, name: &str) -> String {
//!     let file = syn::parse_file(source).expect("a file that compiles");
//!     let found = file.items.into_iter().find(|item| matches!(item, Item::Struct(item) if item.ident == name));
//!     let tokens = expand_replica_chunk(found.expect("a struct of that name").into_token_stream(), &Root::Runtime);
//!     prettyplease::unparse(&syn::parse2(tokens).expect("Rust"))
//! }
//!
//! # let source = "#[derive(Default, ReplicaChunk)] struct Door { open: bool }";
//! # #[cfg(any())]
//! let source = include_str!("../src/door.rs");
//! let written = expansion(source, "Door");
//! // insta::assert_snapshot!(written);
//! assert!(written.contains("impl __gm::ReplicaChunk for Door"));
//! ```
//!
//! [`expand_marshal`] and [`expand_net_bindable`] take a type in the same way, [`expand_rpcs`] an impl block and what stands in
//! the parentheses of `#[rpcs(…)]`. Mistakes come out as `compile_error!` followed by a stub. What is written is not part of the
//! interface and changes with any release.

mod attr;
mod check;
mod errors;
mod expand;
mod generics;
mod model;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use errors::Errors;
use model::{Binding, Chunk, Container, Crate, Item, Rpcs};

/// Where generated code finds the runtime when the program does not say `crate = …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The program depends on `gridmate-runtime`.
    Runtime,
    /// The program depends on `netbinding`, perhaps alone.
    Netbinding,
}

/// `#[derive(ReplicaChunk)]`.
pub fn expand_replica_chunk(input: TokenStream, root: &Root) -> TokenStream {
    derive(input, root, Chunk::read, expand::chunk, expand::stub_chunk)
}

/// `#[derive(Marshal)]`.
pub fn expand_marshal(input: TokenStream, root: &Root) -> TokenStream {
    derive(input, root, Container::read, expand::marshal, expand::stub_marshal)
}

/// `#[derive(NetBindable)]`: everything that `ReplicaChunk` writes, and the binding.
pub fn expand_net_bindable(input: TokenStream, root: &Root) -> TokenStream {
    derive(input, root, Binding::read, expand::binding, expand::stub_binding)
}

/// `#[rpcs]` on an impl block.
pub fn expand_rpcs(attr: TokenStream, item: TokenStream, root: &Root) -> TokenStream {
    let mut errors = Errors::new();
    let at = attr::RpcsAttr::read(attr, &mut errors);
    let krate = Crate::new(at.krate, *root);
    let rpcs = errors.ok(Item::parse(item.clone())).and_then(|item| Rpcs::read(item, krate, &mut errors));
    let block = model::without_helpers(item);
    let generated = match (errors.finish(), rpcs) {
        (Ok(()), Some(rpcs)) => expand::rpcs(&rpcs),
        (Ok(()), None) => TokenStream::new(),
        (Err(error), rpcs) => {
            let error = error.into_compile_error();
            let stub = rpcs.map(|rpcs| expand::stub_rpcs(&rpcs));
            quote!(#error #stub)
        }
    };
    quote!(#block #generated)
}

/// The road every derive takes; `stub` needs no more than what syn could read.
fn derive<M>(
    input: TokenStream,
    root: &Root,
    read: fn(&DeriveInput, Root, &mut Errors) -> M,
    expand: fn(&M) -> TokenStream,
    stub: fn(&DeriveInput, &M) -> TokenStream,
) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::new();
    let model = read(&input, *root, &mut errors);
    match errors.finish() {
        Ok(()) => expand(&model),
        Err(error) => {
            let error = error.into_compile_error();
            let stub = stub(&input, &model);
            quote!(#error #stub)
        }
    }
}
