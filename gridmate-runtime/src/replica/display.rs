//! What a program shows: its proxies as they were a moment ago, and moving.

use super::playout::Delay;
use super::target::PeerId;
use super::timeline::Timeline;
use super::{ReplicaError, ReplicaManager};
use crate::chunk::{Moment, ReplicaChunk};
use crate::ids::ReplicaId;
use crate::time::Instant;

impl ReplicaManager {
    /// What there is to show at `now`, which may lie between two ticks: proxies as they were `delay` before, their datasets with
    /// `interpolate = …` between the values before and after that moment. Primaries are shown as they are.
    ///
    /// The delay buys smoothness: what arrives within it arrives in time. It should be at least the time between two changes of what is
    /// shown, and as much again as datagrams differ in how long they travel; with one more time between two changes, each loss goes
    /// unnoticed. [`Delay::Adaptive`] measures it. Where values are missing, the newest there is stays until another comes. A delay
    /// of zero shows what is there.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::prelude::*;
    ///
    /// #[derive(Clone, Default, ReplicaChunk)]
    /// struct Ship {
    ///     #[dataset(interpolate = Linear)]
    ///     x: f32,
    ///     health: u8,
    /// }
    ///
    /// fn draw(replicas: &ReplicaManager, now: Instant) -> Result<(), ReplicaError> {
    ///     let display = replicas.display(now, Duration::from_millis(100));
    ///     for id in replicas.ids() {
    ///         let ship: Ship = display.get(id)?;
    ///         println!("a ship at {}, at {} %", ship.x, ship.health);
    ///     }
    ///     Ok(())
    /// }
    /// # draw(&ReplicaManager::new(Registry::builder().build()?, 1), Instant::ZERO)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn display(&self, now: Instant, delay: impl Into<Delay>) -> Display<'_> {
        Display { replicas: self, now, delay: delay.into() }
    }

    /// The line of time of a new peer, if there is anything to show by it.
    pub(super) fn new_timeline(&self) -> Option<Box<Timeline>> {
        self.stores.iter().any(|store| store.interpolates()).then(|| Box::new(Timeline::new()))
    }

    /// A state message of a peer's tick `tick` is here.
    pub(super) fn hear(&mut self, peer: PeerId, tick: u32) {
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize)
            && let Some(timeline) = &mut peer.timeline
        {
            timeline.hear(tick);
        }
    }

    /// Tells the time lines what time it was that messages arrived at.
    pub(super) fn follow_ticks(&mut self, now: Instant) {
        let interval = now - self.now;
        self.stores.iter_mut().for_each(|store| store.stamp(now));
        for timeline in self.peers.iter_mut().flatten().filter_map(|peer| peer.timeline.as_mut()) {
            timeline.update(now, interval);
            timeline.stop_at(now);
        }
    }
}

/// A node's replicas as they are shown at one moment; made by [`ReplicaManager::display`].
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::sim::{LinkConfig, World};
///
/// #[derive(Clone, Default, ReplicaChunk)]
/// struct Ship {
///     #[dataset(interpolate = Linear)]
///     x: f32,
/// }
///
/// # let registry = Registry::builder().chunk::<Ship>().build()?;
/// # let mut world = World::new(7, 30, LinkConfig::perfect())?;
/// # let host = world.host(NodeConfig::new(registry.clone()))?;
/// # let client = world.join(host, NodeConfig::new(registry))?;
/// let id = world.replicas(host).add(Ship::default())?;
/// for _ in 0..60 {
///     world.replicas(host).primary_mut::<Ship>(id)?.x += 30.0 * world.interval().as_secs_f32();
///     world.step();
/// }
/// let (now, delay) = (world.now(), Duration::from_millis(100));
/// let newest = world.replicas(client).get::<Ship>(id)?.x;
/// let shown: Ship = world.replicas(client).display(now, delay).get(id)?;
/// assert!((1.0..5.0).contains(&(newest - shown.x))); // a tenth of a second behind, at 30 a second
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Display<'a> {
    replicas: &'a ReplicaManager,
    now: Instant,
    delay: Delay,
}

impl Display<'_> {
    /// A replica's chunk of type `T` as it is shown: a copy of the newest, in which datasets with an interpolator are as they
    /// were at the moment shown.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NoSuchChunk`].
    pub fn get<T: ReplicaChunk + Clone>(&self, id: ReplicaId) -> Result<T, ReplicaError> {
        let mut shown = self.replicas.get::<T>(id)?.clone();
        if let Some(moment) = self.moment::<T>(id)? {
            shown.interpolate(&moment);
        }
        Ok(shown)
    }

    /// Writes into `shown` every dataset that has an interpolator, as it was at the moment shown, and nothing else:
    /// [`ReplicaManager::get`] has the rest. Without a copy of the whole, and without memory of its own.
    ///
    /// Where the primary is, `shown` stays as it is, and so it does if `T` has no interpolators. True if it was written.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NoSuchChunk`].
    pub fn write<T: ReplicaChunk>(&self, id: ReplicaId, shown: &mut T) -> Result<bool, ReplicaError> {
        let moment = self.moment::<T>(id)?;
        if let Some(moment) = &moment {
            shown.interpolate(moment);
        }
        Ok(moment.is_some())
    }

    fn moment<T: ReplicaChunk>(&self, id: ReplicaId) -> Result<Option<Moment<'_, T::Snapshot>>, ReplicaError> {
        let Self { replicas, now, delay } = *self;
        let (entry, _, chunk) = replicas.locate::<T>(id)?;
        if T::INTERPOLATES == 0 {
            return Ok(None);
        }
        let peer = entry.upstream.and_then(|peer| replicas.peer(peer));
        let moments = peer.and_then(|peer| {
            let timeline = peer.timeline.as_ref()?;
            let delay = match delay {
                Delay::Fixed(delay) => delay,
                Delay::Adaptive { least, most } => timeline.delay_at(now).min(most).max(least),
            };
            let (tick, newest) = (timeline.tick_at(now.saturating_sub(delay))?, timeline.tick_at(now)?);
            Some(((tick, newest - tick), timeline.rate()))
        });
        Ok(moments.and_then(|(tick, rate)| replicas.store::<T>(chunk.class).moment(chunk.slot, tick, (now, rate))))
    }
}
