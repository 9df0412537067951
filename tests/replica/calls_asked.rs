//! Questions: their answers, and why there are none.

use core::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::{limits, replica::PeerFault};
use gridmate_tests::mesh::{Mesh, Weather};

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Bank {
    gold: u32,
    #[dataset(skip)]
    asked: Vec<(MemberId, u32)>,
}

#[rpcs]
impl Bank {
    #[rpc]
    fn deposit(&mut self, ctx: &RpcContext, amount: u32) -> Reply<(u32, String)> {
        self.gold += amount;
        self.asked.push((ctx.source, amount));
        Reply((self.gold, format!("member {}", ctx.source.0)))
    }

    #[rpc(owner_only)]
    fn withdraw(&mut self, _ctx: &RpcContext, amount: u32) -> Reply<u32> {
        self.gold -= amount;
        Reply(self.gold)
    }

    #[rpc]
    fn rob(&mut self, ctx: &RpcContext) -> Reply<u32> {
        ctx.destroy_replica();
        Reply(self.gold)
    }

    #[rpc]
    fn history(&mut self, _ctx: &RpcContext) -> Reply<Vec<u8>> {
        Reply(vec![1; limits::RPC_BYTES])
    }

    #[rpc(unreliable)]
    fn peek(&mut self, _ctx: &RpcContext) -> Reply<u32> {
        Reply(self.gold)
    }

    #[rpc(rate = 1, burst = 2)]
    fn beg(&mut self, ctx: &RpcContext) -> Reply<bool> {
        self.asked.push((ctx.source, 0));
        Reply(true)
    }

    #[rpc(no_relay)]
    fn direct(&mut self, _ctx: &RpcContext) -> Reply<bool> {
        Reply(true)
    }
}

fn bank(owner: usize, weather: Weather, seed: u64, coder: Coder) -> (Mesh, ReplicaId) {
    let registry = Registry::builder().coder(coder).chunk::<Bank>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 2, seed, weather);
    let id = mesh.managers[owner].add(Bank::default()).unwrap();
    mesh.settle();
    (mesh, id)
}

fn ask(mesh: &mut Mesh, node: usize, id: ReplicaId, amount: u32) -> Request<(u32, String)> {
    mesh.managers[node].proxy::<Bank>(id).unwrap().rpcs().deposit(amount).unwrap()
}

#[test]
fn an_answer_comes_once_to_who_asked_direct_and_through_a_relay() {
    for coder in [Coder::Packed, Coder::Entropy] {
        for seed in 0..20 {
            for owner in [0, 1] {
                let (mut mesh, id) = bank(owner, Weather::FOUL, seed, coder);
                let asker = 2;
                let requests: Vec<_> = (1..=10)
                    .map(|amount| {
                        mesh.step();
                        ask(&mut mesh, asker, id, amount)
                    })
                    .collect();
                assert_eq!(mesh.managers[asker].poll_reply(&requests[9]), None);
                mesh.settle();
                for (request, n) in requests.iter().zip(1..) {
                    let answer = mesh.managers[asker].poll_reply(request);
                    assert_eq!(answer, Some(Ok((n * (n + 1) / 2, "member 3".to_owned()))), "seed {seed}");
                    assert_eq!(mesh.managers[asker].poll_reply(request), Some(Err(RequestError::Gone)));
                }
                assert_eq!(mesh.managers[owner].get::<Bank>(id).unwrap().asked.len(), 10);
                assert_eq!(mesh.managers[1 - owner].get::<Bank>(id).unwrap().asked, []);
            }
        }
    }
}

#[test]
fn a_question_at_the_primary_is_answered_at_once() {
    let (mut mesh, id) = bank(0, Weather::FAIR, 1, Coder::Packed);
    let request = mesh.managers[0].primary_mut::<Bank>(id).unwrap().rpcs().deposit(5).unwrap();
    assert_eq!(mesh.managers[0].poll_reply(&request), Some(Ok((5, "member 1".to_owned()))));
    let error = mesh.managers[0].primary_mut::<Bank>(id).unwrap().rpcs_to(MemberId(2)).peek().unwrap_err();
    assert_eq!(error, RpcError::QuestionToProxy);
}

#[test]
fn the_last_answer_of_a_replica_arrives() {
    for owner in [0, 1] {
        for seed in 0..20 {
            let (mut mesh, id) = bank(owner, Weather::FOUL, seed, Coder::Packed);
            let request = mesh.managers[2].proxy::<Bank>(id).unwrap().rpcs().rob().unwrap();
            let after = ask(&mut mesh, 2, id, 1);
            mesh.settle();
            assert!(mesh.managers.iter().all(ReplicaManager::is_empty));
            assert_eq!(mesh.managers[2].poll_reply(&request), Some(Ok(0)), "owner {owner}, seed {seed}");
            let why = mesh.managers[2].poll_reply(&after).expect("an end").unwrap_err();
            assert!(matches!(why, RequestError::Destroyed | RequestError::NotPermitted), "{why}");
        }
    }
}

