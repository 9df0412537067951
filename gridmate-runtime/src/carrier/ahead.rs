//! Memory that comes in before it is needed.
//!
//! Thousands of connections do not fit into a cache, so whoever deals with one after another waits for memory with each: for its
//! slot, then for the connection that the slot names, then for the channels which that one names. Two things make that short.
//! What is looked at often is close together: a slot in one line of the cache, what every packet needs of a connection in the first
//! lines of one block, the first entries of its queues among it, and rare things in blocks of their own. And several waits at once
//! take no longer than one, so an endpoint that knows whom it deals with next has their memory come in meanwhile: those that the next
//! datagrams are for, those that a flush comes to, those that are due. Whom a program speaks to next only the program knows.
//!
//! Loads would be waited for, one way or another; the instruction that fetches is not. It changes nothing, so nothing that can be
//! observed depends on it. In a program with few connections nothing is fetched.

use core::mem::offset_of;
use core::slice;
use std::net::SocketAddr;

use prefetch_index::prefetch_index;

use super::config::ConnectionId;
use super::connection::Connection;
use super::demux::wire_id;
use super::endpoint::Endpoint;
use super::packet::has_ack;
use super::peer::Phase;
use crate::time::Instant;

/// Bytes that come from memory together.
const LINE: usize = 64;

/// Bytes of a channel until which it is about what comes, and then until which it is about what goes.
const RECEIVES: usize = 2 * LINE;
const SENDS: usize = 5 * LINE;

/// Connections from which on they do not fit into what is next to a processor, count. Tests have fewer of them.
const LARGE: usize = if cfg!(test) { 16 } else { 512 };

/// Datagrams whose connections are fetched together, count. What is fetched and not used soon is gone again.
const AT_ONCE: usize = 4;

impl Endpoint {
    /// Brings a few connections into the processor's caches that are about to be spoken to, all at once. It changes nothing but
    /// the time that what follows takes, and is worth it from about a thousand connections on; an endpoint with few of them does
    /// nothing. More than some twenty at a time gain nothing.
    ///
    /// ```
    /// use gridmate_runtime::carrier::{ChannelId, ConnectionId, Endpoint};
    ///
    /// fn tell_all(endpoint: &mut Endpoint, connections: &[ConnectionId], message: &[u8]) {
    ///     for few in connections.chunks(16) {
    ///         endpoint.prefetch(few.iter().copied());
    ///         for connection in few {
    ///             let _ = endpoint.send(*connection, ChannelId(0), message, None); // who has left is left out
    ///         }
    ///     }
    /// }
    /// # use gridmate_runtime::carrier::CarrierConfig;
    /// # tell_all(&mut Endpoint::new(CarrierConfig::new(7), 1), &[], b"");
    /// ```
    pub fn prefetch(&self, connections: impl IntoIterator<Item = ConnectionId, IntoIter: Clone>) {
        if !self.is_large() {
            return;
        }
        let all = connections.into_iter();
        for id in all.clone() {
            prefetch_index(&self.slots, id.index as usize);
            self.timers.fetch(id.index);
        }
        let established = all.filter_map(|id| self.established(id));
        established.clone().for_each(|connection| connection.fetch(false));
        established.for_each(|connection| connection.fetch_channel(true, true));
    }

    /// Takes datagrams as [`handle_marked_datagram`](Self::handle_marked_datagram) does, one after the other: sender, whether the
    /// network marked it, and what came. What they are about comes from memory a few at a time, which pays off from about a
    /// thousand connections on.
    ///
    /// ```
    /// use gridmate_runtime::Instant;
    /// use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, Endpoint};
    ///
    /// let (host_address, client_address) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
    /// let mut host = Endpoint::new(CarrierConfig::new(7), 1);
    /// let mut client = Endpoint::new(CarrierConfig::new(7), 2);
    /// client.connect(Instant::ZERO, host_address, b"Ada")?;
    ///
    /// let mut datagram = Vec::new();
    /// for _ in 0..2 {
    ///     let mut arrived = Vec::new();
    ///     while client.poll_transmit(Instant::ZERO, &mut datagram).is_some() {
    ///         arrived.push(datagram.clone());
    ///     }
    ///     host.handle_datagrams(Instant::ZERO, arrived.iter().map(|bytes| (client_address, false, &bytes[..])));
    ///     while host.poll_transmit(Instant::ZERO, &mut datagram).is_some() {
    ///         client.handle_datagram(Instant::ZERO, host_address, &datagram);
    ///     }
    /// }
    /// assert!(matches!(host.poll_event(), Some(CarrierEvent::Incoming { .. })));
    /// # Ok::<(), gridmate_runtime::carrier::ConnectError>(())
    /// ```
    pub fn handle_datagrams<'a>(
        &mut self,
        now: Instant,
        datagrams: impl IntoIterator<Item = (SocketAddr, bool, &'a [u8]), IntoIter: Clone>,
    ) {
        let mut datagrams = datagrams.into_iter();
        if !self.is_large() {
            datagrams.for_each(|(from, marked, datagram)| self.take_datagram(now, from, marked, datagram));
            return;
        }
        // Each goes ahead of the one before it, so that what it needs to know is there: ids, slots, connections.
        let named = datagrams.clone().map(|(_, _, datagram)| datagram);
        let (mut ids, mut slots, mut connections) = (named.clone(), named.clone(), named.clone());
        self.fetch_ids(ids.by_ref().take(3 * AT_ONCE));
        self.fetch_slots(slots.by_ref().take(2 * AT_ONCE));
        self.fetch_connections(connections.by_ref().take(AT_ONCE));
        let mut next = datagrams.next();
        while next.is_some() {
            self.fetch_ids(ids.by_ref().take(AT_ONCE));
            self.fetch_slots(slots.by_ref().take(AT_ONCE));
            self.fetch_connections(connections.by_ref().take(AT_ONCE));
            for _ in 0..AT_ONCE {
                let Some((from, marked, datagram)) = next else { return };
                self.take_datagram(now, from, marked, datagram);
                next = datagrams.next();
            }
        }
    }

