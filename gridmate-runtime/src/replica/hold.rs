//! Calls that have arrived and wait: for the update phase, or for the state they belong to.

use core::time::Duration;
use std::collections::VecDeque;

use super::PeerFault;
use super::record::Call;
use crate::limits;
use crate::time::Instant;

/// Calls from one peer in the order they arrived. What came since the last update is bounded in bytes, what waits beyond it in
/// number and bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) calls: VecDeque<HeldCall>,
    bytes: usize,
    /// How many of them wait for this program, which suspended their replicas, and their bytes.
    parked: (usize, usize),
    /// Buffers of calls that have run.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct HeldCall {
    pub(super) call: Call,
    /// The whole message.
    pub(super) message: Vec<u8>,
    pub(super) reliable: bool,
    /// When it was first found waiting.
    pub(super) since: Option<Instant>,
}

impl Held {
    pub(super) fn push(&mut self, call: Call, message: &[u8], reliable: bool) -> Result<(), PeerFault> {
        if self.bytes - self.parked.1 + message.len() > limits::ARRIVED_RPC_BYTES {
            return Err(PeerFault::Limit("calls in one tick"));
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(message);
        self.bytes += message.len();
        self.calls.push_back(HeldCall { call, message: buffer, reliable, since: None });
        Ok(())
    }

    /// Puts a call back that has to wait, behind those that wait already.
    pub(super) fn wait(&mut self, mut call: HeldCall, now: Instant) {
        call.since.get_or_insert(now);
        self.calls.push_back(call);
    }

    /// Whether more waits than may; to be asked when all that need not wait have run.
    pub(super) fn check(&self) -> Result<(), PeerFault> {
        let (calls, bytes) = self.parked;
        if self.calls.len() - calls > limits::HELD_RPCS || self.bytes - bytes > limits::HELD_RPC_BYTES {
            return Err(PeerFault::Limit("calls waiting for state"));
        }
        Ok(())
    }

    /// Puts a call back that waits for this program: the peer that it is from is not to blame.
    pub(super) fn park(&mut self, call: HeldCall) {
        self.parked.0 += 1;
        self.parked.1 += call.message.len();
        self.calls.push_back(call);
    }

    /// Before all calls are looked at again.
    pub(super) const fn unpark(&mut self) {
        self.parked = (0, 0);
    }

    /// Whether more waits for this program than may.
    pub(super) const fn is_overfull(&self) -> bool {
        self.parked.0 > limits::SUSPENDED_RPCS || self.parked.1 > limits::SUSPENDED_RPC_BYTES
    }

    pub(super) fn finished(&mut self, call: HeldCall) {
        self.bytes -= call.message.len();
        if self.spare.len() < 64 {
            self.spare.push(call.message);
        }
    }
}

impl HeldCall {
    /// Whether it has waited so long that what it waits for will not come.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now - since >= Duration::from_millis(limits::HELD_RPC_MILLIS))
    }
}
