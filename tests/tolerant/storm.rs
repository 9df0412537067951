//! Sessions of both ages on foul links: what is shared is agreed on, and the rest is where it can be.

use core::time::Duration;
use std::collections::BTreeMap;

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_tests::links::foul;

use super::programs::{Age, New, Old};

/// A session of nodes of these ages; the first is the host.
pub(crate) struct Session {
    pub(crate) world: World,
    pub(crate) nodes: Vec<(NodeKey, Age)>,
}

impl Session {
    pub(crate) fn new(seed: u64, ages: &[Age], coder: Coder, link: LinkConfig) -> Self {
        let mut world = World::new(seed, 30, link).unwrap();
        let host = world.host(ages[0].config(coder)).unwrap();
        let mut nodes = vec![(host, ages[0])];
        nodes.extend(ages[1..].iter().map(|age| (world.join(host, age.config(coder)).unwrap(), *age)));
        let joined = world.run_until(Duration::from_secs(20), |world| {
            world.keys().into_iter().all(|key| world.node(key).members().count() == ages.len())
        });
        assert!(joined.is_some(), "seed {seed}: not everyone has joined");
        Self { world, nodes }
    }

    /// Whether all nodes have the same of what they share.
    pub(crate) fn agree(&mut self) -> bool {
        let Self { world, nodes } = self;
        let mut all = nodes.iter().map(|(key, age)| age.common(world.replicas(*key)));
        let first = all.next().unwrap();
        all.all(|other| other == first)
    }

    /// Whether no call is on its way: it may still change something everywhere.
    fn is_quiet(&mut self) -> bool {
        let Self { world, nodes } = self;
        nodes.iter().all(|(key, _)| world.node(*key).peers().all(|peer| peer.carrier.reliable_queued == 0))
    }

    pub(crate) fn settle(&mut self, why: &str) {
        for _ in 0..300 {
            if self.is_quiet() && self.agree() {
                break;
            }
            self.world.step();
        }
        assert!(self.is_quiet() && self.agree(), "{why}: no agreement");
        // What is not shared says nothing of when it is there.
        self.world.run_for(Duration::from_secs(1));
        assert!(self.agree(), "{why}: undone");
    }

    /// What only the new program has is at a node what it is at the owner, if all between are new; else it is the default.
    pub(crate) fn check_extras(&mut self, why: &str) {
        let Self { world, nodes } = self;
        let host = nodes[0].1;
        let by_member: BTreeMap<_, _> =
            nodes.iter().map(|(key, age)| (world.node(*key).local_member(), (*key, *age))).collect();
        let ids: Vec<_> = world.replicas(nodes[0].0).ids().collect();
        for id in ids {
            let owner = world.replicas(nodes[0].0).info(id).unwrap().owner;
            let (owner, age) = by_member[&owner];
            let at_owner = age.extras(world.replicas(owner), id);
            let secret = age.secret(world.replicas(owner), id);
            for (key, at) in nodes.iter().filter(|(key, _)| *key != owner) {
                let whole = [age, host, *at].iter().all(|age| *age == New);
                let expected = if whole { at_owner } else { [0; 2] };
                assert_eq!(at.extras(world.replicas(*key), id), expected, "{why}: {id} of {owner:?} at {key:?}");
                if let Some([viewer, code, salt]) = secret {
                    let member = world.node(*key).local_member();
                    let sees = *key == nodes[0].0 || u64::from(member.0) == viewer;
                    let expected = if sees { [viewer, code, if whole { salt } else { 0 }] } else { [0; 3] };
                    assert_eq!(at.secret(world.replicas(*key), id), Some(expected), "{why}: {id} at {member}");
                }
            }
        }
    }

    pub(crate) fn nobody_left(&mut self, why: &str) {
        let Self { world, nodes } = self;
        for (key, _) in nodes.iter() {
            assert_eq!(world.node(*key).members().count(), nodes.len(), "{why}: somebody was thrown out");
        }
    }
}

/// Two seconds of everyone creating, changing, destroying and calling.
fn storm(seed: u64, ages: &[Age], coder: Coder) {
    let why = format!("seed {seed}, {ages:?}, {coder:?}");
    let mut session = Session::new(seed, ages, coder, foul());
    let mut rng = Rng::new(seed ^ 0xA6E);
    let Session { world, nodes } = &mut session;
    let mut owned: Vec<(NodeKey, Age, ReplicaId)> = Vec::new();
    for number in 0..60_u32 {
        for (key, age) in nodes.iter() {
            let replicas = world.replicas(*key);
            // A few at first, then more: each of them begins at another tick.
            if number % 8 == 0 {
                let id = age.add(replicas, number / 8 + u32::try_from(rng.below(4)).unwrap());
                owned.push((*key, *age, id));
            }
            if rng.chance(0.3) && !replicas.is_empty() {
                let ids: Vec<_> = replicas.ids().collect();
                let id = ids[usize::try_from(rng.below(ids.len() as u64)).unwrap()];
                age.hit(replicas, id, number.to_le_bytes()[0]);
            }
        }
        for at in (0..owned.len()).rev() {
            let (key, age, id) = owned[at];
            let replicas = world.replicas(key);
            match rng.below(100) {
                0..50 => age.change(replicas, id, number),
                50..60 => age.change_extras(replicas, id, number),
                60 => {
                    replicas.destroy(id).unwrap();
                    owned.swap_remove(at);
                }
                _ => {}
            }
        }
        world.step();
    }
    session.settle(&why);
    session.check_extras(&why);
    session.nobody_left(&why);
}

#[test]
fn an_old_client_at_a_new_host() {
    for seed in 0..60 {
        storm(seed, &[New, Old], Coder::Packed);
        storm(seed, &[New, Old], Coder::Entropy);
    }
}

#[test]
fn a_new_client_at_an_old_host() {
    for seed in 0..60 {
        storm(seed, &[Old, New], Coder::Packed);
        storm(seed, &[Old, New], Coder::Entropy);
    }
}

#[test]
fn both_at_a_host_that_passes_on() {
    for seed in 0..40 {
        for host in [Old, New] {
            storm(seed, &[host, Old, New, New, Old], Coder::Packed);
            storm(seed, &[host, Old, New, New, Old], Coder::Entropy);
        }
    }
}

#[test]
fn who_joins_late_gets_what_there_is() {
    for (seed, host) in [(1, Old), (2, New)] {
        for coder in [Coder::Packed, Coder::Entropy] {
            let mut session = Session::new(seed, &[host, New], coder, foul());
            for number in 0..40 {
                let (key, age) = session.nodes[number % 2];
                let number = u32::try_from(number).unwrap();
                let id = age.add(session.world.replicas(key), number);
                age.change(session.world.replicas(key), id, number);
            }
            session.settle("before");
            for late in [Old, New] {
                let key = session.world.join(session.nodes[0].0, late.config(coder)).unwrap();
                session.nodes.push((key, late));
                let joined = session.world.run_until(Duration::from_secs(5), |world| {
                    world.node(key).local_member() != MemberId::NONE && world.replicas(key).len() == 40
                });
                assert!(joined.is_some());
                session.settle("after");
                session.check_extras("after");
            }
        }
    }
}
