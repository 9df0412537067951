//! What a chunk, a marshaled type and an RPC have in common: fields with codecs.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::gen_tokens;
use crate::model::{Codec, Field, Way};

impl Field {
    // const __F_health: __gm::Field<u8> = __gm::Field::NATIVE;
    // const __F_position: __gm::Field<Vec3, __gm::Quantize> = __gm::Field::new(__gm::Quantize::step(-256.0, 256.0, 0.002));
    pub(super) fn constant(&self) -> Option<TokenStream> {
        let Self { handle, ty, codec, span, .. } = self;
        if self.generic {
            return None;
        }
        Some(if codec.is_plain() {
            quote_spanned!(*span=> const #handle: __gm::Field<#ty> = __gm::Field::NATIVE;)
        } else {
            let (codec, value) = (codec.ty(), codec.value(ty, *span));
            quote_spanned!(*span=> const #handle: __gm::Field<#ty, #codec> = __gm::Field::new(#value);)
        })
    }

    /// What methods are called on: the constant, or what would be in it.
    // __F_position
    // __gm::Field::<T>::NATIVE
    pub(super) fn operand(&self) -> TokenStream {
        let Self { handle, ty, codec, span, .. } = self;
        if !self.generic {
            quote_spanned!(*span=> #handle)
        } else if codec.is_plain() {
            quote_spanned!(*span=> __gm::Field::<#ty>::NATIVE)
        } else {
            let (codec, value) = (codec.ty(), codec.value(ty, *span));
            quote_spanned!(*span=> __gm::Field::<#ty, #codec>::new(#value))
        }
    }

    /// What its largest values are known to need.
    // __F_health.bits()
    // __F_position.step_bits()
    pub(super) fn bits(&self) -> TokenStream {
        let (span, operand) = (self.span, self.operand());
        match self.codec.way {
            Way::Step { .. } | Way::Bits { .. } => quote_spanned!(span=> #operand.step_bits()),
            _ => quote_spanned!(span=> #operand.bits()),
        }
    }

    /// A function that gives the shape. That of a type's own way is the same in all chunks.
    // __gm::shape_of::<u8>
    // || __F_position.shape()
    pub(super) fn shape(&self) -> TokenStream {
        let Self { ty, codec, span, .. } = self;
        let operand = self.operand();
        if codec.is_plain() {
            quote_spanned!(*span=> __gm::shape_of::<#ty>)
        } else {
            quote_spanned!(*span=> || #operand.shape())
        }
    }

    /// The same of a dataset that travels once.
    // || __gm::initial_shape(__F_team.shape())
    pub(super) fn initial_shape(&self) -> TokenStream {
        let (span, operand) = (self.span, self.operand());
        quote_spanned!(span=> || __gm::initial_shape(#operand.shape()))
    }

    // __gm::Repr<u8>
    // __gm::Repr<Vec3, __gm::Quantize>
    pub(super) fn repr(&self) -> TokenStream {
        let Self { ty, codec, span, .. } = self;
        if codec.is_plain() {
            quote_spanned!(*span=> __gm::Repr<#ty>)
        } else {
            let codec = codec.ty();
            quote_spanned!(*span=> __gm::Repr<#ty, #codec>)
        }
    }

    // T: __gm::Marshal
    // __gm::Quantize: __gm::Codec<T>
    // __gm::Native: __gm::Predictable<T>
    pub(super) fn bound(&self) -> Option<TokenStream> {
        let Self { ty, codec, span, .. } = self;
        self.needs_bound.then(|| {
            let way = codec.way.ty();
            if codec.predict {
                quote_spanned!(*span=> #way: __gm::Predictable<#ty>)
            } else if codec.is_plain() {
                quote_spanned!(*span=> #ty: __gm::Marshal)
            } else {
                quote_spanned!(*span=> #way: __gm::Codec<#ty>)
            }
        })
    }
}

impl Codec {
    /// A type's own way needs no mention.
    fn is_plain(&self) -> bool {
        matches!(self.way, Way::Native) && !self.predict
    }

    // __gm::Predict<__gm::Quantize>
    fn ty(&self) -> TokenStream {
        let ty = self.way.ty();
        if self.predict { gen_tokens!(__gm::Predict<#ty>) } else { ty }
    }

    // __gm::Predict::of::<Vec3>(__gm::Quantize::step(-256.0, 256.0, 0.002))
    fn value(&self, of: &TokenStream, span: Span) -> TokenStream {
        let value = self.way.value();
        if self.predict { quote_spanned!(span=> __gm::Predict::of::<#of>(#value)) } else { value }
    }
}

impl Way {
    fn ty(&self) -> TokenStream {
        match self {
            Self::Native => gen_tokens!(__gm::Native),
            Self::With { ty, .. } => ty.clone(),
            Self::Step { .. } | Self::Bits { .. } => gen_tokens!(__gm::Quantize),
            Self::Narrow(bits) => gen_tokens!(__gm::Bits<#bits>),
            Self::Short(len) => gen_tokens!(__gm::MaxLen<#len>),
            Self::Entity => gen_tokens!(__gm::ByReplica),
        }
    }

    fn value(&self) -> TokenStream {
        match self {
            Self::Native => gen_tokens!(__gm::Native),
            Self::With { value, .. } => value.clone(),
            Self::Step { lo, hi, step } => gen_tokens!(__gm::Quantize::step(#lo, #hi, #step)),
            Self::Bits { lo, hi, bits } => gen_tokens!(__gm::Quantize::bits(#lo, #hi, #bits)),
            Self::Narrow(bits) => gen_tokens!(__gm::Bits::<#bits>),
            Self::Short(len) => gen_tokens!(__gm::MaxLen::<#len>),
            Self::Entity => gen_tokens!(__gm::ByReplica),
        }
    }
}
