//! `#[rpcs]`.

#![expect(
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    unused_braces,
    unused_mut,
    unused_variables,
    reason = "the cases are declared as programs would, and not used"
)]

use crate::cases;

cases! { rpcs;
    none as Ship {
        impl Ship {
            pub const LIMIT: u8 = { 3 };
            fn helper(&self) -> Foo<{ 3 }> { Foo }
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
        struct Foo<const N: u8>;
    }
    no_arguments as Ship {
        impl Ship {
            #[rpc]
            fn respawn(&mut self, ctx: &RpcContext) { self.health = 100; }
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    arguments as Ship {
        impl Ship {
            #[rpc]
            fn name(&mut self, _ctx: &RpcContext, name: String, mut seats: HashMap<u8, u8>, partner: Option<Self>) -> Propagate {
                Propagate::ToProxies
            }
        }
    }, given {
        #[derive(Default, Marshal, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    argument_entity as Ship {
        impl Ship {
            #[rpc]
            fn follow(&mut self, ctx: &RpcContext, #[marshal(entity)] leader: EntityRef) {}
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    argument_codecs as Ship {
        impl Ship {
            #[rpc]
            fn fire(
                &mut self,
                ctx: &RpcContext,
                #[marshal(with = UnitVec::<8>)] aim: Vec3,
                #[marshal(bits = 3)] burst: u8,
                #[marshal(max_len = 16)] shout: String,
                #[marshal(quantize(0.0..=1.0, step = 0.1))] power: f32,
            ) {
            }
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    flags as Ship {
        impl Ship {
            #[rpc(unreliable, post_attached = false, owner_only)]
            fn a(&mut self, ctx: &RpcContext) {}
            #[rpc(reliable, authority_only)]
            fn b(&mut self, ctx: &RpcContext) {}
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    rates_and_relays as Ship {
        impl Ship {
            #[rpc(rate = 20, burst = 40)]
            fn a(&mut self, ctx: &RpcContext) {}
            #[rpc(rate = 5, no_relay)]
            fn b(&mut self, ctx: &RpcContext) {}
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    questions as Ship {
        impl Ship {
            #[rpc]
            fn ask(&mut self, ctx: &RpcContext, of: u8) -> Reply<Vec<u8>> { Reply(Vec::new()) }
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    docs_and_visibility as Ship {
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
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
    }
    raw_identifiers as r#struct {
        impl r#struct {
            #[rpc]
            fn r#loop(&mut self, ctx: &RpcContext, r#type: u8) {}
        }
    }, given {
        #[derive(Default, ReplicaChunk)]
        struct r#struct {
            health: u8,
        }
    }
    other_items_pass as fleet::Ship {
        #[cfg(not(any()))]
        impl fleet::Ship {
            #![allow(dead_code)]
            const SIZE: [u8; 2] = [1, 2];
            #[cfg(test)]
            async fn other(&self, #[cfg(test)] x: u8) {}
            #[rpc]
            fn fire(&mut self, ctx: &RpcContext) { #[derive(Marshal)] struct Local { #[marshal(skip)] a: u8 } }
        }
    }, given {
        mod fleet {
            #[derive(Default, super::ReplicaChunk)]
            pub(super) struct Ship {
                health: u8,
            }
        }
    }
    mistake, never "an attribute that does not exist" {
        impl Ship {
            #[rpc(relaible)]
            fn fire(&mut self, ctx: &RpcContext, burst: u8) {}
        }
    }
    mistake_in_syntax, never "the input is no Rust" {
        impl Ship {
            #[rpc]
            fn fire(&mut self, ctx: &RpcContext, burst:) {}
        }
    }
}

pub(crate) mod renamed {
    use super::*;

    cases! { rpcs_renamed;
        renamed_crate as Ship {
            impl Ship {
                #[rpc]
                fn fire(&mut self, ctx: &RpcContext) {}
            }
        }, given {
            use gridmate_runtime as renamed;
            #[derive(Default, ReplicaChunk)]
        struct Ship {
            health: u8,
        }
        }
    }
}
