//! Who is here: members, the host, joining and leaving.
//!
//! A session is a host and the clients connected to it. The host gives every joiner a [`MemberId`] and tells everyone of
//! everyone else; clients know each other only through it. Like the layers below, a session has no socket and no clock: it is
//! told what the carrier reports, and answers with actions for the node to carry out.
//!
//! ```text
//! joiner   carrier hello { name } ─────────▶ host      refused: full, bad name; version and schema are the carrier's
//! joiner ◀──── welcome { member, session }   host
//! joiner ◀──── Joined { member, name } …     host      everyone already here, the host first
//! others ◀──── Joined { the joiner }         host
//! others ◀──── Left { member, reason }       host      when its connection ends
//! ```
//!
//! A joiner whose schema is not quite the host's may say a second hello: see `tolerant`.

mod admission;
mod event;
mod message;
mod tolerant;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

pub use admission::{JoinDecision, JoinRequest};
pub use event::{JoinError, LeaveReason, SessionEvent};

pub(crate) use self::admission::JoinPolicy;
use self::message::{ControlMessage, Hello, Welcome};
use self::tolerant::Tolerance;
use crate::carrier::{ConnectionId, DisconnectReason, Refusal};
use crate::ids::MemberId;
use crate::limits;
use crate::schema::{Profile, Snapshot};

/// Someone in the session.
///
/// ```
/// use gridmate_runtime::{Node, NodeConfig, Registry, driver::MemoryNetwork};
///
/// let config = NodeConfig::new(Registry::builder().build()?).name("ada");
/// let host = Node::host(MemoryNetwork::new().bind_any()?, config)?;
/// for member in host.members() {
///     let role = if member.is_host { "host" } else { "guest" };
///     assert_eq!(format!("{} {} ({role})", member.id, member.name), "#1 ada (host)");
/// }
/// assert_eq!(host.members().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub id: MemberId,
    /// The name it gave when it joined; not necessarily unique.
    pub name: String,
    /// Whether it hosts the session.
    pub is_host: bool,
}

/// What the node has to do on the session's behalf.
#[derive(Debug)]
pub(crate) enum Action {
    Accept {
        connection: ConnectionId,
        welcome: Vec<u8>,
    },
    Refuse {
        connection: ConnectionId,
        reason: Refusal,
    },
    Defer {
        connection: ConnectionId,
    },
    Send {
        connection: ConnectionId,
        message: Vec<u8>,
    },
    Disconnect {
        connection: ConnectionId,
        reason: DisconnectReason,
    },
    /// To be said to the host that refused, in the name of its fingerprint.
    SayAgain {
        schema: u64,
        hello: Vec<u8>,
    },
    /// A member can be replicated with from now on: everything, or what it has in common with this node.
    PeerUp {
        connection: ConnectionId,
        member: MemberId,
        profile: Option<Profile>,
    },
    /// This node has become a member.
    Joined {
        local: MemberId,
    },
}

/// Why a connection does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Debug)]
pub(crate) struct Session {
    role: Role,
    id: u64,
    local: MemberId,
    local_name: String,
    credentials: Vec<u8>,
    policy: JoinPolicy,
    max_members: usize,
    /// Unless only equal schemas will do.
    tolerance: Option<Tolerance>,
    next_member: u32,
    members: BTreeMap<MemberId, Member>,
    /// On the host: who is behind each connection, from the moment it is accepted or made to wait.
    connections: BTreeMap<ConnectionId, Joiner>,
    actions: VecDeque<Action>,
    events: VecDeque<SessionEvent>,
}

#[derive(Debug, PartialEq, Eq)]
enum Role {
    Host,
    /// Without a connection until the first tick.
    Client {
        host: Option<ConnectionId>,
        joined: bool,
    },
    /// The session is over for this node.
    Ended,
}

#[derive(Debug)]
struct Joiner {
    member: MemberId,
    name: String,
    profile: Option<Profile>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The program has yet to say.
    Waiting,
    /// It may come in.
    Accepted,
    /// It is a member.
    Connected,
}

impl Session {
    pub(crate) fn host(name: &str, id: u64, max_members: usize) -> Self {
        let mut session = Self::new(Role::Host, name, id, max_members);
        session.local = MemberId::HOST;
        session.enter(MemberId::HOST, name.to_owned());
        session
    }

