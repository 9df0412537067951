//! Calls that have arrived and wait: for the update phase, or for the state they belong to.

use std::collections::VecDeque;

use super::PeerFault;
use super::record::Call;
use crate::limits;

/// Calls from one peer in the order they arrived, bounded in number and bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) calls: VecDeque<HeldCall>,
    bytes: usize,
    /// Buffers of calls that have run.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct HeldCall {
    pub(super) call: Call,
    /// The whole message.
    pub(super) message: Vec<u8>,
    pub(super) reliable: bool,
}

impl Held {
    pub(super) fn push(&mut self, call: Call, message: &[u8], reliable: bool) -> Result<(), PeerFault> {
        if self.calls.len() >= limits::HELD_RPCS || self.bytes + message.len() > limits::HELD_RPC_BYTES {
            return Err(PeerFault::Limit("calls waiting for state"));
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(message);
        self.bytes += message.len();
        self.calls.push_back(HeldCall { call, message: buffer, reliable });
        Ok(())
    }

    pub(super) fn finished(&mut self, call: HeldCall) {
        self.bytes -= call.message.len();
        if self.spare.len() < 64 {
            self.spare.push(call.message);
        }
    }
}
