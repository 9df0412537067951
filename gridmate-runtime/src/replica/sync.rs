//! What a newcomer has of all that was there when it came.
//!
//! A replica that is there when a peer comes is marked for it (`Target::mark_first`). The first acknowledgement takes the mark off, and
//! so does the replica's end. How many marks are left is what the newcomer is told, in the row of its reliable calls: at the start,
//! a bounded number of times on the way, and when there are none. State messages carry nothing of it. What is told as
//! arrived was acknowledged before, so the last report comes after the last of the replicas, whatever was lost on the way. It is a host that
//! reports; of what mesh members send each other nothing is said. A member that becomes the host (`succession`) marks what it takes over for
//! those who follow it, as if they had just come.
//!
//! ```text
//! report = 0:32  (total + 1):gamma  (left + 1):gamma
//! ```
//!
//! No call begins with 32 zeros.

use super::target::{Peer, PeerId};
use super::{PeerFault, PeerRole, ReplicaEvent, ReplicaManager};
use crate::ids::MemberId;
use crate::limits;
use crate::wire::{BitReader, BitWriter, WireError};

/// How much of what was there when a peer came it has by now.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::sim::{LinkConfig, World};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Tree {
///     height: u8,
/// }
///
/// let registry = Registry::builder().chunk::<Tree>().build()?;
/// let mut world = World::new(7, 30, LinkConfig::perfect())?;
/// let host = world.host(NodeConfig::new(registry.clone()))?;
/// for _ in 0..100 {
///     world.replicas(host).add(Tree { height: 3 })?;
/// }
/// let client = world.join(host, NodeConfig::new(registry))?;
/// world.run_for(Duration::from_secs(1));
///
/// let mut loaded = 0; // what the client shows before it begins
/// while let Some(event) = world.node(client).poll_event() {
///     match event {
///         NodeEvent::Replica(ReplicaEvent::SyncProgress { arrived, total, .. }) => loaded = arrived * 100 / total,
///         NodeEvent::Replica(ReplicaEvent::Synced { from, total }) => {
///             assert_eq!((from, total), (MemberId::HOST, 100));
///             loaded = 100;
///         }
///         _ => {}
///     }
/// }
/// assert_eq!(loaded, 100);
///
/// // The host may ask, or wait until it is told: to let the player in, say.
/// let there = world.node(host).sync_progress(MemberId(2)).expect("the client is there");
/// assert!(there.is_complete() && there.total == 100);
/// let told = NodeEvent::Replica(ReplicaEvent::PeerSynced { member: MemberId(2), total: 100 });
/// assert!(std::iter::from_fn(|| world.node(host).poll_event()).any(|event| event == told));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncProgress {
    /// Replicas of them that have arrived, or are gone.
    pub arrived: u32,
    /// Replicas that were there.
    pub total: u32,
    heard: bool,
}

impl SyncProgress {
    /// Whether all are here. Of zero, that is once the host has said so.
    pub const fn is_complete(&self) -> bool {
        self.heard && self.arrived == self.total
    }
}

/// What one end knows of it: of a client what it has, of a host what it says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SyncState {
    pub(super) total: u32,
    /// Of the last report.
    left: u32,
    reports: u32,
}

impl SyncState {
    const fn is_over(self) -> bool {
        self.reports > 0 && self.left == 0
    }

    /// What is left now is worth a report.
    const fn is_news(self, left: u32) -> bool {
        let step = self.total.div_ceil(limits::SYNC_REPORTS);
        self.reports == 0 || left == 0 || self.left - left >= step
    }
}

/// A report, or why it is none.
fn read(message: &[u8]) -> Result<(u32, u32), WireError> {
    let mut r = BitReader::new(message);
    r.bits(32)?;
    let (total, left) = (r.gamma()? - 1, r.gamma()? - 1);
    let fits = left <= total && total as usize <= limits::REPLICAS && super::record::at_end(&r);
    if fits { Ok((total, left)) } else { Err(WireError::Invalid) }
}

fn write(total: u32, left: u32, w: &mut BitWriter) {
    w.clear();
    w.bits(0, 32);
    w.gamma(total + 1);
    w.gamma(left + 1);
}

impl ReplicaManager {
    /// How much a client has of what was there when it came; or, of a host, how much of that has come here as far as the host has
    /// said. `None` when there is no such peer.
    pub fn sync_progress(&self, peer: PeerId) -> Option<SyncProgress> {
        let Peer { role, sync, owed, .. } = self.peer(peer)?;
        let left = if role.is_guest() { owed.left } else { sync.left };
        Some(SyncProgress { arrived: sync.total - left, total: sync.total, heard: sync.reports > 0 })
    }

    /// Tells newcomers how far they have come.
    pub(super) fn report_sync(&mut self) {
        let hosts = self.host().is_none();
        for place in 0..self.peers.len() {
            let Some(peer) = &mut self.peers[place] else { continue };
            let left = peer.owed.left;
            // A recorder is nobody.
            let hears = peer.role == PeerRole::Client || peer.role == PeerRole::Peer && hosts;
            if !hears || peer.member == MemberId::NONE || peer.sync.is_over() || !peer.sync.is_news(left) {
                continue;
            }
            peer.sync.left = left;
            peer.sync.reports += 1;
            let (member, total) = (peer.member, peer.sync.total);
            let w = &mut self.encoder.scratch;
            write(total, left, w);
            peer.queue(w.finish(), true);
            if left == 0 {
                self.push_event(ReplicaEvent::PeerSynced { member, total });
            }
        }
    }

