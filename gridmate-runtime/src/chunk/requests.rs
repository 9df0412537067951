//! What a node keeps of the questions that its program has asked, and of how often it called.
//!
//! A question is open until its answer arrives, its time is up, its replica is gone or the way to its owner is; then it is done until the
//! program takes what came of it. Both are bounded.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::chunk::RequestError;
use crate::chunk::call_rate::CallRates;
use crate::ids::ReplicaId;
use crate::limits;
use crate::time::Instant;

/// What a caller's port needs besides the outbox: questions, rates, and a count of what was turned away.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) requests: Requests,
    pub(crate) rates: CallRates,
    /// Calls that were errors at the caller.
    pub(crate) refused: u64,
}

/// Which RPC of which chunk a question is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) replica: ReplicaId,
    pub(crate) chunk: u8,
    pub(crate) rpc: u8,
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: u32,
    open: BTreeMap<u32, Open>,
    /// Answers that the program has not taken, the oldest first as a rule.
    done: BTreeMap<u32, Result<Vec<u8>, RequestError>>,
    ignored: u64,
}

#[derive(Debug)]
struct Open {
    asked: Question,
    until: Instant,
}

impl Requests {
    /// Whether no more questions can be open.
    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= limits::OPEN_REQUESTS
    }

    /// Opens a question.
    pub(crate) fn open(&mut self, asked: Question, now: Instant, timeout: Option<Duration>) -> u32 {
        let timeout = timeout.unwrap_or(Duration::from_millis(limits::REQUEST_MILLIS));
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.open.contains_key(&self.last) && !self.done.contains_key(&self.last) {
                break;
            }
        }
        self.open.insert(self.last, Open { asked, until: now + timeout });
        self.last
    }

    /// Takes a question back that was not asked after all.
    pub(crate) fn cancel(&mut self, ticket: u32) {
        self.open.remove(&ticket);
    }

    /// Takes an answer in, if it is to an open question.
    pub(crate) fn answer(&mut self, ticket: u32, asked: Question, answer: Result<Vec<u8>, RequestError>) {
        if self.open.get(&ticket).is_some_and(|open| open.asked == asked) {
            self.close(ticket, answer);
        } else {
            self.ignored += 1;
        }
    }

    fn close(&mut self, ticket: u32, answer: Result<Vec<u8>, RequestError>) {
        self.open.remove(&ticket);
        if self.done.len() >= limits::OPEN_REQUESTS {
            self.done.pop_first();
        }
        self.done.insert(ticket, answer);
    }

    /// Closes what `end` gives a reason for.
    pub(crate) fn end(&mut self, mut end: impl FnMut(ReplicaId, Instant) -> Option<RequestError>) {
        if self.open.is_empty() {
            return;
        }
        let ended: Vec<_> =
            self.open.iter().filter_map(|(ticket, o)| Some((*ticket, end(o.asked.replica, o.until)?))).collect();
        for (ticket, why) in ended {
            self.close(ticket, Err(why));
        }
    }

    /// What came of a question, once.
    pub(crate) fn take(&mut self, ticket: u32) -> Option<Result<Vec<u8>, RequestError>> {
        match self.done.remove(&ticket) {
            None if self.open.contains_key(&ticket) => None,
            None => Some(Err(RequestError::Gone)),
            answer => answer,
        }
    }

    /// Answers that came for no open question.
    pub(crate) const fn ignored(&self) -> u64 {
        self.ignored
    }
}
