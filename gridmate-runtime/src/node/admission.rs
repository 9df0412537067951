//! Letting joiners in, or not.

use super::{Node, NodeConfig};
use crate::ids::MemberId;
use crate::session::{JoinDecision, JoinPolicy, JoinRequest};
use crate::time::Instant;

impl NodeConfig {
    /// Has `decide` say who may join the session that this node hosts. Without it everybody may. It is asked about joiners that have
    /// proven where they are and whose schema fits, while there is room, and from within [`Node::tick`].
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// # let registry = Registry::builder().build()?;
    /// # let network = MemoryNetwork::new();
    /// let config = NodeConfig::new(registry.clone()).admission(|joiner| match joiner.credentials {
    ///     _ if joiner.name == "mallory" => JoinDecision::Refuse("banned until Monday".to_owned()),
    ///     b"xyzzy" => JoinDecision::Accept,
    ///     _ => JoinDecision::Pending, // somebody looks at it
    /// });
    /// let mut host = Node::host(network.bind_any()?, config)?;
    /// let config = NodeConfig::new(registry).name("ada").credentials(b"plugh");
    /// let mut client = Node::join(network.bind_any()?, host.local_addr(), config)?;
    /// for frame in 0..20 {
    ///     let now = Instant::from_millis(frame * 16);
    ///     host.tick(now)?;
    ///     client.tick(now)?;
    ///     while let Some(event) = host.poll_event() {
    ///         if let NodeEvent::Session(SessionEvent::JoinRequested { member, name }) = event {
    ///             assert_eq!(name, "ada");
    ///             host.admit(now, member);
    ///         }
    ///     }
    /// }
    /// assert_eq!(host.members().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn admission(mut self, decide: impl Fn(&JoinRequest<'_>) -> JoinDecision + Send + Sync + 'static) -> Self {
        self.admission = JoinPolicy::new(decide);
        self
    }

    /// What this node shows to the host it joins: a password, a ticket. It goes as it is, so that whoever can read the traffic can read
    /// it; cut at [`limits::CREDENTIALS_BYTES`](crate::limits::CREDENTIALS_BYTES).
    #[must_use]
    pub fn credentials(mut self, credentials: impl Into<Vec<u8>>) -> Self {
        self.credentials = credentials.into();
        self
    }
}

impl Node {
    /// Lets a joiner in that waits: [`JoinDecision::Pending`]. False when it does not wait, or no longer.
    pub fn admit(&mut self, now: Instant, member: MemberId) -> bool {
        let waited = self.session.admit(member);
        self.carry_out_actions(now);
        waited
    }

    /// Does not let a joiner in that waits, and tells it why. False when it does not wait, or no longer.
    pub fn deny(&mut self, now: Instant, member: MemberId, reason: &str) -> bool {
        let waited = self.session.deny(member, reason);
        self.carry_out_actions(now);
        waited
    }
}
