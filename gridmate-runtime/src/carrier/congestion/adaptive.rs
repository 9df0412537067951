//! Congestion control by loss and delay.
//!
//! Underneath is [`Cubic`]. Beyond what Cubic does, the window shrinks when a queue longer than the target stands in the path,
//! as far as is needed to empty it. If the queue is ours, that works within a few round trips, and when the queue is back,
//! so is the window. If it does not empty, or is back while the window is still small, somebody else took our place, as
//! control by loss alone does; Copa (NSDI 2018, section 2.2) recognises it much like this. To go on yielding would be to
//! starve, so the window goes back to what Cubic would have made of it, and delay is ignored for a while; for longer each
//! time that happens again.

use core::time::Duration;

use super::cubic::Cubic;
use super::delay::Delay;
use super::{Acked, Congestion, DATAGRAM, Lost, micros, scale};
use crate::time::Instant;

/// A queue shorter than this is never worth giving way to: ticks alone make as much.
const LEAST_TARGET: Duration = Duration::from_millis(15);

/// On long paths the queue may be this part of the round trip.
const TARGET_DIVISOR: u32 = 4;

/// A queue of this part of the target is empty.
const EMPTY_DIVISOR: u32 = 2;

/// What of the window that just fills the path is aimed at when giving way, percent: with less than all of it the queue
/// empties, and all flows see how long the round trip is without it.
const AIM: u64 = 95;

/// What the window keeps when it gives way, percent, at least and at most.
const KEEP: (u64, u64) = (40, 85);

/// Round trips that a queue is given to empty, count.
const PATIENCE: u32 = 4;

/// With less than this part of the window that used to make a queue, percent, somebody else took our place. Flows that give
/// way together get closer to each other by less than that at a time.
const LOST_GROUND: u64 = 85;

/// What that window keeps from one time to the next, percent.
const FADE: u64 = 98;

/// When this part of a window is lost, and this many bytes, half of the window goes.
const HEAVY_DIVISOR: u64 = 8;
const HEAVY_LEAST: u64 = 6 * DATAGRAM;

/// Round trips for which delay is ignored, count: the first time, and at most.
const HOLD: (u32, u32) = (80, 640);

/// Congestion control that gives way to a queue before it overflows. The default.
///
/// It reacts to loss and to marks as [`Cubic`] does, and to a standing queue longer than 15 ms or a quarter of the round
/// trip. When an eighth of a window is lost it halves. Beside flows that keep queues full it does as they do, for as long as they are there.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::{Acked, Adaptive, Congestion};
///
/// let mut adaptive = Adaptive::new();
/// assert_eq!(adaptive.window(), 12_000);
///
/// // Round trips of 40 ms, and then of 80 ms, without a loss.
/// for ms in 1..400 {
///     let latest = Duration::from_millis(if ms < 200 { 40 } else { 80 });
///     let now = Instant::from_millis(1_000 + ms);
///     adaptive.on_acked(now, Acked {
///         bytes: 1_200,
///         sent_at: now.saturating_sub(latest),
///         in_flight: 0,
///         app_limited: ms < 200,
///         latest,
///         smoothed: latest,
///         least: Duration::from_millis(40),
///     });
/// }
/// assert!(adaptive.window() < 100_000);
/// ```
#[derive(Clone, Debug)]
pub struct Adaptive {
    cubic: Cubic,
    delay: Delay,
    mode: Mode,
    /// The window before the last loss, and what of it was lost, bytes.
    lossy: (u64, u64),
    /// How long to compete next time, round trips.
    hold: u32,
}

#[derive(Clone, Debug)]
enum Mode {
    /// There was no queue worth mentioning yet.
    Clear,
    /// The window shrank to empty the queue, or grows back after that.
    Yielding(Box<Yielding>),
    /// The queue is somebody else's. To be doubted from then on.
    Competing(Instant),
}

#[derive(Clone, Debug)]
struct Yielding {
    /// What the window would be without that.
    heedless: Cubic,
    /// The window at which the queue reaches its target as long as nobody takes our place, bytes; 0 when not known.
    anchor: u64,
    start: Instant,
    /// When the window shrank last.
    last: Instant,
    /// The queue was empty since, or nearly.
    emptied: bool,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new()
    }
}

impl Adaptive {
    /// A controller in slow start, with a window of ten datagrams.
    #[must_use]
    pub const fn new() -> Self {
        Self { cubic: Cubic::new(), delay: Delay::new(), mode: Mode::Clear, lossy: (u64::MAX, 0), hold: HOLD.0 }
    }

