//! `interpolate = …`: what datasets show between two values.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;

use super::gen_tokens;
use crate::model::{Chunk, Field};

// const INTERPOLATES: usize = 1usize;
// fn interpolate(&mut self, __moment: &__gm::Moment<'_, __S>) {
//     __F_position.interpolate(&const { Linear }, __moment, |__s| &__s.position, &mut self.position);
// }
pub(super) fn interpolate(chunk: &Chunk) -> Option<TokenStream> {
    let this = super::this();
    let shown = chunk.datasets.iter().filter_map(|dataset| Some((&dataset.field, dataset.interpolate.as_ref()?)));
    let lines: Vec<_> = shown
        .map(|(Field { handle, member, slot, span, .. }, by)| {
            // Errors about the interpolator go to the interpolator, as far as it is the one that is wrong.
            let by = quote_spanned!(Span::mixed_site().located_at(by.span())=> &const { #by });
            quote_spanned! {*span=>
                #handle.interpolate(#by, __moment, |__s| &__s.#slot, &mut #this.#member);
            }
        })
        .collect();
    let count = lines.len();
    (count > 0).then(|| {
        gen_tokens! {
            const INTERPOLATES: ::core::primitive::usize = #count;
            fn interpolate(&mut self, __moment: &__gm::Moment<'_, __S>) { #(#lines)* }
        }
    })
}
