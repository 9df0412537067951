//! From a model to Rust. Nothing here can fail.
//!
//! What is written stands in a `const _` block, where its names meet nobody else's, and reaches the runtime as `__gm`. Every
//! line that depends on one field carries that field's type as its span, so that a type which cannot travel is reported once
//! and where it is written. Before each function stands the Rust that it writes.

mod bind;
mod chunk;
mod field;
mod interpolate;
mod marshal;
mod marshal_enum;
mod rpcs;
mod stub;

pub(crate) use bind::binding;
pub(crate) use chunk::chunk;
pub(crate) use marshal::marshal;
pub(crate) use rpcs::rpcs;
pub(crate) use stub::{stub_binding, stub_chunk, stub_marshal, stub_rpcs};

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;

use crate::model::Crate;

/// `quote!` with local variables that no name of the program's can meet.
macro_rules! gen_tokens {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}
use gen_tokens;

// #[allow(clippy::all, dead_code, missing_docs, non_upper_case_globals)]
// const _: () = {
//     use ::gridmate_runtime::__private as __gm;
//     …
// };
fn block(krate: &Crate, items: impl ToTokens) -> TokenStream {
    gen_tokens! {
        #[allow(clippy::all, dead_code, missing_docs, non_upper_case_globals)]
        const _: () = {
            use #krate as __gm;
            #items
        };
    }
}

/// `self`, which must be of the same making as the receiver whatever the span around it.
fn this() -> Ident {
    Ident::new("self", Span::mixed_site())
}
