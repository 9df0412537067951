//! One direction of a network path: what becomes of a datagram, decided by a seed.
//!
//! ```text
//!  datagram ─► too long? ─► bottleneck ─► loss ─► duplication ─► latency + jitter ─► held back? ─► damaged? ─► delivery
//!              (MTU)        (rate, queue,  (single,               (first in, first out)
//!                            marks)         bursts)
//! ```
//!
//! A [`Link`] holds no bytes and no clock. It is told when a datagram of some length leaves and answers when it arrives,
//! if it does: not at all, once, or twice. Whoever asks keeps the bytes (`driver::Conditioned`, a simulated network).
//!
//! Every kind of misfortune has its own stream of random numbers, and every datagram draws from all of them. So turning
//! one knob changes only what that knob does: the datagrams lost at 5 % are among those lost at 10 %, and none of them
//! changes who is delayed by how much.

mod bottleneck;
mod config;
mod delivery;
mod dice;
mod odds;

use core::time::Duration;

use crate::time::Instant;
use bottleneck::Bottleneck;
pub use config::{BurstLoss, JitterShape, LinkConfig, LinkConfigError};
use delivery::CORRUPT_BITS_MAX;
pub use delivery::{Damage, Deliveries, Delivery, Refusal};
use dice::{Dice, Journey};

/// Decides what becomes of the datagrams that one end sends to another. [`Link`] is one; a program may bring its own.
///
/// It must answer the same calls in the same way, or no run can be repeated.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Conditioner, Deliveries, Delivery, Refusal};
///
/// /// A satellite that is above the horizon half of the time.
/// struct Satellite;
///
/// impl Conditioner for Satellite {
///     fn schedule(&mut self, now: Instant, _bytes: usize) -> Deliveries {
///         match now.as_micros() / 1_000_000 % 2 {
///             0 => Deliveries::once(Delivery::intact(now + Duration::from_millis(250))),
///             _ => Deliveries::refused(Refusal::Lost),
///         }
///     }
/// }
///
/// assert_eq!(Satellite.schedule(Instant::ZERO, 100).as_slice()[0].at, Instant::from_millis(250));
/// assert_eq!(Satellite.schedule(Instant::from_millis(1_500), 100).refusal(), Some(Refusal::Lost));
/// ```
pub trait Conditioner: Send {
    /// Sends a datagram of `bytes` bytes at `now`, which never runs backwards, and says when it arrives: not before `now`.
    fn schedule(&mut self, now: Instant, bytes: usize) -> Deliveries;
}

impl<C: Conditioner + ?Sized> Conditioner for Box<C> {
    fn schedule(&mut self, now: Instant, bytes: usize) -> Deliveries {
        (**self).schedule(now, bytes)
    }
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
        if self.config.mtu.is_some_and(|mtu| bytes > mtu) {
            return Deliveries::refused(Refusal::TooLong);
        }
        let Some(passage) = self.bottleneck.pass(&self.config, now, bytes) else {
            return Deliveries::refused(Refusal::QueueFull);
        };
        if roll.lost {
            return Deliveries::refused(Refusal::Lost);
        }
        if roll.lost_in_burst {
            return Deliveries::refused(Refusal::LostInBurst);
        }
        let marked = passage.crowded && self.config.ecn;
        let first = self.travel(passage.at, marked, &roll.journeys[0]);
        if !roll.duplicated {
            return Deliveries::once(first);
        }
        Deliveries::twice(first, self.travel(passage.at, marked, &roll.journeys[1]))
    }

    fn travel(&mut self, departure: Instant, marked: bool, journey: &Journey) -> Delivery {
        let in_order = (departure + self.config.latency + journey.jitter).max(self.last_in_order);
        self.last_in_order = in_order;
        let at = in_order + journey.held_back.unwrap_or(Duration::ZERO);
        Delivery { at, held_back: journey.held_back.is_some(), marked, damage: journey.damage }
    }
}

impl Conditioner for Link {
    fn schedule(&mut self, now: Instant, bytes: usize) -> Deliveries {
        Self::schedule(self, now, bytes)
    }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
