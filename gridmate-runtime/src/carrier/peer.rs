//! One slot of an endpoint: a connection from its first hello to its last goodbye.

use core::time::Duration;
use std::net::SocketAddr;

use super::compress::{Compression, Offer};
use super::config::{CarrierConfig, ConnectionId};
use super::connection::Connection;
use super::error::{DisconnectReason, Refusal};
use super::events::{CarrierEvent, Shared};
use super::handshake::{self, Accepted, Hello, NO_COOKIE, VERSION};
use super::packet::{DISCONNECT, Key, WireId};
use super::schedule::Schedule;
use super::secret::Cookie;
use super::telemetry::ConnectionChange;
use super::transmit::To;
use crate::limits;
use crate::time::Instant;

/// First and longest pause between two hellos.
const HELLO_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));

/// Pause between two hellos to a program that asked for patience.
const PATIENT_PAUSE: Duration = Duration::from_millis(500);

/// Goodbyes sent, count, and the pause between them: one loss, or one burst of them, must not leave the peer waiting.
const GOODBYES: (u8, Duration) = (3, Duration::from_millis(10));

/// Who is at the other end, and how far things are.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) address: SocketAddr,
    /// The joiner's nonce.
    pub(super) nonce: u64,
    /// What the other end writes on its data packets.
    pub(super) name: WireId,
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
        cookie: Cookie,
        /// From the first hello to the first challenge, if there was no other hello between.
        round_trip: Option<Duration>,
    },
    /// They said hello and our program has not answered, or has asked for patience (`deferred`).
    Pending { theirs: WireId, compressed: bool, deadline: Instant, deferred: bool, reply: bool },
    /// Our program accepted and we wait for proof that they received it.
    Accepted {
        theirs: WireId,
        compressed: bool,
        /// The program knows of it.
        announced: bool,
        acceptor: u64,
        welcome: Vec<u8>,
        deadline: Instant,
        reply: bool,
    },
    /// Our program refused; repeated hellos get the same answer.
    Refused { reason: Refusal, deadline: Instant, reply: bool, left: u8 },
    /// Messages flow.
    Established(Box<Connection>),
    /// It is over and we still tell the peer.
    Closing { theirs: WireId, key: Key, reason: DisconnectReason, left: u8, next: Instant },
}

/// Keys for sending and receiving, at the joining or the accepting end.
pub(super) fn keys(joiner: u64, acceptor: u64, accepting: bool) -> (Key, Key) {
    let secret = handshake::secret(joiner, acceptor);
    (Key::of(secret, accepting), Key::of(secret, !accepting))
}

impl Phase {
    pub(super) fn connecting(schema: u64, hello: Vec<u8>, now: Instant, config: &CarrierConfig) -> Self {
        let deadline = now + config.handshake_timeout;
        Self::Connecting {
            schema,
            hello,
            deadline,
            next: now,
            pause: HELLO_PAUSE.0,
            attempts: 0,
            first_sent: now,
            cookie: NO_COOKIE,
            round_trip: None,
        }
    }

    pub(super) const fn closing(theirs: WireId, key: Key, reason: DisconnectReason, now: Instant) -> Self {
        Self::Closing { theirs, key, reason, left: GOODBYES.0, next: now }
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

    pub(super) fn deadline(&self, now: Instant, config: &CarrierConfig) -> Instant {
        match &self.phase {
            Phase::Connecting { deadline, next, .. } => (*deadline).min(*next),
            Phase::Pending { deadline, .. } | Phase::Accepted { deadline, .. } | Phase::Refused { deadline, .. } => {
                *deadline
            }
            Phase::Established(connection) => connection.deadline(now, config),
            Phase::Closing { next, .. } => *next,
        }
    }

    /// Acts on deadlines that have passed. `Some` when it has to end because of one.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        config: &CarrierConfig,
        shared: &mut Shared,
    ) -> Option<DisconnectReason> {
        match &mut self.phase {
            Phase::Connecting { deadline, .. }
            | Phase::Pending { deadline, .. }
            | Phase::Accepted { deadline, .. }
            | Phase::Refused { deadline, .. } => (*deadline <= now).then_some(DisconnectReason::Timeout),
            Phase::Established(connection) => connection.handle_timeout(now, config, shared),
            Phase::Closing { .. } => None,
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
            Phase::Pending { deferred, reply, .. } => *reply = *deferred,
            _ => {}
        }
    }

