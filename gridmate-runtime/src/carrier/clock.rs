//! Session time: the clock of a remote program, followed by a local one.
//!
//! Each exchange of four times gives an offset between the clocks and the delay of the way there and back (NTP, RFC 5905,
//! section 8). The offset is wrong by at most half that delay, and the more the exchange was delayed beyond the shortest,
//! the less it is to be believed. A weighted line through the last exchanges gives offset and drift; the time that programs
//! see follows it by running a little faster or slower, never by a step back.
//!
//! All arithmetic is in integers: two runs agree on every platform.

use core::time::Duration;
use std::collections::VecDeque;

use crate::time::Instant;

/// A clock that follows a remote one.
///
/// It is given samples: when a request left (local clock), when it arrived and when the answer left (remote clock), and when
/// that arrived (local clock). It says what time it is there, once it is [`synchronised`](Self::synchronised): then to
/// within half the round trip and 5 ms. The time it says never goes back. While it is synchronised it gains or loses at
/// most 0.5 % on the local clock (beyond what the clocks drift apart), or 5 % when more than 50 ms off.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::carrier::ClockFilter;
///
/// let mut clock = ClockFilter::new();
/// let mut local = Instant::from_millis(1_000);
/// while !clock.synchronised() {
///     // The remote clock is nine seconds ahead, and 20 ms away in either direction.
///     let (there, back) = (local + Duration::from_millis(9_020), local + Duration::from_millis(40));
///     clock.sample(back, local, there, there, back);
///     local = back + clock.next_sample_in();
/// }
/// assert_eq!(clock.now(local), local + Duration::from_millis(9_000));
/// assert!(clock.error_bound() < Duration::from_millis(25));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClockFilter {
    /// The samples the line goes through, oldest first.
    samples: VecDeque<Sample>,
    /// Samples that contradict it, and not each other.
    strange: VecDeque<Sample>,
    line: Option<Line>,
    shown: Option<Shown>,
    synchronised: bool,
    /// Samples that fitted, since one did not.
    fitting: u32,
    /// Drift assumed before there is enough to measure it, billionths.
    drift: i128,
    last_sent: Option<u64>,
}

/// One exchange, microseconds.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Local time in the middle of it.
    at: i128,
    /// Remote time less local time, right to within half the delay.
    offset: i128,
    delay: i128,
}

/// The offset as it depends on local time.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: i128,
    offset: i128,
    /// Billionths.
    drift: i128,
    /// The offset is right to within this at `as_of`, microseconds, and by `wander` less at any other time, billionths.
    error: i128,
    as_of: i128,
    wander: i128,
}

/// The time that is shown, from a moment on.
#[derive(Clone, Copy, Debug)]
struct Shown {
    local: i128,
    session: i128,
    drift: i128,
    /// What is still missing, microseconds: to be gained (or lost, when negative) little by little.
    gap: i128,
}

impl ClockFilter {
    /// A clock that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An exchange was completed: sent at `sent` and answered at `received`, by the local clock; received at
    /// `remote_received` and answered at `remote_sent`, by the remote one. What cannot be is ignored, and so is what
    /// contradicts the other samples, unless it goes on.
    pub fn sample(
        &mut self,
        now: Instant,
        sent: Instant,
        remote_received: Instant,
        remote_sent: Instant,
        received: Instant,
    ) {
        let in_order = sent <= received && received <= now && remote_received <= remote_sent;
        let sane = [now, remote_sent].iter().all(|time| time.as_micros() <= LATEST);
        if !in_order || !sane || self.last_sent.is_some_and(|last| sent.as_micros() <= last) {
            return;
        }
        let [t0, t1, t2, t3] = [sent, remote_received, remote_sent, received].map(|time| i128::from(time.as_micros()));
        let delay = (t3 - t0) - (t2 - t1);
        // A clock that drifts can make a short way seem shorter than nothing.
        if !(-1_000..=LONGEST_DELAY).contains(&delay) || t2 - t1 > LONGEST_DELAY {
            return;
        }
        self.last_sent = Some(sent.as_micros());
        let sample = Sample { at: (t0 + t3) / 2, offset: (t1 - t0 + t2 - t3) / 2, delay: delay.max(0) };
        if self.line.is_some_and(|line| !line.agrees(&sample)) {
            self.doubt(sample);
        } else {
            self.strange.clear();
            self.fitting = self.fitting.saturating_add(1);
            self.push(sample);
        }
        self.fit();
        self.steer(i128::from(now.as_micros()));
    }