    fn fetch_ids<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>) {
        let len = usize::from(self.ids.len());
        datagrams.filter_map(|datagram| wire_id(datagram, len)).for_each(|id| self.ids.fetch(id));
    }

    fn fetch_slots<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>) {
        datagrams.filter_map(|datagram| self.slot_named(datagram)).for_each(|slot| {
            prefetch_index(&self.slots, slot as usize);
            self.timers.fetch(slot);
        });
    }

    fn fetch_connections<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>) {
        for datagram in datagrams {
            if let Some(connection) = self.slot_named(datagram).and_then(|slot| self.connection_in(slot)) {
                connection.fetch(has_ack(datagram));
            }
        }
    }

    /// Fetches what a datagram is about that came alone.
    pub(super) fn fetch_single(&self, datagram: &[u8]) {
        if self.is_large() {
            self.fetch_connections(core::iter::once(datagram));
        }
    }

    fn slot_named(&self, datagram: &[u8]) -> Option<u32> {
        self.ids.slot(wire_id(datagram, usize::from(self.ids.len()))?)
    }

    /// Fetches who sends after the next one. They were spoken to a while ago: since then all the others were.
    pub(super) fn fetch_ready(&self) {
        if let Some(slot) = self.ready.get(8) {
            prefetch_index(&self.slots, *slot as usize);
            self.timers.fetch(*slot);
        }
        if let Some(connection) = self.ready.get(3).and_then(|slot| self.connection_in(*slot)) {
            connection.fetch_outgoing();
        }
        if let Some(connection) = self.ready.get(1).and_then(|slot| self.connection_in(*slot)) {
            connection.fetch_channel(false, connection.channels.any_waits());
        }
    }

    /// Fetches whoever is likely to be due next.
    pub(super) fn fetch_due(&self, now: Instant) {
        if let Some((at, slot)) = self.timers.second()
            && at <= now
            && let Some(connection) = self.connection_in(slot)
        {
            connection.fetch(false);
        }
    }

    /// Whether there are so many connections that fetching pays off.
    pub(crate) const fn is_large(&self) -> bool {
        self.occupied() >= LARGE
    }

    fn connection_in(&self, slot: u32) -> Option<&Connection> {
        match &self.peer(slot)?.phase {
            Phase::Established(connection) => Some(connection),
            _ => None,
        }
    }
}

/// Fetches the lines of something whose first field is `first`, from one byte to another.
#[inline]
fn lines<T>(first: &T, from: usize, to: usize) {
    const { assert!(size_of::<T>() <= LINE) };
    for at in (from..to).step_by(LINE) {
        prefetch_index(slice::from_ref(first), at.div_ceil(size_of::<T>()));
    }
}

impl Connection {
    /// Fetches what is looked at whenever anything happens to it, and with `acks` what acknowledgements are told to. A connection
    /// that is far from the processor, one of thousands, comes in all at once that way, and not piece by piece as each is found
    /// missing.
    #[inline]
    pub(super) fn fetch(&self, acks: bool) {
        lines(&self.id, 0, if acks { offset_of!(Self, quality) } else { offset_of!(Self, congestion) });
    }

    /// What of that a flush looks at that finds nothing to acknowledge, or acknowledges what has just come.
    #[inline]
    fn fetch_outgoing(&self) {
        lines(&self.id, 0, offset_of!(Self, reassembly));
    }

