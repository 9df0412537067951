//! Who comes in: the hook that decides while a hello is read, and the program's answers to those that it is asked about.

use core::fmt;
use std::net::SocketAddr;

use super::config::ConnectionId;
use super::endpoint::{Endpoint, peer_mut};
use super::error::{AcceptError, Refusal, UnknownConnection};
use super::peer::{LetIn, Phase};
use super::telemetry::ConnectionChange;
use crate::limits;
use crate::time::Instant;

/// Decides about joiners at once, instead of by [`Incoming`](super::CarrierEvent::Incoming).
///
/// It is asked when all else is settled: the joiner has proven where it is, its version and schema fit, and there is room. Whom it
/// refuses costs the endpoint an answer and no memory, and may ask again. A closure with the same arguments will do.
///
/// ```
/// use std::collections::BTreeSet;
/// use gridmate_runtime::carrier::{Admission, CarrierConfig, Decision, Endpoint, Joiner, Refusal};
///
/// /// Lets friends in, and asks the program about others, unless they are banned.
/// struct Doorkeeper {
///     banned: BTreeSet<std::net::IpAddr>,
/// }
///
/// impl Admission for Doorkeeper {
///     fn decide(&mut self, joiner: &Joiner<'_>) -> Decision {
///         match joiner.hello {
///             _ if self.banned.contains(&joiner.address.ip()) => Decision::Refuse(Refusal::denied(1, "banned")),
///             b"friend" => Decision::Accept(b"welcome".to_vec()),
///             _ => Decision::Ask,
///         }
///     }
/// }
///
/// let mut endpoint = Endpoint::new(CarrierConfig::new(7), 1);
/// endpoint.set_admission(Doorkeeper { banned: BTreeSet::new() });
/// endpoint.set_admission(|joiner: &Joiner<'_>| if joiner.hello.is_empty() { Decision::Pending } else { Decision::Ask });
/// ```
#[doc(alias = "handshake")]
pub trait Admission: Send {
    /// What is to become of a joiner.
    fn decide(&mut self, joiner: &Joiner<'_>) -> Decision {
        let _ = joiner;
        Decision::Ask
    }
}

impl<F: FnMut(&Joiner<'_>) -> Decision + Send> Admission for F {
    fn decide(&mut self, joiner: &Joiner<'_>) -> Decision {
        self(joiner)
    }
}

/// Somebody who wants to come in.
///
/// ```
/// use gridmate_runtime::carrier::{Decision, Joiner, Refusal};
///
/// /// Only from this machine.
/// fn at_home(joiner: &Joiner<'_>) -> Decision {
///     if joiner.address.ip().is_loopback() { Decision::Ask } else { Decision::Refuse(Refusal::denied(1, "nobody is home")) }
/// }
/// # gridmate_runtime::carrier::Endpoint::new(Default::default(), 1).set_admission(at_home);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joiner<'a> {
    /// The connection that it becomes, unless it is refused.
    pub connection: ConnectionId,
    /// Where it is: it has received something there.
    pub address: SocketAddr,
    /// What it says of itself.
    pub hello: &'a [u8],
}

/// What is to become of a joiner.
///
/// ```
/// use std::collections::BTreeMap;
/// use gridmate_runtime::carrier::{Decision, Refusal};
///
/// /// What the list says of a name; who is not on it has to wait for a person to look.
/// fn look_up(list: &BTreeMap<&[u8], bool>, name: &[u8]) -> Decision {
///     match list.get(name) {
///         Some(true) => Decision::Accept(b"welcome back".to_vec()),
///         Some(false) => Decision::Refuse(Refusal::denied(3, "banned")),
///         None => Decision::Pending,
///     }
/// }
///
/// assert_eq!(look_up(&BTreeMap::new(), b"Ada"), Decision::Pending);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The program says, when it finds [`Incoming`](super::CarrierEvent::Incoming).
    Ask,
    /// The same, and the joiner is told to be patient, as [`Endpoint::defer`] does.
    Pending,
    /// It comes in, with these words of welcome, at most [`limits::WELCOME_BYTES`]; with more, the program is asked. The first that the
    /// program hears of it is [`Connected`](super::CarrierEvent::Connected), or nothing, if the joiner does not go on.
    Accept(Vec<u8>),
    /// It does not, and the program does not hear of it.
    Refuse(Refusal),
}

/// Who decides, if not the program.
#[derive(Default)]
pub(super) struct Doorkeeper(Option<Box<dyn Admission>>);

impl Doorkeeper {
    pub(super) fn decide(&mut self, joiner: &Joiner<'_>) -> Decision {
        match self.0.as_mut().map_or(Decision::Ask, |admission| admission.decide(joiner)) {
            Decision::Accept(welcome) if welcome.len() > limits::WELCOME_BYTES => Decision::Ask,
            decision => decision,
        }
    }
}

impl fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Doorkeeper(..)" } else { "Doorkeeper(None)" })
    }
}

impl Endpoint {
    /// From now on joiners are decided about by `admission`, in place of whatever did before.
    pub fn set_admission(&mut self, admission: impl Admission + 'static) {
        self.doorkeeper = Doorkeeper(Some(Box::new(admission)));
    }

    /// Lets a joiner in that [`Incoming`](super::CarrierEvent::Incoming) announced. `welcome` is shown to the joining program.
    ///
    /// # Errors
    /// [`AcceptError`]: it is not waiting (any more), or the welcome is too long.
    pub fn accept(&mut self, now: Instant, id: ConnectionId, welcome: &[u8]) -> Result<(), AcceptError> {
        self.advance(now);
        if welcome.len() > limits::WELCOME_BYTES {
            return Err(AcceptError::WelcomeTooLong { len: welcome.len() });
        }
        let acceptor = self.secret.next();
        let Some(peer) = peer_mut(&mut self.slots, id) else { return Err(UnknownConnection.into()) };
        let Phase::Pending { theirs, compressed, deadline, .. } = peer.phase else {
            return Err(UnknownConnection.into());
        };
        let welcome = self.shared.pool.copy(welcome);
        let accepted = LetIn { theirs, compressed, announced: true, acceptor, welcome, deadline, reply: true };
        peer.phase = Phase::Accepted(Box::new(accepted));
        self.changed(id, ConnectionChange::Accepted);
        self.touch(id.index);
        Ok(())
    }

    /// Does not let a joiner in that [`Incoming`](super::CarrierEvent::Incoming) announced. No event follows. Does nothing when it
    /// is not waiting any more.
    pub fn refuse(&mut self, now: Instant, id: ConnectionId, reason: Refusal) {
        self.advance(now);
        if let Some(peer) = peer_mut(&mut self.slots, id) {
            if peer.refuse(reason) {
                self.changed(id, ConnectionChange::Refused);
            }
            self.touch(id.index);
        }
    }

    /// Asks a joiner that [`Incoming`](super::CarrierEvent::Incoming) announced for patience: the program needs longer to decide, up to
    /// [`CarrierConfig::pending_timeout`](super::CarrierConfig::pending_timeout) from now. The joiner's own timeout starts anew with
    /// each word it hears. Does nothing when it is not waiting any more.
    pub fn defer(&mut self, now: Instant, id: ConnectionId) {
        let now = self.advance(now);
        let until = now + self.config.pending_timeout;
        if let Some(peer) = peer_mut(&mut self.slots, id) {
            peer.defer(until);
            self.touch(id.index);
        }
    }
}
