//! A network inside one process: addresses, mailboxes, and a record of everything that was sent.
//!
//! What is sent lies in the destination's mailbox at once and is handed over, in order, by its next `receive`. Nothing
//! depends on a clock or a thread: a program that makes the same calls sees the same network, which the trace hash
//! proves. For time and weather wrap the drivers in [`Conditioned`](super::Conditioned).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fnv::Fnv;
use super::memory_nat::Nats;
use super::{Arrival, Driver, DriverError, DriverStats, Ecn, canonical, is_movable};
use crate::time::Instant;

/// Datagrams waiting in one mailbox, count. A node that does not receive loses what comes after, as a socket would; the
/// bound is what 4 MiB of socket buffer hold of short datagrams.
const MAILBOX_DATAGRAMS: usize = 16_384;

/// Hosts made by [`MemoryNetwork::bind_any`] are counted up from here: 10.0.0.0/8.
const NETWORK: u32 = 0x0A00_0000;

/// Port of every address made by [`MemoryNetwork::bind_any`].
const PORT: u16 = 4_000;

/// First port handed out when a program binds port 0.
const PORT_EPHEMERAL: u16 = 49_152;

/// A network that lives in memory. Clones are handles on the same network.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, MemoryNetwork};
///
/// # fn main() -> Result<(), gridmate_runtime::driver::DriverError> {
/// let network = MemoryNetwork::new();
/// let (mut ann, mut bob) = (network.bind_any()?, network.bind_any()?);
/// ann.send(Instant::ZERO, bob.local_addr(), b"hello")?;
/// ann.flush(Instant::ZERO)?;
/// let mut heard = Vec::new();
/// bob.receive(Instant::ZERO, &mut |from, datagram| heard.push((from, datagram.to_vec())))?;
/// assert_eq!(heard, [(ann.local_addr(), b"hello".to_vec())]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    state: Arc<Mutex<State>>,
}

/// What a [`MemoryNetwork`] carried since it was made.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, MemoryNetwork};
///
/// let network = MemoryNetwork::new();
/// let mut ann = network.bind_any()?;
/// ann.send(Instant::ZERO, ([10, 9, 9, 9], 4_000).into(), b"anybody?")?;
/// let stats = network.stats();
/// assert_eq!((stats.sent, stats.sent_bytes, stats.unroutable), (1, 8, 1));
/// # Ok::<(), gridmate_runtime::driver::DriverError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Datagrams sent by nodes that were plugged in.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Those of them that nobody was bound to receive.
    pub unroutable: u64,
    /// Those of them that a [`MemoryNat`](super::MemoryNat) let neither out nor in.
    pub refused_by_nat: u64,
    /// Those of them that found the mailbox full.
    pub overflowed: u64,
    /// Those of them that vanished with the node they waited for.
    pub abandoned: u64,
}

impl MemoryNetwork {
    /// A network without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plugs a node in at `address`; port 0 asks for a free one.
    ///
    /// # Errors
    /// [`DriverError::Bind`] when somebody has that address, no port is left, or it is not an address that others could
    /// send to (`0.0.0.0`, `[::]`).
    pub fn bind(&self, address: SocketAddr) -> Result<MemoryDriver, DriverError> {
        let address = canonical(address);
        let refuse = |kind: io::ErrorKind| DriverError::Bind { address, source: kind.into() };
        if address.ip().is_unspecified() {
            return Err(refuse(io::ErrorKind::AddrNotAvailable));
        }
        let mut state = self.lock();
        let free = if address.port() == 0 {
            state.free_port(address).ok_or_else(|| refuse(io::ErrorKind::AddrInUse))?
        } else if state.mailboxes.contains_key(&address) || state.nats.own(address.ip()) {
            return Err(refuse(io::ErrorKind::AddrInUse));
        } else {
            address
        };
        Ok(self.plug_in(&mut state, free))
    }

