//! Which tick a peer is at, judged from when its messages arrive.
//!
//! Every state message says at which tick it was sent. On its way it is held up for some time, never negative, so the earliest
//! arrivals are the ones to believe: a **mark** is kept of the earliest in every few ticks. A line through the marks that none of
//! them is ahead of says which tick could have arrived by now, if it was not held up; its slope is how fast the peer ticks.
//!
//! The line is an estimate and changes. What a program was shown must not: a moment gone by keeps its tick, or things would move
//! backwards. So there is a second line, the **course**. It is what is asked, it is never changed but ahead of the present, and
//! it bends towards the first.

use core::time::Duration;

use smallvec::SmallVec;

use super::playout::Playout;
use crate::time::Instant;

/// Ticks that share a mark, count.
const BUCKET: u32 = 8;

/// Marks remembered, count: about a second's worth.
const MARKS: usize = 8;

/// Age of a mark beyond which it says nothing about the peer of today.
const MARK_AGE: Duration = Duration::from_secs(5);

/// Bends remembered, count. Moments before the first are as if the peer had always ticked as it does now.
const BENDS: usize = 16;

/// Time between two bends at least; [`BENDS`] of them reach back four fifths of a second.
const BEND_EVERY: Duration = Duration::from_millis(50);

/// Seconds in which the course meets the line again.
const CATCH_UP: f64 = 0.5;

/// Seconds between course and line beyond which there is no way to meet: the peer was stopped, or its connection stuck.
const JUMP: f64 = 1.0;

/// Ticks per second that a peer can have.
const RATES: core::ops::RangeInclusive<f64> = 0.1..=10_000.0;

/// How many ticks apart two marks have to be to tell the rate from.
const BASE: f64 = 6.0;

/// A peer's ticks against this node's time.
#[derive(Debug)]
pub(super) struct Timeline {
    /// The newest tick heard of since the last update.
    heard: u32,
    /// The newest of all.
    newest: u32,
    /// The tick at the time of the last update; none before anything was heard.
    present: Option<f64>,
    /// The most that what came since the last update was held up before it came to the peer, in seconds.
    late: f64,
    /// Ticks per second.
    rate: f64,
    /// Whether `rate` was measured, and not guessed.
    measured: bool,
    /// Oldest first, of different ticks.
    marks: SmallVec<[Point; MARKS]>,
    bends: SmallVec<[Point; BENDS]>,
    /// The course after the last bend: ticks per second, and for how many seconds. After that it is the line.
    slope: f64,
    until: f64,
    playout: Playout,
}

