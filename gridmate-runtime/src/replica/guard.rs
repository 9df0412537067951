//! Ownership as a type: what a program may hold of a replica's chunk.

use core::ops::{Deref, DerefMut};
use core::time::Duration;

use super::entry::ChunkRef;
use super::{ReplicaError, ReplicaManager};
use crate::chunk::{Accounts, HasRpcs, Recipients, ReplicaChunk, RpcContext, RpcOutbox, RpcPort, TypedStore};
use crate::ids::{MemberId, ReplicaId};
use crate::time::Instant;

impl ReplicaManager {
    /// A chunk whose primary is here, to be changed. Writing through it marks it to be looked at in the next tick; only
    /// datasets that then differ are sent.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// # #[derive(Default, ReplicaChunk)]
    /// # struct Door { open: bool }
    /// # let registry = Registry::builder().chunk::<Door>().build()?;
    /// # let mut replicas = ReplicaManager::new(registry, 1);
    /// let door = replicas.add(Door { open: false })?;
    /// replicas.primary_mut::<Door>(door)?.open = true;
    /// assert!(replicas.get::<Door>(door)?.open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NoSuchChunk`], [`ReplicaError::NotPrimary`].
    pub fn primary_mut<T: ReplicaChunk>(&mut self, id: ReplicaId) -> Result<PrimaryMut<'_, T>, ReplicaError> {
        let (entry, position, chunk) = self.locate::<T>(id)?;
        if !entry.is_primary() {
            return Err(ReplicaError::NotPrimary(id));
        }
        let (local, now, assigned) = (self.local, self.now, entry.assigned);
        let Self { stores, outbox, accounts, .. } = self;
        let store = stores[usize::from(chunk.class)].as_any_mut().downcast_mut().expect("a class is one type");
        Ok(PrimaryMut { store, chunk, outbox, accounts, id, local, now, position, assigned })
    }

    /// A chunk whose primary is elsewhere: to be read, and to be called.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NoSuchChunk`], [`ReplicaError::NotProxy`].
    pub fn proxy<T: ReplicaChunk>(&mut self, id: ReplicaId) -> Result<Proxy<'_, T>, ReplicaError> {
        let (entry, position, chunk) = self.locate::<T>(id)?;
        if entry.is_primary() {
            return Err(ReplicaError::NotProxy(id));
        }
        let (local, now, assigned) = (self.local, self.now, entry.assigned == self.local);
        let direct = entry.upstream.and_then(|upstream| self.peer_member(upstream)) == Some(entry.owner);
        let Self { stores, outbox, accounts, .. } = self;
        let store: &TypedStore<T> =
            stores[usize::from(chunk.class)].as_any().downcast_ref().expect("a class is one type");
        Ok(Proxy {
            value: store.value(chunk.slot),
            outbox,
            accounts,
            id,
            local,
            now,
            position,
            class: chunk.class,
            assigned,
            direct,
        })
    }
}

/// A chunk whose primary is on this node. Reads are free; the first write marks it as touched.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Clone, Default, ReplicaChunk)]
/// struct Ship {
///     x: f32,
///     health: u8,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Ship>().build()?, 1);
/// let id = replicas.add(Ship { x: 0.0, health: 100 })?;
/// replicas.prepare(); // in a program, `Node::tick` does
/// let mut copy = replicas.get::<Ship>(id)?.clone();
/// copy.x = 5.0;
///
/// let mut ship = replicas.primary_mut::<Ship>(id)?;
/// ship.health -= 30; // as with a `&mut Ship`
/// ship.merge(&copy); // only what the copy has changed
/// assert_eq!((ship.x, ship.health), (5.0, 70));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PrimaryMut<'a, T: ReplicaChunk> {
    store: &'a mut TypedStore<T>,
    chunk: ChunkRef,
    outbox: &'a mut RpcOutbox,
    accounts: &'a mut Accounts,
    id: ReplicaId,
    local: MemberId,
    now: Instant,
    position: u8,
    assigned: MemberId,
}

