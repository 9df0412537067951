//! Answers to hellos that got no slot: a few words each, and nothing is remembered of whom they are for.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::error::Refusal;
use super::handshake;
use super::packet::WireId;
use super::secret::Secret;
use crate::limits;
use crate::time::Instant;

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    Refused(Refusal),
    /// Come again with a cookie, which is made when this is sent.
    Challenge {
        id: WireId,
    },
}

/// Answers that wait for the next flush.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<(SocketAddr, u64, Answer)>);

impl Answers {
    /// Queues an answer to the hello with this nonce; false when too many wait.
    pub(super) fn push(&mut self, to: SocketAddr, nonce: u64, answer: Answer) -> bool {
        let room = self.0.len() < limits::ANSWERS;
        if room {
            self.0.push_back((to, nonce, answer));
        }
        room
    }

    /// Writes the next one and says where it goes.
    pub(super) fn write(&mut self, now: Instant, secret: &Secret, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let (to, nonce, answer) = self.0.pop_front()?;
        match answer {
            Answer::Refused(reason) => handshake::write_refused(nonce, &reason, out),
            Answer::Challenge { id } => handshake::write_challenge(nonce, &secret.cookie(now, to, nonce, id), out),
        }
        Some(to)
    }
}