/// A moment, and the tick that goes with it.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Instant,
    tick: f64,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self {
            heard: 0,
            newest: 0,
            present: None,
            late: 0.0,
            rate: 0.0,
            measured: false,
            marks: SmallVec::new(),
            bends: SmallVec::new(),
            slope: 0.0,
            until: 0.0,
            playout: Playout::default(),
        }
    }

    /// A message of the peer's tick `tick` is here.
    pub(super) const fn hear(&mut self, tick: u32) {
        if tick > self.heard {
            self.heard = tick;
        }
    }

    /// Something that a message brought was held up for so many seconds before the peer had it.
    pub(super) const fn hear_late(&mut self, seconds: f64) {
        self.late = self.late.max(seconds);
    }

    /// It is `now`: what [`age`](Self::age) goes by.
    pub(super) fn stop_at(&mut self, now: Instant) {
        self.present = self.tick_at(now);
    }

    /// How many seconds ago what is of that tick of the peer could have been here.
    pub(super) fn age(&self, tick: u32) -> f64 {
        self.present.map_or(0.0, |present| ((present - f64::from(tick)) / self.rate).max(0.0))
    }

    /// The newest tick heard of.
    pub(super) const fn newest(&self) -> u32 {
        self.newest
    }

    /// Takes in what was heard until `now`. Before anything is known of the peer's rate, it is guessed to be our own: a tick in
    /// every `interval`.
    pub(super) fn update(&mut self, now: Instant, interval: Duration) {
        let tick = core::mem::take(&mut self.heard);
        let late = core::mem::take(&mut self.late);
        // What was overtaken is too late to tell anything.
        if tick <= self.newest {
            return;
        }
        if self.rate <= 0.0 {
            if interval.is_zero() {
                return;
            }
            self.rate = within_reason(1.0 / interval.as_secs_f64());
        }
        let here = self.tick_at(now);
        let same_bucket = self.newest / BUCKET == tick / BUCKET;
        let before = core::mem::replace(&mut self.newest, tick);
        let point = Point { at: now, tick: tick.into() };
        if self.measured && self.line(now).is_some_and(|line| line - point.tick > JUMP * self.rate) {
            self.marks.clear();
            self.measured = false;
        }
        self.mark(point, same_bucket);
        let guessed = !self.measured;
        self.measure();
        // Once the rate is known, what was guessed is no reason to be shown the wrong tick any longer.
        self.bend(now, here.filter(|_| !guessed || !self.measured));
        if self.measured
            && let Some(line) = self.line(now)
        {
            let [need, gap] = [line, f64::from(tick)].map(|tick| (tick - f64::from(before)) / self.rate);
            // What was held up on its way to the peer is as late as if it had been on the way from there.
            self.playout.arrive(now, need + late, gap);
        }
    }

    /// How late to show the peer at a moment, by what its messages need.
    pub(super) fn delay_at(&self, at: Instant) -> Duration {
        Duration::from_secs_f64(self.playout.at(at))
    }

    /// Ticks per second, as far as is known.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// The tick at a moment; `None` before anything was heard.
    pub(super) fn tick_at(&self, at: Instant) -> Option<f64> {
        let last = self.bends.last()?;
        if at >= last.at {
            let ahead = seconds(last.at, at);
            return Some(last.tick + ahead.min(self.until) * self.slope + (ahead - self.until).max(0.0) * self.rate);
        }
        Some(match self.bends.iter().rposition(|bend| bend.at <= at) {
            Some(i) => {
                let (a, b) = (self.bends[i], self.bends[i + 1]);
                a.tick + (b.tick - a.tick) * (seconds(a.at, at) / seconds(a.at, b.at))
            }
            None => self.bends[0].tick - seconds(at, self.bends[0].at) * self.rate,
        })
    }

    /// The newest tick that could be here.
    fn line(&self, now: Instant) -> Option<f64> {
        self.marks.iter().map(|mark| self.through(mark, now)).reduce(f64::max)
    }

    /// Where the line would be if it went through `mark`.
    fn through(&self, mark: &Point, now: Instant) -> f64 {
        mark.tick + seconds(mark.at, now) * self.rate
    }

    fn mark(&mut self, point: Point, same_bucket: bool) {
        while self.marks.first().is_some_and(|mark| point.at - mark.at > MARK_AGE) {
            self.marks.remove(0);
        }
        match self.marks.last() {
            Some(last) if same_bucket => {
                if self.through(last, point.at) > point.tick {
                    return; // Held up for longer.
                }
                self.marks.pop();
            }
            _ if self.marks.len() == MARKS => {
                self.marks.remove(0);
            }
            _ => {}
        }
        self.marks.push(point);
    }

    fn measure(&mut self) {
        // The last mark may still find an earlier arrival, if there are others to go by.
        let settled = self.marks.len() - usize::from(self.marks.len() > 2);
        let (first, last) = (self.marks[0], self.marks[settled - 1]);
        let span = seconds(first.at, last.at);
        if last.tick - first.tick >= BASE && span > 0.0 {
            self.rate = within_reason((last.tick - first.tick) / span);
            self.measured = true;
        }
    }

    /// Lays the course anew, from where it is now.
    fn bend(&mut self, now: Instant, here: Option<f64>) {
        let Some(line) = self.line(now) else { return };
        if here.is_some() && self.bends.last().is_some_and(|last| now - last.at < BEND_EVERY) {
            return;
        }
        let here = here.filter(|here| (here - line).abs() <= JUMP * self.rate).unwrap_or_else(|| {
            self.bends.clear();
            line
        });
        if let Some(last) = self.bends.last().copied()
            && seconds(last.at, now) > self.until
        {
            let met =
                Point { at: last.at + Duration::from_secs_f64(self.until), tick: last.tick + self.until * self.slope };
            self.push_bend(met);
        }
        self.push_bend(Point { at: now, tick: here });
        // However far ahead it is, it goes on, at half the speed at least.
        let lead = here - line;
        self.until = (2.0 * lead / self.rate).max(CATCH_UP);
        self.slope = self.rate - lead / self.until;
    }

    fn push_bend(&mut self, bend: Point) {
        if self.bends.len() == BENDS {
            self.bends.remove(0);
        }
        self.bends.push(bend);
    }
}

fn seconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64()
}

