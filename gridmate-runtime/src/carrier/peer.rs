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

/// Who is at the other end, and how far things are. What every packet needs comes first in memory.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Peer {
    pub(super) phase: Phase,
    pub(super) address: SocketAddr,
    pub(super) id: ConnectionId,
    /// The joiner's nonce.
    pub(super) nonce: u64,
    /// What the other end writes on its data packets.
    pub(super) name: WireId,
}

/// How far a connection is. Small, since for most of a connection's life it is a pointer.
#[derive(Debug)]
pub(super) enum Phase {
    /// We said hello and wait for an answer.
    Connecting(Box<Joining>),
    /// They said hello and our program has not answered, or has asked for patience (`deferred`).
    Pending { theirs: WireId, compressed: bool, deadline: Instant, deferred: bool, reply: bool },
    /// Our program accepted and we wait for proof that they received it.
    Accepted(Box<LetIn>),
    /// Our program refused; repeated hellos get the same answer.
    Refused(Box<Denied>),
    /// Messages flow.
    Established(Box<Connection>),
    /// It is over and we still tell the peer.
    Closing { theirs: WireId, key: Key, reason: DisconnectReason, left: u8, next: Instant },
}

/// See [`Phase::Connecting`].
#[derive(Debug)]
pub(super) struct Joining {
    schema: u64,
    pub(super) hello: Vec<u8>,
    deadline: Instant,
    next: Instant,
    pause: Duration,
    attempts: u32,
    first_sent: Instant,
    cookie: Cookie,
    /// From the first hello to the first challenge, if there was no other hello between.
    pub(super) round_trip: Option<Duration>,
}

/// See [`Phase::Accepted`].
#[derive(Debug)]
pub(super) struct LetIn {
    pub(super) theirs: WireId,
    pub(super) compressed: bool,
    /// The program knows of it.
    pub(super) announced: bool,
    pub(super) acceptor: u64,
    pub(super) welcome: Vec<u8>,
    pub(super) deadline: Instant,
    pub(super) reply: bool,
}

/// See [`Phase::Refused`].
#[derive(Debug)]
pub(super) struct Denied {
    reason: Refusal,
    deadline: Instant,
    reply: bool,
    left: u8,
}

/// Keys for sending and receiving, at the joining or the accepting end.
pub(super) fn keys(joiner: u64, acceptor: u64, accepting: bool) -> (Key, Key) {
    let secret = handshake::secret(joiner, acceptor);
    (Key::of(secret, accepting), Key::of(secret, !accepting))
}

impl Phase {
    pub(super) fn connecting(schema: u64, hello: Vec<u8>, now: Instant, config: &CarrierConfig) -> Self {
        let deadline = now + config.handshake_timeout;
        Self::Connecting(Box::new(Joining {
            schema,
            hello,
            deadline,
            next: now,
            pause: HELLO_PAUSE.0,
            attempts: 0,
            first_sent: now,
            cookie: NO_COOKIE,
            round_trip: None,
        }))
    }

    pub(super) const fn closing(theirs: WireId, key: Key, reason: DisconnectReason, now: Instant) -> Self {
        Self::Closing { theirs, key, reason, left: GOODBYES.0, next: now }
    }
}

impl Peer {
    /// Begun by the other end and not proven.
    pub(super) const fn is_half_open(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. } | Phase::Accepted(_) | Phase::Refused(_))
    }

    /// Only waiting to be forgotten.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Refused(_) | Phase::Closing { .. })
    }

    /// All goodbyes were said.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Closing { left: 0, .. })
    }

    /// What data and disconnect packets from the peer are sealed with.
    pub(super) fn receive_key(&self) -> Option<Key> {
        match &self.phase {
            Phase::Established(connection) => Some(connection.receive_key),
            Phase::Accepted(it) => Some(keys(self.nonce, it.acceptor, true).1),
            _ => None,
        }
    }

    pub(super) fn deadline(&self, now: Instant, config: &CarrierConfig) -> Instant {
        match &self.phase {
            Phase::Connecting(it) => it.deadline.min(it.next),
            Phase::Pending { deadline, .. } => *deadline,
            Phase::Accepted(it) => it.deadline,
            Phase::Refused(it) => it.deadline,
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
        let deadline = match &mut self.phase {
            Phase::Established(connection) => return connection.handle_timeout(now, config, shared),
            Phase::Connecting(it) => it.deadline,
            Phase::Pending { deadline, .. } => *deadline,
            Phase::Accepted(it) => it.deadline,
            Phase::Refused(it) => it.deadline,
            Phase::Closing { .. } => return None,
        };
        (deadline <= now).then_some(DisconnectReason::Timeout)
    }

    /// A hello with the nonce of this one came again. The joiner was still there when it left, so an accepted one has as
    /// much time again to prove itself: the answer to its last hello must not come too late.
    pub(super) fn greeted_again(&mut self, now: Instant, config: &CarrierConfig) {
        match &mut self.phase {
            Phase::Accepted(it) => (it.reply, it.deadline) = (true, now + config.handshake_timeout),
            Phase::Refused(it) => it.reply = true,
            Phase::Pending { deferred, reply, .. } => *reply = *deferred,
            _ => {}
        }
    }

    /// The other end wants proof of our address before it listens.
    pub(super) fn challenged(&mut self, now: Instant, new: Cookie) {
        if let Phase::Connecting(it) = &mut self.phase {
            if it.cookie == NO_COOKIE {
                it.round_trip = (it.attempts == 1).then(|| now.saturating_since(it.first_sent));
                (it.next, it.pause) = (now, HELLO_PAUSE.0);
            }
            it.cookie = new;
        }
    }

    /// The other end's program asks for patience.
    pub(super) fn deferred(&mut self, now: Instant, config: &CarrierConfig) {
        if let Phase::Connecting(it) = &mut self.phase {
            it.pause = PATIENT_PAUSE;
            it.next = it.next.max(now + PATIENT_PAUSE);
            it.deadline = now + config.handshake_timeout;
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
            Phase::Connecting(it) => {
                let Joining { schema, hello, next, pause, attempts, first_sent, cookie, .. } = &mut **it;
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
            Phase::Accepted(it) => {
                let LetIn { compressed, acceptor, welcome, reply, .. } = &mut **it;
                let said = core::mem::take(reply);
                if said {
                    let (joiner, acceptor, id) = (self.nonce, *acceptor, self.name);
                    let compressor = if *compressed { Offer::of(compression.as_deref()).id } else { 0 };
                    Accepted { joiner, acceptor, id, compressor, welcome }.write(out);
                }
                said
            }
            Phase::Refused(it) => {
                let Denied { reason, reply, left, .. } = &mut **it;
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
            Phase::Connecting(it) => {
                shared.pool.give(core::mem::take(&mut it.hello));
                shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason });
            }
            Phase::Accepted(it) => {
                shared.pool.give(core::mem::take(&mut it.welcome));
                if it.announced {
                    shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason });
                }
            }
            Phase::Pending { .. } => shared.events.push(CarrierEvent::Disconnected { connection: self.id, reason }),
            Phase::Refused(_) | Phase::Closing { .. } => {}
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
        self.phase = Phase::Refused(Box::new(Denied { reason, deadline, reply: true, left: limits::REFUSAL_REPEATS }));
        true
    }
}
