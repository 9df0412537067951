//! A box between a home and the world that lends its one address to everyone inside (network address translation).
//!
//! ```text
//!  inside 192.168.0.2:4000 ──► Nat ──► 198.18.0.1:50000 ──► world        outbound: makes and refreshes the mapping
//!  inside 192.168.0.2:4000 ◄── Nat ◄── 198.18.0.1:50000 ◄── world        inbound: if there is one, and it is let through
//! ```
//!
//! [`Nat`] moves no bytes: it is told who sends to whom and answers what the addresses are on the other side. The words
//! are those of RFC 3489, which programs still use; RFC 4787 says the same in finer grains.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::time::Instant;

/// Correspondents remembered for one mapping, count: what a full server's worth of players needs. One more, and the one
/// that was not written to for the longest time is forgotten.
const CORRESPONDENTS_MAX: usize = 4_096;

/// A translating box in virtual time.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Nat, NatConfig, NatKind, NatRefusal, Outbound};
///
/// let mut nat = Nat::new([198, 18, 0, 1].into(), NatConfig::new(NatKind::PortRestricted));
/// let (inside, server) = (([192, 168, 0, 2], 4_000).into(), ([10, 0, 0, 1], 4_000).into());
/// let now = Instant::from_millis(1);
///
/// let Outbound::Forward { from } = nat.outbound(now, inside, server)? else { unreachable!("the server is outside") };
/// assert_eq!(nat.inbound(now, server, from), Ok(inside));
/// assert_eq!(nat.inbound(now, ([10, 0, 0, 2], 4_000).into(), from), Err(NatRefusal::Filtered));
///
/// nat.rebind();
/// assert_eq!(nat.inbound(now, server, from), Err(NatRefusal::NoMapping));
/// assert_ne!(nat.outbound(now, inside, server)?, Outbound::Forward { from });
/// # Ok::<(), NatRefusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct Nat {
    config: NatConfig,
    public: IpAddr,
    mappings: BTreeMap<u16, Mapping>,
    ports: BTreeMap<Key, u16>,
    /// Ports given out so far, count: the next is as far from the first. A port that was dropped comes last.
    given_out: u64,
}

/// What kind of box it is.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::sim::{NatConfig, NatKind};
///
/// let strict = NatConfig { mapping_timeout: Duration::from_secs(30), ..NatConfig::new(NatKind::Symmetric) };
/// assert!(!strict.hairpin);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// Who is given which port, and who may answer.
    pub kind: NatKind,
    /// How long a mapping lives after the last datagram that went out through it; so does the right of a correspondent
    /// to answer. What comes in keeps nothing alive, as with the strictest boxes.
    pub mapping_timeout: Duration,
    /// Whether those inside can reach one another at their outside addresses.
    pub hairpin: bool,
    /// The lowest port that is given out.
    pub first_port: u16,
    /// How many ports there are to give out; those above 65,535 do not exist. A mapping that finds none free fails.
    pub port_count: u16,
}

impl NatConfig {
    /// A box with 16,384 ports that forgets after two minutes and has no hairpin.
    #[must_use]
    pub const fn new(kind: NatKind) -> Self {
        let mapping_timeout = Duration::from_secs(120);
        Self { kind, mapping_timeout, hairpin: false, first_port: 49_152, port_count: 16_384 }
    }
}

/// Who is given which port, and who may answer. All but the last give each inside address one port for all it writes to.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Nat, NatConfig, NatKind};
///
/// let (inside, server) = (([192, 168, 0, 2], 4_000).into(), ([10, 0, 0, 1], 4_000).into());
/// let stranger = ([10, 0, 0, 2], 4_000).into();
/// for (kind, open) in [(NatKind::FullCone, true), (NatKind::Symmetric, false)] {
///     let mut nat = Nat::new([198, 18, 0, 1].into(), NatConfig::new(kind));
///     nat.outbound(Instant::ZERO, inside, server)?;
///     let public = nat.public_address(Instant::ZERO, inside, server).unwrap();
///     assert_eq!(nat.inbound(Instant::ZERO, stranger, public).is_ok(), open);
/// }
/// # Ok::<(), gridmate_runtime::sim::NatRefusal>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// Anyone may write to the port.
    FullCone,
    /// Hosts that were written to may, from any of their ports.
    RestrictedCone,
    /// Addresses that were written to may.
    PortRestricted,
    /// Every address that is written to sees another port, and only it may answer there.
    Symmetric,
}

