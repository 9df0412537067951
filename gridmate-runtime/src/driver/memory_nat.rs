//! Translating boxes in a [`MemoryNetwork`]: nodes that the others see at borrowed addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::memory::State;
use super::{DriverError, MemoryDriver, MemoryNetwork, canonical};
use crate::sim::{Nat, NatConfig, NatRefusal, Outbound};
use crate::time::Instant;

/// Boxes are known to the world at addresses counted up from here: 198.18.0.0/15.
const PUBLIC: u32 = 0xC612_0000;

/// How many those are.
const PUBLIC_ADDRESSES: u32 = 1 << 17;

/// Hosts behind boxes, whichever, are counted up from here: 192.168.0.0/16.
const INSIDE: u32 = 0xC0A8_0000;

/// How many those are.
const INSIDE_ADDRESSES: u32 = 1 << 16;

/// Port of every inside address.
const PORT: u16 = 4_000;

impl MemoryNetwork {
    /// A box at the next address that no box had: 198.18.0.1, 198.18.0.2 and so on. Nodes are put behind it with
    /// [`MemoryNat::bind_any`].
    ///
    /// # Errors
    /// [`DriverError::Bind`] when those addresses have run out.
    pub fn nat(&self, config: NatConfig) -> Result<MemoryNat, DriverError> {
        let mut state = self.lock();
        let public = free_public(&mut state)?;
        let number = state.nats.boxes.len();
        state.nats.boxes.push(Nat::new(public, config));
        state.nats.public.insert(public, number);
        Ok(MemoryNat { network: self.clone(), number })
    }
}

/// A box in a [`MemoryNetwork`] that translates addresses. Clones are handles on the same box; it stays when they go.
///
/// Nodes behind it reach one another and, at borrowed addresses, the world. The world reaches them as the box's
/// [`NatKind`](crate::sim::NatKind) allows, at what [`public_address`](Self::public_address) says, and not at their own
/// addresses. It translates when a datagram enters the network: behind a [`Conditioned`](super::Conditioned) driver
/// that is when the link has delivered it.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::driver::{Driver, DriverError, MemoryNetwork};
/// use gridmate_runtime::sim::{NatConfig, NatKind};
///
/// let network = MemoryNetwork::new();
/// let nat = network.nat(NatConfig::new(NatKind::PortRestricted))?;
/// let (mut server, mut client) = (network.bind_any()?, nat.bind_any()?);
///
/// let now = Instant::from_millis(1);
/// let mut seen = Vec::new();
/// for _ in 0..2 {
///     client.send(now, server.local_addr(), b"it is me")?;
///     server.receive(now, &mut |from, _| seen.push(from))?;
///     nat.rebind(); // the client's public port changes now
/// }
/// assert_eq!((seen[0].ip(), seen[1].ip()), (nat.public_ip(), nat.public_ip()));
/// assert_ne!(seen[0].port(), seen[1].port());
/// # Ok::<(), DriverError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryNat {
    network: MemoryNetwork,
    number: usize,
}

impl MemoryNat {
    /// Plugs a node in behind the box, at the next inside address that nobody had: 192.168.0.1:4000 and so on.
    ///
    /// # Errors
    /// [`DriverError::Bind`] when the sixty-five thousand addresses, which all boxes share, have run out.
    pub fn bind_any(&self) -> Result<MemoryDriver, DriverError> {
        let mut state = self.network.lock();
        loop {
            state.nats.hosts += 1;
            let address = SocketAddr::from((Ipv4Addr::from_bits(INSIDE + state.nats.hosts), PORT));
            if state.nats.hosts >= INSIDE_ADDRESSES {
                return Err(DriverError::Bind { address, source: io::ErrorKind::AddrNotAvailable.into() });
            }
            if !state.mailboxes.contains_key(&address) {
                state.nats.inside.insert(address, self.number);
                return Ok(self.network.plug_in(&mut state, address));
            }
        }
    }

    /// Forgets all mappings: to the world, all nodes behind the box change their ports now.
    pub fn rebind(&self) {
        self.with(Nat::rebind);
    }

    /// Forgets all mappings and takes the next address that no box had: to the world, all nodes behind the box move.
    ///
    /// # Errors
    /// [`DriverError::Bind`] when those addresses have run out; then nothing has changed.
    pub fn switch_uplink(&self) -> Result<(), DriverError> {
        let mut state = self.network.lock();
        let public = free_public(&mut state)?;
        let Nats { boxes, public: numbers, .. } = &mut state.nats;
        let nat = &mut boxes[self.number];
        numbers.remove(&nat.public_ip());
        numbers.insert(public, self.number);
        nat.move_to(public);
        Ok(())
    }

    /// The box's address in the world.
    #[must_use]
    pub fn public_ip(&self) -> IpAddr {
        self.with(|nat| nat.public_ip())
    }

    /// How `to` sees the node at `inside`, if that sent something there that the box still remembers.
    #[must_use]
    pub fn public_address(&self, now: Instant, inside: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        self.with(|nat| nat.public_address(now, canonical(inside), canonical(to)))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Nat) -> R) -> R {
        f(&mut self.network.lock().nats.boxes[self.number])
    }
}

/// The boxes of a network, and who is behind which.
#[derive(Debug, Default)]
pub(super) struct Nats {
    boxes: Vec<Nat>,
    /// Boxes by their addresses in the world.
    public: BTreeMap<IpAddr, usize>,
    /// Boxes by the addresses of the nodes behind them.
    inside: BTreeMap<SocketAddr, usize>,
    /// Addresses in the world that were given out, count.
    uplinks: u32,
    /// Inside addresses that were given out, count.
    hosts: u32,
}

impl Nats {
    /// The addresses under which a datagram arrives.
    pub(super) fn route(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Result<(SocketAddr, SocketAddr), NatRefusal> {
        let (home, target) = (self.inside.get(&from).copied(), self.inside.get(&to).copied());
        if target.is_some() {
            // Neighbours need no box; all others do not know that address.
            return if home == target { Ok((from, to)) } else { Err(NatRefusal::NoMapping) };
        }
        let from = match home {
            None => from,
            Some(number) => match self.boxes[number].outbound(now, from, to)? {
                Outbound::Forward { from } => from,
                Outbound::Hairpin { from, to } => return Ok((from, to)),
            },
        };
        match self.public.get(&to.ip()) {
            None => Ok((from, to)),
            Some(number) => self.boxes[*number].inbound(now, from, to).map(|inside| (from, inside)),
        }
    }

    /// Whether the address is that of a box.
    pub(super) fn own(&self, ip: IpAddr) -> bool {
        self.public.contains_key(&ip)
    }

    /// The node at `address` has gone.
    pub(super) fn leave(&mut self, address: SocketAddr) {
        self.inside.remove(&address);
    }
}

/// The next address for a box that nobody else has.
fn free_public(state: &mut State) -> Result<IpAddr, DriverError> {
    loop {
        state.nats.uplinks += 1;
        let ip = IpAddr::from(Ipv4Addr::from_bits(PUBLIC + state.nats.uplinks));
        if state.nats.uplinks >= PUBLIC_ADDRESSES {
            let address = SocketAddr::new(ip, 0);
            return Err(DriverError::Bind { address, source: io::ErrorKind::AddrNotAvailable.into() });
        }
        if !state.mailboxes.keys().any(|address| address.ip() == ip) {
            return Ok(ip);
        }
    }
}

#[cfg(test)]
#[path = "memory_nat_tests.rs"]
mod tests;
