//! A host and its clients, all of whose traffic passes one link of `gridmate_runtime::sim` each way.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use gridmate_runtime::Instant;
use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, ConnectionId, Endpoint};
use gridmate_runtime::sim::{Link, LinkConfig};

use crate::carrier_support::address;

/// A datagram under way.
struct Flight {
    from: usize,
    to: usize,
    marked: bool,
    bytes: Vec<u8>,
}

/// Ends are numbered: the host is 0.
pub(crate) struct Star {
    pub(crate) now: Instant,
    pub(crate) ends: Vec<Endpoint>,
    /// By end: its connection; of the host, those with the clients, in the order of their numbers.
    pub(crate) ids: Vec<Vec<ConnectionId>>,
    /// By end: what happened to it.
    pub(crate) events: Vec<Vec<CarrierEvent>>,
    links: [Link; 2],
    flying: BTreeMap<(Instant, u64), Flight>,
    serial: u64,
}

impl Star {
    /// Connected, and nothing under way. `link` is either direction's.
    pub(crate) fn new(config: &CarrierConfig, clients: usize, link: LinkConfig, seed: u64) -> Self {
        let mut star = Self {
            now: Instant::from_millis(1_000),
            ends: (0..=clients).map(|end| Endpoint::new(config.clone(), seed + end as u64)).collect(),
            ids: vec![Vec::new(); clients + 1],
            events: vec![Vec::new(); clients + 1],
            links: [1, 2].map(|way| Link::new(link, seed ^ way << 32).unwrap()),
            flying: BTreeMap::new(),
            serial: 0,
        };
        for client in 1..=clients {
            star.ends[client].connect(star.now, address(0), b"").unwrap();
            for _ in 0..5_000 {
                star.tick();
                if star.ids[0].len() == client && !star.ids[client].is_empty() {
                    break;
                }
            }
            assert_eq!((star.ids[0].len(), star.ids[client].len()), (client, 1), "connected");
        }
        star.events.iter_mut().for_each(Vec::clear);
        star
    }

    /// One millisecond.
    pub(crate) fn tick(&mut self) {
        self.now += Duration::from_millis(1);
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= self.now
        {
            let Flight { from, to, marked, bytes } = entry.remove();
            self.ends[to].handle_marked_datagram(self.now, address(from), marked, &bytes);
        }
        for end in 0..self.ends.len() {
            self.ends[end].handle_timeout(self.now);
            self.take_events(end);
            self.flush(end);
        }
    }

    fn take_events(&mut self, end: usize) {
        while let Some(event) = self.ends[end].poll_event() {
            match &event {
                CarrierEvent::Incoming { connection, .. } => {
                    self.ends[end].accept(self.now, *connection, b"").unwrap();
                }
                CarrierEvent::Connected { connection, .. } => self.ids[end].push(*connection),
                _ => {}
            }
            self.events[end].push(event);
        }
    }

    fn flush(&mut self, end: usize) {
        let mut out = Vec::new();
        while let Some(to) = self.ends[end].poll_transmit(self.now, &mut out) {
            let to = self.end_at(to);
            for delivery in &self.links[usize::from(end == 0)].schedule(self.now, out.len()) {
                let mut bytes = out.clone();
                delivery.damage.apply(&mut bytes);
                self.serial += 1;
                self.flying
                    .insert((delivery.at, self.serial), Flight { from: end, to, marked: delivery.marked, bytes });
            }
        }
    }

    fn end_at(&self, place: SocketAddr) -> usize {
        (0..self.ends.len()).find(|end| address(*end) == place).expect("someone's address")
    }
}
