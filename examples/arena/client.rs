//! A client's role: one ship, a bot at its stick.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use gridmate_runtime::prelude::*;

use crate::bot::{Bot, Target};
use crate::chunks::{Asteroid, Match, Phase, Ship};
use crate::cli::Options;
use crate::report::Voice;
use crate::seat::{Failure, Seat, find_match, ship_of};

/// Plays one match with the host at `address`.
pub(crate) fn run(options: &Options, address: SocketAddr) -> Result<(), Failure> {
    let mut seat = Seat::join(options, address)?;
    let mut client = Client::new(options);
    loop {
        let now = seat.wait();
        for event in seat.tick(now)? {
            if client.handle_event(&event, &seat, address)? == Flow::Done {
                return Ok(());
            }
        }
        if client.act(now, &mut seat)? == Flow::Done {
            return seat.leave(now);
        }
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Done,
}

struct Client<'a> {
    options: &'a Options,
    bot: Bot,
    ship: Option<ReplicaId>,
    phase: Phase,
    /// The digest seen last, since when, and whether the host was told.
    digest: (u64, Instant, bool),
    reported: bool,
    /// Who flies which ship; a ship that is gone can no longer be asked.
    pilots: BTreeMap<ReplicaId, String>,
}

impl<'a> Client<'a> {
    const fn new(options: &'a Options) -> Self {
        let number = match options.reporting {
            Some(number) => number,
            None => 0,
        };
        Self {
            options,
            bot: Bot::new(options.seed.wrapping_mul(1_000).wrapping_add(number)),
            ship: None,
            phase: Phase::Gathering,
            digest: (0, Instant::ZERO, false),
            reported: false,
            pilots: BTreeMap::new(),
        }
    }

    fn handle_event(&mut self, event: &NodeEvent, seat: &Seat, host: SocketAddr) -> Result<Flow, Failure> {
        match event {
            NodeEvent::Session(SessionEvent::Joined { local }) if matches!(seat.voice, Voice::Human) => {
                seat.voice.note(format_args!("joined {host} as {local}"));
            }
            NodeEvent::Session(SessionEvent::JoinFailed { error }) => {
                return Err(format!("cannot join {host}: {error}").into());
            }
            // The host is the last to leave: its going is no loss to those who have reported.
            NodeEvent::Session(SessionEvent::HostLost { .. }) if self.reported => return Ok(Flow::Done),
            NodeEvent::Session(SessionEvent::HostLost { reason }) => {
                return Err(format!("host lost: {reason}").into());
            }
            NodeEvent::Replica(ReplicaEvent::Added { id, .. }) => {
                if let Ok(ship) = seat.node.replicas_ref().get::<Ship>(*id) {
                    self.pilots.insert(*id, ship.pilot.clone());
                }
            }
            NodeEvent::Replica(ReplicaEvent::Removed { id }) => {
                if let Some(pilot) = self.pilots.remove(id)
                    && self.phase != Phase::Over
                    && matches!(seat.voice, Voice::Human)
                {
                    seat.voice.note(format_args!("the ship of {pilot} is gone"));
                }
            }
            _ => {}
        }
        Ok(Flow::On)
    }

    /// What a client does between ticks.
    fn act(&mut self, now: Instant, seat: &mut Seat) -> Result<Flow, Failure> {
        let Some((game, phase)) = find_match(seat.node.replicas_ref()) else { return Ok(Flow::On) };
        if phase != self.phase && matches!(seat.voice, Voice::Human) {
            seat.voice.note(format_args!("the match is {}", format!("{phase:?}").to_lowercase()));
        }
        self.phase = phase;
        match phase {
            Phase::Gathering | Phase::Playing => {
                if let Some(ship) = self.ship {
                    if phase == Phase::Playing {
                        self.fly(ship, seat.node.replicas())?;
                    }
                } else {
                    let name = seat.node.member(seat.node.local_member()).map_or("", |member| &member.name);
                    let ship = Ship::new(name, self.bot.rng());
                    self.ship = Some(seat.node.replicas().add(ship)?);
                    seat.node.replicas().proxy::<Match>(game)?.rpcs().ready()?;
                }
            }
            Phase::Frozen => {
                if let Some(ship) = self.ship {
                    seat.node.replicas().primary_mut::<Ship>(ship)?.helm.frozen = true;
                }
                self.settle(now, game, seat.node.replicas())?;
            }
            Phase::Reporting => {
                if !self.reported {
                    self.reported = true;
                    seat.report_digests();
                    let digest = seat.node.replicas_ref().digest();
                    if matches!(seat.voice, Voice::Human) {
                        let replicas = seat.node.replicas_ref().len();
                        seat.voice.note(format_args!("digest {digest:016x} of {replicas} replicas"));
                    }
                    seat.node.replicas().proxy::<Match>(game)?.rpcs().reported(digest)?;
                }
            }
            Phase::Over => return Ok(Flow::Done),
        }
        Ok(Flow::On)
    }

    /// One tick of play: steer, shoot, own up to having been wrecked.
    fn fly(&mut self, own: ReplicaId, replicas: &mut ReplicaManager) -> Result<(), Failure> {
        let (stick, target) = self.bot.decide(own, replicas);
        let mut ship = replicas.primary_mut::<Ship>(own)?;
        ship.step(stick, self.options.tick().as_secs_f32(), self.bot.rng());
        let (from, weapon, killer) = (ship.position, ship.weapon, ship.helm.killer.take());
        let mut hit = None;
        if target.is_some() {
            let before = ship.flashes;
            ship.rpcs().fire()?;
            // The ship decides whether it can.
            hit = target.filter(|_| ship.flashes != before);
        }
        match hit {
            Some(Target::Ship(id)) => replicas.proxy::<Ship>(id)?.rpcs().struck(from, weapon)?,
            Some(Target::Asteroid(id)) => replicas.proxy::<Asteroid>(id)?.rpcs().struck(from, weapon)?,
            None => {}
        }
        if let Some(winner) = killer.and_then(|killer| ship_of(replicas, killer)) {
            replicas.proxy::<Ship>(winner)?.rpcs().scored()?;
        }
        Ok(())
    }

    /// Tells the host what this node holds, once that has not changed for a while; again if it changes after all.
    fn settle(&mut self, now: Instant, game: ReplicaId, replicas: &mut ReplicaManager) -> Result<(), Failure> {
        let quiet = Duration::from_millis(500) + self.options.round_trip();
        let digest = replicas.digest();
        if digest != self.digest.0 {
            self.digest = (digest, now, false);
        }
        if !self.digest.2 && now - self.digest.1 >= quiet {
            replicas.proxy::<Match>(game)?.rpcs().settled(digest)?;
            self.digest.2 = true;
        }
        Ok(())
    }
}
