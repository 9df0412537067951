//! `ReplicaChunk` for a struct: straight-line code, one line per field and method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::interpolate::interpolate;
use super::{block, gen_tokens, this};
use crate::attr::{Coder, HostOnly, OnChange};
use crate::model::{Chunk, Dataset, Field};

pub(crate) fn chunk(chunk: &Chunk) -> TokenStream {
    block(&chunk.krate, items(chunk))
}

// use __gm::NoRpcs as _;
// const __F_position: … = …;
// const __D: … = …;
// pub struct __S { position: __gm::Repr<Vec3, __gm::Quantize>, health: __gm::Repr<u8> }
// __gm::snapshot!(__S { position health });
// #[automatically_derived]
// impl __gm::ReplicaChunk for Ship { … }
pub(super) fn items(chunk: &Chunk) -> TokenStream {
    let Chunk { ident, .. } = chunk;
    let fields = || chunk.datasets.iter().map(|dataset| &dataset.field);
    let constants = fields().map(Field::constant);
    let slots = fields().map(|field| &field.slot);
    let reprs = fields().map(|field| {
        let (slot, repr) = (&field.slot, field.repr());
        quote!(#slot: #repr)
    });
    let (descriptor, state, throttle, notify) = (descriptor(chunk), state(chunk), throttle(chunk), notify(chunk));
    let (datasets, interpolate, send_to, life) = (datasets(chunk), interpolate(chunk), send_to(chunk), life(chunk));
    let accept_ownership = accept_ownership(chunk);
    gen_tokens! {
        use __gm::NoRpcs as _;
        #(#constants)*
        #datasets
        pub struct __S { #(#reprs,)* }
        __gm::snapshot!(__S { #(#slots)* });
        #[automatically_derived]
        impl __gm::ReplicaChunk for #ident {
            type Snapshot = __S;
            #descriptor
            #state
            #throttle
            #interpolate
            #send_to
            #accept_ownership
            #notify
            #life
        }
    }
}

/// Each dataset is a statement, so that the one that is too much is where the error points.
// const __D: __gm::Datasets<1> = {
//     let mut __d = __gm::datasets("ship");
//     __d.add("position", __F_position.step_bits(), || __F_position.shape());
//     __d
// };
fn datasets(chunk: &Chunk) -> TokenStream {
    let (name, count) = (&chunk.name, chunk.datasets.len());
    if count == 0 {
        return gen_tokens!(const __D: __gm::Datasets<0usize> = __gm::datasets(#name););
    }
    let adds = chunk.datasets.iter().map(|Dataset { field, initial, .. }| {
        let (Field { name, span, .. }, bits) = (field, field.bits());
        let shape = if *initial { field.initial_shape() } else { field.shape() };
        quote_spanned!(*span=> __d.add(#name, #bits, #shape);)
    });
    gen_tokens! {
        const __D: __gm::Datasets<#count> = {
            let mut __d = __gm::datasets(#name);
            #(#adds)*
            __d
        };
    }
}

// const DESCRIPTOR: &'static __gm::ChunkDescriptor =
//     &__D.descriptor().migratable().with_priority(Priority::HIGH).with_rate(20).with_coder(__gm::Coder::Entropy)
//     .host_only(__gm::HostOnly::Chunk);
// const RPCS: &'static [__gm::RpcDescriptor<Self>] = Ship::__RPCS;
fn descriptor(chunk: &Chunk) -> TokenStream {
    let Chunk { ident, .. } = chunk;
    let migratable = chunk.migratable.then(|| gen_tokens!(.migratable()));
    let priority = chunk.priority.as_ref().map(|priority| gen_tokens!(.with_priority(#priority)));
    let rate = chunk.rate.as_ref().map(|rate| gen_tokens!(.with_rate(#rate)));
    let coder = matches!(chunk.coder, Coder::Entropy).then(|| gen_tokens!(.with_coder(__gm::Coder::Entropy)));
    let host_only = chunk.host_only.map(|refused| match refused {
        HostOnly::Chunk => gen_tokens!(.host_only(__gm::HostOnly::Chunk)),
        HostOnly::Replica => gen_tokens!(.host_only(__gm::HostOnly::Replica)),
    });
    gen_tokens! {
        const DESCRIPTOR: &'static __gm::ChunkDescriptor = &__D.descriptor() #migratable #priority #rate #coder #host_only;
        const RPCS: &'static [__gm::RpcDescriptor<Self>] = #ident::__RPCS;
    }
}

// fn snapshot(&self) -> __S { __S { position: __F_position.to_repr(&self.position) } }
// fn capture(&self, __into: &mut __S) { __F_position.capture(&self.position, &mut __into.position); }
// fn encode(__c: __gm::Change<'_, __S>, __w: &mut impl __gm::Sink) {
//     __gm::write!(__F_position, __c.position, __w);
// }
// fn decode(__s: &mut __S, __p: __gm::Past<'_, __S>, __r: &mut impl __gm::Source) -> __gm::Read {
//     __gm::read!(__F_position, __s.position, __p, __r);
//     __gm::Ok(())
// }
// __gm::initial!(__S { team });
// fn apply(&mut self, __now: &__S, __before: &__S) {
//     __F_position.apply(&mut self.position, &__now.position, &__before.position);
// }
fn state(chunk: &Chunk) -> TokenStream {
    let this = this();
    let each = |line: &dyn Fn(&Field) -> TokenStream| -> Vec<_> {
        chunk.datasets.iter().map(|dataset| line(&dataset.field)).collect()
    };
    let snapshot = each(
        &|Field { handle, member, slot, span, .. }| quote_spanned!(*span=> #slot: #handle.to_repr(&#this.#member)),
    );
    let capture = each(
        &|Field { handle, member, slot, span, .. }| quote_spanned!(*span=> #handle.capture(&#this.#member, &mut __into.#slot);),
    );
    let once = |dataset: &Dataset| dataset.initial.then(|| gen_tokens!(initial));
    let encode = chunk.datasets.iter().map(|dataset| {
        let (Field { handle, slot, span, .. }, once) = (&dataset.field, once(dataset));
        quote_spanned!(*span=> __gm::write!(#once #handle, __c.#slot, __w);)
    });
    let decode = chunk.datasets.iter().map(|dataset| {
        let (Field { handle, slot, span, .. }, once) = (&dataset.field, once(dataset));
        quote_spanned!(*span=> __gm::read!(#once #handle, __s.#slot, __p, __r);)
    });
    let apply = each(
        &|Field { handle, member, slot, span, .. }| quote_spanned!(*span=> #handle.apply(&mut #this.#member, &__now.#slot, &__before.#slot);),
    );
    let mut initial =
        chunk.datasets.iter().filter(|dataset| dataset.initial).map(|dataset| &dataset.field.slot).peekable();
    let initial = initial.peek().is_some().then(|| gen_tokens!(__gm::initial!(__S { #(#initial)* });));
    gen_tokens! {
        fn snapshot(&self) -> __S { __S { #(#snapshot,)* } }
        fn capture(&self, __into: &mut __S) { #(#capture)* }
        fn encode(__c: __gm::Change<'_, __S>, __w: &mut impl __gm::Sink) { #(#encode)* }
        fn decode(
            __s: &mut __S,
            __p: __gm::Past<'_, __S>,
            __r: &mut impl __gm::Source,
        ) -> __gm::Read {
            #(#decode)*
            __gm::Ok(())
        }
        fn apply(&mut self, __now: &__S, __before: &__S) { #(#apply)* }
        #initial
    }
}

// const THROTTLES: usize = 1usize;
// fn throttle(__now: &mut __S, __before: &__S, __sent: &__S, __marks: &mut [__gm::ThrottleMark]) -> bool {
//     if __now.leaps != __sent.leaps {
//         __gm::ThrottleMark::pass(__marks);
//     }
//     let mut __held = false;
//     let __reprs = (&mut __now.position, &__before.position, &__sent.position);
//     __held |= __F_position.throttle(&const { Epsilon(0.1) }, __reprs, &mut __marks[0usize]);
//     __held
// }
fn throttle(chunk: &Chunk) -> Option<TokenStream> {
    let throttled = chunk.datasets.iter().filter_map(|dataset| Some((&dataset.field, dataset.throttle.as_ref()?)));
    let lines: Vec<_> = throttled
        .enumerate()
        .map(|(i, (Field { handle, slot, span, .. }, throttle))| {
            // Errors about the throttle go to the throttle, as far as it is the one that is wrong.
            let throttle = quote_spanned!(Span::mixed_site().located_at(throttle.span())=> &const { #throttle });
            quote_spanned! {*span=>
                let __reprs = (&mut __now.#slot, &__before.#slot, &__sent.#slot);
                __held |= #handle.throttle(#throttle, __reprs, &mut __marks[#i]);
            }
        })
        .collect();
    let breaks = chunk.datasets.iter().filter(|dataset| dataset.breaks.is_some()).map(|dataset| {
        let Field { slot, span, .. } = &dataset.field;
        quote_spanned! {*span=>
            if __now.#slot != __sent.#slot {
                __gm::ThrottleMark::pass(__marks);
            }
        }
    });
    let count = lines.len();
    (count > 0).then(|| {
        gen_tokens! {
            const THROTTLES: ::core::primitive::usize = #count;
            fn throttle(
                __now: &mut __S,
                __before: &__S,
                __sent: &__S,
                __marks: &mut [__gm::ThrottleMark],
            ) -> ::core::primitive::bool {
                #(#breaks)*
                let mut __held = false;
                #(#lines)*
                __held
            }
        }
    })
}

// const SELECTIVE: bool = true;
// fn sends_to(&self, __peer: &__gm::TargetPeer) -> bool { Self::is_for(self, __peer) }
fn send_to(chunk: &Chunk) -> Option<TokenStream> {
    let (path, this) = (chunk.send_to.as_ref()?, this());
    let answer = quote_spanned!(Span::mixed_site().located_at(path.span())=> #path(#this, __peer));
    Some(gen_tokens! {
        const SELECTIVE: ::core::primitive::bool = true;
        fn sends_to(&self, __peer: &__gm::TargetPeer) -> ::core::primitive::bool { #answer }
    })
}

// fn accept_ownership(&self, __request: &__gm::OwnershipRequest) -> __gm::Result<(), u16> { Self::may_go(self, __request) }
fn accept_ownership(chunk: &Chunk) -> Option<TokenStream> {
    let (path, this) = (chunk.accept_ownership.as_ref()?, this());
    let answer = quote_spanned!(Span::mixed_site().located_at(path.span())=> #path(#this, __request));
    Some(gen_tokens! {
        fn accept_ownership(
            &self,
            __request: &__gm::OwnershipRequest,
        ) -> __gm::Result<(), ::core::primitive::u16> {
            #answer
        }
    })
}

// const NOTIFIES: bool = true;
// const NOTIFIES_PRIMARY: bool = true;
// fn notify(&mut self, __now: &__S, __before: &__S, __ctx: &__gm::TimeContext) {
//     if __now.health != __before.health { Self::on_health(self, __ctx); }
//     if !__ctx.primary && __now.hue != __before.hue { Self::on_hue(self, __ctx); }
// }
fn notify(chunk: &Chunk) -> Option<TokenStream> {
    let this = this();
    let watched = || chunk.datasets.iter().filter_map(|dataset| Some((&dataset.field, dataset.on_change.as_ref()?)));
    watched().next()?;
    let on_primary = watched().any(|(_, on_change)| on_change.everywhere);
    let calls = watched().map(|(Field { slot, .. }, OnChange { handler, everywhere })| {
        let call = quote_spanned! {Span::mixed_site().located_at(handler.span())=> #handler(#this, __ctx); };
        let here = (on_primary && !everywhere).then(|| gen_tokens!(!__ctx.primary &&));
        gen_tokens!(if #here __now.#slot != __before.#slot { #call })
    });
    let on_primary = on_primary.then(|| {
        gen_tokens!(
            const NOTIFIES_PRIMARY: ::core::primitive::bool = true;
        )
    });
    Some(gen_tokens! {
        const NOTIFIES: ::core::primitive::bool = true;
        #on_primary
        fn notify(&mut self, __now: &__S, __before: &__S, __ctx: &__gm::TimeContext) { #(#calls)* }
    })
}

// const LIFE: &'static [__gm::LifeEvent] = &[__gm::LifeEvent::Activate];
// fn live(&mut self, __event: __gm::LifeEvent, __ctx: &__gm::LifeContext) {
//     match __event {
//         __gm::LifeEvent::Activate => { Self::on_activate(self, __ctx); }
//         _ => {}
//     }
// }
fn life(chunk: &Chunk) -> Option<TokenStream> {
    let (first, this) = (chunk.life.first(), this());
    first?;
    let events = || chunk.life.iter().map(|(event, _)| Ident::new(event, Span::mixed_site()));
    let calls = chunk
        .life
        .iter()
        .map(|(_, handler)| quote_spanned!(Span::mixed_site().located_at(handler.span())=> #handler(#this, __ctx);));
    let (listed, matched) = (events(), events());
    Some(gen_tokens! {
        const LIFE: &'static [__gm::LifeEvent] = &[#(__gm::LifeEvent::#listed),*];
        fn live(&mut self, __event: __gm::LifeEvent, __ctx: &__gm::LifeContext) {
            match __event {
                #(__gm::LifeEvent::#matched => { #calls })*
                _ => {}
            }
        }
    })
}
