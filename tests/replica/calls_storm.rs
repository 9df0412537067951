//! Calls of every kind at once, on networks that lose and delay: each runs at most once where it should, a reliable one exactly once,
//! in the order in which its caller made it.

use std::collections::{BTreeMap, BTreeSet};

use gridmate_runtime::Rng;
use gridmate_runtime::prelude::*;
use gridmate_tests::mesh::{Mesh, Weather};

/// What ran here, by kind: who called, and the caller's number.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Log {
    tick: u32,
    #[dataset(skip)]
    sure: Vec<(MemberId, u32)>,
    #[dataset(skip)]
    maybe: Vec<(MemberId, u32)>,
}

#[rpcs]
impl Log {
    #[rpc]
    fn all(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.sure.push((ctx.source, number));
        Propagate::ToProxies
    }

    #[rpc]
    fn one(&mut self, ctx: &RpcContext, number: u32) {
        self.sure.push((ctx.source, number));
    }

    #[rpc(unreliable)]
    fn hint(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.maybe.push((ctx.source, number));
        Propagate::ToProxies
    }

    #[rpc]
    fn to(&mut self, ctx: &RpcContext, member: u32, number: u32) -> Propagate {
        if ctx.local == MemberId(member) {
            self.sure.push((ctx.source, number));
        }
        if ctx.primary { Propagate::To(MemberId(member)) } else { Propagate::Stop }
    }

    #[rpc]
    fn ask(&mut self, ctx: &RpcContext, number: u32) -> Reply<u32> {
        self.sure.push((ctx.source, number));
        Reply(number + 1)
    }
}

#[test]
fn calls_run_at_most_once_and_in_order_and_reliable_ones_exactly_once() {
    run_storms(|registry, seed| Mesh::new(registry, 3, seed, Weather::FOUL));
}

/// One client and two that reach each other.
#[test]
fn the_same_in_a_mesh() {
    run_storms(|registry, seed| Mesh::hybrid(registry, 2, 1, seed, Weather::FOUL));
}

fn run_storms(make: impl Fn(&Registry, u64) -> Mesh) {
    let registry = Registry::builder().chunk::<Log>().build().unwrap();
    let (mut checked, mut lost) = (0, 0);
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut mesh = make(&registry, seed);
        let owners = [0_usize, 1, 2];
        let ids = owners.map(|owner| mesh.managers[owner].add(Log::default()).unwrap());
        mesh.settle();
        // By log and node: what is to run there, by caller, in order. And what perhaps will.
        let mut sure: BTreeMap<(usize, usize), Vec<(MemberId, u32)>> = BTreeMap::new();
        let mut maybe: BTreeSet<(usize, MemberId, u32)> = BTreeSet::new();
        let mut requests = Vec::new();
        for number in 0..150 {
            let mut pick = |of: usize| usize::try_from(rng.below(of as u64)).unwrap();
            let (log, caller, kind, target) = (pick(3), pick(4), pick(5), pick(4));
            let (id, owner, source) = (ids[log], owners[log], mesh.managers[caller].local_member());
            let member = mesh.managers[target].local_member().0;
            let manager = &mut mesh.managers[caller];
            let mut primary = manager.primary_mut::<Log>(id).ok();
            if let Some(log) = &mut primary {
                log.tick = number;
            }
            let make = |mut rpcs: <Log as HasRpcs>::Caller<'_>| match kind {
                0 => rpcs.all(number).map(|()| None),
                1 => rpcs.one(number).map(|()| None),
                2 => rpcs.hint(number).map(|()| None),
                3 => rpcs.to(member, number).map(|()| None),
                _ => rpcs.ask(number).map(Some),
            };
            let request = match primary {
                Some(mut log) => make(log.rpcs()),
                None => make(manager.proxy::<Log>(id).unwrap().rpcs()),
            };
            requests.extend(request.unwrap().map(|request| (caller, number, request)));
            match kind {
                0 => (0..4).for_each(|node| sure.entry((log, node)).or_default().push((source, number))),
                1 | 4 => sure.entry((log, owner)).or_default().push((source, number)),
                2 => drop(maybe.insert((log, source, number))),
                _ => sure.entry((log, target)).or_default().push((source, number)),
            }
            if rng.chance(0.5) {
                mesh.step();
            }
        }
        mesh.settle();
        for (log, id) in ids.iter().enumerate() {
            for node in 0..4 {
                let got = mesh.managers[node].get::<Log>(*id).unwrap();
                let expected = sure.remove(&(log, node)).unwrap_or_default();
                for caller in 1..=4 {
                    let of = |list: &[(MemberId, u32)]| -> Vec<u32> {
                        list.iter().filter(|(source, _)| source.0 == caller).map(|(_, number)| *number).collect()
                    };
                    assert_eq!(of(&got.sure), of(&expected), "seed {seed}, log {log}, node {node}, caller {caller}");
                    assert!(of(&got.maybe).is_sorted_by(|a, b| a < b), "seed {seed}: once and in order");
                    checked += of(&expected).len();
                }
                assert!(got.maybe.iter().all(|(source, number)| maybe.contains(&(log, *source, *number))));
                lost += maybe.iter().filter(|(of, ..)| *of == log).count() - got.maybe.len();
            }
        }
        for (caller, number, request) in requests {
            assert_eq!(mesh.managers[caller].poll_reply(&request), Some(Ok(number + 1)), "seed {seed}");
        }
    }
    assert!(checked > 20_000 && lost > 1_000, "{checked} calls, {lost} hints lost");
}
