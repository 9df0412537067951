//! Whether a joiner is let in: the host's program decides, at once or later.

use core::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::ids::MemberId;

/// Somebody who asks to join, as the host's program sees it; [`NodeConfig::admission`](crate::NodeConfig::admission) shows it in use.
///
/// ```
/// use gridmate_runtime::{JoinDecision, JoinRequest, NodeConfig, Registry};
///
/// fn has_the_word(joiner: &JoinRequest<'_>) -> JoinDecision {
///     let known = joiner.credentials == b"xyzzy";
///     if known { JoinDecision::Accept } else { JoinDecision::Refuse(format!("{}, you do not know the word", joiner.name)) }
/// }
///
/// let config = NodeConfig::new(Registry::builder().build()?).admission(has_the_word);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinRequest<'a> {
    /// Who it will be, if it is let in.
    pub member: MemberId,
    /// The name it gives.
    pub name: &'a str,
    /// What its program has to show: [`NodeConfig::credentials`](crate::NodeConfig::credentials).
    pub credentials: &'a [u8],
    /// Where it is.
    pub address: SocketAddr,
}

/// What is to become of a joiner; [`NodeConfig::admission`](crate::NodeConfig::admission) shows all three.
///
/// ```
/// use gridmate_runtime::{JoinDecision, NodeConfig, Registry};
///
/// let registry = Registry::builder().build()?;
/// let closed = NodeConfig::new(registry).admission(|_| JoinDecision::Refuse("the game has begun".to_owned()));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinDecision {
    /// It comes in.
    Accept,
    /// It does not, and is told why in these words: [`limits::REFUSAL_TEXT_BYTES`](crate::limits::REFUSAL_TEXT_BYTES) of them at most.
    Refuse(String),
    /// It waits. The program hears of it as [`SessionEvent::JoinRequested`](crate::SessionEvent::JoinRequested) and answers with
    /// [`Node::admit`](crate::Node::admit) or [`Node::deny`](crate::Node::deny), within half a minute.
    Pending,
}

/// Who decides.
type Decide = Arc<dyn Fn(&JoinRequest<'_>) -> JoinDecision + Send + Sync>;

/// What a host asks about joiners.
#[derive(Clone, Default)]
pub(crate) struct JoinPolicy(Option<Decide>);

impl JoinPolicy {
    /// Everybody is welcome.
    pub(crate) const OPEN: Self = Self(None);

    pub(crate) fn new(decide: impl Fn(&JoinRequest<'_>) -> JoinDecision + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decide)))
    }

    pub(super) fn decide(&self, request: &JoinRequest<'_>) -> JoinDecision {
        self.0.as_ref().map_or(JoinDecision::Accept, |decide| decide(request))
    }
}

impl fmt::Debug for JoinPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "JoinPolicy(..)" } else { "JoinPolicy(open)" })
    }
}
