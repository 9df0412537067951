//! Voice and messages between programs: what arrives, in which order, from whom, and what becomes of the rest.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use gridmate_runtime::prelude::*;
use gridmate_runtime::sim::{LinkConfig, NatConfig, NatKind, NodeKey, SkewedClock, World};
use gridmate_runtime::{Rng, limits};
use gridmate_tests::chunks::{Mover, registry};
use gridmate_tests::links::foul;

use super::session;

const CHANNELS: [UserChannel; 4] =
    [UserChannel::Voice, UserChannel::Unreliable, UserChannel::Ordered, UserChannel::Bulk];

fn poll(world: &mut World, node: NodeKey) -> Vec<NodeEvent> {
    core::iter::from_fn(|| world.node(node).poll_event()).collect()
}

fn messages(world: &mut World, node: NodeKey) -> Vec<(MemberId, UserChannel, Vec<u8>)> {
    let message = |event| match event {
        NodeEvent::Message { from, channel, bytes } => Some((from, channel, bytes)),
        _ => None,
    };
    poll(world, node).into_iter().filter_map(message).collect()
}

fn member(world: &mut World, node: NodeKey) -> MemberId {
    world.node(node).local_member()
}

/// A message that says who it is from, whom for, and its number, in as many bytes.
fn letter(from: MemberId, to: MemberId, number: u32, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = [from.0, to.0, number].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut rng = Rng::new(u64::from(from.0) << 40 | u64::from(to.0) << 32 | u64::from(number));
    bytes.resize_with(len.max(12), || rng.next_u64().to_le_bytes()[0]);
    bytes
}

fn open(bytes: &[u8]) -> (MemberId, MemberId, u32) {
    let word = |i: usize| u32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap());
    (MemberId(word(0)), MemberId(word(1)), word(2))
}

/// Everyone to everyone else, on all channels and to all at once, over links that lose, repeat and reorder.
#[test]
fn what_is_reliable_arrives_once_in_order_and_from_whom_it_says() {
    for seed in 0..12 {
        let (mut world, nodes) = session(seed, 3, foul(), &registry());
        let members: Vec<_> = nodes.iter().map(|node| member(&mut world, *node)).collect();
        let mut rng = Rng::new(seed);
        nodes.iter().for_each(|node| drop(poll(&mut world, *node)));
        let mut heard: BTreeMap<(usize, MemberId, MemberId, UserChannel), Vec<u32>> = BTreeMap::new();
        let rounds = 40;
        for step in 0..2_000 {
            for (node, from) in nodes.iter().zip(&members).filter(|_| step < rounds) {
                for channel in CHANNELS {
                    let most = if channel.is_reliable() && rng.chance(0.1) { 6_000 } else { 150 };
                    let len = usize::try_from(rng.below(most)).unwrap();
                    for to in members.iter().filter(|to| *to != from) {
                        world.node(*node).send(*to, channel, &letter(*from, *to, step, len)).unwrap();
                    }
                    let all = letter(*from, MemberId::NONE, step, len);
                    world.node(*node).broadcast(channel, &all).unwrap();
                }
            }
            world.step();
            for (at, node) in nodes.iter().enumerate() {
                for (from, channel, bytes) in messages(&mut world, *node) {
                    let (claimed, to, number) = open(&bytes);
                    assert_eq!(claimed, from, "seed {seed}");
                    assert!(bytes == letter(from, to, number, bytes.len()), "seed {seed}");
                    heard.entry((at, from, to, channel)).or_default().push(number);
                }
            }
        }
        let all: Vec<_> = (0..rounds).collect();
        for ((at, from, to, channel), mut numbers) in heard.clone() {
            assert!(to == members[at] || to == MemberId::NONE, "seed {seed}: not for this one");
            match channel {
                UserChannel::Ordered => assert_eq!(numbers, all, "seed {seed} {from} to {at}"),
                UserChannel::Bulk => {
                    numbers.sort_unstable();
                    assert_eq!(numbers, all, "seed {seed} {from} to {at}");
                }
                _ => {
                    assert!(channel != UserChannel::Voice || numbers.is_sorted(), "seed {seed}: a voice went back");
                    assert!(!numbers.is_empty(), "seed {seed}: {channel:?} {numbers:?}");
                    let once: BTreeSet<_> = numbers.iter().collect();
                    assert_eq!(once.len(), numbers.len(), "seed {seed} {channel:?}: twice");
                }
            }
        }
        assert_eq!(heard.len(), 4 * 3 * 2 * 4, "seed {seed}: everyone from everyone");
        for node in &nodes {
            let stats = world.node(*node).stats().messages;
            assert_eq!((stats.undelivered, stats.waiting), (0, 0), "seed {seed}");
        }
    }
}

