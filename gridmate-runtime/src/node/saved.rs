//! A session that begins where another ended.

use super::Node;
use crate::ids::MemberId;
use crate::replica::{RestoreError, Restored};

impl Node {
    /// Takes in what [`ReplicaManager::save`](crate::ReplicaManager::save) wrote. Only the host does, before anyone joins: those who
    /// do get member ids that nothing saved was created under, so that no new replica takes an old one's id.
    ///
    /// Every replica is the host's now. Who owned it and whom it was assigned to is in the answer; they are no members of this session,
    /// whatever they are called in it.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// #[derive(Debug, Default, PartialEq, ReplicaChunk)]
    /// struct Door {
    ///     open: bool,
    /// }
    ///
    /// let registry = Registry::builder().chunk::<Door>().build()?;
    /// let network = MemoryNetwork::new();
    /// let mut yesterday = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// let door = yesterday.replicas().add(Door { open: true })?;
    /// let file = yesterday.replicas().save();
    ///
    /// let mut today = Node::host(network.bind_any()?, NodeConfig::new(registry))?;
    /// today.restore(&file)?;
    /// assert_eq!(today.replicas().get::<Door>(door)?, &Door { open: true });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RestoreError`]; nothing was changed then.
    pub fn restore(&mut self, saved: &[u8]) -> Result<Vec<Restored>, RestoreError> {
        if !self.session.is_alone() {
            return Err(RestoreError::NotAlone);
        }
        let restored = self.replicas.restore(saved)?;
        let last = restored.iter().map(|replica| replica.id.creator).max().unwrap_or(MemberId::HOST);
        self.session.reserve(last);
        Ok(restored)
    }
}
