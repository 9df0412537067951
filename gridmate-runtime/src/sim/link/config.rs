//! The knobs of a link, and which settings of them make sense.

use core::time::Duration;

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
    /// Loss that comes in bursts, beside `loss`.
    pub burst: BurstLoss,
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
    /// Additional travelling time; `jitter_shape` says how it is spread. As in the queue of a router, a datagram that is
    /// slow holds up those behind it: jitter bunches datagrams and never changes their order. A sender whose datagrams
    /// are closer together than the jitter therefore sees delays nearer to the upper end.
    pub jitter: Duration,
    /// What `jitter` measures: the most there is, the mean, or the scale of a long tail.
    pub jitter_shape: JitterShape,
    /// Probability that bits of a datagram, any with equal chance, are turned over. (Real networks check sums; what
    /// they let through is this.)
    pub corrupt: f64,
    /// How many different bits are turned over at most when any are, `1..=8`; one to that many, evenly spread.
    pub corrupt_bits: u8,
    /// Probability that a datagram loses its end: one byte at least stays, and one at least goes.
    pub truncate: f64,
    /// Probability that a datagram grows by random bytes, 1 to [`EXTENSION_BYTES_MAX`](Self::EXTENSION_BYTES_MAX) of them.
    pub extend: f64,
    /// Probability that a datagram arrives without any bytes.
    pub empty: f64,
    /// Rate of the bottleneck, payload bytes per second; `None` is endless. Never zero.
    pub bytes_per_second: Option<u64>,
    /// Room in the queue before the bottleneck, payload bytes, the datagram in transmission included. A datagram that
    /// does not fit is dropped (tail drop), unless the queue is empty. Without a rate there is no queue.
    pub queue_bytes: usize,
    /// Whether a datagram that finds the queue more than half full is marked (explicit congestion notification). One that
    /// does not fit is dropped all the same.
    pub ecn: bool,
    /// The longest datagram that passes, payload bytes; longer ones vanish before the bottleneck, and nobody is told.
    /// `None` lets all pass. Never zero.
    pub mtu: Option<usize>,
}

impl LinkConfig {
    /// How many bytes `extend` appends at most.
    pub const EXTENSION_BYTES_MAX: u8 = 64;

    /// A link that delivers everything at once, in order, unharmed. The queue has room for 64 KiB, should a rate be set.
    #[must_use]
    pub const fn perfect() -> Self {
        Self {
            loss: 0.0,
            burst: BurstLoss::NEVER,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::ZERO,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            jitter_shape: JitterShape::Uniform,
            corrupt: 0.0,
            corrupt_bits: 1,
            truncate: 0.0,
            extend: 0.0,
            empty: 0.0,
            bytes_per_second: None,
            queue_bytes: 64 * 1_024,
            ecn: false,
            mtu: None,
        }
    }