/// Where a datagram from inside goes.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Nat, NatConfig, NatKind, Outbound};
///
/// let config = NatConfig { hairpin: true, ..NatConfig::new(NatKind::FullCone) };
/// let mut nat = Nat::new([198, 18, 0, 1].into(), config);
/// let (ann, bob) = (([192, 168, 0, 2], 4_000).into(), ([192, 168, 0, 3], 4_000).into());
/// let Outbound::Forward { from } = nat.outbound(Instant::ZERO, ann, ([10, 0, 0, 1], 4_000).into())? else { panic!() };
/// assert!(matches!(nat.outbound(Instant::ZERO, bob, from)?, Outbound::Hairpin { to, .. } if to == ann));
/// # Ok::<(), gridmate_runtime::sim::NatRefusal>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// Into the world.
    Forward {
        /// The sender's address as the world sees it.
        from: SocketAddr,
    },
    /// Back inside.
    Hairpin {
        /// The sender's address as the world would see it.
        from: SocketAddr,
        /// The inside address that it was for.
        to: SocketAddr,
    },
}

/// Why a datagram does not pass. Nobody is told.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Nat, NatConfig, NatKind, NatRefusal};
///
/// let full = NatConfig { port_count: 0, ..NatConfig::new(NatKind::FullCone) };
/// let mut nat = Nat::new([198, 18, 0, 1].into(), full);
/// let passed = nat.outbound(Instant::ZERO, ([192, 168, 0, 2], 4_000).into(), ([10, 0, 0, 1], 4_000).into());
/// assert_eq!(passed, Err(NatRefusal::NoPort));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatRefusal {
    /// Inbound: the port was not given to anyone, or was forgotten.
    #[error("nobody inside has that port")]
    NoMapping,
    /// Inbound: the one who has the port did not write to the sender.
    #[error("the sender may not answer there")]
    Filtered,
    /// Outbound: all ports are given out.
    #[error("no port is left")]
    NoPort,
    /// Outbound: it is for the box's own address, and there is no hairpin.
    #[error("those inside cannot be reached at their outside addresses")]
    NoHairpin,
}

/// Whose port it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    inside: SocketAddr,
    /// Where to, if every destination sees another port.
    to: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
struct Mapping {
    key: Key,
    /// When something last went out through it.
    used: Instant,
    /// Who was written to, and when last.
    correspondents: BTreeMap<SocketAddr, Instant>,
}

impl Nat {
    /// A box without traffic, known to the world as `public`.
    #[must_use]
    pub const fn new(public: IpAddr, config: NatConfig) -> Self {
        Self { config, public, mappings: BTreeMap::new(), ports: BTreeMap::new(), given_out: 0 }
    }

    /// The address that the world sees.
    #[must_use]
    pub const fn public_ip(&self) -> IpAddr {
        self.public
    }

    /// What kind of box it is.
    #[must_use]
    pub const fn config(&self) -> &NatConfig {
        &self.config
    }

