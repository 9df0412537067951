//! What a tick allocates that is encoded on several threads: now and then a piece of the queue that work is handed over in, and nothing else.
//!
//! The allocator counts for the whole process, so there is one test.
#![cfg(all(feature = "parallel", feature = "derive"))]
#![expect(unsafe_code, reason = "the only way to see allocations is to be the allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::PeerRole;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
struct Walker {
    #[dataset(predict = Linear)]
    x: f32,
    steps: u32,
}

const REPLICAS: u16 = 10_000;

/// Ticks before anything is counted; a thread may take more of the work in one tick than in all before.
const WARM: u32 = 150;
const ROUND: u32 = 50;
const ROUNDS: u32 = 8;

/// The fewest allocations in a round of ticks on so many threads.
fn allocations(threads: usize) -> u64 {
    let registry = Registry::builder().chunk::<Walker>().build().unwrap();
    let mut host = ReplicaManager::new(registry, 1);
    host.set_encode_threads(threads);
    let peers = [2, 3].map(|member| host.add_peer(MemberId(member), PeerRole::Client));
    for _ in 0..REPLICAS {
        host.add(Walker::default()).unwrap();
    }
    let (mut message, mut receipts) = (Vec::new(), Vec::new());
    let mut run = |ticks: u32| {
        for tick in 0..ticks {
            for (_, mut walker) in host.primaries_mut::<Walker>() {
                walker.x += 0.5;
                walker.steps = walker.steps.wrapping_add(tick);
            }
            host.prepare();
            for peer in peers {
                while let Some(sent) = host.marshal(peer, 1_200, &mut message) {
                    receipts.push((peer, sent.token));
                }
            }
            receipts.drain(..).for_each(|(peer, token)| host.handle_receipt(peer, token, true));
        }
    };
    run(WARM);
    let mut fewest = u64::MAX;
    for _ in 0..ROUNDS {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        run(ROUND);
        fewest = fewest.min(ALLOCATIONS.load(Ordering::Relaxed) - before);
    }
    let ahead = host.encode_ahead_stats();
    assert!(ahead.used == ahead.made && (ahead.made > 0) == (threads > 1), "{ahead:?}");
    fewest
}

#[test]
fn threads_allocate_nothing_but_a_queue_now_and_then() {
    assert_eq!(allocations(1), 0);
    for threads in [2, 4] {
        let count = allocations(threads);
        assert!(count <= 1, "{count} in {ROUND} ticks on {threads} threads");
    }
}
