//! Two builds of one program, and what a test asks of either.

use std::collections::BTreeMap;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;

/// Which build a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Old,
    New,
}

pub(crate) use Age::{New, Old};

/// What is the same of a replica at all nodes, written out.
pub(crate) type Common = String;

/// The datasets that only the new program has. The old one does not know that it has none.
pub(crate) trait Extras {
    /// Gives them values that are not their defaults.
    fn set_extras(&mut self, number: u32);
    fn extras(&self) -> u64;
}

macro_rules! program {
    ($name:ident ship { $($ship:tt)* } door { $($door:tt)* } secret { $($secret:tt)* }) => {
        pub(crate) mod $name {
            use super::*;

            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            #[chunk(name = "ship", migratable)]
            pub(crate) struct Ship {
                #[dataset(quantize(-100.0..=100.0, step = 0.01), predict = Linear)]
                pub(crate) position: f32,
                pub(crate) hull: u8,
                pub(crate) label: String,
                $($ship)*
                #[dataset(skip)]
                pub(crate) hits: Vec<u8>,
            }

            #[rpcs]
            impl Ship {
                #[rpc]
                pub(crate) fn hit(&mut self, _ctx: &RpcContext, damage: u8) -> Propagate {
                    self.hits.push(damage);
                    Propagate::ToProxies
                }
            }

            /// Nothing of it is guessed, in the old program.
            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            #[chunk(name = "door", migratable)]
            pub(crate) struct Door {
                pub(crate) open: bool,
                pub(crate) turns: u32,
                $($door)*
            }

            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            #[chunk(name = "secret", send_to = Self::is_for)]
            pub(crate) struct Secret {
                pub(crate) viewer: u32,
                pub(crate) code: u32,
                $($secret)*
            }

            impl Secret {
                fn is_for(&self, peer: &TargetPeer) -> bool {
                    peer.role == PeerRole::Host || peer.member.0 == self.viewer
                }
            }

            /// The same in both.
            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            #[chunk(name = "buoy", migratable)]
            pub(crate) struct Buoy {
                pub(crate) depth: i16,
            }

            pub(crate) fn registry(coder: Coder) -> Registry {
                let builder = Registry::builder().chunk::<Ship>().chunk::<Door>().chunk::<Secret>().chunk::<Buoy>();
                builder.coder(coder).build().unwrap()
            }

            /// One of several kinds.
            pub(crate) fn add(replicas: &mut ReplicaManager, number: u32) -> ReplicaId {
                let spawn = match number % 4 {
                    0 => replicas.spawn().with(Ship { label: format!("ship {number}"), ..Ship::default() }),
                    1 => replicas.spawn().with(Door { turns: number, ..Door::default() }),
                    2 => replicas.spawn().with(Ship::default()).with(Door::default()).with(Buoy::default()),
                    _ => replicas.spawn().with(Secret { viewer: number % 5, ..Secret::default() }).with(Door::default()),
                };
                spawn.add().unwrap()
            }

            /// Changes every chunk that a primary has, in what is shared and in what is not.
            pub(crate) fn change(replicas: &mut ReplicaManager, id: ReplicaId, number: u32) {
                if let Ok(mut ship) = replicas.primary_mut::<Ship>(id) {
                    ship.position = f32::from(u8::try_from(number % 200).unwrap()) * 0.5 - 50.0;
                    ship.hull = ship.hull.wrapping_add(u8::from(number % 3 == 0));
                    ship.set_extras(number);
                }
                if let Ok(mut door) = replicas.primary_mut::<Door>(id) {
                    door.open = number % 2 == 0;
                    door.turns += number % 7;
                    door.set_extras(number);
                }
                if let Ok(mut secret) = replicas.primary_mut::<Secret>(id) {
                    secret.code = number;
                    secret.set_extras(number);
                }
            }

            /// Changes only what others may not know of.
            pub(crate) fn change_extras(replicas: &mut ReplicaManager, id: ReplicaId, number: u32) {
                if let Ok(mut ship) = replicas.primary_mut::<Ship>(id) {
                    ship.set_extras(number);
                }
                if let Ok(mut door) = replicas.primary_mut::<Door>(id) {
                    door.set_extras(number);
                }
            }

            pub(crate) fn hit(replicas: &mut ReplicaManager, id: ReplicaId, damage: u8) {
                if let Ok(mut ship) = replicas.proxy::<Ship>(id) {
                    ship.rpcs().hit(damage).unwrap();
                } else if let Ok(mut ship) = replicas.primary_mut::<Ship>(id) {
                    ship.rpcs().hit(damage).unwrap();
                }
            }

            /// What all nodes have to agree on, but for chunks that some may not have.
            pub(crate) fn common(replicas: &ReplicaManager) -> BTreeMap<ReplicaId, Common> {
                let of = |id| {
                    let ship = replicas.get::<Ship>(id).ok();
                    #[expect(clippy::cast_possible_truncation, reason = "hundredths of less than a hundred")]
                    let ship = ship.map(|s| ((s.position * 100.0).round() as i32, s.hull, s.label.clone(), s.hits.clone()));
                    let door = replicas.get::<Door>(id).ok().map(|door| (door.open, door.turns));
                    format!("{:?} {ship:?} {door:?} {:?}", replicas.info(id).unwrap().owner, replicas.get::<Buoy>(id).ok())
                };
                replicas.ids().map(|id| (id, of(id))).collect()
            }

            /// What is kept from some: the viewer, the code and what the new program has besides.
            pub(crate) fn secret(replicas: &ReplicaManager, id: ReplicaId) -> Option<[u64; 3]> {
                let secret = replicas.get::<Secret>(id).ok()?;
                Some([secret.viewer.into(), secret.code.into(), secret.extras()])
            }

            /// What the new program has besides, one number for each chunk.
            pub(crate) fn extras(replicas: &ReplicaManager, id: ReplicaId) -> [u64; 2] {
                let ship = replicas.get::<Ship>(id).map_or(0, Extras::extras);
                [ship, replicas.get::<Door>(id).map_or(0, Extras::extras)]
            }
        }
    };
}

