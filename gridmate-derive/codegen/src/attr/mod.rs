//! Attributes as syntax: which keys each one has and what follows a key.
//!
//! There are three shapes: a flag `skip`, a value `key = …` and a list `key(…)`. Values are ordinary Rust; they are copied
//! into the output and never interpreted. A key that cannot be read is reported and skipped, so the next one still is.

mod bind;
mod chunk;
mod codec;
mod dataset;
mod marshal;
mod rpc;

pub(crate) use bind::BindAttr;
pub(crate) use chunk::ChunkAttr;
pub(crate) use codec::{By, CodecAttr, Quantize};
pub(crate) use dataset::DatasetAttr;
pub(crate) use marshal::{ContainerAttr, FieldAttr, VariantAttr};
pub(crate) use rpc::{RpcAttr, RpcsAttr};

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, Meta, Token};

use crate::errors::Errors;

/// What an attribute is called and which keys it takes, sorted.
pub(crate) struct Keys {
    pub(crate) attr: &'static str,
    pub(crate) known: &'static [&'static str],
}

/// Reads one key's value into wherever it belongs.
type ReadKey<'a> = dyn FnMut(&str, &Ident, ParseStream<'_>) -> syn::Result<()> + 'a;

impl Keys {
    /// Reads all attributes of this name; repeated ones add up.
    pub(crate) fn read(&self, attrs: &[Attribute], errors: &mut Errors, read: &mut ReadKey<'_>) {
        for attr in attrs.iter().filter(|attr| attr.path().is_ident(self.attr)) {
            match &attr.meta {
                Meta::Path(_) => {}
                Meta::List(list) => self.read_list(list.tokens.clone(), errors, read),
                Meta::NameValue(_) => errors.at(attr, format_args!("expected `#[{}(…)]`", self.attr)),
            }
        }
    }

    /// Reads what is between the parentheses.
    pub(crate) fn read_list(&self, tokens: TokenStream, errors: &mut Errors, read: &mut ReadKey<'_>) {
        let all = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = self.read_key(input, read) {
                    errors.push(error);
                    skip_to_comma(input);
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        let result = all.parse2(tokens);
        errors.ok(result);
    }

    fn read_key(&self, input: ParseStream<'_>, read: &mut ReadKey<'_>) -> syn::Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        if !self.known.contains(&name.as_str()) {
            return Err(syn::Error::new(key.span(), self.unknown(&name)));
        }
        read(&name, &key, input)?;
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(());
        }
        Err(input.error(format_args!("expected `,` or the end of `#[{}(…)]` after `{name}`", self.attr)))
    }

    fn unknown(&self, name: &str) -> String {
        let Self { attr, known } = self;
        match known {
            [] => format!("unknown key `{name}`; `#[{attr}]` takes no keys"),
            _ => format!("unknown key `{name}`; `#[{attr}]` takes {}", one_of(known)),
        }
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // Cannot fail: the input is not empty.
        let _ = input.parse::<TokenTree>();
    }
}

/// `` `a`, `b` and `c` ``.
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// A key and what it was given; the key is where errors about the pair go.
pub(crate) struct Given<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// Stores what a key was given, once.
fn set<T>(slot: &mut Option<Given<T>>, key: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(key.span(), format_args!("`{key}` is given twice")));
    }
    *slot = Some(Given { key: key.clone(), value });
    Ok(())
}

/// Stores a flag: a key alone.
fn set_flag(slot: &mut Option<Given<()>>, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![=]) || input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), format_args!("`{key}` takes no value")));
    }
    set(slot, key, ())
}

/// Stores `key = value`; `form` shows what was expected.
fn set_value<T: Parse>(
    slot: &mut Option<Given<T>>,
    key: &Ident,
    form: &str,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    let expected = |error: Option<syn::Error>| {
        syn::Error::new(
            error.map_or_else(|| key.span(), |error| error.span()),
            format_args!("expected `{key} = {form}`"),
        )
    };
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Err(expected(None));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(expected(None));
    }
    let value = input.parse().map_err(|error| expected(Some(error)))?;
    set(slot, key, value)
}
