//! What is exchanged with a peer whose program is older or newer: the first datasets of some chunk types.
//!
//! It concerns only where bits begin and end. Versions, baselines and receipts know nothing of it: a change of what a peer cannot see is
//! a change in which nothing differs, and so the calls that wait for it find it there.

use std::sync::Arc;

use super::ReplicaManager;
use super::entry::Entry;
use crate::chunk::coder::Share;
use crate::schema::Profile;

/// The profile that some peers have. Those who have the same share one.
#[derive(Debug)]
pub(super) struct PeerProfile {
    /// Tells it from all others there were, 0 being that of peers who have everything: encodings go by it.
    pub(super) number: u32,
    of: Profile,
    /// By class.
    shares: Vec<Share>,
}

impl PeerProfile {
    /// Which datasets of a chunk of this class.
    pub(super) fn share(&self, class: u16) -> Share {
        self.shares.get(usize::from(class)).copied().flatten()
    }

    /// Whether a replica has more than is shared of it.
    #[inline]
    pub(super) fn cuts(&self, entry: &Entry) -> bool {
        entry.chunks.iter().any(|chunk| self.share(chunk.class).is_some())
    }
}

/// Which datasets of a chunk of this class a peer of that profile, or of none, shares.
#[inline]
pub(super) fn share(profile: Option<&PeerProfile>, class: u16) -> Share {
    profile.and_then(|profile| profile.share(class))
}

impl ReplicaManager {
    /// The one that peers with this profile share; none for those who have everything.
    pub(super) fn shared_profile(&mut self, of: &Profile) -> Option<Arc<PeerProfile>> {
        let known = |profile: &&Arc<PeerProfile>| profile.of == *of;
        if let Some(profile) = self.peers.iter().flatten().filter_map(|peer| peer.profile.as_ref()).find(known) {
            return Some(profile.clone());
        }
        let stores = self.stores.iter().zip(of.datasets());
        let shares: Vec<_> = stores
            .map(|(store, datasets)| ((*datasets as usize) < store.descriptor().datasets.len()).then_some(*datasets))
            .collect();
        if shares.iter().all(Option::is_none) {
            return None;
        }
        self.profiles += 1;
        Some(Arc::new(PeerProfile { number: self.profiles, of: of.clone(), shares }))
    }
}
