//! `#[marshal(…)]` on a type, a variant, a field, and on an RPC's argument.

use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Path, Token, WherePredicate};

use super::{CodecAttr, Given, Keys, set_number, set_value};
use crate::errors::Errors;

const CONTAINER: Keys = Keys { attr: "marshal", known: &["bound", "crate", "tag_bits"] };
const VARIANT: Keys = Keys { attr: "marshal", known: &["tag"] };
const FIELD: Keys =
    Keys { attr: "marshal", known: &["bits", "entity", "max_len", "predict", "quantize", "skip", "with"] };
const ARGUMENT: Keys = Keys { attr: "marshal", known: &["bits", "entity", "max_len", "quantize", "with"] };

/// What `bound` looks like.
const BOUND: &str = "`bound = \"T: Trait, …\"`";

/// On a struct or an enum.
#[derive(Default)]
pub(crate) struct ContainerAttr {
    pub(crate) tag_bits: Option<Given<u64>>,
    pub(crate) bound: Option<Vec<WherePredicate>>,
    pub(crate) krate: Option<Given<Path>>,
}

impl ContainerAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        let mut bound: Option<Given<LitStr>> = None;
        CONTAINER.read(attrs, errors, &mut |name, key, input| match name {
            "bound" => set_value(&mut bound, key, BOUND, input),
            "crate" => set_value(&mut at.krate, key, "`crate = path`", input),
            _ => set_number(&mut at.tag_bits, key, 0..=64, input),
        });
        at.bound = bound.and_then(|bound| {
            let predicates = Punctuated::<WherePredicate, Token![,]>::parse_terminated;
            let predicates = bound.value.parse::<proc_macro2::TokenStream>().and_then(|text| predicates.parse2(text));
            let wrong = |error: syn::Error| syn::Error::new(error.span(), format_args!("expected {BOUND}; {error}"));
            errors.ok(predicates.map_err(wrong)).map(|predicates| predicates.into_iter().collect())
        });
        at
    }
}

/// On a variant.
#[derive(Default)]
pub(crate) struct VariantAttr {
    pub(crate) tag: Option<Given<u64>>,
    /// A tag was meant and is not known.
    pub(crate) unreadable: bool,
}

impl VariantAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        VARIANT.read(attrs, errors, &mut |_, key, input| {
            let result = set_number(&mut at.tag, key, 0..=u64::MAX, input);
            at.unreadable |= result.is_err();
            result
        });
        at
    }
}

/// On a field of a struct or a variant, or on an RPC's argument.
#[derive(Default)]
pub(crate) struct FieldAttr {
    pub(crate) codec: CodecAttr,
}

impl FieldAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        Self::read_as(&FIELD, attrs, errors)
    }

    /// An argument cannot be skipped: the handler needs a value and nothing on the other side has one.
    pub(crate) fn read_argument(attrs: &[Attribute], errors: &mut Errors) -> Self {
        Self::read_as(&ARGUMENT, attrs, errors)
    }

    fn read_as(keys: &Keys, attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        keys.read(attrs, errors, &mut |name, key, input| at.codec.read_key(name, key, input));
        at
    }
}
