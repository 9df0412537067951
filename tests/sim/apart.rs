//! Two sessions in one process: neither knows that there is another.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gridmate_runtime::driver::{Arrival, Driver, DriverError, DriverStats, Ecn, MemoryDriver};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::ReplicaStats;
use gridmate_runtime::{LeaveReason, SessionEvent};

#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(name = "mark", migratable, on_update = Self::on_update)]
struct Mark {
    x: u32,
    #[dataset(on_change = Self::on_step)]
    steps: u32,
    #[dataset(skip)]
    heard: Vec<(MemberId, u32)>,
    #[dataset(skip)]
    updates: u32,
    #[dataset(skip)]
    changes: u32,
}

impl Mark {
    fn on_update(&mut self, _ctx: &LifeContext) {
        self.updates += 1;
    }

    fn on_step(&mut self, _ctx: &TimeContext) {
        self.changes += 1;
    }
}

#[rpcs]
impl Mark {
    #[rpc(rate = 1, burst = 3)]
    fn poke(&mut self, ctx: &RpcContext, number: u32) -> Propagate {
        self.heard.push((ctx.source, number));
        self.steps += 1;
        Propagate::ToProxies
    }

    #[rpc]
    fn bury(&mut self, ctx: &RpcContext, papers: Vec<u8>) {
        self.heard.push((ctx.source, papers.len().try_into().unwrap_or(u32::MAX)));
    }
}

/// When, to whom, what.
type Datagram = (Instant, SocketAddr, Vec<u8>);

/// Notes what is sent.
struct Tap {
    driver: MemoryDriver,
    said: Arc<Mutex<Vec<Datagram>>>,
}

impl Tap {
    fn note(&self, now: Instant, to: SocketAddr, datagram: &[u8]) {
        self.said.lock().unwrap().push((now, to, datagram.to_vec()));
    }
}

impl Driver for Tap {
    fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(SocketAddr, &[u8])) -> Result<(), DriverError> {
        self.driver.receive(now, sink)
    }

    fn receive_marked(&mut self, now: Instant, sink: &mut dyn FnMut(Arrival<'_>)) -> Result<(), DriverError> {
        self.driver.receive_marked(now, sink)
    }

    fn max_datagram(&self) -> usize {
        self.driver.max_datagram()
    }

    fn send(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Result<(), DriverError> {
        self.note(now, to, datagram);
        self.driver.send(now, to, datagram)
    }

    fn send_marked(&mut self, now: Instant, to: SocketAddr, ecn: Ecn, datagram: &[u8]) -> Result<(), DriverError> {
        self.note(now, to, datagram);
        self.driver.send_marked(now, to, ecn, datagram)
    }

    fn flush(&mut self, now: Instant) -> Result<(), DriverError> {
        self.driver.flush(now)
    }

    fn stats(&self) -> DriverStats {
        self.driver.stats()
    }

    fn entropy(&mut self) -> u64 {
        self.driver.entropy()
    }
}

/// All that there is to know of a session.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    said: Vec<Datagram>,
    events: Vec<Vec<NodeEvent>>,
    marks: Vec<Vec<(ReplicaId, Mark)>>,
    stats: Vec<ReplicaStats>,
}

/// A host, two clients and one who comes late.
struct Session {
    nodes: Vec<Node>,
    network: MemoryNetwork,
    number: u8,
    lively: bool,
    said: Arc<Mutex<Vec<Datagram>>>,
    marks: Vec<ReplicaId>,
    trace: Trace,
}

const FRAMES: u64 = 240;

impl Session {
    fn new(network: &MemoryNetwork, number: u8, lively: bool) -> Self {
        let mut session = Self {
            nodes: Vec::new(),
            network: network.clone(),
            number,
            lively,
            said: Arc::default(),
            marks: Vec::new(),
            trace: Trace::default(),
        };
        (0..3).for_each(|_| session.add_node());
        session
    }

    /// The seeds are those of the other session as well.
    fn add_node(&mut self) {
        let registry = Registry::builder().chunk::<Mark>().build().unwrap();
        let at = u8::try_from(self.nodes.len()).unwrap();
        let driver = self.network.bind(([10, 1, self.number, at], 4_000).into()).unwrap();
        let tap = Tap { driver, said: self.said.clone() };
        let config = NodeConfig::new(registry).name(format!("node {at}")).max_members(3).seed(u64::from(at) + 1);
        self.nodes.push(match self.nodes.first() {
            None => Node::host(tap, config).unwrap(),
            Some(host) => Node::join(tap, host.local_addr(), config).unwrap(),
        });
        self.trace.events.push(Vec::new());
    }

