//! Voice and messages from members, and from hosts, that write them by hand: forged, malformed, or far too many.

use core::time::Duration;
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelConfig, ChannelId, ChannelKind, ConnectionId, DisconnectReason, Endpoint,
};
use gridmate_runtime::driver::MemoryDriver;
use gridmate_runtime::prelude::*;
use gridmate_runtime::{Rng, limits};
use gridmate_tests::chunks::registry;

const VOICE: ChannelId = ChannelId(4);
const UNRELIABLE: ChannelId = ChannelId(5);
const ORDERED: ChannelId = ChannelId(6);
const BULK: ChannelId = ChannelId(7);
/// There are no more.
const BEYOND: ChannelId = ChannelId(8);

/// One end of a connection, as somebody would write it who has read the description of the wire.
struct Raw {
    endpoint: Endpoint,
    driver: MemoryDriver,
    connection: Option<ConnectionId>,
    /// Of a host: what it tells its joiners.
    welcome: Vec<u8>,
    heard: Vec<(ChannelId, Vec<u8>)>,
    ended: Option<DisconnectReason>,
}

impl Raw {
    fn new(network: &MemoryNetwork) -> Self {
        use ChannelKind::{ReliableOrdered, ReliableUnordered, Unreliable, UnreliableSequenced};
        let mut config = CarrierConfig::new(registry().fingerprint());
        let own = [ReliableOrdered, ReliableOrdered, UnreliableSequenced, Unreliable];
        let user = [Unreliable, Unreliable, ReliableOrdered, ReliableUnordered, Unreliable];
        let large = |kind: ChannelKind| ChannelConfig {
            max_message: limits::MESSAGE_BYTES,
            queue_bytes: usize::MAX >> 1,
            ..kind.into()
        };
        config.channels = own.into_iter().chain(user).map(large).collect();
        let driver = network.bind_any().unwrap();
        let endpoint = Endpoint::new(config, 7);
        Self { endpoint, driver, connection: None, welcome: Vec::new(), heard: Vec::new(), ended: None }
    }

    fn join(network: &MemoryNetwork, now: Instant, host: SocketAddr) -> Self {
        let mut raw = Self::new(network);
        raw.endpoint.connect(now, host, b"\x03raw\0").unwrap();
        raw
    }

    fn tick(&mut self, now: Instant) {
        let Self { endpoint, driver, .. } = self;
        driver.receive(now, &mut |from, datagram| endpoint.handle_datagram(now, from, datagram)).unwrap();
        endpoint.handle_timeout(now);
        while let Some(event) = endpoint.poll_event() {
            match event {
                CarrierEvent::Incoming { connection, .. } => endpoint.accept(now, connection, &self.welcome).unwrap(),
                CarrierEvent::Connected { connection, welcome } => {
                    self.connection = Some(connection);
                    if !welcome.is_empty() {
                        self.welcome = welcome;
                    }
                }
                CarrierEvent::Message { channel, bytes, .. } => self.heard.push((channel, bytes)),
                CarrierEvent::Disconnected { reason, .. } => self.ended = Some(reason),
                _ => {}
            }
        }
        let mut out = Vec::new();
        while let Some(to) = endpoint.poll_transmit(now, &mut out) {
            driver.send(now, to, &out).unwrap();
        }
        driver.flush(now).unwrap();
    }

    fn say(&mut self, channel: ChannelId, message: &[u8]) {
        let _ = self.endpoint.send(self.connection.expect("connected"), channel, message, None);
    }

    /// Who it is, by its welcome.
    fn member(&self) -> MemberId {
        MemberId(u32::from_le_bytes(self.welcome[..4].try_into().unwrap()))
    }
}

/// A host, an honest client, and a raw one that has joined.
struct Session {
    now: Instant,
    host: Node,
    client: Node,
    raw: Raw,
    network: MemoryNetwork,
    /// Messages that programs were given: at the host, and at the client.
    heard: [Vec<(MemberId, UserChannel, Vec<u8>)>; 2],
    /// Whether the host's program polls.
    polls: bool,
}

impl Session {
    fn new() -> Self {
        let network = MemoryNetwork::new();
        let now = Instant::from_millis(1_000);
        let host = Node::host(network.bind_any().unwrap(), NodeConfig::new(registry()).seed(1)).unwrap();
        let address = host.local_addr();
        let client = Node::join(network.bind_any().unwrap(), address, NodeConfig::new(registry()).seed(2)).unwrap();
        let raw = Raw::join(&network, now, address);
        let mut session = Self { now, host, client, raw, network, heard: [Vec::new(), Vec::new()], polls: true };
        session.ticks(30);
        assert_eq!(session.client.members().count(), 3);
        session
    }

