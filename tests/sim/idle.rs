//! Idle is free: in time, in bytes, in allocations.

use core::cell::Cell;
use core::time::Duration;
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{ReplicaView, StateRate};
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{LinkConfig, NodeKey, World};
use gridmate_tests::chunks::{Mover, registry_with};

use super::session;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts this thread's allocations.
struct Counting;

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait")]
// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// A host with sixteen clients and `replicas` replicas, all of it settled.
fn settled(replicas: usize, coder: Coder) -> (World, Vec<NodeKey>, Vec<ReplicaId>) {
    let (mut world, nodes) = session(1, 16, LinkConfig::perfect(), &registry_with(coder));
    let ids = (0..replicas).map(|_| world.replicas(nodes[0]).add(Mover::default()).unwrap()).collect();
    let done = world.run_until(Duration::from_secs(60), |world| world.replicas(nodes[16]).len() == replicas);
    assert!(done.is_some(), "{replicas} replicas have not arrived");
    world.run_for(Duration::from_secs(3));
    (world, nodes, ids)
}

#[test]
fn an_idle_tick_allocates_nothing() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let (mut world, ..) = settled(1_000, coder);
        let before = allocations();
        world.run_for(Duration::from_secs(4));
        assert_eq!(allocations() - before, 0, "in 120 idle ticks of 17 nodes, {coder:?}");
    }
}

#[test]
fn a_busy_tick_allocates_nothing_once_warmed_up() {
    busy_ticks(Coder::Packed);
}

#[test]
fn a_busy_tick_allocates_nothing_under_models() {
    busy_ticks(Coder::Entropy);
}

/// A tick in which every replica changes.
fn stir(world: &mut World, host: NodeKey, ids: &[ReplicaId], n: u32) {
    for id in ids {
        let mut mover = world.replicas(host).primary_mut::<Mover>(*id).unwrap();
        mover.energy = mover.energy.wrapping_add(n);
        mover.position = (mover.position + 0.1) % 90.0;
    }
    world.step();
}

fn busy_ticks(coder: Coder) {
    let (mut world, nodes, ids) = settled(200, coder);
    let step = |world: &mut World, n| stir(world, nodes[0], &ids, n);
    (0..300).for_each(|n| step(&mut world, n));
    let before = allocations();
    (300..400).for_each(|n| step(&mut world, n));
    assert_eq!(allocations() - before, 0, "in 100 ticks of 200 changing replicas and 16 peers");
}

#[test]
fn a_tick_under_pressure_allocates_nothing_once_warmed_up() {
    for coder in [Coder::Packed, Coder::Entropy] {
        let (mut world, nodes, ids) = settled(200, coder);
        for member in 2..=17 {
            assert!(world.node(nodes[0]).set_state_rate(MemberId(member), StateRate::new(6_000)));
        }
        world.replicas(nodes[0]).set_relevance(|peer: &TargetPeer, view: &ReplicaView<'_>| {
            view.get::<Mover>(peer.replica).map_or(1.0, |mover| 1.0 / mover.position)
        });
        let step = |world: &mut World, n| stir(world, nodes[0], &ids, n);
        // Once round for all positions: how long one waits, and how much is remembered of it, depends on where it is.
        (0..1_000).for_each(|n| step(&mut world, n));
        let (before, records) = (allocations(), world.replicas(nodes[0]).stats().records_sent);
        (1_000..1_100).for_each(|n| step(&mut world, n));
        let records = world.replicas(nodes[0]).stats().records_sent - records;
        assert!(records < 100 * 200 * 16 / 2, "{records} records: no pressure");
        assert_eq!(allocations() - before, 0, "in 100 ticks of 200 changing replicas and 16 peers, {coder:?}");
    }
}

#[test]
fn text_and_lists_that_change_allocate_nothing_once_warmed_up() {
    #[derive(Clone, Default, Marshal)]
    struct Board {
        line: String,
        colour: u8,
    }

    #[derive(Clone, Default, ReplicaChunk)]
    struct Sign {
        board: Board,
        #[dataset(on_change(Self::on_text, everywhere))]
        text: String,
        #[dataset(max_len = 40)]
        short: String,
        digits: Vec<u8>,
        pages: Vec<String>,
        footnote: Option<String>,
        marks: BTreeMap<u8, u16>,
        lit: bool,
        #[dataset(skip)]
        seen: u32,
    }

    impl Sign {
        fn on_text(&mut self, _ctx: &TimeContext) {
            self.seen += 1;
        }
    }

    for coder in [Coder::Packed, Coder::Entropy] {
        let registry = Registry::builder().chunk::<Sign>().coder(coder).build().unwrap();
        let (mut world, nodes) = session(1, 3, LinkConfig::perfect(), &registry);
        let sign = Sign {
            board: Board { line: "change here".into(), colour: 3 },
            text: "all trains are late today".into(),
            short: "platform seven".into(),
            digits: vec![1; 20],
            pages: vec!["the first page".into(), "the second page".into()],
            footnote: Some("see the other side".into()),
            marks: (0..20).map(|mark| (mark, 1)).collect(),
            ..Sign::default()
        };
        let ids: Vec<_> = (0..50).map(|_| world.replicas(nodes[0]).add(sign.clone()).unwrap()).collect();
        world.run_for(Duration::from_secs(2));
        let step = |world: &mut World, n: u32| {
            for id in &ids {
                let mut sign = world.replicas(nodes[0]).primary_mut::<Sign>(*id).unwrap();
                sign.lit = !sign.lit;
                let digit = b'0' + u8::try_from(n % 10).unwrap();
                let Sign { board, text, short, digits, pages, footnote, marks, .. } = &mut *sign;
                for text in pages.iter_mut().chain(footnote).chain([text, short, &mut board.line]) {
                    text.pop();
                    text.push(digit.into());
                }
                digits.rotate_left(1);
                digits[3] = digit;
                marks.insert(3, n.try_into().unwrap());
            }
            world.step();
        };
        (0..300).for_each(|n| step(&mut world, n));
        let before = allocations();
        (300..400).for_each(|n| step(&mut world, n));
        assert_eq!(allocations() - before, 0, "in 100 ticks of 50 changing replicas and 3 peers, {coder:?}");
        let there = world.replicas(nodes[1]).get::<Sign>(ids[0]).unwrap();
        assert!(there.seen > 300, "{}", there.seen);
    }
}