#[test]
fn who_may_not_ask_is_told_so() {
    let (mut mesh, id) = bank(0, Weather::FAIR, 1, Coder::Packed);
    mesh.managers[0].assign(id, MemberId(2)).unwrap();
    mesh.settle();
    let request = mesh.managers[1].proxy::<Bank>(id).unwrap().rpcs().withdraw(0).unwrap();
    mesh.managers[0].assign(id, MemberId::HOST).unwrap();
    mesh.settle();
    assert_eq!(mesh.managers[1].poll_reply(&request), Some(Err(RequestError::NotPermitted)));
}

#[test]
fn an_answer_that_is_too_large_is_none() {
    for owner in [0, 1] {
        let (mut mesh, id) = bank(owner, Weather::FAIR, 1, Coder::Packed);
        let request = mesh.managers[2].proxy::<Bank>(id).unwrap().rpcs().history().unwrap();
        let here = mesh.managers[owner].primary_mut::<Bank>(id).unwrap().rpcs().history().unwrap();
        mesh.settle();
        assert_eq!(mesh.managers[2].poll_reply(&request), Some(Err(RequestError::Unreadable)));
        assert_eq!(mesh.managers[owner].poll_reply(&here), Some(Err(RequestError::Unreadable)));
    }
}

#[test]
fn what_nobody_answers_in_time_has_timed_out_and_late_answers_are_counted() {
    let (mut mesh, id) = bank(0, Weather { latency: 20, ..Weather::FAIR }, 1, Coder::Packed);
    let mut proxy = mesh.managers[1].proxy::<Bank>(id).unwrap();
    let request = proxy.rpcs_within(Duration::from_millis(500)).deposit(1).unwrap();
    let patient = proxy.rpcs().deposit(2).unwrap();
    mesh.run(14);
    assert_eq!(mesh.managers[1].poll_reply(&request), None);
    mesh.run(4);
    assert_eq!(mesh.managers[1].poll_reply(&request), Some(Err(RequestError::TimedOut)));
    mesh.run(100);
    assert_eq!(mesh.managers[1].poll_reply(&request), Some(Err(RequestError::Gone)));
    assert!(mesh.managers[1].poll_reply(&patient).is_some_and(|answer| answer.is_ok()));
    assert_eq!(mesh.managers[1].stats().replies_ignored, 1);
    assert_eq!(mesh.managers[0].get::<Bank>(id).unwrap().gold, 3);
}

