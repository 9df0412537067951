//! Everything but datasets at the end keeps nodes apart, and the one that is refused says why: by chunk and field.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, World};

/// A program with a ship and a bell, by what is not as in all others.
macro_rules! program {
    ($name:ident { $($ship:tt)* } $(door { $($door:tt)* })?) => {
        program!($name { $($ship)* } rpcs {
            #[rpc]
            fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
                let _ = (self, damage);
            }
        } $(door { $($door)* })?);
    };
    ($name:ident { $($ship:tt)* } rpcs { $($rpcs:tt)* }) => {
        program!($name { $($ship)* } rpcs { $($rpcs)* } door { open: bool, });
    };
    ($name:ident { $($ship:tt)* } rpcs { $($rpcs:tt)* } door { $($door:tt)* }) => {
        mod $name {
            use gridmate_runtime::prelude::*;
            use gridmate_runtime::schema::Coder;

            #[derive(Default, ReplicaChunk)]
            #[chunk(name = "ship")]
            struct Ship {
                $($ship)*
            }

            #[rpcs]
            impl Ship {
                $($rpcs)*
            }

            #[derive(Default, ReplicaChunk)]
            #[chunk(name = "bell")]
            struct Door {
                $($door)*
            }

            pub(super) fn registry(coder: Coder) -> Registry {
                Registry::builder().coder(coder).chunk::<Ship>().chunk::<Door>().build().unwrap()
            }
        }
    };
}

program!(base {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u8,
});
program!(longer {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u8,
    shield: u8,
});
program!(removed { hull: u8 });
program!(inserted {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    shield: u8,
    hull: u8,
});
program!(reordered {
    hull: u8,
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
});
program!(renamed {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    armour: u8,
});
program!(codec {
    #[dataset(with = Half)]
    x: f32,
    hull: u8,
});
program!(range {
    #[dataset(quantize(0.0..=16.0, step = 0.5))]
    x: f32,
    hull: u8,
});
program!(predicted {
    #[dataset(quantize(0.0..=8.0, step = 0.5), predict = Linear)]
    x: f32,
    hull: u8,
});
program!(flags {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u8,
} rpcs {
    #[rpc(unreliable)]
    fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
        self.hull = damage;
    }
});
program!(argument {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u8,
} rpcs {
    #[rpc]
    fn hit(&mut self, _ctx: &RpcContext, damage: u16) {
        self.hull = damage.to_le_bytes()[0];
    }
});
program!(called {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u8,
    shield: u8,
} rpcs {
    #[rpc]
    fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
        self.hull = damage;
    }

    #[rpc]
    fn dock(&mut self, _ctx: &RpcContext) {
        self.shield = 0;
    }
});
program!(other_end {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u8,
    cargo: u16,
});
program!(both_ways {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
} door {
    open: bool,
    loud: bool,
});
program!(late {
    #[dataset(quantize(0.0..=8.0, step = 0.5))]
    x: f32,
    hull: u16,
} door {
    open: bool,
    loud: bool,
});

/// What comes of a join over a bad link: nothing, or a refusal in words.
fn join(here: NodeConfig, there: NodeConfig) -> Result<(), String> {
    let foul = LinkConfig { loss: 0.2, duplicate: 0.2, latency: Duration::from_millis(40), ..LinkConfig::perfect() };
    let mut world = World::new(5, 30, foul).unwrap();
    let host = world.host(there).unwrap();
    let client = world.join(host, here).unwrap();
    world.run_for(Duration::from_secs(4));
    let events: Vec<_> = core::iter::from_fn(|| world.node(client).poll_event()).collect();
    let members = world.node(host).members().count();
    match &events[..] {
        [NodeEvent::Session(SessionEvent::Joined { .. }), ..] => {
            assert_eq!(members, 2);
            Ok(())
        }
        [NodeEvent::Session(SessionEvent::JoinFailed { error })] => {
            assert_eq!(members, 1);
            assert!(matches!(error, JoinError::Schema { difference: Some(_), .. }), "{error:?}");
            Err(error.to_string().strip_prefix("the host's schema is another: ").unwrap().to_owned())
        }
        other => panic!("{other:?}"),
    }
}

fn tolerant(registry: Registry) -> NodeConfig {
    NodeConfig::new(registry).tolerant()
}

