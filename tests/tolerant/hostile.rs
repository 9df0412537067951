//! Hellos that claim what is not so, and refusals that offer it: never a panic, never a member, never growth.

use core::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gridmate_runtime::Rng;
use gridmate_runtime::carrier::{CarrierConfig, CarrierEvent, ConnectionId, Endpoint, Refusal};
use gridmate_runtime::driver::{DriverError, DriverStats, MemoryDriver};
use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::wire::BitWriter;
use proptest::prelude::*;

use super::programs::{Age, New, Old, new, old};

/// A carrier without a node, which says what a test wants it to say.
pub(crate) struct Stranger {
    pub(crate) driver: MemoryDriver,
    pub(crate) endpoint: Endpoint,
    pub(crate) events: Vec<CarrierEvent>,
}

impl Stranger {
    pub(crate) fn new(network: &MemoryNetwork, config: CarrierConfig, seed: u64) -> Self {
        Self { driver: network.bind_any().unwrap(), endpoint: Endpoint::new(config, seed), events: Vec::new() }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        let Self { driver, endpoint, events } = self;
        driver.receive(now, &mut |from, datagram| endpoint.handle_datagram(now, from, datagram)).unwrap();
        endpoint.handle_timeout(now);
        events.extend(core::iter::from_fn(|| endpoint.poll_event()));
        let mut out = Vec::new();
        while let Some(to) = endpoint.poll_transmit(now, &mut out) {
            driver.send(now, to, &out).unwrap();
        }
    }
}

/// A host of the new program and what it takes to knock at its door.
struct Door {
    network: MemoryNetwork,
    host: Node,
    frame: u64,
}

impl Door {
    fn new() -> Self {
        let network = MemoryNetwork::new();
        let host = Node::host(network.bind_any().unwrap(), New.config(Coder::Packed).seed(1)).unwrap();
        Self { network, host, frame: 0 }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(1 + self.frame * 33)
    }

    /// What the host answers to a hello in its own fingerprint's name.
    fn knock(&mut self, hello: &[u8]) -> CarrierEvent {
        let fingerprint = New.registry(Coder::Packed).fingerprint();
        let mut stranger = Stranger::new(&self.network, CarrierConfig::new(0), self.frame + 9);
        stranger.endpoint.connect_as(self.now(), self.host.local_addr(), fingerprint, hello).unwrap();
        for _ in 0..8 {
            self.frame += 1;
            stranger.tick(self.now());
            self.host.tick(self.now()).unwrap();
            if !stranger.events.is_empty() {
                break;
            }
        }
        stranger.events.pop().expect("every hello is answered")
    }
}

fn is_denied(event: &CarrierEvent) -> bool {
    matches!(event, CarrierEvent::Refused { reason: Refusal::Denied { code: 2 | 3, .. }, .. })
}

/// What a nameless node of the old program says to a host of the new one, as `docs/WIRE.md` has it.
fn claim(datasets: &[u64], hash: u64) -> Vec<u8> {
    let mut w = BitWriter::new();
    w.varint(0);
    w.varint(0);
    w.varint(datasets.len() as u64);
    datasets.iter().for_each(|count| w.varint(*count));
    w.bits(hash, 64);
    w.finish().to_vec()
}

/// By class: buoy, door, secret, ship.
const OLD: [u64; 4] = [1, 2, 2, 3];

/// FNV-1a of "packed" and the old program's schema.
fn old_hash() -> u64 {
    let text = format!("packed\n{}", Old.registry(Coder::Packed));
    gridmate_runtime::schema::fnv1a(text.as_bytes(), gridmate_runtime::schema::FNV_OFFSET)
}

