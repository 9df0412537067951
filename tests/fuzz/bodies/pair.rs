//! A host and a client without a carrier between them. One of the two may have gone mad; whoever gets to do with the other
//! afterwards must not notice.

use std::sync::OnceLock;
use std::time::Duration;

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerFault, PeerId, PeerRole, Verdict};
use gridmate_runtime::schema::Coder;
use gridmate_runtime::wire::Past;

use super::kitchen_sink;
use super::script::Script;
use super::sink::{Counter, KitchenSink};

/// More ticks than it takes until two nodes agree that miss nothing.
const SETTLED: usize = 12;

pub(crate) struct Pair {
    pub(crate) host: Side,
    pub(crate) client: Side,
    coder: Coder,
    now: Instant,
}

/// A node, and how it knows the other.
pub(crate) struct Side {
    pub(crate) replicas: ReplicaManager,
    pub(crate) peer: PeerId,
    /// The first of its own, with both chunks.
    pub(crate) first: ReplicaId,
    /// Messages that the other has sent.
    arrived: u64,
    /// Why the other is not listened to any more.
    fault: Option<PeerFault>,
}

/// What a node says to the other in one tick.
pub(crate) enum Message {
    State { token: u64, bytes: Vec<u8> },
    Call { reliable: bool, bytes: Vec<u8> },
}

impl Message {
    pub(crate) const fn bytes_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::State { bytes, .. } | Self::Call { bytes, .. } => bytes,
        }
    }
}

impl Pair {
    pub(crate) fn new(coder: Coder) -> Self {
        let host = Side::new(coder, MemberId::HOST, MemberId(2), PeerRole::Client);
        let client = Side::new(coder, MemberId(2), MemberId::HOST, PeerRole::Host);
        let mut pair = Self { host, client, coder, now: Instant::from_millis(1) };
        pair.settle();
        pair
    }

    /// By the script: the host or the client.
    pub(crate) const fn side(&mut self, client: bool) -> &mut Side {
        if client { &mut self.client } else { &mut self.host }
    }

    /// Ticks one side, and gives the other what it says after `damage` was done to it.
    pub(crate) fn exchange(&mut self, from_client: bool, mut damage: impl FnMut(&mut Message)) {
        self.now += Duration::from_millis(33);
        let now = self.now;
        let (from, to) =
            if from_client { (&mut self.client, &mut self.host) } else { (&mut self.host, &mut self.client) };
        for mut message in from.tick(now) {
            damage(&mut message);
            let receipt = to.take(&message);
            if let (Message::State { token, .. }, Some(accepted)) = (&message, receipt) {
                from.replicas.handle_receipt(from.peer, *token, accepted);
            }
        }
    }

    /// Until nothing is left to say.
    fn settle(&mut self) {
        for _ in 0..SETTLED {
            for client in [true, false] {
                self.exchange(client, |_| ());
                let side = self.side(!client);
                assert_eq!(side.fault, None, "a correct node does nothing wrong");
            }
        }
        let (host, client) = (self.host.replicas.digests(), self.client.replicas.digests());
        assert!(host.iter().map(|(id, _)| id).eq(client.iter().map(|(id, _)| id)), "{host:?} {client:?}");
        for ((id, host), (_, client)) in host.into_iter().zip(client) {
            assert!(host == client || self.is_secret(id), "{id}");
        }
    }

    /// Whether one keeps to itself what is in the replica, and the other knows no more of it than it may.
    fn is_secret(&self, id: ReplicaId) -> bool {
        let [owner, other] = match self.host.replicas.info(id) {
            Some(info) if info.is_primary => [&self.host.replicas, &self.client.replicas],
            _ => [&self.client.replicas, &self.host.replicas],
        };
        let nothing = KitchenSink::default().snapshot();
        let count = |of: &ReplicaManager| of.get::<Counter>(id).map(|counter| counter.count).ok();
        owner.get::<KitchenSink>(id).is_ok_and(KitchenSink::is_secret)
            && other.get::<KitchenSink>(id).is_ok_and(|sink| sink.snapshot() == nothing)
            && count(owner) == count(other)
    }

    /// Whatever happened: each side drops the other, meets a stranger, and they agree and can call each other.
    pub(crate) fn still_works(mut self) {
        self.client.replicas.remove_peer(self.client.peer, false);
        // Under another number: the same ids would be other replicas.
        let fresh = Side::new(self.coder, MemberId(9), MemberId(2), PeerRole::Client);
        self.client.meet(MemberId(9), PeerRole::Host);
        let mut pair = Self { host: fresh, client: self.client, ..self };
        pair.settle();
        pair.call();

        // The host keeps the replicas of the one that is gone, as those of any client: the stranger is told of them too.
        let fresh = Side::new(self.coder, MemberId(3), MemberId::HOST, PeerRole::Host);
        self.host.meet(MemberId(3), PeerRole::Client);
        let mut pair = Self { host: self.host, client: fresh, ..self };
        pair.settle();
        pair.call();
    }