    /// Its first channel: what is needed when something has come, and when something goes or is acknowledged.
    #[inline]
    pub(super) fn fetch_channel(&self, receives: bool, sends: bool) {
        let Some(place) = self.channels.all.first() else { return };
        if receives {
            lines(&place.counters, 0, RECEIVES);
        }
        if sends {
            lines(&place.counters, RECEIVES, SENDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::net::SocketAddr;

    use super::*;
    use crate::carrier::{CarrierConfig, CarrierEvent, ChannelId};
    use crate::rng::Rng;
    use crate::time::Instant;

    type Datagram = (SocketAddr, Vec<u8>);

    /// So many that they are fetched, and so few that they are not.
    const CLIENTS: [usize; 2] = [40, 8];

    fn address(at: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], u16::try_from(at).unwrap()))
    }

    /// Whether the network marks a datagram: now and then, by its tag.
    fn is_marked(datagram: &[u8]) -> bool {
        datagram[1].is_multiple_of(6)
    }

    /// A host and clients, some of whom leave, over a network that loses and marks; returns every datagram and every message, and how
    /// many packets were reported as marked. With `ahead`, connections are fetched before they are spoken to, those that ended and
    /// those that never were included.
    fn exchange(clients: usize, ahead: bool) -> (Vec<Datagram>, Vec<Vec<u8>>, u64) {
        let mut rng = Rng::new(9);
        let mut ends = [1, 2].map(|seed| Endpoint::new(CarrierConfig::new(7), seed));
        let mut ids: [Vec<ConnectionId>; 2] = Default::default();
        let mut under_way: [Vec<Datagram>; 2] = Default::default();
        let mut now = Instant::ZERO;
        let (mut datagrams, mut messages, mut marked, mut out) = (Vec::new(), Vec::new(), 0, Vec::new());
        for at in 0..clients {
            ends[1].connect(now, address(at), b"").unwrap();
        }
        for frame in 0..400_u32 {
            now += Duration::from_millis(16);
            for end in 0..2 {
                let arrived = core::mem::take(&mut under_way[end]);
                if ahead {
                    ends[end].handle_datagrams(
                        now,
                        arrived.iter().map(|(from, bytes)| (*from, is_marked(bytes), &bytes[..])),
                    );
                }
                for (from, bytes) in arrived {
                    if !ahead {
                        ends[end].handle_marked_datagram(now, from, is_marked(&bytes), &bytes);
                    }
                }
                ends[end].handle_timeout(now);
                while let Some(event) = ends[end].poll_event() {
                    match event {
                        CarrierEvent::Incoming { connection, .. } => ends[end].accept(now, connection, b"").unwrap(),
                        CarrierEvent::Connected { connection, .. } => ids[end].push(connection),
                        CarrierEvent::Message { bytes, .. } => messages.push(bytes),
                        _ => {}
                    }
                }
                let nobody = ConnectionId { index: u32::MAX, generation: 3 };
                if ahead {
                    ends[end].prefetch(ids[end].iter().copied().chain([nobody]));
                }
                // The most that are known of at once: who leaves is forgotten.
                let stats = ids[end].iter().filter_map(|id| ends[end].stats(*id));
                marked = marked.max(stats.map(|stats| stats.packets_marked).sum());
                for (at, id) in ids[end].iter().enumerate() {
                    let (channel, len) = (ChannelId(u8::from(rng.chance(0.3))), at * 7);
                    // Who has left is left out.
                    let _ = ends[end].send(*id, channel, &frame.to_le_bytes().repeat(len), None);
                }
                if frame % 50 == 49
                    && let Some(id) = ids[end].get(frame as usize / 50)
                {
                    ends[end].disconnect(now, *id, crate::carrier::DisconnectReason::Leave);
                }
            }
            for end in 0..2 {
                while let Some(to) = ends[end].poll_transmit(now, &mut out) {
                    datagrams.push((to, out.clone()));
                    if !rng.chance(0.02) {
                        under_way[1 - end].push((to, out.clone()));
                    }
                }
            }
        }
        (datagrams, messages, marked)
    }

    #[test]
    fn fetching_changes_nothing() {
        for clients in CLIENTS {
            let (without, with) = (exchange(clients, false), exchange(clients, true));
            assert!(without.1.len() > 1_000 && without.2 > 100, "{} messages, {} marks", without.1.len(), without.2);
            assert!(with == without, "{clients} clients");
        }
    }

    #[test]
    fn those_who_have_left_do_not_count() {
        let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
        let now = Instant::ZERO;
        let ids: Vec<_> = (0..LARGE).map(|at| endpoint.connect(now, address(at), b"").unwrap()).collect();
        assert!(endpoint.is_large());
        endpoint.disconnect(now, ids[3], crate::carrier::DisconnectReason::Leave);
        assert!(!endpoint.is_large());
        endpoint.connect(now, address(LARGE), b"").unwrap();
        assert!(endpoint.is_large());
    }
}