impl<T: ReplicaChunk> PrimaryMut<'_, T> {
    /// The replica this chunk belongs to.
    pub const fn id(&self) -> ReplicaId {
        self.id
    }

    /// Takes over every dataset of `from` that differs from what the last tick captured: what a copy of this chunk, kept
    /// elsewhere, has changed since. Datasets that only changed here stay as they are. Before the first tick, what counts is
    /// what the chunk was made with, or the last copy that was merged.
    pub fn merge(&mut self, from: &T) {
        self.store.merge(self.chunk.slot, from);
    }

    /// The RPCs of this chunk. A call runs its handler here and now; if the handler says so, all proxies run it too.
    pub fn rpcs(&mut self) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(Recipients::Primary, None)
    }

    /// The same, for calls that wait so long for their answers: of handlers that return a [`Reply`](crate::Reply).
    pub fn rpcs_within(&mut self, timeout: Duration) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(Recipients::Primary, Some(timeout))
    }

    /// The RPCs of this chunk, as run by one member alone and not here. It is up to the primary who is told what, so proxies have nothing
    /// like it; a handler can pass their calls on with [`Propagate::To`](crate::Propagate::To). A call to this very member runs at
    /// once; one to a member that is not in the session is dropped and counted.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use gridmate_runtime::prelude::*;
    /// # use gridmate_runtime::sim::{LinkConfig, World};
    /// #[derive(Default, ReplicaChunk)]
    /// struct Player {
    ///     #[dataset(skip)]
    ///     heard: u32,
    /// }
    ///
    /// #[rpcs]
    /// impl Player {
    ///     #[rpc]
    ///     fn whisper(&mut self, _ctx: &RpcContext) {
    ///         self.heard += 1;
    ///     }
    /// }
    ///
    /// # let registry = Registry::builder().chunk::<Player>().build()?;
    /// # let mut world = World::new(7, 30, LinkConfig::perfect())?;
    /// # let host = world.host(NodeConfig::new(registry.clone()))?;
    /// # let client = world.join(host, NodeConfig::new(registry))?;
    /// # world.run_for(Duration::from_secs(1));
    /// let id = world.replicas(host).add(Player::default())?;
    /// let member = world.replicas(client).local_member();
    /// world.replicas(host).primary_mut::<Player>(id)?.rpcs_to(member).whisper()?;
    /// world.run_for(Duration::from_secs(1));
    /// assert_eq!(world.replicas(client).get::<Player>(id)?.heard, 1);
    /// assert_eq!(world.replicas(host).get::<Player>(id)?.heard, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rpcs_to(&mut self, member: MemberId) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(Recipients::Member(member), None)
    }

    /// [`rpcs_to`](Self::rpcs_to) the member that the replica is assigned to.
    pub fn rpcs_to_assigned(&mut self) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(Recipients::Member(self.assigned), None)
    }

    /// The RPCs of this chunk, as run by every proxy and not here, whatever the handlers return.
    pub fn rpcs_to_proxies(&mut self) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(Recipients::Proxies, None)
    }

    fn port(&mut self, recipients: Recipients, timeout: Option<Duration>) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.store.mark_updated(self.chunk.slot);
        T::caller(RpcPort {
            value: Some(self.store.value_mut(self.chunk.slot)),
            outbox: self.outbox,
            accounts: self.accounts,
            context: RpcContext::new(self.local, self.local, self.id, true, self.now),
            chunk: self.position,
            class: self.chunk.class,
            assigned: true,
            direct: true,
            recipients,
            timeout,
        })
    }
}

impl<T: ReplicaChunk> Deref for PrimaryMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.store.value(self.chunk.slot)
    }
}

impl<T: ReplicaChunk> DerefMut for PrimaryMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.store.value_mut(self.chunk.slot)
    }
}

impl<T: ReplicaChunk + core::fmt::Debug> core::fmt::Debug for PrimaryMut<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        (**self).fmt(f)
    }
}

/// A chunk whose primary is on another node: it can be read, and its RPCs be called.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::sim::{LinkConfig, World};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ship {
///     health: u8,
/// }
///
/// #[rpcs]
/// impl Ship {
///     #[rpc]
///     fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
///         self.health -= damage;
///     }
/// }
///
/// # let registry = Registry::builder().chunk::<Ship>().build()?;
/// # let mut world = World::new(7, 30, LinkConfig::perfect())?;
/// # let host = world.host(NodeConfig::new(registry.clone()))?;
/// # let client = world.join(host, NodeConfig::new(registry))?;
/// let id = world.replicas(host).add(Ship { health: 100 })?;
/// world.run_for(Duration::from_secs(1));
/// let mut ship = world.replicas(client).proxy::<Ship>(id)?;
/// assert_eq!(ship.health, 100);
/// ship.rpcs().hit(30)?; // runs on the host
/// world.run_for(Duration::from_secs(1));
/// assert_eq!(world.replicas(host).get::<Ship>(id)?.health, 70);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Proxy<'a, T> {
    value: &'a T,
    outbox: &'a mut RpcOutbox,
    accounts: &'a mut Accounts,
    id: ReplicaId,
    local: MemberId,
    now: Instant,
    position: u8,
    class: u16,
    assigned: bool,
    direct: bool,
}

impl<T: ReplicaChunk> Proxy<'_, T> {
    /// The replica this chunk belongs to.
    pub const fn id(&self) -> ReplicaId {
        self.id
    }

    /// The RPCs of this chunk. A call travels to the primary, wherever it is, and runs there.
    pub fn rpcs(&mut self) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(None)
    }

    /// The same, for calls that wait so long for their answers: of handlers that return a [`Reply`](crate::Reply).
    pub fn rpcs_within(&mut self, timeout: Duration) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        self.port(Some(timeout))
    }

    fn port(&mut self, timeout: Option<Duration>) -> T::Caller<'_>
    where
        T: HasRpcs,
    {
        T::caller(RpcPort {
            value: None,
            outbox: self.outbox,
            accounts: self.accounts,
            context: RpcContext::new(self.local, self.local, self.id, false, self.now),
            chunk: self.position,
            class: self.class,
            assigned: self.assigned,
            direct: self.direct,
            recipients: Recipients::Primary,
            timeout,
        })
    }
}

impl<T> Deref for Proxy<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for Proxy<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.value.fmt(f)
    }
}