const fn within_reason(rate: f64) -> f64 {
    rate.clamp(*RATES.start(), *RATES.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const MS: fn(u64) -> Instant = Instant::from_millis;

    /// A peer that ticks every `period` milliseconds and is heard of by a node that ticks every ten.
    struct Peer {
        timeline: Timeline,
        /// When what was sent arrives, with its tick.
        arrivals: Vec<(Instant, u32)>,
        now: u64,
        tick: u32,
    }

    impl Peer {
        fn new() -> Self {
            Self { timeline: Timeline::new(), arrivals: Vec::new(), now: 1_000, tick: 0 }
        }

        /// Ticks `count` times; a message takes `delay` milliseconds, or is lost.
        fn run(&mut self, count: u32, period: u64, mut delay: impl FnMut(u32) -> Option<u64>) {
            for _ in 0..count {
                self.tick += 1;
                let due = MS(self.now + period);
                if let Some(delay) = delay(self.tick) {
                    self.arrivals.push((due + Duration::from_millis(delay), self.tick));
                }
                while MS(self.now) < due {
                    self.now += 10;
                    let now = MS(self.now);
                    self.arrivals.iter().filter(|(at, _)| *at <= now).for_each(|(_, tick)| self.timeline.hear(*tick));
                    self.arrivals.retain(|(at, _)| *at > now);
                    self.timeline.update(now, Duration::from_millis(10));
                }
            }
        }

        /// The tick at `back` milliseconds before now, relative to the peer's.
        fn offset(&self, back: u64) -> f64 {
            self.timeline.tick_at(MS(self.now - back)).unwrap() - f64::from(self.tick)
        }
    }

    #[track_caller]
    fn assert_near(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() <= by, "{a} is not {b}");
    }

    #[test]
    fn even_arrivals_are_told_at_once_and_for_ever() {
        let mut peer = Peer::new();
        assert_eq!(peer.timeline.tick_at(MS(5)), None);
        peer.run(400, 20, |_| Some(40));
        assert_near(peer.offset(0), -2.0, 1e-5);
        assert_near(peer.offset(50), -4.5, 1e-5);
        // Nothing to say for a while: time goes on.
        peer.run(50, 20, |_| None);
        assert_near(peer.offset(0), -2.0, 1e-5);
        peer.run(50, 20, |_| Some(40));
        assert_near(peer.offset(300), -17.0, 1e-5);
    }

    #[test]
    fn the_earliest_arrivals_count() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let mut peer = Peer::new();
            let mut late = |_| (!rng.chance(0.2)).then(|| 40 + if rng.chance(0.2) { 0 } else { rng.below(30) });
            peer.run(100, 20, &mut late);
            for _ in 0..20 {
                peer.run(10, 20, &mut late);
                assert_near(peer.offset(0), -2.0, 0.75);
            }
        }
    }

    #[test]
    fn a_moment_gone_by_keeps_its_tick() {
        let mut rng = Rng::new(3);
        let mut peer = Peer::new();
        let mut told = Vec::new();
        for round in 0..400 {
            // A peer that changes its pace, over a link that changes its mind.
            let (period, least) = (if round % 100 < 50 { 10 } else { 30 }, if round % 70 < 20 { 100 } else { 20 });
            peer.run(2, period, |_| (!rng.chance(0.3)).then(|| least + rng.below(50)));
            let ticks: Vec<_> = (0..30)
                .map(|i| MS((peer.now + 10 * i).saturating_sub(290)))
                .filter_map(|at| peer.timeline.tick_at(at))
                .collect();
            assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
            let at = MS(peer.now - 10);
            told.extend(peer.timeline.tick_at(at).map(|tick| (at, tick)));
            for (at, tick) in told.iter().rev().take(8).filter(|_| round > 40) {
                assert_near(peer.timeline.tick_at(*at).unwrap(), *tick, 1e-6);
            }
        }
    }

    #[test]
    fn a_new_pace_is_taken_up() {
        let mut peer = Peer::new();
        peer.run(300, 20, |_| Some(0));
        peer.run(200, 40, |_| Some(0));
        assert_near(peer.offset(0), 0.0, 0.1);
        assert_near(peer.offset(400), -10.0, 0.2);
        peer.run(300, 10, |_| Some(0));
        assert_near(peer.offset(0), 0.0, 0.2);
    }

    #[test]
    fn a_peer_that_was_stopped_is_followed_from_where_it_goes_on() {
        let mut peer = Peer::new();
        peer.run(300, 20, |_| Some(0));
        peer.now += 30_000;
        peer.run(20, 20, |_| Some(0));
        assert_near(peer.offset(0), 0.0, 0.1);
        // A tick that cannot be, and what comes after it.
        peer.timeline.hear(u32::MAX);
        peer.timeline.update(MS(peer.now), Duration::ZERO);
        assert!(peer.timeline.tick_at(MS(peer.now)).unwrap().is_finite());
    }

    #[test]
    fn nothing_grows() {
        let mut peer = Peer::new();
        let mut rng = Rng::new(9);
        for _ in 0..2_000 {
            peer.timeline.hear(u32::try_from(rng.below(1 << 32)).unwrap());
            peer.now += rng.below(2_000);
            peer.timeline.update(MS(peer.now), Duration::from_millis(rng.below(50)));
            let tick = peer.timeline.tick_at(MS(rng.below(peer.now + 1_000)));
            assert!(tick.is_none_or(f64::is_finite));
        }
        assert!(!peer.timeline.marks.spilled() && !peer.timeline.bends.spilled());
    }
}
