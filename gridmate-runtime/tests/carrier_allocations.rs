//! A steady exchange allocates nothing, and neither does an idle connection.
#![expect(unsafe_code, reason = "an allocator that counts can only be written with unsafe functions")]

mod carrier_support;

use core::sync::atomic::{AtomicU64, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};
#[cfg(feature = "lz4")]
use std::sync::Arc;

use carrier_support::runs::runs;
use carrier_support::*;
use gridmate_runtime::carrier::{CarrierEvent, CompressionConfig, Endpoint, Trace};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the ones asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Moves datagrams between the ends without delay; every `lose`-th is lost.
struct Bench {
    pair: Pair,
    out: Vec<u8>,
    delivered: usize,
    moved: u64,
    lose: u64,
}

impl Bench {
    fn step(&mut self) {
        self.pair.now += self.pair.tick;
        let now = self.pair.now;
        for end in 0..2 {
            self.pair.ends[end].handle_timeout(now);
            while self.pair.ends[end].poll_transmit(now, &mut self.out).is_some() {
                self.moved += 1;
                if self.lose == 0 || !self.moved.is_multiple_of(self.lose) {
                    self.pair.ends[1 - end].handle_datagram(now, address(end), &self.out);
                }
            }
            self.drain(1 - end);
        }
    }

    fn drain(&mut self, end: usize) {
        let endpoint: &mut Endpoint = &mut self.pair.ends[end];
        while let Some(event) = endpoint.poll_event() {
            if let CarrierEvent::Message { bytes, .. } = event {
                self.delivered += 1;
                endpoint.recycle(bytes);
            }
        }
    }

    fn exchange(&mut self, rounds: u64) {
        let (small, medium, large) = ([7; 24], [8; 700], [9; 5_000]);
        for round in 0..rounds {
            for end in 0..2 {
                for _ in 0..10 {
                    self.pair.send(end, RELIABLE, &small, Some(round));
                    self.pair.send(end, SEQUENCED, &small, None);
                }
                self.pair.send(end, UNRELIABLE, &medium, Some(round));
                self.pair.send(end, UNRELIABLE, &large, Some(round));
                self.pair.send(end, SECOND_RELIABLE, &large, Some(round));
            }
            self.step();
        }
    }
}

/// No compressor, and every one there is.
fn compressions() -> Vec<CompressionConfig> {
    vec![
        CompressionConfig::None,
        runs(128, 0),
        #[cfg(feature = "lz4")]
        CompressionConfig::Lz4 { dictionary: Arc::default() },
        #[cfg(feature = "lz4")]
        CompressionConfig::Lz4 { dictionary: [7; 900].into() },
        #[cfg(feature = "zstd")]
        CompressionConfig::Zstd { level: 1, dictionary: [7; 900].into() },
    ]
}

#[test]
fn scenario_13c_nothing_is_allocated_once_things_are_warm() {
    for (lose, compression) in compressions().into_iter().flat_map(|it| [(0, it.clone()), (9, it)]) {
        let configs = [0, 1].map(|_| {
            let mut config = config();
            config.compression = compression.clone();
            config
        });
        let mut pair = Pair::connected_with(1, Link::PERFECT, configs);
        // Telling what happens costs nothing, either.
        if lose == 9 {
            pair.ends.iter_mut().for_each(|end| drop(end.set_telemetry(Some(Box::new(Trace::new(std::io::sink()))))));
        }
        let mut bench = Bench { pair, out: Vec::new(), delivered: 0, moved: 0, lose };
        bench.exchange(2_000);
        // Quiet, so that every buffer and place has been free once.
        (0..100).for_each(|_| bench.step());
        bench.exchange(500);
        let (before, delivered) = (ALLOCATIONS.load(Ordering::Relaxed), bench.delivered);
        bench.exchange(1_000);
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert!(bench.delivered - delivered > 40_000);
        assert_eq!(allocations, 0, "{compression:?}, with every {lose}th datagram lost");
        let compressed = bench.pair.ends[0].stats(bench.pair.id(0)).unwrap().packets_compressed;
        assert_eq!(compressed > 10_000, !matches!(compression, CompressionConfig::None));

        // What was still under way comes to rest first: more buffers may be free at once than ever before.
        (0..100).for_each(|_| bench.step());
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..3_000).for_each(|_| bench.step());
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "idle");
        assert!(bench.pair.ends[0].stats(bench.pair.id(0)).is_some());
    }
}
