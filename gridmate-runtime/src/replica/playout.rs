//! How late to show a peer's replicas, judged from how late its messages are.
//!
//! When a message arrives, the one before it is the newest there was until then. So nothing was missing if what was shown a moment
//! ago was no newer than that: the **need** of an arrival is how far the tick of the one before it lies behind the line of
//! [`Timeline`](super::timeline::Timeline). It holds the interval between messages, what holds them up, and losses.
//!
//! The delay goes after the greatest need of late, which is forgotten by and by, and it does so slowly: time is shown at
//! [`GIVE`] of its pace less or more, and never goes back. What is asked of a moment gone by stays as it was told.

use core::time::Duration;

use smallvec::SmallVec;

use crate::time::Instant;

/// What the delay is longer than the need, as a share of it.
const MARGIN: f64 = 0.25;

/// Seconds in which all but 1/e of what a need was greater than the present one is forgotten.
const FORGET: f64 = 2.0;

/// Seconds by which the delay changes in one second at most, growing and shrinking.
const GIVE: (f64, f64) = (0.25, 0.1);

/// A gap between messages of more than so many times the usual is a peer that had nothing to say.
const PAUSE: f64 = 6.0;

/// Seconds that the first gap between messages is taken for at most: nothing tells yet whether it was a pause.
const FIRST: f64 = 0.1;

/// Weight of a new gap in the usual one.
const USUAL: f64 = 0.05;

/// Seconds of delay beyond which no need is followed.
const MOST: f64 = 1.0;

/// Knots remembered, count, and the time between two at least: four fifths of a second, as long as the course is.
const KNOTS: usize = 16;
const KNOT_EVERY: Duration = Duration::from_millis(100);

/// How late a program shows its proxies: for [`ReplicaManager::display`](super::ReplicaManager::display). A [`Duration`] will do.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::Delay;
///
/// # let replicas = ReplicaManager::new(Registry::builder().build()?, 1);
/// // What the connection needs, but never more than a quarter of a second.
/// let delay = Delay::Adaptive { least: Duration::ZERO, most: Duration::from_millis(250) };
/// let display = replicas.display(Instant::ZERO, delay);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// The same for every peer.
    Fixed(Duration),
    /// For each peer as much as its messages are late by, and a quarter more: about one to two times between messages when they come
    /// evenly. It grows by at most a quarter of a second in a second, and shrinks by a tenth. One second is the most it comes to.
    ///
    /// Messages are those of the peer; where a dataset changes more rarely than they come, `least` is to be the time between two of its
    /// changes.
    Adaptive {
        /// Never less.
        least: Duration,
        /// Never more. If that is less than `least`, it is `least`.
        most: Duration,
    },
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        Self::Fixed(delay)
    }
}

/// The delay that a peer's messages need, over time, in seconds.
#[derive(Debug, Default)]
pub(super) struct Playout {
    /// The greatest need of late.
    peak: f64,
    /// The usual gap between two messages.
    gap: f64,
    updated: Instant,
    knots: SmallVec<[(Instant, f64); KNOTS]>,
    /// Where it goes from the last knot.
    target: f64,
}

impl Playout {
    /// A message is here, `gap` after the one before by the peer's own time, which is then `need` behind what could be here.
    pub(super) fn arrive(&mut self, now: Instant, need: f64, gap: f64) {
        if self.knots.is_empty() {
            let gap = gap.min(FIRST);
            (self.gap, self.peak, self.updated) = (gap, gap, now);
            self.target = (gap * (1.0 + MARGIN)).min(MOST);
            self.knots.push((now, self.target));
            return;
        }
        let paused = gap > PAUSE * self.gap;
        self.gap += (gap.min(PAUSE * self.gap) - self.gap) * USUAL;
        // What came before a pause was not missing; that this one is late may be.
        let need = if paused { need - gap + self.gap } else { need }.clamp(0.0, MOST);
        let faded = self.peak + (need - self.peak) * (1.0 - (-(now - self.updated).as_secs_f64() / FORGET).exp());
        (self.peak, self.updated) = (faded.max(need), now);
        if self.knots.last().is_some_and(|(last, _)| now - *last >= KNOT_EVERY) {
            let here = self.at(now);
            if let Some(met) = self.met().filter(|met| *met < now) {
                self.push((met, self.target));
            }
            self.push((now, here));
            self.target = (self.peak * (1.0 + MARGIN)).min(MOST);
        }
    }

    /// The delay at a moment, in seconds.
    pub(super) fn at(&self, at: Instant) -> f64 {
        let Some((last, value)) = self.knots.last().copied() else { return 0.0 };
        if at >= last {
            let span = (at - last).as_secs_f64();
            return value + (self.target - value).clamp(-GIVE.1 * span, GIVE.0 * span);
        }
        match self.knots.iter().rposition(|knot| knot.0 <= at) {
            Some(i) => {
                let ((a, from), (b, to)) = (self.knots[i], self.knots[i + 1]);
                from + (to - from) * ((at - a).as_secs_f64() / (b - a).as_secs_f64())
            }
            None => self.knots[0].1,
        }
    }

    /// When it reaches the target.
    fn met(&self) -> Option<Instant> {
        let (last, value) = self.knots.last().copied()?;
        let way = self.target - value;
        let seconds = if way > 0.0 { way / GIVE.0 } else { -way / GIVE.1 };
        (seconds > 0.0).then(|| last + Duration::from_secs_f64(seconds)).filter(|met| *met > last)
    }

