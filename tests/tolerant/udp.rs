//! Two ages over real sockets.

use core::num::NonZeroU32;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;

use super::programs::{New, Old, new, old};

#[test]
fn two_ages_meet_over_loopback() {
    let any = ([127, 0, 0, 1], 0).into();
    let mut host = Node::host(UdpDriver::bind(any).unwrap(), New.config(Coder::Packed)).unwrap();
    let mut client = Node::join(UdpDriver::bind(any).unwrap(), host.local_addr(), Old.config(Coder::Packed)).unwrap();
    let ship = new::Ship { hull: 7, shield: 9, label: "of the host".to_owned(), ..new::Ship::default() };
    let ship = host.replicas().add(ship).unwrap();
    let mut door = None;
    let mut ticker = Ticker::per_second(Clock::start(), NonZeroU32::new(200).unwrap());
    for _ in 0..4_000 {
        let now = ticker.wait().now;
        host.tick(now).unwrap();
        client.tick(now).unwrap();
        if client.local_member() != MemberId::NONE && door.is_none() {
            door = Some(client.replicas().add(old::Door { open: true, turns: 3 }).unwrap());
        }
        let there = client.replicas().get::<old::Ship>(ship).is_ok_and(|ship| ship.hull == 7);
        let back = door.and_then(|door| host.replicas().get::<new::Door>(door).ok());
        if let Some(door) = back.filter(|_| there) {
            assert_eq!((door.open, door.turns, door.angle, door.locked), (true, 3, 0.0, false));
            assert_eq!(client.replicas().get::<old::Ship>(ship).unwrap().label, "of the host");
            return;
        }
    }
    panic!("twenty seconds, and they have not met");
}
