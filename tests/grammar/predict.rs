//! `predict = Linear`.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerRole;
use gridmate_tests::mesh::{Mesh, Weather};

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
struct Spin {
    #[marshal(quantize(-10.0..=10.0, step = 0.01), predict = Linear)]
    angle: f32,
    axis: u8,
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Body {
    #[dataset(quantize(-500.0..=500.0, step = 0.001), predict = Linear)]
    at: [f32; 3],
    spin: Spin,
    fuel: u16,
}

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "plain")]
struct Plain {
    #[dataset(quantize(-500.0..=500.0, step = 0.001))]
    at: [f32; 3],
}

/// Bytes of all state messages while a body moves steadily, each acknowledged `delay` ticks after it was sent.
fn bytes<T: ReplicaChunk>(at: impl Fn(&mut T) -> &mut [f32; 3], delay: usize) -> usize {
    let registry = Registry::builder().chunk::<T>().build().unwrap();
    let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
    client.set_local_member(MemberId(2));
    let (to_client, to_host) =
        (host.add_peer(MemberId(2), PeerRole::Client), client.add_peer(MemberId::HOST, PeerRole::Host));
    let id = host.add(T::default()).unwrap();
    let mut under_way = std::collections::VecDeque::new();
    let (mut bytes, mut message) = (0, Vec::new());
    for tick in 1..=200_u16 {
        let t = f32::from(tick) * 0.05;
        *at(&mut host.primary_mut::<T>(id).unwrap()) = [t * 7.0, 20.0 * t, -t];
        host.prepare();
        while let Some(sent) = host.marshal(to_client, 1_180, &mut message) {
            bytes += if tick > 20 { message.len() } else { 0 };
            assert_eq!(
                client.handle_state(to_host, tick.into(), &message).unwrap(),
                gridmate_runtime::replica::Verdict::Accepted
            );
            under_way.push_back(sent.token);
        }
        if under_way.len() > delay {
            host.handle_receipt(to_client, under_way.pop_front().unwrap(), true);
        }
        assert_eq!(client.digests(), host.digests(), "tick {tick}");
    }
    bytes
}

#[test]
fn a_steady_mover_costs_less_and_arrives_exactly() {
    for delay in [1, 4, 9] {
        let (plain, predicted) = (bytes::<Plain>(|c| &mut c.at, delay), bytes::<Body>(|c| &mut c.at, delay));
        assert!(
            predicted * 20 < plain * 19,
            "{predicted} bytes predicted, {plain} without, {delay} ticks to a receipt"
        );
    }
}

#[test]
fn guesses_survive_foul_weather() {
    for seed in 0..40 {
        let registry = Registry::builder().chunk::<Body>().chunk::<Plain>().build().unwrap();
        let mut mesh = Mesh::new(&registry, 3, seed, Weather::FOUL);
        let ids: Vec<_> = (0..4)
            .map(|i| {
                let owner = &mut mesh.managers[i % 2];
                if i == 3 {
                    owner.spawn().with(Body::default()).with(Plain::default()).add().unwrap()
                } else {
                    owner.add(Body::default()).unwrap()
                }
            })
            .collect();
        for tick in 0..150_u16 {
            for (i, id) in (0_u16..).zip(&ids) {
                // Some stop and start, some jump.
                if (tick / 16 + i).is_multiple_of(3) {
                    continue;
                }
                let mut body = mesh.managers[usize::from(i % 2)].primary_mut::<Body>(*id).unwrap();
                body.at[0] += f32::from(i + 1) * 0.1;
                body.at[1] = if tick % 29 == 0 { -400.0 } else { body.at[1] + 0.3 };
                body.spin.angle = (body.spin.angle + 0.07) % 9.0;
            }
            mesh.run(1);
        }
        mesh.settle();
        assert!(mesh.agree(), "seed {seed}");
    }
}
