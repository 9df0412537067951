//! What each kind of box lets through, and for how long.

use NatKind::{FullCone, PortRestricted, RestrictedCone, Symmetric};
use proptest::prelude::*;

use super::*;

const KINDS: [NatKind; 4] = [FullCone, RestrictedCone, PortRestricted, Symmetric];
const PUBLIC: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, 1));

fn inside(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 168, 0, host], 4_000))
}

fn outside(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], port))
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

/// Sends, and says which address the world saw.
fn send(nat: &mut Nat, now: Instant, from: SocketAddr, to: SocketAddr) -> SocketAddr {
    match nat.outbound(now, from, to) {
        Ok(Outbound::Forward { from }) => from,
        other => panic!("it is for the world, and yet {other:?}"),
    }
}

#[test]
fn the_table_of_who_may_answer() {
    let (refused, passed) = (Err(NatRefusal::Filtered), Ok(inside(2)));
    for (kind, same_host_other_port, other_host) in [
        (FullCone, passed, passed),
        (RestrictedCone, passed, refused),
        (PortRestricted, refused, refused),
        (Symmetric, refused, refused),
    ] {
        let mut nat = Nat::new(PUBLIC, NatConfig::new(kind));
        let public = send(&mut nat, at(1), inside(2), outside(1, 5_000));
        assert_eq!(public.ip(), PUBLIC);
        assert_eq!(nat.inbound(at(1), outside(1, 5_000), public), passed, "{kind:?}");
        assert_eq!(nat.inbound(at(1), outside(1, 5_001), public), same_host_other_port, "{kind:?}");
        assert_eq!(nat.inbound(at(1), outside(2, 5_000), public), other_host, "{kind:?}");
        let elsewhere = SocketAddr::new(PUBLIC, public.port() + 1);
        assert_eq!(nat.inbound(at(1), outside(1, 5_000), elsewhere), Err(NatRefusal::NoMapping));
        let not_ours = SocketAddr::from(([198, 18, 0, 2], public.port()));
        assert_eq!(nat.inbound(at(1), outside(1, 5_000), not_ours), Err(NatRefusal::NoMapping));
    }
}

#[test]
fn the_table_of_who_sees_which_port() {
    for kind in KINDS {
        let mut nat = Nat::new(PUBLIC, NatConfig::new(kind));
        let first = send(&mut nat, at(1), inside(2), outside(1, 5_000));
        assert_eq!(send(&mut nat, at(2), inside(2), outside(1, 5_000)), first, "{kind:?}: it stays");
        let second = send(&mut nat, at(2), inside(2), outside(2, 5_000));
        assert_eq!(second == first, kind != Symmetric, "{kind:?}");
        assert_eq!(nat.public_address(at(2), inside(2), outside(2, 5_000)), Some(second));
        assert_ne!(send(&mut nat, at(2), inside(3), outside(1, 5_000)), first, "{kind:?}: a neighbour has another");
        assert_eq!(nat.inbound(at(2), outside(2, 5_000), second), Ok(inside(2)));
        assert_eq!(nat.mappings(at(2)), if kind == Symmetric { 3 } else { 2 });
    }
}

#[test]
fn after_a_rebind_the_world_sees_another_port() {
    for kind in KINDS {
        let mut nat = Nat::new(PUBLIC, NatConfig::new(kind));
        let before = send(&mut nat, at(1), inside(2), outside(1, 5_000));
        nat.rebind();
        assert_eq!(nat.inbound(at(1), outside(1, 5_000), before), Err(NatRefusal::NoMapping), "{kind:?}");
        assert_eq!(nat.public_address(at(1), inside(2), outside(1, 5_000)), None);
        let after = send(&mut nat, at(1), inside(2), outside(1, 5_000));
        assert_ne!(after, before);
        assert_eq!(nat.inbound(at(1), outside(1, 5_000), after), Ok(inside(2)));
        assert_eq!(nat.inbound(at(1), outside(1, 5_000), before), Err(NatRefusal::NoMapping));
    }
}

#[test]
fn after_a_move_the_world_sees_another_address() {
    let mut nat = Nat::new(PUBLIC, NatConfig::new(FullCone));
    let before = send(&mut nat, at(1), inside(2), outside(1, 5_000));
    nat.move_to([198, 18, 0, 9].into());
    let after = send(&mut nat, at(1), inside(2), outside(1, 5_000));
    assert_eq!((after.ip(), nat.public_ip()), ([198, 18, 0, 9].into(), after.ip()));
    assert!(nat.inbound(at(1), outside(1, 5_000), before).is_err());
}

#[test]
fn a_mapping_lives_as_long_as_something_goes_out() {
    for kind in KINDS {
        let config = NatConfig { mapping_timeout: Duration::from_secs(30), ..NatConfig::new(kind) };
        let mut nat = Nat::new(PUBLIC, config);
        let public = send(&mut nat, at(0), inside(2), outside(1, 5_000));
        assert_eq!(nat.inbound(at(29), outside(1, 5_000), public), Ok(inside(2)));
        assert_eq!(
            nat.inbound(at(30), outside(1, 5_000), public),
            Err(NatRefusal::NoMapping),
            "{kind:?}: in is not out"
        );
        assert_eq!(send(&mut nat, at(29), inside(2), outside(1, 5_000)), public);
        assert_eq!(nat.inbound(at(58), outside(1, 5_000), public), Ok(inside(2)));
        assert_eq!((nat.mappings(at(58)), nat.mappings(at(59))), (1, 0));
        assert_ne!(send(&mut nat, at(59), inside(2), outside(1, 5_000)), public, "{kind:?}");
        assert_eq!(nat.inbound(at(59), outside(1, 5_000), public), Err(NatRefusal::NoMapping));
    }
}