    /// Plugs a node in at the next address nobody had: 10.0.0.1:4000, 10.0.0.2:4000 and so on.
    ///
    /// # Errors
    /// [`DriverError::Bind`] when the sixteen million addresses have run out.
    pub fn bind_any(&self) -> Result<MemoryDriver, DriverError> {
        let mut state = self.lock();
        loop {
            state.hosts += 1;
            let address = SocketAddr::from((Ipv4Addr::from_bits(NETWORK + state.hosts), PORT));
            if state.hosts >= 1 << 24 {
                return Err(DriverError::Bind { address, source: io::ErrorKind::AddrNotAvailable.into() });
            }
            if !state.mailboxes.contains_key(&address) && !state.nats.own(address.ip()) {
                return Ok(self.plug_in(&mut state, address));
            }
        }
    }

    /// Makes the node at `address` vanish, as in a crash: what waits for it is lost, what it sends goes nowhere, it hears
    /// nothing more and is not told. The address is free again. Does nothing when nobody is there.
    pub fn unplug(&self, address: SocketAddr) {
        self.lock().remove(canonical(address));
    }

    /// A digest (FNV-1a, 64 bits) of every datagram sent so far: when, from where, to where, which bytes, how marked, in
    /// which order; addresses as the sender knows them. Two runs that agree on it have sent the same.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.lock().trace.finish()
    }

    /// Counts since the network was made.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        self.lock().stats
    }

    pub(super) fn plug_in(&self, state: &mut State, address: SocketAddr) -> MemoryDriver {
        state.plugged += 1;
        let serial = state.plugged;
        state.mailboxes.insert(address, Mailbox { serial, queue: VecDeque::new(), overflowed: 0 });
        MemoryDriver {
            network: self.clone(),
            address,
            serial,
            inbox: VecDeque::new(),
            stats: DriverStats::default(),
            entropy: serial << 32,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No call leaves the state half changed, so a panic elsewhere is no reason to stop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's end of a [`MemoryNetwork`]. Dropping it frees its address.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, DriverError, MemoryNetwork};
///
/// let network = MemoryNetwork::new();
/// let mut ann = network.bind(([192, 168, 0, 1], 4_000).into())?;
/// let to_myself = ann.local_addr();
/// ann.send(Instant::ZERO, to_myself, b"note")?;
/// let mut heard = Vec::new();
/// ann.receive(Instant::ZERO, &mut |_, datagram| heard.extend_from_slice(datagram))?;
/// assert_eq!(heard, b"note");
/// drop(ann); // leaves the network: the address is free again
/// network.bind(to_myself)?;
/// # Ok::<(), DriverError>(())
/// ```
#[derive(Debug)]
pub struct MemoryDriver {
    network: MemoryNetwork,
    address: SocketAddr,
    /// Tells this driver from a later one at the same address.
    serial: u64,
    /// Swapped with the mailbox, so that the network is not locked while datagrams are looked at.
    inbox: VecDeque<Packet>,
    stats: DriverStats,
    entropy: u64,
}

impl MemoryDriver {
    /// Whether the network still has this node; not so after [`MemoryNetwork::unplug`].
    #[must_use]
    pub fn is_plugged_in(&self) -> bool {
        self.network.lock().mailbox(self.address, self.serial).is_some()
    }
}

impl Driver for MemoryDriver {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Never fails. What `sink` causes to be sent to this node is handed over by the next call.
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.receive_marked(now, &mut |arrival| sink(arrival.from, arrival.bytes))
    }

    /// Never fails. The marks are those of [`send_marked`](Driver::send_marked).
    fn receive_marked(&mut self, _now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        match self.network.lock().mailbox(self.address, self.serial) {
            Some(mailbox) if !mailbox.queue.is_empty() => std::mem::swap(&mut mailbox.queue, &mut self.inbox),
            _ => return Ok(()),
        }
        for packet in &self.inbox {
            self.stats.received += 1;
            self.stats.received_bytes += packet.bytes.len() as u64;
            sink(Arrival { from: packet.from, ecn: packet.ecn, bytes: &packet.bytes });
        }
        self.network.lock().recycle(self.inbox.drain(..));
        Ok(())
    }

    /// Never fails. Needs no [`flush`](Driver::flush).
    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.send_marked(now, to, Ecn::NotCapable, datagram)
    }

    fn send_marked(&mut self, now: Instant, to: SocketAddr, ecn: Ecn, datagram: &[u8]) -> Result<(), DriverError> {
        let mut state = self.network.lock();
        if is_movable(datagram.len()) && state.mailbox(self.address, self.serial).is_some() {
            let packet = Arrival { from: self.address, ecn, bytes: datagram };
            state.carry(now, canonical(to), packet);
            self.stats.sent += 1;
            self.stats.sent_bytes += datagram.len() as u64;
        } else {
            self.stats.send_dropped += 1;
        }
        Ok(())
    }

    fn flush(&mut self, _now: Instant) -> Result<(), DriverError> {
        Ok(())
    }

    fn stats(&self) -> DriverStats {
        let mut state = self.network.lock();
        let overflowed = state.mailbox(self.address, self.serial).map_or(0, |mailbox| mailbox.overflowed);
        DriverStats { receive_dropped: overflowed, ..self.stats }
    }

    fn entropy(&mut self) -> u64 {
        self.entropy = self.entropy.wrapping_add(1);
        self.entropy
    }
}

