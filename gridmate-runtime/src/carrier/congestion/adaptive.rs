//! Congestion control by loss and delay.
//!
//! Underneath is [`Cubic`]. Beyond what Cubic does, the window shrinks when a queue stands in the path that is longer than
//! the target, as far as is needed to empty it. If the queue is ours, that works within a few round trips. If it is still
//! there after [`PATIENCE`], somebody else keeps it full, as loss-based control does and as Copa (NSDI 2018, section 2.2)
//! recognises it. To go on yielding would be to starve, so the window becomes what Cubic would have made of it all along, and
//! delay is ignored until the queue is seen empty.

use core::time::Duration;

use super::cubic::Cubic;
use super::delay::Delay;
use super::{Acked, Congestion, DATAGRAM, Lost, micros, scale, size};
use crate::time::Instant;

/// A queue shorter than this is never worth giving way to: ticks alone make as much.
const LEAST_TARGET: Duration = Duration::from_millis(15);

/// On long paths the queue may be this part of the round trip.
const TARGET_DIVISOR: u32 = 4;

/// A queue of this part of the target is empty.
const EMPTY_DIVISOR: u32 = 2;

/// What the window keeps when it gives way, percent, at least and at most.
const KEEP: (u64, u64) = (40, 85);

/// What of the window that just fills the path is aimed at, percent.
const AIM: u64 = 95;

/// Round trips that a queue is given to empty, count.
const PATIENCE: u32 = 6;

/// How long to compete before trying again, round trips, at first and at most.
const HOLD: (u32, u32) = (20, 160);

/// Below this part of the window that used to make a queue, percent, somebody else took our place.
const LOST_GROUND: usize = 90;

/// What that window keeps from one time to the next, percent.
const ANCHOR: usize = 98;

/// Congestion control that gives way to a queue before it overflows. The default.
///
/// It reacts to loss and to marks as [`Cubic`] does, and to a standing queue longer than 15 ms or a quarter of the round
/// trip. Beside flows that keep queues full it does as they do, for as long as they are there.
///
/// ```
/// use gridmate_runtime::carrier::{Adaptive, Congestion};
///
/// assert_eq!(Adaptive::new().window(), 12_000);
/// ```
#[derive(Clone, Debug)]
pub struct Adaptive {
    cubic: Cubic,
    delay: Delay,
    mode: Mode,
    /// How long to compete before trying again, round trips.
    hold: u32,
}

#[derive(Clone, Debug)]
enum Mode {
    /// There was no queue worth mentioning yet.
    Clear,
    /// The window shrank to empty the queue.
    Yielding(Box<Yielding>),
    /// The queue is somebody else's. To be doubted from then on.
    Competing(Instant),
}

#[derive(Clone, Debug)]
struct Yielding {
    /// What the window would be if delay were ignored.
    heedless: Cubic,
    /// The window at which a queue of the target's length is reached, bytes, as long as nobody takes our place.
    anchor: usize,
    start: Instant,
    /// When the window shrank last.
    last: Instant,
    /// The queue was empty since.
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
        Self { cubic: Cubic::new(), delay: Delay::new(), mode: Mode::Clear, hold: HOLD.0 }
    }

    fn give_way(&mut self, now: Instant, queue: Duration) {
        let base = micros(self.delay.base());
        let percent = scale(AIM, base, base + micros(queue)).clamp(KEEP.0, KEEP.1);
        self.cubic.step_back(now, percent);
        self.delay.restart();
    }

    fn compete(&mut self, now: Instant, smoothed: Duration) {
        let until = now + smoothed * self.hold;
        self.hold = (self.hold * 2).min(HOLD.1);
        if let Mode::Yielding(yielding) = core::mem::replace(&mut self.mode, Mode::Competing(until)) {
            self.cubic = yielding.heedless;
            self.cubic.end_slow_start();
        }
    }

    fn on_queue(&mut self, now: Instant, queue: Duration, smoothed: Duration) {
        let target = LEAST_TARGET.max(self.delay.base() / TARGET_DIVISOR);
        let empty = queue <= target / EMPTY_DIVISOR;
        // The window at which the queue was as long as the target.
        let window = self.cubic.window();
        let full = scale(window as u64, micros(self.delay.base() + target), micros(self.delay.base() + queue));
        let full = size(full);
        match &mut self.mode {
            Mode::Competing(until) if empty || now >= *until => self.mode = Mode::Clear,
            Mode::Clear if queue > target => {
                let anchor = if self.cubic.in_slow_start() { 0 } else { full };
                let heedless = self.cubic.clone();
                self.mode =
                    Mode::Yielding(Box::new(Yielding { heedless, anchor, start: now, last: now, emptied: false }));
                self.give_way(now, queue);
            }
            Mode::Yielding(yielding) if empty => yielding.emptied = true,
            Mode::Yielding(yielding) if queue > target => {
                if yielding.emptied {
                    if full + size(DATAGRAM) < yielding.anchor / 100 * LOST_GROUND {
                        self.compete(now, smoothed);
                    } else {
                        self.hold = HOLD.0;
                        yielding.anchor = full.max(yielding.anchor / 100 * ANCHOR);
                        if full >= yielding.anchor {
                            yielding.heedless = self.cubic.clone();
                        }
                        (yielding.start, yielding.last, yielding.emptied) = (now, now, false);
                        self.give_way(now, queue);
                    }
                } else if now - yielding.start > smoothed * PATIENCE {
                    self.compete(now, smoothed);
                } else if now - yielding.last > smoothed * 3 / 2 {
                    yielding.last = now;
                    self.give_way(now, queue);
                }
            }
            Mode::Yielding(yielding) if !yielding.emptied && now - yielding.start > smoothed * PATIENCE => {
                yielding.emptied = true;
            }
            _ => {}
        }
    }

    /// The other controller that losses and acknowledgements concern.
    fn heedless(&mut self) -> Option<&mut Cubic> {
        match &mut self.mode {
            Mode::Yielding(yielding) => Some(&mut yielding.heedless),
            _ => None,
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
        if let Some(queue) = self.delay.queue().filter(|_| !old && !acked.app_limited) {
            self.on_queue(now, queue, acked.smoothed);
        }
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        self.cubic.on_lost(now, lost);
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
