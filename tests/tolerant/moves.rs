//! A replica whose primary moves from one age to the other: the host takes over what a lost client owned.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_tests::links::foul;

use super::programs::{Age, New, Old, new};
use super::storm::Session;

/// A client with ships leaves, and what it owned goes on at the host.
fn handed_over(seed: u64, host: Age, owner: Age, coder: Coder) {
    let why = format!("seed {seed}, {owner:?} to {host:?}, {coder:?}");
    let mut session = Session::new(seed, &[host, owner, Old, New], coder, foul());
    let key = session.nodes[1].0;
    let ids: Vec<_> = (0..3).map(|number| owner.add(session.world.replicas(key), number)).collect();
    for number in 0..30 {
        ids.iter().for_each(|id| owner.change(session.world.replicas(key), *id, number));
        session.world.step();
    }
    session.settle(&why);
    session.check_extras(&why);
    let (at_host, host_key) = (session.nodes[0].1, session.nodes[0].0);
    let before: Vec<_> = ids.iter().map(|id| at_host.extras(session.world.replicas(host_key), *id)).collect();
    let now = session.world.now();
    session.world.node(key).leave(now);
    session.world.run_for(Duration::from_millis(500));
    session.world.crash(key);
    session.nodes.remove(1);
    let moved = session.world.run_until(Duration::from_secs(8), |world| {
        ids.iter().all(|id| world.replicas(host_key).info(*id).is_some_and(|info| info.owner == MemberId::HOST))
    });
    assert!(moved.is_some(), "{why}: the host has not taken over");
    session.settle(&why);
    // What it knew of the datasets that others do not have, it still knows.
    let after: Vec<_> = ids.iter().map(|id| at_host.extras(session.world.replicas(host_key), *id)).collect();
    assert_eq!(after, before, "{why}");
    session.check_extras(&why);
    for number in 100..130 {
        ids.iter().for_each(|id| at_host.change(session.world.replicas(host_key), *id, number));
        session.world.step();
    }
    session.settle(&why);
    session.check_extras(&why);
    if host == New {
        let ship = session.world.replicas(host_key).get::<new::Ship>(ids[0]).unwrap();
        assert_eq!(ship.shield, 130, "{why}: it is the new owner's to say");
    }
}

#[test]
fn a_primary_moves_between_the_ages() {
    for seed in 0..4 {
        for (host, owner) in [(New, Old), (Old, New), (New, New), (Old, Old)] {
            handed_over(seed, host, owner, Coder::Packed);
            handed_over(seed, host, owner, Coder::Entropy);
        }
    }
}
