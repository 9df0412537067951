//! `coder = Entropy`, and the registry's choice for all.

use std::collections::VecDeque;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerRole, Verdict};
use gridmate_runtime::schema::Coder;
use gridmate_tests::mesh::{Mesh, Weather};

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
enum Mood {
    #[default]
    Calm,
    Angry {
        #[marshal(bits = 5)]
        at: u8,
        since: u32,
    },
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(coder = Entropy)]
struct Body {
    #[dataset(quantize(-500.0..=500.0, step = 0.001), predict = Linear)]
    at: [f32; 3],
    speed: f32,
    fuel: u16,
    lit: bool,
    mood: Mood,
    name: String,
    cargo: Vec<u8>,
    owner: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Tag {
    label: String,
    number: u32,
}

fn registry(coder: Option<Coder>) -> Registry {
    let builder = Registry::builder().chunk::<Body>().chunk::<Tag>();
    let builder = match coder {
        Some(coder) => builder.coder(coder),
        None => builder,
    };
    builder.build().unwrap()
}

fn change(body: &mut Body, tick: u16, of: u16) {
    let t = f32::from(tick) * 0.1;
    body.at = [t * 3.0, (t * 0.7 + f32::from(of)).sin() * 20.0, body.at[2] - 0.05];
    body.speed = t * t;
    if (tick + of).is_multiple_of(7) {
        body.fuel = body.fuel.wrapping_add(of);
        body.lit = !body.lit;
        body.mood = if body.lit { Mood::Angry { at: 3, since: tick.into() } } else { Mood::Calm };
        body.name = format!("body {of} at {tick}");
        body.cargo.push(tick.to_le_bytes()[0]);
        body.owner = body.lit.then_some(u64::from(tick) << 40);
    }
}

/// Bytes of state in a world where some bodies move, and each message is acknowledged three ticks later.
fn bytes(coder: Option<Coder>) -> usize {
    let mut host = ReplicaManager::new(registry(coder), 1);
    let mut client = ReplicaManager::new(registry(coder), 2);
    client.set_local_member(MemberId(2));
    let to_client = host.add_peer(MemberId(2), PeerRole::Client);
    let to_host = client.add_peer(MemberId::HOST, PeerRole::Host);
    let ids: Vec<_> = (0..60).map(|_| host.add(Body::default()).unwrap()).collect();
    let tag = host.add(Tag::default()).unwrap();
    let (mut under_way, mut bytes, mut order, mut message) = (VecDeque::new(), 0, 0, Vec::new());
    for tick in 0..120_u16 {
        for (of, id) in (0_u16..).zip(&ids) {
            if (of / 4 + tick / 30).is_multiple_of(3) {
                change(&mut host.primary_mut::<Body>(*id).unwrap(), tick, of);
            }
        }
        host.primary_mut::<Tag>(tag).unwrap().number += 1;
        host.prepare();
        let mut tokens = Vec::new();
        while let Some(sent) = host.marshal(to_client, 1_180, &mut message) {
            order += 1;
            bytes += message.len();
            assert!(message.len() <= 1_180, "{} bytes in tick {tick}", message.len());
            assert_eq!(client.handle_state(to_host, order, &message), Ok(Verdict::Accepted));
            tokens.push(sent.token);
        }
        assert_eq!(client.digests(), host.digests(), "tick {tick}");
        under_way.push_back(tokens);
        if under_way.len() > 3 {
            under_way.pop_front().into_iter().flatten().for_each(|token| host.handle_receipt(to_client, token, true));
        }
    }
    bytes
}

#[test]
fn models_make_motion_cheaper() {
    let [declared, packed, entropy] = [None, Some(Coder::Packed), Some(Coder::Entropy)].map(bytes);
    assert!(
        entropy * 100 < packed * 99 && declared * 100 < packed * 99,
        "{packed} packed, {entropy} under models, {declared} mixed"
    );
}

#[test]
fn the_coder_is_part_of_what_nodes_agree_on() {
    let [declared, packed, entropy] =
        [None, Some(Coder::Packed), Some(Coder::Entropy)].map(|coder| registry(coder).fingerprint());
    assert!(declared != packed && packed != entropy && declared != entropy);
    assert!(registry(None).to_string().contains("  fuel: entropy<u16>\n"));
}

#[test]
fn both_coders_in_one_session_survive_foul_weather() {
    for seed in 0..30 {
        for coder in [None, Some(Coder::Entropy)] {
            let mut mesh = Mesh::new(&registry(coder), 3, seed, Weather::FOUL);
            let ids: Vec<_> = (0..24)
                .map(|i| {
                    let owner = &mut mesh.managers[i % 3];
                    if i % 5 == 0 {
                        owner.spawn().with(Body::default()).with(Tag::default()).add().unwrap()
                    } else {
                        owner.add(Body::default()).unwrap()
                    }
                })
                .collect();
            for tick in 0..80_u16 {
                for (of, id) in (0_u16..).zip(&ids) {
                    let owner = &mut mesh.managers[usize::from(of) % 3];
                    if tick == 50 && of % 7 == 3 {
                        owner.destroy(*id).unwrap();
                    }
                    if owner.info(*id).is_none() {
                        continue;
                    }
                    if !(tick / 8 + of).is_multiple_of(4) {
                        change(&mut owner.primary_mut::<Body>(*id).unwrap(), tick, of);
                    }
                    if of % 5 == 0 {
                        owner.primary_mut::<Tag>(*id).unwrap().number = tick.into();
                    }
                }
                mesh.run(1);
            }
            mesh.settle();
            assert!(mesh.agree(), "seed {seed}, {coder:?}");
        }
    }
}
