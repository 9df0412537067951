//! Congestion control by loss and delay.
//!
//! Underneath is [`Cubic`]. Beyond what Cubic does, the window shrinks when a queue longer than the target stands in the path,
//! as far as is needed to empty it. If the queue is ours, that works within a few round trips, and when the queue is back,
//! so is the window. If it does not empty, or is back while the window is still small, somebody else took our place, as
//! control by loss alone does; Copa (NSDI 2018, section 2.2) recognises it much like this. To go on yielding would be to
//! starve, so the window goes back to what Cubic would have made of it, and delay is ignored for a while; for longer each
//! time that happens again.
//!
//! Two of these can take each other for such a competitor, and then both keep the queue full. When it overflows, both lose
//! packets at about the same time, and that is when they find each other: whoever competes answers a loss by a window so small
//! that the queue would be empty if everybody did the same. If it is, nobody competes any more. If it is not, the window
//! makes up for what it missed, so that looking costs nothing, and goes on as Cubic's.

use core::time::Duration;

use super::cubic::Cubic;
use super::delay::Delay;
use super::{Acked, Congestion, DATAGRAM, Lost, scale};
use crate::time::{Instant, micros};

/// A queue shorter than this is never worth giving way to: ticks alone make as much.
const LEAST_TARGET: Duration = Duration::from_millis(15);

/// On long paths the queue may be this part of the round trip.
const TARGET_DIVISOR: u32 = 4;

/// A queue of this part of the target is empty. When it is to prove that nobody competes, of that one: Cubic's own reduction
/// leaves little.
const EMPTY_DIVISOR: u32 = 2;
const GONE_DIVISOR: u32 = 6;

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

/// With no less than this part of it, percent, giving way costs nothing, so nobody competes, and what was learnt of a competitor is
/// forgotten by half. In between it is not known. Cubic takes a place by what it grows in the round trips that a queue takes to empty and to
/// come back: a few hundredths of a large window, so that it shows only after giving way a few times. Were that taken for nobody,
/// the next time to compete would be short again, and the place be lost bit by bit where windows are large.
const KEPT_GROUND: u64 = 95;

/// What that window keeps from one time to the next, percent.
const FADE: u64 = 98;

/// Round trips for which delay is ignored, count: the first time, and at most.
const HOLD: (u32, u32) = (80, 640);

/// Round trips for which a competitor waits for the queue to empty after a loss, and for which it makes up for that, count. It
/// takes one to be back.
const DRAIN: u32 = 2;
const REPAY: u32 = 3;

/// Times in a row that the queue has to empty then, count: the first time, and at most.
const PROOF: (u32, u32) = (1, 8);

/// Where Cubic keeps more than this part of what it would keep, percent, there is not much to see.
const DEEP: u64 = 90;

/// When so much of a window is lost, half of it goes or more. A queue that stands in the path explains some losses, so that it
/// takes more of them then.
const HEAVY: Heavy = Heavy { divisor: 16, least: 4 * DATAGRAM, keep: 35 };
const HEAVY_IN_QUEUE: Heavy = Heavy { divisor: 8, least: 6 * DATAGRAM, keep: 50 };

struct Heavy {
    /// The part of the window, and bytes: both are needed.
    divisor: u64,
    least: u64,
    /// What the window keeps, percent. The rate is to be half of what it was, and the round trip is shorter without a queue.
    keep: u64,
}

/// Congestion control that gives way to a queue before it overflows. The default.
///
/// It reacts to loss and to marks as [`Cubic`] does, and to a standing queue longer than 15 ms or a quarter of the round
/// trip. When more of a window is lost than a full queue explains, it halves at once. Beside flows that keep queues full it does as they
/// do, for as long as they are there.
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
#[repr(C)]
pub struct Adaptive {
    mode: Mode,
    delay: Delay,
    cubic: Cubic,
    /// The window before it last shrank, and what of it was lost, bytes.
    lossy: (u64, u64),
    /// How long to compete next time, round trips.
    hold: u32,
    /// How often in a row the queue emptied after a loss, and how often it has to.
    emptied: u32,
    proof: u32,
}

#[derive(Clone, Debug)]
enum Mode {
    /// There was no queue worth mentioning yet.
    Clear,
    /// The window shrank to empty the queue, or grows back after that.
    Yielding(Box<Yielding>),
    /// The queue is somebody else's. To be doubted from then on.
    Competing(Instant),
    /// Competing, and looking whether the queue empties after a loss.
    Draining(Box<Draining>),
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

#[derive(Clone, Debug)]
struct Draining {
    /// What the window would be without that.
    heedless: Cubic,
    start: Instant,
    /// The queue did what it did, and the window makes up for what it missed.
    repaying: bool,
    /// When to doubt that somebody competes.
    until: Instant,
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
        Self {
            cubic: Cubic::new(),
            delay: Delay::new(),
            mode: Mode::Clear,
            lossy: (u64::MAX, 0),
            hold: HOLD.0,
            emptied: 0,
            proof: PROOF.0,
        }
    }

