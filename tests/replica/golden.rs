//! The messages that `docs/WIRE.md` takes apart bit by bit.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerId, PeerRole};
use gridmate_tests::document::{Ship, hex};

fn state(host: &mut ReplicaManager, peer: PeerId) -> String {
    let mut bytes = Vec::new();
    host.prepare();
    let message = host.marshal(peer, 1_180, &mut bytes).expect("something has changed");
    host.handle_receipt(peer, message.token, true);
    hex(&bytes)
}

#[test]
fn messages_are_what_the_document_says() {
    let registry = Registry::builder().chunk::<Ship>().build().unwrap();
    assert_eq!(format!("{:016x}", registry.fingerprint()), "da8f4f0faf36d241");
    let mut host = ReplicaManager::new(registry, 1);
    let peer = host.add_peer(MemberId(2), PeerRole::Client);
    let id = host.add(Ship { x: 0.0, health: 100 }).unwrap();
    assert_eq!(state(&mut host, peer), "01 00 00 00 31 77 4e 06");
    host.primary_mut::<Ship>(id).unwrap().x = 1.0;
    assert_eq!(state(&mut host, peer), "02 00 00 00 8a ef 18");
    host.primary_mut::<Ship>(id).unwrap().rpcs().hit(10).unwrap();
    let _ = state(&mut host, peer);
    let mut call = String::new();
    host.drain_calls(peer, |_, bytes| call = hex(bytes));
    assert_eq!(call, "07 f8 01 00 00 00 0a");
    host.destroy(id).unwrap();
    assert_eq!(state(&mut host, peer), "04 00 00 00 12 30 0e 00 00 00 08");
}
