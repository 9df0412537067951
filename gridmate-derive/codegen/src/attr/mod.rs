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
pub(crate) use chunk::{ChunkAttr, Coder, HostOnly};
pub(crate) use codec::{By, CodecAttr, Quantize};
pub(crate) use dataset::{DatasetAttr, OnChange};
pub(crate) use marshal::{ContainerAttr, FieldAttr, VariantAttr};
pub(crate) use rpc::{RpcAttr, RpcsAttr};

use core::ops::RangeInclusive;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, Expr, ExprLit, ExprUnary, Lit, LitInt, MacroDelimiter, Meta, Token, UnOp};

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
                Meta::List(list) if matches!(list.delimiter, MacroDelimiter::Paren(_)) => {
                    self.read_list(list.tokens.clone(), errors, read);
                }
                _ => errors.at(attr, format_args!("expected `#[{}(…)]`; it takes {}", self.attr, self.accepted())),
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
        let wrong = |error: syn::Error| {
            syn::Error::new(error.span(), format_args!("expected a key; `#[{}]` takes {}", self.attr, self.accepted()))
        };
        let key = input.call(Ident::parse_any).map_err(wrong)?;
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
        format!("unknown key `{name}`; `#[{}]` takes {}", self.attr, self.accepted())
    }

    fn accepted(&self) -> String {
        if self.known.is_empty() { "no keys".to_owned() } else { one_of(self.known) }
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

/// Stores `key = value`; `form` says what was expected.
fn set_value<T: Parse>(
    slot: &mut Option<Given<T>>,
    key: &Ident,
    form: &str,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    let expected = |span: Span| syn::Error::new(span, format_args!("expected {form}"));
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(expected(key.span()));
    }
    let value = input.parse().map_err(|error: syn::Error| expected(error.span()))?;
    set(slot, key, value)
}

/// Stores `key = n`: a number in `range` or an expression that comes to one, which is for the compiler to find out.
fn set_count(
    slot: &mut Option<Given<Expr>>,
    key: &Ident,
    range: RangeInclusive<u64>,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    let form = count_form(&key.to_string(), &range);
    set_value(slot, key, &form, input)?;
    let Some(Given { value, .. }) = slot else { return Ok(()) };
    let fits = match literal(value) {
        None => true,
        Some((Lit::Int(n), false)) => n.base10_parse().is_ok_and(|n: u64| range.contains(&n)),
        Some(_) => false,
    };
    if fits { Ok(()) } else { Err(syn::Error::new_spanned(value, format_args!("expected {form}"))) }
}

/// Stores `key = n` where the macro itself needs the number.
fn set_number(
    slot: &mut Option<Given<u64>>,
    key: &Ident,
    range: RangeInclusive<u64>,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    let form = count_form(&key.to_string(), &range);
    let mut given: Option<Given<LitInt>> = None;
    set_value(&mut given, key, &form, input)?;
    let Some(Given { value, .. }) = given else { return Ok(()) };
    match value.base10_parse() {
        Ok(n) if range.contains(&n) => set(slot, key, n),
        _ => Err(syn::Error::new_spanned(value, format_args!("expected {form}"))),
    }
}

fn count_form(key: &str, range: &RangeInclusive<u64>) -> String {
    format!("`{key} = n`, an integer from {} to {}", range.start(), range.end())
}

/// Stores `key = EXPR`, where no literal can be meant; `form` says what is.
fn set_constant(slot: &mut Option<Given<Expr>>, key: &Ident, form: &str, input: ParseStream<'_>) -> syn::Result<()> {
    set_value(slot, key, form, input)?;
    match slot {
        Some(Given { value, .. }) if literal(value).is_some() => {
            Err(syn::Error::new_spanned(value, format_args!("expected {form}")))
        }
        _ => Ok(()),
    }
}

/// The literal that an expression is, and whether a minus stands before it.
fn literal(expr: &Expr) -> Option<(&Lit, bool)> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some((lit, false)),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr).map(|(lit, minus)| (lit, !minus)),
        _ => None,
    }
}
