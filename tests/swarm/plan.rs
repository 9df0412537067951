//! What a seed draws: who there is, how bad the network is, how busy everybody is, and what goes wrong when.

use core::time::Duration;

use gridmate_runtime::Rng;
use gridmate_runtime::replica::StateRate;
use gridmate_runtime::schema::Coder;
use gridmate_runtime::sim::{BurstLoss, LinkConfig};

/// Something that goes wrong, or merely happens, to a client: the one with this number among those that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Join,
    Leave(usize),
    Crash(usize),
    Kick(usize),
    /// What it sends, or is sent, or both, is lost for so many ticks.
    Cut {
        client: usize,
        up: bool,
        down: bool,
        ticks: u64,
    },
    /// The host sends it so much state from now on.
    Rate(usize, StateRate),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub coder: Coder,
    pub clients: usize,
    /// Ticks a second, and how often state goes out.
    pub rate: u32,
    pub send_interval: Duration,
    /// State a second for each client.
    pub state_rate: StateRate,
    pub timeout: Duration,
    pub link: LinkConfig,
    /// How far apart clocks are, and how fast they go.
    pub offsets: bool,
    /// How long there is trouble, ticks.
    pub storm: u64,
    /// By tick of the storm, in order.
    pub faults: Vec<(u64, Fault)>,
    /// Replicas a node has at most.
    pub crowd: usize,
    /// Chances, for each node and tick: that it adds, destroys, calls, hides, assigns or suspends something, and tries what it
    /// may not.
    pub adds: f64,
    pub destroys: f64,
    pub calls: f64,
    pub hides: f64,
    pub assigns: f64,
    pub suspends: f64,
    pub trespasses: f64,
    /// That it wants a replica to be somebody else's.
    pub transfers: f64,
    /// The same for each replica: that it is written into.
    pub writes: f64,
}

impl Plan {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED_0002);
        let rng = &mut rng;
        let storm = 30 + rng.below(60);
        let mild = rng.chance(0.4);
        let sometimes = |rng: &mut Rng, share: f64, most: f64| if rng.chance(share) { rng.unit() * most } else { 0.0 };
        let mut plan = Self {
            coder: if rng.chance(0.3) { Coder::Entropy } else { Coder::Packed },
            clients: 1 + up_to(rng, 5),
            rate: 20 + u32::try_from(rng.below(11)).unwrap(),
            send_interval: Duration::from_millis([0, 0, 0, 60, 100][up_to(rng, 5)]),
            state_rate: if rng.chance(0.4) { some_rate(rng) } else { StateRate::UNLIMITED },
            timeout: Duration::from_millis(1_200 + rng.below(800)),
            link: link(rng, mild),
            offsets: rng.chance(0.3),
            storm,
            faults: Vec::new(),
            crowd: 1 + up_to(rng, 5),
            adds: 0.02 + sometimes(rng, 0.7, 0.15),
            destroys: sometimes(rng, 0.7, 0.08),
            calls: sometimes(rng, 0.9, 0.8),
            hides: sometimes(rng, 0.7, 0.3),
            assigns: sometimes(rng, 0.5, 0.1),
            suspends: sometimes(rng, 0.3, 0.1),
            trespasses: sometimes(rng, 0.3, 0.1),
            transfers: 0.0,
            writes: 0.05 + rng.unit() * 0.6,
        };
        // A session has some kinds of faults and not others: some mistakes show only where something else does not happen.
        let kinds = [0.5, 0.25, 0.25, 0.1, if mild { 0.0 } else { 0.5 }, 0.2].map(|share| rng.chance(share));
        for (kind, _) in kinds.iter().enumerate().filter(|(_, enabled)| **enabled) {
            for _ in 0..=rng.below(if kind == 0 { 3 } else { 2 }) {
                let tick = rng.below(storm);
                plan.faults.push((tick, fault(rng, kind)));
            }
        }
        plan.transfers = sometimes(rng, 0.6, 0.25);
        plan.faults.sort_by_key(|(tick, _)| *tick);
        plan
    }

    /// The network is so good that nobody may be behind for long.
    pub fn is_mild(&self) -> bool {
        let LinkConfig { loss, burst, .. } = self.link;
        let cut = |(_, fault): &(u64, Fault)| matches!(fault, Fault::Cut { .. });
        loss <= 0.1 && burst == BurstLoss::NEVER && !self.faults.iter().any(cut)
    }
}

fn fault(rng: &mut Rng, kind: usize) -> Fault {
    let client = up_to(rng, 8);
    match kind {
        0 => Fault::Join,
        1 => Fault::Leave(client),
        2 => Fault::Crash(client),
        3 => Fault::Kick(client),
        4 => {
            let (up, down) = [(true, true), (true, false), (false, true)][up_to(rng, 3)];
            Fault::Cut { client, up, down, ticks: 3 + rng.below(60) }
        }
        _ => Fault::Rate(client, some_rate(rng)),
    }
}

fn some_rate(rng: &mut Rng) -> StateRate {
    StateRate::new(3_000 + rng.below(12_000)).burst(Duration::from_millis(150 + rng.below(350)))
}

fn link(rng: &mut Rng, mild: bool) -> LinkConfig {
    let mut some = |most: f64, share: f64| if rng.chance(share) { rng.unit() * most } else { 0.0 };
    let link = LinkConfig {
        loss: some(if mild { 0.1 } else { 0.3 }, 0.8),
        duplicate: some(0.5, 0.5),
        reorder: some(0.3, 0.5),
        corrupt: some(0.01, 0.2),
        truncate: some(0.005, 0.2),
        ..LinkConfig::perfect()
    };
    LinkConfig {
        burst: if !mild && rng.chance(0.2) {
            BurstLoss::bursts_of(2.0 + rng.unit() * 6.0, 0.05)
        } else {
            BurstLoss::NEVER
        },
        latency: Duration::from_micros(1_000 + rng.below(70_000)),
        jitter: Duration::from_micros(rng.below(15_000)),
        reorder_delay: Duration::from_micros(1 + rng.below(120_000)),
        bytes_per_second: rng.chance(0.1).then(|| 30_000 + rng.below(100_000)),
        ..link
    }
}

pub fn up_to(rng: &mut Rng, bound: u64) -> usize {
    usize::try_from(rng.below(bound)).unwrap()
}
