//! What goes to a peer of another age, bit for bit, and how often it is made.

use gridmate_runtime::Rng;
use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Refusal};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerId;
use gridmate_runtime::schema::{Coder, Profile};
use gridmate_tests::document::{Ship, hex};

use super::hostile::Stranger;
use super::programs::{Age, New, Old, new};

/// What both programs have.
fn common(coder: Coder) -> Profile {
    New.registry(coder).snapshot().common(&Old.registry(coder).snapshot()).unwrap()
}

/// A host with a client that is old.
fn host(age: Age, coder: Coder) -> (ReplicaManager, PeerId) {
    let mut host = ReplicaManager::new(age.registry(coder), 1);
    let peer = match age {
        Old => host.add_peer(MemberId(2), PeerRole::Client),
        New => host.add_peer_with(MemberId(2), PeerRole::Client, &common(coder)),
    };
    (host, peer)
}

#[test]
fn the_old_hear_from_the_new_what_they_would_hear_from_the_old() {
    for (seed, coder) in (0..20).zip([Coder::Packed, Coder::Entropy].into_iter().cycle()) {
        let mut hosts = [(Old, host(Old, coder)), (New, host(New, coder))];
        let mut rng = Rng::new(seed);
        let mut late: Vec<(u64, bool)> = Vec::new();
        // Before a sender tries what guesses are best made from: that is its own business, and goes by all it has.
        for tick in 0..15_u32 {
            let lost = rng.chance(0.3);
            let receipts: Vec<_> = if rng.chance(0.6) { core::mem::take(&mut late) } else { Vec::new() };
            let mut said: [Vec<Vec<u8>>; 2] = Default::default();
            for ((age, (host, peer)), said) in hosts.iter_mut().zip(&mut said) {
                if tick % 2 == 0 {
                    // Of those with nothing to guess in the one program and something in the other the same is true.
                    let id = age.add(host, tick);
                    age.change_extras(host, id, 77);
                }
                let ids: Vec<_> = host.ids().collect();
                for id in ids.into_iter().skip(tick as usize % 3).step_by(2) {
                    age.change(host, id, tick);
                    age.change_extras(host, id, 77); // As before: who knows of it sees no change.
                }
                receipts.iter().for_each(|(token, delivered)| host.handle_receipt(*peer, *token, *delivered));
                host.prepare();
                let mut bytes = Vec::new();
                while let Some(message) = host.marshal(*peer, 1_100, &mut bytes) {
                    if *age == New {
                        late.push((message.token, !lost));
                    }
                    said.push(bytes.clone());
                }
            }
            assert_eq!(said[0], said[1], "{coder:?}, tick {tick}");
        }
    }
}

#[test]
fn an_encoding_is_made_once_for_each_age() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let mut host = ReplicaManager::new(New.registry(coder), 1);
        let common = common(coder);
        let mut peers: Vec<_> = (2..5).map(|member| host.add_peer(MemberId(member), PeerRole::Client)).collect();
        peers.extend((5..9).map(|member| host.add_peer_with(MemberId(member), PeerRole::Client, &common)));
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(host.add(new::Ship::default()).unwrap());
            ids.push(host.add(new::Buoy::default()).unwrap());
        }
        for tick in 1..20_u8 {
            for id in &ids {
                if let Ok(mut ship) = host.primary_mut::<new::Ship>(*id) {
                    ship.hull = tick;
                    ship.shield = tick.into();
                } else {
                    host.primary_mut::<new::Buoy>(*id).unwrap().depth = tick.into();
                }
            }
            let before = host.stats();
            host.prepare();
            let mut bytes = Vec::new();
            for peer in &peers {
                while let Some(message) = host.marshal(*peer, 1_100, &mut bytes) {
                    host.handle_receipt(*peer, message.token, true);
                }
            }
            let after = host.stats();
            assert_eq!(after.records_sent - before.records_sent, 20 * 7);
            assert_eq!(after.encodings - before.encodings, 10 * 2 + 10, "ships for two ages, buoys for all");
        }
    }
}