    pub(crate) fn join(name: &str) -> Self {
        Self::new(Role::Client { host: None, joined: false }, name, 0, 0)
    }

    /// From now on others may have datasets more or less than `schema`, which is ours.
    pub(crate) fn tolerate(&mut self, schema: Snapshot) {
        self.tolerance = Some(Tolerance::new(schema));
    }

    /// The connection to the host has been begun, or could not be.
    pub(crate) fn handle_connecting(&mut self, connection: Option<ConnectionId>) {
        if let Role::Client { host, .. } = &mut self.role {
            *host = connection;
            if connection.is_none() {
                self.role = Role::Ended;
                let error = JoinError::Unreachable(LeaveReason::Fault);
                self.events.push_back(SessionEvent::JoinFailed { error });
            }
        }
    }

    /// Joiners are let in by this from now on.
    pub(crate) fn set_policy(&mut self, policy: JoinPolicy) {
        self.policy = policy;
    }

    /// The bytes to introduce ourselves with.
    pub(crate) fn hello(&mut self, credentials: &[u8]) -> Vec<u8> {
        self.credentials = credentials[..credentials.len().min(limits::CREDENTIALS_BYTES)].to_vec();
        self.say_hello(&[])
    }

    fn say_hello(&self, claim: &[u8]) -> Vec<u8> {
        Hello { name: &self.local_name, credentials: &self.credentials, claim }.encode()
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn local(&self) -> MemberId {
        self.local
    }

    pub(crate) fn is_host(&self) -> bool {
        self.role == Role::Host
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Someone asks to join.
    pub(crate) fn handle_incoming(&mut self, connection: ConnectionId, address: SocketAddr, hello: &[u8]) {
        let reason = match Hello::decode(hello) {
            _ if self.role != Role::Host => Refusal::Denied { code: refusal::NOT_HOST, text: "not a host".to_owned() },
            // Those who only said hello hold no place: anyone can say hello.
            _ if self.members.len() >= self.max_members => Refusal::Full,
            Err(_) => Refusal::Denied { code: refusal::BAD_HELLO, text: "unreadable hello".to_owned() },
            Ok(Hello { name, credentials, claim }) => match self.believe(claim) {
                Ok(profile) => {
                    let member = MemberId(self.next_member);
                    let Some(next) = self.next_member.checked_add(1) else {
                        self.actions.push_back(Action::Refuse { connection, reason: Refusal::Full });
                        return;
                    };
                    let (name, request) = (name.to_owned(), JoinRequest { member, name, credentials, address });
                    let stage = match self.policy.decide(&request) {
                        JoinDecision::Accept => Stage::Accepted,
                        JoinDecision::Pending => Stage::Waiting,
                        JoinDecision::Refuse(text) => {
                            let reason = Refusal::denied(refusal::ADMISSION, text);
                            self.actions.push_back(Action::Refuse { connection, reason });
                            return;
                        }
                    };
                    self.next_member = next;
                    if stage == Stage::Accepted {
                        self.accept(connection, member);
                    } else {
                        self.actions.push_back(Action::Defer { connection });
                        self.events.push_back(SessionEvent::JoinRequested { member, name: name.clone() });
                    }
                    self.connections.insert(connection, Joiner { member, name, profile, stage });
                    return;
                }
                Err(reason) => reason,
            },
        };
        self.actions.push_back(Action::Refuse { connection, reason });
    }

    /// A joiner that waits may come in. False when there is no such joiner.
    pub(crate) fn admit(&mut self, member: MemberId) -> bool {
        let Some((connection, joiner)) = self.waiting(member) else { return false };
        joiner.stage = Stage::Accepted;
        self.accept(connection, member);
        true
    }

    /// A joiner that waits may not. False when there is no such joiner.
    pub(crate) fn deny(&mut self, member: MemberId, text: &str) -> bool {
        let Some((connection, _)) = self.waiting(member) else { return false };
        self.connections.remove(&connection);
        let reason = Refusal::denied(refusal::ADMISSION, text);
        self.actions.push_back(Action::Refuse { connection, reason });
        true
    }

    fn waiting(&mut self, member: MemberId) -> Option<(ConnectionId, &mut Joiner)> {
        let mut joiners = self.connections.iter_mut().map(|(connection, joiner)| (*connection, joiner));
        joiners.find(|(_, joiner)| joiner.member == member && joiner.stage == Stage::Waiting)
    }

    fn accept(&mut self, connection: ConnectionId, member: MemberId) {
        let welcome = Welcome { member, session: self.id }.encode();
        self.actions.push_back(Action::Accept { connection, welcome });
    }

    /// What a joiner has in common with us; none if that is everything.
    fn believe(&self, claim: &[u8]) -> Result<Option<Profile>, Refusal> {
        if claim.is_empty() {
            return Ok(None);
        }
        let profile = self.tolerance.as_ref().and_then(|tolerance| tolerance.check(claim));
        profile.map(Some).ok_or_else(|| Refusal::denied(refusal::CLAIM, "the schemas have less in common"))
    }

    /// A connection is up, on either end. `welcome` is what the accepting end sent; empty there.
    pub(crate) fn handle_connected(&mut self, connection: ConnectionId, welcome: &[u8]) -> Result<(), Malformed> {
        match self.role {
            Role::Host => {
                let full = self.members.len() >= self.max_members;
                let Some(joiner) = self.connections.get_mut(&connection) else { return Ok(()) };
                if full {
                    // Somebody else was faster.
                    self.connections.remove(&connection);
                    self.actions.push_back(Action::Disconnect { connection, reason: DisconnectReason::Kicked });
                    return Ok(());
                }
                joiner.stage = Stage::Connected;
                let (member, name, profile) = (joiner.member, joiner.name.clone(), joiner.profile.take());
                self.actions.push_back(Action::PeerUp { connection, member, profile });
                for known in self.members.values() {
                    let message = ControlMessage::Joined { member: known.id, name: &known.name }.encode();
                    self.actions.push_back(Action::Send { connection, message });
                }
                self.enter(member, name.clone());
                self.broadcast(&ControlMessage::Joined { member, name: &name }, Some(connection));
                self.events.push_back(SessionEvent::MemberJoined { member, name });
            }
            Role::Client { host, ref mut joined } if host == Some(connection) && !*joined => {
                let Welcome { member, session } = Welcome::decode(welcome).map_err(|_| Malformed)?;
                *joined = true;
                self.local = member;
                self.id = session;
                let name = self.local_name.clone();
                self.enter(member, name);
                self.actions.push_back(Action::Joined { local: member });
                let profile = self.tolerance.as_ref().and_then(Tolerance::profile);
                self.actions.push_back(Action::PeerUp { connection, member: MemberId::HOST, profile });
                self.events.push_back(SessionEvent::Joined { local: member });
            }
            _ => {}
        }
        Ok(())
    }

    /// A control message has arrived.
    pub(crate) fn handle_message(&mut self, connection: ConnectionId, message: &[u8]) -> Result<(), Malformed> {
        let Role::Client { host, joined: true } = self.role else { return Err(Malformed) };
        if host != Some(connection) {
            return Err(Malformed);
        }
        match ControlMessage::decode(message).map_err(|_| Malformed)? {
            ControlMessage::Joined { member, name } => {
                if member == self.local || self.members.contains_key(&member) || self.members.len() >= limits::MEMBERS {
                    return Err(Malformed);
                }
                self.enter(member, name.to_owned());
                self.events.push_back(SessionEvent::MemberJoined { member, name: name.to_owned() });
            }
            ControlMessage::Left { member, reason } => {
                let Member { name, .. } = self.members.remove(&member).ok_or(Malformed)?;
                self.events.push_back(SessionEvent::MemberLeft { member, name, reason });
            }
        }
        Ok(())
    }

    /// The host we asked refused. `schema` is ours.
    pub(crate) fn handle_refused(&mut self, connection: ConnectionId, reason: Refusal, schema: &Snapshot) {
        if !matches!(self.role, Role::Client { host, .. } if host == Some(connection)) {
            return;
        }
        let room = limits::HELLO_BYTES.saturating_sub(self.say_hello(&[]).len());
        let error = match (reason, &mut self.tolerance) {
            (Refusal::Schema { ours, theirs, details }, Some(tolerance)) => {
                match tolerance.claim(ours, theirs, &details, room) {
                    Ok(claim) => {
                        let hello = self.say_hello(&claim);
                        self.role = Role::Client { host: None, joined: false };
                        self.actions.push_back(Action::SayAgain { schema: theirs, hello });
                        return;
                    }
                    Err(difference) => JoinError::Schema { ours, theirs, difference },
                }
            }
            (Refusal::Schema { ours, theirs, details }, None) => {
                JoinError::Schema { ours, theirs, difference: schema.first_difference(&details) }
            }
            (reason, Some(tolerance)) => tolerance.refused(reason),
            (reason, None) => JoinError::Refused(reason),
        };
        self.role = Role::Ended;
        self.events.push_back(SessionEvent::JoinFailed { error });
    }

    /// A connection has ended.
    pub(crate) fn handle_disconnected(&mut self, connection: ConnectionId, reason: DisconnectReason) {
        match self.role {
            Role::Host => {
                let Some(joiner) = self.connections.remove(&connection) else { return };
                if joiner.stage != Stage::Connected {
                    return; // Nobody has heard of it.
                }
                let Joiner { member, name, .. } = joiner;
                let reason = LeaveReason::from(reason);
                self.members.remove(&member);
                self.broadcast(&ControlMessage::Left { member, reason }, None);
                self.events.push_back(SessionEvent::MemberLeft { member, name, reason });
            }
            Role::Client { host, joined } if host == Some(connection) => {
                self.role = Role::Ended;
                self.members.retain(|id, _| *id == self.local);
                self.events.push_back(if joined {
                    SessionEvent::HostLost { reason: reason.into() }
                } else {
                    SessionEvent::JoinFailed { error: JoinError::Unreachable(reason.into()) }
                });
            }
            _ => {}
        }
    }

    /// Sends a member away. False when this node is not the host or the member is not connected.
    pub(crate) fn kick(&mut self, member: MemberId) -> bool {
        let connection = self.connections.iter().find(|(_, joiner)| joiner.member == member).map(|(c, _)| *c);
        if let Some(connection) = connection.filter(|_| self.role == Role::Host) {
            self.actions.push_back(Action::Disconnect { connection, reason: DisconnectReason::Kicked });
            return true;
        }
        false
    }

    /// Whether this node hosts, and nobody has joined or is about to.
    pub(crate) fn is_alone(&self) -> bool {
        self.role == Role::Host && self.connections.is_empty()
    }

    /// Members who join from now on get ids after `last`.
    pub(crate) fn reserve(&mut self, last: MemberId) {
        self.next_member = self.next_member.max(last.0.saturating_add(1));
    }

    /// Leaves, or ends the session when this node hosts it.
    pub(crate) fn leave(&mut self) {
        let reason = if self.role == Role::Host { DisconnectReason::Shutdown } else { DisconnectReason::Leave };
        match core::mem::replace(&mut self.role, Role::Ended) {
            Role::Client { host, .. } => {
                self.actions.extend(host.map(|connection| Action::Disconnect { connection, reason }));
            }
            _ => {
                for connection in core::mem::take(&mut self.connections).into_keys() {
                    self.actions.push_back(Action::Disconnect { connection, reason });
                }
            }
        }
        self.members.retain(|id, _| *id == self.local);
    }

    fn new(role: Role, name: &str, id: u64, max_members: usize) -> Self {
        Self {
            role,
            id,
            local: MemberId::NONE,
            local_name: name.to_owned(),
            credentials: Vec::new(),
            policy: JoinPolicy::OPEN,
            max_members: max_members.min(limits::MEMBERS),
            tolerance: None,
            next_member: MemberId::HOST.0 + 1,
            members: BTreeMap::new(),
            connections: BTreeMap::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    fn enter(&mut self, id: MemberId, name: String) {
        self.members.insert(id, Member { id, name, is_host: id == MemberId::HOST });
    }

    fn broadcast(&mut self, message: &ControlMessage<'_>, except: Option<ConnectionId>) {
        let message = message.encode();
        for (connection, joiner) in &self.connections {
            if joiner.stage == Stage::Connected && Some(*connection) != except {
                self.actions.push_back(Action::Send { connection: *connection, message: message.clone() });
            }
        }
    }
}

/// Codes of [`Refusal::Denied`].
mod refusal {
    pub(super) const NOT_HOST: u8 = 1;
    pub(super) const BAD_HELLO: u8 = 2;
    pub(super) const CLAIM: u8 = 3;
    pub(super) const ADMISSION: u8 = 4;
}