#[test]
fn a_conversation_allocates_nothing_once_warmed_up() {
    let (mut world, nodes) = session(1, 8, LinkConfig::perfect(), &registry_with(Coder::Packed));
    let step = |world: &mut World, n: u8| {
        for node in &nodes {
            world.node(*node).broadcast(UserChannel::Voice, &[n; 80]).unwrap();
            world.node(*node).broadcast(UserChannel::Unreliable, &[n; 20]).unwrap();
        }
        world.step();
        let mut heard = 0;
        for node in &nodes {
            while let Some(event) = world.node(*node).poll_event() {
                if let NodeEvent::Message { bytes, .. } = event {
                    heard += 1;
                    world.node(*node).recycle(bytes);
                }
            }
        }
        heard
    };
    (0..200).for_each(|n| _ = step(&mut world, n));
    let before = allocations();
    let heard: u32 = (0..100).map(|n| step(&mut world, n)).sum();
    assert_eq!(allocations() - before, 0, "in 100 ticks of nine that speak");
    assert!(heard > 100 * 9 * 8, "{heard}");
}

#[test]
fn showing_proxies_between_their_values_allocates_nothing() {
    #[derive(Clone, Default, ReplicaChunk)]
    struct Leaf {
        #[dataset(interpolate = Linear)]
        height: f32,
        #[dataset(interpolate = Point)]
        falls: [u32; 4],
    }

    let registry = Registry::builder().chunk::<Leaf>().build().unwrap();
    let (mut world, nodes) = session(1, 2, LinkConfig::perfect(), &registry);
    let leaf = Leaf { height: 90.0, falls: [7; 4] };
    let ids: Vec<_> = (0..100).map(|_| world.replicas(nodes[0]).add(leaf.clone()).unwrap()).collect();
    let mut shown = vec![Leaf::default(); ids.len()];
    let mut step = |world: &mut World| {
        for id in &ids {
            let mut leaf = world.replicas(nodes[0]).primary_mut::<Leaf>(*id).unwrap();
            leaf.height -= 0.1;
            leaf.falls[0] += 1;
        }
        world.step();
        let now = world.now();
        let display = world.replicas(nodes[1]).display(now, Duration::from_millis(100));
        ids.iter().zip(&mut shown).map(|(id, leaf)| usize::from(display.write(*id, leaf) == Ok(true))).sum::<usize>()
    };
    for _ in 0..100 {
        step(&mut world);
    }
    let before = allocations();
    let written: usize = (0..100).map(|_| step(&mut world)).sum();
    assert_eq!(allocations() - before, 0, "in 100 ticks of 100 changing replicas and 2 peers");
    assert_eq!(written, 100 * ids.len());
    for leaf in shown {
        assert!(leaf.height > 70.0 && leaf.height < 71.0 && leaf.falls[0] > 190, "{}, {:?}", leaf.height, leaf.falls);
    }
}

#[test]
fn an_idle_tick_costs_the_same_for_a_hundred_and_ten_thousand_replicas() {
    #[expect(clippy::disallowed_methods, reason = "this test measures time")]
    fn median_tick(world: &mut World, host: NodeKey) -> Duration {
        let mut now = world.now();
        let mut times: Vec<_> = (0..300)
            .map(|_| {
                now += Duration::from_micros(10);
                let start = std::time::Instant::now();
                world.node(host).tick(now).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[150]
    }
    let (mut few, few_nodes, _) = settled(100, Coder::Packed);
    let (mut many, many_nodes, _) = settled(10_000, Coder::Packed);
    // The machine may be busy with other things: the best of a few interleaved medians, compared within one run.
    let (mut best_few, mut best_many) = (Duration::MAX, Duration::MAX);
    for _ in 0..9 {
        best_few = best_few.min(median_tick(&mut few, few_nodes[0]));
        best_many = best_many.min(median_tick(&mut many, many_nodes[0]));
    }
    eprintln!("idle host tick, 16 peers: {best_few:?} with 100 replicas, {best_many:?} with 10,000");
    assert!(best_many <= best_few * 2, "{best_many:?} > 2 × {best_few:?}");
}

#[test]
fn idle_connections_say_little() {
    let (mut world, nodes, _) = settled(100, Coder::Packed);
    let before = world.node(nodes[1]).stats().driver.sent_bytes;
    world.run_for(Duration::from_secs(10));
    let bytes = world.node(nodes[1]).stats().driver.sent_bytes - before;
    assert!(bytes < 10 * 60, "{bytes} bytes in ten idle seconds");
}