#[test]
fn who_comes_when_the_others_of_its_age_are_gone_is_not_taken_for_one_of_them() {
    let registry = New.registry(Coder::Packed);
    let mut host = ReplicaManager::new(registry.clone(), 1);
    let old = host.add_peer_with(MemberId(2), PeerRole::Client, &common(Coder::Packed));
    let id = host.add(new::Ship { shield: 9, ..new::Ship::default() }).unwrap();
    host.prepare();
    let mut bytes = Vec::new();
    let _ = host.marshal(old, 1_100, &mut bytes).unwrap();
    host.remove_peer(old, false);
    // In the same tick one whose ships are new, and whose doors are old.
    let mut doors = registry.snapshot();
    doors.chunks[1] = Old.registry(Coder::Packed).snapshot().chunks.swap_remove(1);
    let doors = registry.snapshot().common(&doors).unwrap();
    assert_eq!(doors.datasets(), [1, 2, 3, 6]);
    let newer = host.add_peer_with(MemberId(3), PeerRole::Client, &doors);
    let _ = host.marshal(newer, 1_100, &mut bytes).unwrap();
    let mut client = ReplicaManager::new(registry, 2);
    let back = client.add_peer_with(MemberId::HOST, PeerRole::Host, &doors);
    let _ = client.handle_state(back, 1, &bytes).unwrap();
    assert_eq!(client.get::<new::Ship>(id).unwrap().shield, 9);
}

#[test]
fn a_profile_of_everything_is_no_profile() {
    let all = New.registry(Coder::Packed).snapshot();
    let all = all.common(&all).unwrap();
    let mut host = ReplicaManager::new(New.registry(Coder::Packed), 1);
    let peers = [host.add_peer(MemberId(2), PeerRole::Client), host.add_peer_with(MemberId(3), PeerRole::Client, &all)];
    host.add(new::Ship::default()).unwrap();
    host.prepare();
    for peer in peers {
        let _ = host.marshal(peer, 1_100, &mut Vec::new()).unwrap();
    }
    assert_eq!(host.stats().encodings, 1);
}

/// The ship of the document, a year later.
mod later {
    use gridmate_runtime::prelude::*;

    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "ship")]
    pub(super) struct Ship {
        #[dataset(quantize(-256.0..=256.0, step = 0.01))]
        x: f32,
        health: u8,
        shield: u8,
    }

    #[rpcs]
    impl Ship {
        #[rpc]
        fn hit(&mut self, _ctx: &RpcContext, damage: u8) -> Propagate {
            self.health = self.health.saturating_sub(damage);
            Propagate::ToProxies
        }
    }
}

#[test]
fn an_offer_and_a_claim_are_what_the_document_says() {
    let network = MemoryNetwork::new();
    let ships = Registry::builder().chunk::<Ship>().build().unwrap();
    let later = Registry::builder().chunk::<later::Ship>().build().unwrap();
    assert_eq!(format!("{:016x}", later.fingerprint()), "8efb52c2db087a1d");
    let mut host = Node::host(network.bind_any().unwrap(), NodeConfig::new(later.clone()).tolerant()).unwrap();
    let mut joiner = Stranger::new(&network, CarrierConfig::new(ships.fingerprint()), 1);
    joiner.endpoint.connect(Instant::ZERO, host.local_addr(), b"\0").unwrap();
    for frame in 0..4 {
        joiner.tick(Instant::from_millis(frame));
        host.tick(Instant::from_millis(frame)).unwrap();
    }
    let Some(CarrierEvent::Refused { reason: Refusal::Schema { ours, theirs, details }, .. }) = joiner.events.pop()
    else {
        panic!("it was refused");
    };
    assert_eq!((ours, theirs), (ships.fingerprint(), later.fingerprint()));
    let digest = later.snapshot().digest(1_000);
    assert_eq!(details, [&[0, 1, 3][..], &digest].concat());

    let mut config = CarrierConfig::new(later.fingerprint());
    config.schema_details = details;
    let mut host = Stranger::new(&network, config, 2);
    let config = NodeConfig::new(ships).name("Ada").tolerant();
    let mut joiner = Node::join(network.bind_any().unwrap(), host.driver.local_addr(), config).unwrap();
    for frame in 0..4 {
        joiner.tick(Instant::from_millis(frame)).unwrap();
        host.tick(Instant::from_millis(frame));
    }
    let [CarrierEvent::Incoming { hello, .. }] = &host.events[..] else { panic!("{:?}", host.events) };
    assert_eq!(hex(hello), "03 41 64 61 00 01 02 e5 f9 ab ad d5 e3 0d 7b");
}
