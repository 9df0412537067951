//! `#[chunk(…)]` on a struct.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{Attribute, Expr, LitStr, Path, Token};

use super::{Given, Keys, set, set_constant, set_count, set_flag, set_value};
use crate::errors::Errors;

const KEYS: Keys = Keys {
    attr: "chunk",
    known: &[
        "accept_ownership",
        "coder",
        "crate",
        "host_only",
        "migratable",
        "name",
        "on_activate",
        "on_attach",
        "on_deactivate",
        "on_detach",
        "on_owner_change",
        "on_update",
        "priority",
        "rate",
        "send_to",
    ],
};

/// What `accept_ownership` looks like.
const ACCEPT_OWNERSHIP: &str =
    "`accept_ownership = path`, the path of a `fn(&Self, &OwnershipRequest) -> Result<(), u16>`";

/// What a chunk can be told of its life, in the order of a life: the key, and the runtime's name for it.
const LIFE: [(&str, &str); 6] = [
    ("on_attach", "Attach"),
    ("on_activate", "Activate"),
    ("on_update", "Update"),
    ("on_owner_change", "OwnerChange"),
    ("on_deactivate", "Deactivate"),
    ("on_detach", "Detach"),
];

/// What `send_to` looks like.
const SEND_TO: &str = "`send_to = path`, the path of a `fn(&Self, &TargetPeer) -> bool`";

#[derive(Default)]
pub(crate) struct ChunkAttr {
    pub(crate) name: Option<Given<LitStr>>,
    pub(crate) migratable: Option<Given<()>>,
    pub(crate) accept_ownership: Option<Given<Path>>,
    pub(crate) priority: Option<Given<Expr>>,
    pub(crate) rate: Option<Given<Expr>>,
    pub(crate) coder: Option<Given<Coder>>,
    pub(crate) send_to: Option<Given<Path>>,
    pub(crate) host_only: Option<Given<HostOnly>>,
    /// By what it is told.
    life: [Option<Given<Path>>; LIFE.len()],
    pub(crate) krate: Option<Given<Path>>,
}

/// `coder = …`: a word of the grammar and not a value, because it names a wire format.
#[derive(Clone, Copy)]
pub(crate) enum Coder {
    Packed,
    Entropy,
}

/// `host_only` or `host_only = …`: what a host refuses.
#[derive(Clone, Copy)]
pub(crate) enum HostOnly {
    Chunk,
    Replica,
}

impl ChunkAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        KEYS.read(attrs, errors, &mut |name, key, input| match name {
            "accept_ownership" => set_value(&mut at.accept_ownership, key, ACCEPT_OWNERSHIP, input),
            "coder" => {
                let value = Coder::parse_after(key, input)?;
                set(&mut at.coder, key, value)
            }
            "crate" => set_value(&mut at.krate, key, "`crate = path`", input),
            "host_only" => {
                let value = HostOnly::parse_after(key, input)?;
                set(&mut at.host_only, key, value)
            }
            "migratable" => set_flag(&mut at.migratable, key, input),
            "name" => set_value(&mut at.name, key, "`name = \"…\"`", input),
            "rate" => set_count(&mut at.rate, key, 1..=1_000, input),
            "send_to" => set_value(&mut at.send_to, key, SEND_TO, input),
            "priority" => set_constant(&mut at.priority, key, "`priority = EXPR`, a constant `Priority`", input),
            _ => {
                let of = LIFE.iter().position(|(key, _)| *key == name).expect("all other keys are above");
                set_value(&mut at.life[of], key, &handler_form(name), input)
            }
        });
        if let (Some(accept), None) = (&at.accept_ownership, &at.migratable) {
            errors.at(&accept.key, "nobody else may own a chunk that is not `migratable`, so this is never asked");
        }
        if let Some(name) = &at.name
            && name.value.value().is_empty()
        {
            errors.at(&name.value, "a chunk's name on the wire cannot be empty");
        }
        at
    }

    /// The handlers of its life, each with the runtime's name for what it is called for.
    pub(crate) fn take_life(&mut self) -> Vec<(&'static str, Path)> {
        let handlers = LIFE.iter().zip(&mut self.life);
        handlers.filter_map(|((_, event), handler)| Some((*event, handler.take()?.value))).collect()
    }
}

/// What the key of a handler looks like.
fn handler_form(key: &str) -> String {
    format!("`{key} = path`, the path of a `fn(&mut Self, &LifeContext)`")
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

impl HostOnly {
    fn parse_after(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        const FORM: &str = "expected `host_only`, which is `host_only = Chunk`, or `host_only = Replica`";
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Self::Chunk);
        }
        if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), FORM));
        }
        let refused: Path = input.parse().map_err(|error| syn::Error::new(error.span(), FORM))?;
        if refused.is_ident("Chunk") {
            Ok(Self::Chunk)
        } else if refused.is_ident("Replica") {
            Ok(Self::Replica)
        } else {
            Err(syn::Error::new_spanned(refused, FORM))
        }
    }
}
