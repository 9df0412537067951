//! The RPC table of a chunk type, and the type whose methods call its RPCs.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

use super::{block, gen_tokens};
use crate::model::{Field, MayCall, Rpc, Rpcs};

// const __F0_0_burst: __gm::Field<u8> = __gm::Field::NATIVE;
// const __A0: __gm::Args<1> = { … };
// impl Ship { pub const __RPCS: … = &[…]; }
// pub struct __Caller<'a>(__gm::RpcPort<'a, Ship>);
// impl __Caller<'_> { … }
// impl __gm::HasRpcs for Ship { … }
pub(crate) fn rpcs(rpcs: &Rpcs) -> TokenStream {
    let constants = rpcs.rpcs.iter().flat_map(|rpc| &rpc.args).map(Field::constant);
    let lists = rpcs.rpcs.iter().enumerate().filter_map(|(i, rpc)| args(i, rpc, &rpcs.self_ty));
    let (table, caller) = (table(rpcs), caller(rpcs));
    let (cfgs, block) = (&rpcs.cfgs, block(&rpcs.krate, gen_tokens!(#(#constants)* #(#lists)* #table #caller)));
    gen_tokens!(#(#cfgs)* #block)
}

// const __A0: __gm::Args<1> = {
//     let mut __a = __gm::args("Ship::fire", false);
//     __a.add("burst", __F0_0_burst.bits(), __gm::shape_of::<u8>);
//     __a
// };
fn args(index: usize, rpc: &Rpc, self_ty: &TokenStream) -> Option<TokenStream> {
    if rpc.args.is_empty() {
        return None;
    }
    let (list, count, reliable) = (args_name(index), rpc.args.len(), rpc.reliable);
    let name = format!("{self_ty}::{}", rpc.name);
    let adds = rpc.args.iter().map(|field| {
        let (Field { name, span, .. }, bits, shape) = (field, field.bits(), field.shape());
        quote_spanned!(*span=> __a.add(#name, #bits, #shape);)
    });
    Some(gen_tokens! {
        const #list: __gm::Args<#count> = {
            let mut __a = __gm::args(#name, #reliable);
            #(#adds)*
            __a
        };
    })
}

fn args_name(index: usize) -> Ident {
    Ident::new(&format!("__A{index}"), Span::mixed_site())
}

// impl Ship {
//     #[doc(hidden)]
//     pub const __RPCS: &'static [__gm::RpcDescriptor<Self>] = &[…];
// }
fn table(rpcs: &Rpcs) -> TokenStream {
    let self_ty = &rpcs.self_ty;
    let rows = rpcs.rpcs.iter().enumerate().map(|(i, rpc)| row(i, rpc));
    gen_tokens! {
        #[automatically_derived]
        impl #self_ty {
            #[doc(hidden)]
            pub const __RPCS: &'static [__gm::RpcDescriptor<Self>] = &[#(#rows,)*];
        }
    }
}

// __gm::RpcDescriptor {
//     name: "fire",
//     flags: __gm::RpcFlags { reliable: false, may_call: __gm::MayCall::Owner, ..__gm::RpcFlags::DEFAULT },
//     args: &__A0.list,
//     reply: <Reply<u8> as __gm::IntoPropagate>::REPLY,
//     invoke: |__this, __ctx, __r| {
//         let __0 = __F0_0_burst.unmarshal(__r)?;
//         __gm::Ok(__gm::IntoPropagate::into_propagate(Self::fire(__this, __ctx, __0), __ctx))
//     },
// }
fn row(index: usize, rpc: &Rpc) -> TokenStream {
    let Rpc { ident, name, .. } = rpc;
    let flags = flags(rpc);
    let reply = match &rpc.returns {
        Some(ty) => {
            let ty = at(ty, rpc.output);
            quote_spanned!(rpc.output=> <#ty as __gm::IntoPropagate>::REPLY)
        }
        None => gen_tokens!(__gm::None),
    };
    let args = if rpc.args.is_empty() {
        gen_tokens!(&[])
    } else {
        let list = args_name(index);
        gen_tokens!(&#list.list)
    };
    let locals: Vec<_> = (0..rpc.args.len()).map(|i| Ident::new(&format!("__{i}"), Span::mixed_site())).collect();
    let reads = rpc
        .args
        .iter()
        .zip(&locals)
        .map(|(Field { handle, span, .. }, local)| quote_spanned!(*span=> let #local = #handle.unmarshal(__r)?;));
    // A handler whose second parameter is no `&RpcContext` is told so there.
    let ctx = Ident::new("__ctx", Span::mixed_site().located_at(rpc.ctx));
    // So is one that returns something else.
    let answer = quote_spanned! {rpc.output=>
        __gm::IntoPropagate::into_propagate(Self::#ident(__this, #ctx, #(#locals,)*), __ctx)
    };
    gen_tokens! {
        __gm::RpcDescriptor {
            name: #name,
            flags: #flags,
            args: #args,
            reply: #reply,
            invoke: |__this, __ctx, __r| {
                #(#reads)*
                __gm::Ok(#answer)
            },
        }
    }
}

// What differs from the default.
fn flags(rpc: &Rpc) -> TokenStream {
    let mut given = Vec::new();
    if !rpc.reliable {
        given.push(gen_tokens!(reliable: false,));
    }
    if !rpc.post_attached {
        given.push(gen_tokens!(post_attached: false,));
    }
    match rpc.may_call {
        MayCall::Anyone => {}
        MayCall::Owner => given.push(gen_tokens!(may_call: __gm::MayCall::Owner,)),
        MayCall::Authority => given.push(gen_tokens!(may_call: __gm::MayCall::Authority,)),
    }
    if !rpc.relayed {
        given.push(gen_tokens!(relayed: false,));
    }
    if let Some((per_second, burst)) = rpc.rate {
        given.push(gen_tokens!(rate: __gm::Some(__gm::CallRate { per_second: #per_second, burst: #burst }),));
    }
    if given.is_empty() {
        return gen_tokens!(__gm::RpcFlags::DEFAULT);
    }
    gen_tokens!(__gm::RpcFlags { #(#given)* ..__gm::RpcFlags::DEFAULT })
}

// #[doc(hidden)]
// pub struct __Caller<'a>(__gm::RpcPort<'a, Ship>);
// #[automatically_derived]
// impl __Caller<'_> { … }
// #[automatically_derived]
// impl __gm::HasRpcs for Ship {
//     type Caller<'a> = __Caller<'a>;
//     fn caller(__port: __gm::RpcPort<'_, Self>) -> __Caller<'_> { __Caller(__port) }
// }
pub(super) fn caller(rpcs: &Rpcs) -> TokenStream {
    let self_ty = &rpcs.self_ty;
    let methods = rpcs.rpcs.iter().enumerate().map(|(i, rpc)| caller_method(i, rpc));
    gen_tokens! {
        #[doc(hidden)]
        pub struct __Caller<'a>(__gm::RpcPort<'a, #self_ty>);
        #[automatically_derived]
        impl __Caller<'_> { #(#methods)* }
        #[automatically_derived]
        impl __gm::HasRpcs for #self_ty {
            type Caller<'a> = __Caller<'a>;
            fn caller(__port: __gm::RpcPort<'_, Self>) -> __Caller<'_> { __Caller(__port) }
        }
    }
}

// /// The handler's documentation.
// pub fn fire(&mut self, burst: u8) -> __gm::Result<(), __gm::RpcError> {
//     self.0.call(0u8, |__w| {
//         __F0_0_burst.marshal(&burst, __w);
//     })
// }
// /// Of a handler that returns something.
// pub fn ask(&mut self) -> __gm::Result<<Reply<u8> as __gm::IntoPropagate>::Ticket, __gm::RpcError> {
//     self.0.call_for::<Reply<u8>>(1u8, |__w| {})
// }
fn caller_method(index: usize, rpc: &Rpc) -> TokenStream {
    let Rpc { ident, vis, docs, .. } = rpc;
    // `check` keeps the index below 256; a stub has none.
    let index = u8::try_from(index).unwrap_or(u8::MAX);
    let args = rpc.args.iter().map(|Field { member, ty, .. }| quote!(#member: #ty));
    let writes = rpc
        .args
        .iter()
        .map(|Field { handle, member, span, .. }| quote_spanned!(*span=> #handle.marshal(&#member, __w);));
    let returns = rpc.returns.as_ref().map(|ty| at(ty, rpc.output));
    match &returns {
        // Errors about the type go to where it stands, all to the same place, which makes one of them.
        Some(ty) => quote_spanned! {rpc.output=>
            #(#docs)*
            #vis fn #ident(
                &mut self, #(#args),*
            ) -> __gm::Result<<#ty as __gm::IntoPropagate>::Ticket, __gm::RpcError> {
                self.0.call_for::<#ty>(#index, |__w| { #(#writes)* })
            }
        },
        None => gen_tokens! {
            #(#docs)*
            #vis fn #ident(&mut self, #(#args),*) -> __gm::Result<(), __gm::RpcError> {
                self.0.call(#index, |__w| { #(#writes)* })
            }
        },
    }
}

/// A type's tokens, each in one place.
fn at(ty: &impl ToTokens, span: Span) -> TokenStream {
    let place = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), at(&group.stream(), span)).into();
        }
        token.set_span(span);
        token
    };
    ty.to_token_stream().into_iter().map(place).collect()
}
