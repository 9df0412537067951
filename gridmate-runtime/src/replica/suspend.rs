//! Proxies that hold still while the program is not ready for what happens to them: a level is loading, a cut scene runs.
//!
//! Values go on being written in place, acknowledged and passed on. What waits is what the program is called for: change
//! handlers, and handlers of calls that the owner has passed on. When the proxy resumes, the calls run first, in the order they
//! came in, and then one change handler for each dataset that is not what it was when the proxy was suspended.
//!
//! Nothing is lost by it. Calls wait up to a limit; when the program does not resume in time, its proxies resume by themselves,
//! since neither is the owner to blame nor may a call be missing. Likewise when the replica ends or its primary comes here:
//! what waited runs before.

use super::hold::HeldCall;
use super::record::{Call, Route};
use super::target::PeerId;
use super::{ReplicaError, ReplicaEvent, ReplicaManager};
use crate::ids::ReplicaId;

impl ReplicaManager {
    /// Keeps the handlers of a proxy from running until [`resume`](Self::resume): change handlers, and those of RPCs that its
    /// owner passes on. Its values follow the owner meanwhile. Suspending it again changes nothing.
    ///
    /// It resumes by itself, as [`ReplicaEvent::Resumed`] says, when more than
    /// [`SUSPENDED_RPCS`](crate::limits::SUSPENDED_RPCS) calls or [`SUSPENDED_RPC_BYTES`](crate::limits::SUSPENDED_RPC_BYTES)
    /// from one peer wait; and when the replica ends, or its primary comes here. Calls that wait go with the connection that
    /// they came by. A host that suspends a proxy passes its calls on when they run.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gridmate_runtime::prelude::*;
    /// use gridmate_runtime::sim::{LinkConfig, World};
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// struct Door {
    ///     #[dataset(on_change = Self::creak)]
    ///     angle: u8,
    ///     #[dataset(skip)]
    ///     creaks: u32,
    /// }
    ///
    /// impl Door {
    ///     fn creak(&mut self, _ctx: &TimeContext) {
    ///         self.creaks += 1;
    ///     }
    /// }
    ///
    /// # let registry = Registry::builder().chunk::<Door>().build()?;
    /// # let mut world = World::new(7, 30, LinkConfig::perfect())?;
    /// # let host = world.host(NodeConfig::new(registry.clone()))?;
    /// # let client = world.join(host, NodeConfig::new(registry))?;
    /// let door = world.replicas(host).add(Door::default())?;
    /// world.run_for(Duration::from_secs(1));
    /// world.replicas(client).suspend(door)?;
    /// for angle in 1..=90 {
    ///     world.replicas(host).primary_mut::<Door>(door)?.angle = angle;
    ///     world.step();
    /// }
    /// world.run_for(Duration::from_secs(1));
    /// let seen = world.replicas(client).get::<Door>(door)?;
    /// assert_eq!((seen.angle, seen.creaks), (90, 0));
    /// world.replicas(client).resume(door)?;
    /// world.step();
    /// assert_eq!(world.replicas(client).get::<Door>(door)?.creaks, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`], [`ReplicaError::NotProxy`].
    pub fn suspend(&mut self, id: ReplicaId) -> Result<(), ReplicaError> {
        if self.entry(id)?.is_primary() {
            return Err(ReplicaError::NotProxy(id));
        }
        let place = self.index[&id];
        // Its end has been announced and comes with the next tick.
        let entry = &self.entries[place as usize];
        if !entry.doomed && !entry.suspended {
            self.suspended.push(place);
            self.set_suspended(place, true);
        }
        Ok(())
    }

    /// Lets the handlers of a suspended proxy run again, from the next tick on. Resuming what is not suspended changes nothing.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`].
    pub fn resume(&mut self, id: ReplicaId) -> Result<(), ReplicaError> {
        self.entry(id)?;
        self.lift(self.index[&id]);
        Ok(())
    }

    /// Whether calls on this replica have to wait for its program. Requests are on their way to the owner and do not.
    pub(super) fn is_parked(&self, call: &Call) -> bool {
        !self.suspended.is_empty()
            && matches!(call.route, Route::Echo { .. })
            && self.index.get(&call.replica).is_some_and(|place| self.entries[*place as usize].suspended)
    }

    /// Ends the suspensions of replicas that have ended, or are primaries by now or will be with this update: what their owner has called
    /// counts no more then.
    pub(super) fn lift_overtaken(&mut self) {
        for at in (0..self.suspended.len()).rev() {
            let place = self.suspended[at];
            let entry = &self.entries[place as usize];
            let is_over = || self.recalls.get(&entry.id).is_some_and(|recall| recall.deadline <= self.now);
            if entry.doomed || entry.is_primary() || entry.in_transfer && is_over() {
                self.lift(place);
            }
        }
    }

    /// Ends the suspensions of what `peer` sends when more of its calls wait than may.
    pub(super) fn lift_overfull(&mut self, peer: PeerId) {
        if !self.peer(peer).is_some_and(|p| p.held.is_overfull()) {
            return;
        }
        for at in (0..self.suspended.len()).rev() {
            let place = self.suspended[at];
            let entry = &self.entries[place as usize];
            if entry.upstream == Some(peer) {
                let id = entry.id;
                self.lift(place);
                self.push_event(ReplicaEvent::Resumed { id });
            }
        }
    }

    /// Puts a call back that waits for the program.
    pub(super) fn park(&mut self, peer: PeerId, held: HeldCall) {
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            peer.held.park(held);
        }
    }

    pub(super) fn lift(&mut self, place: u32) {
        if self.entries[place as usize].suspended {
            self.suspended.retain(|other| *other != place);
            self.set_suspended(place, false);
        }
    }

    fn set_suspended(&mut self, place: u32, suspended: bool) {
        let entry = &mut self.entries[place as usize];
        entry.suspended = suspended;
        for chunk in &entry.chunks {
            self.stores[usize::from(chunk.class)].set_suspended(chunk.slot, suspended);
        }
    }
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use crate::chunk::PeerRole;
    use crate::prelude::*;

    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Door {
        open: bool,
    }

    #[test]
    fn what_is_gone_is_not_suspended() {
        let registry = Registry::builder().chunk::<Door>().build().unwrap();
        let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
        client.set_local_member(MemberId(2));
        let there = host.add_peer(MemberId(2), PeerRole::Client);
        let back = client.add_peer(MemberId::HOST, PeerRole::Host);
        let door = host.add(Door { open: true }).unwrap();
        host.prepare();
        let mut message = Vec::new();
        assert!(host.marshal(there, 1_200, &mut message).is_some());
        let _verdict = client.handle_state(back, 1, &message).unwrap();
        client.suspend(door).unwrap();
        client.suspend(door).unwrap();
        assert_eq!(client.suspended.len(), 1);
        client.remove_peer(back, false);
        assert!(client.suspended.is_empty());
    }
}