/// One speaker's piece that is overtaken by another speaker's is not late.
#[test]
fn speakers_do_not_hold_each_other_up() {
    let link = LinkConfig { reorder: 0.5, reorder_delay: Duration::from_millis(100), ..LinkConfig::perfect() };
    let run = |speakers: usize| {
        let (mut world, nodes) = session(9, 4, link, &registry());
        for n in 0..300 {
            for node in &nodes[1..=speakers] {
                let (from, to) = (member(&mut world, *node), member(&mut world, nodes[4]));
                world.node(*node).send(to, UserChannel::Voice, &letter(from, to, n, 80)).unwrap();
            }
            world.step();
        }
        world.run_for(Duration::from_secs(1));
        let heard = messages(&mut world, nodes[4]).len();
        heard as f64 / (300.0 * speakers as f64)
    };
    let (one, three) = (run(1), run(3));
    assert!(one > 0.3 && three > one * 0.9, "{one} of one speaker, {three} of three");
}

#[test]
fn receipts_come_once_and_do_not_lie() {
    for seed in 0..12 {
        let (mut world, nodes) = session(seed, 3, foul(), &registry());
        let members: Vec<_> = nodes.iter().map(|node| member(&mut world, *node)).collect();
        let mut asked: BTreeMap<(usize, MessageToken), (MemberId, Vec<u8>)> = BTreeMap::new();
        let (mut fates, mut arrived) = (BTreeMap::new(), BTreeSet::new());
        let mut note = |world: &mut World, at: usize, fates: &mut BTreeMap<_, _>| {
            for event in poll(world, nodes[at]) {
                match event {
                    NodeEvent::Message { bytes, .. } => _ = arrived.insert((members[at], bytes)),
                    NodeEvent::Receipt { token, to, delivered } => {
                        assert!(fates.insert((at, token), (to, delivered)).is_none(), "seed {seed}: twice");
                    }
                    NodeEvent::Undelivered { .. } => panic!("seed {seed}: a receipt was asked for"),
                    _ => {}
                }
            }
        };
        for step in 0..500 {
            for at in 0..3_usize {
                for channel in CHANNELS {
                    let to = members[(at + 1 + usize::try_from(step % 3).unwrap()) % 4];
                    if step >= 60 || to == members[at] || !world.keys().contains(&nodes[at]) {
                        continue;
                    }
                    let bytes = letter(members[at], to, step * 8 + channel as u32, 600);
                    match world.node(nodes[at]).send_with_receipt(to, channel, &bytes) {
                        Ok(token) => _ = asked.insert((at, token), (to, bytes)),
                        Err(error) => assert!(matches!(error, NodeSendError::UnknownMember(_)), "{error}"),
                    }
                }
            }
            if step == 40 {
                // One of them dies with messages on their way to it.
                note(&mut world, 3, &mut fates);
                world.crash(nodes[3]);
            }
            world.step();
            (0..if step < 40 { 4 } else { 3 }).for_each(|at| note(&mut world, at, &mut fates));
        }
        assert_eq!(fates.len(), asked.len(), "seed {seed}");
        let (mut lost, mut died) = (0, 0);
        for (key, (to, delivered)) in fates {
            let (whom, bytes) = &asked[&key];
            assert_eq!(to, *whom);
            // Voice that came too late has come all the same, and so has what was behind a gap when its node died.
            let channel = bytes[8] % 8;
            let behind = channel == UserChannel::Ordered as u8 && to == members[3];
            let excused = channel == UserChannel::Voice as u8 || behind;
            assert!(!delivered || excused || arrived.contains(&(to, bytes.clone())), "seed {seed}: a lie");
            lost += u32::from(!delivered && to != members[3]);
            died += u32::from(!delivered && to == members[3]);
        }
        assert!(lost > 5 && died > 5, "seed {seed}: {lost} were lost on their way, {died} with the dead");
    }
}

