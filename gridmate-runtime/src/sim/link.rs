//! One direction of a network path: what becomes of a datagram, decided by a seed.
//!
//! ```text
//!  datagram ─► bottleneck ─► loss ─► duplication ─► latency + jitter ─► held back? ─► damaged? ─► delivery
//!              (rate, queue)                        (first in, first out)
//! ```
//!
//! A [`Link`] holds no bytes and no clock. It is told when a datagram of some length leaves and answers when it arrives,
//! if it does: not at all, once, or twice. Whoever asks keeps the bytes (`driver::Conditioned`, a simulated network).
//!
//! Every kind of misfortune has its own stream of random numbers, and every datagram draws from all of them. So turning
//! one knob changes only what that knob does: the datagrams lost at 5 % are among those lost at 10 %, and none of them
//! changes who is delayed by how much.

use core::time::Duration;

use crate::rng::Rng;
use crate::time::Instant;

/// How bad a link is. All knobs are for one direction; a round trip passes two links.
///
/// Write the knobs that matter and take the rest from [`perfect`](Self::perfect): there will be more.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::sim::LinkConfig;
///
/// let home = LinkConfig {
///     loss: 0.01,
///     latency: Duration::from_millis(25),
///     jitter: Duration::from_millis(5),
///     ..LinkConfig::perfect()
/// };
/// assert!(home.validate().is_ok());
/// assert!(LinkConfig { loss: 1.5, ..home }.validate().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// Probability that a datagram is lost, each on its own, behind the bottleneck.
    pub loss: f64,
    /// Probability that a datagram arrives twice. The copy is made behind the bottleneck and travels on its own: right
    /// after the original, up to `jitter` later; it may be held back or damaged when the original is not.
    pub duplicate: f64,
    /// Probability that a datagram is held back, so that later ones overtake it. The only knob that changes the order.
    pub reorder: f64,
    /// How long a datagram is held back at most; at least a microsecond, evenly spread. Nothing overtakes it unless it
    /// is sent within that time.
    pub reorder_delay: Duration,
    /// Travelling time of every datagram, one way.
    pub latency: Duration,
    /// Additional travelling time at most, evenly spread. As in the queue of a router, a datagram that is slow holds up
    /// those behind it: jitter bunches datagrams and never changes their order. A sender whose datagrams are closer
    /// together than the jitter therefore sees delays nearer to the upper end.
    pub jitter: Duration,
    /// Probability that one bit of a datagram, any with equal chance, is turned over. (Real networks check sums; what
    /// they let through is this.)
    pub corrupt: f64,
    /// Rate of the bottleneck, payload bytes per second; `None` is endless. Never zero.
    pub bytes_per_second: Option<u64>,
    /// Room in the queue before the bottleneck, payload bytes, the datagram in transmission included. A datagram that
    /// does not fit is dropped (tail drop), unless the queue is empty. Without a rate there is no queue.
    pub queue_bytes: usize,
}

impl LinkConfig {
    /// A link that delivers everything at once, in order, unharmed. The queue has room for 64 KiB, should a rate be set.
    #[must_use]
    pub const fn perfect() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::ZERO,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            corrupt: 0.0,
            bytes_per_second: None,
            queue_bytes: 64 * 1_024,
        }
    }

    /// Checks the knobs.
    ///
    /// # Errors
    /// [`LinkConfigError`] for the first probability outside `0.0..=1.0`, or a rate of zero.
    pub fn validate(&self) -> Result<(), LinkConfigError> {
        let probabilities =
            [("loss", self.loss), ("duplicate", self.duplicate), ("reorder", self.reorder), ("corrupt", self.corrupt)];
        for (knob, value) in probabilities {
            if !(0.0..=1.0).contains(&value) {
                return Err(LinkConfigError::Probability { knob, value });
            }
        }
        if self.bytes_per_second == Some(0) {
            return Err(LinkConfigError::ZeroRate);
        }
        Ok(())
    }
}

impl Default for LinkConfig {
    /// [`perfect`](Self::perfect).
    fn default() -> Self {
        Self::perfect()
    }
}

/// Why a [`LinkConfig`] describes no link.
///
/// ```
/// use gridmate_runtime::sim::{LinkConfig, LinkConfigError};
///
/// let percent = LinkConfig { loss: 5.0, ..LinkConfig::perfect() };
/// assert_eq!(percent.validate(), Err(LinkConfigError::Probability { knob: "loss", value: 5.0 }));
/// let shut = LinkConfig { bytes_per_second: Some(0), ..LinkConfig::perfect() };
/// assert_eq!(shut.validate(), Err(LinkConfigError::ZeroRate));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkConfigError {
    /// A probability outside `0.0..=1.0`, or not a number.
    #[error("`{knob}` is a probability, expected 0.0 to 1.0, found {value}")]
    Probability {
        /// The field's name.
        knob: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// `bytes_per_second` is zero. A link that carries nothing has a `loss` of 1.
    #[error("`bytes_per_second` is zero, expected a rate or none")]
    ZeroRate,
}

