//! What is written when the input is wrong, next to the errors: impls that are never run and ask nothing of anyone, so that
//! whatever uses the type has nothing more to complain about.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput};

use super::{block, gen_tokens, rpcs};
use crate::model::{Binding, Chunk, Container, Rpc, Rpcs};

// impl __gm::ReplicaChunk for Ship {
//     type Snapshot = ();
//     …
// }
pub(crate) fn stub_chunk(input: &DeriveInput, chunk: &Chunk) -> TokenStream {
    block(&chunk.krate, chunk_items(input))
}

pub(crate) fn stub_binding(input: &DeriveInput, binding: &Binding) -> TokenStream {
    let ident = &input.ident;
    let items = chunk_items(input);
    let binding_items = is_plain(input).then(|| gen_tokens!(impl __gm::NetBindable for #ident { type Requires = (); }));
    block(&binding.chunk.krate, gen_tokens!(#items #binding_items))
}

/// A chunk must be `Default`. What is no plain struct may well not be, and a second error would only distract.
fn is_plain(input: &DeriveInput) -> bool {
    matches!(input.data, Data::Struct(_)) && input.generics.params.is_empty()
}

fn chunk_items(input: &DeriveInput) -> Option<TokenStream> {
    let ident = &input.ident;
    is_plain(input).then(|| {
        gen_tokens! {
            impl __gm::ReplicaChunk for #ident {
                type Snapshot = ();
                const DESCRIPTOR: &'static __gm::ChunkDescriptor = &__gm::ChunkDescriptor::new("", &[]);
                const RPCS: &'static [__gm::RpcDescriptor<Self>] = &[];
                fn snapshot(&self) {}
                fn capture(&self, _: &mut ()) {}
                fn encode(_: __gm::Change<'_, ()>, _: &mut impl __gm::Sink) {}
                fn decode(_: &mut (), _: __gm::Past<'_, ()>, _: &mut impl __gm::Source) -> __gm::Read { __gm::Ok(()) }
                fn apply(&mut self, _: &(), _: &()) {}
            }
        }
    })
}

// impl<T> __gm::Marshal for Pair<T> {
//     type Repr = ();
//     …
// }
pub(crate) fn stub_marshal(input: &DeriveInput, container: &Container) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, arguments, where_clause) = input.generics.split_for_impl();
    let items = gen_tokens! {
        impl #impl_generics __gm::Marshal for #ident #arguments #where_clause {
            type Repr = ();
            fn shape() -> __gm::Shape { loop {} }
            fn to_repr(&self) {}
            fn from_repr(_: &()) -> Self { loop {} }
            fn encode(_: &(), _: &mut impl __gm::Sink) {}
            fn decode(_: &mut impl __gm::Source) -> __gm::Read { __gm::Ok(()) }
        }
    };
    block(&container.krate, items)
}

/// Callers with the signatures that could be read, over an empty table.
pub(crate) fn stub_rpcs(rpcs: &Rpcs) -> TokenStream {
    let Rpcs { krate, cfgs, self_ty, .. } = rpcs;
    let constants = rpcs.rpcs.iter().flat_map(|rpc: &Rpc| &rpc.args).map(crate::model::Field::constant);
    let caller = rpcs::caller(rpcs);
    let items = gen_tokens! {
        #(#constants)*
        impl #self_ty {
            #[doc(hidden)]
            pub const __RPCS: &'static [__gm::RpcDescriptor<Self>] = &[];
        }
        #caller
    };
    let block = block(krate, items);
    gen_tokens!(#(#cfgs)* #block)
}