    /// Checks the knobs.
    ///
    /// # Errors
    /// [`LinkConfigError`] for the first knob that is out of its range.
    pub fn validate(&self) -> Result<(), LinkConfigError> {
        let probabilities = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
            ("truncate", self.truncate),
            ("extend", self.extend),
            ("empty", self.empty),
            ("burst.enter", self.burst.enter),
            ("burst.leave", self.burst.leave),
            ("burst.loss", self.burst.loss),
        ];
        for (knob, value) in probabilities {
            if !(0.0..=1.0).contains(&value) {
                return Err(LinkConfigError::Probability { knob, value });
            }
        }
        if self.burst.enter > 0.0 && self.burst.leave == 0.0 {
            return Err(LinkConfigError::EndlessBurst);
        }
        if let JitterShape::Pareto { shape, .. } = self.jitter_shape
            && !(shape > 0.0 && shape.is_finite())
        {
            return Err(LinkConfigError::ParetoShape { value: shape });
        }
        if !(1..=super::CORRUPT_BITS_MAX).contains(&usize::from(self.corrupt_bits)) {
            return Err(LinkConfigError::CorruptBits { value: self.corrupt_bits });
        }
        if self.bytes_per_second == Some(0) {
            return Err(LinkConfigError::ZeroRate);
        }
        if self.mtu == Some(0) {
            return Err(LinkConfigError::ZeroMtu);
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

/// Loss in bursts, after Gilbert and Elliott: a link that is now and then in a bad state. What it loses in the good state
/// is [`LinkConfig::loss`]. Each datagram first moves the state, then meets it.
///
/// ```
/// use gridmate_runtime::sim::{BurstLoss, LinkConfig};
///
/// // One datagram in fifty is lost, in bursts of ten on average.
/// let burst = BurstLoss::bursts_of(10.0, 0.02);
/// assert_eq!((burst.leave, burst.loss), (0.1, 1.0));
/// assert!(LinkConfig { burst, ..LinkConfig::perfect() }.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstLoss {
    /// Probability, for each datagram, that a link in the good state becomes bad.
    pub enter: f64,
    /// Probability, for each datagram, that a link in the bad state becomes good. Not zero, unless `enter` is.
    pub leave: f64,
    /// Probability that a datagram is lost in the bad state.
    pub loss: f64,
}

impl BurstLoss {
    /// A link that is never in the bad state.
    pub const NEVER: Self = Self { enter: 0.0, leave: 1.0, loss: 1.0 };

    /// Bursts that take `datagrams` datagrams on average (1 or more) and `share` of all datagrams (below 1). Asking for
    /// more than can be had gives probabilities that [`LinkConfig::validate`] refuses.
    #[must_use]
    pub const fn bursts_of(datagrams: f64, share: f64) -> Self {
        let leave = 1.0 / datagrams;
        Self { enter: leave * share / (1.0 - share), leave, loss: 1.0 }
    }
}

impl Default for BurstLoss {
    /// [`NEVER`](Self::NEVER).
    fn default() -> Self {
        Self::NEVER
    }
}

/// How the jitter of a link is spread; the size is [`LinkConfig::jitter`].
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::sim::{JitterShape, LinkConfig};
///
/// let wireless = LinkConfig {
///     latency: Duration::from_millis(20),
///     jitter: Duration::from_millis(3),
///     jitter_shape: JitterShape::Pareto { shape: 1.5, cap: Duration::from_secs(1) },
///     ..LinkConfig::perfect()
/// };
/// assert!(wireless.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum JitterShape {
    /// Evenly from nothing to `jitter`.
    #[default]
    Uniform,
    /// Exponential with the mean `jitter`: most datagrams are fast, a few slow.
    Exponential {
        /// Whatever would be longer is this.
        cap: Duration,
    },
    /// A Pareto tail that begins at nothing (Lomax), scale `jitter`: one datagram in `(1 + t / jitter)^shape` is slower
    /// than `t`. Few are slow, but those very much.
    Pareto {
        /// The tail's exponent, more than zero; the smaller, the heavier. Up to 1 the mean exists only because of `cap`.
        shape: f64,
        /// Whatever would be longer is this.
        cap: Duration,
    },
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
    /// The link can enter the bad state and not leave it. A link that loses everything has a `loss` of 1.
    #[error("`burst.leave` is zero and `burst.enter` is not, expected bursts that end")]
    EndlessBurst,
    /// The exponent of a Pareto tail that is none.
    #[error("`jitter_shape` has a Pareto tail, expected a finite `shape` above 0.0, found {value}")]
    ParetoShape {
        /// What it was set to.
        value: f64,
    },
    /// A number of bits outside `1..=8`. A link that damages nothing has a `corrupt` of 0.
    #[error("`corrupt_bits` is a number of bits, expected 1 to 8, found {value}")]
    CorruptBits {
        /// What it was set to.
        value: u8,
    },
    /// `bytes_per_second` is zero. A link that carries nothing has a `loss` of 1.
    #[error("`bytes_per_second` is zero, expected a rate or none")]
    ZeroRate,
    /// `mtu` is zero. A link that carries nothing has a `loss` of 1.
    #[error("`mtu` is zero, expected a length or none")]
    ZeroMtu,
}