#[test]
fn a_claim_is_what_the_document_says_and_nothing_else_is_believed() {
    let mut door = Door::new();
    let hash = old_hash();
    let lies = [
        claim(&OLD, hash ^ 1),
        claim(&OLD, 0),
        claim(&OLD[..3], hash),
        claim(&[1, 2, 2, 3, 0], hash),
        claim(&[], hash),
        claim(&[1, 2, 2, 4], hash), // A hash of something else.
        claim(&[1, 2, 2, 2], hash),
        claim(&[0, 0, 0, 0], hash),
        claim(&[1, 2, 2, 7], hash), // More than there are,
        claim(&[1, 2, 2, u64::MAX], hash),
        claim(&[1, 2, 2, 1 << 32 | 3], hash), // and so many that they look right when cut off.
        claim(&[1 << 32 | 1, 2, 2, 3], hash),
        claim(&vec![1; 900], hash),
        [&claim(&OLD, hash)[..], &[0]].concat(),
        claim(&OLD, hash)[..13].to_vec(),
        vec![0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        vec![0, 0, 0],
        vec![0, 0, 4],
        vec![0],
        vec![0, 4],
    ];
    for lie in lies {
        let answer = door.knock(&lie);
        assert!(is_denied(&answer), "{lie:?}: {answer:?}");
    }
    assert_eq!(door.host.members().count(), 1);
    assert!(matches!(door.knock(&claim(&OLD, hash)), CarrierEvent::Connected { .. }), "the truth is");
}

#[test]
fn a_strict_host_believes_nothing() {
    let mut door = Door::new();
    door.host = {
        let strict = NodeConfig::new(New.registry(Coder::Packed));
        Node::host(door.network.bind_any().unwrap(), strict).unwrap()
    };
    assert!(is_denied(&door.knock(&claim(&OLD, old_hash()))));
    assert!(matches!(door.knock(&[0, 0]), CarrierEvent::Connected { .. }), "who claims nothing has everything");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_claim_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..60), truth in any::<bool>(), flip in any::<u16>()) {
        let mut door = Door::new();
        if truth {
            bytes = claim(&OLD, old_hash());
            let bit = usize::from(flip) % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        } else {
            bytes.insert(0, 0);
        }
        let answer = door.knock(&bytes);
        // A name of no bytes, something to show or not, and nothing behind it is an honest hello.
        let honest = matches!(bytes[..], [0, len, ref shown @ ..] if shown.len() == usize::from(len));
        prop_assert_eq!(is_denied(&answer), !honest, "{:?}", answer);
    }
}

#[test]
fn hellos_without_end_hold_no_more_than_others_do() {
    let mut door = Door::new();
    let fingerprint = New.registry(Coder::Packed).fingerprint();
    let mut rng = Rng::new(3);
    let mut strangers: Vec<Stranger> = Vec::new();
    for seed in 0..limits::HALF_OPEN as u64 + 300 {
        let mut stranger = Stranger::new(&door.network, CarrierConfig::new(0), seed);
        // Half of them tell the truth, and none of them ever hears that it was believed.
        let hello = claim(&OLD, if seed % 2 == 0 { old_hash() } else { rng.next_u64() });
        stranger.endpoint.connect_as(door.now(), door.host.local_addr(), fingerprint, &hello).unwrap();
        stranger.tick(door.now());
        strangers.push(stranger);
        if seed % 100 == 99 {
            door.frame += 1;
            door.host.tick(door.now()).unwrap();
        }
    }
    // Each is challenged, and comes back with its cookie.
    door.frame += 1;
    door.host.tick(door.now()).unwrap();
    strangers.iter_mut().for_each(|stranger| stranger.tick(door.now()));
    door.frame += 1;
    door.host.tick(door.now()).unwrap();
    for stranger in &mut strangers {
        let Stranger { driver, endpoint, .. } = stranger;
        let now = door.now();
        driver.receive(now, &mut |from, datagram| endpoint.handle_datagram(now, from, datagram)).unwrap();
        stranger.events.extend(core::iter::from_fn(|| stranger.endpoint.poll_event()));
    }
    let busy =
        |stranger: &&Stranger| matches!(stranger.events[..], [CarrierEvent::Refused { reason: Refusal::Busy, .. }]);
    assert!(strangers.iter().filter(busy).count() >= 200, "there is a limit");
    assert_eq!(door.host.members().count(), 1);
    // When they have been forgotten, an honest one is let in.
    for _ in 0..200 {
        door.frame += 1;
        door.host.tick(door.now()).unwrap();
    }
    assert!(matches!(door.knock(&claim(&OLD, old_hash())), CarrierEvent::Connected { .. }));
}