    /// What the programs do in a frame. Of the two sessions one changes more, calls too often, floods, and is full.
    fn act(&mut self, frame: u64) {
        let Self { nodes, marks, lively, .. } = self;
        let number = u32::try_from(frame).unwrap();
        match frame {
            30 => marks.extend(nodes.iter_mut().map(|node| node.replicas().add(Mark::default()).unwrap())),
            60 => marks.push(nodes[0].replicas().add(Mark::default()).unwrap()),
            90 if *lively => nodes[0].replicas().destroy(marks[3]).unwrap(),
            100 => nodes[1].replicas().request_ownership(marks[0]).unwrap(),
            130 if !*lively => nodes[0].replicas().destroy(marks[3]).unwrap(),
            _ => {}
        }
        if frame > 60 && frame.is_multiple_of(if *lively { 1 } else { 7 }) {
            for (node, mark) in nodes.iter_mut().zip(&*marks) {
                if let Ok(mut mark) = node.replicas().primary_mut::<Mark>(*mark) {
                    mark.x += 1;
                }
                if let Ok(mut mark) = node.replicas().proxy::<Mark>(marks[2])
                    && (*lively || frame.is_multiple_of(49))
                {
                    let called = mark.rpcs().poke(number);
                    assert!(called.is_ok() || *lively, "{called:?}");
                }
            }
        }
        if *lively && frame == 150 {
            for _ in 0..3_000 {
                let mut mark = nodes[1].replicas().proxy::<Mark>(marks[2]).unwrap();
                mark.rpcs().bury(vec![7; 7_000]).unwrap();
            }
        }
        if *lively && frame == 120 {
            self.add_node(); // There is no place for it.
        }
    }

    fn tick(&mut self, frame: u64) {
        self.act(frame);
        for (node, events) in self.nodes.iter_mut().zip(&mut self.trace.events) {
            node.tick(Instant::from_millis(frame * 33)).unwrap();
            events.extend(std::iter::from_fn(|| node.poll_event()));
        }
    }

    fn end(mut self) -> Trace {
        for node in &mut self.nodes {
            let replicas = node.replicas();
            self.trace.marks.push(replicas.iter::<Mark>().map(|(id, mark)| (id, mark.clone())).collect());
            self.trace.stats.push(replicas.stats());
        }
        self.trace.said = core::mem::take(&mut self.said.lock().unwrap());
        self.trace
    }
}

/// Runs sessions side by side, frame by frame.
fn run(lively: &[bool]) -> Vec<Trace> {
    let network = MemoryNetwork::new();
    let session = |lively: &bool| Session::new(&network, u8::from(*lively), *lively);
    let mut sessions: Vec<_> = lively.iter().map(session).collect();
    for frame in 0..FRAMES {
        sessions.iter_mut().for_each(|session| session.tick(frame));
    }
    sessions.into_iter().map(Session::end).collect()
}

#[test]
fn sessions_in_one_process_do_not_touch_each_other() {
    let alone = [run(&[false]).remove(0), run(&[true]).remove(0)];
    let [quiet, lively] = &alone;

    // All of it happens, and to replicas of the same ids.
    let left = |trace: &Trace| {
        let leaves = |e: &&NodeEvent| matches!(e, NodeEvent::Session(SessionEvent::MemberLeft { .. }));
        trace.events[0].iter().filter(leaves).count()
    };
    assert_eq!((left(quiet), left(lively)), (0, 1));
    let lost = NodeEvent::Session(SessionEvent::HostLost { reason: LeaveReason::Overflow });
    assert!(lively.events[1].contains(&lost), "more than its connection holds");
    assert!(lively.events[3].iter().any(|e| matches!(e, NodeEvent::Session(SessionEvent::JoinFailed { .. }))));
    assert!(lively.stats[0].rpcs_refused > 100 && quiet.stats.iter().all(|stats| stats.rpcs_refused == 0));
    assert!(quiet.marks[2].iter().any(|(_, mark)| mark.heard.len() >= 6), "{:?}", quiet.marks[2]);
    let ids = |trace: &Trace| trace.marks[2].iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert!(ids(quiet).len() == 3 && ids(lively).iter().all(|id| ids(quiet).contains(id)));
    assert!(quiet.said.len() > 200 && lively.said.len() > 500, "{} {}", quiet.said.len(), lively.said.len());

    for order in [[false, true], [true, false]] {
        for (together, lively) in run(&order).iter().zip(order) {
            let alone = &alone[usize::from(lively)];
            assert_eq!(together.events, alone.events, "{order:?}");
            assert_eq!(together.marks, alone.marks, "{order:?}");
            assert_eq!(together.stats, alone.stats, "{order:?}");
            let differs = together.said.iter().zip(&alone.said).position(|(here, there)| here != there);
            assert_eq!(differs, None, "{order:?}");
            assert_eq!(together.said.len(), alone.said.len(), "{order:?}");
        }
    }
}
