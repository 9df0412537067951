//! Calls for some: one member, the assigned member, proxies only; and calls that a host does not pass on.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerFault;
use gridmate_tests::mesh::{Mesh, Weather};

/// What ran here: who called, with what.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(send_to = Self::is_for)]
struct Post {
    version: u32,
    secret: bool,
    #[dataset(skip)]
    heard: Vec<(MemberId, u32)>,
    #[dataset(skip)]
    versions: Vec<u32>,
}

#[rpcs]
impl Post {
    #[rpc]
    fn tell(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.heard.push((ctx.source, number));
        self.versions.push(self.version);
        Propagate::ToProxies
    }

    /// The handler is the permission: it lets nothing through that is below ten.
    #[rpc]
    fn whisper(&mut self, ctx: &RpcContext, to: u32, number: u32) -> Propagate {
        if !ctx.primary {
            self.heard.push((ctx.source, number));
            return Propagate::Stop;
        }
        if number < 10 { Propagate::Stop } else { Propagate::To(MemberId(to)) }
    }

    #[rpc(unreliable)]
    fn hint(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.heard.push((ctx.source, number));
        Propagate::ToProxies
    }

    #[rpc(no_relay)]
    fn direct(&mut self, ctx: &RpcContext, number: u32) {
        self.heard.push((ctx.source, number));
    }
}

impl Post {
    fn is_for(&self, peer: &TargetPeer) -> bool {
        !self.secret || peer.member != MemberId(3)
    }
}

fn registry() -> Registry {
    Registry::builder().chunk::<Post>().build().unwrap()
}

/// A host and three clients (members 2, 3, 4), and a post of node `owner`.
fn post(owner: usize, weather: Weather, seed: u64) -> (Mesh, ReplicaId) {
    let mut mesh = Mesh::new(&registry(), 3, seed, weather);
    let id = mesh.managers[owner].spawn().with(Post::default()).assign(MemberId(4)).add().unwrap();
    mesh.settle();
    (mesh, id)
}

fn heard(mesh: &Mesh, id: ReplicaId) -> Vec<Vec<u32>> {
    mesh.managers.iter().map(|m| m.get::<Post>(id).unwrap().heard.iter().map(|(_, n)| *n).collect()).collect()
}

#[test]
fn a_call_to_one_member_runs_there_and_nowhere_else() {
    for owner in [0, 1] {
        for to in 0..4 {
            let (mut mesh, id) = post(owner, Weather::FAIR, 1);
            let (source, member) = (mesh.managers[owner].local_member(), mesh.managers[to].local_member());
            mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs_to(member).tell(7).unwrap();
            mesh.settle();
            for node in 0..4 {
                let expected = if node == to { vec![(source, 7)] } else { vec![] };
                let heard = &mesh.managers[node].get::<Post>(id).unwrap().heard;
                assert_eq!(*heard, expected, "owner {owner}, to {to}, at {node}");
                // Nobody else was even sent it.
                assert_eq!(mesh.managers[node].stats().rpcs_dropped, 0, "owner {owner}, to {to}, at {node}");
            }
        }
    }
}

#[test]
fn the_assigned_member_and_the_proxies_can_be_called_alone() {
    for owner in [0, 1] {
        let (mut mesh, id) = post(owner, Weather::FAIR, 1);
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs_to_assigned().tell(1).unwrap();
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs_to_proxies().tell(2).unwrap();
        mesh.settle();
        let mut expected = vec![vec![2], vec![2], vec![2], vec![1, 2]];
        expected[owner].clear();
        assert_eq!(heard(&mesh, id), expected, "owner {owner}");
    }
}

#[test]
fn a_proxy_reaches_another_as_far_as_the_primary_lets_it() {
    for owner in [0, 1] {
        let (mut mesh, id) = post(owner, Weather::FAIR, 1);
        mesh.managers[2].proxy::<Post>(id).unwrap().rpcs().whisper(4, 9).unwrap();
        mesh.managers[2].proxy::<Post>(id).unwrap().rpcs().whisper(4, 10).unwrap();
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs().whisper(4, 11).unwrap();
        mesh.settle();
        let owner_member = mesh.managers[owner].local_member();
        let mut got = mesh.managers[3].get::<Post>(id).unwrap().heard.clone();
        got.sort_by_key(|(_, number)| *number);
        assert_eq!(got, [(MemberId(3), 10), (owner_member, 11)], "owner {owner}");
        assert!(heard(&mesh, id)[..3].iter().all(Vec::is_empty), "owner {owner}");
    }
}