program!(old ship {} door {} secret {});
program!(new
    ship {
        pub(crate) shield: u16,
        #[dataset(quantize(0.0..=360.0, step = 0.5), predict = Linear)]
        pub(crate) heading: f32,
        pub(crate) crew: Vec<u8>,
    }
    door {
        #[dataset(quantize(0.0..=90.0, step = 0.5), predict = Linear)]
        pub(crate) angle: f32,
        pub(crate) locked: bool,
    }
    secret {
        pub(crate) salt: u32,
    }
);

macro_rules! no_extras {
    ($($type:ty),*) => {$(
        impl Extras for $type {
            fn set_extras(&mut self, _number: u32) {}

            fn extras(&self) -> u64 {
                0
            }
        }
    )*};
}

no_extras!(old::Ship, old::Door, old::Secret);

impl Extras for new::Ship {
    fn set_extras(&mut self, number: u32) {
        self.shield = u16::try_from(number % 1_000 + 1).unwrap();
        self.heading = f32::from(self.shield % 360);
        self.crew = vec![7; usize::from(self.shield % 5)];
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole degrees")]
    fn extras(&self) -> u64 {
        u64::from(self.shield) << 32 | u64::from(self.heading.round() as u32) << 16 | self.crew.len() as u64
    }
}

impl Extras for new::Door {
    fn set_extras(&mut self, number: u32) {
        self.angle = f32::from(u8::try_from(number % 80 + 1).unwrap());
        self.locked = number.is_multiple_of(3);
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole degrees")]
    fn extras(&self) -> u64 {
        u64::from(self.angle.round() as u32) << 1 | u64::from(self.locked)
    }
}

impl Extras for new::Secret {
    fn set_extras(&mut self, number: u32) {
        self.salt = number + 1;
    }

    fn extras(&self) -> u64 {
        self.salt.into()
    }
}

/// Does the same with either program.
macro_rules! either {
    ($age:expr, $function:ident($($argument:expr),*)) => {
        match $age {
            Old => old::$function($($argument),*),
            New => new::$function($($argument),*),
        }
    };
}

impl Age {
    pub(crate) fn registry(self, coder: Coder) -> Registry {
        either!(self, registry(coder))
    }

    /// A node that gets along with the other age.
    pub(crate) fn config(self, coder: Coder) -> NodeConfig {
        NodeConfig::new(self.registry(coder)).tolerant()
    }

    pub(crate) fn add(self, replicas: &mut ReplicaManager, number: u32) -> ReplicaId {
        either!(self, add(replicas, number))
    }

    pub(crate) fn change(self, replicas: &mut ReplicaManager, id: ReplicaId, number: u32) {
        either!(self, change(replicas, id, number));
    }

    pub(crate) fn change_extras(self, replicas: &mut ReplicaManager, id: ReplicaId, number: u32) {
        either!(self, change_extras(replicas, id, number));
    }

    pub(crate) fn hit(self, replicas: &mut ReplicaManager, id: ReplicaId, damage: u8) {
        either!(self, hit(replicas, id, damage));
    }

    pub(crate) fn common(self, replicas: &ReplicaManager) -> BTreeMap<ReplicaId, Common> {
        either!(self, common(replicas))
    }

    pub(crate) fn secret(self, replicas: &ReplicaManager, id: ReplicaId) -> Option<[u64; 3]> {
        either!(self, secret(replicas, id))
    }

    pub(crate) fn extras(self, replicas: &ReplicaManager, id: ReplicaId) -> [u64; 2] {
        either!(self, extras(replicas, id))
    }
}