    fn ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.now += Duration::from_millis(10);
            self.host.tick(self.now).unwrap();
            self.client.tick(self.now).unwrap();
            self.raw.tick(self.now);
            for (node, heard) in [&mut self.host, &mut self.client].into_iter().zip(&mut self.heard) {
                while let Some(event) = if node.is_host() && !self.polls { None } else { node.poll_event() } {
                    if let NodeEvent::Message { from, channel, bytes } = event {
                        heard.push((from, channel, bytes));
                    }
                }
            }
        }
    }
}

/// Reads a number off the end of a message, as the description says.
fn number(message: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut shift, mut rest) = (0, 0, message);
    loop {
        let (byte, before) = rest.split_last()?;
        number |= u64::from(byte & 0x7F) << shift;
        (shift, rest) = (shift + 7, before);
        if byte & 0x80 == 0 {
            return (shift <= 35 && (*byte != 0 || shift == 7)).then_some((number, rest));
        }
        if shift == 35 {
            return None;
        }
    }
}

#[test]
fn nobody_speaks_in_the_name_of_another() {
    let mut session = Session::new();
    let (me, client) = (session.raw.member(), session.client.local_member());
    // What a host would write to say that it is from the host, or from the client, before the address.
    for forged in [&[1][..], &[u8::try_from(client.0).unwrap()], &[0], &[0x80], &[1, 0, 0, 0]] {
        for (to, at) in [(client, 1), (MemberId::HOST, 0), (MemberId::NONE, 1)] {
            for channel in [VOICE, UNRELIABLE, ORDERED, BULK] {
                let message = [b"it is me", forged, &[u8::try_from(to.0 << 1).unwrap()]].concat();
                session.raw.say(channel, &message);
                session.ticks(4);
                let heard: Vec<_> = session.heard[at].drain(..).collect();
                let [(from, _, bytes)] = &heard[..] else { panic!("{heard:?}") };
                assert_eq!((*from, &bytes[..]), (me, &message[..message.len() - 1]));
                session.heard.iter_mut().for_each(Vec::clear);
            }
        }
    }
    assert_eq!(session.raw.ended, None);
}

#[test]
fn what_is_not_a_message_costs_its_sender_the_connection_and_nobody_else() {
    let own = |session: &Session| vec![u8::try_from(session.raw.member().0 << 1).unwrap()];
    let host = 1 << 1;
    let cases: Vec<(ChannelId, Vec<u8>)> = vec![
        (ORDERED, vec![]),
        (ORDERED, vec![0x80, 0x80]), // the number goes on before the message begins
        (VOICE, vec![7, 0, 0x82]),   // a second form of the same number
        (BULK, vec![7, 1, 0x80, 0x80, 0x80, 0x80, 0x80]), // no member has such a number
        (UNRELIABLE, vec![7, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF]),
        (ORDERED, vec![7, 7, 7, 7, 7, 0b1]), // everyone, with a receipt
        (ORDERED, vec![7, 7, 7, 7, 7, host | 1]),
        (ORDERED, vec![7, 7, 7, 0b101]), // a receipt by a name that is not whole
        (VOICE, [vec![7; limits::VOICE_BYTES + 1], vec![host]].concat()),
        (UNRELIABLE, [vec![7; limits::UNRELIABLE_MESSAGE_BYTES + 1], vec![host]].concat()),
        (ORDERED, [vec![7; limits::ORDERED_MESSAGE_BYTES + 1], vec![host]].concat()),
    ];
    for (channel, message) in cases {
        let mut session = Session::new();
        session.raw.say(channel, &message);
        session.ticks(100);
        assert_eq!(
            session.raw.ended,
            Some(DisconnectReason::ProtocolError),
            "{channel} {:?}",
            &message[..message.len().min(9)]
        );
        assert!(session.heard.iter().all(Vec::is_empty));
        assert_eq!((session.host.members().count(), session.client.members().count()), (2, 2));
    }
    let mut session = Session::new();
    let itself = own(&session);
    session.raw.say(ORDERED, &itself);
    session.ticks(10);
    assert_eq!(session.raw.ended, Some(DisconnectReason::ProtocolError));
    // More than its channel takes at all.
    let mut session = Session::new();
    session.raw.say(ORDERED, &vec![host; limits::ORDERED_MESSAGE_BYTES + limits::ADDRESS_BYTES + 1]);
    session.ticks(100);
    assert_eq!(session.raw.ended, Some(DisconnectReason::Overflow));
}

#[test]
fn a_channel_that_there_is_not_is_not_heard() {
    let mut session = Session::new();
    let before = session.host.stats().endpoint.dropped.malformed;
    session.raw.say(BEYOND, &[7, 2]);
    session.ticks(20);
    assert!(session.host.stats().endpoint.dropped.malformed > before);
    assert!(session.heard.iter().all(Vec::is_empty));
    session.raw.say(ORDERED, &[7, 2]);
    session.ticks(20);
    assert_eq!(session.heard[0].len(), 1, "everything else goes on");
}