#[test]
fn whatever_else_differs_is_named() {
    let quantize = "quantize(0..=8, step 0.5)";
    let cases = [
        (removed::registry as fn(Coder) -> Registry, format!("dataset `x` is only there ({quantize})")),
        (inserted::registry, "dataset `shield` is only here (u8)".to_owned()),
        (reordered::registry, "dataset `hull` is at place 0 here, at 1 there".to_owned()),
        (renamed::registry, "dataset `armour` is called `hull` there".to_owned()),
        (codec::registry, format!("dataset `x`: half here, {quantize} there")),
        (range::registry, format!("dataset `x`: quantize(0..=16, step 0.5) here, {quantize} there")),
        (predicted::registry, format!("dataset `x`: linear<{quantize}> here, {quantize} there")),
        (
            flags::registry,
            "rpc `hit`: { damage: u8 } unreliable post_attached here, { damage: u8 } reliable post_attached there"
                .to_owned(),
        ),
        (
            argument::registry,
            "rpc `hit`: { damage: u16 } reliable post_attached here, { damage: u8 } reliable post_attached there"
                .to_owned(),
        ),
        (called::registry, "rpc `dock` is only here, at the end ({  } reliable post_attached)".to_owned()),
        (late::registry, "dataset `hull`: u16 here, u8 there".to_owned()),
    ];
    for (here, words) in cases {
        let refused = join(tolerant(here(Coder::Packed)), tolerant(base::registry(Coder::Packed)));
        assert_eq!(refused, Err(format!("chunk `ship`: {words}")));
        // The other way round there are other words, and the same chunk.
        let refused = join(tolerant(base::registry(Coder::Packed)), tolerant(here(Coder::Packed))).unwrap_err();
        assert!(refused.starts_with("chunk `ship`: "), "{refused}");
    }
    let refused = join(tolerant(longer::registry(Coder::Packed)), tolerant(other_end::registry(Coder::Packed)));
    assert_eq!(refused, Err("chunk `ship`: dataset `cargo` is only there, at the end (u16)".to_owned()));
    let refused = join(tolerant(base::registry(Coder::Entropy)), tolerant(longer::registry(Coder::Packed)));
    assert_eq!(refused, Err("chunk `bell`: dataset `open`: entropy<bool> here, bool there".to_owned()));
    let fewer = Registry::builder().build().unwrap();
    assert_eq!(
        join(tolerant(fewer.clone()), tolerant(base::registry(Coder::Packed))),
        Err("chunk `bell` is only there".to_owned())
    );
    assert_eq!(
        join(tolerant(base::registry(Coder::Packed)), tolerant(fewer)),
        Err("chunk `bell` is only here".to_owned())
    );
}

#[test]
fn datasets_at_the_end_are_let_in_where_both_are_tolerant() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let [short, long] = [base::registry(coder), longer::registry(coder)];
        let mixed = both_ways::registry(coder);
        for (here, there) in [(&short, &long), (&long, &short), (&mixed, &long), (&long, &mixed), (&long, &long)] {
            assert_eq!(join(tolerant(here.clone()), tolerant(there.clone())), Ok(()));
        }
        let there = if coder == Coder::Packed { "u8" } else { "entropy<u8>" };
        let words = Err(format!("chunk `ship`: dataset `shield` is only there, at the end ({there})"));
        assert_eq!(join(NodeConfig::new(short.clone()), tolerant(long.clone())), words, "the joiner is strict");
        assert_eq!(join(tolerant(short.clone()), NodeConfig::new(long.clone())), words, "the host is strict");
        assert_eq!(join(NodeConfig::new(short), NodeConfig::new(long)), words);
    }
}

#[test]
fn the_first_dataset_under_models_is_no_addition() {
    mod packed {
        use gridmate_runtime::prelude::*;

        #[derive(Default, ReplicaChunk)]
        #[chunk(name = "cube")]
        pub(super) struct Cube {
            #[dataset(skip)]
            _local: u8,
        }
    }
    mod modelled {
        use gridmate_runtime::prelude::*;

        #[derive(Default, ReplicaChunk)]
        #[chunk(name = "cube", coder = Entropy)]
        pub(super) struct Cube {
            height: u16,
        }
    }
    let old = || tolerant(Registry::builder().chunk::<packed::Cube>().build().unwrap());
    let new = || tolerant(Registry::builder().chunk::<modelled::Cube>().build().unwrap());
    assert_eq!(join(old(), new()), Err("chunk `cube`: dataset `height` is only there (entropy<u16>)".to_owned()));
    assert_eq!(join(new(), old()), Err("chunk `cube`: dataset `height` is only here (entropy<u16>)".to_owned()));
}
