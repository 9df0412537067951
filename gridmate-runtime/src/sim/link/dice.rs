//! Chance, in one stream for each kind of misfortune.

use core::time::Duration;

use super::delivery::{CORRUPT_BITS_MAX, Damage};
use super::odds;
use super::{JitterShape, LinkConfig};
use crate::rng::Rng;
use crate::time::micros;

/// A stream of random numbers for each kind of misfortune.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    loss: Rng,
    duplicate: Rng,
    reorder: Rng,
    jitter: Rng,
    corrupt: Rng,
    corrupt_bits: Rng,
    burst: Rng,
    truncate: Rng,
    extend: Rng,
    empty: Rng,
    /// Whether the link is in its bad state.
    in_burst: bool,
}

/// What chance has in store for one datagram, should it come to that.
pub(super) struct Roll {
    pub(super) lost: bool,
    pub(super) lost_in_burst: bool,
    pub(super) duplicated: bool,
    /// The original's, and its copy's.
    pub(super) journeys: [Journey; 2],
}

pub(super) struct Journey {
    pub(super) jitter: Duration,
    pub(super) held_back: Option<Duration>,
    pub(super) damage: Damage,
}

impl Dice {
    /// The first five streams are told apart by their order, all others by their names: a new one reseeds none.
    pub(super) fn new(seed: u64) -> Self {
        let mut seeds = Rng::new(seed);
        Self {
            loss: Rng::new(seeds.next_u64()),
            duplicate: Rng::new(seeds.next_u64()),
            reorder: Rng::new(seeds.next_u64()),
            jitter: Rng::new(seeds.next_u64()),
            corrupt: Rng::new(seeds.next_u64()),
            corrupt_bits: stream(seed, "corrupt_bits"),
            burst: stream(seed, "burst"),
            truncate: stream(seed, "truncate"),
            extend: stream(seed, "extend"),
            empty: stream(seed, "empty"),
            in_burst: false,
        }
    }

    /// Draws as often for every datagram, whatever the knobs say.
    pub(super) fn roll(&mut self, config: &LinkConfig, bytes: usize) -> Roll {
        Roll {
            lost: happens(&mut self.loss, config.loss),
            lost_in_burst: self.burst(config),
            duplicated: happens(&mut self.duplicate, config.duplicate),
            journeys: [self.journey(config, bytes), self.journey(config, bytes)],
        }
    }

    fn burst(&mut self, config: &LinkConfig) -> bool {
        let turn = if self.in_burst { config.burst.leave } else { config.burst.enter };
        self.in_burst ^= happens(&mut self.burst, turn);
        happens(&mut self.burst, config.burst.loss) && self.in_burst
    }

    fn journey(&mut self, config: &LinkConfig, bytes: usize) -> Journey {
        let jitter = jitter(&mut self.jitter, config);
        let reorder = happens(&mut self.reorder, config.reorder);
        let delay = up_to(&mut self.reorder, config.reorder_delay).max(Duration::from_micros(1));
        Journey {
            jitter,
            held_back: (reorder && !config.reorder_delay.is_zero()).then_some(delay),
            damage: self.damage(config, bytes),
        }
    }

    fn damage(&mut self, config: &LinkConfig, bytes: usize) -> Damage {
        let mut damage = Damage::NONE;
        let bits = (bytes as u64).saturating_mul(8);
        let (corrupt, first) = (happens(&mut self.corrupt, config.corrupt), self.corrupt.below(bits));
        let more = self.corrupt_bits.below(u64::from(config.corrupt_bits));
        let mut others = Rng::new(self.corrupt_bits.next_u64());
        if corrupt && bytes > 0 {
            damage = damage.bit(index(first));
            // As many as were drawn, or all that there are; eight at most, so drawing again until they differ ends soon.
            let wanted = index(more.min(bits - 1)).min(CORRUPT_BITS_MAX - 1) + 1;
            while damage.bits().len() < wanted {
                damage = damage.bit(index(others.below(bits)));
            }
        }
        let (truncate, keep) = (happens(&mut self.truncate, config.truncate), self.truncate.next_u64());
        if truncate && bytes > 1 {
            damage = damage.truncated(1 + index(Rng::new(keep).below(bytes as u64 - 1)));
        }
        let extend = happens(&mut self.extend, config.extend);
        let grown_by = index(self.extend.below(u64::from(LinkConfig::EXTENSION_BYTES_MAX))) + 1;
        let filler = self.extend.next_u64();
        if extend {
            damage = damage.extended(grown_by, filler);
        }
        if happens(&mut self.empty, config.empty) {
            damage = Damage::NONE.truncated(0);
        }
        damage
    }
}

/// The stream of a misfortune, by its name (FNV-1a, 64 bits). The generator scrambles what near seeds have in common.
fn stream(seed: u64, name: &str) -> Rng {
    let hash = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    Rng::new(Rng::new(seed ^ hash).next_u64())
}

/// Draws even when the answer is certain, unlike [`Rng::chance`].
fn happens(rng: &mut Rng, probability: f64) -> bool {
    rng.unit() < probability
}

/// One number is drawn for each shape, so that changing the shape shifts nothing.
fn jitter(rng: &mut Rng, config: &LinkConfig) -> Duration {
    let (times, cap) = match config.jitter_shape {
        JitterShape::Uniform => return up_to(rng, config.jitter),
        JitterShape::Exponential { cap } => (odds::exponential(rng), cap),
        JitterShape::Pareto { shape, cap } => (odds::pareto_tail(rng, shape), cap),
    };
    if config.jitter.is_zero() {
        return Duration::ZERO;
    }
    // What is too long for a duration is infinite or nearly so.
    Duration::try_from_secs_f64(config.jitter.as_secs_f64() * times).map_or(cap, |span| span.min(cap))
}

/// `0..=span`, to the microsecond.
fn up_to(rng: &mut Rng, span: Duration) -> Duration {
    Duration::from_micros(rng.below(micros(span).saturating_add(1)))
}

/// What was drawn below a length fits where the length did.
fn index(drawn: u64) -> usize {
    usize::try_from(drawn).unwrap_or(usize::MAX)
}