    /// Session time at the local time `local`; the origin before the clock was first synchronised. Never less than it was
    /// at an earlier `local`.
    #[must_use]
    pub fn now(&self, local: Instant) -> Instant {
        let session = self.shown.map_or(0, |shown| shown.session_at(i128::from(local.as_micros())));
        Instant::from_micros(u64::try_from(session.max(0)).unwrap_or(u64::MAX))
    }

    /// Whether session time is known. It may cease to be, when one of the clocks was set or stood still; then it will be
    /// again.
    #[must_use]
    pub const fn synchronised(&self) -> bool {
        self.synchronised
    }

    /// How wrong [`now`](Self::now) may be, as of the last sample; [`Duration::MAX`] when that is not known.
    #[must_use]
    pub fn error_bound(&self) -> Duration {
        let (Some(line), Some(shown)) = (self.line, self.shown) else { return Duration::MAX };
        let error = line.error_at(shown.local) + shown.gap.abs();
        u64::try_from(error).map_or(Duration::MAX, Duration::from_micros)
    }

    /// How long after the last request another should go out: eight quickly, then one a second, and less often once they
    /// keep fitting.
    #[must_use]
    pub fn next_sample_in(&self) -> Duration {
        if !self.strange.is_empty() {
            return HASTE;
        }
        match self.fitting {
            0..BURST => HASTE,
            BURST..24 => Duration::from_secs(1),
            24..32 => Duration::from_secs(2),
            32..40 => Duration::from_secs(4),
            _ => Duration::from_secs(8),
        }
    }

