//! How long the queue is that one's packets stand in.
//!
//! The base is the shortest round trip of the last minute, taken for that of an empty queue (compare LEDBAT, RFC 6817). The
//! standing round trip is the shortest of the last half to whole round trip (compare Copa, section 2.1 of the NSDI 2018
//! paper): a minimum, because jitter and the ticks of both programs only ever add. The queue is the difference. Between
//! two acknowledgements nothing is known: a program that ticks hears of them once a tick, a peer that sends few of them lets a part of a
//! window go at once, and what leaves together waits for each other. So the time between two is the grain of all that is measured.

use core::time::Duration;

use crate::time::{Instant, short};

/// Spans of [`SPAN`] that the base is the minimum of, count.
const SPANS: usize = 6;

/// How long one of them is. A path that got longer is believed after a minute; until then it looks like a queue, which costs
/// little, since a queue that nothing drains is ignored.
const SPAN: Duration = Duration::from_secs(10);

/// No program that is played ticks more slowly.
const LONGEST_TICK: Duration = Duration::from_millis(50);

/// Longer than anything that is measured.
const NONE: u32 = u32::MAX;

/// The queue seen by one connection. Round trips are in microseconds, as [`short`] makes them of a span, and [`NONE`] where nothing was
/// measured.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    /// Minimum of each span, newest first.
    spans: [u32; SPANS],
    span_end: Instant,
    /// Minimum of this half round trip and of the one before.
    halves: [u32; 2],
    half_end: Instant,
    /// When the last round trip was measured, and the time between two, smoothed.
    last: Instant,
    gap: Duration,
}

impl Delay {
    pub(super) const fn new() -> Self {
        Self {
            spans: [NONE; SPANS],
            span_end: Instant::ZERO,
            halves: [NONE; 2],
            half_end: Instant::ZERO,
            last: Instant::ZERO,
            gap: Duration::ZERO,
        }
    }

    /// A round trip was measured. It says nothing about how long the queue is now when the packet is an `old` one.
    pub(super) fn sample(&mut self, now: Instant, latest: Duration, smoothed: Duration, old: bool) {
        if now >= self.span_end {
            let missed = (now - self.span_end).as_micros() / SPAN.as_micros();
            let shift = usize::try_from(missed).unwrap_or(SPANS).saturating_add(1).min(SPANS);
            self.spans.rotate_right(shift % SPANS);
            self.spans[..shift].fill(NONE);
            self.span_end = now + SPAN;
        }
        if now > self.last {
            self.gap = (self.gap * 15 + (now - self.last).min(LONGEST_TICK)) / 16;
            self.last = now;
        }
        let latest = short(latest);
        self.spans[0] = self.spans[0].min(latest);
        if old {
            return;
        }
        if now >= self.half_end {
            self.halves = [NONE, self.halves[0]];
            self.half_end = now + smoothed / 2;
        }
        self.halves[0] = self.halves[0].min(latest);
    }

    /// Forgets the standing round trip: what is measured from now on is different.
    pub(super) fn restart(&mut self) {
        self.halves = [NONE; 2];
        self.half_end = Instant::ZERO;
    }

    /// The round trip without a queue.
    pub(super) fn base(&self) -> Duration {
        match self.least() {
            NONE => Duration::MAX,
            least => Duration::from_micros(least.into()),
        }
    }

    /// Differences smaller than this cannot be told.
    pub(super) const fn grain(&self) -> Duration {
        self.gap
    }

    /// How much longer it takes now; `None` until half a round trip was watched.
    pub(super) fn queue(&self) -> Option<Duration> {
        let [this, last] = self.halves;
        (last < NONE).then(|| Duration::from_micros(this.min(last).saturating_sub(self.least()).into()))
    }

    fn least(&self) -> u32 {
        self.spans.iter().copied().min().unwrap_or(NONE)
    }
}
