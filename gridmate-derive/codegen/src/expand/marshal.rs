//! `Marshal` for structs and enums: field by field, in declaration order.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Generics;

use super::{block, gen_tokens, marshal_enum};
use crate::model::{Body, Container, Field, Fields, Skipped};

// const __F_slots: __gm::Field<u8, __gm::Bits<5>> = …;
// pub struct __Repr { slots: __gm::Repr<u8, __gm::Bits<5>> }
// impl __gm::Marshal for Loadout { type Repr = __Repr; … }
pub(crate) fn marshal(container: &Container) -> TokenStream {
    let Container { ident, generics, body, .. } = container;
    let constants = container.wire().map(Field::constant);
    let reprs = Reprs::of(container);
    let (definition, methods) = match body {
        Body::Struct(fields) => (repr_struct(fields, &reprs), struct_methods(container, fields)),
        Body::Enum { tag_bits, variants } => {
            (marshal_enum::repr_enum(variants, &reprs), marshal_enum::methods(container, *tag_bits, variants))
        }
    };
    let bounded = with_bounds(container);
    let (impl_generics, _, where_clause) = bounded.split_for_impl();
    let (_, arguments, _) = generics.split_for_impl();
    let repr = reprs.applied();
    let items = gen_tokens! {
        #(#constants)*
        #definition
        #[automatically_derived]
        impl #impl_generics __gm::Marshal for #ident #arguments #where_clause {
            type Repr = #repr;
            #methods
        }
    };
    block(&container.krate, items)
}

/// The type that holds the reprs of all fields.
///
/// Where a field's type depends on a parameter, its repr is a parameter of ours: then `Clone` and `PartialEq` can be derived
/// without knowing any bound, and a type parameter that only skipped fields use needs no mention.
pub(super) struct Reprs {
    /// `__R0`, `__R1`, … and what each stands for.
    params: Vec<(Ident, TokenStream)>,
    /// The type of each wire field, in order.
    types: Vec<TokenStream>,
}

