//! Hosts that choose whom they let in.
#![cfg(feature = "derive")]

use gridmate_runtime::carrier::Refusal;
use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;

struct Table {
    network: MemoryNetwork,
    registry: Registry,
    nodes: Vec<Node>,
    now: Instant,
}

impl Table {
    /// A host that lets those with the right word in, keeps "bob" waiting and does not want anybody else.
    fn new(max_members: usize) -> Self {
        let (network, registry) = (MemoryNetwork::new(), Registry::builder().build().unwrap());
        let config = NodeConfig::new(registry.clone()).max_members(max_members).admission(|joiner| {
            assert!(joiner.member > MemberId::HOST && joiner.address.ip().is_ipv4());
            match (joiner.name, joiner.credentials) {
                (_, b"xyzzy") => JoinDecision::Accept,
                ("bob" | "bea", b"") => JoinDecision::Pending,
                (name, _) => JoinDecision::Refuse(format!("go away, {name}")),
            }
        });
        let host = Node::host(network.bind_any().unwrap(), config).unwrap();
        Self { network, registry, nodes: vec![host], now: Instant::ZERO }
    }

    fn join(&mut self, name: &str, credentials: &[u8]) -> usize {
        let config = NodeConfig::new(self.registry.clone()).name(name).credentials(credentials);
        let host = self.nodes[0].local_addr();
        self.nodes.push(Node::join(self.network.bind_any().unwrap(), host, config).unwrap());
        self.nodes.len() - 1
    }

    fn ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.now += core::time::Duration::from_millis(16);
            for node in &mut self.nodes {
                node.tick(self.now).unwrap();
            }
        }
    }

    fn events(&mut self, node: usize) -> Vec<SessionEvent> {
        let events = core::iter::from_fn(|| self.nodes[node].poll_event());
        events.filter_map(|event| if let NodeEvent::Session(event) = event { Some(event) } else { None }).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.nodes[0].members().map(|member| member.name.as_str()).collect()
    }
}

fn refused(text: &str) -> [SessionEvent; 1] {
    let error = JoinError::Refused(Refusal::denied(4, text));
    [SessionEvent::JoinFailed { error }]
}

#[test]
fn who_has_the_word_comes_in_and_who_has_not_hears_why() {
    let mut table = Table::new(8);
    let (ada, eve) = (table.join("ada", b"xyzzy"), table.join("eve", b"plugh"));
    table.ticks(30);
    assert!(matches!(table.events(ada)[0], SessionEvent::Joined { .. }));
    assert_eq!(table.events(eve), refused("go away, eve"));
    assert_eq!(table.names(), ["", "ada"]);
    assert_eq!(table.events(0).len(), 1, "only of the one who has joined");
}

#[test]
fn who_waits_is_let_in_or_not_as_the_program_says() {
    let mut table = Table::new(8);
    let (bob, bea) = (table.join("bob", b""), table.join("bea", b""));
    table.ticks(500);
    let requests: Vec<(MemberId, String)> = table
        .events(0)
        .into_iter()
        .map(|event| match event {
            SessionEvent::JoinRequested { member, name } => (member, name),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(requests.len(), 2, "each once, and eight seconds later both still wait");
    assert_eq!((table.events(bob), table.events(bea)), (vec![], vec![]));
    for (member, name) in requests {
        let now = table.now;
        if name == "bob" {
            assert!(table.nodes[0].admit(now, member) && !table.nodes[0].admit(now, member));
            assert!(!table.nodes[0].deny(now, member, "too late"));
        } else {
            assert!(table.nodes[0].deny(now, member, "no") && !table.nodes[0].admit(now, member));
        }
    }
    table.ticks(60);
    assert!(matches!(table.events(bob)[0], SessionEvent::Joined { .. }));
    assert_eq!(table.events(bea), refused("no"));
    assert_eq!(table.names(), ["", "bob"]);
    let now = table.now;
    assert!(!table.nodes[bob].admit(now, MemberId(7)) && !table.nodes[0].admit(now, MemberId::HOST));
}

#[test]
fn nobody_waits_for_ever_and_those_who_wait_take_no_place() {
    let mut table = Table::new(2);
    table.join("bob", b"");
    table.ticks(60);
    let [SessionEvent::JoinRequested { member, .. }] = table.events(0)[..] else { panic!() };
    table.join("ada", b"xyzzy");
    table.ticks(2_100);
    assert_eq!(table.names(), ["", "ada"]);
    let now = table.now;
    assert!(!table.nodes[0].admit(now, member), "half a minute has passed");
}

#[test]
fn credentials_are_cut_and_taken_whole() {
    let mut table = Table::new(8);
    let long = [7; 2 * limits::CREDENTIALS_BYTES];
    let mallory = table.join("mallory", &long);
    table.ticks(30);
    assert_eq!(table.events(mallory), refused("go away, mallory"), "the hello was read");
}

mod released {
    use gridmate_runtime::prelude::*;

    #[derive(Default, ReplicaChunk)]
    #[chunk(name = "ship")]
    pub(super) struct Ship {
        pub(super) hull: u8,
    }
}

#[derive(Default, ReplicaChunk)]
#[chunk(name = "ship")]
struct Ship {
    hull: u8,
    shield: u8,
}

#[test]
fn a_joiner_of_another_age_shows_what_it_has_with_its_second_hello() {
    let network = MemoryNetwork::new();
    let old = NodeConfig::new(Registry::builder().chunk::<released::Ship>().build().unwrap()).tolerant();
    let new = NodeConfig::new(Registry::builder().chunk::<Ship>().build().unwrap()).tolerant();
    let policy = |joiner: &JoinRequest<'_>| match joiner.credentials {
        b"xyzzy" => JoinDecision::Accept,
        _ => JoinDecision::Refuse("no".to_owned()),
    };
    let mut host = Node::host(network.bind_any().unwrap(), old.admission(policy)).unwrap();
    let address = host.local_addr();
    for (name, credentials) in [("ada", &b"xyzzy"[..]), ("eve", b"")] {
        let config = new.clone().name(name).credentials(credentials);
        let mut client = Node::join(network.bind_any().unwrap(), address, config).unwrap();
        for frame in 0..40 {
            host.tick(Instant::from_millis(frame * 16)).unwrap();
            client.tick(Instant::from_millis(frame * 16)).unwrap();
        }
        let joined = client.local_member() != MemberId::NONE;
        assert_eq!(joined, !credentials.is_empty(), "{name}");
    }
}
