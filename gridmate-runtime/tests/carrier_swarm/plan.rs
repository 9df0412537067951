//! What a seed draws: who there is, how bad the network is, and what goes wrong when.

use core::time::Duration;

use gridmate_runtime::carrier::{CarrierConfig, ChannelPriority, CongestionConfig};
use gridmate_runtime::sim::{BurstLoss, LinkConfig};
use gridmate_runtime::{Instant, Rng};

use crate::carrier_support::config;

/// When a world begins.
pub const START: Instant = Instant::from_millis(1_000);

/// A peer that connects to the host, or the host itself (node 0).
#[derive(Clone, Debug)]
pub struct NodePlan {
    pub config: CarrierConfig,
    pub drift_ppm: i32,
    pub offset: Duration,
    pub tick: Duration,
    /// Its driver wakes it up for every datagram and deadline, not just for ticks.
    pub eager: bool,
    /// Messages a tick, mean.
    pub rate: f64,
    /// Share of them that ask for a receipt, and of packets with unreliable messages that it rejects.
    pub asks: f64,
    pub rejects: f64,
    /// It sends state only while the carrier says that it is worth it.
    pub polite: bool,
    pub follows: bool,
    /// Most of its unreliable messages take several datagrams.
    pub bulky: bool,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The peer's address becomes another one, or one it had before.
    Rebind(usize),
    /// A node loses its memory and begins its next life at the same address.
    Crash(usize),
    /// A peer leaves and comes again.
    Leave(usize),
    /// The host throws a peer out, which comes again.
    Kick(usize),
    /// A peer's links take nothing, in one direction or both, for a while.
    Dark { peer: usize, up: bool, down: bool, span: Duration },
    /// The longest datagram that passes becomes another one.
    Mtu(Option<usize>),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub first_number: u64,
    pub nodes: Vec<NodePlan>,
    /// Towards the host and back, while there is trouble.
    pub up: LinkConfig,
    pub down: LinkConfig,
    pub faults: Vec<(Instant, Fault)>,
    pub trouble_ends: Instant,
    /// Hellos from nowhere before anybody comes.
    pub flood: usize,
    /// Datagrams a stranger makes up or plays back, each tick of its own, mean.
    pub stranger: f64,
    /// Share of all datagrams that somebody on the path also sends on from elsewhere.
    pub thief: f64,
    /// Share of joiners that the host refuses at first, and of those that have to wait.
    pub refuses: f64,
    pub defers: f64,
}

impl Plan {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED_0001);
        let rng = &mut rng;
        let peers = 1 + usize::from(rng.chance(0.5));
        let trouble = Duration::from_millis(1_200 + rng.below(2_800));
        let (harsh, first_number) = (rng.chance(0.15), first_number(rng));
        let mtu = rng.chance(0.3).then(|| 1_200 + up_to(rng, 300));
        let [up, down] = [(); 2].map(|()| link(rng, harsh, mtu));
        let nodes = (0..=peers).map(|node| NodePlan::draw(rng, node, first_number)).collect();
        let mut plan = Self {
            first_number,
            nodes,
            up,
            down,
            faults: Vec::new(),
            trouble_ends: START + trouble,
            flood: if rng.chance(0.3) { 1 + up_to(rng, 40) } else { 0 },
            stranger: if rng.chance(0.4) { rng.unit() * 3.0 } else { 0.0 },
            thief: if rng.chance(0.2) { rng.unit() * 0.1 } else { 0.0 },
            refuses: if rng.chance(0.2) { 0.3 } else { 0.0 },
            defers: if rng.chance(0.2) { 0.5 } else { 0.0 },
        };
        let kinds: Vec<_> = [0.6, 0.25, 0.2, 0.15, 0.4, 0.15].map(|share| rng.chance(share)).to_vec();
        for (kind, _) in kinds.iter().enumerate().filter(|(_, enabled)| **enabled) {
            for _ in 0..=rng.below(if kind == 0 { 4 } else { 2 }) {
                let at = START + Duration::from_micros(rng.below(u64::try_from(trouble.as_micros()).unwrap()));
                plan.faults.push((at, plan.fault(rng, kind)));
            }
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    fn fault(&self, rng: &mut Rng, kind: usize) -> Fault {
        let peer = 1 + up_to(rng, self.nodes.len() as u64 - 1);
        match kind {
            0 => Fault::Rebind(peer),
            1 => Fault::Crash(if rng.chance(0.3) { 0 } else { peer }),
            2 => Fault::Leave(peer),
            3 => Fault::Kick(peer),
            4 => {
                let (up, down) = [(true, true), (true, false), (false, true)][up_to(rng, 3)];
                Fault::Dark { peer, up, down, span: Duration::from_millis(50 + rng.below(1_500)) }
            }
            _ => Fault::Mtu(rng.chance(0.7).then(|| 1_200 + up_to(rng, 300))),
        }
    }
}

