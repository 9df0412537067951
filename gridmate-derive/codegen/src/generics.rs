//! Generic parameters: where they are mentioned, and `Self`, which means something else in generated types.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics};

/// The parameters of a type by name.
#[derive(Default)]
pub(crate) struct Params {
    types: Vec<String>,
    others: Vec<String>,
}

impl Params {
    pub(crate) fn of(generics: &Generics) -> Self {
        let mut params = Self::default();
        for param in &generics.params {
            match param {
                GenericParam::Type(param) => params.types.push(param.ident.to_string()),
                GenericParam::Const(param) => params.others.push(param.ident.to_string()),
                // Seen as tokens, a lifetime is a quote and a name.
                GenericParam::Lifetime(param) => params.others.push(param.lifetime.ident.to_string()),
            }
        }
        params
    }

    /// Whether `tokens` depend on a type parameter: then a bound is needed.
    pub(crate) fn mention_type(&self, tokens: &TokenStream) -> bool {
        mentions(tokens, &|name| self.types.iter().any(|param| param == name))
    }

    /// Whether `tokens` depend on any parameter: then they have no meaning outside the impl.
    pub(crate) fn mention(&self, tokens: &TokenStream) -> bool {
        mentions(tokens, &|name| self.types.iter().chain(&self.others).any(|param| param == name))
    }
}

/// Looks at names only, so it may see a parameter where there is none; that costs a superfluous bound and nothing else.
fn mentions(tokens: &TokenStream, wanted: &dyn Fn(&str) -> bool) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => wanted(&ident.to_string()),
        TokenTree::Group(group) => mentions(&group.stream(), wanted),
        _ => false,
    })
}

/// `tokens` with `Self` spelled out, for use where `Self` is another type or none.
pub(crate) fn without_self(tokens: impl ToTokens, name: &TokenStream) -> TokenStream {
    tokens
        .into_token_stream()
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => quote!(#name),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_self(group.stream(), name));
                inner.set_span(group.span());
                inner.into_token_stream()
            }
            other => other.into_token_stream(),
        })
        .collect()
}
