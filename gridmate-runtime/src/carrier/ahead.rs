//! Memory that comes in before it is needed.
//!
//! Thousands of connections do not fit into a cache, so whoever speaks to one after another waits for memory with each: for
//! its slot, then for the connection that the slot names, then for the queues which that one names. Several such waits at once take
//! no longer than one. A program that knows whom it will speak to next can therefore have all of them come in together, level by
//! level. Loads would be waited for, one way or another; the instruction for it is not. It changes nothing, so nothing that can be
//! observed depends on it.

use core::hint::black_box;
use core::slice;
use std::collections::VecDeque;

use prefetch_index::prefetch_index;

use super::channel::Channel;
use super::config::ConnectionId;
use super::connection::Connection;
use super::endpoint::{Endpoint, Slot};

/// Bytes that come from memory together.
const LINE: usize = 64;

impl Endpoint {
    /// Brings a few connections into the processor's caches that are about to be spoken to, all at once. It changes nothing but
    /// the time that what follows takes, and is worth it from about a thousand connections on. More than some twenty at a time
    /// gain nothing.
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
        let all = connections.into_iter();
        for id in all.clone() {
            if let Some(slot) = self.slots.get(id.index as usize) {
                lines(&slot.generation, size_of::<Slot>());
            }
            self.timers.fetch(id.index);
        }
        let established = all.filter_map(|id| self.established(id));
        established.clone().for_each(Connection::fetch);
        established.clone().for_each(|connection| {
            // It answers before long.
            self.ids.fetch(connection.names.ours);
            connection.fetch_parts();
        });
        established.clone().for_each(Connection::fetch_channels);
        established.for_each(Connection::fetch_queues);
    }
}

/// Fetches the line that a value begins in.
#[inline]
pub(super) fn line<T>(value: &T) {
    prefetch_index(slice::from_ref(value), 0);
}

/// Fetches so many bytes from `first` on, which is the first field of something larger.
#[inline]
pub(super) fn lines<T>(first: &T, bytes: usize) {
    for at in (0..bytes).step_by(LINE) {
        prefetch_index(slice::from_ref(first), at / size_of::<T>());
    }
}

/// Fetches the beginning of what a queue has in it, or of its memory when there is nothing.
#[inline]
pub(super) fn ring<T>(queue: &VecDeque<T>) {
    for at in 0..queue.capacity().min(4) {
        prefetch_index(queue.as_slices().0, at);
    }
}

impl Connection {
    /// What it names.
    fn fetch_parts(&self) {
        prefetch_index(&self.channels.all, 0);
        prefetch_index(&self.counters, 0);
        black_box(self.congestion.window());
        self.sent.fetch();
        self.received.fetch();
    }

    /// What its channels are.
    fn fetch_channels(&self) {
        for channel in &self.channels.all {
            if let Channel::Reliable(reliable) = channel {
                reliable.0.fetch();
                reliable.1.fetch();
            }
        }
    }

    /// What its channels name.
    fn fetch_queues(&self) {
        for channel in &self.channels.all {
            if let Channel::Reliable(reliable) = channel {
                reliable.0.fetch_queues();
            }
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

    const CLIENTS: usize = 40;

    fn address(at: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], u16::try_from(at).unwrap()))
    }

    /// A host and many clients, some of whom leave, over a network that loses; returns every datagram and every message. With
    /// `ahead`, connections are fetched before they are spoken to, those that ended and those that never were included.
    fn exchange(ahead: bool) -> (Vec<Datagram>, Vec<Vec<u8>>) {
        let mut rng = Rng::new(9);
        let mut ends = [1, 2].map(|seed| Endpoint::new(CarrierConfig::new(7), seed));
        let mut ids: [Vec<ConnectionId>; 2] = Default::default();
        let mut under_way: [Vec<Datagram>; 2] = Default::default();
        let mut now = Instant::ZERO;
        let (mut datagrams, mut messages, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..CLIENTS {
            ends[1].connect(now, address(at), b"").unwrap();
        }
        for frame in 0..400_u32 {
            now += Duration::from_millis(16);
            for end in 0..2 {
                for (from, bytes) in core::mem::take(&mut under_way[end]) {
                    ends[end].handle_datagram(now, from, &bytes);
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
                for (at, id) in ids[end].iter().enumerate() {
                    let (channel, len) = (ChannelId(u8::from(rng.chance(0.3))), at * 7);
                    // Who has left is left out.
                    let _ = ends[end].send(*id, channel, &frame.to_le_bytes().repeat(len), None);
                }
                if frame % 50 == 49 && !ids[end].is_empty() {
                    ends[end].disconnect(now, ids[end][frame as usize / 50], crate::carrier::DisconnectReason::Leave);
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
        (datagrams, messages)
    }

    #[test]
    fn fetching_changes_nothing() {
        let (without, with) = (exchange(false), exchange(true));
        assert!(without.1.len() > 1_000, "{} messages", without.1.len());
        assert!(with == without);
    }
}