    fn push(&mut self, sample: Sample) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        while self.samples.front().is_some_and(|first| sample.at - first.at > MEMORY) {
            self.samples.pop_front();
        }
    }

    /// A sample contradicts the line. One may be damaged; several that agree mean that a clock jumped.
    fn doubt(&mut self, sample: Sample) {
        self.fitting = self.fitting.min(BURST);
        let alike = |other: &Sample| (other.offset - sample.offset).abs() <= (other.delay + sample.delay) / 2 + SLACK;
        if !self.strange.iter().all(alike) {
            self.strange.clear();
        }
        self.strange.push_back(sample);
        if self.strange.len() > 1 {
            self.synchronised = false;
        }
        if self.strange.len() >= CONVINCING {
            self.samples = core::mem::take(&mut self.strange);
            self.fitting = 0;
        }
    }

    /// The line through the samples: least squares, weighted by how little each was delayed, with the drift drawn to what it
    /// was before.
    fn fit(&mut self) {
        let (Some(last), Some(shortest)) = (self.samples.back(), self.samples.iter().map(|sample| sample.delay).min())
        else {
            return;
        };
        let origin = *last;
        let weight = |sample: &Sample| {
            let doubt = SHARPNESS + (sample.delay - shortest) / 2;
            (WEIGHT / (doubt * doubt)).max(1)
        };
        let (mut sum, mut sum_x, mut sum_y) = (0, 0, 0);
        for sample in &self.samples {
            let w = weight(sample);
            sum += w;
            sum_x += w * (sample.at - origin.at);
            sum_y += w * (sample.offset - origin.offset);
        }
        let (mean_x, mean_y) = (sum_x / sum, sum_y / sum);
        let (mut xx, mut xy) = (WEIGHT * DRIFT_STIFFNESS, 0);
        for sample in &self.samples {
            let x = sample.at - origin.at - mean_x;
            let y = sample.offset - origin.offset - mean_y - x * self.drift / BILLION;
            let w = weight(sample);
            xx += w * x * x;
            xy += w * x * y;
        }
        // Samples that agree differ by seconds at most, so that this fits.
        let drift = (self.drift + xy.saturating_mul(BILLION) / xx).clamp(-DRIFT, DRIFT);
        let mut line = Line {
            at: origin.at + mean_x,
            offset: origin.offset + mean_y,
            drift,
            error: i128::MAX / 4,
            as_of: origin.at,
            // Three standard errors of the drift: much while there is little to know it from.
            wander: WANDER + 3 * (BILLION * BILLION * WEIGHT / xx).isqrt(),
        };
        line.error = self.samples.iter().map(|sample| line.error_by(sample)).min().unwrap_or(line.error);
        if self.samples.len() == SAMPLES {
            self.drift = drift;
        }
        self.line = Some(line);
    }

    /// Turns the time shown towards the line, from `now` on.
    fn steer(&mut self, now: i128) {
        let Some(line) = self.line.filter(|_| self.samples.len() >= ENOUGH || self.shown.is_some()) else { return };
        let now = self.shown.map_or(now, |shown| now.max(shown.local));
        let target = now + line.offset_at(now);
        let session = self.shown.map_or(target, |shown| shown.session_at(now));
        let gap = target - session;
        // So far behind that nothing is gained by catching up.
        let session = if gap > HOPELESS { target } else { session };
        let gap = target - session;
        self.shown = Some(Shown { local: now, session, drift: line.drift, gap });
        if self.strange.is_empty() && self.samples.len() >= ENOUGH {
            let shortest = self.samples.iter().map(|sample| sample.delay).min().unwrap_or(0);
            self.synchronised = gap.abs() <= if self.synchronised { shortest / 2 + SLACK } else { SLACK / 2 };
        }
    }
}

impl Line {
    fn offset_at(&self, local: i128) -> i128 {
        self.offset + (local - self.at) * self.drift / BILLION
    }

    /// How wrong the line may be at the newest sample, by what another one says.
    fn error_by(&self, sample: &Sample) -> i128 {
        let wander = (self.as_of - sample.at).abs() * self.wander / BILLION;
        sample.delay / 2 + (self.offset_at(sample.at) - sample.offset).abs() + wander
    }

    fn error_at(&self, local: i128) -> i128 {
        self.error + (local - self.as_of).abs() * self.wander / BILLION
    }

    fn agrees(&self, sample: &Sample) -> bool {
        let off = (self.offset_at(sample.at) - sample.offset).abs();
        off <= sample.delay / 2 + self.error_at(sample.at) + SLACK
    }
}

impl Shown {
    /// Grows with `local`: in billionths nothing is rounded before the sum, and no slew takes more than a clock's half.
    fn session_at(&self, local: i128) -> i128 {
        let elapsed = (local - self.local).max(0);
        let gap = self.gap.abs() * BILLION;
        let fast = if self.gap < -HOPELESS { CRAWL } else { FAST };
        let by_fast = (elapsed * fast).min((gap - FINE * BILLION).max(0));
        let by_slow = (elapsed - by_fast / fast) * SLOW;
        let slewed = (by_fast + if by_fast < gap - FINE * BILLION { 0 } else { by_slow }).min(gap);
        self.session + (elapsed * (BILLION + self.drift) + slewed * self.gap.signum()).div_euclid(BILLION)
    }
}

/// The unit of drifts and slews.
const BILLION: i128 = 1_000_000_000;

/// Samples in the line, count, and the age of the oldest, microseconds.
const SAMPLES: usize = 32;
const MEMORY: i128 = 600_000_000;