#[test]
fn what_a_client_sends_to_one_that_has_left_comes_back_as_undelivered() {
    let (mut world, nodes) =
        session(3, 2, LinkConfig { latency: Duration::from_millis(60), ..LinkConfig::perfect() }, &registry());
    let gone = member(&mut world, nodes[2]);
    nodes.iter().for_each(|node| drop(poll(&mut world, *node)));
    world.crash(nodes[2]);
    world.run_for(Duration::from_millis(3_500));
    // Nobody has noticed yet.
    for channel in CHANNELS {
        world.node(nodes[1]).send(gone, channel, b"are you there?").unwrap();
    }
    world.node(nodes[1]).broadcast(UserChannel::Ordered, b"is anyone?").unwrap();
    world.run_for(Duration::from_secs(2));
    let undelivered = |world: &mut World| {
        let mut channels: Vec<_> = poll(world, nodes[1])
            .into_iter()
            .filter_map(|event| match event {
                NodeEvent::Undelivered { to, channel } => Some((to, channel)),
                _ => None,
            })
            .collect();
        channels.sort_unstable();
        channels
    };
    let (ordered, bulk) = ((gone, UserChannel::Ordered), (gone, UserChannel::Bulk));
    assert_eq!(undelivered(&mut world), [ordered, ordered, bulk]);
    let error = world.node(nodes[1]).send(gone, UserChannel::Ordered, b"hm").unwrap_err();
    assert_eq!(error, NodeSendError::UnknownMember(gone));

    // And once more, of one that the host knows to be gone, but not yet the sender.
    let gone = world.join(nodes[0], NodeConfig::new(registry())).unwrap();
    world.run_for(Duration::from_secs(1));
    let to = member(&mut world, gone);
    world.node(gone).leave(Instant::from_millis(0));
    world.run_until(Duration::from_secs(1), |world| world.node(nodes[0]).members().count() == 2).unwrap();
    world.node(nodes[1]).send(to, UserChannel::Ordered, b"wait!").unwrap();
    let token = world.node(nodes[1]).send_with_receipt(to, UserChannel::Ordered, b"wait!").unwrap();
    let unreliable = world.node(nodes[1]).send_with_receipt(to, UserChannel::Unreliable, b"wait!").unwrap();
    world.run_for(Duration::from_secs(1));
    let told: BTreeSet<_> = poll(&mut world, nodes[1]).iter().map(|event| format!("{event:?}")).collect();
    for event in [
        NodeEvent::Undelivered { to, channel: UserChannel::Ordered },
        NodeEvent::Receipt { token, to, delivered: false },
        NodeEvent::Receipt { token: unreliable, to, delivered: false },
    ] {
        assert!(told.contains(&format!("{event:?}")), "{event:?} is not among {told:?}");
    }
}

/// A line that takes nothing for a while: its member stays, its queues stay bounded, and senders hear what did not get through.
#[test]
fn a_slow_receiver_costs_bounded_memory_and_its_sender_hears_of_it() {
    let mut world = World::new(5, 30, LinkConfig::perfect()).unwrap();
    let config = || NodeConfig::new(registry()).timeout(Duration::from_secs(60));
    let host = world.host(config()).unwrap();
    let (sender, slow) = (world.join(host, config()).unwrap(), world.join(host, config()).unwrap());
    world.run_until(Duration::from_secs(5), |world| world.node(sender).members().count() == 3).unwrap();
    world.run_for(Duration::from_secs(1));
    let to = member(&mut world, slow);
    [host, sender, slow].into_iter().for_each(|node| drop(poll(&mut world, node)));
    world.partition_one_way(host, slow, true);
    let (mut sent, mut refused, mut undelivered) = (0, 0, 0_u64);
    for step in 0..600_u32 {
        for _ in 0..8 {
            match world.node(sender).send(to, UserChannel::Ordered, &letter(MemberId(0), to, sent, 16_000)) {
                Ok(()) => sent += 1,
                Err(error) => {
                    assert_eq!(error, NodeSendError::QueueFull);
                    refused += 1;
                }
            }
        }
        let spoken = world.node(sender).send(to, UserChannel::Voice, &letter(MemberId(0), to, step, 100));
        assert!(matches!(spoken, Ok(()) | Err(NodeSendError::QueueFull)));
        world.step();
        for event in poll(&mut world, sender) {
            undelivered += u64::from(event == NodeEvent::Undelivered { to, channel: UserChannel::Ordered });
        }
        let line = world.node(host).peers().find(|peer| peer.member == to).expect("it stays");
        assert!(line.channels.user(UserChannel::Ordered).queued <= limits::RELIABLE_BYTES);
        assert!(line.channels.user(UserChannel::Voice).queued <= 8 * 200, "a voice does not wait for long");
    }
    assert!(undelivered > 100, "{undelivered} of {sent}, and {refused} refused");
    world.partition_one_way(host, slow, false);
    world.run_for(Duration::from_secs(30));
    let heard = messages(&mut world, slow);
    let (ordered, voice): (Vec<_>, Vec<_>) =
        heard.into_iter().partition(|(_, channel, _)| *channel == UserChannel::Ordered);
    undelivered += poll(&mut world, sender).len() as u64;
    assert_eq!(ordered.len() as u64 + undelivered, u64::from(sent), "each arrived, or was said not to have");
    assert!(ordered.iter().map(|(.., bytes)| open(bytes).2).is_sorted());
    assert!(voice.len() < 30, "{} pieces of twenty seconds were worth keeping", voice.len());
    assert_eq!(world.node(host).stats().messages.undelivered, undelivered);
    assert_eq!(world.node(host).members().count(), 3);
}

