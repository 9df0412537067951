//! What it takes to show a client's replicas: the values between two that arrived, of all of them, once for each picture.
//!
//! A host and a client without a carrier, in time that is counted. Bodies move in every tick; between two ticks four pictures are
//! drawn, a tenth of a second late. Only drawing is measured: one copy of each replica's chunk, and its position and health worked out.

use core::time::Duration;
use std::hint::black_box;

use cpu_time::ThreadTime;
use glam::Vec3;
use gridmate_benches::report::{Case, Row};
use gridmate_runtime::chunk::{Extrapolate, Hermite};
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerRole, Verdict};

use crate::measure::Effort;
use crate::model::{Body, Motion, Truth};

/// Bytes of a state message.
const MESSAGE: usize = 1_180;

const TICK: Duration = Duration::from_micros(16_667);
const DELAY: Duration = Duration::from_millis(100);

/// Pictures in a tick.
const FRAMES: u32 = 4;

/// Ticks of a round, and before the first: a second, in which the pace of the host is found out.
const TICKS: u32 = 60;

/// A body that is shown in some way.
trait Shown: ReplicaChunk + Clone {
    fn set(&mut self, body: &Body);
}

macro_rules! shown {
    ($chunk:ident, $by:expr $(, $mark:meta)?) => {
        #[derive(Clone, Default, ReplicaChunk)]
        struct $chunk {
            #[dataset(interpolate = $by)]
            health: f32,
            #[dataset(interpolate = $by)]
            position: Vec3,
            $(#[$mark])?
            alive: bool,
        }

        impl Shown for $chunk {
            fn set(&mut self, body: &Body) {
                (self.health, self.position, self.alive) = (body.health, body.position.into(), body.alive);
            }
        }
    };
}
shown!(Straight, Linear);
shown!(Marked, Linear, dataset(breaks));
shown!(Curved, Hermite);
shown!(Guessed, Extrapolate(Linear, 12));

pub fn measure(name: &'static str, replicas: usize, effort: Effort) -> Case {
    let rows = vec![
        of::<Straight>("linear", replicas, effort),
        of::<Marked>("linear_with_breaks", replicas, effort),
        of::<Curved>("hermite", replicas, effort),
        of::<Guessed>("extrapolate", replicas, effort),
    ];
    Case { name, rows }
}

fn of<T: Shown>(lib: &'static str, replicas: usize, effort: Effort) -> Row {
    let registry = Registry::builder().chunk::<T>().build().expect("one chunk type");
    let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
    client.set_local_member(MemberId(2));
    let there = host.add_peer(MemberId(2), PeerRole::Client);
    let back = client.add_peer(MemberId::HOST, PeerRole::Host);
    let mut truth = Truth::new(replicas, Motion::Smooth);
    let ids: Vec<_> = truth.bodies.iter().map(|_| host.add(T::default()).expect("room")).collect();
    let (mut message, mut receipts) = (Vec::new(), Vec::new());
    let (mut order, mut now) = (0, Instant::from_millis(1_000));
    let mut row = Row::new(lib);
    for round in 0..=effort.rounds {
        let mut spent = Duration::ZERO;
        for _ in 0..TICKS {
            now += TICK;
            truth.step();
            for (id, body) in ids.iter().zip(&truth.bodies) {
                host.primary_mut::<T>(*id).expect("a primary").set(body);
            }
            host.prepare();
            while let Some(state) = host.marshal(there, MESSAGE, &mut message) {
                order += 1;
                let verdict = client.handle_state(back, order, &message).expect("a correct peer");
                receipts.push((state.token, verdict == Verdict::Accepted));
            }
            receipts.drain(..).for_each(|(token, accepted)| host.handle_receipt(there, token, accepted));
            client.update(now, |_, fault| panic!("{fault}"));
            let start = ThreadTime::now();
            for frame in 0..FRAMES {
                let display = client.display(now + TICK * frame / FRAMES, DELAY);
                for id in &ids {
                    black_box(display.get::<T>(*id).expect("it is there"));
                }
            }
            spent += start.elapsed();
        }
        if round > 0 {
            row.push("show_ns_per_replica", spent.as_nanos() as f64 / f64::from(TICKS * FRAMES) / replicas as f64);
        }
    }
    row
}