#[test]
fn any_bytes_are_a_message_of_their_sender_or_its_end() {
    let (mut rng, mut ended) = (Rng::new(11), 0);
    for _ in 0..40 {
        let mut session = Session::new();
        let me = session.raw.member();
        for _ in 0..60 {
            let len = usize::try_from(rng.below(12)).unwrap();
            let bytes: Vec<u8> =
                (0..len).map(|_| rng.next_u64().to_le_bytes()[0] & if rng.chance(0.8) { 0x0F } else { 0xFF }).collect();
            let channel = [VOICE, UNRELIABLE, ORDERED, BULK][usize::try_from(rng.below(4)).unwrap()];
            session.raw.say(channel, &bytes);
            session.ticks(3);
            for (from, _, heard) in session.heard.iter_mut().flat_map(|heard| heard.drain(..)) {
                let (address, rest) = number(&bytes).expect("an address");
                assert!(
                    from == me && bytes.starts_with(&heard) && rest.starts_with(&heard),
                    "{address} {bytes:?} {heard:?}"
                );
            }
            // On the channel of calls it hears that it has all there is.
            for (channel, report) in session.raw.heard.drain(..).filter(|(channel, _)| channel.0 > 1) {
                assert_eq!((channel, report.last()), (ORDERED, Some(&0)), "only reports come back");
                assert!(report.len() <= 7);
            }
            if session.raw.ended.is_some() {
                ended += 1;
                break;
            }
        }
        assert_eq!(session.client.members().count(), if session.raw.ended.is_some() { 2 } else { 3 });
    }
    assert!(ended > 20, "{ended}");
}

/// A program that does not poll is not filled: whoever does it loses the connection, and nobody else.
#[test]
fn who_floods_a_program_that_does_not_poll_loses_only_itself() {
    let mut session = Session::new();
    session.polls = false;
    let megabyte = [vec![7; 1 << 20], vec![2]].concat();
    let address = session.host.local_addr();
    for round in 1..=3_u32 {
        while session.raw.ended.is_none() {
            for _ in 0..4 {
                session.raw.say(BULK, &megabyte);
            }
            for n in 0..4_u8 {
                session.raw.say(UNRELIABLE, &[n, 2]);
            }
            session.ticks(1);
            let waiting = session.host.stats().messages.waiting;
            assert!(waiting <= 2 * limits::INBOX_BYTES, "round {round}: {waiting}");
        }
        assert_eq!(session.raw.ended, Some(DisconnectReason::Overflow), "round {round}");
        session.raw = Raw::join(&session.network, session.now, address);
        session.ticks(30);
    }
    assert_eq!((session.host.members().count(), session.client.members().count()), (3, 3));
    // The honest one is heard after all.
    session.client.send(MemberId::HOST, UserChannel::Ordered, b"still here").unwrap();
    session.ticks(10);
    session.polls = true;
    session.ticks(10);
    assert!(session.heard[0].iter().any(|(.., bytes)| bytes == b"still here"));
    assert_eq!(session.host.stats().messages.waiting, 0);
}

/// What one client has passed on without a promise is limited in bytes a second, copies counted.
#[test]
fn a_host_passes_on_so_much_and_no_more() {
    let mut session = Session::new();
    let everyone = [vec![7; 16_000], vec![0]].concat();
    let before = session.now;
    for _ in 0..200 {
        (0..20).for_each(|_| session.raw.say(UNRELIABLE, &everyone));
        session.ticks(1);
    }
    let seconds = session.now.saturating_since(before).as_secs_f64();
    let stats = session.host.stats().messages;
    let most = limits::RELAYED_BURST_BYTES as f64 + limits::RELAYED_BYTES_PER_SECOND as f64 * seconds;
    assert!(stats.relayed_bytes as f64 <= most, "{} of {most}", stats.relayed_bytes);
    assert!(stats.relayed > 100 && stats.dropped > 100, "{stats:?}");
    assert_eq!(session.raw.ended, None);
}

