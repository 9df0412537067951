//! The part of `Marshal` that enums have to themselves: a tag, then the fields of the variant it names.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::gen_tokens;
use super::marshal::{Reprs, defaults, delta_methods, field_shapes};
use crate::model::{Container, Field, Fields, Variant};

// #[derive(__gm::Clone, __gm::PartialEq)]
// pub enum __Repr { Idle {}, Charging { level: __gm::Repr<u8, __gm::Bits<4>> }, Firing { _0: … } }
pub(super) fn repr_enum(variants: &[Variant], reprs: &Reprs) -> TokenStream {
    let name = reprs.declared();
    let mut types = reprs.types();
    let variants: Vec<_> = variants
        .iter()
        .map(|Variant { ident, fields, .. }| {
            let slots: Vec<_> =
                fields.wire.iter().zip(types.by_ref()).map(|(Field { slot, .. }, ty)| quote!(#slot: #ty)).collect();
            quote!(#ident { #(#slots,)* })
        })
        .collect();
    gen_tokens!(#[derive(__gm::Clone, __gm::PartialEq)] pub enum #name { #(#variants,)* })
}

pub(super) fn methods(container: &Container, tag_bits: u32, variants: &[Variant]) -> TokenStream {
    let shape = shape(container, tag_bits, variants);
    let (reprs, alone) = (reprs(variants), alone(tag_bits, variants));
    let (deltas, values) = (deltas(variants), values(tag_bits, variants));
    gen_tokens!(#shape #reprs #alone #deltas #values)
}

// const LARGEST_BITS: usize = __gm::tagged_bits(3u32, [__gm::sum_bits([]), __gm::sum_bits([__F1_level.bits()]), …]);
// fn shape() -> __gm::Shape {
//     __gm::enum_shape("Weapon", 3u32, [__gm::variant_shape("Idle", 0u64, []), …])
// }
fn shape(container: &Container, tag_bits: u32, variants: &[Variant]) -> TokenStream {
    let name = &container.name;
    let shapes = variants.iter().map(|Variant { name, tag, fields, .. }| {
        let shapes = field_shapes(fields);
        gen_tokens!(__gm::variant_shape(#name, #tag, [#(#shapes,)*]))
    });
    let bits = variants.iter().map(|Variant { fields, .. }| {
        let bits = fields.wire.iter().map(Field::bits);
        gen_tokens!(__gm::sum_bits([#(#bits,)*]))
    });
    gen_tokens! {
        const LARGEST_BITS: ::core::primitive::usize = __gm::tagged_bits(#tag_bits, [#(#bits,)*]);
        fn shape() -> __gm::Shape { __gm::enum_shape(#name, #tag_bits, [#(#shapes,)*]) }
    }
}

// fn to_repr(&self) -> Self::Repr {
//     match self { Self::Charging { level: __0, .. } => __Repr::Charging { level: __F1_level.to_repr(__0) }, … }
// }
// fn from_repr(__repr: &Self::Repr) -> Self {
//     match __repr { __Repr::Charging { level: __0 } => Self::Charging { level: __F1_level.from_repr(__0) }, … }
// }
fn reprs(variants: &[Variant]) -> TokenStream {
    let to_repr = variants.iter().map(|Variant { ident, fields, .. }| {
        let of_value = of_value(fields);
        let slots = each(
            fields,
            "",
            &|Field { slot, span, .. }, codec, local| quote_spanned!(*span=> #slot: #codec.to_repr(#local)),
        );
        gen_tokens!(Self::#ident { #of_value } => __Repr::#ident { #(#slots,)* })
    });
    let from_repr = variants.iter().map(|Variant { ident, fields, .. }| {
        let of_repr = of_repr(fields, "");
        let members = each(
            fields,
            "",
            &|Field { member, span, .. }, codec, local| quote_spanned!(*span=> #member: #codec.from_repr(#local)),
        );
        let skipped = defaults(fields);
        gen_tokens!(__Repr::#ident { #of_repr } => Self::#ident { #(#members,)* #(#skipped,)* })
    });
    gen_tokens! {
        fn to_repr(&self) -> Self::Repr { match self { #(#to_repr,)* } }
        fn from_repr(__repr: &Self::Repr) -> Self { match __repr { #(#from_repr,)* } }
    }
}

// fn encode(__repr: &Self::Repr, __w: &mut impl __gm::Sink) {
//     match __repr { __Repr::Charging { level: __0 } => { __w.bits(1, 3u32); __F1_level.encode(__0, __w); } … }
// }
// fn encode(__repr: &Self::Repr, __w: &mut impl __gm::Sink) {
//     __w.bits(match __repr { __Repr::Red {} => 0, … }, 2u32);
// }
// fn decode(__r: &mut impl __gm::Source) -> __gm::Read<Self::Repr> {
//     match __r.bits(3u32)? {
//         1 => __gm::Ok(__Repr::Charging { level: __F1_level.decode(__r)? }),
//         …
//         _ => __gm::Err(__gm::WireError::Invalid),
//     }
// }
fn alone(tag_bits: u32, variants: &[Variant]) -> TokenStream {
    let units = only_units(variants);
    let inline = units.then(|| gen_tokens!(#[inline(always)]));
    let encode = variants.iter().map(|Variant { ident, tag, fields, .. }| {
        let (of_repr, tag) = (of_repr(fields, ""), Literal::u64_unsuffixed(*tag));
        let writes =
            each(fields, "", &|Field { span, .. }, codec, local| quote_spanned!(*span=> #codec.encode(#local, __w);));
        if units {
            gen_tokens!(__Repr::#ident { #of_repr } => #tag)
        } else {
            gen_tokens!(__Repr::#ident { #of_repr } => { __w.bits(#tag, #tag_bits); #(#writes)* })
        }
    });
    let encode = gen_tokens!(match __repr { #(#encode,)* });
    let encode = if units { gen_tokens!(__w.bits(#encode, #tag_bits);) } else { encode };
    let decode = variants.iter().map(|Variant { ident, tag, fields, .. }| {
        let tag = Literal::u64_unsuffixed(*tag);
        let slots =
            each(fields, "", &|Field { slot, span, .. }, codec, _| quote_spanned!(*span=> #slot: #codec.decode(__r)?));
        gen_tokens!(#tag => __gm::Ok(__Repr::#ident { #(#slots,)* }))
    });
    gen_tokens! {
        #inline
        fn encode(__repr: &Self::Repr, __w: &mut impl __gm::Sink) { #encode }
        #inline
        fn decode(__r: &mut impl __gm::Source) -> __gm::Read<Self::Repr> {
            match __r.bits(#tag_bits)? {
                #(#decode,)*
                _ => __gm::Err(__gm::WireError::Invalid),
            }
        }
    }
}

/// One bit says whether the variant is still the same. Without fields in any variant only the variant can differ, so there
/// is nothing to say and the trait's own deltas, whole values, are as short as it gets.
// fn encode_delta(__now: &Self::Repr, __base: &Self::Repr, __w: &mut impl __gm::Sink) {
//     match (__now, __base) {
//         (__Repr::Charging { level: __now0 }, __Repr::Charging { level: __base0 }) => {
//             __w.bool(true);
//             __F1_level.encode_ahead(__now0, __base0, __gm::Past::UNKNOWN, __w);
//         }
//         _ => { __w.bool(false); <Self as __gm::Marshal>::encode(__now, __w); }
//     }
// }
// fn decode_delta(__repr: &mut Self::Repr, __r: &mut impl __gm::Source) -> __gm::Read {
//     if !__r.bool()? { *__repr = <Self as __gm::Marshal>::decode(__r)?; return __gm::Ok(()); }
//     match __repr {
//         __Repr::Charging { level: __0 } => { __F1_level.decode_ahead(__0, __gm::Past::UNKNOWN, __r)?; }
//         _ => return __gm::Err(__gm::WireError::Invalid),
//     }
//     __gm::Ok(())
// }
fn deltas(variants: &[Variant]) -> Option<TokenStream> {
    let with_fields = || variants.iter().filter(|variant| !variant.fields.wire.is_empty());
    with_fields().next()?;
    let encode = with_fields().map(|Variant { ident, fields, .. }| {
        let (now, base, (write, _)) = (of_repr(fields, "now"), of_repr(fields, "base"), delta_methods(fields));
        let writes = fields.wire.iter().enumerate().map(|(i, field)| {
            let (codec, span) = (field.operand(), field.span);
            let (now, base) = (local("now", i), local("base", i));
            quote_spanned!(span=> #codec.#write(#now, #base, __gm::Past::UNKNOWN, __w);)
        });
        gen_tokens!((__Repr::#ident { #now }, __Repr::#ident { #base }) => { __w.bool(true); #(#writes)* })
    });
    let decode = with_fields().map(|Variant { ident, fields, .. }| {
        let (of_repr, (_, read)) = (of_repr(fields, ""), delta_methods(fields));
        let reads =
            each(fields, "", &|Field { span, .. }, codec, local| quote_spanned!(*span=> #codec.#read(#local, __gm::Past::UNKNOWN, __r)?;));
        gen_tokens!(__Repr::#ident { #of_repr } => { #(#reads)* })
    });
    Some(gen_tokens! {
        fn encode_delta(__now: &Self::Repr, __base: &Self::Repr, __w: &mut impl __gm::Sink) {
            match (__now, __base) {
                #(#encode)*
                _ => { __w.bool(false); <Self as __gm::Marshal>::encode(__now, __w); }
            }
        }
        fn decode_delta(__repr: &mut Self::Repr, __r: &mut impl __gm::Source) -> __gm::Read {
            if !__r.bool()? {
                *__repr = <Self as __gm::Marshal>::decode(__r)?;
                return __gm::Ok(());
            }
            match __repr {
                #(#decode)*
                _ => return __gm::Err(__gm::WireError::Invalid),
            }
            __gm::Ok(())
        }
    })
}

// fn marshal(&self, __w: &mut impl __gm::Sink) {
//     match self { Self::Charging { level: __0, .. } => { __w.bits(1, 3u32); __F1_level.marshal(__0, __w); } … }
// }
// fn unmarshal(__r: &mut impl __gm::Source) -> __gm::Read<Self> {
//     match __r.bits(3u32)? {
//         1 => __gm::Ok(Self::Charging { level: __F1_level.unmarshal(__r)? }),
//         …
//         _ => __gm::Err(__gm::WireError::Invalid),
//     }
// }
fn values(tag_bits: u32, variants: &[Variant]) -> TokenStream {
    let units = only_units(variants);
    let inline = units.then(|| gen_tokens!(#[inline(always)]));
    let marshal = variants.iter().map(|Variant { ident, tag, fields, .. }| {
        let (of_value, tag) = (of_value(fields), Literal::u64_unsuffixed(*tag));
        let writes =
            each(fields, "", &|Field { span, .. }, codec, local| quote_spanned!(*span=> #codec.marshal(#local, __w);));
        if units {
            gen_tokens!(Self::#ident { #of_value } => #tag)
        } else {
            gen_tokens!(Self::#ident { #of_value } => { __w.bits(#tag, #tag_bits); #(#writes)* })
        }
    });
    let marshal = gen_tokens!(match self { #(#marshal,)* });
    let marshal = if units { gen_tokens!(__w.bits(#marshal, #tag_bits);) } else { marshal };
    let unmarshal = variants.iter().map(|Variant { ident, tag, fields, .. }| {
        let tag = Literal::u64_unsuffixed(*tag);
        let members = each(
            fields,
            "",
            &|Field { member, span, .. }, codec, _| quote_spanned!(*span=> #member: #codec.unmarshal(__r)?),
        );
        let skipped = defaults(fields);
        gen_tokens!(#tag => __gm::Ok(Self::#ident { #(#members,)* #(#skipped,)* }))
    });
    gen_tokens! {
        #inline
        fn marshal(&self, __w: &mut impl __gm::Sink) { #marshal }
        #inline
        fn unmarshal(__r: &mut impl __gm::Source) -> __gm::Read<Self> {
            match __r.bits(#tag_bits)? {
                #(#unmarshal,)*
                _ => __gm::Err(__gm::WireError::Invalid),
            }
        }
    }
}

/// Whether there is nothing to write but the tag: then it is written in one place, whatever it is.
fn only_units(variants: &[Variant]) -> bool {
    variants.iter().all(|variant| variant.fields.wire.is_empty())
}

// level: __0, ..
fn of_value(fields: &Fields) -> TokenStream {
    let members = fields.wire.iter().enumerate().map(|(i, Field { member, .. })| {
        let local = local("", i);
        quote!(#member: #local)
    });
    quote!(#(#members,)* ..)
}

// level: __0
fn of_repr(fields: &Fields, of: &str) -> TokenStream {
    let slots = fields.wire.iter().enumerate().map(|(i, Field { slot, .. })| {
        let local = local(of, i);
        quote!(#slot: #local)
    });
    quote!(#(#slots,)*)
}

/// Something for each wire field, from its codec and the local variable it is bound to.
fn each(fields: &Fields, of: &str, line: &dyn Fn(&Field, TokenStream, Ident) -> TokenStream) -> Vec<TokenStream> {
    fields.wire.iter().enumerate().map(|(i, field)| line(field, field.operand(), local(of, i))).collect()
}

fn local(of: &str, i: usize) -> Ident {
    Ident::new(&format!("__{of}{i}"), Span::mixed_site())
}
