//! Packets that make connections, and some that do not: to an endpoint that knows nobody, connects, is asked, has let somebody in
//! or talks to somebody.
//!
//! Whatever strangers say, an endpoint sends them no more than they sent, remembers nothing of an address that has not proven
//! itself, and lets an honest joiner in afterwards.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use gridmate_runtime::carrier::{
    CarrierConfig, CarrierEvent, ChannelId, ConnectionId, DisconnectReason, Endpoint, Refusal,
};
use gridmate_runtime::{Instant, limits};

use super::hostile::cause;
use super::packets::{
    self, ACCEPTED, CHALLENGE, Context, DATA, HELLO, Hello, Key, PENDING, REFUSED, VERSION, WIDE, address, put_low,
    put_name,
};
use super::script::Script;

/// More would only take longer.
const STEPS: usize = 64;

const SCHEMA: u64 = 1;
const VICTIM: u8 = 1;
const HONEST: u8 = 2;

/// Addresses that packets come from.
const STRANGERS: u8 = 4;

/// Few, so that none of them may be lost.
const CONNECTIONS: usize = 5;

/// How long a cookie is good for.
const COOKIE_AGE: Duration = Duration::from_secs(4);

/// Longer than any timeout.
const FORGOTTEN: u64 = 3_000;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let mut scene = Scene::new();
    for _ in 0..STEPS {
        if script.is_empty() {
            break;
        }
        let from = script.byte() % STRANGERS;
        let packet = match script.pick(12) {
            0..=2 => scene.hello(from, &mut script),
            3 | 4 => scene.answer(from, &mut script),
            5 | 6 => scene.proof(from, &mut script),
            7 => anything(&mut script),
            8 | 9 => {
                scene.program(from, &mut script);
                continue;
            }
            10 => scene.last.clone(),
            _ => {
                scene.tick([0, 5, 100, 600, 1_100, 5_000][script.pick(6)]);
                continue;
            }
        };
        scene.offer(from, packet, &mut script);
    }
    scene.still_works();
}

/// Bytes that claim to be of a handshake.
fn anything(script: &mut Script<'_>) -> Vec<u8> {
    let (kind, sealed) = (HELLO + script.byte() % 8, script.byte().is_multiple_of(2));
    let mut packet = vec![kind, 0, 0, 0, 0];
    packet.extend_from_slice(script.bytes());
    if sealed {
        Key::handshake().seal(None, &mut packet);
    }
    packet
}

fn stranger(n: u8) -> SocketAddr {
    address(10 + n)
}

