//! `#[derive(ReplicaChunk)]` and `#[derive(NetBindable)]`.

#![expect(
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    unused_imports,
    reason = "the cases are declared as programs would, and not used"
)]

use crate::cases;

cases! { replica_chunk;
    unit as Marker { struct Marker; }
    no_fields as Empty { struct Empty {} }
    one_field as Counter { pub struct Counter { value: u32 } }
    skip as Ship {
        struct Ship {
            health: u8,
            #[dataset(skip)]
            exhaust: Vec<f32>,
        }
    }
    quantize_step as Ship {
        struct Ship {
            #[dataset(quantize(-256.0..=256.0, step = 0.002))]
            position: Vec3,
        }
    }
    quantize_bits as Ship {
        struct Ship {
            #[dataset(quantize(-LIMIT..=2 * LIMIT, bits = WIDTH))]
            heading: f32,
            #[dataset(quantize(-1..=1, bits = 10))]
            throttle: f32,
        }
    }
    coder as Ship {
        #[chunk(coder = Entropy)]
        struct Ship {
            x: f32,
        }
    }
    predict as Ship {
        struct Ship {
            #[dataset(quantize(-256.0..=256.0, step = 0.002), predict = Linear)]
            position: Vec3,
            #[dataset(predict = Linear)]
            clock: u32,
        }
    }
    send_to as Hand {
        #[chunk(send_to = Self::is_for)]
        struct Hand {
            cards: u64,
        }
    }, given {
        impl Hand {
            fn is_for(&self, peer: &gridmate_runtime::TargetPeer) -> bool {
                u64::from(peer.member.0) == self.cards
            }
        }
    }
    with_unit_struct as Ship {
        struct Ship {
            #[dataset(with = Half)]
            shield: f32,
            #[dataset(with = codecs::SmallestThree::<10>)]
            rotation: Quat,
        }
    }
    with_constructor as Ship {
        struct Ship {
            #[dataset(with = Fixed::<i16>::with_bits(8))]
            shield: f32,
        }
    }, given {
        use crate::given::fixed::Fixed;
    }
    with_tuple_struct as Ship {
        struct Ship {
            #[dataset(with = Fixed(8))]
            shield: f32,
        }
    }, given {
        use crate::given::fixed::tuple::Fixed;
    }
    with_struct as Ship {
        struct Ship {
            #[dataset(with = Fixed { bits: 8 })]
            shield: f32,
        }
    }, given {
        use crate::given::fixed::named::Fixed;
    }
    with_cast as Ship {
        struct Ship {
            #[dataset(with = SHIELD_CODEC as Fixed<i16>)]
            shield: f32,
        }
    }, given {
        use crate::given::fixed::{Fixed, SHIELD_CODEC};
    }
    on_change as Ship {
        struct Ship {
            #[dataset(on_change = Self::on_health)]
            health: u8,
            #[dataset(on_change = crate::effects::explode, with = Half)]
            heat: f32,
        }
    }, given {
        use gridmate_runtime::TimeContext;
        impl Ship {
            fn on_health(&mut self, _ctx: &TimeContext) {}
        }
    }
    on_change_everywhere as Ship {
        struct Ship {
            #[dataset(on_change(Self::on_health, everywhere))]
            health: u8,
            #[dataset(on_change = Self::on_heat)]
            heat: f32,
            #[dataset(on_change(crate::effects::explode, everywhere), with = Half)]
            hull: f32,
        }
    }, given {
        use gridmate_runtime::TimeContext;
        impl Ship {
            fn on_health(&mut self, _ctx: &TimeContext) {}
            fn on_heat(&mut self, _ctx: &TimeContext) {}
        }
    }
    max_len as Ship {
        struct Ship {
            #[dataset(max_len = 24)]
            name: String,
            #[dataset(max_len = 2 * SEATS)]
            crew: Vec<u16>,
        }
    }
    entity as Missile {
        struct Missile {
            #[dataset(entity)]
            target: Option<EntityRef>,
            #[dataset(entity, on_change = Self::on_owner)]
            owner: EntityRef,
        }
    }, given {
        use gridmate_runtime::TimeContext;
        impl Missile {
            fn on_owner(&mut self, _ctx: &TimeContext) {}
        }
    }
    throttle as Ship {
        struct Ship {
            #[dataset(throttle = Epsilon(0.02), quantize(-256.0..=256.0, step = 0.002))]
            position: Vec3,
            health: u8,
            #[dataset(throttle = Self::THRIFTY.settle(4), on_change(Self::on_heat, everywhere))]
            heat: f32,
        }
    }, given {
        use gridmate_runtime::TimeContext;
        impl Ship {
            const THRIFTY: Epsilon = Epsilon(1.5);
            fn on_heat(&mut self, _ctx: &TimeContext) {}
        }
    }
    interpolate as Ship {
        struct Ship {
            #[dataset(interpolate = Linear, quantize(-256.0..=256.0, step = 0.002))]
            position: Vec3,
            health: u8,
            #[dataset(interpolate = crate::blend::Gentle::over(Self::WAY), throttle = Epsilon(0.5))]
            r#loop: f32,
        }
    }, given {
        impl Ship {
            const WAY: f32 = 2.0;
        }
    }
    name_migratable_priority as Ship {
        #[chunk(name = "ship", migratable)]
        #[chunk(priority = Priority::HIGH)]
        pub struct Ship { health: u8 }
    }
    rate as Ship {
        #[chunk(rate = 20)]
        struct Ship { health: u8 }
    }
    raw_identifiers as r#struct {
        struct r#struct { r#type: u8 }
    }
    renamed_crate as Ship {
        #[chunk(crate = engine::net)]
        struct Ship { health: u8 }
    }, given {
        mod engine {
            pub(super) use gridmate_runtime as net;
        }
    }
    names_itself as Tree {
        struct Tree { parent: Option<Handle<Self>> }
    }
    mistake, never "an attribute that does not exist" {
        /// Both errors are reported, and the stub is all that is left of the chunk.
        #[chunk(nmae = "ship")]
        struct Ship {
            #[dataset(skip, with = Half)]
            health: u8,
        }
    }
    mistake_in_kind, never "an enum is no chunk" {
        enum Ship { Sunk }
    }
}

pub(crate) mod bind {
    use super::*;

    cases! { net_bindable;
        bindable as Ship {
            #[chunk(name = "ship")]
            struct Ship { health: u8 }
        }
        requires as Ship {
            #[bind(requires = Hull)]
            struct Ship { health: u8 }
        }, given {
            use crate::given::bound::Hull;
        }
        requires_several_and_on_bound as Ship {
            #[bind(requires(Hull, engine::Engine<f32>), on_bound = Self::on_bound)]
            struct Ship { health: u8 }
        }, given {
            use crate::given::bound::{self as engine, Hull};
            impl Ship {
                fn on_bound(&mut self, _ctx: &netbinding::BoundContext) {}
            }
        }
        mistake, never "a key that `bind` does not take" {
            #[bind(entity)]
            struct Ship { health: u8 }
        }
    }
}
