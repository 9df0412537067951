//! The input in the words of the domain. What is here can be expanded; what could not be read has left an error behind.

mod chunk;
mod container;
mod field;
mod impl_block;
mod rpc;

pub(crate) use chunk::{Binding, Chunk, Dataset};
pub(crate) use container::{Body, Container, Fields, Skipped, Variant};
pub(crate) use field::{Codec, Field, Way};
pub(crate) use impl_block::{Arg, Item, Method, without_helpers};
pub(crate) use rpc::{MayCall, Rpc, Rpcs};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Path;

use crate::Root;
use crate::attr::Given;

/// The module that generated code takes everything from.
pub(crate) struct Crate(TokenStream);

impl Crate {
    /// What the program says, else what the macro assumes.
    pub(crate) fn new(given: Option<Given<Path>>, root: Root) -> Self {
        Self(match (given, root) {
            (Some(Given { value, .. }), _) => quote!(#value::__private),
            (None, Root::Runtime) => quote!(::gridmate_runtime::__private),
            (None, Root::Netbinding) => quote!(::netbinding::__private),
        })
    }
}

impl ToTokens for Crate {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