/// However many a client wants it to hold a copy for, a host holds so many bytes for one client.
#[test]
fn a_host_holds_so_much_for_one_sender() {
    let network = MemoryNetwork::new();
    let mut now = Instant::from_millis(1_000);
    let mut host = Node::host(network.bind_any().unwrap(), NodeConfig::new(registry()).seed(1)).unwrap();
    let join = |seed| {
        let config = NodeConfig::new(registry()).seed(seed);
        Node::join(network.bind_any().unwrap(), host.local_addr(), config).unwrap()
    };
    let mut clients: Vec<_> = (2..6).map(join).collect();
    let (mut heard, mut undelivered, mut sent) = (0, 0, false);
    for _ in 0..4_000 {
        now += Duration::from_millis(10);
        if !sent && clients[0].members().count() == 5 {
            clients[0].broadcast(UserChannel::Bulk, &vec![7; 40 << 20]).unwrap();
            sent = true;
        }
        host.tick(now).unwrap();
        for client in &mut clients {
            client.tick(now).unwrap();
            while let Some(event) = client.poll_event() {
                heard += u32::from(matches!(event, NodeEvent::Message { .. }));
                undelivered += u32::from(matches!(event, NodeEvent::Undelivered { channel: UserChannel::Bulk, .. }));
            }
        }
        while host.poll_event().is_some() {}
        let queued: usize = host.peers().map(|peer| peer.channels.user(UserChannel::Bulk).queued).sum();
        assert!(queued <= limits::RELAYED_BYTES + limits::MESSAGE_OVERHEAD * 4);
        if heard + undelivered == 3 {
            break;
        }
    }
    assert_eq!((heard, undelivered), (2, 1), "three copies of 40 MiB are more than it holds");
}

/// A client's host that makes things up.
#[test]
fn what_a_host_makes_up_ends_its_connection() {
    let run = |messages: &[(ChannelId, Vec<u8>)], ticks: u32| {
        let network = MemoryNetwork::new();
        let mut now = Instant::from_millis(1_000);
        let mut raw = Raw::new(&network);
        raw.welcome = [7_u32.to_le_bytes().as_slice(), &9_u64.to_le_bytes()].concat();
        let config = NodeConfig::new(registry()).seed(2);
        let mut client = Node::join(network.bind_any().unwrap(), raw.driver.local_addr(), config).unwrap();
        let (mut said, mut events) = (false, Vec::new());
        for _ in 0..ticks {
            now += Duration::from_millis(10);
            client.tick(now).unwrap();
            raw.tick(now);
            if raw.connection.is_some() && !core::mem::replace(&mut said, true) {
                // That the host is here, and member 3.
                raw.say(ChannelId(0), &[1, 1, 0, 0, 0, 0]);
                raw.say(ChannelId(0), &[1, 3, 0, 0, 0, 0]);
                messages.iter().for_each(|(channel, message)| raw.say(*channel, message));
            }
            events.extend(core::iter::from_fn(|| client.poll_event()));
        }
        (raw.ended, events)
    };
    for (channel, message) in [
        (ORDERED, vec![]),
        (ORDERED, vec![5, 7]),                            // from the client itself
        (ORDERED, vec![5, 0x10, 0x80, 0x80, 0x80, 0x80]), // from nobody there can be
        (ORDERED, vec![5, 0]),                            // half a report
        (ORDERED, vec![2, 4, 3, 0, 0, 0, 0]),             // voice was not promised to anyone
        (ORDERED, vec![2, 6, 0, 0, 0, 0, 0]),             // undelivered to nobody
        (BULK, vec![1, 5, 0, 0, 0, 0]),                   // a report where there are none
        (VOICE, [vec![7; limits::VOICE_BYTES + 1], vec![3]].concat()),
    ] {
        let (ended, events) = run(&[(channel, message.clone())], 100);
        assert_eq!(ended, Some(DisconnectReason::ProtocolError), "{channel} {message:?}");
        assert!(!events.iter().any(|event| matches!(event, NodeEvent::Message { .. })));
    }
    // Receipts of what was never sent, and voices of nobody, are nothing; what is right is heard.
    let fine = vec![
        (ORDERED, vec![1, 9, 9, 9, 9, 0]),
        (VOICE, vec![7, 99]),
        (ORDERED, vec![5, 3]),
        (ORDERED, vec![6, 1]),
        (ORDERED, vec![2, 6, 3, 0, 0, 0, 0]),
    ];
    let (ended, events) = run(&fine, 100);
    assert_eq!(ended, None);
    let channel = UserChannel::Ordered;
    let wanted = [
        NodeEvent::Message { from: MemberId(3), channel, bytes: vec![5] },
        NodeEvent::Message { from: MemberId::HOST, channel, bytes: vec![6] },
        NodeEvent::Undelivered { to: MemberId(3), channel },
    ];
    let heard: Vec<_> = events.into_iter().filter(|event| !matches!(event, NodeEvent::Session(_))).collect();
    assert_eq!(heard, wanted);
    // Messages of members that never join are held up to a limit.
    let stranger = [vec![7; 1 << 20], vec![99]].concat();
    let flood: Vec<_> = (0..limits::INBOX_BYTES >> 20).map(|_| (BULK, stranger.clone())).collect();
    assert_eq!(run(&flood, 2_000).0, Some(DisconnectReason::Overflow));
}
