//! `#[bind(…)]` on a bindable struct. Fields take none.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens as _;
use syn::parse::{Parse as _, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Path, Token, Type, parenthesized};

use super::{Given, Keys, set, set_value};
use crate::errors::Errors;

const KEYS: Keys = Keys { attr: "bind", known: &["on_bound", "requires"] };

/// The name is reserved, so that a key written for a later version is an error and not ignored.
const FIELD: Keys = Keys { attr: "bind", known: &[] };

#[derive(Default)]
pub(crate) struct BindAttr {
    pub(crate) on_bound: Option<Given<Path>>,
    pub(crate) requires: Option<Given<Vec<Type>>>,
}

impl BindAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        KEYS.read(attrs, errors, &mut |name, key, input| match name {
            "on_bound" => set_value(&mut at.on_bound, key, "`on_bound = path`", input),
            _ => {
                let value = required(key, input)?;
                set(&mut at.requires, key, value)
            }
        });
        at
    }

    pub(crate) fn reject_on_field(attrs: &[Attribute], errors: &mut Errors) {
        FIELD.read(attrs, errors, &mut |_, _, _| Ok(()));
    }
}

/// `requires = Type` or `requires(Type, …)`.
fn required(key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Type>> {
    const FORM: &str = "expected `requires = Type` or `requires(Type, …)`";
    let wrong = |error: syn::Error| syn::Error::new(error.span(), FORM);
    if input.peek(syn::token::Paren) {
        let content;
        parenthesized!(content in input);
        let types = Punctuated::<Type, Token![,]>::parse_terminated(&content).map_err(|error| {
            // What is left would be a second error about the same mistake.
            let rest: syn::Result<TokenStream> = content.parse();
            drop(rest);
            wrong(error)
        })?;
        return if types.is_empty() { Err(syn::Error::new(key.span(), FORM)) } else { Ok(types.into_iter().collect()) };
    }
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(key.span(), FORM));
    }
    let ty = Type::parse(input).map_err(wrong)?;
    match ty {
        // A tuple is a type too, but hardly the component that was meant.
        Type::Tuple(_) | Type::Paren(_) => Err(syn::Error::new_spanned(ty.to_token_stream(), FORM)),
        ty => Ok(vec![ty]),
    }
}
