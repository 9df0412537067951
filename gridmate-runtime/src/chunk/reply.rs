//! Questions: calls whose handler gives an answer.
//!
//! A handler that returns [`Reply<T>`] answers whoever called it. Its caller method gives a ticket, a [`Request<T>`], which
//! [`poll_reply`](crate::ReplicaManager::poll_reply) takes: nothing yet, the answer, or why there is none. A question goes to the primary
//! and is never echoed.

use core::marker::PhantomData;

use crate::chunk::rpc::{IntoPropagate, Propagate, RpcContext};
use crate::wire::{BitReader, Marshal, Shape, WireError};

/// What a handler returns that answers its caller.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Shop {
///     gold: u32,
/// }
///
/// #[rpcs]
/// impl Shop {
///     #[rpc]
///     fn buy(&mut self, _ctx: &RpcContext, price: u32) -> Reply<bool> {
///         self.gold += price;
///         Reply(price > 10)
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Shop>().build()?, 1);
/// let shop = replicas.add(Shop::default())?;
/// let request = replicas.primary_mut::<Shop>(shop)?.rpcs().buy(30)?;
/// assert_eq!(replicas.poll_reply(&request), Some(Ok(true))); // the primary is here: answered at once
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply<T>(pub T);

/// The ticket for a question: what its answer is asked for with.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Oracle {
///     asked: u32,
/// }
///
/// #[rpcs]
/// impl Oracle {
///     #[rpc]
///     fn ask(&mut self, _ctx: &RpcContext) -> Reply<u32> {
///         self.asked += 1;
///         Reply(42)
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Oracle>().build()?, 1);
/// let oracle = replicas.add(Oracle::default())?;
/// let request: Request<u32> = replicas.primary_mut::<Oracle>(oracle)?.rpcs_within(Duration::from_secs(1)).ask()?;
/// assert_eq!(replicas.poll_reply(&request), Some(Ok(42)));
/// assert_eq!(replicas.poll_reply(&request), Some(Err(RequestError::Gone))); // an answer is given once
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the answer is asked for with this: `replicas.poll_reply(&request)`"]
pub struct Request<T> {
    pub(crate) ticket: u32,
    answer: PhantomData<fn() -> T>,
}

impl<T> core::fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Request").field(&self.ticket).finish()
    }
}

/// Why a question has no answer.
///
/// ```
/// use gridmate_runtime::RequestError;
///
/// assert_eq!(RequestError::TimedOut.to_string(), "no answer came in time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nothing came in time. The handler may have run all the same, or may still run.
    #[error("no answer came in time")]
    TimedOut,
    /// This member may not call the RPC, or a host on the way may not forward it.
    #[error("this member may not call the RPC")]
    NotPermitted,
    /// The RPC has a rate, and this member called it more often.
    #[error("the RPC was called more often than its rate allows")]
    TooOften,
    /// There is a replica no more.
    #[error("the replica was destroyed")]
    Destroyed,
    /// The peer through which the owner was reached is gone.
    #[error("the replica's owner is gone")]
    OwnerGone,
    /// The handler gave no answer, or one that is too large or cannot be read: both sides must read what they write.
    #[error("the answer could not be sent or read")]
    Unreadable,
    /// The answer was taken before, or it was not asked for until
    /// [`OPEN_REQUESTS`](crate::limits::OPEN_REQUESTS) newer ones had come.
    #[error("the answer was taken, or dropped because nobody asked for it")]
    Gone,
}

impl<T: Marshal> IntoPropagate for Reply<T> {
    type Ticket = Request<T>;

    const REPLY: Option<fn() -> Shape> = Some(T::shape);

    fn into_propagate(self, ctx: &RpcContext) -> Propagate {
        ctx.answer(&self.0);
        Propagate::Stop
    }

    fn ticket(number: u32) -> Request<T> {
        Request { ticket: number, answer: PhantomData }
    }
}

/// The value that an answer's bytes hold.
pub(crate) fn read_answer<T: Marshal>(bytes: &[u8]) -> Result<T, WireError> {
    T::unmarshal(&mut BitReader::new(bytes))
}