/// One direction between two ends. The same seed and the same calls give the same answers.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig};
///
/// # fn main() -> Result<(), gridmate_runtime::sim::LinkConfigError> {
/// let config = LinkConfig { latency: Duration::from_millis(40), ..LinkConfig::perfect() };
/// let mut link = Link::new(config, 7)?;
/// let deliveries = link.schedule(Instant::from_millis(100), 1_200);
/// assert_eq!(deliveries.as_slice()[0].at, Instant::from_millis(140));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    config: LinkConfig,
    dice: Dice,
    bottleneck: Bottleneck,
    /// When the last datagram that was not held back arrives: none behind it is earlier.
    last_in_order: Instant,
}

impl Link {
    /// A link without traffic.
    ///
    /// # Errors
    /// As [`LinkConfig::validate`].
    pub fn new(config: LinkConfig, seed: u64) -> Result<Self, LinkConfigError> {
        config.validate()?;
        Ok(Self::from_valid(config, seed))
    }

    /// [`new`](Self::new) for a config that has passed [`LinkConfig::validate`].
    pub(crate) fn from_valid(config: LinkConfig, seed: u64) -> Self {
        debug_assert_eq!(config.validate(), Ok(()));
        Self { config, dice: Dice::new(seed), bottleneck: Bottleneck::default(), last_in_order: Instant::ZERO }
    }

    /// The knobs as they are.
    #[must_use]
    pub const fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Turns the knobs for the datagrams to come. Those under way keep their times, and none sent later overtakes them,
    /// even when the latency falls.
    ///
    /// # Errors
    /// As [`LinkConfig::validate`]; then nothing has changed.
    pub fn set_config(&mut self, config: LinkConfig) -> Result<(), LinkConfigError> {
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Sends a datagram of `bytes` bytes at `now` and says when it arrives. `now` must not run backwards.
    #[must_use]
    pub fn schedule(&mut self, now: Instant, bytes: usize) -> Deliveries {
        let roll = self.dice.roll(&self.config, bytes);
        let Some(departure) = self.bottleneck.pass(&self.config, now, bytes) else {
            return Deliveries::refused(Refusal::QueueFull);
        };
        if roll.lost {
            return Deliveries::refused(Refusal::Lost);
        }
        let first = self.travel(departure, &roll.journeys[0]);
        if !roll.duplicated {
            return Deliveries { items: [first; 2], len: 1, refusal: None };
        }
        let second = self.travel(departure, &roll.journeys[1]);
        Deliveries { items: [first, second], len: 2, refusal: None }
    }

    fn travel(&mut self, departure: Instant, journey: &Journey) -> Delivery {
        let in_order = (departure + self.config.latency + journey.jitter).max(self.last_in_order);
        self.last_in_order = in_order;
        let at = in_order + journey.held_back.unwrap_or(Duration::ZERO);
        Delivery { at, held_back: journey.held_back.is_some(), corrupt_bit: journey.corrupt_bit }
    }
}

/// The arrival of one datagram, or of one copy.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig};
///
/// let mut link = Link::new(LinkConfig { corrupt: 1.0, ..LinkConfig::perfect() }, 7)?;
/// let mut datagram = *b"hello";
/// for delivery in &link.schedule(Instant::ZERO, datagram.len()) {
///     if let Some(bit) = delivery.corrupt_bit {
///         datagram[bit / 8] ^= 1 << (bit % 8);
///     }
///     assert_eq!((delivery.at, delivery.held_back), (Instant::ZERO, false));
/// }
/// assert_ne!(datagram, *b"hello");
/// # Ok::<(), gridmate_runtime::sim::LinkConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// Whether it was held back so that others may overtake it.
    pub held_back: bool,
    /// The bit to turn over on arrival, counted from the lowest bit of the first byte.
    pub corrupt_bit: Option<usize>,
}

/// Why a datagram does not arrive.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig, Refusal};
///
/// let modem = LinkConfig { bytes_per_second: Some(5_000), queue_bytes: 2_000, ..LinkConfig::perfect() };
/// let mut link = Link::new(modem, 7)?;
/// let burst: Vec<_> = (0..2).map(|_| link.schedule(Instant::ZERO, 1_200).refusal()).collect();
/// assert_eq!(burst, [None, Some(Refusal::QueueFull)]);
/// # Ok::<(), gridmate_runtime::sim::LinkConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Lost on the way.
    Lost,
    /// It found the bottleneck's queue full.
    QueueFull,
}

