//! Something that travels: a dataset, a marshaled field, an RPC's argument.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, ExprUnary, Lit, Member, Type, UnOp};

use crate::attr::{By, CodecAttr, Quantize};
use crate::generics::{Params, without_self};

/// A value with a name, a type and a way to travel.
pub(crate) struct Field {
    /// Where the value is, in the user's type.
    pub(crate) member: Member,
    /// Where its repr is, in ours; tuples have no place for what they skip, so ours are named.
    pub(crate) slot: Ident,
    /// Its name in the schema.
    pub(crate) name: String,
    pub(crate) ty: TokenStream,
    pub(crate) codec: Codec,
    /// The constant that holds type and codec together.
    pub(crate) handle: Ident,
    /// The type or the codec mentions a parameter, so there can be no such constant.
    pub(crate) generic: bool,
    /// The type mentions a type parameter, so a bound is needed.
    pub(crate) needs_bound: bool,
    /// Where errors about the type go.
    pub(crate) span: Span,
}

impl Field {
    /// `place` tells handles apart: empty, or the number of the variant or RPC.
    pub(crate) fn new(
        member: Member,
        ty: &Type,
        codec: Codec,
        place: &str,
        owner: &TokenStream,
        params: &Params,
    ) -> Self {
        let name = match &member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let slot = match &member {
            Member::Named(ident) => ident.clone(),
            Member::Unnamed(index) => format_ident!("_{}", index.index, span = Span::mixed_site()),
        };
        let span = Span::mixed_site().located_at(ty.span());
        let handle = format_ident!("__F{place}_{name}", span = span);
        let (own_ty, own_codec) = (quote!(#ty), codec);
        let ty = without_self(&own_ty, owner);
        let codec = own_codec.map(|tokens| without_self(tokens, owner));
        let generic = params.mention(&ty) || codec.any(|tokens| params.mention(tokens));
        let needs_bound = params.mention_type(&ty) || codec.any(|tokens| params.mention_type(tokens));
        // What mentions a parameter is written inside the impl only, where `Self` may stay.
        let (ty, codec) = if generic { (own_ty, own_codec) } else { (ty, codec) };
        Self { member, slot, name, ty, codec, handle, generic, needs_bound, span }
    }
}

/// How a value travels.
pub(crate) struct Codec {
    pub(crate) way: Way,
    /// `predict = Linear`.
    pub(crate) predict: bool,
}

/// How a value travels when it is not guessed.
pub(crate) enum Way {
    /// As its type says.
    Native,
    /// As a codec says, by the codec's type and value.
    With { ty: TokenStream, value: TokenStream },
    /// `quantize(lo..=hi, step = by)`.
    Step { lo: TokenStream, hi: TokenStream, step: TokenStream },
    /// `quantize(lo..=hi, bits = by)`.
    Bits { lo: TokenStream, hi: TokenStream, bits: TokenStream },
    /// `bits = n`.
    Narrow(TokenStream),
    /// `max_len = n`.
    Short(TokenStream),
    /// `entity`.
    Entity,
}

impl Codec {
    /// The codec asked for; nothing if the field is skipped. `check` has seen to it that at most one key was given.
    pub(crate) fn of(at: CodecAttr) -> Option<Self> {
        let predict = at.predict.is_some();
        if at.skip.is_some() { None } else { Some(Self { way: Way::of(at), predict }) }
    }

    fn map(&self, f: impl Fn(&TokenStream) -> TokenStream) -> Self {
        Self { way: self.way.map(f), predict: self.predict }
    }

    fn any(&self, f: impl Fn(&TokenStream) -> bool) -> bool {
        self.way.any(f)
    }
}

impl Way {
    fn of(at: CodecAttr) -> Self {
        if let Some(with) = at.with {
            return Self::With { ty: with.value.ty, value: with.value.value };
        }
        if let Some(quantize) = at.quantize {
            let Quantize { lo, hi, by } = quantize.value;
            let (lo, hi) = (as_f64(&lo), as_f64(&hi));
            return match by {
                By::Step(step) => Self::Step { lo, hi, step: as_f64(&step) },
                By::Bits(bits) => Self::Bits { lo, hi, bits: as_u32(&bits) },
            };
        }
        if let Some(bits) = at.bits {
            return Self::Narrow(const_argument(&bits.value));
        }
        if let Some(max_len) = at.max_len {
            return Self::Short(const_argument(&max_len.value));
        }
        if at.entity.is_some() { Self::Entity } else { Self::Native }
    }

    fn map(&self, f: impl Fn(&TokenStream) -> TokenStream) -> Self {
        match self {
            Self::Native => Self::Native,
            Self::Entity => Self::Entity,
            Self::With { ty, value } => Self::With { ty: f(ty), value: f(value) },
            Self::Step { lo, hi, step } => Self::Step { lo: f(lo), hi: f(hi), step: f(step) },
            Self::Bits { lo, hi, bits } => Self::Bits { lo: f(lo), hi: f(hi), bits: f(bits) },
            Self::Narrow(bits) => Self::Narrow(f(bits)),
            Self::Short(len) => Self::Short(f(len)),
        }
    }

    fn any(&self, f: impl Fn(&TokenStream) -> bool) -> bool {
        match self {
            Self::Native | Self::Entity => false,
            Self::With { ty, value } => f(ty) || f(value),
            Self::Step { lo, hi, step: by } | Self::Bits { lo, hi, bits: by } => f(lo) || f(hi) || f(by),
            Self::Narrow(n) | Self::Short(n) => f(n),
        }
    }
}

/// A range's end may be written as any number; the codec wants `f64`.
fn as_f64(expr: &Expr) -> TokenStream {
    if is_literal(expr, |lit| matches!(lit, Lit::Float(lit) if matches!(lit.suffix(), "" | "f64"))) {
        expr.to_token_stream()
    } else {
        quote!((#expr) as ::core::primitive::f64)
    }
}

fn as_u32(expr: &Expr) -> TokenStream {
    if is_literal(expr, |lit| matches!(lit, Lit::Int(lit) if matches!(lit.suffix(), "" | "u32"))) {
        expr.to_token_stream()
    } else {
        quote!((#expr) as ::core::primitive::u32)
    }
}

/// A const generic argument is a literal or stands in braces.
fn const_argument(expr: &Expr) -> TokenStream {
    if is_literal(expr, |lit| matches!(lit, Lit::Int(_))) { expr.to_token_stream() } else { quote!({ #expr }) }
}

fn is_literal(expr: &Expr, wanted: fn(&Lit) -> bool) -> bool {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => wanted(lit),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => is_literal(expr, wanted),
        _ => false,
    }
}
