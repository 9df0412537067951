//! A place at the table: a node with its socket, its weather and its clock. What host and clients have in common.

use core::time::Duration;
use std::net::SocketAddr;

use gridmate_runtime::prelude::*;
use gridmate_runtime::sim::LinkConfig;

use crate::chunks::{Match, Phase, Ship, registry};
use crate::cli::Options;
use crate::report::{Line, Status, Voice};

/// How often a launcher hears numbers.
const STATUS_EVERY: Duration = Duration::from_millis(250);

/// Ticks after leaving, so that the goodbye gets out, even over a slow link.
const GOODBYE_TICKS: u32 = 5;

/// Any way in which a role ends badly, as a line.
pub(crate) type Failure = Box<dyn std::error::Error>;

pub(crate) struct Seat {
    pub(crate) node: Node,
    pub(crate) voice: Voice,
    ticker: Ticker,
    next_status: Instant,
    goodbye: Duration,
}

impl Seat {
    pub(crate) fn host(options: &Options, address: SocketAddr) -> Result<Self, Failure> {
        let node = Node::host(driver(options, address, 0)?, config(options, "host")?)?;
        Ok(Self::new(options, node))
    }

    pub(crate) fn join(options: &Options, host: SocketAddr) -> Result<Self, Failure> {
        let any = if host.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        // Started by hand, a client has no number: the process id tells it from others.
        let number = options.reporting.unwrap_or_else(|| std::process::id().into());
        let name = format!("bot-{number}");
        let node = Node::join(driver(options, any.parse()?, number)?, host, config(options, &name)?)?;
        Ok(Self::new(options, node))
    }

    fn new(options: &Options, node: Node) -> Self {
        let voice = if options.reporting.is_some() { Voice::Machine } else { Voice::Human };
        let ticker = Ticker::per_second(Clock::start(), options.hz);
        let goodbye = options.tick() * GOODBYE_TICKS + options.latency + options.jitter;
        Self { node, voice, ticker, next_status: Instant::ZERO, goodbye }
    }

    /// Waits for the next tick.
    pub(crate) fn wait(&mut self) -> Instant {
        self.ticker.wait().now
    }

    /// Ticks the node and hands over what happened.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<Vec<NodeEvent>, Failure> {
        self.node.tick(now)?;
        if now >= self.next_status {
            self.next_status = now + STATUS_EVERY;
            self.voice.report(&Line::Status(self.status(now)));
        }
        Ok(core::iter::from_fn(|| self.node.poll_event()).collect())
    }

    /// Ends this node's part and gives the goodbye time to get out.
    pub(crate) fn leave(mut self, now: Instant) -> Result<(), Failure> {
        self.node.leave(now);
        let until = now + self.goodbye;
        loop {
            let now = self.wait();
            self.node.tick(now)?;
            if now >= until {
                return Ok(());
            }
        }
    }

    /// Tells a launcher what this node holds, replica by replica.
    pub(crate) fn report_digests(&self) {
        let replicas = self.node.replicas_ref();
        let parts = replicas.digests();
        for (id, digest) in &parts {
            self.voice.report(&Line::Replica { id: id.to_string(), digest: *digest });
        }
        self.voice.report(&Line::Digest { digest: replicas.digest(), replicas: parts.len() });
    }

    fn status(&self, now: Instant) -> Status {
        let stats = self.node.stats();
        let rtts: Vec<_> = self.node.peers().filter_map(|peer| peer.rtt).collect();
        let mean = rtts.iter().sum::<Duration>() / u32::try_from(rtts.len()).unwrap_or(u32::MAX).max(1);
        Status {
            at: now.as_micros(),
            rtt: u64::try_from(mean.as_micros()).unwrap_or(u64::MAX),
            // What the carrier sends, before any of it is lost on purpose.
            bytes_in: stats.endpoint.received_bytes,
            bytes_out: stats.endpoint.sent_bytes,
            replicas: self.node.replicas_ref().len(),
            rpcs: stats.replicas.rpcs_run,
        }
    }
}

/// The match, if this node has it by now.
pub(crate) fn find_match(replicas: &ReplicaManager) -> Option<(ReplicaId, Phase)> {
    replicas.iter::<Match>().next().map(|(id, game)| (id, game.phase))
}

/// The ship that `member` owns.
pub(crate) fn ship_of(replicas: &ReplicaManager, member: MemberId) -> Option<ReplicaId> {
    replicas.iter::<Ship>().map(|(id, _)| id).find(|id| replicas.info(*id).is_some_and(|info| info.owner == member))
}

fn config(options: &Options, name: &str) -> Result<NodeConfig, Failure> {
    let timeout = options.timeout();
    let members = options.clients + 1;
    Ok(NodeConfig::new(registry()?).name(name).timeout(timeout).keep_alive(timeout / 5).max_members(members))
}

/// UDP, behind bad weather if asked for. Every process has weather of its own.
fn driver(options: &Options, address: SocketAddr, number: u64) -> Result<Box<dyn Driver>, Failure> {
    let udp = UdpDriver::bind(address)?;
    let link =
        LinkConfig { loss: options.loss, latency: options.latency, jitter: options.jitter, ..LinkConfig::perfect() };
    if link == LinkConfig::perfect() {
        return Ok(Box::new(udp));
    }
    let seed = gridmate_runtime::Rng::new(options.seed.wrapping_add(number)).next_u64();
    Ok(Box::new(Conditioned::new(udp, link, seed)?))
}