    /// `inside` sends to `to`. Makes a mapping when there is none and keeps it alive.
    ///
    /// # Errors
    /// [`NatRefusal::NoPort`]; for a datagram to the box's own address [`NatRefusal::NoHairpin`], or as for
    /// [`inbound`](Self::inbound).
    pub fn outbound(&mut self, now: Instant, inside: SocketAddr, to: SocketAddr) -> Result<Outbound, NatRefusal> {
        let own = to.ip() == self.public;
        if own && !self.config.hairpin {
            return Err(NatRefusal::NoHairpin);
        }
        let key = self.key(inside, to);
        let port = match self.live_port(now, key) {
            Some(port) => port,
            None => self.give_out(now, key)?,
        };
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.used = now;
            mapping.remember(now, to);
        }
        let from = SocketAddr::new(self.public, port);
        if own {
            Ok(Outbound::Hairpin { from, to: self.inbound(now, from, to)? })
        } else {
            Ok(Outbound::Forward { from })
        }
    }

    /// `from`, outside, sends to `to`, an address of this box: the inside address that it is for.
    ///
    /// # Errors
    /// [`NatRefusal::NoMapping`] or [`NatRefusal::Filtered`].
    pub fn inbound(&self, now: Instant, from: SocketAddr, to: SocketAddr) -> Result<SocketAddr, NatRefusal> {
        let mapping = self.mappings.get(&to.port()).filter(|_| to.ip() == self.public);
        let mapping = mapping.filter(|mapping| self.lives(now, mapping.used)).ok_or(NatRefusal::NoMapping)?;
        let wrote_to = |address| mapping.correspondents.get(address).is_some_and(|used| self.lives(now, *used));
        let admitted = match self.config.kind {
            NatKind::FullCone => true,
            NatKind::RestrictedCone => {
                let mut known = mapping.correspondents.keys().filter(|address| address.ip() == from.ip());
                known.any(wrote_to)
            }
            NatKind::PortRestricted | NatKind::Symmetric => wrote_to(&from),
        };
        if admitted { Ok(mapping.key.inside) } else { Err(NatRefusal::Filtered) }
    }

    /// How `to` sees `inside`, if something was sent there that is still remembered.
    #[must_use]
    pub fn public_address(&self, now: Instant, inside: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        self.live_port(now, self.key(inside, to)).map(|port| SocketAddr::new(self.public, port))
    }

    /// Mappings that are remembered at `now`, count.
    #[must_use]
    pub fn mappings(&self, now: Instant) -> usize {
        self.mappings.values().filter(|mapping| self.lives(now, mapping.used)).count()
    }

    /// Forgets all mappings, as after a restart of the box. Whoever sends next is given another port, if there is one.
    pub fn rebind(&mut self) {
        self.mappings.clear();
        self.ports.clear();
    }

    /// [`rebind`](Self::rebind), and the world sees another address from now on: the line to the world was changed.
    pub fn move_to(&mut self, public: IpAddr) {
        self.rebind();
        self.public = public;
    }

    fn key(&self, inside: SocketAddr, to: SocketAddr) -> Key {
        Key { inside, to: (self.config.kind == NatKind::Symmetric).then_some(to) }
    }

    fn lives(&self, now: Instant, used: Instant) -> bool {
        now - used < self.config.mapping_timeout
    }

    fn live_port(&self, now: Instant, key: Key) -> Option<u16> {
        let port = *self.ports.get(&key)?;
        self.mappings.get(&port).is_some_and(|mapping| self.lives(now, mapping.used)).then_some(port)
    }

    /// A port that nobody has, or whose owner was silent for too long.
    fn give_out(&mut self, now: Instant, key: Key) -> Result<u16, NatRefusal> {
        // One that has expired: it must not stay beside the new one.
        if let Some(port) = self.ports.remove(&key) {
            self.mappings.remove(&port);
        }
        let first = self.config.first_port.max(1);
        let count = u64::from(self.config.port_count).min(u64::from(u16::MAX - first) + 1);
        for _ in 0..count {
            let offset = u16::try_from(self.given_out % count).unwrap_or(0);
            self.given_out += 1;
            let port = first.saturating_add(offset);
            match self.mappings.get(&port) {
                Some(mapping) if self.lives(now, mapping.used) => continue,
                Some(mapping) => self.ports.remove(&mapping.key),
                None => None,
            };
            self.mappings.insert(port, Mapping { key, used: now, correspondents: BTreeMap::new() });
            self.ports.insert(key, port);
            return Ok(port);
        }
        Err(NatRefusal::NoPort)
    }
}

impl Mapping {
    fn remember(&mut self, now: Instant, to: SocketAddr) {
        if self.correspondents.len() >= CORRESPONDENTS_MAX && !self.correspondents.contains_key(&to) {
            let silent = self.correspondents.iter().min_by_key(|(_, used)| **used).map(|(address, _)| *address);
            silent.and_then(|address| self.correspondents.remove(&address));
        }
        self.correspondents.insert(to, now);
    }
}

#[cfg(test)]
#[path = "nat_tests.rs"]
mod tests;
