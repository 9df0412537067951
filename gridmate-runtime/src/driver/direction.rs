//! One direction of a [`Conditioned`](super::Conditioned) driver: a conditioner for each address, and what waits in them.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::conditioned::ConditionedStats;
use super::fnv::Fnv;
use super::held::Held;
use super::{Arrival, Ecn, is_movable};
use crate::rng::Rng;
use crate::sim::{Conditioner, Link, LinkConfig, LinkConfigError, Refusal};
use crate::time::Instant;

/// Links that nobody set by name, per direction, count. Made-up source addresses stop here: one more, and all of them
/// start over as new.
const LINKS_MAX: usize = 16_384;

/// The links of one direction, and what waits in them.
#[derive(Debug)]
pub(super) struct Direction<C> {
    seed: u64,
    factory: Factory<C>,
    links: BTreeMap<SocketAddr, PeerLink<C>>,
    /// How many of `links` nobody set by name.
    unnamed: usize,
    pub(super) held: Held,
    pub(super) stats: ConditionedStats,
}

#[derive(Debug)]
struct PeerLink<C> {
    link: C,
    named: bool,
}

/// Makes the conditioner for an address from that and a seed.
struct Factory<C>(Box<dyn FnMut(SocketAddr, u64) -> C + Send>);

impl<C> fmt::Debug for Factory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Factory")
    }
}

impl Factory<Link> {
    fn links(config: LinkConfig) -> Result<Self, LinkConfigError> {
        config.validate()?;
        Ok(Self(Box::new(move |_, seed| Link::from_valid(config, seed))))
    }
}

impl Direction<Link> {
    pub(super) fn of_links(default: LinkConfig, seed: u64, name: &str) -> Result<Self, LinkConfigError> {
        Ok(Self::with_factory(Factory::links(default)?, seed, name))
    }

    pub(super) fn set_default(&mut self, config: LinkConfig) -> Result<(), LinkConfigError> {
        self.factory = Factory::links(config)?;
        self.links.values_mut().filter(|peer| !peer.named).try_for_each(|peer| peer.link.set_config(config))
    }

    pub(super) fn set_named(&mut self, address: SocketAddr, config: LinkConfig) -> Result<(), LinkConfigError> {
        config.validate()?;
        let seed = self.link_seed(address);
        match self.links.get_mut(&address) {
            Some(peer) => {
                peer.link.set_config(config)?;
                self.unnamed -= usize::from(!peer.named);
                peer.named = true;
            }
            None => {
                let link = Link::new(config, seed)?;
                self.links.insert(address, PeerLink { link, named: true });
            }
        }
        Ok(())
    }
}

impl<C: Conditioner> Direction<C> {
    pub(super) fn new(factory: impl FnMut(SocketAddr, u64) -> C + Send + 'static, seed: u64, name: &str) -> Self {
        Self::with_factory(Factory(Box::new(factory)), seed, name)
    }

    fn with_factory(factory: Factory<C>, seed: u64, name: &str) -> Self {
        Self {
            seed: seed ^ Fnv::new().bytes(name.as_bytes()).finish(),
            factory,
            links: BTreeMap::new(),
            unnamed: 0,
            held: Held::default(),
            stats: ConditionedStats::default(),
        }
    }

    /// Takes one datagram and hands on at once what the link does not delay. Everything due by `now` has been released.
    /// `datagram.from` is the other end's address, whichever way the datagram goes.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        datagram: Arrival<'_>,
        cut: &BTreeSet<SocketAddr>,
        mut emit: impl FnMut(Arrival<'_>),
    ) {
        if cut.contains(&datagram.from) {
            self.stats.partitioned += 1;
            return;
        }
        let bytes = datagram.bytes.len();
        let deliveries = self.link(datagram.from).schedule(now, bytes);
        match deliveries.refusal() {
            Some(Refusal::QueueFull) => self.stats.queue_full += 1,
            Some(Refusal::TooLong) => self.stats.too_long += 1,
            Some(Refusal::LostInBurst) => self.stats.lost_in_bursts += 1,
            Some(_) => self.stats.lost += 1,
            None => {}
        }
        let mark = |marked| Arrival { ecn: if marked { Ecn::CongestionExperienced } else { datagram.ecn }, ..datagram };
        if let [only] = deliveries.as_slice()
            && only.at <= now
            && only.damage.is_none()
        {
            self.stats.marked += u64::from(only.marked);
            self.stats.passed += 1;
            emit(mark(only.marked));
            return;
        }
        self.stats.duplicated += u64::from(deliveries.as_slice().len() > 1);
        for delivery in &deliveries {
            self.stats.held_back += u64::from(delivery.held_back);
            self.stats.delayed += u64::from(delivery.at > now);
            self.stats.marked += u64::from(delivery.marked);
            self.stats.corrupted += u64::from(!delivery.damage.is_none());
            if !is_movable(delivery.damage.len_after(bytes)) {
                self.stats.unfit += 1;
            } else if !self.held.insert(delivery.at, mark(delivery.marked), &delivery.damage) {
                self.stats.overflowed += 1;
            }
        }
        self.release(now, cut, emit);
    }

    /// Hands on what is due by `now`.
    pub(super) fn release(&mut self, now: Instant, cut: &BTreeSet<SocketAddr>, mut emit: impl FnMut(Arrival<'_>)) {
        while let Some(datagram) = self.held.pop_due(now) {
            if cut.contains(&datagram.from) {
                self.stats.partitioned += 1;
            } else {
                self.stats.passed += 1;
                emit(datagram);
            }
        }
    }

    /// The link to `address`, made when there is none.
    pub(super) fn link(&mut self, address: SocketAddr) -> &mut C {
        if !self.links.contains_key(&address) {
            if self.unnamed >= LINKS_MAX {
                self.links.retain(|_, peer| peer.named);
                self.unnamed = 0;
            }
            self.unnamed += 1;
        }
        let seed = self.link_seed(address);
        let (links, factory) = (&mut self.links, &mut self.factory.0);
        &mut links.entry(address).or_insert_with(|| PeerLink { link: factory(address, seed), named: false }).link
    }

    /// The link to `address`, which is no longer forgotten when there are too many.
    pub(super) fn named_link(&mut self, address: SocketAddr) -> &mut C {
        self.link(address);
        let peer = self.links.get_mut(&address).expect("the line above made it");
        self.unnamed -= usize::from(!peer.named);
        peer.named = true;
        &mut peer.link
    }

    fn link_seed(&self, address: SocketAddr) -> u64 {
        // The generator scrambles what the hash of two near addresses may have in common.
        Rng::new(self.seed ^ Fnv::new().address(address).finish()).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_addresses_do_not_grow_the_table() {
        let mut side = Direction::of_links(LinkConfig::perfect(), 1, "incoming").unwrap();
        let named = SocketAddr::from(([10, 0, 0, 1], 1));
        side.set_named(named, LinkConfig { loss: 1.0, ..LinkConfig::perfect() }).unwrap();
        for number in 0..40_000_u32 {
            let from = SocketAddr::from((number.to_be_bytes(), 1));
            let datagram = Arrival { from, ecn: Ecn::NotCapable, bytes: b"x" };
            side.pass(Instant::ZERO, datagram, &BTreeSet::new(), |_| {});
            assert!(side.links.len() <= LINKS_MAX + 1);
        }
        assert!(side.links[&named].named);
        side.named_link(SocketAddr::from(([10, 0, 0, 2], 1)));
        assert_eq!(side.links.values().filter(|peer| !peer.named).count(), side.unnamed);
    }
}
