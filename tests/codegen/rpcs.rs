//! `#[rpcs]`.

use crate::{cases, rpcs, rpcs_renamed};

cases! { rpcs;
    none {
        impl Ship {
            pub const LIMIT: u8 = { 3 };
            fn helper(&self) -> Foo<{ 3 }> { Foo }
        }
    }
    no_arguments {
        impl Ship {
            #[rpc]
            fn respawn(&mut self, ctx: &RpcContext) { self.health = 100; }
        }
    }
    arguments {
        impl Ship {
            #[rpc]
            fn name(&mut self, _ctx: &RpcContext, name: String, mut seats: HashMap<u8, u8>, partner: Option<Self>) -> Propagate {
                Propagate::ToProxies
            }
        }
    }
    argument_entity {
        impl Ship {
            #[rpc]
            fn follow(&mut self, ctx: &RpcContext, #[marshal(entity)] leader: EntityRef) {}
        }
    }
    argument_codecs {
        impl Ship {
            #[rpc]
            fn fire(
                &mut self,
                ctx: &RpcContext,
                #[marshal(with = UnitVec)] aim: Vec3,
                #[marshal(bits = 3)] burst: u8,
                #[marshal(max_len = 16)] shout: String,
                #[marshal(quantize(0.0..=1.0, step = 0.1))] power: f32,
            ) {
            }
        }
    }
    flags {
        impl Ship {
            #[rpc(unreliable, post_attached = false, owner_only)]
            fn a(&mut self, ctx: &RpcContext) {}
            #[rpc(reliable, authority_only)]
            fn b(&mut self, ctx: &RpcContext) {}
        }
    }
    docs_and_visibility {
        impl Ship {
            /// Fires.
            ///
            /// Twice.
            #[rpc]
            #[inline]
            pub fn fire(&mut self, ctx: &RpcContext) {}
            #[rpc]
            pub(crate) fn explode(&mut self, ctx: &RpcContext) {}
        }
    }
    raw_identifiers {
        impl r#struct {
            #[rpc]
            fn r#loop(&mut self, ctx: &RpcContext, r#type: u8) {}
        }
    }
    other_items_pass {
        #[cfg(feature = "ships")]
        impl fleet::Ship {
            #![allow(dead_code)]
            const SIZE: [u8; 2] = [1, 2];
            #[cfg(test)]
            async fn other(&self, #[marshal(bits = 3)] x: u8) {}
            #[rpc]
            fn fire(&mut self, ctx: &RpcContext) { #[derive(Marshal)] struct Local { #[marshal(skip)] a: u8 } }
        }
    }
    mistake {
        impl Ship {
            #[rpc(relaible)]
            fn fire(&mut self, ctx: &RpcContext, burst: u8) {}
        }
    }
    mistake_in_syntax {
        impl Ship {
            #[rpc]
            fn fire(&mut self, ctx: &RpcContext, burst:) {}
        }
    }
}

mod renamed {
    use super::*;

    cases! { rpcs_renamed;
        renamed_crate {
            impl Ship {
                #[rpc]
                fn fire(&mut self, ctx: &RpcContext) {}
            }
        }
    }
}
