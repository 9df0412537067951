//! `NetBindable`: a chunk that some world keeps on its entities.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;

use super::{block, chunk, gen_tokens, this};
use crate::generics::without_self;
use crate::model::Binding;

// const _: () = __gm::required::<Hull>();
// #[automatically_derived]
// impl __gm::NetBindable for Ship {
//     type Requires = (Hull, (Engine, ()));
//     fn notify_bound(&mut self, __ctx: &__gm::BoundContext) { Self::on_bound(self, __ctx); }
// }
pub(crate) fn binding(binding: &Binding) -> TokenStream {
    let Binding { chunk, requires, on_bound } = binding;
    let (ident, this) = (&chunk.ident, this());
    let items = chunk::items(chunk);
    let owner = gen_tokens!(#ident);
    let required: Vec<_> = requires.iter().map(|ty| without_self(ty, &owner)).collect();
    let checks = required.iter().map(|ty| {
        // What lacks a default is reported where it is named.
        quote_spanned!(Span::mixed_site().located_at(ty.span())=> const _: () = __gm::required::<#ty>();)
    });
    let list = required.iter().rev().fold(gen_tokens!(()), |rest, ty| gen_tokens!((#ty, #rest)));
    let bound = on_bound.as_ref().map(|handler| {
        let call = quote_spanned!(Span::mixed_site().located_at(handler.span())=> #handler(#this, __ctx););
        gen_tokens!(fn notify_bound(&mut self, __ctx: &__gm::BoundContext) { #call })
    });
    block(
        &chunk.krate,
        &gen_tokens! {
            #items
            #(#checks)*
            #[automatically_derived]
            impl __gm::NetBindable for #ident {
                type Requires = #list;
                #bound
            }
        },
    )
}