/// State messages of a client of one age, for a host of the other.
fn messages(age: Age, coder: Coder) -> Vec<Vec<u8>> {
    let mut client = ReplicaManager::new(age.registry(coder), 2);
    client.set_local_member(MemberId(2));
    let common = Old.registry(coder).snapshot().common(&New.registry(coder).snapshot()).unwrap();
    let peer = client.add_peer_with(MemberId::HOST, PeerRole::Host, &common);
    let ids: Vec<_> = (0..8).map(|number| age.add(&mut client, number)).collect();
    let mut out = Vec::new();
    for tick in 0..6 {
        ids.iter().for_each(|id| age.change(&mut client, *id, tick));
        client.prepare();
        let mut bytes = Vec::new();
        while let Some(message) = client.marshal(peer, 1_000, &mut bytes) {
            client.handle_receipt(peer, message.token, true);
            out.push(bytes.clone());
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_state_of_the_other_age_panics(
        flips in prop::collection::vec((any::<u16>(), any::<u16>()), 0..6), cut in any::<u16>(), modelled in any::<bool>(), old in any::<bool>(),
    ) {
        let coder = if modelled { Coder::Entropy } else { Coder::Packed };
        let (from, to) = if old { (Old, New) } else { (New, Old) };
        let mut host = ReplicaManager::new(to.registry(coder), 1);
        let common = to.registry(coder).snapshot().common(&from.registry(coder).snapshot()).unwrap();
        let peer = host.add_peer_with(MemberId(2), PeerRole::Client, &common);
        for (order, (at, mut message)) in (1..).zip(messages(from, coder).into_iter().enumerate()) {
            for (which, flip) in &flips {
                if usize::from(*which) % 6 == at {
                    let bit = usize::from(*flip) % (message.len() * 8);
                    message[bit / 8] ^= 1 << (bit % 8);
                }
            }
            if usize::from(cut) % 12 == at {
                message.truncate(usize::from(cut) / 12 % message.len());
            }
            let _ = host.handle_state(peer, order, &message);
            host.update(Instant::from_millis(1), |_, _| ());
            host.prepare();
        }
        prop_assert!(host.len() <= 8 + flips.len() * 8);
    }
}

/// Says every hello again, again and again.
struct Echo {
    inner: MemoryDriver,
    hellos: Vec<(SocketAddr, Vec<u8>)>,
    said: Arc<Mutex<usize>>,
}

impl Driver for Echo {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.inner.receive(now, sink)
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        if datagram[0] == 4 {
            self.hellos.push((to, datagram.to_vec()));
        }
        self.inner.send(now, to, datagram)
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        for (to, hello) in &self.hellos {
            *self.said.lock().unwrap() += 1;
            self.inner.send(now, *to, hello)?;
        }
        self.inner.flush(now)
    }

    fn stats(&self) -> DriverStats {
        self.inner.stats()
    }

    fn entropy(&mut self) -> u64 {
        self.inner.entropy()
    }
}

#[test]
fn hellos_said_again_do_not_touch_the_connection() {
    let mut door = Door::new();
    let said = Arc::new(Mutex::new(0));
    let echo = Echo { inner: door.network.bind_any().unwrap(), hellos: Vec::new(), said: said.clone() };
    let mut client = Node::join(echo, door.host.local_addr(), Old.config(Coder::Packed).seed(2)).unwrap();
    let id = door.host.replicas().add(new::Ship { shield: 3, ..new::Ship::default() }).unwrap();
    for hull in 0..200 {
        door.frame += 1;
        door.host.replicas().primary_mut::<new::Ship>(id).unwrap().hull = hull;
        door.host.tick(door.now()).unwrap();
        client.tick(door.now()).unwrap();
    }
    assert!(*said.lock().unwrap() > 300);
    assert_eq!((client.local_member(), door.host.members().count()), (MemberId(2), 2));
    assert!(client.replicas().get::<old::Ship>(id).unwrap().hull > 190);
}

/// A host that offers whatever it likes, and believes nothing.
fn lying_host(details: Vec<u8>) -> (Vec<NodeEvent>, usize) {
    let network = MemoryNetwork::new();
    let mut config = CarrierConfig::new(0xBAD);
    config.schema_details = details.clone();
    let mut host = Stranger::new(&network, config, 1);
    let mut client =
        Node::join(network.bind_any().unwrap(), host.driver.local_addr(), Old.config(Coder::Packed)).unwrap();
    let mut asked = 0;
    for frame in 0..40 {
        let now = Instant::from_millis(1 + frame * 33);
        client.tick(now).unwrap();
        host.tick(now);
        for event in core::mem::take(&mut host.events) {
            if let CarrierEvent::Incoming { connection, .. } = event {
                asked += 1;
                refuse(&mut host, now, connection, details.clone());
            }
        }
    }
    (core::iter::from_fn(|| client.poll_event()).collect(), asked)
}

fn refuse(host: &mut Stranger, now: Instant, connection: ConnectionId, details: Vec<u8>) {
    host.endpoint.refuse(now, connection, Refusal::Schema { ours: 0xBAD, theirs: 0, details });
}

fn gave_up(events: &[NodeEvent]) -> bool {
    matches!(events, [NodeEvent::Session(SessionEvent::JoinFailed { error: JoinError::Schema { .. } })])
}

#[test]
fn a_joiner_claims_once() {
    // An offer that has nothing against it: so many datasets, and no digest.
    let (events, asked) = lying_host(vec![0, 4, 1, 2, 2, 9]);
    assert!(gave_up(&events), "{events:?}");
    assert_eq!(asked, 1, "and asks no more when that is refused");
    // One of another number of types is not worth it.
    let (events, asked) = lying_host(vec![0, 3, 1, 2, 2]);
    assert!(gave_up(&events) && asked == 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_offer_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), form in 0u8..6, plausible in any::<bool>()) {
        let head: &[u8] = if plausible { &[0, 4, 1, 2, 2, 9, form, 4, 0] } else { &[0] };
        let (events, asked) = lying_host([head, &bytes].concat());
        prop_assert!(gave_up(&events), "{:?}", events);
        prop_assert!(asked <= 1);
    }
}
