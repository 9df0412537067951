//! Replica traffic from a peer that got past the carrier: authenticated, and malicious or broken.

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerId, PeerRole};
use gridmate_runtime::schema::Coder;
use gridmate_runtime::wire::BitWriter;
use gridmate_tests::chunks::{Gauge, Journal, Mover, registry_with};
use proptest::prelude::*;

/// A host that has one client with two replicas, and the client itself.
struct Pair {
    host: ReplicaManager,
    client: ReplicaManager,
    at_host: PeerId,
    at_client: PeerId,
    order: u64,
}

impl Pair {
    fn new() -> Self {
        Self::with(Coder::Packed)
    }

    fn with(coder: Coder) -> Self {
        let mut host = ReplicaManager::new(registry_with(coder), 1);
        let mut client = ReplicaManager::new(registry_with(coder), 2);
        client.set_local_member(MemberId(2));
        let at_host = host.add_peer(MemberId(2), PeerRole::Client);
        let at_client = client.add_peer(MemberId::HOST, PeerRole::Host);
        host.add(Journal::default()).unwrap();
        host.spawn().with(Mover::default()).with(Gauge::default()).add().unwrap();
        client.spawn().with(Mover { label: "mine".into(), ..Mover::default() }).with(Gauge::default()).add().unwrap();
        client.add(Journal::default()).unwrap();
        let mut pair = Self { host, client, at_host, at_client, order: 0 };
        for _ in 0..4 {
            pair.messages().into_iter().for_each(|(reliable, message)| pair.deliver(reliable, &message));
        }
        pair
    }

    /// Ticks both; what the host was sent is not delivered but returned: state (`None`) and calls.
    fn messages(&mut self) -> Vec<(Option<bool>, Vec<u8>)> {
        let now = Instant::from_millis(1);
        let mut out = Vec::new();
        let mut bytes = Vec::new();
        self.client.update(now, |_, fault| panic!("{fault}"));
        self.client.prepare();
        self.client.drain_calls(self.at_client, |reliable, call| out.push((Some(reliable), call.to_vec())));
        while let Some(message) = self.client.marshal(self.at_client, 1_000, &mut bytes) {
            out.push((None, bytes.clone()));
            self.client.handle_receipt(self.at_client, message.token, true);
        }
        self.host.prepare();
        while let Some(message) = self.host.marshal(self.at_host, 1_000, &mut bytes) {
            self.order += 1;
            let _ = self.client.handle_state(self.at_client, self.order, &bytes).unwrap();
            self.host.handle_receipt(self.at_host, message.token, true);
        }
        out
    }

    /// What the host makes of a message. Faults are for the node to act on: here the peer simply goes on.
    fn deliver(&mut self, reliable: Option<bool>, message: &[u8]) {
        self.order += 1;
        match reliable {
            None => drop(self.host.handle_state(self.at_host, self.order, message)),
            Some(reliable) => drop(self.host.handle_call(self.at_host, reliable, message)),
        }
        self.host.update(Instant::from_millis(2), |_, _| ());
    }
}