#[test]
fn what_is_for_one_keeps_its_turn_and_its_state_among_what_is_for_all() {
    for seed in 0..40 {
        let owner = usize::from(seed % 2 == 0);
        let (mut mesh, id) = post(owner, Weather::FOUL, seed);
        for number in 1..=60 {
            let mut post = mesh.managers[owner].primary_mut::<Post>(id).unwrap();
            post.version = number;
            if number % 3 == 0 { post.rpcs_to(MemberId(3)) } else { post.rpcs() }.tell(number).unwrap();
            mesh.step();
        }
        mesh.settle();
        let all: Vec<_> = (1..=60).collect();
        let most: Vec<_> = (1..=60).filter(|n| n % 3 != 0).collect();
        let expected: Vec<_> = (0..4).map(|node| if node == 2 { all.clone() } else { most.clone() }).collect();
        assert_eq!(heard(&mesh, id), expected, "seed {seed}");
        let third = mesh.managers[2].get::<Post>(id).unwrap();
        assert!(third.versions.iter().zip(1..).all(|(seen, made)| *seen >= made), "seed {seed}");
    }
}

#[test]
fn unreliable_calls_stay_in_order_with_gaps_through_a_relay() {
    for seed in 0..20 {
        let (mut mesh, id) = post(1, Weather::FOUL, seed);
        for number in 0..100 {
            let mut post = mesh.managers[1].primary_mut::<Post>(id).unwrap();
            if number % 2 == 0 { post.rpcs_to(MemberId(3)) } else { post.rpcs() }.hint(number).unwrap();
            mesh.step();
        }
        mesh.settle();
        let got = &heard(&mesh, id)[2];
        assert!(got.is_sorted_by(|a, b| a < b), "seed {seed}: {got:?}");
        assert!((20..100).contains(&got.len()), "seed {seed}: {} of 100", got.len());
    }
}

#[test]
fn whom_a_chunk_is_hidden_from_is_not_called() {
    for owner in [0, 1] {
        let (mut mesh, id) = post(owner, Weather::FAIR, 1);
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().secret = true;
        mesh.settle();
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs_to(MemberId(3)).tell(1).unwrap();
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs_to_proxies().tell(2).unwrap();
        mesh.settle();
        assert_eq!(heard(&mesh, id)[2], [], "owner {owner}");
        assert_eq!(heard(&mesh, id)[3], [2], "owner {owner}");
    }
}

#[test]
fn a_call_to_who_is_not_there_is_dropped_and_counted() {
    for (owner, counts) in [(0, 0), (1, 0)] {
        let (mut mesh, id) = post(owner, Weather::FAIR, 1);
        mesh.managers[owner].primary_mut::<Post>(id).unwrap().rpcs_to(MemberId(77)).tell(1).unwrap();
        mesh.settle();
        assert!(heard(&mesh, id).iter().all(Vec::is_empty));
        assert_eq!(mesh.managers[counts].stats().rpcs_dropped, 1, "owner {owner}");
    }
}

#[test]
fn a_host_does_not_pass_on_what_is_not_to_be_passed_on() {
    let (mut mesh, id) = post(1, Weather::FAIR, 1);
    // The host is next to the owner, another client is not, and knows it.
    mesh.managers[0].proxy::<Post>(id).unwrap().rpcs().direct(1).unwrap();
    assert_eq!(mesh.managers[2].proxy::<Post>(id).unwrap().rpcs().direct(2), Err(RpcError::NotRelayed));
    assert_eq!(mesh.managers[2].stats().rpcs_refused, 1);
    mesh.settle();
    assert_eq!(heard(&mesh, id)[1], [1]);
    // One that sends it all the same.
    mesh.give_call(2, 0, &gridmate_tests::forge::request(id, 3, None, 3)).unwrap();
    mesh.settle();
    assert_eq!(heard(&mesh, id)[1], [1]);
    assert_eq!(mesh.managers[0].stats().rpcs_dropped, 1);
}

#[test]
fn only_who_has_the_primary_directs_calls() {
    let (mut mesh, id) = post(1, Weather::FAIR, 1);
    mesh.managers[1].primary_mut::<Post>(id).unwrap().rpcs_to(MemberId(4)).tell(5).unwrap();
    mesh.managers[1].prepare();
    let [(true, call)] = &mesh.take_calls(1, 0)[..] else { panic!("one reliable call") };
    // Another client sends the very same bytes.
    mesh.give_call(2, 0, call).unwrap();
    assert_eq!(mesh.update(0), [PeerFault::NotOwner]);
    // The true owner sends a call that is cut short: the host cannot know, and the target does not blame it.
    mesh.give_call(1, 0, &call[..call.len() - 3]).unwrap();
    mesh.settle();
    assert_eq!(heard(&mesh, id)[3], []);
    assert_eq!(mesh.managers[3].stats().rpcs_dropped, 1);
}