#[test]
fn an_unreliable_question_is_answered_or_times_out() {
    let (mut answered, mut late) = (0, 0);
    for seed in 0..40 {
        let (mut mesh, id) = bank(1, Weather::FOUL, seed, Coder::Packed);
        let request = mesh.managers[2].proxy::<Bank>(id).unwrap().rpcs().peek().unwrap();
        mesh.run(limits::REQUEST_MILLIS / 33 + 2);
        match mesh.managers[2].poll_reply(&request) {
            Some(Ok(0)) => answered += 1,
            Some(Err(RequestError::TimedOut)) => late += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(answered > 0 && late > 0, "{answered} answered, {late} late");
}

#[test]
fn when_the_way_to_the_owner_is_gone_so_is_the_answer() {
    let (mut mesh, id) = bank(1, Weather::FAIR, 1, Coder::Packed);
    let at_host = ask(&mut mesh, 0, id, 1);
    let at_client = ask(&mut mesh, 2, id, 1);
    mesh.leave(1);
    assert_eq!(mesh.managers[0].poll_reply(&at_host), Some(Err(RequestError::OwnerGone)));
    mesh.settle();
    assert_eq!(mesh.managers[2].poll_reply(&at_client), Some(Err(RequestError::Destroyed)));
}

#[test]
fn open_questions_are_bounded_and_so_are_answers_that_nobody_takes() {
    let (mut mesh, id) = bank(0, Weather::FAIR, 1, Coder::Packed);
    let requests: Vec<_> = (0..limits::OPEN_REQUESTS).map(|_| ask(&mut mesh, 1, id, 0)).collect();
    let full = mesh.managers[1].proxy::<Bank>(id).unwrap().rpcs().deposit(0).unwrap_err();
    assert_eq!((full, mesh.managers[1].stats().rpcs_refused), (RpcError::TooManyRequests, 1));
    mesh.settle();
    let newer = ask(&mut mesh, 1, id, 0);
    mesh.settle();
    assert_eq!(mesh.managers[1].poll_reply(&requests[0]), Some(Err(RequestError::Gone)));
    assert!(matches!(mesh.managers[1].poll_reply(&requests[1]), Some(Ok(_))));
    assert!(matches!(mesh.managers[1].poll_reply(&newer), Some(Ok(_))));
}

#[test]
fn nobody_answers_for_another_or_twice() {
    let registry = Registry::builder().chunk::<Bank>().build().unwrap();
    let mut mesh = Mesh::new(&registry, 2, 1, Weather::FAIR);
    let id = mesh.managers[0].add(Bank::default()).unwrap();
    let theirs = mesh.managers[2].add(Bank::default()).unwrap();
    mesh.settle();
    // The host's answer to client 1, overheard.
    let request = ask(&mut mesh, 1, id, 9);
    mesh.managers[1].prepare();
    let [(true, question)] = &mesh.take_calls(1, 0)[..] else { panic!("one question") };
    mesh.give_call(1, 0, question).unwrap();
    assert_eq!(mesh.update(0), []);
    mesh.managers[0].prepare();
    for (_, state) in mesh.take_state(0, 1) {
        let _ = mesh.give_state(0, 1, &state);
    }
    let answers = mesh.take_calls(0, 1);
    let [(true, answer)] = &answers[..] else { panic!("one answer") };
    // Client 2 answers in the host's place: it does not own that replica.
    mesh.give_call(2, 0, &forged_answer(id, MemberId(2), 1)).unwrap();
    assert_eq!(mesh.update(0), [PeerFault::NotOwner]);
    // It answers for its own, which was not asked: the host passes it on, and nobody cares.
    let forged = forged_answer(theirs, MemberId(2), 1);
    mesh.give_call(2, 0, &forged).unwrap();
    mesh.run(10);
    assert_eq!(mesh.managers[1].poll_reply(&request), None);
    assert_eq!(mesh.managers[1].stats().replies_ignored, 1);
    // The true one, three times.
    for _ in 0..3 {
        mesh.give_call(0, 1, answer).unwrap();
    }
    mesh.run(10);
    assert_eq!(mesh.managers[1].poll_reply(&request), Some(Ok((9, "member 2".to_owned()))));
    assert_eq!(mesh.managers[1].stats().replies_ignored, 3);
}

/// "It worked", for ticket 1 of a member, in the name of member 3.
fn forged_answer(id: ReplicaId, to: MemberId, ticket: u32) -> Vec<u8> {
    let mut w = gridmate_runtime::wire::BitWriter::new();
    for number in [id.creator.0, id.serial, 1] {
        w.gamma(number);
    }
    w.bits(0, 8);
    w.bool(true); // An echo,
    w.gamma(3);
    w.gamma(1);
    w.bool(false); // which waits for nothing,
    w.bool(true); // for one member,
    w.gamma(to.0);
    w.bool(true); // who asked.
    w.gamma(ticket);
    w.bits(0, 40);
    w.finish().to_vec()
}

#[test]
fn a_caller_within_its_rate_is_always_heard_and_one_beyond_it_is_not() {
    for owner in [0, 1] {
        let (mut mesh, id) = bank(owner, Weather::FAIR, 1, Coder::Packed);
        mesh.run(100);
        let beg = |mesh: &mut Mesh| mesh.managers[2].proxy::<Bank>(id).unwrap().rpcs().beg();
        let (first, second) = (beg(&mut mesh).unwrap(), beg(&mut mesh).unwrap());
        assert_eq!(beg(&mut mesh).unwrap_err(), RpcError::TooOften);
        mesh.run(31); // A second and a bit.
        let third = beg(&mut mesh).unwrap();
        mesh.settle();
        for request in [first, second, third] {
            assert_eq!(mesh.managers[2].poll_reply(&request), Some(Ok(true)));
        }
        // One that does not look at its own clock.
        for ticket in 100..200 {
            mesh.give_call(2, 0, &forged_question(id, 5, ticket)).unwrap();
        }
        mesh.settle();
        let asked = mesh.managers[owner].get::<Bank>(id).unwrap().asked.len();
        assert!((4..=7).contains(&asked), "{asked} ran");
        assert_eq!(mesh.managers[owner].stats().rpcs_limited, 103 - asked as u64);
        // Others are none the worse for it.
        let other = 1 - owner;
        let request = mesh.managers[other].proxy::<Bank>(id).unwrap().rpcs().beg().unwrap();
        mesh.settle();
        assert_eq!(mesh.managers[other].poll_reply(&request), Some(Ok(true)));
    }
}

fn forged_question(id: ReplicaId, rpc: u64, ticket: u32) -> Vec<u8> {
    let mut w = gridmate_runtime::wire::BitWriter::new();
    for number in [id.creator.0, id.serial, 1] {
        w.gamma(number);
    }
    w.bits(rpc, 8);
    w.bits(0, 2);
    w.gamma(ticket);
    w.finish().to_vec()
}

#[test]
fn a_question_that_is_not_to_be_passed_on_is_turned_down_by_the_host() {
    let (mut mesh, id) = bank(1, Weather::FAIR, 1, Coder::Packed);
    let refused = mesh.managers[2].proxy::<Bank>(id).unwrap().rpcs().direct().unwrap_err();
    assert_eq!(refused, RpcError::NotRelayed);
    let request = mesh.managers[0].proxy::<Bank>(id).unwrap().rpcs().direct().unwrap();
    mesh.give_call(2, 0, &forged_question(id, 6, 1)).unwrap();
    mesh.settle();
    assert_eq!(mesh.managers[0].poll_reply(&request), Some(Ok(true)));
    assert_eq!(mesh.managers[0].stats().rpcs_dropped, 1);
    assert_eq!(mesh.managers[2].stats().replies_ignored, 1, "it was told, though it had not asked by the book");
}