/// What is large and can wait does not slow down what cannot.
#[test]
fn a_map_does_not_get_in_the_way_of_voice_and_state() {
    let link = LinkConfig {
        bytes_per_second: Some(250_000),
        queue_bytes: 50_000,
        latency: Duration::from_millis(20),
        ..LinkConfig::perfect()
    };
    let (mut world, nodes) = session(7, 2, link, &registry());
    let [host, reader, speaker] = nodes[..] else { panic!() };
    let (to, from) = (member(&mut world, reader), member(&mut world, speaker));
    let id = world.replicas(host).add(Mover::default()).unwrap();
    world.run_for(Duration::from_secs(1));
    nodes.iter().for_each(|node| drop(poll(&mut world, *node)));
    let map: Vec<u8> = (0..1_500_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let token = world.node(host).send_with_receipt(to, UserChannel::Bulk, &map).unwrap();
    let (mut worst_voice, mut worst_state, mut spoken, mut whole, mut took) = (0, 0, 0, None, 0);
    for step in 0..600_u32 {
        world.node(speaker).send(to, UserChannel::Voice, &letter(from, to, step, 60)).unwrap();
        world.replicas(host).primary_mut::<Mover>(id).unwrap().energy = step;
        world.step();
        for (_, channel, bytes) in messages(&mut world, reader) {
            if channel == UserChannel::Voice {
                worst_voice = worst_voice.max(step - open(&bytes).2);
                spoken += 1;
            } else {
                whole = Some(bytes);
                took = step;
            }
        }
        if step > 10 && whole.is_none() {
            worst_state = worst_state.max(step - world.replicas(reader).get::<Mover>(id).unwrap().energy);
        }
    }
    assert!(whole.as_ref() == Some(&map), "the map arrives");
    assert!((150..500).contains(&took), "at the speed of the line: {took} ticks");
    assert!(spoken > 590, "{spoken} pieces");
    // Two hops of 20 ms, two ticks, and what the line's own queue holds.
    assert!(worst_voice <= 10 && worst_state <= 10, "{worst_voice} and {worst_state} ticks late");
    assert!(poll(&mut world, host).contains(&NodeEvent::Receipt { token, to, delivered: true }));
}

/// More unreliable messages than a line takes leave half of it to state.
#[test]
fn a_flood_of_unreliable_messages_does_not_stop_state() {
    let link = LinkConfig { bytes_per_second: Some(60_000), queue_bytes: 20_000, ..LinkConfig::perfect() };
    let (mut world, nodes) = session(8, 1, link, &registry());
    let (host, client) = (nodes[0], nodes[1]);
    let to = member(&mut world, client);
    let ids: Vec<_> = (0..40).map(|_| world.replicas(host).add(Mover::default()).unwrap()).collect();
    world.run_for(Duration::from_secs(2));
    let (mut worst, mut heard) = (0, 0);
    for step in 0..300_u32 {
        for _ in 0..10 {
            // Ten times what the line takes; some of it is refused.
            let _ = world.node(host).send(to, UserChannel::Unreliable, &[7; 2_000]);
        }
        for id in &ids {
            world.replicas(host).primary_mut::<Mover>(*id).unwrap().energy = step;
        }
        world.step();
        heard += messages(&mut world, client).len();
        for id in ids.iter().filter(|_| step > 30) {
            worst = worst.max(step - world.replicas(client).get::<Mover>(*id).unwrap().energy);
        }
    }
    assert!(heard > 50, "{heard} messages of up to {} a line takes", 10 * 60_000 / 2_000);
    assert!(worst <= 40, "state was {worst} ticks old");
}

#[test]
fn receipts_come_when_the_host_is_lost_or_left() {
    for leave in [false, true] {
        let (mut world, nodes) = session(4, 2, LinkConfig::perfect(), &registry());
        let [to, from] = [nodes[1], nodes[2]].map(|node| member(&mut world, node));
        assert_ne!(to, from);
        world.run_for(Duration::from_secs(1));
        poll(&mut world, nodes[2]);
        // The host has the message, and cannot pass it on.
        world.partition_one_way(nodes[0], nodes[1], true);
        let token = world.node(nodes[2]).send_with_receipt(to, UserChannel::Ordered, b"hello").unwrap();
        world.run_for(Duration::from_secs(1));
        assert_eq!(poll(&mut world, nodes[2]), []);
        if leave {
            world.node(nodes[2]).leave(Instant::from_millis(0));
        } else {
            world.crash(nodes[0]);
            world.run_for(Duration::from_secs(7));
        }
        let told = poll(&mut world, nodes[2]);
        let receipts = told.iter().filter(|event| matches!(event, NodeEvent::Receipt { .. })).count();
        assert_eq!(receipts, 1, "{told:?}");
        assert!(told.contains(&NodeEvent::Receipt { token, to, delivered: false }), "{told:?}");
    }
}

/// A joiner speaks at once; whoever is there hears of it before it hears it.
#[test]
fn nobody_is_heard_before_they_are_known() {
    let mut held = 0;
    for seed in 0..60 {
        let link = LinkConfig { loss: 0.4, latency: Duration::from_millis(10), ..LinkConfig::perfect() };
        let (mut world, nodes) = session(seed, 1, link, &registry());
        poll(&mut world, nodes[1]);
        let newcomer = world.join(nodes[0], NodeConfig::new(registry())).unwrap();
        let (mut spoken, mut known, mut heard) = (0, false, Vec::new());
        for _ in 0..300 {
            if spoken < 10 && world.node(newcomer).local_member() != MemberId::NONE {
                world.node(newcomer).broadcast(UserChannel::Ordered, &[spoken]).unwrap();
                spoken += 1;
            }
            world.step();
            held += usize::from(!known && world.node(nodes[1]).stats().messages.waiting > 0);
            for event in poll(&mut world, nodes[1]) {
                match event {
                    NodeEvent::Session(SessionEvent::MemberJoined { .. }) => known = true,
                    NodeEvent::Message { bytes, .. } => {
                        assert!(known, "seed {seed}: who is that?");
                        heard.extend(bytes);
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(heard, (0..10).collect::<Vec<_>>(), "seed {seed}");
    }
    assert!(held > 3, "it did come early: {held}");
}

#[test]
fn misuse_is_an_error() {
    let mut world = World::new(1, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry())).unwrap();
    let client = world.join(host, NodeConfig::new(registry())).unwrap();
    let send = |world: &mut World, node, to, channel, len| world.node(node).send(to, channel, &vec![7; len]);
    for to in [MemberId::NONE, MemberId::HOST, MemberId(2)] {
        assert_eq!(send(&mut world, client, to, UserChannel::Voice, 1), Err(NodeSendError::NotJoined));
    }
    assert_eq!(world.node(client).broadcast(UserChannel::Voice, b""), Err(NodeSendError::NotJoined));
    world.run_for(Duration::from_secs(1));
    for node in [host, client] {
        let own = member(&mut world, node);
        assert_eq!(send(&mut world, node, own, UserChannel::Voice, 1), Err(NodeSendError::Oneself));
        for to in [MemberId::NONE, MemberId(9)] {
            assert_eq!(send(&mut world, node, to, UserChannel::Voice, 1), Err(NodeSendError::UnknownMember(to)));
        }
        let other = MemberId(3 - own.0);
        for channel in CHANNELS {
            let limit = channel.max_bytes();
            assert_eq!(send(&mut world, node, other, channel, limit), Ok(()), "{channel:?}");
            let error = NodeSendError::TooLarge { len: limit + 1, limit };
            assert_eq!(send(&mut world, node, other, channel, limit + 1), Err(error));
        }
    }
    let bulk = |world: &mut World, node| {
        let bulk = messages(world, node).into_iter().filter(|(_, channel, _)| *channel == UserChannel::Bulk);
        bulk.map(|(.., bytes)| bytes.len()).collect::<Vec<_>>()
    };
    let (mut there, mut here) = (Vec::new(), Vec::new());
    let done = world.run_until(Duration::from_secs(600), |world| {
        there.extend(bulk(world, client));
        here.extend(bulk(world, host));
        !there.is_empty() && !here.is_empty()
    });
    assert!(done.is_some(), "the largest of all arrive");
    assert_eq!((there, here), (vec![limits::BULK_BYTES], vec![limits::BULK_BYTES]));
    world.node(host).leave(Instant::from_millis(1_000_000));
    assert_eq!(send(&mut world, host, MemberId(2), UserChannel::Voice, 1), Err(NodeSendError::NotJoined));
}

/// Clients whose clocks are off and run at other speeds agree with the host on what time it is.
#[test]
fn session_time_is_the_hosts_everywhere_and_never_goes_back() {
    for seed in 0..10 {
        let link = LinkConfig { loss: 0.1, ..foul() };
        let mut world = World::new(seed, 30, link).unwrap();
        let host = world.host(NodeConfig::new(registry())).unwrap();
        let clients: Vec<_> = (0..3).map(|_| world.join(host, NodeConfig::new(registry())).unwrap()).collect();
        let skews = [(0, 0), (3_600, 80), (7, -120)];
        for (client, (offset, drift)) in clients.iter().zip(skews) {
            let clock = SkewedClock::new().with_offset(Duration::from_secs(offset)).with_drift_ppm(drift);
            world.set_clock(*client, clock);
            assert!(!world.node(*client).clock_synchronised());
            assert_eq!(world.node(*client).clock_error(), Duration::MAX);
        }
        // What the world's time is after each step; it begins at one millisecond.
        let (mut now, mut shown, mut checked) = (Instant::from_millis(1), [Instant::ZERO; 3], 0);
        for _ in 0..900 {
            world.step();
            now += Duration::from_secs(1) / 30;
            assert_eq!(world.node(host).session_time(now), now);
            assert!(world.node(host).clock_synchronised() && world.node(host).clock_error().is_zero());
            for (client, shown) in clients.iter().zip(&mut shown) {
                let local = world.clock(*client).unwrap().read(now);
                let node = world.node(*client);
                let time = node.session_time(local);
                assert!(time >= *shown, "seed {seed}: it went back");
                *shown = time;
                if node.clock_synchronised() {
                    let off = time.max(now) - time.min(now);
                    assert!(off <= node.clock_error(), "seed {seed}: {off:?} of {:?}", node.clock_error());
                    checked += 1;
                }
            }
        }
        assert!(checked > 3 * 700, "seed {seed}: synchronised for {checked} of 2,700 moments");
        // It goes on without the host.
        world.crash(host);
        world.run_for(Duration::from_secs(8));
        now += (Duration::from_secs(1) / 30) * 240;
        for (client, shown) in clients.iter().zip(shown) {
            let local = world.clock(*client).unwrap().read(now);
            let time = world.node(*client).session_time(local);
            assert!(time - shown > Duration::from_secs(7), "seed {seed}");
        }
    }
}

#[test]
fn a_node_knows_where_its_members_are() {
    let mut world = World::new(3, 30, LinkConfig::perfect()).unwrap();
    let host = world.host(NodeConfig::new(registry())).unwrap();
    let home = world.nat(NatConfig::new(NatKind::FullCone)).unwrap();
    let client = world.join_behind(&home, host, NodeConfig::new(registry())).unwrap();
    world.run_for(Duration::from_secs(1));
    let who = member(&mut world, client);
    let before = world.node(host).member_address(who).unwrap();
    assert_eq!(world.node(client).member_address(MemberId::HOST), Some(world.node(host).local_addr()));
    assert_eq!(world.node(host).member_address(MemberId(9)), None);
    poll(&mut world, host);
    home.rebind();
    world.node(client).send(MemberId::HOST, UserChannel::Ordered, b"I have moved").unwrap();
    world.run_for(Duration::from_secs(2));
    let after = world.node(host).member_address(who).unwrap();
    assert_ne!(before, after);
    assert_eq!(world.node(host).peers().map(|peer| peer.address).collect::<Vec<_>>(), [Some(after)]);
    let moved: Vec<_> =
        poll(&mut world, host).into_iter().filter(|event| matches!(event, NodeEvent::Moved { .. })).collect();
    assert_eq!(moved, [NodeEvent::Moved { member: who, address: after }]);
}
