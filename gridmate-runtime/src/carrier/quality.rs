//! Whether a connection is good enough to go on with.
//!
//! Loss is the share of packets that were given up, smoothed over about [`SPAN`] packets. A program may say how much of it, and
//! how long a round trip, is too much ([`CarrierConfig::max_loss`], [`CarrierConfig::max_rtt`]); a connection that is worse for
//! [`PATIENCE`] is ended. One bad moment ends nothing.

use core::time::Duration;

use super::config::CarrierConfig;
use super::error::DisconnectReason;
use crate::time::Instant;

/// Packets over which loss is smoothed, count.
const SPAN: f32 = 100.0;

/// Packets whose fate has to be known before their loss means anything, count.
const ENOUGH: u32 = 20;

/// How long a connection has to be bad.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// The share of packets lost lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    share: f32,
    settled: u32,
}

impl Loss {
    /// The fate of a packet is known.
    pub(super) fn settled(&mut self, arrived: bool) {
        self.settled = self.settled.saturating_add(1);
        // A plain mean at first, so that one early loss does not count for a hundred.
        let weight = (1.0 / self.settled as f32).max(1.0 / SPAN);
        self.share += (if arrived { 0.0 } else { 1.0 } - self.share) * weight;
    }

    /// Share of packets lost, 0 to 1.
    pub(super) const fn share(self) -> f32 {
        self.share
    }
}

/// Since when one connection is how bad.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quality {
    next: Instant,
    /// Since when it is bad, by round trip and by loss.
    bad: [Option<Instant>; 2],
}

impl Quality {
    pub(super) const fn new(now: Instant) -> Self {
        Self { next: now, bad: [None; 2] }
    }

    /// When to look again, if anybody asked for it.
    pub(super) fn deadline(&self, config: &CarrierConfig) -> Option<Instant> {
        if config.max_rtt.is_none() && config.max_loss.is_none() { None } else { Some(self.next()) }
    }

    /// Not looked up before somebody asks: it is far from what else is looked at.
    #[cold]
    #[inline(never)]
    const fn next(&self) -> Instant {
        self.next
    }

    /// Why the connection is not good enough, if it is not.
    pub(super) fn evaluate(
        &mut self,
        now: Instant,
        rtt: Option<Duration>,
        loss: Loss,
        config: &CarrierConfig,
    ) -> Option<DisconnectReason> {
        if self.deadline(config).is_none_or(|next| now < next) {
            return None;
        }
        self.next = now + PAUSE;
        let slow = config.max_rtt.zip(rtt).is_some_and(|(most, rtt)| rtt > most);
        let lossy = loss.settled >= ENOUGH && config.max_loss.is_some_and(|most| loss.share > most);
        for (bad, since) in [slow, lossy].into_iter().zip(&mut self.bad) {
            *since = if bad { since.or(Some(now)) } else { None };
        }
        let reasons = [DisconnectReason::Latency, DisconnectReason::Loss];
        let lasting = |since: Option<Instant>| since.is_some_and(|since| now.saturating_since(since) >= PATIENCE);
        self.bad.into_iter().zip(reasons).find(|(since, _)| lasting(*since)).map(|(_, reason)| reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_ends_a_connection() {
        let mut config = CarrierConfig::new(1);
        config.max_rtt = Some(Duration::from_millis(200));
        config.max_loss = Some(0.3);
        let at = Instant::from_millis;
        let (mut quality, mut loss) = (Quality::new(at(0)), Loss::default());
        assert_eq!(quality.deadline(&CarrierConfig::new(1)), None, "nobody asked");
        for i in 0..8 {
            let rtt = Duration::from_millis(if i == 3 { 100 } else { 300 });
            assert_eq!(quality.evaluate(at(i * 250), Some(rtt), loss, &config), None, "{i}");
        }
        assert_eq!(
            quality.evaluate(at(2_000), Some(Duration::from_millis(201)), loss, &config),
            Some(DisconnectReason::Latency)
        );
        let mut quality = Quality::new(at(0));
        (0..10).for_each(|_| loss.settled(false));
        assert_eq!(quality.evaluate(at(0), None, loss, &config), None, "too few to tell");
        (0..10).for_each(|_| loss.settled(false));
        let ends: Vec<_> = (0..9).map(|i| quality.evaluate(at(1 + 250 * i), None, loss, &config)).collect();
        assert_eq!(ends.iter().position(Option::is_some), Some(5));
        (0..300).for_each(|_| loss.settled(true));
        assert!(loss.share() < 0.06);
        assert_eq!(quality.evaluate(at(9_000), None, loss, &config), None, "it has recovered");
    }
}