#[test]
fn the_right_to_answer_ends_though_the_mapping_lives() {
    for kind in [RestrictedCone, PortRestricted] {
        let mut nat = Nat::new(PUBLIC, NatConfig { mapping_timeout: Duration::from_secs(30), ..NatConfig::new(kind) });
        let public = send(&mut nat, at(0), inside(2), outside(1, 5_000));
        assert_eq!(send(&mut nat, at(20), inside(2), outside(2, 5_000)), public);
        assert_eq!(nat.inbound(at(31), outside(1, 5_000), public), Err(NatRefusal::Filtered));
        assert_eq!(nat.inbound(at(31), outside(2, 5_000), public), Ok(inside(2)));
    }
}

#[test]
fn a_hairpin_leads_back_in_where_there_is_one() {
    for kind in KINDS {
        let mut nat = Nat::new(PUBLIC, NatConfig { hairpin: true, ..NatConfig::new(kind) });
        let ann = send(&mut nat, at(1), inside(2), outside(1, 5_000));
        let bob = send(&mut nat, at(1), inside(3), outside(1, 5_000));
        let through = nat.outbound(at(1), inside(3), ann);
        match kind {
            FullCone => assert_eq!(through, Ok(Outbound::Hairpin { from: bob, to: inside(2) })),
            _ => assert_eq!(through, Err(NatRefusal::Filtered), "{kind:?}: Ann did not write to Bob"),
        }
        // Both write: with a port for every destination, neither hits the one that the other has opened.
        nat.outbound(at(1), inside(2), bob).ok();
        let met = nat.outbound(at(1), inside(3), ann).is_ok();
        assert_eq!(met, kind != Symmetric, "{kind:?}");

        let mut nat = Nat::new(PUBLIC, NatConfig::new(kind));
        let ann = send(&mut nat, at(1), inside(2), outside(1, 5_000));
        assert_eq!(nat.outbound(at(1), inside(3), ann), Err(NatRefusal::NoHairpin));
    }
}

#[test]
fn ports_run_out_and_come_back() {
    let few = NatConfig { port_count: 3, mapping_timeout: Duration::from_secs(30), ..NatConfig::new(Symmetric) };
    let mut nat = Nat::new(PUBLIC, few);
    for port in 0..3 {
        send(&mut nat, at(u64::from(port)), inside(2), outside(1, port));
    }
    assert_eq!(nat.outbound(at(3), inside(2), outside(1, 3)), Err(NatRefusal::NoPort));
    assert_eq!(nat.mappings(at(3)), 3);
    // The first was silent for long enough.
    let taken_over = send(&mut nat, at(30), inside(2), outside(1, 3));
    assert_eq!(nat.inbound(at(30), outside(1, 3), taken_over), Ok(inside(2)));
    assert_eq!(nat.inbound(at(30), outside(1, 0), taken_over), Err(NatRefusal::Filtered));
    nat.rebind();
    send(&mut nat, at(30), inside(2), outside(1, 9));

    let at_the_end = NatConfig { first_port: u16::MAX, port_count: 9, ..NatConfig::new(Symmetric) };
    let mut nat = Nat::new(PUBLIC, at_the_end);
    assert_eq!(send(&mut nat, at(1), inside(2), outside(1, 1)).port(), u16::MAX);
    assert_eq!(nat.outbound(at(1), inside(2), outside(1, 2)), Err(NatRefusal::NoPort));
}

#[test]
fn correspondents_do_not_pile_up() {
    let mut nat = Nat::new(PUBLIC, NatConfig::new(PortRestricted));
    let mut public = None;
    for number in 0..CORRESPONDENTS_MAX + 10 {
        let to = outside(1, u16::try_from(number).unwrap());
        public = Some(send(&mut nat, Instant::from_micros(number as u64), inside(2), to));
    }
    let (public, now) = (public.unwrap(), at(1));
    assert!(nat.mappings.values().all(|mapping| mapping.correspondents.len() == CORRESPONDENTS_MAX));
    assert_eq!(nat.inbound(now, outside(1, 9), public), Err(NatRefusal::Filtered), "forgotten first");
    assert_eq!(nat.inbound(now, outside(1, 10), public), Ok(inside(2)));
}

proptest! {
    /// Whatever happens, the two tables agree, the bound holds, and an answer finds the one who asked.
    #[test]
    fn an_answer_finds_the_one_who_asked(
        kind in prop::sample::select(KINDS.to_vec()),
        port_count in 1_u16..6,
        steps in prop::collection::vec((0_u64..20, 0_u8..4, 1_u16..4, any::<prop::sample::Index>()), 1..200),
    ) {
        let config = NatConfig { port_count, mapping_timeout: Duration::from_secs(30), ..NatConfig::new(kind) };
        let mut nat = Nat::new(PUBLIC, config);
        let mut now = at(1);
        for (seconds, host, port, dice) in steps {
            now += Duration::from_secs(seconds);
            if dice.index(10) == 0 {
                nat.rebind();
            }
            match nat.outbound(now, inside(host), outside(1, port)) {
                Ok(Outbound::Forward { from }) => {
                    prop_assert_eq!(nat.inbound(now, outside(1, port), from), Ok(inside(host)));
                    prop_assert_eq!(nat.public_address(now, inside(host), outside(1, port)), Some(from));
                }
                other => {
                    prop_assert_eq!(other, Err(NatRefusal::NoPort));
                    prop_assert_eq!(nat.mappings(now), usize::from(port_count));
                }
            }
            prop_assert!(nat.mappings.len() <= usize::from(port_count));
            prop_assert_eq!(nat.mappings.len(), nat.ports.len());
            prop_assert!(nat.ports.iter().all(|(key, port)| nat.mappings[port].key == *key));
        }
    }
}
