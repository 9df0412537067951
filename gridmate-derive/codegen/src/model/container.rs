//! A struct or an enum as something that can be marshaled.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Data, DataEnum, DeriveInput, Generics, Member, WherePredicate};

use super::{Codec, Crate, Field};
use crate::Root;
use crate::attr::{ContainerAttr, FieldAttr, Given, VariantAttr};
use crate::check;
use crate::errors::Errors;
use crate::generics::{Params, without_self};

/// A type that can be marshaled.
pub(crate) struct Container {
    pub(crate) krate: Crate,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) generics: Generics,
    /// What the impl asks of its parameters instead of what we would.
    pub(crate) bound: Option<Vec<WherePredicate>>,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Struct(Fields),
    Enum { tag_bits: u32, variants: Vec<Variant> },
}

/// Fields in declaration order, which is wire order, and beside them what never travels.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) wire: Vec<Field>,
    pub(crate) skipped: Vec<Skipped>,
}

/// A field that is rebuilt with `Default` on the other side.
pub(crate) struct Skipped {
    pub(crate) member: Member,
    pub(crate) ty: TokenStream,
    pub(crate) needs_bound: bool,
}

pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) tag: u64,
    pub(crate) fields: Fields,
}

impl Container {
    pub(crate) fn read(input: &DeriveInput, root: Root, errors: &mut Errors) -> Self {
        let DeriveInput { attrs, ident, generics, data, .. } = input;
        let at = ContainerAttr::read(attrs, errors);
        let params = Params::of(generics);
        let owner = {
            let (_, arguments, _) = generics.split_for_impl();
            quote!(#ident #arguments)
        };
        if let (Some(tag_bits), Data::Struct(_)) = (&at.tag_bits, data) {
            errors.at(&tag_bits.key, "only an enum has a tag, so `tag_bits` means nothing on a struct");
        }
        let body = match data {
            Data::Struct(data) => Body::Struct(Fields::read(&data.fields, "", &owner, &params, errors)),
            Data::Enum(data) => read_enum(ident, data, at.tag_bits, &owner, &params, errors),
            Data::Union(data) => {
                errors.at(data.union_token, "a union does not say which of its fields holds the value to marshal");
                Body::Struct(Fields::default())
            }
        };
        Self {
            krate: Crate::new(at.krate, root),
            ident: ident.clone(),
            name: ident.unraw().to_string(),
            generics: generics.clone(),
            bound: at.bound,
            body,
        }
    }

    /// Every set of fields: one of a struct, one per variant of an enum.
    pub(crate) fn all_fields(&self) -> impl Iterator<Item = &Fields> {
        let (one, many): (_, &[Variant]) = match &self.body {
            Body::Struct(fields) => (Some(fields), &[]),
            Body::Enum { variants, .. } => (None, variants),
        };
        one.into_iter().chain(many.iter().map(|variant| &variant.fields))
    }

    pub(crate) fn wire(&self) -> impl Iterator<Item = &Field> {
        self.all_fields().flat_map(|fields| &fields.wire)
    }
}

impl Fields {
    fn read(fields: &syn::Fields, place: &str, owner: &TokenStream, params: &Params, errors: &mut Errors) -> Self {
        let mut read = Self::default();
        for (field, member) in fields.iter().zip(fields.members()) {
            let at = FieldAttr::read(&field.attrs, errors);
            check::codec(&at.codec, errors);
            let ty = &field.ty;
            match Codec::of(at.codec) {
                Some(codec) => read.wire.push(Field::new(member, ty, codec, place, owner, params)),
                None => read.skipped.push(Skipped {
                    member,
                    ty: without_self(ty, owner),
                    needs_bound: params.mention_type(&quote!(#ty)),
                }),
            }
        }
        read
    }
}

fn read_enum(
    ident: &Ident,
    data: &DataEnum,
    tag_bits: Option<Given<u64>>,
    owner: &TokenStream,
    params: &Params,
    errors: &mut Errors,
) -> Body {
    if data.variants.is_empty() {
        errors.at(ident, "an enum without variants has no values to marshal");
    }
    let mut next = 0_u64;
    let mut unreadable = false;
    let mut variants = Vec::new();
    for (i, variant) in data.variants.iter().enumerate() {
        let at = VariantAttr::read(&variant.attrs, errors);
        unreadable |= at.unreadable;
        let tag = at.tag.map_or(next, |tag| tag.value);
        next = tag.saturating_add(1);
        variants.push(Variant {
            ident: variant.ident.clone(),
            name: variant.ident.unraw().to_string(),
            tag,
            fields: Fields::read(&variant.fields, &i.to_string(), owner, params, errors),
        });
    }
    let fewest = variants.iter().map(|variant| check::bits_for(variant.tag)).max().unwrap_or(0);
    // Read as a number up to 64.
    let given = tag_bits.and_then(|given| u32::try_from(given.value).ok());
    let tag_bits = given.unwrap_or(fewest);
    if !unreadable {
        check::tags(&variants, tag_bits, errors);
    }
    Body::Enum { tag_bits, variants }
}
