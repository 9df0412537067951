//! One slot of an endpoint: a connection from its first hello to its last goodbye.

use core::time::Duration;
use std::net::SocketAddr;

use super::config::{CarrierConfig, ConnectionId};
use super::connection::Connection;
use super::error::{DisconnectReason, Refusal};
use super::events::{CarrierEvent, Shared};
use super::handshake::{self, Accepted, Hello, VERSION};
use super::packet::{DISCONNECT, Key};
use crate::limits;
use crate::time::Instant;

/// First and longest pause between two hellos.
const HELLO_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));

/// Goodbyes sent, count, and the pause between them: one loss, or one burst of them, must not leave the peer waiting.
const GOODBYES: (u8, Duration) = (3, Duration::from_millis(10));

/// Who is at the other end, and how far things are.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) address: SocketAddr,
    /// The joiner's nonce.
    pub(super) nonce: u64,
    pub(super) phase: Phase,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// We said hello and wait for an answer.
    Connecting {
        schema: u64,
        hello: Vec<u8>,
        deadline: Instant,
        next: Instant,
        pause: Duration,
        attempts: u32,
        first_sent: Instant,
    },
    /// They said hello and our program has not answered.
    Pending { deadline: Instant },
    /// Our program accepted and we wait for proof that they received it.
    Accepted { acceptor: u64, welcome: Vec<u8>, deadline: Instant, reply: bool },
    /// Our program refused; repeated hellos get the same answer.
    Refused { reason: Refusal, deadline: Instant, reply: bool, left: u8 },
    /// Messages flow.
    Established(Box<Connection>),
    /// It is over and we still tell the peer.
    Closing { key: Key, reason: DisconnectReason, left: u8, next: Instant },
}

/// Keys for sending and receiving, at the joining or the accepting end.
pub(super) fn keys(joiner: u64, acceptor: u64, accepting: bool) -> (Key, Key) {
    let secret = handshake::secret(joiner, acceptor);
    (Key::of(secret, accepting), Key::of(secret, !accepting))
}

impl Phase {
    pub(super) fn connecting(schema: u64, hello: Vec<u8>, now: Instant, config: &CarrierConfig) -> Self {
        let deadline = now + config.handshake_timeout;
        Self::Connecting { schema, hello, deadline, next: now, pause: HELLO_PAUSE.0, attempts: 0, first_sent: now }
    }

    pub(super) const fn closing(key: Key, reason: DisconnectReason, now: Instant) -> Self {
        Self::Closing { key, reason, left: GOODBYES.0, next: now }
    }
}

impl Peer {
    /// Begun by the other end and not proven.
    pub(super) const fn is_half_open(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. } | Phase::Accepted { .. } | Phase::Refused { .. })
    }

    /// Only waiting to be forgotten.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Refused { .. } | Phase::Closing { .. })
    }

    /// All goodbyes were said.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Closing { left: 0, .. })
    }

    /// What data and disconnect packets from the peer are sealed with.
    pub(super) fn receive_key(&self) -> Option<Key> {
        match &self.phase {
            Phase::Established(connection) => Some(connection.receive_key),
            Phase::Accepted { acceptor, .. } => Some(keys(self.nonce, *acceptor, true).1),
            _ => None,
        }
    }

    pub(super) fn deadline(&self, config: &CarrierConfig) -> Instant {
        match &self.phase {
            Phase::Connecting { deadline, next, .. } => (*deadline).min(*next),
            Phase::Pending { deadline } | Phase::Accepted { deadline, .. } | Phase::Refused { deadline, .. } => {
                *deadline
            }
            Phase::Established(connection) => connection.deadline(config),
            Phase::Closing { next, .. } => *next,
        }
    }

    /// Acts on deadlines that have passed. True when it has to end because of one.
    pub(super) fn handle_timeout(&mut self, now: Instant, config: &CarrierConfig, shared: &mut Shared) -> bool {
        match &mut self.phase {
            Phase::Connecting { deadline, .. }
            | Phase::Pending { deadline }
            | Phase::Accepted { deadline, .. }
            | Phase::Refused { deadline, .. } => *deadline <= now,
            Phase::Established(connection) => connection.handle_timeout(now, config, shared),
            Phase::Closing { .. } => false,
        }
    }

    /// A hello with the nonce of this one came again. The joiner was still there when it left, so an accepted one has as
    /// much time again to prove itself: the answer to its last hello must not come too late.
    pub(super) fn greeted_again(&mut self, now: Instant, config: &CarrierConfig) {
        match &mut self.phase {
            Phase::Accepted { reply, deadline, .. } => {
                *reply = true;
                *deadline = now + config.handshake_timeout;
            }
            Phase::Refused { reply, .. } => *reply = true,
            _ => {}
        }
    }

    /// Writes one datagram, if there is something to say.
    pub(super) fn transmit(&mut self, now: Instant, out: &mut Vec<u8>, shared: &mut Shared) -> bool {
        match &mut self.phase {
            Phase::Connecting { schema, hello, next, pause, attempts, first_sent, .. } => {
                if *next > now {
                    return false;
                }
                Hello { version: VERSION, schema: *schema, nonce: self.nonce, hello }.write(out);
                if *attempts == 0 {
                    *first_sent = now;
                }
                *attempts += 1;
                *next = now + *pause;
                *pause = (*pause * 2).min(HELLO_PAUSE.1);
                true
            }
            Phase::Accepted { acceptor, welcome, reply, .. } => {
                if !core::mem::take(reply) {
                    return false;
                }
                Accepted { joiner: self.nonce, acceptor: *acceptor, welcome }.write(out);
                true
            }
            Phase::Refused { reason, reply, left, .. } => {
                if !core::mem::take(reply) || *left == 0 {
                    return false;
                }
                *left -= 1;
                handshake::write_refused(self.nonce, reason, out);
                true
            }
            Phase::Pending { .. } => false,
            Phase::Established(connection) => connection.transmit(now, out, shared),
            Phase::Closing { key, reason, left, next } => {
                if *left == 0 || *next > now {
                    return false;
                }
                *left -= 1;
                *next = now + GOODBYES.1;
                out.clear();
                out.extend_from_slice(&[DISCONNECT, 0, 0, 0, 0, *reason as u8]);
                key.seal(out);
                true
            }
        }
    }

    /// Gives memory back and tells the program, unless it knows already.
    pub(super) fn finish(&mut self, reason: DisconnectReason, shared: &mut Shared) {
        match &mut self.phase {
            Phase::Established(connection) => connection.finish(reason, shared),
            Phase::Connecting { hello: buffer, .. } | Phase::Accepted { welcome: buffer, .. } => {
                shared.pool.give(core::mem::take(buffer));
                shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason });
            }
            Phase::Pending { .. } => shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason }),
            Phase::Refused { .. } | Phase::Closing { .. } => {}
        }
    }

    /// Turns into a refusal that answers the hello and its repetitions.
    pub(super) fn refuse(&mut self, reason: Refusal) {
        if let Phase::Pending { deadline } = self.phase {
            self.phase = Phase::Refused { reason, deadline, reply: true, left: limits::REFUSAL_REPEATS };
        }
    }
}
