//! A struct as a replica chunk.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Expr, Fields, Generics, Member, Path, Type};

use super::{Codec, Crate, Field};
use crate::Root;
use crate::attr::{BindAttr, ChunkAttr, Coder, DatasetAttr, OnChange};
use crate::check;
use crate::errors::Errors;
use crate::generics::Params;

/// A replica chunk: a name, a few flags, datasets.
pub(crate) struct Chunk {
    pub(crate) krate: Crate,
    pub(crate) ident: Ident,
    /// Its name on the wire.
    pub(crate) name: String,
    pub(crate) migratable: bool,
    pub(crate) priority: Option<Expr>,
    /// Changes a second at most.
    pub(crate) rate: Option<Expr>,
    pub(crate) coder: Coder,
    /// Says which peers may have it.
    pub(crate) send_to: Option<Path>,
    pub(crate) datasets: Vec<Dataset>,
}

/// A field that is on the wire.
pub(crate) struct Dataset {
    pub(crate) field: Field,
    pub(crate) on_change: Option<OnChange>,
    pub(crate) throttle: Option<Expr>,
    pub(crate) interpolate: Option<Expr>,
}

impl Chunk {
    pub(crate) fn read(input: &DeriveInput, root: Root, errors: &mut Errors) -> Self {
        let DeriveInput { attrs, ident, generics, data, .. } = input;
        let at = ChunkAttr::read(attrs, errors);
        no_generics(generics, errors);
        let owner = quote!(#ident);
        Self {
            krate: Crate::new(at.krate, root),
            ident: ident.clone(),
            name: at.name.map_or_else(|| ident.unraw().to_string(), |name| name.value.value()),
            migratable: at.migratable.is_some(),
            priority: at.priority.map(|priority| priority.value),
            rate: at.rate.map(|rate| rate.value),
            coder: at.coder.map_or(Coder::Packed, |coder| coder.value),
            send_to: at.send_to.map(|send_to| send_to.value),
            datasets: fields(ident, data, errors)
                .into_iter()
                .flatten()
                .filter_map(|field| Dataset::read(field, &owner, errors))
                .collect(),
        }
    }
}

impl Dataset {
    fn read(field: &syn::Field, owner: &TokenStream, errors: &mut Errors) -> Option<Self> {
        let at = DatasetAttr::read(&field.attrs, errors);
        check::dataset(&at, errors);
        let member = Member::Named(field.ident.clone()?);
        let codec = Codec::of(at.codec)?;
        let field = Field::new(member, &field.ty, codec, "", owner, &Params::default());
        Some(Self {
            field,
            on_change: at.on_change.map(|on_change| on_change.value),
            throttle: at.throttle.map(|throttle| throttle.value),
            interpolate: at.interpolate.map(|interpolate| interpolate.value),
        })
    }
}

/// A chunk type has one name on the wire, so there cannot be several types of that name.
fn no_generics(generics: &Generics, errors: &mut Errors) {
    for param in &generics.params {
        errors.at(param, "a replica chunk has one name on the wire, so its type cannot have parameters");
    }
}

/// The fields of a struct that has names for them, or none.
fn fields<'a>(
    ident: &Ident,
    data: &'a Data,
    errors: &mut Errors,
) -> Option<impl Iterator<Item = &'a syn::Field> + use<'a>> {
    let wrong = match data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) | Fields::Unit => return Some(data.fields.iter()),
            Fields::Unnamed(fields) => (fields.to_token_stream(), "a tuple struct: datasets need names"),
        },
        Data::Enum(data) => {
            (data.enum_token.to_token_stream(), "an enum: put it into a field of a struct, and derive `Marshal` for it")
        }
        Data::Union(data) => (data.union_token.to_token_stream(), "a union"),
    };
    let (tokens, what) = wrong;
    errors.at(tokens, format_args!("a replica chunk is a struct with named fields; `{ident}` is {what}"));
    None
}

/// A chunk that is bound to an entity of some world.
pub(crate) struct Binding {
    pub(crate) chunk: Chunk,
    /// Components that an entity with this one also has.
    pub(crate) requires: Vec<Type>,
    pub(crate) on_bound: Option<Path>,
}

impl Binding {
    pub(crate) fn read(input: &DeriveInput, root: Root, errors: &mut Errors) -> Self {
        let chunk = Chunk::read(input, root, errors);
        let at = BindAttr::read(&input.attrs, errors);
        if let Data::Struct(data) = &input.data {
            for field in &data.fields {
                BindAttr::reject_on_field(&field.attrs, errors);
            }
        }
        let requires = at.requires.map(|requires| requires.value).unwrap_or_default();
        check::requires(&input.ident, &requires, errors);
        Self { chunk, requires, on_bound: at.on_bound.map(|on_bound| on_bound.value) }
    }
}