fn mutate(message: &mut Vec<u8>, flips: &[usize], cut: Option<usize>) {
    for flip in flips {
        if !message.is_empty() {
            let bit = flip % (message.len() * 8);
            message[bit / 8] ^= 1 << (bit % 8);
        }
    }
    if let Some(cut) = cut {
        message.truncate(cut % (message.len() + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn noise_never_panics_and_creates_little(models in any::<bool>(), messages in prop::collection::vec((any::<Option<bool>>(), prop::collection::vec(any::<u8>(), 0..200)), 1..8)) {
        let mut pair = Pair::with(if models { Coder::Entropy } else { Coder::Packed });
        let before = pair.host.len();
        for (reliable, message) in &messages {
            pair.deliver(*reliable, message);
        }
        let bits: usize = messages.iter().map(|(_, m)| m.len() * 8).sum();
        prop_assert!(pair.host.len() <= before + bits / 3, "a replica costs at least three bits, and nearly always a byte");
        pair.host.prepare();
    }

    #[test]
    fn damaged_messages_never_panic(
        models in any::<bool>(), changes in prop::collection::vec((any::<u32>(), ".{0,30}", any::<i16>()), 1..5),
        flips in prop::collection::vec(any::<usize>(), 1..6), cut in any::<Option<usize>>(), which in any::<u8>(),
    ) {
        let mut pair = Pair::with(if models { Coder::Entropy } else { Coder::Packed });
        let ids: Vec<_> = pair.client.ids().filter(|id| id.creator == MemberId(2)).collect();
        for (energy, label, level) in changes {
            let mut mover = pair.client.primary_mut::<Mover>(ids[0]).unwrap();
            mover.energy = energy;
            mover.label = label;
            pair.client.primary_mut::<Gauge>(ids[0]).unwrap().level = level;
            pair.client.primary_mut::<Journal>(ids[1]).unwrap().rpcs().note(energy).unwrap();
            if which % 3 == 0 {
                pair.client.add(Gauge { level, ..Gauge::default() }).unwrap();
            }
            for (reliable, mut message) in pair.messages() {
                mutate(&mut message, &flips, cut);
                pair.deliver(reliable, &message);
            }
        }
        pair.host.prepare();
        let mut bytes = Vec::new();
        while pair.host.marshal(pair.at_host, 1_000, &mut bytes).is_some() {}
        let _ = pair.host.digest();
    }

    #[test]
    fn whole_truncated_prefixes_never_panic(models in any::<bool>(), energy in any::<u32>(), label in ".{0,60}") {
        let mut pair = Pair::with(if models { Coder::Entropy } else { Coder::Packed });
        let id = pair.client.ids().find(|id| id.creator == MemberId(2)).unwrap();
        let mut mover = pair.client.primary_mut::<Mover>(id).unwrap();
        mover.energy = energy;
        mover.label = label;
        for (reliable, message) in pair.messages() {
            for cut in 0..message.len() {
                pair.deliver(reliable, &message[..cut]);
            }
        }
    }
}

/// Writes a state message by hand: tick, no common baseline, then whatever `records` writes.
fn state(tick: u64, records: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
    let mut w = BitWriter::new();
    w.bits(tick, 32);
    w.gamma(1);
    records(&mut w);
    w.finish().to_vec()
}

/// A record that creates a `gauge` (class 0) with all defaults.
fn create(w: &mut BitWriter, creator: u32, serial: u32, owner: u32) {
    w.bits(0b000, 3);
    w.gamma(creator);
    w.gamma(serial);
    w.bits(0b100, 3);
    w.gamma(owner);
    w.bool(true); // Assigned to its owner.
    w.bool(false);
    w.gamma(1); // Its first owner.
    w.gamma(1); // One chunk,
    w.gamma(1); // of class 0,
    w.bits(0, 2); // both datasets as they are by default.
}

#[test]
fn what_is_not_its_own_is_a_fault() {
    let mut pair = Pair::new();
    let before = pair.host.digest();
    for message in [
        state(9, |w| create(w, 3, 1, 2)),
        state(9, |w| create(w, 2, 77, 3)),
        state(9, |w| create(w, 1, 1, 1)),
        state(9, |w| create(w, 1, 1, 2)),
        // Destroys the host's first replica.
        state(9, |w| {
            w.bits(0b000, 3);
            w.gamma(1);
            w.gamma(1);
            w.bits(0b1000, 4);
            w.bool(false);
            w.gamma(1);
        }),
    ] {
        pair.order += 1;
        assert!(pair.host.handle_state(pair.at_host, pair.order, &message).is_err());
        pair.host.update(Instant::from_millis(3), |_, _| ());
    }
    pair.host.prepare();
    assert_eq!(pair.host.digest(), before);
}

#[test]
fn a_record_written_by_hand_is_understood() {
    let mut pair = Pair::new();
    pair.order += 1;
    let message = state(9, |w| create(w, 2, 77, 2));
    assert!(pair.host.handle_state(pair.at_host, pair.order, &message).is_ok());
    let id = ReplicaId { creator: MemberId(2), serial: 77 };
    assert_eq!(pair.host.get::<Gauge>(id).map(|g| g.level), Ok(0));
}

#[test]
fn floods_end_at_a_limit() {
    use gridmate_runtime::limits;
    // Calls on replicas that never come: held up to a number, then a fault.
    let mut pair = Pair::new();
    let mut call = BitWriter::new();
    for bits in [2, 4_000_000_000] {
        call.gamma(bits);
    }
    call.gamma(1);
    call.bits(0, 8);
    call.bool(true);
    call.gamma(2);
    call.gamma(1);
    call.bool(false); // Waits for nothing,
    call.bool(false); // for every proxy.
    let bytes = call.finish().to_vec();
    for _ in 0..=limits::HELD_RPCS {
        pair.host.handle_call(pair.at_host, true, &bytes).unwrap();
    }
    let mut faults = 0;
    pair.host.update(Instant::from_millis(3), |_, _| faults += 1);
    assert_eq!(faults, 1);
    // Calls by the megabyte within one tick.
    let mut pair = Pair::new();
    let mut large = bytes;
    large.resize(8 << 10, 0);
    let refused = (0..10_000).find(|_| pair.host.handle_call(pair.at_host, true, &large).is_err());
    assert_eq!(refused, Some(limits::ARRIVED_RPC_BYTES >> 13));
}