    /// There is a queue of this length.
    fn on_queue(&mut self, now: Instant, queue: Duration, smoothed: Duration) {
        let base = self.delay.base();
        let target = LEAST_TARGET.max(base / TARGET_DIVISOR);
        let empty = queue <= target / EMPTY_DIVISOR;
        // The window at which the queue was as long as the target.
        let full = scale(self.cubic.bytes(), micros(base.saturating_add(target)), micros(base.saturating_add(queue)));
        match &mut self.mode {
            Mode::Clear if queue > target => {
                // Slow start overshoots, so that its window tells nothing.
                let anchor = if self.cubic.in_slow_start() { 0 } else { full };
                self.give_way(now, queue, anchor);
            }
            Mode::Yielding(yielding) if empty => yielding.emptied = true,
            Mode::Yielding(yielding) if yielding.emptied && queue > target => {
                if full + DATAGRAM < scale(yielding.anchor, LOST_GROUND, 100) {
                    self.compete(now, smoothed);
                } else {
                    let anchor = full.max(scale(yielding.anchor, FADE, 100));
                    self.hold = (self.hold / 2).max(HOLD.0);
                    self.give_way(now, queue, anchor);
                }
            }
            Mode::Yielding(yielding) if yielding.emptied => {}
            Mode::Yielding(yielding) if now - yielding.start > smoothed.saturating_mul(PATIENCE) => {
                if queue > target {
                    self.compete(now, smoothed);
                } else {
                    yielding.emptied = true;
                }
            }
            Mode::Yielding(yielding) if queue > target && now - yielding.last > smoothed.saturating_mul(3) / 2 => {
                yielding.last = now;
                self.shrink(now, queue);
            }
            Mode::Competing(until) if now >= *until => self.mode = Mode::Clear,
            _ => {}
        }
    }

    fn give_way(&mut self, now: Instant, queue: Duration, anchor: u64) {
        let heedless = self.cubic.clone();
        let yielding = Yielding { heedless, anchor, start: now, last: now, emptied: false };
        match &mut self.mode {
            Mode::Yielding(before) => **before = yielding,
            _ => self.mode = Mode::Yielding(Box::new(yielding)),
        }
        self.shrink(now, queue);
    }

    fn shrink(&mut self, now: Instant, queue: Duration) {
        let base = self.delay.base();
        let percent = scale(AIM, micros(base), micros(base.saturating_add(queue))).clamp(KEEP.0, KEEP.1);
        self.cubic.step_back(now, percent);
        self.delay.restart();
        // What is lost from here on belongs to no loss that shrank the window.
        self.lossy = (u64::MAX, 0);
    }

    fn compete(&mut self, now: Instant, smoothed: Duration) {
        let until = now + smoothed.saturating_mul(self.hold);
        self.hold = (self.hold * 2).min(HOLD.1);
        if let Mode::Yielding(yielding) = core::mem::replace(&mut self.mode, Mode::Competing(until)) {
            self.cubic.resume(&yielding.heedless);
        }
    }

    /// Cubic takes each loss for the one packet too many. When much of a window is lost, the path is worse than that.
    fn weigh(&mut self, before: u64, lost: Lost, first: bool) {
        if first {
            self.lossy = (before, 0);
        }
        let bytes = u64::try_from(lost.bytes).unwrap_or(u64::MAX);
        self.lossy.1 = self.lossy.1.saturating_add(bytes);
        if self.lossy.1 >= HEAVY_LEAST.max(self.lossy.0 / HEAVY_DIVISOR) {
            self.cubic.limit(self.lossy.0 / 2);
        }
    }

    fn heedless(&mut self) -> Option<&mut Cubic> {
        match &mut self.mode {
            Mode::Yielding(yielding) => Some(&mut yielding.heedless),
            Mode::Clear | Mode::Competing(_) => None,
        }
    }
}

impl Congestion for Adaptive {
    fn on_sent(&mut self, _now: Instant, _bytes: usize, _in_flight: usize) {}

    fn on_acked(&mut self, now: Instant, acked: Acked) {
        let old = self.cubic.predates_recovery(acked.sent_at);
        self.delay.sample(now, acked.latest, acked.smoothed, old);
        self.cubic.on_acked(now, acked);
        let window = self.cubic.window();
        if let Some(heedless) = self.heedless() {
            // As much as would have been acknowledged of a window of that size.
            let bytes = acked.bytes.saturating_mul(heedless.window()) / window;
            heedless.on_acked(now, Acked { bytes, ..acked });
        }
        // A window that is not used makes no queue, and need not shrink.
        if let Some(queue) = self.delay.queue().filter(|_| !old && !acked.app_limited) {
            self.on_queue(now, queue, acked.smoothed);
        }
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        let first = !self.cubic.predates_recovery(lost.sent_at);
        // Slow start loses as much when it overshoots, and has halved the rate then.
        let before = if self.cubic.in_slow_start() { u64::MAX } else { self.cubic.bytes() };
        self.cubic.on_lost(now, lost);
        self.weigh(before, lost, first);
        if let Some(heedless) = self.heedless() {
            heedless.on_lost(now, lost);
        }
    }

    fn on_marked(&mut self, now: Instant, sent_at: Instant) {
        self.cubic.on_marked(now, sent_at);
        if let Some(heedless) = self.heedless() {
            heedless.on_marked(now, sent_at);
        }
    }

    fn window(&self) -> usize {
        self.cubic.window()
    }

    fn rate(&self) -> u64 {
        self.cubic.rate()
    }
}
