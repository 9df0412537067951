//! `#[derive(ReplicaChunk)]` and `#[derive(NetBindable)]`.

use crate::{cases, net_bindable, replica_chunk};

cases! { replica_chunk;
    unit { struct Marker; }
    no_fields { struct Empty {} }
    one_field { pub struct Counter { value: u32 } }
    skip {
        struct Ship {
            health: u8,
            #[dataset(skip)]
            exhaust: Vec<f32>,
        }
    }
    quantize_step {
        struct Ship {
            #[dataset(quantize(-256.0..=256.0, step = 0.002))]
            position: Vec3,
        }
    }
    quantize_bits {
        struct Ship {
            #[dataset(quantize(-LIMIT..=2 * LIMIT, bits = WIDTH))]
            heading: f32,
            #[dataset(quantize(-1..=1, bits = 10))]
            throttle: f32,
        }
    }
    coder {
        #[chunk(coder = Entropy)]
        struct Ship {
            x: f32,
        }
    }
    predict {
        struct Ship {
            #[dataset(quantize(-256.0..=256.0, step = 0.002), predict = Linear)]
            position: Vec3,
            #[dataset(predict = Linear)]
            clock: u32,
        }
    }
    send_to {
        #[chunk(send_to = Self::is_for)]
        struct Hand {
            cards: u64,
        }
    }
    with_unit_struct {
        struct Ship {
            #[dataset(with = Half)]
            shield: f32,
            #[dataset(with = codecs::SmallestThree::<10>)]
            rotation: Quat,
        }
    }
    with_constructor {
        struct Ship {
            #[dataset(with = Fixed::<i16>::with_bits(8))]
            shield: f32,
        }
    }
    with_tuple_struct {
        struct Ship {
            #[dataset(with = Fixed(8))]
            shield: f32,
        }
    }
    with_struct {
        struct Ship {
            #[dataset(with = Fixed { bits: 8 })]
            shield: f32,
        }
    }
    with_cast {
        struct Ship {
            #[dataset(with = SHIELD_CODEC as Fixed<i16>)]
            shield: f32,
        }
    }
    on_change {
        struct Ship {
            #[dataset(on_change = Self::on_health)]
            health: u8,
            #[dataset(on_change = crate::effects::explode, with = Half)]
            heat: f32,
        }
    }
    on_change_everywhere {
        struct Ship {
            #[dataset(on_change(Self::on_health, everywhere))]
            health: u8,
            #[dataset(on_change = Self::on_heat)]
            heat: f32,
            #[dataset(on_change(crate::effects::explode, everywhere), with = Half)]
            hull: f32,
        }
    }
    max_len {
        struct Ship {
            #[dataset(max_len = 24)]
            name: String,
            #[dataset(max_len = 2 * SEATS)]
            crew: Vec<u16>,
        }
    }
    entity {
        struct Missile {
            #[dataset(entity)]
            target: Option<EntityRef>,
            #[dataset(entity, on_change = Self::on_owner)]
            owner: EntityRef,
        }
    }
    throttle {
        struct Ship {
            #[dataset(throttle = Epsilon(0.02), quantize(-256.0..=256.0, step = 0.002))]
            position: Vec3,
            health: u8,
            #[dataset(throttle = Self::THRIFTY.settle(4), on_change(Self::on_heat, everywhere))]
            heat: f32,
        }
    }
    interpolate {
        struct Ship {
            #[dataset(interpolate = Linear, quantize(-256.0..=256.0, step = 0.002))]
            position: Vec3,
            health: u8,
            #[dataset(interpolate = crate::blend::Gentle::over(Self::WAY), throttle = Epsilon(0.5))]
            r#loop: f32,
        }
    }
    name_migratable_priority {
        #[chunk(name = "ship", migratable)]
        #[chunk(priority = Priority::HIGH)]
        pub struct Ship { health: u8 }
    }
    raw_identifiers {
        struct r#struct { r#type: u8 }
    }
    renamed_crate {
        #[chunk(crate = engine::net)]
        struct Ship { health: u8 }
    }
    names_itself {
        struct Tree { parent: Option<Handle<Self>> }
    }
    mistake {
        /// Both errors are reported, and the stub is all that is left of the chunk.
        #[chunk(nmae = "ship")]
        struct Ship {
            #[dataset(skip, with = Half)]
            health: u8,
        }
    }
    mistake_in_kind {
        enum Ship { Sunk }
    }
}

mod bind {
    use super::*;

    cases! { net_bindable;
        bindable {
            #[chunk(name = "ship")]
            struct Ship { health: u8 }
        }
        requires {
            #[bind(requires = Hull)]
            struct Ship { health: u8 }
        }
        requires_several_and_on_bound {
            #[bind(requires(Hull, engine::Engine<f32>), on_bound = Self::on_bound)]
            struct Ship { health: u8 }
        }
        mistake {
            #[bind(entity)]
            struct Ship { health: u8 }
        }
    }
}