    fn push(&mut self, knot: (Instant, f64)) {
        if self.knots.len() == KNOTS {
            self.knots.remove(0);
        }
        self.knots.push(knot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// What happens to the messages of one phase.
    #[derive(Clone, Copy, Debug)]
    struct Link {
        /// Milliseconds that a message is late by at most.
        jitter: u64,
        loss: f64,
    }

    /// What the constants say, and nothing that was measured: a need is followed within the time that growing takes, it is forgotten by
    /// and by, and nothing but needs and the margin makes a delay.
    #[test]
    fn the_delay_lies_between_what_was_needed_and_the_most_of_it_whatever_link_there_is() {
        const TICK: u64 = 33;
        let phases = [(0, 0.0), (100, 0.0), (0, 0.0), (0, 0.3), (60, 0.2), (0, 0.0)];
        let phases = phases.map(|(jitter, loss)| Link { jitter, loss });
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            // When they come, and of which tick they are.
            let (mut arrivals, mut run) = (Vec::new(), 0);
            for (n, link) in (0_u64..).zip(phases.into_iter().flat_map(|link| [link; 400])) {
                run = if rng.chance(link.loss) && run < 4 { run + 1 } else { 0 };
                if run == 0 {
                    arrivals.push((1_000 + n * TICK + rng.below(link.jitter + 1), n));
                }
            }
            arrivals.sort_unstable();
            let (mut playout, mut newest) = (Playout::default(), 0);
            let mut needs: Vec<(f64, f64)> = Vec::new();
            let (mut phase, mut since, mut start) = (0, 0.0, 0.0);
            for (ms, n) in arrivals {
                if n <= newest {
                    continue;
                }
                let seconds = |ms: u64| ms as f64 / 1e3;
                let (now, need, gap) = (seconds(ms), seconds(ms - 1_000 - newest * TICK), seconds((n - newest) * TICK));
                newest = n;
                playout.arrive(Instant::from_millis(ms), need, gap);
                let delay = playout.at(Instant::from_millis(ms));
                if n / 400 != phase {
                    (phase, since, start) = (n / 400, now, delay);
                }
                needs.push((now, need));

                // As much as is left of each need, once there was time to grow so far, from one knot to the next.
                for (at, need) in &needs {
                    let wanted = need * (1.0 + MARGIN) * (-(now - at) / FORGET).exp();
                    let grown =
                        now - at >= KNOT_EVERY.as_secs_f64() + 2.0 * seconds(TICK) + need * (1.0 + MARGIN) / GIVE.0;
                    assert!(
                        !grown || delay >= wanted - 1e-9,
                        "seed {seed}, {now}: {delay}, and {need} was needed at {at}"
                    );
                }
                // No more than the most of this phase, what is left of those before, and what could not yet be given back.
                let most = |from: f64, to: f64| {
                    needs.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, need)| *need).fold(0.0, f64::max)
                };
                let (here, before) = (most(since, f64::MAX), most(0.0, since));
                let met = since + (start - here * (1.0 + MARGIN)).max(0.0) / GIVE.1;
                let left = (before - here).max(0.0) * (-(met - since) / FORGET).exp();
                let bound = (here + (before - here).max(0.0)) * (1.0 + MARGIN);
                assert!(delay <= bound + 1e-9, "seed {seed}, {now}: {delay} of {bound}");
                let bound = (here + left) * (1.0 + MARGIN);
                assert!(
                    now < met + 0.2 || delay <= bound + 1e-9,
                    "seed {seed}, {now}: {delay} of {bound}, as at {met}"
                );
            }
        }
    }

    #[test]
    fn the_delay_follows_the_need_slowly_and_what_was_told_stays() {
        let mut rng = Rng::new(5);
        let (mut playout, mut told, mut last) = (Playout::default(), Vec::new(), f64::MIN);
        for i in 0..3_000_u64 {
            let now = Instant::from_millis(1_000 + i * 33);
            let late = if i / 500 % 2 == 1 { 0.001 * f64::from(u32::try_from(rng.below(100)).unwrap()) } else { 0.0 };
            playout.arrive(now, 0.033 + late, 0.033);
            for back in [20, 10, 0] {
                let at = Instant::from_millis(1_033 + i * 33 - back);
                let delay = playout.at(at);
                let shown = (at - Instant::ZERO).as_secs_f64() - delay;
                assert!(shown > last, "back by {}", last - shown);
                (last, _) = (shown, told.push((at, delay)));
            }
            for (at, delay) in told.iter().rev().skip(3).take(10) {
                assert!((playout.at(*at) - delay).abs() < 1e-5, "{at:?}");
            }
        }
        assert!(!playout.knots.spilled());
    }

    #[test]
    fn a_pause_before_the_first_messages_is_no_need() {
        let mut playout = Playout::default();
        playout.arrive(Instant::from_millis(20_000), 10.0, 10.0);
        for n in 1..60 {
            let at = Instant::from_millis(20_000 + n * 33);
            playout.arrive(at, 0.033, 0.033);
            assert!(playout.at(at) <= FIRST * (1.0 + MARGIN), "{} after {n}", playout.at(at));
        }
        assert!(playout.at(Instant::from_millis(20_000 + 60 * 33)) < FIRST);
    }
}
