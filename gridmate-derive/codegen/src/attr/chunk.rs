//! `#[chunk(…)]` on a struct.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{Attribute, Expr, LitStr, Path, Token};

use super::{Given, Keys, set, set_constant, set_count, set_flag, set_value};
use crate::errors::Errors;

const KEYS: Keys =
    Keys { attr: "chunk", known: &["coder", "crate", "migratable", "name", "priority", "rate", "send_to"] };

/// What `send_to` looks like.
const SEND_TO: &str = "`send_to = path`, the path of a `fn(&Self, &TargetPeer) -> bool`";

#[derive(Default)]
pub(crate) struct ChunkAttr {
    pub(crate) name: Option<Given<LitStr>>,
    pub(crate) migratable: Option<Given<()>>,
    pub(crate) priority: Option<Given<Expr>>,
    pub(crate) rate: Option<Given<Expr>>,
    pub(crate) coder: Option<Given<Coder>>,
    pub(crate) send_to: Option<Given<Path>>,
    pub(crate) krate: Option<Given<Path>>,
}

/// `coder = …`: a word of the grammar and not a value, because it names a wire format.
#[derive(Clone, Copy)]
pub(crate) enum Coder {
    Packed,
    Entropy,
}

impl ChunkAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        KEYS.read(attrs, errors, &mut |name, key, input| match name {
            "coder" => {
                let value = Coder::parse_after(key, input)?;
                set(&mut at.coder, key, value)
            }
            "crate" => set_value(&mut at.krate, key, "`crate = path`", input),
            "migratable" => set_flag(&mut at.migratable, key, input),
            "name" => set_value(&mut at.name, key, "`name = \"…\"`", input),
            "rate" => set_count(&mut at.rate, key, 1..=1_000, input),
            "send_to" => set_value(&mut at.send_to, key, SEND_TO, input),
            _ => set_constant(&mut at.priority, key, "`priority = EXPR`, a constant `Priority`", input),
        });
        if let Some(name) = &at.name
            && name.value.value().is_empty()
        {
            errors.at(&name.value, "a chunk's name on the wire cannot be empty");
        }
        at
    }
}

impl Coder {
    fn parse_after(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        const FORM: &str = "expected `coder = Packed` or `coder = Entropy`";
        if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), FORM));
        }
        let coder: Path = input.parse().map_err(|error| syn::Error::new(error.span(), FORM))?;
        if coder.is_ident("Packed") {
            Ok(Self::Packed)
        } else if coder.is_ident("Entropy") {
            Ok(Self::Entropy)
        } else {
            Err(syn::Error::new_spanned(coder, FORM))
        }
    }
}
