//! `NetBindable`: a chunk that some world keeps on its entities.

use proc_macro2::TokenStream;

use super::{block, chunk, gen_tokens};
use crate::model::Binding;

// #[automatically_derived]
// impl __gm::NetBindable for Ship {}
pub(crate) fn binding(binding: &Binding) -> TokenStream {
    let chunk = &binding.chunk;
    let ident = &chunk.ident;
    let items = chunk::items(chunk);
    block(
        &chunk.krate,
        &gen_tokens! {
            #items
            #[automatically_derived]
            impl __gm::NetBindable for #ident {}
        },
    )
}
