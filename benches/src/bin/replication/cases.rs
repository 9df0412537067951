//! The cases, and who takes part in each.

use std::time::Duration;

use gridmate_benches::report::Case;
use gridmate_runtime::carrier::CongestionConfig;

use crate::floor::Floor;
use crate::gridmate::{Exact, Gridmate, Quantised};
use crate::measure::{self, Effort, Entrant, Size};
use crate::memory;
use crate::model::{Body, Motion};
use crate::naia::Naia;
use crate::replicon::Replicon;
use crate::rig::Rig;
use crate::show;

/// Of one case, what it does.
enum Kind {
    Active(Size),
    OneOfThree(Size),
    Quantised(Size),
    Idle(Size),
    Join(usize),
    Memory(Size),
    Show(usize),
    /// Active, with the host on one thread and on two.
    Parallel(Size),
}

const fn size(entities: usize, clients: usize) -> Size {
    Size { entities, clients }
}

const CASES: [(&str, Kind); 17] = [
    ("active_R100_N4", Kind::Active(size(100, 4))),
    ("active_R1000_N1", Kind::Active(size(1_000, 1))),
    ("active_R1000_N4", Kind::Active(size(1_000, 4))),
    ("active_R1000_N16", Kind::Active(size(1_000, 16))),
    ("active_R10000_N4", Kind::Active(size(10_000, 4))),
    ("active_R10000_N64", Kind::Active(size(10_000, 64))),
    ("one_of_three_R1000_N16", Kind::OneOfThree(size(1_000, 16))),
    ("quantised_R1000_N16", Kind::Quantised(size(1_000, 16))),
    ("idle_R100_N16", Kind::Idle(size(100, 16))),
    ("idle_R10000_N16", Kind::Idle(size(10_000, 16))),
    ("join_R10000", Kind::Join(10_000)),
    ("memory_R100000_N100", Kind::Memory(size(100_000, 100))),
    ("memory_R1000_N16", Kind::Memory(size(1_000, 16))),
    ("show_R1000", Kind::Show(1_000)),
    ("parallel_R1000_N4", Kind::Parallel(size(1_000, 4))),
    ("parallel_R10000_N4", Kind::Parallel(size(10_000, 4))),
    ("parallel_R2000_N4", Kind::Parallel(size(2_000, 4))),
];

fn gridmate(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Gridmate::<Exact>::in_memory(bodies, clients, CongestionConfig::Unlimited))
}

fn gridmate_udp(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Gridmate::<Exact>::over_udp(bodies, clients, CongestionConfig::Unlimited))
}

fn gridmate_paced(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Gridmate::<Exact>::in_memory(bodies, clients, CongestionConfig::Adaptive))
}

fn gridmate_threads2(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Gridmate::<Exact>::on_threads(2, bodies, clients, CongestionConfig::Unlimited))
}

fn gridmate_quantised(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Gridmate::<Quantised>::in_memory(bodies, clients, CongestionConfig::Unlimited))
}

fn replicon(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Replicon::new(bodies, clients))
}

fn naia(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Naia::new(bodies, clients))
}

fn floor(bodies: &[Body], clients: usize) -> Box<dyn Rig> {
    Box::new(Floor::new(bodies, clients))
}

const fn entrant(lib: &'static str, motion: Motion, make: fn(&[Body], usize) -> Box<dyn Rig>) -> Entrant {
    Entrant { lib, motion, make }
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Runs what is `wanted`, by case and by library.
pub fn run(effort: Effort, wanted: impl Fn(&str) -> bool, lib: impl Fn(&str) -> bool, mut done: impl FnMut(Case)) {
    for (name, kind) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let mut entrants = entrants(kind);
        entrants.retain(|entrant| lib(entrant.lib));
        let case = match *kind {
            Kind::Memory(size) if lib("gridmate") => memory::measure(name, size.entities, size.clients),
            Kind::Show(replicas) if lib("gridmate") => show::measure(name, replicas, effort),
            _ if entrants.is_empty() => continue,
            Kind::Active(size) | Kind::OneOfThree(size) | Kind::Quantised(size) | Kind::Parallel(size) => {
                measure::active(name, size, &entrants, effort)
            }
            Kind::Idle(size) => measure::idle(name, size, &entrants, effort),
            Kind::Join(entities) => measure::join(name, entities, &entrants, Effort { turn: Duration::ZERO, ..effort }),
            Kind::Memory(_) | Kind::Show(_) => continue,
        };
        done(case);
    }
}

/// Entities up to which naia takes part: its time grows faster than their number, and ten times as many are minutes.
const NAIA: usize = 100;

fn entrants(kind: &Kind) -> Vec<Entrant> {
    use Motion::{OneOfThree, Random, Smooth};
    let mut entrants = match kind {
        Kind::Active(_) => vec![
            entrant("gridmate", Smooth, gridmate),
            entrant("gridmate", Random, gridmate),
            entrant("gridmate_udp", Smooth, gridmate_udp),
            entrant("bevy_replicon", Smooth, replicon),
            entrant("floor", Smooth, floor),
            entrant("floor", Random, floor),
        ],
        Kind::OneOfThree(_) => {
            vec![
                entrant("gridmate", OneOfThree, gridmate),
                entrant("bevy_replicon", OneOfThree, replicon),
                entrant("floor", OneOfThree, floor),
            ]
        }
        Kind::Quantised(_) => {
            vec![entrant("gridmate", Smooth, gridmate_quantised), entrant("gridmate", Random, gridmate_quantised)]
        }
        Kind::Idle(_) => vec![
            entrant("gridmate", Smooth, gridmate),
            entrant("gridmate_udp", Smooth, gridmate_udp),
            entrant("bevy_replicon", Smooth, replicon),
        ],
        Kind::Join(_) => vec![
            entrant("gridmate", Smooth, gridmate),
            entrant("gridmate_paced", Smooth, gridmate_paced),
            entrant("bevy_replicon", Smooth, replicon),
        ],
        Kind::Parallel(_) => {
            vec![entrant("gridmate", Smooth, gridmate), entrant("gridmate_threads2", Smooth, gridmate_threads2)]
        }
        Kind::Memory(_) | Kind::Show(_) => Vec::new(),
    };
    if let Kind::Active(size) | Kind::Idle(size) = kind
        && size.entities <= NAIA
    {
        entrants.push(entrant("naia", Smooth, naia));
    }
    entrants
}