/// The arrivals of one datagram: none, one, or two when it was duplicated.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig, Refusal};
///
/// let mut copier = Link::new(LinkConfig { duplicate: 1.0, ..LinkConfig::perfect() }, 7)?;
/// assert_eq!(copier.schedule(Instant::ZERO, 100).as_slice().len(), 2);
///
/// let mut hole = Link::new(LinkConfig { loss: 1.0, ..LinkConfig::perfect() }, 7)?;
/// let nothing = hole.schedule(Instant::ZERO, 100);
/// assert_eq!((nothing.as_slice().len(), nothing.refusal()), (0, Some(Refusal::Lost)));
/// # Ok::<(), gridmate_runtime::sim::LinkConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliveries {
    items: [Delivery; 2],
    len: usize,
    refusal: Option<Refusal>,
}

impl Deliveries {
    const fn refused(refusal: Refusal) -> Self {
        let nothing = Delivery { at: Instant::ZERO, held_back: false, corrupt_bit: None };
        Self { items: [nothing; 2], len: 0, refusal: Some(refusal) }
    }

    /// The arrivals, the original's before its copy's. Their times need not ascend.
    #[must_use]
    pub fn as_slice(&self) -> &[Delivery] {
        &self.items[..self.len]
    }

    /// Why there is none; `None` when there is one.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

impl<'a> IntoIterator for &'a Deliveries {
    type Item = &'a Delivery;
    type IntoIter = core::slice::Iter<'a, Delivery>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

/// A stream of random numbers for each kind of misfortune.
#[derive(Clone, Debug)]
struct Dice {
    loss: Rng,
    duplicate: Rng,
    reorder: Rng,
    jitter: Rng,
    corrupt: Rng,
}

/// What chance has in store for one datagram, should it come to that.
struct Roll {
    lost: bool,
    duplicated: bool,
    /// The original's, and its copy's.
    journeys: [Journey; 2],
}

struct Journey {
    jitter: Duration,
    held_back: Option<Duration>,
    corrupt_bit: Option<usize>,
}

impl Dice {
    /// New streams go at the end: they must not reseed the others.
    const fn new(seed: u64) -> Self {
        let mut seeds = Rng::new(seed);
        Self {
            loss: Rng::new(seeds.next_u64()),
            duplicate: Rng::new(seeds.next_u64()),
            reorder: Rng::new(seeds.next_u64()),
            jitter: Rng::new(seeds.next_u64()),
            corrupt: Rng::new(seeds.next_u64()),
        }
    }

    /// Draws as often for every datagram, whatever the knobs say.
    fn roll(&mut self, config: &LinkConfig, bytes: usize) -> Roll {
        Roll {
            lost: happens(&mut self.loss, config.loss),
            duplicated: happens(&mut self.duplicate, config.duplicate),
            journeys: [self.journey(config, bytes), self.journey(config, bytes)],
        }
    }

    fn journey(&mut self, config: &LinkConfig, bytes: usize) -> Journey {
        let jitter = up_to(&mut self.jitter, config.jitter);
        let reorder = happens(&mut self.reorder, config.reorder);
        let delay = up_to(&mut self.reorder, config.reorder_delay).max(Duration::from_micros(1));
        let corrupt = happens(&mut self.corrupt, config.corrupt);
        let bit = self.corrupt.below((bytes as u64).saturating_mul(8));
        Journey {
            jitter,
            held_back: (reorder && !config.reorder_delay.is_zero()).then_some(delay),
            corrupt_bit: (corrupt && bytes > 0).then_some(usize::try_from(bit).unwrap_or(0)),
        }
    }
}

/// Draws even when the answer is certain, unlike [`Rng::chance`].
fn happens(rng: &mut Rng, probability: f64) -> bool {
    rng.unit() < probability
}

/// `0..=span`, to the microsecond.
fn up_to(rng: &mut Rng, span: Duration) -> Duration {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(rng.below(micros.saturating_add(1)))
}

/// The slowest hop and the queue before it.
#[derive(Clone, Debug, Default)]
struct Bottleneck {
    /// Bytes accepted and not yet transmitted, in millionths: a rate of bytes per second drains that many a microsecond,
    /// without rounding.
    backlog: u128,
    /// When `backlog` was true.
    as_of: Instant,
}

impl Bottleneck {
    /// When a datagram has been transmitted; `None` when it found the queue full.
    fn pass(&mut self, config: &LinkConfig, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = config.bytes_per_second.map(u128::from) else {
            self.backlog = 0;
            return Some(now);
        };
        self.backlog = self.backlog.saturating_sub((now - self.as_of).as_micros() * rate);
        self.as_of = now;
        let after = self.backlog + bytes as u128 * 1_000_000;
        if self.backlog > 0 && after > config.queue_bytes as u128 * 1_000_000 {
            return None;
        }
        self.backlog = after;
        let micros = u64::try_from(after.div_ceil(rate)).unwrap_or(u64::MAX);
        Some(now + Duration::from_micros(micros))
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