    /// A call from each side runs at both.
    fn call(&mut self) {
        for client in [true, false] {
            let id = self.side(!client).first;
            let Ok(before) = self.side(!client).replicas.get::<Counter>(id).map(|counter| counter.count) else {
                // An earlier call ended it.
                continue;
            };
            let side = self.side(client);
            side.replicas.proxy::<Counter>(id).expect("the other's").rpcs().count(3).expect("room for a call");
            self.settle();
            let ends = [true, false].map(|client| self.side(client).replicas.get::<Counter>(id).expect("there").count);
            assert_eq!(ends, [before.wrapping_add(3); 2]);
        }
    }
}

/// What both sides know.
pub(crate) fn registry(coder: Coder) -> &'static Registry {
    static REGISTRIES: [OnceLock<Registry>; 2] = [const { OnceLock::new() }; 2];
    REGISTRIES[usize::from(coder == Coder::Entropy)].get_or_init(|| {
        let types = Registry::builder().chunk::<KitchenSink>().chunk::<Counter>();
        types.coder(coder).build().expect("two names")
    })
}

impl Side {
    fn new(coder: Coder, member: MemberId, other: MemberId, role: PeerRole) -> Self {
        let registry = registry(coder);
        let mut replicas = ReplicaManager::new(registry.clone(), member.0.into());
        replicas.set_local_member(member);
        let peer = replicas.add_peer(other, role);
        let first = replicas.spawn().with(KitchenSink::default()).with(Counter::default()).add().expect("room");
        Self { replicas, peer, first, arrived: 0, fault: None }
    }

    fn meet(&mut self, other: MemberId, role: PeerRole) {
        self.peer = self.replicas.add_peer(other, role);
        self.arrived = 0;
        self.fault = None;
    }

    /// A tick as a node does it.
    fn tick(&mut self, now: Instant) -> Vec<Message> {
        let (mut messages, mut faults) = (Vec::new(), Vec::new());
        self.replicas.update(now, |peer, fault| faults.push((peer, fault)));
        for (peer, fault) in faults {
            if peer == self.peer {
                self.part(fault);
            } else {
                // One that was met before.
                self.replicas.remove_peer(peer, false);
            }
        }
        self.replicas.prepare();
        self.replicas
            .drain_calls(self.peer, |reliable, call| messages.push(Message::Call { reliable, bytes: call.to_vec() }));
        let mut bytes = Vec::new();
        while let Some(state) = self.replicas.marshal(self.peer, 1_000, &mut bytes) {
            messages.push(Message::State { token: state.token, bytes: bytes.clone() });
        }
        while self.replicas.poll_event().is_some() {}
        messages
    }

    /// Takes in what the other says; for state whether that was of use, or nothing if it is no longer listened to.
    pub(crate) fn take(&mut self, message: &Message) -> Option<bool> {
        if self.fault.is_some() {
            return None;
        }
        self.arrived += 1;
        let taken = match message {
            Message::State { bytes, .. } => {
                self.replicas.handle_state(self.peer, self.arrived, bytes).map(|verdict| verdict == Verdict::Accepted)
            }
            Message::Call { reliable, bytes } => self.replicas.handle_call(self.peer, *reliable, bytes).map(|()| true),
        };
        taken.map_err(|fault| self.part(fault)).ok()
    }

    /// What a node does with a peer that does not follow the protocol. Only a host takes over what the other leaves behind.
    fn part(&mut self, fault: PeerFault) {
        self.fault = Some(fault);
        let host = self.replicas.local_member() == MemberId::HOST;
        self.replicas.remove_peer(self.peer, host && self.arrived.is_multiple_of(2));
    }

    /// What a game might do: values that a snapshot may hold, replicas that come and go.
    pub(crate) fn play(&mut self, script: &mut Script<'_>) {
        match script.pick(8) {
            0 => drop(self.replicas.destroy(self.first)),
            1 => drop(self.replicas.add(KitchenSink::default())),
            2 => drop(self.replicas.spawn().with(Counter::default()).assign(MemberId(2)).add()),
            3 => {
                let ids: Vec<_> = self.replicas.ids().collect();
                for id in ids {
                    let shown =
                        self.replicas.display(Instant::from_millis(script.word().into()), Duration::from_millis(90));
                    let _ = shown.get::<KitchenSink>(id);
                }
            }
            4 => {
                if let Ok(mut counter) = self.replicas.primary_mut::<Counter>(self.first) {
                    counter.count = script.word().into();
                }
            }
            _ => {
                let Ok(mut sink) = self.replicas.primary_mut::<KitchenSink>(self.first) else { return };
                let before = sink.snapshot();
                if let Ok(now) = kitchen_sink::read(&before, Past::UNKNOWN, script.bytes()) {
                    sink.apply(&now, &before);
                }
            }
        }
    }
}

/// Flips some bits, and perhaps leaves off the end.
pub(crate) fn damage(bytes: &mut Vec<u8>, script: &mut Script<'_>) {
    for _ in 0..script.pick(4) {
        let bit = usize::from(script.word());
        if !bytes.is_empty() {
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    if script.pick(4) == 1 {
        bytes.truncate(usize::from(script.word()) % (bytes.len() + 1));
    }
}
