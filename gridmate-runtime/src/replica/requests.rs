//! Questions and their answers on the way, and all else that is for one member.
//!
//! An answer counts when it comes for an open question and names the RPC that was asked; as calls, answers come only from the peer
//! through which the replica is reached. So nobody answers for another, or twice.

use core::time::Duration;

use super::prepare::Echo;
use super::record::{Call, To};
use super::update::read_of;
use super::{PeerFault, PeerId, PeerRole, ReplicaManager};
use crate::chunk::reply::read_answer;
use crate::chunk::{OutboxCall, Question, Request, RequestError, RpcContext, RpcFlags};
use crate::ids::MemberId;
use crate::limits;
use crate::wire::{BitReader, BitWriter, Marshal};

/// How an answer's bits begin, two of them.
const ANSWERED: u64 = 0;

const fn code(error: RequestError) -> u64 {
    match error {
        RequestError::NotPermitted => 1,
        RequestError::TooOften => 2,
        _ => 3,
    }
}

impl ReplicaManager {
    /// The answer to a question, once it is there; `None` until then. See [`Reply`](crate::Reply).
    ///
    /// # Errors
    /// Why there is none, and will be none.
    pub fn poll_reply<T: Marshal>(&mut self, request: &Request<T>) -> Option<Result<T, RequestError>> {
        let answer = self.accounts.requests.take(request.ticket)?;
        Some(answer.and_then(|bytes| read_answer(&bytes).map_err(|_| RequestError::Unreadable)))
    }

    /// Ends questions whose time is up or whose replica is gone.
    pub(super) fn end_requests(&mut self) {
        let Self { accounts, index, entries, now, .. } = self;
        accounts.requests.end(|replica, until| match index.get(&replica) {
            None => Some(RequestError::Destroyed),
            Some(place) if entries[*place as usize].dying => Some(RequestError::Destroyed),
            Some(_) => (*now >= until).then_some(RequestError::TimedOut),
        });
    }

    /// A member has left: what was asked of its replicas, with others in between, will not be answered. Whoever owns them now has
    /// not heard the questions. Of peers [`remove_peer`](Self::remove_peer) knows.
    pub fn member_left(&mut self, member: MemberId) {
        self.accounts.requests.end_to(member);
    }

    /// Ends questions about what was reached through a peer that is gone.
    pub(super) fn end_requests_through(&mut self, peer: PeerId) {
        let Self { accounts, index, entries, .. } = self;
        accounts.requests.end(|replica, _| {
            let place = *index.get(&replica)?;
            (entries[place as usize].upstream == Some(peer)).then_some(RequestError::OwnerGone)
        });
    }

    /// Sends what a handler on the primary answered, or why none ran, to who asked: in turn with the echoes made before.
    pub(super) fn send_answer(
        &mut self,
        call: &Call,
        flags: RpcFlags,
        (to, ticket): (MemberId, u32),
        answer: Result<Vec<u8>, RequestError>,
    ) {
        let &Call { replica, chunk, rpc, .. } = call;
        if to == self.local {
            return self.accounts.requests.answer(ticket, Question { replica, chunk, rpc }, answer);
        }
        let mut w = core::mem::take(&mut self.encoder.scratch);
        w.clear();
        match &answer {
            Ok(value) => {
                w.bits(ANSWERED, 2);
                w.append_from(&mut BitReader::new(value), usize::MAX);
            }
            Err(error) => w.bits(code(*error), 2),
        }
        let (args, bits, source, to) = (self.outbox.arena.len(), w.len(), self.local, Some(to));
        self.outbox.arena.extend_from_slice(w.finish());
        self.encoder.scratch = w;
        self.outbox.calls.push(OutboxCall { replica, chunk, rpc, flags, echo: true, to, ticket, source, args, bits });
    }

    /// Says why a request is not run, if it is a question.
    pub(super) fn turn_down(
        &mut self,
        call: &Call,
        (flags, question): (RpcFlags, bool),
        source: MemberId,
        why: RequestError,
        mut r: BitReader<'_>,
    ) {
        if question && let Ok(ticket) = r.gamma() {
            self.send_answer(call, flags, (source, ticket), Err(why));
        }
    }

    /// Whether a member that this call of another's comes from may still make it; it counts if so.
    pub(super) fn within_rate(&mut self, class: u16, rpc: u8, flags: RpcFlags, source: MemberId) -> bool {
        let slack = Duration::from_millis(limits::CALL_RATE_SLACK_MILLIS);
        flags.rate.is_none_or(|rate| self.accounts.rates.take(rate, (source, class, rpc), self.now, slack))
    }

    /// What is for one member has arrived from where its primary is: run, taken as an answer, or passed on.
    pub(super) fn take_directed(
        &mut self,
        (peer, place): (PeerId, u32),
        call: &Call,
        flags: RpcFlags,
        (source, to): (MemberId, To),
        mut r: BitReader<'_>,
    ) -> Result<(), PeerFault> {
        let relayed = self.peer(peer).is_some_and(|peer| peer.role == PeerRole::Host);
        match to {
            _ if to.member != self.local => {
                // Back to where it came from it cannot go.
                if relayed || self.is_in_mesh() || self.way_to(to.member).is_none_or(|way| way == peer) {
                    self.stats.rpcs_dropped += 1;
                    return Ok(());
                }
                let ticket = to.ticket.unwrap_or(0);
                let echo = Echo { chunk: call.chunk, rpc: call.rpc, flags, source, to: Some(to.member), ticket };
                self.send_echo(place, &echo, (&r, r.remaining()), self.tick + 1);
                self.stats.rpcs_forwarded += 1;
                Ok(())
            }
            To { ticket: Some(ticket), .. } => {
                self.take_answer(call, ticket, r);
                Ok(())
            }
            To { ticket: None, .. } => {
                let chunk = self.entries[place as usize].chunks[usize::from(call.chunk)];
                let context = RpcContext::new(source, self.local, call.replica, false, self.now);
                let store = &mut self.stores[usize::from(chunk.class)];
                let ran = store.invoke(chunk.slot, call.rpc, &context, &mut r).and_then(|_| read_of(&r));
                match ran {
                    Ok(_) => self.stats.rpcs_run += 1,
                    // Who passed it on cannot read it.
                    Err(_) if relayed => self.stats.rpcs_dropped += 1,
                    Err(error) => return Err(error.into()),
                }
                Ok(())
            }
        }
    }

    /// An answer to this node has arrived.
    pub(super) fn take_answer(&mut self, call: &Call, ticket: u32, mut r: BitReader<'_>) {
        let answer = match r.bits(2) {
            Ok(ANSWERED) => {
                let mut w = BitWriter::new();
                w.append_from(&mut r, usize::MAX);
                Ok(w.finish().to_vec())
            }
            Ok(1) => Err(RequestError::NotPermitted),
            Ok(2) => Err(RequestError::TooOften),
            _ => Err(RequestError::Unreadable),
        };
        let asked = Question { replica: call.replica, chunk: call.chunk, rpc: call.rpc };
        self.accounts.requests.answer(ticket, asked, answer);
    }
}