impl Reprs {
    fn of(container: &Container) -> Self {
        let mut reprs = Self { params: Vec::new(), types: Vec::new() };
        for field in container.wire() {
            let repr = field.repr();
            if field.generic {
                let param = Ident::new(&format!("__R{}", reprs.params.len()), Span::mixed_site());
                reprs.types.push(quote!(#param));
                reprs.params.push((param, repr));
            } else {
                reprs.types.push(repr);
            }
        }
        reprs
    }

    // __Repr<__R0, __R1>
    pub(super) fn declared(&self) -> TokenStream {
        let params = self.params.iter().map(|(param, _)| param);
        if self.params.is_empty() { gen_tokens!(__Repr) } else { gen_tokens!(__Repr<#(#params),*>) }
    }

    // __Repr<__gm::Repr<A>, __gm::Repr<Vec<B>>>
    fn applied(&self) -> TokenStream {
        let arguments = self.params.iter().map(|(_, argument)| argument);
        if self.params.is_empty() { gen_tokens!(__Repr) } else { gen_tokens!(__Repr<#(#arguments),*>) }
    }

    pub(super) fn types(&self) -> impl Iterator<Item = &TokenStream> {
        self.types.iter()
    }
}

// pub struct __Repr { n: __gm::Repr<u8> }
// __gm::snapshot!(__Repr { n });
// #[derive(__gm::Clone, __gm::PartialEq)]
// pub struct __Repr<__R0> { a: __R0, n: __gm::Repr<u8> }
fn repr_struct(fields: &Fields, reprs: &Reprs) -> TokenStream {
    let name = reprs.declared();
    let slots = fields.wire.iter().zip(reprs.types()).map(|(Field { slot, .. }, ty)| quote!(#slot: #ty));
    let definition = gen_tokens!(pub struct #name { #(#slots,)* });
    if reprs.params.is_empty() {
        let slots = fields.wire.iter().map(|Field { slot, .. }| slot);
        gen_tokens!(#definition __gm::snapshot!(#name { #(#slots)* });)
    } else {
        gen_tokens!(#[derive(__gm::Clone, __gm::PartialEq)] #definition)
    }
}

/// The type's own parameters without defaults, and what their use asks of them.
// impl<T> … where T: __gm::Marshal
fn with_bounds(container: &Container) -> Generics {
    let mut generics = container.generics.clone();
    let bounds: Vec<_> = match &container.bound {
        Some(given) => given.iter().map(|predicate| quote!(#predicate)).collect(),
        None => container
            .all_fields()
            .flat_map(|fields| {
                let defaults = fields
                    .skipped
                    .iter()
                    .filter(|skipped| skipped.needs_bound)
                    .map(|Skipped { ty, .. }| gen_tokens!(#ty: __gm::Default));
                fields.wire.iter().filter_map(Field::bound).chain(defaults)
            })
            .collect(),
    };
    if !bounds.is_empty() {
        // Made of types and paths that syn has read before, so it reads them again.
        let predicates = bounds.into_iter().filter_map(|bound| syn::parse2::<syn::WherePredicate>(bound).ok());
        generics.make_where_clause().predicates.extend(predicates);
    }
    generics
}

/// Structs of up to so many fields are read and written where they are needed. A call would give back the value in memory that
/// the caller then copies before it has arrived there, and would not know how much of a word is taken.
const INLINED_FIELDS: usize = 16;

// const LARGEST_BITS: usize = __gm::sum_bits([__F_slots.bits()]);
// fn shape() -> __gm::Shape { __gm::struct_shape("Loadout", [__gm::field_shape("slots", __F_slots.shape())]) }
// fn to_repr(&self) -> Self::Repr { __Repr { slots: __F_slots.to_repr(&self.slots) } }
// fn capture(&self, __into: &mut Self::Repr) { __F_slots.capture(&self.slots, &mut __into.slots); }
// fn from_repr(__repr: &Self::Repr) -> Self {
//     Self { slots: __F_slots.from_repr(&__repr.slots), weight: __gm::Default::default() }
// }
// fn assign(&mut self, __repr: &Self::Repr) { __F_slots.assign(&mut self.slots, &__repr.slots); }
// fn encode(__repr: &Self::Repr, __w: &mut impl __gm::Sink) {
//     let mut __s = __gm::Sink::stage(__w);
//     __F_slots.encode(&__repr.slots, &mut __s);
//     __gm::Sink::commit(__s);
// }
// #[inline(always)]
// fn decode(__r: &mut impl __gm::Source) -> __gm::Read<Self::Repr> {
//     let mut __s = __gm::Source::stage(__r);
//     let __repr = __Repr { slots: __F_slots.decode(&mut __s)? };
//     __gm::Source::leave(__s);
//     __gm::Ok(__repr)
// }
// #[inline(always)]
// fn marshal(&self, __w: &mut impl __gm::Sink) {
//     let mut __s = __gm::Sink::stage(__w);
//     __F_slots.marshal(&self.slots, &mut __s);
//     __gm::Sink::commit(__s);
// }
// #[inline(always)]
// fn unmarshal(__r: &mut impl __gm::Source) -> __gm::Read<Self> {
//     let mut __s = __gm::Source::stage(__r);
//     let __value = Self { slots: __F_slots.unmarshal(&mut __s)?, weight: __gm::Default::default() };
//     __gm::Source::leave(__s);
//     __gm::Ok(__value)
// }
fn struct_methods(container: &Container, fields: &Fields) -> TokenStream {
    let name = &container.name;
    let this = Ident::new("self", Span::mixed_site());
    let each = |line: &dyn Fn(&Field, TokenStream) -> TokenStream| -> Vec<_> {
        fields.wire.iter().map(|field| line(field, field.operand())).collect()
    };
    let inline = (fields.wire.len() <= INLINED_FIELDS).then(|| gen_tokens!(#[inline(always)]));
    let Stages { w, r, begin_write, end_write, begin_read, end_read } = Stages::of(fields);
    let (shapes, bits) = (field_shapes(fields), fields.wire.iter().map(Field::bits));
    let to_repr =
        each(&|Field { member, slot, span, .. }, codec| quote_spanned!(*span=> #slot: #codec.to_repr(&#this.#member)));
    let capture = each(
        &|Field { member, slot, span, .. }, codec| quote_spanned!(*span=> #codec.capture(&#this.#member, &mut __into.#slot);),
    );
    let from_repr = each(
        &|Field { member, slot, span, .. }, codec| quote_spanned!(*span=> #member: #codec.from_repr(&__repr.#slot)),
    );
    let assign = each(
        &|Field { member, slot, span, .. }, codec| quote_spanned!(*span=> #codec.assign(&mut #this.#member, &__repr.#slot);),
    );
    let encode = each(&|Field { slot, span, .. }, codec| quote_spanned!(*span=> #codec.encode(&__repr.#slot, #w);));
    let decode = each(&|Field { slot, span, .. }, codec| quote_spanned!(*span=> #slot: #codec.decode(#r)?));
    let marshal =
        each(&|Field { member, span, .. }, codec| quote_spanned!(*span=> #codec.marshal(&#this.#member, #w);));
    let unmarshal = each(&|Field { member, span, .. }, codec| quote_spanned!(*span=> #member: #codec.unmarshal(#r)?));
    let skipped = defaults(fields);
    let deltas = struct_deltas(fields);
    gen_tokens! {
        const LARGEST_BITS: ::core::primitive::usize = __gm::sum_bits([#(#bits,)*]);
        fn shape() -> __gm::Shape { __gm::struct_shape(#name, [#(#shapes,)*]) }
        fn to_repr(&self) -> Self::Repr { __Repr { #(#to_repr,)* } }
        fn capture(&self, __into: &mut Self::Repr) { #(#capture)* }
        fn from_repr(__repr: &Self::Repr) -> Self { Self { #(#from_repr,)* #(#skipped,)* } }
        fn assign(&mut self, __repr: &Self::Repr) { #(#assign)* }
        fn encode(__repr: &Self::Repr, __w: &mut impl __gm::Sink) { #begin_write #(#encode)* #end_write }
        #inline
        fn decode(__r: &mut impl __gm::Source) -> __gm::Read<Self::Repr> {
            #begin_read
            let __repr = __Repr { #(#decode,)* };
            #end_read
            __gm::Ok(__repr)
        }
        #deltas
        #inline
        fn marshal(&self, __w: &mut impl __gm::Sink) { #begin_write #(#marshal)* #end_write }
        #inline
        fn unmarshal(__r: &mut impl __gm::Source) -> __gm::Read<Self> {
            #begin_read
            let __value = Self { #(#unmarshal,)* #(#skipped,)* };
            #end_read
            __gm::Ok(__value)
        }
    }
}

/// Where the fields of a struct meet; one alone has nobody to meet.
struct Stages {
    /// What fields are written to and read from.
    w: TokenStream,
    r: TokenStream,
    begin_write: Option<TokenStream>,
    end_write: Option<TokenStream>,
    begin_read: Option<TokenStream>,
    end_read: Option<TokenStream>,
}

impl Stages {
    fn of(fields: &Fields) -> Self {
        if fields.wire.len() < 2 {
            let (w, r) = (gen_tokens!(__w), gen_tokens!(__r));
            return Self { w, r, begin_write: None, end_write: None, begin_read: None, end_read: None };
        }
        Self {
            w: gen_tokens!(&mut __s),
            r: gen_tokens!(&mut __s),
            begin_write: Some(gen_tokens!(let mut __s = __gm::Sink::stage(__w);)),
            end_write: Some(gen_tokens!(__gm::Sink::commit(__s);)),
            begin_read: Some(gen_tokens!(let mut __s = __gm::Source::stage(__r);)),
            end_read: Some(gen_tokens!(__gm::Source::leave(__s);)),
        }
    }
}

// fn encode_delta(__now: &Self::Repr, __base: &Self::Repr, __w: &mut impl __gm::Sink) {
//     <Self as __gm::Marshal>::encode_ahead(__now, __base, __gm::Past::UNKNOWN, __w);
// }
// fn decode_delta(__repr: &mut Self::Repr, __r: &mut impl __gm::Source) -> __gm::Read {
//     <Self as __gm::Marshal>::decode_ahead(__repr, __gm::Past::UNKNOWN, __r)
// }
// fn encode_ahead(__now: &Self::Repr, __base: &Self::Repr, __past: __gm::Past<'_, Self::Repr>, __w: &mut impl __gm::Sink) {
//     __F_slots.encode_change(&__now.slots, &__base.slots, __gm::past_of!(__past.slots), __w);
// }
// fn decode_ahead(__repr: &mut Self::Repr, __past: __gm::Past<'_, Self::Repr>, __r: &mut impl __gm::Source) -> __gm::Read {
//     __F_slots.decode_change(&mut __repr.slots, __gm::past_of!(__past.slots), __r)?;
//     __gm::Ok(())
// }
fn struct_deltas(fields: &Fields) -> TokenStream {
    let (write, read) = delta_methods(fields);
    let encode = fields.wire.iter().map(|field| {
        let (Field { slot, span, .. }, codec) = (field, field.operand());
        quote_spanned!(*span=> #codec.#write(&__now.#slot, &__base.#slot, __gm::past_of!(__past.#slot), __w);)
    });
    let decode = fields.wire.iter().map(|field| {
        let (Field { slot, span, .. }, codec) = (field, field.operand());
        quote_spanned!(*span=> #codec.#read(&mut __repr.#slot, __gm::past_of!(__past.#slot), __r)?;)
    });
    gen_tokens! {
        fn encode_delta(__now: &Self::Repr, __base: &Self::Repr, __w: &mut impl __gm::Sink) {
            <Self as __gm::Marshal>::encode_ahead(__now, __base, __gm::Past::UNKNOWN, __w);
        }
        fn decode_delta(__repr: &mut Self::Repr, __r: &mut impl __gm::Source) -> __gm::Read {
            <Self as __gm::Marshal>::decode_ahead(__repr, __gm::Past::UNKNOWN, __r)
        }
        fn encode_ahead(
            __now: &Self::Repr,
            __base: &Self::Repr,
            __past: __gm::Past<'_, Self::Repr>,
            __w: &mut impl __gm::Sink,
        ) { #(#encode)* }
        fn decode_ahead(
            __repr: &mut Self::Repr,
            __past: __gm::Past<'_, Self::Repr>,
            __r: &mut impl __gm::Source,
        ) -> __gm::Read {
            #(#decode)*
            __gm::Ok(())
        }
    }
}

/// Whoever writes a delta knows that something differs. With one field that can only be the field, and a bit that says so
/// would always be set.
pub(super) fn delta_methods(fields: &Fields) -> (TokenStream, TokenStream) {
    match fields.wire.as_slice() {
        [_] => (gen_tokens!(encode_ahead), gen_tokens!(decode_ahead)),
        _ => (gen_tokens!(encode_change), gen_tokens!(decode_change)),
    }
}

// __gm::field_shape("slots", __F_slots.shape())
pub(super) fn field_shapes(fields: &Fields) -> impl Iterator<Item = TokenStream> {
    fields.wire.iter().map(|field| {
        let (Field { name, span, .. }, codec) = (field, field.operand());
        quote_spanned!(*span=> __gm::field_shape(#name, #codec.shape()))
    })
}

// weight: __gm::Default::default()
pub(super) fn defaults(fields: &Fields) -> Vec<TokenStream> {
    fields.skipped.iter().map(|Skipped { member, .. }| gen_tokens!(#member: __gm::Default::default())).collect()
}