/// Samples that suffice for a first time, count.
const ENOUGH: usize = 4;

/// Samples that contradict the line and agree with each other before they are believed, count.
const CONVINCING: usize = 3;

/// Samples at the start before the pace slows down, count, and that pace.
const BURST: u32 = 8;
const HASTE: Duration = Duration::from_millis(100);

/// No clock shows more, microseconds: 140,000 years.
const LATEST: u64 = 1 << 62;

/// An exchange that took longer tells nothing, microseconds.
const LONGEST_DELAY: i128 = 10_000_000;

/// What samples may be off beyond their delays, microseconds.
const SLACK: i128 = 5_000;

/// The doubt about the least delayed sample, microseconds; half of what another one was delayed beyond it is added.
const SHARPNESS: i128 = 500;

/// The weight of a sample with a doubt of one microsecond.
const WEIGHT: i128 = 1 << 40;

/// One over the square of the drift to be expected, which is 300 millionths.
const DRIFT_STIFFNESS: i128 = 11_111_111;

/// Clocks do not drift apart faster, billionths; nor do they change their drift by more than [`WANDER`].
const DRIFT: i128 = 1_000_000;
const WANDER: i128 = 200_000;

/// Slews, billionths: while more than [`FINE`] (microseconds) off, and then.
const FAST: i128 = 50_000_000;
const SLOW: i128 = 5_000_000;
const FINE: i128 = 50_000;

