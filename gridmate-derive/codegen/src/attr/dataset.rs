//! `#[dataset(…)]` on a field of a chunk.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Expr, Path, Token, parenthesized};

use super::{CodecAttr, Given, Keys, set, set_constant, set_flag};
use crate::errors::Errors;

const KEYS: Keys = Keys {
    attr: "dataset",
    known: &[
        "breaks",
        "entity",
        "initial",
        "interpolate",
        "max_len",
        "on_change",
        "predict",
        "quantize",
        "skip",
        "throttle",
        "with",
    ],
};

/// What may follow `throttle =`.
const THROTTLE: &str =
    "`throttle = EXPR`: `Exact`, `Epsilon(distance)`, `AtMost(ticks)` or a constant of a type that is `Throttle`";

/// What may follow `interpolate =`.
const INTERPOLATE: &str = "`interpolate = EXPR`: `Linear`, `Hermite`, `Slerp`, `Angle::DEGREES`, `Point`, `Snap(..)`, `Extrapolate(..)` or a constant of a \
     type that is `Interpolator`";

#[derive(Default)]
pub(crate) struct DatasetAttr {
    pub(crate) codec: CodecAttr,
    pub(crate) initial: Option<Given<()>>,
    pub(crate) on_change: Option<Given<OnChange>>,
    pub(crate) throttle: Option<Given<Expr>>,
    pub(crate) interpolate: Option<Given<Expr>>,
    pub(crate) breaks: Option<Given<()>>,
}

impl DatasetAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        KEYS.read(attrs, errors, &mut |name, key, input| match name {
            "on_change" => {
                let value = OnChange::parse_after(key, input)?;
                set(&mut at.on_change, key, value)
            }
            "initial" => set_flag(&mut at.initial, key, input),
            "throttle" => set_constant(&mut at.throttle, key, THROTTLE, input),
            "breaks" => set_flag(&mut at.breaks, key, input),
            "interpolate" => set_constant(&mut at.interpolate, key, INTERPOLATE, input),
            _ => at.codec.read_key(name, key, input),
        });
        at
    }
}

/// `on_change = path` or `on_change(path, everywhere)`.
pub(crate) struct OnChange {
    pub(crate) handler: Path,
    /// On the primary too.
    pub(crate) everywhere: bool,
}

impl OnChange {
    fn parse_after(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        const FORM: &str = "expected `on_change = path` or `on_change(path, everywhere)`";
        let wrong = |error: syn::Error| syn::Error::new(error.span(), FORM);
        if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            return Self::parse_parts(&content).map_err(|error| {
                // What is left would be a second error about the same mistake.
                let rest: syn::Result<TokenStream> = content.parse();
                drop(rest);
                wrong(error)
            });
        }
        if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), FORM));
        }
        Ok(Self { handler: input.parse().map_err(wrong)?, everywhere: false })
    }

    fn parse_parts(content: ParseStream<'_>) -> syn::Result<Self> {
        let handler = content.parse()?;
        content.parse::<Token![,]>()?;
        let flag: Ident = content.parse()?;
        if flag != "everywhere" {
            return Err(syn::Error::new(flag.span(), "no such flag"));
        }
        content.parse::<Option<Token![,]>>()?;
        match content.parse::<Option<TokenTree>>()? {
            None => Ok(Self { handler, everywhere: true }),
            Some(more) => Err(syn::Error::new(more.span(), "more than two")),
        }
    }
}