    /// On a node that has become the host: a member is to hear when it has what this node has taken over, at these places.
    pub(super) fn sync_anew(&mut self, peer: PeerId, places: &[u32]) {
        let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) else { return };
        places.iter().for_each(|place| peer.owed.mark_first_at(*place));
        peer.sync = SyncState { total: peer.owed.left, ..SyncState::default() };
    }

    /// Takes a message in that is a report and no call.
    pub(super) fn handle_report(&mut self, peer: PeerId, reliable: bool, message: &[u8]) -> Result<(), PeerFault> {
        let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) else { return Ok(()) };
        let (total, left) = read(message)?;
        let known = peer.sync;
        if peer.role != PeerRole::Host || !reliable {
            return Err(PeerFault::NotOwner);
        }
        if known.reports > 0 && (total != known.total || left >= known.left) {
            return Err(WireError::Invalid.into());
        }
        if known.reports > limits::SYNC_REPORTS + 1 {
            return Err(PeerFault::Limit("reports of progress"));
        }
        peer.sync = SyncState { total, left, reports: known.reports + 1 };
        let from = peer.member;
        self.push_event(if left == 0 {
            ReplicaEvent::Synced { from, total }
        } else {
            ReplicaEvent::SyncProgress { from, arrived: total - left, total }
        });
        Ok(())
    }
}

/// Whether a message of the calls' channel is a report.
pub(super) fn is_report(message: &[u8]) -> bool {
    message.starts_with(&[0; 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Registry;

    fn report(total: u32, left: u32) -> Vec<u8> {
        let mut w = BitWriter::new();
        write(total, left, &mut w);
        w.finish().to_vec()
    }

    #[test]
    fn only_a_host_reports_and_only_what_can_be() {
        let client = || {
            let mut client = ReplicaManager::new(Registry::builder().build().unwrap(), 1);
            client.set_local_member(MemberId(2));
            let host = client.add_peer(MemberId::HOST, PeerRole::Host);
            (client, host)
        };
        let (mut host, _) = client();
        let there = host.add_peer(MemberId(3), PeerRole::Client);
        assert_eq!(host.handle_call(there, true, &report(3, 3)), Err(PeerFault::NotOwner));

        let invalid: PeerFault = WireError::Invalid.into();
        let most = u32::try_from(limits::REPLICAS).unwrap();
        for (total, left) in [(3, 4), (most + 1, 1), (u32::MAX - 1, 0)] {
            let (mut client, host) = client();
            assert_eq!(client.handle_call(host, true, &report(total, left)), Err(invalid), "{left} of {total}");
        }
        for second in [(4, 2), (2, 2), (3, 3), (3, 2)] {
            let (mut client, host) = client();
            client.handle_call(host, true, &report(3, 2)).unwrap();
            assert_eq!(client.handle_call(host, true, &report(second.0, second.1)), Err(invalid), "{second:?}");
            assert_eq!(
                client.poll_event(),
                Some(ReplicaEvent::SyncProgress { from: MemberId::HOST, arrived: 1, total: 3 })
            );
            assert_eq!(client.poll_event(), None);
        }
        let (mut client, host) = client();
        assert_eq!(client.handle_call(host, false, &report(3, 3)), Err(PeerFault::NotOwner));
        let long = [report(3, 3), vec![0; 8]].concat();
        assert_eq!(client.handle_call(host, true, &long), Err(invalid));
        for cut in 4..report(1_000, 900).len() {
            let fault = client.handle_call(host, true, &report(1_000, 900)[..cut]);
            assert!(matches!(fault, Err(PeerFault::Malformed(_))), "{cut} bytes");
        }
        client.handle_call(host, true, &report(0, 0)).unwrap();
        assert_eq!(client.poll_event(), Some(ReplicaEvent::Synced { from: MemberId::HOST, total: 0 }));
        assert_eq!(client.handle_call(host, true, &report(0, 0)), Err(invalid), "it is over");
    }

    #[test]
    fn so_many_reports_are_sent_and_no_more_are_taken() {
        for total in [0, 1, 2, 63, 64, 65, 1_000, 1 << 22] {
            let mut sync = SyncState { total, ..SyncState::default() };
            let mut left = total;
            while !sync.is_over() {
                if sync.is_news(left) {
                    (sync.left, sync.reports) = (left, sync.reports + 1);
                }
                left = left.saturating_sub(1);
            }
            assert!(sync.reports <= limits::SYNC_REPORTS + 2, "{} for {total}", sync.reports);
        }
        let mut client = ReplicaManager::new(Registry::builder().build().unwrap(), 1);
        let host = client.add_peer(MemberId::HOST, PeerRole::Host);
        for left in 0..=limits::SYNC_REPORTS + 1 {
            client.handle_call(host, true, &report(1_000, 999 - left)).unwrap();
        }
        let fault = PeerFault::Limit("reports of progress");
        assert_eq!(client.handle_call(host, true, &report(1_000, 1)), Err(fault));
    }
}