impl Drop for MemoryDriver {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        if state.mailbox(self.address, self.serial).is_some() {
            state.remove(self.address);
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    /// Ordered, so that nothing here can depend on a hash seed.
    pub(super) mailboxes: BTreeMap<SocketAddr, Mailbox>,
    /// Buffers between uses.
    pool: Vec<Vec<u8>>,
    trace: Fnv,
    stats: MemoryStats,
    pub(super) nats: Nats,
    hosts: u32,
    plugged: u64,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    serial: u64,
    queue: VecDeque<Packet>,
    overflowed: u64,
}

#[derive(Debug)]
struct Packet {
    from: SocketAddr,
    ecn: Ecn,
    bytes: Vec<u8>,
}

impl State {
    fn mailbox(&mut self, address: SocketAddr, serial: u64) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(&address).filter(|mailbox| mailbox.serial == serial)
    }

    fn carry(&mut self, now: Instant, to: SocketAddr, packet: Arrival<'_>) {
        let Arrival { from, ecn, bytes: datagram } = packet;
        // The mark is put where no length reaches: the digest of what bears none is as it always was.
        let length = datagram.len() as u64 | (ecn as u64) << 62;
        self.trace = self.trace.u64(now.as_micros()).address(from).address(to).u64(length).bytes(datagram);
        self.stats.sent += 1;
        self.stats.sent_bytes += datagram.len() as u64;
        let Ok((from, to)) = self.nats.route(now, from, to) else {
            self.stats.refused_by_nat += 1;
            return;
        };
        let Some(mailbox) = self.mailboxes.get_mut(&to) else {
            self.stats.unroutable += 1;
            return;
        };
        if mailbox.queue.len() >= MAILBOX_DATAGRAMS {
            mailbox.overflowed += 1;
            self.stats.overflowed += 1;
            return;
        }
        let mut bytes = self.pool.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        mailbox.queue.push_back(Packet { from, ecn, bytes });
    }

    fn remove(&mut self, address: SocketAddr) {
        if let Some(mut mailbox) = self.mailboxes.remove(&address) {
            self.nats.leave(address);
            self.stats.abandoned += mailbox.queue.len() as u64;
            self.recycle(mailbox.queue.drain(..));
        }
    }

    fn recycle(&mut self, packets: impl Iterator<Item = Packet>) {
        // Bounded by what can wait at once: buffers are made only when all others are in use.
        self.pool.extend(packets.map(|packet| packet.bytes));
    }

    fn free_port(&self, wanted: SocketAddr) -> Option<SocketAddr> {
        let mut address = wanted;
        (PORT_EPHEMERAL..=u16::MAX).find_map(|port| {
            address.set_port(port);
            (!self.mailboxes.contains_key(&address)).then_some(address)
        })
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            mailboxes: BTreeMap::new(),
            pool: Vec::new(),
            trace: Fnv::new(),
            stats: MemoryStats::default(),
            nats: Nats::default(),
            hosts: 0,
            plugged: 0,
        }
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