/// When further off, microseconds, session time steps forward or goes at half the pace.
const HOPELESS: i128 = 2_000_000;
const CRAWL: i128 = 500_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Two programs, a network between them, and the worst that was seen. Times in microseconds.
    struct World {
        clock: ClockFilter,
        rng: Rng,
        /// True time, which is also the remote clock's but for its start.
        time: u64,
        /// The local clock's drift, millionths, and what it jumped.
        drift: i64,
        jumped: i64,
        /// Each way, without and with at most how much jitter; and how often nothing arrives.
        way: u64,
        jitter: [u64; 2],
        loss: f64,
        ask_at: u64,
        shown: Instant,
        off: u64,
        worst: u64,
    }

    const REMOTE_START: u64 = 777_000_000;
    const LOCAL_START: u64 = 5_000_000_000;

    impl World {
        fn new(seed: u64) -> Self {
            Self {
                clock: ClockFilter::new(),
                rng: Rng::new(seed),
                time: 0,
                drift: 0,
                jumped: 0,
                way: 25_000,
                jitter: [0, 0],
                loss: 0.0,
                ask_at: 0,
                shown: Instant::ZERO,
                off: 0,
                worst: 0,
            }
        }

        fn local(&self, time: u64) -> Instant {
            let drifted = i128::from(time) + i128::from(time) * i128::from(self.drift) / 1_000_000;
            let local = i128::from(LOCAL_START) + drifted + i128::from(self.jumped);
            Instant::from_micros(u64::try_from(local).unwrap())
        }

        fn exchange(&mut self) {
            // Most packets meet little of the jitter, some all of it.
            let mut way = |jitter: u64| {
                let part = self.rng.below(1_000);
                self.way + jitter * part * part * part / 1_000_000_000
            };
            let (there, back) = (way(self.jitter[0]), way(self.jitter[1]));
            let (received, answered) = (self.time + there, self.time + there + 3_000);
            let [t1, t2] = [received, answered].map(|time| Instant::from_micros(time + REMOTE_START));
            let (t0, t3) = (self.local(self.time), self.local(answered + back));
            if !self.rng.chance(self.loss) {
                self.clock.sample(t3, t0, t1, t2, t3);
            }
            self.look(answered + back);
            self.ask_at = self.time + u64::try_from(self.clock.next_sample_in().as_micros()).unwrap();
        }

        fn look(&mut self, time: u64) {
            let shown = self.clock.now(self.local(time));
            assert!(shown >= self.shown, "time went back from {:?} to {shown:?}", self.shown);
            self.shown = shown;
            self.off = shown.as_micros().abs_diff(time + REMOTE_START);
            if self.clock.synchronised() {
                self.worst = self.worst.max(self.off);
            }
        }

        fn run(&mut self, seconds: u64) {
            let end = self.time + seconds * 1_000_000;
            while self.time < end {
                if self.time >= self.ask_at {
                    self.exchange();
                    self.time += 2 * self.way + self.jitter[0] + self.jitter[1] + 3_000;
                }
                self.look(self.time);
                self.time += 5_000;
            }
        }
    }

    #[expect(clippy::print_stdout, reason = "figures are what one runs this for")]
    fn report(what: &str, worst: u64) {
        println!("{what}: worst error {:.2} ms", worst as f64 / 1_000.0);
    }

    #[test]
    fn it_stays_within_half_a_round_trip() {
        for drift in [-500, -50, 0, 50, 500] {
            for (way, jitter) in
                [(1_000, [0, 0]), (25_000, [30_000, 5_000]), (25_000, [0, 100_000]), (90_000, [60_000, 60_000])]
            {
                let mut worst = 0;
                for seed in 0..8 {
                    let mut world = World { drift, way, jitter, loss: 0.3, ..World::new(seed) };
                    world.run(900);
                    assert!(world.clock.synchronised());
                    assert!(world.worst <= way + 5_000, "{drift} {way} {jitter:?} seed {seed}: {}", world.worst);
                    worst = worst.max(world.worst);
                }
                report(&format!("drift {drift} ppm, {way} us each way, jitter {jitter:?} us, 30 % loss"), worst);
            }
        }
    }

    #[test]
    fn it_is_never_off_by_more_than_it_admits() {
        let mut looks = 0;
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let drift = [-1_000, -500, 500, 1_000][usize::try_from(rng.below(4)).unwrap()];
            let mut world = World { drift, way: 500, jitter: [200, 200], ..World::new(seed) };
            // The way is never again what it was when nothing was known of the drift.
            for _ in 0..1 + rng.below(12) {
                world.exchange();
                world.time = world.ask_at;
            }
            (world.way, world.jitter) = (5_000 + rng.below(20_000), [rng.below(50_000), rng.below(50_000)]);
            for _ in 0..60 {
                world.exchange();
                if world.clock.synchronised() {
                    looks += 1;
                    let admitted = u64::try_from(world.clock.error_bound().as_micros()).unwrap();
                    assert!(world.off <= admitted + 100, "seed {seed}: {}, not {admitted} us", world.off);
                }
                world.time = world.ask_at.max(world.time + 150_000);
            }
        }
        assert!(looks > 5_000, "{looks}");
    }

    #[test]
    fn a_long_burst_of_delay_one_way_does_not_move_it() {
        for seed in 0..8 {
            let mut world = World { drift: 200, jitter: [10_000, 10_000], ..World::new(seed) };
            world.run(300);
            world.worst = 0;
            world.jitter = [400_000, 5_000];
            world.way = 26_000;
            world.run(120);
            assert!(world.clock.synchronised() && world.worst < 15_000, "seed {seed}: {}", world.worst);
            report("two minutes of up to 400 ms more one way", world.worst);
        }
    }

    #[test]
    fn after_a_jump_it_finds_back() {
        for jump in [-3_600_000_000, -5_000_000, -300_000, 300_000, 1_500_000, 5_000_000] {
            let mut world = World { drift: 100, jitter: [10_000, 10_000], loss: 0.3, ..World::new(3) };
            world.run(120);
            // The local clock was set forward, or stood still while the remote one went on.
            world.jumped += jump;
            if jump < 0 {
                world.time += jump.unsigned_abs();
                world.ask_at = world.time;
            }
            let from = world.time;
            let off = |world: &World| world.shown.as_micros().abs_diff(world.time + REMOTE_START);
            world.look(world.time);
            assert!(off(&world) > 200_000);
            while off(&world) > 30_000 || !world.clock.synchronised() {
                world.run(1);
                assert!(world.time - from < 120_000_000, "after a jump of {jump} us");
            }
            let took = (world.time - from) / 1_000_000;
            world.worst = 0;
            world.run(60);
            report(&format!("jump of {jump} us: back after {took} s, and then"), world.worst);
            assert!(world.clock.synchronised() && world.worst <= 30_000, "after a jump of {jump} us: {}", world.worst);
        }
    }

    #[test]
    fn garbage_is_ignored() {
        let mut world = World { jitter: [5_000, 5_000], ..World::new(4) };
        let mut rng = Rng::new(5);
        for _ in 0..300 {
            world.run(1);
            let now = world.local(world.time);
            let near =
                |rng: &mut Rng| Instant::from_micros(now.as_micros().wrapping_add(rng.next_u64() >> rng.below(64)));
            let any = |rng: &mut Rng| Instant::from_micros(rng.next_u64() >> rng.below(64));
            let end = Instant::from_micros(u64::MAX);
            let (a, b, c, d) = (near(&mut rng), any(&mut rng), any(&mut rng), near(&mut rng));
            world.clock.sample(now, a, b, c, d);
            world.clock.sample(end, a, b, c, d);
            world.clock.sample(end, Instant::ZERO, Instant::ZERO, end, end);
            world.clock.sample(end, end, end, end, end);
            // Answered before it was asked, and an answer from the future.
            world.clock.sample(now, now, c, b.min(c), now);
            world.clock.sample(now, now, b, b, now + Duration::from_secs(1));
        }
        assert!(world.clock.synchronised() && world.worst < 30_000, "{}", world.worst);
        let _ = world.clock.now(Instant::from_micros(u64::MAX));
    }

    #[test]
    fn one_wrong_sample_does_not_move_it_even_at_the_start() {
        for wrong in [0, 3, 20] {
            let mut world = World { jitter: [2_000, 2_000], ..World::new(6) };
            for i in 0..60 {
                if i == wrong {
                    let local = world.local(world.time);
                    world.clock.sample(local, local, Instant::ZERO, Instant::ZERO, local);
                    world.time += 1_000;
                }
                world.exchange();
                world.time = world.ask_at.max(world.time + 60_000);
            }
            assert!(world.clock.synchronised() && world.worst < 30_000, "{}", world.worst);
        }
    }

    #[test]
    fn it_asks_often_at_first() {
        let mut world = World::new(7);
        assert_eq!(world.clock.next_sample_in(), HASTE);
        assert_eq!((world.clock.now(world.local(0)), world.clock.error_bound()), (Instant::ZERO, Duration::MAX));
        world.run(2);
        assert!(world.clock.synchronised());
        assert!(world.clock.next_sample_in() == Duration::from_secs(1) && world.clock.error_bound().as_millis() <= 35);
        world.run(200);
        assert_eq!(world.clock.next_sample_in(), Duration::from_secs(8));
    }

    #[test]
    fn the_time_shown_never_steps_back() {
        for gap in [-50_000_000, -1_999_999, -60_000, -49_000, -3, 0, 3, 70_000, 1_900_000_i128] {
            for drift in [-DRIFT, 0, 7, DRIFT] {
                let shown = Shown { local: 1_000, session: 90_000_000, drift, gap };
                let mut last = shown.session_at(0);
                for local in (1_000..3_000).chain((900_000..40_000_000).step_by(997)) {
                    let session = shown.session_at(local);
                    assert!(session >= last);
                    last = session;
                }
                let settled = shown.session_at(200_000_000_000);
                let due = 90_000_000 + 199_999_999_000 * (BILLION + drift) / BILLION + gap;
                assert!((settled - due).abs() <= 1, "{settled} {due}");
            }
        }
    }
}