struct Scene {
    now: Instant,
    victim: Endpoint,
    /// By address and nonce: the cookies given out, and when.
    cookies: BTreeMap<(SocketAddr, u64), ([u8; 20], Instant)>,
    /// Nonces of hellos that got the program's attention, of our own hellos, and what was accepted: the two nonces and the
    /// victim's name.
    heard: BTreeSet<(SocketAddr, u64)>,
    said: Vec<(SocketAddr, u64)>,
    accepted: Vec<(SocketAddr, u64, u64, (u8, u16))>,
    /// What the program has to decide on.
    waiting: Vec<ConnectionId>,
    /// Those the program may hear of again, and whether they are established.
    known: BTreeMap<ConnectionId, bool>,
    /// Bytes that came from an address and went there, until a connection with it was established.
    came: BTreeMap<SocketAddr, usize>,
    went: BTreeMap<SocketAddr, usize>,
    proven: BTreeSet<SocketAddr>,
    last: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        Self {
            now: Instant::from_millis(5_000),
            victim: Endpoint::new(config(), 3),
            cookies: BTreeMap::new(),
            heard: BTreeSet::new(),
            said: Vec::new(),
            accepted: Vec::new(),
            waiting: Vec::new(),
            known: BTreeMap::new(),
            came: BTreeMap::new(),
            went: BTreeMap::new(),
            proven: BTreeSet::new(),
            last: Vec::new(),
        }
    }

    /// A hello that is right or wrong in some way.
    fn hello(&self, from: u8, script: &mut Script<'_>) -> Vec<u8> {
        let (shape, nonce) = (script.byte(), u64::from(script.byte() % 4));
        let known = self.cookies.get(&(stranger(from), nonce)).map(|(cookie, _)| *cookie);
        let others = self.cookies.values().next_back().map(|(cookie, _)| *cookie);
        let cookie = match shape & 7 {
            0 => None,
            1 => others,
            2 => {
                let mut cookie = known.unwrap_or_default();
                cookie[usize::from(script.byte() % 20)] ^= 1;
                Some(cookie)
            }
            3 => Some([script.byte(); 20]),
            _ => known,
        };
        let mut hello = Hello {
            version: VERSION,
            schema: SCHEMA,
            nonce,
            id: (2, nonce.to_le_bytes()[0].into()),
            cookie: cookie.unwrap_or_default(),
            text: b"stranger",
        };
        match shape >> 3 & 7 {
            0 => hello.version = script.word(),
            1 => hello.schema = script.word().into(),
            2 => hello.id = (script.byte() % 4, script.word()),
            3 => hello.text = script.bytes(),
            _ => {}
        }
        hello.packet()
    }

    /// An answer to a hello that the victim has said, or to none.
    fn answer(&self, from: u8, script: &mut Script<'_>) -> Vec<u8> {
        let (kind, shape) = (ACCEPTED + script.byte() % 6, script.byte());
        let mine = self.said.iter().rev().find(|(to, _)| *to == stranger(from)).map(|(_, nonce)| *nonce);
        let nonce = mine.unwrap_or(0) ^ u64::from(shape & 7 == 0);
        match kind {
            ACCEPTED => {
                let id = if shape & 8 == 0 { (1, 9) } else { (script.byte() % 4, script.word()) };
                packets::accepted(nonce, 7, id, script.bytes())
            }
            REFUSED => packets::answer(REFUSED, nonce, &[&[script.byte() % 6][..], script.bytes()].concat()),
            CHALLENGE if shape & 8 == 0 => packets::answer(CHALLENGE, nonce, &[shape; 20]),
            PENDING if shape & 8 == 0 => packets::answer(PENDING, nonce, &[]),
            _ => packets::answer(kind, nonce, script.bytes()),
        }
    }

    /// The first packet of a connection, which proves that the answer came; or its last.
    fn proof(&self, from: u8, script: &mut Script<'_>) -> Vec<u8> {
        let shape = script.byte();
        let mut mine = self.accepted.iter().rev().filter(|(to, ..)| *to == stranger(from) || shape & 7 == 0);
        let (_, joiner, acceptor, name) = mine.next().copied().unwrap_or_else(|| (stranger(from), 0, 0, (1, 0)));
        let key = Key::of(joiner, acceptor, shape & 0x18 == 0x18);
        if shape & 0x60 == 0x60 {
            return packets::goodbye(name, key, script.byte() % 11);
        }
        let number = u64::from(if shape & 0x80 == 0 { 0 } else { script.byte() });
        let mut packet = vec![DATA | WIDE | 7 << 3, 0, 0, 0, 0];
        put_name(&mut packet, name);
        put_low(&mut packet, number, 2);
        key.seal(Some(Context { number, ..Context::default() }), &mut packet);
        packet
    }

    /// The victim's program does something.
    fn program(&mut self, to: u8, script: &mut Script<'_>) {
        let one = self.waiting.get(usize::from(script.byte()) % self.waiting.len().max(1)).copied();
        match (script.pick(7), one) {
            (0 | 1, Some(one)) => {
                self.victim.accept(self.now, one, b"welcome").expect("it waits");
                self.waiting.retain(|waiting| *waiting != one);
            }
            (2, Some(one)) => self.victim.defer(self.now, one),
            (3, Some(one)) => {
                self.victim.refuse(self.now, one, Refusal::denied(script.byte(), "no"));
                self.known.remove(&one);
                self.waiting.retain(|waiting| *waiting != one);
            }
            (4 | 5, _) => {
                if let Ok(connection) = self.victim.connect(self.now, stranger(to), b"hello") {
                    self.known.insert(connection, false);
                }
            }
            (6, _) => {
                let Some(one) = self.known.keys().nth(script.pick(CONNECTIONS)).copied() else { return };
                self.victim.disconnect(self.now, one, DisconnectReason::Leave);
            }
            _ => {}
        }
        self.after();
    }

    /// Something comes from a stranger.
    fn offer(&mut self, from: u8, mut packet: Vec<u8>, script: &mut Script<'_>) {
        let spoilt = script.byte();
        if spoilt >= 0xF0 {
            let bit = usize::from(script.word()) % (packet.len().max(1) * 8);
            if let Some(byte) = packet.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        } else if spoilt >= 0xE0 {
            packet.truncate(usize::from(script.word()) % (packet.len() + 1));
        } else if spoilt >= 0xD8 {
            let place = packet.len().checked_sub(1 + usize::from(script.byte()));
            if let Some(byte) = place.and_then(|place| packet.get_mut(place)) {
                *byte = script.byte();
            }
            Key::handshake().seal(None, &mut packet);
        }
        let from = stranger(from);
        let nonce = packets::nonce(&packet).filter(|_| packet.first() == Some(&HELLO));
        let proves = |nonce: &u64| {
            let good = self.cookies.get(&(from, *nonce)).filter(|(_, at)| self.now.saturating_since(*at) <= COOKIE_AGE);
            good.is_some_and(|(cookie, _)| packet.get(packets::PREFIX + 25..packets::PREFIX + 45) == Some(cookie))
        };
        let (proven, deadline) = (nonce.filter(proves), self.victim.poll_timeout());
        let before = self.victim.endpoint_stats();
        *self.came.entry(from).or_default() += packet.len();
        self.victim.handle_datagram(self.now, from, &packet);
        let dropped = cause(&before.dropped, &self.victim.endpoint_stats().dropped);
        if let Some(nonce) = nonce
            && proven.is_none()
            && !self.heard.contains(&(from, nonce))
        {
            assert_eq!(self.victim.poll_timeout(), deadline, "nothing is remembered: {dropped:?}");
        }
        while let Some(event) = self.victim.poll_event() {
            if let CarrierEvent::Incoming { connection, address, .. } = &event {
                let nonce = proven.expect("it has shown our cookie");
                assert!(dropped.is_none() && *address == from);
                self.heard.insert((from, nonce));
                self.waiting.push(*connection);
                self.known.insert(*connection, false);
            } else {
                self.hear(event);
            }
        }
        self.last = packet;
        self.after();
    }

    fn hear(&mut self, event: CarrierEvent) {
        match event {
            CarrierEvent::Connected { connection, .. } => {
                let before = self.known.insert(connection, true);
                assert_eq!(before, Some(false), "{connection} was begun and not established");
                self.proven.extend(self.victim.address(connection));
            }
            CarrierEvent::Refused { connection, .. } => {
                assert_eq!(self.known.remove(&connection), Some(false), "{connection} was begun and not established");
            }
            CarrierEvent::Disconnected { connection, .. } => {
                assert!(self.known.remove(&connection).is_some(), "{connection} ended before");
                self.waiting.retain(|waiting| *waiting != connection);
            }
            event => panic!("{event:?}: nothing was said"),
        }
    }

    /// Sends what there is to send, and learns from it what a stranger would.
    fn after(&mut self) {
        while let Some(event) = self.victim.poll_event() {
            self.hear(event);
        }
        let mut out = Vec::new();
        while let Some(to) = self.victim.poll_transmit(self.now, &mut out) {
            assert!(out.len() <= limits::DATAGRAM_BYTES_MAX);
            let nonce = packets::nonce(&out);
            match (out[0], nonce) {
                (HELLO, Some(nonce)) => {
                    assert!(Key::handshake().opens(None, &out));
                    self.said.push((to, nonce));
                    continue;
                }
                (CHALLENGE, Some(nonce)) => {
                    let cookie = packets::cookie(&out).expect("a cookie");
                    self.cookies.insert((to, nonce), (cookie, self.now));
                }
                (ACCEPTED, Some(nonce)) => {
                    let (acceptor, name) = (packets::acceptor(&out), packets::name(&out));
                    self.accepted.push((to, nonce, acceptor.expect("a nonce"), name.expect("a name")));
                }
                _ => {}
            }
            // Where the peer of a connection may have gone to gets a little more.
            let most = if out[0] < DATA { 1 } else { 3 };
            let went = self.went.entry(to).or_default();
            *went += out.len();
            let came = self.came.get(&to).copied().unwrap_or(0);
            assert!(*went <= most * came || self.proven.contains(&to), "{went} bytes to {to} for {came}");
        }
        assert!(self.known.len() <= CONNECTIONS, "{:?}", self.known);
    }

    fn tick(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.victim.handle_timeout(self.now);
        self.after();
    }

    /// When all of that is forgotten, there is room for as many honest joiners as ever.
    fn still_works(mut self) {
        (0..FORGOTTEN / 100).for_each(|_| self.tick(100));
        assert!(self.known.is_empty() && self.victim.poll_timeout().is_none(), "all is forgotten: {:?}", self.known);
        let mut honest: Vec<_> = (0..).map(|n| Endpoint::new(config(), 100 + n)).take(CONNECTIONS).collect();
        let at: Vec<_> = (0..).map(|n| address(HONEST + 50 + n)).take(CONNECTIONS).collect();
        for joiner in &mut honest {
            joiner.connect(self.now, address(VICTIM), b"honest").expect("room");
        }
        let (mut out, mut heard) = (Vec::new(), 0);
        for _ in 0..10 {
            self.now += Duration::from_millis(20);
            for (joiner, at) in honest.iter_mut().zip(&at) {
                joiner.handle_timeout(self.now);
                while let Some(event) = joiner.poll_event() {
                    let CarrierEvent::Connected { connection, welcome } = event else { panic!("{event:?}") };
                    assert_eq!(welcome, b"welcome");
                    joiner.send(connection, ChannelId(0), b"thanks", None).expect("room");
                }
                while joiner.poll_transmit(self.now, &mut out).is_some() {
                    self.victim.handle_datagram(self.now, *at, &out);
                }
            }
            self.victim.handle_timeout(self.now);
            while let Some(event) = self.victim.poll_event() {
                match event {
                    CarrierEvent::Incoming { connection, .. } => {
                        self.victim.accept(self.now, connection, b"welcome").expect("it waits");
                    }
                    CarrierEvent::Message { bytes, .. } => heard += usize::from(bytes == b"thanks"),
                    CarrierEvent::Connected { .. } => {}
                    event => panic!("{event:?}"),
                }
            }
            while let Some(to) = self.victim.poll_transmit(self.now, &mut out) {
                let joiner = at.iter().position(|at| *at == to).expect("nobody else is spoken to");
                honest[joiner].handle_datagram(self.now, address(VICTIM), &out);
            }
        }
        assert_eq!(heard, CONNECTIONS, "every honest joiner gets in");
    }
}

/// Everything is over soon.
fn config() -> CarrierConfig {
    let mut config = CarrierConfig::new(SCHEMA);
    config.max_connections = CONNECTIONS;
    config.timeout = Duration::from_millis(800);
    config.keep_alive = Duration::from_millis(200);
    config.handshake_timeout = Duration::from_millis(1_000);
    config.pending_timeout = Duration::from_millis(2_000);
    config
}
