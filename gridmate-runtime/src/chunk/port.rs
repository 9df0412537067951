//! The way from a caller to a chunk's RPCs, and the calls it leaves to be sent.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::chunk::rpc::{IntoPropagate, MayCall, Propagate, RpcContext, RpcDescriptor, RpcError, RpcFlags};
use crate::chunk::{Accounts, Question, ReplicaChunk, RequestError};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::wire::{BitReader, BitWriter};

/// The way from a caller to one chunk: at hand when this node holds the primary, else by way of the outbox.
///
/// ```
/// use gridmate_runtime::chunk::{ArgDescriptor, HasRpcs, RpcDescriptor, RpcFlags, RpcPort};
/// use gridmate_runtime::prelude::*;
/// # use gridmate_runtime::schema::ChunkDescriptor;
/// # use gridmate_runtime::wire::{Change, Past, Sink, Source, WireError};
///
/// #[derive(Default)]
/// struct Bell {
///     rung: u32,
/// }
///
/// impl ReplicaChunk for Bell {
///     const RPCS: &'static [RpcDescriptor<Self>] = &[RpcDescriptor {
///         name: "ring",
///         flags: RpcFlags::DEFAULT,
///         args: &[ArgDescriptor { name: "times", shape: u8::shape }],
///         reply: None,
///         invoke: |bell, _ctx, r| {
///             bell.rung += u32::from(u8::unmarshal(r)?);
///             Ok(Propagate::ToProxies)
///         },
///     }];
///     // … and no datasets
/// #     type Snapshot = ();
/// #     const DESCRIPTOR: &'static ChunkDescriptor = &ChunkDescriptor::new("bell", &[]);
/// #     fn snapshot(&self) {}
/// #     fn capture(&self, _: &mut ()) {}
/// #     fn encode(_: Change<'_, ()>, _: &mut impl Sink) {}
/// #     fn decode(_: &mut (), _: Past<'_, ()>, _: &mut impl Source) -> Result<(), WireError> {
/// #         Ok(())
/// #     }
/// #     fn apply(&mut self, _: &(), _: &()) {}
/// }
///
/// impl HasRpcs for Bell {
///     /// What `#[rpcs]` wraps in methods with names.
///     type Caller<'a> = RpcPort<'a, Self>;
///
///     fn caller(port: RpcPort<'_, Self>) -> RpcPort<'_, Self> {
///         port
///     }
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Bell>().build()?, 1);
/// let id = replicas.add(Bell::default())?;
/// let mut bell = replicas.primary_mut::<Bell>(id)?;
/// bell.rpcs().call(0, |w| 3_u8.marshal(w))?; // the primary is here: it runs at once
/// assert_eq!(bell.rung, 3);
/// let too_short = bell.rpcs().call(0, |_| ());
/// assert!(matches!(too_short, Err(RpcError::Unreadable(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RpcPort<'a, T> {
    pub(crate) outbox: &'a mut RpcOutbox,
    /// The chunk itself, on the primary.
    pub(crate) value: Option<&'a mut T>,
    pub(crate) context: RpcContext,
    /// Position of the chunk in its replica, and its class.
    pub(crate) chunk: u8,
    pub(crate) class: u16,
    /// Whether the replica is assigned to this node.
    pub(crate) assigned: bool,
    /// Whether no other node is between this one and the primary.
    pub(crate) direct: bool,
    pub(crate) accounts: &'a mut Accounts,
    pub(crate) recipients: Recipients,
    /// How long a question waits for its answer, unless as long as usual.
    pub(crate) timeout: Option<Duration>,
}

/// Whom a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// The primary, and then whom the handler says.
    Primary,
    /// All proxies, but not the primary.
    Proxies,
    /// One member.
    Member(MemberId),
}