    /// The other end wants proof of our address before it listens.
    pub(super) fn challenged(&mut self, now: Instant, new: Cookie) {
        if let Phase::Connecting { cookie, next, pause, attempts, first_sent, round_trip, .. } = &mut self.phase {
            if *cookie == NO_COOKIE {
                *round_trip = (*attempts == 1).then(|| now.saturating_since(*first_sent));
                (*next, *pause) = (now, HELLO_PAUSE.0);
            }
            *cookie = new;
        }
    }

    /// The other end's program asks for patience.
    pub(super) fn deferred(&mut self, now: Instant, config: &CarrierConfig) {
        if let Phase::Connecting { deadline, next, pause, .. } = &mut self.phase {
            *pause = PATIENT_PAUSE;
            *next = (*next).max(now + PATIENT_PAUSE);
            *deadline = now + config.handshake_timeout;
        }
    }

    /// Writes one datagram, if there is something to say.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        config: &CarrierConfig,
        schedule: &Schedule,
        out: &mut Vec<u8>,
        compression: Option<&mut Compression>,
        shared: &mut Shared,
    ) -> Option<To> {
        let said = match &mut self.phase {
            Phase::Connecting { schema, hello, next, pause, attempts, first_sent, cookie, .. } => {
                if *next > now {
                    return None;
                }
                let (version, nonce, id, cookie) = (VERSION, self.nonce, self.name, *cookie);
                let compressor = Offer::of(compression.as_deref());
                Hello { version, schema: *schema, nonce, id, cookie, compressor, hello }.write(out);
                if *attempts == 0 {
                    *first_sent = now;
                }
                *attempts += 1;
                *next = now + *pause;
                if *pause < HELLO_PAUSE.1 {
                    *pause = (*pause * 2).min(HELLO_PAUSE.1);
                }
                true
            }
            Phase::Accepted { compressed, acceptor, welcome, reply, .. } => {
                let said = core::mem::take(reply);
                if said {
                    let (joiner, acceptor, id) = (self.nonce, *acceptor, self.name);
                    let compressor = if *compressed { Offer::of(compression.as_deref()).id } else { 0 };
                    Accepted { joiner, acceptor, id, compressor, welcome }.write(out);
                }
                said
            }
            Phase::Refused { reason, reply, left, .. } => {
                let said = core::mem::take(reply) && *left > 0;
                if said {
                    *left -= 1;
                    handshake::write_refused(self.nonce, reason, out);
                }
                said
            }
            Phase::Pending { reply, .. } => {
                let said = core::mem::take(reply);
                if said {
                    handshake::write_pending(self.nonce, out);
                }
                said
            }
            Phase::Established(connection) => {
                return connection.transmit(now, config, schedule, out, compression, shared);
            }
            Phase::Closing { theirs, key, reason, left, next } => {
                let said = *left > 0 && *next <= now;
                if said {
                    *left -= 1;
                    *next = now + GOODBYES.1;
                    out.clear();
                    out.extend_from_slice(&[DISCONNECT, 0, 0, 0, 0]);
                    theirs.write(out);
                    out.push(*reason as u8);
                    key.seal(out);
                }
                said
            }
        };
        said.then_some(To::Peer)
    }

    /// Gives memory back and tells the program, unless it knows already.
    pub(super) fn finish(&mut self, now: Instant, reason: DisconnectReason, shared: &mut Shared) {
        if !self.is_over() {
            let was_connected = matches!(self.phase, Phase::Established(_));
            let change = ConnectionChange::Ended { reason, was_connected };
            shared.watch.tell(|telemetry| telemetry.connection_changed(now, self.id, change));
        }
        match &mut self.phase {
            Phase::Established(connection) => connection.finish(reason, shared),
            Phase::Accepted { welcome, announced: false, .. } => shared.pool.give(core::mem::take(welcome)),
            Phase::Connecting { hello: buffer, .. } | Phase::Accepted { welcome: buffer, .. } => {
                shared.pool.give(core::mem::take(buffer));
                shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason });
            }
            Phase::Pending { .. } => shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason }),
            Phase::Refused { .. } | Phase::Closing { .. } => {}
        }
    }

    /// Its program needs time, until `deadline`.
    pub(super) const fn defer(&mut self, until: Instant) {
        if let Phase::Pending { deadline, deferred, reply, .. } = &mut self.phase {
            *deadline = until;
            (*deferred, *reply) = (true, true);
        }
    }

    /// Turns into a refusal that answers the hello and its repetitions, if the program has not answered yet.
    pub(super) fn refuse(&mut self, reason: Refusal) -> bool {
        let Phase::Pending { deadline, .. } = self.phase else { return false };
        self.phase = Phase::Refused { reason, deadline, reply: true, left: limits::REFUSAL_REPEATS };
        true
    }
}