impl NodePlan {
    fn draw(rng: &mut Rng, node: usize, first_number: u64) -> Self {
        let mut config = config();
        config.first_number = first_number;
        config.congestion = match rng.below(10) {
            0..5 => CongestionConfig::Adaptive,
            5..7 => CongestionConfig::Cubic,
            7 => CongestionConfig::Fixed { bytes_per_second: 200_000 + rng.below(1_000_000) },
            _ => CongestionConfig::Unlimited,
        };
        config.ack_delay = Duration::from_millis(rng.below(51));
        config.pending_timeout = Duration::from_secs(3);
        config.unreliable_age = Duration::from_millis(50 + rng.below(400));
        if rng.chance(0.5) {
            config.max_connections = 8 + up_to(rng, 100);
        }
        if rng.chance(0.3) {
            config.max_datagram = 1_200 + up_to(rng, 301);
        }
        let short = rng.chance(0.3);
        for channel in &mut config.channels {
            channel.priority = [ChannelPriority::High, ChannelPriority::Normal, ChannelPriority::Normal][up_to(rng, 3)];
            channel.weight = 1 + u8::try_from(rng.below(4)).unwrap();
            if short && channel.kind.is_reliable() {
                channel.queue_bytes = 6_000 + up_to(rng, 20_000);
            }
        }
        Self {
            config,
            drift_ppm: i32::try_from(rng.below(1_001)).unwrap() - 500,
            // The host's clock is ahead of the others', so that none of them is before its origin.
            offset: Duration::from_micros(rng.below(7_200_000_000) + if node == 0 { 7_200_000_000 } else { 0 }),
            tick: Duration::from_millis(5 + rng.below(36)),
            eager: rng.chance(0.3),
            rate: if rng.chance(0.15) { 10.0 } else { 0.2 + rng.unit() * 2.8 },
            asks: rng.unit(),
            rejects: if rng.chance(0.15) { 0.05 } else { 0.0 },
            polite: rng.chance(0.5),
            follows: node > 0 && rng.chance(0.8),
            bulky: rng.chance(0.15),
        }
    }
}

/// One direction. `harsh`: everything at its worst.
fn link(rng: &mut Rng, harsh: bool, mtu: Option<usize>) -> LinkConfig {
    let mut upto = |most: f64, share: f64| {
        let value = rng.unit() * most;
        if harsh {
            most
        } else if rng.chance(share) {
            value
        } else {
            0.0
        }
    };
    let link = LinkConfig {
        loss: upto(0.3, 0.7),
        duplicate: upto(0.5, 0.5),
        reorder: upto(0.3, 0.5),
        corrupt: upto(0.01, 0.5),
        truncate: upto(0.002, 0.2),
        extend: upto(0.002, 0.2),
        empty: upto(0.002, 0.2),
        ..LinkConfig::perfect()
    };
    let slow = rng.chance(0.2);
    LinkConfig {
        burst: if rng.chance(0.2) { BurstLoss::bursts_of(2.0 + rng.unit() * 8.0, 0.05) } else { BurstLoss::NEVER },
        latency: Duration::from_micros(1_000 + rng.below(60_000)),
        jitter: Duration::from_micros(rng.below(10_000)),
        reorder_delay: Duration::from_micros(1 + rng.below(100_000)),
        corrupt_bits: 1 + u8::try_from(rng.below(8)).unwrap(),
        bytes_per_second: slow.then(|| 64_000 + rng.below(400_000)),
        ecn: rng.chance(0.5),
        mtu,
        ..link
    }
}

/// Where numbers start: often shortly before one of the widths that travel ends.
fn first_number(rng: &mut Rng) -> u64 {
    let bits = [0, 0, 8, 16, 24, 32, 48][up_to(rng, 7)];
    if bits == 0 { 0 } else { (1 << bits) - 1 - rng.below(100) }
}

pub fn up_to(rng: &mut Rng, bound: u64) -> usize {
    usize::try_from(rng.below(bound)).unwrap()
}