impl<T: ReplicaChunk> RpcPort<'_, T> {
    /// Calls RPC number `index` with the arguments that `write` marshals.
    ///
    /// # Errors
    /// See [`RpcError`]; nothing has happened then.
    ///
    /// # Panics
    /// When the type has no RPC of that number.
    pub fn call(&mut self, index: u8, write: impl FnOnce(&mut BitWriter)) -> Result<(), RpcError> {
        self.call_for::<()>(index, write)
    }

    /// The same for an RPC whose handler returns `R`: a [`Reply`](crate::Reply) gives a ticket.
    ///
    /// # Errors
    /// See [`RpcError`]; nothing has happened then.
    ///
    /// # Panics
    /// When the type has no RPC of that number.
    pub fn call_for<R: IntoPropagate>(
        &mut self,
        index: u8,
        write: impl FnOnce(&mut BitWriter),
    ) -> Result<R::Ticket, RpcError> {
        let rpc = &T::RPCS[usize::from(index)];
        let result = self.admit(rpc).and_then(|()| {
            let asked = Question { replica: self.context.replica, chunk: self.chunk, rpc: index };
            let ticket = if rpc.reply.is_some() {
                self.accounts.requests.open(asked, self.context.now, self.timeout)
            } else {
                0
            };
            self.make(rpc, asked, ticket, write).inspect_err(|_| self.accounts.requests.cancel(ticket)).map(|()| ticket)
        });
        self.accounts.refused += u64::from(result.is_err());
        result.map(R::ticket)
    }

    /// Whether the call may be made at all.
    fn admit(&self, rpc: &RpcDescriptor<T>) -> Result<(), RpcError> {
        let flags = rpc.flags;
        match flags.may_call {
            MayCall::Authority if self.value.is_none() => return Err(RpcError::AuthorityOnly),
            MayCall::Owner if self.value.is_none() && !self.assigned => return Err(RpcError::OwnerOnly),
            _ => {}
        }
        if !flags.relayed && !self.direct {
            return Err(RpcError::NotRelayed);
        }
        if rpc.reply.is_some() && self.recipients != Recipients::Primary {
            return Err(RpcError::QuestionToProxy);
        }
        if rpc.reply.is_some() && self.accounts.requests.is_full() {
            return Err(RpcError::TooManyRequests);
        }
        if self.outbox.calls.len() >= limits::OUTBOX_CALLS {
            return Err(RpcError::QueueFull);
        }
        Ok(())
    }

    /// Marshals the arguments, runs the handler if it is to run here, and notes down what is to be sent.
    fn make(
        &mut self,
        rpc: &RpcDescriptor<T>,
        asked: Question,
        ticket: u32,
        write: impl FnOnce(&mut BitWriter),
    ) -> Result<(), RpcError> {
        let remote = self.value.is_none();
        let start = self.outbox.arena.len();
        let mut w = core::mem::take(&mut self.outbox.scratch);
        w.clear();
        if remote && ticket != 0 {
            w.gamma(ticket);
        }
        write(&mut w);
        let limit = rpc.flags.bytes();
        let bits = w.len();
        let fits = w.error().is_none() && w.finish().len() <= limit;
        if fits {
            self.outbox.arena.extend_from_slice(w.finish());
        }
        self.outbox.scratch = w;
        if !fits {
            return Err(RpcError::TooLarge { limit });
        }
        if remote
            && let Some(rate) = rpc.flags.rate
            && !self.accounts.rates.take(
                rate,
                (self.context.source, self.class, asked.rpc),
                self.context.now,
                Duration::ZERO,
            )
        {
            self.outbox.arena.truncate(start);
            return Err(RpcError::TooOften);
        }
        let to = match self.recipients {
            Recipients::Member(member) => Some(member),
            _ => None,
        };
        let here = self.recipients == Recipients::Primary || to == Some(self.context.local);
        let mut echo = (!remote).then_some(to);
        if let Some(value) = self.value.as_deref_mut().filter(|_| here) {
            let mut r = BitReader::new(&self.outbox.arena[start..]);
            let answer = (rpc.invoke)(value, &self.context, &mut r);
            echo = match answer {
                Ok(Propagate::ToProxies) if to.is_none() => Some(None),
                Ok(Propagate::To(member)) if to.is_none() && member != self.context.local => Some(Some(member)),
                _ => None,
            };
            if self.context.wants_destroy() {
                // This call still goes out when it is propagated, later ones do not.
                let last = self.outbox.calls.len() + usize::from(echo.is_some());
                self.outbox.destroys.entry(self.context.replica).or_insert(last);
            }
            if ticket != 0 && answer.is_ok() {
                let answer = self.context.take_answer(limit).ok_or(RequestError::Unreadable);
                self.accounts.requests.answer(ticket, asked, answer);
            }
            if echo.is_none() {
                self.outbox.arena.truncate(start);
                return answer.map(drop).map_err(RpcError::Unreadable);
            }
        }
        self.outbox.calls.push(OutboxCall {
            replica: asked.replica,
            chunk: asked.chunk,
            rpc: asked.rpc,
            flags: rpc.flags,
            echo: echo.is_some(),
            to: echo.flatten(),
            ticket: 0,
            source: self.context.source,
            args: start,
            bits,
        });
        Ok(())
    }
}

impl RpcFlags {
    /// What all arguments of a call, or an answer, may take.
    pub(crate) const fn bytes(self) -> usize {
        if self.reliable { limits::RPC_BYTES } else { limits::UNRELIABLE_RPC_BYTES }
    }
}

/// Calls made since the last tick, arguments in one arena.
#[derive(Debug, Default)]
pub(crate) struct RpcOutbox {
    pub(crate) calls: Vec<OutboxCall>,
    pub(crate) arena: Vec<u8>,
    /// Replicas that a handler asked to destroy, with the number of calls before: later ones go nowhere.
    pub(crate) destroys: BTreeMap<ReplicaId, usize>,
    scratch: BitWriter,
}

#[derive(Debug)]
pub(crate) struct OutboxCall {
    pub(crate) replica: ReplicaId,
    pub(crate) chunk: u8,
    pub(crate) rpc: u8,
    pub(crate) flags: RpcFlags,
    /// The handler ran here and asked for all proxies to run it; else the call is a request to the primary.
    pub(crate) echo: bool,
    /// The only member to run it, of an echo.
    pub(crate) to: Option<MemberId>,
    /// The question that this is the answer to; else 0.
    pub(crate) ticket: u32,
    /// Who made it.
    pub(crate) source: MemberId,
    /// Where in the arena the arguments start, and how long they are.
    pub(crate) args: usize,
    pub(crate) bits: usize,
}