    /// There is a queue of this length.
    fn on_queue(&mut self, now: Instant, queue: Duration, smoothed: Duration) {
        let (base, target) = (self.delay.base(), self.target());
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
                    if full >= scale(yielding.anchor, KEPT_GROUND, 100) {
                        self.hold = (self.hold / 2).max(HOLD.0);
                        self.proof = (self.proof / 2).max(PROOF.0);
                    }
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
            Mode::Draining(draining) if draining.repaying => {
                if now - draining.start > smoothed.saturating_mul(REPAY) {
                    self.cubic = draining.heedless.clone();
                    self.mode = Mode::Competing(draining.until);
                }
            }
            Mode::Draining(draining) => {
                let gone = queue <= target / GONE_DIVISOR;
                if gone && self.emptied + 1 >= self.proof {
                    self.emptied = 0;
                    self.mode = Mode::Clear;
                } else if gone || now - draining.start > smoothed.saturating_mul(DRAIN) {
                    self.emptied = if gone { self.emptied + 1 } else { 0 };
                    (draining.repaying, draining.start) = (true, now);
                    let missed = draining.heedless.bytes().saturating_sub(self.cubic.bytes());
                    self.cubic.resume(&draining.heedless, missed);
                }
            }
            Mode::Clear | Mode::Yielding(_) | Mode::Competing(_) => {}
        }
    }

    fn target(&self) -> Duration {
        LEAST_TARGET.max(self.delay.base() / TARGET_DIVISOR).max(self.delay.grain() * 5 / 4)
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
        self.lossy = (self.telling_window(), 0);
        // It may be shorter than it looks, when most of a target passes between two looks.
        let grain = self.delay.grain();
        let unsure = if grain * 2 > LEAST_TARGET { grain / 2 } else { Duration::ZERO };
        let queue = queue.saturating_sub(unsure);
        self.step_back(now, self.draining_part(queue).clamp(KEEP.0, KEEP.1));
    }

    fn step_back(&mut self, now: Instant, percent: u64) {
        self.cubic.step_back(now, percent);
        self.delay.restart();
    }

    /// What the window may keep for the queue to empty when all flows keep as much, percent.
    fn draining_part(&self, queue: Duration) -> u64 {
        let base = self.delay.base();
        scale(AIM, micros(base), micros(base.saturating_add(queue)))
    }

    fn compete(&mut self, now: Instant, smoothed: Duration) {
        let until = now + smoothed.saturating_mul(self.hold);
        self.hold = (self.hold * 2).min(HOLD.1);
        self.proof = (self.proof * 2).min(PROOF.1);
        if let Mode::Yielding(yielding) = core::mem::replace(&mut self.mode, Mode::Competing(until)) {
            self.cubic.resume(&yielding.heedless, 0);
        }
    }

    /// A loss has shrunk the window as Cubic does, after a queue of that length.
    fn drain(&mut self, now: Instant, queue: Duration) {
        let Mode::Competing(until) = self.mode else { return };
        let part = self.draining_part(queue).max(KEEP.0);
        if part * 100 < Cubic::KEEP * DEEP {
            let heedless = self.cubic.clone();
            self.mode = Mode::Draining(Box::new(Draining { heedless, start: now, repaying: false, until }));
            self.step_back(now, part * 100 / Cubic::KEEP);
        }
    }

    /// Cubic takes each loss for the one packet too many. When much of a window is lost, the path is worse than that.
    fn weigh(&mut self, lost: Lost) {
        self.lossy.1 = self.lossy.1.saturating_add(u64::try_from(lost.bytes).unwrap_or(u64::MAX));
        // Who drains has met a full one.
        let standing =
            matches!(self.mode, Mode::Draining(_)) || self.delay.queue().is_some_and(|queue| queue > self.target());
        let heavy = if standing { HEAVY_IN_QUEUE } else { HEAVY };
        if self.lossy.1 >= heavy.least.max(self.lossy.0 / heavy.divisor) {
            self.cubic.limit(scale(self.lossy.0, heavy.keep, 100));
        }
    }

    /// The window, as far as losses can be compared with it: slow start loses much when it overshoots, and has halved the rate then.
    fn telling_window(&self) -> u64 {
        if self.cubic.in_slow_start() { u64::MAX } else { self.cubic.bytes() }
    }

    fn heedless(&mut self) -> Option<&mut Cubic> {
        match &mut self.mode {
            Mode::Yielding(yielding) => Some(&mut yielding.heedless),
            Mode::Draining(draining) => Some(&mut draining.heedless),
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
        if !old
            && !acked.app_limited
            && let Some(queue) = self.delay.queue()
        {
            self.on_queue(now, queue, acked.smoothed);
        }
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        let first = !self.cubic.predates_recovery(lost.sent_at);
        if first {
            self.lossy = (self.telling_window(), 0);
        }
        self.cubic.on_lost(now, lost);
        self.weigh(lost);
        if let Some(heedless) = self.heedless() {
            heedless.on_lost(now, lost);
        }
        if let Some(queue) = self.delay.queue().filter(|_| first) {
            self.drain(now, queue);
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
